/* Building rule programs from recordings. */
#include "autodiff/rule.h"

#include <string.h>

#include "kernels/kernels.h"
#include "primitives/info.h"
#include "primitives/values.h"

/* What building needs while it goes: a register per node, and for each node which outputs want it. */
typedef struct builder {
    const pyad_rule_recording *recording;
    const pyad_tape *tape;
    pyad_arena *arena;
    uint64_t *wanted;   /* per node */
    uint32_t *reg;      /* per node */
    pyad_rule_program *program;
    uint32_t arg_count;
} builder;

static bool is_const_leaf(const pyad_tape *tape, uint32_t node)
{
    return (tape->flags[node] & PYAD_NODE_LEAF) && (tape->flags[node] & PYAD_NODE_CONST);
}

/* Marks, from the outputs back, what each of them needs. */
static void mark_wanted(builder *b)
{
    const pyad_rule_recording *r = b->recording;
    for (int k = 0; k < r->output_count; k++) {
        if (r->outputs[k] >= 0)
            b->wanted[r->outputs[k]] |= pyad_output_bit(k);
    }
    for (uint32_t node = b->tape->count; node-- > 0;) {
        for (int k = 0; k < b->tape->nargs[node] && b->wanted[node] != 0; k++)
            b->wanted[pyad_tape_args(b->tape, node)[k]] |= b->wanted[node];
    }
}

/* Gives every wanted node its register, and counts. */
static void number_registers(builder *b)
{
    pyad_rule_program *p = b->program;
    uint32_t inputs = (uint32_t)p->input_count;
    for (uint32_t node = 0; node < inputs; node++)
        b->reg[node] = node;
    for (uint32_t node = inputs; node < b->tape->count; node++) {
        if (b->wanted[node] == 0)
            continue;
        if (is_const_leaf(b->tape, node))
            b->reg[node] = inputs + (uint32_t)p->const_count++;
    }
    for (uint32_t node = inputs; node < b->tape->count; node++) {
        if (b->wanted[node] == 0 || is_const_leaf(b->tape, node))
            continue;
        b->reg[node] = inputs + (uint32_t)p->const_count + (uint32_t)p->instr_count++;
        b->arg_count += b->tape->nargs[node];
    }
}

static pyad_status copy_const(builder *b, uint32_t node, pyad_value *out)
{
    const pyad_value *value = &b->tape->value[node];
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, value->layout->dtype, value->layout->ndim, pyad_shape(value->layout)));
    out->layout = pyad_layout_keep(b->arena, &flat.layout);
    out->data = pyad_arena_alloc(b->arena, pyad_layout_bytes(value->layout));
    out->buffer = NULL;
    if (out->layout == NULL || out->data == NULL)
        return PYAD_ERR_MEMORY;
    pyad_copy(pyad_value_view(out), pyad_value_view(value));
    return PYAD_OK;
}

static pyad_status fill_instrs(builder *b, pyad_instr *instrs, uint32_t *args, pyad_value *consts)
{
    const pyad_tape *tape = b->tape;
    uint32_t base = (uint32_t)(b->program->input_count + b->program->const_count);
    uint32_t next_arg = 0;
    int next = 0;
    for (uint32_t node = (uint32_t)b->program->input_count; node < tape->count; node++) {
        if (b->wanted[node] == 0)
            continue;
        if (is_const_leaf(tape, node)) {
            PYAD_TRY(copy_const(b, node, &consts[b->reg[node] - (uint32_t)b->program->input_count]));
            continue;
        }
        pyad_instr *instr = &instrs[next];
        *instr = (pyad_instr){.op = tape->op[node], .nargs = tape->nargs[node], .first = next_arg};
        instr->wanted_by = b->wanted[node];
        instr->last_use = (uint32_t)next;
        PYAD_TRY(pyad_params_copy(b->arena, tape->params[node], &instr->params));
        for (int k = 0; k < tape->nargs[node]; k++) {
            uint32_t reg = b->reg[pyad_tape_args(tape, node)[k]];
            args[next_arg++] = reg;
            if (reg >= base && instrs[reg - base].last_use != UINT32_MAX)
                instrs[reg - base].last_use = (uint32_t)next;
        }
        next++;
    }
    return PYAD_OK;
}

static void fill_outputs(builder *b, int32_t *outputs, uint64_t *reads, pyad_instr *instrs)
{
    uint32_t base = (uint32_t)(b->program->input_count + b->program->const_count);
    for (int k = 0; k < b->recording->output_count; k++) {
        int64_t node = b->recording->outputs[k];
        outputs[k] = node >= 0 ? (int32_t)b->reg[node] : -1;
        if (outputs[k] < 0 || (uint32_t)outputs[k] < base)
            continue;
        pyad_instr *instr = &instrs[(uint32_t)outputs[k] - base];
        instr->shared = instr->last_use == UINT32_MAX;
        instr->last_use = UINT32_MAX;
    }
    for (int k = 0; k < b->program->input_count; k++)
        reads[k] = b->wanted[k];
}

