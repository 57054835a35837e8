/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/bootstrap.h"
#include "daemon/store.h"
#include "loader/live.h"
#include "loader/selectors.h"

enum {
    SWEEP_MS = 5000,
    SETTLE_MS = 5000
};

enum job_kind {
    JOB_PUSH,
    JOB_ROLLBACK, /* a push of what the store has */
    JOB_STORED,
    JOB_BOOTSTRAP,
    JOB_HOST,   /* what the host says */
    JOB_RETURN, /* what was pushed, in its place */
    JOB_NAMES
};

struct msp_policy_job {
    struct msp_policy_job *next;
    struct msp_policy *policy;
    enum job_kind kind;
    enum msp_origin origin;
    struct msp_held held;
    uint32_t flags;
    bool has_expect;
    uint8_t expect[MSP_DIGEST_BYTES];
    msp_policy_fn fn; /* may be NULL */
    void *data;
    struct msp_slot_meta before;
};

static void run_first(struct msp_policy *policy);

void msp_held_done(struct msp_held *held)
{
    free(held->bytes);
    free(held->resolved);
    *held = (struct msp_held){0};
}

static bool is_of_host(const struct msp_policy_job *job)
{
    return job->kind == JOB_HOST || job->kind == JOB_RETURN;
}

/* --- end of a job ------------------------------------------------------- */

static void log_result(const struct msp_policy_job *job,
                       const struct msp_push_result *result)
{
    char hex[2 * MSP_DIGEST_BYTES + 1], generation[24];

    if (result->status != MSP_CTL_OK) {
        msp_log(MSP_LOG_WARN, "policy.refused", "why", result->why, NULL);
        return;
    }
    if (job->flags & MSP_PUSH_DRY_RUN)
        return;
    msp_digest_hex(result->now.digest, hex);
    (void)snprintf(generation, sizeof(generation), "%" PRIu64,
                   (uint64_t)result->now.generation);
    msp_log(MSP_LOG_INFO, "policy.live", "generation", generation, "digest",
            hex, NULL);
}

static void finish(struct msp_policy_job *job, enum msp_ctl_status status,
                   const char *why)
{
    struct msp_policy *policy = job->policy;
    bool is_dry_run = job->flags & MSP_PUSH_DRY_RUN;
    bool is_live = status == MSP_CTL_OK && !is_dry_run;
    struct msp_push_result result = {
        .status = status,
        .why = why,
        .before = job->before,
        .now = msp_tables_live(policy->loader),
        .held = is_live ? &policy->live : &job->held,
        .is_dry_run = is_dry_run,
    };

    log_result(job, &result);
    policy->first = job->next;
    if (status != MSP_CTL_OK && is_of_host(job))
        (void)msp_timer_set(&policy->settling, SETTLE_MS);
    if (job->fn)
        job->fn(job->data, &result);
    /* of a policy that did not come into force; else there are none */
    msp_exes_abandon(&policy->exes);
    msp_held_done(&job->held);
    free(job);
    run_first(policy);
    if (!policy->first)
        (void)malloc_trim(0); /* tables were made of what is kept */
}

/* --- apply -------------------------------------------------------------- */

static uint32_t slot_flags(const struct msp_policy_job *job)
{
    if (job->kind == JOB_NAMES)
        return msp_tables_live(job->policy->loader).flags &
               (MSP_SLOT_BOOTSTRAP | MSP_SLOT_BOOTSTRAP_DENY);
    if (job->kind != JOB_BOOTSTRAP)
        return 0;
    return MSP_SLOT_BOOTSTRAP |
           (job->policy->is_bootstrap_deny ? MSP_SLOT_BOOTSTRAP_DENY : 0);
}

static void plan_sweep(struct msp_policy *policy)
{
    if (policy->sweep.index)
        return;
    policy->sweep_limit = msp_tables_live(policy->loader).generation;
    (void)msp_timer_set(&policy->sweep, SWEEP_MS);
}

