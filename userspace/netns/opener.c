/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <msp/cleanup.h>

#include "base/io.h"

/* The only descriptors above stderr there. */
enum {
    CHILD_FD = MSP_FD_CONTROL,
    CHILD_WATCH_FD,
    CHILD_FDS_END
};

/* --- in the new process ------------------------------------------------- */

static void __attribute__((noreturn))
run_child(const struct msp_opener *opener, struct msp_child_open *request,
          pid_t parent, int sock)
{
    int watch_fd = fcntl(opener->watch_fd, F_DUPFD_CLOEXEC, CHILD_FDS_END);
    int fd;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        _exit(1);
    if (sock != CHILD_FD && dup2(sock, CHILD_FD) < 0)
        _exit(1);
    (void)close(CHILD_WATCH_FD);
    if (watch_fd >= 0)
        watch_fd = dup2(watch_fd, CHILD_WATCH_FD);
    if (close_range(CHILD_FDS_END, UINT_MAX, 0) < 0)
        _exit(1);
    fd = opener->fn(request, watch_fd);
    _exit(msp_io_send(CHILD_FD, request, sizeof(*request), fd) < 0);
}

/* --- slots -------------------------------------------------------------- */

static struct msp_opener_slot *free_slot(struct msp_opener *opener)
{
    struct msp_opener_slot *found = NULL;
    int n_running = 0;

    for (int i = 0; i < MSP_OPENER_SLOTS; i++) {
        struct msp_opener_slot *slot = &opener->slot[i];

        if (!slot->pid)
            found = slot;
        else if (slot->reply_fd >= 0)
            n_running++;
    }
    return n_running < MSP_OPENS_MAX ? found : NULL;
}

/* FNV-1a; two paths of one hash only share a wait. */
static uint64_t key_of(const struct msp_child_open *request)
{
    uint64_t key = 0xcbf29ce484222325u ^ request->pid;

    for (const char *c = request->path; *c; c++)
        key = (key ^ (uint8_t)*c) * 0x100000001b3u;
    if (request->flags & MSP_OPEN_BELOW)
        for (const char *c = strchr(request->path, '\0') + 1; *c; c++)
            key = (key ^ (uint8_t)*c) * 0x100000001b3u;
    return key;
}

/* An absolute path that ends before the packet does, or two of them. */
static bool has_paths(const struct msp_child_open *request)
{
    const char *end = request->path + sizeof(request->path);
    const char *at = request->path;

    for (int n = request->flags & MSP_OPEN_BELOW ? 2 : 1; n > 0; n--) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));

        if (!stop || *at != '/')
            return false;
        at = stop + 1;
    }
    return true;
}

/* Whether an earlier request for it never ended. */
static bool is_hanging(const struct msp_opener *opener, uint64_t key)
{
    for (int i = 0; i < MSP_OPENER_SLOTS; i++)
        if (opener->slot[i].is_late && opener->slot[i].key == key)
            return true;
    return false;
}

/* Never leaves a reply out: who is not answered would be asked for ever. */
static int refuse(const struct msp_opener *opener, uint32_t id, int r)
{
    struct msp_child_open reply = {
        .head = {.type = MSP_CHILD_OPEN, .id = id},
        .status = r,
    };

    return msp_io_send(opener->out_fd, &reply, sizeof(reply), -1);
}

/* Its request is answered; whether the process ends is another matter. */
static void end(struct msp_opener_slot *slot)
{
    (void)close(slot->reply_fd);
    slot->reply_fd = -1;
    (void)kill(slot->pid, SIGKILL);
}

static void reap(struct msp_opener_slot *slot)
{
    if (!slot->pid || waitpid(slot->pid, NULL, WNOHANG) != slot->pid)
        return;
    (void)close(slot->pid_fd);
    *slot = (struct msp_opener_slot){.pid_fd = -1, .reply_fd = -1};
}

static int answer(const struct msp_opener *opener, struct msp_opener_slot *slot,
                  uint64_t now_ms)
{
    static struct msp_child_open reply;
    msp_autoclose int fd = -1;
    ssize_t n;

    n = msp_io_recv(slot->reply_fd, &reply, sizeof(reply), &fd);
    if (n == -EAGAIN && now_ms < slot->deadline_ms)
        return 0;
    end(slot);
    if (n == -EAGAIN) {
        slot->is_late = true;
        return refuse(opener, slot->id, -ETIMEDOUT);
    }
    if (n != (ssize_t)sizeof(reply) || reply.head.type != MSP_CHILD_OPEN ||
        reply.head.id != slot->id || (reply.status == 0) != (fd >= 0))
        return refuse(opener, slot->id, -EIO);
    return msp_io_send(opener->out_fd, &reply, sizeof(reply), fd);
}

