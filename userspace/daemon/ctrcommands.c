/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Containers: what the requests of mspctl mean, and the listener each gets. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/mspd.h"

/* --- the listener of its namespace, before its first connect ------------- */

enum {
    PROC_BYTES_MAX = 65536
};

/* A namespace that is asked for. */
struct wanted {
    struct mspd *mspd;
    char path[PATH_MAX];
};

static void on_listener(void *data, int r, int fd, uint64_t cookie,
                        uint16_t port)
{
    msp_autofree struct wanted *wanted = data;
    struct mspd *mspd = wanted->mspd;
    /* no path to remember: the registration is, and asks again */
    const struct msp_listener made = {.fd = fd, .cookie = cookie, .port = port};
    const struct msp_listener *item = NULL;

    if (r == 0)
        r = msp_listeners_add(&mspd->listeners, &made, &item);
    if (r == 0)
        mspd_listeners_changed(mspd, false);
    if (r < 0)
        /* one is made when it connects, or it is denied */
        msp_log(MSP_LOG_WARN, "container.listener", "netns", wanted->path,
                "error", strerror(-r), NULL);
}

/* Whether the process is in the container: its number may be another's. */
static bool is_inside(const struct msp_ctr_record *record)
{
    msp_autofree char *text = NULL;
    char path[PATH_MAX];
    size_t len = 0;

    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/cgroup", record->pid);
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && msp_io_slurp(fd, PROC_BYTES_MAX, &text, &len) == 0 &&
           msp_cgroup_own(text, path) == 0 &&
           msp_cgroup_is_below(path, record->text[MSP_CTR_CGROUP]);
}

static void want_listener(void *data, const struct msp_container_entry *entry)
{
    const struct msp_ctr_record *record = &entry->record;
    const char *netns = record->text[MSP_CTR_NETNS];
    struct wanted *wanted;

    if (!netns && (!record->pid || !is_inside(record)))
        return;
    wanted = calloc(1, sizeof(*wanted));
    if (!wanted)
        return;
    wanted->mspd = data;
    if (netns)
        (void)snprintf(wanted->path, sizeof(wanted->path), "%s", netns);
    else
        (void)snprintf(wanted->path, sizeof(wanted->path),
                       "/proc/%" PRIu64 "/ns/net", record->pid);
    if (msp_netns_ask(&wanted->mspd->netns, wanted->path, 0, on_listener,
                      wanted) < 0)
        free(wanted);
}

/* --- start -------------------------------------------------------------- */

int mspd_containers_start(struct mspd *mspd)
{
    int r = msp_containers_open(&mspd->containers, &mspd->loader,
                                mspd->dirs.run_fd, mspd->cgroup.mount_fd);

    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "start.containers", r);
        return r;
    }
    return msp_containers_load(&mspd->containers);
}

static void on_spool(void *data)
{
    struct mspd *mspd = data;

    msp_containers_spool(&mspd->containers);
}

int mspd_containers_go(struct mspd *mspd)
{
    char path[PATH_MAX];
    int n, r;

    mspd->containers.told = want_listener;
    mspd->containers.told_data = mspd;
    n = snprintf(path, sizeof(path), "%s/spool", mspd->opts.run_dir);
    r = n < 0 || (size_t)n >= sizeof(path)
            ? -ENAMETOOLONG
            : msp_watch_open(&mspd->spool, mspd->loop, path, NULL, on_spool,
                             mspd);
    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "start.spool", r);
        return r;
    }
    /* watched before it is read: nothing comes in between */
    msp_containers_spool(&mspd->containers);
    return 0;
}

/* --- requests ----------------------------------------------------------- */

static void put_entry(struct msp_rec *rec,
                      const struct msp_container_entry *entry)
{
    msp_ctr_record_write(&entry->record, rec);
    msp_rec_uint(rec, "cgroup_id", entry->id);
    msp_rec_uint(rec, "identities", entry->n_identities);
    msp_rec_bool(rec, "ready", !entry->top_error && !entry->row_error);
}

static void put_error(struct msp_rec *rec,
                      const struct msp_container_result *result)
{
    if (result->why[0])
        msp_rec_str(rec, result->entry ? "why" : "error", result->why);
}

/* @param type ADD, SET or UPDATE */
static enum msp_ctl_status set(struct mspd *mspd, struct msp_rec *rec,
                               enum msp_ctl_type type, const char *text,
                               size_t len)
{
    const struct msp_container_result result =
        type == MSP_CTL_CONTAINER_UPDATE
            ? msp_containers_update(&mspd->containers, text, len)
            : msp_containers_set(&mspd->containers, text, len,
                                 type == MSP_CTL_CONTAINER_SET);

    put_error(rec, &result);
    if (result.entry) {
        put_entry(rec, result.entry);
        msp_rec_bool(rec, "known", result.is_known);
        want_listener(mspd, result.entry);
    }
    msp_rec_end(rec);
    return result.status;
}

static enum msp_ctl_status take_away(struct mspd *mspd, struct msp_rec *rec,
                                     const char *text, size_t len)
{
    size_t n = 0;
    const struct msp_container_result result =
        msp_containers_remove(&mspd->containers, text, len, &n);

    put_error(rec, &result);
    msp_rec_uint(rec, "removed", n);
    msp_rec_end(rec);
    return result.status;
}

static enum msp_ctl_status list(const struct mspd *mspd, struct msp_rec *rec)
{
    const struct msp_containers *containers = &mspd->containers;

    msp_rec_uint(rec, "containers", containers->n);
    msp_rec_end(rec);
    for (size_t i = 0; i < containers->n; i++) {
        msp_rec_str(rec, "_item", "container");
        put_entry(rec, containers->entry[i]);
        msp_rec_end(rec);
    }
    return MSP_CTL_OK;
}

void mspd_containers_command(struct mspd *mspd, struct msp_ctl_client *client,
                             enum msp_ctl_type type, const char *payload,
                             size_t len)
{
    enum msp_ctl_status status;
    struct msp_rec rec = {0};

    /* what was told before comes first */
    msp_containers_spool(&mspd->containers);
    if (type == MSP_CTL_CONTAINER_LIST)
        status = list(mspd, &rec);
    else if (type == MSP_CTL_CONTAINER_REMOVE)
        status = take_away(mspd, &rec, payload, len);
    else
        status = set(mspd, &rec, type, payload, len);
    msp_ctl_reply(&mspd->ctl, client, msp_ctl_serial(client), status, &rec);
}

void mspd_containers_report(const struct mspd *mspd, struct msp_rec *rec)
{
    const struct msp_containers *containers = &mspd->containers;

    msp_rec_uint(rec, "containers.registered", containers->n);
    msp_rec_uint(rec, "containers.without_row",
                 msp_containers_unfilled(containers));
    msp_rec_uint(rec, "containers.spool_bad", containers->n_bad);
}
