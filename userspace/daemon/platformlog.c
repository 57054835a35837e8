/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/platformlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/escape.h"
#include "base/io.h"
#include "base/names.h"
#include "daemon/dirs.h"
#include "daemon/stamp.h"

enum {
    FILE_BYTES = 10 << 20, /* as that agent's: 10 MiB, */
    FILES_KEPT = 4,        /* five files in all */
    HEADER_CHARS = 34,     /* time and level, filled with blanks */
};

/* One line, or one row, before it is text. */
struct line {
    struct msp_summary_key key; /* who, where, and the result */
    uint64_t id;
    const char *method, *target;
    uint16_t client_port;
    bool is_root;
    uint64_t elapsed_ms;
    const char *details;
    uint64_t payer; /* whom it is charged to */
};

/* --- words ---------------------------------------------------------------- */

void msp_platformlog_status(uint32_t code, char *ret, size_t size)
{
    static const struct {
        uint32_t code;
        const char *reason;
    } usual[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Payload Too Large"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    if (!code) {
        (void)snprintf(ret, size, "No response");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (usual[i].code == code) {
            (void)snprintf(ret, size, "%" PRIu32 " %s", code, usual[i].reason);
            return;
        }
    (void)snprintf(ret, size, "%" PRIu32, code);
}

static void print_addr(const uint8_t addr[16], FILE *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;
    char text[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6,
                    is_v4 ? addr + sizeof(mapped) : addr, text, sizeof(text));
    msp_escape_json(text, out);
}

struct groups {
    FILE *out;
    bool is_more;
};

static void print_group(void *data, const char *name)
{
    struct groups *groups = data;

    if (groups->is_more)
        (void)fputc(',', groups->out);
    groups->is_more = true;
    msp_escape_json(name, groups->out);
}

/* A uid in a container is nobody of the host, whatever its number. */
static void print_groups(struct msp_users *users,
                         const struct msp_summary_key *key, FILE *out)
{
    struct groups groups = {.out = out};

    (void)fputc('[', out);
    if (!key->is_container)
        msp_users_groups(users, key->uid, print_group, &groups);
    (void)fputc(']', out);
}

static const char *user_name(struct msp_users *users,
                             const struct msp_summary_key *key)
{
    return key->is_container ? MSP_USER_NONE : msp_users_name(users, key->uid);
}

/* The path if it is known, else the base name the kernel took down. */
static void set_exe(const struct msp_paths *paths, const struct msp_exe *exe,
                    const char *exe_name, struct msp_summary_key *key)
{
    const char *path = msp_paths_exe(paths, exe);
    size_t len = strnlen(exe_name, MSP_NAME_BYTES);

    if (!msp_streq(path, MSP_PATH_NONE))
        (void)snprintf(key->exe, sizeof(key->exe), "%s", path);
    else if (len != 1 || exe_name[0] != '-')
        (void)snprintf(key->exe, sizeof(key->exe), "%.*s", (int)len, exe_name);
}

/* --- lines ---------------------------------------------------------------- */

static void print_who(struct msp_users *users, const struct line *line,
                      FILE *out)
{
    const struct msp_summary_key *key = &line->key;
    char client[INET_ADDRSTRLEN] = "";

    (void)inet_ntop(AF_INET, &key->client_be, client, sizeof(client));
    (void)fprintf(out, ",\"clientIp\":\"%s\",\"clientPort\":%u,\"ip\":", client,
                  (unsigned int)line->client_port);
    print_addr(key->addr, out);
    (void)fprintf(out, ",\"port\":%u,\"userId\":%" PRIu32 ",\"userName\":",
                  (unsigned int)key->port, key->uid);
    msp_escape_json(user_name(users, key), out);
    (void)fputs(",\"userGroups\":", out);
    print_groups(users, key, out);
    (void)fputs(",\"processFullPath\":", out);
    msp_escape_json(key->exe, out);
    /* it is the caller's to write, and may hold secrets */
    (void)fprintf(
        out, ",\"processCmdLine\":\"" MSP_USER_NONE "\",\"runAsElevated\":%s",
        line->is_root ? "true" : "false");
}

static void print_line(struct msp_users *users, const struct line *line,
                       FILE *out)
{
    char stamp[MSP_STAMP_BYTES], header[96];

    msp_stamp(msp_stamp_now_ns(), stamp);
    (void)snprintf(header, sizeof(header), "%.*s [INFO]", MSP_STAMP_CHARS,
                   stamp);
    (void)fprintf(out, "%-*s{\"id\":%" PRIu64 ",\"method\":", HEADER_CHARS,
                  header, line->id);
    msp_escape_json(line->method, out);
    (void)fputs(",\"url\":", out);
    msp_escape_json(line->target, out);
    print_who(users, line, out);
    (void)fputs(",\"responseStatus\":", out);
    msp_escape_json(line->key.status, out);
    (void)fprintf(out, ",\"elapsedTime\":%" PRIu64 ",\"errorDetails\":",
                  line->elapsed_ms);
    msp_escape_json(line->details, out);
    (void)fputs("}\n", out);
}

static void close_log(struct msp_platformlog *log)
{
    msp_logfile_done(&log->file);
    msp_closep(&log->dir_fd);
    log->dir_fd = -1;
}

void msp_platformlog_open(struct msp_platformlog *log)
{
    if (!log->dir)
        return;
    close_log(log);
    log->file = (struct msp_logfile){.name = MSP_PLATFORMLOG_NAME,
                                     .max_bytes = FILE_BYTES,
                                     .n_kept = FILES_KEPT,
                                     .fd = -1};
    log->error = msp_dirs_open_public(log->dir, &log->dir_fd);
    log->file.dir_fd = log->dir_fd;
    if (log->error == 0)
        log->error = msp_logfile_open(&log->file);
    log->retry_ms = msp_io_now_ms() + MSP_REPORT_RETRY_MS;
}

void msp_platformlog_retry(struct msp_platformlog *log, uint64_t now_ms)
{
    if (log->error < 0 && log->file.fd < 0 && now_ms >= log->retry_ms)
        msp_platformlog_open(log);
}

void msp_platformlog_done(struct msp_platformlog *log)
{
    close_log(log);
    msp_users_done(&log->users);
}

static void write_line(struct msp_platformlog *log, const struct line *line)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out;

    /* one that lost lines may have been moved away, or its directory */
    if (log->error < 0 && msp_io_now_ms() >= log->retry_ms)
        msp_platformlog_open(log);
    out = log->file.fd < 0 ? NULL : open_memstream(&text, &len);
    if (!out)
        return;
    print_line(&log->users, line, out);
    if (fclose(out) != 0)
        return;
    log->error = msp_logfile_add(&log->file, text, len);
    log->retry_ms = msp_io_now_ms() + MSP_REPORT_RETRY_MS;
}

