/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "selector.h"

#include <string.h>

#include <msp/cleanup.h>
#include <msp/container.h>

static const struct selector_fault none;

static struct selector_fault wrong(const char *expected)
{
    return (struct selector_fault){.expected = expected};
}

static struct selector_fault over(const char *expected)
{
    return (struct selector_fault){.expected = expected, .is_limit = true};
}

size_t msp_selector_next(const char **at, const char **ret_segment)
{
    size_t len;

    *at += strspn(*at, "/");
    len = strcspn(*at, "/");
    *ret_segment = *at;
    *at += len;
    return len;
}

static bool is_text(const char *segment, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(segment, text, len) == 0;
}

static bool is_dots(const char *segment, size_t len)
{
    return is_text(segment, len, ".") || is_text(segment, len, "..");
}

/* --- executables --------------------------------------------------------- */

struct selector_fault msp_selector_exe(const char *text,
                                       char ret[MSP_EXE_PATH_BYTES])
{
    const char *segment;
    size_t len = 0, n;

    if (text[0] != '/')
        return wrong("an absolute path of a file");
    while ((n = msp_selector_next(&text, &segment)) > 0) {
        if (is_text(segment, n, "."))
            continue;
        if (is_text(segment, n, ".."))
            return wrong("a path without ..");
        if (len + 1 + n >= MSP_EXE_PATH_BYTES)
            return over("a path of at most 4095 bytes");
        ret[len++] = '/';
        memcpy(ret + len, segment, n);
        len += n;
    }
    ret[len] = '\0';
    return len ? none : wrong("an absolute path of a file");
}

struct selector_fault msp_selector_process(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || strchr(text, '/') || is_dots(text, len))
        return wrong("the base name of a file");
    if (len >= MSP_NAME_BYTES)
        return over("a base name of at most 63 bytes");
    return none;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct selector_fault msp_selector_sha256(const char *text,
                                          uint8_t ret[MSP_DIGEST_BYTES])
{
    static const char expected[] = "64 hex digits";

    if (strlen(text) != 2 * (size_t)MSP_DIGEST_BYTES)
        return wrong(expected);
    for (size_t i = 0; i < MSP_DIGEST_BYTES; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return wrong(expected);
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return none;
}

/* --- cgroups ------------------------------------------------------------- */

/* A canonical path under construction. */
struct path {
    char *text; /* [SELECTOR_CGROUP_BYTES] */
    size_t len;
    unsigned int n; /* segments */
};

static struct path path_at(char *text)
{
    text[0] = '\0';
    return (struct path){.text = text};
}

/* @param prefix "" or what goes before the segment */
static struct selector_fault append(struct path *path, const char *prefix,
                                    const char *segment, size_t len)
{
    size_t n_prefix = strlen(prefix);

    if (n_prefix + len >= MSP_CG_NAME_BYTES)
        return over("segments of at most 127 bytes");
    if (path->n == MSP_CG_SEGMENTS_MAX)
        return over("at most 16 segments");
    path->n++;
    path->text[path->len++] = '/';
    memcpy(path->text + path->len, prefix, n_prefix);
    memcpy(path->text + path->len + n_prefix, segment, len);
    path->len += n_prefix + len;
    return none;
}

static struct selector_fault finish(struct path *path, bool is_subtree)
{
    if (is_subtree) {
        memcpy(path->text + path->len, "/**", 3);
        path->len += 3;
    } else if (path->len == 0) {
        path->text[path->len++] = '/';
    }
    path->text[path->len] = '\0';
    return none;
}

struct selector_fault msp_selector_cgroup(const char *text,
                                          char ret[SELECTOR_CGROUP_BYTES])
{
    struct path path = path_at(ret);
    bool is_subtree = false;
    const char *segment;
    size_t n;

    if (text[0] != '/')
        return wrong("a cgroup's path from the root, /...");
    while ((n = msp_selector_next(&text, &segment)) > 0) {
        struct selector_fault fault;

        if (is_subtree)
            return wrong("** as the last segment only");
        if (is_text(segment, n, "**")) {
            is_subtree = true;
            continue;
        }
        if (is_dots(segment, n))
            return wrong("a cgroup's path without . and ..");
        if (n > 1 && memchr(segment, '*', n))
            return wrong("* for one whole segment");
        fault = append(&path, "", segment, n);
        if (fault.expected)
            return fault;
    }
    return finish(&path, is_subtree);
}

/*
 * Names a cgroup directory has files of: systemd sets a '_' before them.
 * @source systemd, src/basic/cgroup-util.c, cg_needs_escape()
 */
static bool is_escaped(const char *name, size_t len)
{
    static const char *const file[] = {
        "cgroup",
        "cpu",
        "cpuacct",
        "cpuset",
        "io",
        "blkio",
        "memory",
        "devices",
        "pids",
        "bpf-firewall",
        "bpf-devices",
        "bpf-foreign",
        "bpf-socket-bind",
        "bpf-restrict-network-interfaces",
    };

    if (name[0] == '_' || name[0] == '.')
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(file); i++) {
        size_t n = strlen(file[i]);

        if (n < len && memcmp(name, file[i], n) == 0 && name[n] == '.')
            return true;
    }
    return false;
}

static struct selector_fault append_unit(struct path *path, const char *name,
                                         size_t len)
{
    return append(path, is_escaped(name, len) ? "_" : "", name, len);
}

