/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The naive reader: who a process is, by /proc after the fact, as agents do
 * that look a caller's pid up. Prints one JSON line: what it read, and by what
 * of it the process would be taken for PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "spoof.h"

#define COMM_BYTES 16 /* with the NUL */

static void read_text(const char *pid, const char *name, char *ret, size_t size)
{
    char path[128];
    ssize_t n = -1;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    if (strcmp(name, "exe") == 0) {
        n = readlink(path, ret, size - 1);
    } else {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            n = read(fd, ret, size - 1);
            (void)close(fd);
        }
    }
    ret[n < 0 ? 0 : n] = '\0';
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void print_text(const char *name, const char *text)
{
    (void)printf(",\"%s\":\"", name);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)putchar('\\');
        (void)putchar((unsigned char)*text < 0x20 ? '?' : *text);
    }
    (void)putchar('"');
}

int spoof_who(int argc, char **argv)
{
    const char *pid = argv[1], *path = argv[2];
    char exe[4096], comm[64], argv0[4096], wanted[COMM_BYTES];

    (void)argc;
    read_text(pid, "exe", exe, sizeof(exe));
    read_text(pid, "comm", comm, sizeof(comm));
    read_text(pid, "cmdline", argv0, sizeof(argv0));
    comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(wanted, sizeof(wanted), "%s", base_name(path));
    (void)printf("{\"pid\":%s", pid);
    print_text("exe", exe);
    print_text("comm", comm);
    print_text("argv0", argv0);
    (void)printf(",\"believes\":{\"exe\":%s,\"name\":%s,\"comm\":%s,"
                 "\"argv0\":%s}}\n",
                 msp_streq(exe, path) ? "true" : "false",
                 msp_streq(base_name(exe), base_name(path)) ? "true" : "false",
                 msp_streq(comm, wanted) ? "true" : "false",
                 msp_streq(argv0, path) ? "true" : "false");
    return 0;
}
