/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The reader's checks of identities and of the rows that follow from them. */
#include "image_fixture.h"

static const struct fault faults[] = {
    {"everybody and a selector", ROW(IDENTITIES, msp_image_identity, 0, flags),
     4, MSP_ID_UID | MSP_ID_EVERYBODY, EINVAL, "identity flags"},
    {"identity flags", ROW(IDENTITIES, msp_image_identity, 0, flags), 4, 0x4000,
     EINVAL, "identity flags"},
    {"host-only without a name",
     ROW(IDENTITIES, msp_image_identity, WEB, flags), 4,
     MSP_ID_UID | MSP_ID_HOST_ONLY, EINVAL, "host-only flag"},
    {"names of containers", ROW(IDENTITIES, msp_image_identity, OPS, flags), 4,
     MSP_ID_USER | MSP_ID_GROUP, EINVAL, "host-only flag"},
    {"files of containers", ROW(IDENTITIES, msp_image_identity, EXE, flags), 4,
     MSP_ID_EXE | MSP_ID_SHA256 | MSP_ID_PROCESS, EINVAL, "host-only flag"},
    {"units of containers", ROW(IDENTITIES, msp_image_identity, UNIT, flags), 4,
     MSP_ID_UNIT | MSP_ID_PROCESS, EINVAL, "host-only flag"},
    {"cgroup of the host", ROW(IDENTITIES, msp_image_identity, CG, flags), 4,
     MSP_ID_EXE | MSP_ID_CGROUP | MSP_ID_HOST_ONLY, EINVAL, "host-only flag"},
    {"hash of no file", ROW(IDENTITIES, msp_image_identity, UNIT, flags), 4,
     MSP_ID_UNIT | MSP_ID_PROCESS | MSP_ID_SHA256 | MSP_ID_HOST_ONLY, EINVAL,
     "hash without a file"},
    {"nobody with a file", ROW(IDENTITIES, msp_image_identity, EXE, flags), 4,
     MSP_ID_NOBODY | MSP_ID_EXE | MSP_ID_SHA256 | MSP_ID_PROCESS |
         MSP_ID_HOST_ONLY,
     EINVAL, "nobody with rows"},
    {"nobody in rows", ROW(IDENTITIES, msp_image_identity, OPS, flags), 4,
     MSP_ID_NOBODY | MSP_ID_USER | MSP_ID_GROUP | MSP_ID_HOST_ONLY, EINVAL,
     "process set"},
    {"hash without flag", ROW(IDENTITIES, msp_image_identity, WEB, sha256[31]),
     1, 1, EINVAL, "padding not zero"},
    {"file", ROW(IDENTITIES, msp_image_identity, EXE, exe), 4, 3, EINVAL,
     "executable index"},
    {"file without flag", ROW(IDENTITIES, msp_image_identity, WEB, exe), 4, 1,
     EINVAL, "executable index"},
    {"file unused", ROW(IDENTITIES, msp_image_identity, CG, exe), 4, 0, EINVAL,
     "executable of nobody"},
    {"process", ROW(IDENTITIES, msp_image_identity, EXE, process_off), 4,
     STRING_BIN_A, EINVAL, "process name"},
    {"process of another",
     ROW(IDENTITIES, msp_image_identity, EXE, process_off), 4, STRING_X, EINVAL,
     "process set"},
    {"no process", ROW(IDENTITIES, msp_image_identity, EXE, process_off), 4, 0,
     EINVAL, "string empty"},
    {"process without flag",
     ROW(IDENTITIES, msp_image_identity, WEB, process_off), 4, STRING_X, E2BIG,
     "string too long"},
    {"cgroup", ROW(IDENTITIES, msp_image_identity, CG, cgroup_off), 4, STRING_X,
     EINVAL, "cgroup pattern"},
    {"cgroup without flag",
     ROW(IDENTITIES, msp_image_identity, WEB, cgroup_off), 4, STRING_X, E2BIG,
     "string too long"},
    {"unit", ROW(IDENTITIES, msp_image_identity, UNIT, unit_off), 4, STRING_X,
     EINVAL, "cgroup of a unit"},
    {"unit with wildcards", ROW(IDENTITIES, msp_image_identity, UNIT, unit_off),
     4, STRING_PATTERN, EINVAL, "cgroup of a unit"},
    {"file path", ROW(EXES, msp_image_exe, 0, path_off), 4, 0xffffffff, EINVAL,
     "string offset"},
    {"file no path", ROW(EXES, msp_image_exe, 0, path_off), 4, 0, EINVAL,
     "string empty"},
    {"file relative", ROW(EXES, msp_image_exe, 0, path_off), 4, STRING_X,
     EINVAL, "executable path"},
    {"file not canonical", MSP_SEC_STRINGS, STRING_BIN_A + 3, 1, '/', EINVAL,
     "executable path"},
    {"file ends in slash", MSP_SEC_STRINGS, STRING_BIN_A + 5, 1, '/', EINVAL,
     "executable path"},
    {"file twice", ROW(EXES, msp_image_exe, 1, path_off), 4, STRING_BIN_A,
     EINVAL, "executables not sorted"},
    {"file of no host", ROW(EXES, msp_image_exe, 1, flags), 4, 0, EINVAL,
     "executable flags"},
    {"file flags", ROW(EXES, msp_image_exe, 1, flags), 4, 8 | MSP_EXE_HOST,
     EINVAL, "executable flags"},
    {"file inside too", ROW(EXES, msp_image_exe, 1, flags), 4,
     MSP_EXE_INSIDE | MSP_EXE_HOST, EINVAL, "executable flags"},
    {"file outside", ROW(EXES, msp_image_exe, 2, flags), 4, MSP_EXE_HOST,
     EINVAL, "executable flags"},
    {"file hashed", ROW(EXES, msp_image_exe, 1, flags), 4,
     MSP_EXE_HASHED | MSP_EXE_HOST, EINVAL, "executable flags"},
    {"file not hashed", ROW(EXES, msp_image_exe, 0, flags), 4, MSP_EXE_HOST,
     EINVAL, "executable flags"},
    {"base name empty", ROW(PROCESSES, msp_image_process, 0, name), 2, 0,
     EINVAL, "process name"},
    {"base name pad", ROW(PROCESSES, msp_image_process, 0, name.text[63]), 1,
     'x', EINVAL, "process name"},
    {"base name order", ROW(PROCESSES, msp_image_process, 0, name.text[1]), 1,
     '3', EINVAL, "processes not sorted"},
    {"base name twice", ROW(PROCESSES, msp_image_process, 0, name.text[1]), 1,
     '2', EINVAL, "processes not sorted"},
    {"base name of nobody", ROW(PROCESSES, msp_image_process, 0, name.text[1]),
     1, '0', EINVAL, "process set"},
    {"base name without its own", ROW(PROCESSES, msp_image_process, 0, set), 8,
     ANY_PROCESS, EINVAL, "process set"},
    {"base name with another's", ROW(PROCESSES, msp_image_process, 0, set), 8,
     ANY_PROCESS | 1u << EXE | 1u << UNIT, EINVAL, "process set"},
    {"base name of the wrong one", ROW(PROCESSES, msp_image_process, 0, set), 8,
     ANY_PROCESS | 1u << UNIT, EINVAL, "process set"},
    {"base name without the others", ROW(PROCESSES, msp_image_process, 0, set),
     8, 1u << EXE, EINVAL, "process set"},
    {"base name far beyond", ROW(PROCESSES, msp_image_process, 0, set.word[15]),
     8, 1, EINVAL, "process set"},
    {"cgroup set", ROW(CG_STATES, msp_cg_state, 1, set), 4, 99, EINVAL,
     "set index"},
    {"cgroup set empty", ROW(CG_STATES, msp_cg_state, 1, set), 4, 0, EINVAL,
     "cgroup set"},
    {"cgroup name slash", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]),
     1, '/', EINVAL, "cgroup name"},
    {"cgroup name star", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]),
     1, '*', EINVAL, "cgroup name"},
    {"cgroup name dot", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]),
     1, '.', EINVAL, "cgroup name"},
    {"cgroup name dots", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]),
     2, '.' << 8 | '.', EINVAL, "cgroup name"},
    {"cgroup name control",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]), 1, 1, EINVAL,
     "cgroup name"},
    {"cgroup name delete",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]), 1, 0x7f, EINVAL,
     "cgroup name"},
    {"cgroup name bytes", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]),
     1, 0xff, EINVAL, "cgroup name"},
    {"cgroup name pad", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[127]),
     1, 'x', EINVAL, "cgroup name"},
    {"any segment with a pad",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_ANY, key.name[1]), 1, 'x', EINVAL,
     "cgroup name"},
    {"cgroup order", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, key.name[0]), 1,
     'z', EINVAL, "cgroup edges not sorted"},
    {"cgroup edge twice", ROW(CG_EDGES, msp_image_cg_edge, EDGE_ANY, key.state),
     4, 0, EINVAL, "cgroup edges not sorted"},
    {"cgroup state unknown",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_ANY, key.state), 4, 3, EINVAL,
     "cgroup state"},
    {"cgroup edge to the root",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_UNIT, to.state), 4, 0, EINVAL,
     "cgroup state"},
    {"cgroup edge too far", ROW(CG_EDGES, msp_image_cg_edge, EDGE_A, to.state),
     4, 2, EINVAL, "cgroup state"},
    {"cgroup edge out of the table",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_BELOW, to.state), 4, 5, EINVAL,
     "cgroup state"},
    {"cgroup edge wraps",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_BELOW, to.state), 4, 0xffffffff,
     EINVAL, "cgroup state"},
    {"cgroup state unreached",
     ROW(CG_EDGES, msp_image_cg_edge, EDGE_UNIT, to.state), 4, 3, EINVAL,
     "cgroup state without an edge"},
    {"kind of a demand", ROW(DEMANDS, msp_image_demand, DEMAND_ID, kind), 4,
     MSP_DEMAND_COUNT, EINVAL, "kind of a demand"},
    {"demand without a value",
     ROW(DEMANDS, msp_image_demand, DEMAND_NAME, value_off), 4, 0, EINVAL,
     "string empty"},
    {"demand inside a string",
     ROW(DEMANDS, msp_image_demand, DEMAND_K1, value_off), 4, 4, EINVAL,
     "string offset inside a string"},
    {"demand out of the table",
     ROW(DEMANDS, msp_image_demand, DEMAND_K1, value_off), 4, 0xffffffff,
     EINVAL, "string offset"},
    {"label without a key", ROW(DEMANDS, msp_image_demand, DEMAND_K1, key_off),
     4, 0, EINVAL, "string empty"},
    {"key of no label", ROW(DEMANDS, msp_image_demand, DEMAND_NAME, key_off), 4,
     STRING_X, E2BIG, "string too long"},
    {"demands not sorted", ROW(DEMANDS, msp_image_demand, DEMAND_K2, kind), 4,
     MSP_DEMAND_CONTAINER_LABEL, EINVAL, "demands not sorted"},
    {"label twice", ROW(DEMANDS, msp_image_demand, DEMAND_K2, key_off), 4,
     STRING_K1, EINVAL, "demands not sorted"},
    {"kind before another", ROW(DEMANDS, msp_image_demand, DEMAND_NAME, kind),
     4, MSP_DEMAND_POD_ACCOUNT, EINVAL, "demands of an identity"},
    {"first demand", ROW(IDENTITIES, msp_image_identity, CTR, first_demand), 4,
     1, EINVAL, "first demand"},
    {"first demand of none",
     ROW(IDENTITIES, msp_image_identity, WEB, first_demand), 4, 1, EINVAL,
     "first demand"},
    {"too many demands", ROW(IDENTITIES, msp_image_identity, IDLE, n_demands),
     4, 2, EINVAL, "demands of an identity"},
    {"demands wrap", ROW(IDENTITIES, msp_image_identity, POD, n_demands), 4,
     0xffffffff, EINVAL, "demands of an identity"},
    {"demand unused", ROW(IDENTITIES, msp_image_identity, CTR, n_demands), 4, 2,
     EINVAL, "first demand"},
    {"demand of a container alone",
     ROW(IDENTITIES, msp_image_identity, CTR, flags), 4,
     MSP_ID_EXE | MSP_ID_CONTAINER, EINVAL, "demands of an identity"},
    {"demand of the wrong thing",
     ROW(IDENTITIES, msp_image_identity, POD, flags), 4, MSP_ID_CONTAINER,
     EINVAL, "demands of an identity"},
    {"container of the host", ROW(IDENTITIES, msp_image_identity, IDLE, flags),
     4, MSP_ID_CONTAINER | MSP_ID_HOST_ONLY, EINVAL, "host-only flag"},
    {"nobody in a container", ROW(IDENTITIES, msp_image_identity, IDLE, flags),
     4, MSP_ID_CONTAINER | MSP_ID_NOBODY | MSP_ID_HOST_ONLY, EINVAL,
     "nobody with rows"},
    {"gate lifted for a user",
     ROW(ENDPOINTS, msp_image_endpoint, 1, ep.lifts_root_gate), 8,
     1u << POD | 1u << USER, EINVAL, "identities past the root gate"},
    {"gate lifted without a right",
     ROW(ENDPOINTS, msp_image_endpoint, 1, ep.lifts_root_gate), 8,
     1u << POD | 1u << IDLE, EINVAL, "identities past the root gate"},
    {"gate not lifted",
     ROW(ENDPOINTS, msp_image_endpoint, 1, ep.lifts_root_gate), 8, 0, EINVAL,
     "identities past the root gate"},
    {"gate lifted where there is none",
     ROW(ENDPOINTS, msp_image_endpoint, 0, ep.lifts_root_gate), 8, 1u << CTR,
     EINVAL, "identities past the root gate"},
    {"no selector", ROW(IDENTITIES, msp_image_identity, 1, flags), 4, 0x100,
     EINVAL, "identity without a selector"},
    {"uid", ROW(IDENTITIES, msp_image_identity, 0, uid), 4, 0xffffffff, EINVAL,
     "identity number"},
    {"gid without flag", ROW(IDENTITIES, msp_image_identity, 0, gid), 4, 1,
     EINVAL, "identity number"},
    {"inside a string", ROW(IDENTITIES, msp_image_identity, 0, name_off), 4, 4,
     EINVAL, "string offset inside a string"},
    {"nameless", ROW(IDENTITIES, msp_image_identity, 0, name_off), 4, 0, EINVAL,
     "string empty"},
    {"no user", ROW(IDENTITIES, msp_image_identity, 1, user_off), 4, 0, EINVAL,
     "string empty"},
    {"user without flag", ROW(IDENTITIES, msp_image_identity, 0, user_off), 4,
     1, E2BIG, "string too long"},
};

