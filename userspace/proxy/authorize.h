/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One question to the kernel per request: may this mark do this? Fills the
 * worker's page with the canonical form and runs the program; holds no policy
 * and judges nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <msp/abi.h>
#include <msp/canon.h>

#include "http.h"

/*
 * Fills the upper part of the page.
 * @param canon scratch, refilled
 * @param is_host_ok msp_http_host_fits
 * @param ret_detail why the spelling was refused, "" if it was not; static
 * @return 0; -EIO libcrypto failed
 */
int msp_authorize_fill(struct msp_request *page, const struct msp_mark *mark,
                       const struct msp_http_head *head, bool is_host_ok,
                       struct msp_canon *canon, const char **ret_detail);

/* Runs the program on row `slot`. @return 0; negative errno */
int msp_authorize_run(uint32_t slot);
