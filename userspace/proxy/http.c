/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "http.h"

#include <assert.h>
#include <llhttp/llhttp.h>
#include <string.h>
#include <strings.h>

#include <msp/cleanup.h>

static const struct {
    int status;
    const char *reason;
} codes[] = {

#define MSP_HTTP_ROW(code, http_status, text) {http_status, text},
    MSP_HTTP_CODES(MSP_HTTP_ROW)
#undef MSP_HTTP_ROW
};
_Static_assert(ARRAY_SIZE(codes) == MSP_HTTP_COUNT, "codes");

int msp_http_status(enum msp_http_code code)
{
    return codes[code].status;
}

const char *msp_http_reason(enum msp_http_code code)
{
    return codes[code].reason;
}

bool msp_http_is(const char *ptr, size_t len, const char *text)
{
    return strlen(text) == len && strncasecmp(ptr, text, len) == 0;
}

uint32_t msp_http_method_bit(const char *method, size_t len)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } methods[] = {
        {"GET", MSP_METHOD_GET},       {"HEAD", MSP_METHOD_HEAD},
        {"POST", MSP_METHOD_POST},     {"PUT", MSP_METHOD_PUT},
        {"DELETE", MSP_METHOD_DELETE}, {"OPTIONS", MSP_METHOD_OPTIONS},
        {"PATCH", MSP_METHOD_PATCH},
    };

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strlen(methods[i].name) == len &&
            memcmp(methods[i].name, method, len) == 0)
            return methods[i].bit;
    return 0;
}

/* --- scan --------------------------------------------------------------- */

#define VERSION_LEN 8 /* "HTTP/1.1" */

static bool is_version(const char *text)
{
    return memcmp(text, "HTTP/1.0", VERSION_LEN) == 0 ||
           memcmp(text, "HTTP/1.1", VERSION_LEN) == 0;
}

/* METHOD SP target SP version, one blank each. */
static enum msp_http_code check_request_line(const char *line, size_t len)
{
    const char *target = memchr(line, ' ', len);
    const char *version;

    if (!target || target == line)
        return MSP_HTTP_REQUEST_LINE;
    target++;
    version = memchr(target, ' ', len - (size_t)(target - line));
    if (!version || version == target)
        return MSP_HTTP_REQUEST_LINE;
    version++;
    if (len - (size_t)(version - line) != VERSION_LEN || !is_version(version))
        return MSP_HTTP_VERSION;
    if (!msp_http_method_bit(line, (size_t)(target - 1 - line)))
        return MSP_HTTP_METHOD;
    return MSP_HTTP_OK;
}

/* version SP three digits, then the end or a blank; llhttp takes two digits */
static enum msp_http_code check_status_line(const char *line, size_t len)
{
    const char *status = line + VERSION_LEN + 1;

    if (len < VERSION_LEN + 4 || !is_version(line))
        return MSP_HTTP_VERSION;
    if (status[-1] != ' ' || (len > VERSION_LEN + 4 && status[3] != ' '))
        return MSP_HTTP_SYNTAX;
    for (size_t i = 0; i < 3; i++)
        if (status[i] < '0' || status[i] > '9')
            return MSP_HTTP_SYNTAX;
    return MSP_HTTP_OK;
}

/* @param len without the line end, which is a LF at line[len] */
static enum msp_http_code check_line(const struct msp_http_scan *scan,
                                     enum msp_http_kind kind, const char *line,
                                     size_t len)
{
    if (len == 0 || line[len - 1] != '\r')
        return MSP_HTTP_BARE_LF;
    len--;
    if (memchr(line, '\r', len))
        return MSP_HTTP_BARE_CR;
    if (memchr(line, '\0', len))
        return MSP_HTTP_NUL;
    if (scan->n_lines == 0) {
        if (len == 0)
            return MSP_HTTP_EMPTY_LINE;
        return kind == MSP_HTTP_REQUEST ? check_request_line(line, len)
                                        : check_status_line(line, len);
    }
    if (len && (line[0] == ' ' || line[0] == '\t'))
        return MSP_HTTP_FOLD;
    return MSP_HTTP_OK;
}

