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

#include <msp/abi.h>

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

struct doc_identity {
    doc_text name;
    uint32_t flags; /* MSP_ID_UID | ... */
    uint32_t uid;
    uint32_t gid;
    doc_text user;
    doc_text group;
    bool has_unsupported; /* selectors of a later version */
};

struct doc_assignment {
    doc_text role;
    struct doc_names identities;
};

struct doc_endpoint {
    bool is_present;
    enum msp_mode mode;
    bool default_allow;
    enum msp_on_deny on_deny;
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
    struct doc_endpoint endpoint[MSP_EP_BUILTINS];
};

/* The built-in endpoints as a document calls them. */
extern const char *const msp_doc_endpoint_name[MSP_EP_BUILTINS];

/* Upper-case name of one method bit, by bit number. */
#define DOC_METHODS 7
extern const char *const msp_doc_method_name[DOC_METHODS];

void msp_doc_done(struct policy_doc *doc);
