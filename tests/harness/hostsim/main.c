/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hostsim: the host side of the protocol, for tests. Serves IMDS, WireServer
 * and HostGA, verifies what is signed, and journals every request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

static const char help[] =
    "usage: hostsim --key FILE --journal FILE [options]\n"
    "  --key FILE              key file {\"guid\",\"key\"}\n"
    "  --journal FILE          JSON lines, appended\n"
    "  --mode ENDPOINT=MODE    imds|wireserver|hostga = enforce|audit|off\n"
    "  --modes FILE            lines ENDPOINT=MODE; read again, with the key,\n"
    "                          on SIGHUP (journals {\"event\":\"reloaded\"})\n"
    "  --listen ENDPOINT=ADDR:PORT   instead of the real address;\n"
    "                          [ADDR]:PORT, IPv6, is one more\n"
    "  --clock-offset SECONDS  the host's clock minus ours\n"
    "  --scenario FILE         serve the key latch as this file says, see\n"
    "                          channel.h; read again on SIGHUP\n"
    "  --delay-ms N            before every answer\n"
    "  --ready-fd FD           \"ready\\n\" is written when all ports listen\n";

struct options {
    struct sim_config config;
    struct sockaddr_in addr[SIM_ENDPOINTS];
    struct sockaddr_in6 addr6[SIM_ENDPOINTS]; /* port 0 = none */
    const char *journal_path;
    long ready_fd;
};

static int endpoint_of(const char *text, size_t len)
{
    for (int e = 0; e < SIM_ENDPOINTS; e++) {
        const char *name = msp_sim_endpoint_name((enum sim_endpoint)e);

        if (strlen(name) == len && memcmp(name, text, len) == 0)
            return e;
    }
    return -EINVAL;
}

/* A decimal number in a range. @return 0; -EINVAL */
static int number(const char *text, long min, long max, long *ret)
{
    char *end;

    errno = 0;
    *ret = strtol(text, &end, 10);
    if (errno || end == text || *end || *ret < min || *ret > max)
        return -EINVAL;
    return 0;
}

/* "imds=enforce" @return 0; -EINVAL */
static int set_mode(struct sim_config *config, const char *text)
{
    const char *equals = strchr(text, '=');
    int e = equals ? endpoint_of(text, (size_t)(equals - text)) : -EINVAL;

    if (e < 0)
        return e;
    if (strcmp(equals, "=enforce") == 0)
        config->mode[e] = SIM_MODE_ENFORCE;
    else if (strcmp(equals, "=audit") == 0)
        config->mode[e] = SIM_MODE_AUDIT;
    else if (strcmp(equals, "=off") == 0)
        config->mode[e] = SIM_MODE_OFF;
    else
        return -EINVAL;
    return 0;
}

/* "imds=127.0.0.1:8080", "imds=[fd00::1]:80" @return 0; -EINVAL */
static int set_listen(struct options *o, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *colon = strrchr(text, ':');
    int e = equals ? endpoint_of(text, (size_t)(equals - text)) : -EINVAL;
    char addr[INET6_ADDRSTRLEN] = "";
    long port;
    size_t len;

    if (e < 0 || !colon || colon < equals)
        return -EINVAL;
    if (number(colon + 1, 0, 65535, &port) < 0)
        return -EINVAL;
    len = (size_t)(colon - equals - 1);
    if (len > 2 && equals[1] == '[' && colon[-1] == ']') {
        if (len - 2 >= sizeof(addr))
            return -EINVAL;
        memcpy(addr, equals + 2, len - 2);
        o->addr6[e].sin6_family = AF_INET6;
        o->addr6[e].sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, addr, &o->addr6[e].sin6_addr) == 1 ? 0
                                                                      : -EINVAL;
    }
    if (len >= sizeof(addr))
        return -EINVAL;
    memcpy(addr, equals + 1, len);
    o->addr[e].sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, addr, &o->addr[e].sin_addr) != 1)
        return -EINVAL;
    return 0;
}

