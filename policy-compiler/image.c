/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The reader. It is the only parser of the root daemon, so it trusts nothing
 * that another check has not proved: first the frame (header, sections,
 * digest), then each section by itself, then what points where.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#include "cidr.h"
#include "image_check.h"
#include "order.h"
#include "utf8.h"

#define SECTION_ALIGN 8u

static const struct {
    uint32_t entry_bytes;
    uint32_t max;
} section_rule[] = {
    [MSP_SEC_STRINGS] = {1, MSP_IMAGE_BYTES_MAX},
    [MSP_SEC_ENDPOINTS] = {sizeof(struct msp_image_endpoint),
                           MSP_ENDPOINTS_MAX},
    [MSP_SEC_PREFIXES] = {sizeof(struct msp_image_prefix), MSP_PREFIXES_MAX},
    [MSP_SEC_IDENTITIES] = {sizeof(struct msp_image_identity),
                            MSP_IDENTITIES_MAX},
    [MSP_SEC_PRIVILEGES] = {sizeof(struct msp_image_privilege),
                            MSP_PRIVILEGES_MAX},
    [MSP_SEC_PATHS] = {sizeof(struct msp_image_path), MSP_PATHS_MAX},
    [MSP_SEC_SETS] = {sizeof(struct msp_idset), MSP_SETS_MAX},
    [MSP_SEC_CONDS] = {sizeof(struct msp_cond), MSP_CONDS_MAX},
    [MSP_SEC_PAIRS] = {sizeof(struct msp_pair_key), MSP_PAIRS_MAX},
    [MSP_SEC_EXES] = {sizeof(struct msp_image_exe), MSP_EXES_MAX},
    [MSP_SEC_PROCESSES] = {sizeof(struct msp_image_process), MSP_PROCESSES_MAX},
    [MSP_SEC_CG_STATES] = {sizeof(struct msp_cg_state), MSP_CG_STATES_MAX},
    [MSP_SEC_CG_EDGES] = {sizeof(struct msp_image_cg_edge), MSP_CG_EDGES_MAX},
    [MSP_SEC_DEMANDS] = {sizeof(struct msp_image_demand), MSP_DEMANDS_MAX},
};

_Static_assert(ARRAY_SIZE(section_rule) == MSP_SEC_COUNT, "section_rule");

bool msp_image_is_zero(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++)
        if (b[i])
            return false;
    return true;
}

int msp_image_text_len(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    if (n == size || !msp_image_is_zero(text + n, size - n))
        return -1;
    return (int)n;
}

static bool is_section_end(const uint8_t *bytes, uint64_t from, uint64_t to)
{
    return msp_image_is_zero(bytes + from, to - from);
}

/* Sections stand in order, back to back, each aligned, zeros between. */
static int check_frame(const struct msp_image_header *header, size_t len,
                       const char **reterr_why)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint64_t at = sizeof(*header);

    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const struct msp_image_section *s = &header->section[i];
        uint64_t end, next;

        if (s->entry_bytes != section_rule[i].entry_bytes)
            return msp_image_fail(reterr_why, -EINVAL, "section entry size");
        if (s->count > section_rule[i].max)
            return msp_image_fail(reterr_why, -E2BIG,
                                  "section count over its limit");
        if (s->offset != at)
            return msp_image_fail(reterr_why, -EINVAL, "section offset");
        end = at + (uint64_t)s->count * s->entry_bytes;
        next = (end + SECTION_ALIGN - 1) & ~(uint64_t)(SECTION_ALIGN - 1);
        if (next > len)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "section beyond the image");
        if (!is_section_end(bytes, end, next))
            return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
        at = next;
    }
    if (at != len)
        return msp_image_fail(reterr_why, -EINVAL,
                              "bytes after the last section");
    return 0;
}

