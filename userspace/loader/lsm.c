/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>
#include <msp/lsm.h>

#include "base/io.h"
#include "loader/object.h"
#include "msp.skel.h"

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* --- loading ------------------------------------------------------------ */

static libbpf_print_fn_t print_above;

/* A refusal is what we came to find out: no warning. */
static int __attribute__((format(printf, 2, 0)))
print_quietly(enum libbpf_print_level level, const char *format, va_list args)
{
    level = level == LIBBPF_WARN ? LIBBPF_INFO : LIBBPF_DEBUG;
    return print_above ? print_above(level, format, args) : 0;
}

static void close_object(struct bpf_object **obj)
{
    bpf_object__close(*obj);
}

/* The one global of the main object, where an object has the same one. */
static int share_globals(const struct msp_loader *loader, struct bpf_map *map)
{
    const struct bpf_map *from =
        bpf_object__find_map_by_name(loader->skel->obj, ".bss");
    const char *suffix = strrchr(bpf_map__name(map), '.');

    if (!suffix || !msp_streq(suffix, ".bss"))
        return 0;
    if (!from || bpf_map__value_size(from) != bpf_map__value_size(map))
        return -EUCLEAN; /* fail closed: they are not the same globals */
    return bpf_map__reuse_fd(map, bpf_map__fd(from));
}

/* Maps of the main object are shared, others pinned under their own names. */
static int share_map(const struct msp_loader *loader, struct bpf_map *map)
{
    const char *name = bpf_map__name(map);
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    if (bpf_map__is_internal(map))
        return share_globals(loader, map);
    if (strncmp(name, "msp_t_", 6) == 0)
        return bpf_map__set_autocreate(map, false);
    fd = msp_loader_map_fd(loader, name);
    if (fd >= 0)
        return bpf_map__reuse_fd(map, fd);
    msp_pins_path(&loader->pins, "maps", name, false, path);
    return bpf_map__set_pin_path(map, path);
}

/* @param only the one program to load; NULL the first variant of each item */
static bool is_wanted(const struct msp_lsm_item *item, size_t n,
                      const char *program, const char *only)
{
    if (only)
        return msp_streq(program, only);
    for (size_t i = 0; i < n; i++)
        if (item[i].state != MSP_LSM_UNUSED &&
            msp_streq(program, item[i].prog->variant[0]))
            return true;
    return false;
}

/*
 * @param item [n] of the object
 * @return 0, *ret_obj is loaded; negative errno
 */
static int load_object(const struct msp_loader *loader,
                       const struct msp_lsm_object *object,
                       const struct msp_lsm_item *item, size_t n,
                       const char *only, struct bpf_object **ret_obj)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = object->name);
    msp_cleanup(close_object) struct bpf_object *obj = NULL;
    struct bpf_program *prog;
    struct bpf_map *map;
    size_t bytes = 0;
    const void *elf = object->elf(&bytes);
    int r = 0;

    obj = bpf_object__open_mem(elf, bytes, &opts);
    if (!obj)
        return -errno;
    bpf_object__for_each_map(map, obj) {
        r = share_map(loader, map);
        if (r < 0)
            return r;
    }
    bpf_object__for_each_program(prog, obj)
        (void)bpf_program__set_autoload(
            prog, is_wanted(item, n, bpf_program__name(prog), only));
    r = bpf_object__load(obj);
    if (r < 0)
        return r;
    *ret_obj = TAKE_PTR(obj);
    return 0;
}

/* Keeps the program; the rest of the object may go. */
static void take_program(struct msp_lsm_item *item,
                         const struct bpf_object *obj, const char *name)
{
    const struct bpf_program *prog =
        bpf_object__find_program_by_name(obj, name);
    int fd = prog ? bpf_program__fd(prog) : -1;

    item->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    item->error = item->fd < 0 ? (fd < 0 ? -ENOENT : -errno) : 0;
    item->state = item->fd < 0 ? MSP_LSM_NOT_LOADED : MSP_LSM_LOADED;
}

/* One program by itself, in each of its shapes. */
static void try_program(const struct msp_loader *loader,
                        const struct msp_lsm_object *object,
                        struct msp_lsm_item *item)
{
    for (int i = 0; i < MSP_LSM_VARIANTS_MAX && item->prog->variant[i]; i++) {
        msp_cleanup(close_object) struct bpf_object *obj = NULL;
        const char *name = item->prog->variant[i];

        item->error = load_object(loader, object, NULL, 0, name, &obj);
        if (item->error == 0)
            take_program(item, obj, name);
        if (item->state == MSP_LSM_LOADED)
            return;
    }
}

/*
 * All at once where the kernel takes all; else each for itself.
 * @param is_first its first program is the canary
 */
