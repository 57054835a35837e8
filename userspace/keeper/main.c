/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspd-keeper: reads keys and asks the host's user database for mspd. Runs as
 * its own user without any capability; ends when mspd does.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "base/caps.h"
#include "base/io.h"
#include "base/log.h"
#include "keeper/keyfile.h"
#include "keeper/lookup.h"

/* Everything that ever holds key bytes, in one place that is not swapped. */
struct secret {
    char text[MSP_KEYFILE_BYTES_MAX + 1];
    struct msp_keyfile file;
    struct msp_child_key packet;
};

static int send_bad(const char *why)
{
    struct msp_child_text text = {.head.type = MSP_CHILD_KEY_BAD};

    (void)snprintf(text.text, sizeof(text.text), "%s", why);
    return msp_io_send(MSP_FD_CONTROL, &text, sizeof(text), -1);
}

static int send_key(struct secret *secret)
{
    const char *why = NULL;
    ssize_t n;
    int r;

    n = msp_io_read_full(MSP_FD_KEEPER_KEY, secret->text, sizeof(secret->text));
    if (n < 0)
        return send_bad("the key file cannot be read");
    r = msp_keyfile_parse(secret->text, (size_t)n, &secret->file, &why);
    if (r == -EINVAL)
        return send_bad(why);
    if (r < 0)
        return r;
    secret->packet.head.type = MSP_CHILD_KEY;
    memcpy(secret->packet.guid, secret->file.guid, MSP_GUID_BYTES);
    memcpy(secret->packet.key, secret->file.key, MSP_KEY_BYTES);
    return msp_io_send(MSP_FD_CONTROL, &secret->packet, sizeof(secret->packet),
                       -1);
}

static int give_static_key(void)
{
    static struct secret secret;
    int r;

    if (mlock(&secret, sizeof(secret)) < 0)
        return send_bad("memory for the key cannot be locked");
    r = send_key(&secret);
    OPENSSL_cleanse(&secret, sizeof(secret));
    (void)munlock(&secret, sizeof(secret));
    (void)close(MSP_FD_KEEPER_KEY);
    return r;
}

/* @return 0; negative errno: the process must end */
static int serve(void)
{
    static struct msp_child_names names;
    msp_autoclose int fd = -1;
    ssize_t n;
    int r;

    n = msp_io_recv(MSP_FD_CONTROL, &names, sizeof(names), &fd);
    if (n == -EAGAIN)
        return 0;
    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return (int)n;
    if ((size_t)n != sizeof(names) || fd >= 0 ||
        names.head.type != MSP_CHILD_NAMES)
        return -EPROTO;
    r = msp_lookup_names(&names);
    if (r == -EBADMSG)
        return r;
    if (r < 0) {
        /* fail closed: no answer, so that mspd refuses the change */
        msp_log_errno(MSP_LOG_WARN, "keeper.lookup", r);
        return 0;
    }
    return msp_io_send(MSP_FD_CONTROL, &names, sizeof(names), -1);
}

static int run(void)
{
    struct pollfd poll_fd = {.fd = MSP_FD_CONTROL, .events = POLLIN};
    int r = 0;

    while (r == 0) {
        if (poll(&poll_fd, 1, -1) < 0)
            r = errno == EINTR ? 0 : -errno;
        else
            r = serve();
    }
    return r;
}

/* @return whether it was asked for, and printed */
static bool has_told(int argc, char **argv)
{
    if (argc != 2)
        return false;
    if (msp_streq(argv[1], "--version")) {
        (void)puts("mspd-keeper " MSP_VERSION);
        return true;
    }
    if (!msp_streq(argv[1], "--help"))
        return false;
    (void)puts("usage: mspd-keeper [--static-key]\n"
               "Reads keys and looks users and groups up. Started by mspd.\n"
               "  --static-key    a key file is open\n"
               "  --version       print the version\n"
               "  --help          print this");
    return true;
}

int main(int argc, char **argv)
{
    bool has_key = argc == 2 && msp_streq(argv[1], "--static-key");
    int r;

    if (has_told(argc, argv))
        return MSP_EXIT_OK;
    if (argc > 1 && !has_key) {
        msp_log(MSP_LOG_ERR, "keeper.usage", NULL);
        return MSP_EXIT_USAGE;
    }
    (void)signal(SIGINT, SIG_IGN); /* mspd decides when to stop */
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0) {
        /* fail closed: it parses what the host sends */
        msp_log(MSP_LOG_ERR, "keeper.privileges", "error", "runs as root",
                NULL);
        return MSP_EXIT_INTERNAL;
    }
    r = msp_caps_reduce(NULL, 0);
    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "keeper.privileges", r);
        return MSP_EXIT_INTERNAL;
    }
    if (has_key)
        r = give_static_key();
    if (r == 0)
        r = run();
    if (r == -EPIPE)
        return MSP_EXIT_OK;
    msp_log_errno(MSP_LOG_ERR, "keeper.failed", r);
    return MSP_EXIT_INTERNAL;
}
