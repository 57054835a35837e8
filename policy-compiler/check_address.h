/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Second stage, where endpoints are: no reserved address, none that is two
 * endpoints', none the agent could not reach.
 */
#pragma once

#include "doc.h"
#include "report.h"

/* @return 0, whatever was reported; -ENOMEM */
int msp_check_addresses(const struct policy_doc *doc, struct report *report);
