/* The passes in their order, and those that are about whole nodes: what is dead, constant or there twice. */
#include <string.h>

#include "compile/graph/graph.h"
#include "kernels/kernels.h"

static pyad_status copy_stored_inputs(pyad_graph *graph);

static const pyad_pass passes[] = {
    {"dead code", pyad_pass_dead},        {"constants", pyad_pass_fold},
    {"algebra", pyad_pass_algebra},       {"common subexpressions", pyad_pass_common},
    {"parts", pyad_pass_parts},           {"products", pyad_pass_products},
    {"algebra again", pyad_pass_algebra}, {"common subexpressions again", pyad_pass_common},
    {"dead code again", pyad_pass_dead},
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

/* Whether a value lies in the memory of an input. */
static bool is_in_input(const pyad_graph *graph, uint32_t node)
{
    while (graph->nodes[node].kind == PYAD_G_RUN && pyad_kernel_is_view(graph->nodes[node].op))
        node = pyad_graph_args(graph, node)[0];
    return graph->nodes[node].kind == PYAD_G_INPUT;
}

/* Where inputs are exchanged, each has to be read before the first is written. */
static pyad_status copy_stored_inputs(pyad_graph *graph)
{
    for (size_t k = 0; k < graph->sink_count; k++) {
        uint32_t node = graph->sinks[k].node;
        if (graph->sinks[k].kind != PYAD_G_STORE || !is_in_input(graph, node))
            continue;
        const int64_t dtype = graph->nodes[node].layout->dtype;
        const int64_t *params = pyad_graph_params(graph, 1, &dtype);
        if (params == NULL)
            return PYAD_ERR_MEMORY;
        PYAD_TRY(pyad_graph_run(graph, PYAD_KERNEL_CAST, params, 1, &node, &node));
        graph->sinks[k].node = node;
    }
    return PYAD_OK;
}

/* ---- dead code ---- */

static pyad_status keep_live(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                             const uint32_t *args, uint32_t *number)
{
    const uint8_t *live = context;
    return live[node] ? pyad_graph_copy_node(old, node, graph, args, number) : PYAD_OK;
}

pyad_status pyad_pass_dead(const pyad_graph *old, pyad_graph *graph)
{
    uint8_t *live = pyad_mem_calloc(old->mem, old->count);
    if (live == NULL)
        return PYAD_ERR_MEMORY;
    for (size_t k = 0; k < old->sink_count; k++)
        live[old->sinks[k].node] = 1;
    for (size_t node = old->count; node-- > 0;) {
        for (uint32_t k = 0; live[node] && k < old->nodes[node].nargs; k++)
            live[pyad_graph_args(old, (uint32_t)node)[k]] = 1;
    }
    pyad_status status = pyad_graph_rewrite(old, graph, keep_live, live);
    pyad_mem_free(old->mem, live, old->count);
    return status;
}

/* ---- constants ---- */

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

pyad_status pyad_pass_fold(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite(old, graph, fold_node, NULL);
}

/* ---- common subexpressions ---- */

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

bool pyad_same_params(const int64_t *a, const int64_t *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a[0] == b[0] && memcmp(a, b, (size_t)(a[0] + 1) * sizeof *a) == 0;
}

static bool same_node(const pyad_graph *graph, uint32_t at, const pyad_gnode *node, const uint32_t *args)
{
    const pyad_gnode *other = &graph->nodes[at];
    if (other->kind != node->kind || other->op != node->op || other->nargs != node->nargs ||
        !pyad_same_layout(other->layout, node->layout) || !pyad_same_params(other->params, node->params))
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

pyad_status pyad_pass_common(const pyad_graph *old, pyad_graph *graph)
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
