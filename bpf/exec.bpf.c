/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tp_btf exec, fork, exit: what every process is, taken down by the kernel at
 * exec. Nothing a process can do to itself later changes it: not its name,
 * not /proc/self/exe, not its mounts. A script is its interpreter.
 *
 * A tracepoint that is missed leaves a record with an old exec id, which
 * nobody believes. Records are for processes below the cgroup mspd is
 * attached to. iter/task runs once, at the very first load, for those that
 * were there before; it believes only real root outside containers.
 */
#include "lib/host.bpf.h"
#include "lib/iter.bpf.h"
#include "lib/record.bpf.h"
#include "lib/scope.bpf.h"

#define EXEC_EEXIST 17

/* (task, old pid, bprm): the current process has become another program. */
SEC("tp_btf/sched_process_exec")

int msp_on_exec(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    struct linux_binprm *bprm = (void *)ctx[2];
    struct msp_meta *meta = scope_meta();
    struct msp_exec r = {};

    if (!meta || !scope_has_current(meta))
        return 0;
    r.start_ns = task->start_boottime;
    r.exec_id = task->self_exec_id;
    if (task->ptrace)
        r.flags = MSP_EXEC_TRACED;
    record_fill(&r, bprm->file, meta);
    record_hash(task->tgid, &r);
    record_put(task->tgid, &r);
    return 0;
}

/* (parent, child): the child does not run yet. */
SEC("tp_btf/sched_process_fork")

int msp_on_fork(__u64 *ctx)
{
    struct task_struct *parent = (void *)ctx[0];
    struct task_struct *child = (void *)ctx[1];
    struct msp_exec *from, r;
    __u32 tgid = parent->tgid;

    if (child->tgid != child->pid)
        return 0; /* a thread */
    from = bpf_map_lookup_elem(&msp_exec, &tgid);
    if (!from || !record_is_of(from, parent))
        return 0; /* fail closed: the parent is nobody we know */
    r = *from;
    r.start_ns = child->start_boottime;
    r.exec_id = child->self_exec_id;
    if (parent->ptrace || parent->group_leader->ptrace)
        r.flags |= MSP_EXEC_TRACED;
    record_put(child->tgid, &r);
    return 0;
}

/* (task, ...): a thread ends; with the last one the process does. */
SEC("tp_btf/sched_process_exit")

int msp_on_exit(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    __u32 tgid = task->tgid;

    if (!task->signal->live.counter) {
        bpf_map_delete_elem(&msp_exec, &tgid);
        bpf_map_delete_elem(&msp_exec_hash, &tgid);
    }
    return 0;
}

/* The iterator's tasks are not the current one. */
static __always_inline bool exec_task_in_scope(struct task_struct *task,
                                               const struct msp_meta *meta)
{
    struct cgroup *own = task->cgroups->dfl_cgrp, *at = NULL;
    __u32 level = meta->scope_level;

    if (!meta->scope_cgroup)
        return true;
    if ((__u32)own->level < level ||
        bpf_probe_read_kernel(
            &at, sizeof(at),
            (void *)own + bpf_core_field_offset(struct cgroup, ancestors) +
                level * sizeof(at)))
        return false;
    return BPF_CORE_READ(at, kn, id) == meta->scope_cgroup;
}

SEC("iter/task")

int msp_it_task(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct msp_meta *meta = scope_meta();
    struct msp_exec record = {};
    struct file *file;
    __u32 tgid;
    long r;

    if (!task || !meta || task->pid != task->tgid || !task->mm ||
        task->flags & PF_KTHREAD)
        return 0;
    /* fail closed: what others did to themselves before is not known */
    if (!meta->root_ino || subject_in_container(task, meta) ||
        !subject_is_root(task) || !exec_task_in_scope(task, meta))
        return 0;
    file = task->mm->exe_file;
    if (!file)
        return 0;
    record.start_ns = task->start_boottime;
    record.exec_id = task->self_exec_id;
    record.flags = MSP_EXEC_FOUND;
    if (task->ptrace)
        record.flags |= MSP_EXEC_TRACED;
    record_fill(&record, file, meta);
    tgid = task->tgid;
    /* an exec that came in between has been seen, and stands */
    r = bpf_map_update_elem(&msp_exec, &tgid, &record, BPF_NOEXIST);
    if (r && r != -EXEC_EEXIST)
        event_stat(MSP_STAT_EXEC_DROPPED);
    return 0;
}
