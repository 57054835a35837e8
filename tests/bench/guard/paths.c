/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_guard DIRECTORY: what everybody pays for hooks that everybody passes,
 * system call and all. stat() of a path of eight components below the directory
 * asks `inode_permission` for each of eight directories, open() and close() of
 * a file right in it asks `file_open` once. Prints "STAT OPEN", nanoseconds in the
 * best of many short rounds: in an emulated machine others take the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/report.h"

enum {
    ROUNDS = 1000,
    CALLS = 100, /* a round */
};

static const char path[] = "d/d/d/d/d/d/d/d";
static const char file[] = "file";

/* Goes to the directory. @return 0; negative errno */
static int make_tree(const char *dir)
{
    char part[sizeof(path)];
    int fd;

    if (chdir(dir) < 0)
        return -errno;
    for (size_t len = 1; len < sizeof(path); len += 2) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)len, path);
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    fd = open(file, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : close(fd);
}

static int stat_path(void)
{
    struct stat st;

    return stat(path, &st);
}

static int open_file(void)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? fd : close(fd);
}

/* @return ns of one call; negative: it failed */
static double measure(int (*call)(void))
{
    double best = 0;

    for (size_t round = 0; round < ROUNDS; round++) {
        double start = bench_now_ns(), ns;

        for (int i = 0; i < CALLS; i++)
            if (call() < 0)
                return -1;
        ns = (bench_now_ns() - start) / CALLS;
        if (best == 0 || ns < best)
            best = ns;
    }
    return best;
}

int main(int argc, char **argv)
{
    double stat_ns, open_ns;
    int r = argc == 2 ? make_tree(argv[1]) : -EINVAL;

    if (r < 0) {
        (void)fprintf(stderr, "bench_guard DIRECTORY: %s\n", strerror(-r));
        return 2;
    }
    stat_ns = measure(stat_path);
    open_ns = measure(open_file);
    if (stat_ns < 0 || open_ns < 0)
        return 1;
    (void)printf("%.0f %.0f\n", stat_ns, open_ns);
    return 0;
}
