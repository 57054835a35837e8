/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse_item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#include "cidr.h"
#include "parse_container.h"
#include "parse_rate.h"

static void parse_names(struct parser *parser, const json_t *object,
                        const char *key, struct doc_names *ret)
{
    size_t before;
    json_t *array = msp_value_enter_array(parser, object, key, &before);

    if (!array)
        return;
    ret->item = msp_value_rows(parser, array, sizeof(*ret->item));
    ret->n = ret->item ? json_array_size(array) : 0;
    for (size_t i = 0; i < ret->n; i++) {
        size_t inner = msp_place_push_index(&parser->at, i);

        /* Its spelling is judged where the name is defined. */
        ret->item[i] = json_string_value(json_array_get(array, i));
        if (!ret->item[i])
            msp_value_wrong_type(parser, "a name", json_array_get(array, i));
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
}

static void parse_pairs(struct parser *parser, json_t *object,
                        struct doc_privilege *ret)
{
    json_t *query = msp_value_get(parser, object, "queryParameters"), *value;
    size_t before = msp_place_push(&parser->at, "queryParameters");
    const char *key;

    if (query && !json_is_object(query)) {
        msp_value_wrong_type(parser, "an object", query);
    } else if (json_object_size(query) > MSP_PRIV_PAIRS_MAX) {
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         "at most 8 query parameters", "%zu",
                         json_object_size(query));
    } else if (json_object_size(query) > 0) {
        ret->pair = calloc(json_object_size(query), sizeof(*ret->pair));
        if (!ret->pair)
            parser->report->r = -ENOMEM;
    }
    if (ret->pair) {
        json_object_foreach(query, key, value) {
            size_t inner = msp_place_push(&parser->at, key);

            ret->pair[ret->n_pairs++] = (struct doc_pair){
                .key = key,
                .value = msp_value_take_text(parser, value, TEXT_FREE)};
            msp_value_check_text(parser, key, strlen(key), TEXT_SELECTOR);
            msp_place_pop(&parser->at, inner);
        }
    }
    msp_place_pop(&parser->at, before);
}

/* @return its bit; 0 = none, reported */
static uint32_t take_method(struct parser *parser, const json_t *value)
{
    doc_text text = msp_value_take_text(parser, value, TEXT_FREE);

    if (!text)
        return 0;
    for (unsigned int bit = 0; bit < DOC_METHODS; bit++)
        if (msp_streq(msp_doc_method_name[bit], text))
            return 1u << bit;
    msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                     "GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH", "%s",
                     msp_report_shown(text).text);
    return 0;
}

static uint32_t parse_methods(struct parser *parser, const json_t *object)
{
    size_t before;
    json_t *array = msp_value_enter_array(parser, object, "methods", &before);
    uint32_t methods = 0;

    if (!array)
        return 0;
    if (json_array_size(array) == 0)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "at least one method", "none");
    for (size_t i = 0; i < json_array_size(array); i++) {
        size_t inner = msp_place_push_index(&parser->at, i);
        uint32_t bit = take_method(parser, json_array_get(array, i));

        if (methods & bit)
            msp_report_error(parser->report, MSP_DIAG_DUPLICATE_NAME,
                             parser->at.text, "each method once",
                             "a second one");
        methods |= bit;
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
    return methods;
}

static void parse_privilege(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {{"name", REQUIRED},
                                            {"path", REQUIRED},
                                            {"queryParameters", OPTIONAL},
                                            {"methods", OPTIONAL}};
    struct doc_privilege *ret = row;

    msp_value_members(parser, object, members, ARRAY_SIZE(members));
    ret->name = msp_value_text(parser, object, "name", TEXT_NAME);
    ret->path = msp_value_text(parser, object, "path", TEXT_FREE);
    parse_pairs(parser, object, ret);
    ret->methods = parse_methods(parser, object);
}

static void parse_role(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {{"name", REQUIRED},
                                            {"privileges", REQUIRED}};
    struct doc_role *ret = row;

    msp_value_members(parser, object, members, ARRAY_SIZE(members));
    ret->name = msp_value_text(parser, object, "name", TEXT_NAME);
    parse_names(parser, object, "privileges", &ret->privileges);
}

