/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#include "duplicate.h"

struct parser {
    struct report *report;
    struct place at;
};

enum need {
    OPTIONAL,
    REQUIRED,
    LATER
};

/* LATER: known, but not in this version. */
struct member {
    const char *name;
    enum need need;
};

enum text_kind {
    TEXT_FREE, /* may be empty */
    TEXT_SELECTOR,
    TEXT_NAME, /* goes to records: short */
};

static void wrong_type(struct parser *parser, const char *expected,
                       const json_t *value)
{
    static const char *const name[] = {"an object",  "an array",   "a string",
                                       "an integer", "a fraction", "true",
                                       "false",      "null"};

    msp_report_error(parser->report, MSP_DIAG_TYPE, parser->at.text, expected,
                     "%s", name[json_typeof(value)]);
}

static void report_member(struct parser *parser, const char *key,
                          const struct member *known)
{
    size_t before = msp_place_push(&parser->at, key);

    if (!known)
        msp_report_error(parser->report, MSP_DIAG_UNKNOWN_MEMBER,
                         parser->at.text, NULL, "\"%.64s\"", key);
    else if (known->need == LATER)
        msp_report_error(parser->report, MSP_DIAG_UNSUPPORTED, parser->at.text,
                         "a member of this version", "\"%s\"", key);
    else
        msp_report_error(parser->report, MSP_DIAG_MISSING, parser->at.text,
                         "this member", NULL);
    msp_place_pop(&parser->at, before);
}

/* The members of an object: none unknown, each required one there. */
static void check_members(struct parser *parser, json_t *object,
                          const struct member *members, size_t n)
{
    size_t n_right = 0;
    const char *key;
    json_t *value;

    for (size_t i = 0; i < n; i++)
        if (members[i].need != LATER &&
            json_object_get(object, members[i].name))
            n_right++;
    /* Only an object with others in it is worth a walk. */
    if (n_right != json_object_size(object)) {
        json_object_foreach(object, key, value) {
            size_t i = 0;

            while (i < n && !msp_streq(members[i].name, key))
                i++;
            if (i == n || members[i].need == LATER)
                report_member(parser, key, i < n ? &members[i] : NULL);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (members[i].need == REQUIRED &&
            !json_object_get(object, members[i].name))
            report_member(parser, members[i].name, &members[i]);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static void check_text(struct parser *parser, const char *text, size_t len,
                       enum text_kind kind)
{
    size_t max = kind == TEXT_NAME ? MSP_NAME_BYTES - 1 : MSP_STRING_BYTES_MAX;
    char expected[64];

    if (len > max) {
        (void)snprintf(expected, sizeof(expected), "at most %zu bytes", max);
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         expected, "%zu", len);
    } else if (kind != TEXT_FREE && is_blank(text)) {
        msp_report_error(parser->report, MSP_DIAG_BLANK, parser->at.text,
                         "a text that is not blank", "\"%s\"", text);
    } else if (has_control(text)) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "no control bytes", "one");
    } else if (kind == TEXT_NAME && msp_streq(text, "-")) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "a name", "\"-\", which means none in records");
    }
}

/* @return borrowed from the document; NULL = not a string */
static doc_text take_text(struct parser *parser, const json_t *value,
                          enum text_kind kind)
{
    if (!json_is_string(value)) {
        wrong_type(parser, "a string", value);
        return NULL;
    }
    check_text(parser, json_string_value(value), json_string_length(value),
               kind);
    return json_string_value(value);
}

static doc_text get_text(struct parser *parser, const json_t *object,
                         const char *key, enum text_kind kind)
{
    const json_t *value = json_object_get(object, key);
    size_t before;
    doc_text text;

    if (!value)
        return NULL;
    before = msp_place_push(&parser->at, key);
    text = take_text(parser, value, kind);
    msp_place_pop(&parser->at, before);
    return text;
}

/* A user or group number. @return whether it is given and right */
static bool get_id(struct parser *parser, const json_t *object, const char *key,
                   uint32_t *ret)
{
    const json_t *value = json_object_get(object, key);
    size_t before;
    bool is_right = false;

    if (!value)
        return false;
    before = msp_place_push(&parser->at, key);
    if (!json_is_integer(value)) {
        wrong_type(parser, "an integer", value);
    } else if (json_integer_value(value) < 0 ||
               json_integer_value(value) >= UINT32_MAX) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "0 to 4294967294", "%lld",
                         (long long)json_integer_value(value));
    } else {
        *ret = (uint32_t)json_integer_value(value);
        is_right = true;
    }
    msp_place_pop(&parser->at, before);
    return is_right;
}

