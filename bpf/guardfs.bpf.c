/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tamper guard, part 2: files, directories, pins, mounts, and the files
 * that switch things off (kernel.ftrace_enabled, cgroup.kill and the like).
 */
#include "lib/guard.bpf.h"
#include "lib/iter.bpf.h"

static __always_inline __u32 guard_magic(struct inode *inode)
{
    return (__u32)BPF_CORE_READ(inode, i_sb, s_magic);
}

/* @return flags of the directory an entry is in; it is its own at the top */
static __noinline __u32 guard_above(struct dentry *dentry)
{
    return guard_file_flags(BPF_CORE_READ(dentry, d_parent, d_inode));
}

/* Pins: the entry itself or a directory above it. */
static __noinline bool guard_is_pin(struct dentry *dentry)
{
    for (int i = 0; i < GUARD_WALK; i++) {
        struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

        if (guard_file_flags(BPF_CORE_READ(dentry, d_inode)) & MSP_GUARD_TREE)
            return true;
        if (!parent || parent == dentry)
            return false;
        dentry = parent;
    }
    return true; /* fail closed: deeper than pins are */
}

/*
 * An entry of a directory is made, changed or taken away.
 * @return whether that is refused
 */
static __noinline bool guard_entry(struct inode *dir, struct dentry *dentry)
{
    if (guard_magic(dir) == GUARD_BPF_FS_MAGIC)
        return guard_is_pin(dentry) &&
               guard_refuses(MSP_GUARD_KIND_PIN, MSP_GUARD_ROLE);
    if (!(guard_file_flags(dir) & MSP_GUARD_DIR) &&
        !(guard_file_flags(BPF_CORE_READ(dentry, d_inode)) & MSP_GUARD_NAMES))
        return false;
    return guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT);
}

static __always_inline long guard_register(struct inode *inode, __u32 flags)
{
    struct msp_exe key = {};
    __u32 *old;

    key.s_dev = BPF_CORE_READ(inode, i_sb, s_dev);
    key.generation = BPF_CORE_READ(inode, i_generation);
    key.ino = BPF_CORE_READ(inode, i_ino);
    old = bpf_map_lookup_elem(&msp_guard_file, &key);
    if (old)
        flags |= *old;
    return bpf_map_update_elem(&msp_guard_file, &key, &flags, BPF_ANY);
}

/* --- files in a guarded directory ---------------------------------------- */

#define GUARD_MODE_IFMT  0170000u
#define GUARD_MODE_IFREG 0100000u

/*
 * Whoever may write such a file makes it one that is known itself: it can be
 * come by without its directory, by a handle or as the layer of an overlay.
 * Where there is no room for it the directory still stands for it.
 */
static __noinline int guard_adopt(struct inode *inode, __u32 above)
{
    struct msp_guard_state *state = guard_state();

    if (!inode || !state || !(state->flags & MSP_GUARD_ON) ||
        (BPF_CORE_READ(inode, i_mode) & GUARD_MODE_IFMT) != GUARD_MODE_IFREG)
        return 0;
    guard_register(inode, MSP_GUARD_INSIDE | (above & MSP_GUARD_NOREAD));
    return 0;
}

/* It goes, or is moved away: rows of those would fill the map. */
static __noinline int guard_leave(struct inode *inode)
{
    struct msp_exe key = {};
    __u32 flags;

    if (!inode || BPF_CORE_READ(inode, i_nlink) > 1)
        return 0;
    key.s_dev = BPF_CORE_READ(inode, i_sb, s_dev);
    key.generation = BPF_CORE_READ(inode, i_generation);
    key.ino = BPF_CORE_READ(inode, i_ino);
    flags = guard_flags_of(&key);
    if ((flags & ~MSP_GUARD_NOREAD) == MSP_GUARD_INSIDE)
        bpf_map_delete_elem(&msp_guard_file, &key);
    return 0;
}

/* --- entries ------------------------------------------------------------- */

