/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tier "lsm": an object of its own, since a host without BPF LSM must load all
 * others. Each program may be loaded without the rest; what several need is in
 * a map, never in a global.
 *
 * The canary: `kernel.ftrace_enabled=0` and a kernel started without `bpf` in
 * `lsm=` leave LSM programs attached that nobody calls. tp_btf programs go on,
 * so mspd compares what both count.
 */
#include "lib/lsm.bpf.h"

/* The main object's: the loader gives us its .bss, which is this and no more. */
__u64 msp_root_inode = 0;

/* The current thread is mspd's. @return the canary; NULL it is not */
static __always_inline struct msp_lsm_state *lsm_canary(void)
{
    struct msp_lsm_state *state = lsm_state();

    if (!state || bpf_get_current_pid_tgid() >> 32 != state->tgid)
        return NULL;
    return state;
}

/* (task, clone_flags): the current task makes another one. */
SEC("lsm/task_alloc")

int msp_l_alloc(__u64 *ctx)
{
    struct msp_lsm_state *state = lsm_canary();

    if (state)
        __sync_fetch_and_add(&state->n_lsm, 1);
    return 0;
}

/* (parent, child): the same, seen by a tracepoint. */
SEC("tp_btf/sched_process_fork")

int msp_l_fork(__u64 *ctx)
{
    struct msp_lsm_state *state = lsm_canary();

    if (state)
        __sync_fetch_and_add(&state->n_tracing, 1);
    return 0;
}
