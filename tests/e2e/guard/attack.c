/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * attack NAME [ARGUMENT]: tries one thing and prints "ok" or the name of the
 * errno, so that a script can compare. What it does it undoes, unless the name
 * says that it cannot (kill, unlink). Without arguments: the same for each
 * line `NAME ARGUMENT` of standard input, in a process of its own. Exit code 2
 * if there is no such attack.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#include <msp/cleanup.h>

void attack_say(int r)
{
    (void)puts(r == 0 ? "ok" : strerrorname_np(-r));
    (void)fflush(stdout);
}

int attack_done(int r)
{
    return r < 0 ? -errno : 0;
}

int attack_close(int fd)
{
    int r = attack_done(fd);

    if (fd >= 0)
        (void)close(fd);
    return r;
}

/* --- pins and mounts ------------------------------------------------------ */

static int pin_rename(const char *pin)
{
    char to[512];
    int r;

    (void)snprintf(to, sizeof(to), "%s-away", pin);
    r = attack_done(rename(pin, to));
    return r < 0 ? r : attack_done(rename(to, pin));
}

static int remove_file(const char *path)
{
    return attack_done(unlink(path));
}

static int make_dir_in(const char *dir)
{
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    r = attack_done(mkdir(path, 0700));
    return r < 0 ? r : attack_done(rmdir(path));
}

static int chmod_same(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -errno
                               : attack_done(chmod(path, st.st_mode & 07777));
}

static int mount_over(const char *path)
{
    int r = attack_done(mount("/dev", path, NULL, MS_BIND, NULL));

    return r < 0 ? r : attack_done(umount(path));
}

static int mount_file_over(const char *path)
{
    int r = attack_done(mount("/proc/version", path, NULL, MS_BIND, NULL));

    return r < 0 ? r : attack_done(umount(path));
}

static int remount(const char *path)
{
    return attack_done(mount(NULL, path, NULL, MS_REMOUNT, NULL));
}

static int umount_lazy(const char *path)
{
    return attack_done(umount2(path, MNT_DETACH));
}

/* Of a mount and what hangs below it: of a copy, in a shared namespace. */
static int umount_shared(const char *path)
{
    return unshare(CLONE_NEWNS) < 0 ? -errno : umount_lazy(path);
}

#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif

static int move_away(const char *path)
{
    const char *to = "/tmp/attack-mount";
    int r;

    (void)mkdir(to, 0700);
    r = attack_done(
        (int)syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, to, 0));
    if (r < 0)
        return r;
    return attack_done(
        (int)syscall(SYS_move_mount, AT_FDCWD, to, AT_FDCWD, path, 0));
}

/* --- files ---------------------------------------------------------------- */

static int open_read(const char *path)
{
    return attack_close(open(path, O_RDONLY | O_CLOEXEC));
}

static int open_write(const char *path)
{
    return attack_close(open(path, O_WRONLY | O_CLOEXEC));
}

static int open_reopen(const char *path)
{
    msp_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    char again[64];

    (void)snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
    return open_read(again);
}

static int truncate_same(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -errno
                               : attack_done(truncate(path, st.st_size));
}

static int hard_link(const char *path)
{
    char to[512];
    int r;

    (void)snprintf(to, sizeof(to), "%s-attack", path);
    r = attack_done(link(path, to));
    return r < 0 ? r : attack_done(unlink(to));
}

static int create_in(const char *dir)
{
    char path[512];
    int fd, r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r = attack_close(fd);
    return r < 0 ? r : attack_done(unlink(path));
}

static int symlink_in(const char *dir)
{
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    r = attack_done(symlink("/etc/passwd", path));
    return r < 0 ? r : attack_done(unlink(path));
}

/* --- processes ------------------------------------------------------------ */

/* One process: 0 and below are groups of them. */
static pid_t pid_of(const char *text)
{
    long pid = strtol(text, NULL, 10);

    if (pid > 0)
        return (pid_t)pid;
    (void)fprintf(stderr, "attack: \"%s\" is no process\n", text);
    exit(2);
}