static void on_sweep(void *data)
{
    struct msp_policy *policy = data;

    msp_tables_sweep(policy->loader, policy->sweep_limit);
    if (policy->sweep_limit != msp_tables_live(policy->loader).generation)
        plan_sweep(policy);
}

static void store(struct msp_policy *policy)
{
    int r = msp_store_accept(policy->state_fd, policy->live.bytes,
                             policy->live.len);

    policy->is_unstored = r < 0;
    if (r < 0)
        /* in force, but the next boot would start from an older one */
        msp_log_errno(MSP_LOG_ERR, "policy.store", r);
}

static void forget_live(struct msp_policy *policy)
{
    msp_held_done(&policy->live);
    msp_rows_done(&policy->rows);
    msp_targets_done(&policy->targets);
    msp_exe_rows_done(&policy->exe_rows);
    if (policy->containers) /* not at a start that failed before */
        msp_containers_forget(policy->containers);
    policy->is_live_known = false;
}

/* Whether executables, base names and cgroups are asked for alike. */
static bool is_same_selectors(const struct msp_policy *policy,
                              const struct msp_image *image)
{
    uint32_t flags = msp_tables_live(policy->loader).flags;

    if (policy->live.bytes)
        return msp_selectors_equal(&policy->live.image, image);
    /* an image nobody knows: equal only if neither asks for any */
    return !(flags & (MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM |
                      MSP_SLOT_CGROUP_DIM | MSP_SLOT_CONTAINER_DIM)) &&
           !msp_selectors_any(image);
}

/* @param targets, rows taken over on success */
static int apply_now(struct msp_policy_job *job, struct msp_rows *rows,
                     struct msp_targets *targets)
{
    struct msp_policy *policy = job->policy;
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows exes = {0};
    msp_cleanup(msp_ctr_rows_done) struct msp_ctr_rows ctrs = {0};
    msp_cleanup(msp_ctr_match_done) struct msp_ctr_match match = {0};
    uint32_t flags = slot_flags(job);
    uint32_t live_flags = msp_tables_live(policy->loader).flags;
    struct msp_apply how = {
        .image = &job->held.image,
        .rows = rows,
        .exes = &exes,
        .ctrs = &ctrs,
        .flags = flags,
        .is_same_identities = policy->is_live_known &&
                              msp_rows_equal(rows, &policy->rows) &&
                              msp_targets_equal(targets, &policy->targets) &&
                              is_same_selectors(policy, &job->held.image) &&
                              flags == (live_flags & ~MSP_SLOT_FOUND),
    };
    int r = msp_containers_rows(policy->containers, &job->held.image, &match,
                                &ctrs);

    if (r < 0)
        return msp_loader_fail(policy->loader, r, "rows of containers");
    /* before the rows: identities have the numbers of this image from now on */
    r = msp_ctrexes_plan(&policy->ctrexes, &match, policy->containers);
    if (r >= 0)
        r = msp_policy_files_rows(policy, &job->held, rows, &exes);
    if (r < 0)
        r = msp_loader_fail(policy->loader, r, "rows of files");
    else
        r = msp_tables_apply(policy->loader, &how);
    if (r < 0) {
        (void)msp_ctrexes_plan(&policy->ctrexes, &policy->containers->match,
                               policy->containers);
        return r;
    }
    msp_exes_commit(&policy->exes);
    forget_live(policy);
    policy->live = job->held;
    policy->rows = *rows;
    policy->targets = *targets;
    policy->exe_rows = exes;
    policy->is_live_known = true;
    msp_containers_take(policy->containers, &match);
    exes = (struct msp_exe_rows){0};
    job->held = (struct msp_held){0};
    *rows = (struct msp_rows){0};
    *targets = (struct msp_targets){0};
    return 0;
}

