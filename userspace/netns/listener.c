/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <msp/abi.h>
#include <msp/cleanup.h>

#include "base/io.h"

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

/* @return a socket that may be bound to a port of ours; negative errno */
static int make_socket(int own_sk_fd)
{
    /* IPPROTO_TCP by name: MPTCP subflows would carry no mark */
    msp_autoclose int sock = socket(
        AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    uint32_t own = MSP_OWN_LISTENER;
    const int room = MSP_SOCKET_BYTES;
    int one = 1;

    if (sock < 0)
        return -errno;
    /* inherited by accepted sockets; else who reads nothing holds megabytes of
     * the agent's, and as many as the sysctls of his namespace say */
    if (setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0)
        return -errno;
    /* no queue is between the two ends, so there is nothing to pace for: what
     * the host is set to, bbr say, would arm a timer for each answer */
    (void)setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    /* past TIME_WAIT of an earlier agent; never SO_REUSEPORT, which would
     * let others of the same user share the port */
    if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return -errno;
    if (own_sk_fd >= 0 &&
        bpf_map_update_elem(own_sk_fd, &sock, &own, BPF_ANY) < 0)
        return -errno;
    return TAKE_FD(sock);
}

/*
 * Two may be bound, only one of them can listen; and who is bound is to that
 * port for good. So each port has a socket of its own.
 * @return the listener; -EADDRINUSE somebody has the port; negative errno
 */
static int listen_at(int own_sk_fd, uint16_t port)
{
    const struct sockaddr_in addr = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    msp_autoclose int sock = make_socket(own_sk_fd);

    if (sock < 0)
        return sock;
    if (bind(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return errno == EPERM || errno == EACCES ? -EADDRINUSE : -errno;
    if (listen(sock, MSP_LISTEN_BACKLOG) < 0)
        return -errno;
    return TAKE_FD(sock);
}

/*
 * @param port in: tried first, 0 = none; set to the one it has
 * @return as listen_at, of all ports
 */
static int listen_first_free(int own_sk_fd, uint16_t *port)
{
    int r = *port ? listen_at(own_sk_fd, *port) : -EADDRINUSE;

    for (uint16_t next = MSP_PORT_FIRST;
         next <= MSP_PORT_LAST && r == -EADDRINUSE; next++) {
        *port = next;
        r = listen_at(own_sk_fd, next);
    }
    return r;
}

/* In the namespace the process is in now. @param ret as msp_netns_listen */
static int listen_here(int own_sk_fd, struct msp_netns_listener *ret)
{
    uint16_t port = ret->port;
    uint64_t cookie = 0;
    int r = msp_io_netns_cookie(&cookie);

    if (r < 0)
        return r;
    if (ret->cookie && cookie != ret->cookie)
        return -ESTALE;
    r = listen_first_free(own_sk_fd, &port);
    if (r < 0)
        return r;
    *ret = (struct msp_netns_listener){.fd = r, .port = port, .cookie = cookie};
    return 0;
}

int msp_netns_listen(const struct msp_netns_home *home, int netns_fd,
                     struct msp_netns_listener *ret)
{
    struct msp_netns_listener made = *ret;
    int r;

    if (netns_fd < 0)
        return listen_here(home->own_sk_fd, ret);
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return -errno;
    r = listen_here(home->own_sk_fd, &made);
    if (setns(home->netns_fd, CLONE_NEWNET) < 0) {
        /* fail closed: in a foreign namespace nothing may be done any more */
        if (r == 0)
            (void)close(made.fd);
        return MSP_NETNS_LOST;
    }
    if (r < 0)
        return r;
    *ret = made;
    return 0;
}
