/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/deny.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/test.h"

static void try_execve(void)
{
    static char *const none[] = {NULL};

    (void)execve("/nowhere", none, none);
}

static void try_setns(void)
{
    (void)setns(-1, 0);
}

static void try_mount(void)
{
    (void)syscall(SYS_mount, NULL, NULL, NULL, 0, NULL);
}

static void try_new_namespace(void)
{
    if (syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0,
                0) == 0)
        _exit(0);
}

static void try_bpf(void)
{
    (void)syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0);
}

static void try_x32(void)
{
    (void)syscall(0x40000000L | SYS_getpid);
}

static void may_update(void)
{
    if (syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, NULL, 0) != -1)
        _exit(1);
}

/* Files, processes, sockets, and code: what libraries do. */
static void may_do_the_rest(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), status = 1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    if (fd < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        _exit(1);
    if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
        _exit(1);
    (void)close(fd);
}

enum how {
    FREE,
    CONFINED,
    CONFINED_BUT_SETNS
};

static int run(void (*what)(void), enum how how)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            (how != FREE && msp_deny_enter(how == CONFINED_BUT_SETNS) < 0))
            _exit(2);
        what();
        syscall(SYS_exit_group, 0); /* no atexit(): a sanitizer's would trace */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool is_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void what_nobody_needs_kills(void **state)
{
    static void (*const tries[])(void) = {
        try_execve, try_setns, try_mount, try_new_namespace, try_bpf, try_x32};

    (void)state;
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        if (tries[i] != try_x32)
            assert_false(is_killed(run(tries[i], FREE)));
        assert_true(is_killed(run(tries[i], CONFINED)));
    }
    assert_int_equal(run(try_setns, CONFINED_BUT_SETNS), 0);
    assert_true(is_killed(run(try_mount, CONFINED_BUT_SETNS)));
}

static void the_rest_goes_on(void **state)
{
    (void)state;
    assert_int_equal(run(may_update, CONFINED), 0);
    assert_int_equal(run(may_do_the_rest, CONFINED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_needs_kills),
        cmocka_unit_test(the_rest_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