static void apply(struct msp_policy_job *job, struct msp_rows *rows)
{
    struct msp_policy *policy = job->policy;
    msp_cleanup(msp_targets_done) struct msp_targets targets = {0};
    int r;

    r = msp_targets_build(&job->held.image, &targets);
    if (r < 0) {
        finish(job, MSP_CTL_INTERNAL, "out of memory");
        return;
    }
    r = apply_now(job, rows, &targets);
    if (r < 0) {
        msp_log(MSP_LOG_ERR, "policy.apply", "why", policy->loader->why, NULL);
        finish(job, MSP_CTL_INTERNAL, policy->loader->why);
        return;
    }
    if (policy->flipped)
        policy->flipped(policy->flipped_data);
    plan_sweep(policy);
    policy->origin = job->origin;
    if (job->kind == JOB_PUSH || job->kind == JOB_ROLLBACK)
        store(policy);
    else if (job->origin == MSP_ORIGIN_HOST)
        msp_policy_host_store(policy);
    else if (job->kind == JOB_RETURN)
        policy->is_unstored = false;
    finish(job, MSP_CTL_OK, "");
}

/* Names and files are as known as they will be in time. */
static void on_files(void *data)
{
    struct msp_policy_job *job = data;
    struct msp_policy *policy = job->policy;
    msp_cleanup(msp_rows_done) struct msp_rows rows = {0};
    int r = msp_rows_build(&job->held.image, job->held.resolved, &rows);

    if (r < 0) {
        finish(job, MSP_CTL_INTERNAL, "out of memory");
        return;
    }
    if (job->flags & MSP_PUSH_DRY_RUN) {
        finish(job, MSP_CTL_OK, "");
        return;
    }
    if (job->kind == JOB_NAMES && policy->is_live_known &&
        msp_rows_equal(&rows, &policy->rows)) {
        free(policy->live.resolved);
        policy->live.resolved = TAKE_PTR(job->held.resolved);
        msp_policy_files_changed(policy);
        job->flags |= MSP_PUSH_DRY_RUN; /* nothing to apply */
        finish(job, MSP_CTL_OK, "");
        return;
    }
    apply(job, &rows);
}

static void on_names(void *data, int r, struct msp_resolved *resolved)
{
    struct msp_policy_job *job = data;
    uint32_t n = job->held.image.n[MSP_SEC_IDENTITIES];

    if (r < 0 && (job->kind == JOB_STORED || is_of_host(job))) {
        /* fail closed: unknown names match nobody until they are known */
        msp_log_errno(MSP_LOG_WARN, "policy.names", r);
        (void)msp_timer_set(&job->policy->settling, SETTLE_MS);
        resolved = calloc(n ? n : 1, sizeof(*resolved));
        r = resolved ? 0 : -ENOMEM;
    }
    if (r < 0) {
        finish(job, MSP_CTL_REFUSED,
               r == -ETIMEDOUT ? "users and groups: no answer in time"
                               : "users and groups cannot be looked up");
        return;
    }
    job->held.resolved = resolved;
    r = msp_exes_prepare(&job->policy->exes, &job->held.image, on_files, job);
    if (r < 0)
        finish(job, MSP_CTL_INTERNAL, "out of memory");
}

/* --- begin of a job ----------------------------------------------------- */

static bool is_expected(const struct msp_policy_job *job)
{
    static const uint8_t none[MSP_DIGEST_BYTES];
    const struct msp_slot_meta *live = &job->before;
    bool is_none = !live->generation || live->flags & MSP_SLOT_BOOTSTRAP;

    if (!job->has_expect)
        return true;
    return memcmp(job->expect, is_none ? none : live->digest, sizeof(none)) ==
           0;
}

int msp_held_copy(const struct msp_held *held, struct msp_held *ret)
{
    const char *why;
    char *bytes = malloc(held->len);

    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, held->bytes, held->len);
    *ret = (struct msp_held){.bytes = bytes, .len = held->len};
    return msp_image_open(bytes, ret->len, &ret->image, &why);
}

