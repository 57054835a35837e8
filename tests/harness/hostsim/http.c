/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void msp_sim_request_done(struct sim_request *req)
{
    free(req->decoded);
    req->decoded = NULL;
}

bool msp_sim_is(struct sim_text text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp(text.ptr, word, text.len) == 0;
}

bool msp_sim_same(struct sim_text a, struct sim_text b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

const struct sim_header *msp_sim_find(const struct sim_request *req,
                                      const char *name)
{
    for (size_t i = req->n_headers; i > 0; i--) {
        if (msp_sim_is(req->header[i - 1].name, name))
            return &req->header[i - 1];
    }
    return NULL;
}

static struct sim_text text_of(const char *from, const char *to)
{
    return (struct sim_text){.ptr = from, .len = (size_t)(to - from)};
}

void msp_sim_split_target(struct sim_request *req)
{
    const char *p = req->target.ptr;
    const char *end = p + req->target.len;
    const char *mark;

    if (req->target.len > 7 && strncasecmp(p, "http://", 7) == 0) {
        p += 7;
        while (p < end && *p != '/' && *p != '?')
            p++;
    }
    mark = memchr(p, '?', (size_t)(end - p));
    req->path = text_of(p, mark ? mark : end);
    req->query = mark ? text_of(mark + 1, end) : text_of(end, end);
    if (req->path.len == 0)
        req->path = (struct sim_text){.ptr = "/", .len = 1};
}

static bool is_token(struct sim_text t)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < t.len; i++) {
        char c = t.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9'))
            continue;
        if (c == '\0' || !strchr(extra, c))
            return false;
    }
    return t.len > 0;
}

static const char *read_request_line(struct sim_text line,
                                     struct sim_request *req)
{
    const char *end = line.ptr + line.len;
    const char *first = memchr(line.ptr, ' ', line.len);
    const char *second;
    struct sim_text version;

    if (!first)
        return "request line without a target";
    second = memchr(first + 1, ' ', (size_t)(end - first - 1));
    if (!second)
        return "request line without a version";
    req->method = text_of(line.ptr, first);
    req->target = text_of(first + 1, second);
    version = text_of(second + 1, end);
    if (!is_token(req->method))
        return "bad method";
    if (req->target.len == 0)
        return "empty target";
    if (version.len != 8 || memcmp(version.ptr, "HTTP/1.", 7) != 0 ||
        (version.ptr[7] != '0' && version.ptr[7] != '1'))
        return "bad version";
    req->is_http10 = version.ptr[7] == '0';
    req->is_close = req->is_http10;
    msp_sim_split_target(req);
    return NULL;
}

static const char *read_header_line(struct sim_text line,
                                    struct sim_request *req)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    const char *from;
    const char *to = line.ptr + line.len;
    struct sim_header *h;

    if (!colon)
        return "header without a colon";
    if (req->n_headers == SIM_HEADERS_MAX)
        return "too many headers";
    h = &req->header[req->n_headers];
    h->name = text_of(line.ptr, colon);
    if (!is_token(h->name))
        return "bad header name";
    from = colon + 1;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    h->value = text_of(from, to);
    req->n_headers++;
    return NULL;
}

/* Lines end in CR LF; a lone CR, a lone LF or a NUL is malformed. */
static const char *read_head(const char *buf, size_t len,
                             struct sim_request *req)
{
    const char *p = buf;
    const char *end = buf + len;
    bool is_first = true;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        struct sim_text line;
        const char *why;

        if (!lf || lf == p || lf[-1] != '\r')
            return "line without CR LF";
        line = text_of(p, lf - 1);
        if (memchr(line.ptr, '\r', line.len) || memchr(line.ptr, 0, line.len))
            return "CR or NUL within a line";
        why = is_first ? read_request_line(line, req)
                       : read_header_line(line, req);
        if (why)
            return why;
        is_first = false;
        p = lf + 1;
    }
    return NULL;
}

