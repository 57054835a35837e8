/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/guardset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "daemon/dirs.h"

#define EXECUTABLE (MSP_GUARD_NOWRITE | MSP_GUARD_NAMES)
#define DIRECTORY  (MSP_GUARD_DIR | MSP_GUARD_NAMES | MSP_GUARD_NOWRITE)
#define KEYS       (DIRECTORY | MSP_GUARD_NOREAD)

#define NOBODY "mspd-no-such-name"

static const char *const children[] = {"mspd-netns", "mspd-keeper",
                                       "mspd-proxy"};

/* --- opening ------------------------------------------------------------- */

static int add_at(struct msp_guardset *set, int dir_fd, const char *path,
                  uint32_t flags)
{
    int fd;

    if (set->n == MSP_GUARDSET_MAX)
        return -E2BIG;
    fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    set->want[set->n++] = (struct msp_guard_want){.fd = fd, .flags = flags};
    return 0;
}

/*
 * @param path NULL: none was given
 * @return 0; -ENOENT; negative errno
 */
static int add(struct msp_guardset *set, const char *path, uint32_t flags)
{
    return path ? add_at(set, AT_FDCWD, path, flags) : 0;
}

static int add_if_there(struct msp_guardset *set, const char *path,
                        uint32_t flags)
{
    int r = add(set, path, flags);

    return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* A file with its directory, if that is the agent's alone: it is named mspd. */
static int add_with_dir(struct msp_guardset *set, const char *path,
                        uint32_t flags)
{
    char copy[PATH_MAX];
    const char *dir, *name;
    int r = add(set, path, flags);

    if (r < 0 || !path)
        return r;
    (void)snprintf(copy, sizeof(copy), "%s", path);
    dir = dirname(copy);
    name = strrchr(dir, '/');
    if (!name || !msp_streq(name, "/mspd"))
        return 0;
    return add(set, dir, DIRECTORY);
}

/* A file is guarded as it is, a directory with what is right in it. */
static int add_extra(struct msp_guardset *set, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    return add(set, path, S_ISDIR(st.st_mode) ? DIRECTORY : EXECUTABLE);
}

static int add_executables(struct msp_guardset *set,
                           const struct msp_opts *opts)
{
    char path[PATH_MAX], own[PATH_MAX] = "";
    ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
    int r = add(set, "/proc/self/exe",
                EXECUTABLE | MSP_GUARD_ROLE | MSP_GUARD_PROCESS);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(children); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", opts->libexec_dir,
                       children[i]);
        r = add_with_dir(set, path, EXECUTABLE | MSP_GUARD_PROCESS);
    }
    if (r == 0)
        r = add_if_there(set, MSP_BINDIR "/mspctl", EXECUTABLE);
    if (r < 0 || len < 0)
        return r;
    (void)snprintf(path, sizeof(path), "%.*s/mspctl", PATH_MAX - 16,
                   dirname(own));
    return add_if_there(set, path, EXECUTABLE);
}

static int add_pins(struct msp_guardset *set, const struct msp_opts *opts)
{
    static const char *const folders[] = {"links", "uplinks"};
    int r = add(set, opts->pin_dir, MSP_GUARD_TREE | MSP_GUARD_MOUNTS);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
        char path[MSP_PIN_PATH_BYTES];

        msp_pins_folder_path(opts->pin_dir, folders[i], path);
        r = add(set, path, MSP_GUARD_NOSEARCH);
    }
    return r;
}

static int add_units(struct msp_guardset *set)
{
    static const struct {
        const char *path;
        uint32_t flags;
    } units[] = {
        {MSP_UNITDIR "/mspd.service", EXECUTABLE},
        {"/etc/systemd/system/mspd.service", EXECUTABLE},
        {"/etc/systemd/system/mspd.service.d", DIRECTORY},
        {"/etc/default/mspd", EXECUTABLE},
    };

    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(units); i++)
        r = add_if_there(set, units[i].path, units[i].flags);
    return r;
}

/*
 * Made here: a guard cannot be on what will be made later. One that cannot be
 * used is no reason to be without mspd; status says it.
 */
static int add_report_dir(struct msp_guardset *set, const char *path,
                          int (*open_dir)(const char *, int *))
{
    msp_autoclose int fd = -1;

    if (!path || open_dir(path, &fd) < 0)
        return 0;
    return add(set, path, DIRECTORY);
}

/*
 * Made here, too. Fail closed: files in one that nobody guards could give
 * rights.
 */
