/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Local rule files of the platform: whether an item of the host's asks for one,
 * what such a file may say beyond what the compiler checks, and the item the
 * two make together. Sans-IO; knows JSON, and neither files nor images.
 *
 * The mode is the host's alone: a file's is not looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/*
 * Whether the item's id is base64 of {"id":TEXT,"useLocalFileRules":true}. Any
 * other id is just a name.
 */
bool msp_localrules_asked(const json_t *item);

/* Skips a UTF-8 byte order mark. @return into text; *len is what is left */
const char *msp_localrules_text(const char *text, size_t *len);

/*
 * A file that the compiler takes in the form "local".
 * @param text [len] without a byte order mark
 * @param reterr_why static text
 * @return owned; NULL: refused
 */
json_t *msp_localrules_parse(const char *text, size_t len,
                             const char **reterr_why);

/*
 * The item with the file merged in: its default access goes before the host's,
 * its rules are added under names of their own.
 * @param item that msp_localrules_asked(), borrowed
 * @param local of msp_localrules_parse(), borrowed
 * @return owned; NULL: no memory
 */
json_t *msp_localrules_merge(const json_t *item, const json_t *local);

/* The same for a file that may not be used: the host's mode, nobody allowed. */
json_t *msp_localrules_deny(const json_t *item);
