/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/naive.h"

#include <string.h>

#include <msp/abi.h>
#include <msp/cleanup.h>

static const char *const words[] = {"metadata", "instance", "instancex",
                                    "identity", "a",        "b"};
const char *const naive_keys[] = {"comp", "resource", "v"};
const char *const naive_values[] = {"goalstate", "certificates", "1", ""};

static const struct {
    const char *name;
    uint32_t bit;
} methods[] = {{"GET", MSP_METHOD_GET},
               {"POST", MSP_METHOD_POST},
               {"PUT", MSP_METHOD_PUT}};

/* In the order of their indexes; WireServer and HostGA are for root only. */
static const struct {
    const char *name;
    bool is_root_gated;
    const char *members;
} endpoints[] = {
    {"imds", false, ""},
    {"wireserver", true, ""},
    {"hostga", true, ""},
    {"own", false,
     "\"addresses\":[\"10.9.0.0/16\"],\"ports\":[81],\"sign\":true,"},
};

static void random_path(char *path, size_t size, unsigned int most)
{
    unsigned int n = naive_pick(most + 1);
    size_t len = 0;

    path[0] = '\0';
    for (unsigned int i = 0; i < n; i++)
        len += (size_t)snprintf(path + len, size - len, "/%s",
                                words[naive_pick(ARRAY_SIZE(words))]);
    if (!n)
        (void)snprintf(path, size, "/");
}

/* Distinct naive_keys, as both a rule and a request must have. */
static unsigned int random_pairs(struct naive_pair *pair, unsigned int most)
{
    unsigned int n = naive_pick(most + 1),
                 first = naive_pick(ARRAY_SIZE(naive_keys));

    for (unsigned int i = 0; i < n; i++) {
        pair[i].key = (first + i) % ARRAY_SIZE(naive_keys);
        pair[i].value = naive_pick(ARRAY_SIZE(naive_values));
    }
    return n;
}

void naive_random_rules(struct naive_rules *r)
{
    unsigned int e = naive_pick(ARRAY_SIZE(endpoints));

    memset(r, 0, sizeof(*r));
    r->endpoint = endpoints[e].name;
    r->is_root_gated = endpoints[e].is_root_gated;
    r->is_default_allow = naive_pick(2);
    r->is_audit = naive_pick(4) == 0;
    for (int p = 0; p < NAIVE_PRIVS; p++) {
        random_path(r->priv[p].path, sizeof(r->priv[p].path), 3);
        r->priv[p].n_pairs =
            naive_pick(2) ? random_pairs(r->priv[p].pair, 2) : 0;
        for (unsigned int n = naive_pick(6); n == 1 || n == 2; n--)
            r->priv[p].methods |= methods[naive_pick(ARRAY_SIZE(methods))].bit;
    }
    for (int i = 0; i < NAIVE_IDS; i++) {
        r->uid[i] = naive_pick(3) ? (int)naive_pick(3) : -1;
        r->gid[i] = r->uid[i] < 0 || naive_pick(2) ? (int)naive_pick(3) : -1;
    }
    for (int role = 0; role < NAIVE_ROLES; role++) {
        for (int p = 0; p < NAIVE_PRIVS; p++)
            r->role_has[role][p] = naive_pick(4) == 0;
        r->role_has[role][naive_pick(NAIVE_PRIVS)] = true;
        if (naive_pick(4) == 0)
            continue; /* a role nobody has */
        for (int i = 0; i < NAIVE_IDS; i++)
            r->assigned[role][i] = naive_pick(3) == 0;
        r->assigned[role][naive_pick(NAIVE_IDS)] = true;
    }
}

/* --- the document ------------------------------------------------------- */

static void print_privileges(FILE *f, const struct naive_rules *r)
{
    for (int p = 0; p < NAIVE_PRIVS; p++) {
        const struct naive_privilege *v = &r->priv[p];

        (void)fprintf(f, "%s{\"name\":\"p%d\",\"path\":\"%s\"", p ? "," : "", p,
                      v->path);
        if (v->n_pairs) {
            (void)fprintf(f, ",\"queryParameters\":{");
            for (unsigned int i = 0; i < v->n_pairs; i++)
                (void)fprintf(f, "%s\"%s\":\"%s\"", i ? "," : "",
                              naive_keys[v->pair[i].key],
                              naive_values[v->pair[i].value]);
            (void)fprintf(f, "}");
        }
        if (v->methods) {
            const char *comma = ",\"methods\":[";

            for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
                if (!(v->methods & methods[m].bit))
                    continue;
                (void)fprintf(f, "%s\"%s\"", comma, methods[m].name);
                comma = ",";
            }
            (void)fprintf(f, "]");
        }
        (void)fprintf(f, "}");
    }
}

/* A JSON list of "<prefix><i>" for every i that is set. */
static void print_names(FILE *f, char prefix, const bool *set, int n)
{
    const char *comma = "";

    for (int i = 0; i < n; i++) {
        if (!set[i])
            continue;
        (void)fprintf(f, "%s\"%c%d\"", comma, prefix, i);
        comma = ",";
    }
}

