/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Identities and the rows of their callers. Rows that follow from identities
 * are compared with them, so that no row gives a right no identity has.
 */
#include <errno.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/container.h>

#include "image_check.h"
#include "order.h"
#include "selector.h"
#include "utf8.h"

/* Selectors with rows by what the process runs and where. */
#define BY_FILE   (MSP_ID_EXE | MSP_ID_PROCESS | MSP_ID_SHA256)
#define BY_CGROUP (MSP_ID_CGROUP | MSP_ID_UNIT)
/* and by the container it is in */
#define BY_CONTAINER (MSP_ID_CONTAINER | MSP_ID_POD)

static bool has_bit(const struct msp_idset *set, uint32_t bit)
{
    return set->word[bit / 64] >> (bit % 64) & 1;
}

static bool has_all(const struct msp_idset *set, const struct msp_idset *of)
{
    for (uint32_t w = 0; w < MSP_IDSET_WORDS; w++)
        if (of->word[w] & ~set->word[w])
            return false;
    return true;
}

static bool has_any(const struct msp_idset *set, const struct msp_idset *of)
{
    for (uint32_t w = 0; w < MSP_IDSET_WORDS; w++)
        if (of->word[w] & set->word[w])
            return true;
    return false;
}

/* Members of a set beyond those of another. */
static uint32_t count_beyond(const struct msp_idset *set,
                             const struct msp_idset *other)
{
    uint32_t n = 0;

    for (uint32_t w = 0; w < MSP_IDSET_WORDS; w++)
        n += (uint32_t)__builtin_popcountll(set->word[w] & ~other->word[w]);
    return n;
}

/* Identities that have, or have not, one of these selectors. */
static struct msp_idset ids_with(const struct msp_image *image, uint32_t flags,
                                 bool has)
{
    struct msp_idset set = {{0}};

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++)
        if (!!(image->identities[i].flags & flags) == has)
            set.word[i / 64] |= 1ull << (i % 64);
    return set;
}

/* --- files --------------------------------------------------------------- */

int msp_image_check_exes(const struct msp_image *image, const char **reterr_why)
{
    const char *before = "";

    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES]; i++) {
        const struct msp_image_exe *row = &image->exes[i];
        const char *path;
        char canonical[MSP_EXE_PATH_BYTES];
        int r = msp_image_check_string(image, row->path_off, false,
                                       MSP_EXE_PATH_BYTES - 1, reterr_why);

        if (r < 0)
            return r;
        path = image->strings + row->path_off;
        if (msp_selector_exe(path, canonical).expected ||
            !msp_streq(path, canonical))
            return msp_image_fail(reterr_why, -EINVAL, "executable path");
        if (strcmp(before, path) >= 0)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "executables not sorted");
        if (row->flags & ~(MSP_EXE_HASHED | MSP_EXE_HOST | MSP_EXE_INSIDE))
            return msp_image_fail(reterr_why, -EINVAL, "executable flags");
        before = path;
    }
    return 0;
}

/* Each file is some identity's, and hashed if one of them demands it. */
static int check_exe_use(const struct msp_image *image, const char **reterr_why)
{
    uint32_t wanted[MSP_EXES_MAX] = {0};

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *id = &image->identities[i];

        if (!(id->flags & MSP_ID_EXE))
            continue;
        wanted[id->exe] |=
            id->flags & BY_CONTAINER ? MSP_EXE_INSIDE : MSP_EXE_HOST;
        if (id->flags & MSP_ID_SHA256)
            wanted[id->exe] |= MSP_EXE_HASHED;
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES]; i++) {
        if (!wanted[i])
            return msp_image_fail(reterr_why, -EINVAL, "executable of nobody");
        if (image->exes[i].flags != wanted[i])
            return msp_image_fail(reterr_why, -EINVAL, "executable flags");
    }
    return 0;
}

/* --- identities ---------------------------------------------------------- */

static bool is_cgroup(const char *text)
{
    char canonical[SELECTOR_CGROUP_BYTES];

    return !msp_selector_cgroup(text, canonical).expected &&
           msp_streq(text, canonical);
}

