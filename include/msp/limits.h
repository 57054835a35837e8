/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one table of maxima and deadlines. Preprocessor only, so that BPF,
 * user space and tests read the same numbers. Nothing here is tunable at run
 * time; a value that must be tunable is an option of its program instead.
 */
#pragma once

/* --- pins and formats --------------------------------------------------- */
#ifndef MSP_LAYOUT   /* a test builds another one */
#define MSP_LAYOUT 8 /* pin tree <pin-dir>/layout-<MSP_LAYOUT> */
#endif
#define MSP_IMAGE_VERSION 4
#define MSP_CTL_VERSION   1
#define MSP_JSON_SCHEMA   1

/* --- policy ------------------------------------------------------------- */
#define MSP_DOC_BYTES_MAX       (8u << 20)  /* one policy document */
#define MSP_DOC_DEPTH_MAX       16          /* JSON nesting */
#define MSP_IMAGE_BYTES_MAX     (16u << 20) /* one compiled image */
#define MSP_DIAGS_MAX           256         /* diagnostics of one run */
#define MSP_IDENTITIES_MAX      1024        /* one bit each, see msp_idset */
#define MSP_IDSET_WORDS         16          /* MSP_IDENTITIES_MAX / 64 */
#define MSP_ENDPOINTS_MAX       64
#define MSP_PREFIXES_MAX        1024 /* endpoint address prefixes x ports */
#define MSP_PRIVILEGES_MAX      8192 /* in all endpoints together */
#define MSP_ROLES_MAX           4096
#define MSP_ASSIGNMENTS_MAX     8192
#define MSP_PATHS_MAX           65536  /* LPM entries: two a path */
#define MSP_SETS_MAX            16384  /* interned identity sets */
#define MSP_CONDS_MAX           262144 /* condition rows in all */
#define MSP_NODE_CONDS_MAX      256  /* condition and grant rows of one path */
#define MSP_PAIRS_MAX           4096 /* query pairs of one policy */
#define MSP_PRIV_PAIRS_MAX      8    /* query pairs of one privilege */
#define MSP_REQ_PAIRS_MAX       32   /* query pairs of one request */
#define MSP_PAIR_HASH_BYTES     16   /* first bytes of SHA-256 */
#define MSP_NAME_BYTES          64   /* identity, privilege; with the NUL */
#define MSP_ENDPOINT_NAME_BYTES 32   /* with the NUL */
#define MSP_RULE_PATH_BYTES     247  /* canonical rule path, no NUL */
#define MSP_PATH_KEY_BYTES      248  /* path part of the LPM key */
#define MSP_STRING_BYTES_MAX    4096 /* any other policy string */
#define MSP_GROUPS_MAX          64   /* supplementary groups looked at */
#define MSP_EXES_MAX            1024 /* distinct exePath of one policy */
#define MSP_EXE_PATH_BYTES      4096 /* with the NUL */
#define MSP_EXE_HOPS_MAX        64   /* names looked up on the way to one */
#define MSP_EXE_WATCHES_MAX     4096 /* directories watched for them */
#define MSP_PROCESSES_MAX       1024 /* distinct processName */
#define MSP_CG_NAME_BYTES       128  /* cgroup segment, with the NUL */
#define MSP_CG_SEGMENTS_MAX     16   /* of one pattern */
#define MSP_CG_LIVE_MAX         8    /* pattern positions live at once */
#define MSP_CG_STATES_MAX       16384
#define MSP_CG_EDGES_MAX        65536
#define MSP_DEMANDS_MAX         16384   /* on containers and pods, in all */
#define MSP_RATE_MAX            1000000 /* requests a second, and at once */

