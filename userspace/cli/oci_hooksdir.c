/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_hooksdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "base/io.h"

#define FILE_BYTES_MAX (1u << 20)

const struct msp_hooks_manager msp_hooks_managers[MSP_HOOKS_MANAGERS] = {
    {
        .name = "podman",
        .program = "/usr/bin/podman",
        .conf = {"/usr/share/containers/containers.conf",
                 "/etc/containers/containers.conf"},
        .drop_in = "/etc/containers/containers.conf.d",
        .suffix = ".conf",
    },
    {
        .name = "crio",
        .program = "/usr/bin/crio",
        .conf = {"/etc/crio/crio.conf"},
        .drop_in = "/etc/crio/crio.conf.d",
        .suffix = "",
    },
};

/* --- `hooks_dir = ["/a", "/b"]` ------------------------------------------- */

/* White space, line ends and comments. */
static char *skip_space(char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (*at != '#')
            return at;
        at += strcspn(at, "\n");
    }
}

/* @return behind the `=`, NULL = the line is of another key */
static char *value_of(char *line)
{
    static const char key[] = "hooks_dir";

    line += strspn(line, " \t");
    if (strncmp(line, key, sizeof(key) - 1) != 0)
        return NULL;
    line += sizeof(key) - 1;
    line += strspn(line, " \t");
    return *line == '=' ? line + 1 : NULL;
}

/* @return behind the value; NULL = the text has none */
static char *find_value(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        char *value = value_of(line += line != text);

        if (value)
            return value;
    }
    return NULL;
}

/* @param at a list of texts, written to @return 0; -EBADMSG */
static int read_list(char *at, struct msp_hooks_dirs *ret)
{
    at = skip_space(at);
    if (*at != '[')
        return -EBADMSG;
    for (at = skip_space(at + 1); *at != ']'; at = skip_space(at)) {
        char *end = *at == '"' || *at == '\'' ? strchr(at + 1, *at) : NULL;

        if (!end || at[1] != '/' || ret->n == MSP_HOOKS_DIRS_MAX)
            return -EBADMSG;
        *end = '\0';
        ret->dir[ret->n++] = at + 1;
        at = skip_space(end + 1);
        if (*at == ',')
            at++;
        else if (*at != ']')
            return -EBADMSG;
    }
    return ret->n ? 0 : -EBADMSG;
}

/* --- the files of a manager ----------------------------------------------- */

/* Takes what the file says, if it does, for what was said before. */
static int read_file(const char *root, const char *file,
                     struct msp_hooks_dirs *ret)
{
    msp_autofree char *text = NULL;
    msp_autoclose int fd = -1;
    char full[PATH_MAX], *value;
    size_t len = 0;
    int n = snprintf(full, sizeof(full), "%s%s", root, file);
    int r;

    if (n < 0 || n >= PATH_MAX)
        return -ENAMETOOLONG;
    fd = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    r = fd < 0 ? -errno : msp_io_slurp(fd, FILE_BYTES_MAX, &text, &len);
    value = text ? find_value(text) : NULL;
    if (r >= 0 && !value)
        return 0;
    (void)snprintf(ret->file, sizeof(ret->file), "%s", file);
    if (r < 0 || !value)
        return r;
    free(ret->text);
    ret->text = TAKE_PTR(text);
    ret->n = 0;
    return read_list(value, ret);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return name[0] != '.' && len > n && msp_streq(name + len - n, suffix);
}

/* In the order of their names, as the managers do. */
static int read_drop_ins(const char *root,
                         const struct msp_hooks_manager *manager,
                         struct msp_hooks_dirs *ret)
{
    struct dirent **entry = NULL;
    char full[PATH_MAX], file[PATH_MAX];
    int n = snprintf(full, sizeof(full), "%s%s", root, manager->drop_in);
    int r = 0;

    n = n < 0 || n >= PATH_MAX ? 0 : scandir(full, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        int len = snprintf(file, sizeof(file), "%s/%s", manager->drop_in,
                           entry[i]->d_name);

        if (r == 0 && len < PATH_MAX &&
            has_suffix(entry[i]->d_name, manager->suffix))
            r = read_file(root, file, ret);
        free(entry[i]);
    }
    free(entry);
    return r;
}

int msp_hooks_dirs_read(const char *root,
                        const struct msp_hooks_manager *manager,
                        struct msp_hooks_dirs *ret)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(manager->conf); i++)
        if (manager->conf[i])
            r = read_file(root, manager->conf[i], ret);
    if (r == 0)
        r = read_drop_ins(root, manager, ret);
    if (r == 0 && !ret->n)
        ret->dir[ret->n++] = MSP_HOOKS_DIR;
    return r;
}

void msp_hooks_dirs_done(struct msp_hooks_dirs *dirs)
{
    free(dirs->text);
    *dirs = (struct msp_hooks_dirs){0};
}
