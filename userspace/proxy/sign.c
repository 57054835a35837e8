/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "sign.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES  (MSP_HEAD_BYTES_MAX + 2 * MSP_LINE_BYTES_MAX + 4096)
#define LOWER_BYTES (MSP_HEAD_BYTES_MAX + MSP_LINE_BYTES_MAX + 4096)
#define ITEMS_MAX   (MSP_LINE_BYTES_MAX / 2 + 1)

/* Something to sort: bytes first, order of appearance second. */
struct item {
    const char *key;
    uint32_t key_len;
    uint32_t name_len; /* query: how much of the key is the name */
    uint32_t index;
};

_Static_assert(ITEMS_MAX >= MSP_SEND_HEADERS_MAX, "items");

struct msp_sign {
    size_t text_len;
    size_t lower_len;
    char text[TEXT_BYTES];
    char lower[LOWER_BYTES]; /* lower-case names, composite keys */
    struct item item[ITEMS_MAX];
};

int msp_sign_new(struct msp_sign **ret_sign)
{
    *ret_sign = malloc(sizeof(**ret_sign));
    return *ret_sign ? 0 : -ENOMEM;
}

struct msp_sign *msp_sign_free(struct msp_sign *sign)
{
    free(sign);
    return NULL;
}

/* --- sorting ------------------------------------------------------------ */

static int compare(const struct item *a, const struct item *b)
{
    uint32_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
    int r = memcmp(a->key, b->key, len);

    if (r)
        return r;
    if (a->key_len != b->key_len)
        return a->key_len < b->key_len ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static bool same_key(const struct item *a, const struct item *b)
{
    return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static void sift(struct item *item, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        struct item tmp;

        if (child >= n)
            return;
        if (child + 1 < n && compare(&item[child], &item[child + 1]) < 0)
            child++;
        if (compare(&item[root], &item[child]) >= 0)
            return;
        tmp = item[root];
        item[root] = item[child];
        item[child] = tmp;
        root = child;
    }
}

/*
 * Not qsort(): glibc's asks for memory and for the size of memory, and the
 * sandbox forbids the latter. Few items: insertion; many: a heap, so that a
 * hostile query costs n log n.
 */
static void sort(struct item *item, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            struct item tmp = item[i];
            size_t j = i;

            for (; j && compare(&tmp, &item[j - 1]) < 0; j--)
                item[j] = item[j - 1];
            item[j] = tmp;
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0;)
        sift(item, i, n);
    for (size_t i = n; i-- > 1;) {
        struct item tmp = item[0];

        item[0] = item[i];
        item[i] = tmp;
        sift(item, 0, i);
    }
}

/* --- text --------------------------------------------------------------- */

static bool put(struct msp_sign *sign, const char *ptr, size_t len)
{
    if (len > sizeof(sign->text) - sign->text_len)
        return false;
    memcpy(sign->text + sign->text_len, ptr, len);
    sign->text_len += len;
    return true;
}

/* Lower-case copy in `lower`; NULL when it is full. */
static char *put_lower(struct msp_sign *sign, const char *ptr, size_t len)
{
    char *copy = sign->lower + sign->lower_len;

    if (len > sizeof(sign->lower) - sign->lower_len)
        return NULL;
    for (size_t i = 0; i < len; i++)
        copy[i] =
            ptr[i] >= 'A' && ptr[i] <= 'Z' ? (char)(ptr[i] | 0x20) : ptr[i];
    sign->lower_len += len;
    return copy;
}

static bool put_headers(struct msp_sign *sign,
                        const struct msp_sign_request *request)
{
    static const char own[] = "x-ms-azure-host-authorization";
    size_t n = 0;

    for (size_t i = 0; i < request->n_headers; i++) {
        const struct msp_http_header *header = &request->header[i];
        const char *name = put_lower(sign, header->name, header->name_len);

        if (!name || n == ITEMS_MAX)
            return false;
        if (header->name_len == sizeof(own) - 1 &&
            memcmp(name, own, sizeof(own) - 1) == 0)
            continue;
        sign->item[n++] = (struct item){
            .key = name,
            .key_len = header->name_len,
            .index = (uint32_t)i,
        };
    }
    sort(sign->item, n);
    for (size_t i = 0; i < n; i++) {
        const struct item *item = &sign->item[i];
        const struct msp_http_header *header = &request->header[item->index];

        if (i + 1 < n && same_key(item, item + 1))
            continue; /* a later one counts */
        if (!put(sign, item->key, item->key_len) || !put(sign, ":", 1) ||
            !put(sign, header->value, header->value_len) || !put(sign, "\n", 1))
            return false;
    }
    return true;
}

/* One piece of the query: lower(name) + value as the key. */
static bool add_pair(struct msp_sign *sign, size_t *n, const char *piece,
                     size_t len)
{
    const char *equals = memchr(piece, '=', len);
    size_t name_len = equals ? (size_t)(equals - piece) : len;
    size_t value_len = equals ? len - name_len - 1 : 0;
    char *key;

    if (name_len == 0)
        return true;
    if (*n == ITEMS_MAX ||
        name_len + value_len > sizeof(sign->lower) - sign->lower_len)
        return false;
    key = put_lower(sign, piece, name_len);
    if (!key)
        return false;
    if (value_len) {
        memcpy(key + name_len, equals + 1, value_len);
        sign->lower_len += value_len;
    }
    sign->item[*n] = (struct item){
        .key = key,
        .key_len = (uint32_t)(name_len + value_len),
        .name_len = (uint32_t)name_len,
        .index = (uint32_t)*n,
    };
    (*n)++;
    return true;
}

