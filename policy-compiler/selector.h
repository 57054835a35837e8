/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Spellings of the selectors of executables and cgroups: a text to its one
 * canonical form, or what is wrong with it. Pure; used by compiler, reader
 * and explain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

/* A canonical pattern: every segment with its slash, the end of a subtree. */
#define SELECTOR_CGROUP_BYTES \
    (MSP_CG_SEGMENTS_MAX * MSP_CG_NAME_BYTES + sizeof("/**"))

struct selector_fault {
    const char *expected; /* NULL = nothing is wrong */
    bool is_limit;
};

/*
 * The next segment of a path; slashes that follow one another are one.
 * @param at in/out, where to look
 * @param ret_segment where it begins
 * @return its bytes; 0 = no more
 */
size_t msp_selector_next(const char **at, const char **ret_segment);

/* All below: what `ret` holds after a fault means nothing. */

/* An absolute path of a file. */
struct selector_fault msp_selector_exe(const char *text,
                                       char ret[MSP_EXE_PATH_BYTES]);

/* A base name; it is its own canonical form. */
struct selector_fault msp_selector_process(const char *text);

/* 64 hex digits, in any case. */
struct selector_fault msp_selector_sha256(const char *text,
                                          uint8_t ret[MSP_DIGEST_BYTES]);

/* A pattern: `*` for one whole segment, `**` at the end for a subtree. */
struct selector_fault msp_selector_cgroup(const char *text,
                                          char ret[SELECTOR_CGROUP_BYTES]);

/* UNIT or SLICE/UNIT, to the path of the cgroup systemd makes for it. */
struct selector_fault msp_selector_unit(const char *text,
                                        char ret[SELECTOR_CGROUP_BYTES]);

/*
 * What a container or its pod must have.
 * @param key of a label, else NULL
 */
struct selector_fault msp_selector_demand(const char *key, const char *value);

/*
 * Whether an identity with these selectors matches only outside containers.
 * @param flags MSP_ID_* but MSP_ID_HOST_ONLY
 */
bool msp_selector_is_host_only(uint32_t flags);

/* Whether a canonical pattern covers a canonical path without wildcards. */
bool msp_selector_covers(const char *pattern, const char *path);
