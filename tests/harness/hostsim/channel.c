/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <jansson.h>

#define JSON_TYPE "application/json; charset=utf-8"
#define PREFIX    "/secure-channel/"
#define KEY_BODY  "{\"authorizationScheme\": \"Azure-HMAC-SHA256\"}"

enum ask {
    ASK_STATUS,
    ASK_KEY,
    ASK_ATTEST,
    ASKS
};

static const char *const ask_name[] = {
    [ASK_STATUS] = "status",
    [ASK_KEY] = "key",
    [ASK_ATTEST] = "attest",
};

struct sim_channel {
    const char *path;
    struct sim_key *latched; /* borrowed */
    struct sim_key offered;  /* the one given out last */
    int journal_fd;
    json_t *scenario;
    json_int_t incarnation;
    size_t step[ASKS];
    json_int_t taken[ASKS]; /* requests that got this step */
};

static int say(const struct sim_channel *ch, const char *event,
               const char *guid)
{
    char line[192];
    int n = snprintf(line, sizeof(line),
                     "{\"schema\":1,\"event\":\"%s\",\"guid\":\"%s\"}\n", event,
                     guid);

    return write(ch->journal_fd, line, (size_t)n) == n ? 0 : -EIO;
}

/* --- the scenario -------------------------------------------------------- */

static json_int_t integer(const json_t *object, const char *name,
                          json_int_t otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

int msp_sim_channel_reload(struct sim_channel *ch)
{
    json_error_t error;
    json_t *scenario = json_load_file(ch->path, JSON_REJECT_DUPLICATES, &error);
    json_int_t incarnation = integer(scenario, "incarnation", 1);

    if (!json_is_object(scenario)) {
        (void)fprintf(stderr, "hostsim: scenario: %s\n", error.text);
        json_decref(scenario);
        return -EINVAL;
    }
    if (ch->scenario && incarnation != ch->incarnation) {
        *ch->latched = (struct sim_key){.guid = ""};
        ch->offered = *ch->latched;
    }
    json_decref(ch->scenario);
    ch->scenario = scenario;
    ch->incarnation = incarnation;
    memset(ch->step, 0, sizeof(ch->step));
    memset(ch->taken, 0, sizeof(ch->taken));
    return 0;
}

int msp_sim_channel_new(const char *path, struct sim_key *key, int journal_fd,
                        struct sim_channel **ret_channel)
{
    struct sim_channel *ch = calloc(1, sizeof(*ch));
    int r;

    if (!ch)
        return -ENOMEM;
    ch->path = path;
    ch->latched = key;
    ch->journal_fd = journal_fd;
    r = msp_sim_channel_reload(ch);
    if (r < 0) {
        free(ch);
        return r;
    }
    if (!json_is_true(json_object_get(ch->scenario, "latched")))
        *key = (struct sim_key){.guid = ""};
    ch->offered = *key;
    *ret_channel = ch;
    return 0;
}

void msp_sim_channel_free(struct sim_channel *ch)
{
    if (!ch)
        return;
    json_decref(ch->scenario);
    free(ch);
}

/* The step of this request; NULL = as the model does. */
static const json_t *take_step(struct sim_channel *ch, enum ask ask)
{
    const json_t *steps = json_object_get(ch->scenario, ask_name[ask]);
    const json_t *step = json_array_get(steps, ch->step[ask]);
    json_int_t times = integer(step, "times", 1);

    if (!step)
        return NULL;
    ch->taken[ask]++;
    if (times > 0 && ch->taken[ask] >= times) {
        ch->step[ask]++;
        ch->taken[ask] = 0;
    }
    return step;
}

/* --- the model ----------------------------------------------------------- */

static json_t *model_status(const struct sim_channel *ch)
{
    const json_t *s = ch->scenario;
    const char *version = json_string_value(json_object_get(s, "version"));
    bool is_10 = version && strcmp(version, "1.0") == 0;
    json_t *rules = json_object_get(s, "rules");
    json_t *doc = json_pack("{s:s, s:s, s:[s], s:s}", "authorizationScheme",
                            "Azure-HMAC-SHA256", "keyDeliveryMethod", "http",
                            "requiredClaimsHeaderPairs", "isRoot", "version",
                            version ? version : "2.0");

    (void)json_object_set_new(
        doc, "keyGuid",
        ch->latched->guid[0] ? json_string(ch->latched->guid) : json_null());
    if (is_10) {
        const json_t *state = json_object_get(s, "state");

        (void)json_object_set_new(doc, "secureChannelState",
                                  state ? json_deep_copy(state)
                                        : json_string("WireserverAndImds"));
        return doc;
    }
    (void)json_object_set_new(doc, "keyIncarnationId",
                              json_integer(ch->incarnation));
    (void)json_object_set_new(
        doc, "secureChannelEnabled",
        json_boolean(!json_is_false(json_object_get(s, "enabled"))));
    (void)json_object_set_new(doc, "authorizationRules",
                              rules ? json_deep_copy(rules) : json_null());
    return doc;
}

static int make_key(struct sim_key *ret)
{
    unsigned char id[16];

    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id) ||
        getrandom(ret->key, sizeof(ret->key), 0) != (ssize_t)sizeof(ret->key))
        return -EIO;
    (void)snprintf(ret->guid, sizeof(ret->guid),
                   "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-"
                   "%02x%02x%02x%02x%02x%02x",
                   id[0], id[1], id[2], id[3], id[4], id[5], id[6] & 15u, id[7],
                   id[8] & 15u, id[9], id[10], id[11], id[12], id[13], id[14],
                   id[15]);
    return 0;
}