static int check_header(const void *bytes, size_t len, const char **reterr_why)
{
    const struct msp_image_header *header = bytes;
    uint8_t digest[MSP_DIGEST_BYTES];

    if (!bytes || (uintptr_t)bytes % SECTION_ALIGN)
        return msp_image_fail(reterr_why, -EINVAL, "image not aligned");
    if (len < sizeof(*header))
        return msp_image_fail(reterr_why, -EINVAL, "shorter than a header");
    if (header->magic != MSP_IMAGE_MAGIC)
        return msp_image_fail(reterr_why, -EPROTO, "not a policy image");
    if (header->endian != MSP_IMAGE_ENDIAN)
        return msp_image_fail(reterr_why, -EPROTO,
                              "image of another byte order");
    if (header->version != MSP_IMAGE_VERSION)
        return msp_image_fail(reterr_why, -EPROTONOSUPPORT, "image version");
    if (len > MSP_IMAGE_BYTES_MAX)
        return msp_image_fail(reterr_why, -E2BIG, "image over its size limit");
    if (header->total_bytes != len)
        return msp_image_fail(reterr_why, -EINVAL,
                              "length differs from the header");
    if (msp_image_digest(bytes, len, digest) < 0)
        return msp_image_fail(reterr_why, -EBADMSG,
                              "digest could not be computed");
    if (memcmp(digest, header->digest, sizeof(digest)) != 0)
        return msp_image_fail(reterr_why, -EBADMSG, "digest differs");
    return check_frame(header, len, reterr_why);
}

static void bind_sections(const struct msp_image_header *header,
                          struct msp_image *image)
{
    const char *base = (const char *)header;
    const void *at[MSP_SEC_COUNT];

    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        at[i] = base + header->section[i].offset;
        image->n[i] = header->section[i].count;
    }
    image->header = header;
    image->strings = at[MSP_SEC_STRINGS];
    image->endpoints = at[MSP_SEC_ENDPOINTS];
    image->prefixes = at[MSP_SEC_PREFIXES];
    image->identities = at[MSP_SEC_IDENTITIES];
    image->privileges = at[MSP_SEC_PRIVILEGES];
    image->paths = at[MSP_SEC_PATHS];
    image->sets = at[MSP_SEC_SETS];
    image->conds = at[MSP_SEC_CONDS];
    image->pairs = at[MSP_SEC_PAIRS];
    image->exes = at[MSP_SEC_EXES];
    image->processes = at[MSP_SEC_PROCESSES];
    image->cg_states = at[MSP_SEC_CG_STATES];
    image->cg_edges = at[MSP_SEC_CG_EDGES];
    image->demands = at[MSP_SEC_DEMANDS];
}

static int check_strings(const struct msp_image *image, const char **reterr_why)
{
    uint32_t n = image->n[MSP_SEC_STRINGS];
    const char *s = image->strings;

    if (n == 0 || s[0] != '\0' || s[n - 1] != '\0')
        return msp_image_fail(reterr_why, -EINVAL,
                              "string table not terminated");
    if (!utf8_valid(s, n))
        return msp_image_fail(reterr_why, -EINVAL, "string not UTF-8");
    for (uint32_t i = 0; i < n; i++)
        if ((s[i] > 0 && s[i] < 0x20) || s[i] == 0x7f)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "control byte in a string");
    return 0;
}

int msp_image_check_string(const struct msp_image *image, uint32_t off,
                           bool may_be_empty, size_t max,
                           const char **reterr_why)
{
    size_t len;

    if (off >= image->n[MSP_SEC_STRINGS])
        return msp_image_fail(reterr_why, -EINVAL, "string offset");
    if (off > 0 && image->strings[off - 1] != '\0')
        return msp_image_fail(reterr_why, -EINVAL,
                              "string offset inside a string");
    len = strlen(image->strings + off);
    if (len == 0 && !may_be_empty)
        return msp_image_fail(reterr_why, -EINVAL, "string empty");
    if (len > max)
        return msp_image_fail(reterr_why, -E2BIG, "string too long");
    return 0;
}

