/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "utf8.h"

enum {
    SHOWN_MAX = 128
};

static void add(struct report *report, enum msp_diag_code code,
                enum msp_severity severity, const char *pointer,
                const char *expected, const char *format, va_list args)
    __attribute__((format(printf, 6, 0)));

static void add(struct report *report, enum msp_diag_code code,
                enum msp_severity severity, const char *pointer,
                const char *expected, const char *format, va_list args)
{
    msp_autofree char *found = NULL;
    int r;

    if (severity == MSP_SEVERITY_ERROR)
        report->n_errors++;
    if (format && vasprintf(&found, format, args) < 0) {
        found = NULL;
        report->r = -ENOMEM;
        return;
    }
    r = msp_diags_add(report->diags, code, severity, pointer, expected, found);
    if (r < 0)
        report->r = r;
}

void msp_report_error(struct report *report, enum msp_diag_code code,
                      const char *pointer, const char *expected,
                      const char *found, ...)
{
    va_list args;

    va_start(args, found);
    add(report, code, MSP_SEVERITY_ERROR, pointer, expected, found, args);
    va_end(args);
}

void msp_report_warning(struct report *report, enum msp_diag_code code,
                        const char *pointer, const char *expected,
                        const char *found, ...)
{
    va_list args;

    va_start(args, found);
    add(report, code, MSP_SEVERITY_WARNING, pointer, expected, found, args);
    va_end(args);
}

struct shown msp_report_shown(const char *text)
{
    size_t len = strlen(text), n = 0, next;
    struct shown shown;

    /* no character is cut in two */
    while ((next = utf8_char(text + n, len - n)) && n + next <= SHOWN_MAX)
        n += next;
    (void)snprintf(shown.text, sizeof(shown.text), "\"%.*s\"%s", (int)n, text,
                   n < len ? "..." : "");
    return shown;
}

void msp_place_set(struct place *place, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(place->text, sizeof(place->text), format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    place->len =
        (size_t)n < sizeof(place->text) ? (size_t)n : sizeof(place->text) - 1;
}

/* @return whether it fitted */
static bool append(struct place *place, const char *text, size_t len)
{
    if (len >= sizeof(place->text) - place->len)
        return false;
    memcpy(place->text + place->len, text, len);
    place->len += len;
    place->text[place->len] = '\0';
    return true;
}

size_t msp_place_push(struct place *place, const char *member)
{
    size_t before = place->len, len = strlen(member);
    bool fits = append(place, "/", 1);

    /* Nearly every one: nothing to escape, and room. */
    if (!strpbrk(member, "~/") && append(place, member, len))
        return before;
    for (size_t i = 0, n; fits && i < len; i += n) {
        n = utf8_char(member + i, len - i);
        if (n == 0)
            n = 1;
        if (member[i] == '~')
            fits = append(place, "~0", 2);
        else if (member[i] == '/')
            fits = append(place, "~1", 2);
        else
            fits = append(place, member + i, n);
    }
    return before;
}

size_t msp_place_push_index(struct place *place, size_t index)
{
    size_t before = place->len, at;
    char text[24];

    for (at = sizeof(text); at == sizeof(text) || index > 0; index /= 10)
        text[--at] = (char)('0' + index % 10);
    text[--at] = '/';
    (void)append(place, text + at, sizeof(text) - at);
    return before;
}

void msp_place_pop(struct place *place, size_t len)
{
    place->len = len;
    place->text[len] = '\0';
}
