/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <msp/canon.h>
#include <msp/cleanup.h>
#include <msp/image.h>

#include "check_address.h"
#include "check_identity.h"
#include "intern.h"

/* One endpoint of the document, and what refers to what in it. */
struct checker {
    struct report *report;
    const struct doc_endpoint *endpoint;
    bool is_platform;
    struct place at;                         /* of the endpoint's rules */
    struct intern privilege, role, identity; /* name -> index */
    bool *role_assigned;                     /* [n_roles] */
    bool *privilege_granted;                 /* [n_privileges] */
    bool *identity_used;                     /* [n_identities] */
    size_t *listed; /* [n_privileges or n_identities], number of the last
                       list that named it */
    size_t n_lists;
};

static void checker_done(struct checker *c)
{
    msp_intern_done(&c->privilege);
    msp_intern_done(&c->role);
    msp_intern_done(&c->identity);
    free(c->role_assigned);
    free(c->privilege_granted);
    free(c->identity_used);
    free(c->listed);
}

/* "<rules>/<array>/<index><rest>" */
static const char *where(struct checker *c, struct place *place,
                         const char *array, size_t index, const char *rest)
{
    msp_place_set(place, "%s/%s/%zu%s", c->at.text, array, index, rest);
    return place->text;
}

static void add_name(struct checker *c, struct intern *table, doc_text name,
                     const char *array, size_t index)
{
    struct place place;

    if (!name)
        return;
    if (msp_intern_add(table, name, strlen(name), (uint32_t)index) != index)
        msp_report_error(c->report, MSP_DIAG_DUPLICATE_NAME,
                         where(c, &place, array, index, "/name"),
                         "a name of its own", "a second %s",
                         msp_report_shown(name).text);
}

static int checker_init(struct checker *c)
{
    const struct doc_endpoint *e = c->endpoint;

    if (msp_intern_init(&c->privilege, e->n_privileges) < 0 ||
        msp_intern_init(&c->role, e->n_roles) < 0 ||
        msp_intern_init(&c->identity, e->n_identities) < 0)
        return -ENOMEM;
    /* One more: a size of 0 may give NULL. */
    c->role_assigned = calloc(e->n_roles + 1, sizeof(bool));
    c->privilege_granted = calloc(e->n_privileges + 1, sizeof(bool));
    c->identity_used = calloc(e->n_identities + 1, sizeof(bool));
    c->listed = calloc(e->n_privileges + e->n_identities + 1, sizeof(size_t));
    if (!c->role_assigned || !c->privilege_granted || !c->identity_used ||
        !c->listed)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_privileges; i++)
        add_name(c, &c->privilege, e->privilege[i].name, "privileges", i);
    for (size_t i = 0; i < e->n_roles; i++)
        add_name(c, &c->role, e->role[i].name, "roles", i);
    for (size_t i = 0; i < e->n_identities; i++)
        add_name(c, &c->identity, e->identity[i].name, "identities", i);
    return 0;
}

/*
 * A list of references, at <rules>/<array>/<index><rest>.
 * @param seen [names known], set where a reference hits
 */
static void check_names(struct checker *c, const struct doc_names *names,
                        const struct intern *known, bool *seen,
                        const char *array, size_t index, const char *rest)
{
    size_t list = ++c->n_lists;

    for (size_t i = 0; i < names->n; i++) {
        doc_text name = names->item[i];
        struct place place;
        uint32_t hit;
        bool is_known =
            name && msp_intern_find(known, name, strlen(name), &hit);

        if (!name)
            continue;
        if (is_known && c->listed[hit] != list) {
            c->listed[hit] = list;
            seen[hit] = true;
            continue;
        }
        (void)where(c, &place, array, index, rest);
        (void)msp_place_push_index(&place, i);
        if (is_known)
            msp_report_error(c->report, MSP_DIAG_DUPLICATE_NAME, place.text,
                             "each name once", "a second %s",
                             msp_report_shown(name).text);
        else
            msp_report_error(c->report, MSP_DIAG_DANGLING, place.text,
                             "a name defined here", "%s",
                             msp_report_shown(name).text);
    }
}