/* Each selector stands where its flag is, and is spelled as it must be. */
static int check_selectors(const struct msp_image *image,
                           const struct msp_image_identity *row,
                           const char **reterr_why)
{
    const struct {
        uint32_t flag, off;
        size_t max;
    } string[] = {
        {MSP_ID_USER, row->user_off, MSP_STRING_BYTES_MAX},
        {MSP_ID_GROUP, row->group_off, MSP_STRING_BYTES_MAX},
        {MSP_ID_PROCESS, row->process_off, MSP_NAME_BYTES - 1},
        {MSP_ID_CGROUP, row->cgroup_off, SELECTOR_CGROUP_BYTES - 1},
        {MSP_ID_UNIT, row->unit_off, SELECTOR_CGROUP_BYTES - 1},
    };

    const char *unit;

    for (size_t i = 0; i < ARRAY_SIZE(string); i++) {
        bool has = row->flags & string[i].flag;
        int r = msp_image_check_string(image, string[i].off, !has,
                                       has ? string[i].max : 0, reterr_why);

        if (r < 0)
            return r;
    }
    if (row->flags & MSP_ID_PROCESS &&
        msp_selector_process(image->strings + row->process_off).expected)
        return msp_image_fail(reterr_why, -EINVAL, "process name");
    if (row->flags & MSP_ID_CGROUP &&
        !is_cgroup(image->strings + row->cgroup_off))
        return msp_image_fail(reterr_why, -EINVAL, "cgroup pattern");
    unit = image->strings + row->unit_off;
    if (row->flags & MSP_ID_UNIT &&
        (!is_cgroup(unit) || strchr(unit, '*') || msp_streq(unit, "/")))
        return msp_image_fail(reterr_why, -EINVAL, "cgroup of a unit");
    if (row->flags & MSP_ID_EXE ? row->exe >= image->n[MSP_SEC_EXES]
                                : row->exe != 0)
        return msp_image_fail(reterr_why, -EINVAL, "executable index");
    if (!(row->flags & MSP_ID_SHA256) &&
        !msp_image_is_zero(row->sha256, sizeof(row->sha256)))
        return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
    return 0;
}

static int check_identity_flags(uint32_t flags, const char **reterr_why)
{
    const uint32_t by_id = MSP_ID_UID | MSP_ID_GID | MSP_ID_USER | MSP_ID_GROUP;
    const uint32_t selectors =
        by_id | BY_FILE | BY_CGROUP | BY_CONTAINER | MSP_ID_NOBODY;

    if (flags & ~(selectors | MSP_ID_HOST_ONLY | MSP_ID_EVERYBODY))
        return msp_image_fail(reterr_why, -EINVAL, "identity flags");
    if (flags & MSP_ID_EVERYBODY && flags != MSP_ID_EVERYBODY)
        return msp_image_fail(reterr_why, -EINVAL, "identity flags");
    if (!(flags & (selectors | MSP_ID_EVERYBODY)))
        return msp_image_fail(reterr_why, -EINVAL,
                              "identity without a selector");
    if (flags & MSP_ID_SHA256 && !(flags & MSP_ID_EXE))
        return msp_image_fail(reterr_why, -EINVAL, "hash without a file");
    if (flags & MSP_ID_NOBODY && flags & (BY_FILE | BY_CGROUP | BY_CONTAINER))
        return msp_image_fail(reterr_why, -EINVAL, "nobody with rows");
    if (!!(flags & MSP_ID_HOST_ONLY) !=
        msp_selector_is_host_only(flags & ~MSP_ID_HOST_ONLY))
        return msp_image_fail(reterr_why, -EINVAL, "host-only flag");
    return 0;
}

static int check_identity(const struct msp_image *image,
                          const struct msp_image_identity *row,
                          const char **reterr_why)
{
    int r = check_identity_flags(row->flags, reterr_why);

    if (r < 0)
        return r;
    if (row->uid == UINT32_MAX || row->gid == UINT32_MAX ||
        (!(row->flags & MSP_ID_UID) && row->uid) ||
        (!(row->flags & MSP_ID_GID) && row->gid))
        return msp_image_fail(reterr_why, -EINVAL, "identity number");
    r = msp_image_check_string(image, row->name_off, false, MSP_NAME_BYTES - 1,
                               reterr_why);
    return r < 0 ? r : check_selectors(image, row, reterr_why);
}

int msp_image_check_identities(const struct msp_image *image,
                               const char **reterr_why)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        int r = check_identity(image, &image->identities[i], reterr_why);

        if (r < 0)
            return r;
    }
    return check_exe_use(image, reterr_why);
}

