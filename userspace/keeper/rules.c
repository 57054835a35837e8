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

#include "keeper/localrules.h"

/* Items that a local rule file may be for; the platform has none for HostGA. */
static const char *const item_names[] = {
    [MSP_EP_IMDS] = "imds",
    [MSP_EP_WIRESERVER] = "wireserver",
};
_Static_assert(ARRAY_SIZE(item_names) == MSP_LOCAL_FILES, "item_names");

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
    json_t *doc = json_object();

    for (size_t i = 0; doc && i < ARRAY_SIZE(item_names); i++) {
        const json_t *old = json_object_get(refused, item_names[i]);
        const char *word = json_string_value(json_object_get(old, "mode"));
        const char *mode = "enforce";

        if (!old || json_is_null(old))
            continue;
        if (word && strcasecmp(word, "audit") == 0)
            mode = "audit";
        else if (word && strcasecmp(word, "disabled") == 0)
            mode = "disabled";
        (void)json_object_set_new(doc, item_names[i],
                                  item(mode, "deny", "refused"));
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

/* @param ret_why set with -EINVAL */
static int compile_text(const char *text, size_t len,
                        const struct msp_policy_options *options,
                        char ret_why[MSP_RULES_WHY_BYTES], uint8_t **ret_image,
                        size_t *ret_len)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    int r =
        msp_policy_compile_as(text, len, options, &diags, ret_image, ret_len);

    if (r == -EINVAL)
        tell_errors(&diags, ret_why);
    return r;
}

static int compile(const json_t *doc, char ret_why[MSP_RULES_WHY_BYTES],
                   uint8_t **ret_image, size_t *ret_len)
{
    static const struct msp_policy_options options = {.form = MSP_FORM_STATUS};
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r = doc ? print(doc, &text, &len) : -ENOMEM;

    return r < 0
               ? r
               : compile_text(text, len, &options, ret_why, ret_image, ret_len);
}

/* --- local rule files ----------------------------------------------------- */

static void forget_good(struct msp_rules_local *local)
{
    free(TAKE_PTR(local->good));
    local->good_len = 0;
}

static void forget_text(struct msp_rules_local *local)
{
    free(TAKE_PTR(local->text));
    local->len = 0;
}

/* The same bytes once more. @return owned; NULL: no memory */
static char *copy_of(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

/*
 * A document of this item alone, HostGA as it will be.
 * @param host the item as the host has it
 * @return as compile()
 */
static int try_item(size_t i, const json_t *host, json_t *merged,
                    char ret_why[MSP_RULES_WHY_BYTES])
{
    msp_cleanup(put_json) json_t *doc =
        i == MSP_EP_WIRESERVER
            ? json_pack("{s:O, s:O}", item_names[i], merged, "hostga", host)
            : json_pack("{s:O}", item_names[i], merged);
    msp_autofree uint8_t *image = NULL;
    size_t len = 0;

    return compile(doc, ret_why, &image, &len);
}

/*
 * Merges a file into its item: it has to be sound by itself, so that what is
 * wrong is told by its own pointers, and the two together.
 * @param text [len]
 * @return 0; -EINVAL with ret_why; -ENOMEM; -EIO
 */
static int merge(size_t i, const json_t *item, const char *text, size_t len,
                 char ret_why[MSP_RULES_WHY_BYTES], json_t **ret_merged)
{
    /* of WireServer it would be compiled for HostGA, too */
    static const struct msp_policy_options options = {.form = MSP_FORM_LOCAL,
                                                      .endpoint = "imds"};
    msp_cleanup(put_json) json_t *local = NULL;
    msp_cleanup(put_json) json_t *merged = NULL;
    msp_autofree uint8_t *image = NULL;
    const char *why = "";
    size_t image_len = 0;
    int r;

    text = msp_localrules_text(text, &len);
    r = compile_text(text, len, &options, ret_why, &image, &image_len);
    if (r < 0)
        return r;
    local = msp_localrules_parse(text, len, &why);
    if (!local) {
        (void)snprintf(ret_why, MSP_RULES_WHY_BYTES, "%s", why);
        return -EINVAL;
    }
    merged = msp_localrules_merge(item, local);
    r = merged ? try_item(i, item, merged, ret_why) : -ENOMEM;
    if (r == 0)
        *ret_merged = TAKE_PTR(merged);
    return r;
}

/* It may not be used. Fail closed: the last good one, or nobody. */
static int merge_other(struct msp_rules_local *local, size_t i,
                       const json_t *item, json_t **ret_merged)
{
    char ignored[MSP_RULES_WHY_BYTES];
    int r = -EINVAL;

    if (local->good)
        r = merge(i, item, local->good, local->good_len, ignored, ret_merged);
    if (r != -EINVAL) {
        local->use = MSP_LOCAL_KEPT;
        return r;
    }
    local->use = MSP_LOCAL_DENIED;
    *ret_merged = msp_localrules_deny(item);
    return *ret_merged ? 0 : -ENOMEM;
}

/*
 * What an item that asks for its file becomes.
 * @param ret_merged owned; NULL: it stays as it is
 */
static int resolve(struct msp_rules_local *local, size_t i, const json_t *item,
                   json_t **ret_merged)
{
    int r = -EINVAL;

    *ret_merged = NULL;
    local->why[0] = '\0';
    if (local->file == MSP_LOCAL_OFF || local->file == MSP_LOCAL_MISSING) {
        local->use =
            local->file == MSP_LOCAL_OFF ? MSP_LOCAL_UNSET : MSP_LOCAL_NONE;
        return 0;
    }
    if (local->file == MSP_LOCAL_THERE)
        r = merge(i, item, local->text, local->len, local->why, ret_merged);
    else
        (void)snprintf(local->why, sizeof(local->why), "%s", local->refused);
    if (r == -EINVAL)
        return merge_other(local, i, item, ret_merged);
    if (r < 0)
        return r;
    local->use = MSP_LOCAL_MERGED;
    forget_good(local);
    local->good = copy_of(local->text, local->len);
    local->good_len = local->len;
    return local->good ? 0 : -ENOMEM;
}

/* HostGA stays as the host has WireServer: a local file is never for it. */
static int keep_hostga(json_t *all, const json_t *doc)
{
    return json_object_set(all, "hostga", json_object_get(doc, "wireserver"));
}

static void deny_all(struct msp_rules *rules, const json_t *doc, json_t *all)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++) {
        struct msp_rules_local *local = &rules->local[i];

        if (local->use != MSP_LOCAL_MERGED && local->use != MSP_LOCAL_KEPT)
            continue;
        local->use = MSP_LOCAL_DENIED;
        (void)snprintf(local->why, sizeof(local->why),
                       "too much together with the host's rules");
        (void)json_object_set_new(
            all, item_names[i],
            msp_localrules_deny(json_object_get(doc, item_names[i])));
    }
}

