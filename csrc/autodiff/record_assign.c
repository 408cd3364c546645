/* Recording writes: done in the memory of what is written into, where nobody else needs what is there. */
#include <string.h>

#include "autodiff/record.h"
#include "kernels/kernels.h"
#include "primitives/exec_assign.h"
#include "primitives/infer.h"
#include "primitives/info.h"
#include "primitives/values.h"

/* Says whether the value of operand 0 may be written over. Only what a write has made is: it is known to have memory
 * of its own, and the first write of an array costs no more than making the array did. */
static bool may_overwrite(const pyad_tape *tape, int nargs, const uint32_t *args)
{
    enum { NEEDED = PYAD_NODE_SAVED | PYAD_NODE_SHARED | PYAD_NODE_VIEW | PYAD_NODE_FREED };
    uint32_t old = args[0];
    const pyad_value *value = &tape->value[old];
    bool written = tape->op[old] == PYAD_KERNEL_ASSIGN || tape->op[old] == PYAD_KERNEL_ASSIGN_AT;
    if (!written || !(tape->flags[old] & PYAD_NODE_MUTABLE) || (tape->flags[old] & NEEDED) || value->layout->ndim == 0)
        return false;
    for (int k = 1; k < nargs; k++) {
        if (args[k] == old)
            return false;
    }
    /* What an enclosing transform recorded stays as it is: this one may be cut away. */
    uint32_t floor = tape->mark_count > 0 ? tape->marks[tape->mark_count - 1].nodes : 0;
    return old >= floor && (value->buffer == NULL || atomic_load(&value->buffer->refs) == 1);
}

/* The layout of the result, which is that of operand 0 where it is contiguous; refuses what pyad_infer does. */
static pyad_status check_write(const pyad_env *env, int op, const int64_t *params, int nargs, const pyad_value *in,
                               const pyad_layout **out)
{
    const pyad_layout *layouts[3] = {NULL};
    pyad_layout_any any;
    int64_t offset;
    for (int k = 0; k < nargs; k++)
        layouts[k] = in[k].layout;
    PYAD_TRY(pyad_infer(env->message, op, params, nargs, layouts, &any, &offset));
    *out = in[0].layout->contiguous ? in[0].layout : pyad_layout_keep(env->arena, &any.layout);
    return *out != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

/* Makes a copy of operand 0 in which the strided view is replaced. */
static pyad_status write_to_copy(const pyad_env *env, int op, const int64_t *params, const pyad_value *in,
                                 const pyad_layout *layout, pyad_value *out)
{
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    pyad_copy(pyad_value_view(out), pyad_value_view(&in[0]));
    pyad_status status = pyad_exec_assign(env, op, params != NULL ? params + 1 : NULL, in, pyad_value_view(out));
    if (status != PYAD_OK && out->buffer != NULL)
        pyad_buffer_release(env->mem, out->buffer);
    return status;
}

pyad_status pyad_record_write(const pyad_recorder *recorder, int op, int nargs, const uint32_t *args,
                              const int64_t *params, uint32_t *node)
{
    pyad_tape *tape = recorder->tape;
    if (tape->abstract)
        return pyad_record(recorder, op, nargs, args, params, node);
    const pyad_env env = {tape->mem, &tape->arena, recorder->message};
    pyad_value in[3];
    pyad_value value;
    const pyad_layout *layout;
    const int64_t *kept;
    PYAD_TRY(pyad_kernel_check(recorder->message, op, params, nargs));
    PYAD_TRY(pyad_tape_reserve(tape, (size_t)nargs));
    PYAD_TRY(pyad_params_copy(&tape->arena, params, &kept));
    bool constant = true;
    for (int k = 0; k < nargs; k++) {
        in[k] = tape->value[args[k]];
        constant = constant && (tape->flags[args[k]] & PYAD_NODE_CONST);
    }
    PYAD_TRY(check_write(&env, op, params, nargs, in, &layout));
    uint16_t flags = PYAD_NODE_MUTABLE | (constant ? PYAD_NODE_CONST : 0);
    if (may_overwrite(tape, nargs, args)) {
        PYAD_TRY(pyad_exec_assign(&env, op, params != NULL ? params + 1 : NULL, in, pyad_value_view(&in[0])));
        value = pyad_tape_take_value(tape, args[0]);
        flags |= PYAD_NODE_MOVED;
    } else {
        PYAD_TRY(write_to_copy(&env, op, params, in, layout, &value));
        tape->copied += (int64_t)pyad_layout_bytes(layout);
    }
    if (value.buffer != NULL)
        flags |= PYAD_NODE_HELD;
    *node = pyad_tape_push(tape, op, flags, nargs, args, kept, value);
    if (constant)
        tape->rule[*node] = PYAD_RULE_NONE;
    else
        pyad_rules_save(recorder->rules, tape, *node);
    return PYAD_OK;
}

/* ---- single elements ---- */

pyad_status pyad_record_item(const pyad_recorder *recorder, uint32_t of, int count, const int64_t *index,
                             uint32_t *node)
{
    pyad_tape *tape = recorder->tape;
    const pyad_layout *layout = tape->value[of].layout;
    int64_t params[1 + 3 * PYAD_MAX_NDIM];
    int64_t at = 0;
    params[0] = 3 * count;
    for (int d = 0; d < count; d++) {
        params[1 + 3 * d] = index[d];
        params[2 + 3 * d] = 1;
        params[3 + 3 * d] = -1;
        at += index[d] * pyad_strides(layout)[d];
    }
    if (tape->abstract)
        return pyad_record(recorder, PYAD_KERNEL_SLICE, 1, &of, params, node);
    const int64_t *kept;
    const pyad_env env = {tape->mem, &tape->arena, recorder->message};
    pyad_value value;
    size_t item = pyad_dtype_size(layout->dtype);
    PYAD_TRY(pyad_tape_reserve(tape, 1));
    PYAD_TRY(pyad_params_copy(&tape->arena, params, &kept));
    PYAD_TRY(pyad_value_alloc(&env, pyad_layout_scalar(layout->dtype), &value));
    memcpy(value.data, (const char *)tape->value[of].data + at * (int64_t)item, item);
    uint16_t flags = tape->flags[of] & PYAD_NODE_CONST;
    *node = pyad_tape_push(tape, PYAD_KERNEL_SLICE, flags, 1, &of, kept, value);
    if (flags & PYAD_NODE_CONST)
        tape->rule[*node] = PYAD_RULE_NONE;
    return PYAD_OK;
}
