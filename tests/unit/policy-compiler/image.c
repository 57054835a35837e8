/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "image_fixture.h"

static void refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t len = 0; len < good.len; len++) {
        const char *why;

        assert_true(open_copy(good.bytes, len, &why) < 0);
        assert_non_null(why);
    }
}

static void refuses_every_flipped_bit(void **state)
{
    msp_autofree uint8_t *bytes = malloc(good.len);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.bytes, good.len);
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        const char *why;

        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(open_copy(bytes, good.len, &why) < 0);
        assert_non_null(why);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void refuses_bytes_after_the_end(void **state)
{
    msp_autofree uint8_t *bytes = calloc(1, good.len + 8);
    const char *why;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.bytes, good.len);
    assert_errno(open_copy(bytes, good.len + 8, &why), EINVAL);
}

static void refuses_an_address_that_is_not_aligned(void **state)
{
    msp_autofree uint8_t *bytes = malloc(good.len + 8);
    struct msp_image view;
    const char *why;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes + 1, good.bytes, good.len);
    assert_errno(msp_image_open(bytes + 1, good.len, &view, &why), EINVAL);
    assert_errno(msp_image_open(NULL, 0, &view, &why), EINVAL);
}

/* Rows of callers. */
static void walk_rows(const struct msp_image *view, volatile uint64_t *sum)
{
    for (uint32_t i = 0; i < view->n[MSP_SEC_IDENTITIES]; i++)
        *sum +=
            strlen(msp_image_string(view, view->identities[i].process_off)) +
            strlen(msp_image_string(view, view->identities[i].cgroup_off)) +
            strlen(msp_image_string(view, view->identities[i].unit_off));
    for (uint32_t i = 0; i < view->n[MSP_SEC_EXES]; i++)
        *sum += strlen(msp_image_string(view, view->exes[i].path_off));
    for (uint32_t i = 0; i < view->n[MSP_SEC_PROCESSES]; i++)
        *sum += strlen(view->processes[i].name.text) +
                view->processes[i].set.word[0];
    for (uint32_t i = 0; i < view->n[MSP_SEC_CG_STATES]; i++)
        *sum += view->sets[view->cg_states[i].set].word[0];
    for (uint32_t i = 0; i < view->n[MSP_SEC_CG_EDGES]; i++) {
        const struct msp_image_cg_edge *edge = &view->cg_edges[i];

        *sum += strlen(edge->key.name) + view->cg_states[edge->to.state].set +
                view->cg_states[edge->key.state].set;
    }
    for (uint32_t i = 0; i < view->n[MSP_SEC_IDENTITIES]; i++)
        for (uint32_t k = 0; k < view->identities[i].n_demands; k++) {
            const struct msp_image_demand *demand =
                &view->demands[view->identities[i].first_demand + k];

            *sum += strlen(msp_image_string(view, demand->key_off)) +
                    strlen(msp_image_string(view, demand->value_off));
        }
}

/* Reads whatever a view offers; a sanitizer watches. */
static void walk(const struct msp_image *view)
{
    volatile uint64_t sum = 0;

    for (uint32_t i = 0; i < view->n[MSP_SEC_ENDPOINTS]; i++)
        sum += strlen(msp_image_string(view, view->endpoints[i].id_off)) +
               strlen(view->endpoints[i].ep.name);
    for (uint32_t i = 0; i < view->n[MSP_SEC_PREFIXES]; i++)
        sum += view->endpoints[view->prefixes[i].endpoint].ep.flags;
    for (uint32_t i = 0; i < view->n[MSP_SEC_IDENTITIES]; i++)
        sum += strlen(msp_image_string(view, view->identities[i].name_off)) +
               strlen(msp_image_string(view, view->identities[i].user_off)) +
               strlen(msp_image_string(view, view->identities[i].group_off));
    for (uint32_t i = 0; i < view->n[MSP_SEC_PRIVILEGES]; i++)
        sum += strlen(msp_image_string(view, view->privileges[i].name_off));
    for (uint32_t i = 0; i < view->n[MSP_SEC_PATHS]; i++) {
        const struct msp_path_node *node = &view->paths[i].node;

        sum += view->sets[node->set].word[0];
        for (uint32_t j = 0; j < (uint32_t)node->n_conds + node->n_grants; j++)
            sum += view->conds[node->first_cond + j].privilege;
    }
    for (uint32_t i = 0; i < view->n[MSP_SEC_CONDS]; i++) {
        sum += view->sets[view->conds[i].set].word[0] +
               view->privileges[view->conds[i].privilege].endpoint;
        for (uint32_t j = 0; j < view->conds[i].n_pairs; j++)
            sum += view->pairs[view->conds[i].pair[j]].hash[0];
    }
    for (uint32_t i = 0; i < view->n[MSP_SEC_IDENTITIES]; i++)
        if (view->identities[i].flags & MSP_ID_EXE)
            sum += view->exes[view->identities[i].exe].flags;
    walk_rows(view, &sum);
    (void)sum;
}

