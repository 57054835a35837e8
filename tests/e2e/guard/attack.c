/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * attack NAME [ARGUMENT]: tries one thing and prints "ok" or the name of the
 * errno, so that a script can compare. What it does it undoes, unless the name
 * says that it cannot (kill, unlink). Without arguments: the same for each
 * line `NAME ARGUMENT` of standard input, in a process of its own. Exit code 2
 * if there is no such attack.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

static int done(int r)
{
    return r < 0 ? -errno : 0;
}

static int close_if(int fd)
{
    int r = done(fd);

    if (fd >= 0)
        (void)close(fd);
    return r;
}

/* --- maps, links, programs ------------------------------------------------ */

static int map_open(const char *pin)
{
    return close_if(bpf_obj_get(pin));
}

static int map_rdonly(const char *pin)
{
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);

    return bpf_obj_get_opts(pin, &opts);
}

static int map_read(const char *pin)
{
    return close_if(map_rdonly(pin));
}

static uint32_t id_of(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id
                                                                   : 0;
}

static int map_by_id(const char *pin)
{
    msp_autoclose int fd = map_rdonly(pin);

    return close_if(bpf_map_get_fd_by_id(id_of(fd)));
}

static int load(enum bpf_prog_type type, const struct bpf_insn *insn, size_t n,
                const struct bpf_prog_load_opts *opts)
{
    return close_if(bpf_prog_load(type, "attack", "GPL", insn, n, opts));
}

#define INSN(c, d, s, o, i) \
    ((struct bpf_insn){     \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define RETURN_0 \
    INSN(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* A program writes a map whatever the descriptor it names it by may do. */
static int map_by_program(const char *pin)
{
    msp_autoclose int fd = map_rdonly(pin);
    const struct bpf_insn insn[] = {
        INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD, 2, 0, 0, -4),
        INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, fd),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        INSN(BPF_JMP | BPF_JEQ, 0, 0, 1, 0),
        INSN(BPF_ST | BPF_MEM | BPF_B, 0, 0, 0, 0),
        RETURN_0,
    };

    if (fd < 0)
        return -errno;
    return load(BPF_PROG_TYPE_SOCKET_FILTER, insn, ARRAY_SIZE(insn), NULL);
}

/* One that writes the values an iterator shows it. */
static int map_by_iterator(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_LDX | BPF_MEM | BPF_DW, 2, 1, 24, 0), /* ctx->value */
        INSN(BPF_JMP | BPF_JEQ, 2, 0, 1, 0),
        INSN(BPF_ST | BPF_MEM | BPF_B, 2, 0, 0, 0),
        RETURN_0,
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = BPF_TRACE_ITER);
    int id = libbpf_find_vmlinux_btf_id("bpf_map_elem", BPF_TRACE_ITER);

    (void)unused;
    if (id < 0)
        return id;
    opts.attach_btf_id = (__u32)id;
    return load(BPF_PROG_TYPE_TRACING, insn, ARRAY_SIZE(insn), &opts);
}

static int link_open(const char *pin)
{
    return close_if(bpf_obj_get(pin));
}

/* Whether a link runs a program whose name begins with "msp_". */
static bool is_our_link(int fd)
{
    struct bpf_link_info link = {0};
    struct bpf_prog_info prog = {0};
    __u32 link_len = sizeof(link), prog_len = sizeof(prog);
    msp_autoclose int prog_fd = -1;

    if (bpf_obj_get_info_by_fd(fd, &link, &link_len) < 0)
        return false;
    prog_fd = bpf_prog_get_fd_by_id(link.prog_id);
    return prog_fd >= 0 &&
           bpf_obj_get_info_by_fd(prog_fd, &prog, &prog_len) == 0 &&
           strncmp(prog.name, "msp_", 4) == 0;
}

/* Any of ours, among all there are. */
static int link_by_id(const char *unused)
{
    int r = -ENODATA;
    __u32 id = 0;

    (void)unused;
    while (bpf_link_get_next_id(id, &id) == 0) {
        msp_autoclose int fd = bpf_link_get_fd_by_id(id);

        if (fd < 0)
            r = -errno;
        else if (is_our_link(fd))
            return 0;
    }
    return r;
}

