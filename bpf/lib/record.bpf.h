/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Exec records: what a process is, and whether that can be believed. */
#pragma once

#include <msp/fs.h>

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"

static __always_inline void record_file(struct inode *inode,
                                        struct msp_exe *exe)
{
    exe->s_dev = inode->i_sb->s_dev;
    exe->generation = inode->i_generation;
    exe->ino = inode->i_ino;
}

#define RECORD_NSEC 1000000000ull

/*
 * Whether the file may be written once more without another ctime, or was so
 * that its contents at exec had the ctime of others. The clock of ctimes stands
 * still for a tick of 10 ms or less, for six of them while the CPU that moves it
 * is held up; and the file system may round what it says.
 */
static __always_inline bool record_is_young(const struct msp_exec *r,
                                            const struct super_block *sb,
                                            const struct msp_meta *meta)
{
    __u64 offset = *(const volatile __u64 *)&meta->real_offset_ns;
    __u64 now = r->exec_ns + offset;
    __u64 settled = sb->s_time_gran + MSP_EXE_SETTLE_MS * 1000000ull;
    __u64 age;

    if (!offset)
        return true; /* fail closed: nobody has said what time it is */
    if (r->ctime_sec < 0)
        return false;
    if ((__u64)r->ctime_sec > now / RECORD_NSEC)
        return true; /* fail closed: the clock was set back since */
    age = now - ((__u64)r->ctime_sec * RECORD_NSEC + r->ctime_nsec);
    /* fail closed: one below zero is large, and not old but of the future */
    return age < settled || age > now;
}

/* Fills everything but the times and ids of the process. */
static __always_inline void record_fill(struct msp_exec *r, struct file *file,
                                        const struct msp_meta *meta)
{
    struct inode *inode = file->f_inode;
    struct dentry *dentry = file->f_path.dentry;

    record_file(inode, &r->exe);
    core_ctime(inode, &r->ctime_sec, &r->ctime_nsec);
    r->exec_ns = bpf_ktime_get_boot_ns();
    if (record_is_young(r, inode->i_sb, meta))
        r->flags |= MSP_EXEC_YOUNG;
    if (!msp_fs_is_accepted(inode->i_sb->s_magic))
        r->flags |= MSP_EXEC_OTHER_FS;
    if (inode->i_sb->s_magic == OVERLAYFS_SUPER_MAGIC)
        r->flags |= MSP_EXEC_OVERLAY;
    /* a longer one has no name here: half a name could be another's */
    if (dentry->d_name.len < sizeof(r->name))
        bpf_probe_read_kernel_str(r->name, sizeof(r->name),
                                  dentry->d_name.name);
}

/* What the LSM hook of this very exec has read, if there is one. */
static __always_inline void record_hash(__u32 tgid, struct msp_exec *r)
{
    const struct msp_exec_hash *hash =
        bpf_map_lookup_elem(&msp_exec_hash, &tgid);

    if (!hash)
        return;
    if (hash->start_ns == r->start_ns && hash->exec_id == r->exec_id) {
        r->sha256 = hash->sha256;
        r->flags |= hash->flags;
    }
    bpf_map_delete_elem(&msp_exec_hash, &tgid);
}

static __always_inline void record_put(__u32 tgid, const struct msp_exec *r)
{
    if (!bpf_map_update_elem(&msp_exec, &tgid, r, BPF_ANY))
        return;
    /* fail closed: without a record there is no executable */
    bpf_map_delete_elem(&msp_exec, &tgid);
    event_stat(MSP_STAT_EXEC_DROPPED);
}

/* Whether the record is this task's process as it runs now. */
static __always_inline bool record_is_of(const struct msp_exec *r,
                                         struct task_struct *task)
{
    return r->start_ns == task->group_leader->start_boottime &&
           r->exec_id == task->self_exec_id;
}

/*
 * The record of the current process. Its own row stays while one of its
 * threads is here: it goes at the exit of the last one and changes at an
 * exec, which ends all others first.
 * @return NULL: none that can be believed
 */
static __always_inline struct msp_exec *record_of(struct task_struct *task)
{
    __u32 tgid = task->tgid;
    struct msp_exec *r = bpf_map_lookup_elem(&msp_exec, &tgid);

    /* fail closed: of an earlier program, or in a tracer's hands */
    if (!r || !record_is_of(r, task) || r->flags & MSP_EXEC_TRACED ||
        task->ptrace || task->group_leader->ptrace)
        return NULL;
    return r;
}