/*
 * One word of a list.
 * @param word [n], NULL entries are no words
 * @return its index; 0 = none, reported unless the member is missing
 */
static size_t get_word(struct parser *parser, const json_t *object,
                       const char *key, const char *const *word, size_t n,
                       const char *expected)
{
    doc_text text = get_text(parser, object, key, TEXT_FREE);
    size_t before;

    if (!text)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (word[i] && strcasecmp(word[i], text) == 0)
            return i;
    before = msp_place_push(&parser->at, key);
    msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text, expected,
                     "\"%.64s\"", text);
    msp_place_pop(&parser->at, before);
    return 0;
}

/* Enters object[key] if it is an array. @return it; NULL, reported */
static json_t *enter_array(struct parser *parser, const json_t *object,
                           const char *key, size_t *ret_before)
{
    json_t *array = json_object_get(object, key);

    *ret_before = msp_place_push(&parser->at, key);
    if (json_is_array(array))
        return array;
    if (array)
        wrong_type(parser, "an array", array);
    msp_place_pop(&parser->at, *ret_before);
    return NULL;
}

/* Zeroed rows for an array. @return NULL with nothing to do or -ENOMEM */
static void *make_rows(struct parser *parser, const json_t *array, size_t size)
{
    void *rows = NULL;

    if (json_array_size(array) == 0)
        return NULL;
    rows = calloc(json_array_size(array), size);
    if (!rows)
        parser->report->r = -ENOMEM;
    return rows;
}

static void parse_names(struct parser *parser, const json_t *object,
                        const char *key, struct doc_names *ret)
{
    size_t before;
    json_t *array = enter_array(parser, object, key, &before);

    if (!array)
        return;
    ret->item = make_rows(parser, array, sizeof(*ret->item));
    ret->n = ret->item ? json_array_size(array) : 0;
    for (size_t i = 0; i < ret->n; i++) {
        size_t inner = msp_place_push_index(&parser->at, i);

        /* Its spelling is judged where the name is defined. */
        ret->item[i] = json_string_value(json_array_get(array, i));
        if (!ret->item[i])
            wrong_type(parser, "a name", json_array_get(array, i));
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
}

static void parse_pairs(struct parser *parser, json_t *object,
                        struct doc_privilege *ret)
{
    json_t *query = json_object_get(object, "queryParameters"), *value;
    size_t before = msp_place_push(&parser->at, "queryParameters");
    const char *key;

    if (query && !json_is_object(query)) {
        wrong_type(parser, "an object", query);
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
                .key = key, .value = take_text(parser, value, TEXT_FREE)};
            check_text(parser, key, strlen(key), TEXT_SELECTOR);
            msp_place_pop(&parser->at, inner);
        }
    }
    msp_place_pop(&parser->at, before);
}

/* @return its bit; 0 = none, reported */
static uint32_t take_method(struct parser *parser, const json_t *value)
{
    doc_text text = take_text(parser, value, TEXT_FREE);

    if (!text)
        return 0;
    for (unsigned int bit = 0; bit < DOC_METHODS; bit++)
        if (msp_streq(msp_doc_method_name[bit], text))
            return 1u << bit;
    msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                     "GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH",
                     "\"%.64s\"", text);
    return 0;
}

static uint32_t parse_methods(struct parser *parser, const json_t *object)
{
    size_t before;
    json_t *array = enter_array(parser, object, "methods", &before);
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

    check_members(parser, object, members, ARRAY_SIZE(members));
    ret->name = get_text(parser, object, "name", TEXT_NAME);
    ret->path = get_text(parser, object, "path", TEXT_FREE);
    parse_pairs(parser, object, ret);
    ret->methods = parse_methods(parser, object);
}

static void parse_role(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {{"name", REQUIRED},
                                            {"privileges", REQUIRED}};
    struct doc_role *ret = row;

    check_members(parser, object, members, ARRAY_SIZE(members));
    ret->name = get_text(parser, object, "name", TEXT_NAME);
    parse_names(parser, object, "privileges", &ret->privileges);
}

