/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the simulated host answers: the resources of the three endpoints, and
 * below /sim/ a few that misbehave on request. Knows nothing of signatures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

enum sim_endpoint {
    SIM_IMDS = 0,
    SIM_WIRESERVER,
    SIM_HOSTGA,
    SIM_ENDPOINTS
};

struct sim_answer {
    int status;
    const char *content_type; /* borrowed until the answer is composed */
    char *body;               /* owned, free() */
    size_t body_len;
    unsigned int delay_ms; /* before the answer is sent */
    bool is_hang_up;       /* close without an answer */
    bool is_chunked;
    char *headers;     /* owned, more header lines; NULL = none */
    bool has_own_date; /* among them */
    size_t cut;        /* bytes of the answer that are sent; 0 = all */
    bool is_stalled;   /* after these: stays open, says nothing */
    bool is_raw;       /* the body is the whole answer, head and all */
    bool is_closed;    /* close after it */
};

/* The name of an endpoint: "imds". */
const char *msp_sim_endpoint_name(enum sim_endpoint endpoint);

/* Parses the documents. @return 0; -EINVAL a document of ours is broken */
int msp_sim_tree_init(void);
void msp_sim_tree_done(void);

/*
 * The answer to one request.
 * @param ret zeroed by the caller; body is owned by the caller afterwards
 * @return 0; -ENOMEM
 */
int msp_sim_answer(enum sim_endpoint endpoint, const struct sim_request *req,
                   struct sim_answer *ret);

/* An answer of literal text. @return 0; -ENOMEM */
int msp_sim_answer_text(struct sim_answer *ret, int status,
                        const char *content_type, const char *text);

/* Modules of the tree; each answers for its endpoint. */
int msp_sim_imds(const struct sim_request *req, struct sim_answer *ret);
int msp_sim_imds_init(void);
void msp_sim_imds_done(void);
int msp_sim_wire(const struct sim_request *req, struct sim_answer *ret);
int msp_sim_hostga(const struct sim_request *req, struct sim_answer *ret);

/*
 * The value of a query key (ASCII case-insensitive), not decoded.
 * @return false if the key is absent
 */
bool msp_sim_query(const struct sim_request *req, const char *key,
                   struct sim_text *ret_value);