/*
 * The document with its local files.
 * @param doc sound by itself
 * @return as compile()
 */
static int compile_merged(struct msp_rules *rules, const json_t *doc,
                          uint8_t **ret_image, size_t *ret_len)
{
    msp_cleanup(put_json) json_t *all = json_copy((json_t *)(uintptr_t)doc);
    char ignored[MSP_RULES_WHY_BYTES];
    int r = all ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < MSP_LOCAL_FILES; i++) {
        const json_t *item = json_object_get(doc, item_names[i]);
        json_t *merged = NULL;

        rules->local[i].use = MSP_LOCAL_UNASKED;
        if (!msp_localrules_asked(item))
            continue;
        r = resolve(&rules->local[i], i, item, &merged);
        if (r == 0 && merged && i == MSP_EP_WIRESERVER)
            r = keep_hostga(all, doc);
        if (r == 0 && merged)
            r = json_object_set(all, item_names[i], merged);
        json_decref(merged);
    }
    if (r < 0)
        return r;
    r = compile(all, ignored, ret_image, ret_len);
    if (r != -EINVAL)
        return r;
    /* fail closed: each fits by itself, so which one is to go nobody knows */
    deny_all(rules, doc, all);
    return compile(all, ignored, ret_image, ret_len);
}

static bool does_ask(const json_t *doc)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        if (msp_localrules_asked(json_object_get(doc, item_names[i])))
            return true;
    return false;
}

static bool is_untold(const struct msp_rules *rules)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        if (rules->local[i].file == MSP_LOCAL_UNTOLD)
            return true;
    return false;
}

/* --- changes -------------------------------------------------------------- */

static bool add_local(EVP_MD_CTX *md, const struct msp_rules_local *local)
{
    return EVP_DigestUpdate(md, &local->file, sizeof(local->file)) == 1 &&
           EVP_DigestUpdate(md, &local->len, sizeof(local->len)) == 1 &&
           EVP_DigestUpdate(md, local->text, local->len) == 1 &&
           EVP_DigestUpdate(md, local->refused, sizeof(local->refused)) == 1;
}

