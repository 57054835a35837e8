/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The egress guard on single packets, run by BPF_PROG_RUN. The kernel gives
 * them a socket nobody has decided about, so whatever opens or feeds a
 * connection to an enforced endpoint must be dropped, however it is dressed.
 */
#include <arpa/inet.h>

#include <bpf/bpf.h>

#include <msp/policy.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/load.h"

#define PASS 1
#define DROP 0

#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define FIN 0x01

#define ETH_BYTES 14
#define V4        4
#define V6        6

#define IMDS  "169.254.169.254"
#define WIRE  "168.63.129.16"
#define OTHER "192.0.2.1"
/* the same as IPv6 */
#define IMDS6  "::ffff:169.254.169.254"
#define OTHER6 "2001:db8::1"
#define NEAR6  "::ffff:192.0.2.1" /* all but 4 bytes as IMDS6 */

/* imds enforce, wireserver audit, hostga enforce */
static const char policy[] =
    "{\"version\":1,\"endpoints\":{"
    "\"imds\":{\"mode\":\"enforce\",\"defaultAccess\":\"allow\",\"id\":\"t\"},"
    "\"wireserver\":{\"mode\":\"audit\",\"defaultAccess\":\"allow\","
    "\"id\":\"t\"},"
    "\"hostga\":{\"mode\":\"enforce\",\"defaultAccess\":\"allow\","
    "\"id\":\"t\"}}}";

struct packet_case {
    const char *claim;
    int wanted;
    const char *to;
    unsigned int port;
    unsigned int flags;
    unsigned int payload;
    unsigned int frag;   /* IPv4: flags and offset; IPv6: a fragment header */
    const char *options; /* IPv4: hex; IPv6: chain of extension headers */
    unsigned int proto;  /* 0 = TCP */
    unsigned int cut;    /* bytes missing at the end */
    unsigned int ihl;    /* 0 = the true one, in words */
    unsigned int doff;   /* 0 = 5 */
};

