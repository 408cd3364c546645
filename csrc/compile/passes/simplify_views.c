/* Simplification of kernels that move elements and do not change them. */
#include <string.h>

#include "compile/passes/simplify.h"

/* Says whether the elements stay in their order: only axes of length 1 move. */
static bool keeps_order(const pyad_layout *in, const int64_t *axes)
{
    int64_t last = -1;
    for (int d = 0; d < in->ndim; d++) {
        if (pyad_shape(in)[axes[d]] == 1)
            continue;
        if (axes[d] < last)
            return false;
        last = axes[d];
    }
    return true;
}

static pyad_status transpose(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    int64_t axes[PYAD_MAX_NDIM] = {0};
    uint32_t x = args[0];
    memcpy(axes, node->params + 1, node->layout->ndim * sizeof *axes);
    while (pyad_graph_is_run(graph, x, PYAD_KERNEL_TRANSPOSE)) {
        const int64_t *before = graph->nodes[x].params + 1;
        for (int d = 0; d < node->layout->ndim; d++)
            axes[d] = before[axes[d]];
        x = pyad_graph_arg(graph, x, 0);
    }
    if (keeps_order(graph->nodes[x].layout, axes))
        return pyad_graph_reshape(graph, x, node->layout, number);
    if (x == args[0])
        return pyad_graph_add(graph, node, args, number);
    const int64_t *params = pyad_graph_params(graph, node->layout->ndim, axes);
    return params != NULL ? pyad_graph_run(graph, PYAD_KERNEL_TRANSPOSE, params, 1, &x, number) : PYAD_ERR_MEMORY;
}

/* Says whether every sum, maximum or minimum is of one element, and so is that element: also -0, of which the kernel
 * makes 0 in some layouts. */
static bool reduces_nothing(const pyad_layout *in, const int64_t *params)
{
    uint32_t axes = (uint32_t)params[1];
    for (int d = 0; d < in->ndim; d++) {
        if ((axes >> d & 1) && pyad_shape(in)[d] != 1)
            return false;
    }
    return true;
}

pyad_status pyad_simplify_views(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    const pyad_layout *in = graph->nodes[args[0]].layout;
    *number = args[0];
    switch (node->op) {
    case PYAD_KERNEL_ALIAS:
        return PYAD_OK;
    case PYAD_KERNEL_CAST:
        return in->dtype == node->layout->dtype ? PYAD_OK : pyad_graph_add(graph, node, args, number);
    case PYAD_KERNEL_BROADCAST:
        return pyad_graph_broadcast(graph, args[0], node->layout, number);
    case PYAD_KERNEL_RESHAPE:
        return pyad_graph_reshape(graph, args[0], node->layout, number);
    case PYAD_KERNEL_TRANSPOSE:
        return transpose(graph, node, args, number);
    case PYAD_KERNEL_SUM:
    case PYAD_KERNEL_MAX:
    case PYAD_KERNEL_MIN:
        if (reduces_nothing(in, node->params))
            return pyad_graph_reshape(graph, args[0], node->layout, number);
        return pyad_graph_add(graph, node, args, number);
    default:
        return pyad_simplify_slices(graph, node, args, number);
    }
}
