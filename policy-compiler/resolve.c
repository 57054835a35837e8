/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/canon.h>
#include <msp/cleanup.h>

#include "intern.h"
#include "selector.h"

#define msp_intern_auto msp_cleanup(msp_intern_done)

/* One endpoint: its rows of the rules, and its names. */
struct scope {
    const struct doc_endpoint *doc;
    struct rule_privilege *privilege; /* [doc->n_privileges] */
    size_t first_identity;            /* bit of its first identity */
    struct intern privilege_by_name;  /* to an index in the document */
    struct intern role_by_name;
    struct intern identity_by_name;
};

static void scope_done(struct scope *scope)
{
    msp_intern_done(&scope->privilege_by_name);
    msp_intern_done(&scope->role_by_name);
    msp_intern_done(&scope->identity_by_name);
}

void msp_rules_done(struct policy_rules *rules)
{
    for (size_t i = 0; i < rules->n_identities; i++) {
        free(rules->identity[i].exe);
        free(rules->identity[i].cgroup);
        free(rules->identity[i].unit);
        free(rules->identity[i].demand);
    }
    free(rules->identity);
    free(rules->privilege);
    *rules = (struct policy_rules){0};
}

static int scope_init(struct scope *scope)
{
    const struct doc_endpoint *doc = scope->doc;

    if (msp_intern_init(&scope->privilege_by_name, doc->n_privileges) < 0 ||
        msp_intern_init(&scope->role_by_name, doc->n_roles) < 0 ||
        msp_intern_init(&scope->identity_by_name, doc->n_identities) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < doc->n_privileges; i++)
        msp_intern_add(&scope->privilege_by_name, doc->privilege[i].name,
                       strlen(doc->privilege[i].name), i);
    for (uint32_t i = 0; i < doc->n_roles; i++)
        msp_intern_add(&scope->role_by_name, doc->role[i].name,
                       strlen(doc->role[i].name), i);
    for (uint32_t i = 0; i < doc->n_identities; i++)
        msp_intern_add(&scope->identity_by_name, doc->identity[i].name,
                       strlen(doc->identity[i].name), i);
    return 0;
}

static int resolve_pair(const struct doc_pair *doc, uint32_t endpoint,
                        struct msp_pair_key *ret)
{
    msp_autofree char *key = strdup(doc->key);
    msp_autofree char *value = strdup(doc->value);

    if (!key || !value)
        return -ENOMEM;
    msp_canon_fold(key, strlen(key));
    msp_canon_fold(value, strlen(value));
    ret->endpoint = endpoint;
    return msp_canon_pair_hash(key, strlen(key), value, strlen(value),
                               ret->hash);
}

static int resolve_privilege(const struct doc_privilege *doc, uint32_t endpoint,
                             uint32_t index, struct rule_privilege *ret)
{
    size_t len;

    ret->name = doc->name;
    ret->endpoint = endpoint;
    ret->doc_index = index;
    ret->methods = doc->methods;
    if (msp_canon_rule_path(doc->path, strlen(doc->path), ret->path, &len) !=
            MSP_CANON_OK ||
        doc->n_pairs > MSP_PRIV_PAIRS_MAX)
        return -EINVAL;
    ret->path_len = (uint32_t)len;
    for (size_t i = 0; i < doc->n_pairs; i++) {
        int r = resolve_pair(&doc->pair[i], endpoint, &ret->pair[i]);

        if (r < 0)
            return r;
    }
    ret->n_pairs = (uint32_t)doc->n_pairs;
    return 0;
}

/* @return 1 = set; 0 = the text has no such form; -ENOMEM */
static int keep(struct selector_fault fault, const char *text, char **ret)
{
    if (fault.expected)
        return 0;
    *ret = strdup(text);
    return *ret ? 1 : -ENOMEM;
}

/* @return 1 = as below; 0 = no file here is spelled so; -ENOMEM */
static int resolve_executable(const struct doc_identity *doc,
                              struct rule_identity *ret)
{
    char path[MSP_EXE_PATH_BYTES];

