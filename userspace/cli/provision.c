/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/provision.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <msp/cleanup.h>

#include "base/escape.h"
#include "base/io.h"
#include "base/model.h"

enum {
    EVERY_MS = 100,    /* what the agent's own does */
    ONCE_MS = 2000,    /* for one exchange */
    WAIT_S_MAX = 86400 /* a day */
};

static const char help[] =
    "usage: " MSP_PROVISION_NAME " --status [--wait SECONDS]\n"
    "\n"
    "Says whether mspd is ready: programs attached, key latched (or not wanted\n"
    "by the host), proxy listening. It is mspctl under another name.\n"
    "\n"
    "  -s, --status        ask mspd\n"
    "  -w, --wait SECONDS  ask until it is, for so long (0)\n"
    "      --socket PATH   control socket (" MSP_CTL_PATH ")\n"
    "  -v, --version, -h, --help\n"
    "\n"
    "exit codes: 0 ready; 1 not yet, or mspd does not answer; 2 not ready two\n"
    "minutes after its start, with the reasons on standard output, or usage\n";

struct ask {
    unsigned int wait_s;
    bool is_status, has_wait, is_help, is_version;
};

/* What was found out; the texts of the last try count. */
struct found {
    bool is_finished;
    bool is_final;    /* to ask again is no use */
    char error[4096]; /* lines that end in CR LF; "" = none */
    char why[256];    /* there is no answer; "" = there is */
};

/* --- one try -------------------------------------------------------------- */

static void no_answer(struct found *found, const char *what, int r)
{
    found->is_final = r == -EACCES || r == -EPERM || r == -ENAMETOOLONG;
    (void)snprintf(found->why, sizeof(found->why), "%s%s%s", what,
                   r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
}

static void read_answer(const struct msp_client_reply *reply,
                        struct found *found)
{
    msp_cleanup(msp_model_done) struct msp_model model = {0};
    const struct msp_model_field *finished = NULL, *error = NULL;

    if (reply->status == MSP_CTL_OK &&
        msp_model_read(reply->payload, reply->len, &model) == 0 && model.n) {
        finished = msp_model_get(&model.row[0], "provision.finished");
        error = msp_model_get(&model.row[0], "provision.error");
    }
    if (!finished || !error) {
        no_answer(found,
                  "this mspd gives another answer: use the one "
                  "installed with it",
                  0);
        found->is_final = true;
        return;
    }
    found->is_finished = msp_streq(finished->value, "true");
    (void)snprintf(found->error, sizeof(found->error), "%s", error->value);
}

static void try_once(const struct msp_cli *cli, struct found *ret)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    msp_autoclose int fd = msp_client_connect(cli->socket, ONCE_MS);
    int r = fd;

    *ret = (struct found){0};
    if (fd < 0) {
        no_answer(ret,
                  r == -ENOENT || r == -ECONNREFUSED ? "mspd is not running"
                  : r == -EACCES || r == -EPERM      ? "only root may ask mspd"
                                                     : "cannot reach mspd",
                  r);
        return;
    }
    r = msp_client_call(fd, MSP_CTL_PROVISION, NULL, 0, ONCE_MS, &reply);
    if (r < 0)
        no_answer(ret, "mspd does not answer", r);
    else
        read_answer(&reply, ret);
}

static void pause_ms(long ms)
{
    const struct timespec wait = {.tv_nsec = ms * 1000000};

    (void)nanosleep(&wait, NULL);
}

/* --- what is said --------------------------------------------------------- */

/* Line by line, what others chose escaped. */
static void print_lines(const char *text, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, "\r\n");
        msp_autofree char *line = strndup(text, len);

        if (line)
            (void)msp_escape_text(line, out);
        (void)fputs("\r\n", out);
        text += len + strspn(text + len, "\r\n");
    }
}

