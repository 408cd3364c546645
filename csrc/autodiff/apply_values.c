/* Applying rules to plain values: element-wise ones step by step over blocks, all others by an interpreter of their
 * instructions. */
#include "autodiff/apply.h"

#include <stdio.h>
#include <string.h>

#include "array/subview.h"
#include "kernels/kernels.h"
#include "primitives/exec.h"
#include "primitives/info.h"

/* Fills `values` with the inputs that the wanted outputs read; the others get a harmless number. */
static pyad_status gather_inputs(pyad_sweep *sweep, const pyad_application *a, pyad_value *values)
{
    static const double nothing[2] = {0.0, 0.0};
    const pyad_rule_program *p = a->program;
    const pyad_tape *tape = sweep->recorder.tape;
    for (int k = 0; k < p->input_count; k++) {
        if (pyad_apply_is_seed(a, k)) {
            values[k] = a->seed->value;
            continue;
        }
        uint32_t node = pyad_apply_input(sweep, a, k);
        const pyad_value *value = &tape->value[node];
        if (!(p->reads[k] & a->want)) {
            values[k] = (pyad_value){pyad_layout_scalar(value->layout->dtype), (void *)(uintptr_t)nothing, NULL};
            continue;
        }
        PYAD_TRY(pyad_sweep_check_read(sweep, a->node, node));
        values[k] = *value;
    }
    return PYAD_OK;
}

/* Where the steps of an element-wise rule put their results: at most one temporary per output. */
typedef struct landing {
    pyad_elementwise_output outputs[PYAD_ELEMENTWISE_REGISTERS];
    pyad_value temps[PYAD_ELEMENTWISE_REGISTERS];  /* for outputs that cannot be written in place */
    int targets[PYAD_ELEMENTWISE_REGISTERS];       /* the output a temporary belongs to, or -1 */
    int count;
} landing;

static pyad_status add_landing(pyad_sweep *sweep, const pyad_application *a, int output, landing *l)
{
    const pyad_layout *shape = pyad_sweep_layout(sweep, a->node);
    const pyad_layout *target = pyad_sweep_layout(sweep, a->targets[output]);
    pyad_slot *slot = pyad_sweep_slot(sweep, a->targets[output]);
    pyad_elementwise_output *sink = &l->outputs[l->count];
    bool same = target == shape || pyad_same_shape(target, shape);
    sink->reg = (uint16_t)a->program->outputs[output];
    sink->wide = target->dtype == PYAD_F64;
    sink->add = same && slot->state == PYAD_SLOT_OWNED;
    l->targets[l->count] = -1;
    if (same && slot->state == PYAD_SLOT_EMPTY) {
        const pyad_layout *flat = target->contiguous ? target : shape;
        if (flat->contiguous) {
            PYAD_TRY(pyad_accum_alloc(&sweep->accum, flat, &slot->value));
            slot->state = PYAD_SLOT_OWNED;
        }
    }
    if (same && slot->state == PYAD_SLOT_OWNED) {
        sink->data = slot->value.data;
    } else {
        pyad_value *temp = &l->temps[l->count];
        pyad_layout_any flat;
        PYAD_TRY(pyad_layout_fill(&flat, target->dtype, shape->ndim, pyad_shape(shape)));
        const pyad_layout *kept = pyad_layout_keep(&sweep->memory, &flat.layout);
        if (kept == NULL)
            return PYAD_ERR_MEMORY;
        PYAD_TRY(pyad_accum_alloc(&sweep->accum, kept, temp));
        sink->data = temp->data;
        l->targets[l->count] = output;
    }
    l->count++;
    return PYAD_OK;
}

