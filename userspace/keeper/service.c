/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "keeper/keystore.h"
#include "keeper/lookup.h"
#include "keeper/own.h"

/* WireServer, 168.63.129.16 port 80. */
#define WIRE_ADDR 0xa83f8110u
#define WIRE_PORT 80

/* --- to mspd -------------------------------------------------------------- */

static void quit(struct msp_keeper *keeper, int r)
{
    if (keeper->error == 0)
        keeper->error = r;
    msp_loop_quit(keeper->loop, r);
}

/* What mspd does not take it would never know of: start anew. */
static void tell(struct msp_keeper *keeper, const void *packet, size_t len)
{
    int r = msp_io_send(MSP_FD_CONTROL, packet, len, -1);

    if (r < 0)
        quit(keeper, r);
}

static void tell_bad(struct msp_keeper *keeper, const char *why)
{
    struct msp_child_text text = {.head.type = MSP_CHILD_KEY_BAD};

    (void)snprintf(text.text, sizeof(text.text), "%s", why);
    tell(keeper, &text, sizeof(text));
}

/* Pending, or that there is none. */
static void tell_key(struct msp_keeper *keeper)
{
    msp_vault_pack(keeper->vault);
    tell(keeper, &keeper->vault->packet, sizeof(keeper->vault->packet));
    msp_vault_wipe(keeper->vault);
}

int msp_keeper_give_static(struct msp_keeper *keeper)
{
    struct msp_vault *vault = keeper->vault;
    const char *why = NULL;
    ssize_t n =
        msp_io_read_full(MSP_FD_KEEPER_KEY, vault->text, sizeof(vault->text));
    int r = 0;

    (void)close(MSP_FD_KEEPER_KEY);
    if (n < 0)
        why = "it cannot be read";
    else
        r = msp_keyfile_parse(vault->text, (size_t)n, MSP_KEYFILE_OF_US,
                              &vault->pending, &why);
    if (why)
        tell_bad(keeper, why);
    else if (r == 0)
        tell_key(keeper);
    msp_vault_wipe(vault);
    return why ? 0 : r;
}

/* --- what the channel asks for -------------------------------------------- */

static uint64_t boot_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The host's time, or ours while it is not known. */
static int64_t host_now(const struct msp_keeper *keeper)
{
    if (!keeper->boot_ns)
        return time(NULL);
    return keeper->host_s +
           (int64_t)((boot_ns() - keeper->boot_ns) / 1000000000u);
}

static int own(void *data, int fd)
{
    (void)data;
    return msp_own_upstream(MSP_FD_KEEPER_OWN_SK, fd);
}

static int on_send(void *data, enum msp_ask ask)
{
    struct msp_keeper *keeper = data;
    struct msp_client *client = &keeper->client;
    bool has_key = ask == MSP_ASK_KEY;
    int r = msp_ask_print(ask, host_now(keeper), keeper->sign, keeper->key,
                          client->out, &client->out_len);

    if (r < 0)
        return r;
    return msp_client_start(
        client, has_key ? keeper->vault->room : keeper->room,
        has_key ? sizeof(keeper->vault->room) : keeper->room_size);
}

/* Pending is made ready to sign. */
static int prepare(struct msp_keeper *keeper)
{
    int r;

    msp_vault_pack(keeper->vault);
    r = msp_key_set(keeper->key, &keeper->vault->packet);
    OPENSSL_cleanse(&keeper->vault->packet, sizeof(keeper->vault->packet));
    return r;
}

static int on_find(void *data, const char *guid)
{
    struct msp_keeper *keeper = data;
    int r = msp_vault_find(keeper->vault, MSP_FD_KEEPER_KEYS, guid);

    if (r < 0 && r != -ENOENT)
        msp_log(MSP_LOG_WARN, "keeper.key-file", "guid", guid, "error",
                strerror(-r), NULL);
    if (r == 0)
        return 0;
    /* mspd may see that of another agent */
    memcpy(keeper->wanted.guid, guid, sizeof(keeper->wanted.guid));
    keeper->wanted.head.type = MSP_CHILD_ADOPT;
    keeper->wanted.head.id++;
    tell(keeper, &keeper->wanted, sizeof(keeper->wanted));
    return -EINPROGRESS;
}

static int on_take(void *data, const char *body, size_t len,
                   const char **reterr_why)
{
    struct msp_keeper *keeper = data;
    int r = msp_vault_take(keeper->vault, body, len, reterr_why);

    return r < 0 ? r : prepare(keeper);
}

static int on_store(void *data)
{
    struct msp_keeper *keeper = data;
    const char *const keep[2] = {keeper->live, keeper->vault->pending.guid};
    int r = msp_vault_store(keeper->vault, MSP_FD_KEEPER_KEYS);

    msp_keystore_clean(MSP_FD_KEEPER_KEYS, keep);
    return r;
}