static bool is_held(const struct naive_rules *r, int role)
{
    for (int i = 0; i < NAIVE_IDS; i++)
        if (r->assigned[role][i])
            return true;
    return false;
}

unsigned int naive_endpoint(const struct naive_rules *r)
{
    unsigned int e = 0;

    while (strcmp(endpoints[e].name, r->endpoint) != 0)
        e++;
    return e;
}

void naive_print_rules(FILE *f, const struct naive_rules *r)
{
    const char *comma = "";

    (void)fprintf(f,
                  "{\"version\":1,\"endpoints\":{\"%s\":{%s\"mode\":\"%s\","
                  "\"defaultAccess\":\"%s\",\"id\":\"t\",\"rules\":{"
                  "\"privileges\":[",
                  r->endpoint, endpoints[naive_endpoint(r)].members,
                  r->is_audit ? "audit" : "enforce",
                  r->is_default_allow ? "allow" : "deny");
    print_privileges(f, r);
    (void)fprintf(f, "],\"roles\":[");
    for (int role = 0; role < NAIVE_ROLES; role++) {
        (void)fprintf(f, "%s{\"name\":\"r%d\",\"privileges\":[",
                      role ? "," : "", role);
        print_names(f, 'p', r->role_has[role], NAIVE_PRIVS);
        (void)fprintf(f, "]}");
    }
    (void)fprintf(f, "],\"identities\":[");
    for (int i = 0; i < NAIVE_IDS; i++) {
        (void)fprintf(f, "%s{\"name\":\"i%d\"", i ? "," : "", i);
        if (r->uid[i] >= 0)
            (void)fprintf(f, ",\"uid\":%d", r->uid[i]);
        if (r->gid[i] >= 0)
            (void)fprintf(f, ",\"gid\":%d", r->gid[i]);
        (void)fprintf(f, "}");
    }
    (void)fprintf(f, "],\"roleAssignments\":[");
    for (int role = 0; role < NAIVE_ROLES; role++) {
        if (!is_held(r, role))
            continue;
        (void)fprintf(f, "%s{\"role\":\"r%d\",\"identities\":[", comma, role);
        print_names(f, 'i', r->assigned[role], NAIVE_IDS);
        (void)fprintf(f, "]}");
        comma = ",";
    }
    (void)fprintf(f, "]}}}}");
}

/* --- the naive matcher -------------------------------------------------- */

bool naive_identity_fits(const struct naive_rules *r, int id,
                         const struct naive_caller *c)
{
    bool has_gid = r->gid[id] < 0;

    if (r->uid[id] >= 0 && r->uid[id] != c->uid)
        return false;
    for (int g = 0; g < NAIVE_GROUPS; g++)
        has_gid |= r->gid[id] == c->gid[g];
    return has_gid;
}

/* "/a/b" covers "/a/b" and "/a/b/c", not "/a/bc"; "/" covers all. */
static bool path_covers(const char *rule, const char *path)
{
    size_t len = strlen(rule);

    if (strcmp(rule, "/") == 0)
        return true;
    return !strncmp(rule, path, len) && (!path[len] || path[len] == '/');
}

static bool privilege_fits(const struct naive_privilege *p,
                           const struct naive_request *q)
{
    if (!path_covers(p->path, q->path))
        return false;
    if (p->methods && !(p->methods & q->method))
        return false;
    for (unsigned int i = 0; i < p->n_pairs; i++) {
        bool found = false;

        for (unsigned int j = 0; j < q->n_pairs; j++)
            found |= q->pair[j].key == p->pair[i].key &&
                     q->pair[j].value == p->pair[i].value;
        if (!found)
            return false;
    }
    return true;
}

static bool is_granted(const struct naive_rules *r, int priv,
                       const struct naive_caller *c)
{
    for (int role = 0; role < NAIVE_ROLES; role++) {
        if (!r->role_has[role][priv])
            continue;
        for (int i = 0; i < NAIVE_IDS; i++)
            if (r->assigned[role][i] && naive_identity_fits(r, i, c))
                return true;
    }
    return false;
}

bool naive_allows(const struct naive_rules *r, const struct naive_caller *c,
                  const struct naive_request *q)
{
    bool matched = false;

    if (r->is_root_gated && !c->is_root)
        return false;
    for (int p = 0; p < NAIVE_PRIVS; p++) {
        if (!privilege_fits(&r->priv[p], q))
            continue;
        matched = true;
        if (is_granted(r, p, c))
            return true;
    }
    return matched ? false : r->is_default_allow;
}

void naive_random_caller(struct naive_caller *c)
{
    c->is_root = naive_pick(2);
    c->uid = c->is_root ? 0 : (int)naive_pick(3);
    for (int g = 0; g < NAIVE_GROUPS; g++)
        c->gid[g] = (int)naive_pick(5);
}

void naive_random_request(struct naive_request *q)
{
    memset(q, 0, sizeof(*q));
    random_path(q->path, sizeof(q->path), 4);
    q->n_pairs = random_pairs(q->pair, 3);
    q->method = methods[naive_pick(ARRAY_SIZE(methods))].bit;
}
