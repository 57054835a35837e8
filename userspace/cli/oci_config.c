/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "cli/oci_edit.h"

/* Resource limits may be 2^64 - 1, which is no json_int_t. */
#define LOAD_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL)

static const char name[] = "config.json";

static void decref(json_t **json)
{
    json_decref(*json);
}

/* --- one document --------------------------------------------------------- */

/* @return NULL after saying why; *ret_r is -EBADMSG or -ENOMEM */
static json_t *load(const char *text, size_t len, const char **reterr_why,
                    int *ret_r)
{
    static _Thread_local json_error_t error;
    json_t *doc = json_loadb(text, len, LOAD_FLAGS, &error);

    *ret_r = -EBADMSG;
    if (!doc) {
        *reterr_why = error.text;
        if (json_error_code(&error) == json_error_out_of_memory)
            *ret_r = -ENOMEM;
    } else if (!json_is_object(doc)) {
        *reterr_why = "not an object";
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

static json_t *hook_json(const struct msp_oci_hook *hook)
{
    json_t *args = json_array();

    for (size_t i = 0; args && hook->args[i]; i++)
        if (json_array_append_new(args, json_string(hook->args[i])) < 0) {
            json_decref(args);
            args = NULL;
        }
    return args ? json_pack("{s:s,s:o}", "path", hook->path, "args", args)
                : NULL;
}

static bool has_hook(const json_t *hooks, const json_t *ours)
{
    const json_t *path = json_object_get(ours, "path");
    const json_t *args = json_object_get(ours, "args");

    for (size_t i = 0; i < json_array_size(hooks); i++) {
        const json_t *one = json_array_get(hooks, i);

        if (json_equal(json_object_get(one, "path"), path) &&
            json_equal(json_object_get(one, "args"), args))
            return true;
    }
    return false;
}

static bool is_absent(const json_t *json)
{
    return !json || json_is_null(json);
}

/*
 * The same change made to the parsed document: what the edited text has to
 * say.
 * @return 1 made; 0 it is there; -EBADMSG; -ENOMEM
 */
static int expect(json_t *doc, const struct msp_oci_hook *hook, json_t *ours,
                  const char **reterr_why)
{
    json_t *hooks = json_object_get(doc, "hooks");
    json_t *list;

    if (is_absent(hooks)) {
        hooks = json_object();
        if (json_object_set_new(doc, "hooks", hooks) < 0)
            return -ENOMEM;
    }
    if (!json_is_object(hooks)) {
        *reterr_why = "hooks is not an object";
        return -EBADMSG;
    }
    list = json_object_get(hooks, hook->kind);
    if (is_absent(list)) {
        list = json_array();
        if (json_object_set_new(hooks, hook->kind, list) < 0)
            return -ENOMEM;
    }
    if (!json_is_array(list)) {
        *reterr_why = "hooks has a member that is not an array";
        return -EBADMSG;
    }
    if (has_hook(list, ours))
        return 0;
    return json_array_append(list, ours) < 0 ? -ENOMEM : 1;
}

/* Nothing but the hook may differ: else the edit is not done at all. */
static int check_edited(const char *text, size_t len, const json_t *wanted,
                        const char **reterr_why)
{
    int r = -EBADMSG;
    msp_cleanup(decref) json_t *got = load(text, len, reterr_why, &r);

    if (!got)
        return r;
    if (!json_equal(got, wanted)) {
        *reterr_why = "spelt in a way that cannot be edited";
        return -EBADMSG;
    }
    return 0;
}

int msp_oci_config_edit(const char *text, size_t len,
                        const struct msp_oci_hook *hook, char **ret_text,
                        size_t *ret_len, const char **reterr_why)
{
    int r = -ENOMEM;
    msp_cleanup(decref) json_t *ours = hook_json(hook);
    msp_cleanup(decref) json_t *doc = load(text, len, reterr_why, &r);
    msp_autofree char *hook_text = NULL;
    msp_autofree char *edited = NULL;
    size_t edited_len = 0;

    if (!doc)
        return r;
    hook_text = ours ? json_dumps(ours, JSON_COMPACT) : NULL;
    if (!hook_text)
        return -ENOMEM;
    r = expect(doc, hook, ours, reterr_why);
    if (r <= 0)
        return r;
    r = msp_oci_edit(text, len, hook->kind, hook_text, &edited, &edited_len);
    if (r == -EBADMSG)
        *reterr_why = "spelt in a way that cannot be edited";
    if (r == 0)
        r = check_edited(edited, edited_len, doc, reterr_why);
    if (r < 0)
        return r;
    *ret_text = TAKE_PTR(edited);
    *ret_len = edited_len;
    return 1;
}

/* --- what a hook wants to know --------------------------------------------- */

static const char *netns_of(const json_t *doc)
{
    const json_t *all =
        json_object_get(json_object_get(doc, "linux"), "namespaces");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        const char *type = json_string_value(json_object_get(one, "type"));

        if (type && msp_streq(type, "network"))
            return json_string_value(json_object_get(one, "path"));
    }
    return NULL;
}

static int take_paths(const json_t *doc, const char *bundle,
                      struct msp_oci_config *config)
{
    const char *root = json_string_value(
        json_object_get(json_object_get(doc, "root"), "path"));
    const char *netns = netns_of(doc);

    if (netns && netns[0]) {
        config->netns = strdup(netns);
        if (!config->netns)
            return -ENOMEM;
    }
    if (!root || !root[0])
        return 0;
    if (root[0] == '/') {
        config->root = strdup(root);
        return config->root ? 0 : -ENOMEM;
    }
    if (asprintf(&config->root, "%s/%s", bundle, root) < 0) {
        config->root = NULL;
        return -ENOMEM;
    }
    return 0;
}

/* --- the file -------------------------------------------------------------- */

struct file {
    int dir_fd;
    struct stat st;
    char *text; /* [len] */
    size_t len;
};

static void file_done(struct file *file)
{
    msp_closep(&file->dir_fd);
    free(file->text);
}

/* The bundle is the runtime's own; nobody makes a link of its config.json. */
static int file_read(const char *bundle, struct file *file)
{
    msp_autoclose int fd = -1;

    file->dir_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (file->dir_fd < 0)
        return -errno;
    fd = openat(file->dir_fd, name,
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file->st) < 0)
        return -errno;
    if (!S_ISREG(file->st.st_mode))
        return -EINVAL;
    return msp_io_slurp(fd, MSP_OCI_CONFIG_BYTES, &file->text, &file->len);
}

