/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `status` and `audit`: facts as records; words are for mspctl to lay out. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/names.h"
#include "daemon/mspd.h"
#include "daemon/privs.h"
#include "daemon/stamp.h"
#include "loader/events.h"
#include "loader/exelive.h"
#include "loader/fdguard.h"
#include "loader/live.h"
#include "loader/probe.h"

/* What this version does not cover; README says the same. */
static const char *const limits[] = {
    "root of the init namespaces with CAP_BPF can remove the programs",
    "who ran before mspd was first started has no executable and no process name, but for root on the host",
    "containers that share a network namespace and have CAP_NET_RAW can read each other's clear text",
    "reading from a connection that was handed on; without --fd-guard writing to it as well",
    "what leaves by a device without a guard (see uplinks): packet sockets, forwarded traffic, nested VMs",
    "a network card or virtual function given to a guest is not covered",
    "gVisor and Kata guests are not covered",
};

static const char *const cgroup_limits[] = {
    "who may trace a process, preload a library into it, or answer its system calls (seccomp), has its executable's rights",
    "who has CAP_NET_RAW in the namespace of the uplinks can send frames past their guard",
};

static const char *const lsm_limits[] = {
    "who may trace a process, or answer its system calls (seccomp), has its executable's rights",
};

static const char *child_state(const struct msp_child *child, bool is_ready)
{
    if (child->state != MSP_CHILD_RUNNING)
        return msp_child_state_name(child->state);
    if (mspd_is_frozen(child->pid))
        return "stopped";
    return is_ready ? "ready" : msp_child_state_name(child->state);
}

static void put_child(struct msp_rec *rec, const struct msp_child *child,
                      bool is_ready)
{
    msp_rec_str(rec, "_item", "processes");
    msp_rec_str(rec, "name", child->name);
    msp_rec_str(rec, "state", child_state(child, is_ready));
    msp_rec_uint(rec, "pid", (uint64_t)child->pid);
    msp_rec_uint(rec, "restarts", child->n_restarts);
    msp_rec_end(rec);
}

static void put_endpoints(const struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_endpoint endpoint;

    for (uint32_t i = 0; i < MSP_ENDPOINTS_MAX; i++) {
        if (msp_live_endpoint(&mspd->loader, i, &endpoint) < 0)
            return;
        endpoint.name[sizeof(endpoint.name) - 1] = '\0';
        msp_rec_str(rec, "_item", "endpoints");
        msp_rec_str(rec, "name", endpoint.name);
        msp_rec_str(rec, "mode", msp_name_mode(endpoint.mode));
        msp_rec_str(rec, "on_deny", msp_name_on_deny(endpoint.on_deny));
        msp_rec_str(rec, "default",
                    endpoint.flags & MSP_EP_DEFAULT_ALLOW ? "allow" : "deny");
        /* of a disabled one neither is true or false: nothing is decided */
        if (endpoint.mode != MSP_MODE_DISABLED) {
            msp_rec_bool(rec, "root_only", endpoint.flags & MSP_EP_ROOT_GATE);
            msp_rec_bool(rec, "signed", endpoint.flags & MSP_EP_SIGN);
            msp_rec_uint(rec, "rate_per_s", endpoint.rate.per_second);
            msp_rec_uint(rec, "rate_burst", endpoint.rate.burst);
        }
        msp_rec_end(rec);
    }
}

static void put_privileges(struct msp_rec *rec)
{
    static const char *const holders[] = {
        [MSP_PRIV_MSPD] = "mspd",
        [MSP_PRIV_NETNS] = "mspd-netns",
        [MSP_PRIV_START] = "start only",
    };
    size_t n;
    const struct msp_priv *privs = msp_privs(&n);

    for (size_t i = 0; i < n; i++) {
        msp_rec_str(rec, "_item", "capabilities");
        msp_rec_str(rec, "name", privs[i].name);
        msp_rec_str(rec, "holder", holders[privs[i].holder]);
        msp_rec_str(rec, "why", privs[i].why);
        msp_rec_end(rec);
    }
}

static void put_stats(const struct mspd *mspd, struct msp_rec *rec)
{
    for (int stat = MSP_STAT_NONE + 1; stat < MSP_STAT_COUNT; stat++) {
        uint64_t value = 0;

        if (msp_events_stat(&mspd->loader, (enum msp_stat)stat, &value) < 0)
            continue;
        msp_rec_str(rec, "_item", "stats");
        msp_rec_str(rec, "name", msp_name_stat((enum msp_stat)stat));
        msp_rec_uint(rec, "value", value);
        msp_rec_end(rec);
    }
}

