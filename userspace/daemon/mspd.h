/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Everything one mspd holds. Its parts do not know this file, but for main.c,
 * agents.c, commands.c and report.c, which connect them. */
#pragma once

#include <msp/child.h>

#include "daemon/cgpaths.h"
#include "daemon/cgroup.h"
#include "daemon/child.h"
#include "daemon/coexist.h"
#include "daemon/connlog.h"
#include "daemon/containers.h"
#include "daemon/ctl.h"
#include "daemon/dirs.h"
#include "daemon/listeners.h"
#include "daemon/localrules.h"
#include "daemon/names.h"
#include "daemon/netns.h"
#include "daemon/opts.h"
#include "daemon/parkq.h"
#include "daemon/parts.h"
#include "daemon/platformlog.h"
#include "daemon/policy.h"
#include "daemon/tags.h"
#include "daemon/uplinks.h"
#include "daemon/watch.h"
#include "loader/events.h"
#include "loader/guard.h"
#include "loader/load.h"
#include "loader/lsm.h"

/* The signing key on its way to the proxy; one locked page, wiped at the end.
 */
struct msp_key_box {
    struct msp_child_key packet;
    bool has_key;
};

enum {
    MSPD_PROCESSES = 4, /* mspd and its children */
};

/* Why the state is "degraded"; none = it is not. */
struct mspd_reasons {
    const char *text[48]; /* at least one for each question there is */
    size_t n;
};

/* Files that say how it stands; reports.c. */
enum mspd_report_file {
    MSPD_REPORT_OWN = 0,  /* status.json of the run directory */
    MSPD_REPORT_PLATFORM, /* of --platform-status */
    MSPD_REPORTS,
};

struct mspd_reports {
    bool is_begun;           /* there is something to say */
    bool is_stopping;        /* the last ones are written */
    bool is_failed;          /* of a failure */
    uint64_t start_ms;       /* of mspd */
    uint64_t shown;          /* a hash of what they say */
    uint64_t next_ms;        /* not before; how often at most */
    uint64_t due_ms;         /* at the latest */
    int error[MSPD_REPORTS]; /* 0; negative errno of the last attempt */
};

/* Lines that a container can bring about as often as it likes; zeroed: none. */
struct mspd_often {
    uint64_t n; /* since the last one */
    uint64_t logged_ms;
};

enum {
    MSPD_OFTEN_BYTES = 128
};

struct mspd {
    struct msp_opts opts;
    struct msp_dirs dirs;
    struct msp_cgroup cgroup;
    struct msp_loop *loop;
    struct msp_loader loader;
    struct msp_lsm lsm;

    struct {
        enum msp_guard_is found; /* at start */
        enum msp_guard_is was;   /* at the last heartbeat */
        bool is_on;
        uint32_t n_beats;
        struct msp_guard_stat stat[MSP_GUARD_KIND_COUNT]; /* then */
        int roles_fd;                                     /* -1: no guard */
        bool is_roleless; /* at the last heartbeat, one of ours */
    } guard;
    struct msp_netns_client netns;
    struct msp_child keeper;
    struct msp_child proxy;
    struct msp_listeners listeners;
    struct mspd_often lost; /* listeners */

    struct {
        struct msp_source source; /* of the ring */
        struct msp_parkq queue;
        struct msp_park now; /* is asked for */
        bool is_asking;
        bool is_pumping;
        bool has_waiting_rows; /* there may be some to expire */
        struct mspd_often failed;
        struct mspd_often moved;
        struct msp_timer sweep;
    } parked;
    struct msp_names names;
    struct msp_policy policy;
    struct msp_connlog log;
    struct msp_platformlog platform;
    struct msp_cgpaths cgpaths;
    struct msp_paths paths; /* for the log and the audit */
    struct msp_ctl ctl;
    struct msp_watch watch;
    struct msp_containers containers;
    struct msp_watch spool;
    struct msp_coexist coexist;
    struct msp_uplinks uplinks;
    struct msp_timer heartbeat;
    uint64_t n_beats;
    struct msp_timer drain;
    struct msp_counters_sweep counters;
    bool is_sweeping_counters; /* the last one was of use */
    struct mspd_reports reports;
    struct msp_tags tags;

