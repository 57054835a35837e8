/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Small policies and requests over a tight alphabet, so that paths nest,
 * queries overlap and identities collide, and a naive matcher that walks the
 * rules as design section 4 words them. Shares no source with the compiler or
 * the kernel's lines.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NAIVE_PRIVS  12
#define NAIVE_ROLES  5
#define NAIVE_IDS    8
#define NAIVE_GROUPS 3

struct naive_pair {
    unsigned int key, value;
};

struct naive_privilege {
    char path[128];
    struct naive_pair pair[2];
    unsigned int n_pairs;
    uint32_t methods; /* 0 = all */
};

/* One endpoint's rules, as the document states them. */
struct naive_rules {
    const char *endpoint;
    bool is_root_gated;
    bool is_default_allow;
    bool is_audit;
    struct naive_privilege priv[NAIVE_PRIVS];
    bool role_has[NAIVE_ROLES][NAIVE_PRIVS];
    int uid[NAIVE_IDS]; /* -1 = any */
    int gid[NAIVE_IDS]; /* -1 = any */
    bool assigned[NAIVE_ROLES][NAIVE_IDS];
};

struct naive_caller {
    int uid;
    int gid[NAIVE_GROUPS];
    bool is_root;
};

struct naive_request {
    char path[256]; /* canonical */
    struct naive_pair pair[3];
    unsigned int n_pairs;
    uint32_t method;
};

/* The program's own source of decisions: one of n. */
unsigned int naive_pick(unsigned int n);

extern const char *const naive_keys[];
extern const char *const naive_values[];

void naive_random_rules(struct naive_rules *r);
/* As a document of the native form. */
void naive_print_rules(FILE *f, const struct naive_rules *r);
/* Its index in the image. */
unsigned int naive_endpoint(const struct naive_rules *r);
void naive_random_caller(struct naive_caller *c);
void naive_random_request(struct naive_request *q);
bool naive_identity_fits(const struct naive_rules *r, int id,
                         const struct naive_caller *c);
/* What the rules say; mode is not looked at. */
bool naive_allows(const struct naive_rules *r, const struct naive_caller *c,
                  const struct naive_request *q);