/* clang-format off */
static const struct packet_case cases[] = {
    /* what opens or feeds */
    {.claim = "SYN", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN},
    {.claim = "SYN with data", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .payload = 10},
    {.claim = "data", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK | PSH, .payload = 100},
    {.claim = "one byte", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .payload = 1},
    {.claim = "FIN with data", .wanted = DROP, .to = IMDS, .port = 80, .flags = FIN | ACK, .payload = 5},
    {.claim = "RST with data", .wanted = DROP, .to = IMDS, .port = 80, .flags = RST, .payload = 5},
    {.claim = "no flags, data", .wanted = DROP, .to = IMDS, .port = 80, .flags = 0, .payload = 5},
    {.claim = "SYN and FIN", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN | FIN},
    {.claim = "large data", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .payload = 1400},
    {.claim = "SYN to HostGA", .wanted = DROP, .to = WIRE, .port = 32526, .flags = SYN},
    /* what ends in order */
    {.claim = "ACK", .wanted = PASS, .to = IMDS, .port = 80, .flags = ACK},
    {.claim = "FIN", .wanted = PASS, .to = IMDS, .port = 80, .flags = FIN | ACK},
    {.claim = "RST", .wanted = PASS, .to = IMDS, .port = 80, .flags = RST},
    {.claim = "SYN and ACK", .wanted = PASS, .to = IMDS, .port = 80, .flags = SYN | ACK},
    {.claim = "ACK with TCP options", .wanted = PASS, .to = IMDS, .port = 80, .flags = ACK, .payload = 12, .doff = 8},
    {.claim = "ACK with data behind its options", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .payload = 13, .doff = 8},
    {.claim = "TCP header too short by its own word", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .doff = 4},
    {.claim = "TCP header too long by its own word", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .doff = 15},
    /* others */
    {.claim = "another port", .wanted = PASS, .to = IMDS, .port = 81, .flags = SYN},
    {.claim = "another address", .wanted = PASS, .to = OTHER, .port = 80, .flags = SYN},
    {.claim = "a neighbour address", .wanted = PASS, .to = "169.254.169.253", .port = 80, .flags = SYN},
    {.claim = "audit", .wanted = PASS, .to = WIRE, .port = 80, .flags = SYN},
    {.claim = "UDP", .wanted = PASS, .to = IMDS, .port = 80, .proto = 17, .payload = 20},
    {.claim = "UDP fragment", .wanted = PASS, .to = IMDS, .port = 80, .proto = 17, .payload = 20, .frag = 0x2000},
    {.claim = "UDPLITE", .wanted = DROP, .to = IMDS, .port = 80, .proto = 136, .payload = 20},
    {.claim = "UDPLITE, another port", .wanted = PASS, .to = IMDS, .port = 53, .proto = 136, .payload = 20},
    {.claim = "SCTP", .wanted = DROP, .to = IMDS, .port = 80, .proto = 132, .payload = 20},
    {.claim = "SCTP to another address", .wanted = PASS, .to = OTHER, .port = 80, .proto = 132, .payload = 20},
    {.claim = "SCTP without its ports", .wanted = DROP, .to = IMDS, .port = 80, .proto = 132, .cut = 4},
    {.claim = "fragment of SCTP", .wanted = DROP, .to = IMDS, .port = 81, .proto = 132, .frag = 0x0010},
    {.claim = "DCCP", .wanted = DROP, .to = IMDS, .port = 80, .proto = 33, .payload = 20},
    {.claim = "SCTP to an endpoint in audit", .wanted = PASS, .to = WIRE, .port = 80, .proto = 132, .payload = 20},
    {.claim = "ICMP", .wanted = PASS, .to = IMDS, .port = 80, .proto = 1, .payload = 20},
    /* fragments */
    {.claim = "first fragment", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .frag = 0x2000},
    {.claim = "first fragment, another port", .wanted = DROP, .to = IMDS, .port = 81, .flags = SYN, .frag = 0x2000},
    {.claim = "later fragment", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .frag = 0x0001},
    {.claim = "last byte of the offset", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .frag = 0x1f00},
    {.claim = "fragment of an empty ACK", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .frag = 0x2000},
    {.claim = "fragment to another address", .wanted = PASS, .to = OTHER, .port = 80, .flags = SYN, .frag = 0x2000},
    {.claim = "fragment, one port of two in enforce", .wanted = DROP, .to = WIRE, .port = 80, .flags = SYN, .frag = 0x2000},
    {.claim = "don't fragment is no fragment", .wanted = PASS, .to = IMDS, .port = 81, .flags = SYN, .frag = 0x4000},
    /* options */
    {.claim = "NOP options", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .options = "01010101"},
    {.claim = "40 bytes of options", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .options = "01010101010101010101010101010101010101010101010101010101010101010101010101010100"},
    {.claim = "timestamp option", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .options = "440805000000000000000000"},
    {.claim = "options to another port", .wanted = PASS, .to = IMDS, .port = 81, .flags = SYN, .options = "01010101"},
    {.claim = "an ACK with options", .wanted = PASS, .to = IMDS, .port = 80, .flags = ACK, .options = "01010101"},
    {.claim = "loose source route by a hop", .wanted = DROP, .to = OTHER, .port = 80, .flags = SYN, .options = "830704a9fea9fe00"},
    {.claim = "strict source route by a hop", .wanted = DROP, .to = OTHER, .port = 80, .flags = SYN, .options = "01890704a9fea9fe"},
    {.claim = "source route behind another option", .wanted = DROP, .to = OTHER, .port = 80, .flags = SYN, .options = "440805000000000001830704a9fea9fe"},
    {.claim = "source route of two hops", .wanted = DROP, .to = OTHER, .port = 80, .flags = ACK, .payload = 3, .options = "830b04c0000202a9fea9fe00"},
    {.claim = "source route from an endpoint", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .options = "830704c000020200"},
    {.claim = "fragment with a source route", .wanted = DROP, .to = OTHER, .port = 80, .flags = ACK, .frag = 0x0010, .options = "830704a9fea9fe00"},
    {.claim = "source route to another port", .wanted = PASS, .to = OTHER, .port = 81, .flags = SYN, .options = "830704a9fea9fe00"},
    {.claim = "source route to elsewhere", .wanted = PASS, .to = OTHER, .port = 80, .flags = SYN, .options = "830704c000020200"},
    {.claim = "an ACK with a source route", .wanted = PASS, .to = OTHER, .port = 80, .flags = ACK, .options = "830704a9fea9fe00"},
    {.claim = "record route is no source route", .wanted = PASS, .to = OTHER, .port = 80, .flags = SYN, .options = "070704a9fea9fe00"},
    {.claim = "an option of length zero", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .options = "44000000"},
    /* headers that lie */
    {.claim = "IPv4 header too short by its own word", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .ihl = 4},
    {.claim = "IPv4 header of no length", .wanted = DROP, .to = IMDS, .port = 80, .flags = SYN, .ihl = 15},
    {.claim = "no TCP header", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .cut = 20},
    {.claim = "half a TCP header", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .cut = 10},
    {.claim = "TCP header without its last bytes", .wanted = DROP, .to = IMDS, .port = 80, .flags = ACK, .cut = 2},
    {.claim = "no TCP header, to another address", .wanted = PASS, .to = OTHER, .port = 80, .flags = ACK, .cut = 20},
    /* IPv6 */
    {.claim = "v6 SYN", .wanted = DROP, .to = IMDS6, .port = 80, .flags = SYN},
    {.claim = "v6 data", .wanted = DROP, .to = IMDS6, .port = 80, .flags = ACK, .payload = 9},
    {.claim = "v6 ACK", .wanted = PASS, .to = IMDS6, .port = 80, .flags = ACK},
    {.claim = "v6 FIN", .wanted = PASS, .to = IMDS6, .port = 80, .flags = ACK | FIN},
    {.claim = "v6 RST", .wanted = PASS, .to = IMDS6, .port = 80, .flags = RST},
    {.claim = "v6 other address", .wanted = PASS, .to = OTHER6, .port = 80, .flags = SYN},
    {.claim = "v6 other port", .wanted = PASS, .to = IMDS6, .port = 81, .flags = SYN},
    {.claim = "v6 UDP", .wanted = PASS, .to = IMDS6, .port = 80, .proto = 17, .payload = 8},
    {.claim = "v6 UDPLITE", .wanted = DROP, .to = IMDS6, .port = 80, .proto = 136, .payload = 8},
    {.claim = "v6 SCTP behind options", .wanted = DROP, .to = IMDS6, .port = 80, .proto = 132, .payload = 8, .options = "hd"},
    {.claim = "v6 SCTP, other port", .wanted = PASS, .to = IMDS6, .port = 81, .proto = 132, .payload = 8},
    {.claim = "v6 ICMP", .wanted = PASS, .to = IMDS6, .port = 80, .proto = 58, .payload = 8},
    {.claim = "v6 fragment", .wanted = DROP, .to = IMDS6, .port = 80, .flags = SYN, .frag = 1},
    {.claim = "v6 fragment of an ACK", .wanted = DROP, .to = IMDS6, .port = 80, .flags = ACK, .frag = 1},
    {.claim = "v6 fragment elsewhere", .wanted = PASS, .to = OTHER6, .port = 80, .flags = SYN, .frag = 1},
    {.claim = "v6 hop-by-hop", .wanted = DROP, .to = IMDS6, .port = 80, .flags = SYN, .options = "h"},
    {.claim = "v6 destination options", .wanted = DROP, .to = IMDS6, .port = 80, .flags = SYN, .options = "d"},
    {.claim = "v6 seven headers", .wanted = DROP, .to = IMDS6, .port = 80, .flags = SYN, .options = "hdddddd"},
    {.claim = "v6 more headers than are followed", .wanted = DROP, .to = IMDS6, .port = 81, .flags = ACK, .options = "hdddddddddd"},
    {.claim = "v6 many headers, to another address", .wanted = PASS, .to = OTHER6, .port = 80, .flags = SYN, .options = "hdddddddddd"},
    {.claim = "v6 headers before an ACK", .wanted = PASS, .to = IMDS6, .port = 80, .flags = ACK, .options = "hd"},
    {.claim = "v6 headers, other port", .wanted = PASS, .to = IMDS6, .port = 81, .flags = SYN, .options = "hd"},
    {.claim = "v6 headers before UDP", .wanted = PASS, .to = IMDS6, .port = 80, .proto = 17, .payload = 8, .options = "hd"},
    {.claim = "v6 routing header to an endpoint", .wanted = DROP, .to = OTHER6, .port = 80, .flags = SYN, .options = "r"},
    {.claim = "v6 routing header, endpoint last of two", .wanted = DROP, .to = OTHER6, .port = 80, .flags = SYN, .options = "R"},
    {.claim = "v6 routing header behind options", .wanted = DROP, .to = OTHER6, .port = 80, .flags = SYN, .options = "hdr"},
    {.claim = "v6 fragment behind a routing header", .wanted = DROP, .to = OTHER6, .port = 80, .flags = SYN, .options = "r", .frag = 1},
    {.claim = "v6 routing header, another port", .wanted = PASS, .to = OTHER6, .port = 81, .flags = SYN, .options = "r"},
    {.claim = "v6 routing header, an ACK", .wanted = PASS, .to = OTHER6, .port = 80, .flags = ACK, .options = "r"},
    {.claim = "v6 routing header to elsewhere", .wanted = PASS, .to = OTHER6, .port = 80, .flags = SYN, .options = "o"},
    {.claim = "v6 compressed route to an endpoint", .wanted = DROP, .to = NEAR6, .port = 80, .flags = SYN, .options = "c"},
    {.claim = "v6 compressed route, endpoint last of two", .wanted = DROP, .to = NEAR6, .port = 80, .flags = SYN, .options = "C"},
    {.claim = "v6 compressed route with padding", .wanted = DROP, .to = NEAR6, .port = 80, .flags = SYN, .options = "p"},
    {.claim = "v6 fragment behind a compressed route", .wanted = DROP, .to = NEAR6, .port = 80, .flags = SYN, .options = "c", .frag = 1},
    {.claim = "v6 compressed route to elsewhere", .wanted = PASS, .to = NEAR6, .port = 80, .flags = SYN, .options = "q"},
    {.claim = "v6 compressed route that is at its end", .wanted = PASS, .to = NEAR6, .port = 80, .flags = SYN, .options = "e"},
    {.claim = "v6 compressed route, another port", .wanted = PASS, .to = NEAR6, .port = 81, .flags = SYN, .options = "p"},
    {.claim = "v6 no TCP header", .wanted = DROP, .to = IMDS6, .port = 80, .flags = ACK, .cut = 20},
};

