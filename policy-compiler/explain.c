/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "explain.h"

#include <errno.h>
#include <string.h>

#include <msp/cleanup.h>

#include "order.h"
#include "selector.h"

/* --- who calls ----------------------------------------------------------- */

static bool has_group(const struct explain_caller *caller, uint32_t gid)
{
    if (caller->has_gid && caller->gid == gid)
        return true;
    for (size_t i = 0; i < caller->n_groups; i++)
        if (caller->group[i] == gid)
            return true;
    return false;
}

static bool has_group_name(const struct explain_caller *caller,
                           const char *name)
{
    for (size_t i = 0; i < caller->n_names; i++)
        if (msp_streq(caller->group_name[i], name))
            return true;
    return false;
}

/* Whether the caller's cgroup is of a pattern. */
static bool is_in(const struct msp_image *image, uint32_t pattern_off,
                  const struct explain_caller *caller)
{
    return caller->cgroup &&
           msp_selector_covers(msp_image_string(image, pattern_off),
                               caller->cgroup);
}

static bool is_pods(uint32_t kind)
{
    return kind >= MSP_DEMAND_POD;
}

/* Whether a fact says something of that kind and key; "" of a text. */
static bool is_about(const struct explain_fact *fact, uint32_t kind,
                     const char *key)
{
    return fact->kind == kind && fact->key_len == strlen(key) &&
           (!fact->key || memcmp(fact->key, key, fact->key_len) == 0);
}

static bool has_fact(const struct msp_image *image,
                     const struct msp_image_demand *demand,
                     const struct explain_caller *caller)
{
    const char *key = msp_image_string(image, demand->key_off);

    for (size_t i = 0; i < caller->n_facts; i++) {
        const struct explain_fact *fact = &caller->fact[i];

        if (is_about(fact, demand->kind, key) &&
            msp_streq(fact->value, msp_image_string(image, demand->value_off)))
            return true;
    }
    return false;
}

/* Every demand of an identity on the container, or on the pod. */
static bool has_facts(const struct msp_image *image,
                      const struct msp_image_identity *id,
                      const struct explain_caller *caller, bool of_pod)
{
    for (uint32_t i = 0; i < id->n_demands; i++) {
        const struct msp_image_demand *demand =
            &image->demands[id->first_demand + i];

        if (is_pods(demand->kind) == of_pod && !has_fact(image, demand, caller))
            return false;
    }
    return caller->is_container;
}

/* @return whether the caller has what one selector of an identity demands */
static bool fits(const struct msp_image *image,
                 const struct msp_image_identity *id,
                 const struct explain_caller *caller, uint32_t selector)
{
    switch (selector) {
    case MSP_ID_HOST_ONLY:
        return !caller->is_container;
    case MSP_ID_UID:
        return caller->has_uid && caller->uid == id->uid;
    case MSP_ID_GID:
        return has_group(caller, id->gid);
    case MSP_ID_USER:
        return caller->user &&
               msp_streq(caller->user, msp_image_string(image, id->user_off));
    case MSP_ID_GROUP:
        return has_group_name(caller, msp_image_string(image, id->group_off));
    case MSP_ID_EXE:
        return msp_streq(
            caller->exe,
            msp_image_string(image, image->exes[id->exe].path_off));
    case MSP_ID_SHA256:
        return caller->has_sha256 &&
               memcmp(caller->sha256, id->sha256, sizeof(id->sha256)) == 0;
    case MSP_ID_PROCESS:
        return caller->process &&
               msp_streq(caller->process,
                         msp_image_string(image, id->process_off));
    case MSP_ID_CGROUP:
        return is_in(image, id->cgroup_off, caller);
    case MSP_ID_UNIT:
        return is_in(image, id->unit_off, caller);
    case MSP_ID_CONTAINER:
        return has_facts(image, id, caller, false);
    case MSP_ID_POD:
        return has_facts(image, id, caller, true);
    default:
        return false; /* nobody has it */
    }
}

/* As the kernel has it of a value without a row; nobody is in none. */
static struct msp_idset wildcards(const struct msp_image *image,
                                  uint32_t selectors)
{
    struct msp_idset set = {{0}};

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++)
        if (!(image->identities[i].flags & (selectors | MSP_ID_NOBODY)))
            set.word[i / 64] |= 1ull << (i % 64);
    return set;
}

static struct msp_idset process_set(const struct msp_image *image,
                                    const struct explain_caller *caller)
{
    for (uint32_t i = 0; caller->process && i < image->n[MSP_SEC_PROCESSES];
         i++)
        if (msp_streq(image->processes[i].name.text, caller->process))
            return image->processes[i].set;
    return wildcards(image, MSP_ID_PROCESS);
}

