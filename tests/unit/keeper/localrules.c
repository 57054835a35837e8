/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/localrules.h"

#include "harness/test.h"

/* {"id":"profile","useLocalFileRules":true} and so on, in base64 */
#define ASKS     "eyJpZCI6InByb2ZpbGUiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0="
#define REFUSES  "eyJpZCI6InByb2ZpbGUiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6ZmFsc2V9"
#define NAMELESS "eyJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0="
/* {"id":7,"useLocalFileRules":true}, ... :"true"}, [true], twice the flag */
#define NO_TEXT "eyJpZCI6NywidXNlTG9jYWxGaWxlUnVsZXMiOnRydWV9"
#define NO_BOOL "eyJ1c2VMb2NhbEZpbGVSdWxlcyI6InRydWUifQ=="
#define ARRAY   "W3RydWVd"
#define TWICE                                                            \
    "eyJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZSwidXNlTG9jYWxGaWxlUnVsZXMiOnRydW" \
    "V9"

#define RULES(privilege, role, identity, who)                                 \
    "{\"privileges\":[{\"name\":\"" privilege "\",\"path\":\"/a\"}],"         \
    "\"roles\":[{\"name\":\"" role "\",\"privileges\":[\"" privilege          \
    "\"]}],\"identities\":[{\"name\":\"" identity "\"" who "}],"              \
    "\"roleAssignments\":[{\"role\":\"" role "\",\"identities\":[\"" identity \
    "\"]}]}"
#define USER  ",\"userName\":\"u\""
#define SOUND RULES("p", "r", "i", USER)

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    assert_non_null(value);
    return value;
}

static json_t *item(const char *id, const char *more)
{
    return json_pack("{s:s, s:s, s:s, s:o*}", "mode", "enforce",
                     "defaultAccess", "deny", "id", id, "rules",
                     more ? json(more) : NULL);
}

static void the_id_says_whether_a_file_is_asked_for(void **state)
{
    static const struct {
        const char *id;
        bool is_asked;
    } rows[] = {
        {ASKS, true},
        {"  " ASKS "\n", true},
        {NAMELESS, true},
        {REFUSES, false},
        {NO_TEXT, false},
        {NO_BOOL, false},
        {ARRAY, false},
        {TWICE, false},
        {"", false},
        {"   ", false},
        {"=", false},
        {"====", false},
        {"plain", false},
        {"D/uTRPye9b9xSUCRIgfRDF41zeY=", false},
        {"/subscriptions/x/galleries/g/versions/1.0.0", false},
        /* cut, its padding gone, something in it or behind it */
        {"eyJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0", false},
        {"eyJ1c2VMb2NhbEZp bGVSdWxlcyI6dHJ1ZX0=", false},
        {NAMELESS "AAAA", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_t *doc = item(rows[i].id, NULL);

        if (msp_localrules_asked(doc) != rows[i].is_asked)
            fail_msg("\"%s\"", rows[i].id);
        json_decref(doc);
    }
    assert_false(msp_localrules_asked(NULL));
}

static void a_byte_order_mark_is_skipped(void **state)
{
    size_t len = 5;

    (void)state;
    assert_string_equal(msp_localrules_text("\xef\xbb\xbf{}", &len), "{}");
    assert_int_equal(len, 2);
    assert_string_equal(msp_localrules_text("{}", &len), "{}");
    assert_int_equal(len, 2);
}

static void what_the_platform_would_refuse_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *why; /* NULL: it may be used */
    } rows[] = {
        {"{}", NULL},
        {"{\"rules\":" SOUND "}", NULL},
        {"{\"id\":null,\"defaultAccess\":null,\"rules\":null}", NULL},
        {"{\"id\":\"x\",\"mode\":\"disabled\",\"later\":1}", NULL},
        {"", "not JSON"},
        {"{\"id\":\"x\",\"id\":\"x\"}", "not JSON"},
        {"[]", "not a JSON object"},
        {"{\"id\":\" \\t\"}", "/id is blank"},
        {"{\"rules\":{\"roles\":[{\"name\":\"r\",\"privileges\":[]}]}}",
         "/rules/roles: one has no privilege"},
        {"{\"rules\":{\"roleAssignments\":[{\"role\":\"r\"}]}}",
         "/rules/roleAssignments: one has no identity"},
        {"{\"rules\":" RULES("p", "r", "i", "") "}",
         "/rules/identities: one has no selector"},
        {"{\"rules\":" RULES("p", "r", "i", ",\"userName\":null") "}",
         "/rules/identities: one has no selector"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *why = NULL;
        json_t *local =
            msp_localrules_parse(rows[i].text, strlen(rows[i].text), &why);

        if (!local != !!rows[i].why)
            fail_msg("%s: %s", rows[i].text, why ? why : "taken");
        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
        json_decref(local);
    }
}