/* clang-format on */

struct bytes {
    uint8_t at[2048];
    size_t n;
};

static void put(struct bytes *b, unsigned int value, size_t width)
{
    for (size_t i = width; i-- > 0;)
        b->at[b->n++] = (uint8_t)(value >> (8 * i));
}

static void put_addr6(struct bytes *b, const char *text)
{
    assert_int_equal(inet_pton(AF_INET6, text, b->at + b->n), 1);
    b->n += 16;
}

static void put_l4(struct bytes *b, const struct packet_case *c)
{
    if (!c->proto) {
        put(b, 40000, 2);
        put(b, c->port, 2);
        put(b, 1000, 4);
        put(b, 2000, 4);
        put(b, (c->doff ? c->doff : 5) << 4, 1);
        put(b, c->flags, 1);
        put(b, 65535, 2);
        put(b, 0, 4);
    } else if (c->proto == 17) {
        put(b, 40000, 2);
        put(b, c->port, 2);
        put(b, 8 + c->payload, 2);
        put(b, 0, 2);
    } else if (c->proto == 33 || c->proto == 132 || c->proto == 136) {
        put(b, 40000, 2);
        put(b, c->port, 2);
    }
    for (unsigned int i = 0; i < c->payload; i++)
        put(b, 'x', 1);
    b->n -= c->cut;
}

