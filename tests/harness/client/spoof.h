/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspspoof: a caller who is not what he seems, and who.c, the naive reader of
 * /proc he fools. One static program, so that it runs wherever it is put.
 *
 * What to ask for is in the environment, so it survives every exec: MSP_TO
 * ("ADDR:PORT"), MSP_TARGET, MSP_ID (x-client-id). With MSP_HOLD set a caller
 * writes its pid to descriptor 8 and goes on when it can read a byte from 9:
 * in between it is looked at. Prints the HTTP status, an errno name, ETIMEDOUT
 * after MSP_TIMEOUT_MS (10 s, times MSP_SLOW), or EOF: closed without an answer.
 */
#pragma once

#include <stdnoreturn.h>
#include <sys/types.h>

#include "client.h"

#define SPOOF_READY_FD 8
#define SPOOF_GO_FD    9
#define SPOOF_SOCK_FD  7 /* a connected socket handed through exec */

/* Says why, by errno and without stdio (rows run in shared memory); exits 5. */
noreturn void spoof_die(const char *what);

/* Runs the rest of the command line. @return exit status */
int spoof_verb(int argc, char **argv);

/* --- spoof_ask.c -------------------------------------------------------- */

/* "ready PID" to whoever looks, then waits for him; only with MSP_HOLD. */
void spoof_hold(void);
/* The same for another process. */
void spoof_hold_for(pid_t pid);
/* Of MSP_TO. */
void spoof_to(struct msp_client_to *ret);
/* A new socket connected to MSP_TO. @return descriptor; negative errno */
int spoof_connect(void);
/* Sends the GET and reads the status. @return it; 0 = closed; negative errno */
int spoof_request(int fd, const char *id);
int spoof_ask(int argc, char **argv);
int spoof_uring(int argc, char **argv);
int spoof_resume(int argc, char **argv);

/* --- the ways to seem somebody else; argv[0] is the verb ----------------- */

int spoof_fork(int argc, char **argv);
int spoof_vfork(int argc, char **argv);
int spoof_name(int argc, char **argv);
int spoof_ids(int argc, char **argv);
int spoof_exec(int argc, char **argv);
int spoof_fexec(int argc, char **argv);
int spoof_memfd(int argc, char **argv);
int spoof_thread(int argc, char **argv);
int spoof_connected(int argc, char **argv);
int spoof_race(int argc, char **argv);
int spoof_trace(int argc, char **argv);
int spoof_mount(int argc, char **argv);
int spoof_chroot(int argc, char **argv);
int spoof_detached(int argc, char **argv);
int spoof_mm_map(int argc, char **argv);
int spoof_takeover(int argc, char **argv);
int spoof_fuse(int argc, char **argv);
int spoof_who(int argc, char **argv);

/* --- helpers ------------------------------------------------------------ */

/* A user namespace, and a mount namespace if wanted; ids stay what they are. */
void spoof_unshare(int flags);
/* The bytes of one descriptor from where it is, to another. */
void spoof_copy_bytes(int in, int out);
/* Copies a file's bytes; the copy is executable. */
void spoof_copy(const char *from, int to_dir, const char *to);
/* argv = {ARGV0, VERB...}: becomes PATH; exits if it cannot. */
noreturn void spoof_become(const char *path, char **argv);
/* Waits for a child. @return its exit status; 5 if it was killed */
int spoof_wait(pid_t pid);
