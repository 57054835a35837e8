/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The tamper guard in the life of mspd: start, locking, what was refused. */
#include "loader/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/guardset.h"
#include "daemon/mspd.h"
#include "daemon/token.h"

enum {
    LINKS_EVERY = 5, /* heartbeats */
    ROLE_MS = 1000,  /* a process this old is through its exec */
};

static int refuse(const char *why)
{
    msp_log(MSP_LOG_ERR, "start.guard", "why", why, NULL);
    return -EPERM;
}

/* --- start -------------------------------------------------------------- */

/* @return 0; negative errno, which was logged */
static int open_set(const struct mspd *mspd, struct msp_guardset *set)
{
    const char *what = "";
    int r = msp_guardset_open(set, &mspd->opts, &what);

    if (r < 0)
        msp_log(MSP_LOG_ERR, "start.guard", "file", what, "error", strerror(-r),
                NULL);
    return r;
}

/*
 * The local rule files are those of the directory that is guarded, whatever
 * its path leads to later: a directory above it can be another.
 */
static int keep_rules(struct mspd *mspd, const struct msp_guardset *set)
{
    if (set->rules_fd < 0)
        return 0;
    msp_closep(&mspd->localrules.kept_fd);
    mspd->localrules.kept_fd = fcntl(set->rules_fd, F_DUPFD_CLOEXEC, 3);
    return mspd->localrules.kept_fd < 0 ? -errno : 0;
}

/* The one that is guarded, or nothing is touched. */
static int check_same(struct mspd *mspd, const struct msp_guard_state *state)
{
    struct msp_guardset set;
    int r = open_set(mspd, &set);

    if (r == 0 && memcmp(state->options, set.digest, sizeof(set.digest)) != 0)
        /* fail closed: it would do something else than the guarded one */
        r = refuse("the guard is locked and was made with other options, users "
                   "or files; mspctl unlock first, or reboot");
    if (r == 0)
        r = keep_rules(mspd, &set);
    msp_guardset_done(&set);
    return r;
}

int mspd_guard_judge(struct mspd *mspd)
{
    struct msp_guard_state state;
    int r = msp_guard_is_elsewhere(mspd->opts.pin_dir);

    if (r > 0)
        /* fail closed: with its role this mspd could do what that one guards */
        return refuse("another guard is locked, with other pins; mspctl unlock "
                      "there first, or reboot");
    if (r == 0)
        r = msp_guard_find(mspd->opts.pin_dir, &state);
    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "start.guard", r);
        return r;
    }
    mspd->guard.found = msp_guard_is_now(&state);
    if (mspd->guard.found != MSP_GUARD_IS_LOCKED)
        return 0;
    /* fail closed: whoever started this mspd may not be who made the guard */
    if (!mspd->opts.is_guard)
        return refuse("the guard is locked and this start is without --guard; "
                      "mspctl unlock first, or reboot");
    if (msp_guard_try_role(mspd->opts.pin_dir) < 0)
        return refuse("the guard is locked and does not know this mspd: its "
                      "file or a library was replaced, or it was started "
                      "traced or in a container; reboot");
    return check_same(mspd, &state);
}

static int read_key(const char *path, uint8_t ret[MSP_TOKEN_KEY_BYTES])
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = fd < 0 ? strerror(errno) : msp_token_read_key(fd, ret);

    if (!why)
        return 0;
    msp_log(MSP_LOG_ERR, "start.guard", "key", path, "why", why, NULL);
    return -EINVAL;
}

/* @return 0; negative errno, which was logged */
static int configure(const struct mspd *mspd, const struct msp_guardset *set,
                     struct msp_guard_config *ret)
{
    struct msp_guard_config config = {.want = set->want, .n = set->n};
    int r = read_key(mspd->opts.guard_key, config.state.key);

    if (r < 0)
        return r;
    r = msp_guardset_host(config.state.host, sizeof(config.state.host));
    if (r < 0) {
        msp_log(MSP_LOG_ERR, "start.guard", "file", "/etc/machine-id", "error",
                strerror(-r), NULL);
        return r;
    }
    memcpy(config.state.options, set->digest, sizeof(set->digest));
    config.state.flags = mspd->opts.is_guard_kernel ? MSP_GUARD_KERNEL : 0;
    *ret = config;
    return 0;
}

static int make(struct mspd *mspd)
{
    struct msp_guard_config config;
    struct msp_guardset set;
    int r = open_set(mspd, &set);

    if (r == 0)
        r = configure(mspd, &set, &config);
    if (r == 0)
        r = msp_guard_make(&mspd->loader, mspd->cgroup.fd, &config,
                           &mspd->guard.roles_fd);
    if (r == 0)
        r = keep_rules(mspd, &set);
    msp_guardset_done(&set);
    return r;
}

