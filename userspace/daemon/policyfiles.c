/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The files of the policy between what finds them and the live slot's rows. */
#include <errno.h>
#include <inttypes.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/policy.h"
#include "loader/exelive.h"
#include "loader/iter.h"

enum {
    REWRITE_MS = 1000,
    RECALL_MS = 100,
    REPLAN_MS = 20,
    RETRY_MS = 1000
};

/* --- what exes.h asks for ----------------------------------------------- */

static int open_file(void *data, const char *path, uint32_t flags,
                     msp_open_fn fn, void *fn_data)
{
    const struct msp_policy *policy = data;

    return msp_opens_ask(policy->opens, 0, path, flags, fn, fn_data);
}

static int ask_facts(void *data, const int *fd, size_t n,
                     struct msp_file_fact *ret)
{
    const struct msp_policy *policy = data;
    msp_autofree struct msp_file_fact *facts = NULL;
    size_t n_facts = 0;
    int r = msp_iter_files(policy->loader, &facts, &n_facts);

    if (r < 0) {
        msp_log(MSP_LOG_ERR, "exe.facts", "why", policy->loader->why, NULL);
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct msp_file_fact){.fd = UINT32_MAX};
        for (size_t k = 0; k < n_facts; k++)
            if (facts[k].fd == (uint32_t)fd[i])
                ret[i] = facts[k];
    }
    return 0;
}

static int each_running(void *data,
                        void (*fn)(void *fn_data, const struct msp_exe *exe),
                        void *fn_data)
{
    const struct msp_policy *policy = data;
    int64_t n = msp_exec_each(policy->loader, fn, fn_data);

    return n < 0 ? (int)n : 0;
}

static void on_changed(void *data)
{
    msp_policy_files_changed(data);
}

/* Whether some identity in force demands contents of the file, yet not these. */
static bool is_stranger(const struct msp_policy *policy,
                        const struct msp_exe_file *file)
{
    const struct msp_image *image = &policy->live.image;
    bool is_demanded = false;

    if (!policy->live.bytes)
        return false;
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *identity = &image->identities[i];

        if (!(identity->flags & MSP_ID_SHA256) ||
            !msp_streq(
                msp_image_string(image, image->exes[identity->exe].path_off),
                file->path))
            continue;
        if (memcmp(identity->sha256, file->current.sha256,
                   sizeof(identity->sha256)) == 0)
            return false;
        is_demanded = true;
    }
    return is_demanded;
}

static void on_hashed(void *data, const struct msp_exe_file *file)
{
    char hex[2 * MSP_DIGEST_BYTES + 1];

    msp_digest_hex(file->current.sha256, hex);
    if (is_stranger(data, file))
        msp_log(MSP_LOG_WARN, "exe.hash", "path", file->path, "sha256", hex,
                "why", "no identity in force has it", NULL);
    else
        msp_log(MSP_LOG_INFO, "exe.hash", "path", file->path, "sha256", hex,
                NULL);
}

/* --- rows --------------------------------------------------------------- */

void msp_policy_files_crowded(const struct msp_policy *policy,
                              const struct msp_exe_rows *rows,
                              char ret_text[MSP_CROWDED_BYTES])
{
    const struct msp_container_entry *entry = NULL;
    struct msp_ctr_name name = {0};

    ret_text[0] = '\0';
    if (!rows->n_dropped)
        return;
    if (rows->crowded)
        entry = msp_containers_find(policy->containers, rows->crowded);
    if (entry)
        msp_ctr_record_name(&entry->record, &name);
    if (rows->crowded)
        (void)snprintf(ret_text, MSP_CROWDED_BYTES,
                       "%zu files have no row, %zu of container %s",
                       rows->n_dropped, rows->n_crowded,
                       name.name[0] ? name.name
                       : name.id[0] ? name.id
                                    : "that is gone");
    else
        (void)snprintf(ret_text, MSP_CROWDED_BYTES,
                       "%zu retired files have no row", rows->n_dropped);
}

