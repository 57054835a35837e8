/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_state.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

/* A member that is a text with something in it; NULL = it is not. */
static const char *text_of(const json_t *doc, const char *name)
{
    const char *text = json_string_value(json_object_get(doc, name));

    return text && text[0] ? text : NULL;
}

/* @return what is wrong with it, or NULL */
static const char *read_pid(const json_t *doc, uint32_t *ret_pid)
{
    const json_t *pid = json_object_get(doc, "pid");
    json_int_t value = json_integer_value(pid);

    if (!pid)
        return NULL;
    if (!json_is_integer(pid) || value < 0 || value > INT32_MAX)
        return "pid is not a process id";
    *ret_pid = (uint32_t)value;
    return NULL;
}

static const char *check_annotations(const json_t *doc)
{
    json_t *all = json_object_get(doc, "annotations");
    const char *key;
    json_t *value;

    if (!all || json_is_null(all))
        return NULL;
    if (!json_is_object(all))
        return "annotations is not an object";
    json_object_foreach(all, key, value) {
        (void)key;
        if (!json_is_string(value))
            return "annotations has a value that is not a text";
    }
    return NULL;
}

/* @return what is wrong with it, or NULL */
static const char *read_members(struct msp_oci_state *state)
{
    const char *version = text_of(state->doc, "ociVersion");
    const char *why;

    if (!json_is_object(state->doc))
        return "not an object";
    if (!version || strncmp(version, "1.", 2) != 0)
        return "ociVersion is not 1.x";
    state->id = text_of(state->doc, "id");
    if (!state->id)
        return "id is not a text";
    state->status = text_of(state->doc, "status");
    if (!state->status)
        return "status is not a text";
    state->bundle = text_of(state->doc, "bundle");
    if (!state->bundle || state->bundle[0] != '/')
        return "bundle is not an absolute path";
    why = read_pid(state->doc, &state->pid);
    return why ? why : check_annotations(state->doc);
}

int msp_oci_state_read(const char *text, size_t len,
                       struct msp_oci_state *ret_state, const char **reterr_why)
{
    static _Thread_local json_error_t error;
    struct msp_oci_state state = {0};

    if (len > MSP_OCI_STATE_BYTES) {
        *reterr_why = "too large";
        return -EBADMSG;
    }
    state.doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!state.doc) {
        *reterr_why = error.text;
        return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM
                                                                   : -EBADMSG;
    }
    *reterr_why = read_members(&state);
    if (*reterr_why) {
        msp_oci_state_done(&state);
        return -EBADMSG;
    }
    *ret_state = state;
    return 0;
}

const char *msp_oci_state_annotation(const struct msp_oci_state *state,
                                     const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(state->doc, "annotations"), key));
}

void msp_oci_state_done(struct msp_oci_state *state)
{
    json_decref(state->doc);
    *state = (struct msp_oci_state){0};
}