/* @return NULL also where it was reported: nothing more is to be said of it */
static doc_text take_selector(struct parser *parser, const json_t *object,
                              const char *key)
{
    size_t before = parser->report->n_errors;
    doc_text text = msp_value_text(parser, object, key, TEXT_SELECTOR);

    return parser->report->n_errors == before ? text : NULL;
}

/* A selector that is there, but wrong, is not "no selector". */
static uint32_t parse_flags(const struct parser *parser, const json_t *object)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } selector[] = {
        {"uid", MSP_ID_UID},          {"gid", MSP_ID_GID},
        {"userName", MSP_ID_USER},    {"groupName", MSP_ID_GROUP},
        {"exePath", MSP_ID_EXE},      {"processName", MSP_ID_PROCESS},
        {"exeSha256", MSP_ID_SHA256}, {"cgroup", MSP_ID_CGROUP},
        {"unit", MSP_ID_UNIT},        {"container", MSP_ID_CONTAINER},
        {"pod", MSP_ID_POD},
    };

    uint32_t flags = 0;

    for (size_t i = 0; i < ARRAY_SIZE(selector); i++)
        if (msp_value_get(parser, object, selector[i].name))
            flags |= selector[i].flag;
    return flags;
}

static void parse_identity(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {
        {"name", REQUIRED},        {"uid", OPTIONAL},
        {"gid", OPTIONAL},         {"userName", OPTIONAL},
        {"groupName", OPTIONAL},   {"exePath", OPTIONAL},
        {"processName", OPTIONAL}, {"exeSha256", OPTIONAL},
        {"cgroup", OPTIONAL},      {"unit", OPTIONAL},
        {"container", OPTIONAL},   {"pod", OPTIONAL},
    };
    struct doc_identity *ret = row;

    ret->has_unknown =
        msp_value_members(parser, object, members, ARRAY_SIZE(members));
    ret->flags = parse_flags(parser, object);
    ret->name = msp_value_text(parser, object, "name", TEXT_NAME);
    (void)msp_value_id(parser, object, "uid", &ret->uid);
    (void)msp_value_id(parser, object, "gid", &ret->gid);
    ret->user = msp_value_text(parser, object, "userName", TEXT_SELECTOR);
    ret->group = msp_value_text(parser, object, "groupName", TEXT_SELECTOR);
    ret->exe = take_selector(parser, object, "exePath");
    ret->process = take_selector(parser, object, "processName");
    ret->sha256 = take_selector(parser, object, "exeSha256");
    ret->cgroup = take_selector(parser, object, "cgroup");
    ret->unit = take_selector(parser, object, "unit");
    msp_container_parse(parser, object, ret);
}

static void parse_assignment(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {{"role", REQUIRED},
                                            {"identities", REQUIRED}};
    struct doc_assignment *ret = row;

    msp_value_members(parser, object, members, ARRAY_SIZE(members));
    ret->role = msp_value_text(parser, object, "role", TEXT_FREE);
    parse_names(parser, object, "identities", &ret->identities);
}

/*
 * An array of objects.
 * @param size bytes of one row
 * @param parse_row fills one row, which is zero
 * @param ret_n set to the number of rows
 * @return the rows, owned by the caller; NULL for none
 */
