/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the kernel would say to one caller's request, and why. The look-ups
 * are done here over the image, the decisions are those of decide.h. Names
 * are compared as texts: who has them on a host is not asked.
 */
#pragma once

#include <stdio.h>

#include <msp/canon.h>
#include <msp/container.h>
#include <msp/decide.h>
#include <msp/image.h>

/* What its container or pod has. */
struct explain_fact {
    enum msp_demand_kind kind;
    const char *key; /* of a label, [key_len]; else NULL */
    size_t key_len;
    const char *value;
};

#define EXPLAIN_FACTS_MAX (2 * MSP_CONTAINER_LABELS_MAX + MSP_DEMAND_COUNT)

struct explain_caller {
    bool has_uid;
    bool has_gid;
    bool is_root;                   /* real root; never in a container */
    bool is_container;              /* host names do not match then */
    uint32_t uid;                   /* effective */
    uint32_t gid;                   /* effective */
    const char *user;               /* name, or NULL */
    uint32_t group[MSP_GROUPS_MAX]; /* supplementary, [n_groups] */
    size_t n_groups;
    const char *group_name[MSP_GROUPS_MAX]; /* any of its groups, [n_names] */
    size_t n_names;
    char exe[MSP_EXE_PATH_BYTES]; /* canonical path of its file, or "" */
    const char *process;          /* its base name, or NULL */
    const char *cgroup;           /* path from the root, or NULL */
    bool has_sha256;
    uint8_t sha256[MSP_DIGEST_BYTES]; /* of the contents of its file */
    struct explain_fact fact[EXPLAIN_FACTS_MAX]; /* [n_facts] */
    size_t n_facts;
};

struct explain_query {
    struct explain_caller caller;
    uint32_t endpoint;  /* index in the image */
    uint32_t method;    /* one enum msp_method bit */
    const char *target; /* as a client sends it */
};

/* Why a privilege whose path covers the request did not allow it. */
enum explain_why {
    EXPLAIN_METHOD,       /* it is for other methods */
    EXPLAIN_QUERY,        /* the request lacks its query pair `pair` */
    EXPLAIN_NOT_ASSIGNED, /* it matched, but is none of the caller's */
    EXPLAIN_WHY_COUNT,
};

struct explain_row {
    const struct msp_cond *cond;
    enum explain_why why;
    uint32_t pair;
};

struct explain {
    enum msp_stage stage; /* that decided */
    enum msp_verdict verdict;
    enum msp_reason reason;
    struct msp_decision connect; /* NONE in mode disabled */
    struct msp_decision request; /* NONE if connect decided */
    enum msp_canon_code spelling;
    struct msp_canon canon; /* of the target, if spelling is OK */
    struct msp_idset ids;   /* the caller's */
    uint32_t privilege;     /* that allowed; MSP_NO_IDENTITY = none */
    uint32_t identity;      /* of the caller, that had the right */
    struct explain_row passed[MSP_NODE_CONDS_MAX]; /* in the order looked at */
    size_t n_passed;
};

/* @return 0; -EIO libcrypto failed */
int msp_explain(const struct msp_image *image,
                const struct explain_query *query, struct explain *ret);

bool msp_explain_is_allowed(const struct explain *explain);

/* What of a caller does not fit an identity. */
struct explain_unfit {
    uint32_t flag;        /* MSP_ID_ */
    const char *selector; /* as in the document; "container" of an
                             identity of the host: he is in one */
    bool is_given;        /* another one was said of him, else none at all */
};

#define EXPLAIN_UNFIT_MAX 13

/*
 * Why a caller is not an identity.
 * @param ret [EXPLAIN_UNFIT_MAX]
 * @return how many there are; 0 = he is
 */
size_t msp_explain_unfit(const struct msp_image *image,
                         const struct explain_caller *caller, uint32_t identity,
                         struct explain_unfit ret[EXPLAIN_UNFIT_MAX]);

/*
 * What an identity demands of the container, or of the pod, and a caller has
 * not: the next from `at` on.
 * @param of_pod MSP_ID_POD, else MSP_ID_CONTAINER
 * @param at 0 at first; moved
 * @param ret_is_given another one was said of him
 * @return borrowed from image; NULL = no more
 */
const struct msp_image_demand *
msp_explain_unmet(const struct msp_image *image,
                  const struct explain_caller *caller, uint32_t identity,
                  bool of_pod, uint32_t *at, bool *ret_is_given);

/* Both: @return 0; -EIO writing failed */
int msp_explain_print(const struct msp_image *image,
                      const struct explain_query *query,
                      const struct explain *explain, FILE *out);
int msp_explain_print_json(const struct msp_image *image,
                           const struct explain_query *query,
                           const struct explain *explain, FILE *out);
