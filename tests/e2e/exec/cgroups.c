/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroups ADDR:PORT COUNT ALIVE UID LISTED LISTED-DEEP OTHER
 *
 * Makes COUNT cgroups in turn below three directories of cgroup v2, the first
 * process in each connects at once, and removes each when ALIVE younger ones
 * are there. Processes below LISTED (one level) and LISTED-DEEP (three levels)
 * must be connected, those below OTHER must get EPERM. Every other process is
 * born in its cgroup (CLONE_INTO_CGROUP), the rest move there before exec.
 *
 * Prints one JSON line. Exit status: 0 none was wrong, 1, 5.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "harness/client/client.h"

#define PATH_BYTES 512

enum kind {
    KIND_LISTED,
    KIND_DEEP,
    KIND_OTHER,
    KIND_COUNT,
};

struct run {
    struct msp_client_to to;
    uid_t uid;
    const char *top[KIND_COUNT];
    uint64_t made[KIND_COUNT];
    uint64_t missing; /* should have been connected */
    uint64_t wrong;   /* should have been denied */
    uint64_t failed;  /* no verdict: fork, mkdir, rmdir */
    int last;         /* errno value of the last wrong one */
};

static enum kind kind_of(uint64_t i)
{
    return (enum kind)(i % KIND_COUNT);
}

/* Path of the cgroup, or of its `level`-th parent that is made with it. */
static void path_of(const struct run *run, uint64_t i, int level,
                    char ret[PATH_BYTES])
{
    static const char *const below[] = {"/x/y", "/x", ""};

    (void)snprintf(ret, PATH_BYTES, "%s/c%" PRIu64 "%s", run->top[kind_of(i)],
                   i, kind_of(i) == KIND_DEEP ? below[level] : "");
}

static int levels_of(uint64_t i)
{
    return kind_of(i) == KIND_DEEP ? 3 : 1;
}

static int make(const struct run *run, uint64_t i)
{
    char path[PATH_BYTES];

    for (int level = levels_of(i) - 1; level >= 0; level--) {
        path_of(run, i, level, path);
        if (mkdir(path, 0755) < 0)
            return -errno;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void drop(struct run *run, uint64_t i)
{
    char path[PATH_BYTES];

    for (int level = 0; level < levels_of(i); level++) {
        path_of(run, i, level, path);
        if (rmdir(path) < 0)
            run->failed++;
    }
}

/* The child: gives up its rights, connects. @return never */
static void child(const struct run *run)
{
    struct linger linger = {.l_onoff = 1};
    int fd;

    if (setresuid(run->uid, run->uid, run->uid) < 0)
        _exit(255);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        _exit(255);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    _exit(connect(fd, &run->to.sa, run->to.len) < 0 ? errno : 0);
}

static bool move_to(int cgroup)
{
    int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "0", 1) == 1;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static pid_t born_in(int cgroup)
{
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)cgroup,
    };

    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* @return errno value of the child's connect; 255 none was made */
static int first_process(const struct run *run, uint64_t i, int cgroup)
{
    bool is_born = i / KIND_COUNT % 2;
    pid_t pid = is_born ? born_in(cgroup) : fork();
    int status;

    if (pid < 0)
        return 255;
    if (pid == 0) {
        if (!is_born && !move_to(cgroup))
            _exit(255);
        child(run);
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 255;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void judge(struct run *run, uint64_t i, int error)
{
    if (error == 255) {
        run->failed++;
        return;
    }
    run->made[kind_of(i)]++;
    if (error == (kind_of(i) == KIND_OTHER ? EPERM : 0))
        return;
    run->last = error;
    if (kind_of(i) == KIND_OTHER)
        run->wrong++;
    else
        run->missing++;
}

static void all(struct run *run, uint64_t count, uint64_t alive)
{
    for (uint64_t i = 0; i < count + alive; i++) {
        if (i < count) {
            msp_autoclose int cgroup = make(run, i);

            if (cgroup < 0)
                run->failed++;
            else
                judge(run, i, first_process(run, i, cgroup));
        }
        if (i >= alive)
            drop(run, i - alive);
    }
}

int main(int argc, char **argv)
{
    struct run run = {0};

    if (argc != 8 || msp_client_parse(argv[1], &run.to) < 0)
        return 2;
    run.uid = (uid_t)strtoul(argv[4], NULL, 10);
    for (int i = 0; i < KIND_COUNT; i++)
        run.top[i] = argv[5 + i];
    all(&run, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    (void)printf(
        "{\"listed\":%" PRIu64 ",\"deep\":%" PRIu64 ",\"other\":%" PRIu64
        ",\"missing\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"failed\":%" PRIu64
        ",\"last\":\"%s\"}\n",
        run.made[KIND_LISTED], run.made[KIND_DEEP], run.made[KIND_OTHER],
        run.missing, run.wrong, run.failed, msp_client_errno(run.last));
    return run.missing || run.wrong || run.failed;
}
