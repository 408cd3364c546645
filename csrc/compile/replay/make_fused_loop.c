/* Making the fused loops of a replay: operands, registers by their lifetimes, addresses. */
#include <string.h>

#include "compile/replay/replay.h"
#include "kernels/kernels.h"

enum { STAMP, SLOT, LAST, FREED };

/* The columns: STAMP says in which loop a node was met; SLOT is its register, or (an operand) its number among the
 * inputs; LAST the last step that reads it; FREED is a stack of registers. */
typedef struct maker {
    pyad_fused_loop_maker *shared;
    pyad_replay *replay;
    const pyad_plan *plan;
    const pyad_graph *graph;
    const pyad_action *action;
    pyad_fused_loop *loop;
    uint32_t stamp; /* of operands; that of members is one more */
    int freed;
} maker;

static uint32_t *cell(const maker *m, int column, uint32_t node)
{
    return &m->shared->column[column][node];
}

static uint32_t member(const maker *m, uint32_t i)
{
    return m->plan->members[m->action->first + i];
}

static bool is_made(const maker *m, uint32_t node)
{
    return *cell(m, STAMP, node) == m->stamp + 1;
}

static bool is_sum(const maker *m, uint32_t node)
{
    return m->graph->nodes[node].op == PYAD_KERNEL_SUM;
}

/* Counts operands from outside, and notes when each node is read for the last time. */
static void look_around(maker *m)
{
    for (uint32_t i = 0; i < m->action->count; i++)
        *cell(m, STAMP, member(m, i)) = m->stamp + 1;
    for (uint32_t i = 0; i < m->action->count; i++) {
        uint32_t node = member(m, i);
        const uint32_t *args = pyad_graph_args(m->graph, node);
        for (uint32_t k = 0; k < m->graph->nodes[node].nargs; k++) {
            *cell(m, LAST, args[k]) = i;
            if (*cell(m, STAMP, args[k]) == m->stamp || is_made(m, args[k]))
                continue;
            *cell(m, STAMP, args[k]) = m->stamp;
            *cell(m, SLOT, args[k]) = (uint32_t)m->loop->input_count++;
        }
        m->loop->sum_count += is_sum(m, node) && m->graph->nodes[node].layout->size == 1;
    }
}

/* Where each element of a small operand with short rows is. */
static pyad_status make_table(maker *m, pyad_fused_loop_input *input)
{
    int64_t size = m->loop->size;
    int last = input->ndim - 1;
    bool rows = input->shape[last] >= PYAD_FUSED_LOOP_LEAST_ROW &&
                (input->strides[last] == 0 || input->strides[last] == input->bytes);
    if (size > PYAD_FUSED_LOOP_TABLE || rows)
        return PYAD_OK;
    int32_t *table = pyad_arena_alloc(&m->replay->steps, (size_t)size * sizeof *table);
    int64_t index[PYAD_MAX_NDIM] = {0};
    int64_t at = 0;
    if (table == NULL)
        return PYAD_ERR_MEMORY;
    for (int64_t i = 0; i < size; i++) {
        if (at != (int32_t)at)
            return PYAD_OK;
        table[i] = (int32_t)at;
        for (int d = last; d >= 0; d--) {
            at += input->strides[d];
            if (++index[d] < input->shape[d])
                break;
            at -= input->shape[d] * input->strides[d];
            index[d] = 0;
        }
    }
    input->table = table;
    return PYAD_OK;
}

/* The common shape's dimensions merged where the operand is one run (or one element), with its strides in bytes. */
static pyad_status merge_dims(maker *m, const pyad_layout *layout, pyad_fused_loop_input *input)
{
    const pyad_layout *shape = m->graph->nodes[member(m, 0)].layout;
    int64_t strides[PYAD_MAX_NDIM];
    pyad_broadcast_strides(layout, shape->ndim, pyad_shape(shape), strides);
    int64_t *dims = pyad_arena_alloc(&m->replay->steps, 2 * PYAD_MAX_NDIM * sizeof *dims);
    if (dims == NULL)
        return PYAD_ERR_MEMORY;
    int64_t *steps = dims + PYAD_MAX_NDIM;
    int ndim = 0;
    for (int d = 0; d < shape->ndim; d++) {
        int64_t length = pyad_shape(shape)[d];
        if (length == 1)
            continue;
        if (ndim > 0 && steps[ndim - 1] == strides[d] * length) {
            dims[ndim - 1] *= length;
            steps[ndim - 1] = strides[d];
        } else {
            dims[ndim] = length;
            steps[ndim++] = strides[d];
        }
    }
    for (int d = 0; d < ndim; d++)
        steps[d] *= input->bytes;
    input->ndim = ndim;
    input->shape = dims;
    input->strides = steps;
    return make_table(m, input);
}