static int check_set(const struct msp_image *image, const struct msp_idset *set,
                     const char **reterr_why)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];

    for (uint32_t i = 0; i < MSP_IDSET_WORDS; i++) {
        uint32_t first = i * 64;
        uint64_t legal = n >= first + 64 ? ~0ull
                         : n > first     ? (1ull << (n - first)) - 1
                                         : 0;

        if (set->word[i] & ~legal)
            return msp_image_fail(reterr_why, -EINVAL, "set names no identity");
    }
    return 0;
}

static int check_sets(const struct msp_image *image, const char **reterr_why)
{
    if (image->n[MSP_SEC_SETS] == 0 ||
        !msp_image_is_zero(&image->sets[0], sizeof(image->sets[0])))
        return msp_image_fail(reterr_why, -EINVAL, "set 0 not empty");
    for (uint32_t i = 0; i < image->n[MSP_SEC_SETS]; i++) {
        int r = check_set(image, &image->sets[i], reterr_why);

        if (r < 0)
            return r;
    }
    return 0;
}

static const char *const builtin_name[] = {
    [MSP_EP_IMDS] = "imds",
    [MSP_EP_WIRESERVER] = "wireserver",
    [MSP_EP_HOSTGA] = "hostga",
};
_Static_assert(ARRAY_SIZE(builtin_name) == MSP_EP_BUILTINS, "builtin_name");

/* Built-in ones stand first, the others after them in order of their names. */
static int check_endpoint_name(const struct msp_image *image, uint32_t i,
                               const char **reterr_why)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const char *name = image->endpoints[i].ep.name;

    if (msp_image_text_len(name, sizeof(image->endpoints[i].ep.name)) <= 0 ||
        name[0] == '-' || name[strspn(name, alphabet)])
        return msp_image_fail(reterr_why, -EINVAL, "endpoint name");
    if (i < MSP_EP_BUILTINS && !msp_streq(name, builtin_name[i]))
        return msp_image_fail(reterr_why, -EINVAL, "built-in endpoint missing");
    for (uint32_t j = 0; i >= MSP_EP_BUILTINS && j < MSP_EP_BUILTINS; j++)
        if (msp_streq(name, builtin_name[j]))
            return msp_image_fail(reterr_why, -EINVAL, "endpoint name twice");
    if (i > MSP_EP_BUILTINS &&
        strcmp(image->endpoints[i - 1].ep.name, name) >= 0)
        return msp_image_fail(reterr_why, -EINVAL, "endpoints not sorted");
    return 0;
}

/* What a built-in endpoint is never without, and what only it has. */
static bool has_own_flags(const struct msp_endpoint *ep, uint32_t i)
{
    const uint32_t fixed = MSP_EP_SIGN | MSP_EP_ROOT_GATE;

    if (i >= MSP_EP_BUILTINS)
        return !(ep->flags & MSP_EP_ROOT_GATE);
    return (ep->flags & fixed) == (i == MSP_EP_IMDS ? MSP_EP_SIGN : fixed);
}

/* None at all, or one that counts requests the agent sees. */
static bool is_rate(const struct msp_endpoint *ep)
{
    const struct msp_rate_limit *rate = &ep->rate;

    if (rate->per_second == 0)
        return rate->burst == 0;
    return rate->per_second <= MSP_RATE_MAX && rate->burst > 0 &&
           rate->burst <= MSP_RATE_MAX && ep->flags & MSP_EP_SIGN;
}

static int check_endpoint(const struct msp_image *image, uint32_t i,
                          const char **reterr_why)
{
    const struct msp_image_endpoint *row = &image->endpoints[i];
    const uint32_t flags =
        MSP_EP_DEFAULT_ALLOW | MSP_EP_SIGN | MSP_EP_ROOT_GATE;
    /* Out of the type: an enum beyond its range must not be compared. */
    uint32_t mode = (uint32_t)row->ep.mode;
    uint32_t on_deny = (uint32_t)row->ep.on_deny;
    int r;

    r = check_endpoint_name(image, i, reterr_why);
    if (r < 0)
        return r;
    if (mode == MSP_MODE_NONE || mode >= MSP_MODE_COUNT)
        return msp_image_fail(reterr_why, -EINVAL, "endpoint mode");
    if (on_deny == MSP_ON_DENY_NONE || on_deny >= MSP_ON_DENY_COUNT)
        return msp_image_fail(reterr_why, -EINVAL, "endpoint on-deny");
    if (row->ep.flags & ~flags || !has_own_flags(&row->ep, i))
        return msp_image_fail(reterr_why, -EINVAL, "endpoint flags");
    if (!is_rate(&row->ep))
        return msp_image_fail(reterr_why, -EINVAL, "endpoint rate limit");
    if (row->ep.pad || row->pad)
        return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
    r = check_set(image, &row->ep.reach, reterr_why);
    if (r < 0)
        return r;
    return msp_image_check_string(image, row->id_off, true,
                                  MSP_STRING_BYTES_MAX, reterr_why);
}

