/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tamper guard, part 1: who is the agent, and its BPF objects, processes
 * and kernel. Part 2 is guardfs.bpf.c.
 *
 * A role is taken at exec, from the file: {device, inode, generation}. A copy
 * has none, nor has a traced process, one in a container, one of another mount
 * namespace that pid 1 did not start, one whose loader was told what to load
 * (no AT_SECURE), or one whose system calls somebody answers. A file mapped as
 * code that mspd did not have mapped when the guard was made takes every right
 * away, the children's as well; what is done to such a process is still refused.
 */
#include "lib/guard.bpf.h"

/* --- who is the agent ---------------------------------------------------- */

/* Real root of the host: not in a container, in no other mount namespace. */
static __always_inline bool guard_is_host_root(struct task_struct *task,
                                               const struct msp_guard_state *s,
                                               bool is_of_agent)
{
    struct inode *root = BPF_CORE_READ(task, fs, root.dentry, d_inode);

    if (BPF_CORE_READ(task, cred, uid.val) ||
        BPF_CORE_READ(task, cred, euid.val) ||
        BPF_CORE_READ(task, cred, user_ns, level) ||
        BPF_CORE_READ(task, thread_pid, level))
        return false;
    if (BPF_CORE_READ(root, i_ino) != s->root_ino ||
        BPF_CORE_READ(root, i_sb, s_dev) != s->root_dev)
        return false;
    /* a service of pid 1 may have a private one */
    return is_of_agent ||
           BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == s->mnt_ns ||
           BPF_CORE_READ(task, real_parent, tgid) == 1;
}

#define GUARD_FILTERS 32 /* of system calls, one after another */

/* Whether somebody may answer a task's system calls in the kernel's place. */
static __noinline bool guard_is_answered(struct task_struct *task)
{
    struct seccomp_filter *filter = BPF_CORE_READ(task, seccomp.filter);

    for (int i = 0; i < GUARD_FILTERS; i++) {
        if (!filter)
            return false;
        if (BPF_CORE_READ(filter, notif))
            return true;
        filter = BPF_CORE_READ(filter, prev);
    }
    return true; /* fail closed: more than can be looked at */
}

/* @param is_of_agent it was a fork of mspd before this exec */
static __always_inline __u32 guard_role_at_exec(struct task_struct *task,
                                                struct linux_binprm *bprm,
                                                bool is_of_agent)
{
    __u32 flags = guard_file_flags(BPF_CORE_READ(bprm, file, f_inode));
    struct msp_guard_state *state = guard_state();
    __u32 right = 0;

    /* fail closed: traced, it would do what its tracer wants */
    if (!flags || !state || task->ptrace || guard_is_answered(task))
        return 0;
    if (flags & MSP_GUARD_PROCESS && is_of_agent)
        right |= MSP_GUARD_PROCESS;
    if (flags & (MSP_GUARD_ROLE | MSP_GUARD_LOADER) &&
        BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec) &&
        guard_is_host_root(task, state, is_of_agent)) {
        right |= flags & (MSP_GUARD_ROLE | MSP_GUARD_LOADER);
        if (flags & MSP_GUARD_ROLE)
            right |= MSP_GUARD_PROCESS;
    }
    return right;
}

static __always_inline void guard_put(__u32 tgid, struct msp_guard_proc *r)
{
    if (!r->flags || bpf_map_update_elem(&msp_guard_proc, &tgid, r, BPF_ANY))
        /* fail closed: without a row there is no right */
        bpf_map_delete_elem(&msp_guard_proc, &tgid);
}

/* (bprm): the loader is told not to listen to LD_PRELOAD and the like. */
SEC("lsm/bprm_creds_for_exec")

int msp_g_secure(__u64 *ctx)
{
    struct linux_binprm *bprm = (void *)ctx[0];
    __u32 flags = guard_file_flags(BPF_CORE_READ(bprm, file, f_inode));

    if (flags & (MSP_GUARD_ROLE | MSP_GUARD_PROCESS | MSP_GUARD_LOADER))
        bpf_bprm_opts_set(bprm, BPF_F_BPRM_SECUREEXEC);
    return 0;
}

/*
 * (bprm): the current process has become another program; nothing of it is
 * mapped yet. A program of an earlier mspd goes after its link does, so two of
 * them may be here at one exec: who comes second finds the row of this exec,
 * and what either refuses stays refused.
 */
