/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <msp/cleanup.h>

#include "cli/out.h"

int msp_out_json(char *payload, size_t len, const char *result,
                 const struct msp_out_view *view,
                 const struct msp_json_extra *extra, FILE *out)
{
    msp_cleanup(msp_model_done) struct msp_model model = {0};
    int r = msp_model_read(payload, len, &model);

    if (r < 0)
        return r;
    if (view && view->arrays)
        msp_model_arrays(&model, view->arrays);
    if (view && view->sort)
        msp_model_sort(&model, view->list, view->sort);
    return msp_json_print(&model, result, view ? view->list : NULL, extra, out);
}
