/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The state machine against a scripted owner: the clock is the test's, every
 * effect is written down as a letter. S K A ask for status, key, attestation;
 * f finds, t takes an answer's key, w writes it, L makes it live, x forgets the
 * live one, c takes the clock.
 */
#include "keeper/channel.h"

#include <msp/limits.h>

#include "harness/test.h"

#define A_GUID "aaaaaaaa-0316-4ad3-94a7-8ccbdee8ccbf"
#define B_GUID "bbbbbbbb-0316-4ad3-94a7-8ccbdee8ccbf"
#define BASE                                                                \
    "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"keyDeliveryMethod\":" \
    "\"http\",\"version\":\"2.0\","
#define RULES "\"authorizationRules\":{\"imds\":{\"mode\":\"enforce\"}},"
#define ON(guid) \
    BASE RULES "\"secureChannelEnabled\":true,\"keyGuid\":" guid "}"
#define ON_NONE  ON("null")
#define ON_A     ON("\"" A_GUID "\"")
#define ON_B     ON("\"" B_GUID "\"")
#define DISABLED BASE "\"secureChannelEnabled\":false,\"keyGuid\":null}"
#define STATE    "WireServer Disabled -  IMDS Enforce - HostGA Disabled"

static struct {
    struct msp_channel ch;
    uint64_t now;
    char log[256];
    const char *stored; /* GUID that find() knows */
    const char *issued; /* GUID of the next key */
    char pending[MSP_GUID_BYTES];
    int store_r;
    int send_r;
    int find_r; /* for what is not stored */
    int64_t clock;
    unsigned int n_changed;
    unsigned int n_rules;
} w;

static void note(char c)
{
    size_t len = strlen(w.log);

    assert_true(len + 1 < sizeof(w.log));
    w.log[len] = c;
    w.log[len + 1] = '\0';
}

static int on_send(void *data, enum msp_ask ask)
{
    (void)data;
    note(" SKA"[ask]);
    return w.send_r;
}

static int on_find(void *data, const char *guid)
{
    (void)data;
    note('f');
    if (!w.stored || strcmp(guid, w.stored) != 0)
        return w.find_r;
    memcpy(w.pending, guid, MSP_GUID_BYTES);
    return 0;
}

static int on_take(void *data, const char *body, size_t len, const char **why)
{
    (void)data;
    note('t');
    if (len < 3 || memcmp(body, "key", 3) != 0) {
        *why = "no key";
        return -EINVAL;
    }
    memcpy(w.pending, w.issued, MSP_GUID_BYTES);
    return 0;
}

static int on_store(void *data)
{
    (void)data;
    note('w');
    return w.store_r;
}

static const char *on_go_live(void *data)
{
    (void)data;
    note('L');
    assert_true(w.pending[0] != '\0');
    return w.pending;
}

static void on_forget(void *data)
{
    (void)data;
    note('x');
}

static void on_drop(void *data)
{
    (void)data;
    w.pending[0] = '\0';
}

/* Whatever is believed is handed on, and what is not is not. */
static void on_rules(void *data, const char *body, size_t len,
                     const struct msp_status *status)
{
    (void)data;
    assert_int_equal(len, strlen(body));
    assert_string_equal(status->state, msp_channel_state(&w.ch));
    w.n_rules++;
}

static void on_clock(void *data, int64_t unix_s)
{
    (void)data;
    note('c');
    w.clock = unix_s;
}

static void on_changed(void *data)
{
    (void)data;
    w.n_changed++;
}

static int set_up(void **state)
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
    const struct msp_channel_times times = msp_channel_times(1);

    (void)state;
    memset(&w, 0, sizeof(w));
    w.now = 1000000;
    w.issued = A_GUID;
    w.find_r = -ENOENT;
    msp_channel_init(&w.ch, &ops, NULL, &times, w.now, 12345);
    return 0;
}