static int prog_hook(enum bpf_prog_type type, enum bpf_attach_type attach,
                     const char *hook)
{
    const struct bpf_insn insn[] = {RETURN_0};
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
    int id = libbpf_find_vmlinux_btf_id(hook, attach);

    if (id < 0)
        return id;
    opts.attach_btf_id = (__u32)id;
    return load(type, insn, ARRAY_SIZE(insn), &opts);
}

static int prog_lsm(const char *unused)
{
    (void)unused;
    return prog_hook(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_map");
}

static int prog_fmod_ret(const char *unused)
{
    (void)unused;
    return prog_hook(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN,
                     "security_bpf_map");
}

/* Whatever others load goes on. */
static int prog_benign(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_ALU64 | BPF_MOV, 0, 0, 0, 1),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = BPF_CGROUP_INET4_CONNECT);

    (void)unused;
    return load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, insn, ARRAY_SIZE(insn), &opts);
}

/* bpf_probe_write_user() */
static int prog_write_user(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0),
        INSN(BPF_ALU64 | BPF_MOV, 1, 0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD, 2, 0, 0, -8),
        INSN(BPF_ALU64 | BPF_MOV, 3, 0, 0, 8),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_write_user),
        RETURN_0,
    };

    (void)unused;
    return load(BPF_PROG_TYPE_KPROBE, insn, ARRAY_SIZE(insn), NULL);
}

/* A map of somebody else. */
static int map_others(const char *unused)
{
    (void)unused;
    return close_if(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "mspace", 4, 4, 1, NULL));
}

/* --- pins and mounts ------------------------------------------------------ */

static int pin_rename(const char *pin)
{
    char to[512];
    int r;

    (void)snprintf(to, sizeof(to), "%s-away", pin);
    r = done(rename(pin, to));
    return r < 0 ? r : done(rename(to, pin));
}

static int remove_file(const char *path)
{
    return done(unlink(path));
}

static int make_dir_in(const char *dir)
{
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    r = done(mkdir(path, 0700));
    return r < 0 ? r : done(rmdir(path));
}

static int chmod_same(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -errno : done(chmod(path, st.st_mode & 07777));
}

static int mount_over(const char *path)
{
    int r = done(mount("/dev", path, NULL, MS_BIND, NULL));

    return r < 0 ? r : done(umount(path));
}

static int mount_file_over(const char *path)
{
    int r = done(mount("/proc/version", path, NULL, MS_BIND, NULL));

    return r < 0 ? r : done(umount(path));
}

static int remount(const char *path)
{
    return done(mount(NULL, path, NULL, MS_REMOUNT, NULL));
}

static int umount_lazy(const char *path)
{
    return done(umount2(path, MNT_DETACH));
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
    r = done((int)syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, to, 0));
    if (r < 0)
        return r;
    return done((int)syscall(SYS_move_mount, AT_FDCWD, to, AT_FDCWD, path, 0));
}

/* --- files ---------------------------------------------------------------- */

static int open_read(const char *path)
{
    return close_if(open(path, O_RDONLY | O_CLOEXEC));
}

static int open_write(const char *path)
{
    return close_if(open(path, O_WRONLY | O_CLOEXEC));
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

    return stat(path, &st) < 0 ? -errno : done(truncate(path, st.st_size));
}

static int hard_link(const char *path)
{
    char to[512];
    int r;

    (void)snprintf(to, sizeof(to), "%s-attack", path);
    r = done(link(path, to));
    return r < 0 ? r : done(unlink(to));
}

static int create_in(const char *dir)
{
    char path[512];
    int fd, r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    r = close_if(fd);
    return r < 0 ? r : done(unlink(path));
}

