/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctrrecord.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

enum {
    NO_FACT = -1,
    FACTS_MAX = 2 * MSP_CONTAINER_LABELS_MAX + MSP_CTR_TEXT_COUNT
};

static const struct {
    const char *name;
    size_t max; /* with the NUL */
    int fact;   /* enum msp_demand_kind */
} texts[] = {
    [MSP_CTR_CGROUP] = {"cgroup", PATH_MAX, NO_FACT},
    [MSP_CTR_ID] = {"id", MSP_CONTAINER_TEXT_BYTES, MSP_DEMAND_CONTAINER_ID},
    [MSP_CTR_NAME] = {"name", MSP_CONTAINER_TEXT_BYTES,
                      MSP_DEMAND_CONTAINER_NAME},
    [MSP_CTR_IMAGE] = {"image", MSP_CONTAINER_IMAGE_BYTES, NO_FACT},
    [MSP_CTR_RUNTIME] = {"runtime", MSP_CONTAINER_TEXT_BYTES, NO_FACT},
    [MSP_CTR_POD_NAMESPACE] = {"pod.namespace", MSP_CONTAINER_TEXT_BYTES,
                               MSP_DEMAND_POD_NAMESPACE},
    [MSP_CTR_POD_NAME] = {"pod.name", MSP_CONTAINER_TEXT_BYTES,
                          MSP_DEMAND_POD_NAME},
    [MSP_CTR_POD_ACCOUNT] = {"pod.service_account", MSP_CONTAINER_TEXT_BYTES,
                             MSP_DEMAND_POD_ACCOUNT},
    [MSP_CTR_NETNS] = {"netns", PATH_MAX, NO_FACT},
    [MSP_CTR_ROOT] = {"root", PATH_MAX, NO_FACT},
};

_Static_assert(ARRAY_SIZE(texts) == MSP_CTR_TEXT_COUNT, "texts");
_Static_assert(MSP_CONTAINER_LABELS_MAX == 64, "take_label()");

static const struct {
    const char *name;
    enum msp_demand_kind kind;
} labels[] = {
    {"label", MSP_DEMAND_CONTAINER_LABEL},
    {"pod.label", MSP_DEMAND_POD_LABEL},
};

/* A record under construction. */
struct parse {
    struct msp_ctr_record *record;
    const char *why;
};

static int fail(struct parse *parse, int r, const char *why)
{
    parse->why = why;
    return r;
}