/* Those whose arguments begin with (dir, dentry). */
#define GUARD_ENTRY(name, hook)                                         \
    SEC("lsm/" hook)                                                    \
    int name(__u64 *ctx)                                                \
    {                                                                   \
        return guard_errno(guard_entry((void *)ctx[0], (void *)ctx[1]), \
                           GUARD_EPERM);                                \
    }                                                                   \
    _Static_assert(sizeof(#name) <= 16, "name of a program")

GUARD_ENTRY(msp_g_rmdir, "inode_rmdir");
GUARD_ENTRY(msp_g_create, "inode_create");
GUARD_ENTRY(msp_g_mkdir, "inode_mkdir");
GUARD_ENTRY(msp_g_mknod, "inode_mknod");
GUARD_ENTRY(msp_g_symlink, "inode_symlink");

/* (dir, dentry) */
SEC("lsm/inode_unlink")

int msp_g_unlink(__u64 *ctx)
{
    struct dentry *dentry = (void *)ctx[1];
    struct inode *dir = (void *)ctx[0];

    if (guard_entry(dir, dentry))
        return -GUARD_EPERM;
    if (guard_file_flags(dir) & MSP_GUARD_DIR)
        guard_leave(BPF_CORE_READ(dentry, d_inode));
    return 0;
}

/* (old dir, old dentry, new dir, new dentry) */
SEC("lsm/inode_rename")

int msp_g_rename(__u64 *ctx)
{
    struct dentry *old = (void *)ctx[1], *new = (void *)ctx[3];
    struct inode *from = (void *)ctx[0], *to = (void *)ctx[2];
    __u32 above;

    if (guard_entry(from, old) || guard_entry(to, new))
        return -GUARD_EPERM;
    above = guard_file_flags(to);
    if (above & MSP_GUARD_DIR) {
        guard_leave(BPF_CORE_READ(new, d_inode));
        guard_adopt(BPF_CORE_READ(old, d_inode), above);
    } else if (guard_file_flags(from) & MSP_GUARD_DIR) {
        guard_leave(BPF_CORE_READ(old, d_inode));
    }
    return 0;
}

/* (old dentry, dir, new dentry): another name is another way to it. */
SEC("lsm/inode_link")

int msp_g_hardlink(__u64 *ctx)
{
    struct dentry *old = (void *)ctx[0];
    bool is_ours =
        guard_file_flags(BPF_CORE_READ(old, d_inode)) & MSP_GUARD_NAMES ||
        guard_above(old) & MSP_GUARD_DIR;

    if (is_ours && guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT))
        return -GUARD_EPERM;
    return guard_errno(guard_entry((void *)ctx[1], (void *)ctx[2]),
                       GUARD_EPERM);
}

/* (dentry, attr); (idmap, dentry, attr) since 6.9 */
SEC("lsm/inode_setattr")

int msp_g_setattr(__u64 *ctx)
{
    struct dentry *dentry;
    struct inode *inode;
    __u64 arg = 0;

    /* fail closed: an argument that cannot be had is a guarded file */
    if (bpf_get_func_arg(ctx, bpf_get_func_arg_cnt(ctx) > 2 ? 1 : 0, &arg))
        return guard_errno(guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT),
                           GUARD_EPERM);
    dentry = (void *)arg;
    inode = BPF_CORE_READ(dentry, d_inode);
    if (guard_magic(inode) == GUARD_BPF_FS_MAGIC)
        return guard_errno(
            guard_is_pin(dentry) &&
                guard_refuses(MSP_GUARD_KIND_PIN, MSP_GUARD_ROLE),
            GUARD_EPERM);
    if (!(guard_file_flags(inode) & (MSP_GUARD_NOWRITE | MSP_GUARD_DIR)) &&
        !(guard_above(dentry) & MSP_GUARD_DIR))
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT),
                       GUARD_EPERM);
}

/*
 * (inode, mask): a link's pin is opened by path, and its descriptor could
 * detach it; which descriptor a later call names can be exchanged under it.
 */
SEC("lsm/inode_permission")

