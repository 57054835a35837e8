/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the requests of mspctl mean. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include <msp/cleanup.h>

#include "base/log.h"
#include "daemon/mspd.h"
#include "daemon/store.h"
#include "loader/upgrade.h"

/* A client whose answer comes later. */
struct waiting {
    struct mspd *mspd;
    const struct msp_ctl_client *client;
    uint64_t serial;
    char *path; /* netns add; owned */
};

static struct waiting *wait_for(struct mspd *mspd,
                                const struct msp_ctl_client *client)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));

    if (waiting)
        *waiting = (struct waiting){
            .mspd = mspd, .client = client, .serial = msp_ctl_serial(client)};
    return waiting;
}

static void reply(struct waiting *waiting, enum msp_ctl_status status,
                  struct msp_rec *rec)
{
    msp_ctl_reply(&waiting->mspd->ctl, waiting->client, waiting->serial, status,
                  rec);
    free(waiting->path);
    free(waiting);
}

static void reply_now(struct mspd *mspd, const struct msp_ctl_client *client,
                      enum msp_ctl_status status, struct msp_rec *rec)
{
    msp_ctl_reply(&mspd->ctl, client, msp_ctl_serial(client), status, rec);
}

static void refuse_now(struct mspd *mspd, const struct msp_ctl_client *client,
                       enum msp_ctl_status status, const char *why)
{
    struct msp_rec rec = {0};

    msp_rec_str(&rec, "error", why);
    msp_rec_end(&rec);
    reply_now(mspd, client, status, &rec);
}

/* --- push --------------------------------------------------------------- */

static void put_slot(struct msp_rec *rec, const char *prefix,
                     const struct msp_slot_meta *slot)
{
    bool is_none = !slot->generation || slot->flags & MSP_SLOT_BOOTSTRAP;
    char hex[2 * MSP_DIGEST_BYTES + 1], name[64];

    msp_digest_hex(slot->digest, hex);
    (void)snprintf(name, sizeof(name), "%s.generation", prefix);
    msp_rec_uint(rec, name, slot->generation);
    (void)snprintf(name, sizeof(name), "%s.digest", prefix);
    msp_rec_str(rec, name, is_none ? "none" : hex);
}

static void put_unresolved(void *data, const struct msp_unresolved *unresolved)
{
    struct msp_rec *rec = data;
    char text[256];

    (void)snprintf(text, sizeof(text), "matches nobody now: %s",
                   unresolved->why);
    msp_rec_str(rec, "_item", "warnings");
    msp_rec_str(rec, "identity", unresolved->identity);
    msp_rec_str(rec, "selector", unresolved->selector);
    msp_rec_str(rec, "name", unresolved->value);
    msp_rec_str(rec, "text", text);
    msp_rec_end(rec);
}

static void on_pushed(void *data, const struct msp_push_result *result)
{
    struct waiting *waiting = data;
    struct msp_rec rec = {0};

    if (result->status != MSP_CTL_OK)
        msp_rec_str(&rec, "error", result->why);
    msp_rec_bool(&rec, "dry_run", result->is_dry_run);
    put_slot(&rec, "old", &result->before);
    if (result->is_dry_run && result->status == MSP_CTL_OK) {
        char hex[2 * MSP_DIGEST_BYTES + 1];

        msp_digest_hex(result->held->image.header->digest, hex);
        msp_rec_uint(&rec, "new.generation", result->before.generation + 1);
        msp_rec_str(&rec, "new.digest", hex);
    } else if (result->status == MSP_CTL_OK) {
        put_slot(&rec, "new", &result->now);
    }
    msp_rec_end(&rec);
    if (result->held)
        msp_policy_unresolved(&waiting->mspd->policy, result->held,
                              put_unresolved, &rec);
    reply(waiting, result->status, &rec);
}

static void push(struct mspd *mspd, const struct msp_ctl_client *client,
                 char *payload, size_t len)
{
    msp_autofree char *owned = payload;
    struct msp_ctl_push head;
    struct waiting *waiting;

    if (len <= sizeof(head)) {
        refuse_now(mspd, client, MSP_CTL_INVALID, "the push has no image");
        return;
    }
    memcpy(&head, payload, sizeof(head));
    if (head.flags & ~(MSP_PUSH_DRY_RUN | MSP_PUSH_EXPECT)) {
        refuse_now(mspd, client, MSP_CTL_INVALID, "unknown push flags");
        return;
    }
    waiting = wait_for(mspd, client);
    if (!waiting) {
        refuse_now(mspd, client, MSP_CTL_INTERNAL, "out of memory");
        return;
    }
    /* to the front, where it is aligned */
    memmove(owned, owned + sizeof(head), len - sizeof(head));
    if (msp_policy_push(&mspd->policy, TAKE_PTR(owned), len - sizeof(head),
                        head.flags, head.expect, on_pushed, waiting) < 0) {
        free(waiting);
        refuse_now(mspd, client, MSP_CTL_INTERNAL, "out of memory");
    }
}

