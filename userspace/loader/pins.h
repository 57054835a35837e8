/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The pin tree <pin-dir>/layout-<n>/{links,progs,maps,gen}: names and
 * directories only, no BPF objects are interpreted here. bpffs reserves dots
 * in names, so a temporary name ends in "-new". In every layout links/ holds
 * nothing but links, and maps/msp_meta begins with the fields up to
 * agent_epoch: that is all one layout knows of another.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MSP_PIN_PATH_BYTES = 512
};

struct msp_pins {
    char dir[MSP_PIN_PATH_BYTES / 2];  /* what --pin-dir says */
    char root[MSP_PIN_PATH_BYTES / 2]; /* .../layout-<n> */
};

/* @param root the tree of another layout. @return 0 to go on, else to stop */
typedef int (*msp_pins_fn)(void *data, const char *root);

enum msp_pins_state {
    MSP_PINS_EMPTY,    /* nothing there */
    MSP_PINS_LEFTOVER, /* no link enforces: may be cleared */
    MSP_PINS_LIVE,     /* every link is there */
    MSP_PINS_BROKEN,   /* the deciding link is there, something else not */
};

/*
 * Makes the directories, mode 0700.
 * @return 0; -EINVAL not on a bpf file system; -ENAMETOOLONG; negative errno
 */
int msp_pins_open(struct msp_pins *pins, const char *pin_dir);

/* The path of <folder>/<name>[-new]. */
void msp_pins_path(const struct msp_pins *pins, const char *folder,
                   const char *name, bool is_new,
                   char ret_path[MSP_PIN_PATH_BYTES]);

/* The path of a folder of our tree, or of what is in it ("maps/msp_meta"), below
 * a directory that need not be open. */
void msp_pins_folder_path(const char *pin_dir, const char *folder,
                          char ret_path[MSP_PIN_PATH_BYTES]);

/* As msp_pins_path for gen/<generation>[-new]/<name>; name may be NULL. */
void msp_pins_gen_path(const struct msp_pins *pins, uint64_t generation,
                       bool is_new, const char *name,
                       char ret_path[MSP_PIN_PATH_BYTES]);

/* @param reterr_missing the first pin that lacks, for MSP_PINS_BROKEN */
enum msp_pins_state msp_pins_state(const struct msp_pins *pins,
                                   const char *const *links,
                                   const char *const *progs,
                                   const char *const *maps,
                                   char reterr_missing[MSP_PIN_PATH_BYTES]);

/* Removes every pin below links, progs, maps and gen. @return 0; -errno */
int msp_pins_clear(const struct msp_pins *pins);

/* Removes one directory of pins; no error if it is not there. */
int msp_pins_remove_dir(const char *path);

/* Calls fn for the tree of each other layout. @return 0; what fn did; -errno */
int msp_pins_each_other(const struct msp_pins *pins, msp_pins_fn fn,
                        void *data);

/* Whether the tree at `root` has a link. */
bool msp_pins_has_link(const char *root);

/* Removes a whole tree; no error if it is not there. @return 0; -errno */
int msp_pins_remove_tree(const char *root);

/*
 * Calls fn for each generation under gen/; leftovers ending in "-new" are
 * removed on the way.
 */
int msp_pins_each_gen(const struct msp_pins *pins,
                      void (*fn)(void *data, uint64_t generation), void *data);