    struct msp_key_box *key;          /* locked memory */
    char key_why[1024];               /* why there is no key */
    struct msp_child_channel channel; /* as the keeper told; zeroed: not yet */
    struct msp_child_clock clock;     /* of the host; boot_ns 0: not known */
    struct msp_localrules localrules;
    int key_fd;         /* of the key file, -1 none */
    char slot_text[16]; /* arguments of the proxy */
    char epoch_text[24];
    uint64_t epoch;
    bool is_proxy_ready;
    bool is_attached;
    bool is_detached; /* since, for good */
    bool is_start_failed;
    bool is_scanned;      /* for namespaces that had a listener */
    size_t n_start_waits; /* what the first start of the proxy waits for */
    bool is_key_awaited;  /* one of them; until key_wait fires */
    struct msp_timer key_wait;
};

/* Brings the programs into force, if they are not. main.c.
 * @return 0; negative errno, which was logged */
int mspd_attach(struct mspd *mspd);

/* --- agents.c: the children and what they are given --------------------- */

/* Starts mspd-netns; still with every privilege. @return 0; -errno */
int mspd_start_netns(struct mspd *mspd);
/* @return 0; negative errno */
int mspd_start_keeper(struct mspd *mspd, uint32_t uid, uint32_t gid);
/* Sets the proxy's user; it is started by mspd_start_listeners. */
void mspd_init_proxy(struct mspd *mspd, uint32_t uid, uint32_t gid);
/* Asks for the listeners of the root namespace and of those an earlier mspd
 * served; then starts the proxy. @return 0; negative errno */
int mspd_start_listeners(struct mspd *mspd);
/* The keeper has said what it can about the key, or never will. */
void mspd_key_awaited(struct mspd *mspd);
/*
 * Some were added, or their rows are to be written: hands on what the proxy
 * lacks.
 * @param has_paths remember those of hooks and people for the next start
 */
void mspd_listeners_changed(struct mspd *mspd, bool has_paths);

/* --- parked.c: listeners on demand, and letting go of them ---------------- */

/* @return 0; negative errno */
int mspd_parked_start(struct mspd *mspd);
/*
 * One more of these: at most one line a second is written, and says how many
 * there were.
 * @param ret the text for it, if so
 * @return whether it is to be written
 */
bool mspd_often(struct mspd_often *often, const char *what,
                char ret[MSPD_OFTEN_BYTES]);
void mspd_parked_done(struct mspd *mspd);

/* --- channel.c: the keeper's side of the secure channel ------------------- */

/* What the keeper is started with, with --secure-channel. */
void mspd_channel_prepare(struct mspd *mspd, struct msp_child_spawn *ret);
/* A packet of the keeper about it. @return 0; -EPROTO not one of these */
int mspd_channel_packet(struct mspd *mspd, const void *packet, size_t len);
/* The same for MSP_CHILD_IMAGE. @param fd borrowed @return 0; -EPROTO */
int mspd_channel_image(struct mspd *mspd, const void *packet, size_t len,
                       int fd);
/* The keeper is a new one. */
void mspd_channel_started(struct mspd *mspd);
/* Tells the keeper of local rule files that may have changed. */
void mspd_channel_look(struct mspd *mspd);
/* Whether such a file that the host asks for is not in force as it is there. */
bool mspd_channel_has_local_fault(const struct mspd *mspd);
/* Tells the proxy the host's time, once that is known. */
void mspd_channel_give_clock(struct mspd *mspd);
/* Whether the host says that nothing is to be guarded: there is no key then. */
bool mspd_channel_is_disabled(const struct mspd *mspd);
void mspd_channel_report(const struct mspd *mspd, struct msp_rec *rec);
/*
 * Field `policy.local`: endpoints with a local rule file that counts, be it
 * that it denies; `policy.local_use`: how each of them does.
 */
void mspd_channel_report_local(const struct mspd *mspd, struct msp_rec *rec);

/* --- guard.c: the tamper guard ------------------------------------------- */

