/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspd-netns: the only process that enters other network namespaces and that
 * opens files of others. It makes listeners and opens paths on request of mspd
 * and does nothing else; it ends when mspd does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "base/caps.h"
#include "base/deny.h"
#include "base/io.h"
#include "base/log.h"
#include "netns/file.h"
#include "netns/listener.h"
#include "netns/opener.h"

/* The same three stand in the table of daemon/privs.c. */
static const int keep[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

static int answer(struct msp_child_netns *request,
                  const struct msp_netns_home *home)
{
    struct msp_netns_listener listener = {
        .fd = -1, .cookie = request->netns_cookie, .port = request->port};
    msp_autoclose int netns_fd = -1;
    msp_autoclose int fd = -1;
    int r = 0;

    if (request->head.type == MSP_CHILD_NETNS_PATH) {
        request->path[sizeof(request->path) - 1] = '\0';
        netns_fd = msp_netns_open(request->path);
        r = netns_fd < 0 ? netns_fd : 0;
    }
    if (r == 0)
        r = msp_netns_listen(home, netns_fd, &listener);
    if (r == MSP_NETNS_LOST)
        return r;
    fd = listener.fd;
    request->status = r;
    request->port = listener.port;
    request->netns_cookie = listener.cookie;
    return msp_io_send(MSP_FD_CONTROL, request, sizeof(*request), fd);
}

/* Larger than every request. */
static union {
    struct msp_child_head head;
    struct msp_child_netns netns;
    struct msp_child_open open;
} request;

/* @return 0; negative errno: the process must end */
static int serve(struct msp_netns_home *home, struct msp_opener *opener)
{
    msp_autoclose int fd = -1;
    ssize_t n;

    n = msp_io_recv(MSP_FD_CONTROL, &request, sizeof(request), &fd);
    if (n == -EAGAIN)
        return 0;
    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return (int)n;
    if ((size_t)n == sizeof(struct msp_child_head) && fd >= 0 &&
        request.head.type == MSP_CHILD_OWN_SK) {
        if (home->own_sk_fd >= 0)
            (void)close(home->own_sk_fd);
        home->own_sk_fd = TAKE_FD(fd);
        return 0;
    }
    if ((size_t)n == sizeof(struct msp_child_head) && fd >= 0 &&
        request.head.type == MSP_CHILD_INOTIFY) {
        msp_opener_set_watch(opener, TAKE_FD(fd));
        return 0;
    }
    if (fd >= 0)
        return -EPROTO;
    if ((size_t)n == sizeof(request.open) &&
        request.head.type == MSP_CHILD_OPEN)
        return msp_opener_start(opener, &request.open, msp_io_now_ms());
    if ((size_t)n == sizeof(request.netns) &&
        (request.head.type == MSP_CHILD_NETNS_PATH ||
         request.head.type == MSP_CHILD_NETNS_ROOT))
        return answer(&request.netns, home);
    return -EPROTO;
}

/* Waits for a request, an answer or a deadline. @return as serve */
static int wait_and_serve(struct msp_netns_home *home,
                          struct msp_opener *opener)
{
    struct pollfd fds[1 + MSP_OPENER_POLLS] = {
        {.fd = MSP_FD_CONTROL, .events = POLLIN}};
    int timeout_ms, r = 0;
    size_t n = 1;

    n += msp_opener_wait(opener, msp_io_now_ms(), fds + 1, &timeout_ms);
    if (poll(fds, n, timeout_ms) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[0].revents)
        r = serve(home, opener);
    return r < 0 ? r : msp_opener_run(opener, msp_io_now_ms());
}

/* @return -1 to go on; an exit code */
static int take_arguments(int argc, char **argv)
{
    if (argc == 1)
        return -1;
    if (argc == 2 && msp_streq(argv[1], "--version")) {
        (void)puts("mspd-netns " MSP_VERSION);
        return MSP_EXIT_OK;
    }
    if (argc == 2 && msp_streq(argv[1], "--help")) {
        (void)puts(
            "usage: mspd-netns\n"
            "Makes listeners in other network namespaces and opens files. "
            "Started by mspd.\n"
            "  --version    print the version\n"
            "  --help       print this");
        return MSP_EXIT_OK;
    }
    msp_log(MSP_LOG_ERR, "netns.usage", NULL);
    return MSP_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct msp_netns_home home = {.netns_fd = -1, .own_sk_fd = -1};
    struct msp_opener opener;
    int r = take_arguments(argc, argv);

    if (r >= 0)
        return r;
    (void)prctl(PR_SET_NAME, "mspd-netns"); /* it was executed by descriptor */
    (void)signal(SIGINT, SIG_IGN);          /* mspd decides when to stop */
    home.netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home.netns_fd < 0) {
        msp_log_errno(MSP_LOG_ERR, "netns.home", -errno);
        return MSP_EXIT_INTERNAL;
    }
    r = msp_caps_reduce(keep, ARRAY_SIZE(keep));
    if (r == 0)
        r = msp_deny_enter(true);
    if (r < 0) {
        /* fail closed: not with more privilege than stated */
        msp_log_errno(MSP_LOG_ERR, "netns.privileges", r);
        return MSP_EXIT_INTERNAL;
    }
    msp_opener_init(&opener, MSP_FD_CONTROL, msp_file_work);
    do {
        r = wait_and_serve(&home, &opener);
    } while (r == 0);
    msp_opener_done(&opener);
    if (r == -EPIPE)
        return MSP_EXIT_OK;
    msp_log_errno(MSP_LOG_ERR, "netns.failed", r);
    return MSP_EXIT_INTERNAL;
}