/* @param len of the name; 0 = the edge of any other segment */
static const struct msp_cg_ref *find_edge(const struct msp_image *image,
                                          uint32_t state, const char *name,
                                          size_t len)
{
    struct msp_cg_key key = {.state = state};

    if (len >= sizeof(key.name))
        return NULL; /* the kernel has no room for it either */
    memcpy(key.name, name, len);
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_EDGES]; i++)
        if (order_cg_key(&image->cg_edges[i].key, &key) == 0)
            return &image->cg_edges[i].to;
    return NULL;
}

/* From the root down, as rows are made when cgroups are. */
static struct msp_idset cgroup_set(const struct msp_image *image,
                                   const struct explain_caller *caller)
{
    const char *at = caller->cgroup, *name;
    bool has_row = at && image->n[MSP_SEC_CG_STATES] > 0;
    uint32_t state = MSP_CG_ROOT;
    size_t len;

    while (has_row && (len = msp_selector_next(&at, &name)) > 0) {
        const struct msp_cg_ref *to = find_edge(image, state, name, len);

        if (!to)
            to = find_edge(image, state, "", 0);
        has_row = to;
        if (to)
            state = to->state;
    }
    if (!has_row)
        return wildcards(image, MSP_ID_CGROUP | MSP_ID_UNIT);
    return image->sets[image->cg_states[state].set];
}

/* All selectors given must match, but for those that have rows. */
static bool is_identity(const struct msp_image *image,
                        const struct msp_image_identity *id,
                        const struct explain_caller *caller)
{
    static const uint32_t selector[] = {
        MSP_ID_HOST_ONLY, MSP_ID_UID,       MSP_ID_GID,
        MSP_ID_USER,      MSP_ID_GROUP,     MSP_ID_EXE,
        MSP_ID_SHA256,    MSP_ID_CONTAINER, MSP_ID_POD};

    for (size_t i = 0; i < ARRAY_SIZE(selector); i++)
        if (id->flags & selector[i] && !fits(image, id, caller, selector[i]))
            return false;
    return true;
}

static struct msp_idset find_ids(const struct msp_image *image,
                                 const struct explain_caller *caller)
{
    const struct msp_idset by_process = process_set(image, caller);
    const struct msp_idset by_cgroup = cgroup_set(image, caller);
    struct msp_idset ids = {{0}};

    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++)
        if (is_identity(image, &image->identities[i], caller))
            ids.word[i / 64] |= 1ull << (i % 64);
    for (size_t w = 0; w < MSP_IDSET_WORDS; w++)
        ids.word[w] &= by_process.word[w] & by_cgroup.word[w];
    return ids;
}

/* --- why somebody is not somebody ---------------------------------------- */

static bool has_any_fact(const struct explain_caller *caller, bool of_pod)
{
    for (size_t i = 0; i < caller->n_facts; i++)
        if (is_pods(caller->fact[i].kind) == of_pod)
            return true;
    return false;
}

static bool is_given(const struct explain_caller *caller, uint32_t selector)
{
    switch (selector) {
    case MSP_ID_UID:
        return caller->has_uid;
    case MSP_ID_GID:
        return caller->has_gid || caller->n_groups;
    case MSP_ID_USER:
        return caller->user;
    case MSP_ID_GROUP:
        return caller->n_names;
    case MSP_ID_EXE:
        return caller->exe[0];
    case MSP_ID_SHA256:
        return caller->has_sha256;
    case MSP_ID_PROCESS:
        return caller->process;
    case MSP_ID_CGROUP:
    case MSP_ID_UNIT:
        return caller->cgroup;
    case MSP_ID_CONTAINER:
        return has_any_fact(caller, false);
    case MSP_ID_POD:
        return has_any_fact(caller, true);
    default:
        return true;
    }
}

size_t msp_explain_unfit(const struct msp_image *image,
                         const struct explain_caller *caller, uint32_t identity,
                         struct explain_unfit ret[EXPLAIN_UNFIT_MAX])
{
    static const struct {
        uint32_t flag;
        const char *name;
    } selector[] = {
        {MSP_ID_NOBODY, "nobody"},
        {MSP_ID_HOST_ONLY, "container"},
        {MSP_ID_UID, "uid"},
        {MSP_ID_GID, "gid"},
        {MSP_ID_USER, "userName"},
        {MSP_ID_GROUP, "groupName"},
        {MSP_ID_EXE, "exePath"},
        {MSP_ID_SHA256, "exeSha256"},
        {MSP_ID_PROCESS, "processName"},
        {MSP_ID_CGROUP, "cgroup"},
        {MSP_ID_UNIT, "unit"},
        {MSP_ID_CONTAINER, "container"},
        {MSP_ID_POD, "pod"},
    };
    const struct msp_image_identity *id = &image->identities[identity];
    size_t n = 0;

