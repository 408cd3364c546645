/* The list of the passes in their order, and running them. */
#include "compile/passes/passes.h"

#include "primitives/info.h"

static pyad_status copy_stored_inputs(pyad_graph *graph);

static const pyad_pass passes[] = {
    {"dead code elimination", pyad_pass_dce},
    {"constant folding", pyad_pass_constant_fold},
    {"simplification", pyad_pass_simplify},
    {"common subexpression elimination", pyad_pass_cse},
    {"slice accumulation", pyad_pass_slice_accumulation},
    {"gemm epilogue", pyad_pass_gemm_epilogue},
    {"simplification again", pyad_pass_simplify},
    {"common subexpression elimination again", pyad_pass_cse},
    {"dead code elimination again", pyad_pass_dce},
};

int pyad_passes_count(void)
{
    return (int)(sizeof passes / sizeof passes[0]);
}

const char *pyad_passes_name(int pass)
{
    return passes[pass].name;
}

pyad_status pyad_passes_run(pyad_graph *graph, size_t *counts)
{
    for (int k = 0; k < pyad_passes_count(); k++) {
        pyad_graph next;
        pyad_graph_init(&next, graph->mem, graph->arena);
        pyad_status status = passes[k].run(graph, &next);
        pyad_graph_finish(status == PYAD_OK ? graph : &next);
        PYAD_TRY(status);
        *graph = next;
        if (counts != NULL)
            counts[k] = graph->count;
    }
    return copy_stored_inputs(graph);
}

/* Says whether a value lies in the memory of an input. */
static bool is_in_input(const pyad_graph *graph, uint32_t node)
{
    while (graph->nodes[node].kind == PYAD_G_RUN && pyad_kernel_is_view(graph->nodes[node].op))
        node = pyad_graph_args(graph, node)[0];
    return graph->nodes[node].kind == PYAD_G_INPUT;
}

/* Where inputs are exchanged, each has to be read before the first is written. */
static pyad_status copy_stored_inputs(pyad_graph *graph)
{
    for (size_t k = 0; k < graph->output_count; k++) {
        uint32_t node = graph->outputs[k].node;
        if (graph->outputs[k].kind != PYAD_G_STORE || !is_in_input(graph, node))
            continue;
        const int64_t dtype = graph->nodes[node].layout->dtype;
        const int64_t *params = pyad_graph_params(graph, 1, &dtype);
        if (params == NULL)
            return PYAD_ERR_MEMORY;
        PYAD_TRY(pyad_graph_run(graph, PYAD_KERNEL_CAST, params, 1, &node, &node));
        graph->outputs[k].node = node;
    }
    return PYAD_OK;
}
