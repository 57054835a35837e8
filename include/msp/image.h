/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The compiled policy ("image") and its reader. The reader is total: any
 * bytes give either a checked view or an error, and a checked view can be
 * indexed without further tests. It is the only parser the daemon has.
 *
 * An image is one header, a table of sections and the sections. It is
 * canonical: the same policy gives the same bytes on every host, since host
 * names of users and groups stay names. Byte order is that of the host that
 * compiled it; another order is refused by `endian`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <msp/abi.h>

#define MSP_IMAGE_MAGIC  0x4547414d4950534dull /* "MSPIMAGE" in memory, LE */
#define MSP_IMAGE_ENDIAN 0x01020304u
#define MSP_DIGEST_BYTES 32

enum msp_section {
    MSP_SEC_STRINGS = 0, /* bytes: NUL-terminated UTF-8, first one empty */
    MSP_SEC_ENDPOINTS,   /* struct msp_image_endpoint */
    MSP_SEC_PREFIXES,    /* struct msp_image_prefix, sorted by key */
    MSP_SEC_IDENTITIES,  /* struct msp_image_identity; index = bit */
    MSP_SEC_PRIVILEGES,  /* struct msp_image_privilege */
    MSP_SEC_PATHS,       /* struct msp_image_path, sorted by key */
    MSP_SEC_SETS,        /* struct msp_idset; set 0 is empty */
    MSP_SEC_CONDS,       /* struct msp_cond */
    MSP_SEC_PAIRS,       /* struct msp_pair_key, sorted; index = pair id */
    MSP_SEC_EXES,        /* struct msp_image_exe, sorted by path */
    MSP_SEC_PROCESSES,   /* struct msp_image_process, sorted by name */
    MSP_SEC_CG_STATES,   /* struct msp_cg_state; state 0 = root cgroup */
    MSP_SEC_CG_EDGES,    /* struct msp_image_cg_edge, sorted by key */
    MSP_SEC_DEMANDS,     /* struct msp_image_demand, by identity, sorted */
    MSP_SEC_COUNT,
};

struct msp_image_section {
    uint64_t offset; /* from the start of the image, multiple of 8 */
    uint32_t count;
    uint32_t entry_bytes;
};

struct msp_image_header {
    uint64_t magic;
    uint32_t endian;
    uint32_t version;
    uint64_t total_bytes;
    uint8_t digest[MSP_DIGEST_BYTES]; /* SHA-256, this field as zeros */
    struct msp_image_section section[MSP_SEC_COUNT];
};

struct msp_image_endpoint {
    struct msp_endpoint ep;
    uint32_t id_off; /* the item's "id", empty string for none */
    uint32_t pad;
};

struct msp_image_prefix {
    struct msp_ep_key key;
    uint32_t endpoint;
};

/* flags of msp_image_identity: which selectors are given */
#define MSP_ID_UID       0x01u
#define MSP_ID_GID       0x02u
#define MSP_ID_USER      0x04u
#define MSP_ID_GROUP     0x08u
#define MSP_ID_EXE       0x10u   /* exePath */
#define MSP_ID_PROCESS   0x20u   /* processName */
#define MSP_ID_CGROUP    0x40u   /* cgroup */
#define MSP_ID_UNIT      0x80u   /* unit, a cgroup outside containers */
#define MSP_ID_SHA256    0x400u  /* exeSha256, only with exePath */
#define MSP_ID_NOBODY    0x800u  /* a selector that cannot match here */
#define MSP_ID_HOST_ONLY 0x100u  /* matches only outside containers */
#define MSP_ID_EVERYBODY 0x200u  /* no selector: matches every caller */
#define MSP_ID_CONTAINER 0x1000u /* container, matches only in one */
#define MSP_ID_POD       0x2000u /* pod, as above */

struct msp_image_identity {
    uint32_t name_off;
    uint32_t flags;
    uint32_t uid;
    uint32_t gid;
    uint32_t user_off;    /* host user name, resolved when applied */
    uint32_t group_off;   /* host group name, resolved when applied */
    uint32_t exe;         /* index of MSP_SEC_EXES, with MSP_ID_EXE */
    uint32_t process_off; /* base name, with MSP_ID_PROCESS */
    uint32_t cgroup_off;  /* canonical pattern, with MSP_ID_CGROUP */
    uint32_t unit_off;    /* canonical cgroup of the unit, with MSP_ID_UNIT */
    uint8_t sha256[MSP_DIGEST_BYTES]; /* with MSP_ID_SHA256 */
    /* MSP_SEC_DEMANDS [first_demand, + n_demands), of container and pod; those
     * of the identities follow one another */
    uint32_t first_demand;
    uint32_t n_demands;
};