/* Absolute, without empty segments and dots, and not the root cgroup. */
static bool is_cgroup(const char *path)
{
    if (path[0] != '/')
        return false;
    while (*path) {
        size_t n = strcspn(++path, "/");

        if (n == 0 || (n == 1 && path[0] == '.') ||
            (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n;
    }
    return true;
}

static void add_fact(struct parse *parse, enum msp_demand_kind kind,
                     const char *key, const char *value)
{
    struct msp_ctr_record *record = parse->record;

    record->fact[record->n_facts++] = (struct msp_ctr_fact){
        .kind = kind,
        .key = key,
        .value = value,
        .hash = msp_ctr_hash(kind, key, value),
    };
}

/* @param value borrowed; the key is cut off in place */
static int take_label(struct parse *parse, enum msp_demand_kind kind,
                      char *value)
{
    const struct msp_ctr_record *record = parse->record;
    char *equals = strchr(value, '=');
    uint32_t n = 0;

    if (!equals || equals == value)
        return fail(parse, -EINVAL, "a label is KEY=VALUE");
    *equals = '\0';
    if (strlen(value) >= MSP_CONTAINER_TEXT_BYTES ||
        strlen(equals + 1) >= MSP_CONTAINER_VALUE_BYTES)
        return fail(parse, -E2BIG, "a label is too long");
    for (size_t i = 0; i < record->n_facts; i++) {
        if (record->fact[i].kind != kind)
            continue;
        n++;
        if (msp_streq(record->fact[i].key, value))
            return fail(parse, -EINVAL, "a label is there twice");
    }
    if (n >= MSP_CONTAINER_LABELS_MAX)
        return fail(parse, -E2BIG, "it would have more than 64 labels");
    add_fact(parse, kind, value, equals + 1);
    return 0;
}

static int take_text(struct parse *parse, enum msp_ctr_text which,
                     const char *value)
{
    struct msp_ctr_record *record = parse->record;

    if (record->text[which])
        return fail(parse, -EINVAL, "a field is there twice");
    if (strlen(value) >= texts[which].max)
        return fail(parse, -E2BIG, "a field is too long");
    if (which == MSP_CTR_CGROUP && !is_cgroup(value))
        return fail(parse, -EINVAL,
                    "cgroup is not a path below the root cgroup: /a/b, "
                    "without . and ..");
    if ((which == MSP_CTR_NETNS || which == MSP_CTR_ROOT) && value[0] != '/')
        return fail(parse, -EINVAL, "a path is not absolute");
    if (!value[0])
        return fail(parse, -EINVAL, "a field is empty: leave it out");
    record->text[which] = value;
    if (texts[which].fact != NO_FACT)
        add_fact(parse, (enum msp_demand_kind)texts[which].fact, "", value);
    return 0;
}

static int take_number(struct parse *parse, const char *value, uint64_t max,
                       uint64_t *ret)
{
    unsigned long long number;

    if (*ret)
        return fail(parse, -EINVAL, "a field is there twice");
    errno = 0;
    number = strtoull(value, NULL, 10);
    if (errno || number == 0 || number > max)
        return fail(parse, -EINVAL, "a number is out of its range");
    *ret = number;
    return 0;
}

/* Known fields are of their type; those that are not known are not looked at.
 * The value is in our own copy, so it may be written to. */
static int take_field(struct parse *parse, const struct msp_rec_field *field,
                      char *value)
{
    for (int i = 0; i < MSP_CTR_TEXT_COUNT; i++)
        if (msp_streq(texts[i].name, field->name))
            return field->type == 's'
                       ? take_text(parse, (enum msp_ctr_text)i, value)
                       : fail(parse, -EINVAL, "a field is not a text");
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (msp_streq(labels[i].name, field->name))
            return field->type == 's'
                       ? take_label(parse, labels[i].kind, value)
                       : fail(parse, -EINVAL, "a label is not a text");
    if (msp_streq(field->name, "pid"))
        return field->type == 'u'
                   ? take_number(parse, value, INT_MAX, &parse->record->pid)
                   : fail(parse, -EINVAL, "pid is not a number");
    if (msp_streq(field->name, "cgroup_id"))
        return field->type == 'u'
                   ? take_number(parse, value, UINT64_MAX,
                                 &parse->record->cgroup_id)
                   : fail(parse, -EINVAL, "cgroup_id is not a number");
    if (msp_streq(field->name, "told_ns"))
        return field->type == 'u'
                   ? take_number(parse, value, UINT64_MAX,
                                 &parse->record->told_ns)
                   : fail(parse, -EINVAL, "told_ns is not a number");
    if (msp_streq(field->name, "ended")) {
        if (field->type != 'b')
            return fail(parse, -EINVAL, "ended is not true or false");
        parse->record->is_ended_only = msp_streq(value, "true");
    }
    return 0;
}

static int take_fields(struct parse *parse, char *bytes, const char *end)
{
    struct msp_rec_field field;
    char *cursor = bytes;
    int r;

    while ((r = msp_rec_next(&cursor, end, &field)) == MSP_REC_FIELD) {
        /* where it is in our copy */
        r = take_field(parse, &field, bytes + (field.value - bytes));
        if (r < 0)
            return r;
    }
    if (r != MSP_REC_END || cursor != end)
        return fail(parse, -EINVAL, "not one record");
    return 0;
}

int msp_ctr_record_parse(const char *text, size_t len,
                         struct msp_ctr_record *ret, const char **reterr_why)
{
    struct parse parse = {.record = ret, .why = ""};
    int r;

    if (len > MSP_CONTAINER_RECORD_MAX) {
        *reterr_why = "the record is too long";
        return -E2BIG;
    }
    ret->bytes = malloc(len + 1);
    ret->fact = calloc(FACTS_MAX, sizeof(*ret->fact));
    if (!ret->bytes || !ret->fact) {
        *reterr_why = "out of memory";
        msp_ctr_record_done(ret);
        return -ENOMEM;
    }
    memcpy(ret->bytes, text, len);
    ret->bytes[len] = '\0';
    r = take_fields(&parse, ret->bytes, ret->bytes + len);
    if (r < 0) {
        *reterr_why = parse.why;
        msp_ctr_record_done(ret);
        return r;
    }
    if (ret->n_facts) {
        struct msp_ctr_fact *fit =
            reallocarray(ret->fact, ret->n_facts, sizeof(*fit));

        ret->fact = fit ? fit : ret->fact;
    }
    return 0;
}

static void write_label(const struct msp_ctr_fact *fact, const char *name,
                        struct msp_rec *rec)
{
    char text[MSP_CONTAINER_TEXT_BYTES + MSP_CONTAINER_VALUE_BYTES];

    (void)snprintf(text, sizeof(text), "%s=%s", fact->key, fact->value);
    msp_rec_str(rec, name, text);
}

/* @return NULL: the fact is no label */
static const char *label_name(const struct msp_ctr_fact *fact)
{
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (fact->kind == labels[i].kind)
            return labels[i].name;
    return NULL;
}

void msp_ctr_record_write(const struct msp_ctr_record *record,
                          struct msp_rec *rec)
{
    for (int i = 0; i < MSP_CTR_TEXT_COUNT; i++)
        if (record->text[i])
            msp_rec_str(rec, texts[i].name, record->text[i]);
    if (record->pid)
        msp_rec_uint(rec, "pid", record->pid);
    for (size_t i = 0; i < record->n_facts; i++)
        if (label_name(&record->fact[i]))
            write_label(&record->fact[i], label_name(&record->fact[i]), rec);
}

static bool has_fact(const struct msp_ctr_record *record,
                     const struct msp_ctr_fact *fact)
{
    for (size_t i = 0; i < record->n_facts; i++)
        if (record->fact[i].hash == fact->hash &&
            record->fact[i].kind == fact->kind &&
            msp_streq(record->fact[i].key, fact->key) &&
            msp_streq(record->fact[i].value, fact->value))
            return true;
    return false;
}

/* @return name of a label of `a` that `b` has not; NULL: there is none */
static const char *missing_label(const struct msp_ctr_record *a,
                                 const struct msp_ctr_record *b)
{
    for (size_t i = 0; i < a->n_facts; i++)
        if (label_name(&a->fact[i]) && !has_fact(b, &a->fact[i]))
            return label_name(&a->fact[i]);
    return NULL;
}

const char *msp_ctr_record_difference(const struct msp_ctr_record *a,
                                      const struct msp_ctr_record *b)
{
    const char *label;

    for (int i = 0; i < MSP_CTR_TEXT_COUNT; i++) {
        const char *left = a->text[i], *right = b->text[i];

        if (!left != !right || (left && !msp_streq(left, right)))
            return texts[i].name;
    }
    if (a->pid != b->pid)
        return "pid";
    label = missing_label(a, b);
    return label ? label : missing_label(b, a);
}

static bool has_key(const struct msp_ctr_record *record,
                    const struct msp_ctr_fact *fact)
{
    for (size_t i = 0; i < record->n_facts; i++)
        if (record->fact[i].kind == fact->kind &&
            msp_streq(record->fact[i].key, fact->key))
            return true;
    return false;
}

int msp_ctr_record_merge(const struct msp_ctr_record *before,
                         const struct msp_ctr_record *now,
                         struct msp_ctr_record *ret, const char **reterr_why)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    struct msp_ctr_record both = *now; /* borrows of both */

    for (int i = 0; i < MSP_CTR_TEXT_COUNT; i++)
        if (!both.text[i])
            both.text[i] = before->text[i];
    if (!both.pid)
        both.pid = before->pid;
    msp_ctr_record_write(&both, &rec);
    for (size_t i = 0; i < before->n_facts; i++) {
        const struct msp_ctr_fact *fact = &before->fact[i];

        if (label_name(fact) && !has_key(now, fact))
            write_label(fact, label_name(fact), &rec);
    }
    msp_rec_end(&rec);
    if (rec.error < 0) {
        *reterr_why = "out of memory";
        return -ENOMEM;
    }
    return msp_ctr_record_parse((const char *)rec.buf.data, rec.buf.len, ret,
                                reterr_why);
}

void msp_ctr_record_done(struct msp_ctr_record *record)
{
    free(record->bytes);
    free(record->fact);
    *record = (struct msp_ctr_record){0};
}

/* Cut between letters of UTF-8, never in one. @param to zeroed, [size] */
static void copy_text(char *to, size_t size, const char *text)
{
    size_t n = text ? strlen(text) : 0;

    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    if (n)
        memcpy(to, text, n);
}

void msp_ctr_record_name(const struct msp_ctr_record *record,
                         struct msp_ctr_name *ret)
{
    *ret = (struct msp_ctr_name){.id = ""};
    copy_text(ret->id, sizeof(ret->id), record->text[MSP_CTR_ID]);
    copy_text(ret->name, sizeof(ret->name), record->text[MSP_CTR_NAME]);
    copy_text(ret->image, sizeof(ret->image), record->text[MSP_CTR_IMAGE]);
    copy_text(ret->pod_namespace, sizeof(ret->pod_namespace),
              record->text[MSP_CTR_POD_NAMESPACE]);
    copy_text(ret->pod_name, sizeof(ret->pod_name),
              record->text[MSP_CTR_POD_NAME]);
}