static bool is_unit_text(const char *text, size_t len)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789:-_.\\@";

    for (size_t i = 0; i < len; i++)
        if (!strchr(alphabet, text[i]))
            return false;
    return true;
}

/* @return bytes before the suffix; 0 = it has another, or nothing before it */
static size_t stem_of(const char *text, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    if (len <= n || memcmp(text + len - n, suffix, n) != 0)
        return 0;
    return len - n;
}

/* a-b.slice is in a.slice; -.slice is the root. */
static struct selector_fault append_slice(struct path *path, const char *slice,
                                          size_t len)
{
    static const char expected[] = "a slice of systemd, such as a-b.slice";
    static const char suffix[] = ".slice";
    size_t stem = stem_of(slice, len, suffix);
    char name[MSP_CG_NAME_BYTES];

    if (stem == 0 || !is_unit_text(slice, len) || memchr(slice, '@', len))
        return wrong(expected);
    if (is_text(slice, stem, "-"))
        return none;
    if (len >= sizeof(name))
        return over("segments of at most 127 bytes");
    for (size_t i = 0; i <= stem; i++) {
        struct selector_fault fault;

        if (i < stem && slice[i] != '-')
            continue;
        /* No part between two dashes is empty. */
        if (i == 0 || slice[i - 1] == '-')
            return wrong(expected);
        memcpy(name, slice, i);
        memcpy(name + i, suffix, sizeof(suffix) - 1);
        fault = append_unit(path, name, i + sizeof(suffix) - 1);
        if (fault.expected)
            return fault;
    }
    return none;
}

/*
 * Whether systemd has units of this name that processes are in.
 * @return what it should be; NULL = it has
 */
static const char *unit_fault(const char *name, size_t len)
{
    static const char *const suffix[] = {".service", ".scope", ".socket",
                                         ".mount", ".swap"};
    size_t stem = 0;

    if (name[0] == '/' || memchr(name, '/', len))
        return "UNIT or SLICE/UNIT, without other slashes";
    if (!is_unit_text(name, len))
        return "one unit's name, of letters, digits and :-_.\\@";
    for (size_t i = 0; i < ARRAY_SIZE(suffix) && stem == 0; i++)
        stem = stem_of(name, len, suffix[i]);
    if (stem == 0 || name[0] == '@')
        return "UNIT or SLICE/UNIT, a service, scope, socket, mount or "
               "swap with its suffix";
    /* Of a template only the instances run. */
    return name[stem - 1] == '@' ? "an instance: of a template nothing runs"
                                 : NULL;
}

/* An instance is in a slice of its template, unless its unit says another. */
static const char *instance_fault(const char *unit)
{
    return strncmp(unit, "user@", 5) == 0
               ? "the slice of an instance before it, such as "
                 "user-1000.slice/user@1000.service"
               : "the slice of an instance before it, such as "
                 "system-getty.slice/getty@tty1.service";
}

struct selector_fault msp_selector_unit(const char *text,
                                        char ret[SELECTOR_CGROUP_BYTES])
{
    static const char system_slice[] = "system.slice";
    const char *slash = strchr(text, '/');
    const char *unit = slash && slash != text ? slash + 1 : text;
    const char *expected = unit_fault(unit, strlen(unit));
    struct path path = path_at(ret);
    struct selector_fault fault;

    if (expected)
        return wrong(expected);
    if (!slash && strchr(unit, '@'))
        return wrong(instance_fault(unit));
    if (slash)
        fault = append_slice(&path, text, (size_t)(slash - text));
    else
        fault = append_slice(&path, system_slice, sizeof(system_slice) - 1);
    if (!fault.expected)
        fault = append_unit(&path, unit, strlen(unit));
    return fault.expected ? fault : finish(&path, false);
}

bool msp_selector_covers(const char *pattern, const char *path)
{
    const char *want, *have;
    size_t n, m;

    for (;;) {
        n = msp_selector_next(&pattern, &want);
        if (is_text(want, n, "**"))
            return true;
        m = msp_selector_next(&path, &have);
        if (n == 0 || m == 0)
            return n == m;
        if (!is_text(want, n, "*") && (n != m || memcmp(want, have, n) != 0))
            return false;
    }
}

struct selector_fault msp_selector_demand(const char *key, const char *value)
{
    /* a registration has them as key=value */
    if (key && (!key[0] || strchr(key, '=')))
        return wrong("a label's key without =");
    if (key && strlen(key) >= MSP_CONTAINER_TEXT_BYTES)
        return over("a key of at most 255 bytes");
    if (!key && !value[0])
        return wrong("a text that is not empty");
    _Static_assert(MSP_CONTAINER_TEXT_BYTES == 256 &&
                       MSP_CONTAINER_VALUE_BYTES == 256,
                   "255 bytes");
    if (strlen(value) >= MSP_CONTAINER_TEXT_BYTES)
        return over("a text of at most 255 bytes");
    return none;
}

/*
 * Names mean nothing in a container: those of the host's database, its files
 * and its units. A cgroup is of the host's tree wherever its processes are, and
 * a container or pod is named for what it is.
 */
bool msp_selector_is_host_only(uint32_t flags)
{
    return flags & (MSP_ID_USER | MSP_ID_GROUP | MSP_ID_EXE | MSP_ID_PROCESS |
                    MSP_ID_UNIT | MSP_ID_NOBODY) &&
           !(flags & (MSP_ID_CGROUP | MSP_ID_CONTAINER | MSP_ID_POD));
}