    if (doc->flags & MSP_ID_PROCESS) {
        if (msp_selector_process(doc->process).expected)
            return 0;
        ret->process = doc->process;
    }
    if (!(doc->flags & MSP_ID_EXE))
        return 1;
    return keep(msp_selector_exe(doc->exe, path), path, &ret->exe);
}

/* @return 1 = filled; 0 = the document was not checked; -ENOMEM */
static int resolve_place(const struct doc_identity *doc,
                         struct rule_identity *ret)
{
    char path[SELECTOR_CGROUP_BYTES];
    int r = 1;

    if (doc->flags & MSP_ID_SHA256 &&
        msp_selector_sha256(doc->sha256, ret->sha256).expected)
        return 0;
    if (doc->flags & MSP_ID_CGROUP)
        r = keep(msp_selector_cgroup(doc->cgroup, path), path, &ret->cgroup);
    if (r == 1 && doc->flags & MSP_ID_UNIT)
        r = keep(msp_selector_unit(doc->unit, path), path, &ret->unit);
    return r;
}

static int compare_demands(const void *a, const void *b)
{
    const struct doc_demand *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->key ? strcmp(x->key, y->key) : 0;
}

/* @return 1 = as below; 0 = the document was not checked; -ENOMEM */
static int resolve_demands(const struct doc_identity *doc,
                           struct rule_identity *ret)
{
    if (!(doc->flags & (MSP_ID_CONTAINER | MSP_ID_POD)))
        return 1;
    if (doc->n_demands == 0)
        return 0;
    ret->demand = calloc(doc->n_demands, sizeof(*ret->demand));
    if (!ret->demand)
        return -ENOMEM;
    for (size_t i = 0; i < doc->n_demands; i++) {
        const struct doc_demand *demand = &doc->demand[i];

        if (msp_selector_demand(demand->key, demand->value).expected)
            return 0;
        ret->demand[ret->n_demands++] = *demand;
    }
    qsort(ret->demand, ret->n_demands, sizeof(*ret->demand), compare_demands);
    return 1;
}

/* Nobody at all, so the selectors that would need tables are gone. */
static void make_nobody(struct rule_identity *identity)
{
    identity->flags &=
        ~(MSP_ID_EXE | MSP_ID_PROCESS | MSP_ID_SHA256 | MSP_ID_CGROUP |
          MSP_ID_UNIT | MSP_ID_CONTAINER | MSP_ID_POD);
    identity->flags |= MSP_ID_NOBODY;
    identity->process = NULL;
    free(TAKE_PTR(identity->exe));
    free(TAKE_PTR(identity->cgroup));
    free(TAKE_PTR(identity->unit));
    free(TAKE_PTR(identity->demand));
    identity->n_demands = 0;
    memset(identity->sha256, 0, sizeof(identity->sha256));
}

/* @return 0; -EINVAL the document was not checked; -ENOMEM */
static int resolve_identity(const struct doc_identity *doc,
                            struct rule_identity *ret)
{
    int r;

    *ret = (struct rule_identity){.name = doc->name,
                                  .flags = doc->flags,
                                  .uid = doc->uid,
                                  .gid = doc->gid,
                                  .user = doc->user,
                                  .group = doc->group};
    r = resolve_place(doc, ret);
    if (r == 1)
        r = resolve_demands(doc, ret);
    if (r <= 0)
        return r < 0 ? r : -EINVAL;
    r = resolve_executable(doc, ret);
    if (r < 0)
        return r;
    /* fail closed: what cannot match must not be left out; only the
       platform's forms come here with such, with a warning */
    if (r == 0)
        make_nobody(ret);
    if (msp_selector_is_host_only(ret->flags))
        ret->flags |= MSP_ID_HOST_ONLY;
    /* Only the platform's forms come here without one, with a warning. */
    if (!doc->flags)
        ret->flags |= MSP_ID_EVERYBODY;
    return 0;
}

