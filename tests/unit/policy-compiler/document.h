/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Documents and images for the tests of this folder. */
#pragma once

#include <msp/policy.h>

#include "harness/test.h"

struct compiled {
    uint8_t *bytes; /* owned */
    size_t len;
    struct msp_image view;
};

static inline void compiled_done(struct compiled *c)
{
    free(c->bytes);
    *c = (struct compiled){0};
}

/* Compiles what must compile, and opens it. */
static inline void compile_ok(const char *text, size_t len,
                              struct compiled *ret)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    const char *why = NULL;
    int r;

    *ret = (struct compiled){0};
    r = msp_policy_compile(text, len, &diags, &ret->bytes, &ret->len);
    if (r < 0)
        msp_diags_print(&diags, "document", stderr);
    assert_ok(r);
    assert_int_equal(diags.n_errors, 0);
    assert_ok(msp_image_open(ret->bytes, ret->len, &ret->view, &why));
}

/* Whether compiling fails with this code at this place. */
static inline bool is_refused(const char *text, size_t len,
                              enum msp_diag_code code, const char *pointer)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    uint8_t *bytes = NULL;
    size_t image_len = 0;

    if (msp_policy_compile(text, len, &diags, &bytes, &image_len) != -EINVAL) {
        free(bytes);
        return false;
    }
    assert_null(bytes);
    for (size_t i = 0; i < diags.n; i++)
        if (diags.item[i].code == code &&
            diags.item[i].severity == MSP_SEVERITY_ERROR &&
            msp_streq(diags.item[i].pointer, pointer))
            return true;
    msp_diags_print(&diags, "document", stderr);
    return false;
}
