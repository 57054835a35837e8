/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who is the host's, and who is its real root. */
#pragma once

#include "lib/maps.bpf.h"

/*
 * Address of the inode of pid 1's root directory: subvolumes of btrfs share
 * the device and number of theirs. Stays in the kernel; 0 before msp_find_root.
 */
extern __u64 msp_root_inode;

/*
 * In a container: not in the init pid namespace, or with another root
 * directory than pid 1. Mounts are never compared: a host service with a
 * private mount namespace has pid 1's root.
 */
static __always_inline bool subject_in_container(struct task_struct *task,
                                                 const struct msp_meta *meta)
{
    struct inode *root;

    /* fail closed: a task without a pid or a root is not the host's */
    if (!task->thread_pid || !task->fs)
        return true;
    if (task->thread_pid->level > 0)
        return true;
    root = task->fs->root.dentry->d_inode;
    /* fail closed: all three, since an address may be used again */
    return (__u64)root != msp_root_inode || root->i_ino != meta->root_ino ||
           root->i_sb->s_dev != meta->root_dev;
}

static __always_inline bool subject_is_root(struct task_struct *task)
{
    const struct cred *cred = task->cred;

    /* only the init user namespace has level 0 */
    return cred->uid.val == 0 && cred->euid.val == 0 &&
           cred->user_ns->level == 0;
}
