/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The process of subject.c that connects. */
#pragma once

enum {
    CALLER_BURST = 1000
};

/*
 * In a network namespace of its own: one connect for each byte it reads, a
 * burst of them for "b", by a thread for "t"; answers each with that byte.
 * @return exit status
 */
int caller_act(void);
