/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse_container.h"

#include <errno.h>
#include <stdlib.h>

#include <msp/cleanup.h>
#include <msp/container.h>

/* A member that is one text. */
struct text_member {
    const char *name;
    enum msp_demand_kind kind;
};

/* One of the two selectors. */
struct selector {
    const char *name;
    const struct member *member; /* [n_members]: its texts and the labels */
    size_t n_members;
    const struct text_member *text; /* [n_texts] */
    size_t n_texts;
    enum msp_demand_kind label;
    const char *expected; /* of an empty one */
};

static void add(struct parser *parser, struct doc_identity *ret,
                enum msp_demand_kind kind, doc_text key, doc_text value)
{
    struct doc_demand *more =
        reallocarray(ret->demand, ret->n_demands + 1, sizeof(*more));

    if (!more) {
        parser->report->r = -ENOMEM;
        return;
    }
    ret->demand = more;
    more[ret->n_demands++] = (struct doc_demand){kind, key, value};
}

/* Every pair must be there. */
static void parse_labels(struct parser *parser, json_t *labels,
                         enum msp_demand_kind kind, struct doc_identity *ret)
{
    const char *key;
    json_t *value;

    if (json_object_size(labels) == 0)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "at least one label", "none");
    if (json_object_size(labels) > MSP_CONTAINER_LABELS_MAX) {
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         "at most 64 labels", "%zu", json_object_size(labels));
        return;
    }
    json_object_foreach(labels, key, value) {
        size_t before = msp_place_push(&parser->at, key);
        size_t n_errors = parser->report->n_errors;
        doc_text text = msp_value_take_text(parser, value, TEXT_FREE);

        msp_value_check_text(parser, key, strlen(key), TEXT_SELECTOR);
        if (text && parser->report->n_errors == n_errors)
            add(parser, ret, kind, key, text);
        msp_place_pop(&parser->at, before);
    }
}

static void parse_members(struct parser *parser, json_t *object,
                          const struct selector *selector,
                          struct doc_identity *ret)
{
    json_t *labels = msp_value_get(parser, object, "labels");
    size_t before;

    msp_value_members(parser, object, selector->member, selector->n_members);
    if (json_object_size(object) == 0)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         selector->expected, "an empty object");
    for (size_t i = 0; i < selector->n_texts; i++) {
        size_t n_errors = parser->report->n_errors;
        doc_text text = msp_value_text(parser, object, selector->text[i].name,
                                       TEXT_SELECTOR);

        if (text && parser->report->n_errors == n_errors)
            add(parser, ret, selector->text[i].kind, NULL, text);
    }
    if (!labels)
        return;
    before = msp_place_push(&parser->at, "labels");
    if (json_is_object(labels))
        parse_labels(parser, labels, selector->label, ret);
    else
        msp_value_wrong_type(parser, "an object", labels);
    msp_place_pop(&parser->at, before);
}

static void parse_selector(struct parser *parser, const json_t *object,
                           const struct selector *selector,
                           struct doc_identity *ret)
{
    json_t *value = msp_value_get(parser, object, selector->name);
    const enum msp_form form = parser->form;
    size_t before;

    if (!value)
        return;
    before = msp_place_push(&parser->at, selector->name);
    /* fail closed: it is ours in every form, and a member that is passed over,
       as the platform's forms have it, would widen the identity */
    parser->form = MSP_FORM_NATIVE;
    if (json_is_object(value))
        parse_members(parser, value, selector, ret);
    else
        msp_value_wrong_type(parser, "an object", value);
    parser->form = form;
    msp_place_pop(&parser->at, before);
}

void msp_container_parse(struct parser *parser, const json_t *object,
                         struct doc_identity *ret)
{
    static const struct member container_member[] = {
        {"id", OPTIONAL}, {"name", OPTIONAL}, {"labels", OPTIONAL}};
    static const struct text_member container_text[] = {
        {"id", MSP_DEMAND_CONTAINER_ID}, {"name", MSP_DEMAND_CONTAINER_NAME}};
    static const struct member pod_member[] = {{"namespace", OPTIONAL},
                                               {"name", OPTIONAL},
                                               {"serviceAccount", OPTIONAL},
                                               {"labels", OPTIONAL}};
    static const struct text_member pod_text[] = {
        {"namespace", MSP_DEMAND_POD_NAMESPACE},
        {"name", MSP_DEMAND_POD_NAME},
        {"serviceAccount", MSP_DEMAND_POD_ACCOUNT}};
    static const struct selector selector[] = {
        {"container", container_member, ARRAY_SIZE(container_member),
         container_text, ARRAY_SIZE(container_text), MSP_DEMAND_CONTAINER_LABEL,
         "id, name or labels"},
        {"pod", pod_member, ARRAY_SIZE(pod_member), pod_text,
         ARRAY_SIZE(pod_text), MSP_DEMAND_POD_LABEL,
         "namespace, name, serviceAccount or labels"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(selector); i++)
        parse_selector(parser, object, &selector[i], ret);
}