static int status(const struct msp_cli *cli, unsigned int wait_s)
{
    uint64_t end_ms = msp_io_now_ms() + 1000ull * wait_s;
    struct found found;

    try_once(cli, &found);
    while (!found.is_finished && !found.is_final && msp_io_now_ms() < end_ms) {
        pause_ms(EVERY_MS);
        try_once(cli, &found);
    }
    if (found.is_finished) {
        print_lines(found.error, cli->out);
        return found.error[0] ? MSP_PROVISION_FAILED : MSP_PROVISION_READY;
    }
    (void)fputs(MSP_PROVISION_NAME ": ", cli->err);
    if (found.why[0]) {
        (void)msp_escape_text(cli->socket, cli->err);
        (void)fprintf(cli->err, ": %s\n", found.why);
    } else {
        (void)fputs("not ready yet:\n", cli->err);
        print_lines(found.error, cli->err);
    }
    return MSP_PROVISION_WAITING;
}

/* --- the command line ----------------------------------------------------- */

static int usage(const struct msp_cli *cli, const char *why)
{
    (void)fputs(MSP_PROVISION_NAME ": ", cli->err);
    (void)msp_escape_text(why, cli->err);
    (void)fputs("\nTry: " MSP_PROVISION_NAME " --help\n", cli->err);
    return -EINVAL;
}

/* @return 0; -EINVAL */
static int parse_wait(const char *text, unsigned int *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > WAIT_S_MAX)
        return -EINVAL;
    *ret = (unsigned int)value;
    return 0;
}

/* @param id what getopt says: ':' or '?' @param word the last it looked at */
static int not_taken(const struct msp_cli *cli, int id, const char *word)
{
    const bool is_long = strncmp(word, "--", 2) == 0;
    char why[256], letter[] = {'-', (char)optopt, '\0'};

    /* a letter may be of a word with more of them, which is not done with */
    if (optopt && id == '?' && !(is_long && strchr("svh", optopt)))
        word = letter;
    (void)snprintf(why, sizeof(why), "%.128s: %s", word,
                   id == ':'                                ? "needs a value"
                   : is_long && strchr(word, '=') && optopt ? "takes no value"
                                                            : "no such option");
    return usage(cli, why);
}

static int take(struct msp_cli *cli, struct ask *ask, int id, const char *word)
{
    switch (id) {
    case 's':
        ask->is_status = true;
        return 0;
    case 'w':
        ask->has_wait = true;
        return parse_wait(optarg, &ask->wait_s) < 0
                   ? usage(cli, "--wait takes seconds, 86400 at most")
                   : 0;
    case 'S':
        cli->socket = optarg;
        return 0;
    case 'v':
        ask->is_version = true;
        return 0;
    case 'h':
        ask->is_help = true;
        return 0;
    default:
        return not_taken(cli, id, word);
    }
}

static int parse(struct msp_cli *cli, int argc, char **argv, struct ask *ask)
{
    static const struct option longs[] = {
        {"status", no_argument, NULL, 's'},
        {"wait", required_argument, NULL, 'w'},
        {"socket", required_argument, NULL, 'S'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int id, r = 0;

    optind = 0; /* GNU: start over, also for a second parse */
    opterr = 0;
    while (r == 0 &&
           (id = getopt_long(argc, argv, ":sw:vh", longs, NULL)) != -1)
        r = take(cli, ask, id, argv[optind - 1]);
    if (r < 0 || ask->is_help || ask->is_version)
        return r;
    if (optind < argc)
        return usage(cli, "takes no arguments");
    if (ask->has_wait && !ask->is_status)
        return usage(cli, "--wait needs --status");
    if (!ask->is_status)
        return usage(cli, "under this name mspctl answers --status alone; "
                          "the service is mspd");
    return 0;
}

int msp_provision_main(struct msp_cli *cli, int argc, char **argv)
{
    struct ask ask = {0};

    if (parse(cli, argc, argv, &ask) < 0)
        return MSP_EXIT_USAGE;
    if (ask.is_help)
        (void)fputs(help, cli->out);
    else if (ask.is_version)
        (void)fputs(MSP_VERSION "\n", cli->out);
    else
        return status(cli, ask.wait_s);
    return MSP_EXIT_OK;
}