static enum msp_http_code too_long(const struct msp_http_scan *scan,
                                   size_t line_len, size_t head_len)
{
    if (line_len > MSP_LINE_BYTES_MAX)
        return scan->n_lines == 0 ? MSP_HTTP_LINE_TOO_LONG
                                  : MSP_HTTP_FIELD_TOO_LONG;
    if (head_len > MSP_HEAD_BYTES_MAX)
        return MSP_HTTP_HEAD_TOO_LONG;
    return MSP_HTTP_OK;
}

enum msp_http_code msp_http_scan(struct msp_http_scan *scan,
                                 enum msp_http_kind kind, const char *buf,
                                 size_t len, size_t *ret_len)
{
    enum msp_http_code code;

    for (;;) {
        const char *line = buf + scan->line;
        const char *lf = memchr(line, '\n', len - scan->line);
        size_t line_len = lf ? (size_t)(lf - line) + 1 : len - scan->line;

        code = too_long(scan, line_len, scan->line + line_len);
        if (code)
            return code;
        if (!lf)
            return MSP_HTTP_MORE;
        code = check_line(scan, kind, line, line_len - 1);
        if (code)
            return code;
        scan->line += line_len;
        if (line_len == 2 && scan->n_lines) {
            *ret_len = scan->line;
            return MSP_HTTP_OK;
        }
        if (++scan->n_lines > MSP_HEADERS_MAX + 1)
            return MSP_HTTP_TOO_MANY;
    }
}

/* --- llhttp ------------------------------------------------------------- */

struct parse {
    struct msp_http_head *head;
    bool is_complete;
    bool has_value;
};

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;

    parse->head->target = at;
    parse->head->target_len = len;
    return 0;
}

