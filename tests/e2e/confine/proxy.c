/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspd-proxy, linked so that it tries what it must not do before it serves:
 * the descriptors, the user and the mappings are those of the real one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <msp/child.h>

#include "captive.h"
#include "proxy/origin.h"
#include "proxy/sandbox.h"

#define CANARY_ADDR "10.97.0.1" /* the host's side of the test's wire */
#define IMDS_ADDR   "169.254.169.254"

int real_enter(void) __asm__("__real_msp_sandbox_enter");
int wrap_enter(void) __asm__("__wrap_msp_sandbox_enter");
int real_map_request(uint32_t slot, struct msp_request **ret_page) __asm__(
    "__real_msp_origin_map_request");
int wrap_map_request(uint32_t slot, struct msp_request **ret_page) __asm__(
    "__wrap_msp_origin_map_request");
int real_map_meta(const struct msp_meta **ret_meta) __asm__(
    "__real_msp_origin_map_meta");
int wrap_map_meta(const struct msp_meta **ret_meta) __asm__(
    "__wrap_msp_origin_map_meta");

static struct msp_request *page;
static const struct msp_meta *meta;

int wrap_map_request(uint32_t slot, struct msp_request **ret_page)
{
    int r = real_map_request(slot, ret_page);

    page = r < 0 ? NULL : *ret_page;
    return r;
}

int wrap_map_meta(const struct msp_meta **ret_meta)
{
    int r = real_map_meta(ret_meta);

    meta = r < 0 ? NULL : *ret_meta;
    return r;
}

/* --- sockets ------------------------------------------------------------ */

static int tcp(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static long connect_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    (void)inet_pton(AF_INET, addr, &to.sin_addr);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 ||
        errno == EINPROGRESS)
        return 0;
    return -1;
}

