/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Any byte may come from a client: >= 0x80 is written as U+0080..U+00FF. */
static void put_bytes(FILE *out, const char *ptr, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)ptr[i];

        if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            (void)fprintf(out, "\\u%04x", c);
        else
            (void)fputc(c, out);
    }
}

static void put_string(FILE *out, const char *name, struct sim_text text)
{
    (void)fprintf(out, ",\"%s\":\"", name);
    put_bytes(out, text.ptr, text.len);
    (void)fputc('"', out);
}

static void put_header(FILE *out, const char *name,
                       const struct sim_request *req, const char *header)
{
    const struct sim_header *h = msp_sim_find(req, header);

    if (h)
        put_string(out, name, h->value);
}

static void put_headers(FILE *out, const struct sim_request *req)
{
    (void)fputs(",\"headers\":[", out);
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct sim_header *h = &req->header[i];
        size_t len = h->value.len;

        if (msp_sim_is(h->name, "x-ms-azure-host-authorization") && len > 64)
            len -= 64;
        (void)fputs(i ? ",\"" : "\"", out);
        put_bytes(out, h->name.ptr, h->name.len);
        (void)fputs(": ", out);
        put_bytes(out, h->value.ptr, len);
        (void)fputc('"', out);
    }
    (void)fputc(']', out);
}

static struct sim_text text(const char *s)
{
    return (struct sim_text){.ptr = s, .len = strlen(s)};
}

static void put_verdict(FILE *out, const struct sim_verdict *v)
{
    static const char *const name[] = {
        [SIM_SIGNED_NONE] = "none",
        [SIM_SIGNED_VALID] = "valid",
        [SIM_SIGNED_BAD] = "bad",
    };

    put_string(out, "signed", text(name[v->outcome]));
    put_string(out, "why", text(v->why ? v->why : ""));
    put_string(out, "guid", text(v->guid));
    (void)fprintf(out, ",\"is_root\":%s",
                  v->is_root < 0 ? "null"
                  : v->is_root   ? "true"
                                 : "false");
}

static int write_line(int fd, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, line, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        line += n;
        len -= (size_t)n;
    }
    return 0;
}

int msp_sim_journal(int fd, const struct sim_entry *entry)
{
    char *line = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&line, &len);
    int r;

    if (!out)
        return -ENOMEM;
    (void)fprintf(out,
                  "{\"schema\":1,\"start_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
                  ",\"connection\":%" PRIu64 ",\"endpoint\":\"%s\","
                  "\"status\":%d,\"body_bytes\":%zu",
                  entry->start_ns, entry->end_ns, entry->connection,
                  msp_sim_endpoint_name(entry->endpoint), entry->status,
                  entry->req->body.len);
    put_string(out, "method", entry->req->method);
    put_string(out, "target", entry->req->target);
    put_verdict(out, entry->verdict);
    if (entry->malformed)
        put_string(out, "malformed", text(entry->malformed));
    put_header(out, "host", entry->req, "host");
    put_header(out, "user_agent", entry->req, "user-agent");
    put_header(out, "client_id", entry->req, "x-client-id");
    put_headers(out, entry->req);
    (void)fputs("}\n", out);
    r = ferror(out) ? -ENOMEM : 0;
    if (fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    if (r == 0)
        r = write_line(fd, line, len);
    free(line);
    return r;
}
