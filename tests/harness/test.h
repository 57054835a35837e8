/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The prelude of every cmocka test; cmocka needs this include order. */
#pragma once

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msp/cleanup.h>

#define assert_ok(expr)       assert_int_equal((expr), 0)
#define assert_errno(expr, e) assert_int_equal((expr), -(e))
