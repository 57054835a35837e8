/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/containers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/ctrcgroup.h"
#include "daemon/ctrlist.h"
#include "loader/events.h"

static void log_entry(const char *event,
                      const struct msp_container_entry *entry)
{
    const char *const *text = entry->record.text;
    char id[24];

    (void)snprintf(id, sizeof(id), "%" PRIu64, entry->id);
    msp_log(MSP_LOG_INFO, event, "cgroup", text[MSP_CTR_CGROUP], "cgroup_id",
            id, "name", text[MSP_CTR_NAME] ? text[MSP_CTR_NAME] : "-",
            "pod_namespace",
            text[MSP_CTR_POD_NAMESPACE] ? text[MSP_CTR_POD_NAMESPACE] : "-",
            "pod", text[MSP_CTR_POD_NAME] ? text[MSP_CTR_POD_NAME] : "-", NULL);
}

/* --- the kernel's tables ------------------------------------------------ */

/*
 * The identities of one, in the live slot. Without a policy that is known it
 * has none: what there may be of another record must not stay.
 */
static void write_row(struct msp_containers *c,
                      struct msp_container_entry *entry)
{
    struct msp_idset set;
    int r;

    entry->n_identities = 0;
    if (c->has_match)
        entry->n_identities = msp_ctr_match_find(&c->match, entry->record.fact,
                                                 entry->record.n_facts, &set);
    r = msp_ctr_live_set(c->loader, entry->id,
                         entry->n_identities ? &set : NULL);
    if (r < 0 && entry->n_identities) {
        /* fail closed: not with the identities of before */
        (void)msp_ctr_live_set(c->loader, entry->id, NULL);
        entry->n_identities = 0;
    }
    entry->row_error = r == -ENOENT ? 0 : r;
}

static void fill(struct msp_containers *c, uint64_t id)
{
    uint64_t n_left = 0;
    int r;

    (void)msp_events_stat(c->loader, MSP_STAT_CONTAINER_DROPPED, &c->n_dropped);
    r = msp_ctr_fill(c->loader, id, &n_left);
    if (r < 0 && r != -ENOENT) {
        /* fail closed: cgroups below are in no container until the next try */
        msp_log(MSP_LOG_ERR, "container.cgroups", "why", c->loader->why, NULL);
        n_left = 1;
    }
    /* of all there are it says how many lack a row; of one, only more */
    c->n_left = id ? c->n_left + n_left : n_left;
}

/* @return 0; -ENOENT its cgroup has gone; negative errno: it cannot be told */
static int look(const struct msp_containers *c,
                const struct msp_container_entry *entry)
{
    uint64_t id = 0;
    int r =
        msp_ctr_cgroup_id(c->mount_fd, entry->record.text[MSP_CTR_CGROUP], &id);

    return r == 0 && id != entry->id ? -ENOENT : r;
}

/*
 * The kernel tells of cgroups that go and have a row, not of one that went
 * before it got it. Whoever has written that row looks.
 */
static bool has_gone(const struct msp_containers *c,
                     const struct msp_container_entry *entry)
{
    return look(c, entry) == -ENOENT;
}

/*
 * First its identities, then its cgroups: nobody is in a container whose row
 * is still to be written. @return false: its cgroup has gone, drop it
 */
static bool publish(struct msp_containers *c, struct msp_container_entry *entry)
{
    struct msp_ctr_name name;

    msp_ctr_record_name(&entry->record, &name);
    (void)msp_ctr_name_set(c->loader, entry->id, &name);
    write_row(c, entry);
    entry->top_error = msp_ctr_top_set(c->loader, entry->id, true);
    if (entry->top_error < 0)
        /* fail closed: its processes are in no container */
        msp_log_errno(MSP_LOG_ERR, "container.top", entry->top_error);
    else if (!c->is_bulk)
        fill(c, entry->id);
    return !has_gone(c, entry);
}

