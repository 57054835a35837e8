/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The way to a file, name by name, each directory watched before it is looked
 * at. It only says what is watched: what the path leads to is for the kernel
 * alone to say, afterwards (file.h).
 */
#pragma once

#include <msp/child.h>

/*
 * Walks as far as the path leads.
 * @param watch_fd inotify descriptor; -1: hops say -EBADF
 * @param path absolute; links do not lead out of the root directory
 * @param reply flags, n_hops, hop and path are set: MSP_OPEN_WALK, and
 *        MSP_OPEN_CUT if not every name found room
 */
void msp_walk(int root_fd, int watch_fd, const char *path,
              struct msp_child_open *reply);
