/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bench/report.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

static int failed(const char *path, int r)
{
    (void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
    return r;
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root;

    if (access(path, F_OK) < 0)
        return json_object();
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        (void)fprintf(stderr, "%s:%d: not a report: %s\n", path, error.line,
                      root ? "an object was expected" : error.text);
        json_decref(root);
        return NULL;
    }
    return root;
}

static int store(const json_t *root, const char *path)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.new", path);

    if (n < 0 || (size_t)n >= sizeof(temporary))
        return failed(path, -ENAMETOOLONG);
    if (json_dump_file(root, temporary,
                       JSON_INDENT(2) | JSON_REAL_PRECISION(6)) < 0)
        return failed(temporary, -EIO);
    return rename(temporary, path) < 0 ? failed(path, -errno) : 0;
}

/* Three digits behind the point: more is noise. */
static double rounded(double value)
{
    return round(value * 1000) / 1000;
}

static json_t *object_of(const char *name, const struct bench_value *values,
                         size_t n)
{
    json_t *object = json_object();

    for (size_t i = 0; i < n; i++) {
        (void)printf("%s.%-28s %12.3f\n", name, values[i].key, values[i].value);
        if (json_object_set_new(object, values[i].key,
                                json_real(rounded(values[i].value))) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

int bench_report(const char *path, const char *name,
                 const struct bench_value *values, size_t n)
{
    json_t *object = object_of(name, values, n), *root;
    int r;

    if (!path) {
        json_decref(object);
        return 0;
    }
    root = load(path);
    if (!root) {
        json_decref(object);
        return -EINVAL;
    }
    r = json_object_set_new(root, name, object) < 0 ? failed(path, -ENOMEM)
                                                    : store(root, path);
    json_decref(root);
    return r;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_value);
    return values[n / 2];
}

double bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