/* The other way round. */
static void unpublish(struct msp_containers *c, uint64_t id)
{
    (void)msp_ctr_live_set(c->loader, id, NULL);
    (void)msp_ctr_top_set(c->loader, id, false);
    (void)msp_ctr_name_set(c->loader, id, NULL);
}

/* --- changes ------------------------------------------------------------ */

static int save(const struct msp_containers *c,
                const struct msp_ctr_record *record, uint64_t id)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};

    msp_ctr_record_write(record, &rec);
    msp_rec_uint(&rec, "cgroup_id", id);
    if (record->told_ns)
        msp_rec_uint(&rec, "told_ns", record->told_ns);
    msp_rec_end(&rec);
    if (rec.error < 0)
        return rec.error;
    if (rec.buf.len > MSP_CONTAINER_RECORD_MAX)
        return -E2BIG;
    return msp_ctr_store_put(&c->store, id, rec.buf.data, rec.buf.len);
}

static struct msp_container_result failed(enum msp_ctl_status status,
                                          const char *why)
{
    return (struct msp_container_result){.status = status, .why = why};
}

static struct msp_container_result gone(enum msp_ctl_status status,
                                        const char *why)
{
    return (struct msp_container_result){
        .status = status, .why = why, .is_gone = true};
}

static struct msp_container_result done(const struct msp_container_entry *entry,
                                        bool is_known)
{
    struct msp_container_result result = {
        .status = MSP_CTL_OK, .why = "", .entry = entry, .is_known = is_known};

    if (entry->top_error || entry->row_error) {
        result.status = MSP_CTL_DEGRADED;
        result.why = entry->top_error == -E2BIG
                         ? "the table of the containers' cgroups "
                           "(msp_ctr_cgroup) is full: no identity of a "
                           "container matches there until it has room"
                         : "the kernel's tables could not be written: no "
                           "identity of a container matches there yet";
    }
    return result;
}

static void changed(const struct msp_containers *c)
{
    if (c->changed)
        c->changed(c->changed_data);
}

static void drop(struct msp_containers *c, struct msp_container_entry *entry,
                 const char *event)
{
    uint64_t id = entry->id;

    log_entry(event, entry);
    msp_ctr_store_drop(&c->store, id);
    msp_ctr_list_take_out(c, entry);
    unpublish(c, id);
    memset(c->kept, 0, sizeof(c->kept));
    changed(c);
}

/* What is below is in the container above then, or in none. */
static void drop_refill(struct msp_containers *c,
                        struct msp_container_entry *entry, const char *event)
{
    uint64_t id = entry->id;

    drop(c, entry, event);
    fill(c, id);
}

/*
 * @param record taken over on success; else none is registered: what was known
 * before is not true any more
 */
static struct msp_container_result put(struct msp_containers *c, uint64_t id,
                                       struct msp_ctr_record *record)
{
    struct msp_container_entry *entry = msp_ctr_list_find(c, id);
    bool is_new = !entry;
    int r;

    if (is_new && c->n >= MSP_CONTAINERS_MAX)
        return failed(MSP_CTL_REFUSED, "too many containers are registered");
    /* before: what is in force is known to the next mspd */
    r = save(c, record, id);
    if (r < 0 && entry)
        /* fail closed: whoever is there now is not who was */
        drop_refill(c, entry, "container.lost");
    if (r == -E2BIG)
        return failed(MSP_CTL_INVALID, "the record is too long");
    if (is_new && r == 0) {
        entry = msp_ctr_list_insert(c, id);
        /* what is below it may have been in the container above */
        memset(c->kept, 0, sizeof(c->kept));
    }
    if (r < 0 || !entry) {
        msp_log_errno(MSP_LOG_ERR, "container.store", r < 0 ? r : -ENOMEM);
        return failed(MSP_CTL_INTERNAL,
                      "the registration cannot be kept in the run directory");
    }
    msp_ctr_record_done(&entry->record);
    entry->record = *record;
    *record = (struct msp_ctr_record){0};
    if (!publish(c, entry)) {
        drop(c, entry, "container.gone");
        return gone(MSP_CTL_INVALID, "the cgroup has gone meanwhile");
    }
    log_entry(is_new ? "container.added" : "container.set", entry);
    changed(c);
    return done(entry, false);
}

