/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "lower_private.h"
#include "order.h"

static void lowering_done(struct lowering *l)
{
    msp_intern_done(&l->strings);
    msp_intern_done(&l->sets);
    for (size_t i = 0; i < MSP_ENDPOINTS_MAX; i++)
        msp_intern_done(&l->paths[i]);
    msp_cgroup_done(&l->cgroups);
    free(l->exe);
    free(l->set);
    free(l->sorted);
    free(l->group);
}

void msp_tables_done(struct msp_tables *tables)
{
    for (size_t i = 0; i < MSP_SEC_COUNT; i++)
        free(tables->section[i].data);
    *tables = (struct msp_tables){0};
}

/* n more zeroed rows at the end. @return the first; NULL = no memory */
void *msp_lower_add_rows(struct rows *rows, size_t n)
{
    char *first;

    if (rows->cap - rows->n < n) {
        size_t cap = rows->cap ? rows->cap : 64;
        void *data;

        while (cap - rows->n < n)
            cap *= 2;
        data = realloc(rows->data, cap * rows->size);
        if (!data)
            return NULL;
        rows->data = data;
        rows->cap = cap;
    }
    first = (char *)rows->data + rows->n * rows->size;
    memset(first, 0, n * rows->size);
    rows->n += n;
    return first;
}

/* Room for n rows, where the number is known. */
int msp_lower_reserve(struct rows *rows, size_t n)
{
    if (n == 0)
        return 0;
    rows->data = malloc(n * rows->size);
    if (!rows->data)
        return -ENOMEM;
    rows->cap = n;
    return 0;
}

int msp_lower_add(struct lowering *l, enum msp_section section, const void *row)
{
    struct rows *rows = &l->tables->section[section];
    void *to = msp_lower_add_rows(rows, 1);

    if (!to)
        return -ENOMEM;
    memcpy(to, row, rows->size);
    return 0;
}

/* Equal texts have one place in the table. */
int msp_lower_string(struct lowering *l, const char *text, uint32_t *ret_off)
{
    struct rows *rows = &l->tables->section[MSP_SEC_STRINGS];
    size_t len = strlen(text);
    char *to;

    if (msp_intern_find(&l->strings, text, len, ret_off))
        return 0;
    *ret_off = (uint32_t)rows->n;
    to = msp_lower_add_rows(rows, len + 1);
    if (!to)
        return -ENOMEM;
    memcpy(to, text, len);
    msp_intern_add(&l->strings, text, len, *ret_off);
    return 0;
}

/* There is room: l->set was made for every set there can be. */
uint32_t msp_lower_set(struct lowering *l, const struct msp_idset *set)
{
    uint32_t id;

    if (msp_intern_find(&l->sets, set, sizeof(*set), &id))
        return id;
    id = (uint32_t)l->n_sets++;
    l->set[id] = *set;
    return msp_intern_add(&l->sets, &l->set[id], sizeof(*set), id);
}

static int compare_privileges(const void *a, const void *b)
{
    const struct rule_privilege *pa = *(const struct rule_privilege *const *)a;
    const struct rule_privilege *pb = *(const struct rule_privilege *const *)b;
    int r = order_u32(pa->endpoint, pb->endpoint);

    if (r == 0)
        r = strcmp(pa->path, pb->path);
    return r ? r : order_u32(pa->doc_index, pb->doc_index);
}

static int lowering_init(struct lowering *l)
{
    static const struct msp_idset empty;
    static const uint32_t entry_bytes[] = {
        [MSP_SEC_STRINGS] = 1,
        [MSP_SEC_ENDPOINTS] = sizeof(struct msp_image_endpoint),
        [MSP_SEC_PREFIXES] = sizeof(struct msp_image_prefix),
        [MSP_SEC_IDENTITIES] = sizeof(struct msp_image_identity),
        [MSP_SEC_PRIVILEGES] = sizeof(struct msp_image_privilege),
        [MSP_SEC_PATHS] = sizeof(struct msp_image_path),
        [MSP_SEC_SETS] = sizeof(struct msp_idset),
        [MSP_SEC_CONDS] = sizeof(struct msp_cond),
        [MSP_SEC_PAIRS] = sizeof(struct msp_pair_key),
        [MSP_SEC_EXES] = sizeof(struct msp_image_exe),
        [MSP_SEC_PROCESSES] = sizeof(struct msp_image_process),
        [MSP_SEC_CG_STATES] = sizeof(struct msp_cg_state),
        [MSP_SEC_CG_EDGES] = sizeof(struct msp_image_cg_edge),
        [MSP_SEC_DEMANDS] = sizeof(struct msp_image_demand),
    };
    size_t n_privileges = l->rules->n_privileges;
    size_t n_strings =
        1 + l->rules->n_endpoints + 7 * l->rules->n_identities + n_privileges;
    size_t n_sets = 1 + 2 * n_privileges + l->cgroups.n_states;
    uint32_t off;

    _Static_assert(ARRAY_SIZE(entry_bytes) == MSP_SEC_COUNT, "entry_bytes");
    for (size_t i = 0; i < l->rules->n_identities; i++)
        n_strings += 2 * l->rules->identity[i].n_demands;
    for (size_t i = 0; i < MSP_SEC_COUNT; i++)
        l->tables->section[i].size = entry_bytes[i];
    l->set = calloc(n_sets, sizeof(*l->set));
    l->sorted = calloc(n_privileges + 1, sizeof(*l->sorted));
    l->group = calloc(n_privileges + 1, sizeof(*l->group));
    if (!l->set || !l->sorted || !l->group ||
        msp_intern_init(&l->strings, n_strings) < 0 ||
        msp_intern_init(&l->sets, n_sets) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < l->rules->n_endpoints; i++)
        if (msp_intern_init(&l->paths[i],
                            l->rules->endpoint[i].doc->n_privileges) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < n_privileges; i++)
        l->sorted[i] = &l->rules->privilege[i];
    qsort(l->sorted, n_privileges, sizeof(*l->sorted), compare_privileges);
    (void)msp_lower_set(l, &empty);
    return msp_lower_string(l, "", &off);
}