static pyad_status apply_steps(pyad_sweep *sweep, const pyad_application *a, const pyad_value *inputs)
{
    const pyad_rule_program *p = a->program;
    int fixed = p->input_count + p->const_count;
    landing l;
    l.count = 0;
    pyad_elementwise_step steps[PYAD_ELEMENTWISE_REGISTERS];
    pyad_view views[PYAD_ELEMENTWISE_REGISTERS];
    for (int s = 0; s < p->instr_count; s++) {
        steps[s] = p->steps[s];
        steps[s].skip = (p->instrs[s].wanted_by & a->want) == 0;
    }
    for (int k = 0; k < fixed; k++)
        views[k] = pyad_value_view(k < p->input_count ? &inputs[k] : &p->consts[k - p->input_count]);
    pyad_status status = PYAD_OK;
    for (int k = 0; k < a->target_count && status == PYAD_OK; k++) {
        if ((a->want & pyad_output_bit(k)) && p->outputs[k] >= fixed)
            status = add_landing(sweep, a, k, &l);
    }
    if (status == PYAD_OK && l.count > 0) {
        pyad_elementwise work = {
            steps, p->instr_count, fixed, views, l.count, l.outputs, pyad_sweep_layout(sweep, a->node)};
        status = pyad_elementwise_run(sweep->accum.env.mem, &work);
    }
    for (int k = 0; k < l.count; k++) {
        if (l.targets[k] < 0)
            continue;
        uint32_t target = a->targets[l.targets[k]];
        if (status == PYAD_OK)
            status = pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, target), pyad_sweep_layout(sweep, target),
                                    l.temps[k], true);
        if (status != PYAD_OK && l.temps[k].buffer != NULL)
            pyad_buffer_release(sweep->accum.env.mem, l.temps[k].buffer);
    }
    return status;
}

/* Outputs that are an input or a constant of the program: handed on as they are. */
static pyad_status apply_passed(pyad_sweep *sweep, const pyad_application *a, const pyad_value *inputs)
{
    const pyad_rule_program *p = a->program;
    for (int k = 0; k < a->target_count; k++) {
        int reg = p->outputs[k];
        if (!pyad_apply_wants(sweep, a, k) || reg < 0 || reg >= p->input_count + p->const_count)
            continue;
        const pyad_value *value = reg < p->input_count ? &inputs[reg] : &p->consts[reg - p->input_count];
        PYAD_TRY(pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, a->targets[k]),
                                pyad_sweep_layout(sweep, a->targets[k]), *value, false));
    }
    return PYAD_OK;
}

/* The registers of a rule program that is being run by the interpreter. */
typedef struct frame {
    const pyad_application *a;
    pyad_value *regs;
    int fixed;  /* inputs and constants */
} frame;

/* The output whose only source is instruction `i`, or -1. */
static int sole_output(const frame *f, int i)
{
    const pyad_rule_program *p = f->a->program;
    int found = -1;
    for (int k = 0; k < f->a->target_count; k++) {
        if (p->outputs[k] != f->fixed + i || !(f->a->want & pyad_output_bit(k)))
            continue;
        if (found >= 0)
            return -1;
        found = k;
    }
    for (int j = i + 1; j < p->instr_count && found >= 0; j++) {
        for (int k = 0; k < p->instrs[j].nargs; k++) {
            if (p->args[p->instrs[j].first + (uint32_t)k] == (uint32_t)(f->fixed + i))
                return -1;
        }
    }
    return found;
}

/* Adds to a window of the slot: the transpose of slicing, in O(slice). */
static pyad_status add_to_slice(pyad_slot *slot, const pyad_instr *instr, const pyad_value *addend)
{
    const pyad_layout *whole = slot->value.layout;
    pyad_layout_any window;
    int64_t offset;
    PYAD_TRY(pyad_slice_layout(whole, instr->params + 2 + instr->params[1], &window, &offset));
    char *at = (char *)slot->value.data + offset * (int64_t)pyad_dtype_size(whole->dtype);
    pyad_reduce_add((pyad_view){&window.layout, at}, pyad_value_view(addend));
    return PYAD_OK;
}