SEC("lsm/bprm_committed_creds")

int msp_g_exec(__u64 *ctx)
{
    struct linux_binprm *bprm = (void *)ctx[0];
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_guard_proc r = {}, *before;
    bool is_of_agent = false, is_second = false;
    __u32 tgid = task->tgid;

    r.start_ns = task->group_leader->start_boottime;
    r.exec_id = task->self_exec_id;
    before = bpf_map_lookup_elem(&msp_guard_proc, &tgid);
    if (before && before->start_ns == r.start_ns) {
        is_second = before->exec_id == r.exec_id;
        if (is_second || before->exec_id + 1 == r.exec_id)
            is_of_agent =
                (before->flags & (MSP_GUARD_PROCESS | MSP_GUARD_FOREIGN)) ==
                MSP_GUARD_PROCESS;
    }
    r.flags = guard_role_at_exec(task, bprm, is_of_agent);
    if (is_second)
        r.flags &= before->flags;
    guard_put(tgid, &r);
    return 0;
}

/* (file, reqprot, prot, flags): code that mspd did not have. */
SEC("lsm/mmap_file")

int msp_g_mmap(__u64 *ctx)
{
    struct file *file = (void *)ctx[0];
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_guard_proc *r;

    if (!file || !(ctx[2] & 4 /* PROT_EXEC */))
        return 0;
    r = guard_proc_of(task);
    if (!r || !(r->flags & MSP_GUARD_PROCESS))
        return 0;
    if (guard_file_flags(BPF_CORE_READ(file, f_inode)) &
        (MSP_GUARD_LIBRARY | MSP_GUARD_ROLE | MSP_GUARD_PROCESS))
        return 0;
    /* fail closed: it may be anybody's code now */
    __sync_fetch_and_or(&r->flags, MSP_GUARD_FOREIGN);
    return 0;
}

/* (parent, child): the child does not run yet. */
SEC("tp_btf/sched_process_fork")

int msp_g_fork(__u64 *ctx)
{
    struct task_struct *parent = (void *)ctx[0];
    struct task_struct *child = (void *)ctx[1];
    struct msp_guard_proc *from, r = {};

    if (child->tgid != child->pid)
        return 0; /* a thread */
    from = guard_proc_of(parent);
    if (!from)
        return 0;
    r.flags = from->flags;
    r.start_ns = child->start_boottime;
    r.exec_id = child->self_exec_id;
    if (parent->ptrace || parent->group_leader->ptrace)
        r.flags = 0;
    guard_put(child->tgid, &r);
    return 0;
}

/* (task, ...): with the last thread the process ends. */
SEC("tp_btf/sched_process_exit")

int msp_g_exit(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    __u32 tgid = task->tgid;

    if (!task->signal->live.counter)
        bpf_map_delete_elem(&msp_guard_proc, &tgid);
    return 0;
}

/* --- BPF objects --------------------------------------------------------- */

enum {
    GUARD_MAPS_MAX = 64, /* of one program: MAX_USED_MAPS */
};

struct bpf_map {
    char name[16];
    bool frozen;
    struct bpf_map *inner_map_meta; /* of a map of maps: what fits in */
    enum bpf_map_type map_type;
    __u32 key_size;
    __u32 value_size;
    __u32 map_flags;
} MSP_CORE;

struct bpf_prog_aux {
    __u32 used_map_cnt;
    __u32 max_rdwr_access;
    struct bpf_map **used_maps;
} MSP_CORE;

struct bpf_prog {
    struct bpf_prog_aux *aux;
} MSP_CORE;

/* Names of ours begin with "msp_", those of globals with "msp.". */
static __always_inline bool guard_is_our_map(struct bpf_map *map)
{
    char name[4] = {};

    /* fail closed: what cannot be read is ours */
    if (bpf_probe_read_kernel(name, sizeof(name),
                              (void *)map +
                                  bpf_core_field_offset(struct bpf_map, name)))
        return true;
    return name[0] == 'm' && name[1] == 's' && name[2] == 'p' &&
           (name[3] == '_' || name[3] == '.');
}

