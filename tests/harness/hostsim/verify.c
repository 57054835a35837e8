/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define AUTHORIZATION "x-ms-azure-host-authorization"
#define CLAIMS        "x-ms-azure-host-claims"
#define DATE          "x-ms-azure-host-date"
#define SCHEME        "Azure-HMAC-SHA256"

/* --- growing text ------------------------------------------------------- */

struct text_out {
    char *ptr;
    size_t len;
    size_t cap;
    bool has_failed;
};

static void put(struct text_out *out, const void *bytes, size_t len)
{
    if (out->has_failed || len == 0)
        return;
    if (out->len + len > out->cap) {
        size_t cap = 2 * (out->len + len);
        char *grown = realloc(out->ptr, cap);

        if (!grown) {
            out->has_failed = true;
            return;
        }
        out->ptr = grown;
        out->cap = cap;
    }
    memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
}

static void put_lower(struct text_out *out, struct sim_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        put(out, &c, 1);
    }
}

static int take(struct text_out *out, char **ret, size_t *ret_len)
{
    if (out->has_failed) {
        free(out->ptr);
        return -ENOMEM;
    }
    *ret = out->ptr;
    *ret_len = out->len;
    return 0;
}

/* --- key file ----------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

int msp_sim_key_load(const char *path, struct sim_key *ret_key)
{
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *guid = json_string_value(json_object_get(doc, "guid"));
    const char *hex = json_string_value(json_object_get(doc, "key"));
    int r = -EINVAL;

    if (!guid || !hex || strlen(guid) >= SIM_GUID_BYTES ||
        strlen(hex) != 2 * SIM_KEY_BYTES)
        goto out;
    for (size_t i = 0; i < SIM_KEY_BYTES; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            goto out;
        ret_key->key[i] = (uint8_t)(high * 16 + low);
    }
    (void)snprintf(ret_key->guid, sizeof(ret_key->guid), "%s", guid);
    r = 0;
out:
    json_decref(doc);
    return r;
}

/* --- canonical query ---------------------------------------------------- */

struct pair {
    char *composite; /* owned: lower-case name, then value */
    size_t composite_len;
    size_t name_len;
    size_t order;
};

static int pair_compare(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    size_t shorter = x->composite_len < y->composite_len ? x->composite_len
                                                         : y->composite_len;
    int r = memcmp(x->composite, y->composite, shorter);

    if (r != 0)
        return r;
    if (x->composite_len != y->composite_len)
        return x->composite_len < y->composite_len ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool pair_collides(const struct pair *a, const struct pair *b)
{
    return a->composite_len == b->composite_len &&
           memcmp(a->composite, b->composite, a->composite_len) == 0;
}

/* @return 1 = added, 0 = dropped, -ENOMEM */
static int pair_read(struct sim_text piece, size_t order, struct pair *ret)
{
    const char *equals = memchr(piece.ptr, '=', piece.len);
    struct text_out out = {0};
    struct sim_text name = piece;
    struct sim_text value = {.ptr = "", .len = 0};
    int r;

    if (equals) {
        name.len = (size_t)(equals - piece.ptr);
        value.ptr = equals + 1;
        value.len = piece.len - name.len - 1;
    }
    if (name.len == 0)
        return 0;
    put_lower(&out, name);
    put(&out, value.ptr, value.len);
    r = take(&out, &ret->composite, &ret->composite_len);
    if (r < 0)
        return r;
    ret->name_len = name.len;
    ret->order = order;
    return 1;
}

static void put_pairs(struct text_out *out, const struct pair *pair, size_t n)
{
    bool is_first = true;

    for (size_t i = 0; i < n; i++) {
        /* of pairs with one composite key only the last counts */
        if (i + 1 < n && pair_collides(&pair[i], &pair[i + 1]))
            continue;
        if (!is_first)
            put(out, "&", 1);
        is_first = false;
        put(out, pair[i].composite, pair[i].name_len);
        if (pair[i].composite_len > pair[i].name_len) {
            put(out, "=", 1);
            put(out, pair[i].composite + pair[i].name_len,
                pair[i].composite_len - pair[i].name_len);
        }
    }
}

int msp_sim_canonical_query(struct sim_text query, char **ret, size_t *ret_len)
{
    struct text_out out = {0};
    struct pair *pair;
    size_t n = 0;
    size_t n_pieces = 1;
    const char *p = query.ptr;
    const char *end = query.ptr + query.len;
    int r = 0;

    for (size_t i = 0; i < query.len; i++)
        n_pieces += query.ptr[i] == '&';
    pair = calloc(n_pieces, sizeof(*pair));
    if (!pair)
        return -ENOMEM;
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;

        r = pair_read((struct sim_text){.ptr = p, .len = (size_t)(stop - p)}, n,
                      &pair[n]);
        if (r < 0)
            break;
        n += (size_t)r;
        p = stop + 1;
    }
    if (r >= 0) {
        qsort(pair, n, sizeof(*pair), pair_compare);
        put_pairs(&out, pair, n);
        r = take(&out, ret, ret_len);
    }
    for (size_t i = 0; i < n; i++)
        free(pair[i].composite);
    free(pair);
    return r;
}

