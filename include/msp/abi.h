/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the BPF programs and user space: keys, values, enums
 * and the page through which the proxy asks. Both sides compile this file;
 * there is no second copy.
 *
 * Rules: fixed-width fields, explicit zeroed padding, native byte order
 * unless a name ends in _be, addresses always 16 bytes with IPv4 as
 * ::ffff:a.b.c.d. The value 0 of every enum means "unset" and is never an
 * allowance: a zeroed row denies.
 */
#pragma once

#include <linux/types.h>

#include <msp/limits.h>

#define MSP_ASSERT_SIZE(type, bytes) \
    _Static_assert(sizeof(struct type) == (bytes), #type)
#define MSP_ASSERT_OFFSET(type, field, bytes)                         \
    _Static_assert(__builtin_offsetof(struct type, field) == (bytes), \
                   #type "." #field)

/* --- enums (bpftool prints their names) --------------------------------- */

enum msp_mode {
    MSP_MODE_NONE = 0, /* unset: deny */
    MSP_MODE_DISABLED, /* not intercepted */
    MSP_MODE_AUDIT,    /* never denied, would-be denials recorded */
    MSP_MODE_ENFORCE,
    MSP_MODE_COUNT,
};

/* What a denied connect() sees. */
enum msp_on_deny {
    MSP_ON_DENY_NONE = 0, /* as EPERM */
    MSP_ON_DENY_EPERM,
    MSP_ON_DENY_REFUSE, /* ECONNREFUSED */
    MSP_ON_DENY_HTTP,   /* redirected with an empty mark: the proxy says 403 */
    MSP_ON_DENY_COUNT,
};

enum msp_verdict {
    MSP_VERDICT_NONE = 0, /* no decision was reached: deny */
    MSP_VERDICT_DENY,
    MSP_VERDICT_ALLOW,
    MSP_VERDICT_AUDIT,  /* allowed only because the mode is audit */
    MSP_VERDICT_DIRECT, /* connect only: let out without the agent */
    MSP_VERDICT_STALE,  /* the policy changed under the caller: ask anew */
    MSP_VERDICT_COUNT,
};

enum msp_reason {
    MSP_REASON_NONE = 0,
    MSP_REASON_PRIVILEGE,         /* a privilege of the caller matched */
    MSP_REASON_DEFAULT_ALLOW,     /* no privilege matched, default allow */
    MSP_REASON_DEFAULT_DENY,      /* no privilege matched, default deny */
    MSP_REASON_NOT_ASSIGNED,      /* matched, but assigned to others */
    MSP_REASON_NO_RULE_FOR_YOU,   /* connect: no privilege at all, deny */
    MSP_REASON_NEEDS_ROOT,        /* endpoint demands real root */
    MSP_REASON_NO_IDENTITY,       /* kernel thread, no mm, no credentials */
    MSP_REASON_NO_LISTENER,       /* no agent listener in this netns */
    MSP_REASON_REDIRECTED,        /* connect: marked and redirected */
    MSP_REASON_DIRECT_AGENT_AWAY, /* audit: agent not alive, let out */
    MSP_REASON_DIRECT_NOT_SIGNED, /* endpoint with sign:false, allowed */
    MSP_REASON_BOOTSTRAP,         /* no policy yet: real root, unsigned */
    MSP_REASON_BOOTSTRAP_DENY,    /* no policy yet: not real root */
    MSP_REASON_LISTENER_DIRECT,   /* connect to the agent's own listener */
    MSP_REASON_SERVICE_UID,       /* agent process without its socket mark */
    MSP_REASON_SPELLING,          /* request refused by the canonicaliser */
    MSP_REASON_RESERVED_PATH,     /* /secure-channel belongs to the agent */
    MSP_REASON_STALE_POLICY,      /* slot refilled during the decision */
    MSP_REASON_STALE_IDENTITY,    /* identity table newer than the mark */
    MSP_REASON_BAD_REQUEST,       /* malformed request page */
    MSP_REASON_TABLE_MISSING,     /* a row or table that must exist did not */
    MSP_REASON_HELPER_FAILED,     /* a kernel helper refused */
    MSP_REASON_DISABLED,          /* mode disabled since the connect */
    MSP_REASON_UPSTREAM_ONLY,     /* agent's upstream socket, no endpoint */
    MSP_REASON_BOUND_DEVICE,      /* socket bound to a device: no way to lo */
    MSP_REASON_DATAGRAM,          /* UDP or UDPLITE, which no endpoint speaks */
    MSP_REASON_SOCKET_KIND,       /* raw, SCTP and others no endpoint speaks */
    MSP_REASON_PAST_GUARD,        /* frames that no guard would see */
    MSP_REASON_RAW_IN_CONTAINER,  /* --deny-raw-in-containers */
    MSP_REASON_PASSED_SOCKET,     /* fd guard: another's connection */
    MSP_REASON_NO_EXEC_RECORD,    /* denied, not known what it executed */
    MSP_REASON_LISTENER_LATE,     /* parked, and no listener came in time */
    MSP_REASON_RATE_LIMITED,      /* its token bucket is empty */
    MSP_REASON_RATE_NO_ROOM,      /* no room for its token bucket */
    MSP_REASON_COUNT,
};

enum msp_stage {
    MSP_STAGE_NONE = 0,
    MSP_STAGE_CONNECT,
    MSP_STAGE_REQUEST,
    MSP_STAGE_COUNT,
};

/* own_sk: sockets of the agent itself. */
enum msp_own {
    MSP_OWN_NONE = 0,
    MSP_OWN_UPSTREAM, /* may connect to endpoints only */
    MSP_OWN_LISTENER, /* may bind only */
    MSP_OWN_COUNT,
};

enum msp_owner_kind {
    MSP_OWNER_NONE = 0,
    MSP_OWNER_REDIRECT,
    MSP_OWNER_DIRECT,
    MSP_OWNER_INBOUND, /* accepted from an endpoint's address and port */
    MSP_OWNER_COUNT,
};

/* Identity dimensions with a row table; index of the wildcard rows. */
enum msp_dim {
    MSP_DIM_UID = 0,
    MSP_DIM_GID,   /* gid, or groupName where no gid is given */
    MSP_DIM_GROUP, /* groupName of identities that also give a gid */
    MSP_DIM_IDS,   /* the dimensions above have rows by a number */
    MSP_DIM_EXE = MSP_DIM_IDS, /* exePath, with exeSha256 if given */
    MSP_DIM_PROCESS,           /* processName */
    MSP_DIM_CGROUP,            /* cgroup and unit */
    MSP_DIM_CONTAINER,         /* container and pod */
    MSP_DIM_HOST_ONLY,         /* not a dimension: identities that match only
                          outside containers */
    MSP_DIM_COUNT,
};

/* Request methods, one bit each; a privilege's method set is an OR. */
enum msp_method {
    MSP_METHOD_NONE = 0,
    MSP_METHOD_GET = 1 << 0,
    MSP_METHOD_HEAD = 1 << 1,
    MSP_METHOD_POST = 1 << 2,
    MSP_METHOD_PUT = 1 << 3,
    MSP_METHOD_DELETE = 1 << 4,
    MSP_METHOD_OPTIONS = 1 << 5,
    MSP_METHOD_PATCH = 1 << 6,
    MSP_METHOD_ALL = (1 << 7) - 1,
};

/* Index into msp_stats. */
enum msp_stat {
    MSP_STAT_NONE = 0,
    MSP_STAT_MARK_PUBLISHED,
    MSP_STAT_MARK_PUBLISH_FAILED,
    MSP_STAT_MARK_MOVED,
    MSP_STAT_MARK_MISSING,   /* listener accepted, no hand-off entry */
    MSP_STAT_MARK_ISN_STALE, /* hand-off entry of another connection */
    MSP_STAT_MARK_MOVE_FAILED,
    MSP_STAT_STORAGE_FAILED, /* sk_storage could not be made */
    MSP_STAT_RING_DROPPED,
    MSP_STAT_AUDIT_DROPPED,
    MSP_STAT_COUNTER_OTHER, /* counted on the row of cgroup 0 */
    MSP_STAT_GROUPS_CUT,    /* caller with more than MSP_GROUPS_MAX groups */
    MSP_STAT_GENERATION_MOVED,
    MSP_STAT_BIND_DENIED,    /* somebody wanted the listener's port */
    MSP_STAT_EGRESS_DENIED,  /* packet of no connection we decided about */
    MSP_STAT_UPLINK_DENIED,  /* the same, on its way out of the host */
    MSP_STAT_PENDING_FULL,   /* payer with too many marks on their way */
    MSP_STAT_EXEC_DROPPED,   /* exec or fork without a record: no executable */
    MSP_STAT_CGROUP_DROPPED, /* cgroup without a row: no cgroup identity */
    MSP_STAT_AUDIT_INSERTED, /* rows of msp_audit ever made */
    MSP_STAT_FD_DENIED,      /* somebody wrote to another's connection */
    MSP_STAT_FD_UNGUARDED,   /* a connection the fd guard could not have */
    MSP_STAT_CONTAINER_DROPPED, /* cgroup of a container without a row */
    MSP_STAT_PARKED,            /* asked mspd for a listener */
    MSP_STAT_PARK_REFUSED,      /* could not wait for one: denied at once */
    MSP_STAT_LISTENER_FOREIGN,  /* another listens at a listener's port */
    MSP_STAT_MARK_OLD,          /* MSP_HANDOFF_NS after its connect: refused */
    MSP_STAT_RATE_LIMITED,      /* a token bucket was empty */
    MSP_STAT_RATE_NO_ROOM,      /* no way of msp_rates was free */
    MSP_STAT_COUNT,
};

/* --- identity ----------------------------------------------------------- */

/* A set of identities: bit i%64 of word i/64 stands for identity i. */
struct msp_idset {
    __u64 word[MSP_IDSET_WORDS];
};

MSP_ASSERT_SIZE(msp_idset, 128);

/* A file as the kernel names it; generation 0 is legal, ino 0 = unknown. */
struct msp_exe {
    __u32 s_dev; /* kernel encoding: major << 20 | minor */
    __u32 generation;
    __u64 ino;
};

MSP_ASSERT_SIZE(msp_exe, 16);

struct msp_sha256 {
    __u8 byte[32];
};

MSP_ASSERT_SIZE(msp_sha256, 32);

/* flags of msp_exec */
#define MSP_EXEC_TRACED   0x1u  /* traced at exec or at fork: not believed */
#define MSP_EXEC_FOUND    0x2u  /* found running at the first load, not seen */
#define MSP_EXEC_HASHED   0x4u  /* sha256 is of the contents at exec */
#define MSP_EXEC_NOHASH   0x8u  /* was to be hashed at exec, in vain */
#define MSP_EXEC_YOUNG    0x10u /* the ctime may be of other contents, too */
#define MSP_EXEC_OTHER_FS 0x20u /* not msp_fs_is_accepted(): no executable */
#define MSP_EXEC_OVERLAY  0x40u /* that is overlay: one in a container */

/*
 * What a process is, taken down at exec and copied at fork. Key: tgid.
 * Believed only if start_ns and exec_id are those of the task that asks.
 */
struct msp_exec {
    __u64 start_ns;  /* CLOCK_BOOTTIME, start of the process */
    __u64 exec_id;   /* self_exec_id: moves with every exec */
    __u64 exec_ns;   /* CLOCK_BOOTTIME of the exec; a fork keeps it */
    __s64 ctime_sec; /* of the file, at exec */
    __u32 ctime_nsec;
    __u32 flags; /* MSP_EXEC_* */
    struct msp_exe exe;
    char name[MSP_NAME_BYTES]; /* base name, NUL-padded; empty: too long */
    struct msp_sha256 sha256;  /* with MSP_EXEC_HASHED */
};

MSP_ASSERT_SIZE(msp_exec, 152);

/*
 * Contents of an executable on their way from the hook that read them to the
 * record of the same exec. Key: tgid.
 */
struct msp_exec_hash {
    __u64 start_ns; /* as in msp_exec */
    __u64 exec_id;
    __u32 flags; /* MSP_EXEC_HASHED or MSP_EXEC_NOHASH */
    __u32 pad;
    struct msp_sha256 sha256;
};

MSP_ASSERT_SIZE(msp_exec_hash, 56);

/* flags of msp_mark */
#define MSP_MARK_ROOT        0x01u /* real root */
#define MSP_MARK_CONTAINER   0x02u /* in a container */
#define MSP_MARK_BOOTSTRAP   0x04u /* relay unsigned */
#define MSP_MARK_EMPTY       0x08u /* onDeny http: deny every request */
#define MSP_MARK_GROUPS_CUT  0x10u /* groups beyond MSP_GROUPS_MAX ignored */
#define MSP_MARK_NO_IDENTITY 0x20u /* caller has none; audit mode only */
#define MSP_MARK_EXEC        0x40u /* exe is of a believed exec record */

/*
 * What connect() decided about a caller; travels from the client socket to
 * the accepted one and is handed back to `authorize` with every request.
 */
struct msp_mark {
    struct msp_idset ids;
    __u8 addr[16];      /* destination asked for */
    struct msp_exe exe; /* zero without MSP_MARK_EXEC */
    __u64 cgroup_id;
    __u64 netns_cookie;
    __u64 payer; /* payer.h: whom it is charged to */
    __u32 identity_epoch;
    __u32 uid;  /* effective, init user namespace */
    __u32 pid;  /* tgid, init pid namespace */
    __u16 port; /* destination asked for, host order */
    __u8 endpoint;
    __u8 flags;
};

MSP_ASSERT_SIZE(msp_mark, 200);
MSP_ASSERT_OFFSET(msp_mark, addr, 128);
MSP_ASSERT_OFFSET(msp_mark, cgroup_id, 160);
MSP_ASSERT_OFFSET(msp_mark, payer, 176);
MSP_ASSERT_OFFSET(msp_mark, flags, 199);

/* --- sockets ------------------------------------------------------------ */

/* Hand-off between the client's SYN and the accepted socket. */
struct msp_flow_key {
    __u64 netns_cookie; /* 0 unless the server address is loopback */
    __u8 client_addr[16];
    __u8 server_addr[16];
    __u16 client_port; /* host order */
    __u16 server_port; /* host order */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_flow_key, 48);

struct msp_handoff {
    struct msp_mark mark;
    __u32 isn;        /* initial sequence number of the client's SYN */
    __u32 is_guarded; /* the fd guard wants the client's socket */
    __u64 made_ns;    /* CLOCK_MONOTONIC of the connect */
};

MSP_ASSERT_SIZE(msp_handoff, 216);

/* Where a process lives: what tells one container from another. */
struct msp_container {
    __u64 init_ns; /* CLOCK_BOOTTIME, start of its pid namespace's init */
    __u64 root_ino;
    __u32 root_dev; /* kernel encoding */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_container, 24);

/* What the fd guard has of a socket. */
enum msp_guard {
    MSP_GUARD_NONE = 0,
    MSP_GUARD_WANTED, /* `container` is known */
    MSP_GUARD_HAS,    /* it is in msp_fd_socks, and counted */
};

/*
 * Of a client's socket: who made its connection, and to where. Stays as long as
 * the connection; the mark in it is handed over once. Of one that was accepted
 * from an endpoint only addr, port and endpoint.
 */
struct msp_owner {
    enum msp_owner_kind kind;
    __u8 guard;     /* enum msp_guard */
    __u8 is_parked; /* its SYN waits for the listener, see parked.h */
    __u8 has_mark;  /* `mark` was not handed over yet */
    __u8 pad;
    __u32 isn;     /* of the SYN that carried the mark */
    __u32 retries; /* TCP_SYNCNT to go back to; 0 = it is as it was */
    __u64 made_ns; /* CLOCK_MONOTONIC of the connect */
    struct msp_container container; /* while `guard` is not MSP_GUARD_NONE */
    struct msp_mark mark;
};

MSP_ASSERT_SIZE(msp_owner, 248);

/* --- slots -------------------------------------------------------------- */

/* flags of msp_slot_meta */
#define MSP_SLOT_BOOTSTRAP      0x1u  /* no policy was ever given */
#define MSP_SLOT_BOOTSTRAP_DENY 0x2u  /* bootstrap, real root denied too */
#define MSP_SLOT_GROUP_DIM      0x4u  /* MSP_DIM_GROUP has rows */
#define MSP_SLOT_EXE_DIM        0x8u  /* some identity demands a file, */
#define MSP_SLOT_PROCESS_DIM    0x10u /* a base name, */
#define MSP_SLOT_CGROUP_DIM     0x20u /* a cgroup */
#define MSP_SLOT_FEW            0x40u /* `few` has all endpoints' addresses */
#define MSP_SLOT_CONTAINER_DIM  0x80u /* some identity demands a container */
/*
 * MSP_DIM_GID has no rows: all that are in any row are in its wildcard row. By
 * its absence, so that a slot filled by whoever does not know it is looked at.
 */
#define MSP_SLOT_NO_GID 0x100u

/*
 * Most policies are about few single IPv4 addresses. Who connects elsewhere
 * compares those and looks at no table.
 */
#define MSP_FEW 6

struct msp_slot_meta {
    __u64 generation; /* 0 = being refilled: deny */
    __u32 identity_epoch;
    __u32 flags;           /* MSP_SLOT_* */
    __u32 few_be[MSP_FEW]; /* IPv4, with MSP_SLOT_FEW; 0 = no more */
    __u8 digest[32];       /* SHA-256 of the image */
};

MSP_ASSERT_SIZE(msp_slot_meta, 72);

/* flags of msp_meta */
#define MSP_META_FD_GUARD 0x1u /* connections are their makers' alone */

/*
 * The only entry of msp_meta; mmap-ed by mspd, which stores each word
 * atomically. A reader takes `live` once and after its last table look-up
 * compares slot[live].generation with what it read first.
 */
struct msp_meta {
    __u32 live; /* slot in force, < MSP_SLOTS */
    __u32 proxy_uid;
    __u32 keeper_uid;
    __u32 root_dev; /* root directory of pid 1; kernel encoding */
    __u64 root_ino; /* 0 = unknown: nobody has an identity */
    __u64 agent_epoch;
    __u64 heartbeat_ns; /* CLOCK_MONOTONIC of mspd */
    /* CLOCK_REALTIME minus CLOCK_BOOTTIME, with each beat; 0 = unknown */
    __u64 real_offset_ns;
    /*
     * Exec records are kept for processes below this cgroup only, the one
     * mspd is attached to; 0 = for all. The level is its depth, root = 0.
     */
    __u64 scope_cgroup;
    __u32 scope_level;
    __u32 flags; /* MSP_META_* */
    /* first retransmission of a parked SYN, in the kernel's ticks */
    __u32 park_ticks;
    __u32 pad;
    __u64 netns_cookie; /* of the agent's own network namespace */
    __u64 seed;         /* of hashes of payers; made with the tables, not 0 */
    struct msp_slot_meta slot[MSP_SLOTS];
};

MSP_ASSERT_SIZE(msp_meta, 376);
/* in every layout: an mspd of another one ends the earlier proxy by it */
MSP_ASSERT_OFFSET(msp_meta, agent_epoch, 24);

/* Ports that belong to an endpoint of the slot; bit p%64 of word p/64. */
struct msp_ports {
    __u64 word[MSP_PORTS / 64];
};

MSP_ASSERT_SIZE(msp_ports, 8192);

/* LPM key. prefixlen counts 16 bits port, 16 bits zero, then address bits. */
struct msp_ep_key {
    __u32 prefixlen; /* 32..160 */
    __u16 port;      /* host order, matched whole */
    __u16 pad;
    __u8 addr[16];
};

MSP_ASSERT_SIZE(msp_ep_key, 24);
#define MSP_EP_KEY_FIXED_BITS 32

struct msp_ep_ref {
    __u32 endpoint;
};

MSP_ASSERT_SIZE(msp_ep_ref, 4);

/* flags of msp_endpoint */
#define MSP_EP_DEFAULT_ALLOW 0x1u
#define MSP_EP_SIGN          0x2u
#define MSP_EP_ROOT_GATE     0x4u

/* Fixed indexes of the built-in endpoints. */
enum msp_builtin {
    MSP_EP_IMDS = 0,
    MSP_EP_WIRESERVER,
    MSP_EP_HOSTGA,
    MSP_EP_BUILTINS,
};

/* Stands for no endpoint in audit keys and events. */
#define MSP_EP_NONE MSP_ENDPOINTS_MAX

/* A token bucket for each payer; per_second 0 = no limit, burst 0 then too. */
struct msp_rate_limit {
    __u32 per_second; /* requests, <= MSP_RATE_MAX */
    __u32 burst;      /* requests at once, 1..MSP_RATE_MAX */
};

MSP_ASSERT_SIZE(msp_rate_limit, 8);

struct msp_endpoint {
    char name[MSP_ENDPOINT_NAME_BYTES];
    enum msp_mode mode;
    enum msp_on_deny on_deny;
    __u32 flags;
    __u32 pad;
    struct msp_rate_limit rate;
    struct msp_idset reach;           /* assigned to any privilege at all */
    struct msp_idset lifts_root_gate; /* identities that name a container */
};

MSP_ASSERT_SIZE(msp_endpoint, 312);

/*
 * LPM key of a rule path. Text is canonical (lower case, no trailing slash).
 * An exact entry ends in its NUL, a prefix entry in '/', so that a rule for
 * /a/b covers /a/b and /a/b/c but not /a/bc. The root path has one entry "/".
 * prefixlen counts 32 bits endpoint, then the bits of the text with its NUL
 * or '/'. A request asks with its whole text and the NUL (or its first
 * MSP_PATH_KEY_BYTES bytes).
 */
struct msp_path_key {
    __u32 prefixlen;
    __u32 endpoint;
    char path[MSP_PATH_KEY_BYTES];
};

MSP_ASSERT_SIZE(msp_path_key, 256);
#define MSP_PATH_KEY_FIXED_BITS 32

/*
 * All privileges that cover a path, ancestors folded in. Rows
 * [first_cond, first_cond + n_conds) of msp_conds carry query pairs or
 * methods; the n_grants rows after them are unconditional, deepest path
 * first, and serve to name the privilege that won.
 */
struct msp_path_node {
    __u16 n_conds;
    __u16 n_grants;
    __u32 set; /* union of the unconditional grants' sets */
    __u32 first_cond;
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_path_node, 16);

struct msp_cond {
    __u16 pair[MSP_PRIV_PAIRS_MAX]; /* pair ids, n_pairs of them */
    __u16 methods;                  /* OR of enum msp_method; 0 = all */
    __u8 n_pairs;
    __u8 pad;
    __u32 set;       /* identities the privilege is assigned to */
    __u32 privilege; /* index for its name */
};

MSP_ASSERT_SIZE(msp_cond, 28);

/* SHA-256 over folded key, NUL, folded value; first 16 bytes. */
struct msp_pair_key {
    __u32 endpoint;
    __u8 hash[MSP_PAIR_HASH_BYTES];
};

MSP_ASSERT_SIZE(msp_pair_key, 20);

struct msp_pair_ref {
    __u32 id; /* < MSP_PAIRS_MAX */
};

MSP_ASSERT_SIZE(msp_pair_ref, 4);

struct msp_name {
    char text[MSP_NAME_BYTES];
};

MSP_ASSERT_SIZE(msp_name, 64);

/* --- executables, base names, cgroups ----------------------------------- */

/* flags of msp_exe_row */
#define MSP_EXE_ROW_OVERLAY 0x1u /* in the root of a container, on overlay */

/*
 * One file of the slot. Key: struct msp_exe. Wildcard bits are in both sets.
 * A file that is no longer what its path names is kept for the processes that
 * already ran it: a record counts only if exec_ns <= retired_ns. The numbers
 * can be another file's later: a record counts only if its ctime is not after
 * the last one seen under the path; `hashed` for that very ctime, not if young.
 * Rows of a live slot are replaced under the eyes of connects, and the memory
 * of a replaced one is another file's next: each is written with another stamp,
 * by mspd.
 */
struct msp_exe_row {
    struct msp_idset set;    /* identities that demand this file */
    struct msp_idset hashed; /* and with the contents it had at ctime */
    /* and with contents that are in msp_sha; no wildcard bits */
    struct msp_idset demands;
    __s64 ctime_sec;
    __u32 ctime_nsec;
    __u32 path;       /* index of MSP_SEC_EXES in the slot's image */
    __u64 retired_ns; /* CLOCK_BOOTTIME; 0 = current */
    __u64 stamp; /* never the same twice; 0: put in before the slot lived */
    __u32 flags; /* MSP_EXE_ROW_* */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_exe_row, 424);

/*
 * Cgroup patterns are one automaton over path segments. A cgroup's state is
 * found from its parent's and its own name when it is made: the edge of that
 * name, else the edge of the empty name (any segment), else none. The root
 * cgroup has state MSP_CG_ROOT. No row: no pattern can match there or below.
 */
#define MSP_CG_ROOT 0u

struct msp_cg_key {
    __u32 state;
    char name[MSP_CG_NAME_BYTES]; /* NUL-padded; empty: any other segment */
};

MSP_ASSERT_SIZE(msp_cg_key, 132);

/* Value of edges, and of the rows by cgroup id. */
struct msp_cg_ref {
    __u32 state;
};

MSP_ASSERT_SIZE(msp_cg_ref, 4);

/* Index: state. */
struct msp_cg_state {
    __u32 set; /* index of msp_sets; wildcard bits in */
};

MSP_ASSERT_SIZE(msp_cg_state, 4);

/* --- registered containers ---------------------------------------------- */

/*
 * A container is one cgroup and what is below it, known by the id of that
 * cgroup, its top. Key: id of any of its cgroups.
 */
struct msp_ctr_ref {
    __u64 top;
};

MSP_ASSERT_SIZE(msp_ctr_ref, 8);

/*
 * Identities whose demands on containers and pods one meets. Key: its top. No
 * row: none; the wildcard row counts. Replaced in a live slot, as msp_exe_row.
 */
struct msp_ctr_row {
    struct msp_idset set; /* wildcard bits in */
    __u64 stamp;          /* never the same twice */
};

MSP_ASSERT_SIZE(msp_ctr_row, 136);

#define MSP_CTR_ID_BYTES    72 /* 64 hex digits, the NUL */
#define MSP_CTR_TEXT_BYTES  64
#define MSP_CTR_IMAGE_BYTES 128

/* Key of a name: all of it, so prefixlen is MSP_CTR_KEY_BITS. */
struct msp_ctr_key {
    __u32 prefixlen;
    __u32 pad;
    __u64 cgroup_id; /* of the top */
};

MSP_ASSERT_SIZE(msp_ctr_key, 16);
#define MSP_CTR_KEY_BITS 96

/* For people: what a top is called. Longer texts are cut, between letters. */
struct msp_ctr_name {
    char id[MSP_CTR_ID_BYTES];
    char name[MSP_CTR_TEXT_BYTES];
    char image[MSP_CTR_IMAGE_BYTES];
    char pod_namespace[MSP_CTR_TEXT_BYTES];
    char pod_name[MSP_CTR_TEXT_BYTES];
};

MSP_ASSERT_SIZE(msp_ctr_name, 392);

/* --- authorize ---------------------------------------------------------- */

/* refusal: the canonicaliser's word on this request */
#define MSP_REFUSAL_NONE     0u
#define MSP_REFUSAL_SPELLING 1u
#define MSP_REFUSAL_RESERVED 2u

/*
 * One worker's page of msp_requests. The worker fills the upper part, runs
 * `authorize` with {slot} as context and reads the answer from the lower
 * part. All unused bytes of path and pairs are zero.
 */
struct msp_request {
    /* in */
    struct msp_mark mark;
    struct msp_path_key path; /* prefixlen and endpoint: set by the kernel */
    struct msp_pair_key pair[MSP_REQ_PAIRS_MAX]; /* endpoint: the kernel */
    __u32 path_len; /* text and NUL, 2..MSP_PATH_KEY_BYTES; longer: cut */
    __u32 n_pairs;
    __u32 method;     /* one enum msp_method bit */
    __u32 refusal;    /* MSP_REFUSAL_* */
    __u32 is_charged; /* asked again: its token was taken before */
    char audit_path[MSP_AUDIT_PATH_BYTES]; /* canonical path for the record */
    /* out */
    __u32 retry_after_s;      /* without a token: until there is one; else 0 */
    enum msp_verdict verdict; /* set to NONE by the worker before the call */
    enum msp_reason reason;
    enum msp_mode mode; /* of the endpoint */
    __u32 endpoint_flags;
    __u64 generation;
    __u64 agent_epoch;
    struct msp_name identity;  /* "-" for none */
    struct msp_name privilege; /* "-" for none */
    struct msp_name exe_name;  /* base name at exec, "-" for none known */
    char endpoint[MSP_ENDPOINT_NAME_BYTES];
    /* scratch of the kernel */
    __u64 pair_bits[MSP_PAIRS_MAX / 64];
    __u8 pad[MSP_REQUEST_PAGE_BYTES - 2016];
};

MSP_ASSERT_SIZE(msp_request, MSP_REQUEST_PAGE_BYTES);

/* Context of the program `authorize`. */
struct msp_authorize_ctx {
    __u32 slot; /* in: index into msp_requests */
    __u32 pad;
    __u64 pad2;
};

MSP_ASSERT_SIZE(msp_authorize_ctx, 16);

/* namespaces that wait for a listener, or have one */
#include <msp/parked.h>
/* what the programs leave behind, for whoever reads it */
#include <msp/audit.h>
/* and what those say that are run by hand */
#include <msp/facts.h>