int msp_g_search(__u64 *ctx)
{
    struct inode *inode = (void *)ctx[0];

    /* everybody comes here for each part of a path: no helper is called */
    if (!((__u32)ctx[1] & 1 /* MAY_EXEC */) ||
        (__u32)inode->i_sb->s_magic != GUARD_BPF_FS_MAGIC ||
        !(guard_file_flags(inode) & MSP_GUARD_NOSEARCH))
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_LINK, MSP_GUARD_ROLE),
                       GUARD_EPERM);
}

/* --- opening ------------------------------------------------------------- */

/* A name of at most 15 bytes, NUL-padded: compared at once. */
union guard_name {
    char text[16];
    __u64 word[2];
};

static __always_inline bool guard_is_name(const union guard_name *name,
                                          const union guard_name *wanted)
{
    return name->word[0] == wanted->word[0] && name->word[1] == wanted->word[1];
}

static __always_inline void guard_name_of(struct dentry *dentry,
                                          union guard_name *ret)
{
    bpf_probe_read_kernel_str(ret->text, sizeof(ret->text),
                              BPF_CORE_READ(dentry, d_name.name));
}

/* LSM programs are not called while it is 0. */
static __noinline bool guard_is_ftrace(struct dentry *dentry)
{
    const union guard_name wanted = {"ftrace_enabled"};
    union guard_name name = {};

    guard_name_of(dentry, &name);
    return guard_is_name(&name, &wanted);
}

/* One of the files by which the agent's cgroup, or one above it, is ended. */
static __noinline bool guard_is_cgroup_file(struct dentry *dentry)
{
    const union guard_name kill = {"cgroup.kill"};
    const union guard_name freeze = {"cgroup.freeze"};
    const union guard_name procs = {"cgroup.procs"};
    const union guard_name threads = {"cgroup.threads"};
    __u64 id = BPF_CORE_READ(dentry, d_parent, d_inode, i_ino);
    __u32 *flags = bpf_map_lookup_elem(&msp_guard_cg, &id);
    union guard_name name = {};

    if (!flags)
        return false;
    guard_name_of(dentry, &name);
    if (guard_is_name(&name, &kill) || guard_is_name(&name, &freeze))
        return true;
    return *flags & MSP_GUARD_CG_OWN &&
           (guard_is_name(&name, &procs) || guard_is_name(&name, &threads));
}

/* @return whether opening this file to write it is refused */
static __noinline bool guard_switch(struct dentry *dentry, __u32 magic)
{
    if (magic == GUARD_PROC_MAGIC)
        return guard_is_ftrace(dentry) &&
               guard_refuses(MSP_GUARD_KIND_FTRACE, 0);
    return magic == GUARD_CGROUP_MAGIC && guard_is_cgroup_file(dentry) &&
           guard_refuses(MSP_GUARD_KIND_CGROUP, GUARD_AGENT | MSP_GUARD_INIT);
}

/* The same as guard_file_flags() of what the verifier knows: no helper reads. */
static __always_inline __u32 guard_opened_flags(struct inode *inode)
{
    struct msp_exe key = {};

    key.s_dev = inode->i_sb->s_dev;
    key.generation = inode->i_generation;
    key.ino = inode->i_ino;
    return guard_flags_of(&key);
}

/* (file) */
SEC("lsm/file_open")

int msp_g_open(__u64 *ctx)
{
    struct file *file = (void *)ctx[0];
    struct dentry *dentry = file->f_path.dentry;
    struct inode *inode = file->f_inode;
    bool is_written = file->f_mode & GUARD_FMODE_WRITE;
    __u32 magic = (__u32)inode->i_sb->s_magic, flags, above = 0, wanted;

    if (is_written &&
        (magic == GUARD_PROC_MAGIC || magic == GUARD_CGROUP_MAGIC))
        return guard_errno(guard_switch(dentry, magic), GUARD_EPERM);
    flags = guard_opened_flags(inode);
    wanted = file->f_mode & GUARD_FMODE_READ ? MSP_GUARD_NOREAD : 0;
    if (is_written)
        wanted |= MSP_GUARD_NOWRITE | MSP_GUARD_NOREAD;
    /* what all may read is no secret of its directory's */
    if (is_written || !(inode->i_mode & GUARD_MODE_ROTH)) {
        above = guard_opened_flags(dentry->d_parent->d_inode);
        if (above & MSP_GUARD_DIR)
            flags |= MSP_GUARD_NOWRITE | (above & MSP_GUARD_NOREAD);
    }
    if (!(flags & wanted))
        return 0;
    if (guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT))
        return -GUARD_EPERM;
    if (is_written && above & MSP_GUARD_DIR)
        guard_adopt(file->f_inode, above);
    return 0;
}

