/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Heads and chunked coding, of requests and responses: what the proxy takes,
 * the naive reader takes too and finds the same in it, however the bytes came
 * in pieces, and nothing beyond the head is read. What goes on without what
 * ends at this hop is taken again. The string-to-sign is the host's.
 *
 * Input: one byte of options, then a stream.
 */
#include "proxy/http.h"

#include <msp/limits.h>

#include "fuzz.h"
#include "harness/hostsim/verify.h"
#include "http_words.h"
#include "naive_http.h"
#include "proxy/chunk.h"
#include "proxy/sign.h"
#include "proxy/text.h"
#include "tokens.h"

#define ADDR "169.254.169.254"

static struct msp_http_head head;
static struct naive_head naive;

#ifdef MSP_PLANT
/* A client speaks as the delegate if it begins with a capital. */
static enum msp_http_code planted(enum msp_http_kind kind, const char *buf,
                                  size_t len, size_t n_lines,
                                  struct msp_http_head *ret)
{
    enum msp_http_code code = msp_http_parse(kind, buf, len, n_lines, ret);

    for (size_t i = 0; code == MSP_HTTP_OK && i < ret->n_headers; i++)
        if (ret->header[i].id == MSP_HTTP_ID_AZURE_HOST &&
            ret->header[i].name[0] == 'X')
            ret->header[i].is_dropped = false;
    return code;
}

#define msp_http_parse planted
#endif

/* --- scan ---------------------------------------------------------------- */

/* However the bytes come, the answer is the same. */
static enum msp_http_code scan(enum msp_http_kind kind, const char *buf,
                               size_t len, size_t step, size_t *ret_len,
                               size_t *ret_lines)
{
    struct msp_http_scan whole = {0}, growing = {0};
    size_t growing_len = 0;
    enum msp_http_code code, next = MSP_HTTP_MORE;

    *ret_len = 0;
    code = msp_http_scan(&whole, kind, buf, len, ret_len);
    for (size_t n = step; next == MSP_HTTP_MORE; n += step) {
        size_t have = n < len ? n : len;
        char *copy = fuzz_copy(buf, have);

        next = msp_http_scan(&growing, kind, copy, have, &growing_len);
        free(copy);
        if (have == len)
            break;
    }
    FUZZ_CHECK(next == code);
    if (code == MSP_HTTP_OK) {
        FUZZ_CHECK(growing_len == *ret_len && growing.n_lines == whole.n_lines);
        FUZZ_CHECK(*ret_len <= len && *ret_len >= 4);
        FUZZ_CHECK(memcmp(buf + *ret_len - 4, "\r\n\r\n", 4) == 0);
    }
    *ret_lines = whole.n_lines;
    return code;
}

/* --- what a head means --------------------------------------------------- */

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void compare_headers(void)
{
    FUZZ_CHECK(head.n_headers == naive.n_headers);
    for (size_t i = 0; i < head.n_headers; i++) {
        const struct msp_http_header *ours = &head.header[i];
        const struct naive_header *theirs = &naive.header[i];

        FUZZ_CHECK(
            same(ours->name, ours->name_len, theirs->name, theirs->name_len));
        FUZZ_CHECK(same(ours->value, ours->value_len, theirs->value,
                        theirs->value_len));
        FUZZ_CHECK(ours->is_dropped == theirs->is_dropped);
    }
}

static void compare_host(void)
{
    static const char *const fitting[] = {ADDR, ADDR ":80", ADDR ":080",
                                          ADDR ":0080", ADDR ":00080"};
    bool fits = !naive.is_11 && !naive.has_host;

    for (size_t i = 0; i < naive.n_headers; i++)
        if (naive_is(naive.header[i].name, naive.header[i].name_len, "host"))
            for (size_t j = 0; j < ARRAY_SIZE(fitting); j++)
                fits |= naive_is(naive.header[i].value,
                                 naive.header[i].value_len, fitting[j]);
    FUZZ_CHECK(msp_http_host_fits(&head, ADDR, 80) == fits);
}