static void put_unresolved(void *data, const struct msp_unresolved *unresolved)
{
    struct msp_rec *rec = data;

    msp_rec_str(rec, "_item", "unresolved");
    msp_rec_str(rec, "identity", unresolved->identity);
    msp_rec_str(rec, "selector", unresolved->selector);
    msp_rec_str(rec, "name", unresolved->value);
    msp_rec_str(rec, "why", unresolved->why);
    msp_rec_end(rec);
}

/* Identities that match nobody, whatever the number of reasons. */
struct nobodies {
    uint32_t next; /* index after the one counted last */
    uint64_t n;
};

static void count_nobody(void *data, const struct msp_unresolved *unresolved)
{
    struct nobodies *nobodies = data;

    nobodies->n += unresolved->index >= nobodies->next;
    nobodies->next = unresolved->index + 1;
}

static void put_uplinks(const struct msp_uplinks *uplinks, struct msp_rec *rec)
{
    for (size_t i = 0; i < uplinks->n_rows; i++) {
        const struct msp_uplink_row *row = &uplinks->row[i];

        msp_rec_str(rec, "_item", "uplinks");
        msp_rec_str(rec, "name", row->name);
        msp_rec_uint(rec, "ifindex", row->ifindex);
        msp_rec_str(rec, "guard", msp_uplink_kind_name(row->kind));
        msp_rec_uint(rec, "restored", row->n_restored);
        msp_rec_bool(rec, "behind", row->is_behind);
        if (row->error)
            msp_rec_str(rec, "why", strerror(-row->error));
        msp_rec_end(rec);
    }
    for (size_t i = 0; i < uplinks->n_names; i++) {
        if (!msp_uplinks_is_missing(uplinks, i))
            continue;
        msp_rec_str(rec, "_item", "uplinks");
        msp_rec_str(rec, "name", uplinks->names[i]);
        msp_rec_str(rec, "guard", "missing");
        msp_rec_str(rec, "why", "no device has this name");
        msp_rec_end(rec);
    }
}

/* Programs of others, where they stand to ours and who stops what they do. */
static void put_foreign(const struct msp_coexist_row *row, struct msp_rec *rec)
{
    const struct msp_foreign *foreign = &row->foreign;
    char order[32];

    (void)snprintf(order, sizeof(order), "%u of %u, %s ours", foreign->position,
                   foreign->n_run, foreign->is_after ? "after" : "before");
    msp_rec_str(rec, "_item", "foreign");
    msp_rec_str(rec, "cgroup", row->cgroup);
    msp_rec_str(rec, "hook", msp_prog_names[foreign->hook] + strlen("msp_"));
    msp_rec_uint(rec, "id", foreign->id);
    msp_rec_str(rec, "name", row->name[0] ? row->name : "-");
    msp_rec_str(rec, "flags", msp_foreign_flags_name(foreign->flags));
    msp_rec_str(rec, "place", msp_foreign_place_name(foreign->place));
    msp_rec_str(rec, "runs", foreign->position ? order : "never");
    msp_rec_bool(rec, "judged", !foreign->is_after);
    msp_rec_str(rec, "covered",
                foreign->is_after ? msp_foreign_cover(foreign->hook)
                                  : "what it makes of an address is judged");
    msp_rec_end(rec);
}

static void put_coexist(const struct msp_coexist *coexist, struct msp_rec *rec)
{
    for (size_t i = 0; i < coexist->found.n; i++) {
        const struct msp_coexist_row *row = &coexist->found.row[i];

        if (row->foreign.id) {
            put_foreign(row, rec);
            continue;
        }
        msp_rec_str(rec, "_item", "gaps");
        msp_rec_str(rec, "cgroup", row->cgroup);
        msp_rec_str(rec, "program", msp_prog_names[row->foreign.hook]);
        msp_rec_str(rec, "why", "it does not run there");
        msp_rec_end(rec);
    }
}

static void put_lsm(const struct msp_lsm *lsm, struct msp_rec *rec)
{
    for (size_t i = 0; i < lsm->n; i++) {
        const struct msp_lsm_item *item = &lsm->item[i];

        msp_rec_str(rec, "_item", "lsm_programs");
        msp_rec_str(rec, "name", item->prog->name);
        msp_rec_str(rec, "state", msp_lsm_state_name(item->state));
        if (item->error)
            msp_rec_str(rec, "why", msp_lsm_why(lsm, item));
        msp_rec_end(rec);
    }
}

