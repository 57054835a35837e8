/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control protocol, both sides: frames in pieces at the daemon, any answer
 * at the client, records there and back, what people and programs are shown of
 * them. And the packets between mspd and its proxy: control packets at the
 * proxy, log records of a proxy that lies at the connection log.
 *
 * Input: one byte says which, the rest is theirs. Root needed: the daemon
 * serves nobody else.
 */
#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include <msp/child.h>

#include "base/finished.h"
#include "base/io.h"
#include "base/log.h"
#include "base/model.h"
#include "cli/client.h"
#include "cli/out.h"
#include "daemon/connlog.h"
#include "fuzz.h"
#include "proxy/control.h"
#include "proxy/worker.h"
#include "rounds.h"

#define FIELDS_MAX 32

static struct msp_loop *loop;

#ifdef MSP_PLANT
/* A frame of one byte more than it says is taken all the same. */
static const uint32_t planted_slack = 1;
#else
static const uint32_t planted_slack = 0;
#endif

/* --- what is printed ----------------------------------------------------- */

static void check_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        FUZZ_CHECK((c >= ' ' && c != 0x7f) || c == '\n');
        /* C1 controls, as UTF-8 has them */
        FUZZ_CHECK(c != 0xc2 || (unsigned char)text[i + 1] >= 0xa0);
    }
}

static void check_json(const char *text, size_t len)
{
    /* integers may be larger than jansson's */
    const size_t flags =
        JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t error;
    json_t *json = json_loadb(text, len, flags, &error);

    if (!json)
        (void)fprintf(stderr, "%s: %.*s\n", error.text, (int)len, text);
    FUZZ_CHECK(json);
    json_decref(json);
}

/* Both printers take the same payloads and print what is safe. */
static void print(const char *payload, size_t len)
{
    int r[2];

    for (int i = 0; i < 2; i++) {
        char *copy = fuzz_copy(payload, len), *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);

        FUZZ_CHECK(out);
        r[i] = i ? msp_out_json(copy, len, "ok", NULL, NULL, out)
                 : msp_out_text(copy, len, NULL, out);
        FUZZ_CHECK(fclose(out) == 0);
        FUZZ_CHECK(r[i] == 0 || r[i] == -EBADMSG);
        check_text(text, n);
        if (i && r[i] == 0)
            check_json(text, n);
        free(text);
        free(copy);
    }
    /* JSON has names of its own, that a record may not take */
    FUZZ_CHECK(r[0] == 0 || r[1] < 0);
}

/* --- records ------------------------------------------------------------- */

/* What went into a reply. */
struct said {
    char type;
    char name[8];
    char text[64];
    uint64_t number;
};

static struct said said[FIELDS_MAX];
static size_t n_said;

static void say(struct msp_rec *rec, struct fuzz_input *in)
{
    struct said *field = &said[n_said];
    size_t len = 0;

    (void)snprintf(field->name, sizeof(field->name), "f%zu", n_said++);
    field->type = "sub"[fuzz_pick(in, 3)];
    field->number = fuzz_byte(in);
    switch (field->type) {
    case 's':
        while (len < field->number % sizeof(field->text)) {
            field->text[len] = (char)fuzz_byte(in);
            if (!field->text[len])
                break;
            len++;
        }
        field->text[len] = '\0';
        msp_rec_str(rec, field->name, field->text);
        break;
    case 'u':
        field->number <<= fuzz_pick(in, 57);
        msp_rec_uint(rec, field->name, field->number);
        break;
    default:
        msp_rec_bool(rec, field->name, field->number & 1);
    }
}

static void check_said(char *payload, size_t len)
{
    struct msp_model model = {0};

    FUZZ_CHECK(msp_model_read(payload, len, &model) == 0);
    FUZZ_CHECK(model.n == 1 && model.row[0].n == n_said);
    for (size_t i = 0; i < n_said; i++) {
        const struct msp_model_field *field = &model.row[0].field[i];

        FUZZ_CHECK(field->type == said[i].type);
        FUZZ_CHECK(strcmp(field->name, said[i].name) == 0);
        if (field->type == 's')
            FUZZ_CHECK(strcmp(field->value, said[i].text) == 0);
        else if (field->type == 'u')
            FUZZ_CHECK(strtoull(field->value, NULL, 10) == said[i].number);
        else
            FUZZ_CHECK((strcmp(field->value, "true") == 0) ==
                       (said[i].number & 1));
    }
    msp_model_done(&model);
}

