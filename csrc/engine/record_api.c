/* Recording as the caller drives it: leaves, kernels, and operations that the caller ran. */
#include <string.h>

#include "engine/engine.h"
#include "kernels/kernels.h"
#include "primitives/info.h"

int64_t pyad_lend(int flags, int dtype, int ndim, const int64_t *shape, const int64_t *strides, void *data)
{
    pyad_engine *engine = pyad_engine_here();
    pyad_layout_any any;
    uint32_t node = 0;
    if (engine == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_status status = pyad_engine_layout(engine, dtype, ndim, shape, strides, &any);
    uint8_t kind = flags & PYAD_LEND_CONST ? PYAD_NODE_CONST : 0;
    if (status == PYAD_OK && (uintptr_t)data % pyad_dtype_align(dtype) != 0)
        status = pyad_fail(&engine->message, PYAD_ERR_VALUE, "memory is not aligned to its dtype");
    if (status == PYAD_OK)
        status = pyad_tape_lend(&engine->tape, kind, &any.layout, data, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_leaf_number(int flags, double number, int dtype)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_layout_any any;
    pyad_status checked = pyad_engine_layout(engine, dtype, 0, NULL, NULL, &any);
    if (checked != PYAD_OK)
        return pyad_engine_failed(checked);
    pyad_value value = {pyad_layout_scalar(dtype), pyad_arena_alloc(&engine->tape.arena, pyad_dtype_size(dtype)), NULL};
    uint32_t node = 0;
    if (value.data == NULL)
        return pyad_engine_failed(PYAD_ERR_MEMORY);
    pyad_copy(pyad_value_view(&value), (pyad_view){pyad_layout_scalar(PYAD_F64), &number});
    uint16_t kind = flags & PYAD_LEND_CONST ? PYAD_NODE_CONST : 0;
    if (flags & PYAD_LEND_SYMBOLIC)
        kind |= PYAD_NODE_SYMBOLIC;
    pyad_status status = pyad_tape_reserve(&engine->tape, 0);
    if (status == PYAD_OK)
        node = pyad_tape_push(&engine->tape, PYAD_KERNEL_ALIAS, kind | PYAD_NODE_LEAF, 0, NULL, NULL, value);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_const_number(double number, int dtype)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    if (engine == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_layout_any any;
    pyad_status status = pyad_engine_layout(engine, dtype, 0, NULL, NULL, &any);
    if (status == PYAD_OK)
        status = pyad_tape_number(&engine->tape, number, dtype, &node);
    return pyad_engine_handle(engine, status, node);
}

/* Records the value of a node once more, in one of two ways. */
static int64_t record_again(int64_t of, pyad_status (*record)(const pyad_recorder *, uint32_t, uint32_t *))
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, of, &node);
    if (status == PYAD_OK)
        status = record(&engine->recorder, node, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_alias(int64_t of)
{
    return record_again(of, pyad_record_alias);
}

int64_t pyad_same(int64_t of)
{
    return record_again(of, pyad_record_same);
}

int pyad_is_long(int64_t handle)
{
    pyad_engine *engine = pyad_engine_here();
    enum { LONG_BYTES = 1 << 15 };
    uint32_t node = 0;
    if (engine == NULL || !pyad_tape_find(&engine->tape, handle, &node))
        return 0;
    return pyad_layout_bytes(engine->tape.value[node].layout) >= LONG_BYTES;
}

int pyad_any_is_long(int count, const int64_t *handles)
{
    for (int k = 0; k < count; k++) {
        if (pyad_is_long(handles[k]))
            return 1;
    }
    return 0;
}

/* Records a kernel that has no static parameters. */
static inline int64_t record_kernel(int op, int nargs, const int64_t *handles)
{
    enum { MOST = 3 };
    pyad_engine *engine = pyad_engine_here();
    uint32_t args[MOST];
    uint32_t node = 0;
    pyad_status status = PYAD_OK;
    for (int k = 0; k < nargs && status == PYAD_OK; k++)
        status = pyad_engine_node(engine, handles[k], &args[k]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, nargs, args, NULL, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_op1(int op, int64_t a)
{
    return record_kernel(op, 1, &a);
}

int64_t pyad_op2(int op, int64_t a, int64_t b)
{
    const int64_t handles[] = {a, b};
    return record_kernel(op, 2, handles);
}

int64_t pyad_op3(int op, int64_t a, int64_t b, int64_t c)
{
    const int64_t handles[] = {a, b, c};
    return record_kernel(op, 3, handles);
}

static int64_t op_with_number(int op, int64_t traced, double number, int place)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t args[2];
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, traced, &args[1 - place]);
    if (status == PYAD_OK)
        status =
            pyad_tape_number(&engine->tape, number, engine->tape.value[args[1 - place]].layout->dtype, &args[place]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 2, args, NULL, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_op2n(int op, int64_t a, double b)
{
    return op_with_number(op, a, b, 1);
}

int64_t pyad_opn2(int op, double a, int64_t b)
{
    return op_with_number(op, b, a, 0);
}

/* A constant complex number. */
static pyad_status complex_number(pyad_tape *tape, double re, double im, int dtype, uint32_t *node)
{
    const double number[2] = {re, im};
    PYAD_TRY(pyad_tape_reserve(tape, 0));
    pyad_value value = {pyad_layout_scalar(dtype), pyad_arena_alloc(&tape->arena, sizeof number), NULL};
    if (value.data == NULL)
        return PYAD_ERR_MEMORY;
    pyad_copy(pyad_value_view(&value), (pyad_view){pyad_layout_scalar(PYAD_C128), (void *)(uintptr_t)number});
    *node = pyad_tape_push(tape, PYAD_KERNEL_ALIAS, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL, NULL, value);
    return PYAD_OK;
}

int64_t pyad_op2z(int op, int64_t a, double re, double im, int swapped)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t args[2];
    uint32_t node = 0;
    int traced = swapped ? 1 : 0;
    pyad_status status = pyad_engine_node(engine, a, &args[traced]);
    int dtype = status == PYAD_OK ? engine->tape.value[args[traced]].layout->dtype : PYAD_C128;
    if (status == PYAD_OK && pyad_dtype_is_float(dtype)) {
        dtype += PYAD_C64 - PYAD_F32;
        const int64_t params[2] = {1, dtype};
        status = pyad_record(&engine->recorder, PYAD_KERNEL_CAST, 1, &args[traced], params, &args[traced]);
    }
    if (status == PYAD_OK)
        status = complex_number(&engine->tape, re, im, dtype, &args[1 - traced]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 2, args, NULL, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_op(int op, int nargs, const int64_t *args, int param_count, const int64_t *params)
{
    pyad_engine *engine = pyad_engine_here();
    enum { MOST = 8 * PYAD_MAX_NDIM };
    int64_t counted[MOST + 1];
    const uint32_t *nodes;
    uint32_t node = 0;
    pyad_status status = pyad_engine_nodes(engine, nargs, args, &nodes);
    if (status == PYAD_OK && param_count > MOST)
        status = pyad_fail(&engine->message, PYAD_ERR_VALUE, "%d static parameters, at most %d", param_count, MOST);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    counted[0] = param_count;
    if (param_count > 0)
        memcpy(counted + 1, params, (size_t)param_count * sizeof *params);
    status = pyad_record(&engine->recorder, op, nargs, nodes, param_count >= 0 ? counted : NULL, &node);
    return pyad_engine_handle(engine, status, node);
}

/* The numbers of kernels are not the caller's to use, and a node has room for so many operands. */
static pyad_status check_ran(int op, int nargs)
{
    pyad_engine *engine = pyad_engine_here();
    if (op < PYAD_KERNEL_COUNT || op > UINT16_MAX)
        return pyad_fail(&engine->message, PYAD_ERR_VALUE, "operation %d cannot be the caller's own", op);
    if (nargs < 0 || nargs > UINT16_MAX)
        return pyad_fail(&engine->message, PYAD_ERR_VALUE, "%d operands, at most %d", nargs, UINT16_MAX);
    return PYAD_OK;
}

int64_t pyad_op_ran(int op, int nargs, const int64_t *args, int64_t param, int dtype, int ndim, const int64_t *shape,
                    void *data)
{
    pyad_engine *engine = pyad_engine_here();
    const uint32_t *nodes;
    uint32_t node = 0;
    int64_t params[2] = {1, param};
    pyad_layout_any any;
    pyad_status status = pyad_engine_nodes(engine, nargs, args, &nodes);
    if (status == PYAD_OK)
        status = pyad_engine_layout(engine, dtype, ndim, shape, NULL, &any);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    pyad_value value = {pyad_layout_keep(&engine->tape.arena, &any.layout), data, NULL};
    if (value.layout == NULL)
        return pyad_engine_failed(PYAD_ERR_MEMORY);
    status = check_ran(op, nargs);
    if (status == PYAD_OK)
        status = pyad_record_value(&engine->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, params, value, &node);
    return pyad_engine_handle(engine, status, node);
}

static int64_t ran_node(int op, int nargs, const int64_t *args, int64_t param, int64_t value, bool traced)
{
    pyad_engine *engine = pyad_engine_here();
    const uint32_t *nodes;
    uint32_t node = 0;
    uint32_t source = 0;
    int64_t params[3] = {1, param, 0};
    pyad_status status = pyad_engine_node(engine, value, &source);
    if (status == PYAD_OK)
        status = pyad_engine_nodes(engine, nargs, args, &nodes);
    if (status == PYAD_OK)
        status = check_ran(op, nargs);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    if (traced && engine->tape.recording_program) {
        params[0] = 2;
        params[2] = source;
    }
    pyad_value same = engine->tape.value[source];
    pyad_tape_share(&engine->tape, source);
    if (same.buffer != NULL)
        pyad_buffer_retain(same.buffer);
    status = pyad_record_value(&engine->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, params, same, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_op_ran_node(int op, int nargs, const int64_t *args, int64_t param, int64_t value)
{
    return ran_node(op, nargs, args, param, value, false);
}

int64_t pyad_op_traced(int op, int nargs, const int64_t *args, int64_t param, int64_t value)
{
    return ran_node(op, nargs, args, param, value, true);
}

int64_t pyad_op_given(int op, int nargs, const int64_t *args, int param_count, const int64_t *params, int64_t value)
{
    pyad_engine *engine = pyad_engine_here();
    enum { MOST = 8 * PYAD_MAX_NDIM };
    int64_t counted[MOST + 1];
    const uint32_t *nodes;
    uint32_t node = 0;
    uint32_t source = 0;
    pyad_status status = pyad_engine_node(engine, value, &source);
    if (status == PYAD_OK)
        status = pyad_engine_nodes(engine, nargs, args, &nodes);
    if (status == PYAD_OK && (op < 0 || op >= PYAD_KERNEL_COUNT || op == PYAD_KERNEL_ALIAS || param_count > MOST))
        status = pyad_fail(&engine->message, PYAD_ERR_VALUE, "operation %d has no value to be given", op);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    counted[0] = param_count;
    if (param_count > 0)
        memcpy(counted + 1, params, (size_t)param_count * sizeof *params);
    status = pyad_kernel_check(&engine->message, op, param_count >= 0 ? counted : NULL, nargs);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    pyad_value same = engine->tape.value[source];
    if (same.buffer != NULL)
        pyad_buffer_retain(same.buffer);
    status = pyad_record_value(&engine->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, param_count >= 0 ? counted : NULL,
                               same, &node);
    return pyad_engine_handle(engine, status, node);
}

void pyad_drop(int64_t handle)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    /* Called by a finalizer, which may run on any thread and long after the tape was cut. */
    if (engine != NULL && pyad_tape_find(&engine->tape, handle, &node))
        pyad_tape_release(&engine->tape, node);
}
