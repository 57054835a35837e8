/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's policy with local rule files, which are there, go, change and are
 * refused. What came of it is held against the host's document and the files,
 * each compiled by itself: only items that ask are touched, HostGA and modes
 * never, and the two together allow what either grants, else nothing that
 * either knows, else the file's default or, where it has none, the host's.
 *
 * Input: one byte of options, then texts with a byte 0x1e between them, or
 * decisions. Texts: the host's rules, the files for IMDS and WireServer, and
 * these after each of two changes. Of a file "" is none, "?" that there is no
 * directory, "!" one that may not be used, "~" nothing new. Decisions make two policies of tests/bpf/naive.h, whose matcher says what is right.
 */
#include "keeper/localrules.h"

#include <errno.h>
#include <strings.h>

#include <jansson.h>

#include "bpf/naive.h"
#include "fuzz.h"
#include "keeper/rules.h"
#include "policy_words.h"
#include "sides.h"
#include "tokens.h"

#define HEAD                                                                \
    "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"keyDeliveryMethod\":" \
    "\"http\",\"version\":\"2.0\",\"secureChannelEnabled\":true,"           \
    "\"authorizationRules\":"
/* {"id":"p","useLocalFileRules":true} */
#define ASKS "eyJpZCI6InAiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0="

#define SEPARATOR   0x1e
#define CHANGES     3 /* what is known of the files, and what then */
#define TEXTS       (1 + CHANGES * MSP_LOCAL_FILES)
#define OPT_DECIDED 0x01 /* decisions, not texts */

struct text {
    const char *at; /* [len] borrowed */
    size_t len;
};

#ifdef MSP_PLANT
/* The host's default goes before the file's. */
static void plant(struct msp_rules *rules, uint8_t *bytes, size_t len)
{
    struct msp_image_header *header = (void *)bytes;
    struct msp_image_endpoint *row;

    if (!bytes || rules->local[MSP_EP_IMDS].use != MSP_LOCAL_MERGED)
        return;
    row = (void *)(bytes + header->section[MSP_SEC_ENDPOINTS].offset);
    if (memmem(rules->asked, rules->asked_len, "allow", 5))
        row->ep.flags |= MSP_EP_DEFAULT_ALLOW;
    (void)msp_image_digest(bytes, len, header->digest);
}
#else
static void plant(struct msp_rules *rules, uint8_t *bytes, size_t len)
{
    (void)rules;
    (void)bytes;
    (void)len;
}
#endif

/* --- claims --------------------------------------------------------------- */

/* An endpoint that no file has any say in. */
static void check_same(const struct side_view *alone,
                       const struct side_view *merged, size_t endpoint,
                       const struct side_probes *probes)
{
    const struct msp_endpoint *a = &alone->image.endpoints[endpoint].ep,
                              *b = &merged->image.endpoints[endpoint].ep;

    FUZZ_CHECK(a->mode == b->mode && a->flags == b->flags);
    FUZZ_CHECK(a->on_deny == b->on_deny);
    FUZZ_CHECK(memcmp(&a->rate, &b->rate, sizeof(a->rate)) == 0);
    for (size_t c = 0; c < probes->n_callers; c++)
        for (size_t t = 0; t < probes->n_targets; t++)
            FUZZ_CHECK(side_ask(alone, endpoint, probes, c, t, NULL) ==
                       side_ask(merged, endpoint, probes, c, t, NULL));
}

static void check_denied(const struct side_view *view, size_t endpoint,
                         enum msp_mode mode, const struct side_probes *probes)
{
    FUZZ_CHECK(view->image.endpoints[endpoint].ep.mode == mode);
    if (mode == MSP_MODE_DISABLED)
        return;
    for (size_t c = 0; c < probes->n_callers; c++)
        for (size_t t = 0; t < probes->n_targets; t++)
            FUZZ_CHECK(side_ask(view, endpoint, probes, c, t, NULL) !=
                       MSP_VERDICT_ALLOW);
}