static void try_object(const struct msp_loader *loader,
                       const struct msp_lsm_object *object,
                       struct msp_lsm_item *item, bool is_first)
{
    msp_cleanup(close_object) struct bpf_object *obj = NULL;
    int r = load_object(loader, object, item, object->n, NULL, &obj);

    for (size_t i = 0; i < object->n; i++) {
        if (item[i].state == MSP_LSM_UNUSED)
            continue;
        if (r == 0)
            take_program(&item[i], obj, item[i].prog->variant[0]);
        else
            try_program(loader, object, &item[i]);
        if (is_first && i == 0 && item[0].error)
            return;
    }
}

/*
 * Without the canary's hook nobody would notice that the others are not called;
 * where it is refused they would be as well.
 */
static void give_up(struct msp_lsm_item *item, size_t n, int error)
{
    for (size_t i = 0; i < n; i++) {
        if (item[i].state == MSP_LSM_UNUSED)
            continue;
        msp_closep(&item[i].fd);
        item[i].fd = -1;
        item[i].error = error;
        item[i].state = MSP_LSM_NOT_LOADED;
    }
}

/* --- hosts without ------------------------------------------------------- */

const char *msp_lsm_why_absent(bool has_hooks, const char *list)
{
    static const char name[] = "bpf";
    size_t len;

    if (!has_hooks)
        return "this kernel has no BPF LSM";
    if (!list)
        return NULL;
    for (const char *word = list; *word; word += len + (word[len] != '\0')) {
        len = strcspn(word, ",\n");
        if (len == strlen(name) && strncmp(word, name, len) == 0)
            return NULL;
    }
    return "bpf is not in lsm= of the kernel's command line "
           "(/sys/kernel/security/lsm)";
}

/* As above, of this host. */
static const char *find_absent(bool has_hooks)
{
    msp_autofclose FILE *f = fopen("/sys/kernel/security/lsm", "re");
    char list[1024];
    bool is_read = f && fgets(list, sizeof(list), f);

    return msp_lsm_why_absent(has_hooks, is_read ? list : NULL);
}

const char *msp_lsm_why(const struct msp_lsm *lsm,
                        const struct msp_lsm_item *item)
{
    return lsm->absent ? lsm->absent : strerror(-item->error);
}

/* @return 0; the error of the first item that is not in the state */
static int require(struct msp_loader *loader, const struct msp_lsm *lsm,
                   enum msp_lsm_state_of state)
{
    const char *absent = lsm->absent ? lsm->absent : "";
    if (lsm->use != MSP_LSM_REQUIRE)
        return 0;
    for (size_t i = 0; i < lsm->n; i++) {
        const struct msp_lsm_item *item = &lsm->item[i];

        if (item->state != MSP_LSM_UNUSED && item->state != state)
            return msp_loader_fail(
                loader, item->error, "--lsm=require: %s is %s%s%s",
                item->prog->name, msp_lsm_state_name(item->state),
                absent[0] ? ": " : "", absent);
    }
    return 0;
}

int msp_lsm_open(struct msp_loader *loader, enum msp_lsm_use use,
                 uint32_t features, struct msp_lsm *ret)
{
    *ret = (struct msp_lsm){.use = use};
    ret->features = use == MSP_LSM_OFF ? 0 : features | MSP_LSM_BASE;
    for (size_t o = 0; o < msp_lsm_n_objects; o++) {
        const struct msp_lsm_object *object = &msp_lsm_objects[o];
        struct msp_lsm_item *item = &ret->item[ret->n];
        bool is_asked = false;

        if (ret->n + object->n > MSP_LSM_PROGS_MAX)
            return msp_loader_fail(loader, -E2BIG, "table of LSM programs");
        for (size_t i = 0; i < object->n; i++) {
            const struct msp_lsm_prog *prog = &object->prog[i];
            bool is_used = ret->features & prog->feature;

            is_asked |= is_used;
            item[i] = (struct msp_lsm_item){
                .prog = prog,
                .state = is_used ? MSP_LSM_NOT_LOADED : MSP_LSM_UNUSED,
                .fd = -1};
        }
        ret->n += object->n;
        if (!is_asked || ret->item[0].error)
            continue;
        print_above = libbpf_set_print(print_quietly);
        try_object(loader, object, item, o == 0);
        (void)libbpf_set_print(print_above);
    }
    if (ret->item[0].error) {
        give_up(ret->item, ret->n, ret->item[0].error);
        ret->absent = find_absent(
            libbpf_find_vmlinux_btf_id("task_alloc", BPF_LSM_MAC) >= 0);
    }
    return require(loader, ret, MSP_LSM_LOADED);
}

/* --- attaching ---------------------------------------------------------- */

