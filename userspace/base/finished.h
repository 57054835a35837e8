/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Records of finished requests as they go from the proxy to mspd: head and
 * numbers as struct msp_child_log has them, but for mark.ids, which stay with
 * the proxy; then each text with its NUL. A record is a quarter of the struct
 * that way, so that mspd has to be woken for few requests only.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <msp/child.h>

/*
 * Packs one record. @param room bytes at `to`
 * @return bytes written, at most sizeof(*record); 0 too little room
 */
size_t msp_finished_pack(void *to, size_t room,
                         const struct msp_child_log *record);

/*
 * Unpacks the first of the records at `from`. @param ret mark.ids are zero, and
 * what follows a text's NUL is too
 * @return bytes it took; -EPROTO it is none or cut
 */
ssize_t msp_finished_unpack(const void *from, size_t len,
                            struct msp_child_log *ret);
