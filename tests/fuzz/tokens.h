/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Mutations of whole tokens, lines of a head or strings of a document, so that
 * most mutants get past the outermost check. The first byte of an input, its
 * options, stays. For LLVMFuzzerCustomMutator, which uses libFuzzer's own half
 * of the time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum token_kind {
    TOKEN_LINE,   /* ends in CRLF */
    TOKEN_STRING, /* of JSON, with its quotes */
};

/* libFuzzer's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
                               unsigned int seed);

/*
 * @param word [n] complete tokens
 * @return new length, at most max
 */
size_t tokens_mutate(enum token_kind kind, const char *const *word, size_t n,
                     uint8_t *data, size_t len, size_t max, unsigned int seed);
