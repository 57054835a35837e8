/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "cli/oci_runtime.h"

#define SETTINGS_BYTES_MAX 4096

static void decref(json_t **json)
{
    json_decref(*json);
}

/* @return descriptor; -EPERM; errno */
static int open_own(const char *path)
{
    msp_autoclose int fd =
        open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022) != 0)
        return -EPERM;
    return TAKE_FD(fd);
}

/* @return what is wrong, or NULL */
static const char *check(json_t *doc)
{
    static _Thread_local char unknown[128];
    const json_t *runtime = json_object_get(doc, "runtime");
    const json_t *manager = json_object_get(doc, "manager");
    const char *path = json_string_value(runtime), *name;
    json_t *value;

    if (!json_is_object(doc))
        return "not a JSON object";
    json_object_foreach(doc, name, value) {
        if (value == runtime || value == manager)
            continue;
        (void)snprintf(unknown, sizeof(unknown),
                       "\"%.64s\" is neither runtime nor manager", name);
        return unknown;
    }
    if (!runtime)
        return "runtime is missing";
    if (!path || path[0] != '/')
        return "runtime is not an absolute path";
    if (manager && !json_is_string(manager))
        return "manager is not a string";
    return manager && !json_string_length(manager) ? "manager is empty" : NULL;
}

int msp_oci_settings_read(const char *path, struct msp_oci_settings *ret,
                          const char **reterr_why)
{
    static _Thread_local json_error_t error;
    msp_autofree char *text = NULL;
    msp_cleanup(decref) json_t *doc = NULL;
    msp_autoclose int fd = open_own(path);
    const char *runtime, *manager;
    size_t len = 0;
    int r;

    *reterr_why = NULL;
    r = fd < 0 ? fd : msp_io_slurp(fd, SETTINGS_BYTES_MAX, &text, &len);
    if (r < 0) {
        *reterr_why = r == -EPERM ? "others may write it" : NULL;
        return r;
    }
    doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    *reterr_why = doc ? check(doc) : error.text;
    if (*reterr_why)
        return -EBADMSG;
    runtime = json_string_value(json_object_get(doc, "runtime"));
    manager = json_string_value(json_object_get(doc, "manager"));
    ret->runtime = strdup(runtime);
    ret->manager = manager ? strdup(manager) : NULL;
    return ret->runtime && (ret->manager || !manager) ? 0 : -ENOMEM;
}

void msp_oci_settings_done(struct msp_oci_settings *settings)
{
    free(settings->runtime);
    free(settings->manager);
    *settings = (struct msp_oci_settings){0};
}
