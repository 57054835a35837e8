/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/keyfile.h"

#include "harness/test.h"

#define GUID   "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define KEY    "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"
#define SCHEME "\"authorizationScheme\":\"Azure-HMAC-SHA256\""
#define FILE_OF(scheme, guid, key) \
    "{" scheme ",\"guid\":\"" guid "\",\"key\":\"" key "\"}"

static int parse(const char *text, struct msp_keyfile *ret, const char **why)
{
    *why = NULL;
    return msp_keyfile_parse(text, strlen(text), MSP_KEYFILE_OF_US, ret, why);
}

static void reads_the_file_of_the_azure_agent(void **state)
{
    static const char text[] =
        "{\n"
        "  \"authorizationScheme\": \"Azure-HMAC-SHA256\",\n"
        "  \"incarnationId\": 1,\n"
        "  \"guid\": \"" GUID "\",\n"
        "  \"issued\": \"2021-05-05T 12:00:00Z\",\n"
        "  \"key\": \"" KEY "\"\n}";
    struct msp_keyfile file;
    const char *why;

    (void)state;
    assert_ok(parse(text, &file, &why));
    assert_string_equal(file.guid, GUID);
    assert_memory_equal(file.key, "J@NcRfUjXn2r5u8x/A?D(G+KbPdSgVkY", 32);
}

static void optional_members_may_be_absent(void **state)
{
    struct msp_keyfile file;
    const char *why;

    (void)state;
    assert_ok(parse(FILE_OF(SCHEME, GUID, KEY), &file, &why));
}

static void refuses_what_is_not_exactly_a_key(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "not json",
        FILE_OF(SCHEME, GUID, KEY) "x",
        /* scheme */
        FILE_OF("\"authorizationScheme\":\"Azure-HMAC-SHA512\"", GUID, KEY),
        FILE_OF("\"authorizationScheme\":1", GUID, KEY),
        FILE_OF("\"x\":1", GUID, KEY),
        FILE_OF(SCHEME "," SCHEME, GUID, KEY),
        /* guid */
        FILE_OF(SCHEME, "", KEY),
        FILE_OF(SCHEME, "9cf81e97-0316-4ad3-94a7-8ccbdee8ccb", KEY),
        FILE_OF(SCHEME, "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbff", KEY),
        FILE_OF(SCHEME, "9cf81e97a0316-4ad3-94a7-8ccbdee8ccbf", KEY),
        FILE_OF(SCHEME, "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbg", KEY),
        FILE_OF(SCHEME, "9cf81e97-0316-4ad3-94a7-8ccbdee8ccb\\n", KEY),
        FILE_OF(SCHEME, "9cf81e97-0316-4ad3-94a7-8ccb\\u0000ee8ccb", KEY),
        /* key */
        FILE_OF(SCHEME, GUID, ""),
        FILE_OF(SCHEME, GUID, KEY "0"),
        FILE_OF(SCHEME, GUID, KEY "00"),
        FILE_OF(
            SCHEME, GUID,
            "YA404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"),
        FILE_OF(
            SCHEME, GUID,
            "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B5"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        static const struct msp_keyfile empty;
        struct msp_keyfile file;
        const char *why;

        if (parse(texts[i], &file, &why) != -EINVAL)
            fail_msg("accepted: %s", texts[i]);
        assert_non_null(why);
        assert_memory_equal(&file, &empty, sizeof(file));
    }
}

static void reason_never_quotes_the_file(void **state)
{
    struct msp_keyfile file;
    const char *why;

    (void)state;
    assert_errno(parse(FILE_OF(SCHEME, GUID, KEY "zz"), &file, &why), EINVAL);
    assert_null(strstr(why, "4A40"));
    assert_errno(parse("{\"key\":\"" KEY "\"", &file, &why), EINVAL);
    assert_null(strstr(why, "4A40"));
}

static void refuses_a_file_beyond_its_limit(void **state)
{
    static char text[MSP_KEYFILE_BYTES_MAX + 2];
    struct msp_keyfile file;
    const char *why;

    (void)state;
    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, FILE_OF(SCHEME, GUID, KEY),
           strlen(FILE_OF(SCHEME, GUID, KEY)));
    assert_errno(parse(text, &file, &why), EINVAL);
    text[MSP_KEYFILE_BYTES_MAX] = '\0';
    assert_ok(parse(text, &file, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_file_of_the_azure_agent),
        cmocka_unit_test(optional_members_may_be_absent),
        cmocka_unit_test(refuses_what_is_not_exactly_a_key),
        cmocka_unit_test(reason_never_quotes_the_file),
        cmocka_unit_test(refuses_a_file_beyond_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
