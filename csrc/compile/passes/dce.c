/* Dead code elimination: what no output needs goes. */
#include "compile/passes/passes.h"

static pyad_status keep_live(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                             const uint32_t *args, uint32_t *number)
{
    const uint8_t *live = context;
    return live[node] ? pyad_graph_copy_node(old, node, graph, args, number) : PYAD_OK;
}

pyad_status pyad_pass_dce(const pyad_graph *old, pyad_graph *graph)
{
    uint8_t *live = pyad_mem_calloc(old->mem, old->count);
    if (live == NULL)
        return PYAD_ERR_MEMORY;
    for (size_t k = 0; k < old->output_count; k++)
        live[old->outputs[k].node] = 1;
    for (size_t node = old->count; node-- > 0;) {
        for (uint32_t k = 0; live[node] && k < old->nodes[node].nargs; k++)
            live[pyad_graph_args(old, (uint32_t)node)[k]] = 1;
    }
    pyad_status status = pyad_graph_rewrite(old, graph, keep_live, live);
    pyad_mem_free(old->mem, live, old->count);
    return status;
}
