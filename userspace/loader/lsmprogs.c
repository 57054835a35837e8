/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The one table of programs that a host may refuse. */
#include <msp/cleanup.h>

#include "loader/lsm.h"
#include "msp_lsm.skel.h"

static const struct msp_lsm_prog lsm_progs[] = {
    {"msp_l_alloc", {"msp_l_alloc"}, MSP_LSM_BASE, false},
    {"msp_l_fork", {"msp_l_fork"}, MSP_LSM_BASE, true},
    {"msp_l_connect", {"msp_l_connect"}, MSP_LSM_BASE, false},
    {"msp_l_sendmsg", {"msp_l_sendmsg"}, MSP_LSM_BASE, false},
    {"msp_l_bypass", {"msp_l_bypass"}, MSP_LSM_BASE, false},
    {"msp_l_xdp", {"msp_l_xdp"}, MSP_LSM_BASE, false},
    {"msp_l_secure", {"msp_l_secure"}, MSP_LSM_BASE, false},
    {"msp_l_hash", {"msp_l_hash"}, MSP_LSM_BASE, false},
    {"msp_l_raw", {"msp_l_raw"}, MSP_LSM_DENY_RAW, false},
};

const struct msp_lsm_object msp_lsm_objects[] = {
    {"msp_lsm", msp_lsm_bpf__elf_bytes, lsm_progs, ARRAY_SIZE(lsm_progs)},
};

const size_t msp_lsm_n_objects = ARRAY_SIZE(msp_lsm_objects);