/* --- the outside -------------------------------------------------------- */

void msp_opener_init(struct msp_opener *opener, int out_fd, msp_opener_fn fn)
{
    *opener = (struct msp_opener){.out_fd = out_fd, .watch_fd = -1, .fn = fn};
    for (int i = 0; i < MSP_OPENER_SLOTS; i++)
        opener->slot[i].pid_fd = opener->slot[i].reply_fd = -1;
}

void msp_opener_set_watch(struct msp_opener *opener, int fd)
{
    msp_closep(&opener->watch_fd);
    opener->watch_fd = fd;
}

/* @return 0; negative errno of what could not be had */
static int spawn(struct msp_opener *opener, struct msp_opener_slot *slot,
                 const struct msp_child_open *request)
{
    static struct msp_child_open copy;
    msp_autoclose int ours = -1;
    msp_autoclose int theirs = -1;
    pid_t parent = getpid();
    int pair[2], pid_fd, r;
    pid_t pid;

    r = msp_io_pair(pair);
    if (r < 0)
        return r;
    ours = pair[0];
    theirs = pair[1];
    copy = *request;
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        run_child(opener, &copy, parent, theirs);
    pid_fd = pidfd_open(pid, 0);
    if (pid_fd < 0) {
        r = -errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r;
    }
    *slot = (struct msp_opener_slot){
        .pid = pid,
        .pid_fd = pid_fd,
        .reply_fd = TAKE_FD(ours),
        .id = request->head.id,
        .key = key_of(request),
    };
    return 0;
}

int msp_opener_start(struct msp_opener *opener,
                     const struct msp_child_open *request, uint64_t now_ms)
{
    struct msp_opener_slot *slot = free_slot(opener);
    const uint32_t known = MSP_OPEN_HASH | MSP_OPEN_WALK | MSP_OPEN_BELOW;
    int r;

    if (request->flags & ~known || !has_paths(request) ||
        (request->flags & MSP_OPEN_BELOW && request->pid))
        return refuse(opener, request->head.id, -EINVAL);
    if (is_hanging(opener, key_of(request)))
        return refuse(opener, request->head.id, -ETIMEDOUT);
    /* fail closed: as many as may hang do hang */
    r = slot ? spawn(opener, slot, request) : -EBUSY;
    if (r < 0)
        return refuse(opener, request->head.id, r);
    slot->deadline_ms =
        now_ms + (request->flags & MSP_OPEN_HASH ? MSP_HASH_MS : MSP_OPEN_MS);
    return 0;
}

int msp_opener_run(struct msp_opener *opener, uint64_t now_ms)
{
    int result = 0;

    for (int i = 0; i < MSP_OPENER_SLOTS; i++) {
        struct msp_opener_slot *slot = &opener->slot[i];
        int r;

        if (slot->reply_fd >= 0) {
            r = answer(opener, slot, now_ms);
            if (r < 0)
                result = r;
        }
        if (slot->reply_fd < 0)
            reap(slot);
    }
    return result;
}

size_t msp_opener_wait(const struct msp_opener *opener, uint64_t now_ms,
                       struct pollfd *ret, int *ret_timeout_ms)
{
    size_t n = 0;

    *ret_timeout_ms = -1;
    for (int i = 0; i < MSP_OPENER_SLOTS; i++) {
        const struct msp_opener_slot *slot = &opener->slot[i];
        int left = 0;

        if (!slot->pid)
            continue;
        if (slot->reply_fd < 0) {
            ret[n++] = (struct pollfd){.fd = slot->pid_fd, .events = POLLIN};
            continue;
        }
        ret[n++] = (struct pollfd){.fd = slot->reply_fd, .events = POLLIN};
        if (slot->deadline_ms > now_ms)
            left = (int)(slot->deadline_ms - now_ms);
        if (*ret_timeout_ms < 0 || left < *ret_timeout_ms)
            *ret_timeout_ms = left;
    }
    return n;
}

void msp_opener_done(struct msp_opener *opener)
{
    for (int i = 0; i < MSP_OPENER_SLOTS; i++) {
        struct msp_opener_slot *slot = &opener->slot[i];

        if (slot->reply_fd >= 0)
            end(slot);
        if (slot->pid_fd >= 0)
            (void)close(slot->pid_fd);
        *slot = (struct msp_opener_slot){.pid_fd = -1, .reply_fd = -1};
    }
    msp_opener_set_watch(opener, -1);
}
