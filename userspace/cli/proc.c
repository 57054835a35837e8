/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/populated.h"
#include "cli/registration.h"

#define CGROUP_BYTES_MAX    (256u << 10) /* named hierarchies are many */
#define MOUNTINFO_BYTES_MAX (16u << 20)

static int slurp(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return msp_io_slurp(fd, max, ret_text, ret_len);
}

/* --- the cgroup of a process ------------------------------------------------ */

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text), n = strlen(suffix);

    return len >= n && msp_streq(text + len - n, suffix);
}

int msp_proc_cgroup_parse(char *text, size_t len, const char **ret_path)
{
    static const char unified[] = "0::";

    if (strlen(text) != len)
        return -EBADMSG;
    for (char *line = text, *next; *line; line = next) {
        size_t n = strcspn(line, "\n");

        next = line + n + (line[n] == '\n');
        if (strncmp(line, unified, sizeof(unified) - 1) != 0)
            continue;
        line[n] = '\0';
        line += sizeof(unified) - 1;
        /* A live cgroup of such a name is taken for a removed one: denied. */
        if (has_suffix(line, " (deleted)"))
            return -ESTALE;
        if (strncmp(line, "/..", 3) == 0 && (!line[3] || line[3] == '/'))
            return -EXDEV;
        if (!msp_streq(line, "/") && !msp_registration_is_cgroup(line))
            return -EBADMSG;
        *ret_path = line;
        return 0;
    }
    return -ENOENT;
}

int msp_proc_cgroup(uint32_t pid, char ret_path[static PATH_MAX])
{
    msp_autofree char *text = NULL;
    const char *found = NULL;
    char path[64];
    size_t len = 0;
    int r;

    if (pid)
        (void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
    else
        (void)snprintf(path, sizeof(path), "/proc/self/cgroup");
    r = slurp(path, CGROUP_BYTES_MAX, &text, &len);
    if (r < 0)
        return r;
    r = text ? msp_proc_cgroup_parse(text, len, &found) : -EBADMSG;
    if (r < 0)
        return r;
    if (strlen(found) >= PATH_MAX)
        return -ENAMETOOLONG;
    (void)snprintf(ret_path, PATH_MAX, "%s", found);
    return 0;
}

/* --- where cgroups are ------------------------------------------------------ */

/* \040 and the like, in place: the kernel escapes space, tab, LF, backslash. */
static void unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in;) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' &&
            in[2] <= '7' && in[3] >= '0' && in[3] <= '7') {
            *out++ =
                (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* 36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup2 cgroup2 rw */
static char *mount_of_line(char *line)
{
    char *save = NULL;
    char *field[5];
    char *type;

    type = strstr(line, " - ");
    if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
        return NULL;
    *type = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
        field[i] = strtok_r(i ? NULL : line, " ", &save);
        if (!field[i])
            return NULL;
    }
    if (!msp_streq(field[3], "/"))
        return NULL;
    unescape(field[4]);
    return field[4];
}

const char *msp_proc_cgroup_mount_parse(char **cursor)
{
    char *line;

    while ((line = strsep(cursor, "\n"))) {
        const char *mount = mount_of_line(line);

        if (mount)
            return mount;
    }
    return NULL;
}

static bool is_cgroup2(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 &&
           (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC;
}

int msp_proc_cgroup_mount(char ret_path[static PATH_MAX])
{
    msp_autofree char *text = NULL;
    const char *mount;
    char *cursor;
    size_t len = 0;
    int r = slurp("/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &text, &len);

    if (r < 0)
        return r;
    cursor = text;
    do {
        mount = msp_proc_cgroup_mount_parse(&cursor);
    } while (mount && !is_cgroup2(mount));
    if (!mount)
        return -ENOENT;
    if (strlen(mount) >= PATH_MAX)
        return -ENAMETOOLONG;
    (void)snprintf(ret_path, PATH_MAX, "%s", mount);
    return 0;
}

/* @param ret_full directory of a cgroup; free() @return 0; errno */
static int full_path(const char *path, char **ret_full)
{
    char mount[PATH_MAX];
    int r = msp_proc_cgroup_mount(mount);

    *ret_full = NULL;
    if (r < 0)
        return r;
    if (asprintf(ret_full, "%s%s", mount, path) < 0) {
        *ret_full = NULL;
        return -ENOMEM;
    }
    return 0;
}

int msp_proc_cgroup_id(const char *path, uint64_t *ret_id)
{
    msp_autofree char *full = NULL;
    struct stat st;
    int r = full_path(path, &full);

    if (r < 0)
        return r;
    if (lstat(full, &st) < 0)
        return -errno;
    *ret_id = st.st_ino;
    return 0;
}

bool msp_proc_cgroup_is_populated(const char *path, uint64_t id)
{
    msp_autofree char *full = NULL;
    msp_autoclose int fd = -1;

    if (full_path(path, &full) < 0)
        return false;
    fd = open(full, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return msp_populated(fd, id);
}