/* --- containers ---------------------------------------------------------- */

/* One row by itself. */
static int check_demand(const struct msp_image *image,
                        const struct msp_image_demand *row,
                        const char **reterr_why)
{
    bool is_label = row->kind == MSP_DEMAND_CONTAINER_LABEL ||
                    row->kind == MSP_DEMAND_POD_LABEL;
    const size_t max = MSP_CONTAINER_TEXT_BYTES - 1;
    int r;

    if (row->kind >= MSP_DEMAND_COUNT)
        return msp_image_fail(reterr_why, -EINVAL, "kind of a demand");
    r = msp_image_check_string(image, row->key_off, !is_label,
                               is_label ? max : 0, reterr_why);
    if (r == 0)
        r = msp_image_check_string(image, row->value_off, is_label, max,
                                   reterr_why);
    if (r == 0 &&
        msp_selector_demand(is_label ? image->strings + row->key_off : NULL,
                            image->strings + row->value_off)
            .expected)
        return msp_image_fail(reterr_why, -EINVAL, "demand on a container");
    return r;
}

static bool is_demand_sorted(const struct msp_image *image,
                             const struct msp_image_demand *before,
                             const struct msp_image_demand *row)
{
    if (before->kind != row->kind)
        return before->kind < row->kind;
    return strcmp(image->strings + before->key_off,
                  image->strings + row->key_off) < 0;
}

/* Those of one identity. @param at in/out, where they must begin */
static int check_own_demands(const struct msp_image *image,
                             const struct msp_image_identity *id, uint32_t *at,
                             const char **reterr_why)
{
    uint32_t found = 0;

    if (id->n_demands == 0 ? id->first_demand != 0 : id->first_demand != *at)
        return msp_image_fail(reterr_why, -EINVAL, "first demand");
    if (id->n_demands > image->n[MSP_SEC_DEMANDS] - *at)
        return msp_image_fail(reterr_why, -EINVAL, "demands of an identity");
    for (uint32_t i = *at; i < *at + id->n_demands; i++) {
        const struct msp_image_demand *row = &image->demands[i];
        int r = check_demand(image, row, reterr_why);

        if (r < 0)
            return r;
        if (i > *at && !is_demand_sorted(image, row - 1, row))
            return msp_image_fail(reterr_why, -EINVAL, "demands not sorted");
        found |= row->kind < MSP_DEMAND_POD ? MSP_ID_CONTAINER : MSP_ID_POD;
    }
    if ((id->flags & BY_CONTAINER) != found)
        return msp_image_fail(reterr_why, -EINVAL, "demands of an identity");
    *at += id->n_demands;
    return 0;
}

/* Nobody else is let past the root gate, and each of them only with a right. */
static int check_lifts(const struct msp_image *image, const char **reterr_why)
{
    const struct msp_idset any = ids_with(image, BY_CONTAINER, true);

    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        const struct msp_endpoint *ep = &image->endpoints[i].ep;

        for (uint32_t w = 0; w < MSP_IDSET_WORDS; w++)
            if (ep->lifts_root_gate.word[w] !=
                (ep->flags & MSP_EP_ROOT_GATE ? ep->reach.word[w] & any.word[w]
                                              : 0))
                return msp_image_fail(reterr_why, -EINVAL,
                                      "identities past the root gate");
    }
    return 0;
}

int msp_image_check_demands(const struct msp_image *image,
                            const char **reterr_why)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        int r =
            check_own_demands(image, &image->identities[i], &at, reterr_why);

        if (r < 0)
            return r;
    }
    if (at != image->n[MSP_SEC_DEMANDS])
        return msp_image_fail(reterr_why, -EINVAL, "demand of nobody");
    return check_lifts(image, reterr_why);
}

/* --- base names ---------------------------------------------------------- */