static void names_each_fault_of_identities(void **state)
{
    (void)state;
    check_faults(faults, ARRAY_SIZE(faults));
}

/* The rows of an image under construction. */
static struct msp_image_identity *identities_of(uint8_t *bytes)
{
    const struct msp_image_header *header = (const void *)bytes;

    return (void *)(bytes + header->section[MSP_SEC_IDENTITIES].offset);
}

static void cgroup_states_need_patterns(void **state)
{
    msp_autofree uint8_t *bytes = malloc(good.len);
    struct msp_image_identity *row;
    const char *why;

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.bytes, good.len);
    row = identities_of(bytes);
    row[CG].flags = MSP_ID_EXE | MSP_ID_HOST_ONLY;
    row[CG].cgroup_off = 0;
    row[UNIT].flags = MSP_ID_PROCESS | MSP_ID_HOST_ONLY;
    row[UNIT].unit_off = 0;
    redigest(bytes, good.len);
    assert_errno(open_copy(bytes, good.len, &why), EINVAL);
    assert_string_equal(why, "cgroup states without patterns");
}

static const char without_rows[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"deny\",\"id\":\"\",\"rules\":{\"privileges\":[],"
    "\"roles\":[],\"roleAssignments\":[],\"identities\":["
    "{\"name\":\"/x\",\"uid\":1},{\"name\":\"y\",\"uid\":2}]}}}}";

/* Selectors whose rows are not there. */
static void selectors_need_rows(void **state)
{
    static const struct {
        uint32_t flags;
        const char *why;
    } cases[] = {
        {MSP_ID_CGROUP, "cgroup states without patterns"},
        {MSP_ID_UNIT | MSP_ID_HOST_ONLY, "cgroup states without patterns"},
        {MSP_ID_EXE | MSP_ID_HOST_ONLY, "executable index"},
        {MSP_ID_PROCESS | MSP_ID_HOST_ONLY, "process set"},
        {MSP_ID_CONTAINER, "demands of an identity"},
        {MSP_ID_POD, "demands of an identity"},
        {MSP_ID_NOBODY | MSP_ID_HOST_ONLY, NULL},
        {MSP_ID_NOBODY, "host-only flag"},
    };
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    compile_ok(without_rows, sizeof(without_rows) - 1, &image);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree uint8_t *bytes = malloc(image.len);
        struct msp_image_identity *row;
        const char *why;
        int r;

        assert_non_null(bytes);
        memcpy(bytes, image.bytes, image.len);
        row = identities_of(bytes);
        row[0].flags = cases[i].flags;
        row[0].uid = 0;
        if (row[0].flags & MSP_ID_CGROUP)
            row[0].cgroup_off = row[0].name_off;
        if (row[0].flags & MSP_ID_UNIT)
            row[0].unit_off = row[0].name_off;
        if (row[0].flags & MSP_ID_PROCESS)
            row[0].process_off = row[1].name_off;
        redigest(bytes, image.len);
        r = open_copy(bytes, image.len, &why);
        if (cases[i].why ? r != -EINVAL || !msp_streq(why, cases[i].why)
                         : r != 0)
            fail_msg("case %zu: %d \"%s\"", i, r, why ? why : "");
    }
}

static const char one_pattern[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"deny\",\"id\":\"\",\"rules\":{\"privileges\":[],"
    "\"roles\":[],\"roleAssignments\":[],\"identities\":["
    "{\"name\":\"x\",\"uid\":1},{\"name\":\"y\",\"cgroup\":\"/y\"}]}}}}";

static void nobody_is_in_no_cgroup(void **state)
{
    msp_cleanup(compiled_done) struct compiled image = {0};
    struct msp_image_identity *row;
    const char *why;

    (void)state;
    compile_ok(one_pattern, sizeof(one_pattern) - 1, &image);
    row = identities_of(image.bytes);
    row[0].flags |= MSP_ID_NOBODY | MSP_ID_HOST_ONLY;
    redigest(image.bytes, image.len);
    assert_errno(open_copy(image.bytes, image.len, &why), EINVAL);
    assert_string_equal(why, "cgroup set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_fault_of_identities),
        cmocka_unit_test(cgroup_states_need_patterns),
        cmocka_unit_test(selectors_need_rows),
        cmocka_unit_test(nobody_is_in_no_cgroup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
