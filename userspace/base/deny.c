/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/deny.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <seccomp.h>

#include <msp/cleanup.h>

#define NEW_TIME 0x80 /* CLONE_NEWTIME; sched.h has it from glibc 2.36 on */

/* The first is left out for who may. */
static const int denied[] = {
    SCMP_SYS(setns),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(quotactl),
    SCMP_SYS(acct),
    SCMP_SYS(syslog),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
};

static const unsigned new_namespaces[] = {
    CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
    CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET, NEW_TIME,
};

/* @return 0; negative errno, as of all below */
static int add_calls(scmp_filter_ctx filter, bool may_setns)
{
    int r = 0;

    for (size_t i = may_setns ? 1 : 0; r == 0 && i < ARRAY_SIZE(denied); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, denied[i], 0);
    return r;
}

static int add_namespaces(scmp_filter_ctx filter)
{
    /* its flags are in memory; libraries fall back to clone() */
    int r =
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(new_namespaces); i++) {
        const unsigned flag = new_namespaces[i];

        r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                             SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    return r;
}

static int build(scmp_filter_ctx filter, bool may_setns)
{
    /* as calls of another ABI end the process */
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
                             SCMP_ACT_KILL_PROCESS);

    if (r == 0)
        r = add_calls(filter, may_setns);
    if (r == 0)
        r = add_namespaces(filter);
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 1,
                             SCMP_A0_64(SCMP_CMP_NE, BPF_MAP_UPDATE_ELEM, 0));
    return r < 0 ? r : seccomp_load(filter);
}

int msp_deny_enter(bool may_setns)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int r;

    if (!filter)
        return -ENOMEM;
    r = build(filter, may_setns);
    seccomp_release(filter);
    return r;
}
