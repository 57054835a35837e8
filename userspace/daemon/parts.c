/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/parts.h"

#include <stdio.h>

#include <msp/cleanup.h>

static void set(struct msp_part_now *part, enum msp_part_word word,
                const char *message)
{
    part->word = word;
    part->message = message;
}

static void add_reason(struct msp_part_now *part, const char *reason)
{
    size_t i = part->reason[0] ? 1 : 0;

    part->reason[i] = reason;
}

static void find_monitor(const struct msp_part_facts *facts,
                         struct msp_part_now *ret)
{
    if (!facts->is_stopping) {
        set(ret, MSP_PART_RUNNING, "mspd runs.");
        return;
    }
    set(ret, MSP_PART_STOPPED,
        facts->is_failed ? "mspd failed." : "mspd was stopped.");
    add_reason(ret, facts->is_failed ? "mspd failed" : "mspd was stopped");
}

/* Why there is no key, where the host was not heard to want none. */
static void find_no_key(const struct msp_part_facts *facts,
                        struct msp_part_now *ret)
{
    bool is_dead = facts->is_stopping || !facts->is_keeper_running;

    set(ret, is_dead ? MSP_PART_STOPPED : MSP_PART_UNKNOWN, facts->key_why);
    add_reason(ret, "there is no key (key.why): nothing can be signed");
}

/* Its word stays the host's, which wants none. */
static void find_disabled(const struct msp_part_facts *facts,
                          struct msp_part_now *ret)
{
    set(ret, MSP_PART_DISABLED, facts->channel_message);
    if (facts->wants_key)
        add_reason(ret, "the host wants no key, but the policy enforces: "
                        "allowed requests get 503 (no-key)");
}

static void lose_keeper(struct msp_part_now *ret)
{
    set(ret, MSP_PART_STOPPED,
        "mspd-keeper does not run: nobody follows the host.");
    add_reason(ret, "mspd-keeper does not run: nobody follows the host");
}

static void find_key(const struct msp_part_facts *facts,
                     struct msp_part_now *ret)
{
    if (!facts->has_key && facts->is_host_disabled && !facts->is_stopping)
        find_disabled(facts, ret);
    else if (!facts->has_key && !facts->is_host_disabled)
        find_no_key(facts, ret);
    else if (facts->is_stopping)
        set(ret, MSP_PART_STOPPED, "mspd was stopped.");
    else if (!facts->is_channel)
        set(ret, MSP_PART_RUNNING, "The key is that of a file.");
    else if (!facts->is_keeper_running)
        lose_keeper(ret);
    else
        set(ret, MSP_PART_RUNNING, facts->channel_message);
    if (facts->is_channel_failing)
        add_reason(ret,
                   "the secure channel with the host fails (channel.message)");
}

static void find_programs(const struct msp_part_facts *facts,
                          struct msp_part_now *ret)
{
    if (facts->is_detached) {
        set(ret, MSP_PART_STOPPED, "mspctl detach took the programs away.");
    } else if (!facts->is_attached) {
        set(ret, MSP_PART_STOPPED, "The programs are not attached.");
    } else if (facts->has_gap) {
        set(ret, MSP_PART_STOPPED, "A program does not run in some cgroup.");
        add_reason(ret, "a program of ours does not run in a cgroup (gaps)");
    } else if (facts->is_stopping) {
        /* pinned: they outlive mspd */
        set(ret, MSP_PART_RUNNING,
            "The programs stay: connects to an enforced endpoint fail.");
    } else {
        set(ret, MSP_PART_RUNNING, "The programs are attached.");
    }
    if (!facts->is_attached || facts->is_detached)
        add_reason(ret, "the programs are not attached");
}

static void find_listener(const struct msp_part_facts *facts,
                          struct msp_part_now *ret)
{
    if (facts->is_stopping) {
        /* a proxy that is not stopped serves on until it is replaced */
        set(ret, facts->is_failed ? MSP_PART_UNKNOWN : MSP_PART_STOPPED,
            facts->is_failed ? "mspd failed." : "mspd was stopped.");
        return;
    }
    if (!facts->is_proxy_ready) {
        set(ret, facts->is_proxy_running ? MSP_PART_UNKNOWN : MSP_PART_STOPPED,
            facts->is_proxy_running ? "mspd-proxy is starting."
                                    : "mspd-proxy does not run.");
        add_reason(
            ret, "mspd-proxy is not ready: allowed requests are not answered");
    } else if (facts->is_proxy_frozen) {
        set(ret, MSP_PART_STOPPED, "mspd-proxy is stopped.");
        add_reason(ret,
                   "mspd-proxy is stopped: allowed requests are not answered");
    } else {
        set(ret, MSP_PART_RUNNING, "mspd-proxy is ready to accept requests.");
    }
    if (facts->n_listeners)
        return;
    if (ret->word == MSP_PART_RUNNING)
        set(ret, MSP_PART_STOPPED, "No network namespace has a listener.");
    add_reason(ret, "no network namespace has a listener: connects are denied");
}

void msp_parts_find(const struct msp_part_facts *facts,
                    struct msp_part_now ret[MSP_PART_COUNT])
{
    memset(ret, 0, MSP_PART_COUNT * sizeof(*ret));
    find_monitor(facts, &ret[MSP_PART_MONITOR]);
    find_key(facts, &ret[MSP_PART_KEY]);
    find_programs(facts, &ret[MSP_PART_PROGRAMS]);
    find_listener(facts, &ret[MSP_PART_LISTENER]);
    set(&ret[MSP_PART_TELEMETRY], MSP_PART_STOPPED, "mspd sends no telemetry.");
}

bool msp_parts_are_ready(const struct msp_part_now now[MSP_PART_COUNT],
                         char *ret_text, size_t size)
{
    static const enum msp_part needed[] = {MSP_PART_PROGRAMS, MSP_PART_KEY,
                                           MSP_PART_LISTENER};

    size_t len = 0;
    bool is_ready = true;

    ret_text[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        const struct msp_part_now *part = &now[needed[i]];

        /* a host that wants no key has what it wants */
        if (part->word == MSP_PART_RUNNING || part->word == MSP_PART_DISABLED)
            continue;
        is_ready = false;
        (void)snprintf(ret_text + len, size - len, "%s - %s\r\n",
                       msp_part_name(needed[i]), part->message);
        len += strlen(ret_text + len);
    }
    return is_ready;
}

const char *msp_part_name(enum msp_part part)
{
    static const char *const names[] = {
        [MSP_PART_MONITOR] = "monitorStatus",
        [MSP_PART_KEY] = "keyLatchStatus",
        [MSP_PART_PROGRAMS] = "ebpfProgramStatus",
        [MSP_PART_LISTENER] = "proxyListenerStatus",
        [MSP_PART_TELEMETRY] = "telemetryLoggerStatus",
    };

    _Static_assert(ARRAY_SIZE(names) == MSP_PART_COUNT, "names");
    return names[part];
}

const char *msp_part_word_name(enum msp_part_word word)
{
    switch (word) {
    case MSP_PART_RUNNING:
        return "RUNNING";
    case MSP_PART_STOPPED:
        return "STOPPED";
    case MSP_PART_DISABLED:
        return "Disabled";
    case MSP_PART_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}