static int check_endpoints(const struct msp_image *image,
                           const char **reterr_why)
{
    if (image->n[MSP_SEC_ENDPOINTS] < MSP_EP_BUILTINS)
        return msp_image_fail(reterr_why, -EINVAL, "built-in endpoint missing");
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        int r = check_endpoint(image, i, reterr_why);

        if (r < 0)
            return r;
    }
    return 0;
}

/* One row by itself. */
static int check_prefix(const struct msp_image *image,
                        const struct msp_image_prefix *row,
                        const char **reterr_why)
{
    const struct msp_ep_key *key = &row->key;
    uint32_t bits = key->prefixlen - MSP_EP_KEY_FIXED_BITS;
    struct cidr cidr = {.bits = (uint8_t)bits};

    if (key->prefixlen < MSP_EP_KEY_FIXED_BITS || bits > 128)
        return msp_image_fail(reterr_why, -EINVAL, "address prefix length");
    if (!msp_cidr_is_masked(key->addr, bits))
        return msp_image_fail(reterr_why, -EINVAL,
                              "address bits beyond the prefix");
    if (msp_cidr_reserved(key->addr, bits))
        return msp_image_fail(reterr_why, -EINVAL, "address reserved");
    if (key->port == 0)
        return msp_image_fail(reterr_why, -EINVAL, "port 0");
    if (key->port >= MSP_PORT_FIRST && key->port <= MSP_PORT_LAST)
        return msp_image_fail(reterr_why, -EINVAL,
                              "port of the agent's listeners");
    if (key->pad)
        return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
    if (row->endpoint >= image->n[MSP_SEC_ENDPOINTS])
        return msp_image_fail(reterr_why, -EINVAL, "endpoint index");
    memcpy(cidr.addr, key->addr, sizeof(cidr.addr));
    if (image->endpoints[row->endpoint].ep.flags & MSP_EP_SIGN &&
        !msp_cidr_is_ipv4(&cidr))
        return msp_image_fail(reterr_why, -EINVAL, "signed endpoint not IPv4");
    return 0;
}

/* Every built-in endpoint at its own address alone, the others somewhere. */
static int check_places(const struct msp_image *image, const char **reterr_why)
{
    uint32_t n[MSP_ENDPOINTS_MAX] = {0};

    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        const struct msp_image_prefix *row = &image->prefixes[i];

        n[row->endpoint]++;
        if (row->endpoint < MSP_EP_BUILTINS &&
            memcmp(&row->key, &msp_cidr_builtin[row->endpoint],
                   sizeof(row->key)) != 0)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "built-in endpoint moved");
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++)
        if (n[i] == 0)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "endpoint without an address");
    return 0;
}

static int check_prefixes(const struct msp_image *image,
                          const char **reterr_why)
{
    const struct msp_ep_key *widest = NULL;

    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        const struct msp_ep_key *key = &image->prefixes[i].key;
        int r = check_prefix(image, &image->prefixes[i], reterr_why);

        if (r < 0)
            return r;
        if (i > 0 && order_prefix(&image->prefixes[i - 1].key, key) >= 0)
            return msp_image_fail(reterr_why, -EINVAL, "prefixes not sorted");
        /* Sorted: what covers a prefix stands before it. */
        if (widest && widest->port == key->port &&
            msp_cidr_overlap(widest->addr,
                             widest->prefixlen - MSP_EP_KEY_FIXED_BITS,
                             key->addr, key->prefixlen - MSP_EP_KEY_FIXED_BITS))
            return msp_image_fail(reterr_why, -EINVAL, "prefixes overlap");
        widest = key;
    }
    return check_places(image, reterr_why);
}