/* Privileges with one path, found again by endpoint and path. */
static void group_paths(struct lowering *l)
{
    size_t n = l->rules->n_privileges;

    for (size_t i = 0, end; i < n; i = end) {
        const struct rule_privilege *first = l->sorted[i];

        for (end = i + 1; end < n; end++)
            if (l->sorted[end]->endpoint != first->endpoint ||
                strcmp(l->sorted[end]->path, first->path) != 0)
                break;
        l->group[l->n_groups] = (struct path_group){&l->sorted[i], end - i};
        msp_intern_add(&l->paths[first->endpoint], first->path, first->path_len,
                       (uint32_t)l->n_groups++);
    }
}

static int lower_endpoints(struct lowering *l)
{
    for (size_t i = 0; i < l->rules->n_endpoints; i++) {
        const struct rule_endpoint *from = &l->rules->endpoint[i];
        struct msp_image_endpoint row = {.ep = {.mode = from->mode,
                                                .on_deny = from->on_deny,
                                                .rate = from->rate,
                                                .reach = from->reach}};
        int r;

        (void)snprintf(row.ep.name, sizeof(row.ep.name), "%s", from->doc->name);
        if (!from->doc->is_custom || from->doc->sign)
            row.ep.flags |= MSP_EP_SIGN;
        if (from->default_allow)
            row.ep.flags |= MSP_EP_DEFAULT_ALLOW;
        if (i == MSP_EP_WIRESERVER || i == MSP_EP_HOSTGA)
            row.ep.flags |= MSP_EP_ROOT_GATE;
        r = msp_lower_string(l, from->id, &row.id_off);
        if (r == 0)
            r = msp_lower_add(l, MSP_SEC_ENDPOINTS, &row);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_prefixes(const void *a, const void *b)
{
    return order_prefix(&((const struct msp_image_prefix *)a)->key,
                        &((const struct msp_image_prefix *)b)->key);
}

/* Every address with every port. */
static int lower_custom(struct lowering *l, uint32_t endpoint)
{
    const struct doc_endpoint *doc = l->rules->endpoint[endpoint].doc;

    for (size_t i = 0; i < doc->n_addresses; i++) {
        struct msp_image_prefix row = {
            .key = {.prefixlen = MSP_EP_KEY_FIXED_BITS + doc->address[i].bits},
            .endpoint = endpoint};

        memcpy(row.key.addr, doc->address[i].addr, sizeof(row.key.addr));
        for (size_t j = 0; j < doc->n_ports; j++) {
            row.key.port = doc->port[j];
            if (msp_lower_add(l, MSP_SEC_PREFIXES, &row) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

static int lower_prefixes(struct lowering *l)
{
    struct rows *rows = &l->tables->section[MSP_SEC_PREFIXES];

    for (uint32_t i = 0; i < MSP_EP_BUILTINS; i++) {
        struct msp_image_prefix row = {.key = msp_cidr_builtin[i],
                                       .endpoint = i};

        if (msp_lower_add(l, MSP_SEC_PREFIXES, &row) < 0)
            return -ENOMEM;
    }
    for (uint32_t i = MSP_EP_BUILTINS; i < l->rules->n_endpoints; i++)
        if (lower_custom(l, i) < 0)
            return -ENOMEM;
    qsort(rows->data, rows->n, rows->size, compare_prefixes);
    return 0;
}

static int lower_privileges(struct lowering *l)
{
    for (size_t i = 0; i < l->rules->n_privileges; i++) {
        const struct rule_privilege *from = &l->rules->privilege[i];
        struct msp_image_privilege row = {.endpoint = from->endpoint};
        int r = msp_lower_string(l, from->name, &row.name_off);

        if (r == 0)
            r = msp_lower_add(l, MSP_SEC_PRIVILEGES, &row);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_pairs(const void *a, const void *b)
{
    return order_pair(a, b);
}

static int lower_pairs(struct lowering *l)
{
    struct rows *rows = &l->tables->section[MSP_SEC_PAIRS];
    struct msp_pair_key *pair;
    size_t n = 0;

    for (size_t i = 0; i < l->rules->n_privileges; i++) {
        const struct rule_privilege *p = &l->rules->privilege[i];

        for (size_t j = 0; j < p->n_pairs; j++)
            if (msp_lower_add(l, MSP_SEC_PAIRS, &p->pair[j]) < 0)
                return -ENOMEM;
    }
    if (rows->n == 0)
        return 0;
    pair = rows->data;
    qsort(pair, rows->n, rows->size, compare_pairs);
    for (size_t i = 0; i < rows->n; i++)
        if (n == 0 || order_pair(&pair[n - 1], &pair[i]) != 0)
            pair[n++] = pair[i];
    rows->n = n;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return order_u32(*(const uint16_t *)a, *(const uint16_t *)b);
}

/* One privilege as a row. */
static struct msp_cond make_cond(struct lowering *l,
                                 const struct rule_privilege *p)
{
    const struct rows *rows = &l->tables->section[MSP_SEC_PAIRS];
    const struct msp_pair_key *pairs = rows->data;
    struct msp_cond cond = {.methods = (uint16_t)p->methods,
                            .n_pairs = (uint8_t)p->n_pairs,
                            .privilege = (uint32_t)(p - l->rules->privilege)};

    for (size_t i = 0; i < p->n_pairs; i++) {
        const struct msp_pair_key *hit =
            bsearch(&p->pair[i], pairs, rows->n, sizeof(*pairs), compare_pairs);

        assert(hit);
        cond.pair[i] = (uint16_t)(hit - pairs);
    }
    qsort(cond.pair, p->n_pairs, sizeof(cond.pair[0]), compare_ids);
    cond.set = msp_lower_set(l, &p->set);
    return cond;
}

/* The groups of a path and of the paths above it, deepest first. */
static size_t find_groups(const struct lowering *l,
                          const struct rule_privilege *p,
                          const struct path_group **ret_groups)
{
    const struct intern *paths = &l->paths[p->endpoint];
    size_t n = 0;
    uint32_t index;

    for (size_t len = p->path_len; len > 0; len--) {
        /* The path itself, "/a" of "/a/b", and the root. */
        if (len != p->path_len && len != 1 && p->path[len] != '/')
            continue;
        if (msp_intern_find(paths, p->path, len, &index))
            ret_groups[n++] = &l->group[index];
    }
    return n;
}

static bool is_conditional(const struct rule_privilege *p)
{
    return p->n_pairs > 0 || p->methods != 0;
}

/* Adds the rows of one kind. @param ret_all their sets united */
static int add_conds(struct lowering *l, const struct path_group **groups,
                     size_t n_groups, bool conditional,
                     struct msp_idset *ret_all)
{
    *ret_all = (struct msp_idset){{0}};
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t j = 0; j < groups[i]->n; j++) {
            const struct rule_privilege *p = groups[i]->privilege[j];
            struct msp_cond cond;

            if (is_conditional(p) != conditional)
                continue;
            cond = make_cond(l, p);
            if (msp_lower_add(l, MSP_SEC_CONDS, &cond) < 0)
                return -ENOMEM;
            msp_idset_add_all(ret_all, &p->set);
        }
    }
    return 0;
}

/* The paths above one another on a path: a slash is followed by a byte. */
#define GROUPS_MAX (MSP_RULE_PATH_BYTES / 2 + 2)

static void report_node(struct lowering *l, const struct rule_privilege *p,
                        size_t n)
{
    const struct doc_endpoint *doc = l->rules->endpoint[p->endpoint].doc;
    struct place place;
    char expected[64];

    if (doc->is_copy)
        return; /* the original has the same fault */
    msp_doc_place(doc, &place);
    (void)msp_place_push(&place, "rules");
    (void)msp_place_push(&place, "privileges");
    (void)msp_place_push_index(&place, p->doc_index);
    (void)msp_place_push(&place, "path");
    (void)snprintf(expected, sizeof(expected),
                   "at most %d privileges on a path and above it",
                   MSP_NODE_CONDS_MAX);
    msp_report_error(l->report, MSP_DIAG_LIMIT, place.text, expected, "%zu", n);
}

/* @return 1 = filled; 0 = a limit was reported; -ENOMEM */
static int make_node(struct lowering *l, const struct rule_privilege *p,
                     struct msp_path_node *ret)
{
    const struct path_group *groups[GROUPS_MAX];
    size_t n_groups = find_groups(l, p, groups), n = 0;
    struct rows *conds = &l->tables->section[MSP_SEC_CONDS];
    size_t first = conds->n, middle;
    struct msp_idset all;

    for (size_t i = 0; i < n_groups; i++)
        n += groups[i]->n;
    if (n > MSP_NODE_CONDS_MAX) {
        report_node(l, p, n);
        return 0;
    }
    if (first + n > MSP_CONDS_MAX) {
        l->is_over = true;
        return 0;
    }
    if (add_conds(l, groups, n_groups, true, &all) < 0)
        return -ENOMEM;
    middle = conds->n;
    if (add_conds(l, groups, n_groups, false, &all) < 0)
        return -ENOMEM;
    *ret = (struct msp_path_node){.n_conds = (uint16_t)(middle - first),
                                  .n_grants = (uint16_t)(conds->n - middle),
                                  .set = msp_lower_set(l, &all),
                                  .first_cond = (uint32_t)first};
    return 1;
}

/* One LPM entry: the path and `end`, which is '/' or NUL. */
static int add_path(struct lowering *l, const struct rule_privilege *p,
                    char end, const struct msp_path_node *node)
{
    struct msp_image_path row = {.node = *node};
    uint32_t len = p->path_len;

    row.key.endpoint = p->endpoint;
    memcpy(row.key.path, p->path, len);
    if (len > 1)
        row.key.path[len++] = end;
    row.key.prefixlen = MSP_PATH_KEY_FIXED_BITS + 8 * len;
    return msp_lower_add(l, MSP_SEC_PATHS, &row);
}

static int compare_paths(const void *a, const void *b)
{
    return order_path(&((const struct msp_image_path *)a)->key,
                      &((const struct msp_image_path *)b)->key);
}

static int lower_paths(struct lowering *l)
{
    struct rows *rows = &l->tables->section[MSP_SEC_PATHS];

    group_paths(l);
    if (msp_lower_reserve(rows, 2 * l->n_groups) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < l->n_groups; i++) {
        const struct rule_privilege *p = l->group[i].privilege[0];
        struct msp_path_node node;
        int r = make_node(l, p, &node);

        if (r < 0)
            return r;
        if (r == 0)
            continue;
        r = add_path(l, p, '/', &node);
        if (r == 0 && p->path_len > 1)
            r = add_path(l, p, '\0', &node);
        if (r < 0)
            return r;
    }
    if (rows->n > 0)
        qsort(rows->data, rows->n, rows->size, compare_paths);
    return 0;
}

static int lower_sets(struct lowering *l)
{
    struct msp_idset *to =
        msp_lower_add_rows(&l->tables->section[MSP_SEC_SETS], l->n_sets);

    if (!to)
        return -ENOMEM;
    memcpy(to, l->set, l->n_sets * sizeof(*to));
    return 0;
}

/* What only shows when the whole policy is lowered. */
static void check_limits(struct lowering *l)
{
    static const struct {
        enum msp_section section;
        size_t max;
        const char *expected;
    } limit[] = {
        {MSP_SEC_PAIRS, MSP_PAIRS_MAX, "at most 4096 distinct query pairs"},
        {MSP_SEC_SETS, MSP_SETS_MAX, "at most 16384 identity sets"},
        {MSP_SEC_PATHS, MSP_PATHS_MAX, "at most 65536 path entries"},
        {MSP_SEC_DEMANDS, MSP_DEMANDS_MAX,
         "at most 16384 demands on containers and pods"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(limit); i++) {
        size_t n = l->tables->section[limit[i].section].n;

        if (n > limit[i].max)
            msp_report_error(l->report, MSP_DIAG_LIMIT, "/endpoints",
                             limit[i].expected, "%zu", n);
    }
    if (l->is_over)
        msp_report_error(l->report, MSP_DIAG_LIMIT, "/endpoints",
                         "at most 262144 conditions, with those of the paths "
                         "above each path",
                         "more");
}

int msp_lower(const struct policy_rules *rules, struct report *report,
              struct msp_tables *ret_tables)
{
    static int (*const step[])(struct lowering *) = {
        msp_lower_patterns, lowering_init,       lower_endpoints,
        lower_prefixes,     msp_lower_exes,      msp_lower_identities,
        msp_lower_lifts,    msp_lower_processes, lower_privileges,
        lower_pairs,        lower_paths,         msp_lower_cgroups,
        lower_sets,
    };
    msp_cleanup(lowering_done) struct lowering l = {
        .rules = rules, .report = report, .tables = ret_tables};

    *ret_tables = (struct msp_tables){0};
    for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
        int r = step[i](&l);

        if (r < 0)
            return r;
    }
    check_limits(&l);
    return report->r;
}