static void rollback(struct mspd *mspd, const struct msp_ctl_client *client,
                     const char *payload, size_t len)
{
    struct msp_ctl_push head;
    struct waiting *waiting;

    if (len != sizeof(head)) {
        refuse_now(mspd, client, MSP_CTL_INVALID, "not a rollback request");
        return;
    }
    memcpy(&head, payload, sizeof(head));
    if (head.flags & ~(MSP_PUSH_DRY_RUN | MSP_PUSH_EXPECT)) {
        refuse_now(mspd, client, MSP_CTL_INVALID, "unknown rollback flags");
        return;
    }
    waiting = wait_for(mspd, client);
    if (!waiting || msp_policy_rollback(&mspd->policy, head.flags, head.expect,
                                        on_pushed, waiting) < 0) {
        free(waiting);
        refuse_now(mspd, client, MSP_CTL_INTERNAL, "out of memory");
    }
}

/* Digests of all there are, by where they come from. */
static void put_origins(const struct mspd *mspd, struct msp_rec *rec)
{
    const struct msp_held *host = &mspd->policy.host;
    char hex[2 * MSP_DIGEST_BYTES + 1] = "none";
    struct msp_stored pushed = {0};
    const char *why = "";

    msp_rec_str(rec, "policy.origin", msp_origin_name(mspd->policy.origin));
    if (host->bytes)
        msp_digest_hex(host->image.header->digest, hex);
    msp_rec_str(rec, "policy.host", hex);
    mspd_channel_report_local(mspd, rec);
    (void)snprintf(hex, sizeof(hex), "none");
    if (msp_store_read(mspd->dirs.state_fd, MSP_STORE_LAST, &pushed, &why) == 0)
        msp_digest_hex(pushed.image.header->digest, hex);
    msp_rec_str(rec, "policy.pushed", hex);
    free(pushed.bytes);
}

static void show(struct mspd *mspd, const struct msp_ctl_client *client)
{
    const struct msp_held *live = &mspd->policy.live;
    struct msp_slot_meta slot = msp_tables_live(&mspd->loader);
    struct msp_rec rec = {0};

    put_slot(&rec, "policy", &slot);
    msp_rec_bool(&rec, "policy.bootstrap", slot.flags & MSP_SLOT_BOOTSTRAP);
    put_origins(mspd, &rec);
    msp_rec_bool(&rec, "policy.known", live->bytes != NULL);
    if (!live->bytes)
        msp_rec_str(&rec, "policy.why",
                    "the image in force is not known to this mspd");
    msp_rec_end(&rec);
    if (rec.error == 0)
        rec.error = msp_buf_append(&rec.buf, "", 1);
    if (rec.error == 0 && live->bytes)
        rec.error = msp_buf_append(&rec.buf, live->bytes, live->len);
    reply_now(mspd, client, live->bytes ? MSP_CTL_OK : MSP_CTL_DEGRADED, &rec);
}

/* --- namespaces --------------------------------------------------------- */

static void put_listener(struct msp_rec *rec, const struct msp_listener *item)
{
    msp_rec_str(rec, "path", item->path ? item->path : "");
    msp_rec_bool(rec, "own", item->is_own);
    msp_rec_bool(rec, "on_demand", !item->path && !item->is_own);
    msp_rec_uint(rec, "cookie", item->cookie);
    msp_rec_uint(rec, "port", item->port);
    msp_rec_bool(rec, "ready", item->has_row);
}

static const char *why_no_row(const struct msp_listener *item)
{
    if (item->row_error == -E2BIG)
        return "the table of namespaces (msp_netns) is full: connects there are denied until it has room";
    return item->row_error < 0 ? strerror(-item->row_error)
                               : "the proxy does not serve it yet";
}

