/* The places of what needs no action: inputs, constants, and views over something else. */
#include "compile/plan/plan.h"

#include "kernels/kernels.h"
#include "primitives/infer.h"
#include "primitives/info.h"

static pyad_status view_place(pyad_plan *plan, uint32_t node)
{
    const pyad_gnode *n = &plan->graph->nodes[node];
    uint32_t of = pyad_graph_args(plan->graph, node)[0];
    const pyad_place *from = &plan->places[of];
    const pyad_layout *in = from->layout != NULL ? from->layout : plan->graph->nodes[of].layout;
    pyad_layout_any any;
    int64_t offset;
    PYAD_TRY(pyad_infer(NULL, n->op, n->params, 1, &in, &any, &offset));
    if (!pyad_shares_memory(n->op, in, &any.layout))
        return PYAD_OK; /* it takes a copy, and so an action */
    const pyad_layout *kept = n->layout;
    if (!pyad_same_layout(kept, &any.layout))
        kept = pyad_layout_keep(plan->graph->arena, &any.layout);
    if (kept == NULL)
        return PYAD_ERR_MEMORY;
    bool whole = from->layout == NULL;
    plan->places[node] = (pyad_place){
        .layout = kept,
        .base = whole ? (uint32_t)PYAD_BASE_NONE : from->base,
        .root = whole ? of : from->root,
        .offset = (whole ? 0 : from->offset) + offset * (int64_t)pyad_dtype_size(kept->dtype),
    };
    return PYAD_OK;
}

pyad_status pyad_plan_views(pyad_plan *plan)
{
    const pyad_graph *graph = plan->graph;
    for (uint32_t node = 0; node < graph->count; node++) {
        const pyad_gnode *n = &graph->nodes[node];
        pyad_place *place = &plan->places[node];
        *place = (pyad_place){.base = PYAD_BASE_NONE, .root = node};
        if (n->kind == PYAD_G_CONST) {
            *place = (pyad_place){n->layout, PYAD_BASE_FIXED, node, (int64_t)(intptr_t)n->data};
        } else if (n->kind == PYAD_G_INPUT) {
            const pyad_ginput *input = &graph->inputs[n->number];
            *place = (pyad_place){input->layout, PYAD_BASE_OUTSIDE + n->number, node, 0};
            if (input->data != NULL)
                *place = (pyad_place){input->layout, PYAD_BASE_FIXED, node, (int64_t)(intptr_t)input->data};
        } else if (n->kind == PYAD_G_RUN && pyad_kernel_is_view(n->op)) {
            PYAD_TRY(view_place(plan, node));
        }
    }
    return PYAD_OK;
}
