/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key files "<guid>.key" in a directory that mspd opened. A file is whole or
 * absent at every moment, also after a power cut; no link is ever followed.
 * Knows bytes and names; what is in a file is keyfile.h's.
 */
#pragma once

#include <stddef.h>

#include <msp/child.h>

/*
 * @param guid msp_status_is_guid()
 * @param ret_text [size]
 * @param ret_len bytes read
 * @return 0; -ENOENT; -EPERM not a file of ours that nobody else may write;
 *         -EFBIG; negative errno
 */
int msp_keystore_read(int dir_fd, const char *guid, char *ret_text, size_t size,
                      size_t *ret_len);

/*
 * Writes by a temporary file of its own, fsync of file and directory, rename.
 * @return 0; negative errno: nothing of the name has changed
 */
int msp_keystore_write(int dir_fd, const char *guid, const char *text,
                       size_t len);

/*
 * Which key was in use last, in a file of its own beside them.
 * @param guid "" = none: the file goes
 * @return 0; negative errno: then there is none
 */
int msp_keystore_set_latched(int dir_fd, const char *guid);
/* @param ret_guid a GUID @return 0; -ENOENT, -EINVAL and others: none is known */
int msp_keystore_get_latched(int dir_fd, char ret_guid[MSP_GUID_BYTES]);

/*
 * Removes what a killed writer left, and the oldest files beyond
 * MSP_KEYS_MAX; never those of `keep`. Best effort.
 * @param keep [2] GUIDs, "" = none
 */
void msp_keystore_clean(int dir_fd, const char *const keep[2]);
