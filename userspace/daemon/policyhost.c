/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include <msp/cleanup.h>

#include "base/log.h"
#include "daemon/policy.h"
#include "daemon/store.h"

const char *msp_origin_name(enum msp_origin origin)
{
    static const char *const names[] = {
        [MSP_ORIGIN_BOOTSTRAP] = "bootstrap",
        [MSP_ORIGIN_PUSH] = "push",
        [MSP_ORIGIN_HOST] = "host",
    };

    _Static_assert(ARRAY_SIZE(names) == MSP_ORIGIN_COUNT, "names");
    return origin < MSP_ORIGIN_COUNT ? names[origin] : "unknown";
}

/* Whether the image leaves every endpoint alone. */
static bool is_off(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++)
        if (image->endpoints[i].ep.mode != MSP_MODE_DISABLED)
            return false;
    return true;
}

bool msp_policy_host_rules(const struct msp_policy *policy)
{
    return policy->follows_host && policy->host.bytes &&
           !is_off(&policy->host.image);
}

void msp_policy_host_store(struct msp_policy *policy)
{
    int r =
        msp_store_host(policy->state_fd, policy->host.bytes, policy->host.len);

    policy->is_unstored = r < 0;
    if (r < 0)
        /* in force, but the next boot would start from an older one */
        msp_log_errno(MSP_LOG_ERR, "policy.store", r);
}

static bool is_same(const struct msp_image *image, const uint8_t *digest)
{
    return memcmp(image->header->digest, digest, MSP_DIGEST_BYTES) == 0;
}

/* What was pushed last. @return 0; -ENOENT there is none; negative errno */
static int read_pushed(const struct msp_policy *policy, struct msp_held *ret)
{
    struct msp_stored stored = {0};
    const char *why = "";
    int r = msp_store_read(policy->state_fd, MSP_STORE_LAST, &stored, &why);

    if (r < 0) {
        if (r != -ENOENT)
            msp_log(MSP_LOG_ERR, "policy.stored", "error", strerror(-r), "why",
                    why, NULL);
        return r;
    }
    *ret = (struct msp_held){
        .bytes = stored.bytes, .len = stored.len, .image = stored.image};
    return 0;
}

void msp_policy_settle(struct msp_policy *policy)
{
    struct msp_slot_meta live = msp_tables_live(policy->loader);
    enum msp_origin origin = MSP_ORIGIN_HOST;
    struct msp_held wanted = {0};
    int r = -ENOENT;

    if (!policy->follows_host || !policy->host.bytes)
        return;
    if (!msp_policy_host_rules(policy))
        r = read_pushed(policy, &wanted);
    if (r == 0)
        origin = MSP_ORIGIN_PUSH;
    else if (r == -ENOENT)
        r = msp_held_copy(&policy->host, &wanted);
    /* fail closed: what cannot be read was no push that guards nothing */
    if (r < 0) {
        (void)msp_timer_set(&policy->settling, MSP_BACKOFF_MAX_MS);
        return;
    }
    /* what is under way may bring another one into force before */
    if (!policy->first && !(live.flags & MSP_SLOT_BOOTSTRAP) &&
        is_same(&wanted.image, live.digest)) {
        policy->origin = origin;
        if (origin == MSP_ORIGIN_HOST)
            msp_policy_host_store(policy);
        msp_held_done(&wanted);
        return;
    }
    (void)msp_policy_enact(policy, wanted.bytes, wanted.len, origin, NULL,
                           NULL);
}

int msp_policy_host(struct msp_policy *policy, char *bytes, size_t len,
                    bool is_fallback)
{
    struct msp_held host = {.bytes = bytes, .len = len};
    const char *why = "";

    if (msp_image_open(bytes, len, &host.image, &why) < 0) {
        free(bytes);
        return -EPROTO;
    }
    if (is_fallback && msp_policy_host_rules(policy)) {
        /* the last good one stays */
        free(bytes);
        return 0;
    }
    if (policy->host.bytes &&
        is_same(&host.image, policy->host.image.header->digest)) {
        free(bytes);
        return 0;
    }
    msp_held_done(&policy->host);
    policy->host = host;
    /* one that enforces is stored once it is in force: it might not fit */
    if (is_off(&host.image))
        msp_policy_host_store(policy);
    msp_policy_settle(policy);
    return 0;
}

void msp_policy_host_recall(struct msp_policy *policy)
{
    struct msp_stored stored = {0};
    const char *why = "";
    int r;

    if (!policy->follows_host)
        return;
    r = msp_store_read(policy->state_fd, MSP_STORE_HOST, &stored, &why);
    if (r == 0)
        policy->host = (struct msp_held){
            .bytes = stored.bytes, .len = stored.len, .image = stored.image};
    else if (r != -ENOENT)
        /* fail closed: the bootstrap denies more than any policy */
        msp_log(MSP_LOG_ERR, "policy.host", "error", strerror(-r), "why", why,
                NULL);
}

static void on_settling(void *data)
{
    struct msp_policy *policy = data;

    msp_policy_names_changed(policy);
    msp_policy_settle(policy);
}

void msp_policy_host_init(struct msp_policy *policy, struct msp_loop *loop)
{
    msp_timer_init(loop, &policy->settling, on_settling, policy);
}

void msp_policy_host_done(struct msp_policy *policy)
{
    if (policy->settling.loop)
        msp_timer_stop(&policy->settling);
    msp_held_done(&policy->host);
}
