/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Every verb and option of mspctl; help and parsing follow from these rows. */
#include <stddef.h>

#include <msp/cleanup.h>

#include "cli/cli.h"
#include "cli/opts.h"

#define OPTION(id, opt_name, opt_value, opt_help, field) \
    static const struct msp_opt id = {                   \
        .name = (opt_name),                              \
        .value = (opt_value),                            \
        .help = (opt_help),                              \
        .offset = offsetof(struct msp_cli, field),       \
    }

OPTION(opt_socket, "socket", "PATH", "control socket (" MSP_CTL_PATH ")",
       socket);
OPTION(opt_json, "json", NULL, "one JSON object for programs", is_json);
OPTION(opt_help, "help", NULL, "this text", is_help);
OPTION(opt_version, "version", NULL, "versions of mspctl and its protocol",
       is_version);
OPTION(opt_dry_run, "dry-run", NULL,
       "let mspd check everything, change nothing", is_dry_run);
OPTION(opt_expect, "expect-digest", "D",
       "refuse unless the live digest is D (or none)", expect_digest);
OPTION(opt_yes, "yes", NULL, "yes, stop enforcing", is_yes);
OPTION(opt_pin_dir, "pin-dir", "DIR", "pins to remove if mspd is not running",
       pin_dir);

OPTION(opt_token, "token", "FILE|-", "the signed token; - is standard input",
       token);

OPTION(opt_form, "form", "FORM", "native, status, local or arm (as it looks)",
       form);
OPTION(opt_endpoint, "endpoint", "NAME",
       "whose rules a local or arm document has", endpoint);
OPTION(opt_mode, "mode", "MODE", "mode of a local rule file (enforce)", mode);

OPTION(opt_all, "all", NULL, "capabilities and counters of zero as well",
       is_all);
OPTION(opt_origin, "origin", NULL, "whose it is, not what it says", is_origin);

static const struct msp_opt *const every_verb[] = {
    &opt_socket, &opt_json, &opt_help, &opt_version, NULL,
};
static const struct msp_opt *const check_options[] = {
    &opt_form,
    &opt_endpoint,
    &opt_mode,
    NULL,
};
static const struct msp_opt *const push_options[] = {
    &opt_dry_run, &opt_expect, &opt_form, &opt_endpoint, &opt_mode, NULL,
};
static const struct msp_opt *const rollback_options[] = {
    &opt_dry_run,
    &opt_expect,
    NULL,
};
static const struct msp_opt *const status_options[] = {&opt_all, NULL};
static const struct msp_opt *const detach_options[] = {
    &opt_yes,
    &opt_pin_dir,
    NULL,
};
static const struct msp_opt *const unlock_options[] = {&opt_token, NULL};
static const struct msp_opt *const show_options[] = {&opt_origin, NULL};
static const struct msp_opt *const no_options[] = {NULL};

static const struct msp_verb verb_table[] = {
    {
        .object = "policy",
        .name = "check",
        .operands = "FILE|-",
        .n_operands = 1,
        .help = "compile a policy here and say what is wrong with it",
        .detail = "Needs no daemon and no privilege. All errors are listed at "
                  "once,\neach with a JSON pointer.",
        .options = check_options,
        .run = msp_cmd_policy_check,
    },
    {
        .object = "policy",
        .name = "push",
        .operands = "FILE|-",
        .n_operands = 1,
        .help = "compile a policy and put it in force",
        .detail =
            "FILE is a policy document or an image written by mspc "
            "compile;\n- is standard input. A refused policy changes nothing. "
            "Files of exePath are\nlooked at first, and read for "
            "exeSha256, for 5 seconds at most; status says\nwhat came of "
            "those that took longer.",
        .options = push_options,
        .run = msp_cmd_policy_push,
    },
    {
        .object = "policy",
        .name = "rollback",
        .operands = "",
        .help = "put the policy accepted before this one back in force",
        .detail = "mspd keeps the last two accepted images: a second rollback "
                  "goes forth\nagain. Before the second push there is none to "
                  "go back to.",
        .options = rollback_options,
        .run = msp_cmd_policy_rollback,
    },
    {
        .object = "policy",
        .name = "show",
        .operands = "",
        .help = "print the policy in force, as the kernel has it",
        .detail =
            "Its origin is host, what the host says over the secure "
            "channel, push, or\nbootstrap. The host's goes before what was "
            "pushed while it guards anything.",
        .options = show_options,
        .run = msp_cmd_policy_show,
    },
    {
        .object = "status",
        .operands = "",
        .help = "what runs, what is enforced and what is not covered",
        .detail = "",
        .options = status_options,
        .run = msp_cmd_status,
    },
    {
        .object = "audit",
        .operands = "",
        .help = "verdicts of the kernel, by kind of caller",
        .detail = "The same rows: bpftool map dump pinned "
                  "/sys/fs/bpf/mspd/layout-3/maps/msp_audit",
        .options = no_options,
        .run = msp_cmd_audit,
    },
    {
        .object = "detach",
        .operands = "",
        .help = "stop enforcing: remove programs and pins, end mspd",
        .detail = "The only way out: stopping or killing mspd leaves all in "
                  "force. A running\nmspd does it and ends; without one, "
                  "--pin-dir says what to remove. The stored\npolicy stays "
                  "and is in force again when mspd is started.",
        .options = detach_options,
        .run = msp_cmd_detach,
    },
    {
        .object = "unlock",
        .operands = "",
        .help = "end the tamper guard's protection for a while",
        .detail = "For an mspd started with --guard. The token names this "
                  "host, says until when,\nand is signed with the key whose "
                  "public half mspd was given. Until then, for\nan hour at "
                  "most, policy push, detach and upgrades work.",
        .options = unlock_options,
        .run = msp_cmd_unlock,
    },
    {
        .object = "lock",
        .operands = "",
        .help = "put the tamper guard back in force at once",
        .detail = "",
        .options = no_options,
        .run = msp_cmd_lock,
    },
    {
        .object = "netns",
        .name = "add",
        .operands = "PATH",
        .n_operands = 1,
        .help = "give a network namespace its listener",
        .detail = "PATH names a namespace: /run/netns/NAME, /proc/PID/ns/net.",
        .options = no_options,
        .run = msp_cmd_netns_add,
    },
    {
        .object = "netns",
        .name = "list",
        .operands = "",
        .help = "network namespaces that have a listener",
        .detail = "",
        .options = no_options,
        .run = msp_cmd_netns_list,
    },
};
const struct msp_verbs msp_cli_verbs = {
    .verb = verb_table,
    .n = ARRAY_SIZE(verb_table),
    .options = every_verb,
};
