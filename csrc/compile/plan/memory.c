/* Memory planning: where values lie, by their lifetimes. */
#include <string.h>

#include "compile/plan/plan.h"

enum { ALIGN = 64, NUMBER_BYTES = 8 };
#define NONE UINT32_MAX

/* ---- memory in the arena ---- */

/* Freed pieces of one size. */
typedef struct size_class {
    size_t bytes;
    uint32_t head; /* storages, linked by `next` */
} size_class;

/* A piece of the arena; several nodes one after another may have it. */
typedef struct storage {
    int64_t offset;
    size_t bytes;
    uint32_t node; /* that has it */
    uint32_t next; /* on the size_class */
} storage;

typedef struct memory {
    pyad_plan *plan;
    const pyad_graph *graph;
    uint32_t *last;    /* per node: the last action that reads it or a view of it */
    uint32_t *owner;   /* per node: its storage, or NONE */
    uint32_t *ending;  /* per action: the first node whose memory may be free after it, ... */
    uint32_t *later;   /* ... and per node: the next one */
    uint32_t *used_in; /* per node: the action that makes it; NONE for what is there */
    uint32_t *result;  /* per node: the first RESULT output for it, or NONE */
    uint32_t *store;   /* per node: the STORE output for it */
    storage *storages;
    size_t storage_count;
    size_t storage_capacity;
    size_class *size_classes;
    size_t size_class_count;
    size_t size_class_capacity;
    uint32_t final; /* the first action after all guards, calls, and kernels that can fail */
} memory;

