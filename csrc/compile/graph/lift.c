/* Lifting a tape to a graph: what the outputs need, down to inputs, constants and captured state. */
#include <string.h>

#include "compile/graph/graph.h"
#include "kernels/kernels.h"

typedef struct lifting {
    pyad_graph *graph;
    const pyad_tape *tape;
    uint8_t *needed;
    uint32_t *map; /* tape node -> graph node */
} lifting;

/* The node that has the value of an operation of Python's which was recorded as it came about; else -1. */
static int64_t traced_value(const pyad_tape *tape, uint32_t node)
{
    const int64_t *params = tape->params[node];
    return tape->op[node] >= PYAD_KERNEL_COUNT && params != NULL && params[0] == 2 ? params[2] : -1;
}

static void mark_needed(lifting *l, int output_count, const pyad_goutput *outputs)
{
    const pyad_tape *tape = l->tape;
    for (int k = 0; k < output_count; k++)
        l->needed[outputs[k].node] = 1;
    for (uint32_t node = tape->count; node-- > 0;) {
        if (l->needed[node] && traced_value(tape, node) >= 0) {
            l->needed[traced_value(tape, node)] = 1;
            continue;
        }
        for (int k = 0; l->needed[node] && k < tape->nargs[node]; k++)
            l->needed[pyad_tape_args(tape, node)[k]] = 1;
    }
}

static pyad_status flat_layout(lifting *l, const pyad_layout *layout, const pyad_layout **out)
{
    pyad_layout_any any;
    PYAD_TRY(pyad_layout_fill(&any, layout->dtype, layout->ndim, pyad_shape(layout)));
    *out = pyad_layout_keep(l->graph->arena, &any.layout);
    return *out != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

/* A leaf that is no argument: a number, or an array of captured state. */
static pyad_status lift_leaf(lifting *l, uint32_t node)
{
    pyad_graph *graph = l->graph;
    const pyad_value *value = &l->tape->value[node];
    pyad_gnode made = {.kind = PYAD_G_CONST};
    PYAD_TRY(flat_layout(l, value->layout, &made.layout));
    if (l->tape->flags[node] & PYAD_NODE_LENT) {
        const pyad_layout *kept = pyad_layout_keep(graph->arena, value->layout);
        if (kept == NULL)
            return PYAD_ERR_MEMORY;
        made.kind = PYAD_G_INPUT;
        made.number = (uint32_t)graph->input_count;
        PYAD_TRY(pyad_graph_add_input(graph, (pyad_ginput){kept, value->data}));
    } else {
        if (value->data == NULL)
            return PYAD_ERR_STATE;
        void *copy = pyad_arena_alloc(graph->arena, pyad_layout_bytes(made.layout));
        if (copy == NULL)
            return PYAD_ERR_MEMORY;
        pyad_copy((pyad_view){made.layout, copy}, pyad_value_view(value));
        made.data = copy;
    }
    return pyad_graph_add(graph, &made, NULL, &l->map[node]);
}

static pyad_status lift_op(lifting *l, uint32_t node, uint32_t *args)
{
    const pyad_tape *tape = l->tape;
    bool python = tape->op[node] >= PYAD_KERNEL_COUNT || (tape->flags[node] & PYAD_NODE_PYTHON);
    pyad_gnode made = {
        .kind = python ? PYAD_G_CALL : PYAD_G_RUN,
        .op = tape->op[node],
        .nargs = tape->nargs[node],
        .number = node,
    };
    PYAD_TRY(flat_layout(l, tape->value[node].layout, &made.layout));
    if (tape->params[node] != NULL) {
        made.params = pyad_graph_params(l->graph, (int)tape->params[node][0], tape->params[node] + 1);
        if (made.params == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (uint32_t k = 0; k < made.nargs; k++)
        args[k] = l->map[pyad_tape_args(tape, node)[k]];
    return pyad_graph_add(l->graph, &made, args, &l->map[node]);
}

static pyad_status lift_node(lifting *l, uint32_t node, uint32_t *args)
{
    const pyad_tape *tape = l->tape;
    if (traced_value(tape, node) >= 0) {
        l->map[node] = l->map[traced_value(tape, node)];
        return PYAD_OK;
    }
    if (tape->op[node] != PYAD_KERNEL_ALIAS)
        return lift_op(l, node, args);
    if (tape->nargs[node] == 0)
        return lift_leaf(l, node);
    l->map[node] = l->map[pyad_tape_args(tape, node)[0]];
    return PYAD_OK;
}

static pyad_status lift_inputs(lifting *l, int count, const uint32_t *inputs)
{
    for (int k = 0; k < count; k++) {
        const pyad_layout *layout;
        uint32_t node = inputs[k];
        PYAD_TRY(flat_layout(l, l->tape->value[node].layout, &layout));
        PYAD_TRY(pyad_graph_add_input(l->graph, (pyad_ginput){layout, NULL}));
        pyad_gnode made = {.kind = PYAD_G_INPUT, .number = (uint32_t)k, .layout = layout};
        PYAD_TRY(pyad_graph_add(l->graph, &made, NULL, &l->map[node]));
        l->needed[node] = 0;
    }
    l->graph->argument_count = (size_t)count;
    return PYAD_OK;
}

static pyad_status lift(lifting *l, const pyad_lift *what, uint32_t *args)
{
    mark_needed(l, what->output_count, what->outputs);
    PYAD_TRY(lift_inputs(l, what->input_count, what->inputs));
    for (uint32_t node = 0; node < l->tape->count; node++) {
        if (l->needed[node])
            PYAD_TRY(lift_node(l, node, args));
    }
    for (int k = 0; k < what->output_count; k++) {
        pyad_goutput output = what->outputs[k];
        if (output.kind == PYAD_G_GUARD) {
            size_t bytes = pyad_layout_bytes(l->tape->value[output.node].layout);
            void *copy = pyad_arena_alloc(l->graph->arena, bytes);
            if (copy == NULL)
                return PYAD_ERR_MEMORY;
            memcpy(copy, output.expected, bytes);
            output.expected = copy;
        }
        output.node = l->map[output.node];
        PYAD_TRY(pyad_graph_add_output(l->graph, output));
    }
    return PYAD_OK;
}

pyad_status pyad_graph_lift(pyad_graph *graph, const pyad_tape *tape, const pyad_lift *what)
{
    size_t widest = 1;
    for (uint32_t node = 0; node < tape->count; node++)
        widest = tape->nargs[node] > widest ? tape->nargs[node] : widest;
    size_t map_bytes = (tape->count + widest) * sizeof(uint32_t);
    size_t needed_bytes = tape->count + 1u;
    lifting l = {.graph = graph, .tape = tape};
    l.map = pyad_mem_calloc(graph->mem, map_bytes);
    l.needed = pyad_mem_calloc(graph->mem, needed_bytes);
    pyad_status status = l.map != NULL && l.needed != NULL ? lift(&l, what, l.map + tape->count) : PYAD_ERR_MEMORY;
    pyad_mem_free(graph->mem, l.map, map_bytes);
    pyad_mem_free(graph->mem, l.needed, needed_bytes);
    return status;
}