/* --- kernel tables ------------------------------------------------------ */
#define MSP_SLOTS                 4
#define MSP_PORTS                 65536
#define MSP_WORKERS_MAX           16
#define MSP_REQUEST_PAGE_BYTES    4096
#define MSP_HANDOFF_MAX           65536
#define MSP_HANDOFF_PER_PAYER     512 /* marks on their way, one payer */
#define MSP_HANDOFF_NS            5000000000ull /* from verdict to handshake */
#define MSP_PENDING_BUCKETS       8192          /* a power of two */
#define MSP_PENDING_WAYS          8             /* payers that share a bucket */
#define MSP_PENDING_KNOWN_WAYS    2 /* of those, for nobody by his cgroup */
#define MSP_FD_SOCKS_MAX          16384 /* under the fd guard; the proxy has 8,192 */
#define MSP_FD_SOCKS_PER_PAYER    1024
#define MSP_NETNS_MAX             16384 /* that have a listener, */
#define MSP_NETNS_ROWS            32768 /* and as many that wait for one */
#define MSP_NETNS_PARTS           64    /* one payer may have one of so many */
#define MSP_NETNS_PART_MIN        8     /* where few may have one at all */
#define MSP_AUDIT_MAX             16384
#define MSP_AUDIT_UIDS_MAX        16 /* distinct uids kept for one cgroup */
#define MSP_AUDIT_CGROUPS_MAX     16384
#define MSP_COUNTERS_MAX          65536
#define MSP_RING_BYTES            (1u << 20)
#define MSP_AUDIT_PATH_BYTES      128   /* with the NUL */
#define MSP_EXEC_MIN              32768 /* exec records; the host's limit of */
#define MSP_EXEC_MAX              1048576 /* processes, but within these two */
#define MSP_EXEC_HASHES_MAX       8192    /* contents on their way to records */
#define MSP_EXE_ROWS_MAX          4096    /* current and retired files */
#define MSP_EXE_RETIRED_MAX       16      /* retired files of one path */
#define MSP_CGROUPS_MAX           32768   /* cgroups some pattern may match */
#define MSP_CONTAINERS_MAX        16384   /* registered at a time */
#define MSP_CONTAINER_CGROUPS_MAX 32768   /* theirs, and the ones below */
#define MSP_PARKED_PER_PAYER      8    /* namespaces waiting for a listener */
#define MSP_PARK_WAYS             10   /* tickets of a bucket */
#define MSP_PARK_BUCKETS          2048 /* of so many; a power of two */
#define MSP_PARK_RING_BYTES       (1u << 17)
#define MSP_RATE_ROWS             512 /* of token buckets; a power of two */
#define MSP_RATE_WAYS             16  /* buckets that are not full, of a row */
#define MSP_RATE_CONTAINER_WAYS   3   /* of those, for containers alone, */
#define MSP_RATE_KNOWN_WAYS       6   /* and with users of the host together */
#define MSP_RATE_REFUSED_S        1   /* wait of one that is refused anyhow */
#define MSP_RATE_TRIES            64  /* to take a token others take, too */
/*
 * How long a namespace waits: not much longer than a client's SYNs do. Those
 * begin MSP_PARK_SYN_MS apart, then ever more: with Linux's six retries and one
 * that we add 255 times as long in all, so that the last one still leaves when
 * mspd was held up for a second and a half.
 */
#define MSP_PARK_NS         3500000000ull
#define MSP_PARK_SYN_MS     12
#define MSP_PARK_BACKOFF_NS 1000000000ull /* after a listener that failed */

/* --- hook of a container runtime ------------------------------------------ */
#define MSP_HOOK_MS          2000       /* it never holds up a start longer */
#define MSP_HOOK_CTL_MS      700        /* to reach mspd, and for its answer */
#define MSP_OCI_STATE_BYTES  (1u << 20) /* of a container, with annotations */
#define MSP_OCI_CONFIG_BYTES (4u << 20) /* config.json of a bundle */

/* --- listeners ---------------------------------------------------------- */
#define MSP_PORT_FIRST         61080
#define MSP_PORT_LAST          61099
#define MSP_LISTEN_BACKLOG     4096
#define MSP_LISTENERS_SWEEP_MS 5000 /* namespaces that nobody else holds */
/*
 * Of the descriptors mspd and the proxy may have, listeners leave these to
 * all else: what the proxy needs for as many connections as there may be, but
 * at most two fifths.
 */
#define MSP_FILES_SPARE_MAX (2 * MSP_CONNS_MAX + 256)
#define MSP_FILES_SPARE(limit)                               \
    ((limit) / 5 * 2 < MSP_FILES_SPARE_MAX ? (limit) / 5 * 2 \
                                           : MSP_FILES_SPARE_MAX)
#define MSP_FILES_FIXED 32 /* of these, what is no connection's */

/* --- proxy -------------------------------------------------------------- */
#define MSP_HEAD_BYTES_MAX        16384
#define MSP_LINE_BYTES_MAX        8192
#define MSP_HEADERS_MAX           100
#define MSP_OPTIONS_MAX           32      /* named by Connection, in a head */
#define MSP_BODY_BYTES_MAX        102400u /* buffered, signed */
#define MSP_STREAM_BODY_BYTES_MAX (100u << 20) /* the two unsigned uploads */
#define MSP_HEAD_MS               5000
#define MSP_BODY_MS               30000
#define MSP_IDLE_MS               60000
#define MSP_UPSTREAM_CONNECT_MS   2000
#define MSP_HOST_AWAY_MS          1000 /* after one: others do not wait, too */
#define MSP_FIRST_BYTE_MS         30000
#define MSP_CONN_MS               300000
#define MSP_CONN_REQUESTS         10000
#define MSP_CONNS_PER_PAYER       512
#define MSP_PAUSE_MS              1000 /* of a connection that had a 429 */
#define MSP_CONNS_MAX             8192
#define MSP_SPIN_NS               50000 /* about what a sleep costs a VM, */
#define MSP_SPIN_CONNS            2     /* with so many clients at most */
#define MSP_SOCKET_BYTES          65536 /* each way; the kernel doubles it */
#define MSP_RETRY_AFTER_S         1
#define MSP_DRAIN_MS              30000

