/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cidr.h"

#include <arpa/inet.h>

#include "harness/test.h"

static void reads_prefixes(void **state)
{
    static const struct {
        const char *text;
        const char *addr; /* as IPv6; NULL = refused */
        int bits;
    } cases[] = {
        {"10.0.0.0/8", "::ffff:10.0.0.0", 104},
        {"192.0.2.1", "::ffff:192.0.2.1", 128},
        {"192.0.2.1/32", "::ffff:192.0.2.1", 128},
        {"0.0.0.0/0", "::ffff:0.0.0.0", 96},
        {"192.0.2.128/25", "::ffff:192.0.2.128", 121},
        {"::ffff:192.0.2.0/120", "::ffff:192.0.2.0", 120},
        {"fd00:ec2::254", "fd00:ec2::254", 128},
        {"fd00::/8", "fd00::", 8},
        {"FD00::/8", "fd00::", 8},
        {"::/0", "::", 0},
        {"", NULL, 0},
        {"/8", NULL, 0},
        {"10.0.0.0/", NULL, 0},
        {"10.0.0.0/33", NULL, 0},
        {"10.0.0.0/256", NULL, 0},
        {"10.0.0.0/4294967304", NULL, 0},
        {"10.0.0.0/-1", NULL, 0},
        {"10.0.0.0/ 8", NULL, 0},
        {"10.0.0.0/8 ", NULL, 0},
        {" 10.0.0.0/8", NULL, 0},
        {"10.0.0.0/8/8", NULL, 0},
        {"10.0.0.0/255.0.0.0", NULL, 0},
        {"10.0.0/8", NULL, 0},
        {"0x0a.0.0.0/8", NULL, 0},
        {"10.0.0.1/8", NULL, 0},
        {"192.0.2.129/25", NULL, 0},
        {"fd00::1/127", NULL, 0},
        {"fd00::/129", NULL, 0},
        {"[fd00::]/8", NULL, 0},
        {"fe80::1%lo/128", NULL, 0},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cidr cidr = {0};
        const char *why = msp_cidr_parse(cases[i].text, &cidr);
        uint8_t addr[16];

        if (!cases[i].addr) {
            if (!why || cidr.is_right)
                fail_msg("\"%s\" was read", cases[i].text);
            continue;
        }
        if (why)
            fail_msg("\"%s\": %s", cases[i].text, why);
        assert_int_equal(inet_pton(AF_INET6, cases[i].addr, addr), 1);
        assert_memory_equal(cidr.addr, addr, sizeof(addr));
        assert_int_equal(cidr.bits, cases[i].bits);
        assert_true(cidr.is_right);
    }
}

static void prefixes_overlap_where_one_covers_the_other(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_overlap;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.128.0.0/9", false},
        {"10.0.0.0/8", "10.0.0.0/9", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "fd00::/8", false},
        {"::/0", "10.0.0.0/8", true},
        {"fc00::/7", "fd00::1", true},
        {"fd00::1", "fd00::1", true},
        {"fd00::1", "fd00::2", false},
        {"0.0.0.0/0", "255.255.255.255", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cidr a = {0}, b = {0};

        assert_null(msp_cidr_parse(cases[i].a, &a));
        assert_null(msp_cidr_parse(cases[i].b, &b));
        if (msp_cidr_overlap(a.addr, a.bits, b.addr, b.bits) !=
                cases[i].is_overlap ||
            msp_cidr_overlap(b.addr, b.bits, a.addr, a.bits) !=
                cases[i].is_overlap)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
}

/* Against a bit-by-bit reading of the same question. */
static void overlap_agrees_with_single_bits(void **state)
{
    unsigned int seed = 7;

    (void)state;
    for (int round = 0; round < 50000; round++) {
        uint8_t a[16] = {0}, b[16] = {0};
        uint32_t a_bits = (uint32_t)rand_r(&seed) % 129;
        uint32_t b_bits = (uint32_t)rand_r(&seed) % 129;
        bool is_overlap = true;

        a[0] = b[0] = 0xfd;
        a[(size_t)rand_r(&seed) % 16] ^= (uint8_t)(1u << rand_r(&seed) % 8);
        b[(size_t)rand_r(&seed) % 16] ^= (uint8_t)(1u << rand_r(&seed) % 8);
        for (uint32_t i = 0; i < a_bits && i < b_bits; i++)
            if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
                is_overlap = false;
        assert_int_equal(msp_cidr_overlap(a, a_bits, b, b_bits), is_overlap);
    }
}

static void names_what_is_reserved(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"127.255.255.255", "loopback"},
        {"126.0.0.0/7", "loopback"},
        {"0.0.0.0", "unspecified"},
        {"0.0.0.1", "unspecified"},
        {"239.255.255.255", "multicast"},
        {"255.255.255.255", "broadcast"},
        {"::1", "loopback"},
        {"::", "unspecified"},
        {"ff00::1", "multicast"},
        {"::ffff:0:0/96", "unspecified"},
        {"126.255.255.255", NULL},
        {"128.0.0.0", NULL},
        {"1.0.0.0/8", NULL},
        {"223.255.255.255", NULL},
        {"240.0.0.1", NULL},
        {"::2", NULL},
        {"fe80::1", NULL},
        {"2000::/3", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cidr cidr = {0};
        const char *name;

        assert_null(msp_cidr_parse(cases[i].text, &cidr));
        name = msp_cidr_reserved(cidr.addr, cidr.bits);
        if (!name != !cases[i].name ||
            (name && !msp_streq(name, cases[i].name)))
            fail_msg("%s: %s", cases[i].text, name ? name : "free");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_prefixes),
        cmocka_unit_test(prefixes_overlap_where_one_covers_the_other),
        cmocka_unit_test(overlap_agrees_with_single_bits),
        cmocka_unit_test(names_what_is_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
