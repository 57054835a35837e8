/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "naive_http.h"

#include <string.h>
#include <strings.h>

bool naive_is(const char *ptr, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(ptr, word, len) == 0;
}

static bool begins(const struct naive_header *h, const char *prefix)
{
    return h->name_len >= strlen(prefix) &&
           strncasecmp(h->name, prefix, strlen(prefix)) == 0;
}

static bool is(const struct naive_header *h, const char *name)
{
    return naive_is(h->name, h->name_len, name);
}

static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* --- lines --------------------------------------------------------------- */

/* Every line ends in CRLF, and these bytes stand nowhere else; no NUL. */
static bool has_clean_lines(const char *buf, size_t len)
{
    if (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (buf[i] == '\0')
            return false;
        if (buf[i] == '\r' && (i + 1 == len || buf[i + 1] != '\n'))
            return false;
        if (buf[i] == '\n' && (i == 0 || buf[i - 1] != '\r'))
            return false;
    }
    return true;
}

static bool is_method(const char *text, size_t len)
{
    static const char *const words[] = {"GET",    "HEAD",    "POST", "PUT",
                                        "DELETE", "OPTIONS", "PATCH"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
            return true;
    return false;
}

static bool take_version(const char *text, struct naive_head *head)
{
    head->is_11 = memcmp(text, "HTTP/1.1", 8) == 0;
    return head->is_11 || memcmp(text, "HTTP/1.0", 8) == 0;
}

static bool take_request_line(const char *line, size_t len,
                              struct naive_head *head)
{
    size_t first = 0, second;

    while (first < len && line[first] != ' ')
        first++;
    for (second = first + 1; second < len && line[second] != ' ';)
        second++;
    head->method = line;
    head->method_len = first;
    if (first >= len || second >= len)
        return false;
    head->target = line + first + 1;
    head->target_len = second - first - 1;
    for (size_t i = 0; i < head->target_len; i++)
        if ((unsigned char)head->target[i] <= ' ' || head->target[i] == 0x7f)
            return false;
    return is_method(line, first) && head->target_len &&
           len - second - 1 == 8 && take_version(line + second + 1, head);
}

static bool take_status_line(const char *line, size_t len,
                             struct naive_head *head)
{
    if (len < 12 || !take_version(line, head) || line[8] != ' ')
        return false;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        head->status = head->status * 10 + (unsigned int)(line[i] - '0');
    }
    return len == 12 || line[12] == ' ';
}

static bool take_header_line(const char *line, size_t len,
                             struct naive_head *head)
{
    struct naive_header *h = &head->header[head->n_headers];
    size_t colon = 0, from, to = len;

    if (head->n_headers == sizeof(head->header) / sizeof(*head->header))
        return false;
    while (colon < len && is_token_byte(line[colon]))
        colon++;
    if (colon == 0 || colon == len || line[colon] != ':')
        return false;
    from = colon + 1;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    for (size_t i = from; i < to; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') ||
            line[i] == 0x7f)
            return false;
    *h = (struct naive_header){.name = line,
                               .name_len = colon,
                               .value = line + from,
                               .value_len = to - from};
    head->n_headers++;
    return true;
}

static bool take_lines(const char *buf, size_t len, struct naive_head *head)
{
    for (size_t at = 0, n = 0; at < len; n++) {
        size_t end = at;
        bool ok;

        while (buf[end] != '\r')
            end++;
        if (end == at)
            return n > 0 && end + 2 == len; /* the empty line is the last */
        if (n > 0)
            ok = take_header_line(buf + at, end - at, head);
        else if (head->is_request)
            ok = take_request_line(buf + at, end - at, head);
        else
            ok = take_status_line(buf + at, end - at, head);
        if (!ok || end + 2 - at > 8192)
            return false;
        at = end + 2;
    }
    return false;
}

/* --- meaning ------------------------------------------------------------- */

/* Whether a Connection header of this head names `word`. */
static bool is_named(const struct naive_head *head, const char *word,
                     size_t word_len)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const struct naive_header *h = &head->header[i];
        size_t at = 0;

        if (!is(h, "connection"))
            continue;
        while (at <= h->value_len) {
            size_t end = at, from, to;

            while (end < h->value_len && h->value[end] != ',')
                end++;
            for (from = at; from < end && strchr(" \t", h->value[from]);)
                from++;
            for (to = end; to > from && strchr(" \t", h->value[to - 1]);)
                to--;
            if (to - from == word_len &&
                strncasecmp(h->value + from, word, word_len) == 0)
                return true;
            at = end + 1;
        }
    }
    return false;
}

static bool ends_here(const struct naive_head *head,
                      const struct naive_header *h)
{
    static const char *const always[] = {
        "connection", "keep-alive",    "te", "trailer", "transfer-encoding",
        "upgrade",    "content-length"};

    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        if (is(h, always[i]))
            return true;
    if (begins(h, "proxy-") || is(h, "x-ms-azure-host-authorization"))
        return true;
    if (head->is_request && (is(h, "expect") || begins(h, "x-ms-azure-host-")))
        return true;
    return is_named(head, h->name, h->name_len);
}

