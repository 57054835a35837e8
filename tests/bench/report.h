/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* build/bench/report.json: one object, one member a bench, numbers in it. */
#pragma once

#include <stddef.h>

struct bench_value {
    const char *key;
    double value;
};

/*
 * Prints the values and puts them into member `name` of the report at `path`,
 * which is made if there is none; other members stay, the file is replaced
 * whole.
 * @param path NULL: only print
 * @return 0; negative errno, which was printed
 */
int bench_report(const char *path, const char *name,
                 const struct bench_value *values, size_t n);

/* @return the middle one of n > 0 values, which are sorted by it */
double bench_median(double *values, size_t n);

/* @return monotonic time, ns */
double bench_now_ns(void);
