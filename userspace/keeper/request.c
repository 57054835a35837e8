/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>

#include "proxy/text.h"

static const char key_body[] =
    "{\"authorizationScheme\": \"Azure-HMAC-SHA256\"}";

/* One request under composition. */
struct draft {
    const char *method;
    char target[128];
    char length[24];
    char date[MSP_DATE_BYTES];
    const char *body;
    struct msp_http_header header[8]; /* values trimmed, as they are signed */
    size_t n;
};

/* The platform's clients send it with a blank at the end. */
static const char metadata[] = "True ";

static void add(struct draft *draft, const char *name, const char *value)
{
    draft->header[draft->n++] = (struct msp_http_header){
        .name = name,
        .name_len = (uint16_t)strlen(name),
        .value = value,
        .value_len = (uint16_t)strlen(value),
    };
}

static void fill(struct draft *draft, enum msp_ask ask, int64_t unix_s,
                 const char *guid)
{
    draft->method = ask == MSP_ASK_STATUS ? "GET" : "POST";
    draft->body = ask == MSP_ASK_KEY ? key_body : "";
    if (ask == MSP_ASK_ATTEST)
        (void)snprintf(draft->target, sizeof(draft->target),
                       "/secure-channel/key/%s/key-attestation", guid);
    else
        (void)snprintf(draft->target, sizeof(draft->target), "%s",
                       ask == MSP_ASK_KEY ? "/secure-channel/key"
                                          : "/secure-channel/status");
    (void)snprintf(draft->length, sizeof(draft->length), "%zu",
                   strlen(draft->body));
    msp_sign_date(unix_s, draft->date);
    add(draft, "x-ms-azure-host-date", draft->date);
    add(draft, "host", "168.63.129.16");
    add(draft, "x-ms-azure-host-claims", "{ \"isRoot\": \"true\"}");
    add(draft, "content-length", draft->length);
    add(draft, "metadata", metadata);
    draft->header[draft->n - 1].value_len--;
    if (ask == MSP_ASK_KEY)
        add(draft, "content-type", "application/json");
}

static int sign_draft(struct draft *draft, struct msp_sign *sign,
                      struct msp_key *key, char ret[MSP_AUTHORIZATION_BYTES])
{
    const struct msp_sign_request request = {
        .method = draft->method,
        .method_len = strlen(draft->method),
        .target = draft->target,
        .target_len = strlen(draft->target),
        .body = draft->body,
        .body_len = strlen(draft->body),
        .header = draft->header,
        .n_headers = draft->n,
    };
    int r = msp_sign_request(sign, key, &request, ret);

    if (r == 0)
        add(draft, "x-ms-azure-host-authorization", ret);
    return r;
}

int msp_ask_print(enum msp_ask ask, int64_t unix_s, struct msp_sign *sign,
                  struct msp_key *key, char ret_text[MSP_ASK_BYTES],
                  size_t *ret_len)
{
    char authorization[MSP_AUTHORIZATION_BYTES];
    struct msp_text text = {.size = MSP_ASK_BYTES};
    struct draft draft = {.n = 0};
    int r;

    text.ptr = ret_text;
    fill(&draft, ask, unix_s, ask == MSP_ASK_ATTEST ? msp_key_guid(key) : "");
    if (ask == MSP_ASK_ATTEST) {
        r = sign_draft(&draft, sign, key, authorization);
        if (r < 0)
            return r;
    }
    msp_text_puts(&text, draft.method);
    msp_text_puts(&text, " ");
    msp_text_puts(&text, draft.target);
    msp_text_puts(&text, " HTTP/1.1\r\n");
    for (size_t i = 0; i < draft.n; i++) {
        if (draft.header[i].value == metadata)
            draft.header[i].value_len++;
        msp_text_header(&text, &draft.header[i]);
    }
    msp_text_puts(&text, "\r\n");
    msp_text_puts(&text, draft.body);
    if (text.is_full)
        return -E2BIG;
    *ret_len = text.len;
    return 0;
}