/* Every program of the guard has come as far. @return 0; logged */
static int check_programs(const struct mspd *mspd, enum msp_lsm_state_of state)
{
    for (size_t i = 0; i < mspd->lsm.n; i++) {
        const struct msp_lsm_item *item = &mspd->lsm.item[i];

        if (item->prog->feature != MSP_LSM_GUARD || item->state == state)
            continue;
        msp_log(MSP_LOG_ERR, "start.guard", "program", item->prog->name,
                "state", msp_lsm_state_name(item->state), "why",
                msp_lsm_why(&mspd->lsm, item), NULL);
        return -EOPNOTSUPP;
    }
    return 0;
}

int mspd_guard_check(const struct mspd *mspd)
{
    struct msp_guard_config config;
    struct msp_guardset set;
    int r = 0;

    if (!mspd->opts.is_guard)
        return 0;
    if (mspd->guard.found != MSP_GUARD_IS_LOCKED) {
        r = open_set(mspd, &set);
        if (r == 0)
            r = configure(mspd, &set, &config);
        msp_guardset_done(&set);
    }
    return r < 0 ? r : check_programs(mspd, MSP_LSM_LOADED);
}

int mspd_guard_check_called(const struct mspd *mspd)
{
    if (!mspd->opts.is_guard)
        return 0;
    if (mspd->lsm.canary != MSP_LSM_CALLED)
        return refuse("--guard needs BPF LSM, which this kernel does not call");
    return check_programs(mspd, MSP_LSM_ATTACHED);
}

int mspd_guard_start(struct mspd *mspd)
{
    bool is_locked = mspd->guard.found == MSP_GUARD_IS_LOCKED;
    int r;

    if (!mspd->opts.is_guard)
        return mspd->guard.found == MSP_GUARD_IS_NONE
                   ? 0
                   : msp_guard_drop(&mspd->loader);
    r = is_locked ? msp_guard_take_over(&mspd->loader, mspd->cgroup.fd,
                                        &mspd->guard.roles_fd)
                  : make(mspd);
    if (r < 0) {
        msp_log(MSP_LOG_ERR, "start.guard", "error", strerror(-r), "why",
                mspd->loader.why, NULL);
        return r;
    }
    mspd->guard.is_on = true;
    mspd->guard.was = MSP_GUARD_IS_LOCKED;
    (void)msp_guard_stats(&mspd->loader, mspd->guard.stat);
    msp_log(MSP_LOG_WARN, "guard.locked", "guard",
            is_locked ? "taken over" : "new", NULL);
    return 0;
}

/* --- running ------------------------------------------------------------ */

static void log_refused(struct mspd *mspd)
{
    struct msp_guard_stat now[MSP_GUARD_KIND_COUNT];

    if (msp_guard_stats(&mspd->loader, now) < 0)
        return;
    for (int i = 0; i < MSP_GUARD_KIND_COUNT; i++) {
        char n[24], pid[16], uid[16], comm[sizeof(now->comm) + 1] = "";

        if (now[i].n == mspd->guard.stat[i].n)
            continue;
        (void)snprintf(n, sizeof(n), "%" PRIu64,
                       (uint64_t)(now[i].n - mspd->guard.stat[i].n));
        (void)snprintf(pid, sizeof(pid), "%u", now[i].pid);
        (void)snprintf(uid, sizeof(uid), "%u", now[i].uid);
        memcpy(comm, now[i].comm, sizeof(now->comm));
        msp_log(MSP_LOG_WARN, "guard.refused", "kind",
                msp_guard_kind_name((enum msp_guard_kind)i), "times", n,
                "last_pid", pid, "last_uid", uid, "last_comm", comm, NULL);
    }
    memcpy(mspd->guard.stat, now, sizeof(now));
}

static bool has_role(struct mspd *mspd, pid_t pid, uint32_t wanted)
{
    uint32_t flags = 0;

    /* fail closed: what cannot be asked is not known to be guarded */
    return msp_guard_role_of(&mspd->loader, mspd->guard.roles_fd, pid,
                             &flags) == 0 &&
           (flags & (wanted | MSP_GUARD_FOREIGN)) == wanted;
}

static bool is_roleless(struct mspd *mspd, const struct msp_child *child)
{
    return child->state == MSP_CHILD_RUNNING &&
           msp_io_now_ms() - child->started_ms > ROLE_MS &&
           !has_role(mspd, child->pid, MSP_GUARD_PROCESS);
}

