/* Replays. */
#include "compile/replay/replay.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- making one ---- */

/* The address of a node's value goes to *where, now if it is known, else before each run. */
pyad_status pyad_replay_bind(pyad_replay *r, uint32_t node, void **where)
{
    const pyad_place *place = &r->plan->places[node];
    if (place->base == PYAD_BASE_FIXED) {
        *where = (void *)(intptr_t)place->offset;
        return PYAD_OK;
    }
    if (place->base == PYAD_BASE_ARENA) {
        *where = (char *)r->memory->data + place->offset;
        return PYAD_OK;
    }
    *where = NULL;
    if (place->base == PYAD_BASE_NONE)
        return PYAD_OK;
    PYAD_TRY(pyad_mem_grow(r->mem, (void **)&r->patches, &r->patch_capacity, r->patch_count + 1, sizeof *r->patches));
    r->patches[r->patch_count++] = (pyad_patch){where, place->base - PYAD_BASE_OUTSIDE, place->offset};
    return PYAD_OK;
}

/* How a step finds its operands; `made` is the node of the step before, if that leaves its result in a register. */
static uint32_t number_code(const pyad_gnode *n, const uint32_t *args, bool wide, uint32_t made)
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

static pyad_status make_numbers(pyad_replay *r, const pyad_action *action, pyad_replay_line *line)
{
    const pyad_graph *graph = r->plan->graph;
    line->count = action->count;
    line->numbers = pyad_arena_alloc(&r->steps, action->count * sizeof *line->numbers);
    if (line->numbers == NULL)
        return PYAD_ERR_MEMORY;
    uint32_t made = UINT32_MAX;
    for (uint32_t i = 0; i < action->count; i++) {
        uint32_t node = r->plan->members[action->first + i];
        const pyad_gnode *n = &graph->nodes[node];
        const uint32_t *args = pyad_graph_args(graph, node);
        pyad_scalar_step *step = &line->numbers[i];
        bool wide = graph->nodes[args[n->nargs - 1]].layout->dtype == PYAD_F64;
        memset(step, 0, sizeof *step);
        step->loop = pyad_isa()->loop[n->op][wide];
        step->code = number_code(n, args, wide, made);
        made = step->code != PYAD_SCALAR_LOOP ? node : UINT32_MAX;
        PYAD_TRY(pyad_replay_bind(r, node, &step->out));
        for (uint32_t k = 0; k < n->nargs; k++)
            PYAD_TRY(pyad_replay_bind(r, args[k], (void **)(uintptr_t)&step->in[k]));
    }
    return PYAD_OK;
}

static pyad_status make_lines(pyad_replay *r, pyad_line_maker *maker)
{
    const pyad_plan *plan = r->plan;
    uint32_t next = 0; /* the first action that is not yet put together with others */
    for (uint32_t a = 0; a < plan->action_count; a++) {
        const pyad_action *action = &plan->actions[a];
        if (action->kind == PYAD_ACTION_NUMBERS)
            PYAD_TRY(make_numbers(r, action, &r->lines[a]));
        if (action->kind == PYAD_ACTION_LOOPS)
            PYAD_TRY(pyad_replay_line_make(maker, a, action, &r->lines[a].line));
        if (action->kind == PYAD_ACTION_RUN && next <= a) {
            PYAD_TRY(pyad_replay_parts_make(r, a, &r->lines[a]));
            next = a + r->lines[a].count;
        }
    }
    for (uint32_t node = 0; node < plan->graph->count; node++) {
        r->values[node].layout = plan->places[node].layout;
        PYAD_TRY(pyad_replay_bind(r, node, &r->values[node].data));
    }
    return PYAD_OK;
}

static size_t outside_count(const pyad_plan *plan)
{
    return plan->graph->argument_count + plan->result_count;
}

