/* Recording: instructions are put on the tape and run. */
#include "autodiff/record.h"

#include <string.h>

#include "primitives/exec.h"
#include "primitives/infer.h"
#include "primitives/info.h"
#include "primitives/values.h"

enum { FEW = 8 };

/* The operands' values side by side: on the stack when they are few. */
typedef struct gathered {
    pyad_value few[FEW];
    const pyad_value *few_ptrs[FEW];
    pyad_value *values;
    const pyad_value **ptrs;
    size_t bytes;
} gathered;

static pyad_status gather_operands(const pyad_recorder *r, int nargs, const uint32_t *args, gathered *g)
{
    g->values = g->few;
    g->ptrs = g->few_ptrs;
    g->bytes = 0;
    if (nargs > FEW) {
        size_t each = sizeof *g->values + sizeof *g->ptrs;
        PYAD_TRY(pyad_size_mul((size_t)nargs, each, &g->bytes));
        g->values = pyad_mem_calloc(r->tape->mem, g->bytes);
        if (g->values == NULL)
            return PYAD_ERR_MEMORY;
        g->ptrs = (const pyad_value **)(void *)(g->values + nargs);
    }
    for (int k = 0; k < nargs; k++) {
        g->values[k] = r->tape->value[args[k]];
        g->ptrs[k] = &g->values[k];
    }
    return PYAD_OK;
}

static void ungather(const pyad_recorder *r, gathered *g)
{
    if (g->values != g->few)
        pyad_mem_free(r->tape->mem, g->values, g->bytes);
}

