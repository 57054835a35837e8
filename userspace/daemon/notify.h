/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sd_notify(3) without libsystemd. */
#pragma once

/* Sends to NOTIFY_SOCKET; no-op without one. @return 0; negative errno */
int msp_notify(const char *text);
