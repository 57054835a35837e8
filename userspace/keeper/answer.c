/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/answer.h"

#include <errno.h>
#include <string.h>

void msp_answer_init(struct msp_answer *answer, char *buf, size_t size)
{
    *answer = (struct msp_answer){.size = size};
    answer->buf = buf;
}

char *msp_answer_room(struct msp_answer *answer, size_t *ret_len)
{
    *ret_len = answer->size - answer->len;
    return answer->buf + answer->len;
}

static bool has_body(const struct msp_http_head *head)
{
    return head->status != 204 && head->status != 304;
}

/*
 * @return 1 a head is there; 0 more is needed; negative errno. An interim
 *         response is dropped and the next one looked for.
 */
static int take_head(struct msp_answer *a)
{
    for (;;) {
        size_t len = 0;
        enum msp_http_code code =
            msp_http_scan(&a->scan, MSP_HTTP_RESPONSE, a->buf, a->len, &len);

        if (code == MSP_HTTP_MORE)
            return a->len == a->size ? -EMSGSIZE : 0;
        if (code == MSP_HTTP_OK)
            code = msp_http_parse(MSP_HTTP_RESPONSE, a->buf, len,
                                  a->scan.n_lines, &a->head);
        if (code != MSP_HTTP_OK || a->head.status == 101)
            return -EBADMSG;
        if (a->head.status >= 200) {
            a->has_head = true;
            a->body = len;
            a->raw = len;
            return 1;
        }
        memmove(a->buf, a->buf + len, a->len - len);
        a->len -= len;
        a->scan = (struct msp_http_scan){0};
    }
}

/* Joins the data of chunks in place. @return as msp_answer_take */
static int take_chunks(struct msp_answer *a)
{
    for (;;) {
        size_t skip = 0, data = 0;
        enum msp_chunk_step step =
            msp_chunk_next(&a->chunk, (const uint8_t *)a->buf + a->raw,
                           a->len - a->raw, &skip, &data);

        switch (step) {
        case MSP_CHUNK_MORE:
            /* all was taken: what was framing is room for more */
            a->raw = a->body + a->body_len;
            a->len = a->raw;
            return a->len == a->size ? -EMSGSIZE : 0;
        case MSP_CHUNK_DATA:
            memmove(a->buf + a->body + a->body_len, a->buf + a->raw + skip,
                    data);
            a->body_len += data;
            a->raw += skip + data;
            break;
        case MSP_CHUNK_TRAILER:
            a->raw += skip + data; /* nobody of ours asks for one */
            break;
        case MSP_CHUNK_END:
            return a->raw + skip == a->len ? 1 : -EBADMSG;
        case MSP_CHUNK_BAD:
            return -EBADMSG;
        }
    }
}

static int take_body(struct msp_answer *a)
{
    const struct msp_http_head *head = &a->head;

    if (!has_body(head))
        return a->len == a->body ? 1 : -EBADMSG;
    if (head->is_chunked)
        return take_chunks(a);
    a->body_len = a->len - a->body;
    if (!head->has_length)
        return a->len == a->size ? -EMSGSIZE : 0;
    if (head->length > a->size - a->body)
        return -EMSGSIZE;
    if (a->body_len > head->length)
        return -EBADMSG;
    return a->body_len == head->length;
}

int msp_answer_take(struct msp_answer *answer, size_t n)
{
    int r = 1;

    answer->len += n;
    if (!answer->has_head)
        r = take_head(answer);
    return r == 1 ? take_body(answer) : r;
}

int msp_answer_end(struct msp_answer *answer)
{
    if (!answer->has_head || answer->head.is_chunked ||
        answer->head.has_length || !has_body(&answer->head))
        return -ECONNRESET;
    return 1;
}

const char *msp_answer_header(const struct msp_answer *answer, const char *name,
                              size_t *ret_len)
{
    for (size_t i = answer->head.n_headers; i > 0; i--) {
        const struct msp_http_header *header = &answer->head.header[i - 1];

        if (!msp_http_is(header->name, header->name_len, name))
            continue;
        *ret_len = header->value_len;
        return header->value;
    }
    return NULL;
}
