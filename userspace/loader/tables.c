/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/tables.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "loader/few.h"
#include "loader/iter.h"
#include "loader/outer.h"
#include "msp.skel.h"

/* One table of a policy: where its entries are and which maps they fill. */
struct table {
    const char *outer;
    const char *template;
    const void *keys; /* NULL: the index */
    size_t key_stride;
    const void *values; /* NULL: the index, as struct msp_pair_ref */
    size_t value_stride;
    uint32_t n;
    uint32_t room; /* entries, if more than n; such a table stays writable */
};

struct sha_row {
    struct msp_sha256 key;
    struct msp_idset set;
};

enum {
    TABLES = 19
};

/* Everything of one apply; names are copied into fixed records. */
struct job {
    struct msp_loader *loader;
    uint32_t slot;
    uint64_t generation;
    struct msp_name *identity_names;
    struct msp_name *privilege_names;
    struct msp_image_prefix *prefixes; /* with those of port 0 */
    uint32_t n_prefixes;
    struct sha_row *shas; /* contents that are demanded */
    uint32_t n_shas;
    struct table table[TABLES];
    int fd[TABLES]; /* inner maps */
};

static void job_done(struct job *job)
{
    for (int i = 0; i < TABLES; i++)
        if (job->fd[i] >= 0)
            (void)close(job->fd[i]);
    free(job->identity_names);
    free(job->privilege_names);
    free(job->prefixes);
    free(job->shas);
}

static int take_names(struct job *job, const struct msp_image *image)
{
    uint32_t n_ids = image->n[MSP_SEC_IDENTITIES];
    uint32_t n_privs = image->n[MSP_SEC_PRIVILEGES];

    job->identity_names = calloc(n_ids + 1, sizeof(struct msp_name));
    job->privilege_names = calloc(n_privs + 1, sizeof(struct msp_name));
    if (!job->identity_names || !job->privilege_names)
        return -ENOMEM;
    for (uint32_t i = 0; i < n_ids; i++)
        (void)snprintf(job->identity_names[i].text, MSP_NAME_BYTES, "%s",
                       msp_image_string(image, image->identities[i].name_off));
    for (uint32_t i = 0; i < n_privs; i++)
        (void)snprintf(job->privilege_names[i].text, MSP_NAME_BYTES, "%s",
                       msp_image_string(image, image->privileges[i].name_off));
    return 0;
}

static bool is_enforced(const struct msp_image *image, uint32_t endpoint)
{
    return image->endpoints[endpoint].ep.mode == MSP_MODE_ENFORCE;
}

/*
 * The image's prefixes, and each once more with port 0: the egress guard asks
 * so for packets whose port it cannot see. Where several endpoints share a
 * prefix, one in enforce stands for all.
 */
static int take_prefixes(struct job *job, const struct msp_image *image)
{
    uint32_t n = image->n[MSP_SEC_PREFIXES];
    struct msp_image_prefix *out = calloc(2 * n + 1, sizeof(*out));
    uint32_t m = n;

    if (!out)
        return -ENOMEM;
    memcpy(out, image->prefixes, n * sizeof(*out));
    for (uint32_t i = 0; i < n; i++) {
        struct msp_image_prefix any = image->prefixes[i];
        uint32_t at = n;

        any.key.port = 0;
        while (at < m && memcmp(&out[at].key, &any.key, sizeof(any.key)) != 0)
            at++;
        if (at == m)
            out[m++] = any;
        else if (is_enforced(image, any.endpoint))
            out[at].endpoint = any.endpoint;
    }
    job->prefixes = out;
    job->n_prefixes = m;
    return 0;
}

