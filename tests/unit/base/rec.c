/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/rec.h"

#include "harness/test.h"

static void reads_back_what_was_written(void **state)
{
    static const char value[] = "a=b\n\r\\\x01\x1f\x7f\xc3\xa9";
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    struct msp_rec_field field;
    char *cursor, *end;

    (void)state;
    msp_rec_str(&rec, "proxy.state", value);
    msp_rec_uint(&rec, "n", UINT64_MAX);
    msp_rec_end(&rec);
    msp_rec_str(&rec, "item", "");
    msp_rec_bool(&rec, "is_bad", true);
    msp_rec_end(&rec);
    assert_ok(rec.error);
    cursor = (char *)rec.buf.data;
    end = cursor + rec.buf.len;

    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_FIELD);
    assert_int_equal(field.type, 's');
    assert_string_equal(field.name, "proxy.state");
    assert_string_equal(field.value, value);
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_FIELD);
    assert_int_equal(field.type, 'u');
    assert_string_equal(field.value, "18446744073709551615");
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_END);
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_FIELD);
    assert_string_equal(field.value, "");
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_FIELD);
    assert_int_equal(field.type, 'b');
    assert_string_equal(field.value, "true");
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_END);
    assert_int_equal(msp_rec_next(&cursor, end, &field), MSP_REC_EOF);
}

static void refuses_malformed_text(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        {"sname=value", 11}, /* no newline */
        {"sname\n", 6},      /* no value */
        {"s=value\n", 8},    /* no name */
        {"sNAME=v\n", 8},    /* upper case */
        {"xname=v\n", 8},    /* unknown type */
        {"=v\n", 3},         /* no type */
        {"ua=\n", 4},        /* no digits */
        {"ua=1x\n", 6},      /* not a number */
        {"ua=-1\n", 6},      /* negative */
        {"ba=yes\n", 7},     /* not a boolean */
        {"sa=\\\n", 5},      /* escape cut off */
        {"sa=\\q\n", 6},     /* unknown escape */
        {"sa=\\x0\n", 7},    /* half a hex escape */
        {"sa=\\x0g\n", 8},   /* no hex digit */
        {"sa=\\x00\n", 8},   /* would end the text early */
        {"sa=b\0c\n", 7},    /* raw NUL */
        {"sa=b\tc\n", 7},    /* raw control byte */
        {"sa\0b=c\n", 7},    /* NUL in the name */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_rec_field field;
        char text[32], *cursor = text;

        memcpy(text, rows[i].text, rows[i].len);
        if (msp_rec_next(&cursor, text + rows[i].len, &field) != -EBADMSG)
            fail_msg("row %zu was accepted", i);
    }
}

static void keeps_its_first_error(void **state)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {.buf.max = 8};

    (void)state;
    msp_rec_str(&rec, "a", "too long for it");
    msp_rec_end(&rec);
    assert_errno(rec.error, E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),
        cmocka_unit_test(refuses_malformed_text),
        cmocka_unit_test(keeps_its_first_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
