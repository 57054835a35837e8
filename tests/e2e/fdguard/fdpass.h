/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Every way to write to a socket. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "harness/client/client.h"
#include "harness/client/ring.h"

/* Writes a request to the socket. @return 0; an errno value */
int fdpass_write(int fd, const char *way);

/* The request as an entry of a ring: a send, a write, a send without copy. */
struct io_uring_sqe fdpass_sqe(int fd, uint8_t opcode);