static bool put_query(struct msp_sign *sign, const char *query, size_t len)
{
    const char *end = query + len;
    bool is_first = true;
    size_t n = 0;

    sign->lower_len = 0;
    for (const char *p = query; p < end;) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;

        if (!add_pair(sign, &n, p, (size_t)(stop - p)))
            return false;
        p = amp ? amp + 1 : end;
    }
    sort(sign->item, n);
    for (size_t i = 0; i < n; i++) {
        const struct item *item = &sign->item[i];

        if (i + 1 < n && same_key(item, item + 1))
            continue; /* a later one replaces it */
        if ((!is_first && !put(sign, "&", 1)) ||
            !put(sign, item->key, item->name_len))
            return false;
        is_first = false;
        if (item->key_len > item->name_len &&
            (!put(sign, "=", 1) || !put(sign, item->key + item->name_len,
                                        item->key_len - item->name_len)))
            return false;
    }
    return true;
}

/* Skips scheme and authority of an absolute-form target. */
static const char *path_of(const char *target, const char *end)
{
    const char *p;

    if (target == end || *target == '/')
        return target;
    p = memmem(target, (size_t)(end - target), "://", 3);
    if (!p)
        return target;
    for (p += 3; p < end && *p != '/' && *p != '?'; p++)
        ;
    return p;
}

int msp_sign_tail(struct msp_sign *sign, const struct msp_sign_request *request,
                  const char **ret_text, size_t *ret_len)
{
    const char *end = request->target + request->target_len;
    const char *path = path_of(request->target, end);
    const char *mark = memchr(path, '?', (size_t)(end - path));
    const char *path_end = mark ? mark : end;
    const char *query = mark ? mark + 1 : end;

    sign->text_len = 0;
    sign->lower_len = 0;
    if (!put_headers(sign, request))
        return -E2BIG;
    if (path == path_end ? !put(sign, "/", 1)
                         : !put(sign, path, (size_t)(path_end - path)))
        return -E2BIG;
    if (!put(sign, "\n", 1) || !put_query(sign, query, (size_t)(end - query)))
        return -E2BIG;
    *ret_text = sign->text;
    *ret_len = sign->text_len;
    return 0;
}

int msp_sign_request(struct msp_sign *sign, struct msp_key *key,
                     const struct msp_sign_request *request,
                     char ret_value[MSP_AUTHORIZATION_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    static const char scheme[] = "Azure-HMAC-SHA256 ";
    const char *guid = msp_key_guid(key);
    size_t guid_len = strlen(guid);
    uint8_t mac[MSP_HMAC_BYTES];
    const char *tail;
    size_t tail_len;
    size_t at;
    int r;

    r = msp_sign_tail(sign, request, &tail, &tail_len);
    if (r < 0)
        return r;
    r = msp_key_hmac(key,
                     (const struct msp_key_part[]){
                         {request->method, request->method_len},
                         {"\n", 1},
                         {request->body, request->body_len},
                         {"\n", 1},
                         {tail, tail_len},
                     },
                     5, mac);
    if (r < 0)
        return r;
    at = sizeof(scheme) - 1;
    if (at + guid_len + 1 + 2 * sizeof(mac) >= MSP_AUTHORIZATION_BYTES)
        return -E2BIG;
    memcpy(ret_value, scheme, at);
    memcpy(ret_value + at, guid, guid_len);
    at += guid_len;
    ret_value[at++] = ' ';
    for (size_t i = 0; i < sizeof(mac); i++) {
        ret_value[at++] = digits[mac[i] >> 4];
        ret_value[at++] = digits[mac[i] & 15];
    }
    ret_value[at] = '\0';
    return 0;
}

/* Not strftime(): it reads the locale, and gmtime() the zone files. */
void msp_sign_date(int64_t unix_s, char ret_date[MSP_DATE_BYTES])
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun",
                                   "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int64_t last = 253402300799; /* 9999-12-31 23:59:59 */
    unsigned day, second, era_day, year, year_day, shifted, month;

    if (unix_s < 0)
        unix_s = 0;
    if (unix_s > last)
        unix_s = last;
    day = (unsigned)(unix_s / 86400);
    second = (unsigned)(unix_s % 86400);
    /* days since 0000-03-01, in eras of 146,097 days */
    era_day = (day + 719468) % 146097;
    year =
        (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
    year_day = era_day - (365 * year + year / 4 - year / 100);
    shifted = (5 * year_day + 2) / 153; /* 0 = March */
    month = shifted < 10 ? shifted + 2 : shifted - 10;
    year += (day + 719468) / 146097 * 400 + (month < 2);
    (void)snprintf(ret_date, MSP_DATE_BYTES,
                   "%s, %02u %s %04u %02u:%02u:%02u GMT", days[day % 7],
                   (year_day - (153 * shifted + 2) / 5 + 1) % 100,
                   months[month], year % 10000, second / 3600, second / 60 % 60,
                   second % 60);
}
