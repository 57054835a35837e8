/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <openssl/evp.h>

#include <msp/cleanup.h>
#include <msp/policy.h>

static void put_json(json_t **json)
{
    json_decref(*json);
}

static const char *word_of(enum msp_mode mode)
{
    return mode == MSP_MODE_ENFORCE ? "enforce"
           : mode == MSP_MODE_AUDIT ? "audit"
                                    : "disabled";
}

static json_t *item(const char *mode, const char *access, const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "mode", mode, "defaultAccess", access,
                     "id", id);
}

/* Version 1.0 has modes only; nothing is known of anybody, so all may. */
static json_t *of_modes(const struct msp_status *status)
{
    return json_pack(
        "{s:o, s:o}", "imds",
        item(word_of(status->mode[MSP_EP_IMDS]), "allow", "secureChannelState"),
        "wireserver",
        item(word_of(status->mode[MSP_EP_WIRESERVER]), "allow",
             "secureChannelState"));
}

/* The document of the answer. @return owned; NULL */
static json_t *document(const json_t *root, const struct msp_status *status)
{
    json_t *rules;

    if (status->is_disabled)
        return json_object();
    if (!status->is_v2)
        return of_modes(status);
    rules = json_copy(json_object_get(root, "authorizationRules"));
    /* the platform's rule: HostGA is as WireServer, whatever is said of it */
    (void)json_object_del(rules, "hostga");
    return rules;
}

/* Of a document that was refused. Fail closed: nobody is allowed. */
static json_t *fallback(const json_t *refused)
{
    static const char *const names[] = {"imds", "wireserver"};
    json_t *doc = json_object();

    for (size_t i = 0; doc && i < ARRAY_SIZE(names); i++) {
        const json_t *old = json_object_get(refused, names[i]);
        const char *word = json_string_value(json_object_get(old, "mode"));
        const char *mode = "enforce";

        if (!old || json_is_null(old))
            continue;
        if (word && strcasecmp(word, "audit") == 0)
            mode = "audit";
        else if (word && strcasecmp(word, "disabled") == 0)
            mode = "disabled";
        (void)json_object_set_new(doc, names[i], item(mode, "deny", "refused"));
    }
    return doc;
}

/* @param ret_text [ret_len] with sorted members, free() */
static int print(const json_t *doc, char **ret_text, size_t *ret_len)
{
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS;
    size_t len = json_dumpb(doc, NULL, 0, flags);

    if (len == 0)
        return -ENOMEM;
    *ret_text = malloc(len);
    if (!*ret_text)
        return -ENOMEM;
    *ret_len = json_dumpb(doc, *ret_text, len, flags);
    return 0;
}

static const struct msp_diag *first_error(const struct msp_diags *diags)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->item[i].severity == MSP_SEVERITY_ERROR)
            return &diags->item[i];
    return NULL;
}

/* What is wrong, in a line: the first error, and how many more there are. */
static void tell_errors(const struct msp_diags *diags,
                        char ret_why[MSP_RULES_WHY_BYTES])
{
    const struct msp_diag *diag = first_error(diags);
    char more[32] = "";

    if (!diag)
        return;
    if (diags->n_errors > 1)
        (void)snprintf(more, sizeof(more), "; and %zu more",
                       diags->n_errors - 1);
    (void)snprintf(ret_why, MSP_RULES_WHY_BYTES, "%s %s%s%s%s%s%s",
                   msp_diag_name(diag->code), diag->pointer,
                   diag->expected ? ": expected " : "",
                   diag->expected ? diag->expected : "",
                   diag->found ? (diag->expected ? ", found " : ": found ")
                               : "",
                   diag->found ? diag->found : "", more);
}

static int compile(const json_t *doc, char ret_why[MSP_RULES_WHY_BYTES],
                   uint8_t **ret_image, size_t *ret_len)
{
    static const struct msp_policy_options options = {.form = MSP_FORM_STATUS};
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r = print(doc, &text, &len);

    if (r == 0)
        r = msp_policy_compile_as(text, len, &options, &diags, ret_image,
                                  ret_len);
    if (r == -EINVAL)
        tell_errors(&diags, ret_why);
    return r;
}

/* @return 1 other than before; 0 the same; -ENOMEM, -EIO */
static int is_changed(struct msp_rules *rules, const json_t *doc)
{
    uint8_t digest[MSP_RULES_DIGEST_BYTES];
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r = print(doc, &text, &len);

    if (r < 0)
        return r;
    if (EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    if (rules->is_known && memcmp(digest, rules->digest, sizeof(digest)) == 0)
        return 0;
    memcpy(rules->digest, digest, sizeof(digest));
    return 1;
}

int msp_rules_compile(struct msp_rules *rules, const char *text, size_t len,
                      const struct msp_status *status, uint8_t **ret_image,
                      size_t *ret_len, bool *ret_is_fallback)
{
    msp_cleanup(put_json) json_t *root = json_loadb(text, len, 0, NULL);
    msp_cleanup(put_json) json_t *doc = document(root, status);
    msp_cleanup(put_json) json_t *deny = NULL;
    char ignored[MSP_RULES_WHY_BYTES];
    int r;

    *ret_image = NULL;
    *ret_is_fallback = false;
    r = doc ? is_changed(rules, doc) : -ENOMEM;
    if (r <= 0)
        return r;
    rules->is_known = false;
    rules->why[0] = '\0';
    r = compile(doc, rules->why, ret_image, ret_len);
    if (r == -EINVAL) {
        deny = fallback(doc);
        *ret_is_fallback = true;
        r = deny ? compile(deny, ignored, ret_image, ret_len) : -ENOMEM;
    }
    rules->is_known = r == 0;
    return r;
}
