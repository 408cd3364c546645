/* Sums with arrays that are zero but for a slice: the slice alone is added. What is outside stays as it is, also -0,
 * to which a zero would be added. Rows that are added at the same index are added one by one and not to each other
 * first. */
#include <string.h>

#include "array/subview.h"
#include "compile/passes/passes.h"

/* The parameters of an UNSLICE as those of an ADD_SLICE. NULL when out of memory. */
static const int64_t *slice_params(pyad_graph *graph, const pyad_gnode *unslice)
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

/* Additions to slices of one array, the last first, and what they begin with. */
enum { CHAIN_MOST = 16 };
typedef struct chain {
    uint32_t nodes[CHAIN_MOST];
    int count;
    uint32_t base;
} chain;

static void follow_chain(const pyad_graph *graph, uint32_t x, chain *c)
{
    c->count = 0;
    while (c->count < CHAIN_MOST && pyad_graph_is_run(graph, x, PYAD_KERNEL_ADD_SLICE)) {
        c->nodes[c->count++] = x;
        x = pyad_graph_arg(graph, x, 0);
    }
    c->base = x;
}

/* Where a slice of `of` was set to zero, others were added, and the slice as it was is added now (the gradient of +=
 * on a slice): the others are added to `of` itself. false where it is otherwise. */
static pyad_status add_to_whole(pyad_graph *graph, uint32_t x, uint32_t s, const int64_t *params, uint32_t *number,
                                bool *done)
{
    chain c;
    double zero;
    *done = false;
    if (!pyad_graph_is_run(graph, s, PYAD_KERNEL_STRIDED_VIEW) ||
        !pyad_graph_same_params(graph->nodes[s].params, params))
        return PYAD_OK;
    follow_chain(graph, x, &c);
    uint32_t of = pyad_graph_arg(graph, s, 0);
    if (!pyad_graph_is_run(graph, c.base, PYAD_KERNEL_ASSIGN) ||
        !pyad_graph_same_params(graph->nodes[c.base].params, params) || pyad_graph_arg(graph, c.base, 0) != of ||
        !pyad_graph_is_number(graph, pyad_graph_arg(graph, c.base, 1), &zero) || zero != 0.0)
        return PYAD_OK;
    for (int k = c.count; k-- > 0;) {
        const uint32_t both[2] = {of, pyad_graph_arg(graph, c.nodes[k], 1)};
        PYAD_TRY(pyad_graph_run(graph, PYAD_KERNEL_ADD_SLICE, graph->nodes[c.nodes[k]].params, 2, both, &of));
    }
    *number = of;
    *done = true;
    return PYAD_OK;
}

/* Slices along one axis that make up a whole array. */
typedef struct tiles {
    int axis;
    int count;
    int64_t start[CHAIN_MOST + 2];
    int64_t length[CHAIN_MOST + 2];
    uint32_t nodes[CHAIN_MOST + 2];
} tiles;

/* Adds a tile, if it is a slice of `whole` along one axis, the same for all, and the value has its shape. */
static bool add_tile(tiles *t, const pyad_layout *whole, const int64_t *params, const pyad_layout *value, uint32_t node)
{
    const int64_t *shape = params + 3;
    int axis = -1;
    if (params[2] != whole->ndim || value->ndim != whole->ndim)
        return false;
    for (int d = 0; d < whole->ndim; d++) {
        bool plain = shape[d] == pyad_shape(value)[d] && shape[whole->ndim + d] == pyad_strides(whole)[d];
        if (!plain || (shape[d] != pyad_shape(whole)[d] && axis >= 0))
            return false;
        axis = shape[d] != pyad_shape(whole)[d] ? d : axis;
    }
    if (axis < 0 || (t->count > 0 && axis != t->axis) || params[1] % pyad_strides(whole)[axis] != 0)
        return false;
    int k = t->count++;
    for (; k > 0 && t->start[k - 1] > params[1] / pyad_strides(whole)[axis]; k--) {
        t->start[k] = t->start[k - 1];
        t->length[k] = t->length[k - 1];
        t->nodes[k] = t->nodes[k - 1];
    }
    t->axis = axis;
    t->start[k] = params[1] / pyad_strides(whole)[axis];
    t->length[k] = shape[axis];
    t->nodes[k] = node;
    return true;
}