static int check_privileges(const struct msp_image *image,
                            const char **reterr_why)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_PRIVILEGES]; i++) {
        const struct msp_image_privilege *row = &image->privileges[i];
        int r;

        if (row->endpoint >= image->n[MSP_SEC_ENDPOINTS])
            return msp_image_fail(reterr_why, -EINVAL, "endpoint index");
        r = msp_image_check_string(image, row->name_off, false,
                                   MSP_NAME_BYTES - 1, reterr_why);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_pairs(const struct msp_image *image, const char **reterr_why)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_PAIRS]; i++) {
        const struct msp_pair_key *key = &image->pairs[i];

        if (key->endpoint >= image->n[MSP_SEC_ENDPOINTS])
            return msp_image_fail(reterr_why, -EINVAL, "endpoint index");
        if (i > 0 && order_pair(key - 1, key) >= 0)
            return msp_image_fail(reterr_why, -EINVAL, "pairs not sorted");
    }
    return 0;
}

static int check_cond(const struct msp_image *image,
                      const struct msp_cond *cond, const char **reterr_why)
{
    uint32_t endpoint;

    if (cond->privilege >= image->n[MSP_SEC_PRIVILEGES])
        return msp_image_fail(reterr_why, -EINVAL, "privilege index");
    if (cond->set >= image->n[MSP_SEC_SETS])
        return msp_image_fail(reterr_why, -EINVAL, "set index");
    if (cond->methods & ~MSP_METHOD_ALL)
        return msp_image_fail(reterr_why, -EINVAL, "method bits");
    if (cond->pad)
        return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
    if (cond->n_pairs > MSP_PRIV_PAIRS_MAX)
        return msp_image_fail(reterr_why, -E2BIG, "pairs of a condition");
    endpoint = image->privileges[cond->privilege].endpoint;
    for (uint32_t i = 0; i < MSP_PRIV_PAIRS_MAX; i++) {
        uint16_t id = cond->pair[i];

        if (i >= cond->n_pairs) {
            if (id)
                return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
            continue;
        }
        if (id >= image->n[MSP_SEC_PAIRS] ||
            image->pairs[id].endpoint != endpoint)
            return msp_image_fail(reterr_why, -EINVAL, "pair index");
        if (i > 0 && cond->pair[i - 1] >= id)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "pairs of a condition unsorted");
    }
    return 0;
}

static int check_conds(const struct msp_image *image, const char **reterr_why)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_CONDS]; i++) {
        int r = check_cond(image, &image->conds[i], reterr_why);

        if (r < 0)
            return r;
    }
    return 0;
}

/* Canonical text, and its end agrees with the prefix length. */
static int check_path_key(const struct msp_image *image,
                          const struct msp_path_key *key,
                          const char **reterr_why)
{
    uint32_t bits = key->prefixlen - MSP_PATH_KEY_FIXED_BITS;
    uint32_t n = bits / 8;

    if (key->endpoint >= image->n[MSP_SEC_ENDPOINTS])
        return msp_image_fail(reterr_why, -EINVAL, "endpoint index");
    if (key->prefixlen < MSP_PATH_KEY_FIXED_BITS || bits % 8 || n == 0 ||
        n > MSP_PATH_KEY_BYTES)
        return msp_image_fail(reterr_why, -EINVAL, "path prefix length");
    if (!msp_image_is_zero(key->path + n, MSP_PATH_KEY_BYTES - n))
        return msp_image_fail(reterr_why, -EINVAL,
                              "path bytes beyond the prefix");
    if (key->path[0] != '/' ||
        (key->path[n - 1] != '\0' && key->path[n - 1] != '/'))
        return msp_image_fail(reterr_why, -EINVAL,
                              "path neither exact nor prefix");
    if (key->path[n - 1] == '\0' && (n < 3 || key->path[n - 2] == '/'))
        return msp_image_fail(reterr_why, -EINVAL, "path text");
    for (uint32_t i = 0; i < n; i++) {
        char c = key->path[i];

        if (c == '\0' && i == n - 1)
            continue;
        if (c < 0x20 || (unsigned char)c >= 0x7f || (c >= 'A' && c <= 'Z') ||
            (c == '/' && i > 0 && key->path[i - 1] == '/'))
            return msp_image_fail(reterr_why, -EINVAL, "path text");
    }
    return 0;
}

