/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tp_btf cgroup_mkdir and cgroup_rmdir, iter/cgroup: which cgroup patterns a
 * cgroup is in. Its state follows from its parent's and its own name and is
 * written before the cgroup can be seen, so before its first process. The
 * iterator, which holds the same lock as mkdir, fills a slot's new table.
 * Another iterator, up from one cgroup, tells its path for the log.
 */
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"

struct bpf_iter_meta {
    struct seq_file *seq;
} MSP_CORE;

struct bpf_iter__cgroup {
    struct bpf_iter_meta *meta;
    struct cgroup *cgroup;
} MSP_CORE;

/* Moves key->state along the cgroup's name. @return false: nothing matches */
static __always_inline bool cgroup_step(void *edges, struct msp_cg_key *key,
                                        const char *name)
{
    __u32 *to = NULL;
    long n = bpf_probe_read_kernel_str(key->name, sizeof(key->name), name);

    if (n > 1 && n < MSP_CG_NAME_BYTES)
        to = bpf_map_lookup_elem(edges, key);
    if (!to) {
        __builtin_memset(key->name, 0, sizeof(key->name));
        to = bpf_map_lookup_elem(edges, key);
    }
    if (!to)
        return false;
    key->state = *to;
    return true;
}

/* The row of one cgroup in one slot, if it has any. */
static __noinline int cgroup_row(struct cgroup *cgroup, __u32 slot)
{
    void *rows = bpf_map_lookup_elem(&msp_cgroup, &slot);
    void *edges = bpf_map_lookup_elem(&msp_cg_edges, &slot);
    struct msp_cg_key key = {.state = MSP_CG_ROOT};
    __u32 *state;
    __u64 id;

    if (!rows || !edges)
        return 0;
    if (cgroup->level > 0) {
        id = cgroup->self.parent->cgroup->kn->id;
        state = bpf_map_lookup_elem(rows, &id);
        if (!state)
            return 0;
        key.state = *state;
        if (!cgroup_step(edges, &key, cgroup->kn->name))
            return 0;
    }
    id = cgroup->kn->id;
    if (bpf_map_update_elem(rows, &id, &key.state, BPF_ANY))
        /* fail closed: no pattern matches there or below */
        event_stat(MSP_STAT_CGROUP_DROPPED);
    return 0;
}

/* Another hierarchy's ids are not ours. */
static __always_inline bool cgroup_is_v2(struct cgroup *cgroup)
{
    return cgroup->root->hierarchy_id == 0;
}

/* (cgroup, path) */
SEC("tp_btf/cgroup_mkdir")

int msp_on_mkdir(__u64 *ctx)
{
    struct cgroup *cgroup = (void *)ctx[0];

    if (!cgroup_is_v2(cgroup))
        return 0;
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++)
        cgroup_row(cgroup, slot);
    return 0;
}

/* (cgroup, path) */
SEC("tp_btf/cgroup_rmdir")

int msp_on_rmdir(__u64 *ctx)
{
    struct cgroup *cgroup = (void *)ctx[0];
    __u64 id = cgroup->kn->id;

    if (!cgroup_is_v2(cgroup))
        return 0;
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++) {
        __u32 index = slot;
        void *rows = bpf_map_lookup_elem(&msp_cgroup, &index);

        if (rows)
            bpf_map_delete_elem(rows, &id);
    }
    return 0;
}

/* Parents before children; a row that is there becomes what it was. */
SEC("iter/cgroup")

int msp_it_cgroup(struct bpf_iter__cgroup *ctx)
{
    struct cgroup *cgroup = ctx->cgroup;

    if (!cgroup)
        return 0;
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++)
        cgroup_row(cgroup, slot);
    return 0;
}

/* Names from a cgroup up to the root, each with its NUL; the root's is "". */
SEC("iter/cgroup")

int msp_it_path(struct bpf_iter__cgroup *ctx)
{
    struct cgroup *cgroup = ctx->cgroup;
    char name[256] = {}; /* NAME_MAX and the NUL */
    long n;

    if (!cgroup)
        return 0;
    n = bpf_probe_read_kernel_str(name, sizeof(name), cgroup->kn->name);
    if (n > 0 && n <= (long)sizeof(name))
        bpf_seq_write(ctx->meta->seq, name, n);
    return 0;
}
