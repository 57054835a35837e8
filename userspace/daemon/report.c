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

/* Stopped by a signal or a debugger: it runs but does not serve. */
static bool is_stopped(pid_t pid)
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

static const char *child_state(const struct msp_child *child, bool is_ready)
{
    if (child->state != MSP_CHILD_RUNNING)
        return msp_child_state_name(child->state);
    if (is_stopped(child->pid))
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

/* "off", "on", or that it should be on and is not attached */
static const char *fd_guard_state(const struct mspd *mspd)
{
    if (!mspd->opts.is_fd_guard)
        return "off";
    return msp_fd_guard_check(&mspd->loader) > 0 ? "on" : "removed";
}

static bool is_prog_attached(const struct mspd *mspd, int prog)
{
    if (prog == MSP_PROG_FD_GUARD)
        return msp_streq(fd_guard_state(mspd), "on");
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

/* Why the state is "degraded"; none = it is not. */
struct reasons {
    const char *text[32]; /* at least one for each question below */
    size_t n;
};

/* The policy, and who serves what it allows. */
static void add_service_reasons(struct reasons *reasons,
                                const struct mspd *mspd,
                                const struct msp_slot_meta *live)
{
    if (!live->generation)
        reasons->text[reasons->n++] = "no policy is in force";
    else if (live->flags & MSP_SLOT_BOOTSTRAP)
        reasons->text[reasons->n++] =
            live->flags & MSP_SLOT_BOOTSTRAP_DENY
                ? "no policy was pushed yet: nobody passes"
                : "no policy was pushed yet: only root passes";
    if (!mspd->key->has_key && !mspd_channel_is_disabled(mspd))
        reasons->text[reasons->n++] =
            "there is no key (key.why): nothing can be signed";
    if (mspd->channel.is_failing)
        reasons->text[reasons->n++] =
            "the secure channel with the host fails (channel.message)";
    if (mspd->channel.policy[0])
        reasons->text[reasons->n++] =
            "the host's policy was refused (channel.policy)";
    if (!mspd->is_proxy_ready)
        reasons->text[reasons->n++] =
            "mspd-proxy is not ready: allowed requests are not answered";
    else if (is_stopped(mspd->proxy.pid))
        reasons->text[reasons->n++] =
            "mspd-proxy is stopped: allowed requests are not answered";
    if (!mspd->listeners.n)
        reasons->text[reasons->n++] =
            "no network namespace has a listener: connects are denied";
    if (!mspd->is_attached)
        reasons->text[reasons->n++] = "the programs are not attached";
    if (mspd->policy.is_unstored)
        reasons->text[reasons->n++] =
            "the policy is not on disk: the next boot has an older one";
}

/* What is there and cannot be seen, or guarded. */
static void add_blind_reasons(struct reasons *reasons, const struct mspd *mspd)
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
static void add_program_reasons(struct reasons *reasons,
                                const struct mspd *mspd)
{
    if (msp_streq(fd_guard_state(mspd), "removed"))
        reasons->text[reasons->n++] =
            "the fd guard was taken off: start mspd anew";
    if (!msp_coexist_is_whole(&mspd->coexist))
        reasons->text[reasons->n++] =
            "a program of ours does not run in a cgroup (gaps)";
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

static struct reasons find_reasons(struct mspd *mspd,
                                   const struct msp_slot_meta *live)
{
    struct reasons reasons = {.n = 0};

    add_service_reasons(&reasons, mspd, live);
    add_blind_reasons(&reasons, mspd);
    add_program_reasons(&reasons, mspd);
    reasons.n += mspd_guard_roleless(mspd, reasons.text + reasons.n);
    return reasons;
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

enum msp_ctl_status mspd_report(struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_slot_meta live = msp_tables_live(&mspd->loader);
    bool has_key = mspd->key->has_key;
    struct reasons reasons = find_reasons(mspd, &live);
    bool is_degraded = reasons.n > 0;

    msp_rec_str(rec, "version", MSP_VERSION);
    msp_rec_uint(rec, "agent_epoch", mspd->epoch);
    msp_rec_str(rec, "state", is_degraded ? "degraded" : "ok");
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
    msp_rec_str(rec, "fd_guard", fd_guard_state(mspd));
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
    msp_rec_uint(rec, "log.lines", mspd->log.n_lines);
    msp_rec_uint(rec, "log.limited", mspd->log.n_dropped);
    msp_rec_uint(rec, "log.failed", mspd->log.n_failed);
    put_audit_size(mspd, rec);
    put_files(mspd, rec);
    mspd_containers_report(mspd, rec);
    put_sweep(&mspd->coexist.found, rec);
    msp_rec_end(rec);
    for (size_t i = 0; i < reasons.n; i++) {
        msp_rec_str(rec, "_item", "reasons");
        msp_rec_str(rec, "text", reasons.text[i]);
        msp_rec_end(rec);
    }
    put_lists(mspd, rec);
    mspd_guard_report_refused(mspd, rec);
    return is_degraded ? MSP_CTL_DEGRADED : MSP_CTL_OK;
}

/* --- audit -------------------------------------------------------------- */

struct audit {
    struct msp_rec *rec;
    uint64_t real_offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    const struct mspd *mspd;
    char endpoint[MSP_ENDPOINTS_MAX][MSP_ENDPOINT_NAME_BYTES]; /* "" = ask */
};

static void put_time(const struct audit *audit, const char *name, uint64_t ns)
{
    uint64_t real = ns + audit->real_offset_ns;
    time_t seconds = (time_t)(real / 1000000000u);
    char text[32] = "", stamp[48];
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(stamp, sizeof(stamp), "%s.%03uZ", text,
                   (unsigned int)(real / 1000000u % 1000u));
    msp_rec_str(audit->rec, name, stamp);
}

/* Text of the kernel, which may lack its NUL. */
static void put_chars(struct msp_rec *rec, const char *name, const char *text,
                      size_t max)
{
    char copy[MSP_AUDIT_PATH_BYTES + 1];

    (void)snprintf(copy, sizeof(copy), "%.*s", (int)strnlen(text, max), text);
    msp_rec_str(rec, name, copy);
}

static void put_audit(void *data, const struct msp_audit_key *key,
                      const struct msp_audit *row)
{
    struct audit *audit = data;
    struct msp_rec *rec = audit->rec;
    const char *container[MSP_PATHS_CTR];

    msp_rec_str(rec, "_item", "audit");
    msp_rec_str(rec, "stage", msp_name_stage(key->stage));
    msp_rec_str(rec, "verdict", msp_name_verdict(key->verdict));
    msp_rec_str(rec, "reason", msp_name_reason(key->reason));
    put_chars(rec, "endpoint", row->endpoint, sizeof(row->endpoint));
    msp_rec_uint(rec, "uid", row->uid);
    msp_rec_bool(rec, "other_uids", key->uid == MSP_AUDIT_UID_OTHER);
    msp_rec_uint(rec, "pid", row->pid);
    put_chars(rec, "exe_name", row->exe_name.text, sizeof(row->exe_name));
    put_chars(rec, "identity", row->identity.text, sizeof(row->identity.text));
    put_chars(rec, "privilege", row->privilege.text,
              sizeof(row->privilege.text));
    put_chars(rec, "path", row->path, sizeof(row->path));
    msp_rec_uint(rec, "count", row->count);
    put_time(audit, "first", row->first_ns);
    put_time(audit, "last", row->last_ns);
    msp_rec_uint(rec, "generation", row->generation);
    msp_rec_uint(rec, "cgroup", key->cgroup_id);
    msp_rec_str(rec, "cgroup_path",
                msp_paths_cgroup(audit->mspd->log.paths, key->cgroup_id));
    msp_paths_container(audit->mspd->log.paths, key->cgroup_id, container);
    for (int i = 0; i < MSP_PATHS_CTR; i++)
        msp_rec_str(rec, msp_paths_ctr_name[i], container[i]);
    msp_rec_uint(rec, "netns", row->netns_cookie);
    msp_rec_bool(rec, "root", row->flags & MSP_MARK_ROOT);
    msp_rec_bool(rec, "container", row->flags & MSP_MARK_CONTAINER);
    msp_rec_str(rec, "exe", msp_paths_exe(audit->mspd->log.paths, &row->exe));
    msp_rec_uint(rec, "exe_file.dev", row->exe.s_dev);
    msp_rec_uint(rec, "exe_file.ino", row->exe.ino);
    msp_rec_uint(rec, "exe_file.generation", row->exe.generation);
    msp_rec_end(rec);
}

/* The name of a live endpoint; "-" for none, or one that is gone. */
static const char *endpoint_name(struct audit *audit, uint32_t index)
{
    struct msp_endpoint endpoint;
    char *name;

    if (index >= MSP_ENDPOINTS_MAX)
        return "-";
    name = audit->endpoint[index];
    if (name[0])
        return name;
    if (msp_live_endpoint(&audit->mspd->loader, index, &endpoint) == 0)
        (void)snprintf(name, MSP_ENDPOINT_NAME_BYTES, "%.*s",
                       (int)strnlen(endpoint.name, sizeof(endpoint.name)),
                       endpoint.name);
    else
        (void)snprintf(name, MSP_ENDPOINT_NAME_BYTES, "-");
    return name;
}

static void put_counter(void *data, const struct msp_counter_key *key,
                        uint64_t count)
{
    struct audit *audit = data;

    msp_rec_str(audit->rec, "_item", "counters");
    msp_rec_uint(audit->rec, "cgroup", key->cgroup_id);
    msp_rec_str(audit->rec, "endpoint", endpoint_name(audit, key->endpoint));
    msp_rec_str(audit->rec, "verdict", msp_name_verdict(key->verdict));
    msp_rec_uint(audit->rec, "count", count);
    msp_rec_end(audit->rec);
}

int mspd_report_audit(const struct mspd *mspd, struct msp_rec *rec)
{
    struct audit audit = {.rec = rec, .mspd = mspd};
    struct msp_audit_size size;
    struct timespec real;
    uint64_t dropped = 0;
    int r;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    audit.real_offset_ns = (uint64_t)real.tv_sec * 1000000000u +
                           (uint64_t)real.tv_nsec - msp_io_now_ns();
    (void)msp_events_stat(&mspd->loader, MSP_STAT_AUDIT_DROPPED, &dropped);
    msp_rec_uint(rec, "dropped", dropped);
    r = msp_events_audit_size(&mspd->loader, &size);
    if (r == 0)
        msp_rec_uint(rec, "evicted", size.n_evicted);
    msp_rec_end(rec);
    if (r == 0)
        r = msp_events_audit(&mspd->loader, put_audit, &audit);
    if (r == 0)
        r = msp_events_counters(&mspd->loader, put_counter, &audit);
    return r;
}
