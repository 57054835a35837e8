/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctrstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/container.h>

#include "base/io.h"
#include "daemon/dirs.h"

/* The largest record with its escapes. */
#define FILE_BYTES_MAX ((size_t)MSP_CONTAINER_RECORD_MAX)

static int open_below(int run_fd, const char *name, int *ret_fd)
{
    msp_autoclose int fd = -1;
    struct stat st;

    if (mkdirat(run_fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0)
        return -EPERM;
    if (fchmod(fd, 0700) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int msp_ctr_store_open(struct msp_ctr_store *store, int run_fd)
{
    int r;

    *store = (struct msp_ctr_store)MSP_CTR_STORE_NONE;
    r = open_below(run_fd, "containers", &store->dir_fd);
    if (r == 0)
        r = open_below(run_fd, "spool", &store->spool_fd);
    if (r == 0)
        r = open_below(run_fd, "spool.bad", &store->bad_fd);
    return r;
}

void msp_ctr_store_done(struct msp_ctr_store *store)
{
    msp_closep(&store->dir_fd);
    msp_closep(&store->spool_fd);
    msp_closep(&store->bad_fd);
    *store = (struct msp_ctr_store)MSP_CTR_STORE_NONE;
}

static void name_of(uint64_t cgroup_id, char ret[32])
{
    (void)snprintf(ret, 32, "%" PRIu64, cgroup_id);
}

int msp_ctr_store_put(const struct msp_ctr_store *store, uint64_t cgroup_id,
                      const void *text, size_t len)
{
    char name[32];

    name_of(cgroup_id, name);
    return msp_dirs_store(store->dir_fd, name, text, len);
}

void msp_ctr_store_drop(const struct msp_ctr_store *store, uint64_t cgroup_id)
{
    char name[32];

    name_of(cgroup_id, name);
    (void)unlinkat(store->dir_fd, name, 0);
}

/* @param ret_text free(); ends in a NUL beyond its length */
static int read_file(int dir_fd, const char *name, char **ret_text,
                     size_t *ret_len)
{
    /* not to wait for whoever may open the other end of a fifo */
    msp_autoclose int fd =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    /* fail closed: whoever may write it says who gets a token */
    if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
        return -EPERM;
    return msp_io_slurp(fd, FILE_BYTES_MAX, ret_text, ret_len);
}

/* One file of a listing. */
struct file {
    char name[NAME_MAX + 1];
    struct timespec mtime;
};

struct listing {
    struct file *file; /* owned; [n] */
    size_t n, cap;
};

static void listing_done(struct listing *listing)
{
    free(listing->file);
}

static int add_file(struct listing *listing, int dir_fd, const char *name)
{
    struct file *more;
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (listing->n == listing->cap) {
        size_t cap = listing->cap ? 2 * listing->cap : 64;

        more = reallocarray(listing->file, cap, sizeof(*more));
        if (!more)
            return -ENOMEM;
        listing->file = more;
        listing->cap = cap;
    }
    more = &listing->file[listing->n++];
    (void)snprintf(more->name, sizeof(more->name), "%s", name);
    more->mtime = st.st_mtim;
    return 0;
}

/* Names without a dot before them. */
static int list(int dir_fd, struct listing *ret)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int r = 0;

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    while (r == 0 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = add_file(ret, dir_fd, entry->d_name);
    (void)closedir(dir);
    return r;
}

static int compare_age(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    if (x->mtime.tv_sec != y->mtime.tv_sec)
        return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
    if (x->mtime.tv_nsec != y->mtime.tv_nsec)
        return x->mtime.tv_nsec < y->mtime.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int each(int dir_fd, msp_ctr_file_fn fn, void *data)
{
    msp_cleanup(listing_done) struct listing listing = {0};
    int r = list(dir_fd, &listing);

    if (r < 0)
        return r;
    if (listing.n)
        qsort(listing.file, listing.n, sizeof(*listing.file), compare_age);
    for (size_t i = 0; i < listing.n; i++) {
        msp_autofree char *text = NULL;
        size_t len = 0;

        r = read_file(dir_fd, listing.file[i].name, &text, &len);
        if (r != -ENOENT)
            fn(data, listing.file[i].name, r, r < 0 ? "" : text, len);
    }
    return 0;
}

struct own {
    const struct msp_ctr_store *store;
    msp_ctr_file_fn fn;
    void *data;
};

/* What a crash left behind has another name. */
static void own_file(void *data, const char *name, int r, const char *text,
                     size_t len)
{
    const struct own *own = data;

    if (r < 0 || name[strspn(name, "0123456789")])
        (void)unlinkat(own->store->dir_fd, name, 0);
    else
        own->fn(own->data, name, 0, text, len);
}

int msp_ctr_store_each(const struct msp_ctr_store *store, msp_ctr_file_fn fn,
                       void *data)
{
    struct own own = {store, fn, data};

    return each(store->dir_fd, own_file, &own);
}

int msp_ctr_spool_each(const struct msp_ctr_store *store, msp_ctr_file_fn fn,
                       void *data)
{
    return each(store->spool_fd, fn, data);
}

void msp_ctr_spool_drop(const struct msp_ctr_store *store, const char *name)
{
    (void)unlinkat(store->spool_fd, name, 0);
}

void msp_ctr_spool_reject(const struct msp_ctr_store *store, const char *name)
{
    if (renameat(store->spool_fd, name, store->bad_fd, name) < 0)
        (void)unlinkat(store->spool_fd, name, 0);
}
