/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Diagnostics: what is wrong with a policy document, as data. Problems of a
 * document are never errno values; every stage appends to one list and the
 * caller prints it. Each code has a golden case (tests/golden), which a check
 * enforces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* X(code, "stable-name") */
#define MSP_DIAG_CODES(X)               \
    X(SYNTAX, "syntax")                 \
    X(DUPLICATE_KEY, "duplicate-key")   \
    X(TOO_LARGE, "too-large")           \
    X(TOO_DEEP, "too-deep")             \
    X(VERSION, "version")               \
    X(TYPE, "type")                     \
    X(MISSING, "missing")               \
    X(UNKNOWN_MEMBER, "unknown-member") \
    X(VALUE, "value")                   \
    X(BLANK, "blank")                   \
    X(DUPLICATE_NAME, "duplicate-name") \
    X(DANGLING, "dangling")             \
    X(NO_SELECTOR, "no-selector")       \
    X(PATH, "path")                     \
    X(LIMIT, "limit")                   \
    X(FORM, "form")                     \
    X(ADDRESS, "address")               \
    X(OVERLAP, "overlap")               \
    X(NOT_JUDGED, "not-judged")         \
    X(WEAK, "weak")                     \
    X(NOBODY, "nobody")                 \
    X(UNUSED, "unused")                 \
    X(TRUNCATED, "truncated")

enum msp_diag_code {
#define MSP_DIAG_ENUM(code, name) MSP_DIAG_##code,
    MSP_DIAG_CODES(MSP_DIAG_ENUM)
#undef MSP_DIAG_ENUM
    MSP_DIAG_COUNT,
};

enum msp_severity {
    MSP_SEVERITY_ERROR = 0,
    MSP_SEVERITY_WARNING
};

struct msp_diag {
    enum msp_diag_code code;
    enum msp_severity severity;
    char *pointer;  /* RFC 6901 JSON pointer, "" = the document */
    int line;       /* 1-based, 0 = unknown (only syntax errors know) */
    int column;     /* 1-based, 0 = unknown */
    char *expected; /* may be NULL */
    char *found;    /* may be NULL */
};

/* At most MSP_DIAGS_MAX entries; the last one then is TRUNCATED. */
struct msp_diags {
    struct msp_diag *item;
    size_t n;
    size_t n_errors;
};

void msp_diags_done(struct msp_diags *diags);

/* The stable name of a code ("dangling"). */
const char *msp_diag_name(enum msp_diag_code code);

/*
 * Appends one diagnostic.
 * @param pointer copied
 * @param expected, found printf-style results, copied; may be NULL
 * @return 0; -ENOMEM
 */
int msp_diags_add(struct msp_diags *diags, enum msp_diag_code code,
                  enum msp_severity severity, const char *pointer,
                  const char *expected, const char *found);

/* One line each: `error dangling /a/b: expected ..., found ...`. */
void msp_diags_print(const struct msp_diags *diags, const char *source,
                     FILE *out);

/* One JSON object: {"schema":1,"diagnostics":[...]}. */
int msp_diags_print_json(const struct msp_diags *diags, const char *source,
                         FILE *out);
