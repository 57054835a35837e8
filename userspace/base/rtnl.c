/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <msp/cleanup.h>

enum {
    ANSWER_BYTES = 65536,
    ANSWER_MS = 1000
};

int msp_rtnl_open(uint32_t groups)
{
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = groups};
    struct timeval limit = {.tv_sec = ANSWER_MS / 1000};
    msp_autoclose int fd = socket(
        AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0),
        NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* What waits for an answer. */
struct asker {
    msp_rtnl_fn fn;
    void *data;
    uint32_t seq;
    bool has_enough; /* the rest is read all the same: a dump must end first */
};

/* Messages of one datagram. @return 1 the last one came; 0; negative errno */
static int take_messages(struct asker *asker, const char *bytes, size_t len)
{
    const struct nlmsghdr *head = (const void *)bytes;

    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        int r = 0;

        if (head->nlmsg_seq != asker->seq)
            continue;
        if (head->nlmsg_type == NLMSG_DONE)
            return 1;
        if (head->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = NLMSG_DATA(head);

            return error->error ? error->error : 1;
        }
        if (!asker->has_enough)
            r = asker->fn(asker->data, head);
        if (r < 0)
            return r;
        asker->has_enough |= r > 0;
        if (!(head->nlmsg_flags & NLM_F_MULTI))
            return 1;
    }
    return 0;
}

int msp_rtnl_ask(int fd, struct nlmsghdr *request, msp_rtnl_fn fn, void *data)
{
    _Alignas(struct nlmsghdr) static char bytes[ANSWER_BYTES];
    static uint32_t seq;
    struct asker asker = {.fn = fn, .data = data, .seq = ++seq};
    int r = 0;

    request->nlmsg_seq = seq;
    if (send(fd, request, request->nlmsg_len, 0) < 0)
        return -errno;
    while (r == 0) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if ((size_t)n > sizeof(bytes))
            return -EMSGSIZE;
        r = take_messages(&asker, bytes, (size_t)n);
    }
    return r < 0 ? r : 0;
}
