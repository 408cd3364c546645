/* Applying rules to few elements: nothing is broadcast, summed or cut into blocks. */
#include <string.h>

#include "autodiff/apply.h"

enum { SMALL_CELLS = 1024 };

typedef struct small_run {
    int64_t n;
    const void *reg[PYAD_ELEMENTWISE_REGISTERS];
    uint8_t one[PYAD_ELEMENTWISE_REGISTERS];  /* a single element that stands for all n */
} small_run;

static bool fits(const pyad_layout *layout, const pyad_layout *shape)
{
    return layout == shape || (layout->size == 1 && shape->size == 1) ||
           (layout->contiguous && pyad_same_shape(layout, shape));
}

bool pyad_apply_is_small(const pyad_sweep *sweep, const pyad_application *a)
{
    const pyad_rule_program *p = a->program;
    const pyad_layout *shape = pyad_sweep_layout(sweep, a->node);
    if (pyad_dtype_is_complex(shape->dtype) || (p->steps == NULL && p->instr_count > 0) || !shape->contiguous ||
        shape->size == 0)
        return false;
    if (shape->size * (p->instr_count + 1) > SMALL_CELLS)
        return false;
    bool small = fits(a->seed->value.layout, shape);
    for (int k = 0; k < a->target_count && small; k++)
        small = fits(pyad_sweep_layout(sweep, a->targets[k]), shape);
    for (int k = 0; k < p->input_count - 1 && small; k++) {
        const pyad_layout *layout = pyad_sweep_layout(sweep, pyad_apply_input(sweep, a, k));
        small = layout->size == 1 || fits(layout, shape) || !(p->reads[k] & a->want);
    }
    for (int k = 0; k < p->const_count && small; k++)
        small = p->consts[k].layout->size == 1;
    return small && p->input_count + p->const_count + p->instr_count <= PYAD_ELEMENTWISE_REGISTERS;
}

/* Where the inputs that are read stand in memory. */
static pyad_status point_at_inputs(pyad_sweep *sweep, const pyad_application *a, small_run *run)
{
    const pyad_rule_program *p = a->program;
    const pyad_tape *tape = sweep->recorder.tape;
    int last = p->input_count - 1;
    for (int k = 0; k < last; k++) {
        run->reg[k] = NULL;
        run->one[k] = 0;
        if (!(p->reads[k] & a->want))
            continue;
        uint32_t node = pyad_apply_input(sweep, a, k);
        PYAD_TRY(pyad_sweep_check_read(sweep, a->node, node));
        run->reg[k] = tape->value[node].data;
        run->one[k] = tape->value[node].layout->size == 1;
    }
    run->reg[last] = a->seed->value.data;
    run->one[last] = a->seed->value.layout->size == 1;
    for (int k = 0; k < p->const_count; k++) {
        run->reg[p->input_count + k] = p->consts[k].data;
        run->one[p->input_count + k] = 1;
    }
    return PYAD_OK;
}

static pyad_status land_small(pyad_sweep *sweep, uint32_t target, const void *from, bool one)
{
    pyad_slot *slot = pyad_sweep_slot(sweep, target);
    const pyad_layout *layout = pyad_sweep_layout(sweep, target);
    bool wide = layout->dtype == PYAD_F64;
    if (slot->state == PYAD_SLOT_BORROWED || (one && layout->size > 1)) {
        const pyad_layout *element = one ? pyad_layout_scalar(layout->dtype) : layout;
        return pyad_accum_add(&sweep->accum, slot, layout, (pyad_value){element, (void *)(uintptr_t)from, NULL}, false);
    }
    if (slot->state == PYAD_SLOT_EMPTY) {
        PYAD_TRY(pyad_accum_alloc(&sweep->accum, layout, &slot->value));
        slot->state = PYAD_SLOT_OWNED;
        if (layout->size == 1 && wide)
            *(double *)slot->value.data = *(const double *)from;
        else
            memcpy(slot->value.data, from, pyad_layout_bytes(layout));
        return PYAD_OK;
    }
    const void *in[2] = {slot->value.data, from};
    pyad_isa()->loop[PYAD_LOOP_ADD][wide](layout->size, slot->value.data, in, 0);
    return PYAD_OK;
}

pyad_status pyad_apply_small(pyad_sweep *sweep, const pyad_application *a)
{
    const pyad_rule_program *p = a->program;
    const pyad_isa_table *isa = pyad_isa();
    _Alignas(64) int64_t cells[SMALL_CELLS];
    small_run run;
    int fixed = p->input_count + p->const_count;
    run.n = pyad_sweep_layout(sweep, a->node)->size;
    PYAD_TRY(point_at_inputs(sweep, a, &run));
    for (int s = 0; s < p->instr_count; s++) {
        if (!(p->instrs[s].wanted_by & a->want))
            continue;
        const pyad_elementwise_step *step = &p->steps[s];
        const void *in[3] = {run.reg[step->in[0]], run.reg[step->in[1]], run.reg[step->in[2]]};
        unsigned all = (1u << step->arity) - 1;
        unsigned ones = 0;
        for (int k = 0; k < step->arity; k++)
            ones |= (unsigned)run.one[step->in[k]] << k;
        bool one = ones == all;
        void *out = &cells[s * run.n];
        isa->loop[step->loop][step->wide](one ? 1 : run.n, out, in, one || run.n == 1 ? 0u : ones);
        run.reg[fixed + s] = out;
        run.one[fixed + s] = one;
    }
    for (int k = 0; k < a->target_count; k++) {
        int reg = p->outputs[k];
        if (reg >= 0 && (a->want & pyad_output_bit(k)))
            PYAD_TRY(land_small(sweep, a->targets[k], run.reg[reg], run.one[reg]));
    }
    return PYAD_OK;
}