static const struct msp_image_process *
find_process(const struct msp_image *image, const char *name)
{
    uint32_t low = 0, high = image->n[MSP_SEC_PROCESSES];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int r = strcmp(name, image->processes[middle].name.text);

        if (r == 0)
            return &image->processes[middle];
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/*
 * Sorted, padded, and with these identities beyond the wildcards: every one
 * with the name (each is looked for, and the sum says there are no others).
 */
int msp_image_check_processes(const struct msp_image *image,
                              const char **reterr_why)
{
    const struct msp_idset any =
        ids_with(image, MSP_ID_PROCESS | MSP_ID_NOBODY, false);
    uint32_t n = 0, n_wanted = 0;

    for (uint32_t i = 0; i < image->n[MSP_SEC_PROCESSES]; i++) {
        const struct msp_image_process *row = &image->processes[i];
        uint32_t n_own = count_beyond(&row->set, &any);

        if (msp_image_text_len(row->name.text, sizeof(row->name.text)) <= 0)
            return msp_image_fail(reterr_why, -EINVAL, "process name");
        if (i > 0 &&
            order_process(&image->processes[i - 1].name, &row->name) >= 0)
            return msp_image_fail(reterr_why, -EINVAL, "processes not sorted");
        if (n_own == 0 || !has_all(&row->set, &any))
            return msp_image_fail(reterr_why, -EINVAL, "process set");
        n += n_own;
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *id = &image->identities[i];
        const struct msp_image_process *row;

        if (!(id->flags & MSP_ID_PROCESS))
            continue;
        row = find_process(image, image->strings + id->process_off);
        if (!row || !has_bit(&row->set, i))
            return msp_image_fail(reterr_why, -EINVAL, "process set");
        n_wanted++;
    }
    if (n != n_wanted)
        return msp_image_fail(reterr_why, -EINVAL, "process set");
    return 0;
}

/* --- cgroups ------------------------------------------------------------- */

/* A segment, or none: any. */
static bool is_cgroup_name(const char *name)
{
    int len = msp_image_text_len(name, MSP_CG_NAME_BYTES);

    if (len < 0 || !utf8_valid(name, (size_t)len) || strpbrk(name, "/*") ||
        msp_streq(name, ".") || msp_streq(name, ".."))
        return false;
    for (int i = 0; i < len; i++)
        if ((name[i] > 0 && name[i] < 0x20) || name[i] == 0x7f)
            return false;
    return true;
}

/*
 * Edges in order, and states numbered as the edges come to them: so each is
 * in range and can be reached.
 */
static int check_edges(const struct msp_image *image, const char **reterr_why)
{
    uint32_t last = 0;

    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_EDGES]; i++) {
        const struct msp_image_cg_edge *row = &image->cg_edges[i];

        if (!is_cgroup_name(row->key.name))
            return msp_image_fail(reterr_why, -EINVAL, "cgroup name");
        if (i > 0 && order_cg_key(&image->cg_edges[i - 1].key, &row->key) >= 0)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "cgroup edges not sorted");
        if (row->key.state > last || row->to.state > last + 1 ||
            row->to.state == MSP_CG_ROOT ||
            row->to.state >= image->n[MSP_SEC_CG_STATES])
            return msp_image_fail(reterr_why, -EINVAL, "cgroup state");
        if (row->to.state > last)
            last = row->to.state;
    }
    if (image->n[MSP_SEC_CG_STATES] > last + 1)
        return msp_image_fail(reterr_why, -EINVAL,
                              "cgroup state without an edge");
    return 0;
}

int msp_image_check_cgroups(const struct msp_image *image,
                            const char **reterr_why)
{
    const struct msp_idset any =
        ids_with(image, BY_CGROUP | MSP_ID_NOBODY, false);
    const struct msp_idset nobody = ids_with(image, MSP_ID_NOBODY, true);
    const struct msp_idset some = ids_with(image, BY_CGROUP, true);
    bool has_pattern = !msp_image_is_zero(&some, sizeof(some));

    if (has_pattern != (image->n[MSP_SEC_CG_STATES] > 0) ||
        (!has_pattern && image->n[MSP_SEC_CG_EDGES] > 0))
        return msp_image_fail(reterr_why, -EINVAL,
                              "cgroup states without patterns");
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_STATES]; i++) {
        uint32_t index = image->cg_states[i].set;
        const struct msp_idset *set;

        if (index >= image->n[MSP_SEC_SETS])
            return msp_image_fail(reterr_why, -EINVAL, "set index");
        set = &image->sets[index];
        if (!has_all(set, &any) || has_any(set, &nobody))
            return msp_image_fail(reterr_why, -EINVAL, "cgroup set");
    }
    return check_edges(image, reterr_why);
}
