/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/deny.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <msp/cleanup.h>

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#error "no seccomp architecture"
#endif

#define X32_BIT 0x40000000u
#define NEW_NAMESPACES                                             \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80 /* time */)

/* The first is left out for who may. */
static const uint32_t denied[] = {
    SYS_setns,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_unshare,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_quotactl,
    SYS_acct,
    SYS_syslog,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
};

#define LOAD(field)                    \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
             (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* Goes on behind the next `n` unless the test holds. */
#define UNLESS(test, value, n) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), 0, n)
#define KILL                   RETURN(SECCOMP_RET_KILL_PROCESS)

int msp_deny_enter(bool may_setns)
{
    static const struct sock_filter head[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
        KILL,
        LOAD(nr),
        UNLESS(BPF_JGE, X32_BIT, 1),
        KILL,
        /* its flags are in memory; libraries fall back to clone() */
        UNLESS(BPF_JEQ, SYS_clone3, 1),
        RETURN(SECCOMP_RET_ERRNO | ENOSYS),
        UNLESS(BPF_JEQ, SYS_clone, 4),
        LOAD(args[0]),
        UNLESS(BPF_JSET, NEW_NAMESPACES, 1),
        KILL,
        RETURN(SECCOMP_RET_ALLOW),
        UNLESS(BPF_JEQ, SYS_bpf, 4),
        LOAD(args[0]),
        UNLESS(BPF_JEQ, BPF_MAP_UPDATE_ELEM, 1),
        RETURN(SECCOMP_RET_ALLOW),
        KILL,
    };

    struct sock_filter filter[ARRAY_SIZE(head) + 2 * ARRAY_SIZE(denied) + 1];
    struct sock_fprog program = {.filter = filter};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(head); i++)
        filter[n++] = head[i];
    for (size_t i = may_setns ? 1 : 0; i < ARRAY_SIZE(denied); i++) {
        filter[n++] = (struct sock_filter)UNLESS(BPF_JEQ, denied[i], 1);
        filter[n++] = (struct sock_filter)KILL;
    }
    filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    program.len = (unsigned short)n;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0
               ? -errno
               : 0;
}
