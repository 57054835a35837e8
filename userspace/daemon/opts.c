/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/opts.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include <msp/cleanup.h>

static const char help[] =
    "usage: mspd [OPTIONS]\n"
    "\n"
    "Metadata Security Protocol delegate. Stays in the foreground.\n"
    "\n"
    "  --cgroup DIR        cgroup v2 directory to enforce at (its mount root)\n"
    "  --pin-dir DIR       BPF pins (/sys/fs/bpf/mspd)\n"
    "  --run-dir DIR       lock and control.sock (/run/mspd)\n"
    "  --state-dir DIR     last accepted policy (/var/lib/mspd)\n"
    "  --log-dir DIR       connection.log (/var/log/mspd)\n"
    "  --libexec-dir DIR   mspd-netns, mspd-keeper, mspd-proxy\n"
    "                      (" MSP_LIBEXECDIR ")\n"
    "  --secure-channel    latch a key with the host (WireServer), follow it; the\n"
    "                      four options after this one need it\n"
    "  --policy-from WHO   host: its policy is in force, and pushes are refused,\n"
    "                      while it guards anything; push: only what is pushed\n"
    "                      (host)\n"
    "  --adopt-keys DIR    look for the latched key among another agent's too\n"
    "                      (its directory of GUID.key files); read only\n"
    "  --local-rules DIR   where the host's policy asks for local rule files,\n"
    "                      merge those of this directory into it\n"
    "  --channel-scale N   for tests: all waits of the channel, and of reports,\n"
    "                      are N times shorter, 1 to 1000\n"
    "  --platform-status DIR  status.json there too, as the platform's agent has\n"
    "                      it: /var/log/azure-proxy-agent\n"
    "  --platform-log DIR  ProxyAgent.Connection.log there, likewise\n"
    "  --platform-tags DIR  provisioned.tag and status.tag there, likewise\n"
    "  --static-key FILE   key file of root instead; with neither nothing is\n"
    "                      signed\n"
    "  --proxy-user NAME   (mspd-proxy)\n"
    "  --keeper-user NAME  (mspd-keeper)\n"
    "  --uplink DEVICE     guard this device, may be repeated; none: guard none\n"
    "                      (those with a default route or one to an endpoint)\n"
    "  --fd-guard          connections to an endpoint are their makers' alone:\n"
    "                      who is handed the socket cannot write to it\n"
    "  --bootstrap MODE    before the first policy: root (real root passes\n"
    "                      unsigned) or deny (root)\n"
    "  --lsm USE           LSM programs: auto (what this host allows), off, or\n"
    "                      require (all, or no start) (auto)\n"
    "  --deny-raw-in-containers\n"
    "                      no raw and packet sockets there; needs LSM programs\n"
    "  --guard             refuse tampering, by root also, until unlocked with a\n"
    "                      token; needs BPF LSM and --guard-key\n"
    "  --guard-key FILE    Ed25519 public key of the tokens, PEM\n"
    "  --guard-protect PATH  another file or directory to guard\n"
    "  --guard-allow PATH  executable that may load BPF LSM programs\n"
    "  --guard-kernel      refuse kernel modules and kexec as well\n"
    "  --log-level LEVEL   err, warn, info or debug (info)\n"
    "  --version, --help\n"
    "\n"
    "exit codes: 0 ok, 2 usage, 5 internal\n";

enum option_id {
    OPT_CGROUP = 1,
    OPT_PIN_DIR,
    OPT_RUN_DIR,
    OPT_STATE_DIR,
    OPT_LOG_DIR,
    OPT_LIBEXEC_DIR,
    OPT_STATIC_KEY,
    OPT_CHANNEL,
    OPT_ADOPT_KEYS,
    OPT_LOCAL_RULES,
    OPT_POLICY_FROM,
    OPT_CHANNEL_SCALE,
    OPT_PLATFORM_STATUS,
    OPT_PLATFORM_LOG,
    OPT_PLATFORM_TAGS,
    OPT_PROXY_USER,
    OPT_KEEPER_USER,
    OPT_UPLINK,
    OPT_FD_GUARD,
    OPT_BOOTSTRAP,
    OPT_LSM,
    OPT_DENY_RAW,
    OPT_GUARD,
    OPT_GUARD_KEY,
    OPT_GUARD_PROTECT,
    OPT_GUARD_ALLOW,
    OPT_GUARD_KERNEL,
    OPT_LOG_LEVEL,
    OPT_VERSION,
    OPT_HELP,
};

