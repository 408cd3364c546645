/* The engine: its life, the tape, recording. */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/thread_pool.h"
#include "compile/graph/graph.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"

static _Thread_local pyad_engine *here;

pyad_engine *pyad_engine_here(void)
{
    return here;
}

/* Counts allocations down, so that a test can make any one of them fail. */
static void *counting_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    pyad_engine *engine = user;
    /* What was made through this hook may be freed through it after the engine has gone. */
    if (new_size > old_size && engine->fail_after >= 0) {
        if (engine->fail_after == 0)
            return NULL;
        engine->fail_after--;
    }
    return pyad_hook_default.resize(NULL, block, old_size, new_size);
}

pyad_engine *pyad_engine_new(void)
{
    pyad_engine *engine = pyad_hook_default.resize(NULL, NULL, 0, sizeof *engine);
    if (engine == NULL)
        return NULL;
    memset(engine, 0, sizeof *engine);
    engine->fail_after = -1;
    pyad_mem_init(&engine->mem, pyad_hook_default);
    pyad_rules_init(&engine->rules, &engine->mem);
    pyad_tape_init(&engine->tape, &engine->mem);
    pyad_tape_init(&engine->rule_tape, &engine->mem);
    engine->recorder = (pyad_recorder){&engine->tape, &engine->rules, &engine->message};
    return engine;
}

static void free_sweep(pyad_engine *engine, pyad_sweep *sweep)
{
    if (sweep == NULL)
        return;
    pyad_sweep_finish(sweep, &engine->mem);
    pyad_mem_free(&engine->mem, sweep, sizeof *sweep);
}

void pyad_engine_free(pyad_engine *engine)
{
    if (engine == NULL)
        return;
    if (here == engine)
        here = NULL;
    while (engine->sweep != NULL) {
        pyad_sweep *outer = engine->sweep->outer;
        free_sweep(engine, engine->sweep);
        engine->sweep = outer;
    }
    free_sweep(engine, engine->spare);
    while (engine->saved != NULL) {
        pyad_saved_tape *saved = engine->saved;
        engine->saved = saved->next;
        pyad_tape_finish(&saved->tape);
        pyad_mem_free(&engine->mem, saved, sizeof *saved);
    }
    pyad_tape_finish(&engine->tape);
    pyad_tape_finish(&engine->rule_tape);
    pyad_rules_finish(&engine->rules);
    pyad_mem_free(&engine->mem, engine->guards, engine->guard_capacity * sizeof *engine->guards);
    pyad_mem_free(&engine->mem, engine->index, engine->index_capacity * sizeof *engine->index);
    pyad_mem_finish(&engine->mem);
    pyad_hook_default.resize(NULL, engine, sizeof *engine, 0);
}

void pyad_engine_enter(pyad_engine *engine)
{
    here = engine;
}

const char *pyad_last_message(void)
{
    return here != NULL ? here->message.text : "";
}

int pyad_kernel_count(void)
{
    return PYAD_KERNEL_COUNT;
}

const char *pyad_kernel_label(int kernel)
{
    return pyad_kernel_name(kernel);
}

int pyad_kernel_find(const char *name)
{
    for (int kernel = 0; kernel < PYAD_KERNEL_COUNT; kernel++) {
        if (strcmp(name, pyad_kernel_name(kernel)) == 0)
            return kernel;
    }
    return -1;
}

int pyad_blas_set(const char *library, int load, char *words, size_t size)
{
    pyad_message message = {""};
    pyad_status status = pyad_blas_use(&message, library, load != 0);
    snprintf(words, size, "%s", message.text);
    return (int)status;
}

void pyad_blas_get(pyad_blas_info *out)
{
    pyad_blas_name name = pyad_blas_in_use();
    *out = (pyad_blas_info){name.function, name.file, name.bits};
}

const char *pyad_isa_name(void)
{
    return pyad_isa()->name;
}

int pyad_set_num_threads(int64_t count)
{
    return pyad_thread_pool_resize(count);
}

int pyad_num_threads(void)
{
    return pyad_thread_pool_size();
}

/* ---- handles ---- */

static pyad_status stale(pyad_engine *engine)
{
    return pyad_fail(engine != NULL ? &engine->message : NULL, PYAD_ERR_STALE,
                     "a traced value is not on this thread's tape (any more)");
}

pyad_status pyad_engine_node(pyad_engine *engine, int64_t handle, uint32_t *node)
{
    if (engine == NULL || !pyad_tape_find(&engine->tape, handle, node))
        return stale(engine);
    return PYAD_OK;
}

