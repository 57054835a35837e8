/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The names people and programs read for the enums of include/msp/abi.h: lower
 * case, dashes, stable. They stand in logs, `mspctl` output and tests.
 * An unknown value gives "unknown", value 0 gives "none".
 */
#pragma once

#include <msp/abi.h>

const char *msp_name_verdict(enum msp_verdict verdict);
const char *msp_name_reason(enum msp_reason reason);
const char *msp_name_mode(enum msp_mode mode);
const char *msp_name_on_deny(enum msp_on_deny on_deny);
const char *msp_name_stage(enum msp_stage stage);
const char *msp_name_stat(enum msp_stat stat);
