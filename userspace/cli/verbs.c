/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Every verb and option of mspctl; help and parsing follow from these rows. */
#include <stddef.h>

#include <msp/cleanup.h>

#include "cli/annotations.h"
#include "cli/cli.h"
#include "cli/opts.h"

#define OPTION(id, opt_name, opt_value, opt_help, field) \
    static const struct msp_opt id = {                   \
        .name = (opt_name),                              \
        .value = (opt_value),                            \
        .help = (opt_help),                              \
        .offset = offsetof(struct msp_cli, field),       \
    }

#define LIST(id, opt_name, opt_value, opt_help, field) \
    static const struct msp_opt id = {                 \
        .name = (opt_name),                            \
        .value = (opt_value),                          \
        .help = (opt_help),                            \
        .offset = offsetof(struct msp_cli, field),     \
        .is_list = true,                               \
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

OPTION(opt_all, "all", NULL, "with capabilities, zeros and what is off",
       is_all);
OPTION(opt_origin, "origin", NULL, "whose it is, not what it says", is_origin);

OPTION(opt_cgroup, "cgroup", "PATH", "below the cgroup2 mount, as /a/b",
       container.cgroup);
OPTION(opt_cgroup_id, "cgroup-id", "ID",
       "of that cgroup: another one of its path is refused", cgroup_id);
OPTION(opt_id, "id", "ID", "the runtime's id of the container", container.id);
OPTION(opt_name, "name", "NAME", "of the container", container.name);
OPTION(opt_image, "image", "IMAGE", "it was made from", container.image);
OPTION(opt_runtime, "runtime", "NAME", "who runs it: " MSP_MANAGER_NAMES,
       container.runtime);
OPTION(opt_pod_namespace, "pod-namespace", "NAME", "of its pod",
       container.pod_namespace);
OPTION(opt_pod_name, "pod-name", "NAME", "of its pod", container.pod_name);
OPTION(opt_pod_account, "pod-service-account", "NAME", "of its pod",
       container.pod_service_account);
OPTION(opt_netns, "netns", "PATH", "its network namespace, for the listener",
       container.netns);
OPTION(opt_root, "root", "DIR", "its root directory, as the host has it",
       container.root);
OPTION(opt_pid, "pid", "PID", "its first process: netns and root of it", pid);
LIST(opt_label, "label", "KEY=VALUE", "of the container; may be repeated",
     container.label);
LIST(opt_pod_label, "pod-label", "KEY=VALUE", "of its pod; may be repeated",
     container.pod_label);

OPTION(opt_remove, "remove", NULL, "the container ended: as a poststop hook",
       is_remove);
OPTION(opt_strict, "strict", NULL,
       "fail, and so the start, if mspd was not told", is_strict);
OPTION(opt_spool, "spool", "DIR",
       "where it waits for mspd (" MSP_CONTAINER_SPOOL ")", spool);
OPTION(opt_oci_runtime, "runtime", "PATH",
       "the real one, absolute and without a default", container.runtime);
OPTION(opt_manager, "manager", "NAME", "who starts it: " MSP_MANAGER_NAMES,
       manager);

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
static const struct msp_opt *const container_options[] = {
    &opt_cgroup,        &opt_id,        &opt_name,
    &opt_image,         &opt_runtime,   &opt_label,
    &opt_pod_namespace, &opt_pod_name,  &opt_pod_account,
    &opt_pod_label,     &opt_netns,     &opt_root,
    &opt_pid,           &opt_cgroup_id, NULL,
};
static const struct msp_opt *const container_remove_options[] = {
    &opt_cgroup,
    &opt_id,
    &opt_cgroup_id,
    NULL,
};
static const struct msp_opt *const hook_options[] = {
    &opt_runtime, &opt_remove, &opt_strict, &opt_spool, NULL,
};
static const struct msp_opt *const runtime_options[] = {
    &opt_oci_runtime,
    &opt_manager,
    &opt_spool,
    NULL,
};
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
                  "/sys/fs/bpf/mspd/layout-8/maps/msp_audit",
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
    {
        .object = "container",
        .name = "add",
        .operands = "",
        .help = "register a container that mspd does not know",
        .detail = "For node agents; a runtime's hook does it by itself. A "
                  "container is one cgroup\nand all below it. Again with the "
                  "same fields changes nothing, with others it is\nrefused, "
                  "and what was known is taken away.",
        .options = container_options,
        .run = msp_cmd_container_add,
    },
    {
        .object = "container",
        .name = "set",
        .operands = "",
        .help = "register a container, whatever was known of it",
        .detail = "What is not given now is not known any more, with the "
                  "rights it gave: not the\nid, root and namespace a hook "
                  "told either. To add to what is known: container\nupdate. "
                  "Connects see the rights of before or those of after, never "
                  "none.",
        .options = container_options,
        .run = msp_cmd_container_set,
    },
    {
        .object = "container",
        .name = "update",
        .operands = "",
        .help = "change or add fields of a registered container",
        .detail = "Names it by --cgroup, or without it by --id. What is not "
                  "given stays as it is;\na label replaces the one of its "
                  "key. For node agents that know what a hook\ncannot: "
                  "labels, the service account. To take something away: "
                  "container set.",
        .options = container_options,
        .run = msp_cmd_container_update,
    },
    {
        .object = "container",
        .name = "remove",
        .operands = "",
        .help = "forget a container; by --cgroup or --id",
        .detail = "--cgroup PATH | --id ID, [--cgroup-id ID]. One whose "
                  "cgroup goes is forgotten\nwithout it.",
        .options = container_remove_options,
        .run = msp_cmd_container_remove,
    },
    {
        .object = "container",
        .name = "list",
        .operands = "",
        .help = "containers that are registered",
        .detail = "",
        .options = no_options,
        .run = msp_cmd_container_list,
    },
    {
        .object = "oci-hook",
        .operands = "",
        .help = "register the container a runtime is starting",
        .detail = "An OCI hook, createRuntime or with --remove poststop: "
                  "reads the state of the\ncontainer on standard input. If "
                  "mspd does not run, the registration waits for\nit and the "
                  "container has no rights until then. What fails is said on "
                  "standard\nerror; the exit code is 0 all the same, unless "
                  "--strict: the container then\nstarts without rights.",
        .options = hook_options,
        .run = msp_cmd_oci_hook,
    },
    {
        .object = "oci-runtime",
        .operands = "-- ARGS...",
        .takes_rest = true,
        .help = "run an OCI runtime with our hooks",
        .detail = "For Docker and containerd, which have no hooks of their "
                  "own: adds oci-hook to\nthe config.json of what is created "
                  "and executes the runtime with ARGS as they\nare. Under "
                  "the name mspd-oci-runtime all arguments are the runtime's, "
                  "and\n" MSP_OCI_RUNTIME_CONF " names it.",
        .options = runtime_options,
        .run = msp_cmd_oci_runtime,
    },
    {
        .object = "doctor",
        .operands = "",
        .help = "what this host lets mspd know about containers",
        .detail = "Whether mspd answers, which selectors each runtime can "
                  "fill, where its hooks\nare, and how cgroups are mounted.",
        .options = no_options,
        .run = msp_cmd_doctor,
    },
};
const struct msp_verbs msp_cli_verbs = {
    .verb = verb_table,
    .n = ARRAY_SIZE(verb_table),
    .options = every_verb,
};
