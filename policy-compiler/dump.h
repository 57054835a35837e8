/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the two printers of an image share. Images are checked views. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <msp/image.h>

void msp_dump_text(const struct msp_image *image, FILE *out);
void msp_dump_json(const struct msp_image *image, FILE *out);

const char *msp_dump_mode(const struct msp_endpoint *ep);
const char *msp_dump_on_deny(const struct msp_endpoint *ep);
/* ,"rateLimit":null, or the object of the document */
void msp_dump_rate_json(const struct msp_endpoint *ep, FILE *out);

/* "169.254.169.254/32" */
#define DUMP_ADDRESS_BYTES 80
void msp_dump_address(const struct msp_ep_key *key, char *ret, size_t size);

/* Whether the entry covers its path alone and nothing below. */
bool msp_dump_is_exact(const struct msp_path_key *key);
void msp_dump_path(const struct msp_path_key *key,
                   char ret[MSP_PATH_KEY_BYTES + 1]);
void msp_dump_hash(const struct msp_pair_key *key,
                   char ret[2 * MSP_PAIR_HASH_BYTES + 1]);

/* Members of `container` and `pod`; of a label what stands before its key. */
extern const char *const msp_dump_demand_name[MSP_DEMAND_COUNT];

/* The first member at or after *bit. @param bit in/out @return found */
bool msp_dump_next_bit(const struct msp_idset *set, uint32_t *bit);
