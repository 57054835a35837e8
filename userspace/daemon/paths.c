/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/paths.h"

#include <stddef.h>

#include <msp/payer.h>

const char *msp_paths_exe(const struct msp_paths *paths,
                          const struct msp_exe *exe)
{
    const char *path = NULL;

    if (paths && paths->exe && exe->ino)
        path = paths->exe(paths->data, exe);
    return path ? path : MSP_PATH_NONE;
}

const char *const msp_paths_ctr_name[MSP_PATHS_CTR] = {
    "container_id", "container_name", "image", "pod_namespace", "pod"};

void msp_paths_container(const struct msp_paths *paths, uint64_t cgroup_id,
                         const char *ret_text[MSP_PATHS_CTR])
{
    static const enum msp_ctr_text which[MSP_PATHS_CTR] = {
        MSP_CTR_ID, MSP_CTR_NAME, MSP_CTR_IMAGE, MSP_CTR_POD_NAMESPACE,
        MSP_CTR_POD_NAME};
    const struct msp_ctr_record *record = NULL;

    if (paths && paths->container && cgroup_id)
        record = paths->container(paths->data, cgroup_id);
    for (int i = 0; i < MSP_PATHS_CTR; i++) {
        const char *text = record ? record->text[which[i]] : NULL;

        ret_text[i] = text ? text : MSP_PATH_NONE;
    }
}

const char *msp_paths_cgroup(const struct msp_paths *paths, uint64_t cgroup_id)
{
    const char *path = NULL;

    if (paths && paths->cgroup && cgroup_id)
        path = paths->cgroup(paths->data, cgroup_id);
    return path ? path : MSP_PATH_NONE;
}

uint64_t msp_paths_request_payer(const struct msp_mark *mark)
{
    return mark->payer ? mark->payer
                       : msp_payer_of(MSP_PAYER_NOBODY, mark->cgroup_id);
}

uint64_t msp_paths_connect_payer(const struct msp_paths *paths,
                                 const struct msp_event *event)
{
    uint32_t where = event->flags & (MSP_MARK_ROOT | MSP_MARK_CONTAINER);
    uint64_t id = event->cgroup_id, top = 0;

    if (paths && paths->top && id)
        top = paths->top(paths->data, id);
    if (top)
        return msp_payer_of(MSP_PAYER_CONTAINER, top);
    return msp_payer_of(
        where == MSP_MARK_ROOT ? MSP_PAYER_NOBODY : MSP_PAYER_CGROUP, id);
}