/* The next life begins with this key; without it, with none. */
static void note_latched(const char *guid)
{
    int r = msp_keystore_set_latched(MSP_FD_KEEPER_KEYS, guid);

    if (r < 0)
        msp_log_errno(MSP_LOG_WARN, "keeper.latched", r);
}

static const char *on_go_live(void *data)
{
    struct msp_keeper *keeper = data;

    memcpy(keeper->live, keeper->vault->pending.guid, sizeof(keeper->live));
    tell_key(keeper);
    note_latched(keeper->live);
    return keeper->live;
}

static void on_drop(void *data)
{
    struct msp_keeper *keeper = data;

    msp_vault_wipe(keeper->vault);
    (void)prepare(keeper); /* nothing is pending: wipes the prepared one */
}

static void on_forget(void *data)
{
    struct msp_keeper *keeper = data;

    on_drop(keeper);
    keeper->live[0] = '\0';
    tell_key(keeper);
    note_latched("");
}

/* A memfd that nobody can change any more. @return descriptor; -errno */
static int seal(const uint8_t *image, size_t len)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    msp_autoclose int fd =
        memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = fd < 0 ? -errno : msp_io_write_full(fd, image, len);

    if (r == 0 &&
        (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0))
        r = -errno;
    return r < 0 ? r : TAKE_FD(fd);
}

/*
 * What is in force is to be another policy, perhaps.
 * @param image of rules.h, NULL = as before
 */
static void hand_image_on(struct msp_keeper *keeper, int r,
                          const uint8_t *image, size_t len, bool is_fallback)
{
    struct msp_child_image packet = {.head.type = MSP_CHILD_IMAGE,
                                     .is_fallback = is_fallback};
    msp_autoclose int fd = -1;

    if (r == 0 && !image)
        return;
    if (r == 0)
        fd = r = seal(image, len);
    if (r < 0) {
        /* fail closed: what was in force stays; compiled again next time */
        msp_log_errno(MSP_LOG_ERR, "keeper.rules", r);
        keeper->rules.is_known = false;
        return;
    }
    r = msp_io_send(MSP_FD_CONTROL, &packet, sizeof(packet), fd);
    if (r < 0)
        quit(keeper, r);
}

static void on_rules(void *data, const char *body, size_t len,
                     const struct msp_status *status)
{
    struct msp_keeper *keeper = data;
    msp_autofree uint8_t *image = NULL;
    bool is_fallback = false;
    size_t image_len = 0;
    int r = msp_rules_compile(&keeper->rules, body, len, status, &image,
                              &image_len, &is_fallback);

    hand_image_on(keeper, r, image, image_len, is_fallback);
}

static void on_clock(void *data, int64_t unix_s)
{
    struct msp_keeper *keeper = data;
    struct msp_child_clock clock = {.head.type = MSP_CHILD_CLOCK};

    keeper->host_s = unix_s;
    keeper->boot_ns = boot_ns();
    clock.host_s = unix_s;
    clock.boot_ns = keeper->boot_ns;
    tell(keeper, &clock, sizeof(clock));
}

static void on_changed(void *data)
{
    struct msp_keeper *keeper = data;
    const struct msp_channel *ch = &keeper->channel;
    struct msp_child_channel now = {
        .head.type = MSP_CHILD_CHANNEL,
        .is_known = ch->is_known,
        .is_failing = ch->is_failing,
        .has_incarnation = ch->is_known && ch->status.has_incarnation,
        .incarnation = ch->is_known ? ch->status.incarnation : 0,
    };

    (void)snprintf(now.state, sizeof(now.state), "%s", msp_channel_state(ch));
    (void)snprintf(now.message, sizeof(now.message), "%s", ch->message);
    (void)snprintf(now.policy, sizeof(now.policy), "%s", keeper->rules.why);
    for (size_t i = 0; i < MSP_LOCAL_FILES; i++)
        now.local[i] = keeper->rules.local[i].use;
    msp_rules_local_why(&keeper->rules, now.local_why);
    if (memcmp(&now, &keeper->told, sizeof(now)) == 0)
        return;
    keeper->told = now;
    tell(keeper, &now, sizeof(now));
}

/* --- its clockwork -------------------------------------------------------- */

static void wind(struct msp_keeper *keeper)
{
    uint64_t now = msp_io_now_ms();
    uint64_t next = keeper->channel.next_ms;

    if (next != UINT64_MAX &&
        msp_timer_set(&keeper->timer, next > now ? next - now : 0) < 0)
        quit(keeper, -ENOMEM);
}

