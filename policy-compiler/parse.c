/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse.h"

#include <errno.h>
#include <string.h>

#include <msp/cleanup.h>

#include "duplicate.h"
#include "parse_form.h"

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

/* Files written on Windows begin with it. @return its length or 0 */
static size_t mark_length(const char *text, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t n = sizeof(mark) - 1;

    return len >= n && memcmp(text, mark, n) == 0 ? n : 0;
}

int msp_parse(const char *text, size_t len,
              const struct msp_policy_options *options, struct report *report,
              struct policy_doc *ret_doc)
{
    struct parser parser = {.report = report};
    size_t mark = mark_length(text, len);
    json_t *root;

    *ret_doc = (struct policy_doc){.n_endpoints = MSP_EP_BUILTINS};
    msp_form_init(ret_doc);
    if (len > MSP_DOC_BYTES_MAX) {
        msp_report_error(report, MSP_DIAG_TOO_LARGE, "",
                         "at most 8388608 bytes", "more");
        return report->r;
    }
    root = load(text + mark, len - mark, report);
    if (!root)
        return report->r;
    ret_doc->root = root;
    if (!json_is_object(root)) {
        msp_value_wrong_type(&parser, "an object", root);
        return report->r;
    }
    parser.form = msp_form_find(&parser, root, options);
    if (parser.form == MSP_FORM_NATIVE && mark)
        msp_report_error(report, MSP_DIAG_SYNTAX, "", "JSON",
                         "a byte order mark before it");
    ret_doc->is_platform = parser.form != MSP_FORM_NATIVE;
    msp_form_parse(&parser, root, options, ret_doc);
    /* A document without a fault so far has the depth of the schema. */
    if (report->n_errors > 0)
        check_depth(&parser, root);
    return report->r < 0 ? report->r : 1;
}

void msp_parse_release(struct json_t *root)
{
    json_decref(root);
}
