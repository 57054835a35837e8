/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * syscall: the root directory of pid 1, found by walking up from the caller,
 * since /proc/1/root may be closed to it. Run once at load.
 */
#include "lib/maps.bpf.h"

#define ANCESTORS_MAX 64

SEC("syscall")

int msp_find_root(struct msp_find_root_ctx *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct inode *root;

    ctx->found = 0;
    for (int i = 0; i < ANCESTORS_MAX; i++) {
        if (BPF_CORE_READ(task, tgid) == 1) {
            root = BPF_CORE_READ(task, fs, root.dentry, d_inode);
            ctx->ino = BPF_CORE_READ(root, i_ino);
            ctx->dev = BPF_CORE_READ(root, i_sb, s_dev);
            ctx->found = ctx->ino != 0;
            return 0;
        }
        task = BPF_CORE_READ(task, real_parent);
    }
    return 0;
}