/*
 * (map, fmode): a descriptor of a map is about to be made. Reading is free;
 * so is a frozen one, which no descriptor can change: bpftool asks to write
 * what it only dumps. But a program is attached to a map of sockets by any
 * descriptor of it. ENOENT lets lists of ids go on to the next.
 */
SEC("lsm/bpf_map")

int msp_g_map(__u64 *ctx)
{
    struct bpf_map *map = (void *)ctx[0];
    __u32 type = BPF_CORE_READ(map, map_type);

    if (!guard_is_our_map(map))
        return 0;
    if (type != BPF_MAP_TYPE_SOCKHASH && type != BPF_MAP_TYPE_SOCKMAP &&
        (!(ctx[1] & GUARD_FMODE_WRITE) || BPF_CORE_READ(map, frozen)))
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_MAP, MSP_GUARD_ROLE),
                       GUARD_ENOENT);
}

static __always_inline void guard_shape(struct bpf_map *map,
                                        struct msp_guard_shape *ret)
{
    ret->type = BPF_CORE_READ(map, map_type);
    ret->key_bytes = BPF_CORE_READ(map, key_size);
    ret->value_bytes = BPF_CORE_READ(map, value_size);
    ret->flags = BPF_CORE_READ(map, map_flags);
}

/*
 * A map of maps into which one of ours would fit: a program that names only
 * the outer map writes what is in it, and a descriptor to read ours with is
 * enough to put it there.
 * @return as the hook
 */
static __noinline int guard_outer(struct bpf_map *map)
{
    struct bpf_map *inner = BPF_CORE_READ(map, inner_map_meta);
    struct msp_guard_shape shape = {};

    if (!inner)
        return 0;
    guard_shape(inner, &shape);
    if (!bpf_map_lookup_elem(&msp_guard_shape, &shape))
        return 0;
    return guard_errno(
        guard_refuses(MSP_GUARD_KIND_MAP, MSP_GUARD_ROLE | MSP_GUARD_LOADER),
        GUARD_EPERM);
}

/* (map): one is about to be made. */
SEC("lsm/bpf_map_alloc_security")

int msp_g_outer_6_1(__u64 *ctx)
{
    return guard_outer((void *)ctx[0]);
}

/* (map, attr, token): the same since 6.9 */
SEC("lsm/bpf_map_create")

int msp_g_outer(__u64 *ctx)
{
    return guard_outer((void *)ctx[0]);
}

struct bpf_iter__bpf_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
} MSP_CORE;

static __always_inline void guard_put_shape(struct bpf_map *map)
{
    struct msp_guard_shape shape = {};
    __u32 one = 1;

    guard_shape(map, &shape);
    bpf_map_update_elem(&msp_guard_shape, &shape, &one, BPF_ANY);
}

/* Takes down what would fit our maps, those that are and those of a push. */
SEC("iter/bpf_map")

int msp_g_shapes(struct bpf_iter__bpf_map *ctx)
{
    struct bpf_map *map = ctx->map, *inner;

    if (!map || !guard_is_our_map(map))
        return 0;
    guard_put_shape(map);
    inner = BPF_CORE_READ(map, inner_map_meta);
    if (inner)
        guard_put_shape(inner);
    return 0;
}

/*
 * (prog): a descriptor of a program is about to be made, as at its loading. A
 * program writes maps whatever the descriptor it named them by may do, and an
 * iterator those that it is attached to.
 */
SEC("lsm/bpf_prog")

int msp_g_prog(__u64 *ctx)
{
    struct bpf_prog *prog = (void *)ctx[0];
    struct bpf_map **maps = BPF_CORE_READ(prog, aux, used_maps);
    __u32 n = BPF_CORE_READ(prog, aux, used_map_cnt);
    bool is_ours = BPF_CORE_READ(prog, aux, max_rdwr_access) > 0;

    for (__u32 i = 0; i < GUARD_MAPS_MAX && i < n; i++) {
        struct bpf_map *map = NULL;

        /* fail closed: what cannot be read is ours */
        is_ours |= bpf_probe_read_kernel(&map, sizeof(map), maps + i) ||
                   guard_is_our_map(map);
        if (is_ours)
            break;
    }
    if (!is_ours)
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_PROG, MSP_GUARD_ROLE),
                       GUARD_ENOENT);
}