/*
 * Every byte set to every interesting value, with a right digest: what the
 * reader takes can be walked without leaving it.
 */
static void what_it_takes_can_be_walked(void **state)
{
    static const uint8_t value[] = {0, 1, 2, 0x2f, 0x41, 0x7f, 0x80, 0xff};
    msp_autofree uint8_t *bytes = malloc(good.len);
    size_t n_refused = 0, n_taken = 0;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.bytes, good.len);
    for (size_t at = 0; at < good.len; at++) {
        for (size_t v = 0; v < ARRAY_SIZE(value); v++) {
            msp_autofree uint8_t *copy = malloc(good.len);
            struct msp_image view;
            const char *why;

            if (value[v] == good.bytes[at])
                continue;
            assert_non_null(copy);
            memcpy(copy, good.bytes, good.len);
            copy[at] = value[v];
            redigest(copy, good.len);
            if (msp_image_open(copy, good.len, &view, &why) < 0) {
                n_refused++;
                continue;
            }
            n_taken++;
            walk(&view);
        }
    }
    /* Most bytes are structure; some are a hash, an uid or a mode. */
    assert_true(n_refused > 4 * n_taken);
    assert_true(n_taken > 0);
}

static void random_damage_never_leaves_the_image(void **state)
{
    unsigned int seed = 20;
    msp_autofree uint8_t *bytes = malloc(good.len);

    (void)state;
    assert_non_null(bytes);
    for (int round = 0; round < 20000; round++) {
        int n = 1 + rand_r(&seed) % 4;
        struct msp_image view;
        const char *why;

        memcpy(bytes, good.bytes, good.len);
        while (n-- > 0)
            bytes[(size_t)rand_r(&seed) % good.len] = (uint8_t)rand_r(&seed);
        redigest(bytes, good.len);
        if (msp_image_open(bytes, good.len, &view, &why) == 0)
            walk(&view);
    }
}

