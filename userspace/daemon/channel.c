/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/keyopen.h"
#include "daemon/mspd.h"

void mspd_channel_prepare(struct mspd *mspd, struct msp_child_spawn *ret)
{
    ret->arg[0] = "--secure-channel";
    ret->arg[1] = mspd->opts.channel_scale;
    ret->fd[0] = msp_loader_map_fd(&mspd->loader, "msp_own_sk");
    ret->fd[1] = mspd->dirs.keys_fd;
    ret->n_fds = 2;
    _Static_assert(MSP_FD_KEEPER_OWN_SK == MSP_FD_CONTROL + 1 &&
                       MSP_FD_KEEPER_KEYS == MSP_FD_CONTROL + 2,
                   "order above");
}

/* --- the host's clock ----------------------------------------------------- */

void mspd_channel_give_clock(struct mspd *mspd)
{
    int r;

    if (!mspd->clock.boot_ns || mspd->proxy.state != MSP_CHILD_RUNNING)
        return;
    r = msp_child_send(&mspd->proxy, &mspd->clock, sizeof(mspd->clock), -1);
    if (r < 0)
        msp_log_errno(MSP_LOG_ERR, "clock.send", r);
}

/* --- how it stands -------------------------------------------------------- */

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size);
}

bool mspd_channel_is_disabled(const struct mspd *mspd)
{
    return mspd->opts.is_channel && msp_streq(mspd->channel.state, "disabled");
}

static int take_channel(struct mspd *mspd,
                        const struct msp_child_channel *packet)
{
    if (!is_text(packet->state, sizeof(packet->state)) ||
        !is_text(packet->message, sizeof(packet->message)) ||
        !is_text(packet->policy, sizeof(packet->policy)) ||
        !is_text(packet->local_why, sizeof(packet->local_why)))
        return -EPROTO;
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        if (packet->local[i] >= MSP_LOCAL_USE_COUNT)
            return -EPROTO;
    mspd->channel = *packet;
    (void)snprintf(mspd->key_why, sizeof(mspd->key_why), "%s", packet->message);
    msp_log(packet->is_failing ? MSP_LOG_WARN : MSP_LOG_INFO, "channel",
            "state", packet->state, "message", packet->message, NULL);
    if (packet->policy[0])
        msp_log(MSP_LOG_WARN, "channel.policy", "why", packet->policy, NULL);
    if (packet->local_why[0])
        msp_log(MSP_LOG_WARN, "channel.local", "why", packet->local_why, NULL);
    if (packet->is_failing || mspd_channel_is_disabled(mspd))
        mspd_key_awaited(mspd);
    return 0;
}

void mspd_channel_report(const struct mspd *mspd, struct msp_rec *rec)
{
    const struct msp_child_channel *channel = &mspd->channel;

    msp_rec_bool(rec, "channel.on", mspd->opts.is_channel);
    if (!mspd->opts.is_channel)
        return;
    msp_rec_str(rec, "channel.state",
                channel->state[0] ? channel->state : "Unknown");
    msp_rec_str(rec, "channel.message", channel->message);
    msp_rec_bool(rec, "channel.failing", channel->is_failing);
    if (channel->policy[0])
        msp_rec_str(rec, "channel.policy", channel->policy);
    if (channel->has_incarnation)
        msp_rec_uint(rec, "channel.incarnation", channel->incarnation);
    msp_rec_str(rec, "channel.local_imds",
                msp_localrules_use_name(channel->local[MSP_EP_IMDS]));
    msp_rec_str(rec, "channel.local_wireserver",
                msp_localrules_use_name(channel->local[MSP_EP_WIRESERVER]));
    if (channel->local_why[0])
        msp_rec_str(rec, "channel.local_why", channel->local_why);
}

/* --- local rule files ----------------------------------------------------- */

void mspd_channel_look(struct mspd *mspd)
{
    struct msp_localrules *rules = &mspd->localrules;

    if (!mspd->opts.is_channel || mspd->keeper.state != MSP_CHILD_RUNNING)
        return;
    rules->dir = mspd->opts.local_rules;
    for (uint32_t i = 0; i < MSP_LOCAL_FILES; i++) {
        struct msp_child_local packet;
        msp_autoclose int fd = -1;

        /* one that cannot be told now is told at the next heartbeat */
        if (msp_localrules_look(rules, i, time(NULL), &packet, &fd) &&
            msp_child_send(&mspd->keeper, &packet, sizeof(packet), fd) == 0)
            msp_localrules_told(rules, i);
    }
}

void mspd_channel_started(struct mspd *mspd)
{
    msp_localrules_forget(&mspd->localrules);
    mspd_channel_look(mspd);
}

