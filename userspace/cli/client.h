/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The client's half of the control protocol (include/msp/ctl.h): one frame
 * out, one frame in, under one deadline. Knows frames, not what they mean.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <msp/ctl.h>

struct msp_client_reply {
    enum msp_ctl_status status;
    uint16_t version; /* the daemon's */
    char *payload;    /* [len] and a NUL that is not counted; owned */
    size_t len;
};

/*
 * Connects to the daemon.
 * @param path of an AF_UNIX stream socket
 * @param timeout_ms how long a full backlog is waited for
 * @return descriptor, CLOEXEC, the caller's; -ENAMETOOLONG; -ENOENT,
 *         -ECONNREFUSED no daemon; -EACCES; -ETIMEDOUT; other errno
 */
int msp_client_connect(const char *path, unsigned int timeout_ms);

/*
 * One exchange on a connected socket. A daemon that refuses early may close
 * before it has read the whole request; its reply still counts.
 * @param part [n] pieces of the payload, sent in order
 * @param timeout_ms for the whole exchange
 * @param ret_reply set only on success; msp_client_reply_done()
 * @return 0; -ETIMEDOUT; -ENODATA closed without an answer; -EPROTO the
 *         answer is not a frame of this protocol; -EFBIG it is longer than
 *         MSP_CTL_REPLY_BYTES_MAX; -EMSGSIZE the request is too long;
 *         -ENOMEM; other errno
 */
int msp_client_call(int fd, enum msp_ctl_type type, const struct iovec *part,
                    size_t n, unsigned int timeout_ms,
                    struct msp_client_reply *ret_reply);

void msp_client_reply_done(struct msp_client_reply *reply);