/* --- the daemon's side --------------------------------------------------- */

static struct {
    struct msp_ctl ctl;
    struct sockaddr_un addr;
    char dir[64];
    const uint8_t *bytes; /* what the client sends */
    size_t len;
    bool is_asked;
    bool is_late; /* answered when the client has gone */
    struct msp_ctl_client *client;
    uint64_t serial;
} server;

static void answer(void)
{
    struct fuzz_input in = {server.bytes, server.len};
    struct msp_rec rec = {0};

    n_said = 0;
    while (in.left && n_said < FIELDS_MAX)
        say(&rec, &in);
    msp_rec_end(&rec);
    msp_ctl_reply(&server.ctl, server.client, server.serial, MSP_CTL_DEGRADED,
                  &rec);
}

static void on_request(void *data, struct msp_ctl_client *client,
                       enum msp_ctl_type type, char *payload, size_t len)
{
    struct msp_ctl_header header;

    (void)data;
    FUZZ_CHECK(!server.is_asked && server.len >= sizeof(header));
    memcpy(&header, server.bytes, sizeof(header));
    FUZZ_CHECK(header.magic == MSP_CTL_MAGIC);
    FUZZ_CHECK(header.version == MSP_CTL_VERSION);
    FUZZ_CHECK((uint32_t)type == header.type);
    FUZZ_CHECK(header.length + planted_slack == len);
    FUZZ_CHECK(memcmp(payload, server.bytes + sizeof(header), len) == 0);
    FUZZ_CHECK(payload[len] == '\0');
    free(payload);
    server.is_asked = true;
    server.client = client;
    server.serial = msp_ctl_serial(client);
    if (!server.is_late)
        answer();
}

/* What the daemon says to a frame: a status, or -1 it waits for more. */
static int naive_status(size_t len)
{
    struct msp_ctl_header header;

    if (len < sizeof(header))
        return -1;
    memcpy(&header, server.bytes, sizeof(header));
    if (header.magic != MSP_CTL_MAGIC)
        return MSP_CTL_INVALID;
    if (header.version != MSP_CTL_VERSION)
        return MSP_CTL_BAD_VERSION;
    if (header.length > MSP_IMAGE_BYTES_MAX + sizeof(struct msp_ctl_push) ||
        len > sizeof(header) + header.length)
        return MSP_CTL_INVALID;
    return len == sizeof(header) + header.length ? MSP_CTL_DEGRADED : -1;
}

/* The client's own reading of the daemon's answer. */
static void read_answer(int fd, int status)
{
    struct msp_client_reply reply = {0};
    struct msp_ctl_header header;
    int r;

    /* only the answer is of interest: the request is said already */
    memcpy(&header, server.bytes, sizeof(header));
    r = msp_client_call(fd, (enum msp_ctl_type)header.type, NULL, 0, 1000,
                        &reply);
    FUZZ_CHECK(r == 0);
    FUZZ_CHECK((int)reply.status == status);
    print(reply.payload, reply.len);
    if (status == MSP_CTL_DEGRADED)
        check_said(reply.payload, reply.len);
    msp_client_reply_done(&reply);
}

