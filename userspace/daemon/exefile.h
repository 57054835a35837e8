/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One path of the policy and the files it named: what follows from what was
 * seen. Pure: no clock, no descriptor, no kernel. exes.h does the looking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

/* Why a path has no file that could match; status shows it. */
enum msp_exe_why {
    MSP_EXE_OK = 0,
    MSP_EXE_NOT_ASKED,   /* no answer yet */
    MSP_EXE_MISSING,     /* no such file, or a link that may not be followed */
    MSP_EXE_NOT_REGULAR, /* a directory, a device, a FIFO ... */
    MSP_EXE_FILE_SYSTEM, /* of a kind whose numbers cannot be trusted */
    MSP_EXE_NO_ANSWER,   /* the file system kept silent */
    MSP_EXE_FAILED,      /* another error, in `error` */
    MSP_EXE_WHY_COUNT,
};

/* A file the path named. */
struct msp_exe_version {
    struct msp_exe exe;
    int64_t ctime_sec; /* last seen while the path named the file */
    uint32_t ctime_nsec;
    uint32_t time_gran; /* ns, of its file system; 0 = not known */
    bool has_sha256;
    bool is_script; /* its interpreter is executed in its place */
    uint32_t mode;  /* as of stat */
    uint32_t doubt; /* not 0: was read, but may be written without its ctime
                       telling; MSP_OPEN_UNSURE, and why */
    uint8_t sha256[MSP_DIGEST_BYTES];
    uint64_t retired_ns; /* CLOCK_BOOTTIME; 0 = current */
    uint32_t n_unseen;   /* rounds in which no process ran it */
    char *real;          /* owned; path without links, NULL = not known */
};

struct msp_exe_file {
    char *path;     /* owned; as the policy says */
    bool is_hashed; /* some identity demands contents */
    enum msp_exe_why why;
    int error;      /* negative errno, of MSP_EXE_FAILED */
    uint64_t magic; /* of MSP_EXE_FILE_SYSTEM */
    bool has_current;
    struct msp_exe_version current;
    struct msp_exe_version *retired; /* owned; [n_retired] oldest first */
    size_t n_retired;
};

/* @return 0; -ENOMEM */
int msp_exe_file_init(struct msp_exe_file *file, const char *path);
void msp_exe_file_done(struct msp_exe_file *file);

/*
 * The path was opened: what it names now.
 * @param real its path without links, copied
 * @param boot_ns CLOCK_BOOTTIME now
 * @return whether rows change
 */
bool msp_exe_file_see(struct msp_exe_file *file,
                      const struct msp_file_fact *fact, const char *real,
                      uint64_t boot_ns);

/*
 * The path could not be opened. If that says that it names nothing, the
 * current file is retired; if it says nothing (no answer), it stays.
 * @param error negative errno
 * @return whether rows change
 */
bool msp_exe_file_lose(struct msp_exe_file *file, int error, uint64_t boot_ns);

/* Contents are demanded, and reading the current file may tell them. */
bool msp_exe_file_needs_hash(const struct msp_exe_file *file);

/*
 * The current file was read.
 * @param fact of its descriptor, taken after reading
 * @param doubt MSP_OPEN_UNSURE and why, if that was said of it, else 0
 * @return 1 known now; 0 it is another file or was written meanwhile: not
 *         known
 */
int msp_exe_file_hashed(struct msp_exe_file *file,
                        const struct msp_file_fact *fact, uint32_t doubt,
                        const uint8_t sha256[MSP_DIGEST_BYTES]);

/*
 * From an earlier mspd: the path named this file.
 * @return 0; -ENOMEM
 */
int msp_exe_file_recall(struct msp_exe_file *file,
                        const struct msp_exe_version *version);

/*
 * Ends a round of looking at all processes: retired files that none ran in two
 * rounds are dropped. One round may miss a process that forks and ends.
 * @return whether rows change
 */
bool msp_exe_file_collect(struct msp_exe_file *file,
                          bool (*is_running)(const void *data,
                                             const struct msp_exe *exe),
                          const void *data);

/*
 * Why nobody who executes the current file now is known by it.
 * @return NULL: somebody may be
 */
const char *msp_exe_file_fault(const struct msp_exe_file *file);

/* "missing", "not a regular file" ... for status. */
const char *msp_exe_why_name(enum msp_exe_why why);
/* Of MSP_OPEN_UNSURE, and why. */
const char *msp_exe_doubt_name(uint32_t doubt);
/* Of one that is not accepted: "overlay"; NULL = not known. */
const char *msp_exe_magic_name(uint64_t magic);