static void check_merged(const struct side_view *view, size_t endpoint,
                         const json_t *item, const json_t *text,
                         const struct side_probes *probes)
{
    const struct msp_endpoint *ep = &view->image.endpoints[endpoint].ep;
    struct side host, file;
    const struct side *side;
    bool is_default_allow;

    side_open_host(&host, item, endpoint);
    side_open_file(&file, text, endpoint);
    is_default_allow =
        (side_get(text, "defaultAccess") ? &file : &host)->is_default_allow;
    FUZZ_CHECK(!(ep->flags & MSP_EP_DEFAULT_ALLOW) == !is_default_allow);
    side = side_get(text, "rateLimit") ? &file : &host;
    FUZZ_CHECK(memcmp(&ep->rate, &side->rate, sizeof(ep->rate)) == 0);
    side = side_get(text, "onDeny") ? &file : &host;
    FUZZ_CHECK(ep->on_deny == side->on_deny);
    for (size_t c = 0; c < probes->n_callers; c++)
        for (size_t t = 0;
             t < probes->n_targets && ep->mode != MSP_MODE_DISABLED; t++)
            FUZZ_CHECK((side_ask(view, endpoint, probes, c, t, NULL) ==
                        MSP_VERDICT_ALLOW) ==
                       side_is_right(&host, &file, endpoint, is_default_allow,
                                     probes, c, t));
    side_close(&host);
    side_close(&file);
}

/* --- a run ---------------------------------------------------------------- */

struct run {
    struct msp_rules rules;
    json_t *doc;            /* the host's rules, HostGA's aside */
    struct side_view alone; /* of them */
    const struct text *text;
    bool is_decided; /* another judges what is merged */
    /* of each file: what was told last, NULL = nothing; and what was merged
     * last, NULL = none was since it was away */
    const struct text *told[MSP_LOCAL_FILES];
    const struct text *good[MSP_LOCAL_FILES];
    bool is_changed; /* something else was told than before */
    bool is_over;    /* which files are good by themselves is not known */
};

static enum msp_local_file state_of(const struct text *text)
{
    if (text->len == 0)
        return MSP_LOCAL_MISSING;
    if (text->len > 1)
        return MSP_LOCAL_THERE;
    return *text->at == '?'   ? MSP_LOCAL_OFF
           : *text->at == '!' ? MSP_LOCAL_REFUSED
           : *text->at == '~' ? MSP_LOCAL_UNTOLD
                              : MSP_LOCAL_THERE;
}

static bool is_same_text(const struct text *a, const struct text *b)
{
    return a && a->len == b->len &&
           (a->len == 0 || memcmp(a->at, b->at, a->len) == 0);
}

static void tell(struct run *run, size_t change, size_t endpoint)
{
    const struct text *text =
        &run->text[1 + change * MSP_LOCAL_FILES + endpoint];
    enum msp_local_file file = state_of(text);
    bool is_there = file == MSP_LOCAL_THERE;

    if (file == MSP_LOCAL_UNTOLD)
        return;
    run->is_changed |= !is_same_text(run->told[endpoint], text);
    run->told[endpoint] = text;
    if (file == MSP_LOCAL_OFF || file == MSP_LOCAL_MISSING)
        run->good[endpoint] = NULL;
    msp_rules_set_local(&run->rules, (enum msp_builtin)endpoint, file,
                        is_there ? fuzz_copy(text->at, text->len) : NULL,
                        is_there ? text->len : 0,
                        file == MSP_LOCAL_REFUSED ? "a link" : "");
}

/* @return owned */
static json_t *parse(const struct text *text)
{
    size_t len = text->len;
    const char *at = msp_localrules_text(text->at, &len);
    json_t *json = json_loadb(at, len, JSON_REJECT_DUPLICATES, NULL);

    FUZZ_CHECK(json_is_object(json));
    return json;
}

