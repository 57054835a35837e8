/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Refuses the connects of one cgroup with an errno the kernel itself does not
 * give there. For lsm.c only.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

const volatile __u64 cgroup_id = 0;
__u64 seen = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Arguments: socket, address, its length, what the programs before returned. */
SEC("lsm/socket_connect")

int refuse_connect(__u64 *args)
{
    int ret = (int)args[3];

    if (ret || bpf_get_current_cgroup_id() != cgroup_id)
        return ret;
    __sync_fetch_and_add(&seen, 1);
    return -EXFULL;
}
