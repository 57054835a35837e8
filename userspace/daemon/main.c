/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspd: order of start and stop, nothing else. */
#include <errno.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <bpf/libbpf.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>
#include <msp/limits.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/mspd.h"
#include "daemon/notify.h"
#include "daemon/privs.h"
#include "loader/attach.h"
#include "loader/events.h"
#include "loader/fdguard.h"
#include "loader/iter.h"
#include "loader/probe.h"
#include "loader/upgrade.h"

enum {
    FILES_WANTED = 262144,
    CONTAINERS_BEATS = 10, /* between two looks at the registry */
    COUNTERS_BEATS = 10,   /* between two looks at how full they are */
    CGROUPS_BEATS = 5 /* heartbeats between two tries: they walk all cgroups */
};

struct service_user {
    uint32_t uid;
    uint32_t gid;
};

static int __attribute__((format(printf, 2, 0)))
libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
    return msp_log_libbpf((int)level, format, args);
}

static int find_user(const char *name, struct service_user *ret)
{
    const struct passwd *user = getpwnam(name);

    if (!user || user->pw_uid == 0 || user->pw_gid == 0) {
        msp_log(MSP_LOG_ERR, "start.user", "name", name, "why",
                user ? "is root" : "does not exist", NULL);
        return -ENOENT;
    }
    *ret = (struct service_user){user->pw_uid, user->pw_gid};
    return 0;
}

static int failed(const char *what, int r, const char *why)
{
    msp_log(MSP_LOG_ERR, what, "error", strerror(-r), "why", why, NULL);
    return r;
}

/* --- running ------------------------------------------------------------ */

/* The kernel has stopped calling LSM programs, or calls them again. */
static void watch_lsm(struct mspd *mspd)
{
    if (!msp_lsm_check(&mspd->lsm))
        return;
    if (mspd->lsm.canary == MSP_LSM_CALLED)
        msp_log(MSP_LOG_WARN, "lsm.called", "why", "again", NULL);
    else
        msp_log(MSP_LOG_ERR, "lsm.silent", "why",
                msp_lsm_why_silent(&mspd->lsm), NULL);
}

/* At each beat as long as it is of use. */
static void sweep_counters(struct mspd *mspd)
{
    int r;

    if (!mspd->is_sweeping_counters && mspd->n_beats % COUNTERS_BEATS)
        return;
    r = msp_events_counters_sweep(&mspd->loader, &mspd->counters);
    if (r < 0)
        msp_log_errno(MSP_LOG_WARN, "counters.sweep", r);
    mspd->is_sweeping_counters = r > 0;
}

static void on_heartbeat(void *data)
{
    struct mspd *mspd = data;

    msp_loader_beat(&mspd->loader, msp_io_now_ns());
    /* a namespace whose row found no room is tried again */
    if (mspd->is_proxy_ready)
        (void)msp_listeners_publish(&mspd->listeners, true);
    watch_lsm(mspd);
    mspd_guard_beat(mspd);
    mspd_channel_look(mspd);
    mspd_reports_beat(mspd);
    /* and so is a cgroup's */
    if (++mspd->n_beats % CGROUPS_BEATS == 0 &&
        msp_iter_cgroups_left(&mspd->loader) < 0)
        msp_log(MSP_LOG_WARN, "cgroups.rows", "why", mspd->loader.why, NULL);
    if (mspd->n_beats % CONTAINERS_BEATS == 0)
        msp_containers_sweep(&mspd->containers);
    sweep_counters(mspd);
    (void)msp_timer_set(&mspd->heartbeat, MSP_HEARTBEAT_MS);
}

static void on_drain(void *data)
{
    struct mspd *mspd = data;
    bool is_more = msp_events_drain(&mspd->loader) > 0;

    /* not at once: everybody else has a turn in between */
    (void)msp_timer_set(&mspd->drain, is_more ? 1 : MSP_RING_DRAIN_MS);
}

static void on_event(void *data, const struct msp_event *event)
{
    struct mspd *mspd = data;

    msp_connlog_connect(&mspd->log, event);
    msp_platformlog_connect(&mspd->platform, event);
}

static void on_gone(void *data, uint64_t cgroup_id)
{
    struct mspd *mspd = data;

    msp_containers_gone(&mspd->containers, cgroup_id);
}

