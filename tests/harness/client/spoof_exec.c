/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Other processes, other names, other ways to exec. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "spoof.h"

#define STACK_BYTES 262144
#define RACERS      3

noreturn void spoof_become(const char *path, char **argv)
{
    (void)execv(path, argv);
    spoof_die(path);
}

int spoof_wait(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            spoof_die("wait");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

int spoof_fork(int argc, char **argv)
{
    pid_t pid = fork();

    if (pid < 0)
        spoof_die("fork");
    if (pid == 0)
        _exit(spoof_verb(argc - 1, argv + 1));
    return spoof_wait(pid);
}

struct command {
    int argc;
    char **argv;
};

static int run_command(void *data)
{
    const struct command *command = data;

    _exit(spoof_verb(command->argc, command->argv));
}

int spoof_vfork(int argc, char **argv)
{
    static char stack[STACK_BYTES] __attribute__((aligned(16)));
    struct command command = {argc - 1, argv + 1};
    pid_t pid = clone(run_command, stack + sizeof(stack),
                      CLONE_VM | CLONE_VFORK | SIGCHLD, &command);

    if (pid < 0)
        spoof_die("vfork");
    return spoof_wait(pid);
}

int spoof_name(int argc, char **argv)
{
    if (prctl(PR_SET_NAME, argv[1], 0, 0, 0) < 0)
        spoof_die("PR_SET_NAME");
    return spoof_verb(argc - 2, argv + 2);
}

int spoof_ids(int argc, char **argv)
{
    uid_t uid = (uid_t)strtoul(argv[1], NULL, 10);
    gid_t gid = (gid_t)strtoul(argv[2], NULL, 10);
    gid_t group = (gid_t)strtoul(argv[3], NULL, 10);

    if (setgroups(1, &group) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        spoof_die("ids");
    return spoof_verb(argc - 4, argv + 4);
}

int spoof_exec(int argc, char **argv)
{
    (void)argc;
    spoof_become(argv[1], argv + 2);
}

int spoof_fexec(int argc, char **argv)
{
    bool is_unlinked = strcmp(argv[1], "--unlink") == 0;
    int fd;

    if (is_unlinked) {
        argv++;
        if (argc < 5)
            return 2;
    }
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (is_unlinked && unlink(argv[1]) < 0))
        spoof_die(argv[1]);
    (void)fexecve(fd, argv + 2, environ);
    spoof_die("fexecve");
}

void spoof_copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = sendfile(to, from, NULL, 1 << 20);

        if (n < 0)
            spoof_die("copy");
        if (n == 0)
            return;
    }
}

void spoof_copy(const char *from, int to_dir, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    if (in < 0 || out < 0)
        spoof_die(in < 0 ? from : to);
    spoof_copy_bytes(in, out);
    (void)fchmod(out, 0755);
    (void)close(in);
    (void)close(out);
}

int spoof_memfd(int argc, char **argv)
{
    int in = open(argv[1], O_RDONLY | O_CLOEXEC);
    int fd = memfd_create(argv[2], MFD_CLOEXEC);

    (void)argc;
    if (in < 0 || fd < 0)
        spoof_die("memfd");
    spoof_copy_bytes(in, fd);
    (void)fexecve(fd, argv + 3, environ);
    spoof_die("fexecve");
}

static void *become_in_thread(void *data)
{
    char **argv = data;

    spoof_become(argv[0], argv + 1);
}

int spoof_thread(int argc, char **argv)
{
    pthread_t thread;

    (void)argc;
    if (pthread_create(&thread, NULL, become_in_thread, argv + 1) != 0)
        spoof_die("thread");
    (void)pthread_join(thread, NULL);
    return 5;
}

int spoof_connected(int argc, char **argv)
{
    int fd = spoof_connect();

    (void)argc;
    if (fd < 0) {
        (void)dprintf(STDOUT_FILENO, "%s\n", msp_client_errno(-fd));
        return 1;
    }
    if (dup2(fd, SPOOF_SOCK_FD) < 0)
        spoof_die("dup2");
    spoof_become(argv[1], argv + 2);
}

static void *ask_for_ever(void *data)
{
    for (;;) {
        int fd = spoof_connect();

        if (fd < 0)
            continue;
        (void)spoof_request(fd, data);
        (void)close(fd);
    }
    return NULL;
}

int spoof_race(int argc, char **argv)
{
    unsigned long ms = strtoul(argv[1], NULL, 10);
    struct timespec delay = {.tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000};
    pthread_t thread;

    (void)argc;
    for (int i = 0; i < RACERS; i++) {
        if (pthread_create(&thread, NULL, ask_for_ever, argv[2]) != 0)
            spoof_die("thread");
    }
    (void)nanosleep(&delay, NULL);
    if (pthread_create(&thread, NULL, become_in_thread, argv + 3) != 0)
        spoof_die("thread");
    (void)pthread_join(thread, NULL);
    return 5;
}
