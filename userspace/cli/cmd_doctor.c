/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What this host lets mspd know about containers. Each line is what was seen,
 * or "unknown".
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <msp/cleanup.h>

#include "base/model.h"
#include "cli/annotations.h"
#include "cli/cli.h"
#include "cli/oci_installed.h"
#include "cli/oci_runtime.h"
#include "cli/proc.h"

struct doctor {
    struct msp_cli *cli;
    struct msp_rec rec;
    struct msp_rec reasons;        /* ours; of the list they end in */
    struct msp_client_reply reply; /* of status; payload NULL = none */
    struct msp_model model;        /* of it */
    bool is_degraded;
};

static void doctor_done(struct doctor *doctor)
{
    msp_rec_done(&doctor->rec);
    msp_rec_done(&doctor->reasons);
    msp_model_done(&doctor->model);
    msp_client_reply_done(&doctor->reply);
}

/* Why the exit code is that of a degraded host, and what to do. */
__attribute__((format(printf, 2, 3))) static void
add_reason(struct doctor *doctor, const char *format, ...)
{
    msp_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    doctor->is_degraded = true;
    msp_rec_str(&doctor->reasons, "_item", "reasons");
    msp_rec_str(&doctor->reasons, "text", text ? text : "out of memory");
    msp_rec_end(&doctor->reasons);
}

/* --- mspd ------------------------------------------------------------------- */

/* @return MSP_EXIT_OK, NODAEMON or DEGRADED */
static int ask_status(struct doctor *doctor)
{
    msp_autofclose FILE *silent = fopen("/dev/null", "we");
    struct msp_cli quiet = *doctor->cli;
    const char *state = "unknown";
    int r = MSP_EXIT_INTERNAL;

    quiet.is_json = false;
    quiet.err = silent;
    if (silent)
        r = msp_cli_ask(&quiet, MSP_CTL_STATUS, NULL, 0, &doctor->reply);
    if (r == MSP_EXIT_OK &&
        msp_model_read(doctor->reply.payload, doctor->reply.len,
                       &doctor->model) == 0) {
        r = msp_cli_exit(doctor->reply.status);
        if (r == MSP_EXIT_OK)
            state = "answers";
        else if (r == MSP_EXIT_DEGRADED)
            state = "degraded";
    } else if (r == MSP_EXIT_NODAEMON) {
        state = "does not answer";
    }
    msp_rec_str(&doctor->rec, "mspd", state);
    if (r == MSP_EXIT_OK || r == MSP_EXIT_NODAEMON)
        return r;
    if (msp_streq(state, "unknown"))
        add_reason(doctor, "mspd: did not give its status");
    return MSP_EXIT_DEGRADED;
}

/* A field of mspd's status, whatever its type. */
static void put_status(struct doctor *doctor, const char *field)
{
    const struct msp_model_field *found =
        doctor->model.n ? msp_model_get(&doctor->model.row[0], field) : NULL;

    msp_rec_str(&doctor->rec, field, found ? found->value : "unknown");
}

static void put_list(struct doctor *doctor, const char *list, const char *field)
{
    for (size_t i = 1; i < doctor->model.n; i++) {
        const struct msp_model_row *row = &doctor->model.row[i];
        const struct msp_model_field *found = msp_model_get(row, field);

        if (!found || !msp_streq(row->list, list))
            continue;
        msp_rec_str(&doctor->rec, "_item", list);
        msp_rec_str(&doctor->rec, field, found->value);
        msp_rec_end(&doctor->rec);
    }
}

/* --- the host --------------------------------------------------------------- */

static void put_cgroups(struct doctor *doctor)
{
    char mount[PATH_MAX];
    int r = msp_proc_cgroup_mount(mount);
    const char *layout = "unknown";

    if (r == 0)
        layout = msp_streq(mount, "/sys/fs/cgroup") ? "unified" : "hybrid";
    else if (r == -ENOENT)
        layout = "none"; /* no container can have an identity */
    if (r < 0)
        add_reason(doctor, "cgroup v2: %s",
                   r == -ENOENT ? "not mounted, no container can be registered"
                                : strerror(-r));
    msp_rec_str(&doctor->rec, "cgroup.layout", layout);
    msp_rec_str(&doctor->rec, "cgroup.mount", r == 0 ? mount : "unknown");
}

static void put_kernel(struct doctor *doctor)
{
    struct utsname name;

    msp_rec_str(&doctor->rec, "kernel.release",
                uname(&name) == 0 ? name.release : "unknown");
    if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
        msp_rec_str(&doctor->rec, "kernel.btf", "yes");
    else
        msp_rec_str(&doctor->rec, "kernel.btf",
                    errno == ENOENT ? "no" : "unknown");
    put_status(doctor, "tier");
}

/* --- runtimes --------------------------------------------------------------- */

static const char *yes_if(const char *key)
{
    return key ? "yes" : "no";
}

