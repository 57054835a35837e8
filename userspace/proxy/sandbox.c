/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "sandbox.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sys/capability.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

int msp_sandbox_check(void)
{
    uid_t ruid, euid, suid;
    cap_t now, none;
    int r = -EPERM;

    if (getresuid(&ruid, &euid, &suid) < 0)
        return -errno;
    if (ruid == 0 || euid == 0 || suid == 0)
        return -EPERM; /* fail closed: root is no service user */
    now = cap_get_proc();
    none = cap_init();
    /* fail closed: a capability nobody meant to give */
    if (now && none && cap_compare(now, none) == 0)
        r = 0;
    (void)cap_free(now);
    (void)cap_free(none);
    return r;
}

int msp_sandbox_harden(void)
{
    const struct rlimit no_core = {0, 0};
    struct rlimit files;

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &no_core) < 0 ||
        getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

int msp_sandbox_files(uint32_t *ret_max)
{
    struct rlimit files;
    rlim_t spare;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    spare = MSP_FILES_SPARE(files.rlim_cur);
    if (spare < MSP_FILES_FIXED + 2)
        return -EMFILE; /* fail closed: nobody could be served */
    *ret_max = (uint32_t)(spare - MSP_FILES_FIXED);
    return 0;
}

/* One allowed call: all of up to three argument tests hold. */
struct rule {
    int call;
    unsigned n;
    struct scmp_arg_cmp arg[3];
};

#define ANY(name)              \
    {                          \
        .call = SCMP_SYS(name) \
    }
#define IF(name, ...)                                       \
    {                                                       \
        .call = SCMP_SYS(name),                             \
        .n = sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / \
             sizeof(struct scmp_arg_cmp),                   \
        .arg = {__VA_ARGS__},                               \
    }
#define IS(index, value)                 \
    {                                    \
        (index), SCMP_CMP_EQ, (value), 0 \
    }
#define LACKS(index, bits)                     \
    {                                          \
        (index), SCMP_CMP_MASKED_EQ, (bits), 0 \
    }

static const struct rule rules[] = {
    /* the loop */
    ANY(epoll_wait),
    ANY(epoll_pwait),
    ANY(epoll_ctl),
    ANY(read), /* the signal descriptor */
    ANY(clock_gettime),
    ANY(close),
    ANY(restart_syscall),
    ANY(rt_sigreturn),
    ANY(exit_group),
    ANY(exit),
    /* log lines on stderr */
    IF(write, IS(0, STDERR_FILENO)),
    IF(ioctl, IS(0, STDERR_FILENO), IS(1, TCGETS)),
    /* memory */
    ANY(brk),
    ANY(munmap),
    ANY(mremap),
    ANY(madvise),
    ANY(futex),
    IF(mmap, LACKS(2, PROT_EXEC)),
    IF(mprotect, LACKS(2, PROT_EXEC)),
    /* sockets */
    ANY(accept4),
    ANY(connect),
    ANY(recvfrom),
    ANY(recvmsg),
    ANY(shutdown),
    IF(sendto, IS(4, 0)),
    IF(sendmsg, LACKS(2, MSG_FASTOPEN)),
    /* TCP alone: MPTCP and SCTP are streams, too */
    IF(socket, IS(0, AF_INET),
       IS(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), IS(2, 0)),
    IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
    IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
    IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
    IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_ERROR)),
    /* the kernel's verdict */
    IF(bpf, IS(0, BPF_MAP_LOOKUP_ELEM)),
    IF(bpf, IS(0, BPF_MAP_UPDATE_ELEM)),
    IF(bpf, IS(0, BPF_PROG_TEST_RUN)),
};

int msp_sandbox_enter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r = filter ? 0 : -ENOMEM;

    /* every call of a request passes through it: a tree, no list */
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rules); i++)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call,
                                   rules[i].n, rules[i].arg);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}