static bool take_length(const struct naive_header *h, struct naive_head *head)
{
    if (head->has_length || h->value_len == 0 || h->value_len > 18)
        return false;
    for (size_t i = 0; i < h->value_len; i++) {
        if (h->value[i] < '0' || h->value[i] > '9')
            return false;
        head->length = head->length * 10 + (uint64_t)(h->value[i] - '0');
    }
    head->has_length = true;
    return true;
}

static bool take_meaning(struct naive_head *head)
{
    bool asked = false;

    for (size_t i = 0; i < head->n_headers; i++) {
        struct naive_header *h = &head->header[i];
        bool frames = is(h, "content-length") || is(h, "transfer-encoding") ||
                      is(h, "host");

        h->is_dropped = ends_here(head, h);
        if (frames && is_named(head, h->name, h->name_len))
            return false;
        if (is(h, "content-length") && !take_length(h, head))
            return false;
        if (is(h, "transfer-encoding")) {
            if (head->is_chunked || !head->is_11 ||
                !naive_is(h->value, h->value_len, "chunked"))
                return false;
            head->is_chunked = true;
        }
        if (is(h, "host")) {
            if (head->has_host)
                return false;
            head->has_host = true;
        }
        if (is(h, "expect") && head->is_request &&
            !naive_is(h->value, h->value_len, "100-continue"))
            return false;
        asked |= is(h, "connection") &&
                 naive_is(h->value, h->value_len, "keep-alive");
    }
    head->keeps_alive =
        (head->is_11 || asked) && !is_named(head, "close", strlen("close"));
    return !head->is_chunked || !head->has_length;
}

bool naive_head(const char *buf, size_t len, bool is_request,
                struct naive_head *ret)
{
    memset(ret, 0, offsetof(struct naive_head, header));
    ret->is_request = is_request;
    return len <= 16384 && has_clean_lines(buf, len) &&
           take_lines(buf, len, ret) && ret->n_headers <= 100 &&
           take_meaning(ret);
}

/* --- chunked coding ------------------------------------------------------ */

struct chunked {
    const uint8_t *buf;
    size_t len;
    size_t at;
    size_t extra; /* bytes of extensions and trailers so far */
};

static int hex(uint8_t c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    if (!at)
        return -1;
    return at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

static enum naive_chunked take_crlf(struct chunked *c)
{
    for (int i = 0; i < 2; i++, c->at++) {
        if (c->at == c->len)
            return NAIVE_MORE;
        if (c->buf[c->at] != "\r\n"[i])
            return NAIVE_BAD;
    }
    return NAIVE_END;
}

/* Text up to a CRLF, and the CRLF. */
static enum naive_chunked take_text(struct chunked *c)
{
    size_t from = c->at;

    for (; c->at < c->len && c->buf[c->at] != '\r'; c->at++) {
        uint8_t byte = c->buf[c->at];

        c->extra++;
        if ((byte < ' ' && byte != '\t') || byte == 0x7f ||
            c->at - from >= 1024 || c->extra > 16384)
            return NAIVE_BAD;
    }
    return take_crlf(c);
}

static enum naive_chunked take_size(struct chunked *c, uint64_t *ret)
{
    size_t digits = 0;

    *ret = 0;
    for (; c->at < c->len && hex(c->buf[c->at]) >= 0; c->at++) {
        *ret = *ret * 16 + (uint64_t)hex(c->buf[c->at]);
        if (++digits > 12)
            return NAIVE_BAD;
    }
    if (c->at == c->len)
        return NAIVE_MORE;
    if (digits == 0)
        return NAIVE_BAD;
    if (c->buf[c->at] == ';')
        return take_text(c);
    return take_crlf(c);
}

static enum naive_chunked take_trailers(struct chunked *c)
{
    for (;;) {
        enum naive_chunked r;

        if (c->at == c->len)
            return NAIVE_MORE;
        if (c->buf[c->at] == '\r')
            return take_crlf(c);
        if (strchr(" \t:", c->buf[c->at]))
            return NAIVE_BAD;
        r = take_text(c);
        if (r != NAIVE_END)
            return r;
    }
}

enum naive_chunked naive_chunked(const uint8_t *buf, size_t len,
                                 uint8_t *ret_body, size_t *ret_body_len,
                                 size_t *ret_end)
{
    struct chunked c = {buf, len, 0, 0};
    enum naive_chunked r;
    uint64_t size;

    *ret_body_len = 0;
    for (;;) {
        r = take_size(&c, &size);
        if (r != NAIVE_END)
            return r;
        if (size == 0)
            break;
        if (size > len - c.at)
            size = len - c.at; /* cut short: take_crlf() says MORE */
        memcpy(ret_body + *ret_body_len, buf + c.at, (size_t)size);
        *ret_body_len += (size_t)size;
        c.at += (size_t)size;
        r = take_crlf(&c);
        if (r != NAIVE_END)
            return r;
    }
    r = take_trailers(&c);
    *ret_end = c.at;
    return r;
}
