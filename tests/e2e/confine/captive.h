/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Attempts of a process that is confined: each in a child of its own, made just
 * before the process enters its sandbox, with all the process has at that
 * time. A line on stderr for each:
 *
 *   captive WHO in|out NAME RESULT WANTED
 *
 * in: the child entered the sandbox first; out: it did not, which shows that the
 * attempt is one. RESULT is "ok", an errno name or "SIGSYS".
 */
#pragma once

#include <stddef.h>

struct captive_try {
    const char *name;
    const char *wanted;
    /* @return 0, or -1 and errno */
    long (*run)(void);
};

/* Who tries, and how he enters. */
struct captive {
    const char *name;
    int (*enter)(void); /* 0; negative errno */
};

/* Those that are to end in SIGSYS are made outside, too. */
void captive_try(const struct captive *captive, const struct captive_try *tries,
                 size_t n);

/*
 * Every system call of the first 512 with all arguments 0, inside. One line:
 *   captive WHO in survive NAME,... WANTED
 * the numbers of those that do not end it by a signal, in order.
 * @param wanted their numbers as a text, with a comma after each
 */
void captive_sweep(const struct captive *captive, const char *wanted);

/* Attempts that are the same for all. */
extern const struct captive_try captive_common[];
extern const size_t captive_n_common;