/* Labels and accounts are in no annotation that can be believed. */
static void put_selectors(struct doctor *doctor)
{
    struct msp_rec *rec = &doctor->rec;

    for (size_t i = 0; i < MSP_MANAGERS; i++) {
        const char *const *key = msp_managers[i].key;

        msp_rec_str(rec, "_item", "selectors");
        msp_rec_str(rec, "runtime", msp_managers[i].name);
        msp_rec_str(rec, "container.id", "yes");
        msp_rec_str(rec, "container.name", yes_if(key[MSP_ANNOTATED_NAME]));
        msp_rec_str(rec, "container.labels", "no");
        msp_rec_str(rec, "pod.namespace",
                    yes_if(key[MSP_ANNOTATED_POD_NAMESPACE]));
        msp_rec_str(rec, "pod.name", yes_if(key[MSP_ANNOTATED_POD_NAME]));
        msp_rec_str(rec, "pod.serviceaccount", "no");
        msp_rec_str(rec, "pod.labels", "no");
        msp_rec_end(rec);
    }
    msp_rec_str(rec, "_item", "selectors");
    msp_rec_str(rec, "runtime", "mspctl container");
    msp_rec_str(rec, "container.id", "yes");
    msp_rec_str(rec, "container.name", "yes");
    msp_rec_str(rec, "container.labels", "yes");
    msp_rec_str(rec, "pod.namespace", "yes");
    msp_rec_str(rec, "pod.name", "yes");
    msp_rec_str(rec, "pod.serviceaccount", "yes");
    msp_rec_str(rec, "pod.labels", "yes");
    msp_rec_end(rec);
}

static void put_annotations(struct doctor *doctor)
{
    static const char *const names[] = {
        [MSP_ANNOTATED_NAME] = "container.name",
        [MSP_ANNOTATED_IMAGE] = "image",
        [MSP_ANNOTATED_POD_NAMESPACE] = "pod.namespace",
        [MSP_ANNOTATED_POD_NAME] = "pod.name",
    };

    _Static_assert(ARRAY_SIZE(names) == MSP_ANNOTATED_COUNT, "names");
    for (size_t i = 0; i < MSP_MANAGERS; i++)
        for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
            if (!msp_managers[i].key[k])
                continue;
            msp_rec_str(&doctor->rec, "_item", "annotations");
            msp_rec_str(&doctor->rec, "runtime", msp_managers[i].name);
            msp_rec_str(&doctor->rec, "field", names[k]);
            msp_rec_str(&doctor->rec, "key", msp_managers[i].key[k]);
            msp_rec_end(&doctor->rec);
        }
}

/* What to write, and where. */
static void add_hook_reason(struct doctor *doctor,
                            const struct msp_installed *found)
{
    if (found->hooked == MSP_HOOKED_UNKNOWN)
        add_reason(doctor, "%s: whether it tells mspd is unknown: %s: %s",
                   found->manager, found->place, found->detail);
    else if (found->hooked == MSP_HOOKED_BROKEN)
        add_reason(doctor,
                   "%s: %s names a program of ours that cannot be executed",
                   found->manager, found->place);
    else if (msp_streq(found->manager, "docker"))
        add_reason(doctor,
                   "docker: tells mspd of no container; make mspctl "
                   "oci-runtime its default-runtime in %s",
                   found->place);
    else if (msp_streq(found->manager, "containerd"))
        add_reason(
            doctor,
            "containerd: tells mspd of no container; write the path of " MSP_OCI_RUNTIME_NAME
            " as BinaryName in %s",
            found->place);
    else
        add_reason(doctor,
                   "%s: tells mspd of no container; copy the files of "
                   "%s/%s into %s",
                   found->manager, MSP_OCI_HOOKS, found->manager, found->place);
}

static void put_hook(const struct msp_installed *found, void *data)
{
    struct doctor *doctor = data;

    if (found->hooked == MSP_HOOKED_NO || found->hooked == MSP_HOOKED_UNKNOWN ||
        found->hooked == MSP_HOOKED_BROKEN)
        add_hook_reason(doctor, found);
    msp_rec_str(&doctor->rec, "_item", "hooks");
    msp_rec_str(&doctor->rec, "runtime", found->manager);
    msp_rec_str(&doctor->rec, "hook", msp_hooked_name(found->hooked));
    msp_rec_str(&doctor->rec, "place", found->place);
    msp_rec_str(&doctor->rec, "detail", found->detail);
    msp_rec_end(&doctor->rec);
}

static const struct msp_out_view view = {
    .list = "hooks",
    .empty = "no container manager was found",
};

/* Without an mspd the rest is told all the same: exit code 3, and an error. */
static int print(struct doctor *doctor, int mspd)
{
    struct msp_cli *cli = doctor->cli;
    char *text = (char *)doctor->rec.buf.data;
    size_t len = doctor->rec.buf.len;
    int r;

    if (mspd != MSP_EXIT_NODAEMON)
        return msp_cli_print(cli,
                             mspd != MSP_EXIT_OK || doctor->is_degraded
                                 ? MSP_CTL_DEGRADED
                                 : MSP_CTL_OK,
                             text, len, &view, NULL);
    r = cli->is_json
            ? msp_out_json(text, len, msp_cli_end_name(MSP_CLI_NODAEMON), &view,
                           NULL, cli->out)
            : msp_out_text(text, len, &view, cli->out);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "printing: %s",
                            strerror(-r));
    return MSP_EXIT_NODAEMON;
}

int msp_cmd_doctor(struct msp_cli *cli)
{
    msp_cleanup(doctor_done) struct doctor doctor = {.cli = cli};
    int mspd = ask_status(&doctor);

    if (mspd == MSP_EXIT_NODAEMON)
        msp_rec_str(&doctor.rec, "error", "mspd does not answer");
    put_cgroups(&doctor);
    put_kernel(&doctor);
    msp_rec_end(&doctor.rec);
    put_selectors(&doctor);
    put_annotations(&doctor);
    msp_installed_find(cli->host_root, put_hook, &doctor);
    put_list(&doctor, "reasons", "text");
    if (doctor.reasons.error < 0 ||
        msp_buf_append(&doctor.rec.buf, doctor.reasons.buf.data,
                       doctor.reasons.buf.len) < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "no memory");
    if (doctor.rec.error < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "%s",
                            strerror(-doctor.rec.error));
    return print(&doctor, mspd);
}
