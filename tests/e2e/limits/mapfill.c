/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fills a pinned hash map with rows of nobody, or takes them out again.
 *
 *   mapfill fill PIN [COUNT]   zeroed rows until the map refuses one, or COUNT
 *                              of them; prints how many, and why it ended
 *   mapfill clear PIN          removes those rows; prints how many
 *
 * The first 8 bytes of the key are a number no cgroup and no network namespace
 * of a test reaches; the rest is zero.
 *
 * msp_pending is an array of buckets, so it has words of its own; while they
 * run nobody may connect:
 *
 *   mapfill past PIN           as after payers that had a mark and are gone
 *   mapfill taken PIN [FREE]   a mark of nobody in every way of a bucket, but
 *                              for FREE of them
 *   mapfill untake PIN         takes those out again
 *   mapfill pending PIN        prints how many marks of others are on their way
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <msp/pending.h>

#define NOBODY    0x7000000000000000ull
#define KEY_MAX   64
#define VALUE_MAX 1024

static int fill(int fd, uint64_t count)
{
    unsigned char key[KEY_MAX] = {0}, value[VALUE_MAX] = {0};
    int error = 0;
    uint64_t n;

    for (n = 0; n < count; n++) {
        uint64_t id = NOBODY + n;

        memcpy(key, &id, sizeof(id));
        if (bpf_map_update_elem(fd, key, value, BPF_NOEXIST) < 0) {
            error = errno;
            break;
        }
    }
    (void)printf("%llu %s\n", (unsigned long long)n,
                 error == E2BIG ? "full"
                 : error        ? strerror(error)
                                : "done");
    return error && error != E2BIG ? 1 : 0;
}

static int clear(int fd, uint64_t most)
{
    unsigned char key[KEY_MAX] = {0};
    uint64_t n = 0;

    for (uint64_t i = 0; i < most; i++) {
        uint64_t id = NOBODY + i;

        memcpy(key, &id, sizeof(id));
        n += bpf_map_delete_elem(fd, key) == 0;
    }
    (void)printf("%llu\n", (unsigned long long)n);
    return 0;
}

/* @return marks of others in the bucket */
static uint64_t change(struct msp_pending *bucket, const char *how, long n_free)
{
    uint64_t id = NOBODY, n = 0;

    for (int i = 0; i < MSP_PENDING_WAYS; i++, id++) {
        union msp_pending_way *way = &bucket->way[i];
        bool is_nobodys = way->any && bucket->payer[i] >= NOBODY &&
                          bucket->payer[i] < NOBODY + MSP_PENDING_WAYS;

        if (way->any && !is_nobodys) {
            n += way->n[MSP_PENDING_MARKS];
            continue;
        }
        if (strcmp(how, "untake") == 0 && is_nobodys)
            way->any = 0;
        if (strcmp(how, "past") == 0)
            bucket->payer[i] = id;
        if (strcmp(how, "taken") == 0 && n_free-- <= 0) {
            bucket->payer[i] = id;
            way->n[MSP_PENDING_MARKS] = 1;
        }
    }
    return n;
}

static int pending(int fd, const char *how, long n_free)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < MSP_PENDING_BUCKETS; i++) {
        struct msp_pending bucket;

        if (bpf_map_lookup_elem(fd, &i, &bucket) < 0)
            return 1;
        n += change(&bucket, how, n_free);
        if (strcmp(how, "pending") != 0 &&
            bpf_map_update_elem(fd, &i, &bucket, BPF_F_LOCK) < 0)
            return 1;
    }
    (void)printf("%llu\n", (unsigned long long)n);
    return 0;
}

int main(int argc, char **argv)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    uint64_t most;
    int fd;

    if (argc < 3)
        return 2;
    fd = bpf_obj_get(argv[2]);
    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0) {
        (void)fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    if (info.type == BPF_MAP_TYPE_ARRAY &&
        info.value_size == sizeof(struct msp_pending))
        return pending(fd, argv[1], argc > 3 ? strtol(argv[3], NULL, 10) : 0);
    if (info.key_size > KEY_MAX || info.key_size < sizeof(uint64_t) ||
        info.value_size > VALUE_MAX)
        return 2;
    most = 2ull * info.max_entries;
    if (strcmp(argv[1], "clear") == 0)
        return clear(fd, most);
    return fill(fd, argc > 3 ? strtoull(argv[3], NULL, 10) : most);
}
