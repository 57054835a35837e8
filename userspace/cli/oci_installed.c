/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_installed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <jansson.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "cli/oci_hooksdir.h"
#include "cli/oci_runtime.h"

#define FILE_BYTES_MAX (1u << 20)

struct finder {
    const char *root;
    void (*fn)(const struct msp_installed *found, void *data);
    void *data;
};

static void decref(json_t **json)
{
    json_decref(*json);
}

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

const char *msp_hooked_name(enum msp_hooked hooked)
{
    static const char *const names[] = {
        [MSP_HOOKED_UNKNOWN] = "unknown", [MSP_HOOKED_UNSURE] = "unknown",
        [MSP_HOOKED_NO] = "no",           [MSP_HOOKED_SOME] = "some",
        [MSP_HOOKED_YES] = "yes",         [MSP_HOOKED_BROKEN] = "broken",
        [MSP_HOOKED_UNREAD] = "unread",
    };

    _Static_assert(ARRAY_SIZE(names) == MSP_HOOKED_COUNT, "names");
    return names[hooked];
}

static bool path_of(const struct finder *finder, const char *path,
                    char ret[static PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s%s", finder->root, path);

    return n >= 0 && n < PATH_MAX;
}

static bool can(const struct finder *finder, const char *path, int mode)
{
    char full[PATH_MAX];

    return path_of(finder, path, full) && access(full, mode) == 0;
}

static int slurp(const struct finder *finder, const char *path, char **ret_text,
                 size_t *ret_len)
{
    char full[PATH_MAX];
    msp_autoclose int fd = -1;

    if (!path_of(finder, path, full))
        return -ENAMETOOLONG;
    fd = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return msp_io_slurp(fd, FILE_BYTES_MAX, ret_text, ret_len);
}

static void say(const struct finder *finder, const char *manager,
                const char *place, enum msp_hooked hooked, const char *detail)
{
    const struct msp_installed found = {manager, place, hooked, detail};

    finder->fn(&found, finder->data);
}

static bool is_base(const char *path, const char *name)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash && msp_streq(slash + 1, name);
}

static bool is_arg(const json_t *args, size_t at, const char *wanted)
{
    const char *arg = json_string_value(json_array_get(args, at));

    return arg && msp_streq(arg, wanted);
}

/* --- Docker: daemon.json ---------------------------------------------------- */

/* @return path of our program if the runtime is ours, else NULL */
static const char *ours_of(const json_t *runtime)
{
    const char *path = json_string_value(json_object_get(runtime, "path"));

    if (is_base(path, MSP_OCI_RUNTIME_NAME) ||
        (is_base(path, "mspctl") &&
         is_arg(json_object_get(runtime, "runtimeArgs"), 0, "oci-runtime")))
        return path;
    return NULL;
}

static enum msp_hooked judge_runtimes(const struct finder *finder,
                                      const json_t *doc, const char **ret_name)
{
    const char *by_default =
        json_string_value(json_object_get(doc, "default-runtime"));
    enum msp_hooked found = MSP_HOOKED_NO;
    json_t *all = json_object_get(doc, "runtimes");
    const char *name;
    json_t *one;

    json_object_foreach(all, name, one) {
        const char *path = ours_of(one);

        if (!path)
            continue;
        *ret_name = name;
        if (!can(finder, path, X_OK))
            return MSP_HOOKED_BROKEN;
        if (by_default && msp_streq(by_default, name))
            return MSP_HOOKED_YES;
        found = MSP_HOOKED_SOME;
    }
    return found;
}

static void find_docker(const struct finder *finder)
{
    static const char place[] = "/etc/docker/daemon.json";
    msp_autofree char *text = NULL;
    msp_cleanup(decref) json_t *doc = NULL;
    const char *name = "";
    enum msp_hooked hooked;
    size_t len = 0;
    int r = slurp(finder, place, &text, &len);

    if (r == -ENOENT && !can(finder, "/usr/bin/dockerd", F_OK) &&
        !can(finder, "/usr/sbin/dockerd", F_OK))
        return;
    if (r < 0) {
        say(finder, "docker", place,
            r == -ENOENT ? MSP_HOOKED_NO : MSP_HOOKED_UNKNOWN, strerror(-r));
        return;
    }
    doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(doc)) {
        say(finder, "docker", place, MSP_HOOKED_UNKNOWN, "not a JSON object");
        return;
    }
    hooked = judge_runtimes(finder, doc, &name);
    say(finder, "docker", place, hooked, name);
}