/* The layout alone, for a tape that keeps no values. */
static pyad_status infer_only(const pyad_recorder *r, int op, const int64_t *params, int nargs, const gathered *g,
                              pyad_value *out)
{
    const pyad_env env = {r->tape->mem, &r->tape->arena, r->message};
    *out = (pyad_value){NULL, NULL, NULL};
    if (pyad_kernel_is_loop(op))
        return pyad_infer_loop(&env, op, nargs, g->values, &out->layout);
    size_t bytes = (size_t)nargs * sizeof(const pyad_layout *);
    const pyad_layout **layouts = pyad_mem_calloc(r->tape->mem, bytes);
    if (layouts == NULL)
        return PYAD_ERR_MEMORY;
    for (int k = 0; k < nargs; k++)
        layouts[k] = g->values[k].layout;
    pyad_layout_any any;
    int64_t offset;
    pyad_status status = pyad_infer(r->message, op, params, nargs, layouts, &any, &offset);
    pyad_mem_free(r->tape->mem, layouts, bytes);
    PYAD_TRY(status);
    out->layout = pyad_layout_keep(&r->tape->arena, &any.layout);
    return out->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

static bool all_const(const pyad_tape *tape, int nargs, const uint32_t *args)
{
    for (int k = 0; k < nargs; k++) {
        if (!(tape->flags[args[k]] & PYAD_NODE_CONST))
            return false;
    }
    return true;
}

static pyad_status push(const pyad_recorder *r, int op, uint16_t flags, int nargs, const uint32_t *args,
                        const int64_t *params, pyad_value value, const pyad_value *const *operands, uint32_t *node)
{
    pyad_tape *tape = r->tape;
    if (value.buffer != NULL)
        flags |= PYAD_NODE_HELD;
    uint32_t rule = PYAD_RULE_NONE;
    if (pyad_kernel_is_constant(op) || all_const(tape, nargs, args))
        flags |= PYAD_NODE_CONST;
    else if (flags & PYAD_NODE_PYTHON)
        rule = PYAD_RULE_PYTHON;
    else
        PYAD_TRY(pyad_rules_find(r->rules, op, params, nargs, operands, &rule));
    *node = pyad_tape_push(tape, op, flags, nargs, args, params, value);
    tape->rule[*node] = rule;
    if (!(flags & PYAD_NODE_CONST) && !tape->abstract)
        pyad_rules_save(r->rules, tape, *node);
    return PYAD_OK;
}

/* A view over memory that is written again and again: a small view is copied, or the next write would have to copy the
 * whole. One that is most of the array stays a view, and the copy costs no more than it. */
static pyad_status copy_small_view(const pyad_env *env, pyad_tape *tape, int op, uint32_t of, pyad_value *value,
                                   uint16_t *flags)
{
    bool is_view = op == PYAD_KERNEL_SLICE || op == PYAD_KERNEL_STRIDED_VIEW;
    bool written = tape->flags[of] & PYAD_NODE_MUTABLE;
    if (is_view && (written ? 2 * value->layout->size <= tape->value[of].layout->size : value->layout->ndim == 0)) {
        pyad_value view = *value;
        pyad_status status = pyad_value_copy(env, &view, value);
        if (view.buffer != NULL)
            pyad_buffer_release(tape->mem, view.buffer);
        return status;
    }
    *flags |= PYAD_NODE_VIEW | (tape->flags[of] & PYAD_NODE_MUTABLE);
    pyad_tape_share(tape, of);
    return PYAD_OK;
}

static pyad_status record_gathered(const pyad_recorder *r, int op, int nargs, const uint32_t *args,
                                   const int64_t *params, const gathered *g, uint32_t *node)
{
    pyad_tape *tape = r->tape;
    const int64_t *kept;
    pyad_value value;
    uint16_t flags = 0;
    PYAD_TRY(pyad_params_copy(&tape->arena, params, &kept));
    if (tape->abstract) {
        PYAD_TRY(infer_only(r, op, kept, nargs, g, &value));
    } else {
        const pyad_env env = {tape->mem, &tape->arena, r->message};
        PYAD_TRY(pyad_exec(&env, op, kept, nargs, g->values, &value));
        if (pyad_kernel_is_view(op) && pyad_shares_memory(op, g->values[0].layout, value.layout))
            PYAD_TRY(copy_small_view(&env, tape, op, args[0], &value, &flags));
    }
    pyad_status status = push(r, op, flags, nargs, args, kept, value, g->ptrs, node);
    if (status != PYAD_OK && value.buffer != NULL)
        pyad_buffer_release(tape->mem, value.buffer);
    return status;
}

/* ---- the short way: an element-wise operation on operands of one contiguous layout, or single numbers ---- */

/* The layout the result shares with its operands, or NULL where the long way has to be gone. */
static const pyad_layout *simple_layout(const pyad_tape *tape, int op, int nargs, const uint32_t *args,
                                        unsigned *scalars)
{
    if (!pyad_kernel_is_loop(op) || pyad_loops[op].kind != PYAD_KIND_FLOAT || tape->abstract)
        return NULL;
    const pyad_layout *layout = tape->value[args[0]].layout;
    *scalars = 0;
    if (nargs == 2) {
        const pyad_layout *other = tape->value[args[1]].layout;
        if (other != layout) {
            /* The layouts of single numbers are shared constants, one per dtype. */
            const pyad_layout *number = pyad_layout_scalar(layout->dtype);
            if (other == number) {
                *scalars = 2;
            } else if (layout == pyad_layout_scalar(other->dtype)) {
                *scalars = 1;
                layout = other;
            } else {
                return NULL;
            }
        }
    }
    if (!layout->contiguous || !pyad_dtype_is_float(layout->dtype) || nargs != pyad_loops[op].arity)
        return NULL;
    if (layout->size == 1)
        *scalars = 0;
    return layout;
}

/* Nodes in the arena that are nobody's view need no note that a rule may read them. */
static bool needs_saving(const pyad_tape *tape, uint32_t node)
{
    return (tape->flags[node] & (PYAD_NODE_LENT | PYAD_NODE_VIEW | PYAD_NODE_MUTABLE)) ||
           tape->value[node].buffer != NULL;
}

static pyad_status record_simple(const pyad_recorder *r, int op, int nargs, const uint32_t *args,
                                 const pyad_layout *layout, unsigned scalars, uint32_t *node)
{
    pyad_tape *tape = r->tape;
    const pyad_env env = {tape->mem, &tape->arena, r->message};
    pyad_value value;
    PYAD_TRY(pyad_value_alloc(&env, layout, &value));
    int wide = layout->dtype == PYAD_F64;
    const void *in[2] = {tape->value[args[0]].data, nargs > 1 ? tape->value[args[1]].data : NULL};
    if (layout->size > 0)
        pyad_isa()->loop[op][wide](layout->size, value.data, in, scalars);
    uint16_t flags = value.buffer != NULL ? PYAD_NODE_HELD : 0;
    bool constant = tape->flags[args[0]] & (nargs > 1 ? tape->flags[args[1]] : PYAD_NODE_CONST) & PYAD_NODE_CONST;
    if (constant)
        flags |= PYAD_NODE_CONST;
    /* Before the push: `args` may be where the new node's number goes. */
    bool save = value.buffer != NULL || needs_saving(tape, args[0]) || (nargs > 1 && needs_saving(tape, args[1]));
    *node = pyad_tape_push(tape, op, flags, nargs, args, NULL, value);
    if (constant) {
        tape->rule[*node] = PYAD_RULE_NONE;
        return PYAD_OK;
    }
    tape->rule[*node] = r->rules->loops[op][wide];
    if (save)
        pyad_rules_save(r->rules, tape, *node);
    return PYAD_OK;
}

pyad_status pyad_record(const pyad_recorder *recorder, int op, int nargs, const uint32_t *args, const int64_t *params,
                        uint32_t *node)
{
    unsigned scalars;
    const pyad_layout *layout = simple_layout(recorder->tape, op, nargs, args, &scalars);
    if (layout != NULL) {
        PYAD_TRY(pyad_tape_reserve(recorder->tape, (size_t)nargs));
        return record_simple(recorder, op, nargs, args, layout, scalars, node);
    }
    gathered g;
    PYAD_TRY(pyad_kernel_check(recorder->message, op, params, nargs));
    PYAD_TRY(pyad_tape_reserve(recorder->tape, (size_t)nargs));
    PYAD_TRY(gather_operands(recorder, nargs, args, &g));
    pyad_status status = record_gathered(recorder, op, nargs, args, params, &g, node);
    ungather(recorder, &g);
    return status;
}

pyad_status pyad_record_value(const pyad_recorder *recorder, int op, uint16_t flags, int nargs, const uint32_t *args,
                              const int64_t *params, pyad_value value, uint32_t *node)
{
    const int64_t *kept;
    pyad_status status = pyad_tape_reserve(recorder->tape, (size_t)nargs);
    if (status == PYAD_OK)
        status = pyad_params_copy(&recorder->tape->arena, params, &kept);
    if (status == PYAD_OK)
        status = push(recorder, op, flags, nargs, args, kept, value, NULL, node);
    if (status != PYAD_OK && value.buffer != NULL)
        pyad_buffer_release(recorder->tape->mem, value.buffer);
    return status;
}

pyad_status pyad_record_alias(const pyad_recorder *recorder, uint32_t of, uint32_t *node)
{
    pyad_tape *tape = recorder->tape;
    PYAD_TRY(pyad_tape_reserve(tape, 1));
    pyad_value value = tape->value[of];
    if (value.buffer != NULL)
        pyad_buffer_retain(value.buffer);
    pyad_tape_share(tape, of);
    uint16_t flags = PYAD_NODE_VIEW | PYAD_NODE_LEAF | (tape->flags[of] & PYAD_NODE_MUTABLE);
    *node = pyad_tape_push(tape, PYAD_KERNEL_ALIAS, flags, 1, &of, NULL, value);
    if (tape->flags[of] & PYAD_NODE_CONST)
        tape->oldest[*node] = *node;
    return PYAD_OK;
}

pyad_status pyad_record_same(const pyad_recorder *recorder, uint32_t of, uint32_t *node)
{
    pyad_tape *tape = recorder->tape;
    uint16_t constant = tape->flags[of] & PYAD_NODE_CONST;
    uint16_t held = tape->value[of].buffer != NULL ? PYAD_NODE_HELD : 0;
    PYAD_TRY(pyad_record_alias(recorder, of, node));
    tape->flags[*node] = (uint16_t)((tape->flags[*node] & ~PYAD_NODE_LEAF) | constant | held);
    return PYAD_OK;
}
