/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "walk.h"

#include <jansson.h>

#include <msp/policy.h>

#include "explain.h"
#include "fuzz.h"
#include "loader/rows.h"

static void walk_text(const struct msp_image *image, uint32_t off)
{
    uint32_t n = image->n[MSP_SEC_STRINGS];

    FUZZ_CHECK(off < n);
    FUZZ_CHECK(memchr(image->strings + off, '\0', n - off));
    FUZZ_CHECK(msp_image_string(image, off) == image->strings + off);
}

static void walk_set(const struct msp_image *image, const struct msp_idset *set)
{
    for (uint32_t bit = 0; bit < 64 * MSP_IDSET_WORDS; bit++)
        if (set->word[bit / 64] >> (bit % 64) & 1)
            FUZZ_CHECK(bit < image->n[MSP_SEC_IDENTITIES]);
}

static void walk_endpoints(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        const struct msp_image_endpoint *row = &image->endpoints[i];

        FUZZ_CHECK(memchr(row->ep.name, '\0', sizeof(row->ep.name)));
        FUZZ_CHECK((uint32_t)row->ep.mode < MSP_MODE_COUNT);
        FUZZ_CHECK((uint32_t)row->ep.on_deny < MSP_ON_DENY_COUNT);
        FUZZ_CHECK(!row->ep.rate.per_second == !row->ep.rate.burst);
        FUZZ_CHECK(row->ep.rate.per_second <= MSP_RATE_MAX);
        FUZZ_CHECK(row->ep.rate.burst <= MSP_RATE_MAX);
        FUZZ_CHECK(!row->ep.rate.burst || row->ep.flags & MSP_EP_SIGN);
        walk_text(image, row->id_off);
        walk_set(image, &row->ep.reach);
        walk_set(image, &row->ep.lifts_root_gate);
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        const struct msp_image_prefix *row = &image->prefixes[i];

        FUZZ_CHECK(row->endpoint < image->n[MSP_SEC_ENDPOINTS]);
        FUZZ_CHECK(row->key.prefixlen >= 32 && row->key.prefixlen <= 160);
        FUZZ_CHECK(row->key.port != 0);
    }
}

static void walk_identities(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *row = &image->identities[i];

        walk_text(image, row->name_off);
        FUZZ_CHECK(strlen(image->strings + row->name_off) < MSP_NAME_BYTES);
        walk_text(image, row->user_off);
        walk_text(image, row->group_off);
        walk_text(image, row->process_off);
        walk_text(image, row->cgroup_off);
        walk_text(image, row->unit_off);
        if (row->flags & MSP_ID_EXE)
            FUZZ_CHECK(row->exe < image->n[MSP_SEC_EXES]);
        FUZZ_CHECK(row->n_demands <= image->n[MSP_SEC_DEMANDS] &&
                   row->first_demand <=
                       image->n[MSP_SEC_DEMANDS] - row->n_demands);
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_DEMANDS]; i++) {
        FUZZ_CHECK(image->demands[i].kind < MSP_DEMAND_COUNT);
        walk_text(image, image->demands[i].key_off);
        walk_text(image, image->demands[i].value_off);
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES]; i++) {
        walk_text(image, image->exes[i].path_off);
        FUZZ_CHECK(image->strings[image->exes[i].path_off] == '/');
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_PROCESSES]; i++) {
        const struct msp_image_process *row = &image->processes[i];

        FUZZ_CHECK(memchr(row->name.text, '\0', sizeof(row->name.text)));
        walk_set(image, &row->set);
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_SETS]; i++)
        walk_set(image, &image->sets[i]);
}

static void walk_cond(const struct msp_image *image, const struct msp_cond *row,
                      uint32_t endpoint)
{
    FUZZ_CHECK(row->set < image->n[MSP_SEC_SETS]);
    FUZZ_CHECK(row->privilege < image->n[MSP_SEC_PRIVILEGES]);
    FUZZ_CHECK(image->privileges[row->privilege].endpoint == endpoint);
    FUZZ_CHECK(row->n_pairs <= MSP_PRIV_PAIRS_MAX);
    for (uint32_t i = 0; i < row->n_pairs; i++) {
        FUZZ_CHECK(row->pair[i] < image->n[MSP_SEC_PAIRS]);
        FUZZ_CHECK(image->pairs[row->pair[i]].endpoint == endpoint);
    }
}