/* The steps of a program of loops only, or NULL where an instruction is something else or there are too many. */
static const pyad_elementwise_step *make_steps(const builder *b)
{
    const pyad_rule_program *p = b->program;
    int registers = p->input_count + p->const_count + p->instr_count;
    if (p->instr_count == 0 || registers > PYAD_ELEMENTWISE_REGISTERS)
        return NULL;
    pyad_elementwise_step *steps = pyad_arena_alloc(b->arena, (size_t)p->instr_count * sizeof *steps);
    int next = 0;
    for (uint32_t node = (uint32_t)p->input_count; node < b->tape->count && steps != NULL; node++) {
        if (b->wanted[node] == 0 || is_const_leaf(b->tape, node))
            continue;
        const pyad_instr *instr = &p->instrs[next];
        if (!pyad_kernel_is_loop(instr->op))
            return NULL;
        const uint32_t *args = pyad_tape_args(b->tape, node);
        if (pyad_dtype_is_complex(b->tape->value[args[instr->nargs - 1]].layout->dtype))
            return NULL;
        pyad_elementwise_step *step = &steps[next++];
        memset(step, 0, sizeof *step);
        step->loop = (uint8_t)instr->op;
        step->arity = (uint8_t)instr->nargs;
        step->bytes = (uint8_t)pyad_dtype_size(b->tape->value[node].layout->dtype);
        step->wide = b->tape->value[args[instr->nargs - 1]].layout->dtype == PYAD_F64;
        for (int k = 0; k < instr->nargs; k++)
            step->in[k] = (uint16_t)p->args[instr->first + (uint32_t)k];
    }
    return steps;
}

static bool needs_python(const builder *b)
{
    for (uint32_t node = 0; node < b->tape->count; node++) {
        if (b->wanted[node] != 0 && (b->tape->flags[node] & PYAD_NODE_PYTHON))
            return true;
    }
    return false;
}

static pyad_status fill_program(builder *b)
{
    pyad_rule_program *p = b->program;
    number_registers(b);
    pyad_instr *instrs = pyad_arena_alloc(b->arena, (size_t)p->instr_count * sizeof *instrs);
    uint32_t *args = pyad_arena_alloc(b->arena, b->arg_count * sizeof *args);
    pyad_value *consts = pyad_arena_alloc(b->arena, (size_t)p->const_count * sizeof *consts);
    int32_t *outputs = pyad_arena_alloc(b->arena, (size_t)p->output_count * sizeof *outputs);
    uint64_t *reads = pyad_arena_alloc(b->arena, (size_t)p->input_count * sizeof *reads);
    if (instrs == NULL || args == NULL || consts == NULL || outputs == NULL || reads == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(fill_instrs(b, instrs, args, consts));
    fill_outputs(b, outputs, reads, instrs);
    p->instrs = instrs;
    p->args = args;
    p->consts = consts;
    p->outputs = outputs;
    p->reads = reads;
    p->steps = make_steps(b);
    return PYAD_OK;
}

pyad_status pyad_rule_program_build(pyad_rules *rules, const pyad_rule_recording *recording,
                                    const pyad_rule_program **out)
{
    const pyad_tape *tape = recording->tape;
    size_t wanted_bytes = (size_t)tape->count * sizeof(uint64_t);
    size_t reg_bytes = (size_t)tape->count * sizeof(uint32_t);
    builder b = {.recording = recording, .tape = tape, .arena = &rules->arena};
    pyad_status status = PYAD_ERR_MEMORY;
    *out = NULL;
    b.wanted = pyad_mem_calloc(rules->mem, wanted_bytes);
    b.reg = pyad_mem_calloc(rules->mem, reg_bytes);
    b.program = pyad_arena_alloc(b.arena, sizeof *b.program);
    if (b.wanted != NULL && b.reg != NULL && b.program != NULL) {
        *b.program = (pyad_rule_program){
            .input_count = recording->input_count,
            .output_count = recording->output_count,
        };
        mark_wanted(&b);
        status = needs_python(&b) ? PYAD_OK : fill_program(&b);
        if (status == PYAD_OK && !needs_python(&b))
            *out = b.program;
    }
    pyad_mem_free(rules->mem, b.wanted, wanted_bytes);
    pyad_mem_free(rules->mem, b.reg, reg_bytes);
    return status;
}
