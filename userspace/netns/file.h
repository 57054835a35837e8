/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One file by its path in somebody's root directory, and what it contains.
 * May block for as long as a file system pleases: opener.h runs it in a
 * process of its own.
 */
#pragma once

#include <stdint.h>

#include <msp/child.h>

/*
 * The root directory paths are looked up in.
 * @param pid 0 = the own one, which must be pid 1's; else that of a process
 * @return O_PATH descriptor; -EXDEV the own root is not pid 1's; -ESRCH no such
 *         process; negative errno
 */
int msp_file_root(uint32_t pid);

/*
 * Opens a file within a root directory with O_PATH: symbolic links do not lead
 * out of it, magic links are refused (-ELOOP), nothing is really opened.
 * @param path absolute
 * @return descriptor; -EINVAL not a regular file; negative errno
 */
int msp_file_open(int root_fd, const char *path);

/*
 * SHA-256 of what a regular file contains.
 * @param fd O_PATH
 * @param ret_flags MSP_OPEN_HASH, with MSP_OPEN_UNSURE and why if somebody may
 *        have written meanwhile without the file's ctime telling
 * @return 0; negative errno
 */
int msp_file_hash(int fd, uint8_t ret_sha256[32], uint32_t *ret_flags);

/*
 * What executing a file would execute.
 * @param fd O_PATH of a regular file
 * @return MSP_OPEN_SCRIPT: its interpreter; 0: itself, or it is not known
 */
uint32_t msp_file_kind(int fd);

/*
 * Answers one request in a process that does nothing else: gives up every
 * capability but CAP_DAC_READ_SEARCH once it has the root directory.
 * @param request also the reply
 * @param watch_fd inotify descriptor for MSP_OPEN_WALK; -1 none
 * @return descriptor of the reply; -1 none, request->status says why
 */
int msp_file_work(struct msp_child_open *request, int watch_fd);
