/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/exerows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

enum {
    /* so that new ones find room before old ones are dropped */
    ROWS = MSP_EXE_ROWS_MAX - MSP_EXES_MAX
};

int msp_exe_compare(const struct msp_exe *a, const struct msp_exe *b)
{
    if (a->s_dev != b->s_dev)
        return a->s_dev < b->s_dev ? -1 : 1;
    if (a->ino != b->ino)
        return a->ino < b->ino ? -1 : 1;
    return (a->generation > b->generation) - (a->generation < b->generation);
}

static int compare_ctime(const struct msp_exe_found *a,
                         const struct msp_exe_found *b)
{
    if (a->ctime_sec != b->ctime_sec)
        return a->ctime_sec < b->ctime_sec ? -1 : 1;
    return (a->ctime_nsec > b->ctime_nsec) - (a->ctime_nsec < b->ctime_nsec);
}

/* By file; current ones first, then the earliest retired; latest ctime. */
static int compare_found(const void *a, const void *b)
{
    const struct msp_exe_found *left = a, *right = b;
    int r = msp_exe_compare(&left->exe, &right->exe);

    if (r == 0)
        r = (left->retired_ns > right->retired_ns) -
            (left->retired_ns < right->retired_ns);
    if (r == 0)
        r = compare_ctime(right, left);
    return r ? r : (left->path > right->path) - (left->path < right->path);
}

static void set_bit(struct msp_idset *set, uint32_t bit)
{
    set->word[bit / 64] |= 1ull << bit % 64;
}

static bool has_bit(const struct msp_idset *set, uint32_t bit)
{
    return set->word[bit / 64] >> bit % 64 & 1;
}

/* --- build -------------------------------------------------------------- */

struct build {
    const struct msp_image *image;
    const struct msp_resolved *resolved;
};

/* Whether an identity means its path in this root. */
static bool is_its_root(const struct msp_exe_found *found,
                        const struct msp_image_identity *identity, uint32_t bit)
{
    return found->inside ? identity->n_demands && has_bit(found->inside, bit)
                         : !identity->n_demands;
}

/* Adds the identities that demand the path of `found`. */
static void add_identities(const struct build *build,
                           const struct msp_exe_found *found,
                           struct msp_exe_row *row)
{
    const struct msp_image *image = build->image;
    bool is_hash_of_row = found->has_sha256 &&
                          found->ctime_sec == row->ctime_sec &&
                          found->ctime_nsec == row->ctime_nsec;

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *identity = &image->identities[i];

        if (!(identity->flags & MSP_ID_EXE) || identity->exe != found->path ||
            !is_its_root(found, identity, i) ||
            msp_rows_is_dead(identity,
                             build->resolved ? &build->resolved[i] : NULL))
            continue;
        if (!(identity->flags & MSP_ID_SHA256)) {
            set_bit(&row->set, i);
            continue;
        }
        set_bit(&row->demands, i);
        if (is_hash_of_row &&
            memcmp(identity->sha256, found->sha256, sizeof(found->sha256)) == 0)
            set_bit(&row->hashed, i);
    }
}

/* One row of the files [n] that are the same one; the first one leads. */
static void make_row(const struct build *build, const struct msp_idset *wild,
                     const struct msp_exe_found *found, size_t n,
                     struct msp_exe_entry *ret)
{
    *ret = (struct msp_exe_entry){
        .key = found->exe,
        .row = {.set = *wild,
                .hashed = *wild,
                .ctime_sec = found->ctime_sec,
                .ctime_nsec = found->ctime_nsec,
                .path = found->path,
                .retired_ns = found->retired_ns},
        .container = found->container,
    };
    for (size_t i = 0; i < n; i++)
        if (!found[0].retired_ns == !found[i].retired_ns) {
            add_identities(build, &found[i], &ret->row);
            if (!found[i].container)
                ret->container = 0; /* the host's, whoever shares it */
            if (found[i].is_overlay)
                ret->row.flags |= MSP_EXE_ROW_OVERLAY;
        }
}

static int compare_key(const void *a, const void *b)
{
    const struct msp_exe_entry *left = a, *right = b;

    return msp_exe_compare(&left->key, &right->key);
}

