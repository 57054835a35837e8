/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/localrules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

/* As the platform calls them. */
static const char *const names[] = {
    [MSP_EP_IMDS] = "IMDS_Rules.json",
    [MSP_EP_WIRESERVER] = "WireServer_Rules.json",
};
_Static_assert(ARRAY_SIZE(names) == MSP_LOCAL_FILES, "names");

/* What one look found. */
struct found {
    enum msp_local_file file;
    int error;       /* it cannot be opened, positive errno; 0 */
    const char *why; /* static, or of strerror() */
    struct stat st;  /* zeroed: none was found */
    int fd;          /* owned; -1 */
};

static const char *fault_of(const struct stat *st, uid_t owner)
{
    if (st->st_uid != owner)
        return "its owner is not root";
    if (st->st_mode & 022)
        return "its mode lets others than root write it";
    return NULL;
}

static void refuse(struct found *found, const char *why)
{
    /* fail closed: whoever can write it decides who passes */
    found->file = MSP_LOCAL_REFUSED;
    found->why = why;
}

/* Of open(): only what is not there is a file that is missing. */
static void not_opened(struct found *found, int error)
{
    if (error == ENOENT) {
        found->file = MSP_LOCAL_MISSING;
        return;
    }
    found->error = error;
    refuse(found, error == ELOOP ? "it is a symbolic link" : strerror(error));
}

static void look_at(int dir_fd, const char *name, uid_t owner,
                    struct found *found)
{
    const char *why;

    found->fd =
        openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (found->fd < 0 || fstat(found->fd, &found->st) < 0) {
        not_opened(found, errno);
        /* root does not read what is another user's alone, see privs.c */
        if (found->error == EACCES &&
            fstatat(dir_fd, name, &found->st, AT_SYMLINK_NOFOLLOW) == 0 &&
            fault_of(&found->st, owner))
            found->why = fault_of(&found->st, owner);
        return;
    }
    why = fault_of(&found->st, owner);
    if (!S_ISREG(found->st.st_mode))
        refuse(found, "it is not a regular file");
    else if (why)
        refuse(found, why);
    else if (found->st.st_size > MSP_LOCAL_BYTES_MAX)
        refuse(found, "it is larger than 1 MiB");
    else
        found->file = MSP_LOCAL_THERE;
}

/*
 * By the path each time: the directory may come, go and be another. Not so a
 * guarded one.
 */
static int open_dir(const struct msp_localrules *rules)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

    return rules->kept_fd < 0 ? open(rules->dir, flags)
                              : openat(rules->kept_fd, ".", flags);
}

static void look(const struct msp_localrules *rules, uint32_t endpoint,
                 struct found *found)
{
    msp_autoclose int dir_fd = -1;
    struct stat st;

    if (!rules->dir) {
        found->file = MSP_LOCAL_OFF;
        return;
    }
    dir_fd = open_dir(rules);
    if (dir_fd < 0 || fstat(dir_fd, &st) < 0) {
        not_opened(found, errno);
        if (found->file == MSP_LOCAL_REFUSED)
            found->why = "its directory cannot be opened";
    } else if (fault_of(&st, rules->owner)) {
        refuse(found, "its directory is not root's alone");
    } else {
        look_at(dir_fd, names[endpoint], rules->owner, found);
    }
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whatever is done to a file moves its ctime. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_uid == b->st_uid && is_same_time(&a->st_mtim, &b->st_mtim) &&
           is_same_time(&a->st_ctim, &b->st_ctim);
}

void msp_localrules_forget(struct msp_localrules *rules)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        rules->seen[i].is_told = false;
}

bool msp_localrules_look(struct msp_localrules *rules, uint32_t endpoint,
                         time_t now, struct msp_child_local *ret, int *ret_fd)
{
    struct found found = {.fd = -1};
    bool is_news;

    *ret_fd = -1;
    look(rules, endpoint, &found);
    is_news = !rules->seen[endpoint].is_told ||
              rules->seen[endpoint].file != found.file ||
              rules->seen[endpoint].error != found.error ||
              !is_same(&rules->seen[endpoint].st, &found.st) ||
              (found.file == MSP_LOCAL_THERE && rules->seen[endpoint].is_young);
    rules->seen[endpoint].is_told = !is_news;
    rules->seen[endpoint].file = found.file;
    rules->seen[endpoint].error = found.error;
    rules->seen[endpoint].st = found.st;
    rules->seen[endpoint].is_young =
        found.st.st_ctim.tv_sec + MSP_LOCAL_YOUNG_S >= now;
    *ret = (struct msp_child_local){
        .head.type = MSP_CHILD_LOCAL, .endpoint = endpoint, .file = found.file};
    (void)snprintf(ret->why, sizeof(ret->why), "%s",
                   found.why ? found.why : "");
    if (is_news && found.file == MSP_LOCAL_THERE)
        *ret_fd = TAKE_FD(found.fd);
    msp_closep(&found.fd);
    return is_news;
}

void msp_localrules_told(struct msp_localrules *rules, uint32_t endpoint)
{
    rules->seen[endpoint].is_told = true;
}

/* --- what the keeper makes of them ---------------------------------------- */

const char *msp_localrules_use_name(uint32_t use)
{
    static const char *const use_names[] = {
        [MSP_LOCAL_UNASKED] = "not-asked", [MSP_LOCAL_UNSET] = "no-directory",
        [MSP_LOCAL_NONE] = "missing",      [MSP_LOCAL_MERGED] = "merged",
        [MSP_LOCAL_KEPT] = "kept",         [MSP_LOCAL_DENIED] = "denied",
    };

    _Static_assert(ARRAY_SIZE(use_names) == MSP_LOCAL_USE_COUNT, "use_names");
    return use < ARRAY_SIZE(use_names) ? use_names[use] : "unknown";
}

void msp_localrules_uses(const uint32_t use[static MSP_LOCAL_FILES],
                         char ret[static MSP_LOCALRULES_USES_BYTES])
{
    static const char *const endpoint[] = {
        [MSP_EP_IMDS] = "imds", [MSP_EP_WIRESERVER] = "wireserver"};
    size_t len = 0;

    _Static_assert(ARRAY_SIZE(endpoint) == MSP_LOCAL_FILES, "endpoint");
    (void)snprintf(ret, MSP_LOCALRULES_USES_BYTES, "none");
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        if (use[i] == MSP_LOCAL_MERGED || use[i] == MSP_LOCAL_KEPT ||
            use[i] == MSP_LOCAL_DENIED)
            len += (size_t)snprintf(ret + len, MSP_LOCALRULES_USES_BYTES - len,
                                    "%s%s (%s)", len ? ", " : "", endpoint[i],
                                    msp_localrules_use_name(use[i]));
}