size_t mspd_guard_roleless(struct mspd *mspd,
                           const char *ret_texts[MSPD_PROCESSES])
{
    const struct {
        const struct msp_child *child;
        const char *text;
    } rows[] = {
        {&mspd->netns.child, "mspd-netns is not guarded: root may trace it"},
        {&mspd->keeper, "mspd-keeper is not guarded: root may read the key "
                        "from it"},
        {&mspd->proxy, "mspd-proxy is not guarded: root may read the key from "
                       "it"},
    };

    size_t n = 0;

    _Static_assert(ARRAY_SIZE(rows) + 1 == MSPD_PROCESSES, "one more is mspd");
    if (!mspd->guard.is_on)
        return 0;
    if (!has_role(mspd, getpid(), MSP_GUARD_ROLE | MSP_GUARD_PROCESS))
        ret_texts[n++] = "mspd is not guarded, or may not write its maps";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (is_roleless(mspd, rows[i].child))
            ret_texts[n++] = rows[i].text;
    return n;
}

/* Told when it begins, and when it is over. */
static void watch_roles(struct mspd *mspd)
{
    const char *texts[MSPD_PROCESSES];
    size_t n = mspd_guard_roleless(mspd, texts);

    if (mspd->guard.is_roleless == (n > 0))
        return;
    mspd->guard.is_roleless = n > 0;
    if (n == 0)
        msp_log(MSP_LOG_WARN, "guard.roles", "why", "all are guarded again",
                NULL);
    for (size_t i = 0; i < n; i++)
        msp_log(MSP_LOG_ERR, "guard.roles", "why", texts[i], NULL);
}

void mspd_guard_beat(struct mspd *mspd)
{
    enum msp_guard_is is;

    if (!mspd->guard.is_on)
        return;
    log_refused(mspd);
    watch_roles(mspd);
    is = mspd_guard_is(mspd);
    if (is != mspd->guard.was)
        msp_log(MSP_LOG_WARN,
                is == MSP_GUARD_IS_LOCKED ? "guard.locked" : "guard.unlocked",
                "why", "the time of the token is over", NULL);
    mspd->guard.was = is;
    if (++mspd->guard.n_beats % LINKS_EVERY == 0 &&
        msp_guard_links(&mspd->loader) < 0)
        msp_log(MSP_LOG_ERR, "guard.links", "why", mspd->loader.why, NULL);
}

enum msp_guard_is mspd_guard_is(struct mspd *mspd)
{
    struct msp_guard_state state;

    if (!mspd->guard.is_on)
        return MSP_GUARD_IS_NONE;
    if (msp_guard_read(&mspd->loader, &state) < 0)
        return MSP_GUARD_IS_LOCKED; /* fail closed: not known to be open */
    return msp_guard_is_now(&state);
}

const char *mspd_guard_unlock(struct mspd *mspd, const char *token, size_t len)
{
    struct msp_guard_state state;
    struct msp_token_rule rule = {.key = state.key, .host = state.host};
    uint64_t expires_s = 0, left_s;
    const char *why;

    if (!mspd->guard.is_on)
        return "there is no guard: mspd was started without --guard";
    if (msp_guard_read(&mspd->loader, &state) < 0)
        return "the guard's state cannot be read";
    rule.now_s = msp_guard_now_s(&state);
    why = msp_token_check(token, len, &rule, &expires_s);
    if (why)
        return why;
    left_s = expires_s - rule.now_s;
    if (left_s > MSP_UNLOCK_MAX_S)
        left_s = MSP_UNLOCK_MAX_S;
    if (msp_guard_unlock(&mspd->loader, left_s) < 0)
        return mspd->loader.why;
    mspd->guard.was = MSP_GUARD_IS_UNLOCKED;
    return NULL;
}

/* --- status -------------------------------------------------------------- */

void mspd_guard_report(struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_guard_state state = {0};
    uint64_t left_s = 0;

    msp_rec_str(rec, "guard.state", msp_guard_is_name(mspd_guard_is(mspd)));
    if (!mspd->guard.is_on)
        return;
    if (msp_guard_read(&mspd->loader, &state) == 0)
        left_s = msp_guard_left_s(&state);
    msp_rec_str(rec, "guard.host", state.host);
    msp_rec_uint(rec, "guard.unlocked_s", left_s);
    msp_rec_bool(rec, "guard.modules", state.flags & MSP_GUARD_KERNEL);
}

void mspd_guard_report_refused(struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_guard_stat now[MSP_GUARD_KIND_COUNT];

    if (!mspd->guard.is_on || msp_guard_stats(&mspd->loader, now) < 0)
        return;
    for (int i = 0; i < MSP_GUARD_KIND_COUNT; i++) {
        msp_rec_str(rec, "_item", "guard_refused");
        msp_rec_str(rec, "kind", msp_guard_kind_name((enum msp_guard_kind)i));
        msp_rec_uint(rec, "times", now[i].n);
        msp_rec_end(rec);
    }
}