/* Which identities demand which contents, of whatever file. */
static int take_shas(struct job *job, const struct msp_image *image)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];
    struct sha_row *rows = calloc(n + 1, sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    job->shas = rows;
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_identity *identity = &image->identities[i];
        uint32_t at = 0;

        if (!(identity->flags & MSP_ID_SHA256))
            continue;
        while (at < job->n_shas && memcmp(&rows[at].key, identity->sha256,
                                          sizeof(rows[at].key)) != 0)
            at++;
        if (at == job->n_shas) {
            memcpy(&rows[at].key, identity->sha256, sizeof(rows[at].key));
            job->n_shas++;
        }
        rows[at].set.word[i / 64] |= 1ull << i % 64;
    }
    return 0;
}

static struct table row_table(const char *outer,
                              const struct msp_row_table *rows)
{
    const char *first = (const char *)rows->row;

    return (struct table){outer,
                          "msp_t_row",
                          first + offsetof(struct msp_row, id),
                          sizeof(struct msp_row),
                          first + offsetof(struct msp_row, set),
                          sizeof(struct msp_row),
                          (uint32_t)rows->n,
                          0};
}

static struct table array_table(const char *outer, const char *template,
                                const void *values, size_t stride, uint32_t n)
{
    return (struct table){outer, template, NULL, 0, values, stride, n, 0};
}

/* Files: mspd follows their paths. Without paths there is one idle entry. */
static struct table exe_table(const struct msp_image *image,
                              const struct msp_exe_rows *exes)
{
    const uint32_t room = image->n[MSP_SEC_EXES] ? MSP_EXE_ROWS_MAX : 1;

    if (!exes || !exes->n)
        return (struct table){
            .outer = "msp_exe", .template = "msp_t_exe", .room = room};
    return (struct table){"msp_exe",         "msp_t_exe",
                          &exes->entry->key, sizeof(*exes->entry),
                          &exes->entry->row, sizeof(*exes->entry),
                          (uint32_t)exes->n, room};
}

/* Cgroups: rows come and go with them, the kernel writes them. */
static struct table cgroup_table(const struct msp_image *image)
{
    return (struct table){
        .outer = "msp_cgroup",
        .template = "msp_t_cgroup",
        .room = image->n[MSP_SEC_CG_STATES] ? MSP_CGROUPS_MAX : 1,
    };
}

/* Containers: mspd follows their registrations. */
static struct table ctr_table(const struct msp_image *image,
                              const struct msp_ctr_rows *ctrs)
{
    struct table table = {
        .outer = "msp_ctr_ids",
        .template = "msp_t_ctr",
        .room = image->n[MSP_SEC_DEMANDS] ? MSP_CONTAINERS_MAX : 1,
    };

    if (ctrs && ctrs->n && image->n[MSP_SEC_DEMANDS]) {
        table.keys = ctrs->top;
        table.key_stride = sizeof(*ctrs->top);
        table.values = ctrs->row;
        table.value_stride = sizeof(*ctrs->row);
        table.n = (uint32_t)ctrs->n;
    }
    return table;
}

