/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control protocol between mspctl and mspd: /run/mspd/control.sock,
 * SOCK_STREAM, mode 0600; the daemon serves uid 0 only (SO_PEERCRED).
 *
 * A client sends one frame and reads one frame, then closes. A frame is
 * struct msp_ctl_header, then `length` payload bytes. Byte order native: both
 * ends are on one host.
 *
 * A reply's payload is records in text:
 *     record = *(field LF) LF            (a blank line ends a record)
 *     field  = type name "=" value
 *     type   = "s" text | "u" unsigned decimal | "b" "true" or "false"
 *     name   = dotted, lower case: proxy.state, slot.generation
 *     value  = text with \n, \r, \\ and \xHH escapes for LF, CR, backslash
 *              and other bytes below 0x20
 * The first record answers the request; further records are list items, each
 * with the first field "s_item=<list name>". New fields may appear; a reader
 * ignores names it does not know.
 */
#pragma once

#include <stdint.h>

#include <msp/limits.h>

#define MSP_CTL_MAGIC 0x4c544350534d0000ull
#define MSP_CTL_PATH  "/run/mspd/control.sock"

enum msp_ctl_type {
    MSP_CTL_NONE = 0,
    MSP_CTL_STATUS,        /* no payload */
    MSP_CTL_PUSH,          /* struct msp_ctl_push, image bytes */
    MSP_CTL_SHOW,          /* no payload; reply: the record, NUL, image bytes */
    MSP_CTL_AUDIT,         /* no payload */
    MSP_CTL_NETNS_ADD,     /* path of a namespace file, no NUL */
    MSP_CTL_NETNS_LIST,    /* no payload */
    MSP_CTL_ROLLBACK,      /* struct msp_ctl_push; reply as of PUSH */
    MSP_CTL_DETACH,        /* no payload, or the pin directory that is meant */
    MSP_CTL_UNLOCK,        /* text of a token, no NUL */
    MSP_CTL_LOCK,          /* no payload */
    MSP_CTL_CONTAINER_ADD, /* these five: container.h */
    MSP_CTL_CONTAINER_SET,
    MSP_CTL_CONTAINER_REMOVE,
    MSP_CTL_CONTAINER_LIST,
    MSP_CTL_CONTAINER_UPDATE,
    MSP_CTL_PROVISION, /* no payload; reply: provision.finished, .error */
    MSP_CTL_TYPE_COUNT,
};

/* What the reply's status says; the exit code of mspctl follows from it. */
enum msp_ctl_status {
    MSP_CTL_OK = 0,
    MSP_CTL_REFUSED,  /* by policy or a compare-and-swap: exit 1 */
    MSP_CTL_INVALID,  /* bad input: exit 2 */
    MSP_CTL_DEGRADED, /* done or answered, but something is missing: exit 4 */
    MSP_CTL_INTERNAL, /* exit 5 */
    MSP_CTL_BAD_VERSION, /* header.version is the daemon's */
    MSP_CTL_STATUS_COUNT,
};

struct msp_ctl_header {
    uint64_t magic;
    uint16_t version; /* MSP_CTL_VERSION */
    uint16_t type;    /* enum msp_ctl_type; a reply repeats it */
    uint32_t status;  /* enum msp_ctl_status; 0 in a request */
    uint32_t length;  /* payload bytes */
    uint32_t pad;
};

_Static_assert(sizeof(struct msp_ctl_header) == 24, "msp_ctl_header");

/* flags of msp_ctl_push, for PUSH and ROLLBACK */
#define MSP_PUSH_DRY_RUN 0x1u
#define MSP_PUSH_EXPECT  0x2u /* refuse unless the live digest is `expect` */

struct msp_ctl_push {
    uint32_t flags;
    uint32_t pad;
    uint8_t expect[32]; /* all zero: no policy is live */
};

_Static_assert(sizeof(struct msp_ctl_push) == 40, "msp_ctl_push");

/* Exit codes of every command of the project. */
enum msp_exit {
    MSP_EXIT_OK = 0,
    MSP_EXIT_REFUSED = 1,  /* denied or refused by policy */
    MSP_EXIT_USAGE = 2,    /* usage or bad input */
    MSP_EXIT_NODAEMON = 3, /* mspd does not answer */
    MSP_EXIT_DEGRADED = 4,
    MSP_EXIT_INTERNAL = 5,
};