/* @return NULL, *ret_length = SIZE_MAX for chunked; or why not */
static const char *read_framing(struct sim_request *req, size_t *ret_length)
{
    bool has_length = false;
    bool has_chunked = false;
    size_t length = 0;

    for (size_t i = 0; i < req->n_headers; i++) {
        struct sim_text v = req->header[i].value;

        if (msp_sim_is(req->header[i].name, "content-length")) {
            if (has_length || v.len == 0 || v.len > 10)
                return "bad or repeated content-length";
            has_length = true;
            for (size_t k = 0; k < v.len; k++) {
                if (v.ptr[k] < '0' || v.ptr[k] > '9')
                    return "bad or repeated content-length";
                length = length * 10 + (size_t)(v.ptr[k] - '0');
            }
        } else if (msp_sim_is(req->header[i].name, "transfer-encoding")) {
            if (has_chunked || !msp_sim_is(v, "chunked"))
                return "bad or repeated transfer-encoding";
            has_chunked = true;
        } else if (msp_sim_is(req->header[i].name, "connection")) {
            if (msp_sim_is(v, "close"))
                req->is_close = true;
            else if (msp_sim_is(v, "keep-alive"))
                req->is_close = false;
        }
    }
    if (has_length && has_chunked)
        return "content-length and transfer-encoding";
    if (length > SIM_BODY_BYTES_MAX)
        return "body too long";
    *ret_length = has_chunked ? SIZE_MAX : length;
    return NULL;
}

/* @return bytes of the size line with its CR LF; 0 = more; -EBADMSG */
static long read_chunk_size(const char *p, size_t len, size_t *ret_size)
{
    const char *lf = memchr(p, '\n', len);
    size_t size = 0;
    size_t n = 0;

    if (!lf)
        return len > 64 ? -EBADMSG : 0;
    for (; p[n] != '\r'; n++) {
        char c = p[n];

        if (n >= 8)
            return -EBADMSG;
        if (c >= '0' && c <= '9')
            size = size * 16 + (size_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            size = size * 16 + (size_t)((c | 32) - 'a' + 10);
        else
            return -EBADMSG;
    }
    if (n == 0 || p + n + 1 != lf || size > SIM_BODY_BYTES_MAX)
        return -EBADMSG;
    *ret_size = size;
    return (long)n + 2;
}

/* @return 0; 1 = more; -EBADMSG; -ENOMEM. *ret_used: bytes of the framing */
static int read_chunked(const char *buf, size_t len, struct sim_request *req,
                        size_t *ret_used)
{
    size_t at = 0;
    size_t filled = 0;

    req->decoded = malloc(len + 1);
    if (!req->decoded)
        return -ENOMEM;
    for (;;) {
        size_t size = 0;
        long line = read_chunk_size(buf + at, len - at, &size);

        if (line <= 0)
            return line < 0 ? -EBADMSG : 1;
        at += (size_t)line;
        if (len - at < size + 2)
            return 1;
        memcpy(req->decoded + filled, buf + at, size);
        filled += size;
        at += size;
        if (memcmp(buf + at, "\r\n", 2) != 0)
            return -EBADMSG;
        at += 2;
        if (size == 0)
            break;
    }
    req->body = (struct sim_text){.ptr = req->decoded, .len = filled};
    *ret_used = at;
    return 0;
}

int msp_sim_read(const char *buf, size_t len, struct sim_request *req,
                 size_t *ret_used, const char **reterr_why)
{
    size_t look = len < SIM_HEAD_BYTES_MAX ? len : SIM_HEAD_BYTES_MAX;
    const char *blank = memmem(buf, look, "\r\n\r\n", 4);
    size_t head;
    size_t length = 0;
    size_t used = 0;
    int r;

    if (!blank) {
        *reterr_why = "head too long";
        return len >= SIM_HEAD_BYTES_MAX ? -EBADMSG : 1;
    }
    head = (size_t)(blank - buf) + 4;
    *reterr_why = read_head(buf, head - 2, req);
    if (!*reterr_why)
        *reterr_why = read_framing(req, &length);
    if (*reterr_why)
        return -EBADMSG;
    if (length == SIZE_MAX) {
        r = read_chunked(buf + head, len - head, req, &used);
        if (r == -EBADMSG)
            *reterr_why = "bad chunk";
        if (r != 0)
            return r;
    } else {
        if (len - head < length)
            return 1;
        req->body = (struct sim_text){.ptr = buf + head, .len = length};
        used = length;
    }
    *ret_used = head + used;
    return 0;
}