/* Runs instruction `i` into the slot it is for, where the kernel can add in place. false where it cannot. */
static pyad_status run_into_slot(pyad_sweep *sweep, const frame *f, int i, bool *done)
{
    const pyad_instr *instr = &f->a->program->instrs[i];
    *done = false;
    bool window = instr->op == PYAD_KERNEL_UNSLICE || instr->op == PYAD_KERNEL_PUT;
    if (!window && instr->op != PYAD_KERNEL_MATMUL)
        return PYAD_OK;
    int output = sole_output(f, i);
    if (output < 0 || !pyad_apply_wants(sweep, f->a, output))
        return PYAD_OK;
    uint32_t target = f->a->targets[output];
    pyad_slot *slot = pyad_sweep_slot(sweep, target);
    const pyad_layout *layout = pyad_sweep_layout(sweep, target);
    const uint32_t *args = f->a->program->args + instr->first;
    const pyad_value *first = &f->regs[args[0]];
    if (!window) {
        const pyad_value *second = &f->regs[args[1]];
        bool plain = slot->state == PYAD_SLOT_OWNED && layout->ndim == 2 && first->layout->ndim == 2 &&
                     second->layout->ndim == 2;
        *done = plain;
        return plain ? pyad_matmul(sweep->accum.env.mem, pyad_value_view(&slot->value), pyad_value_view(first),
                                   pyad_value_view(second), 1)
                     : PYAD_OK;
    }
    *done = true;
    PYAD_TRY(pyad_accum_own(&sweep->accum, slot, layout));
    if (instr->op == PYAD_KERNEL_UNSLICE)
        return add_to_slice(slot, instr, first);
    pyad_scatter_add(pyad_value_view(&slot->value), pyad_value_view(first), pyad_value_view(&f->regs[args[1]]));
    return PYAD_OK;
}

static pyad_status run_instr(pyad_sweep *sweep, const frame *f, int i)
{
    const pyad_rule_program *p = f->a->program;
    const pyad_instr *instr = &p->instrs[i];
    const uint32_t *args = p->args + instr->first;
    const pyad_env env = {sweep->accum.env.mem, &sweep->scratch, sweep->recorder.message};
    pyad_value few[4];
    pyad_value *in = few;
    size_t bytes = (size_t)instr->nargs * sizeof *in;
    if (instr->nargs > 4) {
        in = pyad_mem_calloc(env.mem, bytes);
        if (in == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (int k = 0; k < instr->nargs; k++)
        in[k] = f->regs[args[k]];
    pyad_status status = pyad_exec(&env, instr->op, instr->params, instr->nargs, in, &f->regs[f->fixed + i]);
    if (status != PYAD_OK)
        f->regs[f->fixed + i].buffer = NULL;
    if (in != few)
        pyad_mem_free(env.mem, in, bytes);
    return status;
}

/* Drops the registers that instruction `i` was the last to read. */
static void drop_used(pyad_sweep *sweep, const frame *f, int i)
{
    const pyad_rule_program *p = f->a->program;
    const pyad_instr *instr = &p->instrs[i];
    for (int k = 0; k < instr->nargs; k++) {
        uint32_t reg = p->args[instr->first + (uint32_t)k];
        if (reg < (uint32_t)f->fixed || p->instrs[reg - (uint32_t)f->fixed].last_use != (uint32_t)i)
            continue;
        if (f->regs[reg].buffer != NULL)
            pyad_buffer_release(sweep->accum.env.mem, f->regs[reg].buffer);
        f->regs[reg].buffer = NULL;
    }
}

static pyad_status run_frame(pyad_sweep *sweep, const frame *f, uint64_t *landed)
{
    const pyad_rule_program *p = f->a->program;
    *landed = 0;
    for (int i = 0; i < p->instr_count; i++) {
        if (!(p->instrs[i].wanted_by & f->a->want))
            continue;
        bool done;
        PYAD_TRY(run_into_slot(sweep, f, i, &done));
        if (done)
            *landed |= p->instrs[i].wanted_by;
        else
            PYAD_TRY(run_instr(sweep, f, i));
        drop_used(sweep, f, i);
    }
    return PYAD_OK;
}

/* Hands the results to the slots. A register with a buffer gives its reference away. */
static pyad_status land_results(pyad_sweep *sweep, const frame *f, uint64_t landed)
{
    const pyad_rule_program *p = f->a->program;
    for (int k = 0; k < f->a->target_count; k++) {
        if (!pyad_apply_wants(sweep, f->a, k) || p->outputs[k] < f->fixed || (landed & pyad_output_bit(k)))
            continue;
        pyad_value *value = &f->regs[p->outputs[k]];
        bool fresh = value->buffer != NULL && !p->instrs[p->outputs[k] - f->fixed].shared;
        pyad_value addend = *value;
        if (fresh)
            value->buffer = NULL;
        pyad_status status = pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, f->a->targets[k]),
                                            pyad_sweep_layout(sweep, f->a->targets[k]), addend, fresh);
        if (status != PYAD_OK) {
            if (fresh)
                value->buffer = addend.buffer;
            return status;
        }
    }
    return PYAD_OK;
}

