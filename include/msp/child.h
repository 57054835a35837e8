/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What mspd and its children say to each other: descriptor numbers at exec
 * and the records on each child's AF_UNIX SOCK_SEQPACKET pair. One record is
 * one packet, but for finished requests; descriptors travel as SCM_RIGHTS with
 * the packet that names them. Native byte order, zeroed padding. A packet of a
 * wrong size or type is a protocol fault: the receiver closes the pair, mspd
 * restarts the child.
 */
#pragma once

#include <stdint.h>

#include <msp/abi.h>
#include <msp/limits.h>

/* Descriptor numbers at exec; everything else is closed. */
enum msp_child_fd {
    MSP_FD_CONTROL = 3, /* all children: the socket pair */

    MSP_FD_PROXY_OWN_SK = 4,    /* map own_sk, writable */
    MSP_FD_PROXY_VERDICT = 5,   /* map sk_verdict, read-only */
    MSP_FD_PROXY_REQUESTS = 6,  /* map msp_requests, for mmap of own page */
    MSP_FD_PROXY_AUTHORIZE = 7, /* program `authorize` */
    MSP_FD_PROXY_META = 8, /* map msp_meta, to mmap for reading and close */

    MSP_FD_KEEPER_KEY = 4,    /* --static-key: the key file, read-only */
    MSP_FD_KEEPER_OWN_SK = 4, /* --secure-channel: map own_sk, writable, */
    MSP_FD_KEEPER_KEYS = 5,   /* and the directory of the key files */
};

#define MSP_GUID_BYTES   37 /* text form with the NUL */
#define MSP_KEY_BYTES    32
#define MSP_METHOD_BYTES 16
#define MSP_TARGET_BYTES 512

enum msp_child_type {
    MSP_CHILD_NONE = 0,

    /* mspd -> proxy */
    MSP_CHILD_LISTENER,      /* struct msp_child_listener, one descriptor */
    MSP_CHILD_KEY,           /* struct msp_child_key */
    MSP_CHILD_LISTENER_GONE, /* struct msp_child_listener: close it */
    MSP_CHILD_FLIPPED, /* struct msp_child_head: msp_meta has a new policy */

    /* proxy -> mspd */
    MSP_CHILD_READY, /* struct msp_child_head: accepting */
    /* struct msp_child_log, packed, as many as MSP_CHILD_LOG_BYTES hold */
    MSP_CHILD_LOG,
    /* struct msp_child_listener: somebody ended it; listen and send again */
    MSP_CHILD_LISTENER_LOST,

    /* keeper -> mspd: MSP_CHILD_KEY, an empty GUID says there is none any
     * more, and */
    MSP_CHILD_NAMES,   /* mspd -> keeper and back: struct msp_child_names */
    MSP_CHILD_KEY_BAD, /* struct msp_child_text: why there is no key */

    /* mspd -> netns, and the reply with one descriptor on success */
    MSP_CHILD_OWN_SK,     /* struct msp_child_head, descriptor of own_sk */
    MSP_CHILD_INOTIFY,    /* struct msp_child_head, for MSP_OPEN_WALK */
    MSP_CHILD_NETNS_PATH, /* struct msp_child_netns */
    MSP_CHILD_NETNS_ROOT, /* struct msp_child_netns: its own namespace */
    MSP_CHILD_OPEN, /* struct msp_child_open; descriptor: O_PATH of the file */

    /* keeper -> mspd, and mspd -> proxy */
    MSP_CHILD_CLOCK, /* struct msp_child_clock: the host's clock */

    /* keeper -> mspd */
    MSP_CHILD_CHANNEL, /* struct msp_child_channel: how it stands */
    /* struct msp_child_adopt: the key file of another agent is wanted; mspd
     * answers with the same, and its descriptor if there is one */
    MSP_CHILD_ADOPT,
    /* struct msp_child_image, a sealed memfd of the image: the host's policy */
    MSP_CHILD_IMAGE,

    /* mspd -> keeper: struct msp_child_local, whenever it may be another; a
     * descriptor for reading with MSP_LOCAL_THERE */
    MSP_CHILD_LOCAL,