/* A program that could switch ours off: it may answer in their place. */
static __always_inline bool guard_is_rival(const union bpf_attr *attr)
{
    __u32 type = 0, attach = 0;

    /* fail closed: what cannot be read is one */
    if (bpf_probe_read_kernel(&type, sizeof(type), &attr->prog_type) ||
        bpf_probe_read_kernel(&attach, sizeof(attach),
                              &attr->expected_attach_type))
        return true;
    return type == BPF_PROG_TYPE_LSM || type == BPF_PROG_TYPE_EXT ||
           (type == BPF_PROG_TYPE_TRACING && attach == BPF_MODIFY_RETURN);
}

static __always_inline bool guard_is_our_link(const union bpf_attr *attr)
{
    __u32 id = 0;

    return bpf_probe_read_kernel(&id, sizeof(id), &attr->link_id) ||
           bpf_map_lookup_elem(&msp_guard_link, &id);
}

/* (cmd, attr, size): attr is the kernel's copy. */
SEC("lsm/bpf")

int msp_g_bpf(__u64 *ctx)
{
    const union bpf_attr *attr = (void *)ctx[1];
    int cmd = (int)ctx[0];

    if (cmd == BPF_PROG_LOAD && guard_is_rival(attr) &&
        guard_refuses(MSP_GUARD_KIND_PROG, MSP_GUARD_ROLE | MSP_GUARD_LOADER))
        return -GUARD_EPERM;
    if (cmd == BPF_LINK_GET_FD_BY_ID && guard_is_our_link(attr) &&
        guard_refuses(MSP_GUARD_KIND_LINK, MSP_GUARD_ROLE))
        return -GUARD_ENOENT;
    return 0;
}

/* --- processes ----------------------------------------------------------- */

static __always_inline bool guard_is_agent(struct task_struct *task)
{
    struct msp_guard_proc *r = guard_proc_of(task);

    return r && r->flags & MSP_GUARD_PROCESS;
}

/*
 * @param init MSP_GUARD_INIT: pid 1 may do it, too
 * @return whether the process is the agent's and the current one may not
 */
static __noinline bool guard_touch(struct task_struct *task, __u32 init)
{
    __u32 self = bpf_get_current_pid_tgid() >> 32;

    if (!guard_is_agent(task) || (__u32)BPF_CORE_READ(task, tgid) == self)
        return false;
    return guard_refuses(MSP_GUARD_KIND_PROCESS, GUARD_AGENT | init);
}

#define GUARD_PTRACE_ATTACH 0x2u

/* (child, mode): who is pid 1 could do what pid 1 may. */
SEC("lsm/ptrace_access_check")

int msp_g_ptrace(__u64 *ctx)
{
    struct task_struct *child = (void *)ctx[0];
    bool is_attach = ctx[1] & GUARD_PTRACE_ATTACH;

    if (child->tgid == 1 && is_attach &&
        guard_refuses(MSP_GUARD_KIND_PROCESS, GUARD_AGENT))
        return -GUARD_EPERM;
    return guard_errno(guard_touch(child, is_attach ? 0 : MSP_GUARD_INIT),
                       GUARD_EPERM);
}

/* (task, info, sig, cred): the kernel's own signals do not come here. */
SEC("lsm/task_kill")

int msp_g_kill(__u64 *ctx)
{
    return guard_errno((int)ctx[2] &&
                           guard_touch((void *)ctx[0], MSP_GUARD_INIT),
                       GUARD_EPERM);
}

/*
 * (task, fown, sig): a file tells its owner that there is something, by the
 * signal that whoever set the owner chose. That can happen in an interrupt of
 * anybody, and the agent asks for none.
 */
SEC("lsm/file_send_sigiotask")

int msp_g_sigio(__u64 *ctx)
{
    if (!guard_is_agent((void *)ctx[0]) || !guard_is_locked())
        return 0;
    guard_count(MSP_GUARD_KIND_PROCESS);
    return -GUARD_EPERM;
}

/* (task, resource, limit) */
SEC("lsm/task_setrlimit")

int msp_g_rlimit(__u64 *ctx)
{
    return guard_errno(guard_touch((void *)ctx[0], 0), GUARD_EPERM);
}

/* (task) */
SEC("lsm/task_setscheduler")

int msp_g_sched(__u64 *ctx)
{
    return guard_errno(guard_touch((void *)ctx[0], 0), GUARD_EPERM);
}

