/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One image with something in every section, and faults to plant in it. */
#pragma once

#include <msp/image.h>

#include "document.h"

static const char document[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"deny\",\"id\":\"x\",\"rules\":{\"privileges\":["
    "{\"name\":\"tok\",\"path\":\"/a/b\",\"queryParameters\":{\"k\":\"v\","
    "\"l\":\"w\"}},{\"name\":\"all\",\"path\":\"/\"},"
    "{\"name\":\"get\",\"path\":\"/a\",\"methods\":[\"GET\"]}],"
    "\"roles\":[{\"name\":\"r\",\"privileges\":[\"tok\",\"get\"]},"
    "{\"name\":\"s\",\"privileges\":[\"all\"]}],"
    "\"identities\":[{\"name\":\"web\",\"uid\":1000},"
    "{\"name\":\"ops\",\"userName\":\"ops\",\"groupName\":\"adm\"},"
    "{\"name\":\"gid\",\"gid\":7},"
    "{\"name\":\"exe\",\"exePath\":\"/bin/a\",\"exeSha256\":\""
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
    "\"processName\":\"p1\"},"
    "{\"name\":\"cg\",\"exePath\":\"/bin/b\",\"cgroup\":\"/a/**\"},"
    "{\"name\":\"unit\",\"processName\":\"p2\",\"unit\":\"u.service\"},"
    "{\"name\":\"ctr\",\"exePath\":\"/bin/c\",\"container\":{\"name\":"
    "\"n1\"},\"pod\":{\"labels\":{\"k2\":\"v\",\"k1\":\"v\"}}}],"
    "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"web\"]},"
    "{\"role\":\"s\",\"identities\":[\"ops\",\"gid\",\"web\"]}]}},"
    "\"wireserver\":{\"mode\":\"audit\",\"defaultAccess\":\"allow\","
    "\"id\":\"\",\"rules\":{\"privileges\":[{\"name\":\"q\",\"path\":\"/m\","
    "\"queryParameters\":{\"comp\":\"goalstate\"}}],\"roles\":["
    "{\"name\":\"r\",\"privileges\":[\"q\"]}],\"identities\":["
    "{\"name\":\"pod\",\"pod\":{\"namespace\":\"n\"}},"
    "{\"name\":\"idle\",\"container\":{\"id\":\"i\"}},"
    "{\"name\":\"uid\",\"uid\":5}],\"roleAssignments\":[{\"role\":\"r\","
    "\"identities\":[\"pod\",\"uid\"]}]}},"
    "\"a-v6\":{\"mode\":\"enforce\",\"defaultAccess\":\"deny\",\"id\":\"\","
    "\"addresses\":[\"fd00::/16\",\"10.1.0.0/16\"],\"ports\":[81],"
    "\"sign\":false},"
    "\"b-v4\":{\"mode\":\"audit\",\"defaultAccess\":\"deny\",\"id\":\"\","
    "\"addresses\":[\"10.0.0.0/16\"],\"ports\":[81,70],\"sign\":true}}}";

/* Its prefixes in order: where each of them stands. */
enum {
    B_70,       /* b-v4, 10.0.0.0/16 */
    WIRESERVER, /* port 80 */
    IMDS,       /* port 80 */
    B_81,       /* b-v4, 10.0.0.0/16 */
    A_81,       /* a-v6, 10.1.0.0/16 */
    A6_81,      /* a-v6, fd00::/16 */
    HOSTGA,
};

/* Its strings: what stands where. */
enum {
    STRING_X = 1,        /* no path */
    STRING_BIN_A = 3,    /* "/bin/a", of executable 0 */
    STRING_PATTERN = 50, /* "/a/" and two stars */
    STRING_K1 = 95,
};

/* Its identities. */
enum {
    WEB,
    OPS,
    GID,
    EXE,  /* with its hash, and base name p1 */
    CG,   /* with executable 1 */
    UNIT, /* with base name p2 */
    CTR,  /* with executable 2 and three demands */
    POD,  /* of WireServer, with the next one */
    IDLE, /* the same, without a right */
    USER,
    IDENTITIES,
};

/* Those that demand no base name. */
#define ANY_PROCESS                                                         \
    (1u << WEB | 1u << OPS | 1u << GID | 1u << CG | 1u << CTR | 1u << POD | \
     1u << IDLE | 1u << USER)

/* Its demands. */
enum {
    DEMAND_NAME, /* container name n1 */
    DEMAND_K1,   /* pod label k1 */
    DEMAND_K2,
    DEMAND_SPACE, /* pod namespace n */
    DEMAND_ID,    /* container id i */
    DEMANDS,
};

/* Its edges: state, name, where to. */
enum {
    EDGE_A,      /* 0 a 1 */
    EDGE_SYSTEM, /* 0 system.slice 2 */
    EDGE_ANY,    /* 1 * 3 */
    EDGE_UNIT,   /* 2 u.service 4 */
    EDGE_BELOW,  /* 3 * 3 */
};

static struct compiled good;

static inline int setup(void **state)
{
    (void)state;
    compile_ok(document, sizeof(document) - 1, &good);
    /* What the enums above say. */
    assert_int_equal(good.view.n[MSP_SEC_IDENTITIES], IDENTITIES);
    assert_int_equal(good.view.n[MSP_SEC_CG_EDGES], EDGE_BELOW + 1);
    assert_int_equal(good.view.n[MSP_SEC_DEMANDS], DEMANDS);
    assert_string_equal(good.view.strings + STRING_X, "x");
    assert_string_equal(good.view.strings + STRING_BIN_A, "/bin/a");
    assert_string_equal(good.view.strings + STRING_PATTERN, "/a/**");
    assert_string_equal(good.view.strings + STRING_K1, "k1");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    compiled_done(&good);
    return 0;
}

/* Opens a copy of just these bytes. */
static inline int open_copy(const uint8_t *bytes, size_t len, const char **why)
{
    msp_autofree uint8_t *copy = malloc(len ? len : 1);
    struct msp_image view;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    *why = NULL;
    return msp_image_open(copy, len, &view, why);
}

static inline void redigest(uint8_t *bytes, size_t len)
{
    assert_ok(msp_image_digest(
        bytes, len, bytes + offsetof(struct msp_image_header, digest)));
}

/* One structural fault: a place in a section and what stands there. */
struct fault {
    const char *what;
    int section; /* -1 = the header */
    size_t at;   /* from the start of the section */
    size_t size; /* 1, 2, 4 or 8 */
    uint64_t value;
    int error;
    const char *why;
};

#define HEADER(field) -1, offsetof(struct msp_image_header, field)
#define SECTION(i, field)                            \
    -1, offsetof(struct msp_image_header, section) + \
            (i) * sizeof(struct msp_image_section) + \
            offsetof(struct msp_image_section, field)
#define ROW(sec, type, i, field) \
    MSP_SEC_##sec, (i) * sizeof(struct type) + offsetof(struct type, field)

static inline size_t fault_offset(const struct fault *fault)
{
    if (fault->section < 0)
        return fault->at;
    return (size_t)good.view.header->section[fault->section].offset + fault->at;
}

/* Each by itself, with a right digest, is refused for what it is. */
static inline void check_faults(const struct fault *faults, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct fault *fault = &faults[i];
        msp_autofree uint8_t *bytes = malloc(good.len);
        const uint8_t byte = (uint8_t)fault->value;
        const uint16_t half = (uint16_t)fault->value;
        const uint32_t word = (uint32_t)fault->value;
        uint8_t *at;
        const char *why;
        int r;

        assert_non_null(bytes);
        memcpy(bytes, good.bytes, good.len);
        at = bytes + fault_offset(fault);
        assert_true(at + fault->size <= bytes + good.len);
        if (fault->size == 1)
            memcpy(at, &byte, 1);
        else if (fault->size == 2)
            memcpy(at, &half, 2);
        else if (fault->size == 4)
            memcpy(at, &word, 4);
        else
            memcpy(at, &fault->value, 8);
        redigest(bytes, good.len);
        r = open_copy(bytes, good.len, &why);
        if (r != -fault->error || !why || !msp_streq(why, fault->why))
            fail_msg("%s: %d \"%s\"", fault->what, r, why ? why : "");
    }
}