    MSP_CHILD_TYPE_COUNT,
};

struct msp_child_head {
    uint32_t type;
    uint32_t id; /* chosen by the asker, repeated in the reply */
};

struct msp_child_text {
    struct msp_child_head head;
    char text[256];
};

struct msp_child_listener {
    struct msp_child_head head;
    uint64_t netns_cookie;
    uint16_t port;
    uint16_t pad[3];
};

/* Key and its GUID always travel together; receivers cleanse the packet. */
struct msp_child_key {
    struct msp_child_head head;
    char guid[MSP_GUID_BYTES];
    uint8_t pad[3];
    uint8_t key[MSP_KEY_BYTES];
};

/* What the host's clock showed, and ours then: CLOCK_BOOTTIME. */
struct msp_child_clock {
    struct msp_child_head head;
    int64_t host_s; /* since 1970, UTC */
    uint64_t boot_ns;
};

/*
 * Local rule files: what the host may ask to merge into its policy, IMDS's and
 * WireServer's, by enum msp_builtin.
 */
#define MSP_LOCAL_FILES 2

enum msp_local_file {
    MSP_LOCAL_UNTOLD = 0, /* mspd has not said yet */
    MSP_LOCAL_OFF,        /* mspd was told of no directory */
    MSP_LOCAL_MISSING,
    MSP_LOCAL_THERE,
    MSP_LOCAL_REFUSED, /* it is there and may not be used */
    MSP_LOCAL_FILE_COUNT,
};

/* What became of one in the host's policy. */
enum msp_local_use {
    MSP_LOCAL_UNASKED = 0, /* the host wants none */
    MSP_LOCAL_UNSET,       /* it does, and mspd was told of no directory */
    MSP_LOCAL_NONE,        /* it does, and there is none */
    MSP_LOCAL_MERGED,
    MSP_LOCAL_KEPT,   /* refused; the last good one is merged */
    MSP_LOCAL_DENIED, /* refused, and there was no good one: nobody passes */
    MSP_LOCAL_USE_COUNT,
};

struct msp_child_local {
    struct msp_child_head head;
    uint32_t endpoint; /* below MSP_LOCAL_FILES */
    uint32_t file;     /* enum msp_local_file, but UNTOLD */
    char why[64];      /* REFUSED: what for, else "" */
};

/* The secure channel; sent whenever something in it changes. */
struct msp_child_channel {
    struct msp_child_head head;
    uint32_t is_known;   /* some answer was believed */
    uint32_t is_failing; /* the last poll did not get where it should */
    uint32_t has_incarnation;
    uint32_t incarnation;
    char state[64];    /* msp-protocol: "Unknown", "disabled", ... */
    char message[256]; /* the last thing that happened */
    char policy[256];  /* why the host's policy was refused, "" = it was not */
    uint32_t local[MSP_LOCAL_FILES]; /* enum msp_local_use */
    char local_why[256]; /* why a local rule file was refused, "" = none was */
};

struct msp_child_image {
    struct msp_child_head head;
    /* the host's document was refused: this denies, and counts only where
     * there is none of the host's yet that enforces anything */
    uint32_t is_fallback;
    uint32_t pad;
};

struct msp_child_adopt {
    struct msp_child_head head;
    char guid[MSP_GUID_BYTES];
    uint8_t pad[3];
};

/*
 * One finished request, for the connection log. Text fields end in NUL; on the
 * way to mspd they are as long as they are (base/finished.h).
 */
struct msp_child_log {
    struct msp_child_head head;
    struct msp_mark mark;
    uint64_t generation;
    uint64_t elapsed_us;
    uint32_t status;   /* sent to the client, 0 = none */
    uint32_t upstream; /* status of the host, 0 = none */
    uint32_t verdict;  /* enum msp_verdict */
    uint32_t reason;   /* enum msp_reason */
    uint32_t is_signed;
    uint32_t is_cut;    /* target longer than the field */
    uint64_t bytes_in;  /* request body */
    uint64_t bytes_out; /* response body */
    uint64_t serial;    /* of this proxy's requests, from 1; gaps were lost */
    uint32_t client_be; /* address the client connected from, network order */
    uint16_t client_port;
    uint16_t pad;
    char method[MSP_METHOD_BYTES];
    char target[MSP_TARGET_BYTES];
    char endpoint[MSP_ENDPOINT_NAME_BYTES];
    char identity[MSP_NAME_BYTES];
    char privilege[MSP_NAME_BYTES];
    char exe_name[MSP_NAME_BYTES]; /* base name at exec, "-" for none known */
    char detail[64];               /* why it failed, "" if it did not */
};