/* The node's rows: in range, of its endpoint, each of the kind it claims. */
static int check_path_node(const struct msp_image *image,
                           const struct msp_image_path *row,
                           const char **reterr_why)
{
    const struct msp_path_node *node = &row->node;
    uint32_t n = (uint32_t)node->n_conds + node->n_grants;
    struct msp_idset all = {{0}};

    if (node->pad)
        return msp_image_fail(reterr_why, -EINVAL, "padding not zero");
    if (n > MSP_NODE_CONDS_MAX)
        return msp_image_fail(reterr_why, -E2BIG, "conditions of a path");
    if ((uint64_t)node->first_cond + n > image->n[MSP_SEC_CONDS])
        return msp_image_fail(reterr_why, -EINVAL, "condition range");
    if (node->set >= image->n[MSP_SEC_SETS])
        return msp_image_fail(reterr_why, -EINVAL, "set index");
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_cond *cond = &image->conds[node->first_cond + i];
        bool is_cond = cond->n_pairs > 0 || cond->methods != 0;

        if (image->privileges[cond->privilege].endpoint != row->key.endpoint)
            return msp_image_fail(reterr_why, -EINVAL,
                                  "privilege of another endpoint");
        if (is_cond != (i < node->n_conds))
            return msp_image_fail(reterr_why, -EINVAL,
                                  "condition among the grants");
        if (is_cond)
            continue;
        for (uint32_t w = 0; w < MSP_IDSET_WORDS; w++)
            all.word[w] |= image->sets[cond->set].word[w];
    }
    if (memcmp(&all, &image->sets[node->set], sizeof(all)) != 0)
        return msp_image_fail(reterr_why, -EINVAL,
                              "set differs from its grants");
    return 0;
}

static int check_paths(const struct msp_image *image, const char **reterr_why)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_PATHS]; i++) {
        const struct msp_image_path *row = &image->paths[i];
        int r = check_path_key(image, &row->key, reterr_why);

        if (r < 0)
            return r;
        if (i > 0 && order_path(&image->paths[i - 1].key, &row->key) >= 0)
            return msp_image_fail(reterr_why, -EINVAL, "paths not sorted");
        r = check_path_node(image, row, reterr_why);
        if (r < 0)
            return r;
    }
    return 0;
}

int msp_image_open(const void *bytes, size_t len, struct msp_image *ret_image,
                   const char **reterr_why)
{
    /* In this order: each may use what the ones before it have proved. */
    static int (*const check[])(const struct msp_image *, const char **) = {
        check_strings,
        check_sets,
        check_endpoints,
        check_prefixes,
        msp_image_check_exes,
        msp_image_check_identities,
        msp_image_check_demands,
        msp_image_check_processes,
        msp_image_check_cgroups,
        check_privileges,
        check_pairs,
        check_conds,
        check_paths,
    };
    struct msp_image image = {0};
    const char *why = "";
    int r = check_header(bytes, len, &why);

    if (r == 0)
        bind_sections(bytes, &image);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(check); i++)
        r = check[i](&image, &why);
    if (r < 0) {
        *reterr_why = why;
        return r;
    }
    *ret_image = image;
    return 0;
}

const char *msp_image_string(const struct msp_image *image, uint32_t off)
{
    /* fail closed: no caller gets a pointer out of the table */
    if (off >= image->n[MSP_SEC_STRINGS])
        return "";
    return image->strings + off;
}