static const struct fault faults[] = {
    {"magic", HEADER(magic), 8, 1, EPROTO, "not a policy image"},
    {"endian", HEADER(endian), 4, 0x04030201, EPROTO,
     "image of another byte order"},
    {"version", HEADER(version), 4, MSP_IMAGE_VERSION - 1, EPROTONOSUPPORT,
     "image version"},
    {"later version", HEADER(version), 4, MSP_IMAGE_VERSION + 1,
     EPROTONOSUPPORT, "image version"},
    {"total", HEADER(total_bytes), 8, 64, EINVAL,
     "length differs from the header"},
    {"section offset", SECTION(MSP_SEC_ENDPOINTS, offset), 8, 0, EINVAL,
     "section offset"},
    {"overlapping section", SECTION(MSP_SEC_PAIRS, offset), 8, 200, EINVAL,
     "section offset"},
    {"entry size", SECTION(MSP_SEC_PATHS, entry_bytes), 4, 1, EINVAL,
     "section entry size"},
    {"count", SECTION(MSP_SEC_PAIRS, count), 4, 4000, EINVAL,
     "section beyond the image"},
    {"count over limit", SECTION(MSP_SEC_IDENTITIES, count), 4, 1025, E2BIG,
     "section count over its limit"},
    {"count too small", SECTION(MSP_SEC_COUNT - 1, count), 4, 0, EINVAL,
     "bytes after the last section"},
    {"first string", MSP_SEC_STRINGS, 0, 1, 'x', EINVAL,
     "string table not terminated"},
    {"not utf-8", MSP_SEC_STRINGS, 1, 1, 0xff, EINVAL, "string not UTF-8"},
    {"control byte", MSP_SEC_STRINGS, 1, 1, 0x1b, EINVAL,
     "control byte in a string"},
    {"set 0", ROW(SETS, msp_idset, 0, word), 8, 1, EINVAL, "set 0 not empty"},
    {"set beyond", ROW(SETS, msp_idset, 1, word), 8, 1u << IDENTITIES, EINVAL,
     "set names no identity"},
    {"set far beyond", ROW(SETS, msp_idset, 1, word[15]), 8, 1ull << 63, EINVAL,
     "set names no identity"},
    {"built-in", ROW(ENDPOINTS, msp_image_endpoint, 0, ep.name), 1, 'x', EINVAL,
     "built-in endpoint missing"},
    {"name pad", ROW(ENDPOINTS, msp_image_endpoint, 0, ep.name[31]), 1, 'x',
     EINVAL, "endpoint name"},
    {"mode 0", ROW(ENDPOINTS, msp_image_endpoint, 0, ep.mode), 4, 0, EINVAL,
     "endpoint mode"},
    {"mode 4", ROW(ENDPOINTS, msp_image_endpoint, 0, ep.mode), 4, 4, EINVAL,
     "endpoint mode"},
    {"on-deny 0", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.on_deny), 4, 0,
     EINVAL, "endpoint on-deny"},
    {"on-deny", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.on_deny), 4,
     0xffffffff, EINVAL, "endpoint on-deny"},
    {"flags", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.flags), 4, 8, EINVAL,
     "endpoint flags"},
    {"rate without burst", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.rate), 4, 9,
     EINVAL, "endpoint rate limit"},
    {"burst without rate", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.rate.burst),
     4, 9, EINVAL, "endpoint rate limit"},
    {"rate too large", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.rate), 8,
     MSP_RATE_MAX + 1 + (9ull << 32), EINVAL, "endpoint rate limit"},
    {"burst too large", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.rate), 8,
     9 + ((MSP_RATE_MAX + 1ull) << 32), EINVAL, "endpoint rate limit"},
    {"endpoint pad", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.pad), 4, 1,
     EINVAL, "padding not zero"},
    {"reach", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.reach), 8,
     1u << IDENTITIES, EINVAL, "set names no identity"},
    {"lifts", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.lifts_root_gate), 8,
     1u << IDENTITIES, EINVAL, "identities past the root gate"},
    {"id", ROW(ENDPOINTS, msp_image_endpoint, 1, id_off), 4, 0xfffffff0, EINVAL,
     "string offset"},
    {"prefix length",
     ROW(PREFIXES, msp_image_prefix, WIRESERVER, key.prefixlen), 4, 161, EINVAL,
     "address prefix length"},
    {"prefix length low",
     ROW(PREFIXES, msp_image_prefix, WIRESERVER, key.prefixlen), 4, 31, EINVAL,
     "address prefix length"},
    {"prefix bits", ROW(PREFIXES, msp_image_prefix, WIRESERVER, key.prefixlen),
     4, 150, EINVAL, "address bits beyond the prefix"},
    {"port", ROW(PREFIXES, msp_image_prefix, 0, key.port), 2, 0, EINVAL,
     "port 0"},
    {"prefix pad", ROW(PREFIXES, msp_image_prefix, 0, key.pad), 2, 1, EINVAL,
     "padding not zero"},
    {"prefix endpoint", ROW(PREFIXES, msp_image_prefix, 0, endpoint), 4, 5,
     EINVAL, "endpoint index"},
    {"prefix order", ROW(PREFIXES, msp_image_prefix, 0, key.port), 2, 82,
     EINVAL, "prefixes not sorted"},
    {"prefix twice", ROW(PREFIXES, msp_image_prefix, A_81, key.addr[13]), 1, 0,
     EINVAL, "prefixes not sorted"},
    {"prefix overlaps", ROW(PREFIXES, msp_image_prefix, B_81, key.prefixlen), 4,
     32 + 96 + 15, EINVAL, "prefixes overlap"},
    {"prefix loopback", ROW(PREFIXES, msp_image_prefix, A_81, key.addr[12]), 1,
     127, EINVAL, "address reserved"},
    {"prefix multicast", ROW(PREFIXES, msp_image_prefix, A6_81, key.addr[0]), 1,
     0xff, EINVAL, "address reserved"},
    {"prefix of all", ROW(PREFIXES, msp_image_prefix, B_70, key.prefixlen), 4,
     32 + 96 + 5, EINVAL, "address bits beyond the prefix"},
    {"listener port", ROW(PREFIXES, msp_image_prefix, HOSTGA, key.port), 2,
     61099, EINVAL, "port of the agent's listeners"},
    {"built-in moved", ROW(PREFIXES, msp_image_prefix, HOSTGA, key.port), 2,
     32527, EINVAL, "built-in endpoint moved"},
    {"built-in at another's", ROW(PREFIXES, msp_image_prefix, IMDS, endpoint),
     4, 1, EINVAL, "built-in endpoint moved"},
    {"address of nobody", ROW(PREFIXES, msp_image_prefix, HOSTGA, endpoint), 4,
     4, EINVAL, "endpoint without an address"},
    {"signed IPv6", ROW(PREFIXES, msp_image_prefix, A6_81, endpoint), 4, 4,
     EINVAL, "signed endpoint not IPv4"},
    {"signed IPv6 by flag", ROW(ENDPOINTS, msp_image_endpoint, 3, ep.flags), 4,
     MSP_EP_SIGN, EINVAL, "signed endpoint not IPv4"},
    {"custom order", ROW(ENDPOINTS, msp_image_endpoint, 3, ep.name), 1, 'c',
     EINVAL, "endpoints not sorted"},
    {"custom name", ROW(ENDPOINTS, msp_image_endpoint, 4, ep.name), 1, 'B',
     EINVAL, "endpoint name"},
    {"custom name dash", ROW(ENDPOINTS, msp_image_endpoint, 4, ep.name), 1, '-',
     EINVAL, "endpoint name"},
    {"custom root gate", ROW(ENDPOINTS, msp_image_endpoint, 4, ep.flags), 4,
     MSP_EP_SIGN | MSP_EP_ROOT_GATE, EINVAL, "endpoint flags"},
    {"imds unsigned", ROW(ENDPOINTS, msp_image_endpoint, 0, ep.flags), 4, 0,
     EINVAL, "endpoint flags"},
    {"wireserver without gate", ROW(ENDPOINTS, msp_image_endpoint, 1, ep.flags),
     4, MSP_EP_SIGN, EINVAL, "endpoint flags"},
    {"privilege endpoint", ROW(PRIVILEGES, msp_image_privilege, 0, endpoint), 4,
     5, EINVAL, "endpoint index"},
    {"privilege name", ROW(PRIVILEGES, msp_image_privilege, 0, name_off), 4, 0,
     EINVAL, "string empty"},
    {"pair endpoint", ROW(PAIRS, msp_pair_key, 0, endpoint), 4, 9, EINVAL,
     "endpoint index"},
    {"pair order", ROW(PAIRS, msp_pair_key, 0, endpoint), 4, 1, EINVAL,
     "pairs not sorted"},
    {"pair of another endpoint", ROW(PAIRS, msp_pair_key, 1, endpoint), 4, 1,
     EINVAL, "pair index"},
    {"cond privilege", ROW(CONDS, msp_cond, 0, privilege), 4, 4, EINVAL,
     "privilege index"},
    {"cond set", ROW(CONDS, msp_cond, 0, set), 4, 99, EINVAL, "set index"},
    {"cond methods", ROW(CONDS, msp_cond, 0, methods), 2, 0x80, EINVAL,
     "method bits"},
    {"cond pad", ROW(CONDS, msp_cond, 0, pad), 1, 1, EINVAL,
     "padding not zero"},
    {"cond pairs", ROW(CONDS, msp_cond, 0, n_pairs), 1, 9, E2BIG,
     "pairs of a condition"},
    {"cond pair", ROW(CONDS, msp_cond, 0, pair[7]), 2, 1, EINVAL,
     "padding not zero"},
    {"path endpoint", ROW(PATHS, msp_image_path, 0, key.endpoint), 4, 7, EINVAL,
     "endpoint index"},
    {"path length 0", ROW(PATHS, msp_image_path, 0, key.prefixlen), 4, 32,
     EINVAL, "path prefix length"},
    {"path length wraps", ROW(PATHS, msp_image_path, 0, key.prefixlen), 4, 0,
     EINVAL, "path prefix length"},
    {"path length odd", ROW(PATHS, msp_image_path, 0, key.prefixlen), 4, 41,
     EINVAL, "path prefix length"},
    {"path length long", ROW(PATHS, msp_image_path, 0, key.prefixlen), 4, 2024,
     EINVAL, "path prefix length"},
    {"path bytes beyond", ROW(PATHS, msp_image_path, 2, key.prefixlen), 4, 40,
     EINVAL, "path bytes beyond the prefix"},
    {"path not a prefix", ROW(PATHS, msp_image_path, 2, key.path[2]), 1, 'b',
     EINVAL, "path neither exact nor prefix"},
    {"path upper case", ROW(PATHS, msp_image_path, 1, key.path[1]), 1, 'A',
     EINVAL, "path text"},
    {"path without slash", ROW(PATHS, msp_image_path, 1, key.path[0]), 1, 'a',
     EINVAL, "path neither exact nor prefix"},
    {"path empty segment", ROW(PATHS, msp_image_path, 1, key.path[1]), 1, '/',
     EINVAL, "path text"},
    {"path order", ROW(PATHS, msp_image_path, 1, key.path[1]), 1, 'b', EINVAL,
     "paths not sorted"},
    {"node pad", ROW(PATHS, msp_image_path, 0, node.pad), 4, 1, EINVAL,
     "padding not zero"},
    {"node rows", ROW(PATHS, msp_image_path, 0, node.n_grants), 2, 257, E2BIG,
     "conditions of a path"},
    {"node range", ROW(PATHS, msp_image_path, 0, node.n_grants), 2, 200, EINVAL,
     "condition range"},
    {"node range wraps", ROW(PATHS, msp_image_path, 0, node.first_cond), 4,
     0xffffffff, EINVAL, "condition range"},
    {"node set", ROW(PATHS, msp_image_path, 0, node.set), 4, 0xffff, EINVAL,
     "set index"},
    {"node set differs", ROW(PATHS, msp_image_path, 0, node.set), 4, 0, EINVAL,
     "set differs from its grants"},
    {"grant as condition", ROW(PATHS, msp_image_path, 0, node.n_conds), 2, 1,
     EINVAL, "condition among the grants"},
};