static const struct msp_ctr_record *container_of_cgroup(void *data,
                                                        uint64_t cgroup_id)
{
    struct mspd *mspd = data;
    const struct msp_container_entry *entry =
        msp_containers_find(&mspd->containers, cgroup_id);

    return entry ? &entry->record : NULL;
}

static uint64_t top_of_cgroup(void *data, uint64_t cgroup_id)
{
    struct mspd *mspd = data;
    const struct msp_container_entry *entry =
        msp_containers_find(&mspd->containers, cgroup_id);

    return entry ? entry->id : 0;
}

static const char *path_of_exe(void *data, const struct msp_exe *exe)
{
    const struct mspd *mspd = data;

    return msp_exes_path(&mspd->policy.exes, exe);
}

static const char *path_of_cgroup(void *data, uint64_t cgroup_id)
{
    struct mspd *mspd = data;

    return msp_cgpaths_find(&mspd->cgpaths, cgroup_id);
}

static void on_users_changed(void *data)
{
    struct mspd *mspd = data;

    msp_policy_names_changed(&mspd->policy);
    msp_users_changed(&mspd->platform.users);
}

static void on_signal(void *data, int signo)
{
    struct mspd *mspd = data;

    if (signo == SIGHUP) {
        int r = msp_connlog_reopen(&mspd->log);

        if (r < 0)
            msp_log_errno(MSP_LOG_ERR, "log.reopen", r);
        msp_platformlog_open(&mspd->platform);
        return;
    }
    msp_loop_quit(mspd->loop, MSP_EXIT_OK);
}

/* --- start -------------------------------------------------------------- */

static void log_lsm(const struct msp_lsm *lsm)
{
    for (size_t i = 0; i < lsm->n; i++) {
        const struct msp_lsm_item *item = &lsm->item[i];

        if (item->error)
            msp_log(MSP_LOG_INFO, "lsm.refused", "program", item->prog->name,
                    "state", msp_lsm_state_name(item->state), "why",
                    msp_lsm_why(lsm, item), NULL);
    }
    msp_log(lsm->canary == MSP_LSM_SILENT ? MSP_LOG_ERR : MSP_LOG_INFO,
            "start.tier", "tier", msp_lsm_is_tier(lsm) ? "lsm" : "cgroup",
            NULL);
}

/* @return 0; negative errno, which was logged */
static int attach_programs(struct mspd *mspd)
{
    int r;

    /* before the others: where it is required and refused nothing changes */
    r = msp_lsm_attach(&mspd->loader, &mspd->lsm);
    if (r < 0)
        return failed("start.lsm", r, mspd->loader.why);
    log_lsm(&mspd->lsm);
    r = mspd_guard_check_called(mspd);
    if (r < 0)
        return r;
    /* before: no connection of ours comes about without it */
    r = msp_fd_guard_set(&mspd->loader, mspd->opts.is_fd_guard);
    if (r == 0)
        r = msp_attach(&mspd->loader, mspd->cgroup.fd);
    return r < 0 ? failed("start.attach", r, mspd->loader.why) : 0;
}

/* What stands on the programs. @return 0; negative errno, which was logged */
static int attach_rest(struct mspd *mspd)
{
    /* not before: ours drops what another layout's proxy sends */
    int r = msp_uplinks_start(&mspd->uplinks, mspd->loop, &mspd->loader,
                              &mspd->policy.targets, mspd->opts.uplink,
                              mspd->opts.n_uplinks);

    if (r < 0)
        return failed("start.uplinks", r, "devices cannot be watched");
    return mspd_guard_start(mspd);
}

static bool is_first(const struct mspd *mspd)
{
    return !mspd->loader.is_reused && !msp_upgrade_is_due(&mspd->loader);
}

/* Nobody is to be left denied by an mspd that never ran. */
static void withdraw(struct mspd *mspd)
{
    int r = msp_upgrade_detach(&mspd->loader);

    if (r < 0)
        (void)failed("start.withdraw", r, mspd->loader.why);
}