/* Of an item and a file, as texts with members in order of their names. */
static void check_merge(const char *id, const char *host, const char *local,
                        const char *expected)
{
    json_t *one = item(id, host), *two = json(local);
    json_t *merged = msp_localrules_merge(one, two);
    json_t *before = item(id, host);
    char *text = json_dumps(merged, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(text, expected);
    assert_true(json_equal(one, before)); /* borrowed */
    free(text);
    json_decref(before);
    json_decref(merged);
    json_decref(one);
    json_decref(two);
}

#define SORTED(privilege, role, identity)                     \
    "{\"identities\":[{\"name\":\"" identity "\"" USER "}],"  \
    "\"privileges\":[{\"name\":\"" privilege                  \
    "\",\"path\":\"/a\"}],\"roleAssignments\":["              \
    "{\"identities\":[\"" identity "\"],\"role\":\"" role     \
    "\"}],\"roles\":[{\"name\":\"" role "\",\"privileges\":[" \
    "\"" privilege "\"]}]}"

static void the_two_are_merged_as_the_platform_does(void **state)
{
    (void)state;
    /* nothing given, nothing changed but the name */
    check_merge(ASKS, NULL, "{}",
                "{\"defaultAccess\":\"deny\",\"id\":\"profile-"
                "useLocalFileRules-true\",\"mode\":\"enforce\"}");
    check_merge(NAMELESS, NULL, "{\"id\":\"mine\"}",
                "{\"defaultAccess\":\"deny\",\"id\":\"" NAMELESS
                "_mine\",\"mode\":\"enforce\"}");
    /* the default is the file's, the mode never */
    check_merge(ASKS, NULL,
                "{\"id\":\"mine\",\"defaultAccess\":\"allow\","
                "\"mode\":\"disabled\",\"onDeny\":\"http\"}",
                "{\"defaultAccess\":\"allow\",\"id\":\"profile-"
                "useLocalFileRules-true_mine\",\"mode\":\"enforce\","
                "\"onDeny\":\"http\"}");
    /* rules of one side are as they are */
    check_merge(ASKS, NULL, "{\"rules\":" SOUND "}",
                "{\"defaultAccess\":\"deny\",\"id\":\"profile-"
                "useLocalFileRules-true\",\"mode\":\"enforce\","
                "\"rules\":" SORTED("p", "r", "i") "}");
    check_merge(ASKS, SOUND, "{\"rules\":null}",
                "{\"defaultAccess\":\"deny\",\"id\":\"profile-"
                "useLocalFileRules-true\",\"mode\":\"enforce\","
                "\"rules\":" SORTED("p", "r", "i") "}");
}

/* A name that both sides have is two things. */
static void names_of_the_file_become_its_own(void **state)
{
#define L "LocalFileRules_"
    (void)state;
    check_merge(
        ASKS, SOUND, "{\"rules\":" SOUND "}",
        "{\"defaultAccess\":\"deny\",\"id\":\"profile-useLocalFileRules-"
        "true\",\"mode\":\"enforce\",\"rules\":{\"identities\":["
        "{\"name\":\"i\"" USER "},{\"name\":\"" L "i\"" USER "}],"
        "\"privileges\":[{\"name\":\"p\",\"path\":\"/a\"},"
        "{\"name\":\"" L "p\",\"path\":\"/a\"}],"
        "\"roleAssignments\":[{\"identities\":[\"i\"],\"role\":\"r\"},"
        "{\"identities\":[\"" L "i\"],\"role\":\"" L "r\"}],"
        "\"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]},"
        "{\"name\":\"" L "r\",\"privileges\":[\"" L "p\"]}]}}");
}

static void what_denies_has_the_hosts_mode(void **state)
{
    json_t *host = item(ASKS, SOUND);
    json_t *deny = msp_localrules_deny(host);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(deny, "mode")),
                        "enforce");
    assert_string_equal(
        json_string_value(json_object_get(deny, "defaultAccess")), "deny");
    assert_null(json_object_get(deny, "rules"));
    json_decref(deny);
    json_decref(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_says_whether_a_file_is_asked_for),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(what_the_platform_would_refuse_is_refused),
        cmocka_unit_test(the_two_are_merged_as_the_platform_does),
        cmocka_unit_test(names_of_the_file_become_its_own),
        cmocka_unit_test(what_denies_has_the_hosts_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
