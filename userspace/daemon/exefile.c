/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exefile.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/fs.h>

#include "loader/exerows.h"

enum {
    UNSEEN_ROUNDS = 2
};

/* Not in linux/magic.h. @source man 2 statfs */
#define VFAT_SUPER_MAGIC  0x4d44
#define RAMFS_SUPER_MAGIC 0x858458f6
#define FUSE_FS_MAGIC     0x65735546
#define ZFS_MAGIC         0x2fc12fc1

/* Some that msp_fs_is_accepted() refuses, for people. */
static const struct {
    uint64_t magic;
    const char *name;
} file_systems[] = {
    {OVERLAYFS_SUPER_MAGIC, "overlay"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {FUSE_FS_MAGIC, "fuse"},
    {NFS_SUPER_MAGIC, "nfs"},
    {CIFS_SUPER_MAGIC, "cifs"},
    {RAMFS_SUPER_MAGIC, "ramfs"},
    {VFAT_SUPER_MAGIC, "vfat"},
    {ZFS_MAGIC, "zfs"},
    {PROC_SUPER_MAGIC, "proc"},
    {SYSFS_MAGIC, "sysfs"},
};

const char *msp_exe_magic_name(uint64_t magic)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
        if (file_systems[i].magic == magic)
            return file_systems[i].name;
    return NULL;
}

const char *msp_exe_why_name(enum msp_exe_why why)
{
    static const char *const names[] = {
        [MSP_EXE_OK] = "ok",
        [MSP_EXE_NOT_ASKED] = "not looked at yet",
        [MSP_EXE_MISSING] = "missing",
        [MSP_EXE_NOT_REGULAR] = "not a regular file",
        [MSP_EXE_FILE_SYSTEM] = "on a file system that is not accepted",
        [MSP_EXE_NO_ANSWER] = "no answer in time",
        [MSP_EXE_FAILED] = "cannot be opened",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_EXE_WHY_COUNT, "names");

    return (unsigned int)why < ARRAY_SIZE(names) ? names[why] : "unknown";
}

const char *msp_exe_doubt_name(uint32_t doubt)
{
    if (doubt & MSP_OPEN_NOT_ROOTS)
        return "the file is not root's";
    if (doubt & MSP_OPEN_WRITER)
        return "the file is open for writing";
    if (doubt & MSP_OPEN_SHARED)
        return "the file is on tmpfs, and others than root may write to it";
    return "the file may be written unseen";
}

