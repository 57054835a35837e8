/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/slot.h"

#include <sys/mman.h>
#include <sys/mount.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/policy.h>

#include "harness/test.h"
#include "loader/events.h"
#include "loader/load.h"
#include "loader/tables.h"

struct slot_fixture {
    char dir[64];
    bool is_mounted;
    struct msp_loader loader;
    struct msp_request *page;
};

int slot_fixture_teardown(void **state)
{
    struct slot_fixture *fx = *state;

    if (!fx)
        return 0;
    if (fx->page)
        (void)munmap(fx->page, sizeof(*fx->page));
    msp_loader_done(&fx->loader);
    if (fx->is_mounted)
        (void)umount2(fx->dir, MNT_DETACH);
    (void)rmdir(fx->dir);
    free(fx);
    *state = NULL;
    return 0;
}

static int prepare(struct slot_fixture *fx)
{
    const char *top = getenv("TMPDIR");
    char pins[96];
    void *page;
    int r;

    (void)snprintf(fx->dir, sizeof(fx->dir), "%s/msp-slot-XXXXXX",
                   top ? top : "/tmp");
    if (!mkdtemp(fx->dir))
        return -errno;
    if (mount("bpf", fx->dir, "bpf", 0, "mode=0700") < 0)
        return -errno;
    fx->is_mounted = true;
    (void)snprintf(pins, sizeof(pins), "%s/mspd", fx->dir);
    r = msp_loader_open(&fx->loader, pins, 0, 0);
    if (r < 0) {
        print_error("%s\n", fx->loader.why);
        return r;
    }
    page = mmap(NULL, sizeof(*fx->page), PROT_READ | PROT_WRITE, MAP_SHARED,
                msp_loader_map_fd(&fx->loader, "msp_requests"), 0);
    if (page == MAP_FAILED)
        return -errno;
    fx->page = page;
    return 0;
}

int slot_fixture_setup(void **state)
{
    struct slot_fixture *fx = calloc(1, sizeof(*fx));
    int r;

    if (!fx)
        return -1;
    *state = fx;
    r = prepare(fx);
    if (r < 0) {
        print_error("slot fixture: %s\n", strerror(-r));
        (void)slot_fixture_teardown(state);
    }
    return r;
}

int slot_fixture_try(struct slot_fixture *fx, const struct msp_image *image)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];
    struct msp_resolved *resolved = calloc(n + 1, sizeof(*resolved));
    struct msp_rows rows = {0};
    struct msp_apply apply = {.image = image, .rows = &rows};
    int r;

    assert_non_null(resolved);
    assert_ok(msp_rows_build(image, resolved, &rows));
    r = msp_tables_apply(&fx->loader, &apply);
    msp_rows_done(&rows);
    free(resolved);
    return r;
}

void slot_fixture_apply(struct slot_fixture *fx, const struct msp_image *image)
{
    if (slot_fixture_try(fx, image))
        fail_msg("%s", fx->loader.why);
    msp_tables_sweep(&fx->loader, UINT64_MAX);
}

void slot_fixture_compile(const char *text, uint8_t **ret_bytes,
                          struct msp_image *ret_image)
{
    struct msp_diags diags = {0};
    const char *why = NULL;
    size_t len = 0;

    assert_ok(msp_policy_compile(text, strlen(text), &diags, ret_bytes, &len));
    msp_diags_done(&diags);
    assert_ok(msp_image_open(*ret_bytes, len, ret_image, &why));
}

struct msp_request *slot_fixture_page(struct slot_fixture *fx)
{
    return fx->page;
}

uint32_t slot_fixture_epoch(struct slot_fixture *fx)
{
    return msp_tables_live(&fx->loader).identity_epoch;
}

struct msp_loader *slot_fixture_loader(struct slot_fixture *fx)
{
    return &fx->loader;
}

void slot_drain(struct msp_loader *loader)
{
    int r;

    do
        r = msp_events_drain(loader);
    while (r == 1);
    assert_ok(r);
}

void slot_fixture_authorize(struct slot_fixture *fx)
{
    struct msp_authorize_ctx ctx = {.slot = 0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));

    assert_ok(bpf_prog_test_run_opts(
        msp_loader_prog_fd(&fx->loader, MSP_PROG_AUTHORIZE), &opts));
    assert_int_equal(opts.retval & 0xff, fx->page->verdict);
    assert_int_equal(opts.retval >> 8, fx->page->reason);
}