/* Pinned beside what may be there. @return 0; negative errno */
static int pin_new(const struct msp_loader *loader, const char *name, int fd)
{
    char path[MSP_PIN_PATH_BYTES];

    msp_pins_path(&loader->pins, "links", name, true, path);
    (void)unlink(path); /* of an mspd that died here */
    return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

static void attach_item(const struct msp_loader *loader,
                        struct msp_lsm_item *item)
{
    msp_autoclose int fd = bpf_raw_tracepoint_open(NULL, item->fd);

    item->error = fd < 0 ? -errno : pin_new(loader, item->prog->name, fd);
    item->state = item->error ? MSP_LSM_NOT_ATTACHED : MSP_LSM_ATTACHED;
    msp_closep(&item->fd);
    item->fd = -1;
}

static void remove_pin(const struct msp_loader *loader, const char *name,
                       bool is_new)
{
    char path[MSP_PIN_PATH_BYTES];

    msp_pins_path(&loader->pins, "links", name, is_new, path);
    (void)unlink(path);
}

/* @return 0; negative errno */
static int take_pin(const struct msp_loader *loader, const char *name)
{
    char from[MSP_PIN_PATH_BYTES], to[MSP_PIN_PATH_BYTES];

    msp_pins_path(&loader->pins, "links", name, true, from);
    msp_pins_path(&loader->pins, "links", name, false, to);
    return rename(from, to) < 0 ? -errno : 0;
}

static bool is_pinned(struct msp_loader *loader, const char *name)
{
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;

    msp_pins_path(&loader->pins, "links", name, false, path);
    if (access(path, F_OK) < 0)
        return false;
    fd = msp_object_open(loader, path, MSP_OBJECT_LINK, NULL);
    return fd >= 0;
}

/* The pin of an item becomes what its state says. */
static void settle(struct msp_loader *loader, struct msp_lsm_item *item)
{
    const char *name = item->prog->name;

    if (item->state == MSP_LSM_ATTACHED) {
        item->error = take_pin(loader, name);
        if (item->error == 0)
            return;
        item->state = MSP_LSM_NOT_ATTACHED;
    }
    remove_pin(loader, name, true);
    if (item->state == MSP_LSM_UNUSED)
        remove_pin(loader, name, false);
    else if (is_pinned(loader, name))
        /* fail closed: what an earlier mspd attached still denies */
        item->state = MSP_LSM_KEPT;
}

/* Of our own network namespace; 0 = not known, which stands for every one. */
static uint64_t netns_cookie(void)
{
    uint64_t cookie = 0;

    return msp_io_netns_cookie(&cookie) < 0 ? 0 : cookie;
}

static int map_page(struct msp_loader *loader, struct msp_lsm *lsm)
{
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;
    void *page;

    msp_pins_path(&loader->pins, "maps", "msp_lsm", false, path);
    if (access(path, F_OK) < 0)
        return -errno;
    fd = msp_object_open(loader, path, MSP_OBJECT_MAP, "msp_lsm");
    if (fd < 0)
        return fd;
    page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    lsm->page = page;
    __atomic_store_n(&lsm->page->tgid, (uint32_t)getpid(), __ATOMIC_RELEASE);
    __atomic_store_n(&lsm->page->netns_cookie, netns_cookie(),
                     __ATOMIC_RELEASE);
    return 0;
}

static int take_back(struct msp_loader *loader, const struct msp_lsm *lsm,
                     int r)
{
    for (size_t i = 0; i < lsm->n; i++)
        remove_pin(loader, lsm->item[i].prog->name, true);
    return r;
}

int msp_lsm_attach(struct msp_loader *loader, struct msp_lsm *lsm)
{
    int r;

    for (size_t i = 0; i < lsm->n; i++)
        if (lsm->item[i].state == MSP_LSM_LOADED)
            attach_item(loader, &lsm->item[i]);
    r = require(loader, lsm, MSP_LSM_ATTACHED);
    if (r < 0)
        return take_back(loader, lsm, r);
    if (lsm->features && map_page(loader, lsm) == 0)
        (void)msp_lsm_check(lsm);
    if (lsm->use == MSP_LSM_REQUIRE && lsm->canary != MSP_LSM_CALLED)
        return take_back(loader, lsm,
                         msp_loader_fail(loader, -ENOTSUP,
                                         "--lsm=require: the kernel does not "
                                         "call LSM programs"));
    for (size_t i = 0; i < lsm->n; i++)
        settle(loader, &lsm->item[i]);
    return 0;
}

static bool is_in_force(const struct msp_lsm_item *item)
{
    return item->state == MSP_LSM_ATTACHED || item->state == MSP_LSM_KEPT;
}

void msp_lsm_withdraw(const struct msp_loader *loader, struct msp_lsm *lsm)
{
    for (size_t i = 0; i < lsm->n; i++) {
        if (!is_in_force(&lsm->item[i]))
            continue;
        remove_pin(loader, lsm->item[i].prog->name, false);
        lsm->item[i].state = MSP_LSM_NOT_ATTACHED;
    }
}

/* --- canary ------------------------------------------------------------- */

static void *do_nothing(void *data)
{
    return data;
}

/* @return 0; negative errno */
static int make_thread(void)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, do_nothing, NULL);

    return r ? -r : -pthread_join(thread, NULL);
}

