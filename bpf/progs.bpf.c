/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * iter/bpf_prog: names of the programs that may stand beside ours, by id. mspd
 * may not open a program of others, and needs no more than its name.
 */
#include <msp/abi.h>

#include "lib/core.bpf.h"
#include "lib/iter.bpf.h"

struct bpf_prog_aux {
    __u32 id;
    char name[16];
} MSP_CORE;

struct bpf_prog {
    enum bpf_prog_type type;
    struct bpf_prog_aux *aux;
} MSP_CORE;

struct bpf_iter__bpf_prog {
    struct bpf_iter_meta *meta;
    struct bpf_prog *prog;
} MSP_CORE;

SEC("iter/bpf_prog")

int msp_it_prog(struct bpf_iter__bpf_prog *ctx)
{
    struct bpf_prog *prog = ctx->prog;
    struct msp_prog_fact fact = {};

    if (!prog || prog->type != BPF_PROG_TYPE_CGROUP_SOCK_ADDR)
        return 0;
    fact.id = prog->aux->id;
    bpf_core_read(&fact.name, sizeof(fact.name), &prog->aux->name);
    bpf_seq_write(ctx->meta->seq, &fact, sizeof(fact));
    return 0;
}
