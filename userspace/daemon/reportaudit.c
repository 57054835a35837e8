/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `audit`: the kernel's rows as records. */
#include <string.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/names.h"
#include "daemon/mspd.h"
#include "daemon/stamp.h"
#include "loader/events.h"
#include "loader/live.h"

struct audit {
    struct msp_rec *rec;
    uint64_t real_offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    const struct mspd *mspd;
    char endpoint[MSP_ENDPOINTS_MAX][MSP_ENDPOINT_NAME_BYTES]; /* "" = ask */
};

static void put_time(const struct audit *audit, const char *name, uint64_t ns)
{
    char stamp[MSP_STAMP_BYTES];

    msp_stamp(ns + audit->real_offset_ns, stamp);
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
    uint64_t dropped = 0;
    int r;

    audit.real_offset_ns = msp_stamp_now_ns() - msp_io_now_ns();
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