static pyad_status apply_frame(pyad_sweep *sweep, const pyad_application *a, const pyad_value *inputs)
{
    const pyad_rule_program *p = a->program;
    int fixed = p->input_count + p->const_count;
    int count = fixed + p->instr_count;
    PYAD_TRY(pyad_mem_grow(sweep->accum.env.mem, (void **)&sweep->regs, &sweep->reg_capacity, (size_t)count,
                           sizeof *sweep->regs));
    frame f = {a, sweep->regs, fixed};
    for (int k = 0; k < count; k++) {
        if (k < p->input_count)
            f.regs[k] = inputs[k];
        else
            f.regs[k] = k < fixed ? p->consts[k - p->input_count] : (pyad_value){NULL, NULL, NULL};
    }
    pyad_arena_mark mark = pyad_arena_position(&sweep->scratch);
    uint64_t landed;
    pyad_status status = run_frame(sweep, &f, &landed);
    if (status == PYAD_OK)
        status = land_results(sweep, &f, landed);
    for (int k = fixed; k < count; k++) {
        if (f.regs[k].buffer != NULL)
            pyad_buffer_release(sweep->accum.env.mem, f.regs[k].buffer);
    }
    pyad_arena_cut(&sweep->scratch, mark);
    return status;
}

enum { FEW_INPUTS = 16 };

pyad_status pyad_apply_values(pyad_sweep *sweep, const pyad_application *a)
{
    if (pyad_apply_is_small(sweep, a))
        return pyad_apply_small(sweep, a);
    const pyad_rule_program *p = a->program;
    pyad_value few[FEW_INPUTS];
    pyad_value *inputs = few;
    size_t bytes = (size_t)p->input_count * sizeof *inputs;
    if (p->input_count > FEW_INPUTS) {
        inputs = pyad_mem_calloc(sweep->accum.env.mem, bytes);
        if (inputs == NULL)
            return PYAD_ERR_MEMORY;
    }
    pyad_status status = gather_inputs(sweep, a, inputs);
    /* Only of an element-wise operation do the steps have the shape of the result: the rule of a max is made of loops
     * too, but over the shape of the operand. */
    bool steps = p->steps != NULL && pyad_kernel_is_loop(sweep->recorder.tape->op[a->node]);
    if (status == PYAD_OK && p->instr_count > 0)
        status = steps ? apply_steps(sweep, a, inputs) : apply_frame(sweep, a, inputs);
    if (status == PYAD_OK)
        status = apply_passed(sweep, a, inputs);
    if (inputs != few)
        pyad_mem_free(sweep->accum.env.mem, inputs, bytes);
    return status;
}