static void on_timer(void *data)
{
    struct msp_keeper *keeper = data;

    msp_channel_tick(&keeper->channel, msp_io_now_ms());
    wind(keeper);
}

static void on_exchange(void *data, int r, const struct msp_answer *answer)
{
    struct msp_keeper *keeper = data;
    struct msp_channel_answer what = {.error = r};

    if (r == 0) {
        what.status = answer->head.status;
        what.body = answer->buf + answer->body;
        what.body_len = answer->body_len;
        what.host_date = msp_answer_header(answer, "x-ms-azure-host-date",
                                           &what.host_date_len);
        what.date = msp_answer_header(answer, "date", &what.date_len);
    }
    msp_channel_answered(&keeper->channel, msp_io_now_ms(), &what);
    /* what a large answer took is given back */
    if (keeper->client.fd < 0)
        (void)madvise(keeper->room, keeper->room_size, MADV_DONTNEED);
    wind(keeper);
}

/* --- of mspd -------------------------------------------------------------- */

static int take_names(struct msp_keeper *keeper, struct msp_child_names *names)
{
    int r = msp_lookup_names(names);

    if (r == -EBADMSG)
        return r;
    if (r < 0) {
        /* fail closed: no answer, so that mspd refuses the change */
        msp_log_errno(MSP_LOG_WARN, "keeper.lookup", r);
        return 0;
    }
    tell(keeper, names, sizeof(*names));
    return 0;
}

/* @param fd of the other agent's file, borrowed; -1 = there is none */
static int take_adopted(struct msp_keeper *keeper,
                        const struct msp_child_adopt *reply, int fd)
{
    int r = -ENOENT;

    if (!keeper->channel.is_finding || reply->head.id != keeper->wanted.head.id)
        return -EPROTO;
    if (fd >= 0) {
        r = msp_vault_adopt(keeper->vault, fd, keeper->wanted.guid);
        msp_log(r < 0 ? MSP_LOG_WARN : MSP_LOG_INFO, "keeper.adopt", "guid",
                keeper->wanted.guid, "result", r < 0 ? strerror(-r) : "ok",
                NULL);
    }
    if (r == 0 && on_store(keeper) < 0)
        msp_log(MSP_LOG_WARN, "keeper.adopt", "why",
                "it cannot be stored; it is used all the same", NULL);
    msp_channel_found(&keeper->channel, msp_io_now_ms(), r);
    wind(keeper);
    return 0;
}

/* @param fd with MSP_LOCAL_THERE the file, borrowed; else -1 */
static int take_local(struct msp_keeper *keeper,
                      const struct msp_child_local *packet, int fd)
{
    enum msp_local_file file = (enum msp_local_file)packet->file;
    msp_autofree uint8_t *image = NULL;
    const char *why = packet->why;
    bool is_fallback = false;
    size_t image_len = 0, len = 0;
    char *text = NULL;
    int r;

    if (!keeper->is_channel || packet->endpoint >= MSP_LOCAL_FILES ||
        file == MSP_LOCAL_UNTOLD || file >= MSP_LOCAL_FILE_COUNT ||
        (file == MSP_LOCAL_THERE) != (fd >= 0) ||
        !memchr(packet->why, '\0', sizeof(packet->why)))
        return -EPROTO;
    if (fd >= 0) {
        r = msp_io_slurp(fd, MSP_LOCAL_BYTES_MAX, &text, &len);
        if (r < 0) {
            /* fail closed: it may say anything */
            file = MSP_LOCAL_REFUSED;
            why = strerror(-r);
        }
    }
    msp_rules_set_local(&keeper->rules, (enum msp_builtin)packet->endpoint,
                        file, text, len, why);
    r = msp_rules_again(&keeper->rules, &image, &image_len, &is_fallback);
    hand_image_on(keeper, r, image, image_len, is_fallback);
    on_changed(keeper);
    return 0;
}

static void on_control(void *data, uint32_t events)
{
    static union {
        struct msp_child_head head;
        struct msp_child_names names;
        struct msp_child_adopt adopt;
        struct msp_child_local local;
    } packet;
    struct msp_keeper *keeper = data;
    msp_autoclose int fd = -1;
    ssize_t n = msp_io_recv(MSP_FD_CONTROL, &packet, sizeof(packet), &fd);
    int r = -EPROTO;

    (void)events;
    if (n == -EAGAIN)
        return;
    if (n == 0)
        r = -EPIPE;
    else if (n < 0)
        r = (int)n;
    else if ((size_t)n == sizeof(packet.names) && fd < 0 &&
             packet.head.type == MSP_CHILD_NAMES)
        r = take_names(keeper, &packet.names);
    else if ((size_t)n == sizeof(packet.adopt) &&
             packet.head.type == MSP_CHILD_ADOPT)
        r = take_adopted(keeper, &packet.adopt, fd);
    else if ((size_t)n == sizeof(packet.local) &&
             packet.head.type == MSP_CHILD_LOCAL)
        r = take_local(keeper, &packet.local, fd);
    if (r < 0)
        quit(keeper, r);
}

