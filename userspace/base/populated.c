/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/populated.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

#include "base/io.h"

#define EVENTS_BYTES_MAX 4096

bool msp_populated(int dir_fd, uint64_t id)
{
    msp_autofree char *text = NULL;
    msp_autoclose int fd = -1;
    const char *line;
    struct stat st;
    size_t len = 0;

    if (dir_fd < 0 || fstat(dir_fd, &st) < 0 || st.st_ino != id)
        return false;
    fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || msp_io_slurp(fd, EVENTS_BYTES_MAX, &text, &len) < 0)
        return false;
    line = strstr(text, "populated ");
    return line && line[strlen("populated ")] == '1';
}