static size_t rounded(const pyad_layout *layout)
{
    size_t bytes = pyad_layout_bytes(layout);
    if (layout->size == 1)
        return bytes <= NUMBER_BYTES ? NUMBER_BYTES : 2 * NUMBER_BYTES;
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static pyad_status find_size_class(memory *m, size_t bytes, size_class **found)
{
    for (size_t k = 0; k < m->size_class_count; k++) {
        if (m->size_classes[k].bytes == bytes) {
            *found = &m->size_classes[k];
            return PYAD_OK;
        }
    }
    PYAD_TRY(pyad_mem_grow(m->plan->mem, (void **)&m->size_classes, &m->size_class_capacity, m->size_class_count + 1,
                           sizeof *m->size_classes));
    *found = &m->size_classes[m->size_class_count++];
    **found = (size_class){bytes, NONE};
    return PYAD_OK;
}

/* Gives a storage to a node, until that has been read for the last time. */
static void give_storage(memory *m, uint32_t s, uint32_t node)
{
    m->owner[node] = s;
    m->storages[s].node = node;
    m->later[node] = m->ending[m->last[node]];
    m->ending[m->last[node]] = node;
    m->plan->places[node] = (pyad_place){m->graph->nodes[node].layout, PYAD_BASE_ARENA, node, m->storages[s].offset};
}

static pyad_status take_storage(memory *m, uint32_t node)
{
    const pyad_layout *layout = m->graph->nodes[node].layout;
    size_t bytes = rounded(layout);
    size_class *from;
    PYAD_TRY(find_size_class(m, bytes, &from));
    uint32_t s = from->head;
    if (s != NONE) {
        from->head = m->storages[s].next;
    } else {
        PYAD_TRY(pyad_mem_grow(m->plan->mem, (void **)&m->storages, &m->storage_capacity, m->storage_count + 1,
                               sizeof *m->storages));
        s = (uint32_t)m->storage_count++;
        size_t align = bytes < ALIGN ? NUMBER_BYTES : ALIGN;
        size_t at = (m->plan->arena_bytes + align - 1) / align * align;
        if (bytes > (size_t)INT64_MAX - at)
            return PYAD_ERR_MEMORY;
        m->storages[s] = (storage){.offset = (int64_t)at, .bytes = bytes};
        m->plan->arena_bytes = at + bytes;
    }
    give_storage(m, s, node);
    return PYAD_OK;
}

static pyad_status free_storages(memory *m, uint32_t action)
{
    for (uint32_t node = m->ending[action]; node != NONE; node = m->later[node]) {
        uint32_t s = m->owner[node];
        size_class *to;
        if (m->storages[s].node != node)
            continue; /* another node has taken it over */
        PYAD_TRY(find_size_class(m, m->storages[s].bytes, &to));
        m->storages[s].next = to->head;
        to->head = s;
    }
    return PYAD_OK;
}

/* ---- taking over memory ---- */

static bool is_contiguous_root(const memory *m, uint32_t node)
{
    return m->plan->places[node].layout != NULL && m->plan->places[node].layout->contiguous;
}

/* Says whether some other operand of the action's only node lies in the same memory as operand `but`. */
static bool shares_with_others(const memory *m, uint32_t node, uint32_t but)
{
    const pyad_gnode *n = &m->graph->nodes[node];
    const uint32_t *args = pyad_graph_args(m->graph, node);
    uint32_t root = m->plan->places[args[but]].root;
    for (uint32_t k = 0; k < n->nargs; k++) {
        if (k != but && m->plan->places[args[k]].root == root)
            return true;
        if (k != but && m->owner[m->plan->places[args[k]].root] != NONE &&
            m->owner[m->plan->places[args[k]].root] == m->owner[root])
            return true;
    }
    return false;
}

/* The operand in whose place a kernel can make its result, or NONE. */
static uint32_t place_operand(const pyad_gnode *n)
{
    if (n->kind != PYAD_G_RUN)
        return NONE;
    switch (n->op) {
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ASSIGN_AT:
    case PYAD_KERNEL_ADD_SLICE:
    case PYAD_KERNEL_ADD_ROWS:
        return 0;
    case PYAD_KERNEL_AFFINE:
        return 2;
    default:
        return NONE;
    }
}

/* The operand of a single kernel whose memory the result can be made in, as far as layouts go; else NONE. */
static uint32_t overwritable(const memory *m, uint32_t node)
{
    const pyad_gnode *n = &m->graph->nodes[node];
    uint32_t k = place_operand(n);
    if (k == NONE)
        return NONE;
    uint32_t of = pyad_graph_args(m->graph, node)[k];
    const pyad_layout *root = m->plan->places[m->plan->places[of].root].layout;
    bool whole = is_contiguous_root(m, of) && m->plan->places[of].layout->size == n->layout->size &&
                 root->size == n->layout->size;
    return whole && !shares_with_others(m, node, k) ? of : NONE;
}

/* Steps of an element-wise action that read `root` after step `writer` has written. */
static bool read_later(const memory *m, const pyad_action *action, uint32_t root, uint32_t writer)
{
    bool after = false;
    for (uint32_t i = 0; i < action->count; i++) {
        uint32_t node = m->plan->members[action->first + i];
        const uint32_t *args = pyad_graph_args(m->graph, node);
        for (uint32_t k = 0; after && k < m->graph->nodes[node].nargs; k++) {
            if (m->plan->places[args[k]].root == root)
                return true;
        }
        after = after || node == writer;
    }
    return false;
}

/* Says whether every reading of `root` by the action is of the whole, element for element. */
static bool read_whole(const memory *m, const pyad_action *action, uint32_t root, const pyad_layout *shape)
{
    for (uint32_t i = 0; i < action->count; i++) {
        uint32_t node = m->plan->members[action->first + i];
        const uint32_t *args = pyad_graph_args(m->graph, node);
        for (uint32_t k = 0; k < m->graph->nodes[node].nargs; k++) {
            const pyad_place *place = &m->plan->places[args[k]];
            if (place->root != root)
                continue;
            if (place->layout == NULL || !place->layout->contiguous || place->layout->size != shape->size ||
                !pyad_same_shape(place->layout, shape))
                return false;
        }
    }
    return true;
}

/* Says whether `node`, made by the action, can be made where `root` is, once that is read for the last time by the
 * action. */
static bool can_replace(const memory *m, const pyad_action *action, uint32_t node, uint32_t root)
{
    if (action->kind == PYAD_ACTION_RUN) {
        uint32_t of = overwritable(m, node);
        return of != NONE && m->plan->places[of].root == root;
    }
    /* A sum is written while the action still reads what it broadcasts. */
    if (action->kind != PYAD_ACTION_FUSED_LOOP || m->graph->nodes[node].op == PYAD_KERNEL_SUM)
        return false;
    const pyad_layout *layout = m->graph->nodes[node].layout;
    const pyad_layout *there = m->plan->places[root].layout;
    return there != NULL && there->contiguous && pyad_dtype_size(there->dtype) == pyad_dtype_size(layout->dtype) &&
           there->size == layout->size && read_whole(m, action, root, layout) && !read_later(m, action, root, node);
}

static bool take_over(memory *m, uint32_t a, const pyad_action *action, uint32_t node)
{
    if (action->kind != PYAD_ACTION_RUN && action->kind != PYAD_ACTION_FUSED_LOOP)
        return false;
    for (uint32_t i = 0; i < action->count; i++) {
        uint32_t reader = m->plan->members[action->first + i];
        const uint32_t *args = pyad_graph_args(m->graph, reader);
        for (uint32_t k = 0; k < m->graph->nodes[reader].nargs; k++) {
            uint32_t root = m->plan->places[args[k]].root;
            uint32_t s = m->owner[root];
            if (s == NONE || m->used_in[root] == a || m->storages[s].node != root || m->last[root] != a ||
                !can_replace(m, action, node, root))
                continue;
            give_storage(m, s, node);
            m->plan->reused++;
            return true;
        }
    }
    return false;
}

/* ---- memory outside ---- */

static uint32_t input_node(const memory *m, uint32_t input)
{
    for (uint32_t node = 0; node < m->graph->count; node++) {
        if (m->graph->nodes[node].kind == PYAD_G_INPUT && m->graph->nodes[node].number == input)
            return node;
    }
    return NONE;
}

/* Straight into the input's memory: once all guards have held, and where nobody reads what was there afterwards. */
static bool store_directly(memory *m, uint32_t a, const pyad_action *action, uint32_t node)
{
    uint32_t output = m->store[node];
    if (output == NONE || a < m->final)
        return false;
    uint32_t input = m->graph->outputs[output].number;
    const pyad_ginput *given = &m->graph->inputs[input];
    uint32_t root = input_node(m, input);
    if (!given->layout->contiguous || !pyad_same_layout(given->layout, m->graph->nodes[node].layout))
        return false;
    if (root != NONE && m->last[root] != NONE) {
        if (m->last[root] > a || (m->last[root] == a && !can_replace(m, action, node, root)))
            return false;
    }
    m->plan->places[node] = (pyad_place){given->layout, PYAD_BASE_OUTSIDE + input, node, 0};
    m->plan->direct_stores++;
    return true;
}

static bool result_directly(memory *m, uint32_t node)
{
    uint32_t output = m->result[node];
    if (output == NONE)
        return false;
    uint32_t base = pyad_plan_result_base(m->plan, m->graph->outputs[output].number);
    m->plan->places[node] = (pyad_place){m->graph->nodes[node].layout, base, node, 0};
    return true;
}

static pyad_status place_node(memory *m, uint32_t a, const pyad_action *action, uint32_t node)
{
    /* Element-wise nodes that only their own action reads live between its steps. */
    if (action->kind == PYAD_ACTION_FUSED_LOOP && m->last[node] == a && m->result[node] == NONE &&
        m->store[node] == NONE)
        return PYAD_OK;
    if (store_directly(m, a, action, node) || result_directly(m, node) || take_over(m, a, action, node))
        return PYAD_OK;
    return take_storage(m, node);
}

/* ---- lifetimes ---- */

static void read_by(memory *m, uint32_t node, uint32_t a)
{
    m->last[node] = a;
    m->last[m->plan->places[node].root] = a;
}

/* Kernels that look at indices refuse those out of range. */
static bool can_fail(const memory *m, const pyad_action *action)
{
    if (action->kind != PYAD_ACTION_RUN)
        return false;
    switch (m->graph->nodes[m->plan->members[action->first]].op) {
    case PYAD_KERNEL_TAKE:
    case PYAD_KERNEL_PUT:
    case PYAD_KERNEL_PICK:
    case PYAD_KERNEL_UNPICK:
    case PYAD_KERNEL_CROSS_ENTROPY:
    case PYAD_KERNEL_ASSIGN_AT:
    case PYAD_KERNEL_ADD_ROWS:
        return true;
    default:
        return false;
    }
}

static void find_lifetimes(memory *m)
{
    const pyad_plan *plan = m->plan;
    for (uint32_t a = 0; a < plan->action_count; a++) {
        const pyad_action *action = &plan->actions[a];
        if (action->kind == PYAD_ACTION_GUARD || action->kind == PYAD_ACTION_CALL || can_fail(m, action))
            m->final = a + 1;
        if (action->kind == PYAD_ACTION_GUARD || action->kind == PYAD_ACTION_COPY)
            read_by(m, m->graph->outputs[action->output].node, a);
        for (uint32_t i = 0; i < action->count; i++) {
            uint32_t node = plan->members[action->first + i];
            m->used_in[node] = a;
            m->last[node] = a;
            for (uint32_t k = 0; k < m->graph->nodes[node].nargs; k++)
                read_by(m, pyad_graph_args(m->graph, node)[k], a);
        }
    }
}

/* The first result, and the store, that each node is to be. A node is made in the place of one of them at most. */
static void find_outputs(memory *m)
{
    for (size_t k = m->graph->output_count; k-- > 0;) {
        const pyad_goutput *output = &m->graph->outputs[k];
        if (output->kind == PYAD_G_RESULT)
            m->result[output->node] = (uint32_t)k;
        if (output->kind == PYAD_G_STORE)
            m->store[output->node] = (uint32_t)k;
    }
}

/* Views get the places of what they are views of. */
static void place_views(pyad_plan *plan)
{
    for (uint32_t node = 0; node < plan->graph->count; node++) {
        pyad_place *place = &plan->places[node];
        if (place->layout == NULL || place->root == node || place->base != PYAD_BASE_NONE)
            continue;
        const pyad_place *root = &plan->places[place->root];
        place->base = root->base;
        place->offset += root->offset;
    }
}

/* Copies of what has been made in its place are not needed. */
static void drop_copies(pyad_plan *plan)
{
    size_t kept = 0;
    for (size_t a = 0; a < plan->action_count; a++) {
        pyad_action action = plan->actions[a];
        if (action.kind == PYAD_ACTION_COPY) {
            const pyad_goutput *output = &plan->graph->outputs[action.output];
            uint32_t base = output->kind == PYAD_G_RESULT ? pyad_plan_result_base(plan, output->number)
                                                          : PYAD_BASE_OUTSIDE + output->number;
            const pyad_place *place = &plan->places[output->node];
            if (place->base == base && place->root == output->node)
                continue;
        }
        plan->actions[kept++] = action;
    }
    plan->action_count = kept;
}

static pyad_status place_all(memory *m)
{
    find_lifetimes(m);
    find_outputs(m);
    for (uint32_t a = 0; a < m->plan->action_count; a++) {
        const pyad_action action = m->plan->actions[a];
        for (uint32_t i = 0; i < action.count; i++)
            PYAD_TRY(place_node(m, a, &action, m->plan->members[action.first + i]));
        PYAD_TRY(free_storages(m, a));
    }
    place_views(m->plan);
    drop_copies(m->plan);
    return PYAD_OK;
}

pyad_status pyad_plan_memory(pyad_plan *plan)
{
    memory m = {.plan = plan, .graph = plan->graph};
    size_t nodes = plan->graph->count;
    size_t count = 6 * nodes + plan->action_count;
    size_t bytes = count * sizeof(uint32_t);
    uint32_t *columns = pyad_mem_calloc(plan->mem, bytes);
    pyad_status status = columns != NULL || count == 0 ? PYAD_OK : PYAD_ERR_MEMORY;
    if (status == PYAD_OK) {
        memset(columns, 0xff, bytes);
        m.last = columns;
        m.owner = columns + nodes;
        m.used_in = columns + 2 * nodes;
        m.result = columns + 3 * nodes;
        m.store = columns + 4 * nodes;
        m.later = columns + 5 * nodes;
        m.ending = columns + 6 * nodes;
        status = place_all(&m);
    }
    pyad_mem_free(plan->mem, columns, bytes);
    pyad_mem_free(plan->mem, m.storages, m.storage_capacity * sizeof *m.storages);
    pyad_mem_free(plan->mem, m.size_classes, m.size_class_capacity * sizeof *m.size_classes);
    return status;
}
