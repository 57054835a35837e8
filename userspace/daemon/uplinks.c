/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/uplinks.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/log.h"
#include "loader/target.h"

const char *msp_uplink_kind_name(enum msp_uplink_kind kind)
{
    static const char *const names[] = {
        [MSP_UPLINK_NONE] = "none",
        [MSP_UPLINK_TCX] = "tcx",
        [MSP_UPLINK_CLSACT] = "clsact",
    };

    return names[kind];
}

/* --- what is wanted ---------------------------------------------------------- */

/* Each prefix, once for all of its ports that follow each other. */
static struct msp_device_target *prefixes(const struct msp_targets *targets,
                                          size_t *ret_n)
{
    struct msp_device_target *target =
        calloc(targets->n_prefixes + 1, sizeof(*target));

    *ret_n = 0;
    for (size_t i = 0; target && i < targets->n_prefixes; i++) {
        const struct msp_ep_key *key = &targets->prefix[i].key;
        struct msp_device_target next = {.bits = key->prefixlen -
                                                 MSP_EP_KEY_FIXED_BITS};

        memcpy(next.addr, key->addr, sizeof(next.addr));
        if (*ret_n && memcmp(&target[*ret_n - 1], &next, sizeof(next)) == 0)
            continue;
        target[(*ret_n)++] = next;
    }
    return target;
}

static bool is_wanted(const struct msp_uplinks *uplinks,
                      const struct msp_device *device)
{
    if (uplinks->is_off)
        return false;
    if (!uplinks->n_names)
        return device->is_uplink;
    for (size_t i = 0; i < uplinks->n_names; i++)
        if (msp_streq(uplinks->names[i], device->name))
            return true;
    return false;
}

/* --- rows --------------------------------------------------------------------- */

static struct msp_uplink_row *find(struct msp_uplinks *uplinks,
                                   uint32_t ifindex)
{
    for (size_t i = 0; i < uplinks->n_rows; i++)
        if (uplinks->row[i].ifindex == ifindex)
            return &uplinks->row[i];
    return NULL;
}

static struct msp_uplink_row *add(struct msp_uplinks *uplinks,
                                  const struct msp_device *device)
{
    struct msp_uplink_row *row =
        reallocarray(uplinks->row, uplinks->n_rows + 1, sizeof(*row));

    if (!row)
        return NULL;
    uplinks->row = row;
    row += uplinks->n_rows++;
    *row = (struct msp_uplink_row){.ifindex = device->ifindex};
    return row;
}

/* @return whether it is still there; in doubt it is not */
static bool is_there(struct msp_uplinks *uplinks, struct msp_uplink_row *row)
{
    int place = msp_uplink_check(uplinks->loader, row->ifindex);
    bool is_behind = place == MSP_UPLINK_BEHIND;

    if (is_behind && !row->is_behind)
        msp_log(MSP_LOG_WARN, "uplink.behind", "device", row->name, "why",
                "a program of somebody else runs before ours", NULL);
    row->is_behind = is_behind;
    return place == MSP_UPLINK_FIRST || is_behind;
}

static void attach(struct msp_uplinks *uplinks, struct msp_uplink_row *row,
                   bool has_ethernet)
{
    int before = row->error;
    int r = msp_uplink_attach(uplinks->loader, row->ifindex, has_ethernet,
                              &row->kind);

    row->error = r;
    if (r < 0) {
        row->kind = MSP_UPLINK_NONE;
        if (r != before)
            msp_log(MSP_LOG_ERR, "uplink.failed", "device", row->name, "why",
                    uplinks->loader->why, NULL);
        return;
    }
    msp_log(MSP_LOG_INFO, "uplink.guarded", "device", row->name, "by",
            msp_uplink_kind_name(row->kind), NULL);
    (void)is_there(uplinks, row); /* an exchange leaves it where it is */
}

/* One that is wanted: attached if it is not, anew if somebody removed it. */
static void keep(struct msp_uplinks *uplinks, const struct msp_device *device)
{
    struct msp_uplink_row *row = find(uplinks, device->ifindex);

    if (!row)
        row = add(uplinks, device);
    if (!row) {
        uplinks->error = -ENOMEM;
        return;
    }
    memcpy(row->name, device->name, sizeof(row->name));
    if (row->kind != MSP_UPLINK_NONE && is_there(uplinks, row))
        return;
    if (row->kind != MSP_UPLINK_NONE) {
        row->n_restored++;
        msp_log(MSP_LOG_WARN, "uplink.removed", "device", row->name, "why",
                "by somebody else; attached again", NULL);
    }
    attach(uplinks, row, device->has_ethernet);
}

static void drop(struct msp_uplinks *uplinks, size_t i)
{
    (void)msp_uplink_detach(uplinks->loader, uplinks->row[i].ifindex);
    msp_log(MSP_LOG_INFO, "uplink.left", "device", uplinks->row[i].name, NULL);
    uplinks->row[i] = uplinks->row[--uplinks->n_rows];
}

static void drop_unwanted(struct msp_uplinks *uplinks,
                          const struct msp_devices *devices)
{
    for (size_t i = uplinks->n_rows; i-- > 0;) {
        const struct msp_device *device =
            msp_devices_find(devices, uplinks->row[i].ifindex);

        if (!device || !is_wanted(uplinks, device))
            drop(uplinks, i);
    }
}

