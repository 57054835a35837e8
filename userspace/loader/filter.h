/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The clsact filters of a device, in the order in which they run. */
#pragma once

#include <stdint.h>

/*
 * @param ret_handle handle of the first one at egress, whosever; 0 = none
 * @return 0; negative errno
 */
int msp_filter_first(uint32_t ifindex, uint32_t *ret_handle);