static const struct option longs[] = {
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"pin-dir", required_argument, NULL, OPT_PIN_DIR},
    {"run-dir", required_argument, NULL, OPT_RUN_DIR},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"log-dir", required_argument, NULL, OPT_LOG_DIR},
    {"libexec-dir", required_argument, NULL, OPT_LIBEXEC_DIR},
    {"static-key", required_argument, NULL, OPT_STATIC_KEY},
    {"secure-channel", no_argument, NULL, OPT_CHANNEL},
    {"policy-from", required_argument, NULL, OPT_POLICY_FROM},
    {"adopt-keys", required_argument, NULL, OPT_ADOPT_KEYS},
    {"local-rules", required_argument, NULL, OPT_LOCAL_RULES},
    {"channel-scale", required_argument, NULL, OPT_CHANNEL_SCALE},
    {"platform-status", required_argument, NULL, OPT_PLATFORM_STATUS},
    {"platform-log", required_argument, NULL, OPT_PLATFORM_LOG},
    {"platform-tags", required_argument, NULL, OPT_PLATFORM_TAGS},
    {"proxy-user", required_argument, NULL, OPT_PROXY_USER},
    {"keeper-user", required_argument, NULL, OPT_KEEPER_USER},
    {"uplink", required_argument, NULL, OPT_UPLINK},
    {"fd-guard", no_argument, NULL, OPT_FD_GUARD},
    {"bootstrap", required_argument, NULL, OPT_BOOTSTRAP},
    {"lsm", required_argument, NULL, OPT_LSM},
    {"deny-raw-in-containers", no_argument, NULL, OPT_DENY_RAW},
    {"guard", no_argument, NULL, OPT_GUARD},
    {"guard-key", required_argument, NULL, OPT_GUARD_KEY},
    {"guard-protect", required_argument, NULL, OPT_GUARD_PROTECT},
    {"guard-allow", required_argument, NULL, OPT_GUARD_ALLOW},
    {"guard-kernel", no_argument, NULL, OPT_GUARD_KERNEL},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int choose(const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (msp_streq(value, words[i]))
            return i;
    return -EINVAL;
}

static int set_bootstrap(struct msp_opts *opts, const char *value)
{
    static const char *const words[] = {"root", "deny", NULL};
    int i = choose(value, words);

    opts->is_bootstrap_deny = i == 1;
    return i < 0 ? i : 0;
}

static int set_policy_from(struct msp_opts *opts, const char *value)
{
    static const char *const words[] = {"host", "push", NULL};
    int i = choose(value, words);

    opts->is_push_only = i == 1;
    opts->has_policy_from = true;
    return i < 0 ? i : 0;
}

static int set_lsm(struct msp_opts *opts, const char *value)
{
    for (int i = 0; i < MSP_LSM_USE_COUNT; i++) {
        enum msp_lsm_use use = (enum msp_lsm_use)i;

        if (!msp_streq(value, msp_lsm_use_name(use)))
            continue;
        opts->lsm = use;
        return 0;
    }
    return -EINVAL;
}

static int set_level(struct msp_opts *opts, const char *value)
{
    static const char *const words[] = {"err", "warn", "info", "debug", NULL};
    int i = choose(value, words);

    if (i < 0)
        return i;
    opts->log_level = (enum msp_log_level)i;
    return 0;
}

static int set_scale(struct msp_opts *opts, const char *value)
{
    char *end;
    unsigned long scale = strtoul(value, &end, 10);

    if (value[0] < '0' || value[0] > '9' || *end || scale < 1 || scale > 1000)
        return -EINVAL;
    opts->channel_scale = value;
    return 0;
}

static int add_uplink(struct msp_opts *opts, const char *value)
{
    if (!*value || strlen(value) >= IFNAMSIZ ||
        opts->n_uplinks == MSP_UPLINK_NAMES_MAX)
        return -EINVAL;
    opts->uplink[opts->n_uplinks++] = value;
    return 0;
}

