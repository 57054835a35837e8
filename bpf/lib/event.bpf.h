/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is left behind by a decision: the audit record, the counter and, for
 * connections that never reach the proxy, a ring record. None of it can
 * change a verdict; each loss is counted.
 */
#pragma once

#include <msp/decide.h>

#include "lib/maps.bpf.h"

static __always_inline void event_stat(__u32 stat)
{
    __u64 *n = bpf_map_lookup_elem(&msp_stats, &stat);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/* One decision; the texts come from the slot's name tables. */
struct msp_outcome {
    __u64 generation;
    __u64 time_ns; /* CLOCK_MONOTONIC */
    __u32 slot;
    __u32 endpoint;
    enum msp_stage stage;
    enum msp_verdict verdict;
    enum msp_reason reason;
    __u32 identity;  /* index or MSP_NO_IDENTITY */
    __u32 privilege; /* index or MSP_NO_IDENTITY */
    __u32 pad;
};

/* A refusal by a path that has no mark; the caller is the current task. */
struct msp_refusal {
    __u64 generation;
    __u64 netns_cookie;
    __u32 slot;
    __u32 endpoint;
    enum msp_reason reason;
    __u32 port; /* host order */
    __u8 addr[16];
};

/* Zeros to insert where a new row does not fit on the stack. */
static __always_inline void *event_zeros(void)
{
    __u32 first = 0;

    return bpf_map_lookup_elem(&msp_zero_audit, &first);
}

/* uid, or MSP_AUDIT_UID_OTHER once its cgroup has used up its rows. */
static __always_inline __u32 event_audit_uid(__u64 cgroup_id, __u32 uid)
{
    struct msp_audit_uids *row = bpf_map_lookup_elem(&msp_aud_uids, &cgroup_id);
    void *zeros;
    __u32 n;

    if (!row) {
        zeros = event_zeros();
        if (!zeros)
            return MSP_AUDIT_UID_OTHER;
        /* either this insert or a concurrent one makes the row */
        bpf_map_update_elem(&msp_aud_uids, &cgroup_id, zeros, BPF_NOEXIST);
        row = bpf_map_lookup_elem(&msp_aud_uids, &cgroup_id);
        if (!row)
            return MSP_AUDIT_UID_OTHER;
    }
    n = row->n;
    for (__u32 i = 0; i < MSP_AUDIT_UIDS_MAX; i++) {
        if (i >= n)
            break;
        if (row->uid[i] == uid)
            return uid;
    }
    if (n >= MSP_AUDIT_UIDS_MAX)
        return MSP_AUDIT_UID_OTHER;
    n = __sync_fetch_and_add(&row->n, 1);
    if (n >= MSP_AUDIT_UIDS_MAX)
        return MSP_AUDIT_UID_OTHER;
    row->uid[n] = uid;
    return uid;
}

static __always_inline __u64 *event_counter(__u64 cgroup_id, __u32 endpoint,
                                            enum msp_verdict verdict)
{
    struct msp_counter_key key = {
        .cgroup_id = cgroup_id, .endpoint = endpoint, .verdict = verdict};

    return bpf_map_lookup_elem(&msp_counters, &key);
}

/* Counts what has no counter yet. */
static __always_inline void event_count_first(__u64 cgroup_id, __u32 endpoint,
                                              enum msp_verdict verdict)
{
    struct msp_counter_key key = {
        .cgroup_id = cgroup_id, .endpoint = endpoint, .verdict = verdict};
    __u64 *n, one = 1;

    if (!bpf_map_update_elem(&msp_counters, &key, &one, BPF_NOEXIST))
        return;
    n = bpf_map_lookup_elem(&msp_counters, &key); /* lost the race */
    if (!n) {
        key.cgroup_id = 0; /* full: counted for all together */
        event_stat(MSP_STAT_COUNTER_OTHER);
        if (!bpf_map_update_elem(&msp_counters, &key, &one, BPF_NOEXIST))
            return;
        n = bpf_map_lookup_elem(&msp_counters, &key);
    }
    if (n)
        __sync_fetch_and_add(n, 1);
}

/* Copies a name, or "-". */
static __always_inline void event_name(struct msp_name *to, void *outer,
                                       __u32 slot, __u32 index)
{
    void *names = bpf_map_lookup_elem(outer, &slot);
    const struct msp_name *name = NULL;

    if (names && index != MSP_NO_IDENTITY)
        name = bpf_map_lookup_elem(names, &index);
    if (name) {
        *to = *name;
    } else {
        __builtin_memset(to, 0, sizeof(*to));
        to->text[0] = '-';
    }
}

static __always_inline void event_endpoint_name(char *to, __u32 slot,
                                                __u32 index)
{
    void *eps = bpf_map_lookup_elem(&msp_eps, &slot);
    const struct msp_endpoint *ep = NULL;

    if (eps)
        ep = bpf_map_lookup_elem(eps, &index);
    if (ep)
        __builtin_memcpy(to, ep->name, MSP_ENDPOINT_NAME_BYTES);
}

/* The record with the name of the caller's executable; NULL there is none */
static __always_inline const struct msp_exec *
event_exec(const struct msp_mark *mark)
{
    __u32 pid = mark->pid;

    if (!(mark->flags & MSP_MARK_EXEC))
        return NULL;
    return bpf_map_lookup_elem(&msp_exec, &pid);
}

/*
 * The base name of the caller's executable, if the process still is what it
 * was when it connected; else "-".
 * @param r event_exec()
 */
static __always_inline void event_exe_name(struct msp_name *to,
                                           const struct msp_mark *mark,
                                           const struct msp_exec *r)
{
    if (r)
        __builtin_memcpy(to->text, r->name, sizeof(to->text));
    /* compared after the copy: the memory may be another process's by now */
    if (!r || !to->text[0] || r->exe.ino != mark->exe.ino ||
        r->exe.s_dev != mark->exe.s_dev ||
        r->exe.generation != mark->exe.generation) {
        __builtin_memset(to, 0, sizeof(*to));
        to->text[0] = '-';
    }
}

static __always_inline struct msp_audit *
event_audit_row(const struct msp_audit_key *key)
{
    struct msp_audit *row = bpf_map_lookup_elem(&msp_audit, key);
    void *zeros;

    if (row)
        return row;
    zeros = event_zeros();
    if (!zeros)
        return NULL;
    /* either this insert or a concurrent one makes the row */
    if (!bpf_map_update_elem(&msp_audit, key, zeros, BPF_NOEXIST))
        event_stat(MSP_STAT_AUDIT_INSERTED);
    return bpf_map_lookup_elem(&msp_audit, key);
}

/* Writes the names of an outcome, unless they are in the row already. */
static __always_inline void event_names(struct msp_audit *row,
                                        const struct msp_outcome *o)
{
    if (row->generation == o->generation && row->identity_no == o->identity &&
        row->privilege_no == o->privilege)
        return;
    row->generation = o->generation;
    row->identity_no = o->identity;
    row->privilege_no = o->privilege;
    event_endpoint_name(row->endpoint, o->slot, o->endpoint);
    event_name(&row->identity, &msp_id_names, o->slot, o->identity);
    event_name(&row->privilege, &msp_pr_names, o->slot, o->privilege);
}

/* Where an outcome is counted; NULL: nowhere yet. */
struct event_rows {
    __u64 *counter;
    struct msp_audit *audit;
};

/*
 * Both rows are looked up before anything is written: an atomic operation waits
 * for all that was to be read, and in a host of many containers all of it is
 * far away.
 */
static __always_inline void event_find(struct event_rows *ret,
                                       const struct msp_mark *mark,
                                       const struct msp_outcome *o)
{
    const struct msp_audit_key key = {
        .cgroup_id = mark->cgroup_id,
        .uid = mark->uid,
        .endpoint = o->endpoint,
        .stage = o->stage,
        .verdict = o->verdict,
        .reason = o->reason,
    };

    ret->counter = event_counter(mark->cgroup_id, o->endpoint, o->verdict);
    ret->audit = bpf_map_lookup_elem(&msp_audit, &key);
}

static __always_inline struct msp_audit *
event_audit_first(const struct msp_mark *mark, const struct msp_outcome *o)
{
    const struct msp_audit_key key = {
        .cgroup_id = mark->cgroup_id,
        .uid = event_audit_uid(mark->cgroup_id, mark->uid),
        .endpoint = o->endpoint,
        .stage = o->stage,
        .verdict = o->verdict,
        .reason = o->reason,
    };

    return event_audit_row(&key);
}

/*
 * Counts the outcome and writes its audit record.
 * @param rows event_find(); @param r event_exec()
 * @param path [MSP_AUDIT_PATH_BYTES] or NULL
 */
static __always_inline void event_audit(const struct event_rows *rows,
                                        const struct msp_mark *mark,
                                        const struct msp_outcome *o,
                                        const struct msp_exec *r,
                                        const char *path)
{
    struct msp_audit *row = rows->audit;

    if (rows->counter)
        __sync_fetch_and_add(rows->counter, 1);
    else
        event_count_first(mark->cgroup_id, o->endpoint, o->verdict);
    if (!row)
        row = event_audit_first(mark, o);
    if (!row) {
        event_stat(MSP_STAT_AUDIT_DROPPED);
        return;
    }
    __sync_fetch_and_add(&row->count, 1);
    /* two writers at once: the first one's texts stand */
    if (__sync_val_compare_and_swap(&row->busy, 0, 1) != 0)
        return;
    if (!row->first_ns)
        row->first_ns = o->time_ns;
    row->last_ns = o->time_ns;
    row->netns_cookie = mark->netns_cookie;
    row->pid = mark->pid;
    row->uid = mark->uid;
    row->flags = mark->flags;
    row->exe = mark->exe;
    event_names(row, o);
    event_exe_name(&row->exe_name, mark, r);
    if (path)
        __builtin_memcpy(row->path, path, MSP_AUDIT_PATH_BYTES);
    core_give_back(&row->busy);
}

/* A ring record without waking anybody; mspd drains on its own clock. */
static __always_inline void event_ring(const struct msp_mark *mark,
                                       const struct msp_outcome *o,
                                       const struct msp_exec *r)
{
    struct msp_event *e = bpf_ringbuf_reserve(&msp_ring, sizeof(*e), 0);

    if (!e) {
        event_stat(MSP_STAT_RING_DROPPED);
        return;
    }
    __builtin_memset(e, 0, sizeof(*e));
    e->time_ns = o->time_ns;
    e->generation = o->generation;
    e->cgroup_id = mark->cgroup_id;
    e->netns_cookie = mark->netns_cookie;
    __builtin_memcpy(e->addr, mark->addr, 16);
    e->uid = mark->uid;
    e->pid = mark->pid;
    e->endpoint = o->endpoint;
    e->flags = mark->flags;
    e->verdict = o->verdict;
    e->reason = o->reason;
    e->port = mark->port;
    e->exe = mark->exe;
    event_exe_name(&e->exe_name, mark, r);
    event_endpoint_name(e->endpoint_name, o->slot, o->endpoint);
    bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* A decision at connect, in one word. @param identity index, MSP_NO_IDENTITY */
static __always_inline __u64 event_pack(__u32 slot, __u32 verdict, __u32 reason,
                                        __u32 identity)
{
    return verdict | reason << 8 | slot << 16 | (__u64)identity << 32;
}

/*
 * Record and counter of a decision at connect; a ring record unless it was
 * allowed. Global, so that it is verified once and by itself.
 * @param time_ns CLOCK_MONOTONIC; @param packed event_pack()
 */
__weak __noinline int msp_event_connect(const struct msp_mark *mark,
                                        __u64 generation, __u64 time_ns,
                                        __u64 packed)
{
    struct msp_outcome o = {
        .generation = generation,
        .time_ns = time_ns,
        .stage = MSP_STAGE_CONNECT,
        .verdict = packed & 0xff,
        .reason = packed >> 8 & 0xff,
        .slot = packed >> 16 & 0xff,
        .identity = packed >> 32,
        .privilege = MSP_NO_IDENTITY,
    };
    const struct msp_exec *r;
    struct event_rows rows;

    if (!mark)
        return 0; /* cannot happen */
    o.endpoint = mark->endpoint;
    r = event_exec(mark);
    event_find(&rows, mark, &o);
    if (o.verdict != MSP_VERDICT_ALLOW)
        event_ring(mark, &o, r);
    event_audit(&rows, mark, &o, r, NULL);
    return 0;
}

/* Record, counter and ring record of a refusal. */
static __always_inline void event_refusal(const struct msp_refusal *r)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_mark mark = {};

    mark.cgroup_id = bpf_get_current_cgroup_id();
    mark.netns_cookie = r->netns_cookie;
    mark.uid = task->cred->euid.val;
    mark.pid = task->tgid;
    mark.port = r->port;
    mark.endpoint = r->endpoint;
    __builtin_memcpy(mark.addr, r->addr, 16);
    msp_event_connect(
        &mark, r->generation, bpf_ktime_get_ns(),
        event_pack(r->slot, MSP_VERDICT_DENY, r->reason, MSP_NO_IDENTITY));
}
