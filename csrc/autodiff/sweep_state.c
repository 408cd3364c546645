/* The state of a sweep: its slots, what has arrived in them, and whether what a rule reads is still there. */
#include "autodiff/sweep_state.h"

#include <string.h>

#include "kernels/kernels.h"
#include "primitives/info.h"
#include "primitives/values.h"

void pyad_sweep_init(pyad_sweep *sweep, pyad_mem *mem)
{
    memset(sweep, 0, sizeof *sweep);
    pyad_arena_init(&sweep->memory, mem);
    pyad_arena_init(&sweep->scratch, mem);
}

void pyad_sweep_finish(pyad_sweep *sweep, pyad_mem *mem)
{
    pyad_sweep_end(sweep);
    pyad_toposort_finish(&sweep->order, mem);
    pyad_mem_free(mem, sweep->slots, sweep->slot_capacity * sizeof *sweep->slots);
    pyad_mem_free(mem, sweep->asked, sweep->asked_capacity * sizeof *sweep->asked);
    pyad_mem_free(mem, sweep->regs, sweep->reg_capacity * sizeof *sweep->regs);
    pyad_mem_free(mem, sweep->targets, sweep->target_capacity * sizeof *sweep->targets);
    pyad_mem_free(mem, sweep->nodes, sweep->node_capacity * sizeof *sweep->nodes);
    pyad_arena_finish(&sweep->memory);
    pyad_arena_finish(&sweep->scratch);
    memset(sweep, 0, sizeof *sweep);
}

void pyad_sweep_end(pyad_sweep *sweep)
{
    for (size_t k = 0; k < sweep->order.count && !sweep->recorded; k++)
        pyad_accum_drop(&sweep->accum, &sweep->slots[k]);
    sweep->order.count = 0;
    pyad_arena_cut(&sweep->memory, (pyad_arena_mark){NULL, NULL});
    pyad_arena_cut(&sweep->scratch, (pyad_arena_mark){NULL, NULL});
    memset(sweep->accum.freelist.freed, 0, sizeof sweep->accum.freelist.freed);
}

/* Sweeps that ran on this tape in between have written over the positions of nodes they share with this one. */
void pyad_sweep_renew_positions(pyad_sweep *sweep)
{
    pyad_tape *tape = sweep->recorder.tape;
    if (tape->epochs == sweep->epoch)
        return;
    sweep->epoch = ++tape->epochs;
    for (size_t k = 0; k < sweep->order.count; k++) {
        tape->epoch[sweep->order.nodes[k]] = sweep->epoch;
        tape->position[sweep->order.nodes[k]] = (uint32_t)k;
    }
}

pyad_slot *pyad_sweep_slot(pyad_sweep *sweep, uint32_t node)
{
    pyad_sweep_renew_positions(sweep);
    if (!pyad_toposort_has(sweep->recorder.tape, sweep->epoch, node))
        return NULL;
    return &sweep->slots[sweep->recorder.tape->position[node]];
}

pyad_status pyad_sweep_fail_changed(const pyad_sweep *sweep, uint32_t read, const char *name)
{
    char text[160];
    return pyad_fail(
        sweep->recorder.message, PYAD_ERR_MUTATED,
        "an array of shape %s that '%s' needs for its derivative was changed after it was recorded; pass a "
        "copy, or change it after the derivative has been taken",
        pyad_shape_text(sweep->recorder.tape->value[read].layout, text, sizeof text), name);
}

pyad_status pyad_sweep_check_read(pyad_sweep *sweep, uint32_t node, uint32_t read)
{
    pyad_tape *tape = sweep->recorder.tape;
    if (!(tape->flags[read] & (PYAD_NODE_FREED | PYAD_NODE_LENT | PYAD_NODE_VIEW)))
        return PYAD_OK;
    if (tape->flags[read] & PYAD_NODE_FREED)
        return pyad_fail(sweep->recorder.message, PYAD_ERR_STATE,
                         "the value that '%s' needs for its derivative has been freed: a pullback that is called more "
                         "than once must be made by vjp",
                         pyad_kernel_name(tape->op[node]));
    pyad_status status = pyad_tape_verify(tape, read);
    if (status != PYAD_ERR_MUTATED)
        return status;
    const char *name = pyad_kernel_name(tape->op[node]);
    return pyad_sweep_fail_changed(sweep, read, name != NULL ? name : "a Python rule");
}

/* ---- adding to slots ---- */

/* The axes (as bits) along which `addend` has to be summed to get the shape of `target`. */
static uint32_t summed_axes(const pyad_layout *target, const pyad_layout *addend)
{
    uint32_t axes = 0;
    int extra = addend->ndim - target->ndim;
    for (int d = 0; d < addend->ndim; d++) {
        bool kept = d >= extra && pyad_shape(target)[d - extra] == pyad_shape(addend)[d];
        axes |= kept ? 0 : (uint32_t)1 << d;
    }
    return axes;
}