static pyad_status make_input(maker *m, uint32_t node)
{
    pyad_fused_loop_input *input = &m->loop->inputs[*cell(m, SLOT, node)];
    const pyad_layout *layout = m->plan->places[node].layout;
    const pyad_layout *shape = m->graph->nodes[member(m, 0)].layout;
    if (input->bytes != 0)
        return PYAD_OK; /* met before */
    input->bytes = (uint8_t)pyad_dtype_size(layout->dtype);
    input->kind = PYAD_OPERAND_LOADED;
    if (layout->size == 1)
        input->kind = PYAD_OPERAND_ONE;
    else if (layout->contiguous && layout->size == shape->size)
        input->kind = PYAD_OPERAND_FLAT;
    PYAD_TRY(pyad_replay_bind(m->replay, node, &input->data));
    if (input->kind != PYAD_OPERAND_LOADED)
        return PYAD_OK;
    input->reg = (uint16_t)m->loop->register_count++;
    return merge_dims(m, layout, input);
}

static uint32_t take_register(maker *m)
{
    return m->freed > 0 ? m->shared->column[FREED][--m->freed] : (uint32_t)m->loop->register_count++;
}

static bool in_register(const maker *m, uint32_t node)
{
    return is_made(m, node) && m->plan->places[node].base == PYAD_BASE_NONE;
}

/* Registers that step `i` is the last to read. */
static void free_registers(maker *m, uint32_t i, uint32_t node)
{
    const uint32_t *args = pyad_graph_args(m->graph, node);
    for (uint32_t k = 0; k < m->graph->nodes[node].nargs; k++) {
        bool twice = k > 0 && (args[k] == args[0] || (k > 1 && args[k] == args[1]));
        if (!twice && in_register(m, args[k]) && *cell(m, LAST, args[k]) == i)
            m->shared->column[FREED][m->freed++] = *cell(m, SLOT, args[k]);
    }
}

/* Says whether step `i` alone reads what the one before it makes. */
static bool reads_only_here(const maker *m, uint32_t i)
{
    uint32_t before = member(m, i - 1);
    return in_register(m, before) && *cell(m, LAST, before) == i;
}

/* Which elements a sum adds up. */
static void note_axes(const pyad_gnode *n, const pyad_layout *in, pyad_fused_loop_step *step)
{
    uint32_t axes = (uint32_t)n->params[1];
    if (n->layout->size == 1)
        return;
    for (int d = 0; d < in->ndim; d++)
        axes &= pyad_shape(in)[d] == 1 ? ~((uint32_t)1 << d) : UINT32_MAX;
    step->summed = 1;
    step->inner = 1;
    for (int d = 0; d < in->ndim; d++) {
        if (axes >> d & 1)
            step->summed *= pyad_shape(in)[d];
        else if (axes >> d == 0)
            step->inner *= pyad_shape(in)[d];
    }
}

/* The operands of a step. A loop may write where it reads, but for results of another width: *same_width. */
static pyad_status find_operands(maker *m, uint32_t node, pyad_fused_loop_step *step, bool *same_width)
{
    const pyad_gnode *n = &m->graph->nodes[node];
    const uint32_t *args = pyad_graph_args(m->graph, node);
    *same_width = true;
    for (uint32_t k = 0; k < n->nargs; k++) {
        if (in_register(m, args[k])) {
            step->in[k] = (int32_t)*cell(m, SLOT, args[k]);
            *same_width = *same_width && pyad_dtype_size(m->graph->nodes[args[k]].layout->dtype) == step->bytes;
            continue;
        }
        /* What the loop makes in memory is read there, as an operand is. */
        if (!is_made(m, args[k]))
            PYAD_TRY(make_input(m, args[k]));
        step->in[k] = -1 - (int32_t)*cell(m, SLOT, args[k]);
        if (m->loop->inputs[*cell(m, SLOT, args[k])].kind == PYAD_OPERAND_ONE)
            step->scalars |= 1u << k;
    }
    return PYAD_OK;
}

