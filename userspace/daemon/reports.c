/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files that say how it stands: <run>/status.json, what `mspctl --json status`
 * prints, and by option the platform's. Written whole or not at all, when
 * something has changed, at most once a heartbeat, and every minute. What
 * cannot be written makes the state degraded and nothing else.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/mspd.h"
#include "daemon/platform.h"
#include "daemon/stamp.h"

static const char file_name[] = "status.json";

enum {
    QUIET = 20, /* a write may be slow: as many times what it took is */
    QUIET_MS_MAX = 2000, /* left to the rest, but no more than this */
};

static const char *dir_of(const struct mspd *mspd, int file)
{
    return file == MSPD_REPORT_OWN ? mspd->opts.run_dir
                                   : mspd->opts.platform_status;
}

bool mspd_reports_are_failing(const struct mspd *mspd)
{
    for (int i = 0; i < MSPD_REPORTS; i++)
        if (mspd->reports.error[i] < 0)
            return true;
    return mspd->platform.error < 0 || mspd->tags.error < 0;
}

/* As for all waits of the channel, tests make it shorter. */
static uint64_t scaled(const struct mspd *mspd, uint64_t ms)
{
    const char *scale = mspd->opts.channel_scale;

    return ms / (scale ? strtoul(scale, NULL, 10) : 1);
}

/* --- what they say -------------------------------------------------------- */

/* As `mspctl --json status`. @return 0; -ENOMEM; negative errno */
static int print_own(struct mspd *mspd, FILE *out)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    msp_cleanup(msp_model_done) struct msp_model model = {0};
    enum msp_ctl_status status = mspd_report(mspd, &rec);
    int r = rec.error;

    if (r == 0)
        r = msp_model_read((char *)rec.buf.data, rec.buf.len, &model);
    if (r < 0)
        return r;
    return msp_json_print(&model, status == MSP_CTL_OK ? "ok" : "degraded",
                          NULL, NULL, out);
}

/* What the item of an endpoint is called in its document. */
static const char *rule_id(const struct mspd *mspd, enum msp_builtin endpoint)
{
    const struct msp_image *image = &mspd->policy.live.image;

    if (!mspd->policy.live.bytes ||
        (uint32_t)endpoint >= image->n[MSP_SEC_ENDPOINTS])
        return "";
    return msp_image_string(image, image->endpoints[endpoint].id_off);
}

static int print_platform(struct mspd *mspd, FILE *out)
{
    const struct msp_child_channel *channel = &mspd->channel;
    struct msp_part_now parts[MSP_PART_COUNT];
    char path[1024];
    struct msp_platform platform = {
        .real_ns = msp_stamp_now_ns(),
        .version = MSP_VERSION,
        .path = path,
        .parts = parts,
        .state = channel->state[0] ? channel->state : "Unknown",
        .guid = mspd->key->has_key ? mspd->key->packet.guid : NULL,
        .has_incarnation = channel->has_incarnation,
        .incarnation = channel->incarnation,
        .n_requests = mspd->log.n_requests,
        .log = &mspd->platform,
        .now_ms = msp_io_now_ms(),
    };

    (void)snprintf(path, sizeof(path), "%s/%s", mspd->opts.platform_status,
                   file_name);
    for (int i = 0; i < MSP_EP_BUILTINS; i++)
        platform.rule_id[i] = rule_id(mspd, (enum msp_builtin)i);
    mspd_parts(mspd, parts);
    return msp_platform_print(&platform, out);
}

/*
 * What `--status` says of provisioning.
 * @param ret_missing [MSP_PARTS_TEXT_BYTES] what is not ready; "" = all is
 * @return whether it has ended: all is ready, or was not in time
 */
static bool is_provisioned(const struct mspd *mspd,
                           const struct msp_part_now parts[MSP_PART_COUNT],
                           char *ret_missing)
{
    bool is_late = msp_io_now_ms() - mspd->reports.start_ms >=
                   scaled(mspd, MSP_PROVISION_MS);

    return msp_parts_are_ready(parts, ret_missing, MSP_PARTS_TEXT_BYTES) ||
           is_late;
}