int mspd_attach(struct mspd *mspd)
{
    bool is_new = is_first(mspd); /* before attaching makes it false */
    int r;

    if (mspd->is_attached)
        return 0;
    r = attach_programs(mspd);
    if (r < 0) {
        if (!mspd->loader.is_reused)
            msp_lsm_withdraw(&mspd->loader, &mspd->lsm);
        return r;
    }
    r = attach_rest(mspd);
    if (r < 0) {
        /* fail closed: what was in force before this start stays in force */
        if (is_new)
            withdraw(mspd);
        return r;
    }
    mspd->is_attached = true;
    msp_log(MSP_LOG_INFO, "start.live", "cgroup", mspd->cgroup.path, "pins",
            mspd->loader.is_reused ? "taken over" : "new", NULL);
    msp_coexist_start(&mspd->coexist, mspd->loop, &mspd->loader,
                      mspd->cgroup.fd);
    return 0;
}

/*
 * Something is in force in the maps: bring the programs into force. Where
 * another layout's programs are, they stay until our proxy can serve.
 */
static int go_live(struct mspd *mspd)
{
    bool is_beside =
        !mspd->loader.is_reused && msp_upgrade_is_due(&mspd->loader);
    int r;

    if (is_beside)
        msp_log(MSP_LOG_INFO, "start.beside", "pins", mspd->loader.pins.root,
                "why", "another layout is in force", NULL);
    r = is_beside ? 0 : mspd_attach(mspd);
    if (r < 0)
        return r;
    on_heartbeat(mspd);
    on_drain(mspd);
    r = mspd_start_listeners(mspd);
    if (r == 0)
        r = mspd_parked_start(mspd);
    if (r < 0)
        return failed("start.listeners", r, mspd->loader.why);
    r = mspd_containers_go(mspd);
    if (r < 0)
        return r;
    r = msp_ctl_open(&mspd->ctl, mspd->loop, mspd->dirs.run_fd, mspd_command,
                     mspd);
    if (r < 0)
        return failed("start.control", r, "");
    mspd_reports_start(mspd);
    /* the kernel's BTF and the objects are of no use any more */
    (void)malloc_trim(0);
    return 0;
}

static void on_restored(void *data, const struct msp_push_result *result)
{
    struct mspd *mspd = data;

    if (result->status == MSP_CTL_OK && go_live(mspd) == 0)
        return;
    /* called while starting or from the loop: either one ends */
    mspd->is_start_failed = true;
    msp_loop_quit(mspd->loop, MSP_EXIT_INTERNAL);
}

static int start_bpf(struct mspd *mspd, const struct service_user *proxy,
                     const struct service_user *keeper)
{
    const struct msp_probe_row *rows;
    const char *missing;
    size_t n;
    int r;

    (void)libbpf_set_print(libbpf_print);
    missing = msp_probe(&rows, &n);
    if (missing)
        return failed("start.probe", -EOPNOTSUPP, missing);
    r = msp_loader_open(&mspd->loader, mspd->opts.pin_dir, proxy->uid,
                        keeper->uid);
    if (r == 0)
        r = msp_lsm_open(&mspd->loader, mspd->opts.lsm,
                         MSP_LSM_BASE |
                             (mspd->opts.is_guard ? MSP_LSM_GUARD : 0u) |
                             (mspd->opts.is_raw_denied ? MSP_LSM_DENY_RAW : 0u),
                         &mspd->lsm);
    if (r == 0)
        r = msp_events_open(&mspd->loader, on_event, on_gone, mspd);
    if (r < 0)
        return failed("start.bpf", r, mspd->loader.why);
    if (mspd->loader.is_leftover)
        msp_log(MSP_LOG_WARN, "start.leftover", "pins", mspd->loader.pins.root,
                "why", "no connect program was attached; made anew", NULL);
    mspd->epoch = mspd->loader.old_epoch + 1;
    r = msp_netns_give_own_sk(&mspd->netns,
                              msp_loader_map_fd(&mspd->loader, "msp_own_sk"));
    return r < 0 ? failed("start.netns", r, "mspd-netns does not listen") : 0;
}