#define GUARD_IOC_FLAGS      0x40086602u /* FS_IOC_SETFLAGS */
#define GUARD_IOC_FLAGS32    0x40046602u
#define GUARD_IOC_VERSION    0x40087602u /* FS_IOC_SETVERSION */
#define GUARD_IOC_VERSION32  0x40047602u
#define GUARD_IOC_FSSETXATTR 0x401c5820u

/* What a file is known by is changed: its generation, or whether it may be. */
static __noinline bool guard_ioctl(struct file *file, __u32 cmd)
{
    if (cmd != GUARD_IOC_FLAGS && cmd != GUARD_IOC_FLAGS32 &&
        cmd != GUARD_IOC_VERSION && cmd != GUARD_IOC_VERSION32 &&
        cmd != GUARD_IOC_FSSETXATTR)
        return false;
    if (!(guard_file_flags(BPF_CORE_READ(file, f_inode)) &
          (MSP_GUARD_NOWRITE | MSP_GUARD_DIR)) &&
        !(guard_above(BPF_CORE_READ(file, f_path.dentry)) & MSP_GUARD_DIR))
        return false;
    return guard_refuses(MSP_GUARD_KIND_FILE, GUARD_AGENT);
}

/* (file, cmd, arg) */
SEC("lsm/file_ioctl")

int msp_g_ioctl(__u64 *ctx)
{
    return guard_errno(guard_ioctl((void *)ctx[0], (__u32)ctx[1]), GUARD_EPERM);
}

/* (file, cmd, arg): of 32-bit programs, since 6.8 */
SEC("lsm/file_ioctl_compat")

int msp_g_ioctl32(__u64 *ctx)
{
    return guard_errno(guard_ioctl((void *)ctx[0], (__u32)ctx[1]), GUARD_EPERM);
}

/*
 * The same switch from below: a descriptor that was opened before the guard,
 * and a kernel that calls no LSM programs any more.
 */
SEC("cgroup/sysctl")

int msp_g_sysctl(struct bpf_sysctl *ctx)
{
    const char wanted[] = "kernel/ftrace_enabled";
    char name[sizeof(wanted) + 1] = {};

    if (!ctx->write ||
        bpf_sysctl_get_name(ctx, name, sizeof(name), 0) != sizeof(wanted) - 1)
        return 1;
    for (unsigned int i = 0; i < sizeof(wanted); i++)
        if (name[i] != wanted[i])
            return 1;
    return guard_refuses(MSP_GUARD_KIND_FTRACE, 0) ? 0 : 1;
}

/* --- mounts -------------------------------------------------------------- */

#define GUARD_MNT_SHARED 0x1000

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    struct mnt_namespace *mnt_ns;
    int mnt_id;
} MSP_CORE;