/* --- writing -------------------------------------------------------------- */

static int store(const struct mspd *mspd, int file, const char *text,
                 size_t len)
{
    msp_autoclose int fd = -1;
    int r;

    if (file == MSPD_REPORT_OWN)
        return msp_dirs_replace(mspd->dirs.run_fd, file_name, 0640, text, len);
    /* each time: it may have been made anew */
    r = msp_dirs_open_public(mspd->opts.platform_status, &fd);
    return r < 0 ? r : msp_dirs_replace(fd, file_name, 0640, text, len);
}

static int write_file(struct mspd *mspd, int file)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int r;

    if (!out)
        return -ENOMEM;
    r = file == MSPD_REPORT_OWN ? print_own(mspd, out)
                                : print_platform(mspd, out);
    if (fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    return r < 0 ? r : store(mspd, file, text, len);
}

/* @param was error of the attempt before */
static void log_result(const char *dir, int was, int r)
{
    if (r == was)
        return;
    msp_log(r < 0 ? MSP_LOG_WARN : MSP_LOG_INFO, "report", "directory", dir,
            "result", r < 0 ? strerror(-r) : "written again", NULL);
}

static void set_tags(struct mspd *mspd)
{
    struct msp_part_now parts[MSP_PART_COUNT];
    char missing[MSP_PARTS_TEXT_BYTES] = "";
    int was = mspd->tags.error;
    bool is_there = false;

    /* one that ends answers nobody: not ready */
    if (mspd->reports.is_begun && !mspd->reports.is_stopping) {
        mspd_parts(mspd, parts);
        is_there = is_provisioned(mspd, parts, missing);
    }
    log_result(
        mspd->tags.dir, was,
        msp_tags_set(&mspd->tags, is_there, missing, msp_stamp_now_ns()));
}

static void write_all(struct mspd *mspd)
{
    struct mspd_reports *reports = &mspd->reports;
    uint64_t began = msp_io_now_ms(), now, quiet_ms;

    for (int i = 0; i < MSPD_REPORTS; i++) {
        int r;

        if (!dir_of(mspd, i))
            continue;
        r = write_file(mspd, i);
        log_result(dir_of(mspd, i), reports->error[i], r);
        reports->error[i] = r;
    }
    set_tags(mspd);
    (void)malloc_trim(0); /* they take megabytes for a moment, each minute */
    now = msp_io_now_ms();
    quiet_ms = QUIET * (now - began);
    reports->next_ms =
        now + (quiet_ms < QUIET_MS_MAX ? quiet_ms : QUIET_MS_MAX);
    reports->due_ms =
        now + scaled(mspd, mspd_reports_are_failing(mspd) ? MSP_REPORT_RETRY_MS
                                                          : MSP_REPORT_MS);
}

/* --- when ----------------------------------------------------------------- */

/* FNV-1a: two states that look alike wait for the next minute. */
static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *byte = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix(hash, text, strlen(text) + 1);
}

