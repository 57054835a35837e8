/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <openssl/sha.h>

#include <msp/canon.h>

#include "harness/test.h"

struct target_case {
    const char *target;
    enum msp_canon_code code;
    const char *path;
    const char *pairs; /* "key=value\n" each */
};

#define OK MSP_CANON_OK

static const struct target_case targets[] = {
    {"/", OK, "/", ""},
    {"/a", OK, "/a", ""},
    {"/a/", OK, "/a", ""},
    {"/?", OK, "/", ""},
    {"/a?", OK, "/a", ""},
    {"/A/b.C/%64~!$'()*,:@+", OK, "/a/b.c/d~!$'()*,:@+", ""},
    {"/foo%20bar", OK, "/foo bar", ""},
    {"/a..b/.c/..d", OK, "/a..b/.c/..d", ""},
    {"/a?b", OK, "/a", "b=\n"},
    {"/a?b=", OK, "/a", "b=\n"},
    {"/a?B=C&d=E%46g", OK, "/a", "b=c\nd=efg\n"},
    {"/a?k=a+b", OK, "/a", "k=a+b\n"},
    {"/a?k=a%2Bb", OK, "/a", "k=a+b\n"},
    {"/a?k=a=b", OK, "/a", "k=a=b\n"},
    {"/a?k=a%26b%3Dc", OK, "/a", "k=a&b=c\n"},
    {"/a?k=%2F%5C%3F%23%3B", OK, "/a", "k=/\\?#;\n"},
    {"/a?k=?/", OK, "/a", "k=?/\n"},
    {"/a?k=100%25", OK, "/a", "k=100%\n"},
    {"/a?k=%C3%A9", OK, "/a", "k=\xc3\xa9\n"},

    {"", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"*", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"a/b", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"http://h/a", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"%2fa", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"?a", MSP_CANON_NOT_ORIGIN_FORM, NULL, NULL},
    {"/a b", MSP_CANON_BYTE, NULL, NULL},
    {"/a\tb", MSP_CANON_BYTE, NULL, NULL},
    {"/a\x7f", MSP_CANON_BYTE, NULL, NULL},
    {"/\xc3\xa9", MSP_CANON_BYTE, NULL, NULL},
    {"/a%C3%A9", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=\xc3\xa9", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%C3", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%C0%AF", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%ED%A0%80", MSP_CANON_BYTE, NULL, NULL},
    {"/a?%C3%A9=1", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%00", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%0d%0a", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b%09=1", MSP_CANON_BYTE, NULL, NULL},
    {"/a?b=%7F", MSP_CANON_BYTE, NULL, NULL},
    {"/%", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/%4", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/%zz", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/%4g", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/a?b=%", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/a%?41", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/a%252fb", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a%25%32%46b", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a%252Eb", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a?b=%2541", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a?%2541=b", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a?b=%25%34%31", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/a%2fb", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%2Fb", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%5cb", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%3fb", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%23b", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%25b", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%3bb", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%00", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%1f", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a%7f", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/a\\b", MSP_CANON_BACKSLASH, NULL, NULL},
    {"/a?b=\\", MSP_CANON_BACKSLASH, NULL, NULL},
    {"/a;b", MSP_CANON_SEMICOLON, NULL, NULL},
    {"/a?b=1;c=2", MSP_CANON_SEMICOLON, NULL, NULL},
    {"/a#b", MSP_CANON_FRAGMENT, NULL, NULL},
    {"/a?b#c", MSP_CANON_FRAGMENT, NULL, NULL},
    {"//", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"//a", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"/a//b", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"/a//", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"///", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"/.", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/..", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/./", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a/./b", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a/../b", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a/%2e/b", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a/%2e%2E", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a/.%2e/", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/a.", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/a./b", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/a%2e/", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/...", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/a%20", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/%20/b", MSP_CANON_TRAILING_DOT, NULL, NULL},
    {"/a?&", MSP_CANON_EMPTY_KEY, NULL, NULL},
    {"/a?=", MSP_CANON_EMPTY_KEY, NULL, NULL},
    {"/a?=b", MSP_CANON_EMPTY_KEY, NULL, NULL},
    {"/a?b=c&", MSP_CANON_EMPTY_KEY, NULL, NULL},
    {"/a?b=c&&d=e", MSP_CANON_EMPTY_KEY, NULL, NULL},
    {"/a?b=1&b=2", MSP_CANON_DUPLICATE_KEY, NULL, NULL},
    {"/a?b=1&B=1", MSP_CANON_DUPLICATE_KEY, NULL, NULL},
    {"/a?b=1&%62=2", MSP_CANON_DUPLICATE_KEY, NULL, NULL},
    {"/a?b&c=1&b", MSP_CANON_DUPLICATE_KEY, NULL, NULL},
    {"/a?b%26c=1", MSP_CANON_ENCODED_SEPARATOR, NULL, NULL},
    {"/a?b%3dc=1", MSP_CANON_ENCODED_SEPARATOR, NULL, NULL},
    {"/a?a=bc&ab=c", MSP_CANON_COLLISION, NULL, NULL},
    {"/a?AB=c&x=1&a=bc", MSP_CANON_COLLISION, NULL, NULL},
    {"/a?abc&ab=c", MSP_CANON_COLLISION, NULL, NULL},
    /* The value keeps its case in the signing key. */
    {"/a?a=BC&ab=C", OK, "/a", "a=bc\nab=c\n"},

    /* Spellings the reference agent judges in two ways. */
    {"/metadata/instance?api-version=1", OK, "/metadata/instance",
     "api-version=1\n"},
    {"/metadata/instance/compute", OK, "/metadata/instance/compute", ""},
    {"/metadata/instanceX", OK, "/metadata/instancex", ""},
    {"/Metadata/INSTANCE", OK, "/metadata/instance", ""},
    {"/metadata%2Finstance", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/metadata%252Finstance", MSP_CANON_DOUBLE_ENCODING, NULL, NULL},
    {"/metadata/./instance", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/metadata/%2e/instance", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/metadata/%2Finstance", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/metadata//instance", MSP_CANON_EMPTY_SEGMENT, NULL, NULL},
    {"/metadata/x/../instance", MSP_CANON_DOT_SEGMENT, NULL, NULL},
    {"/metadata;v=1/instance", MSP_CANON_SEMICOLON, NULL, NULL},
    {"/metadata/instance;v=1", MSP_CANON_SEMICOLON, NULL, NULL},
    {"/metadata/instance%3Fapi-version=1", MSP_CANON_ENCODED_SPECIAL, NULL,
     NULL},
    {"/metadata/instance%00", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/metadata/instance%zz", MSP_CANON_BAD_ESCAPE, NULL, NULL},
    {"/metadata/instance/", OK, "/metadata/instance", ""},
    {"/metadata\\instance", MSP_CANON_BACKSLASH, NULL, NULL},
    {"/machine?comp=goalstate", OK, "/machine", "comp=goalstate\n"},
    {"/machine/?comp=GoalState&incarnation=1", OK, "/machine",
     "comp=goalstate\nincarnation=1\n"},
    {"/machine?c%6Fmp=goalstat%65", OK, "/machine", "comp=goalstate\n"},
    {"/machine?comp=certificates&comp=goalstate", MSP_CANON_DUPLICATE_KEY, NULL,
     NULL},
    {"/machine?comp=goalstate&comp=certificates", MSP_CANON_DUPLICATE_KEY, NULL,
     NULL},
    {"/machine%3Fcomp=goalstate", MSP_CANON_ENCODED_SPECIAL, NULL, NULL},
    {"/machine%3Fcomp=goalstate?comp=certificates", MSP_CANON_ENCODED_SPECIAL,
     NULL, NULL},
    {"/machine", OK, "/machine", ""},
    {"/machinery?comp=goalstate", OK, "/machinery", "comp=goalstate\n"},
    {"/t?api-version=2018-02-01&resource=https%3A%2F%2Fm.azure.com%2F", OK,
     "/t", "api-version=2018-02-01\nresource=https://m.azure.com/\n"},
    {"/t?resource=HTTPS://M.Azure.Com/&x=1", OK, "/t",
     "resource=https://m.azure.com/\nx=1\n"},
    {"/metadata/identity/oauth2/to%E2%84%AAen", MSP_CANON_BYTE, NULL, NULL},
};

/* A copy of just these bytes, so that a sanitizer sees a read beyond them. */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

static void join_pairs(const struct msp_canon *canon, char *ret, size_t size)
{
    size_t n = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < canon->n_pairs; i++) {
        const struct msp_canon_pair *pair = &canon->pair[i];

        n += (size_t)snprintf(ret + n, size - n, "%.*s=%.*s\n",
                              (int)pair->key.len, pair->key.ptr,
                              (int)pair->value.len, pair->value.ptr);
        assert_true(n < size);
    }
}

static void judges_each_target_of_the_table(void **state)
{
    static struct msp_canon canon;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        const struct target_case *c = &targets[i];
        size_t len = strlen(c->target);
        msp_autofree char *target = exact_copy(c->target, len);
        enum msp_canon_code code = msp_canon_target(target, len, &canon);
        char pairs[1024];

        if (code != c->code)
            fail_msg("%s: %s, not %s", c->target, msp_canon_text_of(code),
                     msp_canon_text_of(c->code));
        if (code != OK)
            continue;
        assert_int_equal(canon.path.len, strlen(c->path));
        assert_string_equal(canon.path.ptr, c->path);
        join_pairs(&canon, pairs, sizeof(pairs));
        assert_string_equal(pairs, c->pairs);
    }
}

static void every_code_is_in_the_table(void **state)
{
    (void)state;
    for (int code = 0; code < MSP_CANON_COUNT; code++) {
        bool is_seen = code == MSP_CANON_TOO_LONG || code == MSP_CANON_PAIRS ||
                       code == MSP_CANON_QUERY;

        for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
            is_seen |= (int)targets[i].code == code;
        if (!is_seen)
            fail_msg("no case for %s",
                     msp_canon_text_of((enum msp_canon_code)code));
    }
}

static void refuses_a_nul_in_the_target(void **state)
{
    static struct msp_canon canon;

    (void)state;
    assert_int_equal(msp_canon_target("/a\0b", 4, &canon), MSP_CANON_BYTE);
    assert_int_equal(msp_canon_target("/a?b\0", 5, &canon), MSP_CANON_BYTE);
}

static void takes_thirty_two_pairs_and_not_one_more(void **state)
{
    static struct msp_canon canon;
    char target[512] = "/a?";
    size_t n = 3;

    (void)state;
    for (int i = 0; i < MSP_REQ_PAIRS_MAX; i++)
        n += (size_t)snprintf(target + n, sizeof(target) - n, "%sk%d=v",
                              i ? "&" : "", i);
    assert_int_equal(msp_canon_target(target, n, &canon), OK);
    assert_int_equal(canon.n_pairs, MSP_REQ_PAIRS_MAX);
    n += (size_t)snprintf(target + n, sizeof(target) - n, "&more");
    assert_int_equal(msp_canon_target(target, n, &canon), MSP_CANON_PAIRS);
}

static void takes_a_line_and_not_one_byte_more(void **state)
{
    static struct msp_canon canon;
    msp_autofree char *target = malloc(MSP_LINE_BYTES_MAX + 1);

    (void)state;
    assert_non_null(target);
    memset(target, 'A', MSP_LINE_BYTES_MAX + 1);
    target[0] = '/';
    assert_int_equal(msp_canon_target(target, MSP_LINE_BYTES_MAX, &canon), OK);
    assert_int_equal(canon.path.len, MSP_LINE_BYTES_MAX);
    assert_int_equal(canon.path.ptr[MSP_LINE_BYTES_MAX], '\0');
    assert_int_equal(msp_canon_target(target, MSP_LINE_BYTES_MAX + 1, &canon),
                     MSP_CANON_TOO_LONG);
}

/* What is accepted is a fixed point: judged again it is the same. */
static void a_canonical_path_is_its_own_canonical_form(void **state)
{
    static struct msp_canon canon;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        char again[MSP_PATH_KEY_BYTES];
        size_t len;

        if (msp_canon_target(targets[i].target, strlen(targets[i].target),
                             &canon) != OK ||
            memchr(canon.path.ptr, ' ', canon.path.len))
            continue;
        assert_int_equal(
            msp_canon_rule_path(canon.path.ptr, canon.path.len, again, &len),
            OK);
        assert_string_equal(again, canon.path.ptr);
    }
}

static void any_bytes_are_judged(void **state)
{
    static const char alphabet[] = "/aA%25?&=.;\\#+ \x80\xc3\xa9\x01";
    static struct msp_canon canon;
    unsigned int seed = 1;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char raw[24];
        size_t len = (size_t)rand_r(&seed) % sizeof(raw);
        msp_autofree char *target = NULL;

        for (size_t i = 0; i < len; i++)
            raw[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        if (len > 0)
            raw[0] = '/';
        target = exact_copy(raw, len);
        if (msp_canon_target(target, len, &canon) != OK)
            continue;
        assert_int_equal(canon.path.ptr[0], '/');
        assert_null(strstr(canon.path.ptr, "//"));
        assert_null(strstr(canon.path.ptr, "/./"));
        assert_null(strstr(canon.path.ptr, "/../"));
        assert_null(memchr(canon.path.ptr, '%', canon.path.len));
        assert_int_equal(strlen(canon.path.ptr), canon.path.len);
    }
}

static void a_rule_path_has_no_query(void **state)
{
    char path[MSP_PATH_KEY_BYTES];
    size_t len;

    (void)state;
    assert_int_equal(msp_canon_rule_path("/a?b=c", 6, path, &len),
                     MSP_CANON_QUERY);
    assert_int_equal(msp_canon_rule_path("/a?", 3, path, &len),
                     MSP_CANON_QUERY);
}

static void a_rule_path_is_judged_like_a_request(void **state)
{
    static struct msp_canon canon;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        size_t len = strlen(targets[i].target), path_len;
        char path[MSP_PATH_KEY_BYTES];
        enum msp_canon_code code;

        if (strchr(targets[i].target, '?'))
            continue;
        code = msp_canon_rule_path(targets[i].target, len, path, &path_len);
        assert_int_equal(code,
                         msp_canon_target(targets[i].target, len, &canon));
        if (code != OK)
            continue;
        assert_int_equal(path_len, canon.path.len);
        assert_string_equal(path, canon.path.ptr);
    }
}

static void a_rule_path_of_247_bytes_is_the_longest(void **state)
{
    char raw[MSP_RULE_PATH_BYTES + 3], path[MSP_PATH_KEY_BYTES];
    size_t len;

    (void)state;
    memset(raw, 'a', sizeof(raw));
    raw[0] = '/';
    assert_int_equal(msp_canon_rule_path(raw, MSP_RULE_PATH_BYTES, path, &len),
                     OK);
    assert_int_equal(len, MSP_RULE_PATH_BYTES);
    assert_int_equal(
        msp_canon_rule_path(raw, MSP_RULE_PATH_BYTES + 1, path, &len),
        MSP_CANON_TOO_LONG);
    /* The canonical form counts, without the slash at the end. */
    raw[MSP_RULE_PATH_BYTES] = '/';
    assert_int_equal(
        msp_canon_rule_path(raw, MSP_RULE_PATH_BYTES + 1, path, &len), OK);
}

static void a_pair_hash_is_the_start_of_sha256(void **state)
{
    /* printf 'comp\0goalstate' | sha256sum */
    static const uint8_t expected[MSP_PAIR_HASH_BYTES] = {
        0xdf, 0x8b, 0x95, 0x8c, 0xe7, 0xc5, 0x38, 0x72,
        0xed, 0x00, 0xe6, 0x84, 0xcd, 0x32, 0xe6, 0xb7,
    };
    static const char message[] = "comp\0goalstate";
    uint8_t hash[MSP_PAIR_HASH_BYTES], md[SHA256_DIGEST_LENGTH];

    (void)state;
    assert_ok(msp_canon_pair_hash("comp", 4, "goalstate", 9, hash));
    assert_memory_equal(hash, expected, sizeof(hash));
    assert_non_null(SHA256((const uint8_t *)message, sizeof(message) - 1, md));
    assert_memory_equal(hash, md, sizeof(hash));
}

static void pair_hashes_agree_at_every_length(void **state)
{
    static uint8_t message[2000];

    (void)state;
    for (size_t value_len = 0; value_len < 1200; value_len += 7) {
        uint8_t hash[MSP_PAIR_HASH_BYTES], md[SHA256_DIGEST_LENGTH];
        size_t key_len = 5;

        memset(message, 'v', sizeof(message));
        message[key_len] = '\0';
        assert_ok(msp_canon_pair_hash((char *)message, key_len,
                                      (char *)message + key_len + 1, value_len,
                                      hash));
        assert_non_null(SHA256(message, key_len + 1 + value_len, md));
        assert_memory_equal(hash, md, sizeof(hash));
    }
}

static void pairs_that_join_alike_hash_differently(void **state)
{
    uint8_t a[MSP_PAIR_HASH_BYTES], b[MSP_PAIR_HASH_BYTES];

    (void)state;
    assert_ok(msp_canon_pair_hash("a", 1, "bc", 2, a));
    assert_ok(msp_canon_pair_hash("ab", 2, "c", 1, b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_each_target_of_the_table),
        cmocka_unit_test(every_code_is_in_the_table),
        cmocka_unit_test(refuses_a_nul_in_the_target),
        cmocka_unit_test(takes_thirty_two_pairs_and_not_one_more),
        cmocka_unit_test(takes_a_line_and_not_one_byte_more),
        cmocka_unit_test(a_canonical_path_is_its_own_canonical_form),
        cmocka_unit_test(any_bytes_are_judged),
        cmocka_unit_test(a_rule_path_has_no_query),
        cmocka_unit_test(a_rule_path_is_judged_like_a_request),
        cmocka_unit_test(a_rule_path_of_247_bytes_is_the_longest),
        cmocka_unit_test(a_pair_hash_is_the_start_of_sha256),
        cmocka_unit_test(pair_hashes_agree_at_every_length),
        cmocka_unit_test(pairs_that_join_alike_hash_differently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