static void *parse_rows(struct parser *parser, const json_t *object,
                        const char *key, size_t size,
                        void (*parse_row)(struct parser *, json_t *, void *),
                        size_t *ret_n)
{
    size_t before;
    json_t *array = msp_value_enter_array(parser, object, key, &before);
    char *rows;

    if (!array)
        return NULL;
    rows = msp_value_rows(parser, array, size);
    for (size_t i = 0; rows && i < json_array_size(array); i++) {
        json_t *item = json_array_get(array, i);
        size_t inner = msp_place_push_index(&parser->at, i);

        if (json_is_object(item))
            parse_row(parser, item, rows + i * size);
        else
            msp_value_wrong_type(parser, "an object", item);
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
    if (rows)
        *ret_n = json_array_size(array);
    return rows;
}

static void parse_rules(struct parser *parser, json_t *item,
                        struct doc_endpoint *ret)
{
    static const struct member members[] = {{"privileges", REQUIRED},
                                            {"roles", REQUIRED},
                                            {"identities", REQUIRED},
                                            {"roleAssignments", REQUIRED}};
    json_t *rules = msp_value_get(parser, item, "rules");
    size_t before = msp_place_push(&parser->at, "rules");

    if (json_is_object(rules)) {
        msp_value_members(parser, rules, members, ARRAY_SIZE(members));
        ret->privilege =
            parse_rows(parser, rules, "privileges", sizeof(*ret->privilege),
                       parse_privilege, &ret->n_privileges);
        ret->role = parse_rows(parser, rules, "roles", sizeof(*ret->role),
                               parse_role, &ret->n_roles);
        ret->identity =
            parse_rows(parser, rules, "identities", sizeof(*ret->identity),
                       parse_identity, &ret->n_identities);
        ret->assignment = parse_rows(parser, rules, "roleAssignments",
                                     sizeof(*ret->assignment), parse_assignment,
                                     &ret->n_assignments);
    } else if (rules) {
        msp_value_wrong_type(parser, "an object", rules);
    }
    msp_place_pop(&parser->at, before);
}

/* The address prefixes of a custom endpoint. */
static void parse_addresses(struct parser *parser, json_t *item,
                            struct doc_endpoint *ret)
{
    size_t before, n;
    json_t *array = msp_value_enter_array(parser, item, "addresses", &before);

    if (!array)
        return;
    n = json_array_size(array);
    if (n == 0)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "at least one address", "none");
    ret->address = msp_value_rows(parser, array, sizeof(*ret->address));
    ret->n_addresses = ret->address ? n : 0;
    for (size_t i = 0; i < ret->n_addresses; i++) {
        size_t inner = msp_place_push_index(&parser->at, i);
        doc_text text =
            msp_value_take_text(parser, json_array_get(array, i), TEXT_FREE);
        const char *why = text ? msp_cidr_parse(text, &ret->address[i]) : NULL;

        if (why)
            msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                             why, "%s", msp_report_shown(text).text);
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
}

/* @return 0 = none, reported */
static uint16_t take_port(struct parser *parser, const json_t *value)
{
    json_int_t port = json_integer_value(value);

    if (!json_is_integer(value))
        msp_value_wrong_type(parser, "an integer", value);
    else if (port < 1 || port > UINT16_MAX)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "1 to 65535", "%lld", (long long)port);
    else if (port >= MSP_PORT_FIRST && port <= MSP_PORT_LAST)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "no port of the agent's listeners, 61080 to 61099",
                         "%lld", (long long)port);
    else
        return (uint16_t)port;
    return 0;
}

static void parse_ports(struct parser *parser, json_t *item,
                        struct doc_endpoint *ret)
{
    size_t before, n;
    json_t *array = msp_value_enter_array(parser, item, "ports", &before);
    struct msp_ports seen = {{0}};

    if (!array)
        return;
    n = json_array_size(array);
    if (n == 0)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "at least one port", "none");
    ret->port = msp_value_rows(parser, array, sizeof(*ret->port));
    for (size_t i = 0; ret->port && i < n; i++) {
        size_t inner = msp_place_push_index(&parser->at, i);
        uint16_t port = take_port(parser, json_array_get(array, i));
        uint64_t bit = 1ull << (port % 64);

        if (port && seen.word[port / 64] & bit)
            msp_report_error(parser->report, MSP_DIAG_DUPLICATE_NAME,
                             parser->at.text, "each port once", "a second %u",
                             port);
        else if (port)
            ret->port[ret->n_ports++] = port;
        seen.word[port / 64] |= bit;
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
}

static void parse_custom(struct parser *parser, json_t *item,
                         struct doc_endpoint *ret)
{
    json_t *sign = msp_value_get(parser, item, "sign");
    size_t before;

    parse_addresses(parser, item, ret);
    parse_ports(parser, item, ret);
    before = msp_place_push(&parser->at, "sign");
    if (sign && !json_is_boolean(sign))
        msp_value_wrong_type(parser, "true or false", sign);
    ret->sign = json_is_true(sign);
    msp_place_pop(&parser->at, before);
}