/* Waits until the channel wants something; @return how long, ms */
static uint64_t tick(void)
{
    uint64_t before = w.now;

    assert_true(w.ch.next_ms != UINT64_MAX);
    /* not a millisecond earlier */
    if (w.ch.next_ms > w.now) {
        msp_channel_tick(&w.ch, w.ch.next_ms - 1);
        assert_true(w.ch.next_ms != UINT64_MAX);
        w.now = w.ch.next_ms;
    }
    msp_channel_tick(&w.ch, w.now);
    return w.now - before;
}

static void answer_with(uint32_t status, const char *body, const char *host,
                        const char *date)
{
    const struct msp_channel_answer answer = {
        .status = status,
        .body = body,
        .body_len = strlen(body),
        .host_date = host,
        .host_date_len = host ? strlen(host) : 0,
        .date = date,
        .date_len = date ? strlen(date) : 0,
    };

    w.now += 3;
    msp_channel_answered(&w.ch, w.now, &answer);
}

static void answer(uint32_t status, const char *body)
{
    answer_with(status, body, NULL, NULL);
}

static void lose(int error)
{
    const struct msp_channel_answer none = {.error = error};

    msp_channel_answered(&w.ch, w.now, &none);
}

static void expect(const char *log)
{
    assert_string_equal(w.log, log);
    w.log[0] = '\0';
}

/* Polls once with this answer. */
static uint64_t poll(const char *body)
{
    uint64_t waited = tick();

    answer(200, body);
    return waited;
}

static void latch(const char *guid)
{
    w.issued = guid;
    poll(ON_NONE);
    answer(200, "key");
    answer(200, "");
    expect("SKtwAL");
    assert_string_equal(w.ch.live, guid);
}

/* --- the way to a key ------------------------------------------------------ */

static void a_key_is_acquired_stored_attested_and_only_then_live(void **state)
{
    (void)state;
    assert_string_equal(msp_channel_state(&w.ch), "Unknown");
    assert_int_equal(tick(), 0);
    expect("S");
    answer(200, ON_NONE);
    expect("K");
    assert_string_equal(msp_channel_state(&w.ch), STATE);
    answer(200, "key");
    expect("twA");
    assert_string_equal(w.ch.live, "");
    answer(200, "ignored");
    expect("L");
    assert_non_null(strstr(w.ch.message, "Successfully attest the key and "));
    assert_false(w.ch.is_failing);
    poll(ON_A);
    expect("S");
}

static void a_stored_key_is_used_without_attestation(void **state)
{
    (void)state;
    w.stored = B_GUID;
    poll(ON_B);
    expect("SfL");
    assert_non_null(strstr(w.ch.message, "Found key details from local and "));
    /* and not asked for again */
    poll(ON_B);
    expect("S");
}

static void what_is_not_the_named_key_is_acquired_anew(void **state)
{
    static const int faults[] = {-ENOENT, -EINVAL, -EKEYREJECTED, -EPERM};

    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        set_up(state);
        w.find_r = faults[i];
        poll(ON_B);
        expect("SfK");
    }
}

static void a_search_may_take_its_time(void **state)
{
    (void)state;
    w.find_r = -EINPROGRESS;
    poll(ON_B);
    expect("Sf");
    assert_true(w.ch.next_ms == UINT64_MAX);
    memcpy(w.pending, B_GUID, MSP_GUID_BYTES);
    msp_channel_found(&w.ch, w.now, 0);
    expect("L");
    poll(ON_A);
    expect("Sf");
    msp_channel_found(&w.ch, w.now, -ENOENT);
    expect("K");
}

static void another_guid_is_another_key(void **state)
{
    (void)state;
    latch(A_GUID);
    w.stored = B_GUID;
    poll(ON_B);
    expect("SfL");
    assert_string_equal(w.ch.live, B_GUID);
    /* a reset: the host knows none, the old one serves until there is another */
    latch(A_GUID);
}

static void the_guid_of_the_live_key_is_compared_by_its_digits(void **state)
{
    (void)state;
    latch(A_GUID);
    poll(ON("\"AAAAAAAA-0316-4AD3-94A7-8CCBDEE8CCBF\""));
    expect("S");
}

