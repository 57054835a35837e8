/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every verb of mspctl gets: the parsed command line, and the steps all
 * of them share (ask the daemon, print its answer). A verb returns the exit
 * code of the process, enum msp_exit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/uio.h>

#include <msp/ctl.h>

#include "cli/client.h"
#include "cli/out.h"
#include "cli/registration.h"

#define MSP_CLI_OPERANDS_MAX 2
#define MSP_OCI_RUNTIME_CONF "/etc/mspd/oci-runtime.json"

struct msp_cli {
    const char *socket;        /* path of the control socket */
    const char *expect_digest; /* hex or "none"; NULL = not given */
    const char *pin_dir;       /* of detach; NULL = not given */
    const char *token;         /* file of unlock, "-"; NULL = not given */
    const char *form;          /* this and the next two: how to read a */
    const char *endpoint;      /* document, see struct msp_policy_options; */
    const char *mode;          /* NULL = not given */
    const char *pid;           /* decimal; NULL = not given */
    const char *cgroup_id;     /* decimal; NULL = not given */
    const char *manager;       /* of oci-runtime; NULL = not given */
    const char *spool;         /* directory of oci-hook */
    const char *host_root;     /* of the files doctor looks at: "" */
    struct msp_registration container; /* its options; numbers are set later */
    char *const *rest;                 /* [n_rest] what follows "--" of a verb
                                        * that takes it; ends in NULL */
    size_t n_rest;
    const char *object; /* first word of the command line, also of a wrong one;
                         * NULL = none */
    const char *operand[MSP_CLI_OPERANDS_MAX];
    const char *help_object; /* --help of one object's verbs; NULL = of all */
    size_t n_operands;
    unsigned int timeout_ms; /* to reach mspd, and of one exchange; 0 = as
                              * long as mspd waits for a client */
    bool is_json;
    bool is_dry_run;
    bool is_all;
    bool is_origin;
    bool is_yes;
    bool is_remove;
    bool is_strict;
    bool is_help;
    bool is_version;
    FILE *in;
    FILE *out;
    FILE *err;
};

int msp_cmd_policy_check(struct msp_cli *cli);
int msp_cmd_policy_push(struct msp_cli *cli);
int msp_cmd_policy_show(struct msp_cli *cli);
int msp_cmd_policy_rollback(struct msp_cli *cli);
int msp_cmd_detach(struct msp_cli *cli);
int msp_cmd_status(struct msp_cli *cli);
int msp_cmd_audit(struct msp_cli *cli);
int msp_cmd_netns_add(struct msp_cli *cli);
int msp_cmd_netns_list(struct msp_cli *cli);
int msp_cmd_container_add(struct msp_cli *cli);
int msp_cmd_container_update(struct msp_cli *cli);
int msp_cmd_container_set(struct msp_cli *cli);
int msp_cmd_container_remove(struct msp_cli *cli);
int msp_cmd_container_list(struct msp_cli *cli);
int msp_cmd_oci_hook(struct msp_cli *cli);
int msp_cmd_oci_runtime(struct msp_cli *cli);

/* Whether this is oci-hook, whose answer is its exit code alone. */
bool msp_cli_is_hook(const struct msp_cli *cli);

/* @return the exit code of a command line that msp_opts_parse() refused */
int msp_cli_refuse(const struct msp_cli *cli, int argc, char *const *argv);

int msp_cmd_doctor(struct msp_cli *cli);
int msp_cmd_unlock(struct msp_cli *cli);
int msp_cmd_lock(struct msp_cli *cli);

/*
 * Sends one request and reads its reply. Says on cli->err what went wrong.
 * @param part [n] payload of the request; may be NULL
 * @param ret_reply set only on MSP_EXIT_OK; msp_client_reply_done()
 * @return MSP_EXIT_OK: there is a reply, whatever its status; else the exit
 *         code
 */
int msp_cli_ask(struct msp_cli *cli, enum msp_ctl_type type,
                const struct iovec *part, size_t n,
                struct msp_client_reply *ret_reply);

/*
 * Asks and prints the answer with `view`.
 * @return the exit code that follows from the reply's status
 */
int msp_cli_run(struct msp_cli *cli, enum msp_ctl_type type,
                const struct iovec *part, size_t n,
                const struct msp_out_view *view);

/*
 * Sends one registration and prints the answer, or what is wrong with it.
 * @param reg &cli->container: what is wrong is said of the options
 * @return the exit code
 */
int msp_cli_register(struct msp_cli *cli, enum msp_ctl_type type,
                     const struct msp_registration *reg);

/*
 * Prints a reply: its records on cli->out; if it is a refusal, in text form,
 * on cli->err.
 * @param payload [len] writable; len without an image that may follow
 * @param extra members to add to the JSON object, or NULL
 * @return the exit code
 */
int msp_cli_print(struct msp_cli *cli, enum msp_ctl_status status,
                  char *payload, size_t len, const struct msp_out_view *view,
                  const struct msp_json_extra *extra);

/* How a command ends without an answer of the daemon. */
enum msp_cli_end {
    MSP_CLI_USAGE,    /* the command line, or a file that cannot be read */
    MSP_CLI_INVALID,  /* a file that is read but wrong */
    MSP_CLI_REFUSED,  /* not root */
    MSP_CLI_NODAEMON, /* mspd does not answer */
    MSP_CLI_VERSION,  /* mspd speaks another version */
    MSP_CLI_INTERNAL,
    MSP_CLI_END_COUNT,
};

/*
 * Says why a command ends: `mspctl: TEXT` on cli->err, or with --json one
 * object {"schema":1,"result":...,"error":TEXT} on cli->out. What in the text
 * could drive a terminal is escaped.
 * @return the exit code
 */
__attribute__((format(printf, 3, 4))) int msp_cli_fail(struct msp_cli *cli,
                                                       enum msp_cli_end end,
                                                       const char *format, ...);

/*
 * Says on cli->err that nothing is known of a manager of this name; what is
 * asked for goes on.
 * @param option it was given with: "--runtime", "/etc/x.json: manager"
 * @param name NULL = none was given
 */
void msp_cli_warn_manager(const struct msp_cli *cli, const char *option,
                          const char *name);

/* The member "result" and the exit code of an end. */
const char *msp_cli_end_name(enum msp_cli_end end);

/* The exit code a status stands for. */
int msp_cli_exit(enum msp_ctl_status status);
