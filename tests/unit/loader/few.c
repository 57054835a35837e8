/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/few.h"

#include <arpa/inet.h>

#include "harness/test.h"

enum {
    MAX = 2 * MSP_FEW
};

struct prefix {
    const char *addr; /* IPv6, mapped for IPv4 */
    uint32_t bits;
    uint16_t port;
};

/* @param few_be what is found, network byte order */
static bool find(const struct prefix *prefixes, uint32_t n,
                 uint32_t few_be[MSP_FEW])
{
    struct msp_image_prefix all[MAX] = {0};
    struct msp_image image = {.prefixes = all, .n[MSP_SEC_PREFIXES] = n};

    assert_true(n <= MAX);
    for (uint32_t i = 0; i < n; i++) {
        all[i].key.prefixlen = MSP_EP_KEY_FIXED_BITS + prefixes[i].bits;
        all[i].key.port = prefixes[i].port;
        assert_int_equal(inet_pton(AF_INET6, prefixes[i].addr, all[i].key.addr),
                         1);
    }
    memset(few_be, 0xff, MSP_FEW * sizeof(*few_be));
    return msp_few_find(&image, few_be);
}

static void each_address_is_there_once(void **state)
{
    (void)state;
    static const struct prefix prefixes[] = {
        {"::ffff:169.254.169.254", 128, 80},
        {"::ffff:168.63.129.16", 128, 80},
        {"::ffff:168.63.129.16", 128, 32526},
    };
    uint32_t few[MSP_FEW];

    assert_true(find(prefixes, ARRAY_SIZE(prefixes), few));
    assert_int_equal(few[0], inet_addr("169.254.169.254"));
    assert_int_equal(few[1], inet_addr("168.63.129.16"));
    for (size_t i = 2; i < MSP_FEW; i++)
        assert_int_equal(few[i], 0);
}

static void none_is_few(void **state)
{
    (void)state;
    uint32_t few[MSP_FEW];

    assert_true(find(NULL, 0, few));
    for (size_t i = 0; i < MSP_FEW; i++)
        assert_int_equal(few[i], 0);
}

static void as_many_as_there_is_room_for(void **state)
{
    (void)state;
    static const char *const addrs[] = {"::ffff:192.0.2.1", "::ffff:192.0.2.2",
                                        "::ffff:192.0.2.3", "::ffff:192.0.2.4",
                                        "::ffff:192.0.2.5", "::ffff:192.0.2.6",
                                        "::ffff:192.0.2.7"};
    struct prefix prefixes[ARRAY_SIZE(addrs)];
    uint32_t few[MSP_FEW];

    assert_int_equal(ARRAY_SIZE(addrs), MSP_FEW + 1);
    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++)
        prefixes[i] = (struct prefix){addrs[i], 128, 80};
    assert_true(find(prefixes, MSP_FEW, few));
    assert_int_equal(few[MSP_FEW - 1], inet_addr("192.0.2.6"));
    assert_false(find(prefixes, MSP_FEW + 1, few));
    assert_int_equal(few[0], 0);
}

static void networks_and_ipv6_are_not_few(void **state)
{
    (void)state;
    static const struct prefix others[] = {
        {"::ffff:192.0.2.0", 120, 80},
        {"fd00:ec2::254", 128, 80},
        {"::ffff:0.0.0.0", 128, 80},
    };
    uint32_t few[MSP_FEW];

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        const struct prefix two[] = {{"::ffff:192.0.2.1", 128, 80}, others[i]};

        assert_false(find(two, ARRAY_SIZE(two), few));
        assert_int_equal(few[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_there_once),
        cmocka_unit_test(none_is_few),
        cmocka_unit_test(as_many_as_there_is_room_for),
        cmocka_unit_test(networks_and_ipv6_are_not_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
