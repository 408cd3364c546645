/* The driver of sweeps: it goes through the nodes in their order and has the rule of each applied. */
#include "autodiff/sweep.h"

#include <string.h>

#include "autodiff/apply.h"
#include "kernels/kernels.h"
#include "primitives/info.h"

static void start_accum(pyad_sweep *sweep)
{
    memset(&sweep->accum, 0, sizeof sweep->accum);
    sweep->accum.env = (pyad_env){sweep->recorder.tape->mem, &sweep->memory, sweep->recorder.message};
    sweep->accum.freelist.arena = &sweep->memory;
}

pyad_status pyad_sweep_begin(pyad_sweep *sweep, const pyad_recorder *recorder, const pyad_sweep_plan *plan)
{
    pyad_tape *tape = recorder->tape;
    sweep->recorder = *recorder;
    sweep->forward = plan->forward;
    sweep->recorded = plan->recorded;
    sweep->retain = plan->retain || plan->recorded;
    sweep->call = PYAD_CALL_NONE;
    sweep->visited = 0;
    sweep->order.count = 0;
    start_accum(sweep);
    pyad_status status =
        pyad_toposort_build(&sweep->order, tape, plan->output_count, plan->outputs, plan->input_count, plan->inputs);
    size_t count = sweep->order.count;
    if (status == PYAD_OK)
        status = pyad_mem_grow(tape->mem, (void **)&sweep->slots, &sweep->slot_capacity, count, sizeof *sweep->slots);
    if (status == PYAD_OK)
        status = pyad_mem_grow(tape->mem, (void **)&sweep->asked, &sweep->asked_capacity, count, sizeof *sweep->asked);
    if (status != PYAD_OK) {
        sweep->order.count = 0;
        return status;
    }
    for (size_t k = 0; k < count; k++)
        sweep->slots[k].state = PYAD_SLOT_EMPTY;
    memset(sweep->asked, 0, count);
    sweep->epoch = tape->epochs;
    for (int k = 0; k < plan->input_count; k++)
        sweep->asked[tape->position[plan->inputs[k]]] = 1;
    sweep->at = sweep->forward ? 0 : (int64_t)count - 1;
    return PYAD_OK;
}

static pyad_status ask_python(pyad_sweep *sweep, pyad_call call, uint32_t node)
{
    sweep->call = call;
    sweep->call_node = node;
    return PYAD_CALL_PYTHON;
}

/* The number of the rule of a node, for which Python is asked where it is not known. */
static pyad_status find_rule(pyad_sweep *sweep, uint32_t node, uint32_t *id)
{
    pyad_tape *tape = sweep->recorder.tape;
    if (tape->rule[node] == PYAD_RULE_UNRESOLVED) {
        /* It may have become known after the node was recorded. */
        PYAD_TRY(pyad_rules_resolve(sweep->recorder.rules, tape, node));
        if (tape->rule[node] == PYAD_RULE_UNRESOLVED)
            return ask_python(sweep, PYAD_CALL_RULE, node);
    }
    *id = tape->rule[node];
    return PYAD_OK;
}

/* The operands of `node` that this sweep is about (and, going forward, that have a tangent), as output bits. */
static uint64_t wanted_operands(pyad_sweep *sweep, uint32_t node)
{
    const pyad_tape *tape = sweep->recorder.tape;
    uint64_t want = 0;
    for (int k = 0; k < tape->nargs[node]; k++) {
        uint32_t arg = pyad_tape_args(tape, node)[k];
        if (!pyad_toposort_has(tape, sweep->epoch, arg))
            continue;
        if (!sweep->forward || sweep->slots[tape->position[arg]].state != PYAD_SLOT_EMPTY)
            want |= pyad_output_bit(k);
    }
    return want;
}

static pyad_status apply(pyad_sweep *sweep, const pyad_application *application)
{
    return sweep->recorded ? pyad_apply_recorded(sweep, application) : pyad_apply_values(sweep, application);
}

/* ---- backward ---- */

static pyad_status apply_alias(pyad_sweep *sweep, uint32_t from, uint32_t to)
{
    pyad_slot *source = pyad_sweep_slot(sweep, from);
    pyad_slot *target = pyad_sweep_slot(sweep, to);
    if (source == NULL || target == NULL || source->state == PYAD_SLOT_EMPTY)
        return PYAD_OK;
    if (sweep->recorded)
        return pyad_sweep_add_node(sweep, to, source->node);
    return pyad_accum_add(&sweep->accum, target, sweep->recorder.tape->value[to].layout, source->value, false);
}