static void put_v4(struct bytes *b, const struct packet_case *c)
{
    const char *hex = c->options ? c->options : "";
    size_t n = (strlen(hex) / 2 + 3) / 4 * 4;
    uint8_t options[40] = {0};

    for (size_t i = 0; 2 * i < strlen(hex); i++) {
        unsigned int byte;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        options[i] = (uint8_t)byte;
    }
    put(b, 0x0800, 2);
    put(b, 0x40 | (c->ihl ? c->ihl : 5 + (unsigned int)n / 4), 1);
    put(b, 0, 1);
    put(b, 20 + (unsigned int)n + 20 + c->payload, 2);
    put(b, 7, 2);
    put(b, c->frag, 2);
    put(b, 64, 1);
    put(b, c->proto ? c->proto : 6, 1);
    put(b, 0, 2);
    put(b, 0x0a000001, 4);
    assert_int_equal(inet_pton(AF_INET, c->to, b->at + b->n), 1);
    b->n += 4;
    memcpy(b->at + b->n, options, n);
    b->n += n;
    put_l4(b, c);
}

/*
 * The rest of an RPL routing header (RFC 6554), whose stops lack the bytes
 * they share with the destination: the first 8 of 16, or 12 and 4 of padding.
 */
static void put_compressed_route(struct bytes *b, char kind)
{
    unsigned int n = kind == 'C' ? 2 : 1;
    bool is_padded = kind == 'p' || kind == 'q';

    put(b, n, 1); /* eights of bytes beyond the first */
    put(b, 3, 1);
    put(b, kind == 'e' ? 0 : n, 1); /* stops left */
    put(b, is_padded ? 0xcc : 0x88, 1);
    put(b, is_padded ? 0x40 : 0, 1);
    put(b, 0, 2);
    if (kind == 'C') {
        put(b, 0xffff, 4);
        put(b, 0xc0000209, 4);
    }
    if (!is_padded)
        put(b, 0xffff, 4);
    put(b, kind == 'q' ? 0xc0000202 : 0xa9fea9fe, 4);
    if (is_padded)
        put(b, 0, 4);
}

