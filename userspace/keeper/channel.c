/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <msp/limits.h>

#include "keeper/kind.h"

struct msp_channel_times msp_channel_times(uint32_t scale)
{
    return (struct msp_channel_times){
        .poll = MSP_CHANNEL_POLL_MS / scale,
        .first = MSP_CHANNEL_FIRST_MS / scale,
        .young = MSP_CHANNEL_YOUNG_MS / scale,
        .clock = MSP_CHANNEL_CLOCK_MS / scale,
    };
}

const char *msp_channel_state(const struct msp_channel *ch)
{
    return ch->is_known ? ch->status.state : "Unknown";
}

static void __attribute__((format(printf, 2, 3)))
say(struct msp_channel *ch, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(ch->message, sizeof(ch->message), format, args);
    va_end(args);
}

/* --- when ----------------------------------------------------------------- */

/* xorshift: so that a rack of VMs that booted together spreads out. */
static uint32_t draw(struct msp_channel *ch)
{
    ch->random ^= ch->random << 13;
    ch->random ^= ch->random >> 17;
    ch->random ^= ch->random << 5;
    return ch->random;
}

static void plan(struct msp_channel *ch, uint64_t now_ms, uint64_t wait_ms)
{
    ch->ask = MSP_ASK_NONE;
    ch->next_ms =
        now_ms + wait_ms - wait_ms * (draw(ch) % MSP_CHANNEL_JITTER) / 100;
    ch->ops->drop(ch->data);
    ch->ops->changed(ch->data);
}

static uint64_t back_off(const struct msp_channel *ch, uint64_t now_ms)
{
    uint64_t wait_ms = ch->times.first;

    if (!ch->is_known && now_ms - ch->start_ms < ch->times.young)
        return wait_ms;
    for (uint32_t i = 1; i < ch->n_failed && wait_ms < ch->times.poll; i++)
        wait_ms *= 2;
    return wait_ms < ch->times.poll ? wait_ms : ch->times.poll;
}

/* Nothing but the message changes: what was in force stays so. */
static void fail(struct msp_channel *ch, uint64_t now_ms, const char *what,
                 const char *why)
{
    say(ch, "%s%s", what, why);
    ch->is_failing = true;
    ch->n_disabled = 0;
    if (ch->n_failed < UINT32_MAX)
        ch->n_failed++;
    plan(ch, now_ms, back_off(ch, now_ms));
}

/* The host said another status than it should, and perhaps why. */
static void fail_status(struct msp_channel *ch, uint64_t now_ms,
                        const char *what,
                        const struct msp_channel_answer *answer)
{
    char kind[MSP_KIND_BYTES], why[MSP_KIND_BYTES + 32];

    msp_kind_of_error(answer->body, answer->body_len, kind);
    (void)snprintf(why, sizeof(why), "HTTP status %" PRIu32 "%s%s%s",
                   answer->status, kind[0] ? " (" : "", kind,
                   kind[0] ? ")" : "");
    fail(ch, now_ms, what, why);
}

/* @param why it was refused; what it is says more if it is not even JSON */
static void fail_body(struct msp_channel *ch, uint64_t now_ms, const char *what,
                      const char *why, const struct msp_channel_answer *answer)
{
    const char *kind = msp_kind_of(answer->body, answer->body_len);
    char text[MSP_KIND_BYTES];

    (void)snprintf(text, sizeof(text), "not JSON: the answer is %s",
                   kind ? kind : "");
    fail(ch, now_ms, what, kind ? text : why);
}

static void succeed(struct msp_channel *ch, uint64_t now_ms)
{
    ch->is_failing = false;
    ch->n_failed = 0;
    plan(ch, now_ms, ch->times.poll);
}

static void ask(struct msp_channel *ch, uint64_t now_ms, enum msp_ask what)
{
    int r;

    ch->ask = what;
    ch->next_ms = UINT64_MAX;
    r = ch->ops->send(ch->data, what);
    if (r < 0)
        fail(ch, now_ms, "Failed to ask the host: ", strerror(-r));
}

/* --- the key -------------------------------------------------------------- */

static const char found_text[] =
    "Found key details from local and ready to use.";

static void live(struct msp_channel *ch, uint64_t now_ms, const char *what)
{
    const char *guid = ch->ops->go_live(ch->data);

    ch->is_resumed = false;

    (void)snprintf(ch->live, sizeof(ch->live), "%s", guid);
    say(ch, "%s - %" PRIu64, what, now_ms - ch->start_ms);
    succeed(ch, now_ms);
}

void msp_channel_found(struct msp_channel *ch, uint64_t now_ms, int r)
{
    ch->is_finding = r == -EINPROGRESS;
    if (ch->is_finding)
        ch->next_ms = UINT64_MAX;
    else if (r == 0)
        live(ch, now_ms, found_text);
    else
        ask(ch, now_ms, MSP_ASK_KEY);
}

static void obtain_key(struct msp_channel *ch, uint64_t now_ms)
{
    const char *guid = ch->status.guid;

    if (guid[0] && strcasecmp(guid, ch->live) == 0) {
        if (ch->is_resumed || ch->is_failing)
            say(ch, "%s - %" PRIu64,
                ch->is_resumed ? found_text : "The key is latched and in use.",
                now_ms - ch->start_ms);
        ch->is_resumed = false;
        succeed(ch, now_ms);
        return;
    }
    msp_channel_found(ch, now_ms,
                      guid[0] ? ch->ops->find(ch->data, guid) : -ENOENT);
}