static pyad_status backward_node(pyad_sweep *sweep, uint32_t node, pyad_slot *slot)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t id;
    if (tape->op[node] == PYAD_KERNEL_ALIAS)
        return apply_alias(sweep, node, pyad_tape_args(tape, node)[0]);
    if (pyad_kernel_is_indexing(tape->op[node]))
        return pyad_apply_indexing_backward(sweep, node, slot);
    if (tape->rule[node] == PYAD_RULE_NONE)
        return PYAD_OK;
    PYAD_TRY(find_rule(sweep, node, &id));
    const pyad_rule_program *program =
        id == PYAD_RULE_PYTHON ? NULL : pyad_rules_get(sweep->recorder.rules, id)->backward;
    if (program == NULL)
        return ask_python(sweep, PYAD_CALL_BACKWARD, node);
    const uint32_t *targets = pyad_tape_args(tape, node);
    if (sweep->recorded) {
        /* What is recorded may move the tape's columns. */
        size_t nargs = tape->nargs[node];
        PYAD_TRY(pyad_mem_grow(tape->mem, (void **)&sweep->targets, &sweep->target_capacity, nargs, sizeof *targets));
        memcpy(sweep->targets, targets, nargs * sizeof *targets);
        targets = sweep->targets;
    }
    pyad_application application = {
        .program = program,
        .node = node,
        .seed = slot,
        .want = wanted_operands(sweep, node),
        .target_count = tape->nargs[node],
        .targets = targets,
    };
    return apply(sweep, &application);
}

/* Frees what nobody needs any more: each node's turn is the last use of its cotangent and of its value. */
static void leave_backward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot)
{
    pyad_tape *tape = sweep->recorder.tape;
    if (sweep->recorded)
        return;
    pyad_accum_drop(&sweep->accum, slot);
    if (!sweep->retain && !(tape->flags[node] & PYAD_NODE_HELD))
        pyad_tape_free_value(tape, node);
}

/* ---- forward ---- */

static pyad_status forward_program(pyad_sweep *sweep, uint32_t node, const pyad_rule_program *program, int operand)
{
    pyad_tape *tape = sweep->recorder.tape;
    int nargs = tape->nargs[node];
    PYAD_TRY(pyad_mem_grow(tape->mem, (void **)&sweep->targets, &sweep->target_capacity, (size_t)nargs,
                           sizeof *sweep->targets));
    for (int k = 0; k < nargs; k++)
        sweep->targets[k] = node;
    pyad_application application = {
        .program = program,
        .node = node,
        .seed = pyad_sweep_slot(sweep, pyad_tape_args(tape, node)[operand]),
        .want = pyad_output_bit(operand),
        .target_count = nargs,
        .targets = sweep->targets,
    };
    return apply(sweep, &application);
}

/* One contribution for each operand that has a tangent. */
static pyad_status forward_each(pyad_sweep *sweep, uint32_t node, const pyad_rule *rule)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint64_t want = wanted_operands(sweep, node);
    for (int k = 0; k < tape->nargs[node]; k++) {
        if (!(want & pyad_output_bit(k)))
            continue;
        if (rule->forward == PYAD_FORWARD_LINEAR)
            PYAD_TRY(pyad_apply_linear_jvp(sweep, node, k, k + 1));
        else
            PYAD_TRY(forward_program(sweep, node,
                                     rule->forward == PYAD_FORWARD_OWN ? rule->own_forward[k] : rule->backward, k));
    }
    return PYAD_OK;
}

static pyad_status forward_node(pyad_sweep *sweep, uint32_t node)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t id;
    if (tape->op[node] == PYAD_KERNEL_ALIAS)
        return apply_alias(sweep, pyad_tape_args(tape, node)[0], node);
    if (pyad_kernel_is_indexing(tape->op[node]))
        return pyad_apply_indexing_forward(sweep, node);
    if (tape->rule[node] == PYAD_RULE_NONE || wanted_operands(sweep, node) == 0)
        return PYAD_OK;
    PYAD_TRY(find_rule(sweep, node, &id));
    const pyad_rule *rule = id == PYAD_RULE_PYTHON ? NULL : pyad_rules_get(sweep->recorder.rules, id);
    if (rule == NULL || rule->backward == NULL)
        return ask_python(sweep, PYAD_CALL_FORWARD, node);
    if (rule->forward == PYAD_FORWARD_JOINT)
        return pyad_apply_linear_jvp(sweep, node, 0, tape->nargs[node]);
    return forward_each(sweep, node, rule);
}

/* ---- both ---- */

static pyad_status sweep_node(pyad_sweep *sweep)
{
    uint32_t node = sweep->order.nodes[sweep->at];
    pyad_slot *slot = &sweep->slots[sweep->at];
    /* What Python was asked to run is done when the sweep comes back; a rule it recorded is applied now. */
    bool ran = sweep->call == PYAD_CALL_BACKWARD || sweep->call == PYAD_CALL_FORWARD;
    sweep->call = PYAD_CALL_NONE;
    if (sweep->asked[sweep->at])
        return PYAD_OK;
    if (!sweep->forward && slot->state == PYAD_SLOT_EMPTY)
        return PYAD_OK;
    if (!ran)
        PYAD_TRY(sweep->forward ? forward_node(sweep, node) : backward_node(sweep, node, slot));
    if (!sweep->forward)
        leave_backward(sweep, node, slot);
    sweep->visited++;
    return PYAD_OK;
}

pyad_status pyad_sweep_run(pyad_sweep *sweep)
{
    pyad_sweep_renew_positions(sweep);
    int64_t step = sweep->forward ? 1 : -1;
    int64_t end = sweep->forward ? (int64_t)sweep->order.count : -1;
    while (sweep->at != end) {
        PYAD_TRY(sweep_node(sweep));
        sweep->at += step;
    }
    return PYAD_OK;
}
