/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/rules.h"

#include <msp/image.h>

#include "harness/test.h"

#define BASE                                                                \
    "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"keyDeliveryMethod\":" \
    "\"http\","
#define V1(state) \
    BASE "\"version\":\"1.0\",\"secureChannelState\":\"" state "\"}"
#define V2(rules)                                             \
    BASE "\"version\":\"2.0\",\"secureChannelEnabled\":true," \
         "\"authorizationRules\":" rules "}"
#define ITEM(mode, access) \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"" access "\",\"id\":\"x\"}"
#define HALF(mode)                                        \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"allow\"," \
    "\"id\":\"x\",\"rules\":{\"privileges\":[]}}"

/* What came of one answer. */
struct got {
    uint8_t *bytes; /* owned; NULL = as before */
    struct msp_image image;
    bool is_fallback;
};

static void compile(struct msp_rules *rules, const char *text, struct got *got)
{
    struct msp_status status;
    const char *why = NULL;
    size_t len = 0;

    *got = (struct got){.bytes = NULL};
    assert_ok(msp_status_parse(text, strlen(text), &status, &why));
    assert_ok(msp_rules_compile(rules, text, strlen(text), &status, &got->bytes,
                                &len, &got->is_fallback));
    if (got->bytes)
        assert_ok(msp_image_open(got->bytes, len, &got->image, &why));
}

struct row {
    const char *text;
    enum msp_mode imds, wire;
    bool is_allowed; /* by default, where it is not disabled */
    bool is_fallback;
};

#define OFF MSP_MODE_DISABLED
#define AUD MSP_MODE_AUDIT
#define ENF MSP_MODE_ENFORCE

static void check_endpoint(const struct got *got, enum msp_builtin id,
                           enum msp_mode mode, bool is_allowed,
                           const char *text)
{
    const struct msp_endpoint *ep = &got->image.endpoints[id].ep;

    if (ep->mode != mode)
        fail_msg("%s: endpoint %d has mode %d", text, (int)id, (int)ep->mode);
    if (mode != OFF)
        assert_int_equal(!!(ep->flags & MSP_EP_DEFAULT_ALLOW), is_allowed);
}

static void an_answer_is_what_its_words_say(void **state)
{
    static const struct row rows[] = {
        {V1("Disabled"), OFF, OFF, true, false},
        {V1("Wireserver"), AUD, ENF, true, false},
        {V1("WireserverAndImds"), ENF, ENF, true, false},
        {BASE "\"version\":\"2.0\",\"secureChannelEnabled\":false,"
              "\"authorizationRules\":{\"imds\":" ITEM("enforce", "deny") "}}",
         OFF, OFF, true, false},
        {V2("null"), OFF, OFF, true, false},
        {V2("{}"), OFF, OFF, true, false},
        {V2("{\"imds\":" ITEM("Enforce", "Deny") "}"), ENF, OFF, false, false},
        {V2("{\"imds\":" ITEM("audit", "allow") ",\"wireserver\":" ITEM(
             "enforce", "allow") ",\"hostga\":" ITEM("audit", "deny") "}"),
         AUD, ENF, true, false},
        /* what cannot be read denies, in its own mode where that can be */
        {V2("{\"imds\":" HALF("enforce") "}"), ENF, OFF, false, true},
        {V2("{\"imds\":" HALF("AUDIT") "}"), AUD, OFF, false, true},
        {V2("{\"imds\":" HALF("disabled") ",\"wireserver\":" HALF("x") "}"),
         OFF, ENF, false, true},
        {V2("{\"imds\":7,\"wireserver\":null}"), ENF, OFF, false, true},
        {V2("{\"wireserver\":{\"mode\":[]}}"), OFF, ENF, false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_rules rules = {.is_known = false};
        const struct row *row = &rows[i];
        struct got got;

        compile(&rules, row->text, &got);
        assert_non_null(got.bytes);
        assert_int_equal(got.is_fallback, row->is_fallback);
        assert_int_equal(rules.why[0] != '\0', row->is_fallback);
        check_endpoint(&got, MSP_EP_IMDS, row->imds, row->is_allowed,
                       row->text);
        check_endpoint(&got, MSP_EP_WIRESERVER, row->wire, row->is_allowed,
                       row->text);
        check_endpoint(&got, MSP_EP_HOSTGA, row->wire, row->is_allowed,
                       row->text);
        free(got.bytes);
    }
}

static void changes_are_seen_by_content(void **state)
{
    static const struct {
        const char *text;
        bool is_new;
    } steps[] = {
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), true},
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), false},
        /* other order, other blanks: the same */
        {V2("{ \"imds\" : {\"id\":\"x\",\"defaultAccess\":\"deny\","
            "\"mode\":\"enforce\"} }"),
         false},
        /* the same id, another content */
        {V2("{\"imds\":" ITEM("enforce", "allow") "}"), true},
        {V2("{\"imds\":" HALF("enforce") "}"), true},
        {V2("{\"imds\":" HALF("enforce") "}"), false},
        {V2("{\"imds\":" ITEM("enforce", "allow") "}"), true},
        {V1("WireserverAndImds"), true},
        {V1("wireserverandimds"), false},
        {V1("Disabled"), true},
        {V2("null"), false},
    };
    struct msp_rules rules = {.is_known = false};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct got got;

        compile(&rules, steps[i].text, &got);
        if (!!got.bytes != steps[i].is_new)
            fail_msg("step %zu", i);
        free(got.bytes);
    }
}

static void what_is_wrong_is_told_until_it_is_mended(void **state)
{
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    for (int i = 0; i < 2; i++) {
        compile(&rules, V2("{\"imds\":" HALF("enforce") "}"), &got);
        free(got.bytes);
        assert_non_null(strstr(rules.why, "/imds/rules"));
    }
    compile(&rules, V2("{}"), &got);
    free(got.bytes);
    assert_string_equal(rules.why, "");
}

static void what_is_wrong_is_told_as_it_was_found(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {V2("{\"imds\":{\"mode\":\"x\",\"defaultAccess\":\"deny\","
            "\"id\":\"x\"}}"),
         "value /imds/mode: expected disabled, audit or enforce, "
         "found \"x\""},
        /* nothing was found where something is missing */
        {V2("{\"imds\":{\"mode\":\"audit\",\"id\":\"x\"}}"),
         "missing /imds/defaultAccess: expected this member"},
        {V2("{\"imds\":{\"mode\":\"audit\"},\"wireserver\":7}"),
         "missing /imds/defaultAccess: expected this member; and 2 more"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_rules rules = {.is_known = false};
        struct got got;

        compile(&rules, rows[i].text, &got);
        free(got.bytes);
        assert_string_equal(rules.why, rows[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_what_its_words_say),
        cmocka_unit_test(changes_are_seen_by_content),
        cmocka_unit_test(what_is_wrong_is_told_until_it_is_mended),
        cmocka_unit_test(what_is_wrong_is_told_as_it_was_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
