/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "check_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#include "order.h"

/* One address with one port. */
struct claim {
    struct msp_ep_key key;
    const struct doc_endpoint *endpoint; /* borrowed */
    size_t index;                        /* in its addresses */
};

static void place_address(const struct doc_endpoint *endpoint, size_t index,
                          struct place *ret)
{
    msp_doc_place(endpoint, ret);
    (void)msp_place_push(ret, "addresses");
    (void)msp_place_push_index(ret, index);
}

static void check_reach(const struct doc_endpoint *endpoint,
                        struct report *report)
{
    for (size_t i = 0; i < endpoint->n_addresses; i++) {
        const struct cidr *cidr = &endpoint->address[i];
        const char *reserved;
        struct place place;

        if (!cidr->is_right)
            continue;
        place_address(endpoint, i, &place);
        reserved = msp_cidr_reserved(cidr->addr, cidr->bits);
        if (reserved)
            msp_report_error(report, MSP_DIAG_ADDRESS, place.text,
                             "an address of another host",
                             "one that covers %s addresses", reserved);
        if (endpoint->sign && !msp_cidr_is_ipv4(cidr))
            msp_report_error(report, MSP_DIAG_ADDRESS, place.text,
                             "IPv4, or sign:false",
                             "IPv6, where the agent cannot sign");
    }
}

static size_t count_claims(const struct policy_doc *doc)
{
    size_t n = MSP_EP_BUILTINS;

    /* No product can wrap: both come from arrays of one small document. */
    for (size_t i = MSP_EP_BUILTINS; i < doc->n_endpoints; i++)
        n += doc->endpoint[i].n_addresses * doc->endpoint[i].n_ports;
    return n;
}

static int compare_claims(const void *a, const void *b)
{
    const struct claim *ca = a, *cb = b;
    int r = order_prefix(&ca->key, &cb->key);

    if (r == 0 && ca->endpoint != cb->endpoint)
        r = ca->endpoint < cb->endpoint ? -1 : 1;
    return r ? r : order_u32((uint32_t)ca->index, (uint32_t)cb->index);
}

/* @param ret [count_claims()] sorted, a covering one before what it covers */
static size_t make_claims(const struct policy_doc *doc, struct claim *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        ret[n++] = (struct claim){.key = msp_cidr_builtin[i],
                                  .endpoint = &doc->endpoint[i]};
    for (size_t i = MSP_EP_BUILTINS; i < doc->n_endpoints; i++) {
        const struct doc_endpoint *e = &doc->endpoint[i];

        for (size_t j = 0; j < e->n_addresses * e->n_ports; j++) {
            const struct cidr *cidr = &e->address[j / e->n_ports];
            struct claim claim = {
                .key = {.prefixlen = MSP_EP_KEY_FIXED_BITS + cidr->bits,
                        .port = e->port[j % e->n_ports]},
                .endpoint = e,
                .index = j / e->n_ports};

            memcpy(claim.key.addr, cidr->addr, sizeof(claim.key.addr));
            /* What is refused anyway is not counted against others. */
            if (cidr->is_right && !msp_cidr_reserved(cidr->addr, cidr->bits))
                ret[n++] = claim;
        }
    }
    qsort(ret, n, sizeof(*ret), compare_claims);
    return n;
}

static bool covers(const struct claim *a, const struct claim *b)
{
    return a->key.port == b->key.port &&
           msp_cidr_overlap(
               a->key.addr, a->key.prefixlen - MSP_EP_KEY_FIXED_BITS,
               b->key.addr, b->key.prefixlen - MSP_EP_KEY_FIXED_BITS);
}

/* At the custom one of the two; of two custom ones, at the narrower. */
static void report_overlap(struct report *report, const struct claim *wide,
                           const struct claim *narrow)
{
    const struct claim *at = narrow->endpoint->is_custom ? narrow : wide;
    const struct claim *other = at == narrow ? wide : narrow;
    struct place place;

    place_address(at->endpoint, at->index, &place);
    msp_report_error(report, MSP_DIAG_OVERLAP, place.text,
                     "an address of one endpoint, given once",
                     "one that %s has as well, with port %u",
                     msp_report_shown(other->endpoint->name).text,
                     other->key.port);
}

int msp_check_addresses(const struct policy_doc *doc, struct report *report)
{
    size_t n = count_claims(doc), widest = 0;
    msp_autofree struct claim *claim = NULL;

    for (size_t i = MSP_EP_BUILTINS; i < doc->n_endpoints; i++)
        check_reach(&doc->endpoint[i], report);
    if (n > MSP_PREFIXES_MAX) {
        msp_report_error(report, MSP_DIAG_LIMIT, "/endpoints",
                         "at most 1024 addresses, each counted per port", "%zu",
                         n);
        return 0;
    }
    claim = calloc(n, sizeof(*claim));
    if (!claim)
        return -ENOMEM;
    n = make_claims(doc, claim);
    for (size_t i = 1; i < n; i++) {
        if (covers(&claim[widest], &claim[i]))
            report_overlap(report, &claim[widest], &claim[i]);
        else
            widest = i;
    }
    return 0;
}