static bool is_live(const struct msp_image *image,
                    const struct msp_slot_meta *live)
{
    return live->generation && !(live->flags & MSP_SLOT_BOOTSTRAP) &&
           memcmp(image->header->digest, live->digest, sizeof(live->digest)) ==
               0;
}

/*
 * The policy before the live one: the last on disk, if the live one never got
 * there, else the one kept beside it.
 */
static int read_before(const struct msp_policy_job *job, struct msp_stored *ret,
                       const char **reterr_why)
{
    int state_fd = job->policy->state_fd;

    if (msp_store_read(state_fd, MSP_STORE_LAST, ret, reterr_why) == 0) {
        if (!is_live(&ret->image, &job->before))
            return 0;
        free(ret->bytes);
    }
    return msp_store_read(state_fd, MSP_STORE_BEFORE, ret, reterr_why);
}

/*
 * Read when its turn has come: a push before it moves the store.
 * @return NULL; why it is refused
 */
static const char *take_before(struct msp_policy_job *job)
{
    struct msp_stored stored = {0};
    const char *why = "";
    int r;

    r = read_before(job, &stored, &why);
    if (r == -ENOENT)
        return "there is no earlier policy";
    if (r < 0) {
        msp_log(MSP_LOG_ERR, "policy.previous", "error", strerror(-r), "why",
                why, NULL);
        return "the earlier policy cannot be read";
    }
    job->held.bytes = stored.bytes;
    job->held.len = stored.len;
    job->held.image = stored.image;
    if (is_live(&stored.image, &job->before))
        return "the earlier policy is the live one";
    return NULL;
}

static void run_first(struct msp_policy *policy)
{
    struct msp_policy_job *job = policy->first;
    const char *why = NULL;
    int r = 0;

    if (!job || policy->names->image)
        return;
    job->before = msp_tables_live(policy->loader);
    if (!is_expected(job)) {
        finish(job, MSP_CTL_REFUSED, "another policy is live");
        return;
    }
    if ((job->kind == JOB_PUSH || job->kind == JOB_ROLLBACK) &&
        msp_policy_host_rules(policy))
        why = "the host's policy is in force, see mspd --policy-from";
    else if (job->kind == JOB_ROLLBACK)
        why = take_before(job);
    if (why) {
        finish(job, MSP_CTL_REFUSED, why);
        return;
    }
    if (job->kind == JOB_NAMES) {
        job->origin = policy->origin;
        r = policy->live.bytes ? msp_held_copy(&policy->live, &job->held)
                               : -ENOENT;
    }
    if (r == 0)
        r = msp_names_ask(policy->names, &job->held.image, on_names, job);
    if (r < 0)
        finish(job, MSP_CTL_INTERNAL, "out of memory");
}

/* A names job keeps that of the policy it is about. */
static enum msp_origin origin_of(enum job_kind kind)
{
    if (kind == JOB_BOOTSTRAP)
        return MSP_ORIGIN_BOOTSTRAP;
    return kind == JOB_HOST ? MSP_ORIGIN_HOST : MSP_ORIGIN_PUSH;
}

/* @param bytes taken over */
static int enqueue(struct msp_policy *policy, enum job_kind kind, char *bytes,
                   size_t len, uint32_t flags, const uint8_t *expect,
                   msp_policy_fn fn, void *data)
{
    struct msp_policy_job *job = calloc(1, sizeof(*job)), **last;
    const char *why = "";
    int r = 0;

    if (!job) {
        free(bytes);
        return -ENOMEM;
    }
    job->policy = policy;
    job->kind = kind;
    job->origin = origin_of(kind);
    job->held.bytes = bytes;
    job->held.len = len;
    job->flags = flags;
    job->fn = fn;
    job->data = data;
    job->before = msp_tables_live(policy->loader);
    if (expect) {
        job->has_expect = true;
        memcpy(job->expect, expect, sizeof(job->expect));
    }
    for (last = &policy->first; *last; last = &(*last)->next)
        ;
    if (bytes)
        r = msp_image_open(bytes, len, &job->held.image, &why);
    if (r < 0) {
        struct msp_push_result result = {.status = MSP_CTL_INVALID,
                                         .why = why,
                                         .before = job->before,
                                         .now = job->before};

        log_result(job, &result);
        if (fn)
            fn(data, &result);
        msp_held_done(&job->held);
        free(job);
        return 0;
    }
    *last = job;
    if (policy->first == job)
        run_first(policy);
    return 0;
}

