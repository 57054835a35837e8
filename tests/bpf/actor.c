/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/actor.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness/test.h"

static int say(char word)
{
    return write(STDOUT_FILENO, &word, 1) == 1 ? 0 : 1;
}

static int wait_for_end(void)
{
    char c;

    return read(STDIN_FILENO, &c, 1) == 0 ? 0 : 1;
}

static void *exec_self(void *data)
{
    (void)data;
    (void)execl("/proc/self/exe", "another", "wait", NULL);
    return NULL;
}

/* Not the leader: the thread becomes it. */
static int act_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, exec_self, NULL) != 0)
        return 1;
    (void)pthread_join(thread, NULL);
    return 1;
}

/* The pid of the child is said by four bytes. */
static int act_fork(bool is_vfork)
{
    pid_t pid =
        is_vfork ? (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0)
                 : fork();

    if (pid == 0) {
        pid_t own = getpid();

        if (write(STDOUT_FILENO, &own, sizeof(own)) != sizeof(own))
            _exit(1);
        _exit(wait_for_end());
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

static void *wait_in_thread(void *data)
{
    (void)data;
    _exit(say('!') || wait_for_end());
}

/* The leader is a zombie while its thread goes on. */
static int act_leaderless(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, wait_in_thread, NULL) != 0)
        return 1;
    pthread_exit(NULL);
}

/* Says the pid its child has here. */
static int act_pidns(void)
{
    pid_t pid;

    if (unshare(CLONE_NEWPID) < 0)
        return 1;
    pid = fork();
    if (pid == 0)
        _exit(wait_for_end());
    if (pid < 0 || write(STDOUT_FILENO, &pid, sizeof(pid)) != sizeof(pid))
        return 1;
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* Becomes what is not real root of the host, or not wholly. */
static int act_other_than_root(const char *what)
{
    int r = 1;

    if (msp_streq(what, "chroot"))
        r = chroot("/proc");
    else if (msp_streq(what, "userns"))
        r = unshare(CLONE_NEWUSER);
    else if (msp_streq(what, "euid"))
        r = setresuid(0, 1000, 0);
    else if (msp_streq(what, "uid"))
        r = setresuid(1000, 0, 0);
    return r || say('!') || wait_for_end();
}

int actor_act(const char *what)
{
    if (msp_streq(what, "leaderless"))
        return act_leaderless();
    if (msp_streq(what, "late-fork")) {
        char go;

        return say('!') || read(STDIN_FILENO, &go, 1) != 1 || act_fork(false);
    }
    if (msp_streq(what, "late-exec")) {
        char go;

        (void)(say('!') || read(STDIN_FILENO, &go, 1) != 1 || exec_self(NULL));
        return 1;
    }
    if (msp_streq(what, "pidns-fork"))
        return act_pidns();
    if (msp_streq(what, "wait"))
        return say('!') || wait_for_end();
    if (msp_streq(what, "thread"))
        return act_thread();
    if (msp_streq(what, "fork") || msp_streq(what, "vfork"))
        return act_fork(what[0] == 'v');
    return act_other_than_root(what);
}
