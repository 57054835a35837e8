/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the stages say what is wrong and where. A report keeps the first
 * allocation failure, so that a walk need not test every line; the stage
 * returns it at its end.
 */
#pragma once

#include <stddef.h>

#include <msp/diag.h>

struct report {
    struct msp_diags *diags; /* borrowed */
    size_t n_errors;         /* reported through this report */
    int r;                   /* 0 or -ENOMEM */
};

/* Both: @param expected may be NULL; @param found printf, may be NULL */
void msp_report_error(struct report *report, enum msp_diag_code code,
                      const char *pointer, const char *expected,
                      const char *found, ...)
    __attribute__((format(printf, 5, 6)));
void msp_report_warning(struct report *report, enum msp_diag_code code,
                        const char *pointer, const char *expected,
                        const char *found, ...)
    __attribute__((format(printf, 5, 6)));

/* A text of a document as a diagnostic shows it. */
struct shown {
    char text[136];
};

/* In quotes; of a text of more than 128 bytes the first ones, and dots. */
struct shown msp_report_shown(const char *text);

/* A JSON pointer (RFC 6901) under construction; an overlong one is cut. */
struct place {
    char text[1024];
    size_t len;
};

void msp_place_set(struct place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Both append. @return the length before, for msp_place_pop() */
size_t msp_place_push(struct place *place, const char *member);
size_t msp_place_push_index(struct place *place, size_t index);
void msp_place_pop(struct place *place, size_t len);
