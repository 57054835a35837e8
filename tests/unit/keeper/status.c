/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/status.h"

#include "harness/test.h"

#define GUID "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define BASE \
    "\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"keyDeliveryMethod\":\"http\""
#define V1(rest) "{" BASE ",\"version\":\"1.0\"" rest "}"
#define V2(rest) "{" BASE ",\"version\":\"2.0\"" rest "}"
#define ON       ",\"secureChannelEnabled\":true"
#define MODES(imds, wire)                                       \
    V2(ON ",\"authorizationRules\":{\"imds\":{\"mode\":\"" imds \
          "\"},\"wireserver\":{\"mode\":\"" wire                \
          "\"},\"hostga\":{\"mode\":\"audit\"}}")

static int parse(const char *text, struct msp_status *ret)
{
    const char *why = NULL;
    int r;

    memset(ret, 0xee, sizeof(*ret));
    r = msp_status_parse(text, strlen(text), ret, &why);
    if (r < 0)
        assert_non_null(why);
    return r;
}

struct row {
    const char *text;
    const char *state;
    enum msp_mode imds;
    enum msp_mode wire;
    bool is_disabled;
};

#define OFF MSP_MODE_DISABLED
#define AUD MSP_MODE_AUDIT
#define ENF MSP_MODE_ENFORCE

static void state_and_modes_are_those_of_the_platform(void **state)
{
    static const struct row rows[] = {
        {V1(",\"secureChannelState\":\"Disabled\""), "disabled", OFF, OFF,
         true},
        {V1(",\"secureChannelState\":\"Wireserver\""), "wireserver", AUD, ENF,
         false},
        {V1(",\"secureChannelState\":\"WIRESERVERANDIMDS\""),
         "wireserverandimds", ENF, ENF, false},
        {"{" BASE ",\"version\":\"3.7\",\"secureChannelState\":\"wireserver\"}",
         "wireserver", AUD, ENF, false},
        /* 1.0 does not look at the switch of 2.0 */
        {V1(",\"secureChannelState\":\"Wireserver\","
            "\"secureChannelEnabled\":false"),
         "wireserver", AUD, ENF, false},
        {V2(",\"secureChannelEnabled\":false"), "disabled", OFF, OFF, true},
        {V2(",\"secureChannelEnabled\":false,\"authorizationRules\":"
            "{\"imds\":{\"mode\":\"enforce\"}}"),
         "disabled", OFF, OFF, true},
        {V2(ON), "disabled", OFF, OFF, true},
        {V2(ON ",\"authorizationRules\":null"), "disabled", OFF, OFF, true},
        {V2(ON ",\"authorizationRules\":{}"),
         "WireServer Disabled -  IMDS Disabled - HostGA Disabled", OFF, OFF,
         false},
        {MODES("Enforce", "Enforce"),
         "WireServer Enforce -  IMDS Enforce - HostGA Enforce", ENF, ENF,
         false},
        {MODES("audit", "ENFORCE"),
         "WireServer Enforce -  IMDS Audit - HostGA Enforce", AUD, ENF, false},
        {MODES("disabled", "Audit"),
         "WireServer Audit -  IMDS Disabled - HostGA Audit", OFF, AUD, false},
        {MODES("x", "enforce"),
         "WireServer Enforce -  IMDS Disabled - HostGA Enforce", OFF, ENF,
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_status status;

        if (parse(rows[i].text, &status) < 0)
            fail_msg("refused: %s", rows[i].text);
        assert_string_equal(status.state, rows[i].state);
        assert_int_equal(status.is_disabled, rows[i].is_disabled);
        assert_int_equal(status.mode[MSP_EP_IMDS], rows[i].imds);
        assert_int_equal(status.mode[MSP_EP_WIRESERVER], rows[i].wire);
        /* the rule of the platform: HostGA is as WireServer */
        assert_int_equal(status.mode[MSP_EP_HOSTGA], rows[i].wire);
    }
}

static void key_members_may_be_absent_null_or_empty(void **state)
{
    static const char *const none[] = {
        V2(ON),
        V2(ON ",\"keyGuid\":null,\"keyIncarnationId\":null,"
              "\"requiredClaimsHeaderPairs\":null,\"secureChannelState\":null"),
        V2(ON ",\"keyGuid\":\"\",\"requiredClaimsHeaderPairs\":[],\"new\":[1]"),
    };
    struct msp_status status;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        assert_ok(parse(none[i], &status));
        assert_string_equal(status.guid, "");
        assert_false(status.has_incarnation);
    }
    assert_ok(parse(
        V2(ON ",\"keyGuid\":\"" GUID "\",\"keyIncarnationId\":4294967295"),
        &status));
    assert_string_equal(status.guid, GUID);
    assert_true(status.has_incarnation);
    assert_int_equal(status.incarnation, UINT32_MAX);
}