/* Members of each kind of item; the forms differ in what is required. */
#define ITEM_MEMBERS(mode, access, id)                           \
    {"mode", (mode)}, {"defaultAccess", (access)}, {"id", (id)}, \
        {"onDeny", OPTIONAL}, {"rateLimit", OPTIONAL},           \
    {                                                            \
        "rules", OPTIONAL                                        \
    }
#define ENDPOINT_MEMBERS(need)                \
    {"addresses", (need)}, {"ports", (need)}, \
    {                                         \
        "sign", (need)                        \
    }

static void check_item_members(struct parser *parser, json_t *item,
                               enum item_kind kind)
{
    static const struct member builtin[] = {
        ITEM_MEMBERS(REQUIRED, REQUIRED, REQUIRED), ENDPOINT_MEMBERS(FIXED)};
    static const struct member custom[] = {
        ITEM_MEMBERS(REQUIRED, REQUIRED, REQUIRED), ENDPOINT_MEMBERS(REQUIRED)};
    static const struct member local[] = {{"defaultAccess", OPTIONAL},
                                          {"id", OPTIONAL},
                                          {"onDeny", OPTIONAL},
                                          {"rateLimit", OPTIONAL},
                                          {"rules", OPTIONAL}};
    static const struct member arm[] = {{"mode", REQUIRED},
                                        {"defaultAccess", REQUIRED},
                                        {"onDeny", OPTIONAL},
                                        {"rateLimit", OPTIONAL},
                                        {"rules", OPTIONAL},
                                        {"targetLocations", OPTIONAL},
                                        {"excludeFromLatest", OPTIONAL},
                                        {"publishedDate", OPTIONAL},
                                        {"provisioningState", OPTIONAL},
                                        {"replicationStatus", OPTIONAL}};

    static const struct {
        const struct member *member;
        size_t n;
    } table[] = {
        [ITEM_BUILTIN] = {builtin, ARRAY_SIZE(builtin)},
        [ITEM_CUSTOM] = {custom, ARRAY_SIZE(custom)},
        [ITEM_LOCAL] = {local, ARRAY_SIZE(local)},
        [ITEM_ARM] = {arm, ARRAY_SIZE(arm)},
    };

    _Static_assert(ARRAY_SIZE(table) == ITEM_COUNT, "table");
    (void)msp_value_members(parser, item, table[kind].member, table[kind].n);
}

void msp_item_parse(struct parser *parser, json_t *item, enum item_kind kind,
                    struct doc_endpoint *ret)
{
    static const char *const mode[] = {NULL, "disabled", "audit", "enforce"};
    static const char *const access[] = {NULL, "deny", "allow"};
    static const char *const on_deny[] = {NULL, "eperm", "refuse", "http"};

    _Static_assert(ARRAY_SIZE(mode) == MSP_MODE_COUNT, "mode");
    _Static_assert(ARRAY_SIZE(on_deny) == MSP_ON_DENY_COUNT, "on_deny");
    if (!json_is_object(item)) {
        msp_value_wrong_type(parser, "an object", item);
        return;
    }
    ret->is_present = true;
    ret->is_custom = kind == ITEM_CUSTOM;
    ret->sign = true;
    check_item_members(parser, item, kind);
    /* A local file's mode is the platform's to say: such a member is noise. */
    if (kind != ITEM_LOCAL)
        ret->mode = (enum msp_mode)msp_value_word(parser, item, "mode", mode,
                                                  ARRAY_SIZE(mode),
                                                  "disabled, audit or enforce");
    ret->default_allow =
        msp_value_word(parser, item, "defaultAccess", access,
                       ARRAY_SIZE(access), "allow or deny") == 2;
    ret->on_deny = (enum msp_on_deny)msp_value_word(
        parser, item, "onDeny", on_deny, ARRAY_SIZE(on_deny),
        "eperm, refuse or http");
    if (kind != ITEM_ARM)
        ret->id = msp_value_text(
            parser, item, "id", kind == ITEM_LOCAL ? TEXT_SELECTOR : TEXT_FREE);
    msp_rate_parse(parser, item, &ret->rate);
    parse_rules(parser, item, ret);
    if (kind == ITEM_CUSTOM)
        parse_custom(parser, item, ret);
}