static void on_key(struct msp_channel *ch, uint64_t now_ms,
                   const struct msp_channel_answer *answer)
{
    const char *why = NULL;
    int r;

    if (answer->status != 200) {
        fail_status(ch, now_ms, "Failed to acquire key details: ", answer);
        return;
    }
    r = ch->ops->take(ch->data, answer->body, answer->body_len, &why);
    if (r < 0) {
        fail_body(ch, now_ms,
                  "Failed to acquire key details: ", why ? why : strerror(-r),
                  answer);
        return;
    }
    r = ch->ops->store(ch->data);
    if (r < 0) {
        /* fail closed: attested but not stored it would be lost for good */
        fail(ch, now_ms, "Failed to save key details to file: ", strerror(-r));
        return;
    }
    ask(ch, now_ms, MSP_ASK_ATTEST);
}

static void on_attest(struct msp_channel *ch, uint64_t now_ms,
                      const struct msp_channel_answer *answer)
{
    if (answer->status == 200) {
        live(ch, now_ms, "Successfully attest the key and ready to use.");
        return;
    }
    /* fail closed: the host may not know it; what it says next decides */
    fail_status(ch, now_ms, "Failed to attest the key: ", answer);
}

/* --- the status ----------------------------------------------------------- */

static void sync_clock(struct msp_channel *ch, uint64_t now_ms,
                       const struct msp_channel_answer *answer)
{
    const char *text = answer->host_date ? answer->host_date : answer->date;
    size_t len = answer->host_date ? answer->host_date_len : answer->date_len;
    int64_t unix_s;

    if (ch->has_clock && now_ms - ch->clock_ms <= ch->times.clock)
        return;
    /* one that is there but cannot be read does not give way to the other */
    if (!text || msp_status_date(text, len, &unix_s) < 0)
        return;
    ch->has_clock = true;
    ch->clock_ms = now_ms;
    ch->ops->clock(ch->data, unix_s);
}

static void believe(struct msp_channel *ch,
                    const struct msp_channel_answer *answer,
                    const struct msp_status *status)
{
    ch->status = *status;
    ch->is_known = true;
    ch->ops->rules(ch->data, answer->body, answer->body_len, status);
}

static void be_disabled(struct msp_channel *ch, uint64_t now_ms,
                        const struct msp_channel_answer *answer,
                        const struct msp_status *status)
{
    bool was = ch->is_known && ch->status.is_disabled;

    if (!was && ++ch->n_disabled < MSP_CHANNEL_DISABLED) {
        /* fail closed: one answer alone takes no guard away */
        say(ch, "The host says disabled; asked again before it is believed");
        plan(ch, now_ms, ch->times.first);
        return;
    }
    believe(ch, answer, status);
    if (!was) {
        ch->ops->forget(ch->data);
        ch->live[0] = '\0';
        ch->is_resumed = false;
    }
    if (!was || ch->is_failing)
        say(ch, "Customer has not enforce the secure channel state. - %" PRIu64,
            now_ms - ch->start_ms);
    succeed(ch, now_ms);
}

static void on_status(struct msp_channel *ch, uint64_t now_ms,
                      const struct msp_channel_answer *answer)
{
    static const char what[] = "Failed to get key status - ";
    struct msp_status status;
    const char *why = NULL;

    if (answer->status < 200 || answer->status > 299) {
        fail_status(ch, now_ms, what, answer);
        return;
    }
    if (msp_status_parse(answer->body, answer->body_len, &status, &why) < 0) {
        fail_body(ch, now_ms, what, why, answer);
        return;
    }
    sync_clock(ch, now_ms, answer);
    if (status.is_disabled) {
        be_disabled(ch, now_ms, answer, &status);
        return;
    }
    ch->n_disabled = 0;
    believe(ch, answer, &status);
    obtain_key(ch, now_ms);
}

/* --- events --------------------------------------------------------------- */

void msp_channel_init(struct msp_channel *ch, const struct msp_channel_ops *ops,
                      void *data, const struct msp_channel_times *times,
                      uint64_t now_ms, uint32_t seed)
{
    *ch = (struct msp_channel){
        .ops = ops,
        .data = data,
        .times = *times,
        .start_ms = now_ms,
        .next_ms = now_ms,
        .random = seed ? seed : 1, /* 0 would stay 0 */
    };
    say(ch, "Status unknown.");
}

void msp_channel_resume(struct msp_channel *ch, const char *guid)
{
    (void)snprintf(ch->live, sizeof(ch->live), "%s", guid);
    ch->is_resumed = true;
    say(ch, "The key in use last is in use until the host says which is.");
}

void msp_channel_tick(struct msp_channel *ch, uint64_t now_ms)
{
    if (now_ms >= ch->next_ms)
        ask(ch, now_ms, MSP_ASK_STATUS);
}

void msp_channel_answered(struct msp_channel *ch, uint64_t now_ms,
                          const struct msp_channel_answer *answer)
{
    static const char *const what[] = {
        [MSP_ASK_NONE] = "",
        [MSP_ASK_STATUS] = "Failed to get key status - ",
        [MSP_ASK_KEY] = "Failed to acquire key details: ",
        [MSP_ASK_ATTEST] = "Failed to attest the key: ",
    };

    if (answer->error < 0) {
        fail(ch, now_ms, what[ch->ask], strerror(-answer->error));
        return;
    }
    switch (ch->ask) {
    case MSP_ASK_STATUS:
        on_status(ch, now_ms, answer);
        break;
    case MSP_ASK_KEY:
        on_key(ch, now_ms, answer);
        break;
    case MSP_ASK_ATTEST:
        on_attest(ch, now_ms, answer);
        break;
    case MSP_ASK_NONE:
        break;
    }
}
