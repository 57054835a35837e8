/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "base/log.h"

enum {
    HIGH_FD = 64,        /* above every target number */
    PACKETS_A_ROUND = 8, /* so that a busy child leaves room for others */
    ALIVE_MS = 30000,    /* lived this long: back-off starts anew */
    PACKETS_WAITING = 8, /* of the largest, on their way from a child */
};

/* As large as the largest of include/msp/child.h; holds keys, so wiped. */
static union {
    struct msp_child_names names;
    struct msp_child_netns netns;
    struct msp_child_open open;
    char log[MSP_CHILD_LOG_BYTES];
} packet_buffer;

static void on_restart(void *data)
{
    struct msp_child *child = data;

    (void)msp_child_start(child);
}

static void program_path(const struct msp_child *child, char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/%s", child->dir, child->name);
}

/*
 * The file that is there now, for all starts: one that an upgrade puts in its
 * place may speak to the next mspd only.
 */
static int hold_program(struct msp_child *child)
{
    char path[PATH_MAX];

    if (child->program_fd >= 0)
        return 0;
    program_path(child, path);
    child->program_fd = open(path, O_PATH | O_CLOEXEC);
    return child->program_fd < 0 ? -errno : 0;
}

void msp_child_init(struct msp_child *child, struct msp_loop *loop)
{
    child->loop = loop;
    child->state = MSP_CHILD_STOPPED;
    child->pid_fd = -1;
    child->control_fd = -1;
    child->program_fd = -1;
    child->backoff_ms = MSP_BACKOFF_FIRST_MS;
    msp_timer_init(loop, &child->timer, on_restart, child);
    (void)hold_program(child); /* if it is not there, the start says so */
}

/* --- in the child ------------------------------------------------------- */

/*
 * Moves fds[0..n) to 3, 4, ..., the last of them being what is executed, which
 * closes it, and closes everything else.
 */
static bool place_fds(int *fds, size_t n)
{
    const int program = MSP_FD_CONTROL + (int)n - 1;

    for (size_t i = 0; i < n; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD, HIGH_FD);
        if (fds[i] < 0)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (dup2(fds[i], MSP_FD_CONTROL + (int)i) < 0)
            return false;
    return fcntl(program, F_SETFD, FD_CLOEXEC) == 0 &&
           close_range((unsigned int)program + 1, UINT_MAX, 0) == 0;
}

static void __attribute__((noreturn))
run_child(const struct msp_child *child, char *const *argv, int *fds, size_t n)
{
    sigset_t none;

    (void)sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) == 0 && place_fds(fds, n) &&
        (!child->drops_user ||
         (setgroups(0, NULL) == 0 &&
          setresgid(child->gid, child->gid, child->gid) == 0 &&
          setresuid(child->uid, child->uid, child->uid) == 0))) {
        char *const empty[] = {NULL};

        (void)execveat(MSP_FD_CONTROL + (int)n - 1, "", argv, empty,
                       AT_EMPTY_PATH);
    }
    _exit(127);
}

/* --- in the daemon ------------------------------------------------------ */

static void close_child(struct msp_child *child)
{
    msp_loop_remove(&child->pid_source);
    msp_loop_remove(&child->control_source);
    msp_closep(&child->pid_fd);
    msp_closep(&child->control_fd);
    child->pid_fd = -1;
    child->control_fd = -1;
    child->pid = 0;
}

static void plan_restart(struct msp_child *child)
{
    if (!child->is_restarted) {
        child->state = MSP_CHILD_STOPPED;
        return;
    }
    child->state = MSP_CHILD_BACKOFF;
    if (msp_io_now_ms() - child->started_ms > ALIVE_MS)
        child->backoff_ms = MSP_BACKOFF_FIRST_MS;
    (void)msp_timer_set(&child->timer, child->backoff_ms);
    child->backoff_ms *= 2;
    if (child->backoff_ms > MSP_BACKOFF_MAX_MS)
        child->backoff_ms = MSP_BACKOFF_MAX_MS;
    child->n_restarts++;
}

static void on_exit_of(void *data, uint32_t events)
{
    struct msp_child *child = data;
    siginfo_t info = {0};
    char text[48];

    (void)events;
    (void)waitid(P_PIDFD, (id_t)child->pid_fd, &info, WEXITED | WNOHANG);
    (void)snprintf(text, sizeof(text), "%s %d",
                   info.si_code == CLD_EXITED ? "exit" : "signal",
                   info.si_status);
    msp_log(MSP_LOG_WARN, "child.gone", "name", child->name, "how", text, NULL);
    close_child(child);
    plan_restart(child);
    child->ops->gone(child->data);
}

