/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How the parts of the agent stand, and why the state is "degraded". */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>

#include "daemon/mspd.h"
#include "loader/fdguard.h"
#include "loader/live.h"

bool mspd_is_frozen(pid_t pid)
{
    char path[64], text[512] = "";
    const char *state;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    /* pid (name) state: the name may have any byte */
    state = strrchr(text, ')');
    return state &&
           (strncmp(state, ") T", 3) == 0 || strncmp(state, ") t", 3) == 0);
}

const char *mspd_fd_guard_state(const struct mspd *mspd)
{
    if (!mspd->opts.is_fd_guard)
        return "off";
    return msp_fd_guard_check(&mspd->loader) > 0 ? "on" : "removed";
}

/* Whether requests to some endpoint are not answered without a key. */
static bool wants_key(const struct mspd *mspd)
{
    struct msp_slot_meta live = msp_tables_live(&mspd->loader);
    struct msp_endpoint endpoint;

    if (live.flags & MSP_SLOT_BOOTSTRAP)
        return false; /* what passes is not signed */
    for (uint32_t i = 0; i < MSP_ENDPOINTS_MAX; i++) {
        if (msp_live_endpoint(&mspd->loader, i, &endpoint) < 0)
            return false;
        if (endpoint.mode == MSP_MODE_ENFORCE && endpoint.flags & MSP_EP_SIGN)
            return true;
    }
    return false;
}

void mspd_parts(const struct mspd *mspd,
                struct msp_part_now ret[MSP_PART_COUNT])
{
    const struct msp_child_channel *channel = &mspd->channel;
    const struct msp_part_facts facts = {
        .is_stopping = mspd->reports.is_stopping,
        .is_failed = mspd->reports.is_failed,
        .is_detached = mspd->is_detached,
        .is_attached = mspd->is_attached,
        .has_gap = !msp_coexist_is_whole(&mspd->coexist),
        .is_channel = mspd->opts.is_channel,
        .is_host_disabled = mspd_channel_is_disabled(mspd),
        .is_channel_failing = channel->is_failing,
        .channel_message =
            channel->policy[0] ? channel->policy : channel->message,
        .has_key = mspd->key->has_key,
        .wants_key = !mspd->key->has_key && wants_key(mspd),
        .key_why = mspd->key_why,
        .is_keeper_running = mspd->keeper.state == MSP_CHILD_RUNNING,
        .is_proxy_running = mspd->proxy.state == MSP_CHILD_RUNNING,
        .is_proxy_ready = mspd->is_proxy_ready,
        .is_proxy_frozen =
            mspd->is_proxy_ready && mspd_is_frozen(mspd->proxy.pid),
        .n_listeners = mspd->listeners.n,
    };

    msp_parts_find(&facts, ret);
}

/* The policy, and who serves what it allows. */
static void add_service_reasons(struct mspd_reasons *reasons,
                                const struct mspd *mspd,
                                const struct msp_slot_meta *live)
{
    struct msp_part_now parts[MSP_PART_COUNT];

    if (!live->generation)
        reasons->text[reasons->n++] = "no policy is in force";
    else if (live->flags & MSP_SLOT_BOOTSTRAP)
        reasons->text[reasons->n++] =
            live->flags & MSP_SLOT_BOOTSTRAP_DENY
                ? "no policy was pushed yet: nobody passes"
                : "no policy was pushed yet: only root passes";
    mspd_parts(mspd, parts);
    for (int i = 0; i < MSP_PART_COUNT; i++)
        for (int n = 0; n < MSP_PART_REASONS && parts[i].reason[n]; n++)
            reasons->text[reasons->n++] = parts[i].reason[n];
    if (mspd->channel.policy[0])
        reasons->text[reasons->n++] =
            "the host's policy was refused (channel.policy)";
    if (mspd_channel_has_local_fault(mspd))
        reasons->text[reasons->n++] =
            "a local rule file that the host asks for is not in force "
            "(channel.local_imds, channel.local_wireserver)";
    if (mspd->policy.is_unstored)
        reasons->text[reasons->n++] =
            "the policy is not on disk: the next boot has an older one";
    if (mspd_reports_are_failing(mspd))
        reasons->text[reasons->n++] = "a report cannot be written (reports)";
}

/* What is there and cannot be seen, or guarded. */
static void add_blind_reasons(struct mspd_reasons *reasons,
                              const struct mspd *mspd)
{
    if (msp_exes_blind(&mspd->policy.exes)[0])
        reasons->text[reasons->n++] =
            "other files at the paths of executables are noticed late "
            "(files.blind)";
    if (mspd->policy.exe_rows.n_dropped)
        reasons->text[reasons->n++] =
            "too many executables (files.without_row): no identity that names "
            "one matches there";
    if (mspd->loader.cgroups_left)
        reasons->text[reasons->n++] =
            "too many cgroups (cgroups.without_row): no identity that names a "
            "cgroup or unit matches in those";
    if (msp_containers_unfilled(&mspd->containers))
        reasons->text[reasons->n++] =
            "tables of containers are full (containers.without_row): no "
            "identity of a container matches in those";
    if (!msp_uplinks_are_whole(&mspd->uplinks))
        reasons->text[reasons->n++] =
            "a device packets leave by has no guard (uplinks)";
    for (size_t i = 0; i < mspd->uplinks.n_names; i++) {
        if (!msp_uplinks_is_missing(&mspd->uplinks, i))
            continue;
        reasons->text[reasons->n++] =
            "a device named by --uplink is not there (uplinks, guard "
            "\"missing\"): nothing guards it";
        break;
    }
    if (msp_uplinks_are_behind(&mspd->uplinks))
        reasons->text[reasons->n++] =
            "a program of somebody else runs before the guard of a device "
            "(uplinks): what it lets go is not judged";
}

/* Programs that should run and do not, or that undo what ours do. */
static void add_program_reasons(struct mspd_reasons *reasons,
                                const struct mspd *mspd)
{
    if (msp_streq(mspd_fd_guard_state(mspd), "removed"))
        reasons->text[reasons->n++] =
            "the fd guard was taken off: start mspd anew";
    if (msp_coexist_is_bypassed(&mspd->coexist))
        reasons->text[reasons->n++] =
            "a program of somebody else runs after ours (foreign): what it "
            "makes of an address is not judged";
    if (mspd->lsm.canary == MSP_LSM_SILENT)
        reasons->text[reasons->n++] = msp_lsm_why_silent(&mspd->lsm);
    else if (msp_lsm_lacks(&mspd->lsm, MSP_LSM_DENY_RAW) ||
             (mspd->opts.is_raw_denied && mspd->lsm.use == MSP_LSM_OFF))
        reasons->text[reasons->n++] =
            "--deny-raw-in-containers needs LSM programs, which are not there";
    else if (mspd->lsm.use == MSP_LSM_REQUIRE && !msp_lsm_is_tier(&mspd->lsm))
        reasons->text[reasons->n++] =
            "an LSM program that is required is not attached (lsm)";
}

struct mspd_reasons mspd_reasons(struct mspd *mspd,
                                 const struct msp_slot_meta *live)
{
    struct mspd_reasons reasons = {.n = 0};

    add_service_reasons(&reasons, mspd, live);
    add_blind_reasons(&reasons, mspd);
    add_program_reasons(&reasons, mspd);
    reasons.n += mspd_guard_roleless(mspd, reasons.text + reasons.n);
    return reasons;
}
