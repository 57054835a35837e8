/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/keystore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "keeper/status.h"

#define NAME_BYTES 48

static const char latched[] = "latched";
static const char latched_temp[] = "latched.tmp";

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static void name_of(const char *guid, const char *suffix, char ret[NAME_BYTES])
{
    (void)snprintf(ret, NAME_BYTES, "%.36s.%s", guid, suffix);
}

/* As the function below, of any name. */
static int read_file(int dir_fd, const char *name, char *ret_text, size_t size,
                     size_t *ret_len)
{
    msp_autoclose int fd = -1;
    struct stat st;
    ssize_t n;

    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    /* fail closed: whoever can write it decides what we sign with */
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
        return -EPERM;
    n = msp_io_read_full(fd, ret_text, size);
    if (n < 0)
        return (int)n;
    if ((size_t)n == size)
        return -EFBIG;
    *ret_len = (size_t)n;
    return 0;
}

int msp_keystore_read(int dir_fd, const char *guid, char *ret_text, size_t size,
                      size_t *ret_len)
{
    char name[NAME_BYTES];

    if (!msp_status_is_guid(guid))
        return -EINVAL;
    name_of(guid, "key", name);
    return read_file(dir_fd, name, ret_text, size, ret_len);
}

/* Everything up to the rename. @return 0; negative errno */
static int write_temp(int dir_fd, const char *name, const char *text,
                      size_t len)
{
    msp_autoclose int fd = -1;
    int r;

    /* left by one of us that was killed: nobody else writes here */
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(dir_fd, name,
                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = msp_io_write_full(fd, text, len);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

/* Whole or absent. @param temp a name of its own */
static int write_file(int dir_fd, const char *name, const char *temp,
                      const char *text, size_t len)
{
    int r = write_temp(dir_fd, temp, text, len);

    if (r == 0 && renameat(dir_fd, temp, dir_fd, name) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir_fd, temp, 0);
        return r;
    }
    return fsync(dir_fd) < 0 ? -errno : 0;
}

int msp_keystore_write(int dir_fd, const char *guid, const char *text,
                       size_t len)
{
    char name[NAME_BYTES], temp[NAME_BYTES];

    if (!msp_status_is_guid(guid))
        return -EINVAL;
    name_of(guid, "key", name);
    name_of(guid, "tmp", temp);
    return write_file(dir_fd, name, temp, text, len);
}

/* --- the one in use ------------------------------------------------------- */

int msp_keystore_set_latched(int dir_fd, const char *guid)
{
    char text[MSP_GUID_BYTES + 1];
    int r = 0;

    if (guid[0]) {
        (void)snprintf(text, sizeof(text), "%s\n", guid);
        r = write_file(dir_fd, latched, latched_temp, text, strlen(text));
    }
    /* fail closed: none is better than one that was */
    if ((!guid[0] || r < 0) && unlinkat(dir_fd, latched, 0) < 0 &&
        errno != ENOENT && r == 0)
        r = -errno;
    return r;
}

int msp_keystore_get_latched(int dir_fd, char ret_guid[MSP_GUID_BYTES])
{
    char text[MSP_GUID_BYTES + 2];
    size_t len = 0;
    int r = read_file(dir_fd, latched, text, sizeof(text), &len);

    if (r < 0)
        return r;
    if (len != MSP_GUID_BYTES || text[len - 1] != '\n')
        return -EINVAL;
    text[len - 1] = '\0';
    if (!msp_status_is_guid(text))
        return -EINVAL;
    memcpy(ret_guid, text, MSP_GUID_BYTES);
    return 0;
}

/* --- cleaning ------------------------------------------------------------- */

/* @return whether the name is one of ours, with this suffix */
static bool is_ours(const char *name, const char *suffix)
{
    char guid[MSP_GUID_BYTES];

    if (strnlen(name, NAME_BYTES) != MSP_GUID_BYTES - 1 + strlen(suffix))
        return false;
    memcpy(guid, name, MSP_GUID_BYTES - 1);
    guid[MSP_GUID_BYTES - 1] = '\0';
    return msp_status_is_guid(guid) &&
           msp_streq(name + MSP_GUID_BYTES - 1, suffix);
}

static bool is_kept(const char *name, const char *const keep[2])
{
    for (size_t i = 0; i < 2; i++)
        if (keep[i][0] && strncasecmp(name, keep[i], MSP_GUID_BYTES - 1) == 0)
            return true;
    return false;
}

/* One pass: what was left goes; of the keys the oldest that may is found.
 * @return number of keys */
static size_t look(int dir_fd, DIR *dir, const char *const keep[2],
                   char ret_oldest[NAME_BYTES])
{
    struct timespec oldest = {.tv_sec = INT64_MAX};
    const struct dirent *entry;
    size_t n = 0;

    ret_oldest[0] = '\0';
    rewinddir(dir);
    while ((entry = readdir(dir))) {
        struct stat st;

        if (is_ours(entry->d_name, ".tmp"))
            (void)unlinkat(dir_fd, entry->d_name, 0);
        if (!is_ours(entry->d_name, ".key"))
            continue;
        n++;
        if (is_kept(entry->d_name, keep) ||
            fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_mtim.tv_sec > oldest.tv_sec ||
            (st.st_mtim.tv_sec == oldest.tv_sec &&
             st.st_mtim.tv_nsec >= oldest.tv_nsec))
            continue;
        oldest = st.st_mtim;
        memcpy(ret_oldest, entry->d_name, strlen(entry->d_name) + 1);
    }
    return n;
}

void msp_keystore_clean(int dir_fd, const char *const keep[2])
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    msp_cleanup(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char oldest[NAME_BYTES];

    if (!dir) {
        msp_closep(&fd);
        return;
    }
    (void)unlinkat(dir_fd, latched_temp, 0);
    while (look(dir_fd, dir, keep, oldest) > MSP_KEYS_MAX && oldest[0])
        if (unlinkat(dir_fd, oldest, 0) < 0)
            return;
}