/* One extension header; its next header is `next`. */
static void put_ext(struct bytes *b, char kind, unsigned int next)
{
    static const char *const by = "2001:db8::9";
    unsigned int n_addr = kind == 'R' ? 2 : 1;

    put(b, next, 1);
    if (kind == 'h' || kind == 'd') {
        put(b, 0, 1);
        put(b, 0x0104, 2); /* PadN */
        put(b, 0, 4);
        return;
    }
    if (strchr("cCpqe", kind)) {
        put_compressed_route(b, kind);
        return;
    }
    put(b, 2 * n_addr, 1);
    put(b, 0, 1); /* type 0 */
    put(b, n_addr, 1);
    put(b, 0, 4);
    if (n_addr == 2)
        put_addr6(b, by);
    put_addr6(b, kind == 'o' ? by : IMDS6);
}

static unsigned int ext_proto(char kind)
{
    return kind == 'h' ? 0 : kind == 'd' ? 60 : 43;
}

static void put_v6(struct bytes *b, const struct packet_case *c)
{
    const char *chain = c->options ? c->options : "";
    unsigned int l4 = c->proto ? c->proto : 6;
    unsigned int last = c->frag ? 44 : l4;
    size_t start;

    put(b, 0x86dd, 2);
    put(b, 0x60000000, 4);
    put(b, 0, 2); /* length, below */
    put(b, *chain ? ext_proto(*chain) : last, 1);
    put(b, 64, 1);
    put_addr6(b, "fd00::1");
    put_addr6(b, c->to);
    start = b->n;
    for (; *chain; chain++)
        put_ext(b, *chain, chain[1] ? ext_proto(chain[1]) : last);
    if (c->frag) {
        put(b, l4, 1);
        put(b, 0, 1);
        put(b, 1, 2); /* offset 0, more to come */
        put(b, 7, 4);
    }
    put_l4(b, c);
    b->at[start - 36] = (uint8_t)((b->n - start) >> 8);
    b->at[start - 35] = (uint8_t)(b->n - start);
}

