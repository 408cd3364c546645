/* Common subexpression elimination: equal nodes become one. */
#include "compile/passes/passes.h"

#include <string.h>

#include "simd/dispatch.h"

/* Open addressing over the new graph's nodes; 0 is empty. */
typedef struct table {
    uint32_t *slots;
    size_t size;
} table;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static uint64_t hash_node(const pyad_gnode *node, const uint32_t *args)
{
    uint64_t hash = mix(node->kind, (uint64_t)node->op << 32 | node->nargs);
    hash = mix(hash, node->layout->dtype);
    for (uint32_t k = 0; k < node->nargs; k++)
        hash = mix(hash, args[k]);
    for (int64_t k = 0; node->params != NULL && k <= node->params[0]; k++)
        hash = mix(hash, (uint64_t)node->params[k]);
    if (node->kind == PYAD_G_CONST)
        hash = mix(hash, pyad_isa()->fingerprint(node->data, pyad_layout_bytes(node->layout)));
    return hash;
}

static bool same_node(const pyad_graph *graph, uint32_t at, const pyad_gnode *node, const uint32_t *args)
{
    const pyad_gnode *other = &graph->nodes[at];
    if (other->kind != node->kind || other->op != node->op || other->nargs != node->nargs ||
        !pyad_same_layout(other->layout, node->layout) || !pyad_graph_same_params(other->params, node->params))
        return false;
    if (node->nargs > 0 && memcmp(pyad_graph_args(graph, at), args, node->nargs * sizeof *args) != 0)
        return false;
    return node->kind != PYAD_G_CONST || memcmp(other->data, node->data, pyad_layout_bytes(node->layout)) == 0;
}

static pyad_status share_node(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                              const uint32_t *args, uint32_t *number)
{
    const table *t = context;
    const pyad_gnode *n = &old->nodes[node];
    /* Of inputs there is one each, and Python's operations may do anything. */
    if (n->kind == PYAD_G_INPUT || n->kind == PYAD_G_CALL)
        return pyad_graph_copy_node(old, node, graph, args, number);
    size_t slot = hash_node(n, args) & (t->size - 1);
    for (; t->slots[slot] != 0; slot = (slot + 1) & (t->size - 1)) {
        if (same_node(graph, t->slots[slot] - 1, n, args)) {
            *number = t->slots[slot] - 1;
            return PYAD_OK;
        }
    }
    PYAD_TRY(pyad_graph_copy_node(old, node, graph, args, number));
    t->slots[slot] = *number + 1;
    return PYAD_OK;
}

pyad_status pyad_pass_cse(const pyad_graph *old, pyad_graph *graph)
{
    table t = {.size = 16};
    while (t.size < 2 * old->count)
        t.size *= 2;
    t.slots = pyad_mem_calloc(old->mem, t.size * sizeof *t.slots);
    if (t.slots == NULL)
        return PYAD_ERR_MEMORY;
    pyad_status status = pyad_graph_rewrite(old, graph, share_node, &t);
    pyad_mem_free(old->mem, t.slots, t.size * sizeof *t.slots);
    return status;
}
