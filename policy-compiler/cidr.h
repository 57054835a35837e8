/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Address prefixes: text to 16 bytes and a length, IPv4 as v4-mapped, and
 * which of them no endpoint may have. Pure; used by compiler and reader.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <msp/abi.h>

struct cidr {
    uint8_t addr[16]; /* no bits beyond the prefix */
    uint8_t bits;     /* 0..128; IPv4 is 96 and more */
    bool is_right;
};

/*
 * @param text "10.0.0.0/8", "fd00::/8", or an address for a prefix of itself;
 *        a v4-mapped IPv6 text is the IPv4 prefix
 * @param ret set only on success; is_right says so
 * @return NULL; what was expected instead
 */
const char *msp_cidr_parse(const char *text, struct cidr *ret);

bool msp_cidr_is_ipv4(const struct cidr *cidr);

/* Bits of text[0..16) beyond the first `bits` are zero. */
bool msp_cidr_is_masked(const uint8_t addr[16], uint32_t bits);

bool msp_cidr_overlap(const uint8_t a[16], uint32_t a_bits, const uint8_t b[16],
                      uint32_t b_bits);

/* @return NULL; what is reserved there ("loopback") */
const char *msp_cidr_reserved(const uint8_t addr[16], uint32_t bits);

/* Where the built-in endpoints are, index = enum msp_builtin. */
extern const struct msp_ep_key msp_cidr_builtin[MSP_EP_BUILTINS];