static int start_key_box(struct mspd *mspd)
{
    void *page = mmap(NULL, sizeof(*mspd->key), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return -errno;
    mspd->key = page;
    if (mlock(page, sizeof(*mspd->key)) < 0 ||
        madvise(page, sizeof(*mspd->key), MADV_DONTDUMP) < 0)
        return -errno;
    return 0;
}

/* With every privilege: directories, users, mspd-netns; then without. */
static int start_privileged(struct mspd *mspd, struct service_user *proxy,
                            struct service_user *keeper)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
    const char *what = "";
    int r;

    r = find_user(mspd->opts.proxy_user, proxy);
    if (r == 0)
        r = find_user(mspd->opts.keeper_user, keeper);
    if (r < 0)
        return r;
    r = msp_dirs_open(&mspd->dirs, &mspd->opts, &what);
    if (r == -EEXIST)
        what = "another mspd runs with this run directory";
    if (r < 0)
        return failed("start.directories", r, what);
    if (mspd->opts.is_channel)
        r = msp_dirs_open_keys(&mspd->dirs, &mspd->opts, keeper->gid, &what);
    if (r < 0)
        return failed("start.keys", r, what);
    if (mspd->opts.adopt_keys && mspd->dirs.adopt_fd < 0)
        msp_log(MSP_LOG_WARN, "key.adopt", "dir", mspd->opts.adopt_keys,
                "error", strerror(ENOENT), "why", "no key is adopted", NULL);
    r = msp_cgroup_open(&mspd->cgroup, mspd->opts.cgroup, &what);
    if (r < 0)
        return failed("start.cgroup", r, what);
    r = msp_loop_new(&mspd->loop);
    if (r == 0)
        r = msp_loop_signals(mspd->loop, signals, on_signal, mspd);
    if (r == 0)
        r = start_key_box(mspd);
    if (r < 0)
        return failed("start.loop", r, "");
    r = mspd_start_netns(mspd);
    if (r < 0)
        return r;
    r = msp_privs_reduce();
    if (r < 0)
        /* fail closed: not with more privilege than stated */
        return failed("start.privileges", r, "capabilities");
    return 0;
}

static int start_logs(struct mspd *mspd)
{
    struct msp_platformlog *platform = &mspd->platform;
    int r = msp_connlog_open(&mspd->log, mspd->dirs.log_fd);

    if (r < 0)
        return failed("start.log", r, mspd->opts.log_dir);
    mspd->cgpaths.loader = &mspd->loader;
    mspd->paths = (struct msp_paths){.data = mspd,
                                     .exe = path_of_exe,
                                     .cgroup = path_of_cgroup,
                                     .container = container_of_cgroup,
                                     .top = top_of_cgroup};
    mspd->log.paths = platform->paths = &mspd->paths;
    platform->is_on = mspd->opts.platform_status || mspd->opts.platform_log;
    platform->dir = mspd->opts.platform_log;
    /* one that cannot be opened is told by status, and tried again */
    msp_platformlog_open(platform);
    return 0;
}

static int start(struct mspd *mspd)
{
    static const char *const users[] = {"passwd", "group", NULL};
    struct service_user proxy, keeper;
    struct msp_policy_parts parts = {
        .loader = &mspd->loader,
        .names = &mspd->names,
        .opens = &mspd->netns.opens,
        .containers = &mspd->containers,
    };
    int r;

    r = mspd_guard_judge(mspd);
    if (r < 0)
        return r;
    r = start_privileged(mspd, &proxy, &keeper);
    if (r < 0)
        return r;
    mspd_reports_clear(mspd);
    msp_timer_init(mspd->loop, &mspd->heartbeat, on_heartbeat, mspd);
    msp_timer_init(mspd->loop, &mspd->drain, on_drain, mspd);
    r = start_logs(mspd);
    if (r < 0)
        return r;
    r = start_bpf(mspd, &proxy, &keeper);
    if (r < 0)
        return r;
    r = mspd_guard_check(mspd);
    if (r < 0) {
        if (is_first(mspd))
            withdraw(mspd);
        return r;
    }
    r = mspd_containers_start(mspd);
    if (r < 0)
        return r;
    msp_names_init(&mspd->names, mspd->loop, &mspd->keeper);
    parts.loop = mspd->loop;
    parts.state_fd = mspd->dirs.state_fd;
    r = msp_policy_init(&mspd->policy, &parts, mspd->opts.is_bootstrap_deny,
                        mspd->opts.is_channel && !mspd->opts.is_push_only);
    if (r < 0)
        return failed("start.files", r, "inotify");
    r = msp_netns_give_watch(&mspd->netns, mspd->policy.exes.watch.fd);
    if (r < 0)
        return failed("start.netns", r, "mspd-netns does not listen");
    (void)mspd_start_keeper(mspd, keeper.uid, keeper.gid);
    mspd_init_proxy(mspd, proxy.uid, proxy.gid);
    r = msp_watch_open(&mspd->watch, mspd->loop, "/etc", users,
                       on_users_changed, mspd);
    if (r < 0)
        return failed("start.watch", r, "/etc");
    r = msp_policy_restore(&mspd->policy, on_restored, mspd);
    if (r < 0)
        return failed("start.policy", r, "");
    return mspd->is_start_failed ? -EIO : 0;
}

