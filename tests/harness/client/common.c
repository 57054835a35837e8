/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What every client needs: time, addresses, words. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

uint64_t msp_client_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int msp_client_parse(const char *text, struct msp_client_to *ret)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    char addr[INET6_ADDRSTRLEN] = "";
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool is_v6 = text[0] == '[' && len > 2 && colon[-1] == ']';

    if (is_v6) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(addr) || *end || port > 65535)
        return -EINVAL;
    memcpy(addr, text, len);
    *ret = (struct msp_client_to){0};
    ret->in.sin_port = htons((uint16_t)port);
    ret->sa.sa_family = is_v6 ? AF_INET6 : AF_INET;
    ret->len = is_v6 ? sizeof(ret->in6) : sizeof(ret->in);
    if (is_v6)
        return inet_pton(AF_INET6, addr, &ret->in6.sin6_addr) == 1 ? 0
                                                                   : -EINVAL;
    return inet_pton(AF_INET, addr, &ret->in.sin_addr) == 1 ? 0 : -EINVAL;
}

int msp_client_addr(const char *text, struct sockaddr_in *ret)
{
    struct msp_client_to to;
    int r = msp_client_parse(text, &to);

    if (r < 0)
        return r;
    *ret = to.in;
    return to.sa.sa_family == AF_INET ? 0 : -EINVAL;
}

void msp_client_host(const struct msp_client_to *to,
                     char ret[MSP_CLIENT_HOST_BYTES])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (to->sa.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &to->in.sin_addr, text, sizeof(text));
    else if (IN6_IS_ADDR_V4MAPPED(&to->in6.sin6_addr))
        (void)inet_ntop(AF_INET, to->in6.sin6_addr.s6_addr + 12, text,
                        sizeof(text));
    else {
        (void)inet_ntop(AF_INET6, &to->in6.sin6_addr, text, sizeof(text));
        (void)snprintf(ret, MSP_CLIENT_HOST_BYTES, "[%s]", text);
        return;
    }
    (void)snprintf(ret, MSP_CLIENT_HOST_BYTES, "%s", text);
}

int msp_client_status(const char *head)
{
    long status;
    char *end;

    if (strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12)
        return 0;
    status = strtol(head + 9, &end, 10);
    return end == head + 12 && status >= 100 ? (int)status : 0;
}

const char *msp_client_errno(int error)
{
    const char *name = error ? strerrorname_np(error) : "ok";

    return name ? name : "unknown";
}
