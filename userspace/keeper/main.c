/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspd-keeper: the secure channel with the host, keys, and the host's user
 * database, for mspd. Runs as its own user without any capability; ends when
 * mspd does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "base/caps.h"
#include "base/deny.h"
#include "base/log.h"
#include "keeper/service.h"

enum {
    SCALE_MAX = 1000
};

static const char help[] =
    "usage: mspd-keeper [--static-key | --secure-channel [SCALE]]\n"
    "Holds keys and looks users and groups up. Started by mspd.\n"
    "  --static-key      a key file is open\n"
    "  --secure-channel  latch a key with the host; SCALE, for tests: all\n"
    "                    waits are so many times shorter\n"
    "  --version         print the version\n"
    "  --help            print this";

struct args {
    bool has_key;
    uint32_t scale; /* 0 = no channel */
};

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
    (void)puts(help);
    return true;
}

static int parse(int argc, char **argv, struct args *ret)
{
    char *end;
    unsigned long scale;

    if (argc == 1)
        return 0;
    if (argc == 2 && msp_streq(argv[1], "--static-key")) {
        ret->has_key = true;
        return 0;
    }
    if (argc > 3 || !msp_streq(argv[1], "--secure-channel"))
        return -EINVAL;
    ret->scale = 1;
    if (argc == 2)
        return 0;
    errno = 0;
    scale = strtoul(argv[2], &end, 10);
    if (errno || *end || end == argv[2] || scale < 1 || scale > SCALE_MAX)
        return -EINVAL;
    ret->scale = (uint32_t)scale;
    return 0;
}

static int be_nobody(void)
{
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0) {
        /* fail closed: it parses what the host sends */
        msp_log(MSP_LOG_ERR, "keeper.privileges", "error", "runs as root",
                NULL);
        return -EPERM;
    }
    return msp_caps_reduce(NULL, 0);
}

int main(int argc, char **argv)
{
    static struct msp_keeper keeper;
    struct args args = {.scale = 0};
    int r;

    if (has_told(argc, argv))
        return MSP_EXIT_OK;
    if (parse(argc, argv, &args) < 0) {
        msp_log(MSP_LOG_ERR, "keeper.usage", NULL);
        return MSP_EXIT_USAGE;
    }
    (void)prctl(PR_SET_NAME, "mspd-keeper"); /* it was executed by descriptor */
    (void)signal(SIGINT, SIG_IGN);           /* mspd decides when to stop */
    r = be_nobody();
    if (r == 0)
        r = msp_deny_enter(false);
    if (r < 0) {
        /* fail closed: not with more than it needs */
        msp_log_errno(MSP_LOG_ERR, "keeper.privileges", r);
        return MSP_EXIT_INTERNAL;
    }
    msp_keyfile_wipe_json();
    r = msp_keeper_init(&keeper, args.scale);
    if (r == 0 && args.has_key)
        r = msp_keeper_give_static(&keeper);
    if (r == 0)
        r = msp_keeper_run(&keeper);
    msp_keeper_done(&keeper);
    if (r == 0 || r == -EPIPE)
        return MSP_EXIT_OK;
    msp_log_errno(MSP_LOG_ERR, "keeper.failed", r);
    return MSP_EXIT_INTERNAL;
}
