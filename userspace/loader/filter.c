/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/filter.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <msp/cleanup.h>

enum {
    ANSWER_BYTES = 65536,
    ANSWER_MS = 1000
};

static int ask(int fd, uint32_t ifindex)
{
    struct {
        struct nlmsghdr head;
        struct tcmsg tc;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_GETTFILTER,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .tc = {.tcm_family = AF_UNSPEC,
               .tcm_ifindex = (int)ifindex,
               .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)},
    };

    return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* Of one part of the answer. @return 1 nothing more is needed; 0; -errno */
static int take(const char *bytes, size_t len, uint32_t *ret_handle)
{
    const struct nlmsghdr *head = (const void *)bytes;

    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        const struct tcmsg *tc = NLMSG_DATA(head);

        if (head->nlmsg_type == NLMSG_DONE)
            return 1;
        if (head->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = NLMSG_DATA(head);

            return error->error ? error->error : 1;
        }
        /* without a handle it is the list, not a filter of it */
        if (head->nlmsg_type != RTM_NEWTFILTER || !tc->tcm_handle)
            continue;
        *ret_handle = tc->tcm_handle;
        return 1;
    }
    return 0;
}

int msp_filter_first(uint32_t ifindex, uint32_t *ret_handle)
{
    _Alignas(struct nlmsghdr) static char bytes[ANSWER_BYTES];
    struct timeval limit = {.tv_sec = ANSWER_MS / 1000};
    msp_autoclose int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r;

    *ret_handle = 0;
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        return -errno;
    r = ask(fd, ifindex);
    while (r == 0) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if ((size_t)n > sizeof(bytes))
            return -EMSGSIZE;
        r = take(bytes, (size_t)n, ret_handle);
    }
    return r < 0 ? r : 0;
}
