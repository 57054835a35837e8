/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's side of request signing: canonical string, HMAC, date and
 * claims. Written from the protocol alone and sharing no source with the
 * product, so that both agreeing means something.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "http.h"

#define SIM_KEY_BYTES  32
#define SIM_GUID_BYTES 64  /* with the NUL */
#define SIM_CLOCK_S    300 /* tolerated difference of the date header */

struct sim_key {
    char guid[SIM_GUID_BYTES];
    uint8_t key[SIM_KEY_BYTES];
};

enum sim_signed {
    SIM_SIGNED_NONE = 0,
    SIM_SIGNED_VALID,
    SIM_SIGNED_BAD
};

struct sim_verdict {
    enum sim_signed outcome;
    const char *why;           /* static; "" for VALID */
    int is_root;               /* claim: 1, 0; -1 none or unreadable */
    char guid[SIM_GUID_BYTES]; /* of the authorization header, "" if none */
};

/*
 * Reads a key file {"guid":...,"key":"64 hex digits",...}.
 * @return 0; -errno of opening it; -EINVAL not such a file
 */
int msp_sim_key_load(const char *path, struct sim_key *ret_key);

/*
 * The canonical query (protocol: composite keys, the later pair wins).
 * @param ret owned by the caller, free(); no NUL
 * @return 0; -ENOMEM
 */
int msp_sim_canonical_query(struct sim_text query, char **ret, size_t *ret_len);

/* The string to sign. @return 0; -ENOMEM */
int msp_sim_string_to_sign(const struct sim_request *req, char **ret,
                           size_t *ret_len);

/*
 * HMAC-SHA256 in lower-case hex with NUL.
 * @return 0; -EIO libcrypto failed
 */
int msp_sim_hmac(const uint8_t key[SIM_KEY_BYTES], const char *text, size_t len,
                 char ret_hex[65]);

/* Reads "Wed, 23 Apr 2025 12:00:00 GMT", strictly. @return false if not so */
bool msp_sim_date(struct sim_text text, time_t *ret_time);

/*
 * Judges one request against the key at the host's time `now`.
 * @return 0; -ENOMEM; -EIO
 */
int msp_sim_verify(const struct sim_request *req, const struct sim_key *key,
                   time_t now, struct sim_verdict *ret);
