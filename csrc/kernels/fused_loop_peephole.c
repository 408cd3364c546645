/* Two steps of a fused loop that one superinstruction can do. */
#include "kernels/fused_loop.h"

/* An operand that is a single number along each row, should the loop run row by row. */
static bool may_be_one(const pyad_fused_loop *fused, int32_t operand)
{
    if (operand >= 0)
        return false;
    const pyad_fused_loop_input *input = &fused->inputs[-1 - operand];
    return input->kind == PYAD_OPERAND_LOADED && input->strides[input->ndim - 1] == 0;
}

static bool takes(const pyad_fused_loop *fused, const pyad_super_info *info, const pyad_fused_loop_step *step)
{
    uint32_t rows = 0;
    for (int k = 0; k < step->arity; k++)
        rows |= may_be_one(fused, step->in[k]) ? 1u << k : 0;
    uint32_t most = step->scalars | rows;
    bool one_at_most = (most & (most - 1)) == 0;
    return one_at_most && (most & ~info->scalars) == 0;
}

/* The operand of `second` that `first` makes, or -1 where it is both. */
static int made_operand(const pyad_fused_loop_step *first, const pyad_fused_loop_step *second)
{
    int made = -1;
    for (int k = 0; k < second->arity; k++) {
        if (second->in[k] != first->to)
            continue;
        if (made >= 0)
            return -1;
        made = k;
    }
    return made;
}

/* The operands of the first, then the other of the second. */
static pyad_fused_loop_step joined(const pyad_fused_loop_step *first, const pyad_fused_loop_step *second, int made)
{
    pyad_fused_loop_step step = *second;
    for (int k = 0; k < first->arity; k++)
        step.in[k] = first->in[k];
    step.in[first->arity] = second->in[1 - made];
    step.arity = (uint8_t)(first->arity + 1);
    step.scalars = first->scalars | (second->scalars >> (1 - made) & 1u) << first->arity;
    step.cost = (uint16_t)(first->cost + second->cost);
    return step;
}

/* a * b is b * a, to the bit: loops know a single number as the first operand. */
static void put_one_first(const pyad_fused_loop *fused, pyad_fused_loop_step *step)
{
    bool second = (step->scalars & 2u) != 0 || may_be_one(fused, step->in[1]);
    if (!second || (step->scalars & 1u) != 0)
        return;
    int32_t in = step->in[0];
    step->in[0] = step->in[1];
    step->in[1] = in;
    step->scalars = (step->scalars & ~3u) | (step->scalars & 2u) >> 1;
}

bool pyad_fused_loop_combine(const pyad_fused_loop *fused, const pyad_fused_loop_step *first,
                             pyad_fused_loop_step *second)
{
    if (first->loop == NULL || second->loop == NULL || second->arity != 2 || first->wide != second->wide)
        return false;
    int made = made_operand(first, second);
    for (int k = 0; made >= 0 && k < PYAD_SUPER_END - PYAD_LOOP_COUNT; k++) {
        const pyad_super_info *info = &pyad_superloops[k];
        if (info->first != first->op || info->second != second->op || (info->side >> made & 1) == 0)
            continue;
        pyad_fused_loop_step step = joined(first, second, made);
        if (first->op == PYAD_LOOP_MUL)
            put_one_first(fused, &step);
        if (!takes(fused, info, &step))
            return false;
        step.op = (uint16_t)(PYAD_LOOP_COUNT + k);
        step.loop = pyad_isa()->superloop[k][step.wide];
        *second = step;
        return true;
    }
    return false;
}