static void plan(struct job *job, const struct msp_apply *apply)
{
    const struct msp_image *image = apply->image;
    const uint32_t *n = image->n;
    const struct table tables[TABLES] = {
        {"msp_ep_lpm", "msp_t_ep_lpm", &job->prefixes->key,
         sizeof(*job->prefixes), &job->prefixes->endpoint,
         sizeof(*job->prefixes), job->n_prefixes, 0},
        array_table("msp_eps", "msp_t_eps", &image->endpoints->ep,
                    sizeof(*image->endpoints), n[MSP_SEC_ENDPOINTS]),
        row_table("msp_uid", &apply->rows->dim[MSP_DIM_UID]),
        row_table("msp_gid", &apply->rows->dim[MSP_DIM_GID]),
        row_table("msp_group", &apply->rows->dim[MSP_DIM_GROUP]),
        array_table("msp_wild", "msp_t_set", apply->rows->wild,
                    sizeof(struct msp_idset), MSP_DIM_COUNT),
        array_table("msp_sets", "msp_t_set", image->sets,
                    sizeof(struct msp_idset), n[MSP_SEC_SETS]),
        {"msp_paths", "msp_t_path", &image->paths->key, sizeof(*image->paths),
         &image->paths->node, sizeof(*image->paths), n[MSP_SEC_PATHS], 0},
        array_table("msp_conds", "msp_t_cond", image->conds,
                    sizeof(struct msp_cond), n[MSP_SEC_CONDS]),
        {"msp_pairs", "msp_t_pair", image->pairs, sizeof(*image->pairs), NULL,
         0, n[MSP_SEC_PAIRS], 0},
        array_table("msp_id_names", "msp_t_name", job->identity_names,
                    sizeof(struct msp_name), n[MSP_SEC_IDENTITIES]),
        array_table("msp_pr_names", "msp_t_name", job->privilege_names,
                    sizeof(struct msp_name), n[MSP_SEC_PRIVILEGES]),
        exe_table(image, apply->exes),
        {"msp_sha", "msp_t_sha", &job->shas->key, sizeof(*job->shas),
         &job->shas->set, sizeof(*job->shas), job->n_shas, 0},
        {"msp_process", "msp_t_process", &image->processes->name,
         sizeof(*image->processes), &image->processes->set,
         sizeof(*image->processes), n[MSP_SEC_PROCESSES], 0},
        {"msp_cg_edges", "msp_t_cg_edge", &image->cg_edges->key,
         sizeof(*image->cg_edges), &image->cg_edges->to,
         sizeof(*image->cg_edges), n[MSP_SEC_CG_EDGES], 0},
        array_table("msp_cg_states", "msp_t_cg_state", image->cg_states,
                    sizeof(struct msp_cg_state), n[MSP_SEC_CG_STATES]),
        cgroup_table(image),
        ctr_table(image, apply->ctrs),
    };

    memcpy(job->table, tables, sizeof(tables));
}

/* --- inner maps --------------------------------------------------------- */

static int create(const struct job *job, const struct table *table)
{
    const struct bpf_object *obj = job->loader->skel->obj;
    const struct bpf_map *map =
        bpf_object__find_map_by_name(obj, table->template);
    LIBBPF_OPTS(bpf_map_create_opts, opts,
                .btf_fd = (__u32)bpf_object__btf_fd(obj));
    uint32_t room = table->room > table->n ? table->room : table->n;
    int fd;

    if (!map)
        return -ENOENT;
    opts.map_flags = bpf_map__map_flags(map);
    opts.btf_key_type_id = bpf_map__btf_key_type_id(map);
    opts.btf_value_type_id = bpf_map__btf_value_type_id(map);
    fd =
        bpf_map_create(bpf_map__type(map), table->outer, bpf_map__key_size(map),
                       bpf_map__value_size(map), room ? room : 1, &opts);
    return fd < 0 ? -errno : fd;
}

static int fill(int fd, const struct table *table)
{
    for (uint32_t i = 0; i < table->n; i++) {
        const char *keys = table->keys, *values = table->values;
        const void *key = keys ? keys + i * table->key_stride : (void *)&i;
        const void *value =
            values ? values + i * table->value_stride : (void *)&i;

        if (bpf_map_update_elem(fd, key, value, BPF_ANY) < 0)
            return -errno;
    }
    return 0;
}

/* Makes, fills, freezes what stays as it is and pins; nothing is published. */
static int build(struct job *job)
{
    char path[MSP_PIN_PATH_BYTES], to[MSP_PIN_PATH_BYTES];
    const struct msp_pins *pins = &job->loader->pins;

    msp_pins_gen_path(pins, job->generation, true, NULL, path);
    (void)msp_pins_remove_dir(path);
    if (mkdir(path, 0700) < 0)
        return msp_loader_fail(job->loader, -errno, "making %s", path);
    for (int i = 0; i < TABLES; i++) {
        const struct table *table = &job->table[i];
        int r;

        job->fd[i] = create(job, table);
        if (job->fd[i] < 0)
            return msp_loader_fail(job->loader, job->fd[i], "making a map %s",
                                   table->outer);
        r = fill(job->fd[i], table);
        if (r < 0)
            return msp_loader_fail(job->loader, r, "filling %s", table->outer);
        if (!table->room && bpf_map_freeze(job->fd[i]) < 0)
            return msp_loader_fail(job->loader, -errno, "freezing %s",
                                   table->outer);
        msp_pins_gen_path(pins, job->generation, true, table->outer, path);
        if (bpf_obj_pin(job->fd[i], path) < 0)
            return msp_loader_fail(job->loader, -errno, "pinning %s", path);
    }
    msp_pins_gen_path(pins, job->generation, true, NULL, path);
    msp_pins_gen_path(pins, job->generation, false, NULL, to);
    (void)msp_pins_remove_dir(to); /* of a try that was never published */
    if (rename(path, to) < 0)
        return msp_loader_fail(job->loader, -errno, "renaming %s", path);
    return 0;
}

