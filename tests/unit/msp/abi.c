/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Layout of the contract. This file is compiled with -Werror=padded: a
 * compiler that would put padding anywhere in these structs stops the build.
 * The sizes themselves are asserted in the headers.
 */
#include <msp/abi.h>
#include <msp/ctl.h>

/*
 * Not of the contract: the harness, and the reader's view in image.h, whose
 * rows are compared with the sum of their fields below.
 */
#pragma GCC diagnostic ignored "-Wpadded"
#include <msp/image.h>

#include "harness/test.h"

static void enums_are_four_bytes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(enum msp_mode), 4);
    assert_int_equal(sizeof(enum msp_on_deny), 4);
    assert_int_equal(sizeof(enum msp_verdict), 4);
    assert_int_equal(sizeof(enum msp_reason), 4);
    assert_int_equal(sizeof(enum msp_stage), 4);
    assert_int_equal(sizeof(enum msp_owner_kind), 4);
}

static void a_zeroed_row_never_allows(void **state)
{
    struct msp_endpoint ep = {0};
    struct msp_request req = {0};

    (void)state;
    assert_int_equal(ep.mode, MSP_MODE_NONE);
    assert_int_equal(ep.on_deny, MSP_ON_DENY_NONE);
    assert_int_equal(ep.flags & MSP_EP_DEFAULT_ALLOW, 0);
    assert_int_equal(req.verdict, MSP_VERDICT_NONE);
    assert_int_not_equal(MSP_VERDICT_NONE, MSP_VERDICT_ALLOW);
}

static void image_rows_have_fixed_sizes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct msp_image_section), 16);
    assert_int_equal(sizeof(struct msp_image_header), 56 + 16 * MSP_SEC_COUNT);
    assert_int_equal(sizeof(struct msp_image_header) % 8, 0);
    assert_int_equal(sizeof(struct msp_image_endpoint), 320);
    assert_int_equal(sizeof(struct msp_image_prefix), 28);
    assert_int_equal(sizeof(struct msp_image_identity), 80);
    assert_int_equal(sizeof(struct msp_image_privilege), 8);
    assert_int_equal(sizeof(struct msp_image_path), 272);
    assert_int_equal(sizeof(struct msp_image_exe), 8);
    assert_int_equal(sizeof(struct msp_image_process), 192);
    assert_int_equal(sizeof(struct msp_image_cg_edge), 136);
    assert_int_equal(sizeof(struct msp_image_demand), 12);
}

static void magic_reads_as_text_in_a_little_endian_image(void **state)
{
    const uint64_t magic = MSP_IMAGE_MAGIC;
    const uint32_t endian = MSP_IMAGE_ENDIAN;
    uint8_t first;

    (void)state;
    memcpy(&first, &endian, 1);
    if (first == 0x04)
        assert_memory_equal(&magic, "MSPIMAGE", 8);
    else
        assert_memory_equal(&magic, "EGAMIPSM", 8);
}

static void a_request_is_one_page(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct msp_request), MSP_REQUEST_PAGE_BYTES);
}

static void a_set_has_a_bit_for_every_identity(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct msp_idset) * 8, MSP_IDENTITIES_MAX);
}

static void the_longest_rule_path_fits_both_entries(void **state)
{
    (void)state;
    /* Text and its NUL, or text and the slash of the entry below it. */
    assert_int_equal(MSP_RULE_PATH_BYTES + 1, MSP_PATH_KEY_BYTES);
    /* The kernel's trie takes 256 bytes of data. */
    assert_true(sizeof(struct msp_path_key) - 4 <= 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enums_are_four_bytes),
        cmocka_unit_test(a_zeroed_row_never_allows),
        cmocka_unit_test(image_rows_have_fixed_sizes),
        cmocka_unit_test(magic_reads_as_text_in_a_little_endian_image),
        cmocka_unit_test(a_request_is_one_page),
        cmocka_unit_test(a_set_has_a_bit_for_every_identity),
        cmocka_unit_test(the_longest_rule_path_fits_both_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