static void serve(struct fuzz_input *in)
{
    size_t step = fuzz_byte(in);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = -1;

    server.is_asked = false;
    server.is_late = step & 1;
    step = step >> 1 ? step >> 1 : in->left;
    server.bytes = in->at;
    server.len = in->left;
    FUZZ_CHECK(fd >= 0 &&
               connect(fd, (void *)&server.addr, sizeof(server.addr)) == 0);
    for (size_t at = 0; at < server.len && status < 0; at += step) {
        size_t n = server.len - at < step ? server.len - at : step;

        FUZZ_CHECK(send(fd, server.bytes + at, n, MSG_NOSIGNAL) == (ssize_t)n);
        rounds_run(loop);
        status = naive_status(at + n);
        FUZZ_CHECK(server.is_asked == (status == MSP_CTL_DEGRADED));
    }
    if (status >= 0 && !(server.is_asked && server.is_late))
        read_answer(fd, status);
    (void)close(fd);
    rounds_run(loop);
    if (server.is_asked && server.is_late)
        answer(); /* to nobody */
    rounds_run(loop);
    for (size_t i = 0; i < MSP_CTL_CLIENTS_MAX; i++)
        FUZZ_CHECK(!server.ctl.client[i]);
}

/* --- the client's side --------------------------------------------------- */

