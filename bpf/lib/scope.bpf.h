/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs that are not attached at a cgroup see every process of the host;
 * they act for those below the cgroup mspd is attached to.
 */
#pragma once

#include "lib/maps.bpf.h"

static __always_inline struct msp_meta *scope_meta(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&msp_meta, &zero);
}

static __always_inline bool scope_has_current(const struct msp_meta *meta)
{
    return !meta->scope_cgroup || bpf_get_current_ancestor_cgroup_id(
                                      meta->scope_level) == meta->scope_cgroup;
}
