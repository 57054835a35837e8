/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The patterns are first a tree by their segments, so that what they share at
 * the front is one position. Then all positions are followed at once: a state
 * is the set of positions a cgroup has, and whose subtree it is in.
 */
#include "cgroup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "intern.h"
#include "selector.h"

/* One segment; no bytes = any. */
struct segment {
    const char *text; /* [len], borrowed */
    size_t len;       /* < MSP_CG_NAME_BYTES */
};

struct split {
    const struct cgroup_pattern *pattern;
    struct segment segment[MSP_CG_SEGMENTS_MAX];
    size_t n;
    bool is_subtree;
};

/* A position in patterns: they are followed so far. */
struct node {
    struct segment segment; /* from its parent */
    uint32_t child;         /* the first, in order of segments; 0 = none */
    uint32_t next;          /* sibling; 0 = none */
    size_t first;           /* splits that end here stand in a row, */
    size_t n_exact;         /* those of the cgroup itself first, */
    size_t n_subtree;       /* then those of all below it, too */
};

/* What makes a state; compared as bytes. */
struct state_key {
    struct msp_idset subtree;       /* identities that have all below here */
    uint32_t node[MSP_CG_LIVE_MAX]; /* [n], ascending; zeros beyond */
    uint64_t n;
};

struct state {
    struct state_key key;
    uint32_t from; /* a state with an edge to it; itself = the root */
    struct segment segment;
};

struct builder {
    struct report *report;
    struct split *split; /* [n_splits], owned, sorted */
    size_t n_splits;
    struct node *node; /* [n_nodes], owned; 0 = the root */
    size_t n_nodes;
    struct state *state; /* [n_states], owned; stays where it is */
    size_t n_states;
    struct intern states;           /* key -> index */
    struct msp_image_cg_edge *edge; /* [n_edges], owned */
    size_t n_edges, edge_cap;
    bool is_over; /* a limit was reported */
};

static void builder_done(struct builder *b)
{
    free(b->split);
    free(b->node);
    free(b->state);
    msp_intern_done(&b->states);
    free(b->edge);
}

void msp_cgroup_done(struct cgroup_automaton *automaton)
{
    free(automaton->state);
    free(automaton->edge);
    *automaton = (struct cgroup_automaton){0};
}

/* --- the tree ------------------------------------------------------------ */

static void split_pattern(const struct cgroup_pattern *pattern,
                          struct split *ret)
{
    const char *at = pattern->text, *text;
    size_t len;

    ret->pattern = pattern;
    while ((len = msp_selector_next(&at, &text)) > 0) {
        if (len == 2 && memcmp(text, "**", 2) == 0)
            ret->is_subtree = true;
        else if (len == 1 && text[0] == '*')
            ret->segment[ret->n++] = (struct segment){text, 0};
        else
            ret->segment[ret->n++] = (struct segment){text, len};
    }
}

/* As names with their NULs compare in the image. */
static int compare_segments(const struct segment *a, const struct segment *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int r = memcmp(a->text, b->text, n);

    return r ? r : (a->len > b->len) - (a->len < b->len);
}

static size_t shared_segments(const struct split *a, const struct split *b)
{
    size_t i = 0;

    while (i < a->n && i < b->n &&
           compare_segments(&a->segment[i], &b->segment[i]) == 0)
        i++;
    return i;
}

/* A prefix before what goes on from it, exact ones before subtrees. */
static int compare_splits(const void *x, const void *y)
{
    const struct split *a = x, *b = y;
    size_t i = shared_segments(a, b);

    if (i < a->n && i < b->n)
        return compare_segments(&a->segment[i], &b->segment[i]);
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return a->is_subtree - b->is_subtree;
}

/*
 * Adds what a split has beyond the one before it.
 * @param path [0..n] nodes of the split before it, becomes that of this one
 * @param n_shared segments it has in common with that
 */
static void add_split(struct builder *b, size_t index, size_t n_shared,
                      uint32_t *path)
{
    const struct split *split = &b->split[index];
    struct node *end;

    for (size_t i = n_shared; i < split->n; i++) {
        uint32_t id = (uint32_t)b->n_nodes++;
        struct node *parent = &b->node[path[i]];

        b->node[id] = (struct node){.segment = split->segment[i]};
        /* Only the first new one can have a sibling before it. */
        if (parent->child)
            b->node[path[i + 1]].next = id;
        else
            parent->child = id;
        path[i + 1] = id;
    }
    end = &b->node[path[split->n]];
    if (end->n_exact + end->n_subtree == 0)
        end->first = index;
    if (split->is_subtree)
        end->n_subtree++;
    else
        end->n_exact++;
}