static void parse_identity(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {
        {"name", REQUIRED},     {"uid", OPTIONAL},       {"gid", OPTIONAL},
        {"userName", OPTIONAL}, {"groupName", OPTIONAL}, {"exePath", LATER},
        {"processName", LATER}, {"exeSha256", LATER},    {"cgroup", LATER},
        {"container", LATER},   {"pod", LATER},          {"unit", LATER},
    };
    struct doc_identity *ret = row;

    check_members(parser, object, members, ARRAY_SIZE(members));
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (members[i].need == LATER &&
            json_object_get(object, members[i].name))
            ret->has_unsupported = true;
    /* A selector that is there, but wrong, is not "no selector". */
    if (json_object_get(object, "uid"))
        ret->flags |= MSP_ID_UID;
    if (json_object_get(object, "gid"))
        ret->flags |= MSP_ID_GID;
    if (json_object_get(object, "userName"))
        ret->flags |= MSP_ID_USER;
    if (json_object_get(object, "groupName"))
        ret->flags |= MSP_ID_GROUP;
    ret->name = get_text(parser, object, "name", TEXT_NAME);
    (void)get_id(parser, object, "uid", &ret->uid);
    (void)get_id(parser, object, "gid", &ret->gid);
    ret->user = get_text(parser, object, "userName", TEXT_SELECTOR);
    ret->group = get_text(parser, object, "groupName", TEXT_SELECTOR);
}

