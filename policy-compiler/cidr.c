/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cidr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include <msp/cleanup.h>

#define IPV4_BITS 96 /* of a v4-mapped address before the IPv4 one */
#define MAPPED(a, b, c, d)                                            \
    {                                                                 \
        [10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), \
        [15] = (d)                                                    \
    }

static const uint8_t mapped[16] = MAPPED(0, 0, 0, 0);

const struct msp_ep_key msp_cidr_builtin[MSP_EP_BUILTINS] = {
    [MSP_EP_IMDS] = {.prefixlen = MSP_EP_KEY_FIXED_BITS + 128,
                     .port = 80,
                     .addr = MAPPED(169, 254, 169, 254)},
    [MSP_EP_WIRESERVER] = {.prefixlen = MSP_EP_KEY_FIXED_BITS + 128,
                           .port = 80,
                           .addr = MAPPED(168, 63, 129, 16)},
    [MSP_EP_HOSTGA] = {.prefixlen = MSP_EP_KEY_FIXED_BITS + 128,
                       .port = 32526,
                       .addr = MAPPED(168, 63, 129, 16)},
};

bool msp_cidr_is_ipv4(const struct cidr *cidr)
{
    return cidr->bits >= IPV4_BITS &&
           memcmp(cidr->addr, mapped, IPV4_BITS / 8) == 0;
}

bool msp_cidr_is_masked(const uint8_t addr[16], uint32_t bits)
{
    for (uint32_t i = bits; i < 128; i++)
        if (addr[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

/* Up to three digits without a sign or a leading zero. @return -1 = not so */
static int parse_bits(const char *text)
{
    size_t n = strspn(text, "0123456789");
    int bits = 0;

    if (n == 0 || n > 3 || text[n] || (n > 1 && text[0] == '0'))
        return -1;
    for (; *text; text++)
        bits = 10 * bits + (*text - '0');
    return bits;
}

const char *msp_cidr_parse(const char *text, struct cidr *ret)
{
    static const char what[] = "an IPv4 or IPv6 prefix, as 10.0.0.0/8";
    struct cidr cidr = {.is_right = true};
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    int bits, most = 128;

    if (len >= sizeof(address))
        return what;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET, address, cidr.addr + 12) == 1) {
        memcpy(cidr.addr, mapped, IPV4_BITS / 8);
        most = 32;
    } else if (inet_pton(AF_INET6, address, cidr.addr) != 1) {
        return what;
    }
    bits = text[len] ? parse_bits(text + len + 1) : most;
    if (bits < 0 || bits > most)
        return most == 32 ? "a prefix length of 0 to 32"
                          : "a prefix length of 0 to 128";
    cidr.bits = (uint8_t)(128 - most + bits);
    if (!msp_cidr_is_masked(cidr.addr, cidr.bits))
        return "a prefix without bits beyond its length";
    *ret = cidr;
    return NULL;
}

bool msp_cidr_overlap(const uint8_t a[16], uint32_t a_bits, const uint8_t b[16],
                      uint32_t b_bits)
{
    uint32_t bits = a_bits < b_bits ? a_bits : b_bits, whole = bits / 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0;
}

const char *msp_cidr_reserved(const uint8_t addr[16], uint32_t bits)
{
    static const struct {
        uint8_t addr[16];
        uint32_t bits;
        const char *name;
    } reserved[] = {
        {MAPPED(0, 0, 0, 0), IPV4_BITS + 8, "unspecified"},
        {MAPPED(127, 0, 0, 0), IPV4_BITS + 8, "loopback"},
        {MAPPED(224, 0, 0, 0), IPV4_BITS + 4, "multicast"},
        {MAPPED(255, 255, 255, 255), IPV4_BITS + 32, "broadcast"},
        {{0}, 128, "unspecified"},
        {{[15] = 1}, 128, "loopback"},
        {{0xff}, 8, "multicast"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (msp_cidr_overlap(addr, bits, reserved[i].addr, reserved[i].bits))
            return reserved[i].name;
    return NULL;
}