/* What became of a file is what its state allows. */
static void check_use(const struct run *run, size_t endpoint, bool is_asked)
{
    const struct msp_rules_local *local = &run->rules.local[endpoint];
    bool is_refused =
        local->use == MSP_LOCAL_KEPT || local->use == MSP_LOCAL_DENIED;

    FUZZ_CHECK((local->use == MSP_LOCAL_UNASKED) == !is_asked);
    FUZZ_CHECK(local->use != MSP_LOCAL_KEPT || run->good[endpoint]);
    if (!is_asked)
        return;
    FUZZ_CHECK(local->file != MSP_LOCAL_UNTOLD);
    if (local->file == MSP_LOCAL_OFF)
        FUZZ_CHECK(local->use == MSP_LOCAL_UNSET);
    else if (local->file == MSP_LOCAL_MISSING)
        FUZZ_CHECK(local->use == MSP_LOCAL_NONE);
    else if (local->file == MSP_LOCAL_REFUSED)
        FUZZ_CHECK(is_refused);
    else
        FUZZ_CHECK(is_refused || local->use == MSP_LOCAL_MERGED);
    FUZZ_CHECK(!is_refused || local->why[0]);
}

static void check_endpoint(struct run *run, const struct side_view *view,
                           size_t i)
{
    static struct side_probes probes;
    const struct msp_rules_local *local = &run->rules.local[i];
    const json_t *item = side_get(run->doc, side_names[i]);
    enum msp_mode mode = run->alone.image.endpoints[i].ep.mode;
    json_t *file = NULL;

    check_use(run, i, msp_localrules_asked(item));
    if (local->use == MSP_LOCAL_MERGED)
        run->good[i] = run->told[i];
    else if (local->use == MSP_LOCAL_DENIED && strstr(local->why, "too much"))
        run->is_over = true;
    if (local->use == MSP_LOCAL_MERGED || local->use == MSP_LOCAL_KEPT)
        file = parse(run->good[i]);
    side_find_probes(item, file, &probes);
    FUZZ_CHECK(view->image.endpoints[i].ep.mode == mode);
    if (file && !run->is_decided)
        check_merged(view, i, item, file, &probes);
    else if (!file && local->use == MSP_LOCAL_DENIED)
        check_denied(view, i, mode, &probes);
    else if (!file)
        check_same(&run->alone, view, i, &probes);
    if (i == MSP_EP_WIRESERVER)
        check_same(&run->alone, view, MSP_EP_HOSTGA, &probes);
    json_decref(file);
}

/* The host's document is refused: in its modes, and nobody is allowed. */
static void check_fallback(const struct run *run, const struct side_view *view)
{
    static struct side_probes probes;

    for (size_t i = 0; i < MSP_EP_BUILTINS; i++) {
        const json_t *item = side_get(
            run->doc, side_names[i < MSP_EP_HOSTGA ? i : MSP_EP_WIRESERVER]);
        const char *word = json_string_value(json_object_get(item, "mode"));
        enum msp_mode mode = MSP_MODE_ENFORCE;

        if (!item || (word && strcasecmp(word, "disabled") == 0))
            mode = MSP_MODE_DISABLED;
        else if (word && strcasecmp(word, "audit") == 0)
            mode = MSP_MODE_AUDIT;
        side_find_probes(item, NULL, &probes);
        check_denied(view, i, mode, &probes);
    }
}

static bool does_ask(const struct run *run)
{
    return msp_localrules_asked(side_get(run->doc, side_names[0])) ||
           msp_localrules_asked(side_get(run->doc, side_names[1]));
}

/* @param view of [len] bytes, or none */
static void check_change(struct run *run, struct side_view *view, size_t len,
                         bool is_fallback, bool is_first)
{
    bool is_waiting =
        does_ask(run) && (run->rules.local[0].file == MSP_LOCAL_UNTOLD ||
                          run->rules.local[1].file == MSP_LOCAL_UNTOLD);
    bool is_due =
        !is_waiting && (is_first || (does_ask(run) && run->is_changed));

    FUZZ_CHECK(!view->bytes == !is_due);
    run->is_changed = false;
    if (!view->bytes)
        return;
    plant(&run->rules, view->bytes, len);
    side_view_open(view, len);
    FUZZ_CHECK(is_fallback == !run->alone.bytes);
    FUZZ_CHECK(is_fallback == !!run->rules.why[0]);
    if (is_fallback)
        check_fallback(run, view);
    for (size_t i = 0; !is_fallback && i < MSP_LOCAL_FILES; i++)
        check_endpoint(run, view, i);
}

