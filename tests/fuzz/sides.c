/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "sides.h"

#include <strings.h>

#include "fuzz.h"

const char *const side_names[MSP_EP_BUILTINS] = {"imds", "wireserver",
                                                 "hostga"};

void side_view_open(struct side_view *view, size_t len)
{
    const char *why = NULL;

    FUZZ_CHECK(msp_image_open(view->bytes, len, &view->image, &why) == 0);
}

static struct side_view compile(const char *text, size_t text_len,
                                const struct msp_policy_options *options)
{
    struct msp_diags diags = {0};
    struct side_view view = {0};
    size_t len = 0;

    if (msp_policy_compile_as(text, text_len, options, &diags, &view.bytes,
                              &len) == 0)
        side_view_open(&view, len);
    msp_diags_done(&diags);
    return view;
}

/* @param doc taken over */
static struct side_view compile_as(json_t *doc,
                                   const struct msp_policy_options *options)
{
    char *text = json_dumps(doc, 0);
    struct side_view view;

    FUZZ_CHECK(text);
    view = compile(text, strlen(text), options);
    free(text);
    json_decref(doc);
    return view;
}

struct side_view side_compile(json_t *doc)
{
    static const struct msp_policy_options options = {.form = MSP_FORM_STATUS};

    return compile_as(doc, &options);
}

json_t *side_get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

/* --- one side of a merge -------------------------------------------------- */

static struct side_view host_view(const json_t *item, size_t endpoint,
                                  const char *access)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)item);

    (void)json_object_set_new(copy, "mode", json_string("enforce"));
    (void)json_object_set_new(copy, "defaultAccess", json_string(access));
    return side_compile(json_pack("{s:o}", side_names[endpoint], copy));
}

static struct side_view file_view(const json_t *file, size_t endpoint,
                                  const char *access)
{
    const struct msp_policy_options options = {
        .form = MSP_FORM_LOCAL, .endpoint = side_names[endpoint]};
    json_t *copy = json_copy((json_t *)(uintptr_t)file);

    (void)json_object_set_new(copy, "defaultAccess", json_string(access));
    return compile_as(copy, &options);
}

typedef struct side_view (*view_fn)(const json_t *from, size_t endpoint,
                                    const char *access);

static void open_side(struct side *side, const json_t *from, size_t endpoint,
                      view_fn view)
{
    const char *access = json_string_value(side_get(from, "defaultAccess"));
    const struct msp_endpoint *ep;

    *side = (struct side){.by_default = {view(from, MSP_EP_IMDS, "deny"),
                                         view(from, MSP_EP_IMDS, "allow")},
                          .is_default_allow =
                              access && strcasecmp(access, "allow") == 0};
    if (endpoint == MSP_EP_WIRESERVER)
        side->gated = view(from, MSP_EP_WIRESERVER, "deny");
    FUZZ_CHECK(endpoint == MSP_EP_IMDS || side->gated.bytes);
    FUZZ_CHECK(side->by_default[0].bytes && side->by_default[1].bytes);
    ep = &side->by_default[0].image.endpoints[MSP_EP_IMDS].ep;
    side->rate = ep->rate;
    side->on_deny = ep->on_deny;
}

void side_open_host(struct side *side, const json_t *item, size_t endpoint)
{
    open_side(side, item, endpoint, host_view);
}

void side_open_file(struct side *side, const json_t *file, size_t endpoint)
{
    open_side(side, file, endpoint, file_view);
}

void side_close(struct side *side)
{
    free(side->by_default[0].bytes);
    free(side->by_default[1].bytes);
    free(side->gated.bytes);
}

/* --- probes --------------------------------------------------------------- */

static void add_fact(struct explain_caller *c, const json_t *of,
                     const char *name, enum msp_demand_kind kind)
{
    const char *value = json_string_value(side_get(of, name));

    if (!value || c->n_facts == EXPLAIN_FACTS_MAX)
        return;
    c->is_container = true;
    c->fact[c->n_facts++] = (struct explain_fact){.kind = kind, .value = value};
}

/* What an identity demands the caller has. */
static void add_traits(struct explain_caller *c, const json_t *identity)
{
    const json_t *uid = side_get(identity, "uid"),
                 *gid = side_get(identity, "gid");
    const char *user = json_string_value(side_get(identity, "userName"));
    const char *group = json_string_value(side_get(identity, "groupName"));
    const char *exe = json_string_value(side_get(identity, "exePath"));
    const char *process = json_string_value(side_get(identity, "processName"));
    const char *cgroup = json_string_value(side_get(identity, "cgroup"));
    const json_t *container = side_get(identity, "container");
    const json_t *pod = side_get(identity, "pod");

    if (uid) {
        c->has_uid = true;
        c->uid = (uint32_t)json_integer_value(uid);
    }
    if (gid && c->n_groups < 4)
        c->group[c->n_groups++] = (uint32_t)json_integer_value(gid);
    if (group && c->n_names < 4)
        c->group_name[c->n_names++] = group;
    c->user = user ? user : c->user;
    c->process = process ? process : c->process;
    c->cgroup = cgroup && *cgroup == '/' ? cgroup : c->cgroup;
    if (exe)
        (void)snprintf(c->exe, sizeof(c->exe), "%s", exe);
    add_fact(c, container, "name", MSP_DEMAND_CONTAINER_NAME);
    add_fact(c, pod, "namespace", MSP_DEMAND_POD_NAMESPACE);
    add_fact(c, pod, "name", MSP_DEMAND_POD_NAME);
}

