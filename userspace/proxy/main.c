/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspd-proxy: takes its descriptors by number (include/msp/child.h), checks
 * what they are, gives up everything else and runs one worker. Started by
 * mspd only.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msp/canon.h>
#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "authorize.h"
#include "base/log.h"
#include "control.h"
#include "origin.h"
#include "sandbox.h"
#include "worker.h"

struct options {
    uint32_t slot;
    uint64_t epoch;
    bool has_slot;
    bool has_epoch;
};

struct proxy {
    struct options options;
    struct msp_loop *loop;
    struct msp_key *key;
    struct msp_worker *worker;
    struct msp_control control;
    struct msp_request *page;
    const struct msp_meta *meta;
};

/* --- options ------------------------------------------------------------ */

static int parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value > max)
        return -EINVAL;
    *ret = value;
    return 0;
}

static void print_help(FILE *out)
{
    (void)fputs("usage: mspd-proxy --slot N --epoch E\n"
                "Signs and relays requests to metadata endpoints. "
                "Started by mspd.\n"
                "  --slot N     row of msp_requests that is ours\n"
                "  --epoch E    agent epoch of the mspd that started us\n"
                "  --log-level err|warn|info|debug\n"
                "  --version    print the version\n"
                "  --help       print this\n",
                out);
}