/* What the agent is told of. @return whether the host's body is an answer */
static bool start(struct run *run, struct side_view *ret_view, size_t *ret_len,
                  bool *ret_is_fallback)
{
    const struct text *host = &run->text[0];
    struct msp_status status;
    const char *why;
    char *body = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&body, &len);
    bool is_answer;

    FUZZ_CHECK(f);
    (void)fprintf(f, HEAD);
    (void)fwrite(host->at, 1, host->len, f);
    (void)fprintf(f, "}");
    FUZZ_CHECK(fclose(f) == 0);
    is_answer = msp_status_parse(body, len, &status, &why) == 0;
    if (is_answer) {
        json_t *root = json_loadb(body, len, 0, NULL);

        run->doc = json_incref(side_get(root, "authorizationRules"));
        json_decref(root);
        if (!run->doc)
            run->doc = json_object();
        (void)json_object_del(run->doc, "hostga");
        run->alone = side_compile(json_incref(run->doc));
        FUZZ_CHECK(msp_rules_compile(&run->rules, body, len, &status,
                                     &ret_view->bytes, ret_len,
                                     ret_is_fallback) == 0);
    }
    free(body);
    return is_answer;
}

/* Some files are others now. @param view closed */
static void change_files(struct run *run, size_t change)
{
    struct side_view view = {0};
    bool is_fallback = false;
    size_t len = 0;

    tell(run, change, MSP_EP_IMDS);
    tell(run, change, MSP_EP_WIRESERVER);
    FUZZ_CHECK(msp_rules_again(&run->rules, &view.bytes, &len, &is_fallback) ==
               0);
    check_change(run, &view, len, is_fallback, false);
    free(view.bytes);
}

/* @param text [TEXTS] @param ret_view before the changes, owned */
static void run_all(const struct text *text, bool is_decided,
                    struct side_view *ret_view)
{
    struct run run = {.text = text, .is_decided = is_decided};
    bool is_fallback = false;
    size_t len = 0;

    *ret_view = (struct side_view){0};
    tell(&run, 0, MSP_EP_IMDS);
    tell(&run, 0, MSP_EP_WIRESERVER);
    if (start(&run, ret_view, &len, &is_fallback)) {
        check_change(&run, ret_view, len, is_fallback, true);
        for (size_t i = 1; i < CHANGES && !run.is_over; i++)
            change_files(&run, i);
    }
    msp_rules_clear(&run.rules);
    json_decref(run.doc);
    free(run.alone.bytes);
}

/* --- policies by decisions ------------------------------------------------ */

static struct fuzz_input in;

unsigned int naive_pick(unsigned int n)
{
    return fuzz_pick(&in, n);
}

#define REQUESTS 32

/* The item of random rules. @return owned */
static json_t *naive_item(struct naive_rules *r, const char *endpoint)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    json_t *root, *item;

    naive_random_rules(r);
    r->endpoint = endpoint;
    r->is_root_gated = false; /* said of both together */
    FUZZ_CHECK(f);
    naive_print_rules(f, r);
    FUZZ_CHECK(fclose(f) == 0);
    root = json_loadb(text, len, 0, NULL);
    item = json_incref(
        json_object_get(json_object_get(root, "endpoints"), endpoint));
    FUZZ_CHECK(json_is_object(item));
    json_decref(root);
    free(text);
    return item;
}

static bool naive_says(struct naive_rules *r, bool is_default_allow,
                       const struct naive_caller *c,
                       const struct naive_request *q)
{
    r->is_default_allow = is_default_allow;
    return naive_allows(r, c, q);
}