/* What a demand is about; those of pods follow those of containers. */
enum msp_demand_kind {
    MSP_DEMAND_CONTAINER_ID = 0,
    MSP_DEMAND_CONTAINER_NAME,
    MSP_DEMAND_CONTAINER_LABEL,
    MSP_DEMAND_POD_NAMESPACE,
    MSP_DEMAND_POD_NAME,
    MSP_DEMAND_POD_ACCOUNT,
    MSP_DEMAND_POD_LABEL,
    MSP_DEMAND_COUNT,
};

#define MSP_DEMAND_POD MSP_DEMAND_POD_NAMESPACE /* the first of a pod */

/* A text the caller's container must have; sorted by kind, then key. */
struct msp_image_demand {
    uint32_t kind;      /* enum msp_demand_kind */
    uint32_t key_off;   /* of a label; else 0 */
    uint32_t value_off; /* compared byte by byte */
};

/* flags of msp_image_exe */
#define MSP_EXE_HASHED 0x1u /* some identity demands its contents */
#define MSP_EXE_HOST   0x2u /* some identity demands it in the host's root */
#define MSP_EXE_INSIDE 0x4u /* one with a container: in that one's root */

/* One executable file, known by its path until it is resolved. */
struct msp_image_exe {
    uint32_t path_off;
    uint32_t flags;
};

/* Identities that demand a base name, with those that demand none. */
struct msp_image_process {
    struct msp_name name;
    struct msp_idset set;
};

struct msp_image_cg_edge {
    struct msp_cg_key key;
    struct msp_cg_ref to;
};

struct msp_image_privilege {
    uint32_t name_off;
    uint32_t endpoint;
};

struct msp_image_path {
    struct msp_path_key key; /* endpoint and prefixlen filled in */
    struct msp_path_node node;
};

/* A checked view; pointers are borrowed from the bytes it was opened on. */
struct msp_image {
    const struct msp_image_header *header;
    const char *strings;
    const struct msp_image_endpoint *endpoints;
    const struct msp_image_prefix *prefixes;
    const struct msp_image_identity *identities;
    const struct msp_image_privilege *privileges;
    const struct msp_image_path *paths;
    const struct msp_idset *sets;
    const struct msp_cond *conds;
    const struct msp_pair_key *pairs;
    const struct msp_image_exe *exes;
    const struct msp_image_process *processes;
    const struct msp_cg_state *cg_states; /* empty: no pattern at all */
    const struct msp_image_cg_edge *cg_edges;
    const struct msp_image_demand *demands;
    uint32_t n[MSP_SEC_COUNT]; /* entries of each section */
};

/*
 * Checks `bytes` and fills *ret_image.
 * @param bytes aligned to 8, [len]; must outlive the view
 * @param reterr_why set on failure to a static text naming the first fault
 * @return 0; -EPROTO bad magic or byte order; -EPROTONOSUPPORT version;
 *         -EBADMSG digest; -E2BIG over a limit; -EINVAL anything else
 */
int msp_image_open(const void *bytes, size_t len, struct msp_image *ret_image,
                   const char **reterr_why);

/*
 * An image that an earlier version left, version 3, in the format of today; to
 * be opened like any other, it is not checked.
 * @param bytes [len], aligned to 8
 * @param ret_bytes [ret_len] free()
 * @return 0; -EPROTONOSUPPORT no image, or of another version; -EBADMSG its
 *         digest differs; -EINVAL its sections cannot be; -ENOMEM; -EIO
 */
int msp_image_carry(const void *bytes, size_t len, char **ret_bytes,
                    size_t *ret_len);

/* The text at a string offset of a checked view. */
const char *msp_image_string(const struct msp_image *image, uint32_t off);

/*
 * SHA-256 of an image with its digest field as zeros.
 * @param bytes [len], len >= sizeof(struct msp_image_header)
 * @return 0; -EINVAL too short; -EIO libcrypto failed
 */
int msp_image_digest(const void *bytes, size_t len,
                     uint8_t ret_digest[MSP_DIGEST_BYTES]);

/* Lower-case hex with NUL. */
void msp_digest_hex(const uint8_t digest[MSP_DIGEST_BYTES],
                    char ret_hex[2 * MSP_DIGEST_BYTES + 1]);
