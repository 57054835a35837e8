/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <inttypes.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>
#include <msp/limits.h>

#include "base/finished.h"
#include "base/log.h"
#include "daemon/keyopen.h"
#include "daemon/mspd.h"
#include "daemon/notify.h"
#include "loader/events.h"
#include "loader/iter.h"

enum {
    KEY_WAIT_MS = 2000
};

static const char paths_name[] = "netns"; /* in the run directory */

static void start_wait_over(struct mspd *mspd);

void mspd_key_awaited(struct mspd *mspd)
{
    if (!mspd->is_key_awaited)
        return;
    mspd->is_key_awaited = false;
    msp_timer_stop(&mspd->key_wait);
    start_wait_over(mspd);
}

static void on_key_wait(void *data)
{
    mspd_key_awaited(data);
}

/* --- mspd-netns --------------------------------------------------------- */

static void on_netns_gone(void *data)
{
    struct mspd *mspd = data;

    /* fail closed: without it no namespace can be served; pins enforce on,
     * and the unit starts both anew */
    msp_log(MSP_LOG_ERR, "netns.gone", NULL);
    msp_loop_quit(mspd->loop, MSP_EXIT_INTERNAL);
}

int mspd_start_netns(struct mspd *mspd)
{
    return msp_netns_start(&mspd->netns, mspd->loop, mspd->opts.libexec_dir,
                           on_netns_gone, mspd);
}

/* --- mspd-keeper -------------------------------------------------------- */

/* Of the file of --static-key; the reason first, should it be too long. */
static void set_key_why(struct mspd *mspd, const char *why)
{
    (void)snprintf(mspd->key_why, sizeof(mspd->key_why),
                   "the key file cannot be used: %s (%s)", why,
                   mspd->opts.static_key ? mspd->opts.static_key : "-");
}

static int keeper_prepare(void *data, struct msp_child_spawn *ret)
{
    struct mspd *mspd = data;
    bool is_readable = false;
    const char *why = "";

    msp_closep(&mspd->key_fd);
    mspd->key_fd = -1;
    if (mspd->opts.is_channel)
        mspd_channel_prepare(mspd, ret);
    if (!mspd->opts.static_key)
        return 0;
    mspd->key_fd = msp_keyopen(mspd->opts.static_key, &is_readable, &why);
    if (mspd->key_fd >= 0 && is_readable)
        msp_log(MSP_LOG_WARN, "key.readable", "why",
                "the key file can be read by others than root", NULL);
    if (mspd->key_fd < 0) {
        set_key_why(mspd, why);
        msp_log(MSP_LOG_ERR, "key.open", "why", mspd->key_why, NULL);
        mspd->key_fd = -1;
        mspd_key_awaited(mspd);
        return 0; /* names are still to be resolved */
    }
    ret->arg[0] = "--static-key";
    ret->fd[ret->n_fds++] = mspd->key_fd;
    return 0;
}

static void keeper_started(void *data)
{
    struct mspd *mspd = data;

    msp_closep(&mspd->key_fd);
    mspd->key_fd = -1;
    /* an earlier one may have died before it answered */
    msp_policy_names_changed(&mspd->policy);
    mspd_channel_started(mspd);
}

static void give_key(struct mspd *mspd)
{
    int r;

    /* without one the packet says so, and the proxy forgets what it has */
    if (mspd->proxy.state != MSP_CHILD_RUNNING)
        return;
    r = msp_child_send(&mspd->proxy, &mspd->key->packet,
                       sizeof(mspd->key->packet), -1);
    if (r < 0)
        msp_log_errno(MSP_LOG_ERR, "key.send", r);
}

static int take_key(struct mspd *mspd, const struct msp_child_key *packet,
                    size_t len)
{
    if (len != sizeof(*packet) ||
        !memchr(packet->guid, '\0', sizeof(packet->guid)))
        return -EPROTO;
    memcpy(&mspd->key->packet, packet, sizeof(*packet));
    mspd->key->has_key = packet->guid[0];
    if (mspd->key->has_key)
        msp_log(MSP_LOG_INFO, "key.have", "guid", packet->guid, NULL);
    else
        msp_log(MSP_LOG_INFO, "key.gone", NULL);
    give_key(mspd);
    mspd_key_awaited(mspd);
    return 0;
}