static void parse_assignment(struct parser *parser, json_t *object, void *row)
{
    static const struct member members[] = {{"role", REQUIRED},
                                            {"identities", REQUIRED}};
    struct doc_assignment *ret = row;

    check_members(parser, object, members, ARRAY_SIZE(members));
    ret->role = get_text(parser, object, "role", TEXT_FREE);
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
    json_t *array = enter_array(parser, object, key, &before);
    char *rows;

    if (!array)
        return NULL;
    rows = make_rows(parser, array, size);
    for (size_t i = 0; rows && i < json_array_size(array); i++) {
        json_t *item = json_array_get(array, i);
        size_t inner = msp_place_push_index(&parser->at, i);

        if (json_is_object(item))
            parse_row(parser, item, rows + i * size);
        else
            wrong_type(parser, "an object", item);
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
    json_t *rules = json_object_get(item, "rules");
    size_t before = msp_place_push(&parser->at, "rules");

    if (json_is_object(rules)) {
        check_members(parser, rules, members, ARRAY_SIZE(members));
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
        wrong_type(parser, "an object", rules);
    }
    msp_place_pop(&parser->at, before);
}

static void parse_endpoint(struct parser *parser, json_t *item,
                           struct doc_endpoint *ret)
{
    static const struct member members[] = {{"mode", REQUIRED},
                                            {"defaultAccess", REQUIRED},
                                            {"id", REQUIRED},
                                            {"onDeny", OPTIONAL},
                                            {"rules", OPTIONAL}};
    static const char *const mode[] = {NULL, "disabled", "audit", "enforce"};
    static const char *const access[] = {NULL, "deny", "allow"};
    static const char *const on_deny[] = {NULL, "eperm", "refuse", "http"};

    _Static_assert(ARRAY_SIZE(mode) == MSP_MODE_COUNT, "mode");
    _Static_assert(ARRAY_SIZE(on_deny) == MSP_ON_DENY_COUNT, "on_deny");
    if (!json_is_object(item)) {
        wrong_type(parser, "an object", item);
        return;
    }
    ret->is_present = true;
    check_members(parser, item, members, ARRAY_SIZE(members));
    ret->mode =
        (enum msp_mode)get_word(parser, item, "mode", mode, ARRAY_SIZE(mode),
                                "disabled, audit or enforce");
    ret->default_allow = get_word(parser, item, "defaultAccess", access,
                                  ARRAY_SIZE(access), "allow or deny") == 2;
    ret->on_deny = (enum msp_on_deny)get_word(parser, item, "onDeny", on_deny,
                                              ARRAY_SIZE(on_deny),
                                              "eperm, refuse or http");
    ret->id = get_text(parser, item, "id", TEXT_FREE);
    parse_rules(parser, item, ret);
}

static int find_endpoint(const char *key)
{
    for (int i = 0; i < MSP_EP_BUILTINS; i++)
        if (msp_streq(msp_doc_endpoint_name[i], key))
            return i;
    return -1;
}

static void parse_endpoints(struct parser *parser, json_t *root,
                            struct policy_doc *doc)
{
    json_t *endpoints = json_object_get(root, "endpoints"), *item;
    size_t before = msp_place_push(&parser->at, "endpoints");
    const char *key;

    if (endpoints && !json_is_object(endpoints))
        wrong_type(parser, "an object", endpoints);
    json_object_foreach(endpoints, key, item) {
        size_t inner = msp_place_push(&parser->at, key);
        int i = find_endpoint(key);

        if (i < 0)
            msp_report_error(parser->report, MSP_DIAG_UNSUPPORTED,
                             parser->at.text, "imds, wireserver or hostga",
                             "\"%.64s\"", key);
        else
            parse_endpoint(parser, item, &doc->endpoint[i]);
        msp_place_pop(&parser->at, inner);
    }
    msp_place_pop(&parser->at, before);
}

static void parse_version(struct parser *parser, json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    size_t before = msp_place_push(&parser->at, "version");

    if (version && !json_is_integer(version))
        wrong_type(parser, "an integer", version);
    else if (version && json_integer_value(version) != 1)
        msp_report_error(parser->report, MSP_DIAG_VERSION, parser->at.text, "1",
                         "%lld", (long long)json_integer_value(version));
    msp_place_pop(&parser->at, before);
}

/*
 * Finds the first value nested too deep.
 * @param at NULL, or where to leave its place
 */
static bool is_too_deep(json_t *value, size_t depth, struct place *at)
{
    const char *key;
    json_t *item;
    size_t i;

    if (!json_is_object(value) && !json_is_array(value))
        return false;
    if (depth > MSP_DOC_DEPTH_MAX)
        return true;
    json_object_foreach(value, key, item) {
        size_t before = at ? msp_place_push(at, key) : 0;

        if (is_too_deep(item, depth + 1, at))
            return true;
        if (at)
            msp_place_pop(at, before);
    }
    json_array_foreach(value, i, item) {
        size_t before = at ? msp_place_push_index(at, i) : 0;

        if (is_too_deep(item, depth + 1, at))
            return true;
        if (at)
            msp_place_pop(at, before);
    }
    return false;
}

/* The place is made on a second walk, which good documents do not need. */
static void check_depth(struct parser *parser, json_t *root)
{
    struct place place = {.len = 0};

    if (!is_too_deep(root, 1, NULL))
        return;
    (void)is_too_deep(root, 1, &place);
    msp_report_error(parser->report, MSP_DIAG_TOO_DEEP, place.text,
                     "at most 16 levels", "more");
}

static void report_syntax(struct report *report, const json_error_t *error)
{
    struct msp_diags *diags = report->diags;
    size_t n = diags->n;

    if (json_error_code(error) == json_error_out_of_memory) {
        report->r = -ENOMEM;
        return;
    }
    if (json_error_code(error) == json_error_stack_overflow)
        msp_report_error(report, MSP_DIAG_TOO_DEEP, "", "at most 16 levels",
                         "more");
    else
        msp_report_error(report, MSP_DIAG_SYNTAX, "", "JSON", "%s",
                         error->text);
    if (diags->n == n + 1) {
        diags->item[n].line = error->line;
        diags->item[n].column = error->column > 0 ? error->column : 1;
    }
}

/* @return the document, also one with duplicate keys; NULL, reported */
static json_t *load(const char *text, size_t len, struct report *report)
{
    json_error_t error;
    json_t *root;

    root =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root)
        return root;
    if (json_error_code(&error) == json_error_duplicate_key) {
        /* Go on with the last of each, to find the other faults as well. */
        root = json_loadb(text, len, JSON_DECODE_ANY, &error);
        if (root) {
            msp_duplicate_report(text, len, MSP_DOC_DEPTH_MAX + 1, report);
            /* fail closed: the two readers must not disagree */
            if (report->r == 0 && report->n_errors == 0)
                msp_report_error(report, MSP_DIAG_DUPLICATE_KEY, "",
                                 "each key once", "one twice");
            return root;
        }
    }
    report_syntax(report, &error);
    return NULL;
}

int msp_parse(const char *text, size_t len, struct report *report,
              struct policy_doc *ret_doc)
{
    static const struct member members[] = {{"version", REQUIRED},
                                            {"endpoints", REQUIRED}};
    struct parser parser = {.report = report};
    json_t *root;

    *ret_doc = (struct policy_doc){0};
    if (len > MSP_DOC_BYTES_MAX) {
        msp_report_error(report, MSP_DIAG_TOO_LARGE, "",
                         "at most 8388608 bytes", "more");
        return report->r;
    }
    root = load(text, len, report);
    if (!root)
        return report->r;
    ret_doc->root = root;
    if (!json_is_object(root)) {
        wrong_type(&parser, "an object", root);
        return report->r;
    }
    check_members(&parser, root, members, ARRAY_SIZE(members));
    parse_version(&parser, root);
    parse_endpoints(&parser, root, ret_doc);
    /* A document without a fault so far has the depth of the schema. */
    if (report->n_errors > 0)
        check_depth(&parser, root);
    return report->r < 0 ? report->r : 1;
}

void msp_parse_release(struct json_t *root)
{
    json_decref(root);
}
