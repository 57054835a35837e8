/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspd-netns, linked so that it tries what it must not do before it serves. */
#include <stdbool.h>
#include <stdio.h>

#include "captive.h"

int real_deny(bool may_setns) __asm__("__real_msp_deny_enter");
int wrap_deny(bool may_setns) __asm__("__wrap_msp_deny_enter");

static bool may;

static int enter(void)
{
    return real_deny(may);
}

int wrap_deny(bool may_setns)
{
    static const struct captive captive = {"netns", enter};

    may = may_setns;
    captive_try(&captive, captive_common, captive_n_common);
    (void)fputs("captive netns done\n", stderr);
    return real_deny(may_setns);
}