static unsigned int run_bytes(struct slot_fixture *fx, enum msp_prog prog,
                              struct bytes *b)
{
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b->at,
                .data_size_in = (uint32_t)b->n, .repeat = 1);

    assert_ok(bpf_prog_test_run_opts(
        msp_loader_prog_fd(slot_fixture_loader(fx), prog), &opts));
    return opts.retval;
}

/* From the type of the frame on. */
static void put_packet(struct bytes *b, const struct packet_case *c)
{
    if (strchr(c->to, ':'))
        put_v6(b, c);
    else
        put_v4(b, c);
}

static unsigned int run(struct slot_fixture *fx, const struct packet_case *c)
{
    struct bytes b = {.n = ETH_BYTES - 2};

    put_packet(&b, c);
    return run_bytes(fx, MSP_PROG_EGRESS, &b);
}

static void apply(struct slot_fixture *fx, const char *text)
{
    msp_autofree uint8_t *bytes = NULL;
    struct msp_diags diags = {0};
    const char *why = NULL;
    struct msp_image image;
    size_t len;

    assert_ok(msp_policy_compile(text, strlen(text), &diags, &bytes, &len));
    msp_diags_done(&diags);
    assert_ok(msp_image_open(bytes, len, &image, &why));
    slot_fixture_apply(fx, &image);
}

static void only_what_ends_a_connection_passes_undecided(void **state)
{
    struct slot_fixture *fx = *state;
    uint64_t before = 0, denied = 0;
    unsigned int wrong = 0, dropped = 0;

    apply(fx, policy);
    assert_ok(msp_events_stat(slot_fixture_loader(fx), MSP_STAT_EGRESS_DENIED,
                              &before));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned int got = run(fx, &cases[i]);

        dropped += got == DROP;
        if (got == (unsigned int)cases[i].wanted)
            continue;
        print_error("%s: %s, wanted %s\n", cases[i].claim,
                    got == PASS ? "passed" : "dropped",
                    cases[i].wanted == PASS ? "passed" : "dropped");
        wrong++;
    }
    assert_int_equal(wrong, 0);
    assert_ok(msp_events_stat(slot_fixture_loader(fx), MSP_STAT_EGRESS_DENIED,
                              &denied));
    assert_int_equal(denied - before, dropped);
}

static void disabled_endpoints_are_nobodys_business(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"disabled\","
              "\"defaultAccess\":\"deny\",\"id\":\"t\"}}}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (run(fx, &cases[i]) != PASS)
            fail_msg("%s: dropped", cases[i].claim);
    }
}

static void before_any_policy_the_known_addresses_are_shut(void **state)
{
    struct slot_fixture *fx = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct packet_case *c = &cases[i];

        /* shut whatever the policy will say: wireserver too */
        if (c->wanted == PASS && !msp_streq(c->to, WIRE) && run(fx, c) != PASS)
            fail_msg("%s: dropped", c->claim);
        if ((msp_streq(c->to, IMDS) || msp_streq(c->to, IMDS6) ||
             msp_streq(c->to, WIRE)) &&
            (c->wanted == DROP || msp_streq(c->claim, "audit")) &&
            run(fx, c) != DROP)
            fail_msg("%s: passed", c->claim);
    }
}