/* Before anything is opened: whether this mspd may start beside the guard that
 * is in force. @return 0; negative errno, which was logged */
int mspd_guard_judge(struct mspd *mspd);
/* Before anything is attached: whether what --guard names can be used, and its
 * programs are loaded. @return 0; negative errno, which was logged */
int mspd_guard_check(const struct mspd *mspd);
/* LSM programs are attached and nothing else yet: whether those of the guard
 * are, and are called. @return 0; negative errno, which was logged */
int mspd_guard_check_called(const struct mspd *mspd);
/* Everything is attached: makes the guard, takes it over, or ends one that is
 * not asked for any more. @return 0; negative errno, which was logged */
int mspd_guard_start(struct mspd *mspd);
/* Logs what was refused and what has changed. */
void mspd_guard_beat(struct mspd *mspd);
enum msp_guard_is mspd_guard_is(struct mspd *mspd);
/* @return NULL: unlocked; why not, valid until the next call */
const char *mspd_guard_unlock(struct mspd *mspd, const char *token, size_t len);
/*
 * Processes of ours that the guard takes for anybody's.
 * @param ret_texts [MSPD_PROCESSES] a sentence each; static
 * @return their number
 */
size_t mspd_guard_roleless(struct mspd *mspd,
                           const char *ret_texts[MSPD_PROCESSES]);
/* Fields of status, items of status. */
void mspd_guard_report(struct mspd *mspd, struct msp_rec *rec);
void mspd_guard_report_refused(struct mspd *mspd, struct msp_rec *rec);

/* --- ctrcommands.c: containers ------------------------------------------- */

/* Before the policy: opens the registry and takes up what is known.
 * @return 0; negative errno, which was logged */
int mspd_containers_start(struct mspd *mspd);
/* Listeners can be made: reads the spool, now and whenever a file comes.
 * @return 0; negative errno, which was logged */
int mspd_containers_go(struct mspd *mspd);
/* One of the four requests. */
void mspd_containers_command(struct mspd *mspd, struct msp_ctl_client *client,
                             enum msp_ctl_type type, const char *payload,
                             size_t len);
/* Fields of status. */
void mspd_containers_report(const struct mspd *mspd, struct msp_rec *rec);

/* --- reasons.c: how it stands --------------------------------------------- */

/* Stopped by a signal or a debugger: it runs but does not serve. */
bool mspd_is_frozen(pid_t pid);
/* "off", "on", or that it should be on and is not attached */
const char *mspd_fd_guard_state(const struct mspd *mspd);
void mspd_parts(const struct mspd *mspd,
                struct msp_part_now ret[MSP_PART_COUNT]);
struct mspd_reasons mspd_reasons(struct mspd *mspd,
                                 const struct msp_slot_meta *live);

/* --- reports.c: files that say how it stands ------------------------------ */

/* Before there is: what an earlier mspd said is not so any more. */
void mspd_reports_clear(struct mspd *mspd);
/* There is something to report: from now on every beat may. */
void mspd_reports_start(struct mspd *mspd);
/* Writes what has changed, and what is due. Logs what fails. */
void mspd_reports_beat(struct mspd *mspd);
/* The last ones: mspd ends. @param code enum msp_exit */
void mspd_reports_stop(struct mspd *mspd, int code);
bool mspd_reports_are_failing(const struct mspd *mspd);
/* Fields of status: as far as provisioning is. */
void mspd_reports_provision(const struct mspd *mspd, struct msp_rec *rec);
/* Items of status: the parts, the files. */
void mspd_reports_list(const struct mspd *mspd, struct msp_rec *rec);

/* --- commands.c, report.c, reportaudit.c ----------------------------------------------- */

void mspd_command(void *data, struct msp_ctl_client *client,
                  enum msp_ctl_type type, char *payload, size_t len);
/* @return MSP_CTL_OK or MSP_CTL_DEGRADED */
enum msp_ctl_status mspd_report(struct mspd *mspd, struct msp_rec *rec);
int mspd_report_audit(const struct mspd *mspd, struct msp_rec *rec);
