/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* version3.bin is what mspc of image version 3 made of version3.json. */
#include <msp/cleanup.h>
#include <msp/policy.h>

#include "harness/test.h"

static char *old;
static size_t old_len;

static char *slurp(const char *path, size_t *ret_len)
{
    msp_autofree char *text = NULL;
    FILE *file = fopen(path, "re");
    long len;

    assert_non_null(file);
    assert_ok(fseek(file, 0, SEEK_END));
    len = ftell(file);
    assert_true(len > 0);
    rewind(file);
    text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)len, file), len);
    assert_ok(fclose(file));
    *ret_len = (size_t)len;
    return TAKE_PTR(text);
}

static int setup(void **state)
{
    (void)state;
    old = slurp(MSP_DATA "/version3.bin", &old_len);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(old);
    return 0;
}

static void is_what_the_compiler_of_today_makes(void **state)
{
    msp_autofree char *document = NULL, *carried = NULL;
    msp_autofree uint8_t *image = NULL;
    size_t document_len, carried_len, len;
    struct msp_diags diags = {0};
    struct msp_image view;
    const char *why = "";

    (void)state;
    document = slurp(MSP_DATA "/version3.json", &document_len);
    assert_ok(msp_policy_compile(document, document_len, &diags, &image, &len));
    msp_diags_done(&diags);
    assert_errno(msp_image_open(old, old_len, &view, &why), EPROTONOSUPPORT);
    assert_ok(msp_image_carry(old, old_len, &carried, &carried_len));
    assert_ok(msp_image_open(carried, carried_len, &view, &why));
    assert_int_equal(carried_len, len);
    assert_memory_equal(carried, image, len);
    /* it is not done twice */
    assert_errno(msp_image_carry(image, len, &carried, &carried_len),
                 EPROTONOSUPPORT);
}

static void what_is_damaged_is_refused(void **state)
{
    msp_autofree char *copy = malloc(old_len);
    char *carried = NULL;
    size_t len;

    (void)state;
    assert_non_null(copy);
    memcpy(copy, old, old_len);
    for (size_t i = 0; i < old_len; i++) {
        copy[i] = (char)(copy[i] ^ 0x10);
        assert_true(msp_image_carry(copy, old_len, &carried, &len) < 0);
        copy[i] = (char)(copy[i] ^ 0x10);
    }
    for (size_t n = 0; n < old_len; n++)
        assert_true(msp_image_carry(copy, n, &carried, &len) < 0);
    assert_null(carried);
}

/* With a digest that is right: nothing beyond it is read or written. */
static void sections_that_lie_are_refused(void **state)
{
    static const uint64_t lies[] = {0,
                                    1,
                                    7,
                                    8,
                                    UINT32_MAX,
                                    UINT32_MAX - 7,
                                    MSP_IMAGE_BYTES_MAX,
                                    UINT64_MAX,
                                    UINT64_MAX - 7};

    (void)state;
    for (size_t i = 0; i < (size_t)3 * MSP_SEC_COUNT * ARRAY_SIZE(lies); i++) {
        msp_autofree char *copy = malloc(old_len), *carried = NULL;
        uint64_t lie = lies[i / 3 % ARRAY_SIZE(lies)];
        struct msp_image_header *header;
        struct msp_image_section *s, was;
        struct msp_image view;
        const char *why = "";
        size_t len = 0;
        int r;

        assert_non_null(copy);
        memcpy(copy, old, old_len);
        header = (struct msp_image_header *)(void *)copy;
        s = &header->section[i / 3 / ARRAY_SIZE(lies)];
        was = *s;
        if (i % 3 == 0)
            s->offset = lie;
        else if (i % 3 == 1)
            s->count = (uint32_t)lie;
        else
            s->entry_bytes = (uint32_t)lie;
        assert_ok(msp_image_digest(copy, old_len, header->digest));
        r = msp_image_carry(copy, old_len, &carried, &len);
        if (r == 0)
            r = msp_image_open(carried, len, &view, &why);
        /* a few rows less, or those of another place, may be sound */
        if (i % 3 == 2 ? s->entry_bytes != was.entry_bytes : lie > old_len)
            assert_true(r < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_the_compiler_of_today_makes),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(sections_that_lie_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
