/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "check_identity.h"

#include <string.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#include "selector.h"

/* One identity of the document. */
struct checker {
    struct report *report;
    bool is_platform;
    struct place at; /* of the identity */
};

static void report_fault(struct checker *c, const char *member, doc_text text,
                         struct selector_fault fault)
{
    size_t before = msp_place_push(&c->at, member);

    if (fault.expected)
        msp_report_error(
            c->report, fault.is_limit ? MSP_DIAG_LIMIT : MSP_DIAG_VALUE,
            c->at.text, fault.expected, "%s", msp_report_shown(text).text);
    msp_place_pop(&c->at, before);
}

/*
 * A spelling no file here has. The platform has such for its other kind of
 * host, so in its forms it is an identity that nobody is.
 */
static void report_name(struct checker *c, const char *member, doc_text text,
                        struct selector_fault fault)
{
    size_t before;

    if (!c->is_platform || !fault.expected) {
        report_fault(c, member, text, fault);
        return;
    }
    before = msp_place_push(&c->at, member);
    msp_report_warning(c->report, MSP_DIAG_NOBODY, c->at.text, fault.expected,
                       "%s: this identity matches nobody",
                       msp_report_shown(text).text);
    msp_place_pop(&c->at, before);
}

/* A file may be called so, but hardly ever is. */
static void check_pattern(struct checker *c, doc_text path)
{
    size_t before = msp_place_push(&c->at, "exePath");

    if (strchr(path, '*'))
        msp_report_warning(c->report, MSP_DIAG_NOBODY, c->at.text,
                           "the path of one file: there are no patterns here",
                           "%s", msp_report_shown(path).text);
    msp_place_pop(&c->at, before);
}

static void check_executable(struct checker *c, const struct doc_identity *id)
{
    char path[MSP_EXE_PATH_BYTES];
    uint8_t digest[MSP_DIGEST_BYTES];
    size_t before;

    if (id->exe) {
        report_name(c, "exePath", id->exe, msp_selector_exe(id->exe, path));
        check_pattern(c, id->exe);
    }
    if (id->process)
        report_name(c, "processName", id->process,
                    msp_selector_process(id->process));
    if (id->sha256)
        report_fault(c, "exeSha256", id->sha256,
                     msp_selector_sha256(id->sha256, digest));
    if (id->flags & MSP_ID_SHA256 && !(id->flags & MSP_ID_EXE)) {
        before = msp_place_push(&c->at, "exePath");
        msp_report_error(c->report, MSP_DIAG_MISSING, c->at.text,
                         "the file whose contents exeSha256 names", NULL);
        msp_place_pop(&c->at, before);
    }
}

static void check_cgroup(struct checker *c, const struct doc_identity *id)
{
    char pattern[SELECTOR_CGROUP_BYTES], path[SELECTOR_CGROUP_BYTES];
    struct selector_fault fault = {0}, unit_fault = {0};

    if (id->cgroup) {
        fault = msp_selector_cgroup(id->cgroup, pattern);
        report_fault(c, "cgroup", id->cgroup, fault);
    }
    if (id->unit) {
        unit_fault = msp_selector_unit(id->unit, path);
        report_fault(c, "unit", id->unit, unit_fault);
    }
    if (!id->cgroup || !id->unit || fault.expected || unit_fault.expected)
        return;
    if (!msp_selector_covers(pattern, path))
        msp_report_warning(c->report, MSP_DIAG_NOBODY, c->at.text,
                           "a cgroup that covers the unit's",
                           "nothing for %s: this identity matches nobody",
                           msp_report_shown(path).text);
}

/* Where one demand stands, below the identity. */
static void push_demand(struct checker *c, const struct doc_demand *demand)
{
    static const struct {
        const char *selector, *member;
    } place[] = {
        [MSP_DEMAND_CONTAINER_ID] = {"container", "id"},
        [MSP_DEMAND_CONTAINER_NAME] = {"container", "name"},
        [MSP_DEMAND_CONTAINER_LABEL] = {"container", "labels"},
        [MSP_DEMAND_POD_NAMESPACE] = {"pod", "namespace"},
        [MSP_DEMAND_POD_NAME] = {"pod", "name"},
        [MSP_DEMAND_POD_ACCOUNT] = {"pod", "serviceAccount"},
        [MSP_DEMAND_POD_LABEL] = {"pod", "labels"},
    };

    _Static_assert(ARRAY_SIZE(place) == MSP_DEMAND_COUNT, "place");
    (void)msp_place_push(&c->at, place[demand->kind].selector);
    (void)msp_place_push(&c->at, place[demand->kind].member);
    if (demand->key)
        (void)msp_place_push(&c->at, demand->key);
}

static void check_demands(struct checker *c, const struct doc_identity *id)
{
    for (size_t i = 0; i < id->n_demands; i++) {
        const struct doc_demand *demand = &id->demand[i];
        struct selector_fault fault =
            msp_selector_demand(demand->key, demand->value);
        size_t before = c->at.len;

        push_demand(c, demand);
        if (fault.expected)
            msp_report_error(c->report,
                             fault.is_limit ? MSP_DIAG_LIMIT : MSP_DIAG_VALUE,
                             c->at.text, fault.expected, "%s",
                             msp_report_shown(demand->value).text);
        else if (strchr(demand->value, '*'))
            msp_report_warning(c->report, MSP_DIAG_NOBODY, c->at.text,
                               "the whole text: there are no patterns here",
                               "%s", msp_report_shown(demand->value).text);
        msp_place_pop(&c->at, before);
    }
}

/*
 * An identity without a selector is everybody to the platform and a mistake in
 * our own form.
 */
static void check_selectors(struct checker *c, const struct doc_identity *id)
{
    if (id->flags == MSP_ID_PROCESS) {
        msp_report_warning(c->report, MSP_DIAG_WEAK, c->at.text,
                           "another selector beside processName",
                           "none: any file of this name will do");
        return;
    }
    if (!id->name || id->flags)
        return;
    if (!c->is_platform)
        msp_report_error(c->report, MSP_DIAG_NO_SELECTOR, c->at.text,
                         "uid, gid, userName, groupName, exePath, processName, "
                         "cgroup, unit, container or pod",
                         "none");
    else if (id->has_unknown)
        /* fail closed: what should have narrowed it is not known */
        msp_report_error(c->report, MSP_DIAG_NO_SELECTOR, c->at.text,
                         "a selector of this version", "unknown members only");
    else
        msp_report_warning(c->report, MSP_DIAG_NO_SELECTOR, c->at.text,
                           "userName, groupName, exePath or processName",
                           "none: it is everybody");
}

void msp_check_identities(const struct doc_endpoint *endpoint, bool is_platform,
                          const struct place *rules, struct report *report)
{
    struct checker c = {
        .report = report, .is_platform = is_platform, .at = *rules};

    (void)msp_place_push(&c.at, "identities");
    for (size_t i = 0; i < endpoint->n_identities; i++) {
        size_t before = msp_place_push_index(&c.at, i);

        check_executable(&c, &endpoint->identity[i]);
        check_cgroup(&c, &endpoint->identity[i]);
        check_demands(&c, &endpoint->identity[i]);
        check_selectors(&c, &endpoint->identity[i]);
        msp_place_pop(&c.at, before);
    }
}
