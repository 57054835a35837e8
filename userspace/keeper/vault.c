/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/vault.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

#include "base/io.h"
#include "keeper/keystore.h"

int msp_vault_new(struct msp_vault **ret_vault)
{
    void *block = mmap(NULL, sizeof(struct msp_vault), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r;

    if (block == MAP_FAILED)
        return -errno;
    if (mlock(block, sizeof(struct msp_vault)) < 0 ||
        madvise(block, sizeof(struct msp_vault), MADV_DONTDUMP) < 0 ||
        madvise(block, sizeof(struct msp_vault), MADV_WIPEONFORK) < 0) {
        /* fail closed: a key in swappable memory is worse than none */
        r = -errno;
        (void)munmap(block, sizeof(struct msp_vault));
        return r;
    }
    *ret_vault = block;
    return 0;
}

struct msp_vault *msp_vault_free(struct msp_vault *vault)
{
    if (!vault)
        return NULL;
    msp_vault_wipe(vault);
    (void)munmap(vault, sizeof(*vault));
    return NULL;
}

void msp_vault_wipe(struct msp_vault *vault)
{
    OPENSSL_cleanse(vault, sizeof(*vault));
}

int msp_vault_take(struct msp_vault *vault, const char *text, size_t len,
                   const char **reterr_why)
{
    return msp_keyfile_parse(text, len, MSP_KEYFILE_OF_HOST, &vault->pending,
                             reterr_why);
}

/* What is in `text`, as the key of this GUID. */
static int read_as(struct msp_vault *vault, size_t len, const char *guid,
                   enum msp_keyfile_from from, struct msp_keyfile *ret)
{
    const char *why;
    int r = msp_keyfile_parse(vault->text, len, from, ret, &why);

    OPENSSL_cleanse(vault->text, sizeof(vault->text));
    if (r < 0)
        return r;
    if (strcasecmp(ret->guid, guid) == 0)
        return 0;
    /* fail closed: signatures would name a key that did not make them */
    OPENSSL_cleanse(ret, sizeof(*ret));
    return -EKEYREJECTED;
}

static int read_file(struct msp_vault *vault, int dir_fd, const char *guid,
                     struct msp_keyfile *ret)
{
    size_t len = 0;
    int r =
        msp_keystore_read(dir_fd, guid, vault->text, sizeof(vault->text), &len);

    return r < 0 ? r : read_as(vault, len, guid, MSP_KEYFILE_OF_US, ret);
}

int msp_vault_find(struct msp_vault *vault, int dir_fd, const char *guid)
{
    return read_file(vault, dir_fd, guid, &vault->pending);
}

int msp_vault_adopt(struct msp_vault *vault, int fd, const char *guid)
{
    ssize_t n = msp_io_read_full(fd, vault->text, sizeof(vault->text));

    if (n < 0)
        return (int)n;
    return read_as(vault, (size_t)n, guid, MSP_KEYFILE_OF_HOST,
                   &vault->pending);
}

int msp_vault_store(struct msp_vault *vault, int dir_fd)
{
    const struct msp_keyfile *pending = &vault->pending;
    size_t len = msp_keyfile_print(pending, vault->text);
    int r = msp_keystore_write(dir_fd, pending->guid, vault->text, len);

    OPENSSL_cleanse(vault->text, sizeof(vault->text));
    if (r == 0)
        r = read_file(vault, dir_fd, pending->guid, &vault->again);
    if (r == 0 && CRYPTO_memcmp(vault->again.key, pending->key,
                                sizeof(pending->key)) != 0)
        r = -EIO;
    OPENSSL_cleanse(&vault->again, sizeof(vault->again));
    return r;
}

void msp_vault_pack(struct msp_vault *vault)
{
    OPENSSL_cleanse(&vault->packet, sizeof(vault->packet));
    vault->packet.head.type = MSP_CHILD_KEY;
    if (!vault->pending.guid[0])
        return;
    memcpy(vault->packet.guid, vault->pending.guid, MSP_GUID_BYTES);
    memcpy(vault->packet.key, vault->pending.key, MSP_KEY_BYTES);
}