static void put_sweep(const struct msp_coexist_found *found,
                      struct msp_rec *rec)
{
    if (!found->began_ms)
        return;
    msp_rec_uint(rec, "sweep.cgroups", found->n_cgroups);
    msp_rec_uint(rec, "sweep.unread", found->n_unread);
    msp_rec_uint(rec, "sweep.age_ms", msp_io_now_ms() - found->began_ms);
    msp_rec_uint(rec, "sweep.not_shown", found->n_more);
}

static void put_files(const struct mspd *mspd, struct msp_rec *rec)
{
    int64_t n = msp_exec_each(&mspd->loader, NULL, NULL);
    char crowded[MSP_CROWDED_BYTES];

    if (n >= 0)
        msp_rec_uint(rec, "exec.records", (uint64_t)n);
    msp_rec_uint(rec, "cgroups.without_row", mspd->loader.cgroups_left);
    msp_rec_uint(rec, "files.current", msp_exes_current(&mspd->policy.exes));
    msp_rec_uint(rec, "files.retired", msp_exes_retired(&mspd->policy.exes));
    msp_rec_uint(rec, "files.unwatched",
                 msp_exes_unwatched(&mspd->policy.exes));
    msp_rec_str(rec, "files.blind", msp_exes_blind(&mspd->policy.exes));
    msp_policy_files_crowded(&mspd->policy, &mspd->policy.exe_rows, crowded);
    msp_rec_str(rec, "files.without_row", crowded);
}

static bool is_prog_attached(const struct mspd *mspd, int prog)
{
    if (prog == MSP_PROG_FD_GUARD)
        return msp_streq(mspd_fd_guard_state(mspd), "on");
    return prog < MSP_PROG_LINKS && mspd->is_attached;
}

static void put_limits(struct msp_rec *rec, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        msp_rec_str(rec, "_item", "not_covered");
        msp_rec_str(rec, "text", texts[i]);
        msp_rec_end(rec);
    }
}

static void put_lists(const struct mspd *mspd, struct msp_rec *rec)
{
    put_child(rec, &mspd->netns.child, false);
    put_child(rec, &mspd->keeper, false);
    put_child(rec, &mspd->proxy, mspd->is_proxy_ready);
    put_endpoints(mspd, rec);
    msp_policy_unresolved(&mspd->policy, &mspd->policy.live, put_unresolved,
                          rec);
    put_privileges(rec);
    for (int i = 0; i < MSP_PROG_COUNT; i++) {
        msp_rec_str(rec, "_item", "programs");
        msp_rec_str(rec, "name", msp_prog_names[i]);
        msp_rec_str(rec, "state",
                    is_prog_attached(mspd, i) ? "attached" : "loaded");
        msp_rec_end(rec);
    }
    put_lsm(&mspd->lsm, rec);
    put_stats(mspd, rec);
    put_uplinks(&mspd->uplinks, rec);
    put_coexist(&mspd->coexist, rec);
    put_limits(rec, limits, ARRAY_SIZE(limits));
    if (msp_lsm_is_tier(&mspd->lsm))
        put_limits(rec, lsm_limits, ARRAY_SIZE(lsm_limits));
    else
        put_limits(rec, cgroup_limits, ARRAY_SIZE(cgroup_limits));
}

static void put_policy(const struct mspd *mspd, struct msp_rec *rec,
                       const struct msp_slot_meta *live)
{
    struct nobodies nobodies = {0};
    char hex[2 * MSP_DIGEST_BYTES + 1];
    bool is_bootstrap = live->flags & MSP_SLOT_BOOTSTRAP;

    msp_digest_hex(live->digest, hex);
    msp_rec_uint(rec, "policy.generation", live->generation);
    msp_rec_str(rec, "policy.digest",
                is_bootstrap || !live->generation ? "none" : hex);
    msp_rec_uint(rec, "policy.identity_epoch", live->identity_epoch);
    msp_rec_bool(rec, "policy.bootstrap", is_bootstrap);
    msp_rec_str(rec, "policy.origin", msp_origin_name(mspd->policy.origin));
    msp_rec_bool(rec, "policy.stored",
                 !is_bootstrap && !mspd->policy.is_unstored);
    msp_policy_unresolved(&mspd->policy, &mspd->policy.live, count_nobody,
                          &nobodies);
    msp_rec_uint(rec, "policy.unresolved", nobodies.n);
    if (is_bootstrap)
        msp_rec_str(rec, "policy.bootstrap_mode",
                    live->flags & MSP_SLOT_BOOTSTRAP_DENY ? "deny" : "root");
}