static __always_inline struct mount *guard_mount(struct vfsmount *mnt)
{
    return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/* Mounted where pid 1 or mspd sees it. */
static __always_inline bool guard_is_host_mount(struct mount *mount)
{
    __u32 ns = BPF_CORE_READ(mount, mnt_ns, ns.inum);
    struct msp_guard_state *state = guard_state();

    return !state || ns == state->mnt_ns || ns == state->own_mnt_ns;
}

/*
 * Without this mount the pins are gone: theirs, or one it hangs below. What
 * happens to a shared one happens to the host's.
 */
static __noinline bool guard_is_pin_mount(struct vfsmount *mnt)
{
    struct mount *mount = guard_mount(mnt);
    __u32 id = (__u32)BPF_CORE_READ(mount, mnt_id);
    struct inode *at = BPF_CORE_READ(mount, mnt_mountpoint, d_inode);

    if (bpf_map_lookup_elem(&msp_guard_mnt, &id))
        return true;
    if (!(guard_file_flags(at) & MSP_GUARD_MOUNTPOINT))
        return false;
    return guard_is_host_mount(mount) ||
           BPF_CORE_READ(mount, mnt_parent, mnt.mnt_flags) & GUARD_MNT_SHARED;
}

static __always_inline bool guard_unmount(struct vfsmount *mnt)
{
    return guard_is_pin_mount(mnt) &&
           guard_refuses(MSP_GUARD_KIND_MOUNT, GUARD_AGENT);
}

/* @return whether hiding what is there is refused */
static __noinline bool guard_cover(struct path *path)
{
    struct dentry *dentry = BPF_CORE_READ(path, dentry);
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct msp_guard_state *state = guard_state();
    bool is_ours = guard_file_flags(inode) &
                       (MSP_GUARD_NAMES | MSP_GUARD_DIR | MSP_GUARD_TREE) ||
                   guard_above(dentry) & MSP_GUARD_DIR;

    /* the root of the pins' file system, or a directory of pins */
    if (!is_ours && guard_magic(inode) == GUARD_BPF_FS_MAGIC)
        is_ours =
            guard_is_pin(dentry) ||
            (state && BPF_CORE_READ(inode, i_sb, s_dev) == state->pin_dev &&
             BPF_CORE_READ(dentry, d_parent) == dentry);
    return is_ours && guard_refuses(MSP_GUARD_KIND_MOUNT, GUARD_AGENT);
}

/* (mount, flags) */
SEC("lsm/sb_umount")

int msp_g_umount(__u64 *ctx)
{
    return guard_errno(guard_unmount((void *)ctx[0]), GUARD_EPERM);
}

/* (device, path, type, flags, data) */
SEC("lsm/sb_mount")

int msp_g_mount(__u64 *ctx)
{
    return guard_errno(guard_cover((void *)ctx[1]), GUARD_EPERM);
}

/* (from, to) */
SEC("lsm/move_mount")

int msp_g_movemount(__u64 *ctx)
{
    struct path *from = (void *)ctx[0];

    return guard_errno(guard_unmount(BPF_CORE_READ(from, mnt)) ||
                           guard_cover((void *)ctx[1]),
                       GUARD_EPERM);
}

/* (super block, options) */
SEC("lsm/sb_remount")

int msp_g_remount(__u64 *ctx)
{
    struct super_block *sb = (void *)ctx[0];
    struct msp_guard_state *state = guard_state();

    if (state && BPF_CORE_READ(sb, s_dev) != state->pin_dev)
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_MOUNT, GUARD_AGENT),
                       GUARD_EPERM);
}

/* --- registering, run by mspd -------------------------------------------- */

#define GUARD_MOUNTS_MAX 16

/* The mount a file is on and those it hangs below. */
static __always_inline long guard_register_mounts(struct file *file)
{
    struct mount *mount = guard_mount(BPF_CORE_READ(file, f_path.mnt));
    __u32 one = 1;

    for (int i = 0; i < GUARD_MOUNTS_MAX; i++) {
        struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
        __u32 id = (__u32)BPF_CORE_READ(mount, mnt_id);

        if (bpf_map_update_elem(&msp_guard_mnt, &id, &one, BPF_ANY))
            return -1;
        if (!parent || parent == mount)
            return 0;
        if (guard_register(BPF_CORE_READ(mount, mnt_mountpoint, d_inode),
                           MSP_GUARD_MOUNTPOINT))
            return -1;
        mount = parent;
    }
    return -1;
}

/* What is registered leaves msp_guard_want; what stays there failed. */
SEC("iter/task_file")