static int write_as(int fd, const struct file *file)
{
    int r;

    if (fchown(fd, file->st.st_uid, file->st.st_gid) < 0 ||
        fchmod(fd, file->st.st_mode & 07777) < 0)
        return -errno;
    r = msp_io_write_full(fd, file->text, file->len);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

static int file_replace(const struct file *file)
{
    char temp[64];
    msp_autoclose int fd = -1;
    int r;

    (void)snprintf(temp, sizeof(temp), ".%s.%d", name, (int)getpid());
    fd = openat(file->dir_fd, temp,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_as(fd, file);
    if (r == 0 && renameat(file->dir_fd, temp, file->dir_fd, name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(file->dir_fd, temp, 0);
    return r;
}

int msp_oci_config_read(const char *bundle, struct msp_oci_config *ret_config,
                        const char **reterr_why)
{
    msp_cleanup(file_done) struct file file = {.dir_fd = -1};
    msp_cleanup(decref) json_t *doc = NULL;
    struct msp_oci_config config = {0};
    int r;

    *reterr_why = NULL;
    r = file_read(bundle, &file);
    if (r < 0)
        return r;
    doc = load(file.text, file.len, reterr_why, &r);
    if (!doc)
        return r;
    r = take_paths(doc, bundle, &config);
    if (r < 0) {
        msp_oci_config_done(&config);
        return r;
    }
    *ret_config = config;
    return 0;
}

void msp_oci_config_done(struct msp_oci_config *config)
{
    free(config->root);
    free(config->netns);
    *config = (struct msp_oci_config){0};
}

int msp_oci_config_add(const char *bundle, const struct msp_oci_hook *hook,
                       size_t n, const char **reterr_why)
{
    msp_cleanup(file_done) struct file file = {.dir_fd = -1};
    bool is_changed = false;
    int r;

    *reterr_why = NULL;
    r = file_read(bundle, &file);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        char *text = NULL;
        size_t len = 0;

        r = msp_oci_config_edit(file.text, file.len, &hook[i], &text, &len,
                                reterr_why);
        if (r == 1) {
            free(file.text);
            file.text = text;
            file.len = len;
            is_changed = true;
        }
    }
    if (r < 0 || !is_changed)
        return r < 0 ? r : 0;
    return file_replace(&file);
}
