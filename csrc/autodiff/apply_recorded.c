/* Applying a rule on the tape, so that it can be differentiated in turn. */
#include <string.h>

#include "autodiff/apply.h"

/* The axes (as bits) along which `part` has to be summed to get the shape of `target`. */
static uint32_t summed_axes(const pyad_layout *target, const pyad_layout *part)
{
    uint32_t axes = 0;
    int extra = part->ndim - target->ndim;
    for (int d = 0; d < part->ndim; d++) {
        bool kept = d >= extra && pyad_shape(target)[d - extra] == pyad_shape(part)[d];
        axes |= kept ? 0 : (uint32_t)1 << d;
    }
    return axes;
}

static bool is_wider(const pyad_layout *target, const pyad_layout *part)
{
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim;
    const pyad_layout *both[2] = {target, part};
    return target->ndim > part->ndim || (pyad_broadcast_shapes(2, both, shape, &ndim) && ndim == target->ndim &&
                                         memcmp(shape, pyad_shape(target), (size_t)ndim * sizeof *shape) == 0);
}

/* The node with the target's shape: as it is, summed, or broadcast. */
static pyad_status fit_node(pyad_sweep *sweep, uint32_t target, uint32_t *part)
{
    const pyad_layout *want = pyad_apply_layout(sweep, target);
    const pyad_layout *have = pyad_apply_layout(sweep, *part);
    if (pyad_same_shape(want, have))
        return PYAD_OK;
    int64_t shape[1 + PYAD_MAX_NDIM] = {want->ndim};
    memcpy(shape + 1, pyad_shape(want), (size_t)want->ndim * sizeof *shape);
    if (is_wider(want, have))
        return pyad_record(&sweep->recorder, PYAD_KERNEL_BROADCAST, 1, part, shape, part);
    int64_t reduction[3] = {2, summed_axes(want, have), 0};
    PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_SUM, 1, part, reduction, part));
    want = pyad_apply_layout(sweep, target);
    if (pyad_same_shape(want, pyad_apply_layout(sweep, *part)))
        return PYAD_OK;
    return pyad_record(&sweep->recorder, PYAD_KERNEL_RESHAPE, 1, part, shape, part);
}

pyad_status pyad_apply_add_node(pyad_sweep *sweep, uint32_t target, uint32_t part)
{
    pyad_slot *slot = pyad_sweep_slot(sweep, target);
    PYAD_TRY(fit_node(sweep, target, &part));
    if (slot->state == PYAD_SLOT_EMPTY) {
        slot->state = PYAD_SLOT_BORROWED;
        slot->node = part;
        return PYAD_OK;
    }
    uint32_t both[2] = {slot->node, part};
    return pyad_record(&sweep->recorder, PYAD_LOOP_ADD, 2, both, NULL, &slot->node);
}

/* Puts the program's instructions on the tape. Registers hold nodes. */
static pyad_status record_line(pyad_sweep *sweep, const pyad_application *a, uint32_t *nodes)
{
    const pyad_program *p = a->program;
    pyad_tape *tape = sweep->recorder.tape;
    int fixed = p->input_count + p->const_count;
    for (int k = 0; k < p->input_count; k++)
        nodes[k] = pyad_apply_is_seed(a, k) ? a->seed->node : pyad_apply_input(sweep, a, k);
    for (int k = 0; k < p->const_count; k++) {
        /* The constant's memory is the rule's and stays for as long as the thread's engine. */
        PYAD_TRY(pyad_tape_reserve(tape, 0));
        nodes[p->input_count + k] =
            pyad_tape_push(tape, PYAD_KERNEL_ALIAS, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL, NULL, p->consts[k]);
    }
    for (int i = 0; i < p->instr_count; i++) {
        const pyad_instr *instr = &p->instrs[i];
        if (!(instr->wanted_by & a->want))
            continue;
        uint32_t *args = nodes + fixed + p->instr_count;
        for (int k = 0; k < instr->nargs; k++)
            args[k] = nodes[p->args[instr->first + (uint32_t)k]];
        PYAD_TRY(pyad_record(&sweep->recorder, instr->op, instr->nargs, args, instr->params, &nodes[fixed + i]));
    }
    for (int k = 0; k < a->target_count; k++) {
        if (pyad_apply_wants(sweep, a, k) && p->outputs[k] >= 0)
            PYAD_TRY(pyad_apply_add_node(sweep, a->targets[k], nodes[p->outputs[k]]));
    }
    return PYAD_OK;
}

pyad_status pyad_apply_recorded(pyad_sweep *sweep, const pyad_application *a)
{
    const pyad_program *p = a->program;
    size_t widest = 0;
    for (int i = 0; i < p->instr_count; i++)
        widest = p->instrs[i].nargs > widest ? p->instrs[i].nargs : widest;
    for (int k = 0; k < p->input_count; k++) {
        if (pyad_apply_is_seed(a, k) || !(p->reads[k] & a->want))
            continue;
        PYAD_TRY(pyad_apply_verify(sweep, a->node, pyad_apply_input(sweep, a, k)));
    }
    size_t count = (size_t)(p->input_count + p->const_count + p->instr_count) + widest;
    PYAD_TRY(pyad_mem_grow(sweep->accum.env.mem, (void **)&sweep->nodes, &sweep->node_capacity, count,
                           sizeof *sweep->nodes));
    return record_line(sweep, a, sweep->nodes);
}