/* --- slots -------------------------------------------------------------- */

static uint64_t slot_generation(const struct msp_loader *loader, uint32_t slot)
{
    return __atomic_load_n(&loader->meta->slot[slot].generation,
                           __ATOMIC_ACQUIRE);
}

static uint32_t live_slot(const struct msp_loader *loader)
{
    return __atomic_load_n(&loader->meta->live, __ATOMIC_ACQUIRE) % MSP_SLOTS;
}

/* The oldest that is not live: never live or the one before it. */
static uint32_t idle_slot(const struct msp_loader *loader)
{
    uint32_t live = live_slot(loader);
    uint32_t best = (live + 1) % MSP_SLOTS;

    for (uint32_t slot = 0; slot < MSP_SLOTS; slot++)
        if (slot != live &&
            slot_generation(loader, slot) < slot_generation(loader, best))
            best = slot;
    return best;
}

/* Nobody believes the slot meanwhile, so the order does not matter. */
static int publish_maps(struct job *job)
{
    struct msp_outer outer[TABLES];
    size_t which = TABLES;
    int r;

    for (int i = 0; i < TABLES; i++)
        outer[i] = (struct msp_outer){
            msp_loader_map_fd(job->loader, job->table[i].outer), job->fd[i]};
    r = msp_outer_set(outer, TABLES, job->slot, &which);
    if (r < 0)
        return msp_loader_fail(job->loader, r, "publishing %s",
                               which < TABLES ? job->table[which].outer
                                              : "the tables");
    return 0;
}

static int publish_ports(struct job *job, const struct msp_image *image)
{
    msp_autofree struct msp_ports *ports = calloc(1, sizeof(*ports));
    int fd = msp_loader_map_fd(job->loader, "msp_ports");

    if (!ports)
        return -ENOMEM;
    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        uint16_t port = image->prefixes[i].key.port;

        ports->word[port / 64] |= 1ull << port % 64;
    }
    if (bpf_map_update_elem(fd, &job->slot, ports, BPF_ANY) < 0)
        return msp_loader_fail(job->loader, -errno, "publishing msp_ports");
    return 0;
}

static uint32_t next_epoch(const struct msp_loader *loader)
{
    uint32_t epoch = 0;

    for (uint32_t slot = 0; slot < MSP_SLOTS; slot++)
        if (loader->meta->slot[slot].identity_epoch > epoch)
            epoch = loader->meta->slot[slot].identity_epoch;
    return epoch + 1;
}

static uint32_t dims_of(const struct msp_apply *apply)
{
    const uint32_t *n = apply->image->n;

    return (apply->rows->dim[MSP_DIM_GID].n ? 0 : MSP_SLOT_NO_GID) |
           (apply->rows->dim[MSP_DIM_GROUP].n ? MSP_SLOT_GROUP_DIM : 0) |
           (n[MSP_SEC_EXES] ? MSP_SLOT_EXE_DIM : 0) |
           (n[MSP_SEC_PROCESSES] ? MSP_SLOT_PROCESS_DIM : 0) |
           (n[MSP_SEC_CG_STATES] ? MSP_SLOT_CGROUP_DIM : 0) |
           (n[MSP_SEC_DEMANDS] ? MSP_SLOT_CONTAINER_DIM : 0);
}