bool msp_lsm_check(struct msp_lsm *lsm)
{
    enum msp_lsm_canary before = lsm->canary;
    uint64_t n_lsm, n_tracing;
    int r;

    if (!lsm->page || !is_in_force(&lsm->item[0])) {
        lsm->canary = MSP_LSM_NOT_ASKED;
        return before != lsm->canary;
    }
    n_lsm = __atomic_load_n(&lsm->page->n_lsm, __ATOMIC_ACQUIRE);
    n_tracing = __atomic_load_n(&lsm->page->n_tracing, __ATOMIC_ACQUIRE);
    r = make_thread(); /* both programs count before it runs */
    lsm->is_tracing_called =
        __atomic_load_n(&lsm->page->n_tracing, __ATOMIC_ACQUIRE) != n_tracing;
    if (__atomic_load_n(&lsm->page->n_lsm, __ATOMIC_ACQUIRE) != n_lsm)
        lsm->canary = MSP_LSM_CALLED;
    else if (r == 0 || lsm->is_tracing_called)
        lsm->canary = MSP_LSM_SILENT;
    /* else there was no thread and nothing to be seen: as it was */
    return before != lsm->canary;
}

const char *msp_lsm_hash_name(const struct msp_lsm *lsm)
{
    if (!lsm->page || lsm->canary != MSP_LSM_CALLED)
        return "none";
    if (__atomic_load_n(&lsm->page->n_hashed, __ATOMIC_ACQUIRE))
        return "sha256";
    return __atomic_load_n(&lsm->page->n_not_hashed, __ATOMIC_ACQUIRE)
               ? "failed"
               : "not tried";
}

static bool is_ftrace_off(void)
{
    msp_autofclose FILE *f = fopen("/proc/sys/kernel/ftrace_enabled", "re");

    return f && fgetc(f) == '0';
}

const char *msp_lsm_why_silent(const struct msp_lsm *lsm)
{
    const char *absent;

    if (is_ftrace_off())
        return "kernel.ftrace_enabled is 0: LSM programs are not called";
    if (!lsm->is_tracing_called)
        return "neither LSM programs nor tracepoints are called";
    absent = find_absent(true);
    return absent ? absent
                  : "LSM programs are not called: is bpf missing in lsm= of "
                    "the kernel's command line?";
}

/* --- what it comes to --------------------------------------------------- */

bool msp_lsm_lacks(const struct msp_lsm *lsm, enum msp_lsm_feature feature)
{
    for (size_t i = 0; i < lsm->n; i++)
        if (lsm->item[i].prog->feature == feature &&
            lsm->item[i].state != MSP_LSM_UNUSED && !is_in_force(&lsm->item[i]))
            return true;
    return false;
}

bool msp_lsm_is_tier(const struct msp_lsm *lsm)
{
    return lsm->canary == MSP_LSM_CALLED && !msp_lsm_lacks(lsm, MSP_LSM_BASE);
}

const char *msp_lsm_state_name(enum msp_lsm_state_of state)
{
    static const char *const names[] = {
        [MSP_LSM_UNUSED] = "off",
        [MSP_LSM_NOT_LOADED] = "not loaded",
        [MSP_LSM_NOT_ATTACHED] = "not attached",
        [MSP_LSM_KEPT] = "kept",
        [MSP_LSM_LOADED] = "loaded",
        [MSP_LSM_ATTACHED] = "attached",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_LSM_STATE_COUNT, "names");

    return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

const char *msp_lsm_use_name(enum msp_lsm_use use)
{
    static const char *const names[] = {
        [MSP_LSM_AUTO] = "auto",
        [MSP_LSM_OFF] = "off",
        [MSP_LSM_REQUIRE] = "require",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_LSM_USE_COUNT, "names");

    return (unsigned int)use < ARRAY_SIZE(names) ? names[use] : "unknown";
}

const char *msp_lsm_canary_name(enum msp_lsm_canary canary)
{
    static const char *const names[] = {
        [MSP_LSM_NOT_ASKED] = "none",
        [MSP_LSM_CALLED] = "called",
        [MSP_LSM_SILENT] = "not called",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_LSM_CANARY_COUNT, "names");

    return (unsigned int)canary < ARRAY_SIZE(names) ? names[canary] : "unknown";
}

void msp_lsm_done(struct msp_lsm *lsm)
{
    for (size_t i = 0; i < lsm->n; i++)
        msp_closep(&lsm->item[i].fd);
    if (lsm->page)
        (void)munmap(lsm->page, page_bytes());
    *lsm = (struct msp_lsm){0};
}
