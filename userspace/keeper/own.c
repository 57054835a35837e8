/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/own.h"

#include <errno.h>
#include <stdint.h>

#include <bpf/bpf.h>

#include <msp/abi.h>

int msp_own_upstream(int map_fd, int sock)
{
    const uint32_t own = MSP_OWN_UPSTREAM;

    return bpf_map_update_elem(map_fd, &sock, &own, BPF_ANY) < 0 ? -errno : 0;
}