static void what_is_not_such_an_answer_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        V2(ON) "x",
        /* missing */
        "{\"keyDeliveryMethod\":\"http\",\"version\":\"2.0\"" ON "}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\","
        "\"version\":\"2.0\"" ON "}",
        "{" BASE ON "}",
        V2(""),
        V1(""),
        V1(ON),
        V2(",\"secureChannelState\":\"Wireserver\""),
        V2(",\"secureChannelEnabled\":null"),
        "{" BASE ",\"version\":\"3.0\"" ON "}",
        /* wrong types */
        V2(",\"secureChannelEnabled\":\"true\""),
        V2(",\"secureChannelEnabled\":1"),
        V1(",\"secureChannelState\":true"),
        V2(ON ",\"keyGuid\":7"),
        V2(ON ",\"keyIncarnationId\":\"1\""),
        V2(ON ",\"keyIncarnationId\":-1"),
        V2(ON ",\"keyIncarnationId\":1.5"),
        V2(ON ",\"keyIncarnationId\":4294967296"),
        V2(ON ",\"requiredClaimsHeaderPairs\":\"isRoot\""),
        V2(ON ",\"requiredClaimsHeaderPairs\":[1]"),
        V2(ON ",\"authorizationRules\":[]"),
        V2(ON ",\"authorizationRules\":\"x\""),
        "{" BASE ",\"version\":2.0" ON "}",
        "{\"authorizationScheme\":1,\"keyDeliveryMethod\":\"http\","
        "\"version\":\"2.0\"" ON "}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\","
        "\"keyDeliveryMethod\":null,\"version\":\"2.0\"" ON "}",
        /* other values */
        V1(",\"secureChannelState\":\"Audit\""),
        V1(",\"secureChannelState\":\"\""),
        V2(ON ",\"secureChannelState\":\"Audit\""),
        "{\"authorizationScheme\":\"Azure-HMAC-SHA512\","
        "\"keyDeliveryMethod\":\"http\",\"version\":\"2.0\"" ON "}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\","
        "\"keyDeliveryMethod\":\"vtpm\",\"version\":\"2.0\"" ON "}",
        V2(ON ",\"keyGuid\":\"../../../etc/shadow\""),
        V2(ON ",\"keyGuid\":\"9cf81e97-0316-4ad3-94a7-8ccbdee8ccb/\""),
        V2(ON ",\"keyGuid\":\"" GUID "0\""),
        /* twice */
        V2(ON ON),
        V2(ON ",\"keyGuid\":null,\"keyGuid\":\"" GUID "\""),
    };
    struct msp_status status, untouched;

    (void)state;
    memset(&untouched, 0xee, sizeof(untouched));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (parse(texts[i], &status) != -EINVAL)
            fail_msg("accepted: %s", texts[i]);
        assert_memory_equal(&status, &untouched, sizeof(status));
    }
}

static void dates_have_one_spelling(void **state)
{
    static const char *const bad[] = {
        "",
        "Wed, 23 Apr 2025 12:00:00 UTC",
        "Thu, 23 Apr 2025 12:00:00 GMT",
        "Wed, 23 apr 2025 12:00:00 GMT",
        "Wed, 23 anF 2025 12:00:00 GMT",
        "Wed, 31 Feb 2025 12:00:00 GMT",
        "Wed, 23 Apr 2025 24:00:00 GMT",
        "Wed, 23 Apr 2025 12:00:00 GMT ",
        "Wed,  3 Apr 2025 12:00:00 GMT",
        "Wednesday, 23 Apr 2025 12:00 ",
        "Wed, 23 Apr 0000 12:00:00 GMT",
        "Wed, -3 Apr 2025 12:00:00 GMT",
    };
    static const char good[] = "Wed, 23 Apr 2025 12:00:00 GMT";
    int64_t unix_s = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (msp_status_date(bad[i], strlen(bad[i]), &unix_s) != -EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(unix_s, 7);
    }
    assert_ok(msp_status_date(good, strlen(good), &unix_s));
    assert_int_equal(unix_s, 1745409600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_and_modes_are_those_of_the_platform),
        cmocka_unit_test(key_members_may_be_absent_null_or_empty),
        cmocka_unit_test(what_is_not_such_an_answer_is_refused),
        cmocka_unit_test(dates_have_one_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
