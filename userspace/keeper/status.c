/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/status.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include <msp/cleanup.h>

#include "proxy/sign.h"

static void put_json(json_t **json)
{
    json_decref(*json);
}

bool msp_status_is_guid(const char *text)
{
    if (strlen(text) != MSP_GUID_BYTES - 1)
        return false;
    for (size_t i = 0; i < MSP_GUID_BYTES - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* A member that may be null; NULL if it is, or absent. */
static const json_t *get(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

/* --- members -------------------------------------------------------------- */

static const char *fault_of_key(const json_t *root, struct msp_status *ret)
{
    const json_t *guid = get(root, "keyGuid");
    const json_t *incarnation = get(root, "keyIncarnationId");
    const json_t *claims = get(root, "requiredClaimsHeaderPairs");

    if (guid && !json_is_string(guid))
        return "keyGuid is not a string";
    /* fail closed: it is to become the name of a file */
    if (guid && *json_string_value(guid) &&
        !msp_status_is_guid(json_string_value(guid)))
        return "keyGuid is not a GUID";
    if (guid)
        (void)snprintf(ret->guid, sizeof(ret->guid), "%s",
                       json_string_value(guid));
    if (incarnation &&
        (!json_is_integer(incarnation) || json_integer_value(incarnation) < 0 ||
         json_integer_value(incarnation) > UINT32_MAX))
        return "keyIncarnationId is not an unsigned 32-bit number";
    ret->has_incarnation = incarnation;
    ret->incarnation = (uint32_t)json_integer_value(incarnation);
    if (claims && !json_is_array(claims))
        return "requiredClaimsHeaderPairs is not an array";
    for (size_t i = 0; i < json_array_size(claims); i++)
        if (!json_is_string(json_array_get(claims, i)))
            return "requiredClaimsHeaderPairs is not all strings";
    return NULL;
}

static const char *fault_of_scheme(const json_t *root)
{
    const char *scheme =
        json_string_value(json_object_get(root, "authorizationScheme"));
    const char *delivery =
        json_string_value(json_object_get(root, "keyDeliveryMethod"));

    if (!scheme)
        return "authorizationScheme is missing or no string";
    if (!delivery)
        return "keyDeliveryMethod is missing or no string";
    /* fail closed: what we would sign is not what the host checks */
    if (!msp_streq(scheme, "Azure-HMAC-SHA256"))
        return "authorizationScheme is not Azure-HMAC-SHA256";
    if (strcasecmp(delivery, "http") != 0)
        return "keyDeliveryMethod is not http";
    return NULL;
}

/* --- version 1.0 ---------------------------------------------------------- */

static const struct {
    const char *word;
    bool is_disabled;
    enum msp_mode imds;
    enum msp_mode wire; /* and HostGA */
} states[] = {
    {"disabled", true, MSP_MODE_DISABLED, MSP_MODE_DISABLED},
    {"wireserver", false, MSP_MODE_AUDIT, MSP_MODE_ENFORCE},
    {"wireserverandimds", false, MSP_MODE_ENFORCE, MSP_MODE_ENFORCE},
};

static size_t state_of(const json_t *state)
{
    size_t i = 0;

    while (i < ARRAY_SIZE(states) &&
           strcasecmp(json_string_value(state), states[i].word) != 0)
        i++;
    return i;
}

static void derive_v1(const json_t *state, struct msp_status *ret)
{
    size_t i = state_of(state);

    ret->is_disabled = states[i].is_disabled;
    ret->mode[MSP_EP_IMDS] = states[i].imds;
    ret->mode[MSP_EP_WIRESERVER] = states[i].wire;
    ret->mode[MSP_EP_HOSTGA] = states[i].wire;
    (void)snprintf(ret->state, sizeof(ret->state), "%s", states[i].word);
}

/* --- version 2.0 ---------------------------------------------------------- */

/* For the state string an absent item or an unknown word is "Disabled". */
static enum msp_mode mode_of(const json_t *rules, const char *item)
{
    const char *word = json_string_value(
        json_object_get(json_object_get(rules, item), "mode"));

    if (word && strcasecmp(word, "enforce") == 0)
        return MSP_MODE_ENFORCE;
    if (word && strcasecmp(word, "audit") == 0)
        return MSP_MODE_AUDIT;
    return MSP_MODE_DISABLED;
}

static const char *mode_word(enum msp_mode mode)
{
    return mode == MSP_MODE_ENFORCE ? "Enforce"
           : mode == MSP_MODE_AUDIT ? "Audit"
                                    : "Disabled";
}

static void derive_v2(bool is_enabled, const json_t *rules,
                      struct msp_status *ret)
{
    ret->is_disabled = !is_enabled || !rules;
    for (size_t i = 0; i < MSP_EP_BUILTINS; i++)
        ret->mode[i] = MSP_MODE_DISABLED;
    if (ret->is_disabled) {
        (void)snprintf(ret->state, sizeof(ret->state), "disabled");
        return;
    }
    ret->mode[MSP_EP_IMDS] = mode_of(rules, "imds");
    ret->mode[MSP_EP_WIRESERVER] = mode_of(rules, "wireserver");
    ret->mode[MSP_EP_HOSTGA] = ret->mode[MSP_EP_WIRESERVER];
    /* the two blanks are the platform's: its tools compare with them */
    (void)snprintf(
        ret->state, sizeof(ret->state), "WireServer %s -  IMDS %s - HostGA %s",
        mode_word(ret->mode[MSP_EP_WIRESERVER]),
        mode_word(ret->mode[MSP_EP_IMDS]), mode_word(ret->mode[MSP_EP_HOSTGA]));
}

static const char *fault_of_state(const json_t *root, struct msp_status *ret)
{
    const char *version = json_string_value(json_object_get(root, "version"));
    const json_t *enabled = get(root, "secureChannelEnabled");
    const json_t *state = get(root, "secureChannelState");
    const json_t *rules = get(root, "authorizationRules");

    if (!version)
        return "version is missing or no string";
    if (enabled && !json_is_boolean(enabled))
        return "secureChannelEnabled is not a boolean";
    if (state && !json_is_string(state))
        return "secureChannelState is not a string";
    if (rules && !json_is_object(rules))
        return "authorizationRules is not an object";
    if (!enabled && !state)
        return "neither secureChannelEnabled nor secureChannelState is there";
    if (state && state_of(state) == ARRAY_SIZE(states))
        return "secureChannelState is not one of the known ones";
    if (msp_streq(version, "2.0")) {
        if (!enabled)
            return "version 2.0 without secureChannelEnabled";
        ret->is_v2 = true;
        derive_v2(json_is_true(enabled), rules, ret);
        return NULL;
    }
    /* fail closed: "disabled" is said, never concluded */
    if (!state)
        return "version 1.0 without secureChannelState";
    derive_v1(state, ret);
    return NULL;
}

int msp_status_parse(const char *text, size_t len, struct msp_status *ret,
                     const char **reterr_why)
{
    json_error_t error;
    msp_cleanup(put_json) json_t *root =
        json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    struct msp_status status = {0};
    const char *why = NULL;

    if (!root)
        why = json_error_code(&error) == json_error_duplicate_key
                  ? "a member is there twice"
                  : "not JSON";
    else if (!json_is_object(root))
        why = "not a JSON object";
    if (!why)
        why = fault_of_scheme(root);
    if (!why)
        why = fault_of_key(root, &status);
    if (!why)
        why = fault_of_state(root, &status);
    if (why) {
        *reterr_why = why;
        return -EINVAL;
    }
    *ret = status;
    return 0;
}

/* --- date ----------------------------------------------------------------- */

int msp_status_date(const char *text, size_t len, int64_t *ret_unix_s)
{
    char copy[MSP_DATE_BYTES], again[MSP_DATE_BYTES];
    struct tm tm = {0};
    int64_t when;

    if (len != MSP_DATE_BYTES - 1)
        return -EINVAL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return -EINVAL;
    when = timegm(&tm);
    /* the one spelling: written again it must be the same */
    msp_sign_date(when, again);
    if (memcmp(copy, again, sizeof(copy)) != 0)
        return -EINVAL;
    *ret_unix_s = when;
    return 0;
}