pyad_status pyad_engine_nodes(pyad_engine *engine, int count, const int64_t *handles, const uint32_t **nodes)
{
    if (engine == NULL)
        return PYAD_ERR_STALE;
    PYAD_TRY(pyad_mem_grow(&engine->mem, (void **)&engine->index, &engine->index_capacity, (size_t)count,
                           sizeof *engine->index));
    for (int k = 0; k < count; k++)
        PYAD_TRY(pyad_engine_node(engine, handles[k], &engine->index[k]));
    *nodes = engine->index;
    return PYAD_OK;
}

pyad_status pyad_engine_layout(pyad_engine *engine, int dtype, int ndim, const int64_t *shape, const int64_t *strides,
                               pyad_layout_any *out)
{
    pyad_status status = strides != NULL ? pyad_layout_fill_strided(out, dtype, ndim, shape, strides)
                                         : pyad_layout_fill(out, dtype, ndim, shape);
    if (status == PYAD_ERR_DTYPE)
        return pyad_fail(&engine->message, status, "there is no dtype %d", dtype);
    if (status == PYAD_ERR_VALUE)
        return pyad_fail(&engine->message, status, "an array has up to %d dimensions, none below zero; this one has %d",
                         PYAD_MAX_NDIM, ndim);
    return status;
}

int64_t pyad_engine_failed(pyad_status status)
{
    if (status == PYAD_ERR_MEMORY && here != NULL)
        pyad_fail(&here->message, status, "out of memory");
    return PYAD_FAILED + (int64_t)status;
}

int64_t pyad_engine_answer(const pyad_engine *engine, pyad_status status, uint32_t node)
{
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    int64_t handle = pyad_tape_handle(&engine->tape, node);
    return engine->tape.value[node].buffer != NULL ? handle | PYAD_HANDLE_LARGE : handle;
}

/* ---- the tape ---- */

int pyad_is_outer(int64_t handle, int64_t floor)
{
    uint32_t node = 0;
    if (pyad_engine_node(here, handle, &node) != PYAD_OK)
        return 0;
    bool is_const = here->tape.flags[node] & PYAD_NODE_CONST;
    if (here->tape.flags[node] & PYAD_NODE_SYMBOLIC)
        return 1;
    return !is_const && here->tape.oldest[node] < floor;
}

int64_t pyad_node_count(void)
{
    return here != NULL ? here->tape.count : 0;
}

/* ---- recording ---- */

int64_t pyad_lend(int flags, int dtype, int ndim, const int64_t *shape, const int64_t *strides, void *data)
{
    pyad_layout_any any;
    uint32_t node = 0;
    if (here == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_status status = pyad_engine_layout(here, dtype, ndim, shape, strides, &any);
    uint8_t kind = flags & PYAD_LEND_CONST ? PYAD_NODE_CONST : 0;
    if (status == PYAD_OK && (uintptr_t)data % pyad_dtype_align(dtype) != 0)
        status = pyad_fail(&here->message, PYAD_ERR_VALUE, "memory is not aligned to its dtype");
    if (status == PYAD_OK)
        status = pyad_tape_lend(&here->tape, kind, &any.layout, data, &node);
    return pyad_engine_answer(here, status, node);
}

int64_t pyad_leaf_number(int flags, double number, int dtype)
{
    if (here == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_layout_any any;
    pyad_status checked = pyad_engine_layout(here, dtype, 0, NULL, NULL, &any);
    if (checked != PYAD_OK)
        return pyad_engine_failed(checked);
    pyad_value value = {pyad_layout_scalar(dtype), pyad_arena_alloc(&here->tape.arena, pyad_dtype_size(dtype)), NULL};
    uint32_t node = 0;
    if (value.data == NULL)
        return pyad_engine_failed(PYAD_ERR_MEMORY);
    pyad_copy(pyad_value_view(&value), (pyad_view){pyad_layout_scalar(PYAD_F64), &number});
    uint16_t kind = flags & PYAD_LEND_CONST ? PYAD_NODE_CONST : 0;
    if (flags & PYAD_LEND_SYMBOLIC)
        kind |= PYAD_NODE_SYMBOLIC;
    pyad_status status = pyad_tape_reserve(&here->tape, 0);
    if (status == PYAD_OK)
        node = pyad_tape_push(&here->tape, PYAD_KERNEL_ALIAS, kind | PYAD_NODE_LEAF, 0, NULL, NULL, value);
    return pyad_engine_answer(here, status, node);
}

int64_t pyad_const_number(double number, int dtype)
{
    uint32_t node = 0;
    if (here == NULL)
        return pyad_engine_failed(PYAD_ERR_STALE);
    pyad_layout_any any;
    pyad_status status = pyad_engine_layout(here, dtype, 0, NULL, NULL, &any);
    if (status == PYAD_OK)
        status = pyad_tape_number(&here->tape, number, dtype, &node);
    return pyad_engine_answer(here, status, node);
}

int64_t pyad_alias(int64_t of)
{
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(here, of, &node);
    if (status == PYAD_OK)
        status = pyad_record_alias(&here->recorder, node, &node);
    return pyad_engine_answer(here, status, node);
}

int64_t pyad_same(int64_t of)
{
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(here, of, &node);
    if (status == PYAD_OK)
        status = pyad_record_same(&here->recorder, node, &node);
    return pyad_engine_answer(here, status, node);
}

int pyad_is_long(int64_t handle)
{
    enum { LONG_BYTES = 1 << 15 };
    uint32_t node = 0;
    if (here == NULL || !pyad_tape_find(&here->tape, handle, &node))
        return 0;
    return pyad_layout_bytes(here->tape.value[node].layout) >= LONG_BYTES;
}

int pyad_any_is_long(int count, const int64_t *handles)
{
    for (int k = 0; k < count; k++) {
        if (pyad_is_long(handles[k]))
            return 1;
    }
    return 0;
}

int64_t pyad_op1(int op, int64_t a)
{
    pyad_engine *engine = here;
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, a, &node);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 1, &node, NULL, &node);
    return pyad_engine_answer(engine, status, node);
}