/* --- containerd: config.toml ------------------------------------------------ */

/* The value of `key = "value"`, in place; NULL = the line is none. */
static char *toml_text(char *line, const char *key)
{
    size_t len = strlen(key);
    char *end;

    line += strspn(line, " \t");
    if (strncmp(line, key, len) != 0)
        return NULL;
    line += len;
    line += strspn(line, " \t");
    if (*line != '=')
        return NULL;
    line++;
    line += strspn(line, " \t");
    end = *line == '"' || *line == '\'' ? strchr(line + 1, *line) : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    return line + 1;
}

static bool has_imports(const char *line)
{
    line += strspn(line, " \t");
    return strncmp(line, "imports", strlen("imports")) == 0 &&
           strpbrk(line, "\"'");
}

static void find_containerd(const struct finder *finder)
{
    static const char place[] = "/etc/containerd/config.toml";
    enum msp_hooked hooked = MSP_HOOKED_NO;
    msp_autofree char *text = NULL;
    bool imports = false;
    char *save = NULL;
    size_t len = 0;
    int r = slurp(finder, place, &text, &len);

    if (r == -ENOENT && !can(finder, "/usr/bin/containerd", F_OK) &&
        !can(finder, "/usr/local/bin/containerd", F_OK))
        return;
    if (r < 0) {
        say(finder, "containerd", place,
            r == -ENOENT ? MSP_HOOKED_NO : MSP_HOOKED_UNKNOWN, strerror(-r));
        return;
    }
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        const char *path;

        imports |= has_imports(line);
        path = toml_text(line, "BinaryName");
        if (!is_base(path, MSP_OCI_RUNTIME_NAME))
            continue;
        if (hooked != MSP_HOOKED_BROKEN)
            hooked =
                can(finder, path, X_OK) ? MSP_HOOKED_SOME : MSP_HOOKED_BROKEN;
    }
    if (hooked == MSP_HOOKED_NO && imports)
        say(finder, "containerd", place, MSP_HOOKED_UNSURE,
            "it imports files that are not looked at");
    else
        say(finder, "containerd", place, hooked,
            hooked == MSP_HOOKED_NO ? "" : "BinaryName");
}

/* --- Podman and CRI-O: hooks.d ---------------------------------------------- */

/* Where each looks, and whether a hook of ours is there. */
struct hooks_d {
    const struct finder *finder;

    struct {
        struct msp_hooks_dirs dirs;
        int r; /* of reading where it looks */
        bool is_found;
    } of[MSP_HOOKS_MANAGERS];
};

static void hooks_d_done(struct hooks_d *hooks)
{
    for (size_t i = 0; i < MSP_HOOKS_MANAGERS; i++)
        msp_hooks_dirs_done(&hooks->of[i].dirs);
}

/* @return --runtime of our hook, "" = none given, NULL = not our hook */
static const char *hook_runtime(const json_t *doc, const char **ret_path)
{
    const json_t *hook = json_object_get(doc, "hook");
    const json_t *args = json_object_get(hook, "args");

    *ret_path = json_string_value(json_object_get(hook, "path"));
    if (!is_base(*ret_path, "mspctl") || !is_arg(args, 1, "oci-hook"))
        return NULL;
    for (size_t i = 2; i + 1 < json_array_size(args); i++)
        if (is_arg(args, i, "--runtime"))
            return json_string_value(json_array_get(args, i + 1));
    return "";
}

static bool looks_in(const struct hooks_d *hooks, size_t manager,
                     const char *dir)
{
    const struct msp_hooks_dirs *dirs = &hooks->of[manager].dirs;

    for (size_t i = 0; i < dirs->n; i++)
        if (msp_streq(dirs->dir[i], dir))
            return true;
    return false;
}

