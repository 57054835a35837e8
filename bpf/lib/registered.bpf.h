/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which registered container a cgroup is in. */
#pragma once

#include "lib/maps.bpf.h"

/* @return cgroup id of its top; 0 = in none */
static __always_inline __u64 registered_top(__u64 cgroup_id)
{
    struct msp_ctr_ref *ref = bpf_map_lookup_elem(&msp_ctr_cgroup, &cgroup_id);
    __u64 top;

    if (!ref)
        return 0;
    top = *(volatile __u64 *)&ref->top;
    /* fail closed: of a row that goes, the memory may be another cgroup's */
    return bpf_map_lookup_elem(&msp_ctr_cgroup, &cgroup_id) == ref ? top : 0;
}