/* Of all that the image comes from. @return 0; -EIO */
static int digest(const struct msp_rules *rules, const char *text, size_t len,
                  uint8_t ret[MSP_RULES_DIGEST_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                 EVP_DigestUpdate(md, text, len) == 1;

    for (size_t i = 0; is_ok && rules->asked && i < MSP_LOCAL_FILES; i++)
        is_ok = add_local(md, &rules->local[i]);
    is_ok = is_ok && EVP_DigestFinal_ex(md, ret, NULL) == 1;
    EVP_MD_CTX_free(md);
    return is_ok ? 0 : -EIO;
}

/* Keeps the document if it is to be compiled again when a file changes.
 * @return 1 something is other than before; 0 the same; -ENOMEM, -EIO */
static int is_changed(struct msp_rules *rules, const json_t *doc)
{
    uint8_t found[MSP_RULES_DIGEST_BYTES];
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r = print(doc, &text, &len);

    if (r < 0)
        return r;
    free(TAKE_PTR(rules->asked));
    if (does_ask(doc)) {
        rules->asked = TAKE_PTR(text);
        rules->asked_len = len;
    }
    r = digest(rules, rules->asked ? rules->asked : text, len, found);
    if (r < 0)
        return r;
    if (rules->is_known && memcmp(found, rules->digest, sizeof(found)) == 0)
        return 0;
    memcpy(rules->digest, found, sizeof(found));
    return 1;
}

/* @param doc borrowed; NULL: no memory. @return as msp_rules_compile */
static int compile_document(struct msp_rules *rules, const json_t *doc,
                            uint8_t **ret_image, size_t *ret_len,
                            bool *ret_is_fallback)
{
    msp_cleanup(put_json) json_t *deny = NULL;
    msp_autofree uint8_t *alone = NULL;
    char ignored[MSP_RULES_WHY_BYTES];
    int r = doc ? is_changed(rules, doc) : -ENOMEM;

    *ret_image = NULL;
    *ret_is_fallback = false;
    if (r <= 0)
        return r;
    rules->is_known = false;
    rules->why[0] = '\0';
    if (rules->asked && is_untold(rules))
        return 0; /* fail closed: what was in force stays until it is known */
    r = compile(doc, rules->why, &alone, ret_len);
    if (r == -EINVAL) {
        deny = fallback(doc);
        *ret_is_fallback = true;
        r = compile(deny, ignored, ret_image, ret_len);
    } else if (r == 0 && rules->asked) {
        r = compile_merged(rules, doc, ret_image, ret_len);
    } else if (r == 0) {
        *ret_image = TAKE_PTR(alone);
    }
    rules->is_known = r == 0;
    return r;
}

/* --- what is known changes ------------------------------------------------ */

static void unask(struct msp_rules *rules)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++) {
        rules->local[i].use = MSP_LOCAL_UNASKED;
        rules->local[i].why[0] = '\0';
    }
}

int msp_rules_compile(struct msp_rules *rules, const char *text, size_t len,
                      const struct msp_status *status, uint8_t **ret_image,
                      size_t *ret_len, bool *ret_is_fallback)
{
    msp_cleanup(put_json) json_t *root = json_loadb(text, len, 0, NULL);
    msp_cleanup(put_json) json_t *doc = document(root, status);
    int r = compile_document(rules, doc, ret_image, ret_len, ret_is_fallback);

    if (r == 0 && !rules->asked)
        unask(rules);
    return r;
}

int msp_rules_again(struct msp_rules *rules, uint8_t **ret_image,
                    size_t *ret_len, bool *ret_is_fallback)
{
    msp_cleanup(put_json) json_t *doc = NULL;

    *ret_image = NULL;
    *ret_is_fallback = false;
    if (!rules->asked)
        return 0;
    doc = json_loadb(rules->asked, rules->asked_len, 0, NULL);
    return compile_document(rules, doc, ret_image, ret_len, ret_is_fallback);
}

void msp_rules_set_local(struct msp_rules *rules, enum msp_builtin endpoint,
                         enum msp_local_file file, char *text, size_t len,
                         const char *why)
{
    struct msp_rules_local *local = &rules->local[endpoint];

    forget_text(local);
    local->file = file;
    local->text = text;
    local->len = len;
    memset(local->refused, 0, sizeof(local->refused));
    (void)snprintf(local->refused, sizeof(local->refused), "%s", why);
    /* who takes it away wants to be without it */
    if (file == MSP_LOCAL_OFF || file == MSP_LOCAL_MISSING)
        forget_good(local);
}

void msp_rules_local_why(const struct msp_rules *rules,
                         char ret_why[MSP_RULES_WHY_BYTES])
{
    size_t at = 0;

    ret_why[0] = '\0';
    for (size_t i = 0; i < MSP_LOCAL_FILES && at < MSP_RULES_WHY_BYTES; i++) {
        const struct msp_rules_local *local = &rules->local[i];

        if (local->use != MSP_LOCAL_KEPT && local->use != MSP_LOCAL_DENIED)
            continue;
        at +=
            (size_t)snprintf(ret_why + at, MSP_RULES_WHY_BYTES - at, "%s%s: %s",
                             at ? "; " : "", item_names[i], local->why);
    }
}

void msp_rules_clear(struct msp_rules *rules)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++) {
        forget_text(&rules->local[i]);
        forget_good(&rules->local[i]);
    }
    free(TAKE_PTR(rules->asked));
}
