/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <msp/cleanup.h>

int msp_notify(const char *text)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    msp_autoclose int sock = -1;
    size_t n;
    socklen_t len;

    if (!path || !*path)
        return 0;
    n = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || n >= sizeof(addr.sun_path))
        return -EINVAL;
    memcpy(addr.sun_path, path, n);
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return -errno;
    if (sendto(sock, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
               len) < 0)
        return -errno;
    return 0;
}
