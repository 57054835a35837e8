/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/registration.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <msp/cleanup.h>

/* What is wrong with a text that is told; NULL = nothing. */
typedef const char *(*check_fn)(const char *text);

#define STRINGIFY(x) #x
#define TOO_LONG(n)  "is longer than " STRINGIFY(n) " bytes"

_Static_assert(MSP_CONTAINER_TEXT_BYTES == 255 + 1, "TOO_LONG(255)");
_Static_assert(MSP_CONTAINER_IMAGE_BYTES == 511 + 1, "TOO_LONG(511)");
_Static_assert(MSP_CONTAINER_VALUE_BYTES == 255 + 1, "TOO_LONG(255)");
_Static_assert(PATH_MAX == 4095 + 1, "TOO_LONG(4095)");

bool msp_registration_is_cgroup(const char *path)
{
    if (path[0] != '/')
        return false;
    while (*path == '/') {
        const char *name = path + 1;
        size_t len = strcspn(name, "/");

        if (len == 0 || (name[0] == '.' && len == 1) ||
            (name[0] == '.' && name[1] == '.' && len == 2))
            return false;
        path = name + len;
    }
    return true;
}

static const char *check_text(const char *text)
{
    return strlen(text) < MSP_CONTAINER_TEXT_BYTES ? NULL : TOO_LONG(255);
}

static const char *check_image(const char *text)
{
    return strlen(text) < MSP_CONTAINER_IMAGE_BYTES ? NULL : TOO_LONG(511);
}

static const char *check_path(const char *path)
{
    if (path[0] != '/')
        return "is not an absolute path";
    return strlen(path) < PATH_MAX ? NULL : TOO_LONG(4095);
}

static const char *check_cgroup(const char *path)
{
    if (!msp_registration_is_cgroup(path))
        return "is not the path of a cgroup below the root one, as /a/b";
    return check_path(path);
}

static const char *check_label(const struct msp_labels *labels, size_t at)
{
    const char *label = labels->label[at];
    size_t key = strcspn(label, "=");

    if (!label[key] || !key)
        return "is not KEY=VALUE";
    if (key >= MSP_CONTAINER_TEXT_BYTES)
        return "has a key longer than 255 bytes";
    if (strlen(label + key + 1) >= MSP_CONTAINER_VALUE_BYTES)
        return "has a value longer than 255 bytes";
    for (size_t i = 0; i < at; i++)
        if (strncmp(labels->label[i], label, key + 1) == 0)
            return "has a key that is given twice";
    return NULL;
}

static const char *write_labels(const struct msp_labels *labels,
                                const char *field, struct msp_rec *rec)
{
    if (labels->n > MSP_CONTAINER_LABELS_MAX)
        return "is given more than 64 times";
    for (size_t i = 0; i < labels->n; i++) {
        const char *why = check_label(labels, i);

        if (why)
            return why;
        msp_rec_str(rec, field, labels->label[i]);
    }
    return NULL;
}

static const char *write_text(const char *text, check_fn check,
                              const char *field, struct msp_rec *rec)
{
    const char *why;

    if (!text)
        return NULL;
    if (!text[0])
        return "is empty";
    why = check(text);
    if (!why)
        msp_rec_str(rec, field, text);
    return why;
}

static const char *write_texts(const struct msp_registration *reg,
                               struct msp_rec *rec, const char **reterr_where)
{
    const struct {
        const char *field;
        const char *text;
        check_fn check;
    } rows[] = {
        {"cgroup", reg->cgroup, check_cgroup},
        {"id", reg->id, check_text},
        {"name", reg->name, check_text},
        {"image", reg->image, check_image},
        {"runtime", reg->runtime, check_text},
        {"pod.namespace", reg->pod_namespace, check_text},
        {"pod.name", reg->pod_name, check_text},
        {"pod.service_account", reg->pod_service_account, check_text},
        {"netns", reg->netns, check_path},
        {"root", reg->root, check_path},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *why =
            write_text(rows[i].text, rows[i].check, rows[i].field, rec);

        if (why) {
            *reterr_where = rows[i].field;
            return why;
        }
    }
    return NULL;
}

int msp_registration_write(const struct msp_registration *reg,
                           struct msp_rec *ret_rec, const char **reterr_where,
                           const char **reterr_why)
{
    ret_rec->buf.max = MSP_CONTAINER_RECORD_MAX;
    *reterr_why = write_texts(reg, ret_rec, reterr_where);
    if (!*reterr_why) {
        *reterr_where = "label";
        *reterr_why = write_labels(&reg->label, "label", ret_rec);
    }
    if (!*reterr_why) {
        *reterr_where = "pod.label";
        *reterr_why = write_labels(&reg->pod_label, "pod.label", ret_rec);
    }
    if (*reterr_why)
        return -EINVAL;
    if (reg->pid)
        msp_rec_uint(ret_rec, "pid", reg->pid);
    if (reg->cgroup_id)
        msp_rec_uint(ret_rec, "cgroup_id", reg->cgroup_id);
    if (reg->told_ns)
        msp_rec_uint(ret_rec, "told_ns", reg->told_ns);
    if (reg->is_ended)
        msp_rec_bool(ret_rec, "ended", true);
    msp_rec_end(ret_rec);
    if (ret_rec->error == -E2BIG) {
        *reterr_where = "registration";
        *reterr_why = "is longer than 64 KiB";
        return -EINVAL;
    }
    return ret_rec->error;
}
