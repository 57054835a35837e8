/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Logging of the programs: one line on stderr, `<N>` journald priority first
 * when stderr is not a terminal, then an event name and key=value pairs. Text
 * values are quoted and escaped. Never pass a key, a token or a header value.
 * Libraries do not log; functions that do say so.
 */
#pragma once

#include <stdarg.h>

enum msp_log_level {
    MSP_LOG_ERR,
    MSP_LOG_WARN,
    MSP_LOG_INFO,
    MSP_LOG_DEBUG
};

/* Lines above this level are dropped; INFO at start. */
void msp_log_set_level(enum msp_log_level level);

/*
 * @param event "apply.refused"
 * @param ... pairs of (const char *key, const char *value), then NULL
 */
void msp_log(enum msp_log_level level, const char *event, ...)
    __attribute__((sentinel));

/* As msp_log with one pair "error", the text of errno `r` (negative). */
void msp_log_errno(enum msp_log_level level, const char *event, int r);

/* Sends libbpf's own messages here, one level lower. */
int msp_log_libbpf(int libbpf_level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