#define MSP_CHILD_LOG_BYTES 65536 /* of a packet of them */

/* Up to this many names a query; longer lists are split. */
#define MSP_CHILD_NAMES_MAX  64
#define MSP_CHILD_NAME_BYTES 256

struct msp_child_name {
    uint32_t is_group;
    uint32_t is_found; /* reply */
    uint32_t id;       /* reply: uid or gid */
    uint32_t pad;
    char name[MSP_CHILD_NAME_BYTES];
};

struct msp_child_names {
    struct msp_child_head head;
    uint32_t n;
    uint32_t pad;
    struct msp_child_name name[MSP_CHILD_NAMES_MAX];
};

struct msp_child_netns {
    struct msp_child_head head;
    int32_t status; /* reply: 0 or negative errno */
    uint16_t port;  /* request: tried first, 0 = none; reply: the one it has,
                       of 127.0.0.1 */
    uint16_t pad;
    uint64_t netns_cookie; /* request: expected, 0 = any; reply: found */
    char path[4096];       /* request, NETNS_PATH */
};

/* flags of msp_child_open */
#define MSP_OPEN_HASH   0x1u  /* request: hash it; reply: sha256 is set */
#define MSP_OPEN_UNSURE 0x2u  /* reply: may have changed while it was read, */
#define MSP_OPEN_WALK   0x4u  /* request: watch its walk; reply: hop[n_hops] */
#define MSP_OPEN_CUT    0x8u  /* reply: the walk has more than these */
#define MSP_OPEN_BELOW  0x10u /* request: see below */

/* One name looked up on the way to a file, links being followed. */
struct msp_child_hop {
    int32_t wd;   /* watch of the directory; negative errno: it has none */
    uint32_t off; /* in `path` of the reply: the name with its directory,
                     absolute, without links, with a NUL */
};

/* why it is unsure, where that is known */
#define MSP_OPEN_NOT_ROOTS 0x100u /* reply: root does not own it */
#define MSP_OPEN_WRITER    0x200u /* reply: somebody has it open for writing */
#define MSP_OPEN_SHARED    0x400u /* reply: on tmpfs, others may write to it */

#define MSP_OPEN_SCRIPT 0x800u /* reply: begins with "#!" */

/*
 * A file by its path in the root directory of mspd-netns (pid 0) or of a
 * process. Symbolic links are followed within that root, magic links are not.
 * Up to MSP_OPENS_MAX may be outstanding; replies come in any order. status:
 * -EINVAL not a regular file, -ETIMEDOUT, -EBUSY too many are outstanding or
 * hang, -EXDEV its root is not pid 1's, else of openat2().
 *
 * With MSP_OPEN_WALK each directory of the walk is watched by the inotify
 * descriptor given before, and only then looked at, so that whatever happens to
 * a name after it was looked up is told. The file is opened last. Hops are
 * there too if it could not be opened, as far as they led.
 */
struct msp_child_open {
    struct msp_child_head head;
    int32_t status; /* reply: 0 or negative errno */
    uint32_t pid;   /* request: 0, or the process whose root is meant */
    uint32_t flags; /* MSP_OPEN_* */
    uint32_t n_hops;
    uint8_t sha256[32]; /* reply, with MSP_OPEN_HASH */
    struct msp_child_hop hop[MSP_EXE_HOPS_MAX];
    /* request: absolute; with MSP_OPEN_BELOW first the root directory that is
     * meant, by its path in the host's, then a NUL; reply: what hops name */
    char path[4096];
};