/* Nothing is found, asked for or made live: it is already. */
static void a_key_of_an_earlier_life_is_confirmed_by_the_host(void **state)
{
    (void)state;
    msp_channel_resume(&w.ch, A_GUID);
    assert_string_equal(w.ch.live, A_GUID);
    assert_string_equal(msp_channel_state(&w.ch), "Unknown");
    /* the host away: it stays */
    tick();
    lose(-ENETUNREACH);
    assert_string_equal(w.ch.live, A_GUID);
    expect("S");
    poll(ON_A);
    expect("S");
    assert_non_null(strstr(w.ch.message, "Found key details from local and "));
    assert_false(w.ch.is_failing);
    poll(ON_A);
    expect("S");
}

static void a_key_of_an_earlier_life_gives_way_to_the_hosts(void **state)
{
    (void)state;
    msp_channel_resume(&w.ch, A_GUID);
    w.stored = B_GUID;
    poll(ON_B);
    expect("SfL");
    assert_string_equal(w.ch.live, B_GUID);
    set_up(state);
    msp_channel_resume(&w.ch, A_GUID);
    latch(B_GUID);
    /* and to "disabled", said twice */
    set_up(state);
    msp_channel_resume(&w.ch, A_GUID);
    poll(DISABLED);
    assert_string_equal(w.ch.live, A_GUID);
    poll(DISABLED);
    expect("SSx");
    assert_string_equal(w.ch.live, "");
}

/* --- faults ----------------------------------------------------------------- */

static void each_step_that_fails_is_begun_again_from_the_status(void **state)
{
    /* after the status: what the host says to the key, to the attestation */
    static const struct {
        uint32_t key;
        const char *body;
        int store_r;
        uint32_t attest;
        const char *log;
        const char *message;
    } rows[] = {
        {403, "", 0, 0, "SK", "Failed to acquire key details: HTTP status 403"},
        {201, "key", 0, 0, "SK",
         "Failed to acquire key details: HTTP status 201"},
        {410, "<Error><Code>Gone</Code></Error>", 0, 0, "SK",
         "Failed to acquire key details: HTTP status 410 (XML: Gone)"},
        {200, "<Error><Code>Gone</Code></Error>", 0, 0, "SKt",
         "Failed to acquire key details: not JSON: the answer is XML"},
        {200, "{}", 0, 0, "SKt", "Failed to acquire key details: no key"},
        {200, "key", -ENOSPC, 0, "SKtw",
         "Failed to save key details to file: No space left on device"},
        {200, "key", -EROFS, 0, "SKtw",
         "Failed to save key details to file: Read-only file system"},
        {200, "key", 0, 401, "SKtwA",
         "Failed to attest the key: HTTP status 401"},
        {200, "key", 0, 204, "SKtwA",
         "Failed to attest the key: HTTP status 204"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        set_up(state);
        w.store_r = rows[i].store_r;
        poll(ON_NONE);
        answer(rows[i].key, rows[i].body);
        if (rows[i].attest)
            answer(rows[i].attest, "");
        expect(rows[i].log);
        assert_string_equal(w.ch.message, rows[i].message);
        assert_true(w.ch.is_failing);
        assert_string_equal(w.ch.live, "");
        assert_string_equal(w.pending, "");
        w.store_r = 0;
        latch(A_GUID);
        assert_false(w.ch.is_failing);
    }
}

static void a_failed_poll_leaves_everything_as_it_is(void **state)
{
    static const char *const bad[] = {
        "", "[]", BASE "\"secureChannelEnabled\":1}",
        BASE "\"secureChannelEnabled\":true,\"keyGuid\":\"../x\"}"};

    (void)state;
    latch(A_GUID);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        poll(bad[i]);
        expect("S");
        assert_true(w.ch.is_failing);
        assert_non_null(strstr(w.ch.message, "Failed to get key status - "));
        assert_string_equal(msp_channel_state(&w.ch), STATE);
        assert_string_equal(w.ch.live, A_GUID);
    }
    tick();
    answer(500, ON_B);
    tick();
    answer(304, ON_B);
    tick();
    lose(-ETIMEDOUT);
    assert_string_equal(w.ch.message,
                        "Failed to get key status - Connection timed out");
    w.send_r = -EPERM;
    tick();
    w.send_r = 0;
    expect("SSSS");
    assert_string_equal(w.ch.live, A_GUID);
    assert_int_equal(w.n_rules, 1);
    poll(ON_A);
    assert_false(w.ch.is_failing);
}

