/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include <msp/cleanup.h>

#include "doc.h"
#include "dump.h"
#include "explain.h"
#include "jsontext.h"

static const char *const verdict_name[] = {
    [MSP_VERDICT_NONE] = "none",     [MSP_VERDICT_DENY] = "deny",
    [MSP_VERDICT_ALLOW] = "allow",   [MSP_VERDICT_AUDIT] = "audit",
    [MSP_VERDICT_DIRECT] = "direct", [MSP_VERDICT_STALE] = "stale",
};
_Static_assert(ARRAY_SIZE(verdict_name) == MSP_VERDICT_COUNT, "verdict_name");

/* The words of the logs, with what they mean. */
static const struct {
    const char *name;
    const char *text;
} reason_text[] = {
    [MSP_REASON_PRIVILEGE] = {"privilege", "a privilege of the caller matched"},
    [MSP_REASON_DEFAULT_ALLOW] = {"default-allow",
                                  "no privilege matched, the default allows"},
    [MSP_REASON_DEFAULT_DENY] = {"default-deny",
                                 "no privilege matched, the default denies"},
    [MSP_REASON_NOT_ASSIGNED] = {"not-assigned",
                                 "what matched is assigned to others"},
    [MSP_REASON_NO_RULE_FOR_YOU] = {"no-rule-for-you",
                                    "the caller has no privilege here at all"},
    [MSP_REASON_NEEDS_ROOT] = {"needs-root",
                               "this endpoint is for real root only"},
    [MSP_REASON_REDIRECTED] = {"redirected", "to the agent, which signs"},
    [MSP_REASON_DIRECT_NOT_SIGNED] = {"direct-not-signed",
                                      "this endpoint is not signed for"},
    [MSP_REASON_SPELLING] = {"spelling", "the target has no canonical form"},
    [MSP_REASON_RESERVED_PATH] = {"reserved-path",
                                  "this path is the agent's own"},
    [MSP_REASON_DISABLED] = {"disabled", "this endpoint is not intercepted"},
    [MSP_REASON_COUNT] = {NULL, NULL},
};

_Static_assert(ARRAY_SIZE(reason_text) == MSP_REASON_COUNT + 1, "reason_text");

static const char *const why_name[] = {
    [EXPLAIN_METHOD] = "method",
    [EXPLAIN_QUERY] = "query",
    [EXPLAIN_NOT_ASSIGNED] = "not-assigned",
};
_Static_assert(ARRAY_SIZE(why_name) == EXPLAIN_WHY_COUNT, "why_name");

static const char *reason_name(enum msp_reason reason)
{
    const char *name = reason_text[reason].name;

    return name ? name : "none";
}

static const char *stage_name(enum msp_stage stage)
{
    return stage == MSP_STAGE_CONNECT ? "connect" : "request";
}

static const char *method_name(uint32_t method)
{
    for (size_t bit = 0; bit < DOC_METHODS; bit++)
        if (method >> bit & 1)
            return msp_doc_method_name[bit];
    return "?";
}

static const char *privilege_name(const struct msp_image *image, uint32_t i)
{
    return msp_image_string(image, image->privileges[i].name_off);
}

static const char *identity_name(const struct msp_image *image, uint32_t i)
{
    return msp_image_string(image, image->identities[i].name_off);
}

static void print_names(const struct msp_image *image,
                        const struct msp_idset *set, FILE *out)
{
    const char *separator = "";

    for (uint32_t bit = 0; msp_dump_next_bit(set, &bit); bit++) {
        (void)fputs(separator, out);
        msp_json_string(out, identity_name(image, bit));
        separator = ", ";
    }
    if (!*separator)
        (void)fputs("nobody", out);
}

/* What of the caller counts at this endpoint: identities it knows. */
static struct msp_idset known_ids(const struct msp_image *image,
                                  const struct explain_query *query,
                                  const struct explain *explain)
{
    const struct msp_endpoint *ep = &image->endpoints[query->endpoint].ep;
    struct msp_idset ids;

    for (size_t i = 0; i < MSP_IDSET_WORDS; i++)
        ids.word[i] = explain->ids.word[i] &
                      (ep->reach.word[i] | ep->lifts_root_gate.word[i]);
    return ids;
}

static const char *said_not(bool is_given)
{
    return is_given ? "" : " (not given)";
}