/* Brings the patches into the order of their bases: a counting sort. */
static pyad_status sort_patches(pyad_replay *r)
{
    size_t bases = outside_count(r->plan);
    size_t bytes = r->patch_count * sizeof *r->patches;
    pyad_patch *sorted = pyad_mem_calloc(r->mem, bytes);
    if (sorted == NULL && bytes > 0)
        return PYAD_ERR_MEMORY;
    for (size_t k = 0; k < r->patch_count; k++)
        r->patch_first[r->patches[k].base + 1]++;
    for (size_t b = 0; b < bases; b++)
        r->patch_first[b + 1] += r->patch_first[b];
    for (size_t k = 0; k < r->patch_count; k++)
        sorted[r->patch_first[r->patches[k].base]++] = r->patches[k];
    for (size_t b = bases; b > 0; b--)
        r->patch_first[b] = r->patch_first[b - 1];
    r->patch_first[0] = 0;
    if (bytes > 0)
        memcpy(r->patches, sorted, bytes);
    pyad_mem_free(r->mem, sorted, bytes);
    return PYAD_OK;
}

static pyad_status fill(pyad_replay *r)
{
    const pyad_plan *plan = r->plan;
    size_t nodes = plan->graph->count;
    pyad_line_maker maker = {.replay = r};
    r->values = pyad_mem_calloc(r->mem, (nodes + 1) * sizeof *r->values);
    r->outside = pyad_mem_calloc(r->mem, (outside_count(plan) + 1) * sizeof *r->outside);
    r->patch_first = pyad_mem_calloc(r->mem, (outside_count(plan) + 2) * sizeof *r->patch_first);
    r->lines = pyad_mem_calloc(r->mem, (plan->action_count + 1) * sizeof *r->lines);
    if (r->values == NULL || r->outside == NULL || r->patch_first == NULL || r->lines == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(pyad_buffer_new(r->mem, plan->arena_bytes + 1, &r->memory));
    size_t bytes = PYAD_FUSED_LOOP_COLUMNS * (nodes + 1) * sizeof *maker.column[0];
    maker.column[0] = pyad_mem_calloc(r->mem, bytes);
    if (maker.column[0] == NULL)
        return PYAD_ERR_MEMORY;
    for (int k = 1; k < PYAD_FUSED_LOOP_COLUMNS; k++)
        maker.column[k] = maker.column[0] + (size_t)k * (nodes + 1);
    pyad_status status = make_lines(r, &maker);
    pyad_mem_free(r->mem, maker.column[0], bytes);
    PYAD_TRY(status);
    if (maker.scratch > 0)
        PYAD_TRY(pyad_buffer_new(r->mem, maker.scratch, &r->registers));
    return sort_patches(r);
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
    pyad_mem_free(mem, replay->outside, (outside_count(plan) + 1) * sizeof *replay->outside);
    pyad_mem_free(mem, replay->patch_first, (outside_count(plan) + 2) * sizeof *replay->patch_first);
    pyad_mem_free(mem, replay->lines, (plan->action_count + 1) * sizeof *replay->lines);
    pyad_mem_free(mem, replay->patches, replay->patch_capacity * sizeof *replay->patches);
    if (replay->memory != NULL)
        pyad_buffer_release(mem, replay->memory);
    if (replay->registers != NULL)
        pyad_buffer_release(mem, replay->registers);
    pyad_arena_finish(&replay->scratch);
    pyad_arena_finish(&replay->steps);
    memset(replay, 0, sizeof *replay);
}

/* ---- running it ---- */

void pyad_replay_start(pyad_replay *replay, void *const *outside)
{
    size_t bases = outside_count(replay->plan);
    for (size_t b = 0; b < bases; b++) {
        if (replay->outside[b] == outside[b])
            continue;
        replay->outside[b] = outside[b];
        for (uint32_t k = replay->patch_first[b]; k < replay->patch_first[b + 1]; k++)
            *replay->patches[k].where = (char *)outside[b] + replay->patches[k].offset;
    }
    replay->at = 0;
}

static pyad_status run_kernel(pyad_replay *r, uint32_t node)
{
    enum { FEW = 8 };
    const pyad_graph *graph = r->plan->graph;
    const pyad_gnode *n = &graph->nodes[node];
    const uint32_t *args = pyad_graph_args(graph, node);
    const pyad_env env = {r->mem, &r->scratch, &r->message};
    pyad_value few[FEW];
    pyad_value *in = few;
    size_t bytes = n->nargs * sizeof *in;
    if (n->nargs > FEW) {
        in = pyad_mem_calloc(r->mem, bytes);
        if (in == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (uint32_t k = 0; k < n->nargs; k++)
        in[k] = r->values[args[k]];
    pyad_arena_mark mark = pyad_arena_position(&r->scratch);
    pyad_status status = pyad_exec_into(&env, n->op, n->params, (int)n->nargs, in, &r->values[node]);
    pyad_arena_cut(&r->scratch, mark);
    if (in != few)
        pyad_mem_free(r->mem, in, bytes);
    return status;
}

/* NaN is equal to itself here: it is the same bits. */
static pyad_status check_guard(pyad_replay *r, const pyad_gsink *sink)
{
    const pyad_value *value = &r->values[sink->node];
    const pyad_env env = {r->mem, &r->scratch, &r->message};
    size_t bytes = pyad_layout_bytes(value->layout);
    if (value->layout->contiguous)
        return memcmp(value->data, sink->expected, bytes) == 0 ? PYAD_OK : PYAD_GUARD_FAILED;
    pyad_value flat;
    pyad_arena_mark mark = pyad_arena_position(&r->scratch);
    PYAD_TRY(pyad_exec_copy(&env, value, &flat));
    bool holds = memcmp(flat.data, sink->expected, bytes) == 0;
    if (flat.buffer != NULL)
        pyad_buffer_release(r->mem, flat.buffer);
    pyad_arena_cut(&r->scratch, mark);
    return holds ? PYAD_OK : PYAD_GUARD_FAILED;
}

/* Equal but for rounding; NaN and infinities equal to themselves. */
static bool is_near(double a, double b, double part)
{
    double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return a == b || (a != a && b != b) || fabs(a - b) <= part * size;
}

bool pyad_replay_settle(pyad_replay *r)
{
    const pyad_gsink *sink = &r->plan->graph->sinks[r->stopped];
    const pyad_value *value = &r->values[sink->node];
    int part = pyad_dtype_real(value->layout->dtype);
    int64_t count = value->layout->size * (pyad_dtype_is_complex(value->layout->dtype) ? 2 : 1);
    if (!pyad_dtype_is_float(part) || !value->layout->contiguous)
        return false;
    for (int64_t k = 0; k < count; k++) {
        bool near = part == PYAD_F64
                        ? is_near(((const double *)value->data)[k], ((const double *)sink->expected)[k], 1e-12)
                        : is_near(((const float *)value->data)[k], ((const float *)sink->expected)[k], 1e-5);
        if (!near)
            return false;
    }
    /* The graph's own copy, which nobody else reads meanwhile. */
    memcpy((void *)(uintptr_t)sink->expected, value->data, pyad_layout_bytes(value->layout));
    return true;
}

static void copy_out(pyad_replay *r, const pyad_gsink *sink)
{
    const pyad_graph *graph = r->plan->graph;
    bool result = sink->kind == PYAD_G_RESULT;
    void *to = r->outside[(result ? graph->argument_count : 0) + sink->number];
    const pyad_layout *layout = result ? graph->nodes[sink->node].layout : graph->inputs[sink->number].layout;
    pyad_copy((pyad_view){layout, to}, pyad_value_view(&r->values[sink->node]));
}

pyad_status pyad_replay_go(pyad_replay *r)
{
    const pyad_plan *plan = r->plan;
    for (; r->at < plan->action_count; r->at++) {
        const pyad_action *action = &plan->actions[r->at];
        switch ((pyad_action_kind)action->kind) {
        case PYAD_ACTION_RUN:
            if (r->lines[r->at].parts == NULL) {
                PYAD_TRY(run_kernel(r, plan->members[action->first]));
                break;
            }
            pyad_replay_parts_run(r->lines[r->at].parts);
            r->at += r->lines[r->at].count - 1;
            break;
        case PYAD_ACTION_LOOPS:
            pyad_fused_loop_run(&r->lines[r->at].line, r->registers != NULL ? r->registers->data : NULL);
            break;
        case PYAD_ACTION_NUMBERS:
            pyad_isa()->run_scalars(r->lines[r->at].count, r->lines[r->at].numbers);
            break;
        case PYAD_ACTION_CALL:
            r->stopped = plan->members[action->first];
            r->at++;
            return PYAD_CALL_PYTHON;
        case PYAD_ACTION_GUARD:
            r->stopped = action->sink;
            PYAD_TRY(check_guard(r, &plan->graph->sinks[action->sink]));
            break;
        case PYAD_ACTION_COPY:
            copy_out(r, &plan->graph->sinks[action->sink]);
            break;
        }
    }
    return PYAD_OK;
}
