/* Scheduling: which nodes run together, and in which order. */
#include <string.h>

#include "compile/plan/plan.h"
#include "kernels/kernels.h"
#include "primitives/info.h"

/* How many of the latest groups an element-wise node may still join. A node that is run much earlier than it is needed
 * keeps memory for nothing. */
enum { OPEN_GROUPS = 6, MOST_NUMBERS = 4096 };
#define NONE UINT32_MAX

typedef struct group {
    uint8_t kind;
    uint32_t head; /* its nodes, linked by `next` */
    uint32_t tail;
    uint32_t steps;
    const pyad_layout *layout; /* LOOPS: the common shape */
} group;

typedef struct ordering {
    pyad_plan *plan;
    const pyad_graph *graph;
    group *groups;
    size_t count;
    size_t capacity;
    uint32_t *next;      /* per node: the next of its group */
    uint32_t *available; /* per node: 1 + the group that makes it, 0 for what is there from the start */
    uint32_t open[OPEN_GROUPS];
    uint32_t opened;
} ordering;

static int group_kind(const pyad_graph *graph, uint32_t node)
{
    const pyad_gnode *n = &graph->nodes[node];
    if (n->kind == PYAD_G_CALL)
        return PYAD_ACTION_CALL;
    if (!pyad_kernel_is_loop(n->op))
        return PYAD_ACTION_RUN;
    const pyad_layout *last = graph->nodes[pyad_graph_args(graph, node)[n->nargs - 1]].layout;
    if (pyad_dtype_is_complex(last->dtype) || n->layout->size == 0)
        return PYAD_ACTION_RUN;
    return n->layout->size == 1 ? PYAD_ACTION_SCALARS : PYAD_ACTION_FUSED_LOOP;
}

static uint32_t available_at(const ordering *o, uint32_t node)
{
    uint32_t latest = 0;
    const uint32_t *args = pyad_graph_args(o->graph, node);
    for (uint32_t k = 0; k < o->graph->nodes[node].nargs; k++)
        latest = o->available[args[k]] > latest ? o->available[args[k]] : latest;
    return latest;
}

static bool is_member(const ordering *o, uint32_t g, uint32_t node)
{
    return o->available[node] == g + 1 && o->plan->places[node].layout == NULL &&
           pyad_kernel_is_loop(o->graph->nodes[node].op);
}

/* Says whether an operand is a view over what the group itself makes, or a sum of it: that is there only after the
 * group has run. */
static bool reads_view(const ordering *o, uint32_t g, uint32_t node)
{
    const uint32_t *args = pyad_graph_args(o->graph, node);
    for (uint32_t k = 0; k < o->graph->nodes[node].nargs; k++) {
        if (o->available[args[k]] == g + 1 && !is_member(o, g, args[k]))
            return true;
    }
    return false;
}

static bool fits(const ordering *o, uint32_t g, uint32_t node, int kind)
{
    const group *candidate = &o->groups[g];
    if (candidate->kind != kind || reads_view(o, g, node))
        return false;
    if (kind == PYAD_ACTION_SCALARS)
        return candidate->steps < MOST_NUMBERS;
    return candidate->steps < PYAD_FUSED_LOOP_MOST_STEPS &&
           pyad_same_shape(candidate->layout, o->graph->nodes[node].layout);
}

/* A group that the node can join, or NONE: not one before those that make its operands. */
static uint32_t find_group(const ordering *o, uint32_t node, int kind)
{
    uint32_t from = available_at(o, node);
    for (uint32_t k = 0; k < OPEN_GROUPS && k < o->opened; k++) {
        uint32_t g = o->open[(o->opened - 1 - k) % OPEN_GROUPS];
        if (g + 1 < from)
            return NONE;
        if (fits(o, g, node, kind))
            return g;
    }
    return NONE;
}

/* Longer sums of rows are left to the kernel, which adds in stages: row by row the rounding adds up too. */
enum { MOST_ROWS = 1024 };

/* Says whether the axes of a sum that are longer than 1 are neighbours, and few enough rows are added up. */
static bool can_join(const pyad_layout *in, uint32_t axes)
{
    int runs = 0;
    bool inside = false;
    int64_t rows = 1;
    for (int d = 0; d < in->ndim; d++) {
        if (pyad_shape(in)[d] == 1)
            continue;
        runs += (axes >> d & 1) && !inside;
        inside = axes >> d & 1;
        rows *= inside ? pyad_shape(in)[d] : 1;
    }
    return runs == 1 && (inside || rows <= MOST_ROWS);
}

/* The group of a sum over what an element-wise group makes, or NONE: it adds up block by block. */
static uint32_t summed_group(const ordering *o, uint32_t node)
{
    const pyad_gnode *n = &o->graph->nodes[node];
    if (n->kind != PYAD_G_RUN || n->op != PYAD_KERNEL_SUM)
        return NONE;
    uint32_t of = pyad_graph_args(o->graph, node)[0];
    if (!can_join(o->graph->nodes[of].layout, (uint32_t)n->params[1]))
        return NONE;
    uint32_t g = o->available[of] - 1;
    bool open = o->available[of] > 0 && pyad_dtype_is_float(n->layout->dtype) && is_member(o, g, of) &&
                o->groups[g].kind == PYAD_ACTION_FUSED_LOOP && o->groups[g].steps < PYAD_FUSED_LOOP_MOST_STEPS;
    return open ? g : NONE;
}

