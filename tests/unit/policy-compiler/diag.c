/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <jansson.h>

#include <msp/diag.h>
#include <msp/limits.h>

#include "harness/test.h"

static int add(struct msp_diags *diags, enum msp_severity severity,
               const char *pointer)
{
    return msp_diags_add(diags, MSP_DIAG_VALUE, severity, pointer, "e", NULL);
}

static void the_last_place_says_truncated(void **state)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};

    (void)state;
    for (int i = 0; i < MSP_DIAGS_MAX - 1; i++)
        assert_ok(add(&diags, MSP_SEVERITY_ERROR, "/x"));
    assert_int_equal(diags.n, MSP_DIAGS_MAX - 1);
    for (int i = 0; i < 10; i++)
        assert_ok(add(&diags, MSP_SEVERITY_ERROR, "/more"));
    assert_int_equal(diags.n, MSP_DIAGS_MAX);
    assert_int_equal(diags.n_errors, MSP_DIAGS_MAX + 9);
    assert_int_equal(diags.item[MSP_DIAGS_MAX - 1].code, MSP_DIAG_TRUNCATED);
}

static void an_error_takes_the_place_of_a_warning(void **state)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};

    (void)state;
    for (int i = 0; i < MSP_DIAGS_MAX + 5; i++)
        assert_ok(add(&diags, MSP_SEVERITY_WARNING, "/warning"));
    assert_ok(add(&diags, MSP_SEVERITY_ERROR, "/error/1"));
    assert_ok(add(&diags, MSP_SEVERITY_ERROR, "/error/2"));
    assert_int_equal(diags.n, MSP_DIAGS_MAX);
    assert_int_equal(diags.n_errors, 2);
    assert_string_equal(diags.item[MSP_DIAGS_MAX - 3].pointer, "/error/1");
    assert_string_equal(diags.item[MSP_DIAGS_MAX - 2].pointer, "/error/2");
    assert_int_equal(diags.item[MSP_DIAGS_MAX - 1].code, MSP_DIAG_TRUNCATED);
}

static void every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < MSP_DIAG_COUNT; i++) {
        assert_true(msp_diag_name((enum msp_diag_code)i)[0] != '\0');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(msp_diag_name((enum msp_diag_code)i),
                                    msp_diag_name((enum msp_diag_code)j));
    }
}

static void json_takes_any_bytes(void **state)
{
    static const char nasty[] = "a\"\\\n\x1b\x7f\xff\xc2\x9b\xc3\xa9/";
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    json_error_t error;
    json_t *root, *item;

    (void)state;
    assert_non_null(out);
    assert_ok(msp_diags_add(&diags, MSP_DIAG_DANGLING, MSP_SEVERITY_ERROR, "/a",
                            NULL, nasty));
    assert_ok(msp_diags_print_json(&diags, nasty, out));
    assert_int_equal(fclose(out), 0);
    assert_memory_equal(text, "{\"schema\":1,", 12);
    assert_null(strchr(text, 0x1b));
    assert_null(strstr(text, "\xc2\x9b"));
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "errors")), 1);
    item = json_array_get(json_object_get(root, "diagnostics"), 0);
    assert_string_equal(json_string_value(json_object_get(item, "code")),
                        "dangling");
    assert_string_equal(json_string_value(json_object_get(item, "found")),
                        "a\"\\\n\x1b\x7f\xef\xbf\xbd\xc2\x9b\xc3\xa9/");
    assert_true(json_is_null(json_object_get(item, "expected")));
    json_decref(root);
}

static void text_keeps_a_terminal_safe(void **state)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    assert_ok(msp_diags_add(&diags, MSP_DIAG_SYNTAX, MSP_SEVERITY_ERROR, "",
                            "x", "a\x1b[2J\nb"));
    diags.item[0].line = 3;
    diags.item[0].column = 7;
    msp_diags_print(&diags, "f", out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "f:3:7: error syntax (document): expected x, "
                              "found a\\x1b[2J\\x0ab\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_place_says_truncated),
        cmocka_unit_test(an_error_takes_the_place_of_a_warning),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(json_takes_any_bytes),
        cmocka_unit_test(text_keeps_a_terminal_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