/* Which of its demands on a container or pod; of another selector, it. */
static void print_selector(const struct msp_image *image,
                           const struct explain_caller *caller,
                           uint32_t identity, const struct explain_unfit *unfit,
                           FILE *out)
{
    bool has_demands =
        unfit->flag == MSP_ID_CONTAINER || unfit->flag == MSP_ID_POD;
    const struct msp_image_demand *demand;
    const char *separator = "";
    bool is_given = false;
    uint32_t at = 0;

    while (has_demands && (demand = msp_explain_unmet(image, caller, identity,
                                                      unfit->flag == MSP_ID_POD,
                                                      &at, &is_given))) {
        const char *key = msp_image_string(image, demand->key_off);

        (void)fprintf(out, "%s %s.%s", separator, unfit->selector,
                      msp_dump_demand_name[demand->kind]);
        if (key[0]) {
            (void)fputc(' ', out);
            msp_json_string(out, key);
        }
        (void)fputs(said_not(is_given), out);
        separator = ",";
    }
    if (!separator[0])
        (void)fprintf(out, " %s%s", unfit->selector, said_not(unfit->is_given));
}

/* Why the caller is none of those a privilege is for. */
static void print_unfit(const struct msp_image *image,
                        const struct explain_query *query,
                        const struct msp_idset *assigned, FILE *out)
{
    struct explain_unfit unfit[EXPLAIN_UNFIT_MAX];

    for (uint32_t bit = 0; msp_dump_next_bit(assigned, &bit); bit++) {
        size_t n = msp_explain_unfit(image, &query->caller, bit, unfit);

        (void)fputs("    ", out);
        msp_json_string(out, identity_name(image, bit));
        if (image->identities[bit].flags & MSP_ID_NOBODY) {
            (void)fputs(" matches nobody\n", out);
            continue;
        }
        (void)fputs(" does not fit:", out);
        for (size_t i = 0; i < n; i++) {
            (void)fputs(i ? "," : "", out);
            print_selector(image, &query->caller, bit, &unfit[i], out);
        }
        (void)fputc('\n', out);
    }
}

static void print_row(const struct msp_image *image,
                      const struct explain_query *query,
                      const struct explain_row *row, FILE *out)
{
    const char *separator = "";

    (void)fputs("  passed: ", out);
    msp_json_string(out, privilege_name(image, row->cond->privilege));
    switch (row->why) {
    case EXPLAIN_METHOD:
        (void)fputs(" is for ", out);
        for (uint32_t bit = 0; bit < DOC_METHODS; bit++) {
            if (!(row->cond->methods >> bit & 1))
                continue;
            (void)fprintf(out, "%s%s", separator, msp_doc_method_name[bit]);
            separator = ", ";
        }
        (void)fprintf(out, ", not %s\n", method_name(query->method));
        return;
    case EXPLAIN_QUERY:
        (void)fprintf(out, " wants query pair %u, which is not there\n",
                      row->pair);
        return;
    case EXPLAIN_NOT_ASSIGNED:
        (void)fputs(" matches, but is for ", out);
        print_names(image, &image->sets[row->cond->set], out);
        (void)fputc('\n', out);
        print_unfit(image, query, &image->sets[row->cond->set], out);
        return;
    case EXPLAIN_WHY_COUNT:
        break;
    }
}

static void print_request(const struct explain *explain, FILE *out)
{
    if (explain->spelling != MSP_CANON_OK) {
        (void)fprintf(out, "  target: refused, %s\n",
                      msp_canon_text_of(explain->spelling));
        return;
    }
    (void)fputs("  path: ", out);
    msp_json_string(out, explain->canon.path.ptr);
    (void)fputc('\n', out);
}

int msp_explain_print(const struct msp_image *image,
                      const struct explain_query *query,
                      const struct explain *explain, FILE *out)
{
    const struct msp_endpoint *ep = &image->endpoints[query->endpoint].ep;
    struct msp_idset ids = known_ids(image, query, explain);

    (void)fprintf(out, "%s: %s at %s: %s\n", verdict_name[explain->verdict],
                  reason_name(explain->reason), stage_name(explain->stage),
                  reason_text[explain->reason].text);
    (void)fprintf(out, "  endpoint: %s mode=%s default=%s on-deny=%s\n",
                  ep->name, msp_dump_mode(ep),
                  ep->flags & MSP_EP_DEFAULT_ALLOW ? "allow" : "deny",
                  msp_dump_on_deny(ep));
    if (ep->rate.per_second)
        (void)fprintf(out, "  rate limit: %s%u/s, %u at once\n",
                      query->caller.is_root ? "none for root; others " : "",
                      ep->rate.per_second, ep->rate.burst);
    print_request(explain, out);
    (void)fputs("  caller is: ", out);
    print_names(image, &ids, out);
    (void)fputc('\n', out);
    if (explain->privilege != MSP_NO_IDENTITY) {
        (void)fputs("  privilege: ", out);
        msp_json_string(out, privilege_name(image, explain->privilege));
        (void)fputc('\n', out);
    }
    if (explain->identity != MSP_NO_IDENTITY) {
        (void)fputs("  identity: ", out);
        msp_json_string(out, identity_name(image, explain->identity));
        (void)fputc('\n', out);
    }
    for (size_t i = 0; i < explain->n_passed; i++)
        print_row(image, query, &explain->passed[i], out);
    return ferror(out) ? -EIO : 0;
}