static json_t *model_key(struct sim_channel *ch)
{
    char hex[2 * SIM_KEY_BYTES + 1];

    if (make_key(&ch->offered) < 0 || say(ch, "issued", ch->offered.guid) < 0)
        return NULL;
    for (size_t i = 0; i < SIM_KEY_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02X",
                       (unsigned int)ch->offered.key[i]);
    return json_pack("{s:s, s:I, s:s, s:s, s:s}", "authorizationScheme",
                     "Azure-HMAC-SHA256", "incarnationId", ch->incarnation,
                     "guid", ch->offered.guid, "issued",
                     "2021-05-05T 12:00:00Z", "key", hex);
}

/* What the host refuses. @return HTTP status; 200 = goes on */
static int judge_key(const struct sim_channel *ch,
                     const struct sim_request *req)
{
    const struct sim_header *type = msp_sim_find(req, "content-type");

    if (!msp_sim_is(req->method, "POST"))
        return 405;
    if (!type || !msp_sim_is(type->value, "application/json") ||
        req->body.len != sizeof(KEY_BODY) - 1 ||
        memcmp(req->body.ptr, KEY_BODY, sizeof(KEY_BODY) - 1) != 0)
        return 400;
    return ch->latched->guid[0] ? 403 : 200;
}

static int judge_attest(const struct sim_channel *ch,
                        const struct sim_request *req,
                        const struct sim_verdict *v)
{
    char path[160];

    (void)snprintf(path, sizeof(path), PREFIX "key/%s/key-attestation",
                   ch->offered.guid);
    if (!msp_sim_is(req->method, "POST"))
        return 405;
    if (!ch->offered.guid[0] || req->path.len != strlen(path) ||
        memcmp(req->path.ptr, path, req->path.len) != 0)
        return 404;
    if (req->body.len || !msp_sim_find(req, "content-length"))
        return 400;
    return v->outcome == SIM_SIGNED_VALID ? 200 : 401;
}

/* --- an answer ----------------------------------------------------------- */

/* Replaces and removes members as the step says. */
static void edit(json_t *doc, const json_t *step)
{
    const json_t *unset = json_object_get(step, "unset");

    (void)json_object_update(doc, json_object_get(step, "set"));
    for (size_t i = 0; i < json_array_size(unset); i++)
        (void)json_object_del(doc, json_string_value(json_array_get(unset, i)));
}

