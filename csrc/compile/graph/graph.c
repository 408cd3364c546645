/* Graphs: adding nodes and outputs, and rewriting one graph into another. */
#include "compile/graph/graph.h"

#include <string.h>

#include "kernels/kernels.h"
#include "primitives/infer.h"

void pyad_graph_init(pyad_graph *graph, pyad_mem *mem, pyad_arena *arena)
{
    memset(graph, 0, sizeof *graph);
    graph->mem = mem;
    graph->arena = arena;
}

void pyad_graph_finish(pyad_graph *graph)
{
    pyad_mem_free(graph->mem, graph->nodes, graph->capacity * sizeof *graph->nodes);
    pyad_mem_free(graph->mem, graph->args, graph->arg_capacity * sizeof *graph->args);
    pyad_mem_free(graph->mem, graph->outputs, graph->output_capacity * sizeof *graph->outputs);
    pyad_mem_free(graph->mem, graph->inputs, graph->input_capacity * sizeof *graph->inputs);
    pyad_graph_init(graph, graph->mem, graph->arena);
}

pyad_status pyad_graph_add(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    if (graph->count >= PYAD_MAX_NODES || graph->arg_count + node->nargs >= UINT32_MAX)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(
        pyad_mem_grow(graph->mem, (void **)&graph->nodes, &graph->capacity, graph->count + 1, sizeof *graph->nodes));
    PYAD_TRY(pyad_mem_grow(graph->mem, (void **)&graph->args, &graph->arg_capacity, graph->arg_count + node->nargs,
                           sizeof *graph->args));
    pyad_gnode *added = &graph->nodes[graph->count];
    *added = *node;
    added->first = (uint32_t)graph->arg_count;
    for (uint32_t k = 0; k < node->nargs; k++)
        graph->args[graph->arg_count++] = args[k];
    *number = (uint32_t)graph->count++;
    return PYAD_OK;
}