static int add_rules_dir(struct msp_guardset *set, const char *path)
{
    msp_autoclose int fd = -1;
    int r = path ? msp_dirs_open_public(path, &fd) : 0;

    if (r < 0 || !path)
        return r;
    r = add(set, path, DIRECTORY);
    if (r == 0)
        set->rules_fd = set->want[set->n - 1].fd;
    return r;
}

/* The key store: what the keeper makes in it is guarded by it. */
static int add_keys(struct msp_guardset *set, const struct msp_opts *opts)
{
    char path[PATH_MAX];

    if (!opts->is_channel)
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s/keys", opts->state_dir) >=
        sizeof(path))
        return -ENAMETOOLONG;
    return add(set, path, KEYS);
}

/* @param ret_n_own those up to here, and files in them, are the agent's */
static int add_options(struct msp_guardset *set, const struct msp_opts *opts,
                       size_t *ret_n_own, const char **reterr_what)
{
    const struct {
        const char *path;
        uint32_t flags;
    } rows[] = {
        {opts->state_dir, DIRECTORY},
        {opts->run_dir, DIRECTORY},
        {opts->guard_key, EXECUTABLE},
    };

    int r;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        *reterr_what = rows[i].path;
        r = add(set, rows[i].path, rows[i].flags);
        if (r < 0)
            return r;
    }
    *reterr_what = "keys of the state directory";
    r = add_keys(set, opts);
    if (r < 0)
        return r;
    /* as those of the run directory, it says how the guarded one stands */
    *reterr_what = opts->platform_status;
    r = add_report_dir(set, opts->platform_status, msp_dirs_open_public);
    if (r < 0)
        return r;
    *reterr_what = opts->platform_tags;
    r = add_report_dir(set, opts->platform_tags, msp_dirs_open_private);
    if (r < 0)
        return r;
    *reterr_what = opts->local_rules;
    r = add_rules_dir(set, opts->local_rules);
    if (r < 0)
        return r;
    *reterr_what = opts->static_key;
    r = add_with_dir(set, opts->static_key, EXECUTABLE | MSP_GUARD_NOREAD);
    *ret_n_own = set->n;
    for (size_t i = 0; r == 0 && i < opts->n_guard_protect; i++) {
        *reterr_what = opts->guard_protect[i];
        r = add_extra(set, opts->guard_protect[i]);
    }
    for (size_t i = 0; r == 0 && i < opts->n_guard_allow; i++) {
        *reterr_what = opts->guard_allow[i];
        r = add(set, opts->guard_allow[i],
                MSP_GUARD_LOADER | MSP_GUARD_NOWRITE);
    }
    return r;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* @return 0, also if it is gone or no regular file; negative errno */
