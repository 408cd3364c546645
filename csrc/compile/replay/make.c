/* Making replays: memory, steps with addresses, what is put together. */
#include "compile/replay/replay.h"

#include <string.h>

/* How a step finds its operands; `made` is the node of the step before, if that leaves its result in a register. */
static uint32_t scalar_code(const pyad_gnode *n, const uint32_t *args, bool wide, uint32_t made)
{
    if (!wide || !pyad_isa()->scalar_has_code(n->op))
        return PYAD_SCALAR_LOOP;
    pyad_scalar_case which = PYAD_BOTH_READ;
    if (n->nargs == 2 && args[1] == made)
        which = PYAD_SECOND_MADE;
    if (args[0] == made)
        which = PYAD_FIRST_MADE;
    return PYAD_SCALAR_CODE(n->op, which);
}

static pyad_status make_scalar_steps(pyad_replay *r, const pyad_action *action, pyad_bound_action *bound)
{
    const pyad_graph *graph = r->plan->graph;
    bound->count = action->count;
    bound->scalars = pyad_arena_alloc(&r->steps, action->count * sizeof *bound->scalars);
    if (bound->scalars == NULL)
        return PYAD_ERR_MEMORY;
    uint32_t made = UINT32_MAX;
    for (uint32_t i = 0; i < action->count; i++) {
        uint32_t node = r->plan->members[action->first + i];
        const pyad_gnode *n = &graph->nodes[node];
        const uint32_t *args = pyad_graph_args(graph, node);
        pyad_scalar_step *step = &bound->scalars[i];
        bool wide = graph->nodes[args[n->nargs - 1]].layout->dtype == PYAD_F64;
        memset(step, 0, sizeof *step);
        step->loop = pyad_isa()->loop[n->op][wide];
        step->code = scalar_code(n, args, wide, made);
        made = step->code != PYAD_SCALAR_LOOP ? node : UINT32_MAX;
        PYAD_TRY(pyad_replay_bind(r, node, &step->out));
        for (uint32_t k = 0; k < n->nargs; k++)
            PYAD_TRY(pyad_replay_bind(r, args[k], (void **)(uintptr_t)&step->in[k]));
    }
    return PYAD_OK;
}

static pyad_status bind_actions(pyad_replay *r, pyad_fused_loop_maker *maker)
{
    const pyad_plan *plan = r->plan;
    uint32_t next = 0; /* the first action that is not yet put together with others */
    for (uint32_t a = 0; a < plan->action_count; a++) {
        const pyad_action *action = &plan->actions[a];
        if (action->kind == PYAD_ACTION_SCALARS)
            PYAD_TRY(make_scalar_steps(r, action, &r->bound[a]));
        if (action->kind == PYAD_ACTION_FUSED_LOOP)
            PYAD_TRY(pyad_replay_make_fused_loop(maker, a, action, &r->bound[a].loop));
        if (action->kind == PYAD_ACTION_RUN && next <= a) {
            PYAD_TRY(pyad_slice_accumulation_make(r, a, &r->bound[a]));
            next = a + r->bound[a].count;
        }
    }
    for (uint32_t node = 0; node < plan->graph->count; node++) {
        r->values[node].layout = plan->places[node].layout;
        PYAD_TRY(pyad_replay_bind(r, node, &r->values[node].data));
    }
    return PYAD_OK;
}

static pyad_status fill(pyad_replay *r)
{
    const pyad_plan *plan = r->plan;
    size_t nodes = plan->graph->count;
    pyad_fused_loop_maker maker = {.replay = r};
    r->values = pyad_mem_calloc(r->mem, (nodes + 1) * sizeof *r->values);
    r->outside = pyad_mem_calloc(r->mem, (pyad_replay_outside_count(plan) + 1) * sizeof *r->outside);
    r->patch_first = pyad_mem_calloc(r->mem, (pyad_replay_outside_count(plan) + 2) * sizeof *r->patch_first);
    r->bound = pyad_mem_calloc(r->mem, (plan->action_count + 1) * sizeof *r->bound);
    if (r->values == NULL || r->outside == NULL || r->patch_first == NULL || r->bound == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(pyad_buffer_new(r->mem, plan->arena_bytes + 1, &r->memory));
    size_t bytes = PYAD_FUSED_LOOP_COLUMNS * (nodes + 1) * sizeof *maker.column[0];
    maker.column[0] = pyad_mem_calloc(r->mem, bytes);
    if (maker.column[0] == NULL)
        return PYAD_ERR_MEMORY;
    for (int k = 1; k < PYAD_FUSED_LOOP_COLUMNS; k++)
        maker.column[k] = maker.column[0] + (size_t)k * (nodes + 1);
    pyad_status status = bind_actions(r, &maker);
    pyad_mem_free(r->mem, maker.column[0], bytes);
    PYAD_TRY(status);
    if (maker.scratch > 0)
        PYAD_TRY(pyad_buffer_new(r->mem, maker.scratch, &r->registers));
    return pyad_replay_sort_patches(r);
}

pyad_status pyad_replay_make(pyad_replay *replay, pyad_mem *mem, const pyad_plan *plan)
{
    memset(replay, 0, sizeof *replay);
    replay->plan = plan;
    replay->mem = mem;
    pyad_arena_init(&replay->scratch, mem);
    pyad_arena_init(&replay->steps, mem);
    pyad_status status = fill(replay);
    if (status != PYAD_OK)
        pyad_replay_finish(replay);
    return status;
}

void pyad_replay_finish(pyad_replay *replay)
{
    const pyad_plan *plan = replay->plan;
    if (plan == NULL)
        return;
    pyad_mem *mem = replay->mem;
    pyad_mem_free(mem, replay->values, (plan->graph->count + 1) * sizeof *replay->values);
    pyad_mem_free(mem, replay->outside, (pyad_replay_outside_count(plan) + 1) * sizeof *replay->outside);
    pyad_mem_free(mem, replay->patch_first, (pyad_replay_outside_count(plan) + 2) * sizeof *replay->patch_first);
    pyad_mem_free(mem, replay->bound, (plan->action_count + 1) * sizeof *replay->bound);
    pyad_mem_free(mem, replay->patches, replay->patch_capacity * sizeof *replay->patches);
    if (replay->memory != NULL)
        pyad_buffer_release(mem, replay->memory);
    if (replay->registers != NULL)
        pyad_buffer_release(mem, replay->registers);
    pyad_arena_finish(&replay->scratch);
    pyad_arena_finish(&replay->steps);
    memset(replay, 0, sizeof *replay);
}
