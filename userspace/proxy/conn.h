/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One client connection as a state machine. conn.c drives it and owns the
 * client's side, request.c judges and rewrites requests, upload.c passes large
 * bodies, relay.c brings the response back, reply.c answers in our own words.
 *
 * A step returns 1 (go on with the next state), 0 (wait for an event) or -1
 * (close). A connection holds buffers only from a request's first byte to its
 * last one out: they are the exchange.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <msp/abi.h>
#include <msp/child.h>

#include "base/buf.h"
#include "base/loop.h"
#include "chunk.h"
#include "http.h"

struct msp_upstream;
struct msp_worker;

#define MSP_IN_BYTES       (2 * MSP_HEAD_BYTES_MAX)
#define MSP_OUT_BYTES      (MSP_HEAD_BYTES_MAX + 2048)
#define MSP_RESPONSE_BYTES (2 * MSP_HEAD_BYTES_MAX)
/* The longest one request may take, its response not counted. */
#define MSP_REQUEST_MS \
    (MSP_HEAD_MS + MSP_BODY_MS + MSP_UPSTREAM_CONNECT_MS + MSP_FIRST_BYTE_MS)
/* An older connection takes no new request: all of its time must be left. */
#define MSP_CONN_LAST_MS (MSP_CONN_MS - MSP_REQUEST_MS)
#define MSP_LINGER_MS    1000
#define MSP_LINGER_BYTES (1u << 20)
#define MSP_REJECTS_MAX  64
#define MSP_INTERIM_MAX  16 /* 1xx responses before the final one */

enum msp_conn_state {
    MSP_CONN_HEAD,    /* reading a head; idle while nothing has come */
    MSP_CONN_BODY,    /* reading a body to be signed */
    MSP_CONN_CONNECT, /* taking an upstream connection */
    MSP_CONN_SEND,    /* writing the request to the host */
    MSP_CONN_UPLOAD,  /* passing an unsigned body through */
    MSP_CONN_WAIT,    /* for the host's response head */
    MSP_CONN_RELAY,   /* passing the response through */
    MSP_CONN_REPLY,   /* writing our own answer */
    MSP_CONN_LINGER,  /* our side is shut, reading what still comes */
};

enum msp_framing {
    MSP_FRAMING_NONE, /* no body */
    MSP_FRAMING_LENGTH,
    MSP_FRAMING_CHUNKED,
    MSP_FRAMING_EOF, /* until the host closes */
};

/* What a request needs while it lasts. */
struct msp_exchange {
    struct msp_exchange *next; /* free list */
    struct msp_child_log log;  /* filled on the way */
    uint64_t start_ns;
    struct msp_http_head head; /* slices point into `in` */
    size_t in_len;
    size_t out_len;
    size_t response_len;
    char in[MSP_IN_BYTES];   /* head, then body or what follows */
    char out[MSP_OUT_BYTES]; /* head to the host, then head to the client */
    char response[MSP_RESPONSE_BYTES];
};

/* One request's progress; all zero between requests. */
struct msp_progress {
    struct msp_http_scan scan;
    struct msp_http_scan response_scan;
    struct msp_chunk chunk;          /* of the request */
    struct msp_chunk response_chunk; /* of the response */
    uint64_t body_left;              /* upload with a length */
    uint64_t body_bytes;             /* decoded bytes so far */
    uint64_t response_left;
    size_t n_scanned;     /* bytes of `in` the scan has seen */
    size_t body_in;       /* body bytes that stand in `in` behind the head */
    size_t n_sent;        /* of out and body, in this order */
    size_t response_sent; /* bytes of `response` sent */
    size_t response_end;  /* bytes of `response` that belong to it */
    uint8_t response_framing; /* enum msp_framing */
    uint8_t n_interim;
    bool is_active;     /* a head was read: to be logged */
    bool is_input_done; /* nothing more to read for this request */
    bool is_upload;     /* body passed through unsigned */
    bool is_retried;
    bool is_waiting; /* for the response, its buffer is ours */
    bool is_response_done;
    bool is_upstream_reusable;
    bool is_signing; /* to be signed */
};

