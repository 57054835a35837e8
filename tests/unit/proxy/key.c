/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/key.h"

#include "harness/test.h"

/*
 * RFC 4231, the cases whose key fits 32 bytes: HMAC pads a shorter key with
 * zeros, so zero-padding it to 32 bytes changes nothing.
 */
static const struct {
    const char *key;
    size_t key_len;
    const char *data;
    size_t data_len;
    uint8_t mac[32];
} cases[] = {
    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
     "\x0b\x0b",
     20,
     "Hi There",
     8,
     {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf,
      0xce, 0xaf, 0x0b, 0xf1, 0x2b, 0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83,
      0x3d, 0xa7, 0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7}},
    {"Jefe",
     4,
     "what do ya want for nothing?",
     28,
     {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
      0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
      0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43}},
    {"\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
     "\xaa\xaa",
     20,
     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
     "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd",
     50,
     {0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46, 0x85, 0x4d, 0xb8,
      0xeb, 0xd0, 0x91, 0x81, 0xa7, 0x29, 0x59, 0x09, 0x8b, 0x3e, 0xf8,
      0xc1, 0x22, 0xd9, 0x63, 0x55, 0x14, 0xce, 0xd5, 0x65, 0xfe}},
};

static struct msp_key *key;

static int setup(void **state)
{
    (void)state;
    return msp_key_new(&key);
}

static int teardown(void **state)
{
    (void)state;
    key = msp_key_free(key);
    return 0;
}

static void mac_equals_rfc_4231(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_child_key packet = {.guid = "g"};
        struct msp_key_part part[] = {
            {cases[i].data, 3},
            {cases[i].data + 3, cases[i].data_len - 3},
        };
        uint8_t mac[MSP_HMAC_BYTES];

        memcpy(packet.key, cases[i].key, cases[i].key_len);
        assert_ok(msp_key_set(key, &packet));
        for (int again = 0; again < 2; again++) {
            assert_ok(msp_key_hmac(key, part, 2, mac));
            assert_memory_equal(mac, cases[i].mac, sizeof(mac));
        }
    }
}

static void no_key_signs_nothing(void **state)
{
    uint8_t mac[MSP_HMAC_BYTES];

    (void)state;
    assert_false(msp_key_is_set(key));
    assert_errno(msp_key_hmac(key, NULL, 0, mac), ENOKEY);
}

static void empty_guid_takes_the_key_away(void **state)
{
    struct msp_child_key packet = {.guid = "abc"};

    (void)state;
    assert_ok(msp_key_set(key, &packet));
    assert_true(msp_key_is_set(key));
    assert_string_equal(msp_key_guid(key), "abc");
    packet.guid[0] = '\0';
    assert_ok(msp_key_set(key, &packet));
    assert_false(msp_key_is_set(key));
    assert_string_equal(msp_key_guid(key), "");
}

static void bad_guid_leaves_no_key_behind(void **state)
{
    static const char *const bad[] = {"a b", "a\r\nx: y", "a\x7f"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad) + 1; i++) {
        struct msp_child_key packet = {.guid = "good"};

        assert_ok(msp_key_set(key, &packet));
        memset(packet.guid, 'x', sizeof(packet.guid)); /* no NUL at all */
        if (i < ARRAY_SIZE(bad))
            (void)snprintf(packet.guid, sizeof(packet.guid), "%s", bad[i]);
        assert_errno(msp_key_set(key, &packet), EINVAL);
        assert_false(msp_key_is_set(key));
    }
}

static void packet_room_is_wiped(void **state)
{
    size_t len;
    uint8_t *packet = msp_key_packet(key, &len);

    (void)state;
    assert_true(len >= sizeof(struct msp_child_key));
    memset(packet, 0x5a, len);
    msp_key_wipe_packet(key);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(packet[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mac_equals_rfc_4231, setup, teardown),
        cmocka_unit_test_setup_teardown(no_key_signs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_guid_takes_the_key_away, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bad_guid_leaves_no_key_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(packet_room_is_wiped, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