/* @param list [MSP_GUARD_PATHS_MAX], *n used */
static int add_path(const char **list, size_t *n, const char *value)
{
    if (value[0] != '/' || *n == MSP_GUARD_PATHS_MAX)
        return -EINVAL;
    list[(*n)++] = value;
    return 0;
}

/* Where the plain text options go. */
static const char **text_of(struct msp_opts *opts, int id)
{
    switch (id) {
    case OPT_CGROUP:
        return &opts->cgroup;
    case OPT_PIN_DIR:
        return &opts->pin_dir;
    case OPT_RUN_DIR:
        return &opts->run_dir;
    case OPT_STATE_DIR:
        return &opts->state_dir;
    case OPT_LOG_DIR:
        return &opts->log_dir;
    case OPT_LIBEXEC_DIR:
        return &opts->libexec_dir;
    case OPT_STATIC_KEY:
        return &opts->static_key;
    case OPT_ADOPT_KEYS:
        return &opts->adopt_keys;
    case OPT_LOCAL_RULES:
        return &opts->local_rules;
    case OPT_PLATFORM_STATUS:
        return &opts->platform_status;
    case OPT_PLATFORM_LOG:
        return &opts->platform_log;
    case OPT_PLATFORM_TAGS:
        return &opts->platform_tags;
    case OPT_PROXY_USER:
        return &opts->proxy_user;
    case OPT_KEEPER_USER:
        return &opts->keeper_user;
    case OPT_GUARD_KEY:
        return &opts->guard_key;
    default:
        return NULL;
    }
}

static const char *name_of(int id)
{
    for (size_t i = 0; longs[i].name; i++)
        if (longs[i].val == id)
            return longs[i].name;
    return "";
}

/* Whether its value is an absolute path. */
static bool is_absolute(int id)
{
    return id == OPT_PIN_DIR || id == OPT_ADOPT_KEYS || id == OPT_LOCAL_RULES ||
           id == OPT_PLATFORM_STATUS || id == OPT_PLATFORM_LOG ||
           id == OPT_PLATFORM_TAGS;
}

/* @return 0; 1 nothing more to do; -EINVAL */
static int take(struct msp_opts *opts, int id, FILE *out, FILE *err)
{
    const char **text = text_of(opts, id);
    int r = 0;

    if (text) {
        *text = optarg;
        r = *optarg ? 0 : -EINVAL;
    } else if (id == OPT_CHANNEL) {
        opts->is_channel = true;
    } else if (id == OPT_POLICY_FROM) {
        r = set_policy_from(opts, optarg);
    } else if (id == OPT_CHANNEL_SCALE) {
        r = set_scale(opts, optarg);
    } else if (id == OPT_UPLINK) {
        r = add_uplink(opts, optarg);
    } else if (id == OPT_FD_GUARD) {
        opts->is_fd_guard = true;
    } else if (id == OPT_BOOTSTRAP) {
        r = set_bootstrap(opts, optarg);
    } else if (id == OPT_LSM) {
        r = set_lsm(opts, optarg);
    } else if (id == OPT_DENY_RAW) {
        opts->is_raw_denied = true;
    } else if (id == OPT_GUARD || id == OPT_GUARD_KERNEL) {
        *(id == OPT_GUARD ? &opts->is_guard : &opts->is_guard_kernel) = true;
    } else if (id == OPT_GUARD_ALLOW) {
        r = add_path(opts->guard_allow, &opts->n_guard_allow, optarg);
    } else if (id == OPT_GUARD_PROTECT) {
        r = add_path(opts->guard_protect, &opts->n_guard_protect, optarg);
    } else if (id == OPT_LOG_LEVEL) {
        r = set_level(opts, optarg);
    } else if (id == OPT_HELP) {
        (void)fputs(help, out);
        return 1;
    } else if (id == OPT_VERSION) {
        (void)fputs("mspd " MSP_VERSION "\n", out);
        return 1;
    }
    if (r == 0 && optarg && optarg[0] != '/' && is_absolute(id)) {
        (void)fprintf(err, "mspd: \"%s\": --%s is an absolute path\n", optarg,
                      name_of(id));
        return -EINVAL;
    }
    if (r < 0)
        (void)fprintf(err, "mspd: \"%s\": bad value of --%s, see --help\n",
                      optarg, name_of(id));
    return r;
}