static int build_tree(struct builder *b, const struct cgroup_pattern *pattern,
                      size_t n)
{
    uint32_t path[MSP_CG_SEGMENTS_MAX + 1] = {0};
    size_t n_nodes = 1;

    b->split = calloc(n, sizeof(*b->split));
    if (!b->split)
        return -ENOMEM;
    b->n_splits = n;
    for (size_t i = 0; i < n; i++) {
        split_pattern(&pattern[i], &b->split[i]);
        n_nodes += b->split[i].n;
    }
    qsort(b->split, n, sizeof(*b->split), compare_splits);
    b->node = calloc(n_nodes, sizeof(*b->node));
    if (!b->node)
        return -ENOMEM;
    b->n_nodes = 1;
    for (size_t i = 0; i < n; i++)
        add_split(b, i, i ? shared_segments(&b->split[i - 1], &b->split[i]) : 0,
                  path);
    return 0;
}

/* --- the states ---------------------------------------------------------- */

static void add_identity(struct msp_idset *set, uint32_t identity)
{
    set->word[identity / 64] |= 1ull << (identity % 64);
}

static bool is_empty(const struct msp_idset *set)
{
    static const struct msp_idset empty;

    return memcmp(set, &empty, sizeof(empty)) == 0;
}

/* The path of a state, wildcards as `*`. */
static void print_path(const struct builder *b, uint32_t state,
                       struct place *ret)
{
    uint32_t way[256];
    size_t n = 0;

    for (uint32_t at = state; at != b->state[at].from && n < ARRAY_SIZE(way);
         at = b->state[at].from)
        way[n++] = at;
    msp_place_set(ret, "%s", n ? "" : "/");
    while (n-- > 0) {
        const struct segment *segment = &b->state[way[n]].segment;
        char name[MSP_CG_NAME_BYTES] = "*";

        memcpy(name, segment->text, segment->len);
        (void)msp_place_push(ret, name);
    }
}

static void report_limit(struct builder *b, const char *expected)
{
    b->is_over = true;
    msp_report_error(b->report, MSP_DIAG_LIMIT, "/endpoints", expected, "more");
}

/* A pattern that goes through a position. */
static const char *pattern_of(const struct builder *b, uint32_t at)
{
    while (b->node[at].n_exact + b->node[at].n_subtree == 0)
        at = b->node[at].child;
    return b->split[b->node[at].first].pattern->text;
}

/* @param live [n] positions of one cgroup below `from`, n > MSP_CG_LIVE_MAX */
static void report_live(struct builder *b, uint32_t from, const uint32_t *live,
                        size_t n)
{
    struct place place;
    char text[1024] = "";
    size_t len = 0;

    print_path(b, from, &place);
    b->is_over = true;
    for (size_t i = 0; i < n && len < sizeof(text); i++) {
        struct shown shown = msp_report_shown(pattern_of(b, live[i]));
        int more = snprintf(text + len, sizeof(text) - len, "%s%s",
                            i ? ", " : "", shown.text);

        len += more > 0 ? (size_t)more : 0;
    }
    if (len >= sizeof(text))
        memcpy(text + sizeof(text) - sizeof("..."), "...", sizeof("..."));
    msp_report_error(b->report, MSP_DIAG_LIMIT, "/endpoints",
                     "at most 8 cgroup patterns that overlap with * at "
                     "different places",
                     "%zu in one cgroup below %s: %s", n,
                     msp_report_shown(place.text).text, text);
}

/*
 * The state of a set of positions.
 * @param key its subtree without what the positions themselves add
 * @param state filled in but for that; NULL segment of the root
 * @return its index; meaningless once b->is_over
 */
static uint32_t intern_state(struct builder *b, struct state *state)
{
    uint32_t index = (uint32_t)b->n_states;

    for (size_t i = 0; i < state->key.n; i++) {
        const struct node *node = &b->node[state->key.node[i]];
        const struct split *split = &b->split[node->first + node->n_exact];

        for (size_t j = 0; j < node->n_subtree; j++)
            add_identity(&state->key.subtree, split[j].pattern->identity);
    }
    if (msp_intern_find(&b->states, &state->key, sizeof(state->key), &index))
        return index;
    if (b->n_states == MSP_CG_STATES_MAX) {
        report_limit(b, "at most 16384 kinds of cgroups told apart");
        return 0;
    }
    b->state[index] = *state;
    b->n_states++;
    return msp_intern_add(&b->states, &b->state[index].key,
                          sizeof(b->state[index].key), index);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int add_edge(struct builder *b, uint32_t from,
                    const struct segment *segment, uint32_t to)
{
    struct msp_image_cg_edge *edge;

    if (b->n_edges == MSP_CG_EDGES_MAX) {
        report_limit(b, "at most 65536 steps between kinds of cgroups");
        return 0;
    }
    if (b->n_edges == b->edge_cap) {
        size_t cap = b->edge_cap ? 2 * b->edge_cap : 64;

        edge = realloc(b->edge, cap * sizeof(*edge));
        if (!edge)
            return -ENOMEM;
        b->edge = edge;
        b->edge_cap = cap;
    }
    edge = &b->edge[b->n_edges++];
    memset(edge, 0, sizeof(*edge));
    edge->key.state = from;
    memcpy(edge->key.name, segment->text, segment->len);
    edge->to.state = to;
    return 0;
}

/*
 * One edge of a state.
 * @param target [n] positions it leads to, at most 2 * MSP_CG_LIVE_MAX
 */
static int follow(struct builder *b, uint32_t from,
                  const struct segment *segment, uint32_t *target, size_t n)
{
    struct state state = {
        .key = {.subtree = b->state[from].key.subtree, .n = n},
        .from = from,
        .segment = *segment};
    uint32_t to;

    if (n == 0 && is_empty(&state.key.subtree))
        return 0;
    if (n > MSP_CG_LIVE_MAX) {
        report_live(b, from, target, n);
        return 0;
    }
    qsort(target, n, sizeof(*target), compare_u32);
    memcpy(state.key.node, target, n * sizeof(*target));
    to = intern_state(b, &state);
    return b->is_over ? 0 : add_edge(b, from, segment, to);
}

/* The least segment at the heads. @return NULL = they are at their ends */
static const struct segment *least(const struct builder *b,
                                   const uint32_t *head, size_t n)
{
    const struct segment *ret = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct segment *segment = &b->node[head[i]].segment;

        if (head[i] && (!ret || compare_segments(segment, ret) < 0))
            ret = segment;
    }
    return ret;
}