static void what_the_host_says_instead_is_told(void **state)
{
    static const struct {
        uint32_t status;
        const char *body;
        const char *why;
    } rows[] = {
        {500, "", "HTTP status 500"},
        {500, "{\"error\":1}", "HTTP status 500"},
        {503, "<Error><Code>TryLater</Code></Error>",
         "HTTP status 503 (XML: TryLater)"},
        {200, "<html>", "not JSON: the answer is XML"},
        {200, "", "not JSON: the answer is empty"},
        {200, "\xef\xbb\xbf{}",
         "not JSON: the answer is text with a byte order mark"},
        {200, "{", "not JSON"},
        {200, "{\"a\":1,\"a\":1}", "a member is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char what[] = "Failed to get key status - ";

        tick();
        answer(rows[i].status, rows[i].body);
        assert_memory_equal(w.ch.message, what, sizeof(what) - 1);
        assert_string_equal(w.ch.message + sizeof(what) - 1, rows[i].why);
    }
}

static void any_status_2xx_is_an_answer(void **state)
{
    (void)state;
    tick();
    answer(206, ON_NONE);
    expect("SK");
}

static void a_new_key_that_fails_leaves_the_old_one_live(void **state)
{
    (void)state;
    latch(A_GUID);
    w.issued = B_GUID;
    poll(ON_NONE);
    answer(200, "key");
    lose(-ECONNRESET);
    expect("SKtwA");
    assert_string_equal(w.ch.live, A_GUID);
    /* the host had latched it: what was stored is found */
    w.stored = B_GUID;
    poll(ON_B);
    expect("SfL");
}

/* --- disabled ---------------------------------------------------------------- */

static void disabled_is_believed_after_two_answers_in_a_row(void **state)
{
    (void)state;
    latch(A_GUID);
    poll(DISABLED);
    expect("S");
    assert_string_equal(msp_channel_state(&w.ch), STATE);
    assert_true(w.ch.next_ms - w.now <= MSP_CHANNEL_FIRST_MS);
    /* something else in between, and it is the first again */
    poll(ON_A);
    poll(DISABLED);
    tick();
    lose(-ECONNREFUSED);
    poll(DISABLED);
    expect("SSSS");
    assert_string_equal(w.ch.live, A_GUID);
    assert_int_equal(w.n_rules, 2);
    poll(DISABLED);
    expect("Sx");
    assert_int_equal(w.n_rules, 3);
    assert_string_equal(msp_channel_state(&w.ch), "disabled");
    assert_string_equal(w.ch.live, "");
    assert_non_null(strstr(w.ch.message, "Customer has not enforce the secure "
                                         "channel state. - "));
    /* once is enough to say so */
    poll(DISABLED);
    expect("S");
    latch(B_GUID);
}

/* --- when ------------------------------------------------------------------ */

static void check_wait(uint64_t got, uint64_t wanted)
{
    if (got > wanted || got < wanted * (100 - MSP_CHANNEL_JITTER) / 100)
        fail_msg("waited %u ms, not %u", (unsigned int)got,
                 (unsigned int)wanted);
}

static void polls_are_an_interval_apart(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    latch(A_GUID);
    for (int i = 0; i < 100; i++) {
        uint64_t waited = poll(ON_A);

        check_wait(waited, MSP_CHANNEL_POLL_MS);
        least = waited < least ? waited : least;
        most = waited > most ? waited : most;
    }
    assert_true(most - least > MSP_CHANNEL_POLL_MS / 10);
}

static void while_nothing_is_known_every_second_then_less(void **state)
{
    uint64_t begin = w.now;

    (void)state;
    tick();
    lose(-ENETUNREACH);
    expect("S");
    while (w.ch.next_ms - begin < MSP_CHANNEL_YOUNG_MS) {
        check_wait(tick(), MSP_CHANNEL_FIRST_MS);
        lose(-ENETUNREACH);
        expect("S");
    }
    tick();
    lose(-ENETUNREACH);
    for (int i = 0; i < 3; i++) {
        check_wait(tick(), MSP_CHANNEL_POLL_MS);
        lose(-ENETUNREACH);
    }
    /* the host is back: at once everything */
    w.log[0] = '\0';
    latch(A_GUID);
}

static void failures_back_off_up_to_the_interval(void **state)
{
    static const uint64_t waits[] = {1000, 2000, 4000, 8000, 15000, 15000};

    (void)state;
    latch(A_GUID);
    for (int round = 0; round < 2; round++) {
        tick();
        lose(-ECONNREFUSED);
        for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
            check_wait(tick(), waits[i]);
            lose(-ECONNREFUSED);
        }
        poll(ON_A);
    }
}

