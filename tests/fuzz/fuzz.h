/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The prelude of every fuzz target. A target checks claims, so a crash is only
 * one of the ways to fail. With MSP_PLANT it is built with a fault of its own,
 * which a test wants to be found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

/* libFuzzer calls these. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FUZZ_CHECK(claim)                                               \
    do {                                                                \
        if (!(claim)) {                                                 \
            (void)fprintf(stderr, "%s:%d: claim fails: %s\n", __FILE__, \
                          __LINE__, #claim);                            \
            abort();                                                    \
        }                                                               \
    } while (0)

/* An input as a source of decisions; what is used up gives zeros. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->at++;
}

/* One of n, n <= 256. */
static inline unsigned int fuzz_pick(struct fuzz_input *in, unsigned int n)
{
    return fuzz_byte(in) % n;
}

/*
 * A copy of exactly these bytes on the heap, so that reading one more is
 * seen. Owned by the caller, free().
 */
static inline void *fuzz_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len ? len : 1);

    FUZZ_CHECK(copy);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}