/* Where slices added to an array of zeros make up the whole of it: they are put side by side. */
static pyad_status add_last_tile(pyad_graph *graph, uint32_t x, uint32_t s, const int64_t *params, uint32_t *number,
                                 bool *done)
{
    chain c;
    tiles t = {.count = 0};
    *done = false;
    follow_chain(graph, x, &c);
    const pyad_layout *whole = graph->nodes[x].layout;
    if (!pyad_graph_is_run(graph, c.base, PYAD_KERNEL_UNSLICE) || whole->size == 0)
        return PYAD_OK;
    const int64_t *first = slice_params(graph, &graph->nodes[c.base]);
    if (first == NULL)
        return PYAD_ERR_MEMORY;
    uint32_t under = pyad_graph_arg(graph, c.base, 0);
    bool fits = add_tile(&t, whole, params, graph->nodes[s].layout, s) &&
                add_tile(&t, whole, first, graph->nodes[under].layout, under);
    for (int k = 0; k < c.count && fits; k++) {
        uint32_t value = pyad_graph_arg(graph, c.nodes[k], 1);
        fits = add_tile(&t, whole, graph->nodes[c.nodes[k]].params, graph->nodes[value].layout, value);
    }
    int64_t end = 0;
    for (int k = 0; k < t.count && fits; k++) {
        fits = t.start[k] == end;
        end += t.length[k];
    }
    if (!fits || end != pyad_shape(whole)[t.axis])
        return PYAD_OK;
    const int64_t axis = t.axis;
    const int64_t *joined = pyad_graph_params(graph, 1, &axis);
    if (joined == NULL)
        return PYAD_ERR_MEMORY;
    *done = true;
    return pyad_graph_run(graph, PYAD_KERNEL_CONCATENATE, joined, t.count, t.nodes, number);
}

/* x + UNSLICE(s) */
static pyad_status add_slice(pyad_graph *graph, uint32_t x, uint32_t unslice, uint32_t *number)
{
    const uint32_t both[2] = {x, pyad_graph_arg(graph, unslice, 0)};
    const int64_t *params = slice_params(graph, &graph->nodes[unslice]);
    bool done;
    if (params == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(add_to_whole(graph, x, both[1], params, number, &done));
    if (!done)
        PYAD_TRY(add_last_tile(graph, x, both[1], params, number, &done));
    return done ? PYAD_OK : pyad_graph_run(graph, PYAD_KERNEL_ADD_SLICE, params, 2, both, number);
}

/* x + PUT(s, index) */
static pyad_status add_rows(pyad_graph *graph, uint32_t x, uint32_t put, uint32_t *number)
{
    const uint32_t all[3] = {x, pyad_graph_arg(graph, put, 0), pyad_graph_arg(graph, put, 1)};
    return pyad_graph_run(graph, PYAD_KERNEL_ADD_ROWS, NULL, 3, all, number);
}

static bool is_slice_sum(const pyad_graph *graph, uint32_t node, const pyad_layout *sum)
{
    bool sparse =
        pyad_graph_is_run(graph, node, PYAD_KERNEL_UNSLICE) || pyad_graph_is_run(graph, node, PYAD_KERNEL_PUT);
    return sparse && pyad_same_shape(graph->nodes[node].layout, sum);
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
        if (uses[pyad_graph_arg(old, node, k)] != 1 || !is_slice_sum(graph, args[k], sum))
            continue;
        PYAD_TRY(pyad_graph_broadcast(graph, args[1 - k], sum, &x));
        if (pyad_graph_is_run(graph, args[k], PYAD_KERNEL_PUT))
            return add_rows(graph, x, args[k], number);
        return add_slice(graph, x, args[k], number);
    }
    return pyad_graph_copy_node(old, node, graph, args, number);
}

pyad_status pyad_pass_slice_accumulation(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite_used(old, graph, rewrite);
}
