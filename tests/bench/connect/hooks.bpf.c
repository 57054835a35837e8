/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What ours are compared with: programs that do nothing, at each hook where
 * mspd has one; and the classification of a caller alone.
 */
#include "lib/maps.bpf.h"
#include "lib/subject.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_mark);
} bench_mark SEC(".maps");

#define EMPTY(hook, name)            \
    SEC("cgroup" hook)               \
    int name(struct __sk_buff *none) \
    {                                \
        return 1;                    \
    }

EMPTY("/connect4", bench_connect4)
EMPTY("/connect6", bench_connect6)
EMPTY("/sendmsg4", bench_sendmsg4)
EMPTY("/sendmsg6", bench_sendmsg6)
EMPTY("/bind4", bench_bind4)
EMPTY("/bind6", bench_bind6)
EMPTY("/getpeername4", bench_peer4)
EMPTY("/getpeername6", bench_peer6)
EMPTY("_skb/egress", bench_egress)

SEC("sockops")

int bench_sockops(struct bpf_sock_ops *ctx)
{
    return 1;
}

/* Alone in its cgroup, one client at a time: the one mark is its own. */
SEC("cgroup/connect4")

int bench_subject(struct bpf_sock_addr *ctx)
{
    __u32 zero = 0, slot;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    struct msp_mark *mark = bpf_map_lookup_elem(&bench_mark, &zero);

    if (!meta || !mark)
        return 0;
    slot = meta->live & (MSP_SLOTS - 1);
    mark->flags = 0;
    return subject_fill(mark, meta, &slot, meta->slot[slot].flags);
}
