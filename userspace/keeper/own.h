/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The one thing the keeper may say to the kernel's programs: this socket of
 * mine is the agent's, and goes to endpoints only. */
#pragma once

/* @param map_fd own_sk @return 0; negative errno */
int msp_own_upstream(int map_fd, int sock);