static long put_own(int fd, uint32_t value)
{
    union bpf_attr attr = {.map_fd = MSP_FD_PROXY_OWN_SK};

    attr.key = (uintptr_t)&fd;
    attr.value = (uintptr_t)&value;
    return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

static long try_family(int family, int kind, int protocol)
{
    return socket(family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

static long try_unix(void)
{
    return try_family(AF_UNIX, SOCK_STREAM, 0);
}

static long try_inet6(void)
{
    return try_family(AF_INET6, SOCK_STREAM, 0);
}

static long try_udp(void)
{
    return try_family(AF_INET, SOCK_DGRAM, 0);
}

static long try_netlink(void)
{
    return try_family(AF_NETLINK, SOCK_RAW, 0);
}

static long try_packet(void)
{
    return try_family(AF_PACKET, SOCK_RAW, 0);
}

static long try_vsock(void)
{
    return try_family(AF_VSOCK, SOCK_STREAM, 0);
}

/* Streams that are not TCP: other code, with other hooks or none. */
static long try_mptcp(void)
{
    return try_family(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

static long try_sctp(void)
{
    return try_family(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static long try_socketpair(void)
{
    int pair[2];

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static long try_connect_unmarked(void)
{
    return connect_to(tcp(), IMDS_ADDR, 80);
}

static long try_connect_unmarked_elsewhere(void)
{
    return connect_to(tcp(), CANARY_ADDR, 9);
}

static long try_connect_elsewhere(void)
{
    int fd = tcp();

    return put_own(fd, MSP_OWN_UPSTREAM) < 0 ? -1
                                             : connect_to(fd, CANARY_ADDR, 9);
}

static long try_connect_other_port(void)
{
    int fd = tcp();

    return put_own(fd, MSP_OWN_UPSTREAM) < 0 ? -1
                                             : connect_to(fd, IMDS_ADDR, 8080);
}

static long try_connect_as_listener(void)
{
    int fd = tcp();

    return put_own(fd, MSP_OWN_LISTENER) < 0 ? -1
                                             : connect_to(fd, CANARY_ADDR, 9);
}

/* Its own listener: what comes there is to be somebody else's. */
static long try_connect_listener(void)
{
    int fd = tcp();

    return put_own(fd, MSP_OWN_UPSTREAM) < 0
               ? -1
               : connect_to(fd, "127.0.0.1", MSP_PORT_FIRST);
}

static long try_connect_unix(void)
{
    static const struct sockaddr_un to = {.sun_family = AF_UNIX,
                                          .sun_path = "/run/x"};

    return connect(tcp(), (const struct sockaddr *)&to, sizeof(to));
}

static long may_connect_endpoint(void)
{
    int fd = tcp();

    return put_own(fd, MSP_OWN_UPSTREAM) < 0 ? -1
                                             : connect_to(fd, IMDS_ADDR, 80);
}

static long try_bind(void)
{
    static const struct sockaddr_in any = {.sin_family = AF_INET};

    return bind(tcp(), (const struct sockaddr *)&any, sizeof(any));
}

static long try_listen(void)
{
    return listen(tcp(), 1);
}

static long try_option(int level, int name)
{
    static const int one = 1;

    return setsockopt(tcp(), level, name, &one, sizeof(one));
}

static long try_fastopen_option(void)
{
    return try_option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
}

static long try_repair(void)
{
    return try_option(IPPROTO_TCP, TCP_REPAIR);
}

static long try_mark(void)
{
    return try_option(SOL_SOCKET, SO_MARK);
}

static long try_fastopen(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct msghdr msg = {.msg_name = &to, .msg_namelen = sizeof(to)};

    return sendmsg(tcp(), &msg, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static long try_send_to(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

    return sendto(tcp(), "x", 1, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                  sizeof(to));
}

/* --- the kernel's tables ------------------------------------------------ */

static long bpf_cmd(int cmd, const union bpf_attr *attr)
{
    union bpf_attr copy = *attr;

    return syscall(SYS_bpf, cmd, &copy, sizeof(copy));
}

/* A mark of root, on a socket of its own. */
static long try_forge_mark(void)
{
    struct msp_mark mark = {.flags = MSP_MARK_ROOT};
    int fd = tcp();
    union bpf_attr attr = {.map_fd = MSP_FD_PROXY_VERDICT};

    attr.key = (uintptr_t)&fd;
    attr.value = (uintptr_t)&mark;
    return bpf_cmd(BPF_MAP_UPDATE_ELEM, &attr);
}

/* Whatever of its descriptors a table is: first rows are not to be written. */
static long try_write_tables(void)
{
    static char value[sizeof(struct msp_request)];
    static uint32_t key;
    union bpf_attr attr = {.map_fd = 0};

    attr.key = (uintptr_t)&key;
    attr.value = (uintptr_t)value;
    for (uint32_t fd = 0; fd < 64; fd++) {
        attr.map_fd = fd;
        if (bpf_cmd(BPF_MAP_UPDATE_ELEM, &attr) == 0)
            return 0;
    }
    return -1;
}

static long try_write_meta(void)
{
    return mprotect((void *)(uintptr_t)meta, 4096, PROT_READ | PROT_WRITE);
}

/* Another worker's page begins where ours ends. */
static long try_next_page(void)
{
    return mremap(page, MSP_REQUEST_PAGE_BYTES, 2 * MSP_REQUEST_PAGE_BYTES,
                  MREMAP_MAYMOVE) == MAP_FAILED
               ? -1
               : 0;
}

static long try_map_marks(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                MSP_FD_PROXY_VERDICT, 0) == MAP_FAILED
               ? -1
               : 0;
}

/* Commands but look-up, update and run; one that is not killed ends it. */
static int swept_cmd;

static long call_cmd(void)
{
    union bpf_attr attr;

    memset(&attr, 0xff, sizeof(attr));
    return syscall(SYS_bpf, swept_cmd, &attr, sizeof(attr));
}

/* --- the rest ----------------------------------------------------------- */

static long try_open(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long try_openat2(void)
{
    return syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0);
}

static long try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid;
}

static long try_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0);
}

static long try_kill(void)
{
    return kill(getppid(), 0);
}

static long try_setuid(void)
{
    return syscall(SYS_setuid, 0);
}

static long try_write(void)
{
    return write(STDOUT_FILENO, "", 0);
}

static long try_make_code(void)
{
    return mprotect(page, MSP_REQUEST_PAGE_BYTES, PROT_READ | PROT_EXEC);
}

static long try_keyctl(void)
{
    return syscall(SYS_keyctl, 0, -3, 0, 0, 0); /* own session keyring */
}

static long try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

static const struct captive_try tries[] = {
    {"prctl", "SIGSYS", try_prctl},
    {"keyctl", "SIGSYS", try_keyctl},
    {"mmap-exec", "SIGSYS", try_code},
    {"open", "SIGSYS", try_open},
    {"openat2", "SIGSYS", try_openat2},
    {"fork", "SIGSYS", try_fork},
    {"clone3", "SIGSYS", try_clone3},
    {"kill", "SIGSYS", try_kill},
    {"setuid", "SIGSYS", try_setuid},
    {"write-stdout", "SIGSYS", try_write},
    {"mprotect-exec", "SIGSYS", try_make_code},
    {"socket-unix", "SIGSYS", try_unix},
    {"socket-inet6", "SIGSYS", try_inet6},
    {"socket-udp", "SIGSYS", try_udp},
    {"socket-netlink", "SIGSYS", try_netlink},
    {"socket-packet", "SIGSYS", try_packet},
    {"socket-vsock", "SIGSYS", try_vsock},
    {"socket-mptcp", "SIGSYS", try_mptcp},
    {"socket-sctp", "SIGSYS", try_sctp},
    {"socketpair", "SIGSYS", try_socketpair},
    {"bind", "SIGSYS", try_bind},
    {"listen", "SIGSYS", try_listen},
    {"setsockopt-fastopen", "SIGSYS", try_fastopen_option},
    {"setsockopt-repair", "SIGSYS", try_repair},
    {"setsockopt-mark", "SIGSYS", try_mark},
    {"sendmsg-fastopen", "SIGSYS", try_fastopen},
    {"sendto-address", "SIGSYS", try_send_to},
    {"connect-endpoint", "ok", may_connect_endpoint},
    {"connect-unmarked", "EPERM", try_connect_unmarked},
    {"connect-unmarked-elsewhere", "EPERM", try_connect_unmarked_elsewhere},
    {"connect-elsewhere", "EPERM", try_connect_elsewhere},
    {"connect-other-port", "EPERM", try_connect_other_port},
    {"connect-as-listener", "EPERM", try_connect_as_listener},
    {"connect-listener", "EPERM", try_connect_listener},
    {"connect-unix", "EPERM", try_connect_unix},
    {"write-mark", "EPERM", try_forge_mark},
    {"write-tables", "EBADF", try_write_tables},
    {"unprotect-meta", "EACCES", try_write_meta},
    {"page-of-another", "EFAULT", try_next_page},
    {"map-marks", "EACCES", try_map_marks},
};

static void try_commands(const struct captive *captive)
{
    for (swept_cmd = 0; swept_cmd < 64; swept_cmd++) {
        char name[32];
        struct captive_try t = {name, "SIGSYS", call_cmd};

        if (swept_cmd == BPF_MAP_LOOKUP_ELEM ||
            swept_cmd == BPF_MAP_UPDATE_ELEM || swept_cmd == BPF_PROG_TEST_RUN)
            t.wanted = "EINVAL"; /* of the kernel: no such attribute */
        (void)snprintf(name, sizeof(name), "bpf-%d", swept_cmd);
        captive_try(captive, &t, 1);
    }
}

/* What the filter lets through; rt_sigreturn, too, but without a frame that is
 * SIGSEGV. */
static void sweep(const struct captive *captive)
{
    static const int calls[] = {
#ifdef SYS_epoll_wait /* not where epoll_pwait() came first */
        SYS_epoll_wait,
#endif
        SYS_epoll_pwait,   SYS_epoll_ctl, SYS_read,
        SYS_clock_gettime, SYS_close,     SYS_restart_syscall,
        SYS_exit_group,    SYS_exit,      SYS_brk,
        SYS_munmap,        SYS_mremap,    SYS_madvise,
        SYS_futex,         SYS_mmap,      SYS_mprotect,
        SYS_accept4,       SYS_connect,   SYS_recvfrom,
        SYS_recvmsg,       SYS_shutdown,  SYS_sendto,
        SYS_sendmsg,
    };
    char wanted[256] = "";
    size_t len = 0;

    for (int nr = 0; nr < 512; nr++)
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
            if (calls[i] == nr)
                len += (size_t)snprintf(wanted + len, sizeof(wanted) - len,
                                        "%d,", nr);
    captive_sweep(captive, wanted);
}

int wrap_enter(void)
{
    static const struct captive captive = {"proxy", real_enter};

    captive_try(&captive, captive_common, captive_n_common);
    captive_try(&captive, tries, sizeof(tries) / sizeof(tries[0]));
    try_commands(&captive);
    sweep(&captive);
    (void)fputs("captive proxy done\n", stderr);
    return real_enter();
}
