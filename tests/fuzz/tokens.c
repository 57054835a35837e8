/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tokens.h"

#include "fuzz.h"

#define TOKENS_MAX 256

struct token {
    size_t at;
    size_t len;
};

static size_t find_lines(const uint8_t *data, size_t len, struct token *ret)
{
    size_t n = 0, at = 1;

    for (size_t i = 1; i + 1 < len && n < TOKENS_MAX; i++) {
        if (data[i] != '\r' || data[i + 1] != '\n')
            continue;
        ret[n++] = (struct token){at, i + 2 - at};
        at = i + 2;
    }
    return n;
}

static size_t find_strings(const uint8_t *data, size_t len, struct token *ret)
{
    size_t n = 0;

    for (size_t i = 1; i < len && n < TOKENS_MAX; i++) {
        size_t end = i + 1;

        if (data[i] != '"')
            continue;
        while (end < len && data[end] != '"')
            end += data[end] == '\\' ? 2 : 1;
        if (end >= len)
            break;
        ret[n++] = (struct token){i, end + 1 - i};
        i = end;
    }
    return n;
}

/* data[at, at + len) becomes `with`, or nothing happens. @return new length */
static size_t replace(uint8_t *data, size_t data_len, size_t max,
                      struct token token, const void *with, size_t with_len)
{
    size_t rest = data_len - token.at - token.len;

    if (data_len - token.len + with_len > max)
        return data_len;
    memmove(data + token.at + with_len, data + token.at + token.len, rest);
    memcpy(data + token.at, with, with_len);
    return data_len - token.len + with_len;
}

static unsigned int next(unsigned int *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

size_t tokens_mutate(enum token_kind kind, const char *const *word, size_t n,
                     uint8_t *data, size_t len, size_t max, unsigned int seed)
{
    static struct token token[TOKENS_MAX];
    static uint8_t other[65536];
    size_t n_tokens = kind == TOKEN_LINE ? find_lines(data, len, token)
                                         : find_strings(data, len, token);
    const char *with = word[next(&seed) % n];
    size_t with_len = strlen(with);
    struct token at;

    if (n_tokens == 0 || next(&seed) % 2)
        return LLVMFuzzerMutate(data, len, max);
    at = token[next(&seed) % n_tokens];
    if (next(&seed) % 3 == 0) { /* one that is there already */
        const struct token *from = &token[next(&seed) % n_tokens];

        with_len = from->len < sizeof(other) ? from->len : sizeof(other);
        memcpy(other, data + from->at, with_len);
        with = (const char *)other;
    }
    switch (next(&seed) % (kind == TOKEN_LINE ? 5 : 3)) {
    case 4:
        with_len = 0; /* a line less */
        break;
    case 3:
    case 2:
        if (kind == TOKEN_LINE)
            at.len = 0; /* a line more */
        break;
    default:
        break;
    }
    return replace(data, len, max, at, with, with_len);
}