static void walk_paths(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_PRIVILEGES]; i++) {
        walk_text(image, image->privileges[i].name_off);
        FUZZ_CHECK(image->privileges[i].endpoint < image->n[MSP_SEC_ENDPOINTS]);
    }
    for (uint32_t i = 0; i < image->n[MSP_SEC_PATHS]; i++) {
        const struct msp_image_path *row = &image->paths[i];
        uint32_t n = (uint32_t)row->node.n_conds + row->node.n_grants;
        uint32_t bits = row->key.prefixlen - MSP_PATH_KEY_FIXED_BITS;

        FUZZ_CHECK(row->key.endpoint < image->n[MSP_SEC_ENDPOINTS]);
        FUZZ_CHECK(row->key.prefixlen > MSP_PATH_KEY_FIXED_BITS);
        FUZZ_CHECK(bits % 8 == 0 && bits <= 8 * MSP_PATH_KEY_BYTES);
        FUZZ_CHECK(row->key.path[0] == '/');
        FUZZ_CHECK(row->node.set < image->n[MSP_SEC_SETS]);
        FUZZ_CHECK(n <= MSP_NODE_CONDS_MAX);
        FUZZ_CHECK(n <= image->n[MSP_SEC_CONDS] &&
                   row->node.first_cond <= image->n[MSP_SEC_CONDS] - n);
        for (uint32_t j = 0; j < n; j++)
            walk_cond(image, &image->conds[row->node.first_cond + j],
                      row->key.endpoint);
    }
}

static void walk_cgroups(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_STATES]; i++)
        FUZZ_CHECK(image->cg_states[i].set < image->n[MSP_SEC_SETS]);
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_EDGES]; i++) {
        const struct msp_image_cg_edge *row = &image->cg_edges[i];

        FUZZ_CHECK(row->key.state < image->n[MSP_SEC_CG_STATES]);
        FUZZ_CHECK(row->to.state < image->n[MSP_SEC_CG_STATES]);
        FUZZ_CHECK(memchr(row->key.name, '\0', sizeof(row->key.name)));
    }
}

/* What people and programs are shown of it. */
static void dump(const struct msp_image *image, enum msp_dump_format format)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    json_t *json;

    FUZZ_CHECK(out && msp_policy_dump(image, format, out) == 0);
    FUZZ_CHECK(fclose(out) == 0 && len > 0);
    for (size_t i = 0; i < len; i++)
        FUZZ_CHECK((unsigned char)text[i] >= ' ' || text[i] == '\n');
    if (format == MSP_DUMP_JSON) {
        json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        FUZZ_CHECK(json);
        json_decref(json);
    }
    free(text);
}

/* What the loader makes of identities whose names nobody has, or root. */
static void build_rows(const struct msp_image *image, bool is_found)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];
    struct msp_resolved *resolved = calloc(n + 1, sizeof(*resolved));
    struct msp_rows rows = {0};

    FUZZ_CHECK(resolved);
    for (uint32_t i = 0; is_found && i < n; i++)
        resolved[i] = (struct msp_resolved){.is_user_found = true,
                                            .is_group_found = true};
    FUZZ_CHECK(msp_rows_build(image, resolved, &rows) == 0);
    for (size_t dim = 0; dim < MSP_DIM_IDS; dim++)
        for (size_t i = 0; i < rows.dim[dim].n; i++)
            walk_set(image, &rows.dim[dim].row[i].set);
    FUZZ_CHECK(msp_rows_equal(&rows, &rows));
    msp_rows_done(&rows);
    free(resolved);
}

static void explain(const struct msp_image *image)
{
    static struct explain answer;

    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        struct explain_query query = {
            .endpoint = i,
            .method = MSP_METHOD_GET,
            .target = "/metadata/a?k=v&comp=x",
            .caller = {.has_uid = true, .is_root = true}};

        FUZZ_CHECK(msp_explain(image, &query, &answer) == 0);
        FUZZ_CHECK(answer.verdict != MSP_VERDICT_NONE ||
                   image->endpoints[i].ep.mode == MSP_MODE_DISABLED);
    }
}

void walk_image(const struct msp_image *image)
{
    FUZZ_CHECK(image->n[MSP_SEC_ENDPOINTS] >= MSP_EP_BUILTINS);
    walk_endpoints(image);
    walk_identities(image);
    walk_paths(image);
    walk_cgroups(image);
    dump(image, MSP_DUMP_TEXT);
    dump(image, MSP_DUMP_JSON);
    build_rows(image, false);
    build_rows(image, true);
    explain(image);
}
