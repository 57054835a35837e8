/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Third stage: a checked document to rules. References are bound, paths and
 * pairs are canonical, and a privilege knows the identities it is assigned
 * to; roles and assignments are gone. Host names stay names.
 */
#pragma once

#include <msp/image.h>

#include "doc.h"

struct rule_identity {
    doc_text name;
    uint32_t flags; /* MSP_ID_* */
    uint32_t uid;
    uint32_t gid;
    doc_text user;    /* NULL unless MSP_ID_USER */
    doc_text group;   /* NULL unless MSP_ID_GROUP */
    char *exe;        /* canonical, owned; NULL unless MSP_ID_EXE */
    doc_text process; /* NULL unless MSP_ID_PROCESS */
    char *cgroup;     /* canonical, owned; NULL unless MSP_ID_CGROUP */
    char *unit;       /* path of its cgroup, owned; NULL unless MSP_ID_UNIT */
    uint8_t sha256[MSP_DIGEST_BYTES]; /* zeros unless MSP_ID_SHA256 */
    struct doc_demand *demand;        /* [n_demands], owned; as in the image */
    size_t n_demands;
};

struct rule_privilege {
    doc_text name;
    uint32_t endpoint;
    uint32_t doc_index; /* in its endpoint's array */
    uint32_t n_pairs;
    uint32_t methods;  /* 0 = all */
    uint32_t path_len; /* without the NUL */
    char path[MSP_PATH_KEY_BYTES];
    struct msp_pair_key pair[MSP_PRIV_PAIRS_MAX];
    struct msp_idset set; /* identities it is assigned to */
};

struct rule_endpoint {
    const struct doc_endpoint *doc; /* borrowed: its name, where it is */
    enum msp_mode mode;
    enum msp_on_deny on_deny;
    struct msp_rate_limit rate;
    bool default_allow;
    doc_text id; /* "" for none */
    struct msp_idset reach;
};

struct policy_rules {
    struct rule_endpoint endpoint[MSP_ENDPOINTS_MAX];
    size_t n_endpoints;
    struct rule_identity *identity; /* [n_identities], owned; index = bit */
    size_t n_identities;
    struct rule_privilege *privilege; /* [n_privileges], owned */
    size_t n_privileges;
};

/*
 * @param doc passed msp_check() without an error; must outlive the rules
 * @param ret_rules msp_rules_done(), also after a failure
 * @return 0; -ENOMEM; -EIO libcrypto; -EINVAL the document was not checked
 */
int msp_resolve(const struct policy_doc *doc, struct policy_rules *ret_rules);

void msp_rules_done(struct policy_rules *rules);

/* a |= b */
static inline void msp_idset_add_all(struct msp_idset *a,
                                     const struct msp_idset *b)
{
    for (size_t i = 0; i < MSP_IDSET_WORDS; i++)
        a->word[i] |= b->word[i];
}
