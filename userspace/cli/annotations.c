/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/annotations.h"

#include <string.h>

#include <msp/cleanup.h>

/*
 * Why these, and no others:
 * containerd: its CRI plugin writes io.kubernetes.cri.* after the annotations
 *     of the pod that pod_annotations lets pass, so it has the last word.
 *     @source containerd 1.6 and later, annotations.DefaultCRIAnnotations()
 * crio: on a container the pod's annotations come first, then its own, then
 *     annotations and labels of the container, which the kubelet writes. On
 *     the pod's infra container the pod's annotations come last but for the
 *     labels: a pod can forge io.kubernetes.cri-o.*, also ContainerType, but
 *     not the labels io.kubernetes.pod.*. So names come from labels; the image
 *     is nothing that a policy can ask for.
 *     @source cri-o, SpecAddAnnotations(), runPodSandbox()
 * podman, docker: all annotations are whatever `run --annotation` says.
 */
const struct msp_manager msp_managers[MSP_MANAGERS] = {
    {
        .name = "containerd",
        .key =
            {
                [MSP_ANNOTATED_NAME] = "io.kubernetes.cri.container-name",
                [MSP_ANNOTATED_IMAGE] = "io.kubernetes.cri.image-name",
                [MSP_ANNOTATED_POD_NAMESPACE] =
                    "io.kubernetes.cri.sandbox-namespace",
                [MSP_ANNOTATED_POD_NAME] = "io.kubernetes.cri.sandbox-name",
            },
    },
    {
        .name = "crio",
        .key =
            {
                [MSP_ANNOTATED_NAME] = "io.kubernetes.container.name",
                [MSP_ANNOTATED_IMAGE] = "io.kubernetes.cri-o.ImageName",
                [MSP_ANNOTATED_POD_NAMESPACE] = "io.kubernetes.pod.namespace",
                [MSP_ANNOTATED_POD_NAME] = "io.kubernetes.pod.name",
            },
    },
    {.name = "docker"},
    {.name = "podman"},
};

const struct msp_manager *msp_manager_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(msp_managers); i++)
        if (msp_streq(msp_managers[i].name, name))
            return &msp_managers[i];
    return NULL;
}

void msp_annotations_take(const struct msp_manager *manager,
                          const struct msp_oci_state *state,
                          struct msp_registration *reg)
{
    const char **const field[] = {
        [MSP_ANNOTATED_NAME] = &reg->name,
        [MSP_ANNOTATED_IMAGE] = &reg->image,
        [MSP_ANNOTATED_POD_NAMESPACE] = &reg->pod_namespace,
        [MSP_ANNOTATED_POD_NAME] = &reg->pod_name,
    };

    _Static_assert(ARRAY_SIZE(field) == MSP_ANNOTATED_COUNT, "field");
    for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
        const char *value =
            manager->key[i] ? msp_oci_state_annotation(state, manager->key[i])
                            : NULL;

        if (value && value[0])
            *field[i] = value;
    }
}
