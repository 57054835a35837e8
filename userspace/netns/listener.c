/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <msp/abi.h>
#include <msp/cleanup.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux/asm-generic/socket.h, 5.14 */
#endif

int msp_netns_open(const char *path)
{
    msp_autoclose int path_fd = -1;
    msp_autoclose int fd = -1;
    char again[32];
    struct statfs fs;

    path_fd = open(path, O_PATH | O_CLOEXEC);
    if (path_fd < 0)
        return -errno;
    if (fstatfs(path_fd, &fs) < 0)
        return -errno;
    if (fs.f_type != NSFS_MAGIC)
        return -EINVAL;
    /* nothing but nsfs is ever really opened: no device, no FIFO */
    (void)snprintf(again, sizeof(again), "/proc/self/fd/%d", path_fd);
    fd = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
        return -EINVAL;
    return TAKE_FD(fd);
}

static int bind_first_free(int sock, uint16_t *ret_port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (uint16_t port = MSP_PORT_FIRST; port <= MSP_PORT_LAST; port++) {
        addr.sin_port = htons(port);
        if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
            /* two may be bound, only one of them can listen */
            if (listen(sock, MSP_LISTEN_BACKLOG) == 0) {
                *ret_port = port;
                return 0;
            }
            return -errno;
        }
        if (errno != EADDRINUSE && errno != EPERM && errno != EACCES)
            return -errno;
    }
    return -EADDRINUSE;
}

/* In the namespace the process is in now. */
static int listen_here(int own_sk_fd, uint64_t expected,
                       struct msp_netns_listener *ret)
{
    msp_autoclose int sock = -1;
    uint32_t own = MSP_OWN_LISTENER;
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    uint16_t port = 0;
    int one = 1, r;

    /* IPPROTO_TCP by name: MPTCP subflows would carry no mark */
    sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  IPPROTO_TCP);
    if (sock < 0)
        return -errno;
    if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
        return -errno;
    if (expected && cookie != expected)
        return -ESTALE;
    /* past TIME_WAIT of an earlier agent; never SO_REUSEPORT, which would
     * let others of the same user share the port */
    if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return -errno;
    if (own_sk_fd >= 0 &&
        bpf_map_update_elem(own_sk_fd, &sock, &own, BPF_ANY) < 0)
        return -errno;
    r = bind_first_free(sock, &port);
    if (r < 0)
        return r;
    *ret = (struct msp_netns_listener){
        .fd = TAKE_FD(sock), .port = port, .cookie = cookie};
    return 0;
}

int msp_netns_listen(const struct msp_netns_home *home, int netns_fd,
                     uint64_t expected, struct msp_netns_listener *ret)
{
    struct msp_netns_listener made = {.fd = -1};
    int r;

    if (netns_fd < 0)
        return listen_here(home->own_sk_fd, expected, ret);
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return -errno;
    r = listen_here(home->own_sk_fd, expected, &made);
    if (setns(home->netns_fd, CLONE_NEWNET) < 0) {
        /* fail closed: in a foreign namespace nothing may be done any more */
        if (made.fd >= 0)
            (void)close(made.fd);
        return MSP_NETNS_LOST;
    }
    if (r < 0)
        return r;
    *ret = made;
    return 0;
}
