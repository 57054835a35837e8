/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse_form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "parse_item.h"

static const char *const form_name[] = {
    [MSP_FORM_AUTO] = "auto",     [MSP_FORM_NATIVE] = "native",
    [MSP_FORM_STATUS] = "status", [MSP_FORM_LOCAL] = "local",
    [MSP_FORM_ARM] = "arm",
};
_Static_assert(ARRAY_SIZE(form_name) == MSP_FORM_COUNT, "form_name");

int msp_policy_form_of(const char *word, enum msp_form *ret_form)
{
    for (size_t i = MSP_FORM_NATIVE; i < MSP_FORM_COUNT; i++) {
        if (!msp_streq(form_name[i], word))
            continue;
        *ret_form = (enum msp_form)i;
        return 0;
    }
    return -EINVAL;
}

int msp_policy_mode_of(const char *word, enum msp_mode *ret_mode)
{
    static const char *const mode[] = {NULL, "disabled", "audit", "enforce"};

    _Static_assert(ARRAY_SIZE(mode) == MSP_MODE_COUNT, "mode");
    for (size_t i = MSP_MODE_DISABLED; i < MSP_MODE_COUNT; i++) {
        if (!msp_streq(mode[i], word))
            continue;
        *ret_mode = (enum msp_mode)i;
        return 0;
    }
    return -EINVAL;
}

static void place_endpoint(struct doc_endpoint *endpoint, doc_text parent,
                           doc_text member)
{
    endpoint->parent = parent;
    endpoint->member = member;
}

void msp_form_init(struct policy_doc *doc)
{
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++) {
        doc->endpoint[i].name = msp_doc_endpoint_name[i];
        place_endpoint(&doc->endpoint[i], "/endpoints",
                       msp_doc_endpoint_name[i]);
    }
}

/* --- which form ---------------------------------------------------------- */

/* Members that one form alone has at its top. */
static const struct {
    enum msp_form form;
    const char *member;
} shape[] = {
    {MSP_FORM_NATIVE, "version"},      {MSP_FORM_NATIVE, "endpoints"},
    {MSP_FORM_STATUS, "imds"},         {MSP_FORM_STATUS, "wireserver"},
    {MSP_FORM_STATUS, "hostga"},       {MSP_FORM_LOCAL, "rules"},
    {MSP_FORM_LOCAL, "defaultAccess"}, {MSP_FORM_ARM, "properties"},
};

enum msp_form msp_form_find(struct parser *parser, const json_t *root,
                            const struct msp_policy_options *options)
{
    enum msp_form form = options->form;
    const char *member = NULL;

    if ((form == MSP_FORM_AUTO || form == MSP_FORM_STATUS) &&
        json_object_get(root, "authorizationRules")) {
        /* fail closed: read as a status it would guard nothing */
        msp_report_error(parser->report, MSP_DIAG_FORM, "/authorizationRules",
                         "the value of this member alone",
                         "the status answer around it");
        return MSP_FORM_AUTO;
    }
    if (form != MSP_FORM_AUTO)
        return form;
    for (size_t i = 0; i < ARRAY_SIZE(shape); i++) {
        if (!json_object_get(root, shape[i].member) || form == shape[i].form)
            continue;
        if (form != MSP_FORM_AUTO) {
            msp_report_error(parser->report, MSP_DIAG_FORM, "",
                             "one form, or --form native, status, local or arm",
                             "\"%s\" of %s and \"%s\" of %s", member,
                             form_name[form], shape[i].member,
                             form_name[shape[i].form]);
            return MSP_FORM_AUTO;
        }
        form = shape[i].form;
        member = shape[i].member;
    }
    if (form == MSP_FORM_AUTO)
        msp_report_error(parser->report, MSP_DIAG_FORM, "",
                         "a known form, or --form native, status, local or arm",
                         "members of none");
    return form;
}

/* --- native -------------------------------------------------------------- */

static void parse_version(struct parser *parser, json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    size_t before = msp_place_push(&parser->at, "version");

    if (version && !json_is_integer(version))
        msp_value_wrong_type(parser, "an integer", version);
    else if (version && json_integer_value(version) != 1)
        msp_report_error(parser->report, MSP_DIAG_VERSION, parser->at.text, "1",
                         "%lld", (long long)json_integer_value(version));
    msp_place_pop(&parser->at, before);
}