/* --- clock ------------------------------------------------------------------- */

#define NOON  "Wed, 23 Apr 2025 12:00:00 GMT"
#define LATER "Wed, 23 Apr 2025 13:00:00 GMT"

static void the_hosts_clock_is_taken_every_quarter_of_an_hour(void **state)
{
    (void)state;
    tick();
    answer_with(200, ON_NONE, NOON, LATER);
    expect("ScK");
    assert_int_equal(w.clock, 1745409600);
    answer(403, "");
    tick();
    answer_with(200, ON_NONE, LATER, NULL);
    expect("SK");
    answer(403, "");
    w.now += MSP_CHANNEL_CLOCK_MS;
    tick();
    answer_with(200, ON_NONE, NULL, LATER);
    expect("ScK");
    assert_int_equal(w.clock, 1745413200);
}

static void a_host_date_that_cannot_be_read_does_not_give_way(void **state)
{
    (void)state;
    tick();
    answer_with(200, ON_NONE, "today", NOON);
    expect("SK");
    lose(-EIO);
    tick();
    answer_with(200, ON_NONE, NULL, NULL);
    expect("SK");
    lose(-EIO);
    /* nor does an answer that is refused set it */
    tick();
    answer_with(200, "{}", NOON, NULL);
    expect("S");
}

static void what_changes_is_told(void **state)
{
    unsigned int before;

    (void)state;
    poll(ON_NONE);
    before = w.n_changed;
    answer(500, "");
    assert_true(w.n_changed > before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        T(a_key_is_acquired_stored_attested_and_only_then_live),
        T(a_stored_key_is_used_without_attestation),
        T(what_is_not_the_named_key_is_acquired_anew),
        T(a_search_may_take_its_time),
        T(another_guid_is_another_key),
        T(the_guid_of_the_live_key_is_compared_by_its_digits),
        T(a_key_of_an_earlier_life_is_confirmed_by_the_host),
        T(a_key_of_an_earlier_life_gives_way_to_the_hosts),
        T(each_step_that_fails_is_begun_again_from_the_status),
        T(a_failed_poll_leaves_everything_as_it_is),
        T(what_the_host_says_instead_is_told),
        T(any_status_2xx_is_an_answer),
        T(a_new_key_that_fails_leaves_the_old_one_live),
        T(disabled_is_believed_after_two_answers_in_a_row),
        T(polls_are_an_interval_apart),
        T(while_nothing_is_known_every_second_then_less),
        T(failures_back_off_up_to_the_interval),
        T(the_hosts_clock_is_taken_every_quarter_of_an_hour),
        T(a_host_date_that_cannot_be_read_does_not_give_way),
        T(what_changes_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
