/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * syscall: the root directory of pid 1, found by walking up from the caller,
 * since /proc/1/root may be closed to it, and whether the caller is in a
 * container by that measure. Run once at load.
 */
#include "lib/maps.bpf.h"

#define ANCESTORS_MAX 64

__u64 msp_root_inode = 0;

/* @return address of the root directory's inode */
static __always_inline __u64 root_of(struct task_struct *task, __u64 *ino,
                                     __u32 *dev)
{
    struct inode *root = BPF_CORE_READ(task, fs, root.dentry, d_inode);

    *ino = BPF_CORE_READ(root, i_ino);
    *dev = BPF_CORE_READ(root, i_sb, s_dev);
    return (__u64)root;
}

/* The depth of the cgroup `ctx->cgroup`, in which the caller must be. */
SEC("syscall")

int msp_find_scope(struct msp_find_scope_ctx *ctx)
{
    __u64 wanted = ctx->cgroup;

    ctx->level = MSP_SCOPE_NONE;
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        if (bpf_get_current_ancestor_cgroup_id(i) != wanted)
            continue;
        ctx->level = i;
        break;
    }
    return 0;
}

SEC("syscall")

int msp_find_root(struct msp_find_root_ctx *ctx)
{
    struct task_struct *self = (void *)bpf_get_current_task();
    struct task_struct *task = self;
    __u64 ino = 0, own_ino = 0, inode = 0;
    __u32 dev = 0, own_dev = 0;

    ctx->flags = 0;
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        if (BPF_CORE_READ(task, tgid) == 1) {
            inode = root_of(task, &ino, &dev);
            break;
        }
        task = BPF_CORE_READ(task, real_parent);
    }
    if (!ino)
        return 0; /* fail closed: not found, nobody is of the host */
    msp_root_inode = inode;
    ctx->ino = ino;
    ctx->dev = dev;
    ctx->flags = MSP_ROOT_FOUND;
    if (root_of(self, &own_ino, &own_dev) != inode || own_ino != ino ||
        own_dev != dev || BPF_CORE_READ(self, thread_pid, level) > 0)
        ctx->flags |= MSP_ROOT_IN_CONTAINER;
    return 0;
}