static int load_modes(struct sim_config *config)
{
    char line[128];
    FILE *file;
    int r = 0;

    if (!config->modes_path)
        return 0;
    file = fopen(config->modes_path, "re");
    if (!file)
        return -errno;
    while (r == 0 && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0])
            r = set_mode(config, line);
    }
    (void)fclose(file);
    return r;
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"key", required_argument, NULL, 'k'},
        {"journal", required_argument, NULL, 'j'},
        {"mode", required_argument, NULL, 'm'},
        {"modes", required_argument, NULL, 'M'},
        {"listen", required_argument, NULL, 'l'},
        {"clock-offset", required_argument, NULL, 'c'},
        {"scenario", required_argument, NULL, 's'},
        {"delay-ms", required_argument, NULL, 'd'},
        {"ready-fd", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int r = 0;
    int c;

    while (r == 0 && (c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        if (c == 'k')
            o->config.key_path = optarg;
        else if (c == 'j')
            o->journal_path = optarg;
        else if (c == 'm')
            r = set_mode(&o->config, optarg);
        else if (c == 'M')
            o->config.modes_path = optarg;
        else if (c == 'l')
            r = set_listen(o, optarg);
        else if (c == 'c')
            r = number(optarg, INT_MIN, INT_MAX, &o->config.clock_offset_s);
        else if (c == 's')
            o->config.scenario_path = optarg;
        else if (c == 'd')
            r = number(optarg, 0, 60000, &o->config.delay_ms);
        else if (c == 'r')
            r = number(optarg, 0, INT_MAX, &o->ready_fd);
        else
            r = -EINVAL;
    }
    if (r == 0 && (!o->config.key_path || !o->journal_path || optind != argc))
        r = -EINVAL;
    return r;
}

static int listen_on(struct sim_server *server, const struct sockaddr *sa,
                     socklen_t len, enum sim_endpoint e)
{
    int on = 1;
    int r;
    int fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, sa, len) < 0 || listen(fd, 4096) < 0) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    r = msp_sim_server_listen(server, fd, e);
    if (r < 0)
        (void)close(fd);
    return r;
}

static int listen_both(struct sim_server *server, const struct options *o,
                       enum sim_endpoint e)
{
    int r = listen_on(server, (const struct sockaddr *)&o->addr[e],
                      sizeof(o->addr[e]), e);

    if (r == 0 && o->addr6[e].sin6_port)
        r = listen_on(server, (const struct sockaddr *)&o->addr6[e],
                      sizeof(o->addr6[e]), e);
    return r;
}

static int reload(struct sim_config *config)
{
    static const char line[] = "{\"schema\":1,\"event\":\"reloaded\"}\n";
    struct sim_key key = config->key;
    int r = config->channel ? msp_sim_channel_reload(config->channel)
                            : msp_sim_key_load(config->key_path, &key);

    if (r == 0)
        r = load_modes(config);
    if (r < 0)
        return r;
    if (!config->channel)
        config->key = key;
    if (write(config->journal_fd, line, sizeof(line) - 1) < 0)
        return -errno;
    return 0;
}

/* SIGHUP reloads, SIGTERM and SIGINT end. @return 0; -errno */
static int serve(struct sim_server *server, struct options *o)
{
    struct signalfd_siginfo info;
    sigset_t set;
    int fd;
    int r;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (o->ready_fd >= 0) {
        if (write((int)o->ready_fd, "ready\n", 6) != 6)
            (void)fprintf(stderr, "hostsim: nobody waits for ready\n");
        (void)close((int)o->ready_fd);
    }
    do {
        r = msp_sim_server_run(server, fd);
        if (r == 0 && read(fd, &info, sizeof(info)) != sizeof(info))
            r = -EIO;
        if (r == 0 && info.ssi_signo == SIGHUP)
            r = reload(&o->config);
    } while (r == 0 && info.ssi_signo == SIGHUP);
    (void)close(fd);
    return r;
}

static int start_channel(struct sim_config *config)
{
    if (!config->scenario_path)
        return 0;
    return msp_sim_channel_new(config->scenario_path, &config->key,
                               config->journal_fd, &config->channel);
}

static int run(struct options *o)
{
    struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
    struct sim_server *server = NULL;
    int r = msp_sim_tree_init();

    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (r == 0)
        r = msp_sim_key_load(o->config.key_path, &o->config.key);
    if (r == 0)
        r = load_modes(&o->config);
    if (r < 0)
        return r;
    o->config.journal_fd =
        open(o->journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (o->config.journal_fd < 0)
        return -errno;
    r = start_channel(&o->config);
    if (r == 0)
        r = msp_sim_server_new(&o->config, &server);
    for (int e = 0; r == 0 && e < SIM_ENDPOINTS; e++)
        r = listen_both(server, o, (enum sim_endpoint)e);
    if (r == 0)
        r = serve(server, o);
    msp_sim_server_free(server);
    msp_sim_channel_free(o->config.channel);
    (void)close(o->config.journal_fd);
    msp_sim_tree_done();
    return r;
}

int main(int argc, char **argv)
{
    static const char *const addr[] = {
        [SIM_IMDS] = "imds=169.254.169.254:80",
        [SIM_WIRESERVER] = "wireserver=168.63.129.16:80",
        [SIM_HOSTGA] = "hostga=168.63.129.16:32526",
    };
    struct options o = {.ready_fd = -1};
    int r = 0;

    for (int e = 0; r == 0 && e < SIM_ENDPOINTS; e++) {
        o.addr[e].sin_family = AF_INET;
        o.config.mode[e] = SIM_MODE_ENFORCE;
        r = set_listen(&o, addr[e]);
    }
    if (r == 0)
        r = parse(argc, argv, &o);
    if (r < 0) {
        (void)fputs(help, stderr);
        return 2;
    }
    r = run(&o);
    if (r < 0) {
        (void)fprintf(stderr, "hostsim: %s\n", strerror(-r));
        return 5;
    }
    return 0;
}
