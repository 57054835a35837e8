/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/localrules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <msp/cleanup.h>

#define PREFIX "LocalFileRules_"

static void put_json(json_t **json)
{
    json_decref(*json);
}

/* A member that may be null; NULL if it is, or absent. */
static json_t *get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* --- the id of an item ---------------------------------------------------- */

/*
 * Decodes base64 with its padding, white space around it aside.
 * @return [*ret_len] owned; NULL it is none, or there is no memory
 */
static unsigned char *decode(const char *text, size_t *ret_len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t digits, len, pad;
    unsigned char *bytes;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    digits = strspn(text, alphabet);
    pad = len - digits;
    if (len == 0 || len % 4 || len > INT32_MAX || digits > len || pad > 2 ||
        strspn(text + digits, "=") < pad)
        return NULL;
    bytes = malloc(len);
    if (!bytes)
        return NULL;
    if (EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) < 0) {
        free(bytes);
        return NULL;
    }
    *ret_len = len / 4 * 3 - pad;
    return bytes;
}

/* What the id of an item says. @return owned; NULL: it is a plain name */
static json_t *descriptor(const json_t *item)
{
    const char *id = json_string_value(json_object_get(item, "id"));
    size_t len = 0;
    msp_autofree unsigned char *bytes = id ? decode(id, &len) : NULL;
    json_t *said = bytes ? json_loadb((const char *)bytes, len,
                                      JSON_REJECT_DUPLICATES, NULL)
                         : NULL;
    const json_t *logical = json_object_get(said, "id");
    const json_t *flag = json_object_get(said, "useLocalFileRules");

    if (json_is_object(said) && (!logical || json_is_string(logical)) &&
        (!flag || json_is_boolean(flag)))
        return said;
    json_decref(said);
    return NULL;
}

bool msp_localrules_asked(const json_t *item)
{
    msp_cleanup(put_json) json_t *said = descriptor(item);

    return json_is_true(json_object_get(said, "useLocalFileRules"));
}

/* --- the file ------------------------------------------------------------- */

const char *msp_localrules_text(const char *text, size_t *len)
{
    if (*len < 3 || memcmp(text, "\xef\xbb\xbf", 3) != 0)
        return text;
    *len -= 3;
    return text + 3;
}

/* Whether each object of an array has something in this member. */
static bool all_have(const json_t *array, const char *name)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_array_size(json_object_get(json_array_get(array, i), name)) ==
            0)
            return false;
    return true;
}

/* Members of an identity beside its name. */
static bool has_selector(const json_t *identity)
{
    json_t *object = (json_t *)(uintptr_t)identity;
    const char *name;
    const json_t *value;

    json_object_foreach(object, name, value)
        if (!msp_streq(name, "name") && !json_is_null(value))
            return true;
    return false;
}

/*
 * What the platform demands of such a file and the compiler does not. Fail
 * closed: a file that the platform's own agent would refuse means something
 * else than it says.
 */
static const char *fault_of(const json_t *local)
{
    const json_t *rules = get(local, "rules");
    const json_t *identities = json_object_get(rules, "identities");
    const char *id = json_string_value(get(local, "id"));

    if (!json_is_object(local))
        return "not a JSON object";
    if (id && is_blank(id))
        return "/id is blank";
    if (!all_have(json_object_get(rules, "roles"), "privileges"))
        return "/rules/roles: one has no privilege";
    if (!all_have(json_object_get(rules, "roleAssignments"), "identities"))
        return "/rules/roleAssignments: one has no identity";
    for (size_t i = 0; i < json_array_size(identities); i++)
        if (!has_selector(json_array_get(identities, i)))
            return "/rules/identities: one has no selector";
    return NULL;
}

json_t *msp_localrules_parse(const char *text, size_t len,
                             const char **reterr_why)
{
    json_t *local = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *why = local ? fault_of(local) : "not JSON";

    if (!why)
        return local;
    json_decref(local);
    *reterr_why = why;
    return NULL;
}

/* --- both together -------------------------------------------------------- */

/* @return owned; NULL: no text, or no memory */
static json_t *prefixed(const json_t *name)
{
    const char *text = json_string_value(name);

    return text ? json_sprintf("%s%s", PREFIX, text) : NULL;
}

/* A name in an object, and the names in a list of it; either may be NULL. */
static int rename_in(json_t *object, const char *member, const char *list)
{
    json_t *names = list ? json_object_get(object, list) : NULL;
    json_t *value = json_object_get(object, member);
    int r = 0;

    if (json_is_string(value))
        r = json_object_set_new(object, member, prefixed(value));
    for (size_t i = 0; r == 0 && i < json_array_size(names); i++)
        if (json_is_string(json_array_get(names, i)))
            r = json_array_set_new(names, i,
                                   prefixed(json_array_get(names, i)));
    return r;
}

static const struct {
    const char *array;
    const char *name; /* member of each object in it */
    const char *list; /* of names, another member */
} parts[] = {
    {"privileges", "name", NULL},
    {"roles", "name", "privileges"},
    {"identities", "name", NULL},
    {"roleAssignments", "role", "identities"},
};

/*
 * Rules of both sides: the host's first, the file's under names of their own,
 * so that neither means anything of the other's.
 * @return owned; NULL: no memory
 */
static json_t *join(const json_t *host, const json_t *local)
{
    msp_cleanup(put_json) json_t *all = json_deep_copy(host);
    msp_cleanup(put_json) json_t *ours = json_deep_copy(local);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        json_t *to = json_object_get(all, parts[i].array);
        json_t *from = json_object_get(ours, parts[i].array);

        for (size_t k = 0; k < json_array_size(from); k++)
            if (rename_in(json_array_get(from, k), parts[i].name,
                          parts[i].list) < 0)
                return NULL;
        if (!to || json_array_extend(to, from) < 0)
            return NULL;
    }
    return TAKE_PTR(all);
}

/* The name of the result: the platform's, and that of the file if it has one.
 */
static json_t *name_of(const json_t *item, const json_t *local)
{
    msp_cleanup(put_json) json_t *said = descriptor(item);
    const char *raw = json_string_value(json_object_get(item, "id"));
    const char *logical = json_string_value(json_object_get(said, "id"));
    const char *own = json_string_value(get(local, "id"));
    bool is_named = logical && !is_blank(logical);

    return json_sprintf("%s%s%s%s", is_named ? logical : raw,
                        is_named ? "-useLocalFileRules-true" : "",
                        own ? "_" : "", own ? own : "");
}

json_t *msp_localrules_merge(const json_t *item, const json_t *local)
{
    static const char *const replaced[] = {"defaultAccess", "onDeny",
                                           "rateLimit"};
    json_t *merged = json_copy((json_t *)(uintptr_t)item);
    json_t *host = get(item, "rules"), *rules = get(local, "rules");
    int r =
        merged ? json_object_set_new(merged, "id", name_of(item, local)) : -1;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(replaced); i++)
        if (get(local, replaced[i]))
            r = json_object_set(merged, replaced[i], get(local, replaced[i]));
    if (r == 0 && rules && host)
        r = json_object_set_new(merged, "rules", join(host, rules));
    else if (r == 0 && rules)
        r = json_object_set(merged, "rules", rules);
    if (r == 0)
        return merged;
    json_decref(merged);
    return NULL;
}

json_t *msp_localrules_deny(const json_t *item)
{
    return json_pack("{s:O, s:s, s:O}", "mode", json_object_get(item, "mode"),
                     "defaultAccess", "deny", "id",
                     json_object_get(item, "id"));
}
