/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/pins.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

static const char *const folders[] = {"links", "progs", "maps", "gen",
                                      "uplinks"};

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* With the directories above it. */
static int make_dirs(const char *path)
{
    char part[MSP_PIN_PATH_BYTES];

    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *p = part + 1;; p++) {
        char old = *p;

        if (old != '/' && old != '\0')
            continue;
        *p = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return -errno;
        *p = old;
        if (!old)
            return 0;
    }
}

int msp_pins_open(struct msp_pins *pins, const char *pin_dir)
{
    char path[MSP_PIN_PATH_BYTES];
    struct statfs fs;
    int n, r;

    n = snprintf(pins->root, sizeof(pins->root), "%s/layout-%d", pin_dir,
                 MSP_LAYOUT);
    (void)snprintf(pins->dir, sizeof(pins->dir), "%s", pin_dir);
    if (n < 0 || (size_t)n >= sizeof(pins->root) || pin_dir[0] != '/')
        return pin_dir[0] == '/' ? -ENAMETOOLONG : -EINVAL;
    r = make_dirs(pin_dir);
    if (r < 0)
        return r;
    if (statfs(pin_dir, &fs) < 0)
        return -errno;
    if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
        return -EINVAL;
    if (chmod(pin_dir, 0700) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", pins->root, folders[i]);
        r = make_dirs(path);
        if (r < 0)
            return r;
    }
    return 0;
}

void msp_pins_path(const struct msp_pins *pins, const char *folder,
                   const char *name, bool is_new,
                   char ret_path[MSP_PIN_PATH_BYTES])
{
    (void)snprintf(ret_path, MSP_PIN_PATH_BYTES, "%s/%s/%s%s", pins->root,
                   folder, name, is_new ? "-new" : "");
}

void msp_pins_folder_path(const char *pin_dir, const char *folder,
                          char ret_path[MSP_PIN_PATH_BYTES])
{
    (void)snprintf(ret_path, MSP_PIN_PATH_BYTES, "%s/layout-%d/%s", pin_dir,
                   MSP_LAYOUT, folder);
}

void msp_pins_gen_path(const struct msp_pins *pins, uint64_t generation,
                       bool is_new, const char *name,
                       char ret_path[MSP_PIN_PATH_BYTES])
{
    (void)snprintf(ret_path, MSP_PIN_PATH_BYTES, "%s/gen/%" PRIu64 "%s%s%s",
                   pins->root, generation, is_new ? "-new" : "",
                   name ? "/" : "", name ? name : "");
}

static bool is_there(const struct msp_pins *pins, const char *folder,
                     const char *name, char ret_path[MSP_PIN_PATH_BYTES])
{
    msp_pins_path(pins, folder, name, false, ret_path);
    return access(ret_path, F_OK) == 0;
}

static bool are_there(const struct msp_pins *pins, const char *folder,
                      const char *const *names,
                      char reterr_missing[MSP_PIN_PATH_BYTES])
{
    for (; *names; names++)
        if (!is_there(pins, folder, *names, reterr_missing))
            return false;
    return true;
}

static bool is_empty(const struct msp_pins *pins)
{
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        msp_cleanup(close_dir) DIR *dir = NULL;
        char path[MSP_PIN_PATH_BYTES];
        const struct dirent *entry;

        (void)snprintf(path, sizeof(path), "%s/%s", pins->root, folders[i]);
        dir = opendir(path);
        while (dir && (entry = readdir(dir)))
            if (entry->d_name[0] != '.')
                return false;
    }
    return true;
}

/* The last link of the list is the one that denies: connect. */
enum msp_pins_state msp_pins_state(const struct msp_pins *pins,
                                   const char *const *links,
                                   const char *const *progs,
                                   const char *const *maps,
                                   char reterr_missing[MSP_PIN_PATH_BYTES])
{
    const char *last = NULL;

    if (is_empty(pins))
        return MSP_PINS_EMPTY;
    for (size_t i = 0; links[i]; i++)
        last = links[i];
    if (!last || !is_there(pins, "links", last, reterr_missing))
        return MSP_PINS_LEFTOVER;
    if (!are_there(pins, "links", links, reterr_missing) ||
        !are_there(pins, "progs", progs, reterr_missing) ||
        !are_there(pins, "maps", maps, reterr_missing))
        return MSP_PINS_BROKEN;
    return MSP_PINS_LIVE;
}

int msp_pins_remove_dir(const char *path)
{
    msp_cleanup(close_dir) DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' &&
            unlinkat(dirfd(dir), entry->d_name, 0) < 0)
            return -errno;
    return rmdir(path) < 0 ? -errno : 0;
}

/* Removes the pins of one folder, and directories of pins in it. */
static int clear_folder(const struct msp_pins *pins, const char *folder)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[MSP_PIN_PATH_BYTES];
    const struct dirent *entry;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%s", pins->root, folder);
    dir = opendir(path);
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        char name[MSP_PIN_PATH_BYTES + sizeof(entry->d_name) + 1];

        if (entry->d_name[0] == '.')
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        r = msp_pins_remove_dir(name);
        if (r < 0)
            return r;
    }
    return 0;
}

int msp_pins_clear(const struct msp_pins *pins)
{
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        int r = clear_folder(pins, folders[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

int msp_pins_each_gen(const struct msp_pins *pins,
                      void (*fn)(void *data, uint64_t generation), void *data)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[MSP_PIN_PATH_BYTES];
    const struct dirent *entry;

    (void)snprintf(path, sizeof(path), "%s/gen", pins->root);
    dir = opendir(path);
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        char *end;
        uint64_t generation;

        if (entry->d_name[0] == '.')
            continue;
        generation = strtoull(entry->d_name, &end, 10);
        if (!*end) {
            fn(data, generation);
            continue;
        }
        msp_pins_gen_path(pins, generation, true, NULL, path);
        (void)msp_pins_remove_dir(path);
    }
    return 0;
}

/* --- other layouts ------------------------------------------------------ */

static bool is_layout(const char *name)
{
    static const char prefix[] = "layout-";
    const char *number = name + sizeof(prefix) - 1;

    return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && *number &&
           strspn(number, "0123456789") == strlen(number);
}

int msp_pins_each_other(const struct msp_pins *pins, msp_pins_fn fn, void *data)
{
    msp_cleanup(close_dir) DIR *dir = opendir(pins->dir);
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return -errno;
    while (r == 0 && (entry = readdir(dir))) {
        char root[MSP_PIN_PATH_BYTES];
        int n;

        if (!is_layout(entry->d_name))
            continue;
        n = snprintf(root, sizeof(root), "%s/%s", pins->dir, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(root))
            return -ENAMETOOLONG;
        if (!msp_streq(root, pins->root))
            r = fn(data, root);
    }
    return r;
}

bool msp_pins_has_link(const char *root)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[MSP_PIN_PATH_BYTES];
    const struct dirent *entry;

    (void)snprintf(path, sizeof(path), "%s/links", root);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            return true;
    return false;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path) < 0 ? -errno : 0;
}

int msp_pins_remove_tree(const char *root)
{
    int r = nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

    if (r == -1)
        return errno == ENOENT ? 0 : -errno;
    return r;
}