/* Why in words that name what is meant; they are there until the next. */
__attribute__((format(printf, 2, 3))) static const char *
words(struct msp_containers *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(c->why, sizeof(c->why), format, args);
    va_end(args);
    return c->why;
}

enum how {
    ADDED,
    SET,
    SPOOLED, /* as SET; when it was told was not now */
};

/*
 * The same again: nothing changes but that it was told now. That is kept too,
 * or an older word would count with the next mspd.
 */
static struct msp_container_result
told_again(struct msp_containers *c, struct msp_container_entry *entry,
           const struct msp_ctr_record *record)
{
    if (record->told_ns > entry->record.told_ns) {
        entry->record.told_ns = record->told_ns;
        (void)save(c, &entry->record, entry->id);
    }
    return done(entry, true);
}

static struct msp_container_result set_record(struct msp_containers *c,
                                              struct msp_ctr_record *record,
                                              enum how how)
{
    const char *path = record->text[MSP_CTR_CGROUP], *field;
    struct msp_container_entry *entry;
    uint64_t id = 0;
    int r;

    if (!path)
        return failed(MSP_CTL_INVALID, "the record has no cgroup");
    r = msp_ctr_cgroup_id(c->mount_fd, path, &id);
    if (r < 0) {
        msp_ctr_cgroup_why(c->mount_fd, path, r, c->why, sizeof(c->why));
        return (struct msp_container_result){
            .status = r == -EINVAL || r == -ENOENT ? MSP_CTL_INVALID
                                                   : MSP_CTL_INTERNAL,
            .why = c->why,
            .is_gone = r == -ENOENT};
    }
    if (record->cgroup_id && record->cgroup_id != id)
        return gone(MSP_CTL_REFUSED,
                    "the cgroup that is meant has gone, another has its name");
    entry = msp_ctr_list_find(c, id);
    /* fail closed: of two that were told the later one is what it is */
    if (entry && how == SPOOLED && record->told_ns < entry->record.told_ns)
        return gone(MSP_CTL_REFUSED, "the cgroup was registered anew since");
    field = entry ? msp_ctr_record_difference(&entry->record, record) : NULL;
    if (entry && !field)
        return told_again(c, entry, record);
    if (entry && how == ADDED) {
        /* fail closed: one of the two is wrong, so neither counts */
        drop_refill(c, entry, "container.conflict");
        return failed(MSP_CTL_REFUSED,
                      words(c,
                            "the cgroup was registered with another %s and is "
                            "registered no more: container set says what it is",
                            field));
    }
    return put(c, id, record);
}

static struct msp_container_result
set_text(struct msp_containers *c, const char *text, size_t len, enum how how)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record record = {0};
    const char *why = "";
    int r = msp_ctr_record_parse(text, len, &record, &why);

    if (r < 0)
        return failed(r == -ENOMEM ? MSP_CTL_INTERNAL : MSP_CTL_INVALID, why);
    /* fail closed: another cgroup may have the name by now */
    if (how == SPOOLED && !record.cgroup_id)
        return failed(MSP_CTL_INVALID, "the record has no cgroup_id");
    if (how != SPOOLED)
        record.told_ns = msp_io_now_ns();
    return set_record(c, &record, how);
}

struct msp_container_result msp_containers_set(struct msp_containers *c,
                                               const char *text, size_t len,
                                               bool may_replace)
{
    return set_text(c, text, len, may_replace ? SET : ADDED);
}