static int add_headers(const json_t *step, struct sim_answer *ret)
{
    json_t *headers = json_object_get(step, "headers");
    const char *name;
    json_t *value;
    size_t len = 0;
    FILE *out;

    if (!headers)
        return 0;
    out = open_memstream(&ret->headers, &len);
    if (!out)
        return -ENOMEM;
    json_object_foreach(headers, name, value) {
        ret->has_own_date |= strcmp(name, "date") == 0;
        if (json_is_string(value))
            (void)fprintf(out, "%s: %s\r\n", name, json_string_value(value));
    }
    return fclose(out) == 0 ? 0 : -ENOMEM;
}

static int finish(const json_t *step, int status, const json_t *doc,
                  struct sim_answer *ret)
{
    const char *body = json_string_value(json_object_get(step, "body"));
    const char *type = json_string_value(json_object_get(step, "type"));

    ret->status = (int)integer(step, "http", status);
    ret->content_type = type ? type : JSON_TYPE;
    ret->body = body  ? strdup(body)
                : doc ? json_dumps(doc, JSON_COMPACT | JSON_PRESERVE_ORDER)
                      : strdup("{}");
    if (!ret->body)
        return -ENOMEM;
    ret->body_len = strlen(ret->body);
    ret->delay_ms = (unsigned int)integer(step, "delay_ms", 0);
    ret->is_hang_up = json_is_true(json_object_get(step, "hang_up"));
    ret->cut = (size_t)integer(step, "cut", 0);
    ret->is_stalled = json_is_true(json_object_get(step, "stall"));
    ret->is_chunked = json_is_true(json_object_get(step, "chunked"));
    return add_headers(step, ret);
}

bool msp_sim_channel_is(const struct sim_request *req)
{
    size_t n = sizeof(PREFIX) - 1;

    return req->path.len > n && memcmp(req->path.ptr, PREFIX, n) == 0;
}

static bool does_act(const json_t *step)
{
    const json_t *act = json_object_get(step, "act");

    if (act)
        return json_is_true(act);
    return !json_object_get(step, "http") && !json_object_get(step, "body");
}

static int latch(struct sim_channel *ch)
{
    *ch->latched = ch->offered;
    return say(ch, "latched", ch->latched->guid);
}

int msp_sim_channel_answer(struct sim_channel *ch,
                           const struct sim_request *req, time_t now,
                           struct sim_answer *ret,
                           struct sim_verdict *ret_verdict)
{
    const struct sim_header *metadata = msp_sim_find(req, "metadata");
    json_t *doc = NULL;
    const json_t *step;
    enum ask ask = ASK_ATTEST;
    int status = 404, r;

    r = msp_sim_verify(req, &ch->offered, now, ret_verdict);
    if (r < 0)
        return r;
    if (msp_sim_is(req->path, PREFIX "status"))
        ask = ASK_STATUS;
    else if (msp_sim_is(req->path, PREFIX "key"))
        ask = ASK_KEY;
    step = take_step(ch, ask);
    if (!metadata || !msp_sim_is(metadata->value, "true") ||
        ret_verdict->is_root != 1)
        status = 400;
    else if (ask == ASK_STATUS)
        status = msp_sim_is(req->method, "GET") ? 200 : 405;
    else if (ask == ASK_KEY)
        status = judge_key(ch, req);
    else
        status = judge_attest(ch, req, ret_verdict);
    if (status == 200 && does_act(step)) {
        if (ask == ASK_STATUS)
            doc = model_status(ch);
        else if (ask == ASK_KEY)
            doc = model_key(ch);
        else
            r = latch(ch);
        if (doc)
            edit(doc, step);
    }
    if (r == 0)
        r = finish(step, status, doc, ret);
    json_decref(doc);
    return r;
}