/* --- life ----------------------------------------------------------------- */

/*
 * The host may be away, and the key is on disk: what was in use last is at once,
 * and the first answer says whether it is still the latched one. Until then it
 * is as after a reset: the host refuses what another key signed.
 */
static void resume(struct msp_keeper *keeper)
{
    char guid[MSP_GUID_BYTES];

    if (msp_keystore_get_latched(MSP_FD_KEEPER_KEYS, guid) < 0)
        return;
    if (msp_vault_find(keeper->vault, MSP_FD_KEEPER_KEYS, guid) == 0) {
        memcpy(keeper->live, guid, sizeof(keeper->live));
        tell_key(keeper);
        msp_channel_resume(&keeper->channel, guid);
    }
    msp_vault_wipe(keeper->vault);
}

static int start_channel(struct msp_keeper *keeper, uint32_t scale)
{
    static const struct msp_channel_ops ops = {
        .send = on_send,
        .find = on_find,
        .take = on_take,
        .store = on_store,
        .go_live = on_go_live,
        .forget = on_forget,
        .drop = on_drop,
        .rules = on_rules,
        .clock = on_clock,
        .changed = on_changed,
    };
    char latched[MSP_GUID_BYTES] = "";
    const char *const keep[2] = {latched, ""};
    struct msp_channel_times times = msp_channel_times(scale);
    uint32_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    (void)msp_keystore_get_latched(MSP_FD_KEEPER_KEYS, latched);
    msp_keystore_clean(MSP_FD_KEEPER_KEYS, keep);
    keeper->client.loop = keeper->loop;
    keeper->client.to.sin_family = AF_INET;
    keeper->client.to.sin_port = htons(WIRE_PORT);
    keeper->client.to.sin_addr.s_addr = htonl(WIRE_ADDR);
    keeper->client.own = own;
    keeper->client.fn = on_exchange;
    keeper->client.data = keeper;
    keeper->client.connect_ms = MSP_CHANNEL_CONNECT_MS / scale;
    keeper->client.answer_ms = MSP_CHANNEL_ANSWER_MS / scale;
    msp_client_init(&keeper->client);
    msp_timer_init(keeper->loop, &keeper->timer, on_timer, keeper);
    msp_channel_init(&keeper->channel, &ops, keeper, &times, msp_io_now_ms(),
                     seed);
    keeper->is_channel = true;
    resume(keeper);
    on_changed(keeper);
    return msp_timer_set(&keeper->timer, 0);
}

static int make_room(struct msp_keeper *keeper)
{
    void *room;
    int r = msp_key_new(&keeper->key);

    if (r == 0)
        r = msp_sign_new(&keeper->sign);
    if (r < 0)
        return r;
    keeper->room_size = MSP_HEAD_BYTES_MAX + MSP_DOC_BYTES_MAX;
    room = mmap(NULL, keeper->room_size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return -errno;
    keeper->room = room;
    return 0;
}

int msp_keeper_init(struct msp_keeper *keeper, uint32_t scale)
{
    int r = msp_loop_new(&keeper->loop);

    if (r == 0)
        r = msp_vault_new(&keeper->vault);
    if (r == 0)
        r = msp_loop_add(keeper->loop, &keeper->control, MSP_FD_CONTROL,
                         EPOLLIN, on_control, keeper);
    if (r == 0 && scale)
        r = make_room(keeper);
    if (r == 0 && scale)
        r = start_channel(keeper, scale);
    return r;
}

int msp_keeper_run(struct msp_keeper *keeper)
{
    /* said before the loop ran it would not stop it */
    return keeper->error ? keeper->error : msp_loop_run(keeper->loop);
}

void msp_keeper_done(struct msp_keeper *keeper)
{
    if (keeper->is_channel) {
        msp_timer_stop(&keeper->timer);
        msp_client_done(&keeper->client);
    }
    msp_loop_remove(&keeper->control);
    msp_rules_clear(&keeper->rules);
    keeper->vault = msp_vault_free(keeper->vault);
    keeper->key = msp_key_free(keeper->key);
    keeper->sign = msp_sign_free(keeper->sign);
    if (keeper->room)
        (void)munmap(keeper->room, keeper->room_size);
    keeper->loop = msp_loop_free(keeper->loop);
}