int64_t pyad_op2(int op, int64_t a, int64_t b)
{
    pyad_engine *engine = here;
    uint32_t args[2];
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, a, &args[0]);
    if (status == PYAD_OK)
        status = pyad_engine_node(engine, b, &args[1]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 2, args, NULL, &node);
    return pyad_engine_answer(engine, status, node);
}

int64_t pyad_op3(int op, int64_t a, int64_t b, int64_t c)
{
    pyad_engine *engine = here;
    uint32_t args[3];
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, a, &args[0]);
    if (status == PYAD_OK)
        status = pyad_engine_node(engine, b, &args[1]);
    if (status == PYAD_OK)
        status = pyad_engine_node(engine, c, &args[2]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 3, args, NULL, &node);
    return pyad_engine_answer(engine, status, node);
}

static int64_t op_with_number(int op, int64_t traced, double number, int place)
{
    pyad_engine *engine = here;
    uint32_t args[2];
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, traced, &args[1 - place]);
    if (status == PYAD_OK)
        status =
            pyad_tape_number(&engine->tape, number, engine->tape.value[args[1 - place]].layout->dtype, &args[place]);
    if (status == PYAD_OK)
        status = pyad_record(&engine->recorder, op, 2, args, NULL, &node);
    return pyad_engine_answer(engine, status, node);
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
    pyad_engine *engine = here;
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
    return pyad_engine_answer(engine, status, node);
}

int64_t pyad_op(int op, int nargs, const int64_t *args, int param_count, const int64_t *params)
{
    enum { MOST = 8 * PYAD_MAX_NDIM };
    int64_t counted[MOST + 1];
    const uint32_t *nodes;
    uint32_t node = 0;
    pyad_status status = pyad_engine_nodes(here, nargs, args, &nodes);
    if (status == PYAD_OK && param_count > MOST)
        status = pyad_fail(&here->message, PYAD_ERR_VALUE, "%d static parameters, at most %d", param_count, MOST);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    counted[0] = param_count;
    if (param_count > 0)
        memcpy(counted + 1, params, (size_t)param_count * sizeof *params);
    status = pyad_record(&here->recorder, op, nargs, nodes, param_count >= 0 ? counted : NULL, &node);
    return pyad_engine_answer(here, status, node);
}

/* The numbers of kernels are not the caller's to use, and a node has room for so many operands. */
static pyad_status check_ran(int op, int nargs)
{
    if (op < PYAD_KERNEL_COUNT || op > UINT16_MAX)
        return pyad_fail(&here->message, PYAD_ERR_VALUE, "operation %d cannot be the caller's own", op);
    if (nargs < 0 || nargs > UINT16_MAX)
        return pyad_fail(&here->message, PYAD_ERR_VALUE, "%d operands, at most %d", nargs, UINT16_MAX);
    return PYAD_OK;
}

int64_t pyad_op_ran(int op, int nargs, const int64_t *args, int64_t param, int dtype, int ndim, const int64_t *shape,
                    void *data)
{
    const uint32_t *nodes;
    uint32_t node = 0;
    int64_t params[2] = {1, param};
    pyad_layout_any any;
    pyad_status status = pyad_engine_nodes(here, nargs, args, &nodes);
    if (status == PYAD_OK)
        status = pyad_engine_layout(here, dtype, ndim, shape, NULL, &any);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    pyad_value value = {pyad_layout_keep(&here->tape.arena, &any.layout), data, NULL};
    if (value.layout == NULL)
        return pyad_engine_failed(PYAD_ERR_MEMORY);
    status = check_ran(op, nargs);
    if (status == PYAD_OK)
        status = pyad_record_value(&here->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, params, value, &node);
    return pyad_engine_answer(here, status, node);
}