int msp_g_files(struct bpf_iter__task_file *ctx)
{
    struct msp_guard_state *state = guard_state();
    struct file *file = ctx->file;
    __u32 fd = ctx->fd, flags, *want;
    struct inode *inode;

    if (!file || !state)
        return 0;
    want = bpf_map_lookup_elem(&msp_guard_want, &fd);
    if (!want)
        return 0;
    flags = *want;
    inode = file->f_inode;
    if (flags & MSP_GUARD_MOUNTS) {
        state->pin_dev = BPF_CORE_READ(inode, i_sb, s_dev);
        if (guard_register_mounts(file))
            return 0;
    }
    if (!guard_register(inode, flags & ~MSP_GUARD_MOUNTS))
        bpf_map_delete_elem(&msp_guard_want, &fd);
    return 0;
}

/*
 * Who runs already when the guard is made or remade, as it is: mspd, which is
 * the current process, and its children.
 */
SEC("iter/task")

int msp_g_tasks(struct bpf_iter__task *ctx)
{
    __u32 self = bpf_get_current_pid_tgid() >> 32, tgid;
    struct task_struct *task = ctx->task;
    struct msp_guard_proc r = {};
    struct file *file;
    __u32 flags;

    if (!task || task->pid != task->tgid || !task->mm)
        return 0;
    tgid = task->tgid;
    file = task->mm->exe_file;
    if (!file || task->ptrace ||
        (tgid != self && task->real_parent->tgid != (int)self))
        return 0;
    flags = guard_file_flags(file->f_inode);
    r.flags = flags & MSP_GUARD_PROCESS;
    if (tgid == self)
        r.flags |= flags & MSP_GUARD_ROLE;
    if (!r.flags)
        return 0;
    r.start_ns = task->start_boottime;
    r.exec_id = task->self_exec_id;
    bpf_map_update_elem(&msp_guard_proc, &tgid, &r, BPF_ANY);
    return 0;
}

/* What the guard takes a process for: one struct msp_guard_role each. */
SEC("iter/task")

int msp_g_roles(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct msp_guard_role role = {};
    struct msp_guard_proc *r;

    if (!task || task->pid != task->tgid)
        return 0;
    role.tgid = task->tgid;
    r = guard_proc_of(task);
    if (r)
        role.flags = r->flags;
    bpf_seq_write(ctx->meta->seq, &role, sizeof(role));
    return 0;
}

#define GUARD_ANCESTORS_MAX 64

static __always_inline void guard_place_cgroup(void)
{
    __u64 own = bpf_get_current_cgroup_id();
    __u32 flags;

    /* level 0 has none of these files */
    for (int i = 1; i < GUARD_ANCESTORS_MAX; i++) {
        __u64 id = bpf_get_current_ancestor_cgroup_id(i);

        if (!id)
            return;
        flags = id == own ? MSP_GUARD_CG_OWN : MSP_GUARD_CG_ABOVE;
        bpf_map_update_elem(&msp_guard_cg, &id, &flags, BPF_ANY);
    }
}

/* Where pid 1 is, by walking up to it, and where the caller is. */
SEC("syscall")

int msp_g_place(struct msp_guard_place_ctx *ctx)
{
    struct task_struct *self = (void *)bpf_get_current_task();
    struct task_struct *task = self;
    struct msp_guard_state *state = guard_state();
    struct inode *root;

    ctx->is_found = 0;
    if (!state)
        return 0;
    state->own_mnt_ns = BPF_CORE_READ(self, nsproxy, mnt_ns, ns.inum);
    guard_place_cgroup();
    for (int i = 0; i < GUARD_ANCESTORS_MAX; i++) {
        if (BPF_CORE_READ(task, tgid) == 1) {
            root = BPF_CORE_READ(task, fs, root.dentry, d_inode);
            state->root_ino = BPF_CORE_READ(root, i_ino);
            state->root_dev = BPF_CORE_READ(root, i_sb, s_dev);
            state->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
            ctx->is_found = 1;
            return 0;
        }
        task = BPF_CORE_READ(task, real_parent);
    }
    return 0; /* fail closed: not found, and the guard is not made */
}