static int add_file_in(struct msp_guardset *set,
                       const struct msp_guard_want *in, const char *name)
{
    uint32_t flags = MSP_GUARD_INSIDE | (in->flags & MSP_GUARD_NOREAD);
    struct stat st;
    int r;

    if (fstatat(in->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    r = add_at(set, in->fd, name, flags);
    return r == -ENOENT ? 0 : r;
}

/* Files that are there; those to come are known when they are written. */
static int add_files_in(struct msp_guardset *set,
                        const struct msp_guard_want *in)
{
    msp_autoclose int fd =
        openat(in->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    msp_cleanup(close_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return -errno;
    (void)TAKE_FD(fd);
    while (r == 0 && (entry = readdir(dir)))
        r = add_file_in(set, in, entry->d_name);
    return r;
}

static int add_files(struct msp_guardset *set, size_t n_own)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n_own; i++)
        if (set->want[i].flags & MSP_GUARD_DIR)
            r = add_files_in(set, &set->want[i]);
    return r;
}

/*
 * What is mapped as code now: a line is `from-to r-xp ... /path`. mspd links
 * what its children do, and has looked names up as the keeper will.
 */
static int add_libraries(struct msp_guardset *set)
{
    msp_autofclose FILE *maps = NULL;
    msp_autofree char *line = NULL;
    size_t size = 0;

    (void)getpwnam(NOBODY);
    (void)getgrnam(NOBODY);
    maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return -errno;
    while (getline(&line, &size, maps) > 0) {
        const char *mode = strchr(line, ' ');
        char *path = strchr(line, '/');
        int r;

        if (!mode || !path || mode[3] != 'x')
            continue;
        path[strcspn(path, "\n")] = '\0';
        r = add_if_there(set, path, MSP_GUARD_LIBRARY | MSP_GUARD_NOWRITE);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- the digest ---------------------------------------------------------- */

static bool add_text(EVP_MD_CTX *md, const char *text)
{
    const char *value = text ? text : "";

    return EVP_DigestUpdate(md, value, strlen(value) + 1) == 1;
}

static bool add_texts(EVP_MD_CTX *md, const char *const *texts, size_t n)
{
    bool is_ok = EVP_DigestUpdate(md, &n, sizeof(n)) == 1;

    for (size_t i = 0; i < n; i++)
        is_ok = is_ok && add_text(md, texts[i]);
    return is_ok;
}

static bool add_file(EVP_MD_CTX *md, const struct msp_guard_want *want)
{
    struct stat st;
    uint64_t numbers[3];

    if (fstat(want->fd, &st) < 0)
        return false;
    numbers[0] = st.st_dev;
    numbers[1] = st.st_ino;
    numbers[2] = want->flags;
    return EVP_DigestUpdate(md, numbers, sizeof(numbers)) == 1;
}

/* As the host has it now. */
static uint64_t uid_of(const char *name)
{
    const struct passwd *user = getpwnam(name);

    return user ? user->pw_uid : 0;
}

/* Whatever makes a difference to what mspd does. */
static bool add_opts(EVP_MD_CTX *md, const struct msp_opts *opts)
{
    const char *const texts[] = {
        opts->cgroup,        opts->pin_dir,         opts->run_dir,
        opts->state_dir,     opts->log_dir,         opts->libexec_dir,
        opts->static_key,    opts->proxy_user,      opts->keeper_user,
        opts->guard_key,     opts->adopt_keys,      opts->channel_scale,
        opts->local_rules,   opts->platform_status, opts->platform_log,
        opts->platform_tags,
    };
    struct stat net = {0};
    /* what it sends, and what it guards, is of its network namespace */
    bool has_net = stat("/proc/self/ns/net", &net) == 0;
    const uint64_t numbers[] = {
        opts->is_bootstrap_deny,
        opts->is_guard_kernel,
        opts->lsm,
        uid_of(opts->proxy_user),
        uid_of(opts->keeper_user),
        opts->is_fd_guard,
        opts->is_raw_denied,
        opts->is_channel,
        opts->is_push_only,
        net.st_dev,
        net.st_ino,
    };

    return has_net && add_texts(md, texts, ARRAY_SIZE(texts)) &&
           add_texts(md, opts->uplink, opts->n_uplinks) &&
           add_texts(md, opts->guard_allow, opts->n_guard_allow) &&
           add_texts(md, opts->guard_protect, opts->n_guard_protect) &&
           EVP_DigestUpdate(md, numbers, sizeof(numbers)) == 1;
}

static int digest(struct msp_guardset *set, const struct msp_opts *opts,
                  size_t n_files)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                 add_opts(md, opts);

    for (size_t i = 0; is_ok && i < n_files; i++)
        is_ok = add_file(md, &set->want[i]);
    is_ok = is_ok && EVP_DigestFinal_ex(md, set->digest, NULL) == 1;
    EVP_MD_CTX_free(md);
    return is_ok ? 0 : -EIO;
}

int msp_guardset_open(struct msp_guardset *set, const struct msp_opts *opts,
                      const char **reterr_what)
{
    size_t n_files, n_own = 0;
    int r;

    *set = (struct msp_guardset){.rules_fd = -1};
    *reterr_what = opts->libexec_dir;
    r = add_executables(set, opts);
    if (r == 0) {
        *reterr_what = opts->pin_dir;
        r = add_pins(set, opts);
    }
    if (r == 0)
        r = add_options(set, opts, &n_own, reterr_what);
    if (r < 0)
        return r;
    *reterr_what = "mspd.service";
    r = add_units(set);
    n_files = set->n;
    if (r == 0) {
        *reterr_what = "files in the agent's directories";
        r = add_files(set, n_own);
    }
    if (r == 0) {
        *reterr_what = "/proc/self/maps";
        r = add_libraries(set);
    }
    return r == 0 ? digest(set, opts, n_files) : r;
}

void msp_guardset_done(struct msp_guardset *set)
{
    for (size_t i = 0; i < set->n; i++)
        (void)close(set->want[i].fd);
    *set = (struct msp_guardset){.rules_fd = -1};
}

int msp_guardset_host(char *ret, size_t size)
{
    msp_autoclose int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r;

    ret[0] = '\0';
    if (fd < 0)
        return -errno;
    r = msp_io_slurp(fd, size, &text, &len);
    if (r < 0)
        return r;
    len = strcspn(text, " \n");
    if (len == 0 || len >= size)
        return -EINVAL;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return 0;
}