static int symlink_in(const char *dir)
{
    char path[512];
    int r;

    (void)snprintf(path, sizeof(path), "%s/attack", dir);
    r = done(symlink("/etc/passwd", path));
    return r < 0 ? r : done(unlink(path));
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
    int r = done((int)ptrace(PTRACE_SEIZE, pid_of(pid), NULL, NULL));

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

    return fd < 0 ? -errno : close_if((int)syscall(SYS_pidfd_getfd, fd, 2, 0));
}

static int pidfd_signal(const char *pid)
{
    msp_autoclose int fd = pidfd_of(pid);

    return fd < 0 ? -errno
                  : done((int)syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL,
                                      0));
}

static int proc_open(const char *pid, const char *name, int flags)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    return close_if(open(path, flags | O_CLOEXEC));
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
    return done(kill(pid_of(pid), SIGCONT));
}

static int signal_thread(const char *pid)
{
    return done((int)syscall(SYS_tgkill, pid_of(pid), pid_of(pid), SIGCONT));
}

static int signal_kill(const char *pid)
{
    return done(kill(pid_of(pid), SIGKILL));
}

static int limit_set(const char *pid)
{
    struct rlimit limit;

    if (prlimit(pid_of(pid), RLIMIT_CPU, NULL, &limit) < 0)
        return -errno;
    return done(prlimit(pid_of(pid), RLIMIT_CPU, &limit, NULL));
}

static int affinity_set(const char *pid)
{
    cpu_set_t set;

    if (sched_getaffinity(pid_of(pid), sizeof(set), &set) < 0)
        return -errno;
    return done(sched_setaffinity(pid_of(pid), sizeof(set), &set));
}

static int nice_set(const char *pid)
{
    return done(setpriority(PRIO_PROCESS, (id_t)pid_of(pid), 0));
}

/* --- the kernel ----------------------------------------------------------- */

static int write_one(const char *path)
{
    msp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return write(fd, "1\n", 2) < 0 ? -errno : 0;
}

static int port_access(const char *unused)
{
    (void)unused;
    return done(ioperm(0x80, 1, 1));
}

static int module_load(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = done((int)syscall(SYS_finit_module, fd, "", 0));
    return r == -EEXIST ? 0 : r;
}

/* --- identity ------------------------------------------------------------- */

/* Executes `mspd --version` traced from its birth on, as its tracer. */
static int traced_exec(const char *path)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(126);
        (void)execl(path, path, "--version", (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return -ECHILD;
    /* it stands at its first instruction: ours to write */
    if (ptrace(PTRACE_POKEUSER, pid, NULL, NULL) < 0 && errno == EPERM)
        return -EPERM;
    (void)ptrace(PTRACE_KILL, pid, NULL, NULL);
    (void)waitpid(pid, &status, 0);
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(const char *argument);
} attacks[] = {
    {"map-open", map_open},
    {"map-read", map_read},
    {"map-by-id", map_by_id},
    {"map-by-program", map_by_program},
    {"map-by-iterator", map_by_iterator},
    {"map-others", map_others},
    {"link-open", link_open},
    {"link-by-id", link_by_id},
    {"prog-lsm", prog_lsm},
    {"prog-fmod-ret", prog_fmod_ret},
    {"prog-write-user", prog_write_user},
    {"prog-benign", prog_benign},
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
    {"write-1", write_one},
    {"ioperm", port_access},
    {"module", module_load},
    {"traced-exec", traced_exec},
};

/* @return 0; 2 */
static int attack(const char *name, const char *argument)
{
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
        if (!msp_streq(name, attacks[i].name))
            continue;
        r = attacks[i].fn(argument);
        (void)puts(r == 0 ? "ok" : strerrorname_np(-r));
        (void)fflush(stdout);
        return 0;
    }
    (void)fprintf(stderr, "attack: %s: no such attack\n", name);
    return 2;
}

/* As a process of its own: some attacks change who they are. */
static int attack_apart(const char *name, const char *argument)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(attack(name, argument));
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
        return attack(argv[1], argc > 2 ? argv[2] : "");
    while (r == 0 && fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%63s %959s", name, argument) != 2)
            return 2;
        r = attack_apart(name, argument);
    }
    return r;
}