    _Static_assert(ARRAY_SIZE(selector) == EXPLAIN_UNFIT_MAX, "selector");
    for (size_t i = 0; i < ARRAY_SIZE(selector); i++)
        if (id->flags & selector[i].flag &&
            !fits(image, id, caller, selector[i].flag))
            ret[n++] =
                (struct explain_unfit){selector[i].flag, selector[i].name,
                                       is_given(caller, selector[i].flag)};
    return n;
}

/* Whether he has a fact of that kind and key, whatever its value. */
static bool has_key(const struct msp_image *image,
                    const struct msp_image_demand *demand,
                    const struct explain_caller *caller)
{
    const char *key = msp_image_string(image, demand->key_off);

    for (size_t i = 0; i < caller->n_facts; i++)
        if (is_about(&caller->fact[i], demand->kind, key))
            return true;
    return false;
}

const struct msp_image_demand *
msp_explain_unmet(const struct msp_image *image,
                  const struct explain_caller *caller, uint32_t identity,
                  bool of_pod, uint32_t *at, bool *ret_is_given)
{
    const struct msp_image_identity *id = &image->identities[identity];

    while (*at < id->n_demands) {
        const struct msp_image_demand *demand =
            &image->demands[id->first_demand + (*at)++];

        if (is_pods(demand->kind) != of_pod || has_fact(image, demand, caller))
            continue;
        *ret_is_given = has_key(image, demand, caller);
        return demand;
    }
    return NULL;
}

/* --- what is asked ------------------------------------------------------- */

/* The longest prefix. */
static const struct msp_path_node *find_node(const struct msp_image *image,
                                             uint32_t endpoint,
                                             const struct msp_canon *canon)
{
    const struct msp_image_path *best = NULL;
    size_t len = canon->path.len + 1; /* with its NUL */

    for (uint32_t i = 0; i < image->n[MSP_SEC_PATHS]; i++) {
        const struct msp_image_path *row = &image->paths[i];
        size_t n = (row->key.prefixlen - MSP_PATH_KEY_FIXED_BITS) / 8;

        if (row->key.endpoint != endpoint || n > len ||
            memcmp(row->key.path, canon->path.ptr, n) != 0)
            continue;
        if (!best || row->key.prefixlen > best->key.prefixlen)
            best = row;
    }
    return best ? &best->node : NULL;
}

/* Which pairs of the policy the request has. @return 0; -EIO */
static int find_pairs(const struct msp_image *image, uint32_t endpoint,
                      const struct msp_canon *canon,
                      __u64 ret_bits[MSP_PAIRS_MAX / 64])
{
    for (size_t i = 0; i < canon->n_pairs; i++) {
        const struct msp_canon_pair *pair = &canon->pair[i];
        struct msp_pair_key key = {.endpoint = endpoint};
        int r = msp_canon_pair_hash(pair->key.ptr, pair->key.len,
                                    pair->value.ptr, pair->value.len, key.hash);

        if (r < 0)
            return r;
        for (uint32_t id = 0; id < image->n[MSP_SEC_PAIRS]; id++)
            if (order_pair(&image->pairs[id], &key) == 0)
                ret_bits[id / 64] |= 1ull << (id % 64);
    }
    return 0;
}

static void pass(struct explain *explain, const struct msp_cond *cond,
                 enum explain_why why, uint32_t pair)
{
    explain->passed[explain->n_passed++] =
        (struct explain_row){.cond = cond, .why = why, .pair = pair};
}

/* Notes why the conditions of a row do not hold. */
static void pass_unmet(struct explain *explain, const struct msp_cond *cond,
                       const __u64 *bits, uint32_t method)
{
    uint32_t i = 0;

    if (cond->methods && !(cond->methods & method)) {
        pass(explain, cond, EXPLAIN_METHOD, 0);
        return;
    }
    while (i + 1u < cond->n_pairs &&
           bits[cond->pair[i] / 64] >> (cond->pair[i] % 64) & 1)
        i++;
    pass(explain, cond, EXPLAIN_QUERY, cond->pair[i]);
}

/*
 * The rows of a node in the kernel's order: unconditional ones first, then
 * those with conditions. @param f matched and granted are set
 */
static void walk_node(const struct msp_image *image,
                      const struct msp_path_node *node,
                      const struct explain_query *query, const __u64 *bits,
                      struct msp_request_facts *f, struct explain *explain)
{
    uint32_t n = (uint32_t)node->n_conds + node->n_grants;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (i + node->n_conds) % n;
        const struct msp_cond *cond = &image->conds[node->first_cond + at];