static void naive_compare(const struct side_view *view, size_t endpoint,
                          struct naive_rules *host, struct naive_rules *file,
                          bool is_default_allow)
{
    static struct side_probes probes;
    struct explain_caller *caller = &probes.caller[0];
    struct naive_caller c;
    struct naive_request q;
    size_t n;
    bool is_allowed;

    naive_random_caller(&c);
    naive_random_request(&q);
    *caller = (struct explain_caller){.has_uid = true,
                                      .uid = (uint32_t)c.uid,
                                      .is_root = c.is_root,
                                      .n_groups = NAIVE_GROUPS};
    for (size_t i = 0; i < NAIVE_GROUPS; i++)
        caller->group[i] = (uint32_t)c.gid[i];
    n = (size_t)snprintf(probes.target[0], SIDE_TARGET_BYTES, "%s", q.path);
    for (unsigned int i = 0; i < q.n_pairs; i++)
        n += (size_t)snprintf(probes.target[0] + n, SIDE_TARGET_BYTES - n,
                              "%c%s=%s", i ? '&' : '?',
                              naive_keys[q.pair[i].key],
                              naive_values[q.pair[i].value]);
    q.method = MSP_METHOD_GET; /* as side_ask() has it */
    is_allowed = naive_says(host, false, &c, &q) ||
                 naive_says(file, false, &c, &q) ||
                 (is_default_allow && naive_says(host, true, &c, &q) &&
                  naive_says(file, true, &c, &q));
    if (endpoint == MSP_EP_WIRESERVER && !c.is_root)
        is_allowed = false;
    FUZZ_CHECK((side_ask(view, endpoint, &probes, 0, 0, NULL) ==
                MSP_VERDICT_ALLOW) == is_allowed);
}

static void run_decided(void)
{
    size_t endpoint = fuzz_pick(&in, MSP_LOCAL_FILES);
    bool has_default = fuzz_pick(&in, 4);
    struct naive_rules host, file;
    json_t *item = naive_item(&host, side_names[endpoint]);
    json_t *local = naive_item(&file, side_names[endpoint]);
    bool is_default_allow =
        has_default ? file.is_default_allow : host.is_default_allow;
    json_t *doc = json_pack("{s:o}", side_names[endpoint], item);
    struct text text[TEXTS] = {{0}};
    struct side_view view;
    char *doc_text, *file_text;

    (void)json_object_set_new(item, "id", json_string(ASKS));
    if (!has_default)
        (void)json_object_del(local, "defaultAccess");
    doc_text = json_dumps(doc, 0);
    file_text = json_dumps(local, 0);
    text[0] = (struct text){doc_text, strlen(doc_text)};
    text[1 + endpoint] = (struct text){file_text, strlen(file_text)};
    run_all(text, true, &view);
    FUZZ_CHECK(view.bytes);
    for (int i = 0; i < REQUESTS; i++)
        naive_compare(&view, endpoint, &host, &file, is_default_allow);
    free(view.bytes);
    json_decref(doc);
    json_decref(local);
    free(doc_text);
    free(file_text);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
                               unsigned int seed)
{
    static const char *const ids[] = {"\"" ASKS "\""};

    if (seed % 16 == 0)
        return tokens_mutate(TOKEN_STRING, ids, ARRAY_SIZE(ids), data, len, max,
                             seed / 16);
    return tokens_mutate(TOKEN_STRING, policy_words, ARRAY_SIZE(policy_words),
                         data, len, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct text text[TEXTS] = {{0}};
    struct side_view view;
    char *copy;
    size_t n = 0;

    if (len < 1)
        return 0;
    in = (struct fuzz_input){data + 1, len - 1};
    if (data[0] & OPT_DECIDED) {
        run_decided();
        return 0;
    }
    copy = fuzz_copy(in.at, in.left);
    text[0].at = copy;
    for (size_t i = 0; i < in.left; i++)
        if (copy[i] != SEPARATOR || n + 1 == TEXTS)
            text[n].len++;
        else
            text[++n].at = copy + i + 1;
    run_all(text, false, &view);
    free(view.bytes);
    free(copy);
    return 0;
}