static void on_control(void *data, uint32_t events)
{
    struct msp_child *child = data;

    if (events & EPOLLOUT) {
        (void)msp_loop_want(&child->control_source, EPOLLIN);
        child->ops->room(child->data);
    }
    for (int i = 0; i < PACKETS_A_ROUND && child->control_fd >= 0; i++) {
        int fd = -1;
        ssize_t n = msp_io_recv(child->control_fd, &packet_buffer,
                                sizeof(packet_buffer), &fd);
        int r;

        if (n == -EAGAIN)
            return;
        if (n < (ssize_t)sizeof(struct msp_child_head)) {
            /* end of file or a fault; its exit is reported by the pidfd */
            msp_closep(&fd);
            msp_loop_remove(&child->control_source);
            (void)kill(child->pid, SIGKILL);
            return;
        }
        r = child->ops->packet(child->data, &packet_buffer, (size_t)n, fd);
        explicit_bzero(&packet_buffer, (size_t)n);
        if (r < 0) {
            msp_log_errno(MSP_LOG_ERR, "child.protocol", r);
            (void)kill(child->pid, SIGKILL);
            return;
        }
    }
}

/* Parent side of a successful fork. */
static int watch(struct msp_child *child)
{
    int r;

    child->pid_fd = pidfd_open(child->pid, 0);
    if (child->pid_fd < 0)
        return -errno;
    r = msp_loop_add(child->loop, &child->pid_source, child->pid_fd, EPOLLIN,
                     on_exit_of, child);
    if (r < 0)
        return r;
    return msp_loop_add(child->loop, &child->control_source, child->control_fd,
                        EPOLLIN, on_control, child);
}

/*
 * The child's end takes several of its largest packets, as far as the machine's
 * limit lets it; what does not fit is the child's to count.
 */
static int make_pair(int ret_pair[2])
{
    const int bytes = PACKETS_WAITING * MSP_CHILD_LOG_BYTES;
    int r = msp_io_pair(ret_pair);

    if (r == 0)
        (void)setsockopt(ret_pair[1], SOL_SOCKET, SO_SNDBUF, &bytes,
                         sizeof(bytes));
    return r;
}

static int spawn(struct msp_child *child)
{
    struct msp_child_spawn spawn = {0};
    int fds[2 + MSP_CHILD_FDS], pair[2] = {-1, -1}, r;
    char *argv[1 + MSP_CHILD_ARGS] = {NULL};
    char path[PATH_MAX];

    r = hold_program(child);
    if (r < 0)
        return r;
    /* execveat() would fail in the child, where nobody can say why */
    if (faccessat(child->program_fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
        return -errno;
    program_path(child, path);
    r = child->ops->prepare(child->data, &spawn);
    if (r == 0)
        r = make_pair(pair);
    if (r < 0) {
        if (child->ops->prepared)
            child->ops->prepared(&spawn);
        return r;
    }
    argv[0] = path;
    for (size_t i = 0; i + 1 < MSP_CHILD_ARGS && spawn.arg[i]; i++)
        memcpy(&argv[1 + i], &spawn.arg[i], sizeof(char *));
    fds[0] = pair[1];
    memcpy(fds + 1, spawn.fd, spawn.n_fds * sizeof(int));
    fds[1 + spawn.n_fds] = child->program_fd;
    child->started_ms = msp_io_now_ms();
    child->pid = fork();
    if (child->pid == 0)
        run_child(child, argv, fds, 2 + spawn.n_fds);
    r = child->pid < 0 ? -errno : 0;
    if (child->ops->prepared)
        child->ops->prepared(&spawn);
    (void)close(pair[1]);
    child->control_fd = pair[0];
    if (r == 0) {
        r = watch(child);
        if (r < 0) {
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, NULL, 0);
        }
    }
    if (r < 0)
        close_child(child);
    return r;
}

int msp_child_start(struct msp_child *child)
{
    int r = spawn(child);

    if (r < 0) {
        char path[PATH_MAX];

        program_path(child, path);
        msp_log(MSP_LOG_ERR, "child.start", "program", path, "error",
                strerror(-r), NULL);
        plan_restart(child);
        return r;
    }
    child->state = MSP_CHILD_RUNNING;
    msp_log(MSP_LOG_INFO, "child.started", "name", child->name, NULL);
    if (child->ops->started)
        child->ops->started(child->data);
    return 0;
}

int msp_child_send(struct msp_child *child, const void *packet, size_t len,
                   int fd)
{
    if (child->control_fd < 0)
        return -EPIPE;
    return msp_io_send(child->control_fd, packet, len, fd);
}

void msp_child_wait_room(struct msp_child *child)
{
    if (child->control_source.loop)
        (void)msp_loop_want(&child->control_source, EPOLLIN | EPOLLOUT);
}

void msp_child_stop(struct msp_child *child)
{
    child->is_restarted = false;
    if (child->pid > 0)
        (void)kill(child->pid, SIGTERM);
}

void msp_child_done(struct msp_child *child)
{
    if (!child->loop)
        return;
    msp_timer_stop(&child->timer);
    close_child(child);
    msp_closep(&child->program_fd);
    child->program_fd = -1;
}

const char *msp_child_state_name(enum msp_child_state state)
{
    switch (state) {
    case MSP_CHILD_STOPPED:
        return "stopped";
    case MSP_CHILD_RUNNING:
        return "running";
    case MSP_CHILD_BACKOFF:
        return "back-off";
    }
    return "unknown";
}