int msp_policy_enact(struct msp_policy *policy, char *bytes, size_t len,
                     enum msp_origin origin, msp_policy_fn fn, void *data)
{
    return enqueue(policy, origin == MSP_ORIGIN_HOST ? JOB_HOST : JOB_RETURN,
                   bytes, len, 0, NULL, fn, data);
}

int msp_policy_push(struct msp_policy *policy, char *bytes, size_t len,
                    uint32_t flags, const uint8_t expect[MSP_DIGEST_BYTES],
                    msp_policy_fn fn, void *data)
{
    return enqueue(policy, JOB_PUSH, bytes, len, flags,
                   flags & MSP_PUSH_EXPECT ? expect : NULL, fn, data);
}

int msp_policy_rollback(struct msp_policy *policy, uint32_t flags,
                        const uint8_t expect[MSP_DIGEST_BYTES],
                        msp_policy_fn fn, void *data)
{
    return enqueue(policy, JOB_ROLLBACK, NULL, 0, flags,
                   flags & MSP_PUSH_EXPECT ? expect : NULL, fn, data);
}

void msp_policy_names_changed(struct msp_policy *policy)
{
    if (policy->live.bytes)
        (void)enqueue(policy, JOB_NAMES, NULL, 0, 0, NULL, NULL, NULL);
}

/* --- start -------------------------------------------------------------- */

/*
 * The stored image, if there is a sound one.
 * @return 0; -ENOENT none was stored; negative errno
 */
static int read_stored(struct msp_policy *policy, struct msp_held *ret)
{
    struct msp_stored stored = {0};
    const char *why = "";
    int r;

    r = msp_store_read(policy->state_fd, MSP_STORE_LAST, &stored, &why);
    if (r == 0)
        *ret = (struct msp_held){
            .bytes = stored.bytes, .len = stored.len, .image = stored.image};
    else if (r != -ENOENT)
        /* fail closed: the bootstrap denies more than any policy */
        msp_log(MSP_LOG_ERR, "policy.stored", "error", strerror(-r), "why", why,
                NULL);
    return r;
}

/* Its image is known, so its containers' rows can be. */
static void recall_containers(struct msp_policy *policy)
{
    struct msp_ctr_match match = {0};
    int r = msp_ctr_match_init(&policy->live.image, &match);

    if (r < 0) {
        /* fail closed: containers that come get no rights */
        msp_log_errno(MSP_LOG_ERR, "policy.containers", r);
        return;
    }
    msp_containers_take(policy->containers, &match);
    msp_containers_rewrite(policy->containers);
    policy->recalled_ms = msp_io_now_ms();
    r = msp_ctrexes_plan(&policy->ctrexes, &policy->containers->match,
                         policy->containers);
    if (r < 0)
        /* fail closed: no file in a container is known */
        msp_log_errno(MSP_LOG_ERR, "policy.containers", r);
}

/* The image that is live: what the host said, or what was pushed. */
static void find_live(struct msp_policy *policy,
                      const struct msp_slot_meta *live, struct msp_held *ret)
{
    policy->origin = live->flags & MSP_SLOT_BOOTSTRAP ? MSP_ORIGIN_BOOTSTRAP
                                                      : MSP_ORIGIN_PUSH;
    if (policy->host.bytes && is_live(&policy->host.image, live) &&
        msp_held_copy(&policy->host, ret) == 0) {
        policy->origin = MSP_ORIGIN_HOST;
        return;
    }
    (void)read_stored(policy, ret);
}