/* (task, nice) */
SEC("lsm/task_setnice")

int msp_g_nice(__u64 *ctx)
{
    return guard_errno(guard_touch((void *)ctx[0], 0), GUARD_EPERM);
}

/* (cgroup, path, task, threadgroup): where the agent is now. */
SEC("tp_btf/cgroup_attach_task")

int msp_g_moved(__u64 *ctx)
{
    struct cgroup *to = (void *)ctx[0];
    struct task_struct *task = (void *)ctx[2];
    __u32 flags = MSP_GUARD_CG_OWN;
    __u64 id;

    if (!guard_is_agent(task) || !BPF_CORE_READ(to, level))
        return 0;
    id = BPF_CORE_READ(to, kn, id);
    bpf_map_update_elem(&msp_guard_cg, &id, &flags, BPF_ANY);
    return 0;
}

/* --- the kernel ---------------------------------------------------------- */

/* Their numbers differ from kernel to kernel. */
enum lockdown_reason {
    LOCKDOWN_DEV_MEM = 1,
    LOCKDOWN_KEXEC,
    LOCKDOWN_HIBERNATION,
    LOCKDOWN_PCI_ACCESS,
    LOCKDOWN_IOPORT,
    LOCKDOWN_MSR,
    LOCKDOWN_BPF_WRITE_USER,
    LOCKDOWN_KCORE,
};

enum kernel_load_data_id {
    LOADING_MODULE = 1,
    LOADING_KEXEC_IMAGE,
};

enum kernel_read_file_id {
    READING_MODULE = 1,
    READING_KEXEC_IMAGE,
    READING_KEXEC_INITRAMFS,
};

#define GUARD_IS(what, type, name)             \
    (bpf_core_enum_value_exists(type, name) && \
     (what) == bpf_core_enum_value(type, name))

#define GUARD_IS_LOCKDOWN(what, name) \
    GUARD_IS(what, enum lockdown_reason, LOCKDOWN_##name)

static __always_inline bool guard_is_kernel_guarded(void)
{
    struct msp_guard_state *state = guard_state();

    return !state || state->flags & MSP_GUARD_KERNEL;
}

/* (what): ways around every program, by memory. */
SEC("lsm/locked_down")

int msp_g_lockdown(__u64 *ctx)
{
    __u64 what = (__u32)ctx[0];
    bool is_ours =
        GUARD_IS_LOCKDOWN(what, DEV_MEM) || GUARD_IS_LOCKDOWN(what, KCORE) ||
        GUARD_IS_LOCKDOWN(what, IOPORT) || GUARD_IS_LOCKDOWN(what, MSR) ||
        GUARD_IS_LOCKDOWN(what, BPF_WRITE_USER);

    if (guard_is_kernel_guarded())
        is_ours |= GUARD_IS_LOCKDOWN(what, KEXEC) ||
                   GUARD_IS_LOCKDOWN(what, HIBERNATION) ||
                   GUARD_IS_LOCKDOWN(what, PCI_ACCESS);
    if (!is_ours)
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_KERNEL, MSP_GUARD_LOADER),
                       GUARD_EPERM);
}

/* (id, contents): init_module, kexec_load */
SEC("lsm/kernel_load_data")

int msp_g_loaddata(__u64 *ctx)
{
    __u64 id = (__u32)ctx[0];

    if (!guard_is_kernel_guarded() ||
        !(GUARD_IS(id, enum kernel_load_data_id, LOADING_MODULE) ||
          GUARD_IS(id, enum kernel_load_data_id, LOADING_KEXEC_IMAGE)))
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_KERNEL, 0), GUARD_EPERM);
}

/* (file, id, contents): finit_module, kexec_file_load */
SEC("lsm/kernel_read_file")

int msp_g_readfile(__u64 *ctx)
{
    __u64 id = (__u32)ctx[1];

    if (!guard_is_kernel_guarded() ||
        !(GUARD_IS(id, enum kernel_read_file_id, READING_MODULE) ||
          GUARD_IS(id, enum kernel_read_file_id, READING_KEXEC_IMAGE) ||
          GUARD_IS(id, enum kernel_read_file_id, READING_KEXEC_INITRAMFS)))
        return 0;
    return guard_errno(guard_refuses(MSP_GUARD_KIND_KERNEL, 0), GUARD_EPERM);
}