const char *msp_exe_file_fault(const struct msp_exe_file *file)
{
    if (!file->has_current || !file->current.mode)
        return NULL; /* not looked at yet */
    if (file->current.is_script)
        return "a script: who runs it executes its interpreter";
    if (!(file->current.mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        return "not executable";
    return NULL;
}

/* --- versions ----------------------------------------------------------- */

int msp_exe_file_init(struct msp_exe_file *file, const char *path)
{
    *file =
        (struct msp_exe_file){.path = strdup(path), .why = MSP_EXE_NOT_ASKED};
    return file->path ? 0 : -ENOMEM;
}

void msp_exe_file_done(struct msp_exe_file *file)
{
    free(file->current.real);
    for (size_t i = 0; i < file->n_retired; i++)
        free(file->retired[i].real);
    free(file->retired);
    free(file->path);
    *file = (struct msp_exe_file){0};
}

static void drop_retired(struct msp_exe_file *file, size_t i)
{
    free(file->retired[i].real);
    file->n_retired--;
    memmove(&file->retired[i], &file->retired[i + 1],
            (file->n_retired - i) * sizeof(*file->retired));
}

/* @param version taken over. @return 0; -ENOMEM, it is dropped */
static int add_retired(struct msp_exe_file *file,
                       struct msp_exe_version *version)
{
    struct msp_exe_version *more;

    /* fail closed: who still runs the oldest one loses its right */
    if (file->n_retired >= MSP_EXE_RETIRED_MAX)
        drop_retired(file, 0);
    more = reallocarray(file->retired, file->n_retired + 1, sizeof(*more));
    if (!more) {
        free(version->real);
        return -ENOMEM;
    }
    file->retired = more;
    more[file->n_retired++] = *version;
    return 0;
}

static bool retire_current(struct msp_exe_file *file, uint64_t boot_ns)
{
    struct msp_exe_version version = file->current;

    if (!file->has_current)
        return false;
    version.retired_ns = boot_ns;
    version.n_unseen = 0;
    file->has_current = false;
    file->current = (struct msp_exe_version){0};
    (void)add_retired(file, &version);
    return true;
}

/* A file that comes back is no longer retired. */
static void forget_retired(struct msp_exe_file *file, const struct msp_exe *exe)
{
    for (size_t i = file->n_retired; i-- > 0;)
        if (msp_exe_compare(&file->retired[i].exe, exe) == 0)
            drop_retired(file, i);
}

static bool is_unwritten(const struct msp_exe_version *version,
                         const struct msp_file_fact *fact)
{
    return version->ctime_sec == fact->ctime_sec &&
           version->ctime_nsec == fact->ctime_nsec;
}

/* --- what was seen ------------------------------------------------------ */

static enum msp_exe_why judge(const struct msp_file_fact *fact)
{
    if ((fact->mode & S_IFMT) != S_IFREG)
        return MSP_EXE_NOT_REGULAR;
    if (fact->nlink == 0)
        return MSP_EXE_MISSING;
    if (!msp_fs_is_accepted(fact->magic))
        return MSP_EXE_FILE_SYSTEM;
    return MSP_EXE_OK;
}

static void set_real(struct msp_exe_version *version, const char *real)
{
    if (version->real && msp_streq(version->real, real))
        return;
    free(version->real);
    version->real = strdup(real); /* NULL: the log shows the given path */
}

bool msp_exe_file_see(struct msp_exe_file *file,
                      const struct msp_file_fact *fact, const char *real,
                      uint64_t boot_ns)
{
    bool is_changed = false;

    file->why = judge(fact);
    file->error = 0;
    file->magic = fact->magic;
    if (file->why != MSP_EXE_OK)
        return retire_current(file, boot_ns);
    if (file->has_current &&
        msp_exe_compare(&file->current.exe, &fact->exe) != 0)
        (void)retire_current(file, boot_ns);
    if (!file->has_current) {
        forget_retired(file, &fact->exe);
        file->has_current = true;
        file->current = (struct msp_exe_version){.exe = fact->exe};
        is_changed = true;
    } else if (!is_unwritten(&file->current, fact)) {
        file->current.has_sha256 = false;
        file->current.doubt = 0;
        is_changed = true;
    }
    file->current.ctime_sec = fact->ctime_sec;
    file->current.ctime_nsec = fact->ctime_nsec;
    file->current.mode = fact->mode;
    file->current.time_gran = fact->time_gran;
    set_real(&file->current, real);
    return is_changed;
}

bool msp_exe_file_lose(struct msp_exe_file *file, int error, uint64_t boot_ns)
{
    file->error = error;
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP: /* or a magic link, which is not followed */
    case ENAMETOOLONG:
        file->why = MSP_EXE_MISSING;
        return retire_current(file, boot_ns);
    case EINVAL:
        file->why = MSP_EXE_NOT_REGULAR;
        return retire_current(file, boot_ns);
    case ETIMEDOUT:
        file->why = MSP_EXE_NO_ANSWER;
        return false;
    default:
        file->why = MSP_EXE_FAILED;
        return false;
    }
}

bool msp_exe_file_needs_hash(const struct msp_exe_file *file)
{
    return file->is_hashed && file->has_current && !file->current.has_sha256 &&
           !file->current.doubt;
}

int msp_exe_file_hashed(struct msp_exe_file *file,
                        const struct msp_file_fact *fact, uint32_t doubt,
                        const uint8_t sha256[MSP_DIGEST_BYTES])
{
    /* fail closed: what was read need not be what is run */
    if (!file->has_current || judge(fact) != MSP_EXE_OK ||
        msp_exe_compare(&file->current.exe, &fact->exe) != 0 ||
        !is_unwritten(&file->current, fact))
        return 0;
    file->current.doubt = doubt;
    if (doubt)
        return 0;
    file->current.has_sha256 = true;
    memcpy(file->current.sha256, sha256, MSP_DIGEST_BYTES);
    return 1;
}

int msp_exe_file_recall(struct msp_exe_file *file,
                        const struct msp_exe_version *version)
{
    struct msp_exe_version copy = *version;

    copy.real = NULL;
    copy.n_unseen = 0;
    if (copy.retired_ns)
        return add_retired(file, &copy);
    free(file->current.real);
    file->current = copy;
    file->has_current = true;
    return 0;
}

bool msp_exe_file_collect(struct msp_exe_file *file,
                          bool (*is_running)(const void *data,
                                             const struct msp_exe *exe),
                          const void *data)
{
    bool is_changed = false;

    for (size_t i = file->n_retired; i-- > 0;) {
        struct msp_exe_version *version = &file->retired[i];

        if (is_running(data, &version->exe)) {
            version->n_unseen = 0;
        } else if (++version->n_unseen >= UNSEEN_ROUNDS) {
            drop_retired(file, i);
            is_changed = true;
        }
    }
    return is_changed;
}
