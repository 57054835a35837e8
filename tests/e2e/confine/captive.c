/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "captive.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/client/client.h"

#define CALLS       512
#define X32         0x40000000L
#define NOT_ENTERED 250 /* no errno value */

/* Of the kernel's own trampolines; it lets no filter see them. */
#define URETPROBE 335
#define UPROBE    336

/* No atexit(), and no call that a sandbox might not have. */
static void __attribute__((noreturn)) leave(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

static void __attribute__((noreturn))
in_child(const struct captive *captive, long (*run)(void), bool enters)
{
    if (enters && captive->enter() < 0)
        leave(NOT_ENTERED);
    errno = 0;
    leave(run() < 0 ? errno : 0);
}

/* @return wait status; -1 */
static int run_one(const struct captive *captive, long (*run)(void),
                   bool enters)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        in_child(captive, run, enters);
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static const char *result_of(int status)
{
    if (status < 0)
        return "fork";
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? "SIGSYS" : "signal";
    if (WEXITSTATUS(status) == NOT_ENTERED)
        return "not-entered";
    return msp_client_errno(WEXITSTATUS(status));
}

void captive_try(const struct captive *captive, const struct captive_try *tries,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct captive_try *t = &tries[i];

        (void)fprintf(stderr, "captive %s in %s %s %s\n", captive->name,
                      t->name, result_of(run_one(captive, t->run, true)),
                      t->wanted);
        if (strcmp(t->wanted, "SIGSYS") == 0)
            (void)fprintf(stderr, "captive %s out %s %s tried\n", captive->name,
                          t->name, result_of(run_one(captive, t->run, false)));
    }
}

static long swept; /* the number to try; children inherit it */

static long call_swept(void)
{
    return syscall(swept, 0, 0, 0, 0, 0, 0);
}

void captive_sweep(const struct captive *captive, const char *wanted)
{
    (void)fprintf(stderr, "captive %s in survive ", captive->name);
    for (swept = 0; swept < CALLS; swept++) {
        int status;

        if (swept == URETPROBE || swept == UPROBE)
            continue;
        status = run_one(captive, call_swept, true);

        if (status < 0 || WIFEXITED(status))
            (void)fprintf(stderr, "%ld,", swept);
    }
    (void)fprintf(stderr, " %s\n", wanted);
}

/* --- the same for all --------------------------------------------------- */

static long try_execve(void)
{
    static char *const none[] = {NULL};

    return execve("/bin/true", none, none);
}

static long try_execveat(void)
{
    return syscall(SYS_execveat, -1, "/bin/true", NULL, NULL, 0);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long try_read_memory(void)
{
    return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long try_take_descriptor(void)
{
    return syscall(SYS_pidfd_getfd, 0, 0, 0);
}

static long try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_unshare(void)
{
    return syscall(SYS_unshare, 0x10000000); /* CLONE_NEWUSER */
}

static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_perf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static long try_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, 0);
}

static long try_keyctl(void)
{
    return syscall(SYS_keyctl, 0, -3, 0, 0, 0); /* own session keyring */
}

static long try_module(void)
{
    return syscall(SYS_init_module, NULL, 0, "");
}

static long try_mount(void)
{
    return syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL);
}

static long try_x32(void)
{
    return syscall(X32 | SYS_getpid);
}

#if defined(__x86_64__)
/* getpid() of 32-bit programs: a filter of 64-bit numbers may miss it. */
static long try_int80(void)
{
    long r = 20;

    __asm__ volatile("int $0x80" : "+a"(r) : : "memory", "cc");
    if (r >= 0)
        return 0;
    errno = (int)-r;
    return -1;
}
#endif

static long try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

const struct captive_try captive_common[] = {
    {"execve", "SIGSYS", try_execve},
    {"execveat", "SIGSYS", try_execveat},
    {"ptrace", "SIGSYS", try_ptrace},
    {"process_vm_readv", "SIGSYS", try_read_memory},
    {"pidfd_getfd", "SIGSYS", try_take_descriptor},
    {"unshare", "SIGSYS", try_unshare},
    {"io_uring", "SIGSYS", try_io_uring},
    {"perf_event_open", "SIGSYS", try_perf},
    {"userfaultfd", "SIGSYS", try_userfaultfd},
    {"keyctl", "SIGSYS", try_keyctl},
    {"init_module", "SIGSYS", try_module},
    {"mount", "SIGSYS", try_mount},
    {"prctl", "SIGSYS", try_prctl},
    {"mmap-exec", "SIGSYS", try_code},
    {"x32", "SIGSYS", try_x32},
#if defined(__x86_64__)
    {"int80", "SIGSYS", try_int80},
#endif
};
const size_t captive_n_common =
    sizeof(captive_common) / sizeof(captive_common[0]);
