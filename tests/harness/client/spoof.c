/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Verbs; "..." is the verb that is run in the end, mostly `ask`:
 *   ask                        connects and requests
 *   uring inline|async|poll    connects by io_uring
 *   resume                     requests on the socket it was handed
 *   fork ... | vfork ...       a child runs the rest; vfork shares memory
 *   name NAME ...              prctl(PR_SET_NAME)
 *   ids UID GID GROUP ...      other real, effective and saved ids; one group
 *   exec PATH ARGV0 ...        becomes PATH, under the name ARGV0
 *   fexec [--unlink] PATH ARGV0 ...    the same by a descriptor
 *   memfd PATH NAME ARGV0 ...  a copy of PATH without a file
 *   thread PATH ARGV0 ...      becomes PATH by a thread that is not the leader
 *   connected PATH ARGV0 ...   connects first, then becomes PATH
 *   race MS ID PATH ARGV0 ...  threads request as ID while one becomes PATH
 *   trace birth|detach|later PATH ARGV0 ...    PATH under ptrace
 *   mount tmpfs|bind|overlay FROM PATH ...   FROM over PATH in namespaces of
 *                              its own
 *   chroot DIR FROM PATH ...         FROM as PATH in a root of its own
 *   detached fsmount|open_tree DIR FROM PATH ...   ... in a mount nowhere
 *   mm-map PATH ...            PR_SET_MM_MAP: /proc/PID/exe is PATH
 *   takeover APP DIR FROM ARGV0 ...  FROM with the numbers APP had, on ext4
 *   fuse APP DIR FROM ARGV0 ...      the same by a FUSE of its own (MSP_FUSE)
 *   who PID PATH               what a naive reader believes of a process
 */
#include "spoof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msp/cleanup.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    int min; /* arguments with the verb */
} verbs[] = {
    {"ask", spoof_ask, 1},           {"uring", spoof_uring, 2},
    {"resume", spoof_resume, 1},     {"fork", spoof_fork, 2},
    {"vfork", spoof_vfork, 2},       {"name", spoof_name, 3},
    {"ids", spoof_ids, 5},           {"exec", spoof_exec, 4},
    {"fexec", spoof_fexec, 4},       {"memfd", spoof_memfd, 5},
    {"thread", spoof_thread, 4},     {"connected", spoof_connected, 4},
    {"race", spoof_race, 6},         {"trace", spoof_trace, 5},
    {"mount", spoof_mount, 5},       {"chroot", spoof_chroot, 5},
    {"detached", spoof_detached, 6}, {"mm-map", spoof_mm_map, 3},
    {"takeover", spoof_takeover, 6}, {"fuse", spoof_fuse, 6},
    {"who", spoof_who, 3},
};

noreturn void spoof_die(const char *what)
{
    (void)dprintf(STDERR_FILENO, "mspspoof: %s: %s\n", what,
                  msp_client_errno(errno));
    _exit(5);
}

int spoof_verb(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(argv[0], verbs[i].name) == 0 && argc >= verbs[i].min)
            return verbs[i].run(argc, argv);
    }
    (void)dprintf(STDERR_FILENO, "usage: mspspoof VERB ...; see spoof.c\n");
    return 2;
}

int main(int argc, char **argv)
{
    return spoof_verb(argc - 1, argv + 1);
}
