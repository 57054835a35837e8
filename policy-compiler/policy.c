/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>

#include <msp/cleanup.h>
#include <msp/policy.h>

#include "check.h"
#include "emit.h"
#include "parse.h"

static const char default_document[] = "{\n"
                                       "  \"version\": 1,\n"
                                       "  \"endpoints\": {\n"
                                       "    \"imds\": {\n"
                                       "      \"mode\": \"enforce\",\n"
                                       "      \"defaultAccess\": \"allow\",\n"
                                       "      \"id\": \"default\"\n"
                                       "    },\n"
                                       "    \"wireserver\": {\n"
                                       "      \"mode\": \"enforce\",\n"
                                       "      \"defaultAccess\": \"allow\",\n"
                                       "      \"id\": \"default\"\n"
                                       "    },\n"
                                       "    \"hostga\": {\n"
                                       "      \"mode\": \"enforce\",\n"
                                       "      \"defaultAccess\": \"allow\",\n"
                                       "      \"id\": \"default\"\n"
                                       "    }\n"
                                       "  }\n"
                                       "}\n";

/* WireServer and HostGA are for root by their gate, in every policy. */
const char *msp_policy_default(void)
{
    return default_document;
}

/* A document that passed both checks. */
static int compile_checked(const struct policy_doc *doc, struct report *report,
                           uint8_t **ret_image, size_t *ret_len)
{
    msp_cleanup(msp_rules_done) struct policy_rules rules = {0};
    msp_cleanup(msp_tables_done) struct msp_tables tables = {0};
    struct msp_image view;
    const char *why;
    int r;

    r = msp_resolve(doc, &rules);
    if (r < 0)
        return r;
    r = msp_lower(&rules, report, &tables);
    if (r < 0)
        return r;
    if (report->n_errors > 0)
        return -EINVAL;
    r = msp_emit(&tables, report, ret_image, ret_len);
    if (r <= 0)
        return r < 0 ? r : -EINVAL;
    /* fail closed: no image leaves here that the daemon would refuse */
    if (msp_image_open(*ret_image, *ret_len, &view, &why) < 0) {
        free(TAKE_PTR(*ret_image));
        return -EIO;
    }
    return 0;
}

int msp_policy_compile_as(const char *text, size_t len,
                          const struct msp_policy_options *options,
                          struct msp_diags *diags, uint8_t **ret_image,
                          size_t *ret_len)
{
    msp_cleanup(msp_doc_done) struct policy_doc doc = {0};
    struct report report = {.diags = diags};
    uint8_t *image = NULL;
    size_t image_len = 0;
    int r = msp_parse(text, len, options, &report, &doc);

    if (r <= 0)
        return r < 0 ? r : -EINVAL;
    r = msp_check(&doc, &report);
    if (r < 0)
        return r;
    if (report.n_errors > 0)
        return -EINVAL;
    r = compile_checked(&doc, &report, &image, &image_len);
    if (r < 0)
        return r;
    *ret_image = image;
    *ret_len = image_len;
    return 0;
}

int msp_policy_compile(const char *text, size_t len, struct msp_diags *diags,
                       uint8_t **ret_image, size_t *ret_len)
{
    const struct msp_policy_options options = {.form = MSP_FORM_NATIVE};

    return msp_policy_compile_as(text, len, &options, diags, ret_image,
                                 ret_len);
}