struct msp_conn {
    struct msp_worker *worker;
    struct msp_conn *prev; /* open list */
    struct msp_conn *next; /* open or free list */
    struct msp_source client;
    struct msp_timer timer;
    struct msp_mark mark;
    char addr[16]; /* dotted quad of mark.addr */
    uint64_t born_ms;
    uint64_t due_ms; /* the deadline; the timer may ring before it */
    uint32_t n_requests;
    uint32_t linger_bytes;
    uint8_t state; /* enum msp_conn_state */
    bool is_readable;
    bool is_write_blocked;
    bool has_yielded; /* the timer is to bring it back */
    bool is_rejected; /* over a cap: 503 whatever it asks */
    bool closes;      /* after this response */
    struct msp_exchange *ex;
    struct msp_upstream *upstream;
    struct msp_buf body; /* decoded, when it is not in ex->in */
    struct msp_progress now;
};

/*
 * Makes a connection of an accepted socket and counts it.
 * @param fd taken over on success
 * @return 0; -ENOMEM; negative errno
 */
int msp_conn_open(struct msp_worker *worker, int fd,
                  const struct msp_mark *mark, bool is_rejected);
/* Logs a request in flight, gives everything back. */
void msp_conn_close(struct msp_conn *conn);
/* Between requests, and none has arrived unread either. */
bool msp_conn_is_idle(const struct msp_conn *conn);
/* Made a moment ago: its first request must be on its way. */
bool msp_conn_is_new(const struct msp_conn *conn);
void msp_conn_on_upstream(struct msp_conn *conn, uint32_t events);

/* Arms the timer, never beyond the connection's life. @return 0; -ENOMEM */
int msp_conn_deadline(struct msp_conn *conn, uint64_t ms);

/* Arms the timer of an idle one; on the way out it may not be idle for long. */
int msp_conn_await_request(struct msp_conn *conn);

/*
 * Reads from the client into ex->in.
 * @return bytes; 0 nothing there; -1 end or error
 */
int msp_conn_fill(struct msp_conn *conn);

/* Bytes to send in one go; both may be empty. */
struct msp_pieces {
    const char *head;
    size_t head_len;
    const char *body;
    size_t body_len;
};

/*
 * Sends as much as fits, with sendmsg() only if there are two pieces.
 * @param is_last the end of the connection follows at once, in one segment
 * @return bytes of both; -1 and errno
 */
ssize_t msp_conn_send(int fd, const struct msp_pieces *pieces, bool is_last);

/* Ends a request whose response is out. @return as a step */
int msp_conn_finish(struct msp_conn *conn);

/* Whether the response at hand must be the last one; sets conn->closes. */
bool msp_conn_must_close(struct msp_conn *conn);

/* Notes why for the log; `detail` is copied. */
void msp_conn_detail(struct msp_conn *conn, const char *detail);

/* --- request.c: steps ---------------------------------------------------- */

/* A whole head stands in ex->in. */
int msp_request_begin(struct msp_conn *conn, size_t head_len, size_t n_lines);
int msp_request_body(struct msp_conn *conn);
int msp_request_connect(struct msp_conn *conn);
int msp_request_send(struct msp_conn *conn);
/*
 * A body where a server may expect none, and take it for the next request:
 * the upstream connection is for this request alone.
 */
bool msp_request_is_odd(const struct msp_conn *conn);

/* --- upload.c: step ------------------------------------------------------ */

int msp_upload(struct msp_conn *conn);

/* --- relay.c: steps ------------------------------------------------------ */

int msp_relay_wait(struct msp_conn *conn);
int msp_relay_body(struct msp_conn *conn);

/* --- reply.c ------------------------------------------------------------- */

struct msp_reply {
    int status;
    const char *reason; /* goes into the JSON body and the log */
    bool closes;
};

/* Prepares our own answer; drops the upstream. @return as a step */
int msp_reply(struct msp_conn *conn, const struct msp_reply *reply);
int msp_reply_http(struct msp_conn *conn, enum msp_http_code code);
int msp_reply_flush(struct msp_conn *conn); /* step */
/* Without a connection object: one send, best effort. */
void msp_reply_overload(int fd);