bool mspd_channel_has_local_fault(const struct mspd *mspd)
{
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++) {
        uint32_t use = mspd->channel.local[i];

        if (use == MSP_LOCAL_UNSET || use == MSP_LOCAL_KEPT ||
            use == MSP_LOCAL_DENIED)
            return true;
    }
    return false;
}

void mspd_channel_report_local(const struct mspd *mspd, struct msp_rec *rec)
{
    /* by those of the two that have one, as bits of enum msp_builtin */
    static const char *const texts[] = {"none", "imds", "wireserver",
                                        "imds, wireserver"};
    char uses[MSP_LOCALRULES_USES_BYTES];
    size_t which = 0;

    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        if (mspd->channel.local[i] == MSP_LOCAL_MERGED ||
            mspd->channel.local[i] == MSP_LOCAL_KEPT ||
            mspd->channel.local[i] == MSP_LOCAL_DENIED)
            which |= (size_t)1 << i;
    msp_localrules_uses(mspd->channel.local, uses);
    msp_rec_str(rec, "policy.local",
                mspd->policy.origin != MSP_ORIGIN_HOST ? "none"
                : mspd->channel.is_known               ? texts[which]
                                                       : "unknown");
    msp_rec_str(rec, "policy.local_use",
                mspd->policy.origin != MSP_ORIGIN_HOST ? "none"
                : mspd->channel.is_known               ? uses
                                                       : "unknown");
}

/* --- the key file of another agent ---------------------------------------- */

/*
 * Opened here, where root's files can be, and read by the keeper alone.
 * @return descriptor; -1 there is none that may be used
 */
static int open_adopted(const struct mspd *mspd, const char *guid)
{
    msp_autoclose int fd = -1;
    const char *why;
    struct stat st;
    char name[MSP_GUID_BYTES + 8];

    /* fail closed: it becomes the name of a file */
    if (mspd->dirs.adopt_fd < 0 ||
        strspn(guid, "0123456789abcdefABCDEF-") != 36)
        return -1;
    (void)snprintf(name, sizeof(name), "%.36s.key", guid);
    fd = openat(mspd->dirs.adopt_fd, name,
                O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    why =
        fstat(fd, &st) < 0 ? "it cannot be looked at" : msp_keyopen_fault(&st);
    if (why) {
        /* fail closed: whoever can write it decides what we sign with */
        msp_log(MSP_LOG_WARN, "key.adopt", "guid", guid, "why", why, NULL);
        return -1;
    }
    return TAKE_FD(fd);
}

static int answer_adopt(struct mspd *mspd, const struct msp_child_adopt *packet)
{
    msp_autoclose int fd = -1;
    struct msp_child_adopt reply = *packet;

    if (!is_text(packet->guid, sizeof(packet->guid)))
        return -EPROTO;
    fd = open_adopted(mspd, packet->guid);
    return msp_child_send(&mspd->keeper, &reply, sizeof(reply), fd);
}

/* --- the host's policy ---------------------------------------------------- */

/* Whether it can be read without a wait, and stays as it is. */
static bool is_sealed(int fd)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int found = fcntl(fd, F_GET_SEALS);

    return found >= 0 && (found & seals) == seals;
}

int mspd_channel_image(struct mspd *mspd, const void *packet, size_t len,
                       int fd)
{
    const struct msp_child_image *image = packet;
    size_t image_len = 0;
    char *bytes;
    int r;

    if (!mspd->opts.is_channel || len != sizeof(*image) ||
        image->head.type != MSP_CHILD_IMAGE || !is_sealed(fd))
        return -EPROTO;
    if (mspd->opts.is_push_only)
        return 0;
    r = msp_io_slurp(fd, MSP_IMAGE_BYTES_MAX, &bytes, &image_len);
    if (r < 0)
        return r;
    return msp_policy_host(&mspd->policy, bytes, image_len, image->is_fallback);
}

int mspd_channel_packet(struct mspd *mspd, const void *packet, size_t len)
{
    const struct msp_child_head *head = packet;

    if (!mspd->opts.is_channel)
        return -EPROTO;
    if (head->type == MSP_CHILD_CHANNEL &&
        len == sizeof(struct msp_child_channel))
        return take_channel(mspd, packet);
    if (head->type == MSP_CHILD_ADOPT && len == sizeof(struct msp_child_adopt))
        return answer_adopt(mspd, packet);
    if (head->type != MSP_CHILD_CLOCK || len != sizeof(mspd->clock))
        return -EPROTO;
    memcpy(&mspd->clock, packet, sizeof(mspd->clock));
    mspd_channel_give_clock(mspd);
    return 0;
}