static void add(struct msp_platformlog *log, struct msp_summary *summary,
                const struct line *line, bool is_written)
{
    msp_summary_add(summary, line->payer, &line->key, msp_io_now_ms());
    if (is_written)
        write_line(log, line);
}

static bool may_write(struct msp_platformlog *log, uint64_t payer)
{
    struct msp_dropped dropped;

    return log->dir &&
           msp_bucket_take(&log->buckets, payer, msp_io_now_ms(), &dropped) > 0;
}

/* What the rules deny is there twice, as with that agent. */
static void add_denied(struct msp_platformlog *log, const struct line *line,
                       bool is_written)
{
    struct line denied = *line;

    memset(denied.key.status, 0, sizeof(denied.key.status));
    msp_platformlog_status(403, denied.key.status, sizeof(denied.key.status));
    denied.details = "Authorize failed";
    add(log, &log->failed, &denied, is_written);
}

void msp_platformlog_request(struct msp_platformlog *log,
                             const struct msp_child_log *record, uint64_t id)
{
    const struct msp_mark *mark = &record->mark;
    char method[MSP_METHOD_BYTES + 1], target[MSP_TARGET_BYTES + 1];
    char details[128];
    struct line line = {
        .key = {.uid = mark->uid,
                .is_container = (mark->flags & MSP_MARK_CONTAINER) != 0,
                .client_be = record->client_be,
                .port = mark->port},
        .id = id,
        .method = method,
        .target = target,
        .client_port = record->client_port,
        .is_root = mark->flags & MSP_MARK_ROOT,
        .elapsed_ms = record->elapsed_us / 1000,
        .details = details,
        .payer = msp_paths_request_payer(mark),
    };
    bool is_denied = record->verdict == MSP_VERDICT_DENY;
    bool is_written;

    if (!log->is_on)
        return;
    is_written = may_write(log, line.payer);
    memcpy(line.key.addr, mark->addr, sizeof(line.key.addr));
    set_exe(log->paths, &mark->exe, record->exe_name, &line.key);
    msp_platformlog_status(record->status, line.key.status,
                           sizeof(line.key.status));
    (void)snprintf(method, sizeof(method), "%.*s", (int)sizeof(record->method),
                   record->method);
    (void)snprintf(target, sizeof(target), "%.*s", (int)sizeof(record->target),
                   record->target);
    (void)snprintf(details, sizeof(details), "%s%.*s",
                   is_denied ? "Block unauthorized request: " : "",
                   (int)sizeof(record->detail),
                   is_denied ? msp_name_reason(record->reason)
                             : record->detail);
    if (is_denied || record->verdict == MSP_VERDICT_AUDIT)
        add_denied(log, &line, is_written);
    add(log, &log->passed, &line, is_written);
}