/* Who goes first where there is no room for all. */
enum rank {
    RANK_HOST,      /* current ones, and as many retired as half of the rows */
    RANK_CONTAINER, /* by turns */
    RANK_REST
};

struct place {
    struct msp_exe_entry entry;
    enum rank rank;
    size_t turn; /* among those of its rank: the lower first */
};

/* By container; of one, current ones first, then from the latest retired. */
static int compare_owner(const void *a, const void *b)
{
    const struct msp_exe_entry *left = &((const struct place *)a)->entry;
    const struct msp_exe_entry *right = &((const struct place *)b)->entry;
    uint64_t l = left->row.retired_ns, r = right->row.retired_ns;

    if (left->container != right->container)
        return left->container < right->container ? -1 : 1;
    if (!l != !r)
        return l ? 1 : -1;
    return l != r ? (l < r) - (l > r)
                  : msp_exe_compare(&left->key, &right->key);
}

static int compare_place(const void *a, const void *b)
{
    const struct place *left = a, *right = b;

    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    if (left->turn != right->turn)
        return left->turn < right->turn ? -1 : 1;
    return compare_owner(a, b);
}

/* @param place [n] by compare_owner */
static void rank(struct place *place, size_t n)
{
    size_t turn = 0;

    for (size_t i = 0; i < n; i++) {
        const struct msp_exe_entry *entry = &place[i].entry;

        turn = i && entry->container == place[i - 1].entry.container ? turn + 1
                                                                     : 0;
        place[i].turn = turn;
        place[i].rank = entry->container ? RANK_CONTAINER
                        : !entry->row.retired_ns || turn < ROWS / 2 ? RANK_HOST
                                                                    : RANK_REST;
    }
}

/* Which container lacks most. @param place [n] those without a row */
static void count_crowded(struct msp_exe_rows *rows, struct place *place,
                          size_t n)
{
    size_t n_same = 0;

    qsort(place, n, sizeof(*place), compare_owner);
    for (size_t i = 0; i < n; i++) {
        uint64_t container = place[i].entry.container;

        n_same =
            i && container == place[i - 1].entry.container ? n_same + 1 : 1;
        if (!container || n_same <= rows->n_crowded)
            continue;
        rows->crowded = container;
        rows->n_crowded = n_same;
    }
}

/* fail closed: what does not fit has no row. @return 0; -ENOMEM */
static int fit(struct msp_exe_rows *rows)
{
    msp_autofree struct place *place = NULL;

    if (rows->n <= ROWS)
        return 0;
    place = calloc(rows->n, sizeof(*place));
    if (!place)
        return -ENOMEM;
    for (size_t i = 0; i < rows->n; i++)
        place[i].entry = rows->entry[i];
    qsort(place, rows->n, sizeof(*place), compare_owner);
    rank(place, rows->n);
    qsort(place, rows->n, sizeof(*place), compare_place);
    rows->n_dropped = rows->n - ROWS;
    rows->n = ROWS;
    count_crowded(rows, place + ROWS, rows->n_dropped);
    for (size_t i = 0; i < ROWS; i++)
        rows->entry[i] = place[i].entry;
    qsort(rows->entry, rows->n, sizeof(*rows->entry), compare_key);
    return 0;
}

int msp_exe_rows_build(const struct msp_image *image,
                       const struct msp_resolved *resolved,
                       const struct msp_idset *wild,
                       const struct msp_exe_found *found, size_t n,
                       struct msp_exe_rows *ret)
{
    const struct build build = {image, resolved};
    msp_autofree struct msp_exe_found *sorted = calloc(n + 1, sizeof(*sorted));
    int r;

    msp_exe_rows_done(ret);
    ret->entry = calloc(n + 1, sizeof(*ret->entry));
    if (!sorted || !ret->entry) {
        msp_exe_rows_done(ret);
        return -ENOMEM;
    }
    if (n) {
        memcpy(sorted, found, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_found);
    }
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n; next++)
            if (msp_exe_compare(&sorted[i].exe, &sorted[next].exe) != 0)
                break;
        make_row(&build, wild, &sorted[i], next - i, &ret->entry[ret->n++]);
    }
    r = fit(ret);
    if (r < 0)
        msp_exe_rows_done(ret);
    return r;
}