static int keeper_packet(void *data, const void *packet, size_t len, int fd)
{
    struct mspd *mspd = data;
    msp_autoclose int owned = fd;
    const struct msp_child_head *head = packet;
    const struct msp_child_text *text = packet;
    char why[sizeof(text->text)];

    if (owned >= 0)
        return mspd_channel_image(mspd, packet, len, owned);
    if (head->type == MSP_CHILD_KEY)
        return take_key(mspd, packet, len);
    if (head->type == MSP_CHILD_NAMES && len == sizeof(struct msp_child_names))
        return msp_names_reply(&mspd->names, packet);
    if (head->type == MSP_CHILD_KEY_BAD && len == sizeof(*text)) {
        (void)snprintf(why, sizeof(why), "%.*s", (int)sizeof(text->text) - 1,
                       text->text);
        set_key_why(mspd, why);
        msp_log(MSP_LOG_ERR, "key.bad", "why", mspd->key_why, NULL);
        mspd_key_awaited(mspd);
        return 0;
    }
    return mspd_channel_packet(mspd, packet, len);
}

static void keeper_gone(void *data)
{
    struct mspd *mspd = data;

    msp_names_keeper_gone(&mspd->names);
}

int mspd_start_keeper(struct mspd *mspd, uint32_t uid, uint32_t gid)
{
    static const struct msp_child_ops ops = {.prepare = keeper_prepare,
                                             .started = keeper_started,
                                             .packet = keeper_packet,
                                             .gone = keeper_gone};

    (void)snprintf(mspd->key_why, sizeof(mspd->key_why),
                   mspd->opts.is_channel ? "the host gave none yet"
                                         : "neither --secure-channel nor "
                                           "--static-key was given");
    mspd->keeper = (struct msp_child){.name = "mspd-keeper",
                                      .dir = mspd->opts.libexec_dir,
                                      .ops = &ops,
                                      .data = mspd,
                                      .is_restarted = true,
                                      .drops_user = true,
                                      .uid = uid,
                                      .gid = gid};
    msp_child_init(&mspd->keeper, mspd->loop);
    return msp_child_start(&mspd->keeper);
}

/* --- mspd-proxy --------------------------------------------------------- */

static int proxy_prepare(void *data, struct msp_child_spawn *ret)
{
    struct mspd *mspd = data;
    const struct msp_loader *loader = &mspd->loader;

    ret->arg[0] = "--slot";
    ret->arg[1] = mspd->slot_text;
    ret->arg[2] = "--epoch";
    ret->arg[3] = mspd->epoch_text;
    ret->fd[0] = msp_loader_map_fd(loader, "msp_own_sk");
    ret->fd[1] = msp_loader_map_rdonly(loader, "msp_sk_verdict");
    ret->fd[2] = msp_loader_map_fd(loader, "msp_requests");
    ret->fd[3] = msp_loader_prog_fd(loader, MSP_PROG_AUTHORIZE);
    /* writable, since the kernel maps no read-only one (a private mapping to
     * it); the proxy maps it for reading and closes it before its first byte */
    ret->fd[4] = msp_loader_map_fd(loader, "msp_meta");
    ret->n_fds = 5;
    _Static_assert(MSP_FD_PROXY_META == MSP_FD_CONTROL + 5, "order above");
    return ret->fd[1] < 0 ? ret->fd[1] : 0;
}

/* The descriptor of proxy_prepare that is not borrowed. */
static void close_prepared(const struct msp_child_spawn *spawn)
{
    msp_closep(&spawn->fd[1]);
}

static void proxy_started(void *data)
{
    struct mspd *mspd = data;

    msp_listeners_forget_sent(&mspd->listeners);
    mspd->log.serial = 0;
    mspd_channel_give_clock(mspd);
    if (mspd->key->has_key)
        give_key(mspd);
    msp_listeners_send(&mspd->listeners);
}

static void publish(struct mspd *mspd)
{
    int r = msp_listeners_publish(&mspd->listeners, true);

    if (r < 0)
        msp_log_errno(MSP_LOG_ERR, "listeners.publish", r);
}

/* One that cannot be told now sees it at its next tick. */
static void proxy_flipped(void *data)
{
    struct mspd *mspd = data;
    struct msp_child_head head = {.type = MSP_CHILD_FLIPPED};

    (void)msp_child_send(&mspd->proxy, &head, sizeof(head), -1);
    msp_uplinks_refresh(&mspd->uplinks);
}

/* Warned about: somebody in there works against the agent. */
static void revive(struct mspd *mspd, const struct msp_child_listener *lost)
{
    char cookie[24], text[MSPD_OFTEN_BYTES];
    int r = msp_listeners_revive(&mspd->listeners, lost->netns_cookie);

    if (!mspd_often(&mspd->lost, r < 0 ? strerror(-r) : "ok", text))
        return;
    (void)snprintf(cookie, sizeof(cookie), "%" PRIu64,
                   (uint64_t)lost->netns_cookie);
    msp_log(MSP_LOG_WARN, "listener.lost", "netns", cookie, "again", text,
            NULL);
}