static void log_dropped(const struct msp_policy *policy,
                        const struct msp_exe_rows *rows)
{
    char text[MSP_CROWDED_BYTES];

    msp_policy_files_crowded(policy, rows, text);
    msp_log(MSP_LOG_WARN, "exe.dropped", "why", text, NULL);
}

int msp_policy_files_rows(const struct msp_policy *policy,
                          const struct msp_held *held,
                          const struct msp_rows *rows, struct msp_exe_rows *ret)
{
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n = 0;
    int r = msp_exes_found(&policy->exes, &held->image, &found, &n);

    if (r == 0)
        r = msp_ctrexes_found(&policy->ctrexes, &held->image, &found, &n);
    if (r == 0)
        r = msp_exe_rows_build(&held->image, held->resolved,
                               &rows->wild[MSP_DIM_EXE], found, n, ret);
    if (r == 0 && ret->n_dropped)
        log_dropped(policy, ret);
    return r;
}

/*
 * The rows of an earlier mspd stay until the files in containers were looked
 * for: they are not read back, since rows do not say whose they are.
 */
static bool is_recalling(struct msp_policy *policy)
{
    if (policy->recalled_ms &&
        (msp_ctrexes_are_looked_at(&policy->ctrexes) ||
         msp_io_now_ms() - policy->recalled_ms > MSP_EXES_WAIT_MS))
        policy->recalled_ms = 0;
    return policy->recalled_ms != 0;
}

void msp_policy_files_changed(struct msp_policy *policy)
{
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};
    int r;

    if (!policy->live.bytes || !policy->is_live_known ||
        !policy->live.image.n[MSP_SEC_EXES])
        return;
    if (is_recalling(policy)) {
        (void)msp_timer_set(&policy->rewrite, RECALL_MS);
        return;
    }
    r = msp_policy_files_rows(policy, &policy->live, &policy->rows, &rows);
    if (r == 0)
        r = msp_exe_live_write(policy->loader, &policy->exe_rows, &rows);
    if (r < 0) {
        /* fail closed: new files have no row; old ones keep theirs */
        msp_log(MSP_LOG_ERR, "exe.rows", "error", strerror(-r), NULL);
        msp_exe_rows_done(&policy->exe_rows);
        (void)msp_exe_live_read(policy->loader, &policy->exe_rows);
        (void)msp_timer_set(&policy->rewrite, REWRITE_MS);
        return;
    }
    msp_exe_rows_done(&policy->exe_rows);
    policy->exe_rows = rows;
    rows = (struct msp_exe_rows){0};
}

/* --- in containers ------------------------------------------------------ */

static int open_inside(void *data, const char *root, uint32_t pid,
                       const char *path, msp_open_fn fn, void *fn_data)
{
    const struct msp_policy *policy = data;

    return root ? msp_opens_ask_below(policy->opens, root, path, fn, fn_data)
                : msp_opens_ask(policy->opens, pid, path, 0, fn, fn_data);
}

static int ask_fact(void *data, int fd, struct msp_file_fact *ret)
{
    int r = ask_facts(data, &fd, 1, ret);

    return r < 0 ? r : ret->fd == (uint32_t)fd ? 0 : -ENOENT;
}

static void on_containers(void *data)
{
    struct msp_policy *policy = data;

    /* what nobody asks for is not looked at; several come at once */
    if (policy->live.bytes && policy->live.image.n[MSP_SEC_EXES] &&
        policy->live.image.n[MSP_SEC_DEMANDS] && !policy->replan.index)
        (void)msp_timer_set(&policy->replan, REPLAN_MS);
}

static void on_replan(void *data)
{
    struct msp_policy *policy = data;
    int r = msp_ctrexes_plan(&policy->ctrexes, &policy->containers->match,
                             policy->containers);

    if (r < 0) {
        /* fail closed: files that no memory was left for have no rows */
        msp_log_errno(MSP_LOG_ERR, "exe.containers", r);
        (void)msp_timer_set(&policy->replan, RETRY_MS);
    }
    if (r != 0)
        msp_policy_files_changed(policy);
}