/* A slot of an earlier mspd is live: leave it, know its image if it is ours. */
static void take_over(struct msp_policy *policy, struct msp_held *stored,
                      const struct msp_slot_meta *live, msp_policy_fn fn,
                      void *data)
{
    struct msp_push_result result = {
        .status = MSP_CTL_OK, .why = "", .before = *live, .now = *live};
    bool is_ours = false;
    int r;

    if (stored->bytes && memcmp(stored->image.header->digest, live->digest,
                                sizeof(live->digest)) == 0) {
        policy->live = *stored;
        *stored = (struct msp_held){0};
        result.held = &policy->live;
        is_ours = true;
    } else {
        /* that mspd could not store it, or died before it did */
        policy->is_unstored = !(live->flags & MSP_SLOT_BOOTSTRAP);
    }
    msp_held_done(stored);
    /* else the next apply takes a new identity epoch, which is safe */
    policy->is_live_known =
        msp_live_rows(policy->loader, &policy->rows) == 0 &&
        msp_live_targets(policy->loader, &policy->targets) == 0;
    if (is_ours) {
        r = msp_policy_files_recall(policy);
        if (r < 0)
            /* fail closed: the rows stay, files that change get none */
            msp_log_errno(MSP_LOG_ERR, "policy.files", r);
        recall_containers(policy);
    }
    plan_sweep(policy);
    fn(data, &result);
    /* ids may have changed while no mspd watched */
    msp_policy_names_changed(policy);
    msp_policy_settle(policy);
}

int msp_policy_restore(struct msp_policy *policy, msp_policy_fn fn, void *data)
{
    struct msp_slot_meta live = msp_tables_live(policy->loader);
    struct msp_held stored = {0};
    int r = -ENOENT;
    size_t len;
    char *bytes;

    msp_policy_host_recall(policy);
    if (policy->loader->is_reused && live.generation) {
        find_live(policy, &live, &stored);
        take_over(policy, &stored, &live, fn, data);
        return 0;
    }
    if (!msp_policy_host_rules(policy))
        r = read_stored(policy, &stored);
    /* one that cannot be read is not none: then the bootstrap */
    if (policy->host.bytes && r == -ENOENT &&
        msp_held_copy(&policy->host, &stored) == 0)
        return msp_policy_enact(policy, stored.bytes, stored.len,
                                MSP_ORIGIN_HOST, fn, data);
    if (stored.bytes) {
        bytes = TAKE_PTR(stored.bytes);
        return enqueue(policy, JOB_STORED, bytes, stored.len, 0, NULL, fn,
                       data);
    }
    len = (size_t)(msp_bootstrap_image_end - msp_bootstrap_image);
    bytes = malloc(len);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, msp_bootstrap_image, len);
    return enqueue(policy, JOB_BOOTSTRAP, bytes, len, 0, NULL, fn, data);
}

int msp_policy_init(struct msp_policy *policy,
                    const struct msp_policy_parts *parts,
                    bool is_bootstrap_deny, bool follows_host)
{
    *policy = (struct msp_policy){
        .loader = parts->loader,
        .names = parts->names,
        .opens = parts->opens,
        .containers = parts->containers,
        .state_fd = parts->state_fd,
        .is_bootstrap_deny = is_bootstrap_deny,
        .follows_host = follows_host,
    };
    msp_policy_host_init(policy, parts->loop);
    msp_timer_init(parts->loop, &policy->sweep, on_sweep, policy);
    return msp_policy_files_init(policy, parts->loop);
}

void msp_policy_done(struct msp_policy *policy)
{
    if (policy->sweep.loop)
        msp_timer_stop(&policy->sweep);
    while (policy->first) {
        struct msp_policy_job *job = policy->first;

        policy->first = job->next;
        msp_held_done(&job->held);
        free(job);
    }
    msp_policy_files_done(policy);
    msp_policy_host_done(policy);
    forget_live(policy);
}