static int find_builtin(const char *key)
{
    for (int i = 0; i < MSP_EP_BUILTINS; i++)
        if (msp_streq(msp_doc_endpoint_name[i], key))
            return i;
    return -1;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the custom endpoints, sorted. @return [*ret_n]; NULL = none */
static const char **custom_keys(struct parser *parser, json_t *endpoints,
                                size_t *ret_n)
{
    size_t n = 0;
    const char **keys = calloc(json_object_size(endpoints) + 1, sizeof(*keys));
    const char *key;
    json_t *item;

    *ret_n = 0;
    if (!keys) {
        parser->report->r = -ENOMEM;
        return NULL;
    }
    json_object_foreach(endpoints, key, item)
        if (find_builtin(key) < 0)
            keys[n++] = key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    *ret_n = n;
    return keys;
}

static void check_name(struct parser *parser, const char *name)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(name);

    if (len >= MSP_ENDPOINT_NAME_BYTES)
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         "a name of at most 31 bytes", "%zu", len);
    else if (len == 0 || name[0] == '-' || name[strspn(name, alphabet)])
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "a name of lower-case letters, digits and - inside",
                         "\"%s\"", name);
}

static void parse_customs(struct parser *parser, json_t *endpoints,
                          struct policy_doc *doc)
{
    size_t n;
    msp_autofree const char **keys = custom_keys(parser, endpoints, &n);

    if (MSP_EP_BUILTINS + n > MSP_ENDPOINTS_MAX) {
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         "at most 61 custom endpoints", "%zu", n);
        n = MSP_ENDPOINTS_MAX - MSP_EP_BUILTINS;
    }
    for (size_t i = 0; i < n; i++) {
        struct doc_endpoint *endpoint = &doc->endpoint[doc->n_endpoints++];
        size_t before = msp_place_push(&parser->at, keys[i]);

        endpoint->name = keys[i];
        place_endpoint(endpoint, "/endpoints", keys[i]);
        check_name(parser, keys[i]);
        msp_item_parse(parser, json_object_get(endpoints, keys[i]), ITEM_CUSTOM,
                       endpoint);
        msp_place_pop(&parser->at, before);
    }
}

static void parse_builtins(struct parser *parser, json_t *object,
                           struct policy_doc *doc)
{
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++) {
        const char *name = msp_doc_endpoint_name[i];
        json_t *item = msp_value_get(parser, object, name);
        size_t before = msp_place_push(&parser->at, name);

        if (item)
            msp_item_parse(parser, item, ITEM_BUILTIN, &doc->endpoint[i]);
        msp_place_pop(&parser->at, before);
    }
}

static void parse_native(struct parser *parser, json_t *root,
                         struct policy_doc *doc)
{
    static const struct member members[] = {{"version", REQUIRED},
                                            {"endpoints", REQUIRED}};
    json_t *endpoints = json_object_get(root, "endpoints");
    size_t before;

    (void)msp_value_members(parser, root, members, ARRAY_SIZE(members));
    parse_version(parser, root);
    before = msp_place_push(&parser->at, "endpoints");
    if (json_is_object(endpoints)) {
        parse_builtins(parser, endpoints, doc);
        parse_customs(parser, endpoints, doc);
    } else if (endpoints) {
        msp_value_wrong_type(parser, "an object", endpoints);
    }
    msp_place_pop(&parser->at, before);
}

/* --- the platform's ------------------------------------------------------ */

/*
 * The platform has no item of its own for HostGA: it is WireServer's. Parsed
 * again for rows of its own, whose faults have been reported already.
 */
static void copy_wireserver(struct parser *parser, json_t *item,
                            enum item_kind kind, struct policy_doc *doc)
{
    const struct doc_endpoint *from = &doc->endpoint[MSP_EP_WIRESERVER];
    struct doc_endpoint *to = &doc->endpoint[MSP_EP_HOSTGA];
    msp_cleanup(msp_diags_done) struct msp_diags heard = {0};
    struct report report = {.diags = &heard};
    struct parser again = {.report = &report, .form = parser->form};

    place_endpoint(to, from->parent, from->member);
    to->is_copy = true;
    msp_item_parse(&again, item, kind, to);
    if (report.r < 0)
        parser->report->r = report.r;
}

/* An endpoint nobody speaks of is not guarded; that should not go unseen. */
static void warn_absent(struct parser *parser, const struct policy_doc *doc)
{
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        if (!doc->endpoint[i].is_present)
            msp_report_warning(parser->report, MSP_DIAG_MISSING,
                               parser->form == MSP_FORM_NATIVE ? "/endpoints"
                                                               : "",
                               "an item for each endpoint",
                               "none for %s: it will not be guarded",
                               msp_doc_endpoint_name[i]);
}

