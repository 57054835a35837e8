/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * PR_SET_MM_MAP with another exe_fd, which any user may do in a user namespace
 * of his own once none of his pages is of his own file any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spoof.h"

#define AREAS_MAX 32

struct area {
    uintptr_t start, end;
    int prot;
};

static size_t read_all(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t r;

    if (fd < 0)
        spoof_die(path);
    while ((r = read(fd, ret + n, size - 1 - n)) > 0)
        n += (size_t)r;
    ret[n] = '\0';
    (void)close(fd);
    return n;
}

/* One line of /proc/self/maps. @return false: not of the file */
static bool parse_area(const char *line, const char *file, struct area *ret)
{
    char *at;
    const char *path = strchr(line, '/');

    ret->start = strtoull(line, &at, 16);
    ret->end = strtoull(at + 1, &at, 16);
    ret->prot = (at[1] == 'r' ? PROT_READ : 0) |
                (at[2] == 'w' ? PROT_WRITE : 0) |
                (at[3] == 'x' ? PROT_EXEC : 0);
    return path && strcmp(path, file) == 0;
}

static size_t own_areas(struct area ret[AREAS_MAX])
{
    static char text[65536];
    char file[4096];
    char *save = NULL;
    size_t n = 0;
    ssize_t len = readlink("/proc/self/exe", file, sizeof(file) - 1);

    if (len < 0)
        spoof_die("/proc/self/exe");
    file[len] = '\0';
    (void)read_all("/proc/self/maps", text, sizeof(text));
    for (char *line = strtok_r(text, "\n", &save); line && n < AREAS_MAX;
         line = strtok_r(NULL, "\n", &save)) {
        if (parse_area(line, file, &ret[n]))
            n++;
    }
    return n;
}

/* The same bytes at the same place, of no file. */
static void make_anonymous(const struct area *area)
{
    size_t len = area->end - area->start;
    void *old = (void *)area->start;
    void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (copy == MAP_FAILED)
        spoof_die("mmap");
    memcpy(copy, old, len);
    if (mprotect(copy, len, area->prot) < 0 ||
        mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, old) ==
            MAP_FAILED)
        spoof_die("mremap");
}

/* Fields of /proc/self/stat, counted from 1 as in proc(5). */
static void read_map(struct prctl_mm_map *ret)
{
    char text[4096];
    uint64_t field[53] = {0};
    char *at, *save = NULL;
    int i = 3;

    (void)read_all("/proc/self/stat", text, sizeof(text));
    at = strrchr(text, ')') + 2; /* field 3 */
    for (char *word = strtok_r(at, " ", &save); word && i < 53;
         word = strtok_r(NULL, " ", &save))
        field[i++] = strtoull(word, NULL, 10);
    *ret = (struct prctl_mm_map){
        .start_code = field[26],
        .end_code = field[27],
        .start_stack = field[28],
        .start_data = field[45],
        .end_data = field[46],
        .start_brk = field[47],
        .brk = (uint64_t)(uintptr_t)sbrk(0),
        .arg_start = field[48],
        .arg_end = field[49],
        .env_start = field[50],
        .env_end = field[51],
    };
}

int spoof_mm_map(int argc, char **argv)
{
    struct area areas[AREAS_MAX];
    struct prctl_mm_map map;
    size_t n = own_areas(areas);
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        spoof_die(argv[1]);
    read_map(&map);
    map.exe_fd = (uint32_t)fd;
    spoof_unshare(0);
    for (size_t i = 0; i < n; i++)
        make_anonymous(&areas[i]);
    if (syscall(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
        spoof_die("PR_SET_MM_MAP");
    return spoof_verb(argc - 2, argv + 2);
}