/* --- read --------------------------------------------------------------- */

/* The contents that identities with their bit demand of a path. */
static void read_hash(const struct msp_image *image,
                      const struct msp_idset *hashed,
                      struct msp_exe_found *found)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *identity = &image->identities[i];

        if (!(identity->flags & MSP_ID_EXE) || identity->exe != found->path ||
            !(identity->flags & MSP_ID_SHA256) || !has_bit(hashed, i))
            continue;
        found->has_sha256 = true;
        memcpy(found->sha256, identity->sha256, sizeof(found->sha256));
    }
}

/* Which paths a row is of: those of its identities, and the one it names. */
static void read_paths(const struct msp_image *image,
                       const struct msp_idset *wild,
                       const struct msp_exe_row *row, bool *is_path)
{
    uint32_t n = image->n[MSP_SEC_EXES];

    memset(is_path, 0, n * sizeof(*is_path));
    if (row->path < n)
        is_path[row->path] = true;
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *identity = &image->identities[i];

        /* those in containers are looked for anew */
        if (identity->flags & MSP_ID_EXE && identity->exe < n &&
            !identity->n_demands && !has_bit(wild, i) &&
            (has_bit(&row->set, i) || has_bit(&row->demands, i)))
            is_path[identity->exe] = true;
    }
}

int msp_exe_rows_read(const struct msp_image *image,
                      const struct msp_idset *wild,
                      const struct msp_exe_rows *rows,
                      struct msp_exe_found **ret_found, size_t *ret_n)
{
    uint32_t n_paths = image->n[MSP_SEC_EXES];
    msp_autofree bool *is_path = calloc(n_paths + 1, sizeof(*is_path));
    struct msp_exe_found *found = NULL;
    size_t n = 0, cap = 0;

    if (!is_path)
        return -ENOMEM;
    for (size_t i = 0; i < rows->n; i++) {
        const struct msp_exe_entry *entry = &rows->entry[i];

        read_paths(image, wild, &entry->row, is_path);
        if (n + n_paths > cap) {
            struct msp_exe_found *more;

            cap = 2 * cap + n_paths;
            more = reallocarray(found, cap, sizeof(*found));
            if (!more) {
                free(found);
                return -ENOMEM;
            }
            found = more;
        }
        for (uint32_t path = 0; path < n_paths; path++) {
            if (!is_path[path])
                continue;
            found[n] = (struct msp_exe_found){
                .path = path,
                .exe = entry->key,
                .ctime_sec = entry->row.ctime_sec,
                .ctime_nsec = entry->row.ctime_nsec,
                .retired_ns = entry->row.retired_ns,
            };
            read_hash(image, &entry->row.hashed, &found[n++]);
        }
    }
    *ret_found = found;
    *ret_n = n;
    return 0;
}

/* --- diff --------------------------------------------------------------- */

static const struct msp_exe_entry *find(const struct msp_exe_rows *rows,
                                        const struct msp_exe_entry *like)
{
    if (!rows->n)
        return NULL;
    return bsearch(like, rows->entry, rows->n, sizeof(*like), compare_key);
}

int msp_exe_rows_diff(const struct msp_exe_rows *before,
                      const struct msp_exe_rows *now, msp_exe_put_fn put,
                      msp_exe_drop_fn drop, void *data)
{
    int r = 0;

    for (size_t i = 0; i < now->n && r == 0; i++) {
        const struct msp_exe_entry *old = find(before, &now->entry[i]);

        if (!old ||
            memcmp(&old->row, &now->entry[i].row, sizeof(old->row)) != 0)
            r = put(data, &now->entry[i]);
    }
    for (size_t i = 0; i < before->n && r == 0; i++)
        if (!find(now, &before->entry[i]))
            r = drop(data, &before->entry[i].key);
    return r;
}

void msp_exe_rows_done(struct msp_exe_rows *rows)
{
    free(rows->entry);
    *rows = (struct msp_exe_rows){0};
}
