/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's answer to GET /secure-channel/status, taken apart and judged.
 * Sans-IO. What the answer may be is in the protocol's own terms; what is
 * refused beyond it: another scheme, another way of delivery, a GUID that is
 * none, and an unknown version that does not say its state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/abi.h>
#include <msp/child.h>

#define MSP_STATE_BYTES 64

struct msp_status {
    bool is_v2;
    bool is_disabled; /* the host says nothing is to be guarded */
    bool has_incarnation;
    uint32_t incarnation;
    char guid[MSP_GUID_BYTES];   /* "" = no key is latched */
    char state[MSP_STATE_BYTES]; /* as the platform's tools expect it */
    enum msp_mode mode[MSP_EP_BUILTINS];
};

/* Whether text is 8-4-4-4-12 hexadecimal digits, either case. */
bool msp_status_is_guid(const char *text);

/*
 * @param text [len] body of the answer
 * @param ret set only on success
 * @param reterr_why static text
 * @return 0; -EINVAL the answer is refused
 */
int msp_status_parse(const char *text, size_t len, struct msp_status *ret,
                     const char **reterr_why);

/*
 * Strictly "Wed, 23 Apr 2025 12:00:00 GMT".
 * @return 0; -EINVAL
 */
int msp_status_date(const char *text, size_t len, int64_t *ret_unix_s);
