/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/rec.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

static void put(struct msp_rec *rec, const void *data, size_t len)
{
    if (rec->error < 0)
        return;
    if (!rec->buf.max)
        rec->buf.max = MSP_CTL_REPLY_BYTES_MAX;
    rec->error = msp_buf_append(&rec->buf, data, len);
}

static void put_text(struct msp_rec *rec, const char *text)
{
    put(rec, text, strlen(text));
}

static void put_name(struct msp_rec *rec, char type, const char *name)
{
    put(rec, &type, 1);
    put_text(rec, name);
    put_text(rec, "=");
}

static void put_escaped(struct msp_rec *rec, const char *value)
{
    for (const char *p = value; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        char text[5] = {'\\', 0};

        switch (byte) {
        case '\n':
            text[1] = 'n';
            break;
        case '\r':
            text[1] = 'r';
            break;
        case '\\':
            text[1] = '\\';
            break;
        default:
            if (byte >= 0x20)
                text[0] = *p;
            else
                (void)snprintf(text, sizeof(text), "\\x%02x", byte);
        }
        put_text(rec, text);
    }
}

void msp_rec_str(struct msp_rec *rec, const char *name, const char *value)
{
    put_name(rec, 's', name);
    put_escaped(rec, value);
    put_text(rec, "\n");
}

void msp_rec_uint(struct msp_rec *rec, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
    put_name(rec, 'u', name);
    put_text(rec, text);
}

void msp_rec_bool(struct msp_rec *rec, const char *name, bool value)
{
    put_name(rec, 'b', name);
    put_text(rec, value ? "true\n" : "false\n");
}

void msp_rec_end(struct msp_rec *rec)
{
    put_text(rec, "\n");
}

void msp_rec_done(struct msp_rec *rec)
{
    msp_buf_done(&rec->buf);
    rec->error = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Text [in, end) in place; an escape never grows. */
static int unescape(char *in, const char *end)
{
    char *out = in;

    while (in < end) {
        char byte = *in++;

        if ((unsigned char)byte < 0x20)
            return -EBADMSG;
        if (byte == '\\') {
            if (in == end)
                return -EBADMSG;
            switch (*in++) {
            case 'n':
                byte = '\n';
                break;
            case 'r':
                byte = '\r';
                break;
            case '\\':
                break;
            case 'x': {
                int high, low;

                if (end - in < 2)
                    return -EBADMSG;
                high = hex_value(in[0]);
                low = hex_value(in[1]);
                if (high < 0 || low < 0 || !(high | low))
                    return -EBADMSG;
                byte = (char)(high << 4 | low);
                in += 2;
                break;
            }
            default:
                return -EBADMSG;
            }
        }
        *out++ = byte;
    }
    *out = '\0';
    return 0;
}

static bool is_name(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

    return *name && name[strspn(name, legal)] == '\0';
}

static bool is_value(char type, const char *value)
{
    switch (type) {
    case 's':
        return true;
    case 'b':
        return msp_streq(value, "true") || msp_streq(value, "false");
    case 'u': {
        size_t n = strspn(value, "0123456789");

        return n >= 1 && n <= 20 && !value[n];
    }
    default:
        return false;
    }
}

int msp_rec_next(char **cursor, const char *end, struct msp_rec_field *ret)
{
    char *line = *cursor, *stop, *equals;
    int r;

    if (line == end)
        return MSP_REC_EOF;
    stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop)
        return -EBADMSG;
    *cursor = stop + 1;
    if (stop == line)
        return MSP_REC_END;
    equals = memchr(line, '=', (size_t)(stop - line));
    if (!equals || memchr(line, '\0', (size_t)(equals - line)))
        return -EBADMSG;
    *equals = '\0';
    r = unescape(equals + 1, stop);
    if (r < 0)
        return r;
    if (!is_name(line + 1) || !is_value(line[0], equals + 1))
        return -EBADMSG;
    *ret = (struct msp_rec_field){
        .type = line[0], .name = line + 1, .value = equals + 1};
    return MSP_REC_FIELD;
}
