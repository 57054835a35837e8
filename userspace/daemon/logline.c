/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The JSON text of a connection log line. */
#include <arpa/inet.h>
#include <inttypes.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/names.h"
#include "daemon/connlog.h"
#include "daemon/stamp.h"

/* Members are collected; the first error stays. */
struct line {
    struct msp_buf *buf;
    int error;
};

static void put(struct line *line, const char *text, size_t len)
{
    if (line->error == 0)
        line->error = msp_buf_append(line->buf, text, len);
}

static void put_name(struct line *line, const char *name)
{
    put(line, ",\"", 2);
    put(line, name, strlen(name));
    put(line, "\":", 2);
}

/* Bytes beyond ASCII as Latin-1: a log must take what is no UTF-8 too. */
static void put_text(struct line *line, const char *name, const char *text,
                     size_t max)
{
    size_t n = strnlen(text, max);

    put_name(line, name);
    put(line, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        char escape[8];

        if (byte == '"' || byte == '\\')
            (void)snprintf(escape, sizeof(escape), "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f)
            (void)snprintf(escape, sizeof(escape), "\\u%04x", byte);
        else
            (void)snprintf(escape, sizeof(escape), "%c", byte);
        put(line, escape, strlen(escape));
    }
    put(line, "\"", 1);
}

static void put_word(struct line *line, const char *name, const char *word)
{
    put_text(line, name, word, SIZE_MAX);
}

static void put_uint(struct line *line, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    put_name(line, name);
    put(line, text, strlen(text));
}

static void put_bool(struct line *line, const char *name, bool value)
{
    put_name(line, name);
    put(line, value ? "true" : "false", value ? 4 : 5);
}

static void put_addr(struct line *line, const uint8_t addr[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN] = "";

    if (memcmp(addr, mapped, sizeof(mapped)) == 0)
        (void)inet_ntop(AF_INET, addr + sizeof(mapped), text, sizeof(text));
    else
        (void)inet_ntop(AF_INET6, addr, text, sizeof(text));
    put_word(line, "addr", text);
}

static void begin(struct line *line, uint64_t real_ns, enum msp_stage stage)
{
    char stamp[MSP_STAMP_BYTES];

    msp_stamp(real_ns, stamp);
    put(line, "{\"schema\":1", 11);
    put_word(line, "time", stamp);
    put_word(line, "stage", msp_name_stage(stage));
}

static int end(struct line *line, struct msp_dropped dropped)
{
    put_uint(line, "dropped", dropped.n);
    if (dropped.n_gone)
        put_uint(line, "dropped_others", dropped.n_gone);
    put(line, "}\n", 2);
    return line->error;
}

/* What ran, and where, as the kernel took it down at exec and at connect. */
static void put_caller(struct line *line, const char exe_name[MSP_NAME_BYTES],
                       const struct msp_exe *exe, uint64_t cgroup_id,
                       const struct msp_paths *paths)
{
    const char *container[MSP_PATHS_CTR];

    put_text(line, "exe_name", exe_name, MSP_NAME_BYTES);
    put_word(line, "exe", msp_paths_exe(paths, exe));
    put_uint(line, "cgroup", cgroup_id);
    put_word(line, "cgroup_path", msp_paths_cgroup(paths, cgroup_id));
    msp_paths_container(paths, cgroup_id, container);
    for (int i = 0; i < MSP_PATHS_CTR; i++)
        put_word(line, msp_paths_ctr_name[i], container[i]);
}

static void put_flags(struct line *line, uint32_t flags)
{
    put_bool(line, "root", flags & MSP_MARK_ROOT);
    put_bool(line, "container", flags & MSP_MARK_CONTAINER);
}

int msp_connlog_connect_line(struct msp_buf *buf, const struct msp_event *event,
                             const struct msp_paths *paths, uint64_t real_ns,
                             struct msp_dropped dropped)
{
    struct line line = {.buf = buf};

    begin(&line, real_ns, MSP_STAGE_CONNECT);
    put_word(&line, "verdict", msp_name_verdict(event->verdict));
    put_word(&line, "reason", msp_name_reason(event->reason));
    put_text(&line, "endpoint", event->endpoint_name,
             sizeof(event->endpoint_name));
    put_addr(&line, event->addr);
    put_uint(&line, "port", event->port);
    put_uint(&line, "uid", event->uid);
    put_uint(&line, "pid", event->pid);
    put_caller(&line, event->exe_name.text, &event->exe, event->cgroup_id,
               paths);
    put_uint(&line, "netns", event->netns_cookie);
    put_flags(&line, event->flags);
    put_uint(&line, "generation", event->generation);
    return end(&line, dropped);
}

int msp_connlog_request_line(struct msp_buf *buf,
                             const struct msp_child_log *record,
                             const struct msp_paths *paths, uint64_t real_ns,
                             struct msp_dropped dropped)
{
    const struct msp_mark *mark = &record->mark;
    struct line line = {.buf = buf};

    begin(&line, real_ns, MSP_STAGE_REQUEST);
    put_word(&line, "verdict", msp_name_verdict(record->verdict));
    put_word(&line, "reason", msp_name_reason(record->reason));
    put_text(&line, "endpoint", record->endpoint, sizeof(record->endpoint));
    put_addr(&line, mark->addr);
    put_uint(&line, "port", mark->port);
    put_uint(&line, "uid", mark->uid);
    put_uint(&line, "pid", mark->pid);
    put_caller(&line, record->exe_name, &mark->exe, mark->cgroup_id, paths);
    put_uint(&line, "netns", mark->netns_cookie);
    put_flags(&line, mark->flags);
    put_text(&line, "identity", record->identity, sizeof(record->identity));
    put_text(&line, "privilege", record->privilege, sizeof(record->privilege));
    put_text(&line, "method", record->method, sizeof(record->method));
    put_text(&line, "target", record->target, sizeof(record->target));
    put_bool(&line, "target_cut", record->is_cut);
    put_uint(&line, "status", record->status);
    put_uint(&line, "upstream", record->upstream);
    put_bool(&line, "signed", record->is_signed);
    put_uint(&line, "bytes_in", record->bytes_in);
    put_uint(&line, "bytes_out", record->bytes_out);
    put_uint(&line, "elapsed_us", record->elapsed_us);
    put_uint(&line, "generation", record->generation);
    put_text(&line, "detail", record->detail, sizeof(record->detail));
    return end(&line, dropped);
}