/* By its cgroup, without one by its id. @return MSP_CTL_OK with an entry */
static struct msp_container_result
find_known(struct msp_containers *c, const struct msp_ctr_record *record)
{
    struct msp_container_result result = {.status = MSP_CTL_OK, .why = ""};
    int which = record->text[MSP_CTR_CGROUP] ? MSP_CTR_CGROUP : MSP_CTR_ID;
    const char *wanted = record->text[which];

    if (!wanted)
        return failed(MSP_CTL_INVALID, "the record has neither cgroup nor id");
    for (size_t i = 0; i < c->n; i++) {
        const char *is = c->entry[i]->record.text[which];

        if (!is || !msp_streq(is, wanted))
            continue;
        if (result.entry)
            return failed(MSP_CTL_REFUSED,
                          "several containers have this id: give the cgroup");
        result.entry = c->entry[i];
    }
    return result.entry
               ? result
               : failed(MSP_CTL_REFUSED,
                        words(c, "no container %s is registered", wanted));
}

struct msp_container_result msp_containers_update(struct msp_containers *c,
                                                  const char *text, size_t len)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record record = {0};
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record both = {0};
    struct msp_container_result result;
    const char *why = "";
    int r = msp_ctr_record_parse(text, len, &record, &why);

    if (r < 0)
        return failed(r == -ENOMEM ? MSP_CTL_INTERNAL : MSP_CTL_INVALID, why);
    result = find_known(c, &record);
    if (!result.entry)
        return result;
    if (record.cgroup_id && record.cgroup_id != result.entry->id)
        return gone(MSP_CTL_REFUSED,
                    "the cgroup that is meant has gone, another has its name");
    r = msp_ctr_record_merge(&result.entry->record, &record, &both, &why);
    if (r < 0)
        return failed(r == -ENOMEM ? MSP_CTL_INTERNAL : MSP_CTL_INVALID, why);
    both.told_ns = msp_io_now_ns();
    if (!msp_ctr_record_difference(&result.entry->record, &both))
        return told_again(c, msp_ctr_list_find(c, result.entry->id), &both);
    return put(c, result.entry->id, &both);
}

static bool is_meant(const struct msp_container_entry *entry,
                     const struct msp_ctr_record *record)
{
    const int which[] = {MSP_CTR_CGROUP, MSP_CTR_ID};

    for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
        const char *wanted = record->text[which[i]];
        const char *is = entry->record.text[which[i]];

        if (wanted && (!is || !msp_streq(wanted, is)))
            return false;
    }
    return !record->cgroup_id || record->cgroup_id == entry->id;
}

static bool is_alive(const struct msp_containers *c,
                     const struct msp_container_entry *entry)
{
    return msp_ctr_cgroup_is_populated(
        c->mount_fd, entry->record.text[MSP_CTR_CGROUP], entry->id);
}

struct msp_container_result msp_containers_remove(struct msp_containers *c,
                                                  const char *text, size_t len,
                                                  size_t *ret_n)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record record = {0};
    const char *why = "";
    size_t n_alive = 0;
    int r = msp_ctr_record_parse(text, len, &record, &why);

    *ret_n = 0;
    if (r < 0)
        return failed(r == -ENOMEM ? MSP_CTL_INTERNAL : MSP_CTL_INVALID, why);
    if (!record.text[MSP_CTR_CGROUP] && !record.text[MSP_CTR_ID])
        return failed(MSP_CTL_INVALID, "the record has neither cgroup nor id");
    for (size_t i = c->n; i-- > 0;) {
        struct msp_container_entry *entry = c->entry[i];

        if (!is_meant(entry, &record))
            continue;
        if (record.is_ended_only && is_alive(c, entry)) {
            n_alive++;
            continue;
        }
        drop_refill(c, entry, "container.removed");
        ++*ret_n;
    }
    if (*ret_n == 0 && n_alive)
        return failed(MSP_CTL_REFUSED,
                      "its cgroup still has processes: it has not ended, or "
                      "another one has its id by now");
    if (*ret_n == 0)
        return failed(MSP_CTL_REFUSED, "no such container is registered");
    return (struct msp_container_result){.status = MSP_CTL_OK, .why = ""};
}