        if (!msp_cond_holds(cond, bits, query->method)) {
            pass_unmet(explain, cond, bits, query->method);
            continue;
        }
        f->matched = true;
        explain->identity =
            msp_idset_first(&image->sets[cond->set], &explain->ids);
        if (explain->identity != MSP_NO_IDENTITY) {
            f->granted = true;
            explain->privilege = cond->privilege;
            return;
        }
        pass(explain, cond, EXPLAIN_NOT_ASSIGNED, 0);
    }
}

/* --- the verdict --------------------------------------------------------- */

static bool is_reserved(const struct msp_canon *canon)
{
    static const char prefix[] = "/secure-channel";
    size_t n = sizeof(prefix) - 1;

    return canon->path.len >= n && memcmp(canon->path.ptr, prefix, n) == 0 &&
           (canon->path.len == n || canon->path.ptr[n] == '/');
}

static uint32_t mark_flags(const struct explain_caller *caller)
{
    return (caller->is_root ? MSP_MARK_ROOT : 0) |
           (caller->is_container ? MSP_MARK_CONTAINER : 0);
}

/* With an agent that lives and listens. */
static struct msp_decision decide_connect(const struct msp_endpoint *ep,
                                          const struct explain_query *query,
                                          const struct msp_idset *ids)
{
    const struct msp_connect_facts f = {
        .mode = ep->mode,
        .ep_flags = ep->flags,
        .has_identity = true,
        .is_root = query->caller.is_root,
        .reaches = msp_idset_meets(ids, &ep->reach),
        .lifts = msp_idset_meets(ids, &ep->lifts_root_gate),
        .has_listener = true,
        .is_agent_fresh = true,
    };

    return msp_decide_connect(&f);
}

static void conclude(struct explain *explain, enum msp_stage stage,
                     struct msp_decision d)
{
    explain->stage = stage;
    explain->verdict = d.verdict;
    explain->reason = d.reason;
}

static void decide(const struct msp_endpoint *ep,
                   const struct explain_query *query,
                   const struct msp_request_facts *f, struct explain *explain)
{
    if (ep->mode == MSP_MODE_DISABLED) {
        conclude(explain, MSP_STAGE_CONNECT,
                 msp_decided(MSP_VERDICT_DIRECT, MSP_REASON_DISABLED));
        return;
    }
    explain->connect = decide_connect(ep, query, &explain->ids);
    conclude(explain, MSP_STAGE_CONNECT, explain->connect);
    if (explain->connect.verdict != MSP_VERDICT_ALLOW)
        return;
    explain->request = msp_decide_request(f);
    conclude(explain, MSP_STAGE_REQUEST, explain->request);
}

/* Only what led to the verdict stays. */
static void settle(const struct msp_endpoint *ep, struct explain *explain)
{
    if (explain->reason != MSP_REASON_PRIVILEGE) {
        explain->privilege = MSP_NO_IDENTITY;
        explain->identity = MSP_NO_IDENTITY;
    }
    if (explain->verdict != MSP_VERDICT_DIRECT)
        return;
    /* Nobody looks at the request: any right at all is enough. */
    explain->n_passed = 0;
    if (explain->reason == MSP_REASON_DIRECT_NOT_SIGNED)
        explain->identity = msp_idset_first(&explain->ids, &ep->reach);
}

int msp_explain(const struct msp_image *image,
                const struct explain_query *query, struct explain *ret)
{
    const struct msp_endpoint *ep = &image->endpoints[query->endpoint].ep;
    struct msp_request_facts f = {.mode = ep->mode,
                                  .ep_flags = ep->flags,
                                  .mark_flags = mark_flags(&query->caller)};
    const struct msp_path_node *node = NULL;
    __u64 bits[MSP_PAIRS_MAX / 64] = {0};
    int r;

    *ret = (struct explain){.privilege = MSP_NO_IDENTITY,
                            .identity = MSP_NO_IDENTITY,
                            .ids = find_ids(image, &query->caller)};
    ret->spelling =
        msp_canon_target(query->target, strlen(query->target), &ret->canon);
    if (ret->spelling != MSP_CANON_OK)
        f.refusal = MSP_REFUSAL_SPELLING;
    else if (is_reserved(&ret->canon))
        f.refusal = MSP_REFUSAL_RESERVED;
    else
        node = find_node(image, query->endpoint, &ret->canon);
    if (node) {
        r = find_pairs(image, query->endpoint, &ret->canon, bits);
        if (r < 0)
            return r;
        walk_node(image, node, query, bits, &f, ret);
    }
    f.lifts = msp_idset_meets(&ret->ids, &ep->lifts_root_gate);
    decide(ep, query, &f, ret);
    settle(ep, ret);
    return 0;
}

bool msp_explain_is_allowed(const struct explain *explain)
{
    return explain->verdict == MSP_VERDICT_ALLOW ||
           explain->verdict == MSP_VERDICT_AUDIT ||
           explain->verdict == MSP_VERDICT_DIRECT;
}
