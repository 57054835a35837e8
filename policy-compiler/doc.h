/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A policy document as it stands: typed, but no name looked up yet. Every
 * text is borrowed from `root`. Places are not stored: the index of a thing
 * in its array gives its JSON pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

#include "cidr.h"
#include "report.h"

struct json_t;

/* A text that may hold anything but NUL; NULL = missing or of a wrong type. */
typedef const char *doc_text;

struct doc_names {
    doc_text *item; /* [n], owned */
    size_t n;
};

struct doc_pair {
    doc_text key;
    doc_text value;
};

struct doc_privilege {
    doc_text name;
    doc_text path;
    struct doc_pair *pair; /* [n_pairs], owned */
    size_t n_pairs;
    uint32_t methods; /* OR of enum msp_method, 0 = all */
};

struct doc_role {
    doc_text name;
    struct doc_names privileges;
};

/* One text that a container or its pod must have. */
struct doc_demand {
    enum msp_demand_kind kind;
    doc_text key; /* of a label, else NULL */
    doc_text value;
};

struct doc_identity {
    doc_text name;
    uint32_t flags; /* MSP_ID_UID | ... */
    uint32_t uid;
    uint32_t gid;
    doc_text user;
    doc_text group;
    doc_text exe; /* this one and those below: NULL also if reported */
    doc_text process;
    doc_text sha256;
    doc_text cgroup;
    doc_text unit;
    struct doc_demand *demand; /* [n_demands], owned; of container and pod */
    size_t n_demands;
    bool has_unknown; /* members nobody knows */
};

struct doc_assignment {
    doc_text role;
    struct doc_names identities;
};

struct doc_endpoint {
    doc_text name;   /* of the endpoint */
    doc_text parent; /* pointer of what holds the item */
    doc_text member; /* of the parent; NULL = the parent is the item */
    bool is_present;
    bool is_copy; /* of the endpoint before it: its faults are known */
    bool is_custom;
    bool sign;
    struct cidr *address; /* [n_addresses], owned; only custom ones */
    size_t n_addresses;
    uint16_t *port; /* [n_ports], owned, no two alike, none is 0 */
    size_t n_ports;
    enum msp_mode mode;
    bool default_allow;
    enum msp_on_deny on_deny;
    struct msp_rate_limit rate;
    doc_text id;
    struct doc_privilege *privilege; /* [n_privileges], owned, as all here */
    size_t n_privileges;
    struct doc_role *role;
    size_t n_roles;
    struct doc_identity *identity;
    size_t n_identities;
    struct doc_assignment *assignment;
    size_t n_assignments;
};

struct policy_doc {
    struct json_t *root; /* owned */
    bool is_platform;    /* not of the native form */
    struct doc_endpoint endpoint[MSP_ENDPOINTS_MAX]; /* custom: by name */
    size_t n_endpoints;                              /* >= MSP_EP_BUILTINS */
};

/* The built-in endpoints as a document calls them. */
extern const char *const msp_doc_endpoint_name[MSP_EP_BUILTINS];

/* Upper-case name of one method bit, by bit number. */
#define DOC_METHODS 7
extern const char *const msp_doc_method_name[DOC_METHODS];

/* The JSON pointer of an endpoint's item. */
void msp_doc_place(const struct doc_endpoint *endpoint, struct place *ret);

void msp_doc_done(struct policy_doc *doc);