/* --- string to sign ----------------------------------------------------- */

static int header_compare(const struct sim_text *a, const struct sim_text *b)
{
    for (size_t i = 0; i < a->len && i < b->len; i++) {
        unsigned char x = (unsigned char)a->ptr[i];
        unsigned char y = (unsigned char)b->ptr[i];

        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
        if (x != y)
            return x < y ? -1 : 1;
    }
    if (a->len == b->len)
        return 0;
    return a->len < b->len ? -1 : 1;
}

/*
 * The next name in order after `last`, with its last occurrence; a plain
 * selection per line, since heads are short and this must be easy to trust.
 */
static const struct sim_header *next_header(const struct sim_request *req,
                                            const struct sim_header *last)
{
    const struct sim_header *best = NULL;

    for (size_t i = 0; i < req->n_headers; i++) {
        const struct sim_header *h = &req->header[i];

        if (msp_sim_is(h->name, AUTHORIZATION))
            continue;
        if (last && header_compare(&h->name, &last->name) <= 0)
            continue;
        if (!best || header_compare(&h->name, &best->name) <= 0)
            best = h;
    }
    return best;
}

int msp_sim_string_to_sign(const struct sim_request *req, char **ret,
                           size_t *ret_len)
{
    struct text_out out = {0};
    char *query = NULL;
    size_t query_len = 0;
    int r = msp_sim_canonical_query(req->query, &query, &query_len);

    if (r < 0)
        return r;
    put(&out, req->method.ptr, req->method.len);
    put(&out, "\n", 1);
    put(&out, req->body.ptr, req->body.len);
    put(&out, "\n", 1);
    for (const struct sim_header *h = next_header(req, NULL); h;
         h = next_header(req, h)) {
        put_lower(&out, h->name);
        put(&out, ":", 1);
        put(&out, h->value.ptr, h->value.len);
        put(&out, "\n", 1);
    }
    put(&out, req->path.ptr, req->path.len);
    put(&out, "\n", 1);
    put(&out, query, query_len);
    free(query);
    return take(&out, ret, ret_len);
}

int msp_sim_hmac(const uint8_t key[SIM_KEY_BYTES], const char *text, size_t len,
                 char ret_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len = 0;

    if (!HMAC(EVP_sha256(), key, SIM_KEY_BYTES, (const unsigned char *)text,
              len, mac, &mac_len) ||
        mac_len != 32)
        return -EIO;
    for (unsigned int i = 0; i < mac_len; i++) {
        ret_hex[2 * i] = digits[mac[i] >> 4];
        ret_hex[2 * i + 1] = digits[mac[i] & 15];
    }
    ret_hex[64] = '\0';
    return 0;
}

/* --- date, claims, verdict ---------------------------------------------- */