static int64_t ran_node(int op, int nargs, const int64_t *args, int64_t param, int64_t value, bool traced)
{
    const uint32_t *nodes;
    uint32_t node = 0;
    uint32_t source = 0;
    int64_t params[3] = {1, param, 0};
    pyad_status status = pyad_engine_node(here, value, &source);
    if (status == PYAD_OK)
        status = pyad_engine_nodes(here, nargs, args, &nodes);
    if (status == PYAD_OK)
        status = check_ran(op, nargs);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    if (traced && here->tape.staging) {
        params[0] = 2;
        params[2] = source;
    }
    pyad_value same = here->tape.value[source];
    pyad_tape_share(&here->tape, source);
    if (same.buffer != NULL)
        pyad_buffer_retain(same.buffer);
    status = pyad_record_value(&here->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, params, same, &node);
    return pyad_engine_answer(here, status, node);
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
    enum { MOST = 8 * PYAD_MAX_NDIM };
    int64_t counted[MOST + 1];
    const uint32_t *nodes;
    uint32_t node = 0;
    uint32_t source = 0;
    pyad_status status = pyad_engine_node(here, value, &source);
    if (status == PYAD_OK)
        status = pyad_engine_nodes(here, nargs, args, &nodes);
    if (status == PYAD_OK && (op < 0 || op >= PYAD_KERNEL_COUNT || op == PYAD_KERNEL_ALIAS || param_count > MOST))
        status = pyad_fail(&here->message, PYAD_ERR_VALUE, "operation %d has no value to be given", op);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    counted[0] = param_count;
    if (param_count > 0)
        memcpy(counted + 1, params, (size_t)param_count * sizeof *params);
    status = pyad_kernel_check(&here->message, op, param_count >= 0 ? counted : NULL, nargs);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    pyad_value same = here->tape.value[source];
    if (same.buffer != NULL)
        pyad_buffer_retain(same.buffer);
    status = pyad_record_value(&here->recorder, op, PYAD_NODE_PYTHON, nargs, nodes, param_count >= 0 ? counted : NULL,
                               same, &node);
    return pyad_engine_answer(here, status, node);
}

void pyad_drop(int64_t handle)
{
    uint32_t node = 0;
    /* Called by a finalizer, which may run on any thread and long after the tape was cut. */
    if (here != NULL && pyad_tape_find(&here->tape, handle, &node))
        pyad_tape_release(&here->tape, node);
}

/* ---- memory, plain kernels, tests ---- */

void pyad_count(pyad_counters *counters)
{
    memset(counters, 0, sizeof *counters);
    if (here == NULL)
        return;
    const pyad_tape *tape = &here->tape;
    size_t per_node = sizeof *tape->op + sizeof *tape->nargs + sizeof *tape->flags + sizeof *tape->first +
                      sizeof *tape->rule + sizeof *tape->oldest + sizeof *tape->epoch + sizeof *tape->position +
                      sizeof *tape->generation + sizeof *tape->params + sizeof *tape->value;
    counters->nodes = tape->count;
    counters->tape_bytes = (int64_t)(tape->capacity * per_node + tape->args_capacity * sizeof *tape->args +
                                     pyad_arena_bytes(&tape->arena));
    counters->live_bytes = (int64_t)here->mem.live_bytes;
    counters->peak_bytes = (int64_t)here->mem.peak_bytes;
    counters->cached_bytes = (int64_t)here->mem.cached_bytes;
    counters->rules = (int64_t)here->rules.count;
    counters->copied_bytes = tape->copied;
}

void pyad_reset_peak(void)
{
    if (here != NULL)
        here->mem.peak_bytes = here->mem.live_bytes;
}

void pyad_trim(void)
{
    if (here != NULL)
        pyad_mem_trim(&here->mem);
}

void pyad_fail_after(int64_t after)
{
    if (here == NULL)
        return;
    /* Blocks made through either hook may be resized through the other. Cached buffers would hide the failure. */
    pyad_mem_trim(&here->mem);
    here->fail_after = after;
    here->mem.hook = after >= 0 ? (pyad_hook){counting_resize, here} : pyad_hook_default;
}

static pyad_status add_one(void *times, int64_t k)
{
    ((int64_t *)times)[k]++;
    return PYAD_OK;
}

int pyad_count_tasks(int64_t count, int64_t *times)
{
    return pyad_thread_pool_run(add_one, times, count);
}

void pyad_axpy(int count, const int *dtype, const int64_t *n, double a, const void *const *x, void *const *y)
{
    const pyad_isa_table *isa = pyad_isa();
    for (int k = 0; k < count; k++) {
        if (dtype[k] == PYAD_F32)
            isa->axpy_f32(n[k], (float)a, x[k], y[k]);
        else if (dtype[k] == PYAD_F64)
            isa->axpy_f64(n[k], a, x[k], y[k]);
    }
}
