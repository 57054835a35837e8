/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

static const char help[] =
    "usage: mspclient VERB ...\n"
    "  steps STEP...    one socket, step by step; see steps.c\n"
    "  load OPTIONS     many connections; see load.c\n"
    "  slow OPTIONS     many that want nothing, slowly; see slow.c\n"
    "  notify PATH MS   binds a readiness socket, prints \"bound\", then\n"
    "                   \"ready\" or \"timeout\"\n"
    "  exec OPTIONS -- COMMAND   with other ids or root directory:\n"
    "     --ruid N --euid N --suid N --rgid N --egid N --ngroups FIRST,COUNT\n"
    "     --chroot DIR\n";

int msp_client_notify(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char text[4096];
    uint64_t end;
    int fd;

    if (argc != 3 || strlen(argv[1]) >= sizeof(addr.sun_path))
        return 2;
    memcpy(addr.sun_path, argv[1], strlen(argv[1]) + 1);
    end = msp_client_now_ns() + strtoull(argv[2], NULL, 10) * 1000000;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return 5;
    (void)printf("bound\n");
    (void)fflush(stdout);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = msp_client_now_ns();
        ssize_t n;

        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) == 0) {
            (void)printf("timeout\n");
            return 1;
        }
        n = recv(fd, text, sizeof(text) - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        if (strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1")) {
            (void)printf("ready\n");
            return 0;
        }
    }
}

struct ids {
    uid_t ruid, euid, suid;
    gid_t rgid, egid;
    const char *ngroups;
    const char *root;
};

static int set_groups(const char *text)
{
    gid_t list[1024];
    char *end;
    unsigned long first = strtoul(text, &end, 10);
    unsigned long count = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;

    if (count > 1024)
        return -EINVAL;
    for (unsigned long i = 0; i < count; i++)
        list[i] = (gid_t)(first + i);
    return setgroups(count, list) < 0 ? -errno : 0;
}

static int become(const struct ids *ids)
{
    if (ids->root && (chroot(ids->root) < 0 || chdir("/") < 0))
        return -errno;
    if (ids->ngroups) {
        int r = set_groups(ids->ngroups);

        if (r < 0)
            return r;
    }
    if (setresgid(ids->rgid, ids->egid, ids->egid) < 0 ||
        setresuid(ids->ruid, ids->euid, ids->suid) < 0)
        return -errno;
    return 0;
}

int msp_client_exec(int argc, char **argv)
{
    const uid_t keep = (uid_t)-1;
    struct ids ids = {keep, keep, keep, keep, keep, NULL, NULL};
    int r = 0;
    int i;

    for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        uid_t id = (uid_t)strtoul(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--ruid") == 0)
            ids.ruid = id;
        else if (strcmp(argv[i], "--euid") == 0)
            ids.euid = id;
        else if (strcmp(argv[i], "--suid") == 0)
            ids.suid = id;
        else if (strcmp(argv[i], "--rgid") == 0)
            ids.rgid = id;
        else if (strcmp(argv[i], "--egid") == 0)
            ids.egid = id;
        else if (strcmp(argv[i], "--ngroups") == 0)
            ids.ngroups = argv[i + 1];
        else if (strcmp(argv[i], "--chroot") == 0)
            ids.root = argv[i + 1];
        else
            r = -EINVAL;
    }
    if (r < 0 || i + 1 >= argc)
        return 2;
    r = become(&ids);
    if (r == 0) {
        (void)execvp(argv[i + 1], &argv[i + 1]);
        r = -errno;
    }
    (void)fprintf(stderr, "mspclient: exec: %s\n", strerror(-r));
    return 5;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "steps") == 0)
        return msp_client_steps(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "load") == 0)
        return msp_client_load(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "slow") == 0)
        return msp_client_slow(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "notify") == 0)
        return msp_client_notify(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "exec") == 0)
        return msp_client_exec(argc - 1, argv + 1);
    (void)fputs(help, stderr);
    return 2;
}