static void call(struct fuzz_input *in)
{
    struct msp_client_reply reply = {0};
    int pair[2], r;

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    FUZZ_CHECK(send(pair[1], in->at, in->left, MSG_NOSIGNAL) ==
               (ssize_t)in->left);
    (void)shutdown(pair[1], SHUT_WR);
    r = msp_client_call(pair[0], MSP_CTL_STATUS, NULL, 0, 1000, &reply);
    FUZZ_CHECK(r == 0 || r == -EPROTO || r == -ENODATA || r == -EFBIG);
    if (r == 0) {
        FUZZ_CHECK(reply.len + sizeof(struct msp_ctl_header) <= in->left);
        FUZZ_CHECK(memcmp(reply.payload, in->at + sizeof(struct msp_ctl_header),
                          reply.len) == 0);
        FUZZ_CHECK(reply.payload[reply.len] == '\0');
        FUZZ_CHECK(reply.status < MSP_CTL_STATUS_COUNT);
        print(reply.payload, reply.len);
        msp_client_reply_done(&reply);
    }
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* --- mspd and its proxy -------------------------------------------------- */

static struct msp_control control;
static struct msp_key *key;

static size_t size_of(uint32_t type)
{
    switch (type) {
    case MSP_CHILD_KEY:
        return sizeof(struct msp_child_key);
    case MSP_CHILD_CLOCK:
        return sizeof(struct msp_child_clock);
    case MSP_CHILD_FLIPPED:
        return sizeof(struct msp_child_head);
    case MSP_CHILD_LISTENER_GONE:
        return sizeof(struct msp_child_listener);
    default: /* a listener comes with a descriptor, the rest is not for it */
        return SIZE_MAX;
    }
}

/* Whatever the GUID is, it stands in a header line. */
static void check_key(void)
{
    for (const char *c = msp_key_guid(key); *c; c++)
        FUZZ_CHECK(*c > ' ' && *c < 0x7f);
    FUZZ_CHECK(!msp_key_is_set(key) || msp_key_guid(key)[0]);
}

static void command(struct fuzz_input *in)
{
    int pair[2];
    bool is_fault = false;

    FUZZ_CHECK(msp_io_pair(pair) == 0);
    FUZZ_CHECK(msp_control_open(&control, loop, pair[0]) == 0);
    while (in->left && !is_fault) {
        struct msp_child_key packet = {0};
        size_t len = fuzz_pick(in, sizeof(packet) + 1);
        size_t n = len < in->left ? len : in->left;

        packet.head.type = fuzz_pick(in, MSP_CHILD_TYPE_COUNT);
        if (n > in->left)
            n = in->left;
        if (n)
            memcpy(packet.guid, in->at,
                   n < sizeof(packet.guid) ? n : sizeof(packet.guid));
        in->at += n;
        in->left -= n;
        if (fuzz_pick(in, 2))
            len = size_of(packet.head.type);
        is_fault =
            len < sizeof(packet.head) || size_of(packet.head.type) != len;
        if (len == 0 || len > sizeof(packet))
            break;
        FUZZ_CHECK(send(pair[1], &packet, len, MSG_NOSIGNAL) == (ssize_t)len);
        rounds_run(loop);
        FUZZ_CHECK((control.fd < 0) == is_fault);
        check_key();
    }
    msp_control_done(&control);
    (void)close(pair[1]);
}

/* What is taken for a record of the proxy is it to the byte, and no more. */
static void finished(const struct fuzz_input *in)
{
    const uint32_t type = MSP_CHILD_LOG;
    uint8_t *bytes = fuzz_copy(in->at, in->left);
    uint8_t again[sizeof(struct msp_child_log)];
    struct msp_child_log record;
    ssize_t n;

    if (in->left >= sizeof(type))
        memcpy(bytes, &type, sizeof(type));
    n = msp_finished_unpack(bytes, in->left, &record);
    FUZZ_CHECK(n == -EPROTO || (n > 0 && (size_t)n <= in->left));
    if (n > 0) {
        FUZZ_CHECK(msp_finished_pack(again, sizeof(again), &record) ==
                   (size_t)n);
        FUZZ_CHECK(memcmp(again, bytes, (size_t)n) == 0);
    }
    free(bytes);
}

/* A line of the log is one line, and JSON, whatever the proxy says. */
static void log_line(struct fuzz_input *in)
{
    struct msp_child_log record = {0};
    struct msp_event event = {0};
    struct msp_buf buf = {.max = 1u << 20};
    size_t n = in->left < sizeof(record) ? in->left : sizeof(record);
    uint64_t real_ns = (uint64_t)fuzz_byte(in) << 53;

    memset(&record, 0xff, sizeof(record));
    memcpy(&record, in->at, n < in->left ? n : in->left);
    memcpy(&event, in->at, in->left < sizeof(event) ? in->left : sizeof(event));
    FUZZ_CHECK(msp_connlog_request_line(&buf, &record, NULL, real_ns,
                                        (struct msp_dropped){1, 2}) == 0);
    for (int i = 0; i < 2; i++) {
        FUZZ_CHECK(buf.len && buf.data[buf.len - 1] == '\n');
        FUZZ_CHECK(memchr(buf.data, '\n', buf.len) == buf.data + buf.len - 1);
        check_text((char *)buf.data, buf.len);
        check_json((char *)buf.data, buf.len);
        msp_buf_done(&buf);
        buf.max = 1u << 20;
        if (i == 0)
            FUZZ_CHECK(msp_connlog_connect_line(&buf, &event, NULL, real_ns,
                                                (struct msp_dropped){0}) == 0);
    }
}

/* --- set-up -------------------------------------------------------------- */

static void clean_up(void)
{
    (void)unlink(server.addr.sun_path);
    (void)rmdir(server.dir);
}

static void start_server(void)
{
    const char *top = getenv("TMPDIR");
    int fd;

    (void)snprintf(server.dir, sizeof(server.dir), "%s/fuzz-ctl-XXXXXX",
                   top ? top : "/tmp");
    FUZZ_CHECK(mkdtemp(server.dir));
    fd = open(server.dir, O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(msp_ctl_open(&server.ctl, loop, fd, on_request, NULL) == 0);
    (void)close(fd);
    server.addr.sun_family = AF_UNIX;
    (void)snprintf(server.addr.sun_path, sizeof(server.addr.sun_path),
                   "%s/control.sock", server.dir);
    (void)atexit(clean_up);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct msp_request page;
    static struct msp_meta meta;
    struct msp_worker_setup setup = {.page = &page, .meta = &meta};

    (void)argc;
    (void)argv;
    FUZZ_CHECK(getuid() == 0);
    msp_log_set_level(MSP_LOG_ERR);
    FUZZ_CHECK(freopen("/dev/null", "a", stdout));
    loop = rounds_new();
    FUZZ_CHECK(msp_key_new(&key) == 0);
    setup.loop = loop;
    setup.key = key;
    FUZZ_CHECK(msp_worker_new(&setup, &control.worker) == 0);
    control.key = key;
    control.fd = -1;
    start_server();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};

    switch (fuzz_pick(&in, 5)) {
    case 0:
        serve(&in);
        break;
    case 1:
        call(&in);
        break;
    case 2:
        print((const char *)in.at, in.left);
        break;
    case 3:
        command(&in);
        break;
    default:
        finished(&in);
        log_line(&in);
    }
    return 0;
}