/* --- secure channel ------------------------------------------------------ */
#define MSP_CHANNEL_POLL_MS  15000    /* between two polls of the host, */
#define MSP_CHANNEL_FIRST_MS 1000     /* while nothing is known, and first */
                                      /* step of the back-off up to that */
#define MSP_CHANNEL_YOUNG_MS   300000 /* nothing is known for so long */
#define MSP_CHANNEL_JITTER     20     /* per cent taken off a wait at most */
#define MSP_CHANNEL_DISABLED   2      /* answers until it is believed */
#define MSP_CHANNEL_CLOCK_MS   900000 /* the host's clock is taken again */
#define MSP_CHANNEL_CONNECT_MS 2000
#define MSP_CHANNEL_ANSWER_MS  10000      /* one whole exchange */
#define MSP_CHANNEL_KEY_BYTES  4096       /* body of an answer with a key */
#define MSP_KEYS_MAX           16         /* key files kept, the oldest go */
#define MSP_LOCAL_BYTES_MAX    (1u << 20) /* one local rule file; README */
#define MSP_LOCAL_YOUNG_S      2 /* it may change again and keep its ctime */

/* --- daemon ------------------------------------------------------------- */
#define MSP_HEARTBEAT_MS       1000
#define MSP_HEARTBEAT_STALE_NS 5000000000ull
#define MSP_RING_DRAIN_MS      200
#define MSP_COUNTERS_SWEEP_MS  10    /* of a heartbeat, at most */
#define MSP_RING_BATCH         2048  /* records taken of it at a time, */
#define MSP_RING_BATCH_MS      20    /* or what is taken in so long */
#define MSP_UPLINK_SETTLE_MS   50    /* after a change of devices */
#define MSP_UPLINK_CHECK_MS    5000  /* is the guard still there */
#define MSP_UNLOCK_MAX_S       3600  /* one token unlocks the guard for */
#define MSP_UNLOCK_TOKEN_MAX_S 86400 /* and may be valid for */
#define MSP_UNLOCK_TOKEN_BYTES 1024
#define MSP_GUARD_LINKS_MAX    512  /* pinned at a time */
#define MSP_GUARD_PATHS_MAX    16   /* of one option */
#define MSP_NAMES_MS           2000 /* answer of the keeper to a name query */
#define MSP_NETNS_REQ_MS       2000
#define MSP_OPEN_MS            2000  /* mspd-netns opens a file, */
#define MSP_HASH_MS            30000 /* and reads it */
#define MSP_OPENS_MAX          8     /* of them at once */
#define MSP_OPENS_STUCK_MAX    32    /* more that were killed but stay */
#define MSP_EXES_WAIT_MS       5000  /* a push waits for its files */
/*
 * What is younger may change again and keep its ctime: contents are not read
 * then, and an exec counts for none. The clock of ctimes stands still for a
 * tick, for six while the CPU that moves it is held up; a tick is 10 ms or
 * less. To it comes what the file system's time stamps are rounded to.
 */
#define MSP_EXE_SETTLE_MS       100
#define MSP_EXE_SWEEP_MS        10000 /* all paths are looked at again */
#define MSP_EXE_UNWATCHED_MS    500   /* those inotify cannot watch */
#define MSP_EXE_MOUNTS_MS       250   /* the table of mounts is read so often */
#define MSP_COEXIST_SWEEP_MS    30000 /* cgroups are looked at for programs */
#define MSP_COEXIST_MAX         256   /* of others, that are shown */
#define MSP_REPORT_MS           60000 /* files that say how it stands, at least */
#define MSP_REPORT_RETRY_MS     5000   /* those that cannot be written */
#define MSP_PROVISION_MS        120000 /* until it is an error not to be ready */
#define MSP_BACKOFF_FIRST_MS    100
#define MSP_BACKOFF_MAX_MS      10000
#define MSP_CTL_CLIENTS_MAX     16
#define MSP_CTL_MS              30000 /* a control client must finish its request */
#define MSP_CTL_REPLY_BYTES_MAX (32u << 20)
#define MSP_LOG_LINES_PER_S     100 /* connection log, a payer */
#define MSP_LOG_BURST           1000
#define MSP_LOG_ALL_PER_S       2000 /* and all of them */
#define MSP_LOG_ALL_BURST       20000
#define MSP_LOG_FLUSH_MS        100 /* a record may wait this long for others */
#define MSP_LOG_FILE_BYTES      (64u << 20) /* then rotated to .1 */