static int ptrace_seize(const char *pid)
{
    int r = attack_done((int)ptrace(PTRACE_SEIZE, pid_of(pid), NULL, NULL));

    if (r < 0)
        return r;
    /* ends with this process */
    return 0;
}

static int process_read(const char *pid)
{
    char byte;
    struct iovec to = {.iov_base = &byte, .iov_len = 1};
    struct iovec from = {.iov_base = NULL, .iov_len = 1};
    ssize_t n = process_vm_readv(pid_of(pid), &to, 1, &from, 1, 0);

    /* nobody has memory at 0: EFAULT says it was looked for there */
    return n < 0 && errno != EFAULT ? -errno : 0;
}

static int pidfd_of(const char *pid)
{
    return (int)syscall(SYS_pidfd_open, pid_of(pid), 0);
}

static int pidfd_take(const char *pid)
{
    msp_autoclose int fd = pidfd_of(pid);

    return fd < 0 ? -errno
                  : attack_close((int)syscall(SYS_pidfd_getfd, fd, 2, 0));
}

static int pidfd_signal(const char *pid)
{
    msp_autoclose int fd = pidfd_of(pid);

    return fd < 0 ? -errno
                  : attack_done((int)syscall(SYS_pidfd_send_signal, fd, SIGCONT,
                                             NULL, 0));
}

static int proc_open(const char *pid, const char *name, int flags)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    return attack_close(open(path, flags | O_CLOEXEC));
}

static int proc_mem(const char *pid)
{
    return proc_open(pid, "mem", O_RDWR);
}

static int proc_environ(const char *pid)
{
    return proc_open(pid, "environ", O_RDONLY);
}

static int proc_ns(const char *pid)
{
    return proc_open(pid, "ns/mnt", O_RDONLY);
}

static int signal_cont(const char *pid)
{
    return attack_done(kill(pid_of(pid), SIGCONT));
}

static int signal_thread(const char *pid)
{
    return attack_done(
        (int)syscall(SYS_tgkill, pid_of(pid), pid_of(pid), SIGCONT));
}

static int signal_kill(const char *pid)
{
    return attack_done(kill(pid_of(pid), SIGKILL));
}

static int limit_set(const char *pid)
{
    struct rlimit limit;

    if (prlimit(pid_of(pid), RLIMIT_CPU, NULL, &limit) < 0)
        return -errno;
    return attack_done(prlimit(pid_of(pid), RLIMIT_CPU, &limit, NULL));
}

static int affinity_set(const char *pid)
{
    cpu_set_t set;

    if (sched_getaffinity(pid_of(pid), sizeof(set), &set) < 0)
        return -errno;
    return attack_done(sched_setaffinity(pid_of(pid), sizeof(set), &set));
}

static int nice_set(const char *pid)
{
    return attack_done(setpriority(PRIO_PROCESS, (id_t)pid_of(pid), 0));
}

/* Whether a process is stopped; then it goes on again. */
static bool was_stopped(pid_t pid)
{
    char path[64], line[512] = "";
    FILE *f;
    const char *state;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    (void)!fgets(line, sizeof(line), f);
    (void)fclose(f);
    state = strrchr(line, ')');
    if (!state || state[2] != 'T')
        return false;
    (void)kill(pid, SIGCONT);
    return true;
}

/* A pipe tells its owner by the signal of the attacker's choice. */
static int signal_by_pipe(const char *text)
{
    pid_t pid = pid_of(text);
    int ends[2];

    if (pipe(ends) < 0 || fcntl(ends[0], F_SETOWN, pid) < 0 ||
        fcntl(ends[0], F_SETSIG, SIGSTOP) < 0 ||
        fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) < 0 ||
        write(ends[1], "", 1) != 1)
        return -errno;
    for (int i = 0; i < 100; i++) {
        if (was_stopped(pid))
            return 0;
        (void)usleep(5000);
    }
    return -EPERM; /* nobody is told that it was refused */
}

/* What a file is known by; a file system may not have it, but was asked. */
static int change_version(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int version = 1;

    if (fd < 0)
        return -errno;
    if (ioctl(fd, FS_IOC_SETVERSION, &version) < 0 && errno != ENOTTY &&
        errno != EOPNOTSUPP)
        return -errno;
    return 0;
}