static void on_netns_added(void *data, int r, int fd, uint64_t cookie,
                           uint16_t port)
{
    struct waiting *waiting = data;
    struct mspd *mspd = waiting->mspd;
    const struct msp_listener *item = NULL;
    struct msp_rec rec = {0};
    enum msp_ctl_status status = MSP_CTL_OK;
    char why[PATH_MAX + 64];
    bool is_known = false, is_named = false;

    if (r == 0) {
        const struct msp_listener made = {
            .fd = fd, .cookie = cookie, .port = port, .path = waiting->path};

        r = msp_listeners_add(&mspd->listeners, &made, &item);
        is_known = r > 0;
        is_named = r == 2;
    }
    if (r < 0 || !item) {
        bool is_bad = r == -ENOENT || r == -EINVAL || r == -EACCES ||
                      r == -ENOTDIR || r == -ENAMETOOLONG;

        status = is_bad ? MSP_CTL_INVALID : MSP_CTL_INTERNAL;
        (void)snprintf(why, sizeof(why), "%s: %s", waiting->path,
                       r == -EINVAL ? "not a network namespace" : strerror(-r));
        msp_rec_str(&rec, "error", why);
    } else {
        if (!is_known || is_named)
            mspd_listeners_changed(mspd, true);
        put_listener(&rec, item);
        msp_rec_bool(&rec, "known", is_known);
        status = item->has_row ? MSP_CTL_OK : MSP_CTL_DEGRADED;
        if (!item->has_row)
            msp_rec_str(&rec, "why", why_no_row(item));
    }
    msp_rec_end(&rec);
    reply(waiting, status, &rec);
}

static void netns_add(struct mspd *mspd, const struct msp_ctl_client *client,
                      const char *path, size_t len)
{
    struct waiting *waiting;
    int r = -ENOMEM;

    if (strlen(path) != len || path[0] != '/' || strchr(path, '\n')) {
        refuse_now(mspd, client, MSP_CTL_INVALID, "not an absolute path");
        return;
    }
    waiting = wait_for(mspd, client);
    if (waiting) {
        waiting->path = strdup(path);
        if (waiting->path)
            r = msp_netns_ask(&mspd->netns, path, 0, on_netns_added, waiting);
    }
    if (r < 0) {
        if (waiting)
            free(waiting->path);
        free(waiting);
        refuse_now(mspd, client,
                   r == -ENAMETOOLONG ? MSP_CTL_INVALID : MSP_CTL_INTERNAL,
                   strerror(-r));
    }
}

static void netns_list(struct mspd *mspd, const struct msp_ctl_client *client)
{
    struct msp_rec rec = {0};

    msp_rec_uint(&rec, "listeners", mspd->listeners.n);
    msp_rec_end(&rec);
    for (size_t i = 0; i < mspd->listeners.n; i++) {
        msp_rec_str(&rec, "_item", "netns");
        put_listener(&rec, &mspd->listeners.item[i]);
        msp_rec_end(&rec);
    }
    reply_now(mspd, client, MSP_CTL_OK, &rec);
}

/* --- guard -------------------------------------------------------------- */

/* Policy and programs are root's to change only while the guard is open. */
static bool is_locked(struct mspd *mspd, const struct msp_ctl_client *client)
{
    if (mspd_guard_is(mspd) != MSP_GUARD_IS_LOCKED)
        return false;
    msp_log(MSP_LOG_WARN, "guard.refused", "kind", "command", NULL);
    refuse_now(mspd, client, MSP_CTL_REFUSED,
               "the tamper guard is locked: mspctl unlock --token FILE first");
    return true;
}

static void reply_guard(struct mspd *mspd, const struct msp_ctl_client *client)
{
    struct msp_rec rec = {0};

    mspd_guard_report(mspd, &rec);
    msp_rec_end(&rec);
    reply_now(mspd, client, MSP_CTL_OK, &rec);
}

static void unlock(struct mspd *mspd, const struct msp_ctl_client *client,
                   const char *token, size_t len)
{
    const char *why = mspd_guard_unlock(mspd, token, len);

    msp_log(MSP_LOG_WARN, why ? "guard.token_refused" : "guard.unlocked", "why",
            why ? why : "a token", NULL);
    if (why)
        refuse_now(mspd, client, MSP_CTL_REFUSED, why);
    else
        reply_guard(mspd, client);
}

static void lock(struct mspd *mspd, const struct msp_ctl_client *client)
{
    if (!mspd->guard.is_on) {
        refuse_now(mspd, client, MSP_CTL_REFUSED,
                   "there is no guard: mspd was started without --guard");
        return;
    }
    if (msp_guard_unlock(&mspd->loader, 0) < 0) {
        refuse_now(mspd, client, MSP_CTL_INTERNAL, mspd->loader.why);
        return;
    }
    mspd->guard.was = MSP_GUARD_IS_LOCKED;
    msp_log(MSP_LOG_WARN, "guard.locked", "why", "mspctl lock", NULL);
    reply_guard(mspd, client);
}