/* What getopt did not take: its '?' or ':'. */
static int not_taken(int id, const char *word, FILE *err)
{
    (void)fprintf(err, "mspd: \"%s\": %s, see --help\n", word,
                  id == ':' ? "needs a value" : "no such option");
    return -EINVAL;
}

/* What one option says and another one must. @return 0; -EINVAL */
static int check_channel(const struct msp_opts *opts, FILE *err)
{
    const char *fault = NULL;

    if (opts->is_channel && opts->static_key)
        fault = "--secure-channel and --static-key: one key or the other";
    else if (!opts->is_channel &&
             (opts->adopt_keys || opts->local_rules || opts->channel_scale ||
              opts->has_policy_from))
        fault = "--adopt-keys, --local-rules, --policy-from and "
                "--channel-scale need --secure-channel";
    else if (opts->local_rules && opts->is_push_only)
        fault = "--local-rules is for the host's policy, and --policy-from "
                "push leaves that out";
    if (!fault)
        return 0;
    (void)fprintf(err, "mspd: %s, see --help\n", fault);
    return -EINVAL;
}

/* Two files of one name. */
static int check_reports(const struct msp_opts *opts, FILE *err)
{
    if (!opts->platform_status ||
        !msp_streq(opts->platform_status, opts->run_dir))
        return 0;
    (void)fputs("mspd: --platform-status is another directory than --run-dir, "
                "see --help\n",
                err);
    return -EINVAL;
}

static int check_uplinks(const struct msp_opts *opts, FILE *err)
{
    for (size_t i = 0; i < opts->n_uplinks && opts->n_uplinks > 1; i++)
        if (msp_streq(opts->uplink[i], "none")) {
            (void)fputs("mspd: --uplink none stands alone, see --help\n", err);
            return -EINVAL;
        }
    return 0;
}

static int check_guard(const struct msp_opts *opts, FILE *err)
{
    bool has_part = opts->guard_key || opts->is_guard_kernel ||
                    opts->n_guard_allow || opts->n_guard_protect;
    const char *fault = NULL;

    if (!opts->is_guard && has_part)
        fault = "--guard-key and the like need --guard";
    else if (opts->is_guard && !opts->guard_key)
        fault = "--guard needs --guard-key: nobody could unlock it";
    else if (opts->is_guard && opts->lsm == MSP_LSM_OFF)
        fault = "--guard needs LSM programs, which --lsm off forbids";
    if (!fault)
        return 0;
    (void)fprintf(err, "mspd: %s, see --help\n", fault);
    return -EINVAL;
}

int msp_opts_parse(int argc, char **argv, struct msp_opts *ret, FILE *out,
                   FILE *err)
{
    struct msp_opts opts = {
        .pin_dir = "/sys/fs/bpf/mspd",
        .run_dir = "/run/mspd",
        .state_dir = "/var/lib/mspd",
        .log_dir = "/var/log/mspd",
        .libexec_dir = MSP_LIBEXECDIR,
        .proxy_user = "mspd-proxy",
        .keeper_user = "mspd-keeper",
        .log_level = MSP_LOG_INFO,
    };
    int id, r;

    optind = 0; /* GNU: start over, also for a second parse */
    opterr = 0;
    while ((id = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        if (id == ':' || id == '?')
            return not_taken(id, argv[optind - 1], err);
        r = take(&opts, id, out, err);
        if (r != 0)
            return r < 0 ? r : MSP_OPTS_DONE;
    }
    if (optind < argc) {
        (void)fprintf(err, "mspd: unexpected argument \"%s\"\n", argv[optind]);
        return -EINVAL;
    }
    if (check_channel(&opts, err) < 0 || check_guard(&opts, err) < 0 ||
        check_uplinks(&opts, err) < 0 || check_reports(&opts, err) < 0)
        return -EINVAL;
    *ret = opts;
    return MSP_OPTS_RUN;
}