static void on_rewrite(void *data)
{
    msp_policy_files_changed(data);
}

int msp_policy_files_recall(struct msp_policy *policy)
{
    const struct msp_image *image = &policy->live.image;
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n = 0;
    int r;

    if (!image->n[MSP_SEC_EXES] || !policy->is_live_known)
        return 0;
    r = msp_exe_live_read(policy->loader, &policy->exe_rows);
    if (r == 0)
        r = msp_exe_rows_read(image, &policy->rows.wild[MSP_DIM_EXE],
                              &policy->exe_rows, &found, &n);
    if (r == 0)
        r = msp_exes_prepare(&policy->exes, image, NULL, NULL);
    if (r == 0)
        r = msp_exes_recall(&policy->exes, image, found, n);
    msp_exes_commit(&policy->exes);
    return r;
}

int msp_policy_files_init(struct msp_policy *policy, struct msp_loop *loop)
{
    static const struct msp_exes_ops ops = {
        .open = open_file,
        .facts = ask_facts,
        .running = each_running,
        .hashed = on_hashed,
        .changed = on_changed,
    };

    static const struct msp_ctrexes_ops inside = {
        .open = open_inside, .fact = ask_fact, .changed = on_changed};

    msp_timer_init(loop, &policy->rewrite, on_rewrite, policy);
    msp_timer_init(loop, &policy->replan, on_replan, policy);
    msp_ctrexes_init(&policy->ctrexes, loop, &inside, policy);
    policy->containers->changed = on_containers;
    policy->containers->changed_data = policy;
    return msp_exes_init(&policy->exes, loop, &ops, policy);
}

void msp_policy_files_done(struct msp_policy *policy)
{
    if (policy->rewrite.loop)
        msp_timer_stop(&policy->rewrite);
    if (policy->replan.loop)
        msp_timer_stop(&policy->replan);
    msp_ctrexes_done(&policy->ctrexes);
    msp_exes_done(&policy->exes);
}

/* --- who matches nobody, and why ---------------------------------------- */

/* One identity under judgement. */
struct judged {
    const struct msp_policy *policy;
    const struct msp_image *image;
    const struct msp_image_identity *identity;
    msp_unresolved_fn fn;
    void *data;
};

static void say(const struct judged *judged, const char *selector,
                const char *value, const char *why)
{
    const struct msp_unresolved unresolved = {
        .index = (uint32_t)(judged->identity - judged->image->identities),
        .identity = msp_image_string(judged->image, judged->identity->name_off),
        .selector = selector,
        .value = value,
        .why = why,
    };

    judged->fn(judged->data, &unresolved);
}

static void judge_names(const struct judged *judged,
                        const struct msp_resolved *resolved)
{
    const struct msp_image_identity *identity = judged->identity;
    const char *user = msp_image_string(judged->image, identity->user_off);

    if (identity->flags & MSP_ID_USER && !resolved->is_user_found)
        say(judged, "userName", user, "unknown");
    else if (identity->flags & MSP_ID_USER && identity->flags & MSP_ID_UID &&
             resolved->user_id != identity->uid)
        say(judged, "userName", user, "not the uid that is also demanded");
    if (identity->flags & MSP_ID_GROUP && !resolved->is_group_found)
        say(judged, "groupName",
            msp_image_string(judged->image, identity->group_off), "unknown");
}

/* A path that names no file which counts. */
static void judge_path(const struct judged *judged,
                       const struct msp_exe_file *file)
{
    const char *detail = NULL;
    char why[160], magic[32];

    if (file->why == MSP_EXE_FILE_SYSTEM) {
        detail = msp_exe_magic_name(file->magic);
        (void)snprintf(magic, sizeof(magic), "magic 0x%" PRIx64, file->magic);
        detail = detail ? detail : magic;
    } else if (file->why == MSP_EXE_MISSING && file->error == -ELOOP) {
        detail = "a loop of links, or one of /proc that is not followed";
    } else if (file->why == MSP_EXE_FAILED ||
               (file->why == MSP_EXE_MISSING && file->error &&
                file->error != -ENOENT)) {
        detail = strerror(-file->error);
    }
    (void)snprintf(why, sizeof(why), "%s%s%s%s", msp_exe_why_name(file->why),
                   detail ? " (" : "", detail ? detail : "", detail ? ")" : "");
    say(judged, "exePath", file->path, why);
}

