/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which container the current task is in: its root directory and its pid
 * namespace. Numbers of namespaces are used again, so a namespace is told by
 * when its first process started.
 */
#pragma once

#include "lib/maps.bpf.h"

/* @return 0; -1 it cannot be told */
int container_fill(struct msp_container *c);

__weak __noinline int container_fill(struct msp_container *c)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct task_struct *init = NULL;
    struct pid_namespace *ns = NULL;
    struct pid *pid = task->thread_pid;
    struct inode *root;
    void *at = pid;

    if (!c || !pid || !task->fs)
        return -1;
    at += bpf_core_field_offset(struct pid, numbers) +
          pid->level * bpf_core_type_size(struct upid) +
          bpf_core_field_offset(struct upid, ns);
    if (bpf_probe_read_kernel(&ns, sizeof(ns), at) ||
        bpf_core_read(&init, sizeof(init), &ns->child_reaper) ||
        bpf_core_read(&init, sizeof(init), &init->group_leader) ||
        bpf_core_read(&c->init_ns, sizeof(c->init_ns), &init->start_boottime))
        return -1;
    root = task->fs->root.dentry->d_inode;
    c->root_ino = root->i_ino;
    c->root_dev = root->i_sb->s_dev;
    c->pad = 0;
    return 0;
}

static __always_inline bool container_is(const struct msp_container *a,
                                         const struct msp_container *b)
{
    return a->init_ns == b->init_ns && a->root_ino == b->root_ino &&
           a->root_dev == b->root_dev;
}