static void parse_status(struct parser *parser, json_t *root,
                         struct policy_doc *doc)
{
    static const struct member members[] = {
        {"imds", OPTIONAL}, {"wireserver", OPTIONAL}, {"hostga", OPTIONAL}};
    json_t *wireserver = msp_value_get(parser, root, "wireserver");

    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        place_endpoint(&doc->endpoint[i], "", msp_doc_endpoint_name[i]);
    (void)msp_value_members(parser, root, members, ARRAY_SIZE(members));
    parse_builtins(parser, root, doc);
    if (wireserver && !msp_value_get(parser, root, "hostga"))
        copy_wireserver(parser, wireserver, ITEM_BUILTIN, doc);
}

/*
 * The endpoint a document of one item is for. When nobody says, that is an
 * error; the item's own faults are then found as if it were for IMDS.
 */
static struct doc_endpoint *
find_subject(struct parser *parser, const struct msp_policy_options *options,
             struct policy_doc *doc)
{
    const char *name = options->endpoint;
    int i = name ? find_builtin(name) : -1;

    if (i == MSP_EP_IMDS || i == MSP_EP_WIRESERVER)
        return &doc->endpoint[i];
    if (name)
        msp_report_error(parser->report, MSP_DIAG_FORM, "",
                         "--endpoint imds or wireserver", "%s",
                         msp_report_shown(name).text);
    else
        msp_report_error(parser->report, MSP_DIAG_FORM, "",
                         "--endpoint imds or wireserver: this form names none",
                         NULL);
    return &doc->endpoint[MSP_EP_IMDS];
}

static void parse_local(struct parser *parser, json_t *root,
                        const struct msp_policy_options *options,
                        struct policy_doc *doc)
{
    struct doc_endpoint *endpoint = find_subject(parser, options, doc);

    place_endpoint(endpoint, "", NULL);
    msp_item_parse(parser, root, ITEM_LOCAL, endpoint);
    if (endpoint == &doc->endpoint[MSP_EP_WIRESERVER])
        copy_wireserver(parser, root, ITEM_LOCAL, doc);
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        if (doc->endpoint[i].is_present)
            doc->endpoint[i].mode = options->mode != MSP_MODE_NONE
                                        ? options->mode
                                        : MSP_MODE_ENFORCE;
}

static void parse_arm(struct parser *parser, json_t *root,
                      const struct msp_policy_options *options,
                      struct policy_doc *doc)
{
    static const struct member members[] = {
        {"properties", REQUIRED}, {"id", OPTIONAL},        {"name", OPTIONAL},
        {"type", OPTIONAL},       {"location", OPTIONAL},  {"tags", OPTIONAL},
        {"systemData", OPTIONAL}, {"apiVersion", OPTIONAL}};
    struct doc_endpoint *endpoint = find_subject(parser, options, doc);
    json_t *item = msp_value_get(parser, root, "properties");
    doc_text id = msp_value_text(parser, root, "id", TEXT_FREE);
    size_t before;

    (void)msp_value_members(parser, root, members, ARRAY_SIZE(members));
    if (!item)
        return;
    place_endpoint(endpoint, "", "properties");
    before = msp_place_push(&parser->at, "properties");
    msp_item_parse(parser, item, ITEM_ARM, endpoint);
    msp_place_pop(&parser->at, before);
    if (endpoint == &doc->endpoint[MSP_EP_WIRESERVER])
        copy_wireserver(parser, item, ITEM_ARM, doc);
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        if (doc->endpoint[i].is_present)
            doc->endpoint[i].id = id;
}

void msp_form_parse(struct parser *parser, json_t *root,
                    const struct msp_policy_options *options,
                    struct policy_doc *doc)
{
    if (options->mode != MSP_MODE_NONE && parser->form != MSP_FORM_LOCAL &&
        parser->form != MSP_FORM_AUTO)
        msp_report_error(parser->report, MSP_DIAG_FORM, "",
                         "--mode for a local rule file only",
                         "a document with modes of its own");
    switch (parser->form) {
    case MSP_FORM_NATIVE:
        parse_native(parser, root, doc);
        break;
    case MSP_FORM_STATUS:
        parse_status(parser, root, doc);
        break;
    case MSP_FORM_LOCAL:
        parse_local(parser, root, options, doc);
        break;
    case MSP_FORM_ARM:
        parse_arm(parser, root, options, doc);
        break;
    case MSP_FORM_AUTO:
    case MSP_FORM_COUNT:
        return;
    }
    if (parser->report->n_errors == 0)
        warn_absent(parser, doc);
}
