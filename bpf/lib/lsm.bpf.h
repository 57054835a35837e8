/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the objects with LSM programs have of their own. */
#pragma once

#include <msp/lsm.h>

#include "lib/maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_lsm_state);
} msp_lsm __weak SEC(".maps");

static __always_inline struct msp_lsm_state *lsm_state(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&msp_lsm, &zero);
}