static int set_log_level(const char *text)
{
    static const char *const names[] = {"err", "warn", "info", "debug"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (msp_streq(text, names[i])) {
            msp_log_set_level((enum msp_log_level)i);
            return 0;
        }
    return -EINVAL;
}

/* @return -1 go on; else the exit code */
static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {
        {"slot", required_argument, NULL, 's'},
        {"epoch", required_argument, NULL, 'e'},
        {"log-level", required_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    uint64_t value;
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int r = 0;

        switch (c) {
        case 's':
            r = parse_uint(optarg, MSP_WORKERS_MAX - 1, &value);
            options->slot = r < 0 ? 0 : (uint32_t)value;
            options->has_slot = true;
            break;
        case 'e':
            r = parse_uint(optarg, UINT64_MAX, &options->epoch);
            options->has_epoch = true;
            break;
        case 'l':
            r = set_log_level(optarg);
            break;
        case 'v':
            (void)puts("mspd-proxy " MSP_VERSION);
            return MSP_EXIT_OK;
        case 'h':
            print_help(stdout);
            return MSP_EXIT_OK;
        default:
            r = -EINVAL;
        }
        if (r < 0) {
            print_help(stderr);
            return MSP_EXIT_USAGE;
        }
    }
    if (!options->has_slot || !options->has_epoch || optind != argc) {
        print_help(stderr);
        return MSP_EXIT_USAGE;
    }
    return -1;
}

/* --- what the worker asks ----------------------------------------------- */

static int op_mark(void *data, int fd, struct msp_mark *ret_mark)
{
    (void)data;
    return msp_origin_mark(fd, ret_mark);
}

static int op_own(void *data, int fd)
{
    (void)data;
    return msp_origin_own(fd);
}

static int op_authorize(void *data)
{
    const struct proxy *proxy = data;

    return msp_authorize_run(proxy->options.slot);
}

static void op_log(void *data, const struct msp_child_log *record)
{
    struct proxy *proxy = data;

    (void)msp_control_log(&proxy->control, record); /* counts the lost */
}

static void op_lost(void *data, uint64_t netns_cookie, uint16_t port)
{
    struct proxy *proxy = data;

    /* the next tick tries again */
    (void)msp_control_lost(&proxy->control, netns_cookie, port);
}

static void on_signal(void *data, int signo)
{
    struct proxy *proxy = data;

    (void)signo;
    msp_worker_drain(proxy->worker);
}

/* --- start -------------------------------------------------------------- */

/*
 * Runs every libcrypto path once: it reads its configuration and loads its
 * tables on first use, which the sandbox would not let it.
 */
static int warm_up(struct msp_key *key)
{
    const struct msp_child_key trial = {.guid = "warm-up"};
    const struct msp_child_key none = {0};
    const struct msp_key_part part = {"x", 1};
    uint8_t mac[MSP_HMAC_BYTES];
    uint8_t hash[MSP_PAIR_HASH_BYTES];
    int r;

    r = msp_canon_pair_hash("k", 1, "v", 1, hash);
    if (r < 0)
        return r;
    r = msp_key_set(key, &trial);
    if (r < 0)
        return r;
    r = msp_key_hmac(key, &part, 1, mac);
    if (r < 0)
        return r;
    return msp_key_set(key, &none);
}

static int fail(const char *what, int r)
{
    msp_log(MSP_LOG_ERR, "proxy.start", "step", what, "error", strerror(-r),
            NULL);
    return r;
}

/* Everything that needs the kernel's descriptors. */
static int open_kernel(struct proxy *proxy)
{
    const char *which = "";
    int r = msp_origin_check(proxy->options.slot, &which);

    if (r < 0)
        return fail(which, r);
    r = msp_origin_map_request(proxy->options.slot, &proxy->page);
    if (r < 0)
        return fail("map-requests", r);
    r = msp_origin_map_meta(&proxy->meta);
    return r < 0 ? fail("map-meta", r) : 0;
}

static int open_worker(struct proxy *proxy)
{
    static const int signals[] = {SIGTERM, SIGINT, 0};
    struct msp_worker_setup setup = {
        .ops = {.mark = op_mark,
                .own = op_own,
                .authorize = op_authorize,
                .log = op_log,
                .lost = op_lost,
                .data = proxy},
        .page = proxy->page,
        .meta = proxy->meta,
        .agent_epoch = proxy->options.epoch,
    };
    int r = msp_sandbox_files(&setup.files_max);

    if (r < 0)
        return fail("descriptors", r);

    r = msp_key_new(&proxy->key);
    if (r >= 0)
        r = warm_up(proxy->key);
    if (r < 0)
        return fail("key", r);
    r = msp_loop_new(&proxy->loop);
    if (r < 0)
        return fail("loop", r);
    setup.loop = proxy->loop;
    setup.key = proxy->key;
    r = msp_worker_new(&setup, &proxy->worker);
    if (r < 0)
        return fail("worker", r);
    r = msp_loop_signals(proxy->loop, signals, on_signal, proxy);
    if (r < 0)
        return fail("signals", r);
    proxy->control.worker = proxy->worker;
    proxy->control.key = proxy->key;
    r = msp_control_open(&proxy->control, proxy->loop, MSP_FD_CONTROL);
    return r < 0 ? fail("control", r) : 0;
}

static int run(struct proxy *proxy)
{
    int r;

    r = msp_sandbox_check();
    if (r < 0)
        return fail("privileges", r);
    r = msp_sandbox_harden();
    if (r < 0)
        return fail("harden", r);
    r = open_kernel(proxy);
    if (r < 0)
        return r;
    r = open_worker(proxy);
    if (r < 0)
        return r;
    r = msp_sandbox_enter();
    if (r < 0)
        return fail("sandbox", r);
    r = msp_control_ready(&proxy->control);
    if (r < 0)
        return fail("ready", r);
    return msp_loop_run(proxy->loop);
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.control = {.fd = -1}};
    int r;

    r = parse_options(&proxy.options, argc, argv);
    if (r >= 0)
        return r;
    (void)prctl(PR_SET_NAME, "mspd-proxy"); /* it was executed by descriptor */
    (void)signal(SIGPIPE, SIG_IGN);         /* stderr may be a closed pipe */
    r = run(&proxy);
    msp_worker_free(proxy.worker);
    proxy.control.worker = NULL; /* where nobody asks any more */
    msp_control_done(&proxy.control);
    msp_loop_free(proxy.loop);
    msp_key_free(proxy.key);
    /* the sandbox would kill what atexit() handlers might try */
    _exit(r < 0 ? MSP_EXIT_INTERNAL : MSP_EXIT_OK);
}