/* The identities assigned to each role, over all its assignments. */
static int collect_roles(const struct scope *scope, struct msp_idset *role_set)
{
    for (size_t i = 0; i < scope->doc->n_assignments; i++) {
        const struct doc_assignment *a = &scope->doc->assignment[i];
        uint32_t role, identity;

        if (!msp_intern_find(&scope->role_by_name, a->role, strlen(a->role),
                             &role))
            return -EINVAL;
        for (size_t j = 0; j < a->identities.n; j++) {
            doc_text name = a->identities.item[j];
            size_t bit;

            if (!msp_intern_find(&scope->identity_by_name, name, strlen(name),
                                 &identity))
                return -EINVAL;
            bit = scope->first_identity + identity;
            role_set[role].word[bit / 64] |= 1ull << (bit % 64);
        }
    }
    return 0;
}

static int bind_roles(const struct scope *scope, struct msp_idset *reach)
{
    const struct doc_endpoint *doc = scope->doc;
    msp_autofree struct msp_idset *role_set =
        calloc(doc->n_roles + 1, sizeof(*role_set));
    int r;

    if (!role_set)
        return -ENOMEM;
    r = collect_roles(scope, role_set);
    if (r < 0)
        return r;
    for (size_t i = 0; i < doc->n_roles; i++) {
        const struct doc_names *names = &doc->role[i].privileges;

        for (size_t j = 0; j < names->n; j++) {
            uint32_t index;

            if (!msp_intern_find(&scope->privilege_by_name, names->item[j],
                                 strlen(names->item[j]), &index))
                return -EINVAL;
            msp_idset_add_all(&scope->privilege[index].set, &role_set[i]);
            msp_idset_add_all(reach, &role_set[i]);
        }
    }
    return 0;
}

static int resolve_endpoint(const struct doc_endpoint *doc, uint32_t index,
                            struct policy_rules *rules)
{
    struct rule_endpoint *ret = &rules->endpoint[index];
    msp_cleanup(scope_done) struct scope scope = {
        .doc = doc,
        .privilege = rules->privilege + rules->n_privileges,
        .first_identity = rules->n_identities};
    int r;

    *ret = (struct rule_endpoint){.doc = doc,
                                  .mode = MSP_MODE_DISABLED,
                                  .on_deny = MSP_ON_DENY_EPERM,
                                  .id = ""};
    if (!doc->is_present)
        return 0;
    ret->mode = doc->mode;
    ret->default_allow = doc->default_allow;
    if (doc->id)
        ret->id = doc->id;
    ret->rate = doc->rate;
    if (doc->on_deny != MSP_ON_DENY_NONE)
        ret->on_deny = doc->on_deny;
    r = scope_init(&scope);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < doc->n_privileges; i++) {
        r = resolve_privilege(&doc->privilege[i], index, i,
                              &scope.privilege[i]);
        if (r < 0)
            return r;
    }
    rules->n_privileges += doc->n_privileges;
    rules->n_identities += doc->n_identities;
    for (size_t i = 0; i < doc->n_identities; i++) {
        r = resolve_identity(&doc->identity[i],
                             &rules->identity[scope.first_identity + i]);
        if (r < 0)
            return r;
    }
    return bind_roles(&scope, &ret->reach);
}

int msp_resolve(const struct policy_doc *doc, struct policy_rules *ret_rules)
{
    size_t n_privileges = 0, n_identities = 0;

    *ret_rules = (struct policy_rules){0};
    for (size_t i = 0; i < doc->n_endpoints; i++) {
        n_privileges += doc->endpoint[i].n_privileges;
        n_identities += doc->endpoint[i].n_identities;
    }
    if (n_identities > MSP_IDENTITIES_MAX || n_privileges > MSP_PRIVILEGES_MAX)
        return -EINVAL;
    /* One more: a size of 0 may give NULL. */
    ret_rules->privilege =
        calloc(n_privileges + 1, sizeof(*ret_rules->privilege));
    ret_rules->identity =
        calloc(n_identities + 1, sizeof(*ret_rules->identity));
    if (!ret_rules->privilege || !ret_rules->identity)
        return -ENOMEM;
    ret_rules->n_endpoints = doc->n_endpoints;
    for (uint32_t i = 0; i < doc->n_endpoints; i++) {
        int r = resolve_endpoint(&doc->endpoint[i], i, ret_rules);

        if (r < 0)
            return r;
    }
    return 0;
}
