/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/registration.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>

/* What is wrong with a text that is told; NULL = nothing. */
typedef const char *(*check_fn)(const char *text);

#define VALUE_SHOWN 64 /* bytes of one, in a fault */

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

/* The ones below: 0; -EINVAL with *reterr */

static int write_labels(const struct msp_labels *labels, const char *field,
                        struct msp_rec *rec,
                        struct msp_registration_fault *reterr)
{
    *reterr = (struct msp_registration_fault){.field = field};
    if (labels->n > MSP_CONTAINER_LABELS_MAX) {
        reterr->why = "is given more than 64 times";
        return -EINVAL;
    }
    for (size_t i = 0; i < labels->n; i++) {
        reterr->value = labels->label[i];
        reterr->why = check_label(labels, i);
        if (reterr->why)
            return -EINVAL;
        msp_rec_str(rec, field, labels->label[i]);
    }
    return 0;
}

static int write_text(const char *text, check_fn check, const char *field,
                      struct msp_rec *rec,
                      struct msp_registration_fault *reterr)
{
    if (!text)
        return 0;
    *reterr = (struct msp_registration_fault){
        .field = field,
        .value = text,
        .why = text[0] ? check(text) : "is empty",
    };
    if (reterr->why)
        return -EINVAL;
    msp_rec_str(rec, field, text);
    return 0;
}

static int write_texts(const struct msp_registration *reg, struct msp_rec *rec,
                       struct msp_registration_fault *reterr)
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

    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        r = write_text(rows[i].text, rows[i].check, rows[i].field, rec, reterr);
    return r;
}

int msp_registration_write(const struct msp_registration *reg,
                           struct msp_rec *ret_rec,
                           struct msp_registration_fault *reterr)
{
    int r;

    ret_rec->buf.max = MSP_CONTAINER_RECORD_MAX;
    r = write_texts(reg, ret_rec, reterr);
    if (r == 0)
        r = write_labels(&reg->label, "label", ret_rec, reterr);
    if (r == 0)
        r = write_labels(&reg->pod_label, "pod.label", ret_rec, reterr);
    if (r < 0)
        return r;
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
        *reterr =
            (struct msp_registration_fault){.why = "is longer than 64 KiB"};
        return -EINVAL;
    }
    return ret_rec->error;
}

void msp_registration_fault_text(const struct msp_registration_fault *fault,
                                 bool is_option,
                                 char ret[static MSP_REGISTRATION_FAULT_BYTES])
{
    const char *field = fault->field ? fault->field : "the registration";
    const char *dashes = is_option && fault->field ? "--" : "";
    char name[32], value[VALUE_SHOWN + sizeof(" \"\"...")] = "";

    (void)snprintf(name, sizeof(name), "%s", field);
    for (char *c = name; *dashes && *c; c++)
        *c = *c == '.' || *c == '_' ? '-' : *c;
    if (fault->value)
        (void)snprintf(value, sizeof(value), " \"%.*s%s\"", VALUE_SHOWN,
                       fault->value,
                       strlen(fault->value) > VALUE_SHOWN ? "..." : "");
    (void)snprintf(ret, MSP_REGISTRATION_FAULT_BYTES, "%s%s%s %s", dashes, name,
                   value, fault->why);
}