static int on_status(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;

    parse->head->reason_phrase = at;
    parse->head->reason_len = len;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    struct msp_http_head *head = parse->head;
    struct msp_http_header *header;

    if (len == 0 || head->n_headers == MSP_HEADERS_MAX || at[len] != ':')
        return -1;
    header = &head->header[head->n_headers++];
    *header = (struct msp_http_header){
        .name = at,
        .name_len = (uint16_t)len,
        .value = at + len,
    };
    parse->has_value = false;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    struct msp_http_head *head = parse->head;
    struct msp_http_header *header;

    if (head->n_headers == 0 || (parse->has_value && len))
        return -1;
    header = &head->header[head->n_headers - 1];
    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    header->value = at;
    header->value_len = (uint16_t)len;
    parse->has_value = len > 0;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;

    parse->is_complete = true;
    return HPE_PAUSED; /* the body is framed by us */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

static bool run_llhttp(enum msp_http_kind kind, const char *buf, size_t len,
                       struct msp_http_head *head)
{
    struct parse parse = {.head = head};
    llhttp_t parser;

    llhttp_init(&parser,
                kind == MSP_HTTP_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    parser.data = &parse;
    if (llhttp_execute(&parser, buf, len) != HPE_PAUSED || !parse.is_complete)
        return false;
    head->is_11 = parser.http_minor == 1;
    head->status = parser.status_code;
    return true;
}

/* --- meaning ------------------------------------------------------------ */

static enum msp_http_id id_of(const struct msp_http_header *header)
{
    static const struct {
        const char *name;
        enum msp_http_id id;
    } ids[] = {
        {"host", MSP_HTTP_ID_HOST},
        {"content-length", MSP_HTTP_ID_CONTENT_LENGTH},
        {"transfer-encoding", MSP_HTTP_ID_TRANSFER_ENCODING},
        {"connection", MSP_HTTP_ID_CONNECTION},
        {"expect", MSP_HTTP_ID_EXPECT},
        {"keep-alive", MSP_HTTP_ID_HOP},
        {"te", MSP_HTTP_ID_HOP},
        {"trailer", MSP_HTTP_ID_HOP},
        {"upgrade", MSP_HTTP_ID_HOP},
    };

    static const char azure[] = "x-ms-azure-host-";
    static const char proxy[] = "proxy-";

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        if (msp_http_is(header->name, header->name_len, ids[i].name))
            return ids[i].id;
    if (header->name_len >= sizeof(azure) - 1 &&
        strncasecmp(header->name, azure, sizeof(azure) - 1) == 0)
        return MSP_HTTP_ID_AZURE_HOST;
    if (header->name_len >= sizeof(proxy) - 1 &&
        strncasecmp(header->name, proxy, sizeof(proxy) - 1) == 0)
        return MSP_HTTP_ID_HOP;
    return MSP_HTTP_ID_OTHER;
}

static enum msp_http_code take_length(struct msp_http_head *head,
                                      const struct msp_http_header *header)
{
    uint64_t value = 0;

    if (head->has_length)
        return MSP_HTTP_LENGTH_TWICE;
    if (header->value_len == 0 || header->value_len > 18)
        return MSP_HTTP_LENGTH;
    for (size_t i = 0; i < header->value_len; i++) {
        if (header->value[i] < '0' || header->value[i] > '9')
            return MSP_HTTP_LENGTH;
        value = value * 10 + (uint64_t)(header->value[i] - '0');
    }
    head->has_length = true;
    head->length = value;
    return MSP_HTTP_OK;
}

/* One token of a Connection header; each is looked for in all headers. */
static enum msp_http_code take_option(struct msp_http_head *head,
                                      const char *token, size_t len)
{
    if (++head->n_options > MSP_OPTIONS_MAX)
        return MSP_HTTP_OPTIONS;
    if (msp_http_is(token, len, "close")) {
        head->keeps_alive = false;
        return MSP_HTTP_OK;
    }
    for (size_t i = 0; i < head->n_headers; i++) {
        struct msp_http_header *header = &head->header[i];

        if (header->name_len != len ||
            strncasecmp(header->name, token, len) != 0)
            continue;
        if (header->id == MSP_HTTP_ID_HOST ||
            header->id == MSP_HTTP_ID_CONTENT_LENGTH ||
            header->id == MSP_HTTP_ID_TRANSFER_ENCODING)
            return MSP_HTTP_CONNECTION;
        header->is_dropped = true;
    }
    return MSP_HTTP_OK;
}

static enum msp_http_code take_options(struct msp_http_head *head,
                                       const struct msp_http_header *header)
{
    const char *end = header->value + header->value_len;
    enum msp_http_code code;

    for (const char *p = header->value; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        const char *next = comma ? comma + 1 : end;

        while (p < stop && (*p == ' ' || *p == '\t'))
            p++;
        while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if (stop > p) {
            code = take_option(head, p, (size_t)(stop - p));
            if (code)
                return code;
        }
        p = next;
    }
    return MSP_HTTP_OK;
}

/* HTTP/1.0 stays open only if asked to, and never against a close. */
static bool asks_keep_alive(const struct msp_http_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++)
        if (head->header[i].id == MSP_HTTP_ID_CONNECTION &&
            msp_http_is(head->header[i].value, head->header[i].value_len,
                        "keep-alive"))
            return true;
    return false;
}

static enum msp_http_code take_coding(struct msp_http_head *head,
                                      const struct msp_http_header *header)
{
    if (head->is_chunked)
        return MSP_HTTP_CODING_TWICE;
    if (!head->is_11)
        return MSP_HTTP_CODING_IN_10;
    if (!msp_http_is(header->value, header->value_len, "chunked"))
        return MSP_HTTP_CODING;
    head->is_chunked = true;
    return MSP_HTTP_OK;
}

static enum msp_http_code take_header(enum msp_http_kind kind,
                                      struct msp_http_head *head,
                                      struct msp_http_header *header)
{
    switch ((enum msp_http_id)header->id) {
    case MSP_HTTP_ID_HOST:
        if (head->host)
            return MSP_HTTP_HOST_TWICE;
        head->host = header;
        return MSP_HTTP_OK;
    case MSP_HTTP_ID_CONTENT_LENGTH:
        header->is_dropped = true;
        return take_length(head, header);
    case MSP_HTTP_ID_TRANSFER_ENCODING:
        header->is_dropped = true;
        return take_coding(head, header);
    case MSP_HTTP_ID_CONNECTION:
        header->is_dropped = true;
        return take_options(head, header);
    case MSP_HTTP_ID_EXPECT:
        header->is_dropped = kind == MSP_HTTP_REQUEST;
        if (kind == MSP_HTTP_REQUEST &&
            !msp_http_is(header->value, header->value_len, "100-continue"))
            return MSP_HTTP_EXPECT;
        head->expects_continue = head->is_11;
        return MSP_HTTP_OK;
    case MSP_HTTP_ID_HOP:
        header->is_dropped = true;
        return MSP_HTTP_OK;
    case MSP_HTTP_ID_AZURE_HOST:
        /* a response's date goes on, its authorization is replaced */
        header->is_dropped = header->is_dropped || kind == MSP_HTTP_REQUEST ||
                             msp_http_is(header->name, header->name_len,
                                         "x-ms-azure-host-authorization");
        return MSP_HTTP_OK;
    case MSP_HTTP_ID_OTHER:
        return MSP_HTTP_OK;
    }
    return MSP_HTTP_SYNTAX;
}

enum msp_http_code msp_http_parse(enum msp_http_kind kind, const char *buf,
                                  size_t len, size_t n_lines,
                                  struct msp_http_head *ret)
{
    enum msp_http_code code;

    memset(ret, 0, offsetof(struct msp_http_head, header));
    ret->len = len;
    ret->reason_phrase = buf;
    if (kind == MSP_HTTP_REQUEST) {
        const char *blank = memchr(buf, ' ', len);

        assert(blank); /* the scan has seen it */
        ret->method = buf;
        ret->method_len = (size_t)(blank - buf);
        ret->method_bit = msp_http_method_bit(buf, ret->method_len);
    }
    if (!run_llhttp(kind, buf, len, ret) || ret->n_headers + 1 != n_lines)
        return MSP_HTTP_SYNTAX;
    for (size_t i = 0; i < ret->n_headers; i++)
        ret->header[i].id = (uint8_t)id_of(&ret->header[i]);
    ret->keeps_alive = ret->is_11 || asks_keep_alive(ret);
    for (size_t i = 0; i < ret->n_headers; i++) {
        code = take_header(kind, ret, &ret->header[i]);
        if (code)
            return code;
    }
    if (ret->is_chunked && ret->has_length)
        return MSP_HTTP_CODING_AND_LENGTH;
    return MSP_HTTP_OK;
}

bool msp_http_host_fits(const struct msp_http_head *head, const char *addr,
                        uint16_t port)
{
    size_t addr_len = strlen(addr);
    size_t len;
    uint32_t given = 0;

    if (!head->host)
        return !head->is_11;
    len = head->host->value_len;
    if (len < addr_len || memcmp(head->host->value, addr, addr_len) != 0)
        return false;
    if (len == addr_len)
        return true;
    if (head->host->value[addr_len] != ':' || len > addr_len + 6 ||
        len == addr_len + 1)
        return false;
    for (size_t i = addr_len + 1; i < len; i++) {
        char c = head->host->value[i];

        if (c < '0' || c > '9')
            return false;
        given = given * 10 + (uint32_t)(c - '0');
    }
    return given == port;
}
