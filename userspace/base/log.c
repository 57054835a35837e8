/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msp/cleanup.h>

enum {
    LINE_BYTES = 2048
};

/* sd-daemon(3) priorities */
static const int priority[] = {
    [MSP_LOG_ERR] = 3,
    [MSP_LOG_WARN] = 4,
    [MSP_LOG_INFO] = 6,
    [MSP_LOG_DEBUG] = 7,
};

static enum msp_log_level max_level = MSP_LOG_INFO;

/* One line; what does not fit is cut. */
struct line {
    char text[LINE_BYTES];
    size_t len;
};

void msp_log_set_level(enum msp_log_level level)
{
    max_level = level;
}

static void put(struct line *line, const char *text)
{
    size_t n = strlen(text);
    size_t room = sizeof(line->text) - 2 - line->len; /* newline, spare */

    if (n > room)
        n = room;
    memcpy(line->text + line->len, text, n);
    line->len += n;
}

static void put_quoted(struct line *line, const char *value)
{
    put(line, "\"");
    for (const char *p = value; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        char text[5];

        if (byte == '"' || byte == '\\')
            (void)snprintf(text, sizeof(text), "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f)
            (void)snprintf(text, sizeof(text), "\\x%02x", byte);
        else
            (void)snprintf(text, sizeof(text), "%c", byte);
        put(line, text);
    }
    put(line, "\"");
}

static void begin(struct line *line, enum msp_log_level level,
                  const char *event)
{
    char prefix[8];

    line->len = 0;
    if (!isatty(STDERR_FILENO)) {
        (void)snprintf(prefix, sizeof(prefix), "<%d>", priority[level]);
        put(line, prefix);
    }
    put(line, event);
}

static void put_pair(struct line *line, const char *key, const char *value)
{
    put(line, " ");
    put(line, key);
    put(line, "=");
    put_quoted(line, value ? value : "");
}

/* One write, so that lines of several processes do not mix. */
static void end(struct line *line)
{
    ssize_t n;

    line->text[line->len++] = '\n';
    do {
        n = write(STDERR_FILENO, line->text, line->len);
    } while (n < 0 && errno == EINTR);
}

void msp_log(enum msp_log_level level, const char *event, ...)
{
    struct line line;
    const char *key;
    va_list args;

    if (level > max_level)
        return;
    begin(&line, level, event);
    va_start(args, event);
    while ((key = va_arg(args, const char *)))
        put_pair(&line, key, va_arg(args, const char *));
    va_end(args);
    end(&line);
}

void msp_log_errno(enum msp_log_level level, const char *event, int r)
{
    msp_log(level, event, "error", strerror(-r), NULL);
}

int msp_log_libbpf(int libbpf_level, const char *format, va_list args)
{
    /* LIBBPF_WARN, LIBBPF_INFO; LIBBPF_DEBUG is never shown */
    static const enum msp_log_level level_of[] = {MSP_LOG_INFO, MSP_LOG_DEBUG};

    char text[LINE_BYTES / 2];
    size_t level = (size_t)libbpf_level;
    int n;

    if (level >= ARRAY_SIZE(level_of) || level_of[level] > max_level)
        return 0;
    n = vsnprintf(text, sizeof(text), format, args);
    if (n < 0)
        return n;
    text[strcspn(text, "\n")] = '\0';
    msp_log(level_of[level], "libbpf", "message", text, NULL);
    return 0;
}
