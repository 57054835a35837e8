/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/authorize.h"

#include <msp/limits.h>

#include "harness/test.h"

static struct msp_request page;
static struct msp_canon canon;

/* @return the detail */
static const char *fill(const char *target, bool is_host_ok)
{
    const struct msp_mark mark = {.uid = 1000, .pid = 7};
    const struct msp_http_head head = {
        .method_bit = MSP_METHOD_PUT,
        .target = target,
        .target_len = strlen(target),
    };
    const char *detail = NULL;

    assert_ok(
        msp_authorize_fill(&page, &mark, &head, is_host_ok, &canon, &detail));
    assert_int_equal(page.mark.uid, 1000);
    assert_int_equal(page.method, MSP_METHOD_PUT);
    assert_int_equal(page.verdict, MSP_VERDICT_NONE);
    assert_int_equal(page.mode, MSP_MODE_NONE);
    assert_non_null(detail);
    return detail;
}

static void canonical_form_is_what_is_asked(void **state)
{
    uint8_t hash[MSP_PAIR_HASH_BYTES];

    (void)state;
    memset(&page, 0xee, sizeof(page)); /* rests of the request before */
    assert_string_equal(fill("/Metadata/%49nstance/?B=%41&a", true), "");
    assert_string_equal(page.path.path, "/metadata/instance");
    assert_int_equal(page.path_len, sizeof("/metadata/instance"));
    assert_string_equal(page.audit_path, "/metadata/instance");
    assert_int_equal(page.refusal, MSP_REFUSAL_NONE);
    assert_int_equal(page.n_pairs, 2);
    assert_ok(msp_canon_pair_hash("b", 1, "a", 1, hash));
    assert_memory_equal(page.pair[0].hash, hash, sizeof(hash));
    assert_ok(msp_canon_pair_hash("a", 1, "", 0, hash));
    assert_memory_equal(page.pair[1].hash, hash, sizeof(hash));
}

static void unused_bytes_are_zero(void **state)
{
    static const uint8_t zero[sizeof(page.pair)];

    (void)state;
    memset(&page, 0xee, sizeof(page));
    (void)fill("/a?b=c", true);
    assert_memory_equal(page.path.path + 3, zero, sizeof(page.path.path) - 3);
    assert_memory_equal(&page.pair[1], zero,
                        sizeof(page.pair) - sizeof(page.pair[0]));
    assert_memory_equal(page.audit_path + 3, zero, sizeof(page.audit_path) - 3);
}

static void long_paths_are_cut(void **state)
{
    char target[400];

    (void)state;
    memset(target, 'x', sizeof(target));
    target[0] = '/';
    /* text and NUL fit to the byte, then no more */
    target[MSP_PATH_KEY_BYTES - 1] = '\0';
    (void)fill(target, true);
    assert_int_equal(page.path_len, MSP_PATH_KEY_BYTES);
    assert_int_equal(page.path.path[MSP_PATH_KEY_BYTES - 1], '\0');
    target[MSP_PATH_KEY_BYTES - 1] = 'x';
    target[sizeof(target) - 1] = '\0';
    (void)fill(target, true);
    assert_int_equal(page.path_len, MSP_PATH_KEY_BYTES);
    assert_int_equal(page.path.path[MSP_PATH_KEY_BYTES - 1], 'x');
    assert_int_equal(strlen(page.audit_path), MSP_AUDIT_PATH_BYTES - 1);
}

static void refused_targets_carry_no_path(void **state)
{
    static const struct {
        const char *target;
        bool is_host_ok;
        uint32_t refusal;
        const char *audit_path;
    } cases[] = {
        {"/a/../b?c", true, MSP_REFUSAL_SPELLING, "/a/../b"},
        {"/a\x80\x01/;x", true, MSP_REFUSAL_SPELLING, "/a?\?/;x"},
        {"*", true, MSP_REFUSAL_SPELLING, "*"},
        {"/a", false, MSP_REFUSAL_SPELLING, "/a"},
        {"/secure-channel/", true, MSP_REFUSAL_RESERVED, "/secure-channel"},
        {"/SECURE-channel/x", false, MSP_REFUSAL_RESERVED, "/secure-channel/x"},
        {"/a//%2573ecure%2Dchannel", true, MSP_REFUSAL_RESERVED,
         "/a//%2573ecure%2Dchannel"},
        {"/%u0073ecure-channel/key", true, MSP_REFUSAL_RESERVED,
         "/%u0073ecure-channel/key"},
        {"/secure%u002dchannel", true, MSP_REFUSAL_RESERVED,
         "/secure%u002dchannel"},
        {"/secure%C0%ADchannel", true, MSP_REFUSAL_RESERVED,
         "/secure%C0%ADchannel"},
        {"/%2525252573ecure-channel", true, MSP_REFUSAL_RESERVED,
         "/%2525252573ecure-channel"},
        {"/%2%35%37%332e%63ure-channel", true, MSP_REFUSAL_RESERVED,
         "/%2%35%37%332e%63ure-channel"},
        {"/%%3733ecure-channel", true, MSP_REFUSAL_RESERVED,
         "/%%3733ecure-channel"},
        {"/%25u%30%30%u00373ecure-channel%25", true, MSP_REFUSAL_RESERVED,
         "/%25u%30%30%u00373ecure-channel%25"},
        {"/secure%zz-chann", true, MSP_REFUSAL_SPELLING, "/secure%zz-chann"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        (void)fill(cases[i].target, cases[i].is_host_ok);
        assert_int_equal(page.refusal, cases[i].refusal);
        assert_int_equal(page.path_len, 0);
        assert_int_equal(page.n_pairs, 0);
        assert_string_equal(page.audit_path, cases[i].audit_path);
    }
}

/*
 * As many levels as a request line takes, as often as would take a minute if
 * each level cost a pass over the whole text: the test's time is up before.
 */
static void escapes_of_escapes_cost_their_bytes(void **state)
{
    static char target[MSP_LINE_BYTES_MAX];
    static const char word[] = "73ecure-channel";
    size_t len = 0;

    (void)state;
    target[len++] = '/';
    target[len++] = '%';
    while (len + sizeof(word) + 2 <= sizeof(target)) {
        memcpy(target + len, "25", 2);
        len += 2;
    }
    memcpy(target + len, word, sizeof(word));
    for (int i = 0; i < 5000; i++) {
        (void)fill(target, true);
        assert_int_equal(page.refusal, MSP_REFUSAL_RESERVED);
    }
}

static void without_the_program_there_is_no_verdict(void **state)
{
    (void)state;
    assert_true(msp_authorize_run(0) < 0); /* no such descriptor here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_form_is_what_is_asked),
        cmocka_unit_test(unused_bytes_are_zero),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(refused_targets_carry_no_path),
        cmocka_unit_test(escapes_of_escapes_cost_their_bytes),
        cmocka_unit_test(without_the_program_there_is_no_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
