/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/tags.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/escape.h"
#include "daemon/dirs.h"
#include "daemon/stamp.h"

static const char provisioned_name[] = "provisioned.tag";

/* --- what they say -------------------------------------------------------- */

static void put_xml(const char *text, FILE *out)
{
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '\'' ? "&apos;"
                             : *text == '"'  ? "&quot;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                                             : NULL;

        if (entity)
            (void)fputs(entity, out);
        else
            (void)fputc(*text, out);
    }
}

/* @param line [len] without its end. @return 0; -ENOMEM */
static int put_line(const char *line, size_t len, FILE *out)
{
    msp_autofree char *raw = strndup(line, len);
    msp_autofree char *plain = NULL;
    size_t size = 0;
    FILE *buf = raw ? open_memstream(&plain, &size) : NULL;

    if (!buf)
        return -ENOMEM;
    (void)msp_escape_text(raw, buf);
    if (fclose(buf) != 0)
        return -ENOMEM;
    put_xml(plain, out);
    (void)fputs("\r\n", out);
    return 0;
}

int msp_tags_print(const char *missing, FILE *out)
{
    int r = 0;

    while (r == 0 && *missing) {
        size_t len = strcspn(missing, "\r\n");

        r = put_line(missing, len, out);
        missing += len + strspn(missing + len, "\r\n");
    }
    return r < 0 ? r : ferror(out) ? -EIO : 0;
}

/* --- the files ------------------------------------------------------------ */

/* That it ended is said by status.tag: it comes last, and goes first. */
static int write_both(int dir_fd, const char *missing, uint64_t real_ns)
{
    msp_autofree char *text = NULL;
    char stamp[MSP_STAMP_BYTES];
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int r;

    if (!out)
        return -ENOMEM;
    r = msp_tags_print(missing, out);
    if (fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    msp_stamp(real_ns, stamp);
    if (r == 0)
        r = msp_dirs_store(dir_fd, provisioned_name, stamp, MSP_STAMP_CHARS);
    return r < 0 ? r : msp_dirs_store(dir_fd, MSP_TAGS_STATUS, text, len);
}

static int remove_both(int dir_fd)
{
    static const char *const names[] = {MSP_TAGS_STATUS, provisioned_name};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (unlinkat(dir_fd, names[i], 0) < 0 && errno != ENOENT)
            return -errno;
    return 0;
}

int msp_tags_set(struct msp_tags *tags, bool is_finished, const char *missing,
                 uint64_t real_ns)
{
    msp_autoclose int fd = -1;
    int r;

    if (!tags->dir || (tags->is_known && tags->is_finished == is_finished &&
                       (!is_finished || msp_streq(tags->missing, missing))))
        return tags->error;
    /* each time: it may have been made anew */
    r = msp_dirs_open_private(tags->dir, &fd);
    if (r == 0)
        r = is_finished ? write_both(fd, missing, real_ns) : remove_both(fd);
    if (r < 0 && fd >= 0)
        /* fail closed: what is there could say ready */
        (void)remove_both(fd);
    tags->is_known = r == 0;
    tags->is_finished = is_finished;
    (void)snprintf(tags->missing, sizeof(tags->missing), "%s", missing);
    tags->error = r;
    return r;
}