static void check_path(struct checker *c, const struct doc_privilege *p,
                       size_t index)
{
    char path[MSP_PATH_KEY_BYTES];
    enum msp_canon_code code;
    struct place place;
    size_t len;

    /* One that is no text or too long for one was reported already. */
    if (!p->path || strlen(p->path) > MSP_STRING_BYTES_MAX)
        return;
    code = msp_canon_rule_path(p->path, strlen(p->path), path, &len);
    if (code == MSP_CANON_OK)
        return;
    (void)where(c, &place, "privileges", index, "/path");
    if (code == MSP_CANON_TOO_LONG)
        msp_report_error(c->report, MSP_DIAG_LIMIT, place.text,
                         "a path of at most 247 bytes", "%zu", strlen(p->path));
    else
        msp_report_error(c->report, MSP_DIAG_PATH, place.text,
                         "a path that requests can have", "%s: %s",
                         msp_canon_text_of(code),
                         msp_report_shown(p->path).text);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

static bool has_escape(const char *text)
{
    for (; *text; text++)
        if (text[0] == '%' && is_hex(text[1]) && is_hex(text[2]))
            return true;
    return false;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* A pair no request can ever have would be a rule that never matches. */
static void check_pair(struct checker *c, const struct doc_pair *pair,
                       size_t index)
{
    bool is_escaped =
        has_escape(pair->key) || (pair->value && has_escape(pair->value));
    struct place place;

    if (!is_escaped && !strpbrk(pair->key, "&=") && is_ascii(pair->key))
        return;
    (void)where(c, &place, "privileges", index, "/queryParameters");
    msp_place_push(&place, pair->key);
    if (is_escaped)
        msp_report_error(
            c->report, MSP_DIAG_VALUE, place.text,
            "literal text, not percent-encoded", "%s",
            msp_report_shown(has_escape(pair->key) ? pair->key : pair->value)
                .text);
    else
        msp_report_error(c->report, MSP_DIAG_VALUE, place.text,
                         "an ASCII key without & and =", "%s",
                         msp_report_shown(pair->key).text);
}

static void check_pairs(struct checker *c, const struct doc_privilege *p,
                        size_t index)
{
    struct place place;

    for (size_t i = 0; i < p->n_pairs; i++) {
        check_pair(c, &p->pair[i], index);
        for (size_t j = 0; j < i; j++) {
            if (strcasecmp(p->pair[i].key, p->pair[j].key) != 0)
                continue;
            (void)where(c, &place, "privileges", index, "/queryParameters");
            (void)msp_place_push(&place, p->pair[i].key);
            msp_report_error(c->report, MSP_DIAG_DUPLICATE_KEY, place.text,
                             "each key once, whatever its case", "%s before it",
                             msp_report_shown(p->pair[j].key).text);
        }
    }
}

static void check_references(struct checker *c)
{
    const struct doc_endpoint *e = c->endpoint;
    struct place place;

    for (size_t i = 0; i < e->n_assignments; i++) {
        const struct doc_assignment *a = &e->assignment[i];
        uint32_t role;

        check_names(c, &a->identities, &c->identity, c->identity_used,
                    "roleAssignments", i, "/identities");
        if (!a->role)
            continue;
        if (msp_intern_find(&c->role, a->role, strlen(a->role), &role))
            c->role_assigned[role] = true;
        else
            msp_report_error(c->report, MSP_DIAG_DANGLING,
                             where(c, &place, "roleAssignments", i, "/role"),
                             "a name defined here", "%s",
                             msp_report_shown(a->role).text);
    }
    for (size_t i = 0; i < e->n_roles; i++)
        check_names(c, &e->role[i].privileges, &c->privilege,
                    c->privilege_granted, "roles", i, "/privileges");
}

/*
 * What connect cannot see: with sign:false nobody looks at requests, and a
 * default of allow lets everybody through.
 */
static void warn_not_judged(struct checker *c)
{
    const struct doc_endpoint *e = c->endpoint;
    struct place place;

    if (!e->is_custom || e->sign || e->n_privileges == 0)
        return;
    if (e->default_allow) {
        msp_report_warning(c->report, MSP_DIAG_NOT_JUDGED, c->at.text,
                           "defaultAccess deny, or no rules, with sign:false",
                           "allow: everybody passes at connect");
        return;
    }
    for (size_t i = 0; i < e->n_privileges; i++) {
        const struct doc_privilege *p = &e->privilege[i];
        bool is_whole = p->path && msp_streq(p->path, "/") && p->n_pairs == 0 &&
                        p->methods == 0;

        if (p->path && !is_whole)
            msp_report_warning(c->report, MSP_DIAG_NOT_JUDGED,
                               where(c, &place, "privileges", i, ""),
                               "path / alone with sign:false",
                               "more: connect lets its identities do all");
    }
}

/* Nobody would count, and nobody say so to the caller. */
static void check_rate(struct checker *c)
{
    const struct doc_endpoint *e = c->endpoint;
    struct place place;

    if (!e->is_custom || e->sign || !e->rate.per_second)
        return;
    msp_doc_place(e, &place);
    (void)msp_place_push(&place, "rateLimit");
    msp_report_error(c->report, MSP_DIAG_VALUE, place.text, "sign:true",
                     "sign:false, where nobody sees requests");
}

/* Legal, but hardly meant. */
static void warn_unused(struct checker *c)
{
    const struct doc_endpoint *e = c->endpoint;
    struct place place;

    for (size_t i = 0; i < e->n_privileges; i++)
        if (e->privilege[i].name && !c->privilege_granted[i])
            msp_report_warning(c->report, MSP_DIAG_UNUSED,
                               where(c, &place, "privileges", i, ""),
                               "a role with this privilege",
                               "none: it only denies");
    for (size_t i = 0; i < e->n_roles; i++)
        if (e->role[i].name && !c->role_assigned[i])
            msp_report_warning(c->report, MSP_DIAG_UNUSED,
                               where(c, &place, "roles", i, ""),
                               "an assignment of this role", "none");
    for (size_t i = 0; i < e->n_identities; i++)
        if (e->identity[i].name && !c->identity_used[i])
            msp_report_warning(c->report, MSP_DIAG_UNUSED,
                               where(c, &place, "identities", i, ""),
                               "an assignment to this identity", "none");
}

static int check_endpoint(const struct policy_doc *doc,
                          const struct doc_endpoint *endpoint,
                          struct report *report)
{
    msp_cleanup(checker_done) struct checker c = {.report = report,
                                                  .endpoint = endpoint,
                                                  .is_platform =
                                                      doc->is_platform};
    int r;

    msp_doc_place(endpoint, &c.at);
    (void)msp_place_push(&c.at, "rules");
    r = checker_init(&c);
    if (r < 0)
        return r;
    for (size_t i = 0; i < endpoint->n_privileges; i++) {
        check_path(&c, &endpoint->privilege[i], i);
        check_pairs(&c, &endpoint->privilege[i], i);
    }
    msp_check_identities(endpoint, c.is_platform, &c.at, report);
    check_references(&c);
    check_rate(&c);
    warn_not_judged(&c);
    warn_unused(&c);
    return report->r;
}

/* Adds to a sum over endpoints and reports where it goes over. */
static void count(struct report *report, const struct doc_endpoint *endpoint,
                  const char *array, size_t n, size_t max, size_t *sum)
{
    size_t before = *sum;
    struct place place;
    char expected[64];

    *sum += n;
    if (before > max || *sum <= max)
        return;
    msp_doc_place(endpoint, &place);
    (void)msp_place_push(&place, "rules");
    (void)msp_place_push(&place, array);
    (void)snprintf(expected, sizeof(expected), "at most %zu in all endpoints",
                   max);
    msp_report_error(report, MSP_DIAG_LIMIT, place.text, expected, "%zu", *sum);
}

static void check_counts(const struct policy_doc *doc, struct report *report)
{
    size_t privileges = 0, roles = 0, identities = 0, assignments = 0;

    for (size_t i = 0; i < doc->n_endpoints; i++) {
        const struct doc_endpoint *e = &doc->endpoint[i];

        count(report, e, "privileges", e->n_privileges, MSP_PRIVILEGES_MAX,
              &privileges);
        count(report, e, "roles", e->n_roles, MSP_ROLES_MAX, &roles);
        count(report, e, "identities", e->n_identities, MSP_IDENTITIES_MAX,
              &identities);
        count(report, e, "roleAssignments", e->n_assignments,
              MSP_ASSIGNMENTS_MAX, &assignments);
    }
}

int msp_check(const struct policy_doc *doc, struct report *report)
{
    int r;

    check_counts(doc, report);
    for (size_t i = 0; i < doc->n_endpoints; i++) {
        if (doc->endpoint[i].is_copy)
            continue;
        r = check_endpoint(doc, &doc->endpoint[i], report);
        if (r < 0)
            return r;
    }
    r = msp_check_addresses(doc, report);
    return r < 0 ? r : report->r;
}
