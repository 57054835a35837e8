/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspc explain: its options, and where the image comes from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "doc.h"
#include "file.h"
#include "mspc.h"

/* A whole decimal number a caller can have. */
static bool take_number(const char *text, uint32_t *ret)
{
    unsigned long long value;
    char *end;

    if (text[strspn(text, "0123456789")] || !text[0])
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || value >= UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

static int take_group(struct explain_caller *caller, const char *text)
{
    uint32_t gid;

    if (caller->n_groups + caller->n_names == MSP_GROUPS_MAX)
        return msp_mspc_usage("at most 64 --group");
    if (take_number(text, &gid))
        caller->group[caller->n_groups++] = gid;
    else
        caller->group_name[caller->n_names++] = text;
    return 0;
}

static int take_method(struct explain_query *query, const char *text)
{
    for (unsigned int bit = 0; bit < DOC_METHODS; bit++) {
        if (!msp_streq(msp_doc_method_name[bit], text))
            continue;
        query->method = 1u << bit;
        return 0;
    }
    return msp_mspc_usage(
        "--method is GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH");
}

static int take_exe(struct explain_caller *caller, const char *text)
{
    struct selector_fault fault = msp_selector_exe(text, caller->exe);

    return fault.expected ? msp_mspc_usage("--exe is %s", fault.expected) : 0;
}

static int take_sha256(struct explain_caller *caller, const char *text)
{
    caller->has_sha256 = true;
    if (msp_selector_sha256(text, caller->sha256).expected)
        return msp_mspc_usage("--sha256 is 64 hex digits");
    return 0;
}

/* One that is too long has no row in the kernel, and none here. */
static int take_process(struct explain_caller *caller, const char *text)
{
    struct selector_fault fault = msp_selector_process(text);

    if (fault.expected && !fault.is_limit)
        return msp_mspc_usage("--process is a base name");
    caller->process = text;
    return 0;
}

/* A segment of a pattern; a cgroup called so cannot be asked about. */
static bool has_wildcard(const char *path)
{
    const char *segment;
    size_t n;

    while ((n = msp_selector_next(&path, &segment)) > 0)
        if (segment[0] == '*' && (n == 1 || (n == 2 && segment[1] == '*')))
            return true;
    return false;
}

static int take_cgroup(struct explain_caller *caller, const char *text)
{
    if (caller->cgroup)
        return msp_mspc_usage("one --cgroup or --unit");
    if (text[0] != '/')
        return msp_mspc_usage("--cgroup is a path from the root, /...");
    if (has_wildcard(text))
        return msp_mspc_usage("--cgroup is one cgroup, not a pattern");
    caller->cgroup = text;
    return 0;
}

static int take_unit(struct options *options, const char *text)
{
    struct selector_fault fault = msp_selector_unit(text, options->unit);

    if (fault.expected)
        return msp_mspc_usage("--unit is %s", fault.expected);
    return take_cgroup(&options->query.caller, options->unit);
}

/* One of each but for labels, of which each key may be once. */
static bool has_same(const struct explain_caller *caller,
                     const struct explain_fact *fact)
{
    for (size_t i = 0; i < caller->n_facts; i++) {
        const struct explain_fact *other = &caller->fact[i];

        if (other->kind == fact->kind && other->key_len == fact->key_len &&
            (!fact->key || memcmp(other->key, fact->key, fact->key_len) == 0))
            return true;
    }
    return false;
}

static int take_fact(struct explain_caller *caller, enum msp_demand_kind kind,
                     const char *text)
{
    struct explain_fact fact = {.kind = kind, .value = text};
    bool is_label =
        kind == MSP_DEMAND_CONTAINER_LABEL || kind == MSP_DEMAND_POD_LABEL;
    const char *equals = strchr(text, '=');

    if (is_label && (!equals || equals == text))
        return msp_mspc_usage("a label is KEY=VALUE, not \"%s\"", text);
    if (is_label) {
        fact.key = text;
        fact.key_len = (size_t)(equals - text);
        fact.value = equals + 1;
    }
    if (has_same(caller, &fact))
        return msp_mspc_usage("what a container has is said once: %s", text);
    if (caller->n_facts == ARRAY_SIZE(caller->fact))
        return msp_mspc_usage("at most 64 labels");
    caller->fact[caller->n_facts++] = fact;
    caller->is_container = true;
    return 0;
}

int msp_mspc_caller_option(struct options *options, int option,
                           const char *value)
{
    struct explain_caller *caller = &options->query.caller;

    options->has_caller = true;
    switch (option) {
    case 'm':
        return take_method(&options->query, value);
    case 't':
        options->query.target = value;
        return 0;
    case 'u':
        caller->has_uid = true;
        return take_number(value, &caller->uid)
                   ? 0
                   : msp_mspc_usage("--uid is a number, not \"%s\"", value);
    case 'g':
        caller->has_gid = true;
        return take_number(value, &caller->gid)
                   ? 0
                   : msp_mspc_usage("--gid is a number, not \"%s\"", value);
    case 'G':
        return take_group(caller, value);
    case 'U':
        caller->user = value;
        return 0;
    case 'e':
        return take_exe(caller, value);
    case 's':
        return take_sha256(caller, value);
    case 'p':
        return take_process(caller, value);
    case 'C':
        return take_cgroup(caller, value);
    case 'n':
        return take_unit(options, value);
    case 'c':
        caller->is_container = true;
        return 0;
    case 'r':
        caller->is_root = true;
        return 0;
    default:
        if (option >= MSPC_OPTION_FACT &&
            option < MSPC_OPTION_FACT + MSP_DEMAND_COUNT)
            return take_fact(caller,
                             (enum msp_demand_kind)(option - MSPC_OPTION_FACT),
                             value);
        return msp_mspc_usage("unknown option");
    }
}

/* Document or image in, image out. @return exit code */
static int load(struct options *options, uint8_t **ret_bytes, size_t *ret_len)
{
    const char *endpoint = options->policy.endpoint;
    msp_autofree char *text = NULL;
    uint64_t magic = MSP_IMAGE_MAGIC;
    size_t len;
    int r = msp_file_read(options->file, MSP_IMAGE_BYTES_MAX, &text, &len);

    if (r < 0)
        return msp_mspc_fail(options->file, r);
    if (len >= sizeof(magic) && memcmp(text, &magic, sizeof(magic)) == 0) {
        *ret_bytes = (uint8_t *)TAKE_PTR(text);
        *ret_len = len;
        return MSP_EXIT_OK;
    }
    /* A document of one item has HostGA's in that of WireServer. */
    if (msp_streq(endpoint, msp_doc_endpoint_name[MSP_EP_HOSTGA]))
        options->policy.endpoint = msp_doc_endpoint_name[MSP_EP_WIRESERVER];
    r = msp_mspc_compile(options, text, len, ret_bytes, ret_len);
    options->policy.endpoint = endpoint;
    return r;
}

static int find_endpoint(const struct msp_image *image, const char *name,
                         uint32_t *ret)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        if (!msp_streq(image->endpoints[i].ep.name, name))
            continue;
        *ret = i;
        return 0;
    }
    return -ENOENT;
}

