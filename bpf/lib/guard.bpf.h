/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tamper guard's maps, and the two questions each of its programs asks:
 * is this one of the guarded things, and who is the current process.
 *
 * Refusals are the programs' only effect. Nothing here may fail open quietly:
 * a map that cannot be read refuses.
 */
#pragma once

#include <msp/guard.h>

#include "lib/core.bpf.h"

#define GUARD_EPERM  1
#define GUARD_ENOENT 2

#define GUARD_FMODE_READ  0x1u
#define GUARD_FMODE_WRITE 0x2u

#define GUARD_MODE_ROTH 04u /* S_IROTH */

#define GUARD_BPF_FS_MAGIC 0xcafe4a11u
#define GUARD_PROC_MAGIC   0x9fa0u
#define GUARD_CGROUP_MAGIC 0x63677270u /* version 2 */

#define GUARD_WALK 8 /* directories of pins above each other */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_guard_state);
} msp_guard __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, struct msp_exe);
    __type(value, __u32); /* MSP_GUARD_* */
} msp_guard_file __weak SEC(".maps");

/* Only processes with a right are in it, so nobody else can fill it. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u32); /* tgid */
    __type(value, struct msp_guard_proc);
} msp_guard_proc __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 2 * MSP_GUARD_LINKS_MAX); /* and of before */
    __type(key, __u32);                           /* id of a link */
    __type(value, __u32);                         /* 1 */
} msp_guard_link __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);   /* id of a cgroup */
    __type(value, __u32); /* MSP_GUARD_CG_* */
} msp_guard_cg __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 64);
    __type(key, __u32);   /* id of a mount */
    __type(value, __u32); /* 1 */
} msp_guard_mnt __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_GUARD_KIND_COUNT);
    __type(key, __u32);
    __type(value, struct msp_guard_stat);
} msp_guard_stat __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 256);
    __type(key, struct msp_guard_shape);
    __type(value, __u32); /* 1 */
} msp_guard_shape __weak SEC(".maps");

/* Which of mspd's descriptors to register, and as what. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, __u32);   /* descriptor */
    __type(value, __u32); /* MSP_GUARD_* */
} msp_guard_want __weak SEC(".maps");

static __always_inline struct msp_guard_state *guard_state(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&msp_guard, &zero);
}

/* --- the current process ------------------------------------------------- */

/* The row of a task's process, if it is of the program it runs now. */
static __always_inline struct msp_guard_proc *
guard_proc_of(struct task_struct *task)
{
    __u32 tgid = BPF_CORE_READ(task, tgid);
    struct msp_guard_proc *r = bpf_map_lookup_elem(&msp_guard_proc, &tgid);

    if (!r ||
        r->start_ns != BPF_CORE_READ(task, group_leader, start_boottime) ||
        r->exec_id != BPF_CORE_READ(task, self_exec_id))
        return NULL; /* fail closed: of an earlier program */
    return r;
}

/* @return MSP_GUARD_ROLE, PROCESS, LOADER and INIT of the current process */
static __noinline __u32 guard_right(void)
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u32 init = task->tgid == 1 ? MSP_GUARD_INIT : 0;
    struct msp_guard_proc *r = guard_proc_of(task);

    /* fail closed: nobody, in a tracer's hands, or with others' code */
    if (!r || task->ptrace || task->group_leader->ptrace ||
        r->flags & MSP_GUARD_FOREIGN)
        return init;
    return r->flags | init;
}

/* --- refusing ------------------------------------------------------------ */

static __always_inline bool guard_is_locked(void)
{
    struct msp_guard_state *state = guard_state();

    if (!state)
        return true; /* fail closed: an array's only entry is always there */
    return state->flags & MSP_GUARD_ON &&
           bpf_ktime_get_boot_ns() >= state->unlocked_until_ns;
}

static __always_inline void guard_count(__u32 kind)
{
    struct msp_guard_stat *stat = bpf_map_lookup_elem(&msp_guard_stat, &kind);

    if (!stat)
        return;
    __sync_fetch_and_add(&stat->n, 1);
    stat->last_ns = bpf_ktime_get_boot_ns();
    stat->pid = bpf_get_current_pid_tgid() >> 32;
    stat->uid = (__u32)bpf_get_current_uid_gid();
    bpf_get_current_comm(stat->comm, sizeof(stat->comm));
}

/*
 * Asked when something guarded is about to be touched.
 * @param kind enum msp_guard_kind
 * @param right what lets the current process do it; root can make pid 1 run
 *        what it wants, so pid 1 may no more than it needs: MSP_GUARD_INIT
 * @return whether it may not; then it was counted
 */
static __noinline bool guard_refuses(__u32 kind, __u32 right)
{
    if (!guard_is_locked() || guard_right() & right)
        return false;
    guard_count(kind);
    return true;
}

/*
 * What a program returns. Linux 6.12 wants to see [-4095, 0], which it cannot
 * in the arithmetic that a compiler makes of a choice.
 */
static __always_inline int guard_errno(bool is_refused, int error)
{
    int r = 0;

    if (is_refused) {
        r = -error;
        barrier_var(r);
    }
    return r;
}

/* The agent's own processes may; nobody else. */
#define GUARD_AGENT (MSP_GUARD_ROLE | MSP_GUARD_PROCESS)

/* --- files --------------------------------------------------------------- */

static __always_inline __u32 guard_flags_of(const struct msp_exe *key)
{
    __u32 *flags = bpf_map_lookup_elem(&msp_guard_file, key);

    return flags ? *flags : 0;
}

/* @return MSP_GUARD_* of a file; 0: not guarded */
static __noinline __u32 guard_file_flags(struct inode *inode)
{
    struct msp_exe key = {};

    if (!inode)
        return 0;
    key.s_dev = BPF_CORE_READ(inode, i_sb, s_dev);
    key.generation = BPF_CORE_READ(inode, i_generation);
    key.ino = BPF_CORE_READ(inode, i_ino);
    return guard_flags_of(&key);
}
