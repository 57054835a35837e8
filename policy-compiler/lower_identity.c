/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Identities, and the rows by which the kernel finds those of a caller. A row
 * has the identities that demand its value and those that demand none.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "lower_private.h"
#include "order.h"

static void add_identity(struct msp_idset *set, size_t bit)
{
    set->word[bit / 64] |= 1ull << (bit % 64);
}

/* Those that are somebody and demand nothing of these selectors. */
static struct msp_idset wildcards(const struct lowering *l, uint32_t selectors)
{
    struct msp_idset set = {{0}};

    for (size_t i = 0; i < l->rules->n_identities; i++)
        if (!(l->rules->identity[i].flags & (selectors | MSP_ID_NOBODY)))
            add_identity(&set, i);
    return set;
}

/* --- cgroups ------------------------------------------------------------- */

int msp_lower_patterns(struct lowering *l)
{
    size_t n = 0, n_identities = l->rules->n_identities;
    msp_autofree struct cgroup_pattern *pattern =
        calloc(2 * n_identities + 1, sizeof(*pattern));

    if (!pattern)
        return -ENOMEM;
    for (uint32_t i = 0; i < n_identities; i++) {
        const struct rule_identity *id = &l->rules->identity[i];

        if (id->cgroup)
            pattern[n++] = (struct cgroup_pattern){id->cgroup, i, false};
        if (id->unit)
            pattern[n++] = (struct cgroup_pattern){id->unit, i, true};
    }
    return msp_cgroup_build(pattern, n, l->report, &l->cgroups);
}

