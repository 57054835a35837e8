/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/platform.h"

#include <errno.h>
#include <inttypes.h>

#include <msp/cleanup.h>

#include "base/escape.h"
#include "daemon/stamp.h"

enum {
    MESSAGE_BYTES = 1024 /* longer ones are cut, and end in "..." */
};

static void put_text(const char *name, const char *text, FILE *out)
{
    (void)fprintf(out, "\"%s\": ", name);
    msp_escape_json(text, out);
}

/*
 * Its readers know three words. What the host has disabled is RUNNING for
 * them, as with their own agent; that it is, the state of the channel says.
 */
static const char *word_of(enum msp_part_word word)
{
    return msp_part_word_name(word == MSP_PART_DISABLED ? MSP_PART_RUNNING
                                                        : word);
}

static void put_message(const char *message, FILE *out)
{
    char text[MESSAGE_BYTES + 4];
    bool is_cut = strlen(message) > MESSAGE_BYTES;

    (void)snprintf(text, sizeof(text), "%.*s%s", (int)MESSAGE_BYTES, message,
                   is_cut ? "..." : "");
    put_text("message", text, out);
}

static void put_states(const struct msp_platform *platform, FILE *out)
{
    static const struct {
        const char *name;
        int endpoint;
    } rules[] = {
        {"wireServerRuleId", MSP_EP_WIRESERVER},
        {"imdsRuleId", MSP_EP_IMDS},
        {"hostGARuleId", MSP_EP_HOSTGA},
    };

    (void)fputs(",\n      \"states\": {\n        ", out);
    put_text("secureChannelState", platform->state, out);
    if (platform->guid) {
        (void)fputs(",\n        ", out);
        put_text("keyGuid", platform->guid, out);
    }
    if (platform->has_incarnation)
        (void)fprintf(out, ",\n        \"keyIncarnationId\": \"%" PRIu32 "\"",
                      platform->incarnation);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        (void)fputs(",\n        ", out);
        put_text(rules[i].name, platform->rule_id[rules[i].endpoint], out);
    }
    (void)fputs("\n      }", out);
}

static void put_part(const struct msp_platform *platform, enum msp_part part,
                     FILE *out)
{
    const struct msp_part_now *now = &platform->parts[part];
    char text[MESSAGE_BYTES];

    (void)fprintf(out, "    \"%s\": {\n      ", msp_part_name(part));
    put_text("status", word_of(now->word), out);
    (void)fputs(",\n      ", out);
    (void)snprintf(text, sizeof(text),
                   "Aggregate status written to status file: %s",
                   platform->path);
    put_message(part == MSP_PART_MONITOR && now->word == MSP_PART_RUNNING
                    ? text
                    : now->message,
                out);
    if (part == MSP_PART_KEY)
        put_states(platform, out);
    (void)fputs("\n    },\n", out);
}

int msp_platform_print(const struct msp_platform *platform, FILE *out)
{
    char stamp[MSP_STAMP_BYTES], missing[4 * MESSAGE_BYTES];
    bool is_well =
        msp_parts_are_ready(platform->parts, missing, sizeof(missing));

    msp_stamp(platform->real_ns, stamp);
    (void)fprintf(out, "{\n  \"timestamp\": \"%.*s\",\n", MSP_STAMP_CHARS,
                  stamp);
    (void)fputs("  \"proxyAgentStatus\": {\n    ", out);
    put_text("version", platform->version, out);
    (void)fputs(",\n    ", out);
    put_text("status", is_well ? "SUCCESS" : "ERROR", out);
    (void)fputs(",\n", out);
    for (int part = 0; part < MSP_PART_COUNT; part++)
        put_part(platform, (enum msp_part)part, out);
    (void)fprintf(out, "    \"proxyConnectionsCount\": %" PRIu64 "\n  },\n",
                  platform->n_requests);
    (void)fputs("  \"proxyConnectionSummary\": ", out);
    msp_platformlog_print(platform->log, &platform->log->passed,
                          platform->now_ms, out);
    (void)fputs(",\n  \"failedAuthenticateSummary\": ", out);
    msp_platformlog_print(platform->log, &platform->log->failed,
                          platform->now_ms, out);
    (void)fputs("\n}\n", out);
    return ferror(out) ? -EIO : 0;
}