static void add_targets(struct side_probes *probes, const json_t *privilege)
{
    json_t *query = side_get(privilege, "queryParameters"), *value;
    const char *path = json_string_value(side_get(privilege, "path")), *key;
    char separator = '?';
    char *out;
    size_t n;

    if (!path || probes->n_targets + 2 > SIDE_TARGETS_MAX)
        return;
    (void)snprintf(probes->target[probes->n_targets++], SIDE_TARGET_BYTES,
                   "%s/zz", strcmp(path, "/") == 0 ? "" : path);
    out = probes->target[probes->n_targets++];
    n = (size_t)snprintf(out, SIDE_TARGET_BYTES, "%s", path);
    json_object_foreach(query, key, value) {
        const char *text = json_string_value(value);

        if (n < SIDE_TARGET_BYTES && text)
            n += (size_t)snprintf(out + n, SIDE_TARGET_BYTES - n, "%c%s=%s",
                                  separator, key, text);
        separator = '&';
    }
}

/* Of its last identity, and of its first and last privilege. */
static void add_probes(struct side_probes *probes, const json_t *item)
{
    const json_t *rules = side_get(item, "rules");
    const json_t *ids = side_get(rules, "identities");
    const json_t *privileges = side_get(rules, "privileges");
    size_t n = json_array_size(privileges);

    if (json_array_size(ids))
        add_traits(&probes->caller[probes->n_callers++],
                   json_array_get(ids, json_array_size(ids) - 1));
    if (n)
        add_targets(probes, json_array_get(privileges, 0));
    if (n > 1)
        add_targets(probes, json_array_get(privileges, n - 1));
}

void side_find_probes(const json_t *item, const json_t *file,
                      struct side_probes *ret)
{
    struct explain_caller *both;

    memset(ret, 0, sizeof(*ret));
    ret->n_callers = 3;
    ret->caller[0] = (struct explain_caller){.has_uid = true, .uid = 54321};
    ret->caller[1] = (struct explain_caller){
        .has_uid = true, .has_gid = true, .is_root = true, .user = "root"};
    both = &ret->caller[2];
    for (const json_t *from = item; from; from = from == item ? file : NULL) {
        json_t *ids = side_get(side_get(from, "rules"), "identities");

        add_traits(both, json_array_get(ids, 0));
        add_probes(ret, from);
    }
    (void)snprintf(ret->target[ret->n_targets++], SIDE_TARGET_BYTES, "/");
}

enum msp_verdict side_ask(const struct side_view *view, size_t endpoint,
                          const struct side_probes *probes, size_t caller,
                          size_t target, enum msp_reason *ret_reason)
{
    static struct explain answer;
    static struct explain_query query;

    query.caller = probes->caller[caller];
    query.endpoint = (uint32_t)endpoint;
    query.method = (caller + target) % 2 ? MSP_METHOD_POST : MSP_METHOD_GET;
    query.target = probes->target[target];
    FUZZ_CHECK(msp_explain(&view->image, &query, &answer) == 0);
    if (ret_reason)
        *ret_reason = answer.reason;
    return answer.verdict;
}

/* --- both together --------------------------------------------------------- */

static bool is_kept_out(const struct side *side,
                        const struct side_probes *probes, size_t c, size_t t)
{
    enum msp_reason reason;

    (void)side_ask(&side->gated, MSP_EP_WIRESERVER, probes, c, t, &reason);
    return reason == MSP_REASON_NEEDS_ROOT;
}

/* With its default allow or deny. */
static bool allows(const struct side *side, bool is_default_allow,
                   const struct side_probes *probes, size_t c, size_t t)
{
    return side_ask(&side->by_default[is_default_allow], MSP_EP_IMDS, probes, c,
                    t, NULL) == MSP_VERDICT_ALLOW;
}

bool side_is_right(const struct side *host, const struct side *file,
                   size_t endpoint, bool is_default_allow,
                   const struct side_probes *probes, size_t c, size_t t)
{
    if (endpoint == MSP_EP_WIRESERVER && is_kept_out(host, probes, c, t) &&
        is_kept_out(file, probes, c, t))
        return false;
    if (allows(host, false, probes, c, t) || allows(file, false, probes, c, t))
        return true;
    return is_default_allow && allows(host, true, probes, c, t) &&
           allows(file, true, probes, c, t);
}