#define TC_PASS (-1) /* TC_ACT_UNSPEC */
#define TC_DROP 2    /* TC_ACT_SHOT */

/* How a frame may be dressed between its addresses and its type. */
struct dress {
    const char *claim;
    const char *hex;
    bool is_blind; /* too much for us: dropped whatever it holds */
};

static const struct dress dresses[] = {
    {.claim = "plain", .hex = ""},
    {.claim = "VLAN", .hex = "81000005"},
    {.claim = "QinQ", .hex = "88a8000581000007"},
    {.claim = "four tags", .hex = "81000001810000028100000381000004"},
    {.claim = "five tags",
     .hex = "8100000181000002810000038100000488a80005",
     .is_blind = true},
    {.claim = "SNAP", .hex = "0040aaaa03000000"},
    {.claim = "VLAN and SNAP", .hex = "810000050040aaaa03000000"},
};

static void put_hex(struct bytes *b, const char *hex)
{
    for (size_t i = 0; 2 * i < strlen(hex); i++) {
        unsigned int byte;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        put(b, byte, 1);
    }
}

static void check_frame(struct slot_fixture *fx, const struct packet_case *c,
                        const struct dress *dress)
{
    struct bytes b = {.n = ETH_BYTES - 2};
    int wanted = dress->is_blind || c->wanted == DROP ? TC_DROP : TC_PASS;
    int got;

    put_hex(&b, dress->hex);
    put_packet(&b, c);
    got = (int)run_bytes(fx, MSP_PROG_UPLINK, &b);
    if (got != wanted)
        fail_msg("%s, %s: %d, wanted %d", c->claim, dress->claim, got, wanted);
}

static void frames_are_judged_by_what_is_in_them(void **state)
{
    struct slot_fixture *fx = *state;
    struct bytes arp = {.n = ETH_BYTES - 2};

    apply(fx, policy);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t j = 0; j < sizeof(dresses) / sizeof(dresses[0]); j++)
            check_frame(fx, &cases[i], &dresses[j]);
    put_hex(&arp,
            "08060001080006040001020304050607a9fea9fe000000000000c0000201");
    put_hex(&arp, "0000000000000000");
    assert_int_equal((int)run_bytes(fx, MSP_PROG_UPLINK, &arp), TC_PASS);
}

/* The kernel's test run gives such a device's program an Ethernet header. */
static void frames_without_a_header_are_read_from_their_first_byte(void **state)
{
    struct slot_fixture *fx = *state;
    unsigned int n_dropped = 0;

    apply(fx, policy);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes b = {.n = 0}, bare = {.n = 0};
        int got;

        put_packet(&b, &cases[i]);
        bare.n = b.n - 2;
        memcpy(bare.at, b.at + 2, bare.n);
        if (bare.n < ETH_BYTES)
            continue;
        got = (int)run_bytes(fx, MSP_PROG_UPLINK_L3, &bare);
        if (got != (cases[i].wanted == DROP ? TC_DROP : TC_PASS))
            fail_msg("%s: %d", cases[i].claim, got);
        n_dropped += got == TC_DROP;
    }
    assert_true(n_dropped > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* first: the others leave a policy */
        cmocka_unit_test(before_any_policy_the_known_addresses_are_shut),
        cmocka_unit_test(only_what_ends_a_connection_passes_undecided),
        cmocka_unit_test(frames_are_judged_by_what_is_in_them),
        cmocka_unit_test(
            frames_without_a_header_are_read_from_their_first_byte),
        cmocka_unit_test(disabled_endpoints_are_nobodys_business),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