/* Of what readers wait for; numbers that only count are not in it. */
static uint64_t look(struct mspd *mspd)
{
    struct msp_slot_meta live = msp_tables_live(&mspd->loader);
    struct mspd_reasons reasons = mspd_reasons(mspd, &live);
    const struct msp_child_channel *channel = &mspd->channel;
    struct msp_part_now parts[MSP_PART_COUNT];
    char missing[MSP_PARTS_TEXT_BYTES];
    uint64_t hash = 0xcbf29ce484222325ull;
    bool is_ended;

    for (size_t i = 0; i < reasons.n; i++)
        hash = mix_text(hash, reasons.text[i]);
    mspd_parts(mspd, parts);
    is_ended = is_provisioned(mspd, parts, missing);
    hash = mix(hash, &is_ended, sizeof(is_ended));
    for (int i = 0; i < MSP_PART_COUNT; i++) {
        hash = mix(hash, &parts[i].word, sizeof(parts[i].word));
        hash = mix_text(hash, parts[i].message);
    }
    if (mspd->key->has_key)
        hash = mix_text(hash, mspd->key->packet.guid);
    hash = mix_text(hash, channel->state);
    hash = mix_text(hash, channel->message);
    hash = mix_text(hash, channel->policy);
    hash = mix(hash, &channel->incarnation, sizeof(channel->incarnation));
    hash = mix(hash, live.digest, sizeof(live.digest));
    return mix(hash, &mspd->policy.origin, sizeof(mspd->policy.origin));
}

void mspd_reports_clear(struct mspd *mspd)
{
    mspd->tags.dir = mspd->opts.platform_tags;
    set_tags(mspd);
}

void mspd_reports_start(struct mspd *mspd)
{
    mspd->reports.is_begun = true;
    mspd_reports_beat(mspd);
}

void mspd_reports_beat(struct mspd *mspd)
{
    struct mspd_reports *reports = &mspd->reports;
    uint64_t now = msp_io_now_ms(), seen;

    msp_platformlog_retry(&mspd->platform, now);
    if (!reports->is_begun || now < reports->next_ms)
        return;
    seen = look(mspd);
    if (now < reports->due_ms && seen == reports->shown)
        return;
    write_all(mspd);
    /* before: that one has just begun to fail is a change */
    reports->shown = seen;
}

void mspd_reports_stop(struct mspd *mspd, int code)
{
    if (!mspd->reports.is_begun)
        return;
    mspd->reports.is_stopping = true;
    mspd->reports.is_failed = code != MSP_EXIT_OK;
    write_all(mspd);
    mspd->reports.is_begun = false;
}

/* --- in status ------------------------------------------------------------ */

void mspd_reports_provision(const struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_part_now parts[MSP_PART_COUNT];
    char missing[MSP_PARTS_TEXT_BYTES];

    mspd_parts(mspd, parts);
    msp_rec_bool(rec, "provision.finished",
                 is_provisioned(mspd, parts, missing));
    msp_rec_str(rec, "provision.error", missing);
}

static void put_file(const char *dir, const char *name, int error,
                     bool is_written, struct msp_rec *rec)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    msp_rec_str(rec, "_item", "reports");
    msp_rec_str(rec, "file", path);
    msp_rec_str(rec, "state",
                error < 0    ? "failed"
                : is_written ? "written"
                             : "not yet");
    if (error < 0)
        msp_rec_str(rec, "why", strerror(-error));
    msp_rec_end(rec);
}

void mspd_reports_list(const struct mspd *mspd, struct msp_rec *rec)
{
    struct msp_part_now parts[MSP_PART_COUNT];

    mspd_parts(mspd, parts);
    for (int i = 0; i < MSP_PART_COUNT; i++) {
        msp_rec_str(rec, "_item", "parts");
        msp_rec_str(rec, "name", msp_part_name((enum msp_part)i));
        msp_rec_str(rec, "status", msp_part_word_name(parts[i].word));
        msp_rec_str(rec, "message", parts[i].message);
        msp_rec_end(rec);
    }
    for (int i = 0; i < MSPD_REPORTS; i++)
        if (dir_of(mspd, i))
            put_file(dir_of(mspd, i), file_name, mspd->reports.error[i],
                     mspd->reports.is_begun, rec);
    if (mspd->platform.dir)
        put_file(mspd->platform.dir, MSP_PLATFORMLOG_NAME, mspd->platform.error,
                 mspd->reports.is_begun, rec);
    if (mspd->tags.dir)
        put_file(mspd->tags.dir, MSP_TAGS_STATUS, mspd->tags.error,
                 mspd->tags.is_finished, rec);
}