static int take_records(struct mspd *mspd, const uint8_t *packet, size_t len)
{
    struct msp_child_log record;

    while (len) {
        ssize_t n = msp_finished_unpack(packet, len, &record);

        if (n < 0)
            return (int)n;
        msp_connlog_request(&mspd->log, &record);
        msp_platformlog_request(&mspd->platform, &record, mspd->log.n_requests);
        packet += n;
        len -= (size_t)n;
    }
    return 0;
}

static int proxy_packet(void *data, const void *packet, size_t len, int fd)
{
    struct mspd *mspd = data;
    msp_autoclose int owned = fd;
    const struct msp_child_head *head = packet;

    if (owned >= 0)
        return -EPROTO;
    if (head->type == MSP_CHILD_LOG)
        return take_records(mspd, packet, len);
    if (head->type == MSP_CHILD_LISTENER_LOST &&
        len == sizeof(struct msp_child_listener)) {
        revive(mspd, packet);
        return 0;
    }
    if (head->type == MSP_CHILD_READY && len == sizeof(*head)) {
        mspd->is_proxy_ready = true;
        publish(mspd);
        /* beside another layout, which was in force until now */
        if (mspd_attach(mspd) < 0) {
            msp_loop_quit(mspd->loop, MSP_EXIT_INTERNAL);
            return 0;
        }
        msp_log(MSP_LOG_INFO, "proxy.ready", NULL);
        (void)msp_notify("READY=1\nSTATUS=enforcing");
        return 0;
    }
    return -EPROTO;
}

static void proxy_room(void *data)
{
    struct mspd *mspd = data;

    msp_listeners_send(&mspd->listeners);
    if (mspd->is_proxy_ready)
        publish(mspd);
}

static void proxy_gone(void *data)
{
    struct mspd *mspd = data;

    /* rows stay: clients wait in the backlog for the next one */
    mspd->is_proxy_ready = false;
}

void mspd_init_proxy(struct mspd *mspd, uint32_t uid, uint32_t gid)
{
    static const struct msp_child_ops ops = {.prepare = proxy_prepare,
                                             .prepared = close_prepared,
                                             .started = proxy_started,
                                             .packet = proxy_packet,
                                             .room = proxy_room,
                                             .gone = proxy_gone};

    mspd->proxy = (struct msp_child){.name = "mspd-proxy",
                                     .dir = mspd->opts.libexec_dir,
                                     .ops = &ops,
                                     .data = mspd,
                                     .is_restarted = true,
                                     .drops_user = true,
                                     .uid = uid,
                                     .gid = gid};
    msp_child_init(&mspd->proxy, mspd->loop);
    mspd->policy.flipped = proxy_flipped;
    mspd->policy.flipped_data = mspd;
    mspd->listeners.proxy = &mspd->proxy;
    mspd->listeners.loader = &mspd->loader;
    mspd->listeners.epoch = mspd->epoch;
    (void)snprintf(mspd->slot_text, sizeof(mspd->slot_text), "%u",
                   (unsigned int)(mspd->epoch % MSP_WORKERS_MAX));
    (void)snprintf(mspd->epoch_text, sizeof(mspd->epoch_text), "%" PRIu64,
                   mspd->epoch);
}

/* --- listeners ---------------------------------------------------------- */

static void remember_paths(struct mspd *mspd)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    int r;

    r = msp_listeners_paths(&mspd->listeners, &text, &len);
    if (r == 0)
        r = msp_dirs_store(mspd->dirs.run_fd, paths_name, text, len);
    if (r < 0)
        msp_log_errno(MSP_LOG_WARN, "listeners.store", r);
}

void mspd_listeners_changed(struct mspd *mspd, bool has_paths)
{
    msp_listeners_send(&mspd->listeners);
    if (mspd->is_proxy_ready)
        publish(mspd);
    if (has_paths)
        remember_paths(mspd);
}

/*
 * Every listener of the start is made. An earlier agent's rows are turned to
 * ours first: its clients go on to a backlog that our proxy will empty, and
 * only then is the earlier one told, by the epoch, to stop accepting.
 */
static void start_proxy(struct mspd *mspd)
{
    if (mspd->loader.is_reused) {
        (void)msp_listeners_publish(&mspd->listeners, false);
        msp_listeners_unpublish(&mspd->listeners, true);
    }
    msp_loader_set_epoch(&mspd->loader, mspd->epoch);
    remember_paths(mspd);
    (void)msp_child_start(&mspd->proxy);
}

struct first_listener {
    struct mspd *mspd;
    char *path;     /* owned, NULL: none to remember */
    uint64_t payer; /* of an earlier listener there */
    bool is_own;    /* the root namespace */
};