void msp_containers_gone(struct msp_containers *c, uint64_t id)
{
    struct msp_container_entry *entry = msp_ctr_list_find(c, id);

    /* the kernel has dropped its rows; a push may have written one since */
    if (entry)
        drop(c, entry, "container.gone");
}

/* --- the spool ---------------------------------------------------------- */

static void spool_file(void *data, const char *name, int r, const char *text,
                       size_t len)
{
    struct msp_containers *c = data;
    struct msp_container_result result =
        r < 0 ? failed(MSP_CTL_INVALID,
                       "not a file of root that nobody else may write")
              : set_text(c, text, len, SPOOLED);

    if (result.entry) {
        msp_ctr_spool_drop(&c->store, name);
        if (c->told)
            c->told(c->told_data, result.entry);
        return;
    }
    msp_log(result.is_gone ? MSP_LOG_INFO : MSP_LOG_WARN, "container.spool",
            "file", name, "why", result.why, NULL);
    if (result.is_gone) {
        msp_ctr_spool_drop(&c->store, name);
        return;
    }
    c->n_bad++;
    msp_ctr_spool_reject(&c->store, name);
}

void msp_containers_spool(struct msp_containers *c)
{
    size_t n = c->n;
    int r;

    c->is_bulk = true;
    r = msp_ctr_spool_each(&c->store, spool_file, c);
    c->is_bulk = false;
    if (r < 0)
        msp_log_errno(MSP_LOG_ERR, "container.spool", r);
    if (c->n != n)
        fill(c, 0);
}

/* --- start -------------------------------------------------------------- */

/* One of an earlier mspd; its cgroup may have gone since. */
static void load_file(void *data, const char *name, int r, const char *text,
                      size_t len)
{
    struct msp_containers *c = data;
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record record = {0};
    struct msp_container_entry *entry = NULL;
    const char *why = "";
    uint64_t id = 0;

    r = msp_ctr_record_parse(text, len, &record, &why);
    if (r == 0 && (!record.text[MSP_CTR_CGROUP] || !record.cgroup_id))
        r = -EINVAL;
    if (r == 0)
        r = msp_ctr_cgroup_id(c->mount_fd, record.text[MSP_CTR_CGROUP], &id);
    if (r == 0 && id == record.cgroup_id && c->n < MSP_CONTAINERS_MAX &&
        !msp_ctr_list_find(c, id))
        entry = msp_ctr_list_insert(c, id);
    if (!entry) {
        /* fail closed: what is not known to be there has no rights */
        if (r < 0 && r != -ENOENT)
            msp_log(MSP_LOG_WARN, "container.load", "file", name, "why",
                    why[0] ? why : strerror(-r), NULL);
        msp_ctr_store_drop(&c->store, strtoull(name, NULL, 10));
        return;
    }
    entry->record = record;
    record = (struct msp_ctr_record){0};
}

/* Tops nobody has registered: of files that are lost, or were not written. */
static int drop_strangers(struct msp_containers *c)
{
    msp_autofree uint64_t *top = NULL;
    size_t n = 0;
    int r = msp_ctr_tops(c->loader, &top, &n);

    for (size_t i = 0; r == 0 && i < n; i++)
        if (!msp_ctr_list_find(c, top[i]))
            unpublish(c, top[i]);
    return r;
}

int msp_containers_load(struct msp_containers *c)
{
    int r = msp_ctr_store_each(&c->store, load_file, c);

    if (r == 0)
        r = drop_strangers(c);
    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "container.load", r);
        return r;
    }
    for (size_t i = c->n; i-- > 0;) {
        struct msp_container_entry *entry = c->entry[i];
        struct msp_ctr_name name;

        msp_ctr_record_name(&entry->record, &name);
        (void)msp_ctr_name_set(c->loader, entry->id, &name);
        entry->top_error = msp_ctr_top_set(c->loader, entry->id, true);
        if (has_gone(c, entry))
            drop(c, entry, "container.gone");
    }
    fill(c, 0);
    return 0;
}