int msp_lower_cgroups(struct lowering *l)
{
    const struct msp_idset any_cgroup = wildcards(l, MSP_ID_CGROUP);
    const struct msp_idset any_unit = wildcards(l, MSP_ID_UNIT);

    for (size_t i = 0; i < l->cgroups.n_states; i++) {
        struct cgroup_match match = l->cgroups.state[i];
        struct msp_cg_state row;
        int r;

        msp_idset_add_all(&match.cgroup, &any_cgroup);
        msp_idset_add_all(&match.unit, &any_unit);
        /* Both, where both are given. */
        for (size_t w = 0; w < MSP_IDSET_WORDS; w++)
            match.cgroup.word[w] &= match.unit.word[w];
        row.set = msp_lower_set(l, &match.cgroup);
        r = msp_lower_add(l, MSP_SEC_CG_STATES, &row);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < l->cgroups.n_edges; i++) {
        int r = msp_lower_add(l, MSP_SEC_CG_EDGES, &l->cgroups.edge[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

/* --- executables --------------------------------------------------------- */

/* Identities with a file, by its path. */
static int compare_exes(const void *a, const void *b)
{
    const struct rule_identity *x = *(const struct rule_identity *const *)a;
    const struct rule_identity *y = *(const struct rule_identity *const *)b;

    return strcmp(x->exe, y->exe);
}

int msp_lower_exes(struct lowering *l)
{
    struct rows *rows = &l->tables->section[MSP_SEC_EXES];
    msp_autofree const struct rule_identity **sorted =
        calloc(l->rules->n_identities + 1, sizeof(*sorted));
    size_t n = 0;

    /* One path an identity: there cannot be more. */
    _Static_assert(MSP_EXES_MAX >= MSP_IDENTITIES_MAX, "MSP_EXES_MAX");
    l->exe = calloc(l->rules->n_identities + 1, sizeof(*l->exe));
    if (!l->exe || !sorted)
        return -ENOMEM;
    for (size_t i = 0; i < l->rules->n_identities; i++)
        if (l->rules->identity[i].exe)
            sorted[n++] = &l->rules->identity[i];
    qsort(sorted, n, sizeof(*sorted), compare_exes);
    for (size_t i = 0; i < n; i++) {
        struct msp_image_exe *row = rows->data;
        uint32_t off;

        if (msp_lower_string(l, sorted[i]->exe, &off) < 0)
            return -ENOMEM;
        /* Equal texts are one, so equal offsets are one row. */
        if (rows->n == 0 || row[rows->n - 1].path_off != off) {
            row = msp_lower_add_rows(rows, 1);
            if (!row)
                return -ENOMEM;
            *row = (struct msp_image_exe){off, 0};
        }
        row = rows->data;
        row[rows->n - 1].flags |=
            sorted[i]->n_demands ? MSP_EXE_INSIDE : MSP_EXE_HOST;
        if (sorted[i]->flags & MSP_ID_SHA256)
            row[rows->n - 1].flags |= MSP_EXE_HASHED;
        l->exe[sorted[i] - l->rules->identity] = (uint32_t)rows->n - 1;
    }
    return 0;
}

static int compare_processes(const void *a, const void *b)
{
    return order_process(&((const struct msp_image_process *)a)->name,
                         &((const struct msp_image_process *)b)->name);
}

int msp_lower_processes(struct lowering *l)
{
    struct rows *rows = &l->tables->section[MSP_SEC_PROCESSES];
    const struct msp_idset any = wildcards(l, MSP_ID_PROCESS);
    struct msp_image_process *row;
    size_t n = 0;

    _Static_assert(MSP_PROCESSES_MAX >= MSP_IDENTITIES_MAX,
                   "MSP_PROCESSES_MAX");
    for (size_t i = 0; i < l->rules->n_identities; i++) {
        const char *name = l->rules->identity[i].process;

        if (!name)
            continue;
        row = msp_lower_add_rows(rows, 1);
        if (!row)
            return -ENOMEM;
        assert(strlen(name) < sizeof(row->name.text));
        memcpy(row->name.text, name, strlen(name));
        row->set = any;
        add_identity(&row->set, i);
    }
    if (rows->n == 0)
        return 0;
    row = rows->data;
    qsort(row, rows->n, rows->size, compare_processes);
    for (size_t i = 0; i < rows->n; i++)
        if (n > 0 && order_process(&row[n - 1].name, &row[i].name) == 0)
            msp_idset_add_all(&row[n - 1].set, &row[i].set);
        else
            row[n++] = row[i];
    rows->n = n;
    return 0;
}

/* --- identities ---------------------------------------------------------- */

static int lower_demands(struct lowering *l, const struct rule_identity *from,
                         struct msp_image_identity *row)
{
    const struct rows *rows = &l->tables->section[MSP_SEC_DEMANDS];

    if (from->n_demands == 0)
        return 0;
    row->first_demand = (uint32_t)rows->n;
    row->n_demands = (uint32_t)from->n_demands;
    for (size_t i = 0; i < from->n_demands; i++) {
        const struct doc_demand *demand = &from->demand[i];
        struct msp_image_demand to = {.kind = demand->kind};

        if (msp_lower_string(l, demand->key ? demand->key : "", &to.key_off) <
                0 ||
            msp_lower_string(l, demand->value, &to.value_off) < 0 ||
            msp_lower_add(l, MSP_SEC_DEMANDS, &to) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int lower_identity(struct lowering *l, size_t i)
{
    const struct rule_identity *from = &l->rules->identity[i];
    struct msp_image_identity row = {.flags = from->flags,
                                     .uid = from->uid,
                                     .gid = from->gid,
                                     .exe = l->exe[i]};

    const struct {
        const char *text;
        uint32_t *off;
    } string[] = {
        {from->name, &row.name_off},     {from->user, &row.user_off},
        {from->group, &row.group_off},   {from->process, &row.process_off},
        {from->cgroup, &row.cgroup_off}, {from->unit, &row.unit_off},
    };

    memcpy(row.sha256, from->sha256, sizeof(row.sha256));
    for (size_t s = 0; s < ARRAY_SIZE(string); s++) {
        const char *text = string[s].text ? string[s].text : "";

        if (msp_lower_string(l, text, string[s].off) < 0)
            return -ENOMEM;
    }
    if (lower_demands(l, from, &row) < 0)
        return -ENOMEM;
    return msp_lower_add(l, MSP_SEC_IDENTITIES, &row);
}

int msp_lower_identities(struct lowering *l)
{
    for (size_t i = 0; i < l->rules->n_identities; i++) {
        int r = lower_identity(l, i);

        if (r < 0)
            return r;
    }
    return 0;
}

/* Who names a container or pod need not be root, where he has any right. */
int msp_lower_lifts(struct lowering *l)
{
    struct msp_image_endpoint *row = l->tables->section[MSP_SEC_ENDPOINTS].data;
    struct msp_idset any = {{0}};

    for (size_t i = 0; i < l->rules->n_identities; i++)
        if (l->rules->identity[i].n_demands)
            add_identity(&any, i);
    for (size_t i = 0; i < l->tables->section[MSP_SEC_ENDPOINTS].n; i++)
        for (size_t w = 0; w < MSP_IDSET_WORDS; w++)
            if (row[i].ep.flags & MSP_EP_ROOT_GATE)
                row[i].ep.lifts_root_gate.word[w] =
                    row[i].ep.reach.word[w] & any.word[w];
    return 0;
}
