/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse_rate.h"

#include <msp/cleanup.h>

/* @return the number; 0 it is not there, or was reported */
static uint32_t parse_number(struct parser *parser, const json_t *object,
                             const char *key)
{
    const json_t *value = json_object_get(object, key);
    size_t before;
    uint32_t found = 0;

    if (!value)
        return 0;
    before = msp_place_push(&parser->at, key);
    if (!json_is_integer(value))
        msp_value_wrong_type(parser, "an integer", value);
    else if (json_integer_value(value) < 1 ||
             json_integer_value(value) > MSP_RATE_MAX)
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "1 to 1000000", "%lld",
                         (long long)json_integer_value(value));
    else
        found = (uint32_t)json_integer_value(value);
    msp_place_pop(&parser->at, before);
    return found;
}

static void parse_limit(struct parser *parser, json_t *object,
                        struct msp_rate_limit *ret)
{
    static const struct member member[] = {{"requestsPerSecond", REQUIRED},
                                           {"burst", OPTIONAL}};

    _Static_assert(MSP_RATE_MAX == 1000000, "its text above");
    (void)msp_value_members(parser, object, member, ARRAY_SIZE(member));
    ret->per_second = parse_number(parser, object, "requestsPerSecond");
    ret->burst = parse_number(parser, object, "burst");
    if (!json_object_get(object, "burst"))
        ret->burst = ret->per_second;
}

void msp_rate_parse(struct parser *parser, const json_t *item,
                    struct msp_rate_limit *ret)
{
    json_t *value = msp_value_get(parser, item, "rateLimit");
    const enum msp_form form = parser->form;
    size_t before;

    if (!value)
        return;
    before = msp_place_push(&parser->at, "rateLimit");
    /* fail closed: it is ours in every form, and a misspelled limit that is
       passed over, as the platform's forms have it, would be none */
    parser->form = MSP_FORM_NATIVE;
    if (json_is_object(value))
        parse_limit(parser, value, ret);
    else
        msp_value_wrong_type(parser, "an object", value);
    parser->form = form;
    msp_place_pop(&parser->at, before);
}
