/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The one table of programs that a host may refuse. */
#include <msp/cleanup.h>

#include "loader/lsm.h"
#include "msp_guard.skel.h"
#include "msp_lsm.skel.h"

static const struct msp_lsm_prog lsm_progs[] = {
    {"msp_l_alloc", {"msp_l_alloc"}, MSP_LSM_BASE},
    {"msp_l_fork", {"msp_l_fork"}, MSP_LSM_BASE},
    {"msp_l_connect", {"msp_l_connect"}, MSP_LSM_BASE},
    {"msp_l_sendmsg", {"msp_l_sendmsg"}, MSP_LSM_BASE},
    {"msp_l_bypass", {"msp_l_bypass"}, MSP_LSM_BASE},
    {"msp_l_xdp", {"msp_l_xdp"}, MSP_LSM_BASE},
    {"msp_l_secure", {"msp_l_secure"}, MSP_LSM_BASE},
    {"msp_l_hash", {"msp_l_hash"}, MSP_LSM_BASE},
    {"msp_l_raw", {"msp_l_raw"}, MSP_LSM_DENY_RAW},
};

/* Who is the agent is known before anything is refused. */
static const struct msp_lsm_prog guard_progs[] = {
    {"msp_g_secure", {"msp_g_secure"}, MSP_LSM_GUARD},
    {"msp_g_exec", {"msp_g_exec"}, MSP_LSM_GUARD},
    {"msp_g_mmap", {"msp_g_mmap"}, MSP_LSM_GUARD},
    {"msp_g_fork", {"msp_g_fork"}, MSP_LSM_GUARD},
    {"msp_g_exit", {"msp_g_exit"}, MSP_LSM_GUARD},
    {"msp_g_map", {"msp_g_map"}, MSP_LSM_GUARD},
    {"msp_g_outer", {"msp_g_outer", "msp_g_outer_6_1"}, MSP_LSM_GUARD},
    {"msp_g_prog", {"msp_g_prog"}, MSP_LSM_GUARD},
    {"msp_g_bpf", {"msp_g_bpf"}, MSP_LSM_GUARD},
    {"msp_g_ptrace", {"msp_g_ptrace"}, MSP_LSM_GUARD},
    {"msp_g_kill", {"msp_g_kill"}, MSP_LSM_GUARD},
    {"msp_g_sigio", {"msp_g_sigio"}, MSP_LSM_GUARD},
    {"msp_g_rlimit", {"msp_g_rlimit"}, MSP_LSM_GUARD},
    {"msp_g_sched", {"msp_g_sched"}, MSP_LSM_GUARD},
    {"msp_g_nice", {"msp_g_nice"}, MSP_LSM_GUARD},
    {"msp_g_moved", {"msp_g_moved"}, MSP_LSM_GUARD},
    {"msp_g_lockdown", {"msp_g_lockdown"}, MSP_LSM_GUARD},
    {"msp_g_loaddata", {"msp_g_loaddata"}, MSP_LSM_GUARD},
    {"msp_g_readfile", {"msp_g_readfile"}, MSP_LSM_GUARD},
    {"msp_g_unlink", {"msp_g_unlink"}, MSP_LSM_GUARD},
    {"msp_g_rmdir", {"msp_g_rmdir"}, MSP_LSM_GUARD},
    {"msp_g_create", {"msp_g_create"}, MSP_LSM_GUARD},
    {"msp_g_mkdir", {"msp_g_mkdir"}, MSP_LSM_GUARD},
    {"msp_g_mknod", {"msp_g_mknod"}, MSP_LSM_GUARD},
    {"msp_g_symlink", {"msp_g_symlink"}, MSP_LSM_GUARD},
    {"msp_g_rename", {"msp_g_rename"}, MSP_LSM_GUARD},
    {"msp_g_hardlink", {"msp_g_hardlink"}, MSP_LSM_GUARD},
    {"msp_g_setattr", {"msp_g_setattr"}, MSP_LSM_GUARD},
    {"msp_g_search", {"msp_g_search"}, MSP_LSM_GUARD},
    {"msp_g_open", {"msp_g_open"}, MSP_LSM_GUARD},
    {"msp_g_ioctl", {"msp_g_ioctl"}, MSP_LSM_GUARD},
    /* before 6.8 the first one sees them all */
    {"msp_g_ioctl32", {"msp_g_ioctl32", "msp_g_ioctl"}, MSP_LSM_GUARD},
    {"msp_g_umount", {"msp_g_umount"}, MSP_LSM_GUARD},
    {"msp_g_mount", {"msp_g_mount"}, MSP_LSM_GUARD},
    {"msp_g_movemount", {"msp_g_movemount"}, MSP_LSM_GUARD},
    {"msp_g_remount", {"msp_g_remount"}, MSP_LSM_GUARD},
};

const struct msp_lsm_object msp_lsm_objects[] = {
    {"msp_lsm", msp_lsm_bpf__elf_bytes, lsm_progs, ARRAY_SIZE(lsm_progs)},
    {"msp_guard", msp_guard_bpf__elf_bytes, guard_progs,
     ARRAY_SIZE(guard_progs)},
};

const size_t msp_lsm_n_objects = ARRAY_SIZE(msp_lsm_objects);