static void publish_slot(struct job *job, const struct msp_apply *apply,
                         uint32_t epoch)
{
    struct msp_slot_meta *slot = &job->loader->meta->slot[job->slot];
    uint32_t flags = apply->flags | dims_of(apply);
    uint32_t few[MSP_FEW];

    if (msp_few_find(apply->image, few))
        flags |= MSP_SLOT_FEW;
    for (size_t i = 0; i < MSP_FEW; i++)
        __atomic_store_n(&slot->few_be[i], few[i], __ATOMIC_RELAXED);
    memcpy(slot->digest, apply->image->header->digest, sizeof(slot->digest));
    __atomic_store_n(&slot->flags, flags, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->identity_epoch, epoch, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->generation, job->generation, __ATOMIC_RELEASE);
}

static int run(struct job *job, const struct msp_apply *apply)
{
    struct msp_meta *meta = job->loader->meta;
    char path[MSP_PIN_PATH_BYTES];
    uint32_t epoch;
    int r;

    r = take_names(job, apply->image);
    if (r == 0)
        r = take_prefixes(job, apply->image);
    if (r == 0)
        r = take_shas(job, apply->image);
    if (r < 0)
        return msp_loader_fail(job->loader, r, "copying the policy");
    plan(job, apply);
    /* before the slot's own epoch goes: it must never come again */
    epoch = apply->is_same_identities
                ? meta->slot[live_slot(job->loader)].identity_epoch
                : next_epoch(job->loader);
    r = build(job);
    if (r < 0) {
        msp_pins_gen_path(&job->loader->pins, job->generation, true, NULL,
                          path);
        (void)msp_pins_remove_dir(path);
        return r;
    }
    __atomic_store_n(&meta->slot[job->slot].generation, 0, __ATOMIC_RELEASE);
    r = publish_maps(job);
    if (r == 0)
        r = publish_ports(job, apply->image);
    /* cgroups that are there; those made from now on have rows at once */
    if (r == 0 && apply->image->n[MSP_SEC_CG_STATES])
        r = msp_iter_cgroups(job->loader);
    if (r < 0) {
        /* fail closed: the idle slot stays at generation 0 */
        msp_pins_gen_path(&job->loader->pins, job->generation, false, NULL,
                          path);
        (void)msp_pins_remove_dir(path);
        return r;
    }
    publish_slot(job, apply, epoch);
    __atomic_store_n(&meta->live, job->slot, __ATOMIC_RELEASE);
    return 0;
}

int msp_tables_apply(struct msp_loader *loader, const struct msp_apply *apply)
{
    msp_cleanup(job_done) struct job job = {
        .loader = loader,
        .slot = idle_slot(loader),
        .generation = slot_generation(loader, live_slot(loader)) + 1,
    };

    for (int i = 0; i < TABLES; i++)
        job.fd[i] = -1;
    return run(&job, apply);
}

struct msp_slot_meta msp_tables_live(const struct msp_loader *loader)
{
    return loader->meta->slot[live_slot(loader)];
}

struct sweep {
    const struct msp_loader *loader;
    uint64_t limit;
};

static void sweep_one(void *data, uint64_t generation)
{
    const struct sweep *sweep = data;
    char path[MSP_PIN_PATH_BYTES];

    if (generation >= sweep->limit)
        return;
    for (uint32_t slot = 0; slot < MSP_SLOTS; slot++)
        if (slot_generation(sweep->loader, slot) == generation)
            return;
    msp_pins_gen_path(&sweep->loader->pins, generation, false, NULL, path);
    (void)msp_pins_remove_dir(path);
}

void msp_tables_sweep(struct msp_loader *loader, uint64_t limit)
{
    struct sweep sweep = {.loader = loader, .limit = limit};

    (void)msp_pins_each_gen(&loader->pins, sweep_one, &sweep);
}