/* --- looking ------------------------------------------------------------------ */

bool msp_uplinks_is_missing(const struct msp_uplinks *uplinks, size_t i)
{
    for (size_t k = 0; k < uplinks->n_rows; k++)
        if (msp_streq(uplinks->row[k].name, uplinks->names[i]))
            return false;
    return !uplinks->is_off;
}

/* One line when it is gone, one when it is there again. */
static void log_missing(struct msp_uplinks *uplinks)
{
    for (size_t i = 0; i < uplinks->n_names; i++) {
        uint32_t bit = UINT32_C(1) << i;
        bool is_missing = msp_uplinks_is_missing(uplinks, i);

        if (is_missing == !!(uplinks->missing & bit))
            continue;
        uplinks->missing ^= bit;
        msp_log(is_missing ? MSP_LOG_WARN : MSP_LOG_INFO, "uplink.named",
                "device", uplinks->names[i], "why",
                is_missing ? "it is not there: nothing guards it"
                           : "it is there",
                NULL);
    }
}

static void look(struct msp_uplinks *uplinks)
{
    msp_cleanup(msp_devices_done) struct msp_devices devices = {0};
    msp_autofree struct msp_device_target *target = NULL;
    size_t n = 0;
    int r;

    target = prefixes(uplinks->targets, &n);
    r = target ? msp_devices_read(target, n, &devices) : -ENOMEM;
    if (r < 0 && r != uplinks->error)
        msp_log_errno(MSP_LOG_ERR, "uplink.devices", r);
    uplinks->error = r;
    if (r < 0)
        return; /* what is guarded stays so */
    drop_unwanted(uplinks, &devices);
    for (size_t i = 0; i < devices.n; i++)
        if (is_wanted(uplinks, &devices.item[i]))
            keep(uplinks, &devices.item[i]);
    log_missing(uplinks);
}

static void on_settled(void *data)
{
    look(data);
}

static void on_check(void *data)
{
    struct msp_uplinks *uplinks = data;

    look(uplinks);
    (void)msp_timer_set(&uplinks->check, MSP_UPLINK_CHECK_MS);
}

/* What changed does not matter: everything is looked at. */
static void on_change(void *data, uint32_t events)
{
    struct msp_uplinks *uplinks = data;
    char nothing[8192];

    (void)events;
    while (recv(uplinks->fd, nothing, sizeof(nothing), MSG_DONTWAIT) > 0 ||
           errno == ENOBUFS)
        errno = 0;
    msp_uplinks_refresh(uplinks);
}

void msp_uplinks_refresh(struct msp_uplinks *uplinks)
{
    if (uplinks->settle.loop && !uplinks->settle.index)
        (void)msp_timer_set(&uplinks->settle, MSP_UPLINK_SETTLE_MS);
}

bool msp_uplinks_are_whole(const struct msp_uplinks *uplinks)
{
    for (size_t i = 0; i < uplinks->n_rows; i++)
        if (uplinks->row[i].kind == MSP_UPLINK_NONE)
            return false;
    return uplinks->error == 0;
}

bool msp_uplinks_are_behind(const struct msp_uplinks *uplinks)
{
    for (size_t i = 0; i < uplinks->n_rows; i++)
        if (uplinks->row[i].is_behind)
            return true;
    return false;
}

/* Devices that an earlier mspd guarded and that are not wanted any more. */
static void leave(void *data, uint32_t ifindex)
{
    struct msp_uplinks *uplinks = data;

    if (!find(uplinks, ifindex))
        (void)msp_uplink_detach(uplinks->loader, ifindex);
}

int msp_uplinks_start(struct msp_uplinks *uplinks, struct msp_loop *loop,
                      struct msp_loader *loader,
                      const struct msp_targets *targets,
                      const char *const *names, size_t n_names)
{
    int r;

    *uplinks = (struct msp_uplinks){
        .loader = loader,
        .targets = targets,
        .names = names,
        .n_names = n_names,
        .is_off = n_names == 1 && msp_streq(names[0], "none"),
        .fd = -1,
    };
    msp_timer_init(loop, &uplinks->settle, on_settled, uplinks);
    msp_timer_init(loop, &uplinks->check, on_check, uplinks);
    uplinks->fd = msp_devices_watch();
    if (uplinks->fd < 0) {
        r = uplinks->fd;
        uplinks->fd = -1;
        return r;
    }
    r = msp_loop_add(loop, &uplinks->source, uplinks->fd, EPOLLIN, on_change,
                     uplinks);
    if (r < 0)
        return r;
    on_check(uplinks);
    msp_uplink_each(loader, leave, uplinks);
    return 0;
}

void msp_uplinks_done(struct msp_uplinks *uplinks)
{
    if (!uplinks->settle.loop)
        return;
    msp_timer_stop(&uplinks->settle);
    msp_timer_stop(&uplinks->check);
    msp_loop_remove(&uplinks->source);
    msp_closep(&uplinks->fd);
    uplinks->fd = -1;
    free(uplinks->row);
    uplinks->row = NULL;
    uplinks->n_rows = 0;
}