static void on_first_listener(void *data, int r, int fd, uint64_t cookie,
                              uint16_t port)
{
    struct first_listener *first = data;
    struct mspd *mspd = first->mspd;
    const struct msp_listener *item;

    if (r == 0) {
        const struct msp_listener made = {.fd = fd,
                                          .cookie = cookie,
                                          .payer = first->payer,
                                          .port = port,
                                          .path = first->path,
                                          .is_own = first->is_own};

        r = msp_listeners_add(&mspd->listeners, &made, &item);
    }
    /* a process that is gone by now is nobody to serve */
    if (r < 0 && (first->path || first->is_own))
        msp_log(first->is_own ? MSP_LOG_ERR : MSP_LOG_WARN, "listener.failed",
                "path", first->path ? first->path : "own namespace", "error",
                strerror(-r), NULL);
    free(first->path);
    free(first);
    start_wait_over(mspd);
}

/*
 * @param is_remembered the path of `want`; NULL: own, or one that is not
 * @param payer whom it is charged to
 */
static int ask_first(struct mspd *mspd, const struct msp_netns_want *want,
                     bool is_remembered, uint64_t payer)
{
    struct first_listener *first = calloc(1, sizeof(*first));
    int r;

    if (!first)
        return -ENOMEM;
    first->mspd = mspd;
    first->payer = payer;
    first->is_own = !want->path;
    first->path = is_remembered ? strdup(want->path) : NULL;
    /* before: the answer may come at once */
    mspd->n_start_waits++;
    r = is_remembered && !first->path
            ? -ENOMEM
            : msp_netns_want(&mspd->netns, want, on_first_listener, first);
    if (r < 0) {
        mspd->n_start_waits--;
        free(first->path);
        free(first);
    }
    return r;
}

static int compare_tasks(const void *a, const void *b)
{
    const struct msp_netns_task *left = a, *right = b;

    return left->netns_cookie < right->netns_cookie   ? -1
           : left->netns_cookie > right->netns_cookie ? 1
                                                      : 0;
}

/*
 * Namespaces that an earlier agent served on demand: no path of theirs lasts,
 * but each that is in use has a process. Others ask when they want to.
 */
static void ask_served(struct mspd *mspd)
{
    msp_autofree struct msp_netns_task *task = NULL;
    uint64_t last = 0;
    size_t n = 0;

    if (!mspd->loader.is_reused)
        return;
    if (msp_iter_netns(&mspd->loader, &task, &n) < 0) {
        msp_log(MSP_LOG_WARN, "listeners.scan", "why", mspd->loader.why, NULL);
        return;
    }
    qsort(task, n, sizeof(*task), compare_tasks);
    for (size_t i = 0; i < n; i++) {
        char path[48];

        if (task[i].netns_cookie == last ||
            msp_listeners_again(&mspd->listeners, task[i].netns_cookie))
            continue;
        last = task[i].netns_cookie;
        (void)snprintf(path, sizeof(path), "/proc/%u/ns/net", task[i].tgid);
        (void)ask_first(mspd,
                        &(struct msp_netns_want){.path = path, .cookie = last},
                        false, task[i].payer);
    }
}

static void start_wait_over(struct mspd *mspd)
{
    if (--mspd->n_start_waits)
        return;
    if (!mspd->is_scanned) {
        mspd->is_scanned = true;
        mspd->n_start_waits = 1; /* held back as in mspd_start_listeners */
        ask_served(mspd);
        start_wait_over(mspd);
        return;
    }
    start_proxy(mspd);
}

static void ask_remembered(struct mspd *mspd)
{
    msp_autofree char *text = NULL;
    char *next, *line;
    size_t len;

    if (msp_dirs_read(mspd->dirs.run_fd, paths_name, MSP_CTL_REPLY_BYTES_MAX,
                      &text, &len) < 0)
        return;
    for (line = strtok_r(text, "\n", &next); line;
         line = strtok_r(NULL, "\n", &next))
        (void)ask_first(mspd, &(struct msp_netns_want){.path = line}, true, 0);
}

int mspd_start_listeners(struct mspd *mspd)
{
    int r;

    /* held back until all were asked: an answer may come at once */
    mspd->n_start_waits = 1;
    r = ask_first(mspd, &(struct msp_netns_want){0}, false, 0);
    if (r < 0)
        return r;
    ask_remembered(mspd);
    /* an earlier proxy may be serving: it goes on until we can sign too */
    if ((mspd->opts.static_key || mspd->opts.is_channel) &&
        !mspd->key->has_key && mspd->keeper.state == MSP_CHILD_RUNNING) {
        msp_timer_init(mspd->loop, &mspd->key_wait, on_key_wait, mspd);
        r = msp_timer_set(&mspd->key_wait, KEY_WAIT_MS);
        if (r < 0)
            return r;
        mspd->is_key_awaited = true;
        mspd->n_start_waits++;
    }
    start_wait_over(mspd);
    return 0;
}
