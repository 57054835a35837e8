/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "harness/test.h"

#define NO_DEVICE 0x7ffffff0

/* What was seen of an answer. */
struct seen {
    unsigned int n;
    bool has_lo;
    int answer; /* of the callback */
};

static int see(void *data, const struct nlmsghdr *head)
{
    const struct ifinfomsg *info = NLMSG_DATA(head);
    struct seen *seen = data;

    assert_int_equal(head->nlmsg_type, RTM_NEWLINK);
    seen->n++;
    seen->has_lo |= (unsigned int)info->ifi_index == if_nametoindex("lo");
    return seen->answer;
}

static int ask_links(int fd, int index, struct seen *seen)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_GETLINK,
                 .nlmsg_flags = NLM_F_REQUEST | (index ? 0 : NLM_F_DUMP)},
        .info = {.ifi_family = AF_UNSPEC, .ifi_index = index},
    };

    return msp_rtnl_ask(fd, &request.head, see, seen);
}

static void every_message_is_handed_on(void **state)
{
    msp_autoclose int fd = msp_rtnl_open(0);
    struct seen all = {0}, one = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_ok(ask_links(fd, 0, &all));
    assert_true(all.n >= 1 && all.has_lo);
    assert_ok(ask_links(fd, (int)if_nametoindex("lo"), &one));
    assert_int_equal(one.n, 1);
}

/* What is left of an answer is nobody's next answer. */
static void a_callback_ends_the_question(void **state)
{
    struct seen enough = {.answer = 1}, fault = {.answer = -EBADMSG};
    msp_autoclose int fd = msp_rtnl_open(0);
    struct seen all = {0};

    (void)state;
    assert_ok(ask_links(fd, 0, &enough));
    assert_int_equal(enough.n, 1);
    assert_ok(ask_links(fd, 0, &all));
    assert_true(all.has_lo);
    assert_int_equal(ask_links(fd, 0, &fault), -EBADMSG);
    assert_int_equal(fault.n, 1);
}

static void the_kernels_error_is_the_answer(void **state)
{
    msp_autoclose int fd = msp_rtnl_open(0);
    struct seen seen = {0};

    (void)state;
    assert_int_equal(ask_links(fd, NO_DEVICE, &seen), -ENODEV);
    assert_int_equal(seen.n, 0);
    assert_int_equal(ask_links(-1, 0, &seen), -EBADF);
}

static void a_watch_never_waits(void **state)
{
    msp_autoclose int fd = msp_rtnl_open(RTMGRP_LINK);
    char byte;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_handed_on),
        cmocka_unit_test(a_callback_ends_the_question),
        cmocka_unit_test(the_kernels_error_is_the_answer),
        cmocka_unit_test(a_watch_never_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
