/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every part of a document is read with: members, words, texts and
 * numbers of a JSON object, and how they are reported. Strictness of a form
 * lives here: the platform's forms may have members we do not know and may
 * say null for a member that is not there; ours may not.
 */
#pragma once

#include <jansson.h>

#include <msp/policy.h>

#include "doc.h"
#include "report.h"

struct parser {
    struct report *report;
    enum msp_form form; /* never MSP_FORM_AUTO where members are read */
    struct place at;
};

enum need {
    OPTIONAL,
    REQUIRED,
    FIXED, /* known of custom endpoints, a built-in one has its own */
};

struct member {
    const char *name;
    enum need need;
};

enum text_kind {
    TEXT_FREE, /* may be empty */
    TEXT_SELECTOR,
    TEXT_NAME, /* goes to records: short */
};

/* The member, or NULL; null counts as absent in the platform's forms. */
json_t *msp_value_get(const struct parser *parser, const json_t *object,
                      const char *key);

void msp_value_wrong_type(struct parser *parser, const char *expected,
                          const json_t *value);

/*
 * The members of an object: none unknown, each required one there.
 * @param members [n]
 * @return whether there were unknown ones
 */
bool msp_value_members(struct parser *parser, json_t *object,
                       const struct member *members, size_t n);

void msp_value_check_text(struct parser *parser, const char *text, size_t len,
                          enum text_kind kind);

/* @return borrowed from the document; NULL = not a string, reported */
doc_text msp_value_take_text(struct parser *parser, const json_t *value,
                             enum text_kind kind);

/* @return as above; NULL also if it is not there */
doc_text msp_value_text(struct parser *parser, const json_t *object,
                        const char *key, enum text_kind kind);

/* A user or group number. @return whether it is given and right */
bool msp_value_id(struct parser *parser, const json_t *object, const char *key,
                  uint32_t *ret);

/*
 * One word of a list, in any case of letters.
 * @param word [n], NULL entries are no words
 * @return its index; 0 = none, reported unless the member is missing
 */
size_t msp_value_word(struct parser *parser, const json_t *object,
                      const char *key, const char *const *word, size_t n,
                      const char *expected);

/*
 * Enters object[key] if it is an array.
 * @param ret_before for msp_place_pop(), when the array was entered
 * @return it; NULL, reported
 */
json_t *msp_value_enter_array(struct parser *parser, const json_t *object,
                              const char *key, size_t *ret_before);

/* Zeroed rows for an array. @return NULL with nothing to do or -ENOMEM */
void *msp_value_rows(struct parser *parser, const json_t *array, size_t size);