static void names_each_structural_fault(void **state)
{
    (void)state;
    check_faults(faults, ARRAY_SIZE(faults));
}

static void a_wrong_digest_is_bad_message(void **state)
{
    msp_autofree uint8_t *bytes = malloc(good.len);
    const char *why;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.bytes, good.len);
    bytes[good.len - 1] ^= 1;
    assert_errno(open_copy(bytes, good.len, &why), EBADMSG);
    assert_string_equal(why, "digest differs");
}

static void a_digest_prints_as_hex(void **state)
{
    uint8_t digest[MSP_DIGEST_BYTES] = {0x00, 0x0f, 0xa5, [31] = 0xff};
    char hex[2 * MSP_DIGEST_BYTES + 1];

    (void)state;
    msp_digest_hex(digest, hex);
    assert_int_equal(strlen(hex), 64);
    assert_memory_equal(hex, "000fa500", 8);
    assert_string_equal(hex + 62, "ff");
    assert_errno(msp_image_digest(digest, sizeof(digest), digest), EINVAL);
}

static void a_string_beyond_the_table_is_empty(void **state)
{
    (void)state;
    assert_string_equal(msp_image_string(&good.view, UINT32_MAX), "");
    assert_string_equal(msp_image_string(&good.view, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_bytes_after_the_end),
        cmocka_unit_test(refuses_an_address_that_is_not_aligned),
        cmocka_unit_test(what_it_takes_can_be_walked),
        cmocka_unit_test(random_damage_never_leaves_the_image),
        cmocka_unit_test(names_each_structural_fault),
        cmocka_unit_test(a_wrong_digest_is_bad_message),
        cmocka_unit_test(a_digest_prints_as_hex),
        cmocka_unit_test(a_string_beyond_the_table_is_empty),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
