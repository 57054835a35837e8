/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The BPF object of mspd: loaded, its maps pinned or taken over from pins, its
 * `meta` page mapped. Attaching is attach.h, policy is tables.h, reading is
 * events.h. Nothing is ever opened by id: mspd lacks CAP_SYS_ADMIN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <msp/abi.h>

#include "loader/pins.h"

enum {
    MSP_WHY_BYTES = 768
};

/* Programs that stay: attached ones in order of attaching, then the others. */
enum msp_prog {
    MSP_PROG_EXEC = 0, /* tracepoints first: connect relies on their records */
    MSP_PROG_FORK,
    MSP_PROG_EXIT,
    MSP_PROG_MKDIR,
    MSP_PROG_RMDIR,
    MSP_PROG_CGROUP_LINKS, /* programs above trace, those below have a cgroup */
    MSP_PROG_SOCKOPS = MSP_PROG_CGROUP_LINKS,
    MSP_PROG_BIND4,
    MSP_PROG_BIND6,
    MSP_PROG_PEERNAME4,
    MSP_PROG_PEERNAME6,
    MSP_PROG_EGRESS,
    MSP_PROG_SENDMSG4,
    MSP_PROG_SENDMSG6,
    MSP_PROG_CONNECT6,
    MSP_PROG_CONNECT4, /* last link: with it all are in force */
    MSP_PROG_LINKS,    /* programs above have a link */
    MSP_PROG_AUTHORIZE = MSP_PROG_LINKS,
    MSP_PROG_UPLINK,    /* attached to devices, see uplink.h */
    MSP_PROG_UPLINK_L3, /* those without Ethernet headers */
    MSP_PROG_FD_GUARD,  /* attached to msp_fd_socks, see fdguard.h */
    MSP_PROG_COUNT,
};

/* Initialiser of an array of descriptors, one a link. */
#define MSP_NO_LINKS                    \
    {                                   \
        [0 ... MSP_PROG_LINKS - 1] = -1 \
    }

struct msp_bpf; /* the skeleton */
struct bpf_link;
struct ring_buffer;

struct msp_loader {
    struct msp_pins pins;
    struct msp_bpf *skel;  /* owned */
    struct msp_meta *meta; /* the live page; stores are atomic */
    bool is_reused;        /* links of an earlier mspd are in force */
    bool is_leftover;      /* pins that denied nobody were removed */
    uint64_t old_epoch;    /* agent_epoch found */
    int link_fd[MSP_PROG_LINKS];
    struct ring_buffer *ring;
    struct ring_buffer *park_ring;
    struct msp_tickets *tickets; /* the map's pages */
    uint64_t cgroups_left;       /* rows without room when last computed */
    uint64_t cgroups_dropped;    /* MSP_STAT_CGROUP_DROPPED at that time */
    char why[MSP_WHY_BYTES];     /* text of the last failure, for the log */
};

/* Names as pinned; NULL-terminated. */
extern const char *const msp_prog_names[MSP_PROG_COUNT + 1];
extern const char *const msp_link_names[MSP_PROG_LINKS + 1];

/*
 * Opens the pin tree, loads the object, reuses pinned maps when links are in
 * force, otherwise clears leftovers and pins new ones. Writes root and service
 * uids to meta; touches neither `live` nor the epoch.
 * @return 0; -EUCLEAN half-made tree; negative errno. `why` is set. Release
 *         with msp_loader_done in any case.
 */
int msp_loader_open(struct msp_loader *loader, const char *pin_dir,
                    uint32_t proxy_uid, uint32_t keeper_uid);

/* Closes everything; what is pinned stays in force. */
void msp_loader_done(struct msp_loader *loader);

/* @return fd of a live map by its pin name, borrowed; -1 unknown */
int msp_loader_map_fd(const struct msp_loader *loader, const char *name);

/*
 * A new read-only descriptor of a pinned map.
 * @return descriptor; negative errno
 */
int msp_loader_map_rdonly(const struct msp_loader *loader, const char *name);

/* @return fd of a program, borrowed */
int msp_loader_prog_fd(const struct msp_loader *loader, enum msp_prog prog);

void msp_loader_set_epoch(struct msp_loader *loader, uint64_t epoch);
void msp_loader_beat(struct msp_loader *loader, uint64_t now_ns);

/*
 * The object that is for this kernel, not loaded.
 * @return msp_bpf__destroy(); NULL errno is set
 */
struct msp_bpf *msp_loader_open_object(void);

/* Writes `why`. @return r */
int msp_loader_fail(struct msp_loader *loader, int r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
