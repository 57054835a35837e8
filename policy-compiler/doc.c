/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "doc.h"

#include <stdlib.h>

#include <msp/cleanup.h>

#include "parse.h"

const char *const msp_doc_endpoint_name[MSP_EP_BUILTINS] = {
    [MSP_EP_IMDS] = "imds",
    [MSP_EP_WIRESERVER] = "wireserver",
    [MSP_EP_HOSTGA] = "hostga",
};

const char *const msp_doc_method_name[DOC_METHODS] = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
};
_Static_assert(MSP_METHOD_ALL == (1 << DOC_METHODS) - 1, "a name a bit");

static void endpoint_done(struct doc_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->n_privileges; i++)
        free(endpoint->privilege[i].pair);
    for (size_t i = 0; i < endpoint->n_roles; i++)
        free(endpoint->role[i].privileges.item);
    for (size_t i = 0; i < endpoint->n_identities; i++)
        free(endpoint->identity[i].demand);
    for (size_t i = 0; i < endpoint->n_assignments; i++)
        free(endpoint->assignment[i].identities.item);
    free(endpoint->address);
    free(endpoint->port);
    free(endpoint->privilege);
    free(endpoint->role);
    free(endpoint->identity);
    free(endpoint->assignment);
    *endpoint = (struct doc_endpoint){0};
}

void msp_doc_place(const struct doc_endpoint *endpoint, struct place *ret)
{
    msp_place_set(ret, "%s", endpoint->parent);
    if (endpoint->member)
        (void)msp_place_push(ret, endpoint->member);
}

void msp_doc_done(struct policy_doc *doc)
{
    for (size_t i = 0; i < doc->n_endpoints; i++)
        endpoint_done(&doc->endpoint[i]);
    msp_parse_release(TAKE_PTR(doc->root));
}