static bool is_wider(const pyad_layout *target, const pyad_layout *addend)
{
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim;
    const pyad_layout *both[2] = {target, addend};
    return target->ndim > addend->ndim || (pyad_broadcast_shapes(2, both, shape, &ndim) && ndim == target->ndim &&
                                           memcmp(shape, pyad_shape(target), (size_t)ndim * sizeof *shape) == 0);
}

/* The node with the target's shape: as it is, summed, or broadcast. */
static pyad_status fit_node(pyad_sweep *sweep, uint32_t target, uint32_t *addend)
{
    const pyad_layout *want = pyad_sweep_layout(sweep, target);
    const pyad_layout *have = pyad_sweep_layout(sweep, *addend);
    if (pyad_same_shape(want, have))
        return PYAD_OK;
    int64_t shape[1 + PYAD_MAX_NDIM] = {want->ndim};
    memcpy(shape + 1, pyad_shape(want), (size_t)want->ndim * sizeof *shape);
    if (is_wider(want, have))
        return pyad_record(&sweep->recorder, PYAD_KERNEL_BROADCAST, 1, addend, shape, addend);
    int64_t reduction[3] = {2, summed_axes(want, have), 0};
    PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_SUM, 1, addend, reduction, addend));
    want = pyad_sweep_layout(sweep, target);
    if (pyad_same_shape(want, pyad_sweep_layout(sweep, *addend)))
        return PYAD_OK;
    return pyad_record(&sweep->recorder, PYAD_KERNEL_RESHAPE, 1, addend, shape, addend);
}

pyad_status pyad_sweep_add_node(pyad_sweep *sweep, uint32_t target, uint32_t addend)
{
    pyad_slot *slot = pyad_sweep_slot(sweep, target);
    PYAD_TRY(fit_node(sweep, target, &addend));
    if (slot->state == PYAD_SLOT_EMPTY) {
        slot->state = PYAD_SLOT_BORROWED;
        slot->node = addend;
        return PYAD_OK;
    }
    uint32_t both[2] = {slot->node, addend};
    return pyad_record(&sweep->recorder, PYAD_LOOP_ADD, 2, both, NULL, &slot->node);
}

pyad_status pyad_sweep_add(pyad_sweep *sweep, uint32_t node, uint32_t addend)
{
    pyad_tape *tape = sweep->recorder.tape;
    pyad_slot *slot = pyad_sweep_slot(sweep, node);
    if (slot == NULL)
        return PYAD_OK;
    if (sweep->recorded)
        return pyad_sweep_add_node(sweep, node, addend);
    return pyad_accum_add(&sweep->accum, slot, tape->value[node].layout, tape->value[addend], false);
}

pyad_status pyad_sweep_node(pyad_sweep *sweep, uint32_t node, bool *there, uint32_t *value)
{
    pyad_slot *slot = pyad_sweep_slot(sweep, node);
    *there = slot != NULL && slot->state != PYAD_SLOT_EMPTY;
    if (!*there)
        return PYAD_OK;
    *value = slot->node;
    if (sweep->recorded)
        return PYAD_OK;
    pyad_tape *tape = sweep->recorder.tape;
    pyad_value copy = slot->value;
    const pyad_env env = {tape->mem, &tape->arena, sweep->recorder.message};
    if (copy.buffer == NULL) {
        PYAD_TRY(pyad_value_copy(&env, &slot->value, &copy));
    } else {
        /* From now on the tape holds it too. */
        pyad_buffer_retain(copy.buffer);
        slot->state = PYAD_SLOT_BORROWED;
        copy.layout = pyad_layout_keep(&tape->arena, copy.layout);
    }
    if (copy.layout == NULL) {
        pyad_buffer_release(tape->mem, copy.buffer);
        return PYAD_ERR_MEMORY;
    }
    return pyad_record_value(&sweep->recorder, PYAD_KERNEL_ALIAS, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL, NULL, copy,
                             value);
}

pyad_status pyad_sweep_zeros_node(pyad_sweep *sweep, uint32_t like, uint32_t *node)
{
    pyad_tape *tape = sweep->recorder.tape;
    const pyad_layout *layout = tape->value[like].layout;
    int64_t shape[1 + PYAD_MAX_NDIM] = {layout->ndim};
    memcpy(shape + 1, pyad_shape(layout), (size_t)layout->ndim * sizeof *shape);
    PYAD_TRY(pyad_tape_number(tape, 0.0, layout->dtype, node));
    return pyad_record(&sweep->recorder, PYAD_KERNEL_BROADCAST, 1, node, shape, node);
}