int msp_containers_open(struct msp_containers *c, struct msp_loader *loader,
                        int run_fd, int mount_fd)
{
    *c = (struct msp_containers){
        .loader = loader, .store = MSP_CTR_STORE_NONE, .mount_fd = mount_fd};
    return msp_ctr_store_open(&c->store, run_fd);
}

void msp_containers_done(struct msp_containers *c)
{
    if (!c->loader)
        return;
    msp_ctr_list_done(c);
    msp_ctr_match_done(&c->match);
    msp_ctr_store_done(&c->store);
    *c = (struct msp_containers){.store = MSP_CTR_STORE_NONE, .mount_fd = -1};
}

/* --- from time to time -------------------------------------------------- */

/* A few by turns: the kernel may have failed to take a row away. */
static void look_at_some(struct msp_containers *c)
{
    for (size_t n = 0; n < MSP_CONTAINERS_LOOKS && c->n; n++) {
        size_t i = c->next_look < c->n ? c->next_look : 0;

        c->next_look = i + 1;
        if (has_gone(c, c->entry[i])) {
            drop(c, c->entry[i], "container.gone");
            c->next_look = i;
        }
        if (c->next_look >= c->n)
            return;
    }
}

void msp_containers_sweep(struct msp_containers *c)
{
    uint64_t dropped = c->n_dropped;

    for (size_t i = c->n; i-- > 0;) {
        struct msp_container_entry *entry = c->entry[i];

        if (msp_ctr_top_of(c->loader, entry->id) != entry->id) {
            /* the kernel's word of it was lost, or it never had a row */
            if (look(c, entry) < 0 || !publish(c, entry))
                drop(c, entry, "container.gone");
        } else if (entry->row_error) {
            write_row(c, entry);
        }
    }
    look_at_some(c);
    (void)msp_events_stat(c->loader, MSP_STAT_CONTAINER_DROPPED, &dropped);
    if (dropped != c->n_dropped || c->n_left)
        fill(c, 0);
}

/* --- the policy --------------------------------------------------------- */

int msp_containers_rows(struct msp_containers *c, const struct msp_image *image,
                        struct msp_ctr_match *ret_match,
                        struct msp_ctr_rows *ret_rows)
{
    int r = msp_ctr_match_init(image, ret_match);

    *ret_rows = (struct msp_ctr_rows){0};
    if (r < 0 || !ret_match->n)
        return r;
    ret_rows->top = calloc(c->n + 1, sizeof(*ret_rows->top));
    ret_rows->row = calloc(c->n + 1, sizeof(*ret_rows->row));
    if (!ret_rows->top || !ret_rows->row) {
        msp_ctr_rows_done(ret_rows);
        msp_ctr_match_done(ret_match);
        return -ENOMEM;
    }
    for (size_t i = 0; i < c->n; i++) {
        struct msp_ctr_row *row = &ret_rows->row[ret_rows->n];

        if (!msp_ctr_match_find(ret_match, c->entry[i]->record.fact,
                                c->entry[i]->record.n_facts, &row->set))
            continue;
        row->stamp = msp_ctr_stamp();
        ret_rows->top[ret_rows->n++] = c->entry[i]->id;
    }
    return 0;
}

void msp_containers_take(struct msp_containers *c, struct msp_ctr_match *match)
{
    struct msp_idset set;

    msp_ctr_match_done(&c->match);
    c->match = *match;
    c->has_match = true;
    *match = (struct msp_ctr_match){0};
    for (size_t i = 0; i < c->n; i++) {
        c->entry[i]->row_error = 0;
        c->entry[i]->n_identities =
            msp_ctr_match_find(&c->match, c->entry[i]->record.fact,
                               c->entry[i]->record.n_facts, &set);
    }
}

void msp_containers_rewrite(struct msp_containers *c)
{
    for (size_t i = 0; i < c->n; i++)
        write_row(c, c->entry[i]);
}

void msp_containers_forget(struct msp_containers *c)
{
    msp_ctr_match_done(&c->match);
    c->has_match = false;
}