static void judge_contents(const struct judged *judged,
                           const struct msp_exe_file *file)
{
    const struct msp_exe_version *current = &file->current;
    char hex[2 * MSP_DIGEST_BYTES + 1], found[2 * MSP_DIGEST_BYTES + 1];
    char why[sizeof(found) + 32];

    msp_digest_hex(judged->identity->sha256, hex);
    msp_digest_hex(current->sha256, found);
    (void)snprintf(why, sizeof(why), "the file has %s", found);
    if (!current->has_sha256)
        say(judged, "exeSha256", hex,
            current->doubt ? msp_exe_doubt_name(current->doubt)
                           : "the file was not read yet");
    else if (memcmp(current->sha256, judged->identity->sha256,
                    sizeof(current->sha256)) != 0)
        say(judged, "exeSha256", hex, why);
}

static void judge_inside(const struct judged *judged, const char *path)
{
    const struct msp_policy *policy = judged->policy;
    const char *why = "";
    char text[160];
    size_t n = 0;

    /* of another image than the one in force nothing is known */
    if (judged->image == &policy->live.image)
        n = msp_ctrexes_lacking(
            &policy->ctrexes,
            (uint32_t)(judged->identity - judged->image->identities), path,
            &why);
    (void)snprintf(text, sizeof(text), "in %zu container%s: %s", n,
                   n == 1 ? "" : "s", why);
    if (n)
        say(judged, "exePath", path, text);
}

static void judge_file(const struct judged *judged)
{
    const struct msp_image *image = judged->image;
    const struct msp_image_exe *exe = &image->exes[judged->identity->exe];
    const struct msp_exe_file *file;

    if (judged->identity->n_demands) {
        judge_inside(judged, msp_image_string(image, exe->path_off));
        return;
    }
    file = msp_exes_file(&judged->policy->exes,
                         msp_image_string(image, exe->path_off));
    if (!file)
        say(judged, "exePath", msp_image_string(image, exe->path_off),
            msp_exe_why_name(MSP_EXE_NOT_ASKED));
    else if (!file->has_current)
        judge_path(judged, file);
    else if (msp_exe_file_fault(file))
        say(judged, "exePath", file->path, msp_exe_file_fault(file));
    else if (judged->identity->flags & MSP_ID_SHA256)
        judge_contents(judged, file);
}

/* A cgroup and a unit that no one cgroup can be. */
static void judge_cgroup(const struct judged *judged)
{
    const struct msp_image *image = judged->image;
    const size_t index = (size_t)(judged->identity - image->identities);

    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_STATES]; i++) {
        const struct msp_idset *set = &image->sets[image->cg_states[i].set];

        if (set->word[index / 64] >> (index % 64) & 1)
            return;
    }
    say(judged, "unit", msp_image_string(image, judged->identity->unit_off),
        "not in the cgroup that is also demanded");
}

void msp_policy_unresolved(const struct msp_policy *policy,
                           const struct msp_held *held, msp_unresolved_fn fn,
                           void *data)
{
    const struct msp_image *image = &held->image;

    if (!held->bytes)
        return;
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct judged judged = {policy, image, &image->identities[i], fn,
                                      data};

        if (judged.identity->flags & MSP_ID_NOBODY)
            say(&judged, "-", "-", "no file here has such a name");
        if (held->resolved)
            judge_names(&judged, &held->resolved[i]);
        if (judged.identity->flags & MSP_ID_EXE)
            judge_file(&judged);
        if (judged.identity->flags & MSP_ID_CGROUP &&
            judged.identity->flags & MSP_ID_UNIT)
            judge_cgroup(&judged);
    }
}