/* --- stop --------------------------------------------------------------- */

/* What is pinned stays in force: connects then fail for want of a listener. */
static void stop(struct mspd *mspd, int code)
{
    if (code == MSP_EXIT_OK) {
        (void)msp_notify("STOPPING=1");
        if (mspd->is_attached) {
            msp_listeners_unpublish(&mspd->listeners, false);
            msp_loader_beat(&mspd->loader, 0); /* nobody waits for us */
        }
        msp_child_stop(&mspd->proxy);
        msp_child_stop(&mspd->keeper);
    }
    mspd_reports_stop(mspd, code);
    if (mspd->key_wait.loop)
        msp_timer_stop(&mspd->key_wait);
    mspd_parked_done(mspd);
    msp_ctl_done(&mspd->ctl);
    msp_watch_done(&mspd->watch);
    msp_watch_done(&mspd->spool);
    msp_uplinks_done(&mspd->uplinks);
    msp_coexist_done(&mspd->coexist);
    msp_policy_done(&mspd->policy);
    msp_containers_done(&mspd->containers);
    msp_names_done(&mspd->names);
    msp_child_done(&mspd->proxy);
    msp_child_done(&mspd->keeper);
    msp_netns_done(&mspd->netns);
    msp_listeners_done(&mspd->listeners);
    msp_connlog_done(&mspd->log);
    msp_platformlog_done(&mspd->platform);
    msp_cgpaths_done(&mspd->cgpaths);
    msp_closep(&mspd->guard.roles_fd);
    msp_closep(&mspd->localrules.kept_fd);
    msp_lsm_done(&mspd->lsm);
    msp_loader_done(&mspd->loader);
    if (mspd->key) {
        explicit_bzero(mspd->key, sizeof(*mspd->key));
        (void)munmap(mspd->key, sizeof(*mspd->key));
    }
    msp_loop_free(mspd->loop);
    msp_closep(&mspd->cgroup.fd);
    msp_closep(&mspd->cgroup.mount_fd);
    msp_dirs_done(&mspd->dirs);
}

/*
 * Each network namespace takes one descriptor here and one in the proxy, which
 * has the same limit and takes no more for connections than are spared here.
 * @return how many listeners that leaves room for
 */
static size_t raise_files(void)
{
    struct rlimit limit;
    size_t max;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur =
        limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    max = limit.rlim_cur - MSP_FILES_SPARE(limit.rlim_cur);
    return max < MSP_NETNS_MAX ? max : MSP_NETNS_MAX;
}

int main(int argc, char **argv)
{
    static struct mspd mspd = {
        .cgroup = {.fd = -1, .mount_fd = -1},
        .key_fd = -1,
        .localrules.kept_fd = -1,
        .dirs = {-1, -1, -1, -1, -1, -1},
        .log.file.fd = -1,
        .platform = MSP_PLATFORMLOG_NONE,
        .loader.link_fd = MSP_NO_LINKS,
        .guard.roles_fd = -1,
    };
    int r;

    r = msp_opts_parse(argc, argv, &mspd.opts, stdout, stderr);
    if (r == MSP_OPTS_DONE)
        return MSP_EXIT_OK;
    if (r < 0)
        return MSP_EXIT_USAGE;
    msp_log_set_level(mspd.opts.log_level);
    if (geteuid() != 0) {
        msp_log(MSP_LOG_ERR, "start.user", "why", "must be started as root",
                NULL);
        return MSP_EXIT_INTERNAL;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    mspd.listeners.max = raise_files();
    mspd.reports.start_ms = msp_io_now_ms();
    r = start(&mspd);
    r = r < 0 ? MSP_EXIT_INTERNAL : msp_loop_run(mspd.loop);
    if (r < 0)
        r = MSP_EXIT_INTERNAL;
    stop(&mspd, r);
    msp_log(MSP_LOG_INFO, "stop", "code", r == MSP_EXIT_OK ? "ok" : "internal",
            NULL);
    return r;
}