pyad_status pyad_graph_run(pyad_graph *graph, int op, const int64_t *params, int nargs, const uint32_t *args,
                           uint32_t *number)
{
    const pyad_layout *few[8] = {NULL};
    const pyad_layout **layouts = few;
    size_t bytes = (size_t)nargs * sizeof *layouts;
    if (nargs > 8) {
        layouts = pyad_mem_calloc(graph->mem, bytes);
        if (layouts == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (int k = 0; k < nargs; k++)
        layouts[k] = graph->nodes[args[k]].layout;
    pyad_layout_any any;
    pyad_layout_any flat;
    int64_t offset;
    const pyad_layout *first = layouts[0];
    pyad_status status = pyad_infer(NULL, op, params, nargs, layouts, &any, &offset);
    if (layouts != few)
        pyad_mem_free(graph->mem, layouts, bytes);
    PYAD_TRY(status);
    PYAD_TRY(pyad_layout_fill(&flat, any.layout.dtype, any.layout.ndim, pyad_shape(&any.layout)));
    const pyad_layout *layout = first;
    if (!pyad_same_layout(first, &flat.layout))
        layout = pyad_layout_keep(graph->arena, &flat.layout);
    if (layout == NULL)
        return PYAD_ERR_MEMORY;
    pyad_gnode node = {
        .kind = PYAD_G_RUN, .op = (uint16_t)op, .nargs = (uint32_t)nargs, .params = params, .layout = layout};
    return pyad_graph_add(graph, &node, args, number);
}

pyad_status pyad_graph_number(pyad_graph *graph, double value, int dtype, uint32_t *number)
{
    void *data = pyad_arena_alloc(graph->arena, pyad_dtype_size(dtype));
    if (data == NULL)
        return PYAD_ERR_MEMORY;
    if (dtype == PYAD_F32)
        *(float *)data = (float)value;
    else
        *(double *)data = value;
    pyad_gnode node = {.kind = PYAD_G_CONST, .layout = pyad_layout_scalar(dtype), .data = data};
    return pyad_graph_add(graph, &node, NULL, number);
}

pyad_status pyad_graph_add_output(pyad_graph *graph, pyad_goutput output)
{
    PYAD_TRY(pyad_mem_grow(graph->mem, (void **)&graph->outputs, &graph->output_capacity, graph->output_count + 1,
                           sizeof *graph->outputs));
    graph->outputs[graph->output_count++] = output;
    return PYAD_OK;
}

pyad_status pyad_graph_add_input(pyad_graph *graph, pyad_ginput input)
{
    PYAD_TRY(pyad_mem_grow(graph->mem, (void **)&graph->inputs, &graph->input_capacity, graph->input_count + 1,
                           sizeof *graph->inputs));
    graph->inputs[graph->input_count++] = input;
    return PYAD_OK;
}

int64_t *pyad_graph_params(pyad_graph *graph, int count, const int64_t *values)
{
    int64_t *params = pyad_arena_alloc(graph->arena, (size_t)(count + 1) * sizeof *params);
    if (params == NULL)
        return NULL;
    params[0] = count;
    if (count > 0)
        memcpy(params + 1, values, (size_t)count * sizeof *values);
    return params;
}

bool pyad_graph_is_number(const pyad_graph *graph, uint32_t node, double *value)
{
    const pyad_gnode *n = &graph->nodes[node];
    if (n->kind != PYAD_G_CONST || n->layout->ndim != 0 || !pyad_dtype_is_float(n->layout->dtype))
        return false;
    *value = n->layout->dtype == PYAD_F64 ? *(const double *)n->data : (double)*(const float *)n->data;
    return true;
}

bool pyad_graph_same_params(const int64_t *a, const int64_t *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a[0] == b[0] && memcmp(a, b, (size_t)(a[0] + 1) * sizeof *a) == 0;
}

pyad_status pyad_graph_copy_node(const pyad_graph *old, uint32_t node, pyad_graph *graph, const uint32_t *args,
                                 uint32_t *number)
{
    return pyad_graph_add(graph, &old->nodes[node], args, number);
}

static pyad_status rewrite_nodes(const pyad_graph *old, pyad_graph *graph, pyad_rewrite rewrite, void *context,
                                 uint32_t *map, uint32_t *args)
{
    for (uint32_t node = 0; node < old->count; node++) {
        const uint32_t *from = pyad_graph_args(old, node);
        for (uint32_t k = 0; k < old->nodes[node].nargs; k++)
            args[k] = map[from[k]];
        PYAD_TRY(rewrite(context, old, node, graph, args, &map[node]));
    }
    for (size_t k = 0; k < old->output_count; k++) {
        pyad_goutput output = old->outputs[k];
        output.node = map[output.node];
        PYAD_TRY(pyad_graph_add_output(graph, output));
    }
    for (size_t k = 0; k < old->input_count; k++)
        PYAD_TRY(pyad_graph_add_input(graph, old->inputs[k]));
    graph->argument_count = old->argument_count;
    return PYAD_OK;
}

pyad_status pyad_graph_rewrite(const pyad_graph *old, pyad_graph *graph, pyad_rewrite rewrite, void *context)
{
    uint32_t widest = 0;
    for (size_t node = 0; node < old->count; node++)
        widest = old->nodes[node].nargs > widest ? old->nodes[node].nargs : widest;
    size_t bytes = (old->count + widest + 1) * sizeof(uint32_t);
    uint32_t *map = pyad_mem_calloc(old->mem, bytes);
    if (map == NULL)
        return PYAD_ERR_MEMORY;
    pyad_status status = rewrite_nodes(old, graph, rewrite, context, map, map + old->count);
    pyad_mem_free(old->mem, map, bytes);
    return status;
}

void pyad_graph_uses(const pyad_graph *graph, uint32_t *uses)
{
    memset(uses, 0, graph->count * sizeof *uses);
    for (size_t k = 0; k < graph->output_count; k++)
        uses[graph->outputs[k].node]++;
    for (size_t node = graph->count; node-- > 0;) {
        for (uint32_t k = 0; uses[node] > 0 && k < graph->nodes[node].nargs; k++)
            uses[pyad_graph_arg(graph, (uint32_t)node, k)]++;
    }
}

/* Booleans and integers that come from floats change only where a comparison was as good as a tie. */
static void keep_guarded(const pyad_graph *graph, uint32_t *uses)
{
    const uint32_t many = UINT32_C(1) << 31;
    for (size_t k = 0; k < graph->output_count; k++) {
        int dtype = graph->nodes[graph->outputs[k].node].layout->dtype;
        if (graph->outputs[k].kind == PYAD_G_GUARD && (pyad_dtype_is_float(dtype) || pyad_dtype_is_complex(dtype)))
            uses[graph->outputs[k].node] |= many;
    }
    for (size_t node = graph->count; node-- > 0;) {
        for (uint32_t k = 0; (uses[node] & many) && k < graph->nodes[node].nargs; k++)
            uses[pyad_graph_arg(graph, (uint32_t)node, k)] |= many;
    }
}

pyad_status pyad_graph_rewrite_used(const pyad_graph *old, pyad_graph *graph, pyad_rewrite rewrite)
{
    size_t bytes = old->count * sizeof(uint32_t);
    uint32_t *uses = pyad_mem_calloc(old->mem, bytes);
    if (uses == NULL)
        return PYAD_ERR_MEMORY;
    pyad_graph_uses(old, uses);
    keep_guarded(old, uses);
    pyad_status status = pyad_graph_rewrite(old, graph, rewrite, uses);
    pyad_mem_free(old->mem, uses, bytes);
    return status;
}

/* `op` is BROADCAST or RESHAPE. */
static pyad_status with_shape(pyad_graph *graph, int op, uint32_t node, const pyad_layout *layout, uint32_t *number)
{
    while (pyad_graph_is_run(graph, node, op) && !pyad_same_shape(graph->nodes[node].layout, layout))
        node = pyad_graph_arg(graph, node, 0);
    *number = node;
    if (pyad_same_shape(graph->nodes[node].layout, layout))
        return PYAD_OK;
    const int64_t *params = pyad_graph_params(graph, layout->ndim, pyad_shape(layout));
    return params != NULL ? pyad_graph_run(graph, op, params, 1, &node, number) : PYAD_ERR_MEMORY;
}

pyad_status pyad_graph_broadcast(pyad_graph *graph, uint32_t node, const pyad_layout *layout, uint32_t *number)
{
    return with_shape(graph, PYAD_KERNEL_BROADCAST, node, layout, number);
}

pyad_status pyad_graph_reshape(pyad_graph *graph, uint32_t node, const pyad_layout *layout, uint32_t *number)
{
    return with_shape(graph, PYAD_KERNEL_RESHAPE, node, layout, number);
}
