/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Programs under ptrace: from birth, let go before they ask, or later. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spoof.h"

/* Lets a traced child run until it ends. @return its exit status */
static int run_traced(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == pid) {
        int signo = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 5;
        if (ptrace(PTRACE_CONT, pid, NULL, signo == SIGTRAP ? 0 : signo) < 0)
            return 5;
    }
    return 5;
}

/* A tracer since before the exec. */
static int trace_birth(char **argv, bool is_let_go)
{
    pid_t pid = fork();
    int status;

    if (pid < 0)
        spoof_die("fork");
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            spoof_die("PTRACE_TRACEME");
        spoof_become(argv[0], argv + 1);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        spoof_die("no exec stop");
    if (!is_let_go) {
        if (ptrace(PTRACE_CONT, pid, NULL, 0) < 0)
            spoof_die("PTRACE_CONT");
        return run_traced(pid);
    }
    if (ptrace(PTRACE_DETACH, pid, NULL, 0) < 0)
        spoof_die("PTRACE_DETACH");
    return spoof_wait(pid);
}

/* Of a child of ours: its hold is ours to end, so we come between. */
static int trace_later(char **argv)
{
    int ready[2], go[2];
    char byte;
    pid_t pid;

    if (pipe(ready) < 0 || pipe(go) < 0)
        spoof_die("pipe");
    pid = fork();
    if (pid < 0)
        spoof_die("fork");
    if (pid == 0) {
        if (dup2(ready[1], SPOOF_READY_FD) < 0 || dup2(go[0], SPOOF_GO_FD) < 0)
            spoof_die("dup2");
        spoof_become(argv[0], argv + 1);
    }
    (void)close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        spoof_die("child");
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        spoof_die("PTRACE_SEIZE");
    spoof_hold_for(pid);
    if (write(go[1], "", 1) != 1)
        spoof_die("child");
    return run_traced(pid);
}

int spoof_trace(int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[1], "later") == 0)
        return trace_later(argv + 2);
    return trace_birth(argv + 2, strcmp(argv[1], "detach") == 0);
}