/* Steps over `segment` at the heads. @return positions it leads to */
static size_t step(const struct builder *b, uint32_t *head, size_t n,
                   const struct segment *segment, uint32_t *ret_target)
{
    size_t n_targets = 0;

    for (size_t i = 0; i < n; i++) {
        if (!head[i] ||
            compare_segments(&b->node[head[i]].segment, segment) != 0)
            continue;
        ret_target[n_targets++] = head[i];
        head[i] = b->node[head[i]].next;
    }
    return n_targets;
}

/* All edges of a state, in order: any segment first, it has the empty name. */
static int expand(struct builder *b, uint32_t from)
{
    static const struct segment any = {"", 0};
    uint32_t head[MSP_CG_LIVE_MAX], star[MSP_CG_LIVE_MAX];
    uint32_t target[2 * MSP_CG_LIVE_MAX];
    size_t n = b->state[from].key.n, n_stars, n_targets;
    const struct segment *segment;
    int r;

    for (size_t i = 0; i < n; i++)
        head[i] = b->node[b->state[from].key.node[i]].child;
    n_stars = step(b, head, n, &any, star);
    memcpy(target, star, n_stars * sizeof(*star));
    r = follow(b, from, &any, target, n_stars);
    while (r == 0 && !b->is_over && (segment = least(b, head, n))) {
        n_targets = step(b, head, n, segment, target);
        memcpy(target + n_targets, star, n_stars * sizeof(*star));
        r = follow(b, from, segment, target, n_targets + n_stars);
    }
    return r;
}

static int build_states(struct builder *b)
{
    struct state root = {.key = {.n = 1}};

    b->state = calloc(MSP_CG_STATES_MAX, sizeof(*b->state));
    if (!b->state || msp_intern_init(&b->states, MSP_CG_STATES_MAX) < 0)
        return -ENOMEM;
    (void)intern_state(b, &root);
    for (uint32_t i = 0; i < b->n_states && !b->is_over; i++) {
        int r = expand(b, i);

        if (r < 0)
            return r;
    }
    return 0;
}

/* --- what comes out ------------------------------------------------------ */

static struct cgroup_match match_of(const struct builder *b,
                                    const struct state *state)
{
    struct cgroup_match match = {.cgroup = state->key.subtree};

    for (size_t i = 0; i < state->key.n; i++) {
        const struct node *node = &b->node[state->key.node[i]];

        for (size_t j = 0; j < node->n_exact; j++) {
            const struct cgroup_pattern *pattern =
                b->split[node->first + j].pattern;

            add_identity(pattern->is_unit ? &match.unit : &match.cgroup,
                         pattern->identity);
        }
    }
    return match;
}

int msp_cgroup_build(const struct cgroup_pattern *pattern, size_t n,
                     struct report *report, struct cgroup_automaton *ret)
{
    msp_cleanup(builder_done) struct builder b = {.report = report};
    int r;

    *ret = (struct cgroup_automaton){0};
    if (n == 0)
        return 0;
    r = build_tree(&b, pattern, n);
    if (r == 0)
        r = build_states(&b);
    if (r < 0 || b.is_over)
        return r;
    ret->state = calloc(b.n_states, sizeof(*ret->state));
    if (!ret->state)
        return -ENOMEM;
    for (size_t i = 0; i < b.n_states; i++)
        ret->state[i] = match_of(&b, &b.state[i]);
    ret->n_states = b.n_states;
    ret->edge = TAKE_PTR(b.edge);
    ret->n_edges = b.n_edges;
    return 0;
}