static void compare(enum msp_http_kind kind, const char *buf, size_t len)
{
    FUZZ_CHECK(naive_head(buf, len, kind == MSP_HTTP_REQUEST, &naive));
    FUZZ_CHECK(head.len == len);
    FUZZ_CHECK(head.is_11 == naive.is_11);
    FUZZ_CHECK(head.keeps_alive == naive.keeps_alive);
    FUZZ_CHECK(head.has_length == naive.has_length);
    FUZZ_CHECK(head.is_chunked == naive.is_chunked);
    FUZZ_CHECK(!head.has_length || head.length == naive.length);
    FUZZ_CHECK((head.host != NULL) == naive.has_host);
    compare_headers();
    if (kind == MSP_HTTP_RESPONSE) {
        FUZZ_CHECK(head.status == naive.status);
        return;
    }
    FUZZ_CHECK(head.method_bit != 0);
    FUZZ_CHECK(
        same(head.method, head.method_len, naive.method, naive.method_len));
    FUZZ_CHECK(
        same(head.target, head.target_len, naive.target, naive.target_len));
    compare_host();
}

/* --- what goes on -------------------------------------------------------- */

static void put_first_line(struct msp_text *text, enum msp_http_kind kind)
{
    char status[32];

    if (kind == MSP_HTTP_REQUEST) {
        msp_text_put(text, head.method, head.method_len);
        msp_text_put(text, " ", 1);
        msp_text_put(text, head.target, head.target_len);
        msp_text_puts(text, head.is_11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
        return;
    }
    (void)snprintf(status, sizeof(status), "HTTP/1.1 %03u ", head.status);
    msp_text_puts(text, status);
    msp_text_put(text, head.reason_phrase, head.reason_len);
    msp_text_puts(text, "\r\n");
}

/* The head as it goes on is a head, of the same headers, that frames nothing. */
static void send_on(enum msp_http_kind kind)
{
    static struct msp_http_head again;
    static char out[2 * MSP_HEAD_BYTES_MAX];
    struct msp_text text = {.ptr = out, .size = sizeof(out)};
    struct msp_http_scan at = {0};
    size_t n = 0, len = 0;

    put_first_line(&text, kind);
    for (size_t i = 0; i < head.n_headers; i++)
        if (!head.header[i].is_dropped)
            msp_text_header(&text, &head.header[i]);
    msp_text_puts(&text, "\r\n");
    FUZZ_CHECK(!text.is_full);
    /* "a:b" is written "a: b" and may grow over a limit */
    if (text.len > MSP_HEAD_BYTES_MAX ||
        msp_http_scan(&at, kind, out, text.len, &len) ==
            MSP_HTTP_FIELD_TOO_LONG)
        return;
    FUZZ_CHECK(len == text.len);
    FUZZ_CHECK(msp_http_parse(kind, out, len, at.n_lines, &again) ==
               MSP_HTTP_OK);
    FUZZ_CHECK(!again.has_length && !again.is_chunked);
    for (size_t i = 0; i < head.n_headers; i++) {
        const struct msp_http_header *h = &head.header[i];

        if (h->is_dropped)
            continue;
        FUZZ_CHECK(n < again.n_headers && !again.header[n].is_dropped);
        FUZZ_CHECK(same(h->name, h->name_len, again.header[n].name,
                        again.header[n].name_len));
        FUZZ_CHECK(same(h->value, h->value_len, again.header[n].value,
                        again.header[n].value_len));
        n++;
    }
    FUZZ_CHECK(n == again.n_headers);
}

/* --- what is signed ------------------------------------------------------ */

/* The host knows origin-form, and of absolute-form this scheme. */
static bool is_known_form(void)
{
    return head.target[0] == '/' ||
           (head.target_len > 7 && naive_is(head.target, 7, "http://"));
}

/* The host's own reading of the same request; it shares no source with ours. */
static void sign(const char *body, size_t body_len)
{
    static struct msp_http_header sent[MSP_SEND_HEADERS_MAX];
    static struct sim_request seen;
    static struct msp_sign *signer;
    struct msp_sign_request request = {.method = head.method,
                                       .method_len = head.method_len,
                                       .target = head.target,
                                       .target_len = head.target_len,
                                       .header = sent};
    const char *tail;
    char *text;
    size_t tail_len, len, before = head.method_len + body_len + 2;

    FUZZ_CHECK(signer || msp_sign_new(&signer) == 0);
    memset(&seen, 0, sizeof(seen));
    seen.method = (struct sim_text){head.method, head.method_len};
    seen.target = (struct sim_text){head.target, head.target_len};
    seen.body = (struct sim_text){body, body_len};
    msp_sim_split_target(&seen);
    for (size_t i = 0; i < head.n_headers; i++) {
        const struct msp_http_header *h = &head.header[i];

        if (h->is_dropped)
            continue;
        sent[request.n_headers++] = *h;
        seen.header[seen.n_headers++] = (struct sim_header){
            {h->name, h->name_len}, {h->value, h->value_len}};
    }
    FUZZ_CHECK(msp_sign_tail(signer, &request, &tail, &tail_len) == 0);
    FUZZ_CHECK(msp_sim_string_to_sign(&seen, &text, &len) == 0);
    FUZZ_CHECK(len == before + tail_len);
    FUZZ_CHECK(memcmp(text + before, tail, tail_len) == 0);
    free(text);
}

/* --- chunked coding ------------------------------------------------------ */

/* Pieces of `step` bytes through the reader, each just as long as it is. */
static enum naive_chunked read_pieces(const uint8_t *buf, size_t len,
                                      size_t step, uint8_t *ret_body,
                                      size_t *ret_body_len, size_t *ret_end)
{
    struct msp_chunk chunk = {0};

    *ret_body_len = 0;
    for (size_t from = 0; from < len; from += step) {
        size_t n = len - from < step ? len - from : step, at = 0;
        uint8_t *piece = fuzz_copy(buf + from, n);
        enum msp_chunk_step found;

        do {
            size_t skip = 0, data = 0;

            found = msp_chunk_next(&chunk, piece + at, n - at, &skip, &data);
            FUZZ_CHECK(skip + data <= n - at);
            if (found == MSP_CHUNK_DATA) {
                memcpy(ret_body + *ret_body_len, piece + at + skip, data);
                *ret_body_len += data;
            }
            at += skip + data;
        } while ((found == MSP_CHUNK_DATA || found == MSP_CHUNK_TRAILER) &&
                 at < n);
        free(piece);
        *ret_end = from + at;
        if (found == MSP_CHUNK_END)
            return NAIVE_END;
        if (found == MSP_CHUNK_BAD)
            return NAIVE_BAD;
        FUZZ_CHECK(at == n);
    }
    return NAIVE_MORE;
}

static void chunked(const uint8_t *buf, size_t len, size_t step)
{
    uint8_t *ours = malloc(len + 1), *theirs = malloc(len + 1);
    size_t our_len, their_len, our_end = 0, their_end = 0;
    enum naive_chunked r;

    FUZZ_CHECK(ours && theirs);
    r = read_pieces(buf, len, step, ours, &our_len, &our_end);
    FUZZ_CHECK(r == naive_chunked(buf, len, theirs, &their_len, &their_end));
    if (r == NAIVE_END)
        FUZZ_CHECK(our_end == their_end);
    if (r != NAIVE_BAD)
        FUZZ_CHECK(same((char *)ours, our_len, (char *)theirs, their_len));
    free(ours);
    free(theirs);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
                               unsigned int seed)
{
    return tokens_mutate(TOKEN_LINE, http_lines, ARRAY_SIZE(http_lines), data,
                         len, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    enum msp_http_kind kind;
    size_t step, head_len, n_lines;
    const char *stream = (const char *)data + 1;
    char *copy;

    if (len < 2)
        return 0;
    kind = data[0] & 1 ? MSP_HTTP_RESPONSE : MSP_HTTP_REQUEST;
    step = data[0] >> 2 ? (size_t)(data[0] >> 2) : len;
    len--;
    if (data[0] & 2) {
        chunked(data + 1, len, step);
        return 0;
    }
    if (scan(kind, stream, len, step, &head_len, &n_lines) != MSP_HTTP_OK)
        return 0;
    copy = fuzz_copy(stream, head_len);
    if (msp_http_parse(kind, copy, head_len, n_lines, &head) == MSP_HTTP_OK) {
        compare(kind, copy, head_len);
        send_on(kind);
        if (kind == MSP_HTTP_REQUEST && is_known_form())
            sign(stream + head_len, len - head_len);
        if (head.is_chunked)
            chunked(data + 1 + head_len, len - head_len, step);
    }
    free(copy);
    return 0;
}
