/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The addresses of a policy's endpoints, if those are few and plain. */
#pragma once

#include <stdbool.h>

#include <msp/abi.h>
#include <msp/image.h>

/*
 * @param ret_few_be addresses in network byte order, then zeros
 * @return false: the endpoints have more than MSP_FEW addresses, networks, or
 *         IPv6 ones; all zeros then
 */
bool msp_few_find(const struct msp_image *image, uint32_t ret_few_be[MSP_FEW]);