/* Where the result of a step goes. */
static pyad_status find_result(maker *m, uint32_t node, pyad_fused_loop_step *step)
{
    if (is_sum(m, node))
        return pyad_replay_bind(m->replay, node, &step->out);
    if (m->plan->places[node].base == PYAD_BASE_NONE) {
        *cell(m, SLOT, node) = take_register(m);
        step->to = (int32_t)*cell(m, SLOT, node);
        return PYAD_OK;
    }
    pyad_fused_loop_input *made = &m->loop->inputs[m->loop->input_count];
    *made = (pyad_fused_loop_input){.kind = PYAD_OPERAND_FLAT, .bytes = step->bytes};
    *cell(m, SLOT, node) = (uint32_t)m->loop->input_count++;
    step->to = -1 - (int32_t)*cell(m, SLOT, node);
    return pyad_replay_bind(m->replay, node, &made->data);
}

static pyad_status make_step(maker *m, uint32_t i)
{
    uint32_t node = member(m, i);
    const pyad_gnode *n = &m->graph->nodes[node];
    const uint32_t *args = pyad_graph_args(m->graph, node);
    pyad_fused_loop_step *steps = m->loop->steps;
    pyad_fused_loop_step step = {.op = n->op, .arity = (uint8_t)n->nargs};
    bool same_width;
    step.wide = m->graph->nodes[args[n->nargs - 1]].layout->dtype == PYAD_F64;
    step.loop = is_sum(m, node) ? NULL : pyad_isa()->loop[n->op][step.wide];
    step.cost = pyad_fused_loop_step_cost(is_sum(m, node) ? PYAD_LOOP_COUNT : n->op, step.wide);
    step.bytes = (uint8_t)pyad_dtype_size(n->layout->dtype);
    if (is_sum(m, node))
        note_axes(n, m->graph->nodes[args[0]].layout, &step);
    PYAD_TRY(find_operands(m, node, &step, &same_width));
    if (same_width)
        free_registers(m, i, node);
    bool fused =
        i > 0 && reads_only_here(m, i) && pyad_fused_loop_combine(m->loop, &steps[m->loop->step_count - 1], &step);
    if (!fused)
        m->loop->step_count++;
    pyad_fused_loop_step *made = &steps[m->loop->step_count - 1];
    *made = step;
    PYAD_TRY(find_result(m, node, made));
    if (!same_width)
        free_registers(m, i, node);
    return PYAD_OK;
}

/* In a loop that runs row by row, an operand with the same element all along its rows is a single number. */
static void mark_rows(pyad_fused_loop *loop)
{
    for (int s = 0; loop->by_rows && s < loop->step_count; s++) {
        pyad_fused_loop_step *step = &loop->steps[s];
        for (int k = 0; k < step->arity; k++) {
            if (step->in[k] >= 0)
                continue;
            const pyad_fused_loop_input *input = &loop->inputs[-1 - step->in[k]];
            if (input->kind == PYAD_OPERAND_LOADED && input->strides[input->ndim - 1] == 0)
                step->scalars |= 1u << k;
        }
    }
}

pyad_status pyad_replay_make_fused_loop(pyad_fused_loop_maker *shared, uint32_t a, const pyad_action *action,
                                        pyad_fused_loop *loop)
{
    pyad_replay *replay = shared->replay;
    const pyad_plan *plan = replay->plan;
    maker m = {shared, replay, plan, plan->graph, action, loop, 2 * a + 1, 0};
    memset(loop, 0, sizeof *loop);
    loop->size = plan->graph->nodes[plan->members[action->first]].layout->size;
    look_around(&m);
    size_t inputs = (size_t)loop->input_count + action->count;
    loop->steps = pyad_arena_alloc(&replay->steps, action->count * sizeof *loop->steps);
    loop->inputs = pyad_arena_alloc(&replay->steps, inputs * sizeof *loop->inputs);
    if (loop->steps == NULL || loop->inputs == NULL)
        return PYAD_ERR_MEMORY;
    memset(loop->inputs, 0, inputs * sizeof *loop->inputs);
    for (uint32_t i = 0; i < action->count; i++)
        PYAD_TRY(make_step(&m, i));
    pyad_fused_loop_choose_tiling(loop);
    mark_rows(loop);
    size_t scratch = pyad_fused_loop_scratch(loop);
    shared->scratch = scratch > shared->scratch ? scratch : shared->scratch;
    return PYAD_OK;
}