bool msp_sim_date(struct sim_text text, time_t *ret_time)
{
    char copy[32];
    char again[32];
    struct tm tm = {0};
    const char *rest;
    time_t when;

    if (text.len != 29)
        return false;
    memcpy(copy, text.ptr, 29);
    copy[29] = '\0';
    rest = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!rest || *rest)
        return false;
    when = timegm(&tm);
    if (!gmtime_r(&when, &tm))
        return false;
    /* the one spelling: day of the week right, digits padded */
    if (strftime(again, sizeof(again), "%a, %d %b %Y %H:%M:%S GMT", &tm) != 29)
        return false;
    if (memcmp(again, copy, 29) != 0)
        return false;
    *ret_time = when;
    return true;
}

static int claim_of(const struct sim_header *h)
{
    if (!h)
        return -1;
    if (h->value.len == 19 &&
        memcmp(h->value.ptr, "{ \"isRoot\": \"true\"}", 19) == 0)
        return 1;
    if (h->value.len == 20 &&
        memcmp(h->value.ptr, "{ \"isRoot\": \"false\"}", 20) == 0)
        return 0;
    return -1;
}

static size_t occurrences(const struct sim_request *req, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < req->n_headers; i++)
        n += msp_sim_is(req->header[i].name, name);
    return n;
}

/* Splits "SCHEME GUID HEX". @return NULL or why it is not that */
static const char *read_authorization(struct sim_text v, char *ret_guid,
                                      char ret_hex[65])
{
    const char *end = v.ptr + v.len;
    const char *guid = v.ptr + sizeof(SCHEME);
    const char *blank;

    if (v.len <= sizeof(SCHEME) ||
        memcmp(v.ptr, SCHEME " ", sizeof(SCHEME)) != 0)
        return "authorization: other scheme";
    blank = memchr(guid, ' ', (size_t)(end - guid));
    if (!blank || blank == guid || (size_t)(blank - guid) >= SIM_GUID_BYTES)
        return "authorization: no key id";
    if (end - blank - 1 != 64)
        return "authorization: signature not 64 digits";
    memcpy(ret_guid, guid, (size_t)(blank - guid));
    ret_guid[blank - guid] = '\0';
    memcpy(ret_hex, blank + 1, 64);
    ret_hex[64] = '\0';
    return NULL;
}

static const char *judge_headers(const struct sim_request *req, time_t now,
                                 struct sim_verdict *v)
{
    const struct sim_header *date = msp_sim_find(req, DATE);
    time_t when = 0;

    if (occurrences(req, AUTHORIZATION) != 1 || occurrences(req, CLAIMS) > 1 ||
        occurrences(req, DATE) > 1)
        return "repeated x-ms-azure-host header";
    if (v->is_root < 0)
        return "claims missing or unreadable";
    if (!date || !msp_sim_date(date->value, &when))
        return "date missing or unreadable";
    if (when > now + SIM_CLOCK_S || when < now - SIM_CLOCK_S)
        return "date too far from the host's clock";
    return NULL;
}

int msp_sim_verify(const struct sim_request *req, const struct sim_key *key,
                   time_t now, struct sim_verdict *ret)
{
    const struct sim_header *auth = msp_sim_find(req, AUTHORIZATION);
    char given[65];
    char expected[65];
    char *text = NULL;
    size_t len = 0;
    int r;

    *ret = (struct sim_verdict){.outcome = SIM_SIGNED_NONE,
                                .why = "no authorization header"};
    ret->is_root = claim_of(msp_sim_find(req, CLAIMS));
    if (!auth)
        return 0;
    ret->outcome = SIM_SIGNED_BAD;
    ret->why = read_authorization(auth->value, ret->guid, given);
    if (!ret->why && strcmp(ret->guid, key->guid) != 0)
        ret->why = "authorization: other key id";
    if (!ret->why)
        ret->why = judge_headers(req, now, ret);
    if (ret->why)
        return 0;
    r = msp_sim_string_to_sign(req, &text, &len);
    if (r < 0)
        return r;
    r = msp_sim_hmac(key->key, text, len, expected);
    free(text);
    if (r < 0)
        return r;
    if (CRYPTO_memcmp(given, expected, 64) != 0) {
        ret->why = "signature differs";
        return 0;
    }
    ret->outcome = SIM_SIGNED_VALID;
    ret->why = "";
    return 0;
}
