/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A loop that never waits: it goes round until nothing is left to do. Its
 * clock stands still, so no deadline passes. Linked with --wrap=epoll_wait.
 */
#pragma once

#include "base/loop.h"

struct msp_loop *rounds_new(void);
void rounds_run(struct msp_loop *loop);