static int no_endpoint(const struct msp_image *image, const char *name)
{
    (void)fprintf(stderr, "mspc: --endpoint \"%s\": the policy has only", name);
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++)
        (void)fprintf(stderr, " %s", image->endpoints[i].ep.name);
    (void)fputc('\n', stderr);
    return MSP_EXIT_USAGE;
}

static int check_query(struct options *options)
{
    struct explain_caller *caller = &options->query.caller;

    if (!options->policy.endpoint)
        return msp_mspc_usage("explain needs --endpoint NAME");
    if (!options->query.target)
        return msp_mspc_usage("explain needs --target TARGET");
    if (caller->has_sha256 && !caller->exe[0])
        return msp_mspc_usage("--sha256 is of the file of --exe");
    if (caller->is_root && caller->is_container)
        return msp_mspc_usage("real root is never in a container");
    if (caller->is_root && caller->has_uid && caller->uid != 0)
        return msp_mspc_usage("real root has uid 0");
    if (caller->is_root)
        caller->has_uid = true;
    if (!options->query.method)
        options->query.method = MSP_METHOD_GET;
    return MSP_EXIT_OK;
}

int msp_mspc_explain(struct options *options)
{
    static struct explain explain; /* too large for a stack */
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;
    const char *why = NULL;
    size_t len = 0;
    int r = check_query(options);

    options->has_answer = true;
    if (r == MSP_EXIT_OK)
        r = load(options, &bytes, &len);
    if (r != MSP_EXIT_OK)
        return r;
    if (msp_image_open(bytes, len, &image, &why) < 0) {
        (void)fprintf(stderr, "mspc: %s: %s\n", options->file, why);
        return MSP_EXIT_USAGE;
    }
    if (find_endpoint(&image, options->policy.endpoint,
                      &options->query.endpoint) < 0)
        return no_endpoint(&image, options->policy.endpoint);
    r = msp_explain(&image, &options->query, &explain);
    if (r == 0)
        r = options->json
                ? msp_explain_print_json(&image, &options->query, &explain,
                                         stdout)
                : msp_explain_print(&image, &options->query, &explain, stdout);
    if (r < 0)
        return msp_mspc_fail("stdout", r);
    return msp_explain_is_allowed(&explain) ? MSP_EXIT_OK : MSP_EXIT_REFUSED;
}
