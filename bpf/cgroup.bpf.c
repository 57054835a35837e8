/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tp_btf cgroup_mkdir and cgroup_rmdir, iter/cgroup: which cgroup patterns a
 * cgroup is in. Its state follows from its parent's and its own name and is
 * written before the cgroup can be seen, so before its first process. The
 * iterator, which holds the same lock as mkdir, fills a slot's new table.
 * Another iterator, up from one cgroup, tells its path for the log. Which
 * registered container a cgroup is in is inherited in the same way.
 */
#include "lib/event.bpf.h"
#include "lib/iter.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/registered.bpf.h"

#define PATH_NAME_BYTES 256 /* NAME_MAX and the NUL */

struct bpf_iter__cgroup {
    struct bpf_iter_meta *meta;
    struct cgroup *cgroup;
} MSP_CORE;

/*
 * Whether all of a name was read.
 * @param n length read, with the NUL; a longer name is cut to the same length
 */
static __always_inline bool cgroup_name_fits(const char *name, long n)
{
    char last = 0;

    if (n < MSP_CG_NAME_BYTES)
        return n > 1;
    return !bpf_probe_read_kernel(&last, sizeof(last),
                                  name + MSP_CG_NAME_BYTES - 1) &&
           !last;
}

/* Moves key->state along the cgroup's name. @return false: nothing matches */
static __always_inline bool cgroup_step(void *edges, struct msp_cg_key *key,
                                        const char *name)
{
    __u32 *to = NULL;
    long n = bpf_probe_read_kernel_str(key->name, sizeof(key->name), name);

    if (cgroup_name_fits(name, n))
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

/* @return false: no pattern can match the cgroup or one below it */
static __always_inline bool cgroup_state(struct cgroup *cgroup, void *rows,
                                         void *edges, struct msp_cg_key *key)
{
    __u32 *state;
    __u64 id;

    if (cgroup->level == 0)
        return true;
    id = cgroup->self.parent->cgroup->kn->id;
    state = bpf_map_lookup_elem(rows, &id);
    if (!state)
        return false;
    key->state = *state;
    return cgroup_step(edges, key, cgroup->kn->name);
}

/*
 * The row of one cgroup in one slot, if it has any. One that is there is
 * never replaced: its memory would be another cgroup's next, under the eyes
 * of a connect that has looked it up.
 * @return 1: there is no room for it; 0
 */
static __noinline int cgroup_row(struct cgroup *cgroup, __u32 slot)
{
    void *rows = bpf_map_lookup_elem(&msp_cgroup, &slot);
    void *edges = bpf_map_lookup_elem(&msp_cg_edges, &slot);
    struct msp_cg_key key = {.state = MSP_CG_ROOT};
    __u32 *row;
    __u64 id;

    if (!rows || !edges)
        return 0;
    id = cgroup->kn->id;
    if (!cgroup_state(cgroup, rows, edges, &key)) {
        /* a mkdir may have used the edges of the slot's last policy */
        bpf_map_delete_elem(rows, &id);
        return 0;
    }
    row = bpf_map_lookup_elem(rows, &id);
    if (row)
        *(volatile __u32 *)row = key.state;
    else if (bpf_map_update_elem(rows, &id, &key.state, BPF_ANY))
        return 1; /* fail closed: no pattern matches there or below */
    return 0;
}

/* Another hierarchy's ids are not ours. */
static __always_inline bool cgroup_is_v2(struct cgroup *cgroup)
{
    return cgroup->root->hierarchy_id == 0;
}

/*
 * The container of one cgroup: its own, if it is a top, else its parent's.
 * @return 1: there is no room for its row; 0
 */
static __noinline int cgroup_container(struct cgroup *cgroup)
{
    struct msp_ctr_ref *row, ref = {0};
    __u64 id = cgroup->kn->id, parent;

    row = bpf_map_lookup_elem(&msp_ctr_cgroup, &id);
    if (row && row->top == id)
        return 0;
    if (cgroup->level > 0) {
        parent = cgroup->self.parent->cgroup->kn->id;
        ref.top = registered_top(parent);
    }
    if (!ref.top) {
        if (row)
            bpf_map_delete_elem(&msp_ctr_cgroup, &id);
        return 0;
    }
    if (row)
        *(volatile __u64 *)&row->top = ref.top;
    else if (bpf_map_update_elem(&msp_ctr_cgroup, &id, &ref, BPF_ANY))
        return 1; /* fail closed: it is in no container */
    return 0;
}

/* Its top has gone: nobody will ask for its rows. */
static __noinline int cgroup_forget(__u64 id)
{
    struct msp_ctr_key name = {.prefixlen = MSP_CTR_KEY_BITS, .cgroup_id = id};
    struct msp_gone gone = {.cgroup_id = id};

    bpf_map_delete_elem(&msp_container, &name);
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++) {
        __u32 index = slot;
        void *rows = bpf_map_lookup_elem(&msp_ctr_ids, &index);

        if (rows)
            bpf_map_delete_elem(rows, &id);
    }
    /* a record that is lost is made up for by mspd's own look */
    if (bpf_ringbuf_output(&msp_ring, &gone, sizeof(gone), BPF_RB_NO_WAKEUP))
        event_stat(MSP_STAT_RING_DROPPED);
    return 0;
}