/* --- detach ------------------------------------------------------------- */

/*
 * The only way out: nothing is enforced afterwards, and this process ends. The
 * state directory keeps the policy for the next start.
 */
static void detach(struct mspd *mspd, const struct msp_ctl_client *client,
                   const char *dir, size_t len)
{
    struct msp_rec rec = {0};
    int r;

    if (len && !msp_streq(dir, mspd->loader.pins.dir)) {
        refuse_now(mspd, client, MSP_CTL_INVALID,
                   "the pins of this mspd are in another directory");
        return;
    }
    r = msp_upgrade_detach(&mspd->loader);
    if (r < 0) {
        msp_log(MSP_LOG_ERR, "detach.failed", "why", mspd->loader.why, NULL);
        refuse_now(mspd, client, MSP_CTL_INTERNAL, mspd->loader.why);
        return;
    }
    mspd->is_detached = true;
    msp_log(MSP_LOG_WARN, "detach.done", "pins", mspd->loader.pins.dir, NULL);
    msp_rec_bool(&rec, "detached", true);
    msp_rec_str(&rec, "pins", mspd->loader.pins.dir);
    msp_rec_str(&rec, "cgroup", mspd->cgroup.path);
    msp_rec_end(&rec);
    reply_now(mspd, client, MSP_CTL_OK, &rec);
    msp_loop_quit(mspd->loop, MSP_EXIT_OK);
}

/* --- reports ------------------------------------------------------------ */

static void report(struct mspd *mspd, const struct msp_ctl_client *client)
{
    struct msp_rec rec = {0};
    enum msp_ctl_status status;

    msp_coexist_refresh(&mspd->coexist);
    status = mspd_report(mspd, &rec);
    reply_now(mspd, client, status, &rec);
}

static void provision(struct mspd *mspd, const struct msp_ctl_client *client)
{
    struct msp_rec rec = {0};

    mspd_reports_provision(mspd, &rec);
    msp_rec_end(&rec);
    reply_now(mspd, client, MSP_CTL_OK, &rec);
}

static void audit(struct mspd *mspd, const struct msp_ctl_client *client)
{
    struct msp_rec rec = {0};
    int r = mspd_report_audit(mspd, &rec);

    reply_now(mspd, client, r < 0 ? MSP_CTL_INTERNAL : MSP_CTL_OK, &rec);
}

/* --- dispatch ----------------------------------------------------------- */

void mspd_command(void *data, struct msp_ctl_client *client,
                  enum msp_ctl_type type, char *payload, size_t len)
{
    struct mspd *mspd = data;
    msp_autofree char *owned = payload;

    switch (type) {
    case MSP_CTL_STATUS:
        report(mspd, client);
        return;
    case MSP_CTL_PROVISION:
        provision(mspd, client);
        return;
    case MSP_CTL_PUSH:
        if (is_locked(mspd, client))
            return;
        push(mspd, client, TAKE_PTR(owned), len);
        return;
    case MSP_CTL_SHOW:
        show(mspd, client);
        return;
    case MSP_CTL_AUDIT:
        audit(mspd, client);
        return;
    case MSP_CTL_NETNS_ADD:
        netns_add(mspd, client, owned, len);
        return;
    case MSP_CTL_NETNS_LIST:
        netns_list(mspd, client);
        return;
    case MSP_CTL_ROLLBACK:
        if (is_locked(mspd, client))
            return;
        rollback(mspd, client, owned, len);
        return;
    case MSP_CTL_DETACH:
        if (is_locked(mspd, client))
            return;
        detach(mspd, client, owned, len);
        return;
    case MSP_CTL_UNLOCK:
        unlock(mspd, client, owned, len);
        return;
    case MSP_CTL_LOCK:
        lock(mspd, client);
        return;
    case MSP_CTL_CONTAINER_ADD:
    case MSP_CTL_CONTAINER_SET:
    case MSP_CTL_CONTAINER_REMOVE:
    case MSP_CTL_CONTAINER_LIST:
    case MSP_CTL_CONTAINER_UPDATE:
        mspd_containers_command(mspd, client, type, owned, len);
        return;
    case MSP_CTL_NONE:
    case MSP_CTL_TYPE_COUNT:
        break;
    }
    refuse_now(mspd, client, MSP_CTL_INVALID, "unknown request");
}
