/* Sums with arrays that are zero but for a part: the part alone is added. What is outside stays as it is, also -0, to
 * which a zero would be added. Rows that are added at the same index are added one by one and not to each other first. */
#include <string.h>

#include "graph.h"

/* The parameters of an UNSLICE as those of an ADD_PART. NULL when out of memory. */
static const int64_t *part_params(pyad_graph *graph, const pyad_gnode *unslice)
{
    int64_t values[2 + 2 * PYAD_MAX_NDIM];
    pyad_layout_any window;
    int64_t full = unslice->params[1];
    if (pyad_slice_layout(unslice->layout, unslice->params + 2 + full, &window, &values[0]) != PYAD_OK)
        return NULL;
    int ndim = window.layout.ndim;
    values[1] = ndim;
    memcpy(values + 2, pyad_shape(&window.layout), (size_t)ndim * sizeof *values);
    memcpy(values + 2 + ndim, pyad_strides(&window.layout), (size_t)ndim * sizeof *values);
    return pyad_graph_params(graph, 2 + 2 * ndim, values);
}

/* x + UNSLICE(s) */
static pyad_status add_part(pyad_graph *graph, uint32_t x, uint32_t unslice, uint32_t *number)
{
    const uint32_t both[2] = {x, pyad_graph_arg(graph, unslice, 0)};
    const int64_t *params = part_params(graph, &graph->nodes[unslice]);
    return params != NULL ? pyad_graph_run(graph, PYAD_KERNEL_ADD_PART, params, 2, both, number) : PYAD_ERR_MEMORY;
}

/* x + PUT(s, index) */
static pyad_status add_rows(pyad_graph *graph, uint32_t x, uint32_t put, uint32_t *number)
{
    const uint32_t all[3] = {x, pyad_graph_arg(graph, put, 0), pyad_graph_arg(graph, put, 1)};
    return pyad_graph_run(graph, PYAD_KERNEL_ADD_ROWS, NULL, 3, all, number);
}

static bool is_part(const pyad_graph *graph, uint32_t node, const pyad_layout *sum)
{
    bool part = pyad_graph_is_run(graph, node, PYAD_KERNEL_UNSLICE) || pyad_graph_is_run(graph, node, PYAD_KERNEL_PUT);
    return part && pyad_same_shape(graph->nodes[node].layout, sum);
}

static pyad_status rewrite(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph, const uint32_t *args,
                           uint32_t *number)
{
    const uint32_t *uses = context;
    const pyad_layout *sum = old->nodes[node].layout;
    if (!pyad_graph_is_run(old, node, PYAD_LOOP_ADD))
        return pyad_graph_copy_node(old, node, graph, args, number);
    for (uint32_t k = 2; k-- > 0;) {
        uint32_t x;
        if (uses[pyad_graph_arg(old, node, k)] != 1 || !is_part(graph, args[k], sum))
            continue;
        PYAD_TRY(pyad_graph_broadcast(graph, args[1 - k], sum, &x));
        if (pyad_graph_is_run(graph, args[k], PYAD_KERNEL_PUT))
            return add_rows(graph, x, args[k], number);
        return add_part(graph, x, args[k], number);
    }
    return pyad_graph_copy_node(old, node, graph, args, number);
}

pyad_status pyad_pass_parts(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite_used(old, graph, rewrite);
}