/* (cgroup, path) */
SEC("tp_btf/cgroup_mkdir")

int msp_on_mkdir(__u64 *ctx)
{
    struct cgroup *cgroup = (void *)ctx[0];

    if (!cgroup_is_v2(cgroup))
        return 0;
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++)
        if (cgroup_row(cgroup, slot))
            event_stat(MSP_STAT_CGROUP_DROPPED);
    if (cgroup_container(cgroup))
        event_stat(MSP_STAT_CONTAINER_DROPPED);
    return 0;
}

/* (cgroup, path) */
SEC("tp_btf/cgroup_rmdir")

int msp_on_rmdir(__u64 *ctx)
{
    struct cgroup *cgroup = (void *)ctx[0];
    __u64 id = cgroup->kn->id;
    struct msp_ctr_ref *ref;

    if (!cgroup_is_v2(cgroup))
        return 0;
    ref = bpf_map_lookup_elem(&msp_ctr_cgroup, &id);
    if (ref) {
        bool is_top = ref->top == id;

        bpf_map_delete_elem(&msp_ctr_cgroup, &id);
        if (is_top)
            cgroup_forget(id);
    }
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++) {
        __u32 index = slot;
        void *rows = bpf_map_lookup_elem(&msp_cgroup, &index);

        if (rows)
            bpf_map_delete_elem(rows, &id);
    }
    return 0;
}

/*
 * Parents before children: afterwards every row is what it should be. Writes
 * a byte for each row that has no room.
 */
SEC("iter/cgroup")

int msp_it_cgroup(struct bpf_iter__cgroup *ctx)
{
    struct cgroup *cgroup = ctx->cgroup;
    const char mark = '-';

    if (!cgroup)
        return 0;
    for (__u32 slot = 0; slot < MSP_SLOTS; slot++)
        if (cgroup_row(cgroup, slot))
            bpf_seq_write(ctx->meta->seq, &mark, sizeof(mark));
    return 0;
}

/*
 * The same for containers: afterwards each cgroup from one down is in that of
 * the nearest top above it.
 */
SEC("iter/cgroup")

int msp_it_ctr(struct bpf_iter__cgroup *ctx)
{
    struct cgroup *cgroup = ctx->cgroup;
    const char mark = '-';

    if (cgroup && cgroup_container(cgroup))
        bpf_seq_write(ctx->meta->seq, &mark, sizeof(mark));
    return 0;
}

/* Names from a cgroup up to the root, each with its NUL; the root's is "". */
SEC("iter/cgroup")

int msp_it_path(struct bpf_iter__cgroup *ctx)
{
    struct cgroup *cgroup = ctx->cgroup;
    char name[PATH_NAME_BYTES] = {};
    __u32 last;
    long n;

    if (!cgroup)
        return 0;
    n = bpf_probe_read_kernel_str(name, sizeof(name), cgroup->kn->name);
    if (n <= 0)
        return 0;
    last = n - 1;
    /* for the verifier, which would compare one register and pass another */
    asm volatile("" : "+r"(last));
    bpf_seq_write(ctx->meta->seq, name, (last & (PATH_NAME_BYTES - 1)) + 1);
    return 0;
}