static pyad_status open_group(ordering *o, uint32_t node, int kind, uint32_t *g)
{
    PYAD_TRY(pyad_mem_grow(o->plan->mem, (void **)&o->groups, &o->capacity, o->count + 1, sizeof *o->groups));
    *g = (uint32_t)o->count++;
    o->groups[*g] = (group){.kind = (uint8_t)kind, .head = NONE, .tail = NONE, .layout = o->graph->nodes[node].layout};
    if (kind == PYAD_ACTION_FUSED_LOOP || kind == PYAD_ACTION_SCALARS)
        o->open[o->opened++ % OPEN_GROUPS] = *g;
    return PYAD_OK;
}

static pyad_status place_node(ordering *o, uint32_t node)
{
    const pyad_gnode *n = &o->graph->nodes[node];
    o->available[node] = n->kind == PYAD_G_RUN || n->kind == PYAD_G_CALL ? available_at(o, node) : 0;
    if (o->plan->places[node].layout != NULL)
        return PYAD_OK; /* an input, a constant, or a view over something that is there */
    int kind = group_kind(o->graph, node);
    bool many = kind == PYAD_ACTION_FUSED_LOOP || kind == PYAD_ACTION_SCALARS;
    uint32_t g = many ? find_group(o, node, kind) : summed_group(o, node);
    if (g == NONE)
        PYAD_TRY(open_group(o, node, kind, &g));
    group *joined = &o->groups[g];
    joined->steps++;
    if (joined->head == NONE)
        joined->head = node;
    else
        o->next[joined->tail] = node;
    joined->tail = node;
    o->available[node] = g + 1;
    return PYAD_OK;
}

static pyad_status place_nodes(ordering *o)
{
    for (uint32_t node = 0; node < o->graph->count; node++) {
        o->next[node] = NONE;
        PYAD_TRY(place_node(o, node));
    }
    return PYAD_OK;
}

static pyad_status add_action(pyad_plan *plan, pyad_action action)
{
    PYAD_TRY(pyad_mem_grow(plan->mem, (void **)&plan->actions, &plan->action_capacity, plan->action_count + 1,
                           sizeof *plan->actions));
    plan->actions[plan->action_count++] = action;
    return PYAD_OK;
}

/* Guards whose value is there after `made` groups. */
static pyad_status add_guards(ordering *o, uint32_t made)
{
    for (size_t k = 0; k < o->graph->output_count; k++) {
        const pyad_goutput *output = &o->graph->outputs[k];
        if (output->kind == PYAD_G_GUARD && o->available[output->node] == made)
            PYAD_TRY(add_action(o->plan, (pyad_action){.kind = PYAD_ACTION_GUARD, .output = (uint32_t)k}));
    }
    return PYAD_OK;
}

static pyad_status write_actions(ordering *o, bool guards)
{
    pyad_plan *plan = o->plan;
    if (guards)
        PYAD_TRY(add_guards(o, 0));
    for (uint32_t g = 0; g < o->count; g++) {
        pyad_action action = {.kind = o->groups[g].kind, .first = (uint32_t)plan->member_count};
        for (uint32_t node = o->groups[g].head; node != NONE; node = o->next[node]) {
            PYAD_TRY(pyad_mem_grow(plan->mem, (void **)&plan->members, &plan->member_capacity, plan->member_count + 1,
                                   sizeof *plan->members));
            plan->members[plan->member_count++] = node;
            action.count++;
        }
        PYAD_TRY(add_action(plan, action));
        if (guards)
            PYAD_TRY(add_guards(o, g + 1));
    }
    for (size_t k = 0; k < o->graph->output_count; k++) {
        if (o->graph->outputs[k].kind != PYAD_G_GUARD)
            PYAD_TRY(add_action(plan, (pyad_action){.kind = PYAD_ACTION_COPY, .output = (uint32_t)k}));
    }
    return PYAD_OK;
}

pyad_status pyad_plan_schedule(pyad_plan *plan)
{
    const pyad_graph *graph = plan->graph;
    ordering o = {.plan = plan, .graph = graph};
    size_t bytes = 2 * (graph->count + 1) * sizeof(uint32_t);
    uint32_t *columns = pyad_mem_calloc(plan->mem, bytes);
    pyad_status status = columns != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
    o.next = columns;
    o.available = columns + graph->count;
    bool guards = false;
    for (size_t k = 0; k < graph->output_count; k++)
        guards = guards || graph->outputs[k].kind == PYAD_G_GUARD;
    if (status == PYAD_OK)
        status = place_nodes(&o);
    if (status == PYAD_OK)
        status = write_actions(&o, guards);
    pyad_mem_free(plan->mem, columns, bytes);
    pyad_mem_free(plan->mem, o.groups, o.capacity * sizeof *o.groups);
    return status;
}
