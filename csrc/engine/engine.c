/* The engine: its life, the names it knows, and what the files of the API share. */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/thread_pool.h"
#include "compile/graph/graph.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "primitives/info.h"

static _Thread_local pyad_engine *here;

pyad_engine *pyad_engine_here(void)
{
    return here;
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

int pyad_set_num_threads(int64_t count)
{
    return pyad_thread_pool_resize(count);
}

int pyad_num_threads(void)
{
    return pyad_thread_pool_size();
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

int64_t pyad_engine_handle(const pyad_engine *engine, pyad_status status, uint32_t node)
{
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    int64_t handle = pyad_tape_handle(&engine->tape, node);
    return engine->tape.value[node].buffer != NULL ? handle | PYAD_HANDLE_LARGE : handle;
}

/* ---- failures ---- */

pyad_status pyad_engine_out_of_memory(pyad_engine *engine)
{
    return pyad_fail(&engine->message, PYAD_ERR_MEMORY, "out of memory");
}

/* Gives the words to a failure that has none of its own. */
int pyad_engine_explained(pyad_engine *engine, pyad_status status)
{
    if (status == PYAD_ERR_MEMORY)
        return (int)pyad_engine_out_of_memory(engine);
    return (int)status;
}

/* ---- sweeps ---- */

pyad_status pyad_engine_no_sweep(pyad_engine *engine)
{
    return pyad_fail(&engine->message, PYAD_ERR_STATE, "no sweep is under way");
}

/* The innermost sweep, if it is one of the tape in place: one that was entered since knows nothing of its nodes. */
pyad_sweep *pyad_engine_sweep_here(const pyad_engine *engine)
{
    bool elsewhere = engine->entered != NULL && engine->entered->sweeps >= engine->sweep_count;
    return elsewhere ? NULL : engine->sweep;
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
