/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/sandbox.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness/test.h"

/* bpf(cmd) with an attribute nobody takes; @return as the system call */
static long bpf_cmd(int cmd)
{
    union bpf_attr attr;

    memset(&attr, 0xff, sizeof(attr));
    return syscall(SYS_bpf, cmd, &attr, sizeof(attr));
}

static void try_open(void)
{
    (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void try_execve(void)
{
    static char *const none[] = {NULL};

    (void)execve("/bin/true", none, none);
}

static void try_ptrace(void)
{
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_fork(void)
{
    if (fork() == 0)
        _exit(0);
}

static void try_bpf_load(void)
{
    (void)bpf_cmd(BPF_PROG_LOAD);
}

static void try_bpf_delete(void)
{
    (void)bpf_cmd(BPF_MAP_DELETE_ELEM);
}

static void try_bpf_attach(void)
{
    (void)bpf_cmd(BPF_PROG_ATTACH);
}

static void try_bpf_link(void)
{
    (void)bpf_cmd(BPF_LINK_CREATE);
}

static void try_udp(void)
{
    (void)socket(AF_INET, SOCK_DGRAM, 0);
}

/* A stream, but none of TCP: other code, with other hooks or none. */
static void try_mptcp(void)
{
    (void)socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 IPPROTO_MPTCP);
}

static void try_raw(void)
{
    (void)socket(AF_PACKET, SOCK_RAW, 0);
}

static void try_unix(void)
{
    (void)socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void try_executable_memory(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
}

static void try_write_elsewhere(void)
{
    (void)!write(STDOUT_FILENO, "", 0);
}

static void try_kill(void)
{
    (void)kill(getppid(), 0);
}

static void try_bind(void)
{
    (void)bind(0, NULL, 0);
}

static void try_send_to_address(void)
{
    struct sockaddr to = {.sa_family = AF_INET};

    (void)sendto(0, "", 0, 0, &to, sizeof(to));
}

static void may_look_up_update_and_run(void)
{
    if (bpf_cmd(BPF_MAP_LOOKUP_ELEM) == 0 ||
        bpf_cmd(BPF_MAP_UPDATE_ELEM) == 0 || bpf_cmd(BPF_PROG_TEST_RUN) == 0)
        _exit(1);
}

static void may_use_tcp_and_memory(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    void *volatile p = malloc(1 << 20);

    if (fd < 0 || !p)
        _exit(1);
    free(p);
    (void)close(fd);
    if (write(STDERR_FILENO, "", 0) != 0)
        _exit(1);
}

static const struct {
    const char *name;
    void (*run)(void);
    bool is_allowed;
} cases[] = {
    {"open", try_open, false},
    {"execve", try_execve, false},
    {"ptrace", try_ptrace, false},
    {"fork", try_fork, false},
    {"bpf load", try_bpf_load, false},
    {"bpf delete", try_bpf_delete, false},
    {"bpf attach", try_bpf_attach, false},
    {"bpf link", try_bpf_link, false},
    {"udp", try_udp, false},
    {"mptcp", try_mptcp, false},
    {"raw", try_raw, false},
    {"unix", try_unix, false},
    {"mmap exec", try_executable_memory, false},
    {"write", try_write_elsewhere, false},
    {"kill", try_kill, false},
    {"bind", try_bind, false},
    {"sendto", try_send_to_address, false},
    {"bpf 1 2 10", may_look_up_update_and_run, true},
    {"tcp, malloc", may_use_tcp_and_memory, true},
};

/* @return wait status of a child that entered the sandbox and ran it */
static int in_sandbox(void (*run)(void), bool enters)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (msp_sandbox_harden() < 0 || (enters && msp_sandbox_enter() < 0))
            _exit(2);
        run();
        syscall(SYS_exit_group, 0); /* no atexit(): a sanitizer's would open */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void only_the_loop_s_calls_survive(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int status = in_sandbox(cases[i].run, true);
        bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
        bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

        if (cases[i].is_allowed ? !is_well : !is_killed)
            print_error("%s: status %#x\n", cases[i].name, (unsigned)status);
        assert_true(cases[i].is_allowed ? is_well : is_killed);
    }
}

/* Else the test above would prove nothing. */
static void without_the_filter_nothing_is_killed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int status = in_sandbox(cases[i].run, false);

        assert_false(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

static void check_hardened(void)
{
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        _exit(1);
}

static void hardened_process_is_not_dumpable(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(check_hardened, false), 0);
}

static void check_refuses_root(void)
{
    if (msp_sandbox_check() != (geteuid() == 0 ? -EPERM : 0))
        _exit(1);
}

static void check_accepts_nobody(void)
{
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 ||
                           setresuid(65534, 65534, 65534) < 0))
        _exit(2);
    if (msp_sandbox_check() != 0)
        _exit(1);
}

static void check_refuses_capabilities(void)
{
    if (geteuid() != 0)
        return; /* has none to keep */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        setresuid(65534, 65534, 65534) < 0)
        _exit(2);
    if (msp_sandbox_check() != -EPERM)
        _exit(1);
}

static void root_and_capabilities_are_refused(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(check_refuses_root, false), 0);
    assert_int_equal(in_sandbox(check_accepts_nobody, false), 0);
    assert_int_equal(in_sandbox(check_refuses_capabilities, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_loop_s_calls_survive),
        cmocka_unit_test(without_the_filter_nothing_is_killed),
        cmocka_unit_test(hardened_process_is_not_dumpable),
        cmocka_unit_test(root_and_capabilities_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
