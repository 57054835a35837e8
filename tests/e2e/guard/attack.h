/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the parts of `attack` share: a table of attacks each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    ATTACK_SAID = 1, /* the attack has printed what came of it */
};

/* @return 0; negative errno; ATTACK_SAID */
struct attack {
    const char *name;
    int (*fn)(const char *argument);
};

/* Each ends with a row without a name. */
extern const struct attack attack_bpf[];
extern const struct attack attack_files[];
extern const struct attack attack_kernel[];

/* Prints "ok" or the name of the errno. @param r 0; negative errno */
void attack_say(int r);
/* @return 0; -errno if r is negative */
int attack_done(int r);
/* The same, and closes what is a descriptor. */
int attack_close(int fd);
