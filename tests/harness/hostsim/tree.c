/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIM_SIZE_MAX (16ul << 20)

const char *msp_sim_endpoint_name(enum sim_endpoint endpoint)
{
    static const char *const name[] = {
        [SIM_IMDS] = "imds",
        [SIM_WIRESERVER] = "wireserver",
        [SIM_HOSTGA] = "hostga",
    };

    return endpoint < SIM_ENDPOINTS ? name[endpoint] : "?";
}

int msp_sim_tree_init(void)
{
    return msp_sim_imds_init();
}

void msp_sim_tree_done(void)
{
    msp_sim_imds_done();
}

int msp_sim_answer_text(struct sim_answer *ret, int status,
                        const char *content_type, const char *text)
{
    ret->status = status;
    ret->content_type = content_type;
    ret->body = strdup(text);
    ret->body_len = strlen(text);
    return ret->body ? 0 : -ENOMEM;
}

bool msp_sim_query(const struct sim_request *req, const char *key,
                   struct sim_text *ret_value)
{
    const char *p = req->query.ptr;
    const char *end = p + req->query.len;
    size_t key_len = strlen(key);

    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;
        size_t len = (size_t)(stop - p);

        if (len >= key_len && strncasecmp(p, key, key_len) == 0 &&
            (len == key_len || p[key_len] == '=')) {
            size_t skip = len == key_len ? key_len : key_len + 1;

            ret_value->ptr = p + skip;
            ret_value->len = len - skip;
            return true;
        }
        p = stop + 1;
    }
    return false;
}

/* The decimal number after `prefix`, which the path must consist of. */
static bool number_after(struct sim_text path, const char *prefix,
                         unsigned long *ret)
{
    size_t n = strlen(prefix);

    if (path.len <= n || path.len > n + 9 || memcmp(path.ptr, prefix, n) != 0)
        return false;
    *ret = 0;
    for (size_t i = n; i < path.len; i++) {
        if (path.ptr[i] < '0' || path.ptr[i] > '9')
            return false;
        *ret = *ret * 10 + (unsigned long)(path.ptr[i] - '0');
    }
    return true;
}

static int answer_filled(struct sim_answer *ret, size_t len, bool is_chunked)
{
    ret->status = 200;
    ret->content_type = "application/octet-stream";
    ret->body = malloc(len + 1);
    if (!ret->body)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++)
        ret->body[i] = (char)('a' + i % 26);
    ret->body_len = len;
    ret->is_chunked = is_chunked;
    return 0;
}

static int answer_body(const struct sim_request *req, struct sim_answer *ret)
{
    ret->status = 200;
    ret->content_type = "application/octet-stream";
    ret->body = malloc(req->body.len + 1);
    if (!ret->body)
        return -ENOMEM;
    if (req->body.len)
        memcpy(ret->body, req->body.ptr, req->body.len);
    ret->body_len = req->body.len;
    return 0;
}

/* /sim/delay/MS, /sim/status/CODE, /sim/size/N, /sim/chunked/N, /sim/close,
 * /sim/echo (the request's body), /sim/raw (the request's body is the answer,
 * head and all), /sim/raw-close (the same, then close) */
static int answer_sim(const struct sim_request *req, struct sim_answer *ret)
{
    unsigned long n = 0;

    if (number_after(req->path, "/sim/delay/", &n)) {
        ret->delay_ms = (unsigned int)n;
        return msp_sim_answer_text(ret, 200, "text/plain", "late\n");
    }
    if (number_after(req->path, "/sim/status/", &n) && n >= 200 && n < 600)
        return msp_sim_answer_text(ret, (int)n, "text/plain", "as asked\n");
    if (number_after(req->path, "/sim/size/", &n) && n <= SIM_SIZE_MAX)
        return answer_filled(ret, n, false);
    if (number_after(req->path, "/sim/chunked/", &n) && n <= SIM_SIZE_MAX)
        return answer_filled(ret, n, true);
    if (msp_sim_is(req->path, "/sim/close")) {
        ret->is_hang_up = true;
        return msp_sim_answer_text(ret, 0, "", "");
    }
    ret->is_closed = msp_sim_is(req->path, "/sim/raw-close");
    ret->is_raw = ret->is_closed || msp_sim_is(req->path, "/sim/raw");
    if (ret->is_raw || msp_sim_is(req->path, "/sim/echo"))
        return answer_body(req, ret);
    return msp_sim_answer_text(ret, 404, "text/plain", "no such test path\n");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* As a web server finds its resource: escapes decoded once, in place. */
static void decode(char *text, size_t *len)
{
    size_t to = 0;

    for (size_t i = 0; i < *len; i++) {
        int high = i + 2 < *len && text[i] == '%' ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;

        if (low >= 0) {
            text[to++] = (char)(high * 16 + low);
            i += 2;
        } else {
            text[to++] = text[i];
        }
    }
    *len = to;
}

static int answer_endpoint(enum sim_endpoint endpoint,
                           const struct sim_request *req,
                           struct sim_answer *ret)
{
    if (req->path.len > 5 && memcmp(req->path.ptr, "/sim/", 5) == 0)
        return answer_sim(req, ret);
    switch (endpoint) {
    case SIM_IMDS:
        return msp_sim_imds(req, ret);
    case SIM_WIRESERVER:
        return msp_sim_wire(req, ret);
    case SIM_HOSTGA:
        return msp_sim_hostga(req, ret);
    case SIM_ENDPOINTS:
        break;
    }
    return msp_sim_answer_text(ret, 404, "text/plain", "no such endpoint\n");
}

int msp_sim_answer(enum sim_endpoint endpoint, const struct sim_request *req,
                   struct sim_answer *ret)
{
    struct sim_request view = *req; /* all borrowed but the path */
    char *path = malloc(req->path.len + 1);
    int r;

    if (!path)
        return -ENOMEM;
    memcpy(path, req->path.ptr, req->path.len);
    view.path.ptr = path;
    decode(path, &view.path.len);
    r = answer_endpoint(endpoint, &view, ret);
    free(path);
    return r;
}
