/* Graphs: recordings that have left the tape, to be optimised and then replayed.
 *
 * The folder compile/graph knows the tape, from which it lifts what outputs need. It must not know what is done to
 * graphs: passes, plans and replays.
 *
 * A graph is a list of nodes in an order in which operands stand before their users, and of outputs, which say what
 * the nodes are for: a result, a value that is stored in an input's memory, or a guard, whose value has to be what it
 * was when the recording was made. Nodes are values, never memory: a write into a view of an array is a node that has
 * the array before it as operand. Where values lie is decided by csrc/compile/plan/plan.c.
 *
 * Passes (csrc/compile/passes/) make a new graph out of an old one. Layouts, parameters and constants stay where they
 * are, in the arena that all graphs of one program share. */
#ifndef PYAD_GRAPH_H
#define PYAD_GRAPH_H

#include "primitives/list.h"
#include "tape/tape.h"

typedef struct pyad_gnode {
    uint8_t kind;
    uint16_t op;               /* RUN: the kernel. CALL: the operation's number */
    uint32_t nargs;
    uint32_t first;            /* where its operands begin in the graph's args */
    uint32_t number;           /* INPUT: which one. CALL: the node's number on the tape */
    const int64_t *params;     /* [count, values...] or NULL */
    const pyad_layout *layout; /* shape and dtype; always C-contiguous */
    const void *data;          /* CONST: the value */
} pyad_gnode;

typedef struct pyad_goutput {
    uint8_t kind;
    uint32_t node;
    uint32_t number;      /* STORE: the input that is written */
    const void *expected; /* GUARD: the value as it was, contiguous */
} pyad_goutput;

/* What an input was when the recording was made. */
typedef struct pyad_ginput {
    const pyad_layout *layout; /* with strides */
    void *data;                /* of captured state, which is read where it is; NULL for an argument */
} pyad_ginput;

typedef struct pyad_graph {
    pyad_mem *mem;
    pyad_arena *arena;
    pyad_gnode *nodes;
    size_t count;
    size_t capacity;
    uint32_t *args;
    size_t arg_count;
    size_t arg_capacity;
    pyad_goutput *outputs;
    size_t output_count;
    size_t output_capacity;
    pyad_ginput *inputs;
    size_t input_count;
    size_t input_capacity;
    size_t argument_count; /* the first inputs are arguments, the others are captured state */
} pyad_graph;

void pyad_graph_init(pyad_graph *graph, pyad_mem *mem, pyad_arena *arena);
void pyad_graph_finish(pyad_graph *graph);

/* Appends a node; `args` are copied. *number is its index. */
pyad_status pyad_graph_add(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number);
/* Appends a kernel's node; its layout is inferred. `params` must live in the arena or be NULL. */
pyad_status pyad_graph_run(pyad_graph *graph, int op, const int64_t *params, int nargs, const uint32_t *args,
                           uint32_t *number);
/* Appends a 0-d constant of a dtype (float32 or float64). */
pyad_status pyad_graph_number(pyad_graph *graph, double value, int dtype, uint32_t *number);
pyad_status pyad_graph_add_output(pyad_graph *graph, pyad_goutput output);
pyad_status pyad_graph_add_input(pyad_graph *graph, pyad_ginput input);
/* Copies parameters into the arena, as [count, values...]. Returns NULL when out of memory. */
int64_t *pyad_graph_params(pyad_graph *graph, int count, const int64_t *values);

static inline const uint32_t *pyad_graph_args(const pyad_graph *graph, uint32_t node)
{
    return graph->args + graph->nodes[node].first;
}

/* Says whether the node is a constant 0-d number, and which. */
bool pyad_graph_is_number(const pyad_graph *graph, uint32_t node, double *value);

/* ---- from a tape ---- */

/* What to take off a tape: the leaves that are arguments, and outputs whose nodes are the tape's. */
typedef struct pyad_lift {
    int input_count;
    const uint32_t *inputs;
    int output_count;
    const pyad_goutput *outputs;
} pyad_lift;

/* Fills an empty graph with what the outputs need. csrc/compile/graph/lift.c */
pyad_status pyad_graph_lift(pyad_graph *graph, const pyad_tape *tape, const pyad_lift *what);

/* ---- rewriting ---- */

/* What a pass does with one node of the old graph, whose operands are `args` in the new one: it adds what it likes to
 * the new graph, and returns the node that stands for it. `context` is the pass's own. */
typedef pyad_status (*pyad_rewrite)(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                                    const uint32_t *args, uint32_t *number);

/* Makes `graph` (initialised, empty) out of `old`, node by node. Outputs and inputs are taken over. */
pyad_status pyad_graph_rewrite(const pyad_graph *old, pyad_graph *graph, pyad_rewrite rewrite, void *context);
/* Copies one node. */
pyad_status pyad_graph_copy_node(const pyad_graph *old, uint32_t node, pyad_graph *graph, const uint32_t *args,
                                 uint32_t *number);
/* Counts how often each node is an output or an operand of what is not dead, into `uses` (one entry per node). */
void pyad_graph_uses(const pyad_graph *graph, uint32_t *uses);

/* ---- for passes ---- */

static inline bool pyad_graph_is_run(const pyad_graph *graph, uint32_t node, int op)
{
    return graph->nodes[node].kind == PYAD_G_RUN && graph->nodes[node].op == op;
}

/* Does what pyad_graph_rewrite does, for passes that change rounding: the context is what pyad_graph_uses says of the
 * old graph. A guard on a float asks for the very bits that were recorded, so whatever it depends on counts as used
 * many times. */
pyad_status pyad_graph_rewrite_used(const pyad_graph *old, pyad_graph *graph, pyad_rewrite rewrite);

/* Says whether two nodes have the same static parameters. */
bool pyad_graph_same_params(const int64_t *a, const int64_t *b);

/* Returns an operand of a node. */
static inline uint32_t pyad_graph_arg(const pyad_graph *graph, uint32_t node, uint32_t k)
{
    return pyad_graph_args(graph, node)[k];
}

/* Give the node the shape of `layout`, to which it broadcasts or of whose size it is: *number is the node itself, or
 * one more. Where the node is a broadcast or a reshape, what it is made of is broadcast or reshaped instead. */
pyad_status pyad_graph_broadcast(pyad_graph *graph, uint32_t node, const pyad_layout *layout, uint32_t *number);
pyad_status pyad_graph_reshape(pyad_graph *graph, uint32_t node, const pyad_layout *layout, uint32_t *number);

#endif