/* --- identity ------------------------------------------------------------- */

/* Executes `PATH prog-lsm` under a filter whose answers another one gives. */
static int answered_exec(const char *path)
{
    struct sock_filter insn[] = {
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = {.len = 1, .filter = insn};
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);

    if (fd < 0)
        return -errno;
    /* the listener lives as long as somebody has it */
    if (dup2(fd, 63) < 0)
        return -errno;
    (void)execl(path, path, "prog-lsm", "-", (char *)NULL);
    return -errno;
}

/* Lets a traced process go on, with its signals, until it ends. */
static int trace_to_its_end(pid_t pid)
{
    int status = 0, sig;

    while (waitpid(pid, &status, __WALL) == pid) {
        if (!WIFSTOPPED(status))
            return ATTACK_SAID;
        sig = WSTOPSIG(status);
        if (sig == SIGTRAP || status >> 16)
            sig = 0; /* of the tracing itself */
        (void)ptrace(PTRACE_CONT, pid, NULL, (void *)(long)sig);
    }
    return -errno;
}

/* Executes `PATH prog-lsm`, traced from its birth on; that says the rest. */
static int traced_exec(const char *path)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(126);
        (void)execl(path, path, "prog-lsm", "-", (char *)NULL);
        _exit(127);
    }
    return pid < 0 ? -errno : trace_to_its_end(pid);
}

/* Says "ok" once a process is traced, and traces it whatever it executes. */
static int trace_process(const char *text)
{
    pid_t pid = pid_of(text);

    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
        return -errno;
    attack_say(0);
    return trace_to_its_end(pid);
}

static const struct attack attack_here[] = {
    {"pin-rename", pin_rename},
    {"unlink", remove_file},
    {"mkdir", make_dir_in},
    {"chmod", chmod_same},
    {"mount-over", mount_over},
    {"mount-file-over", mount_file_over},
    {"remount", remount},
    {"umount-lazy", umount_lazy},
    {"umount-shared", umount_shared},
    {"move-mount", move_away},
    {"read", open_read},
    {"write", open_write},
    {"reopen", open_reopen},
    {"truncate", truncate_same},
    {"rename", pin_rename},
    {"hard-link", hard_link},
    {"create", create_in},
    {"symlink", symlink_in},
    {"ptrace", ptrace_seize},
    {"vm-read", process_read},
    {"pidfd-getfd", pidfd_take},
    {"pidfd-signal", pidfd_signal},
    {"proc-mem", proc_mem},
    {"proc-environ", proc_environ},
    {"proc-ns", proc_ns},
    {"signal", signal_cont},
    {"tgkill", signal_thread},
    {"kill", signal_kill},
    {"prlimit", limit_set},
    {"affinity", affinity_set},
    {"nice", nice_set},
    {"signal-by-pipe", signal_by_pipe},
    {"change-version", change_version},
    {"answered-exec", answered_exec},
    {"traced-exec", traced_exec},
    {"trace", trace_process},
    {NULL, NULL},
};

static const struct attack *find(const char *name)
{
    const struct attack *const tables[] = {attack_here, attack_files,
                                           attack_bpf, attack_kernel};

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        for (const struct attack *at = tables[i]; at->name; at++)
            if (msp_streq(name, at->name))
                return at;
    return NULL;
}

/* @return 0; 2 */
static int try_attack(const char *name, const char *argument)
{
    const struct attack *attack = find(name);
    int r;

    if (!attack) {
        (void)fprintf(stderr, "attack: %s: no such attack\n", name);
        return 2;
    }
    r = attack->fn(argument);
    if (r != ATTACK_SAID)
        attack_say(r);
    return 0;
}

/* As a process of its own: some attacks change who they are. */
static int attack_apart(const char *name, const char *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(try_attack(name, argument));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int main(int argc, char **argv)
{
    char line[1024], name[64], argument[960];
    int r = 0;

    (void)libbpf_set_print(NULL);
    if (argc > 1)
        return try_attack(argv[1], argc > 2 ? argv[2] : "");
    while (r == 0 && fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%63s %959s", name, argument) != 2)
            return 2;
        r = attack_apart(name, argument);
    }
    return r;
}