/* @param runtime of the hook, "" = any @return what `hooked` comes to */
static enum msp_hooked judge_place(struct hooks_d *hooks, const char *runtime,
                                   const char *dir, enum msp_hooked hooked)
{
    enum msp_hooked found = MSP_HOOKED_UNREAD;
    bool is_known = false;

    for (size_t i = 0; i < MSP_HOOKS_MANAGERS; i++) {
        if (runtime[0] && !msp_streq(runtime, msp_hooks_managers[i].name))
            continue;
        is_known = true;
        if (looks_in(hooks, i, dir)) {
            hooks->of[i].is_found = true;
            found = hooked;
        } else if (hooks->of[i].r < 0 && found == MSP_HOOKED_UNREAD) {
            found = MSP_HOOKED_UNSURE;
        }
    }
    return is_known ? found : hooked;
}

static void find_hook(struct hooks_d *hooks, const char *dir, const char *place)
{
    const struct finder *finder = hooks->finder;
    msp_autofree char *text = NULL;
    msp_cleanup(decref) json_t *doc = NULL;
    const char *manager, *path = NULL;
    enum msp_hooked hooked;
    size_t len = 0;
    int r = slurp(finder, place, &text, &len);

    if (r < 0) {
        say(finder, "unknown", place, MSP_HOOKED_UNKNOWN, strerror(-r));
        return;
    }
    doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    manager = hook_runtime(doc, &path);
    if (!manager)
        return;
    hooked = judge_place(hooks, manager, dir,
                         can(finder, path, X_OK) ? MSP_HOOKED_YES
                                                 : MSP_HOOKED_BROKEN);
    say(finder, manager[0] ? manager : "unknown", place, hooked, path);
}

static bool is_json_file(const char *name)
{
    size_t len = strlen(name);

    return len > 5 && msp_streq(name + len - 5, ".json");
}

static void find_hooks_in(struct hooks_d *hooks, const char *dir_name)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    const struct dirent *entry;
    char full[PATH_MAX];

    dir = path_of(hooks->finder, dir_name, full) ? opendir(full) : NULL;
    while (dir && (entry = readdir(dir))) {
        char place[PATH_MAX];
        int n =
            snprintf(place, sizeof(place), "%s/%s", dir_name, entry->d_name);

        if (is_json_file(entry->d_name) && n > 0 && n < PATH_MAX)
            find_hook(hooks, dir_name, place);
    }
}

/* All that are read, and those where a hook may be by mistake; once each. */
static void find_hooks(struct hooks_d *hooks)
{
    static const char *const usual[] = {MSP_HOOKS_DIR,
                                        "/etc/containers/oci/hooks.d"};

    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        find_hooks_in(hooks, usual[i]);
    for (size_t i = 0; i < MSP_HOOKS_MANAGERS; i++)
        for (size_t k = 0; k < hooks->of[i].dirs.n; k++) {
            const char *dir = hooks->of[i].dirs.dir[k];
            bool is_done = msp_streq(dir, usual[0]) || msp_streq(dir, usual[1]);

            for (size_t before = 0; before < i; before++)
                is_done |= looks_in(hooks, before, dir);
            if (!is_done)
                find_hooks_in(hooks, dir);
        }
}

static void find_hooks_d(const struct finder *finder)
{
    msp_cleanup(hooks_d_done) struct hooks_d hooks = {.finder = finder};

    for (size_t i = 0; i < MSP_HOOKS_MANAGERS; i++)
        hooks.of[i].r = msp_hooks_dirs_read(
            finder->root, &msp_hooks_managers[i], &hooks.of[i].dirs);
    find_hooks(&hooks);
    for (size_t i = 0; i < MSP_HOOKS_MANAGERS; i++) {
        const struct msp_hooks_manager *manager = &msp_hooks_managers[i];
        const struct msp_hooks_dirs *dirs = &hooks.of[i].dirs;

        if (hooks.of[i].is_found || !can(finder, manager->program, F_OK))
            continue;
        if (hooks.of[i].r < 0)
            say(finder, manager->name, dirs->file, MSP_HOOKED_UNKNOWN,
                "what it says of hooks_dir cannot be read");
        else
            say(finder, manager->name, dirs->dir[dirs->n - 1], MSP_HOOKED_NO,
                dirs->file);
    }
}

void msp_installed_find(const char *root,
                        void (*fn)(const struct msp_installed *found,
                                   void *data),
                        void *data)
{
    const struct finder finder = {.root = root, .fn = fn, .data = data};

    find_docker(&finder);
    find_containerd(&finder);
    find_hooks_d(&finder);
}
