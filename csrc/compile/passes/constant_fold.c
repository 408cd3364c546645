/* Constant folding: kernels all of whose operands are constants are run. */
#include "compile/passes/passes.h"

#include "kernels/kernels.h"
#include "primitives/exec.h"

enum { FOLD_MOST_ARGS = 3, FOLD_MOST_BYTES = 1 << 12 };

static bool can_fold(const pyad_graph *graph, const pyad_gnode *node, const uint32_t *args)
{
    bool able = node->kind == PYAD_G_RUN && node->nargs > 0 && node->nargs <= FOLD_MOST_ARGS &&
                pyad_layout_bytes(node->layout) <= FOLD_MOST_BYTES;
    for (uint32_t k = 0; able && k < node->nargs; k++)
        able = graph->nodes[args[k]].kind == PYAD_G_CONST;
    return able;
}

static pyad_status fold_node(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                             const uint32_t *args, uint32_t *number)
{
    (void)context;
    const pyad_gnode *n = &old->nodes[node];
    if (!can_fold(graph, n, args))
        return pyad_graph_copy_node(old, node, graph, args, number);
    const pyad_env env = {graph->mem, graph->arena, NULL};
    pyad_value in[FOLD_MOST_ARGS];
    pyad_value made;
    pyad_value flat;
    for (uint32_t k = 0; k < n->nargs; k++) {
        const pyad_gnode *from = &graph->nodes[args[k]];
        in[k] = (pyad_value){from->layout, (void *)(uintptr_t)from->data, NULL};
    }
    pyad_status status = pyad_exec(&env, n->op, n->params, (int)n->nargs, in, &made);
    if (status == PYAD_ERR_MEMORY)
        return status;
    if (status != PYAD_OK)
        return pyad_graph_copy_node(old, node, graph, args, number); /* it fails when the program runs */
    flat = (pyad_value){n->layout, pyad_arena_alloc(graph->arena, pyad_layout_bytes(n->layout)), NULL};
    if (flat.data != NULL)
        pyad_copy(pyad_value_view(&flat), pyad_value_view(&made));
    if (made.buffer != NULL)
        pyad_buffer_release(graph->mem, made.buffer);
    if (flat.data == NULL)
        return PYAD_ERR_MEMORY;
    pyad_gnode constant = {.kind = PYAD_G_CONST, .layout = n->layout, .data = flat.data};
    return pyad_graph_add(graph, &constant, NULL, number);
}

pyad_status pyad_pass_constant_fold(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite(old, graph, fold_node, NULL);
}
