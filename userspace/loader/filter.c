/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/filter.h"

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/rtnl.h"

static int take(void *data, const struct nlmsghdr *head)
{
    const struct tcmsg *tc = NLMSG_DATA(head);
    uint32_t *handle = data;

    /* without a handle it is the list, not a filter of it */
    if (head->nlmsg_type != RTM_NEWTFILTER || !tc->tcm_handle)
        return 0;
    *handle = tc->tcm_handle;
    return 1;
}

int msp_filter_first(uint32_t ifindex, uint32_t *ret_handle)
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

    msp_autoclose int fd = msp_rtnl_open(0);

    *ret_handle = 0;
    return fd < 0 ? fd : msp_rtnl_ask(fd, &request.head, take, ret_handle);
}