/* What audit mode lets out directly by, once it is too old. */
static uint64_t heartbeat_age_ms(const struct mspd *mspd)
{
    uint64_t beat =
        __atomic_load_n(&mspd->loader.meta->heartbeat_ns, __ATOMIC_ACQUIRE);

    return (msp_io_now_ns() - beat) / 1000000u;
}

static void put_audit_size(const struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_audit_size size;
    uint64_t dropped = 0;

    if (msp_events_audit_size(&mspd->loader, &size) == 0) {
        msp_rec_uint(rec, "audit.rows", size.n_rows);
        msp_rec_uint(rec, "audit.evicted", size.n_evicted);
    }
    if (msp_events_stat(&mspd->loader, MSP_STAT_AUDIT_DROPPED, &dropped) == 0)
        msp_rec_uint(rec, "audit.dropped", dropped);
}

static void put_log(const struct msp_connlog *log, struct msp_rec *rec)
{
    msp_rec_uint(rec, "log.lines", log->n_lines);
    msp_rec_uint(rec, "log.limited", log->n_dropped);
    msp_rec_uint(rec, "log.failed", log->n_failed);
}

enum msp_ctl_status mspd_report(struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_slot_meta live = msp_tables_live(&mspd->loader);
    bool has_key = mspd->key->has_key;
    struct mspd_reasons reasons = mspd_reasons(mspd, &live);
    bool is_degraded = reasons.n > 0;
    char stamp[MSP_STAMP_BYTES];

    msp_rec_str(rec, "version", MSP_VERSION);
    msp_stamp(msp_stamp_now_ns(), stamp);
    msp_rec_str(rec, "time", stamp);
    msp_rec_uint(rec, "agent_epoch", mspd->epoch);
    msp_rec_str(rec, "state",
                mspd->reports.is_stopping ? "stopped"
                : is_degraded             ? "degraded"
                                          : "ok");
    msp_rec_str(rec, "tier", msp_lsm_is_tier(&mspd->lsm) ? "lsm" : "cgroup");
    msp_rec_str(rec, "lsm.use", msp_lsm_use_name(mspd->lsm.use));
    msp_rec_str(rec, "lsm.canary", msp_lsm_canary_name(mspd->lsm.canary));
    msp_rec_str(rec, "lsm.hash", msp_lsm_hash_name(&mspd->lsm));
    mspd_guard_report(mspd, rec);
    msp_rec_bool(rec, "attached", mspd->is_attached);
    msp_rec_str(rec, "cgroup", mspd->cgroup.path);
    msp_rec_bool(rec, "partial", !mspd->cgroup.is_root);
    msp_rec_str(rec, "covers",
                mspd->cgroup.is_root
                    ? "every process"
                    : "only processes of this cgroup: attached below the root "
                      "cgroup");
    msp_rec_str(rec, "pins", mspd->loader.pins.root);
    put_policy(mspd, rec, &live);
    msp_rec_str(rec, "bootstrap",
                mspd->opts.is_bootstrap_deny ? "deny" : "root");
    msp_rec_str(rec, "fd_guard", mspd_fd_guard_state(mspd));
    msp_rec_uint(rec, "heartbeat.age_ms", heartbeat_age_ms(mspd));
    msp_rec_str(rec, "proxy.state",
                child_state(&mspd->proxy, mspd->is_proxy_ready));
    msp_rec_str(rec, "key.state", has_key ? "have" : "none");
    if (has_key)
        msp_rec_str(rec, "key.guid", mspd->key->packet.guid);
    else
        msp_rec_str(rec, "key.why", mspd->key_why);
    mspd_channel_report(mspd, rec);
    msp_rec_uint(rec, "listeners", mspd->listeners.n);
    put_log(&mspd->log, rec);
    put_audit_size(mspd, rec);
    put_files(mspd, rec);
    mspd_containers_report(mspd, rec);
    put_sweep(&mspd->coexist.found, rec);
    mspd_reports_provision(mspd, rec);
    msp_rec_end(rec);
    for (size_t i = 0; i < reasons.n; i++) {
        msp_rec_str(rec, "_item", "reasons");
        msp_rec_str(rec, "text", reasons.text[i]);
        msp_rec_end(rec);
    }
    mspd_reports_list(mspd, rec);
    put_lists(mspd, rec);
    mspd_guard_report_refused(mspd, rec);
    return is_degraded ? MSP_CTL_DEGRADED : MSP_CTL_OK;
}