void msp_platformlog_connect(struct msp_platformlog *log,
                             const struct msp_event *event)
{
    char details[128];
    struct line line = {
        .key = {.uid = event->uid,
                .is_container = (event->flags & MSP_MARK_CONTAINER) != 0,
                .port = event->port},
        .method = "",
        .target = "",
        .is_root = event->flags & MSP_MARK_ROOT,
        .details = details,
    };

    if (!log->is_on || (event->verdict != MSP_VERDICT_DENY &&
                        event->verdict != MSP_VERDICT_NONE))
        return;
    line.payer = msp_paths_connect_payer(log->paths, event);
    memcpy(line.key.addr, event->addr, sizeof(line.key.addr));
    set_exe(log->paths, &event->exe, event->exe_name.text, &line.key);
    /* no request was made, so no status was sent */
    (void)snprintf(line.key.status, sizeof(line.key.status),
                   "Denied at connect");
    (void)snprintf(details, sizeof(details), "Authorize failed: %s",
                   msp_name_reason(event->reason));
    add(log, &log->failed, &line, may_write(log, line.payer));
}

/* --- the summaries -------------------------------------------------------- */

static void print_row(struct msp_users *users,
                      const struct msp_summary_key *key, uint64_t count,
                      FILE *out)
{
    (void)fputs("    {\"userName\": ", out);
    msp_escape_json(user_name(users, key), out);
    (void)fputs(", \"ip\": ", out);
    print_addr(key->addr, out);
    (void)fprintf(out,
                  ", \"port\": %u, \"processCmdLine\": \"" MSP_USER_NONE
                  "\", \"responseStatus\": ",
                  (unsigned int)key->port);
    msp_escape_json(key->status, out);
    (void)fprintf(out, ", \"count\": %" PRIu64 ", \"userGroups\": ", count);
    print_groups(users, key, out);
    (void)fputs(", \"processFullPath\": ", out);
    msp_escape_json(key->exe, out);
    (void)fputs("}", out);
}

void msp_platformlog_print(struct msp_platformlog *log,
                           const struct msp_summary *summary, uint64_t now_ms,
                           FILE *out)
{
    bool is_more = false;

    (void)fputc('[', out);
    for (int i = 0; i < MSP_SUMMARY_ROWS; i++) {
        const struct msp_summary_row *row = &summary->row[i];
        uint64_t count = msp_summary_count(row, now_ms);

        if (!count)
            continue;
        (void)fputs(is_more ? ",\n" : "\n", out);
        is_more = true;
        print_row(&log->users, &row->key, count, out);
    }
    (void)fputs(is_more ? "\n  ]" : "]", out);
}