/* --- JSON ---------------------------------------------------------------- */

static void print_decision(const char *name, struct msp_decision d, FILE *out)
{
    if (d.verdict == MSP_VERDICT_NONE)
        (void)fprintf(out, ",\"%s\":null", name);
    else
        (void)fprintf(out, ",\"%s\":{\"verdict\":\"%s\",\"reason\":\"%s\"}",
                      name, verdict_name[d.verdict], reason_name(d.reason));
}

/* @param text NULL = null */
static void print_member(const char *name, const char *text, FILE *out)
{
    (void)fprintf(out, ",\"%s\":", name);
    if (text)
        msp_json_string(out, text);
    else
        (void)fputs("null", out);
}

static void print_names_json(const struct msp_image *image, const char *name,
                             const struct msp_idset *set, FILE *out)
{
    const char *separator = "";

    (void)fprintf(out, ",\"%s\":[", name);
    for (uint32_t bit = 0; msp_dump_next_bit(set, &bit); bit++) {
        (void)fputs(separator, out);
        msp_json_string(out, identity_name(image, bit));
        separator = ",";
    }
    (void)fputc(']', out);
}

/* "unfit": [{"identity": NAME, "selectors": [NAME ...]} ...] */
static void print_unfit_json(const struct msp_image *image,
                             const struct explain_query *query,
                             const struct msp_idset *assigned, FILE *out)
{
    struct explain_unfit unfit[EXPLAIN_UNFIT_MAX];
    const char *separator = "";

    (void)fputs(",\"unfit\":[", out);
    for (uint32_t bit = 0; msp_dump_next_bit(assigned, &bit); bit++) {
        size_t n = msp_explain_unfit(image, &query->caller, bit, unfit);

        (void)fprintf(out, "%s{\"identity\":", separator);
        msp_json_string(out, identity_name(image, bit));
        (void)fputs(",\"selectors\":[", out);
        for (size_t i = 0; i < n; i++)
            (void)fprintf(out, "%s\"%s\"", i ? "," : "", unfit[i].selector);
        (void)fputs("]}", out);
        separator = ",";
    }
    (void)fputc(']', out);
}

static void print_row_json(const struct msp_image *image,
                           const struct explain_query *query,
                           const struct explain_row *row, FILE *out)
{
    (void)fprintf(out, "{\"why\":\"%s\"", why_name[row->why]);
    print_member("privilege", privilege_name(image, row->cond->privilege), out);
    print_names_json(image, "assigned", &image->sets[row->cond->set], out);
    if (row->why == EXPLAIN_QUERY)
        (void)fprintf(out, ",\"pair\":%u", row->pair);
    if (row->why == EXPLAIN_NOT_ASSIGNED)
        print_unfit_json(image, query, &image->sets[row->cond->set], out);
    (void)fputc('}', out);
}

int msp_explain_print_json(const struct msp_image *image,
                           const struct explain_query *query,
                           const struct explain *explain, FILE *out)
{
    const struct msp_endpoint *ep = &image->endpoints[query->endpoint].ep;
    struct msp_idset ids = known_ids(image, query, explain);
    bool is_canonical = explain->spelling == MSP_CANON_OK;
    bool has_privilege = explain->privilege != MSP_NO_IDENTITY;
    bool has_identity = explain->identity != MSP_NO_IDENTITY;

    (void)fprintf(out,
                  "{\"schema\":%d,\"verdict\":\"%s\",\"reason\":\"%s\","
                  "\"stage\":\"%s\",\"mode\":\"%s\"",
                  MSP_JSON_SCHEMA, verdict_name[explain->verdict],
                  reason_name(explain->reason), stage_name(explain->stage),
                  msp_dump_mode(ep));
    print_member("endpoint", ep->name, out);
    msp_dump_rate_json(ep, out);
    print_member("method", method_name(query->method), out);
    print_member("path", is_canonical ? explain->canon.path.ptr : NULL, out);
    print_member("spelling", msp_canon_text_of(explain->spelling), out);
    print_decision("connect", explain->connect, out);
    print_decision("request", explain->request, out);
    print_names_json(image, "caller", &ids, out);
    print_member(
        "privilege",
        has_privilege ? privilege_name(image, explain->privilege) : NULL, out);
    print_member("identity",
                 has_identity ? identity_name(image, explain->identity) : NULL,
                 out);
    (void)fputs(",\"passed\":[", out);
    for (size_t i = 0; i < explain->n_passed; i++) {
        (void)fputs(i ? ",\n" : "\n", out);
        print_row_json(image, query, &explain->passed[i], out);
    }
    (void)fputs(explain->n_passed ? "\n]}\n" : "]}\n", out);
    return ferror(out) ? -EIO : 0;
}
