/* Sweeps as the caller drives them, one call at a time. */
#include <math.h>
#include <string.h>

#include "engine/unwind.h"
#include "kernels/kernels.h"

static pyad_sweep *take_sweep(pyad_engine *engine)
{
    pyad_sweep *sweep = engine->spare;
    engine->spare = NULL;
    if (sweep != NULL)
        return sweep;
    sweep = pyad_mem_calloc(&engine->mem, sizeof *sweep);
    if (sweep != NULL)
        pyad_sweep_init(sweep, &engine->mem);
    return sweep;
}

int pyad_sweep_start(int flags, int output_count, const int64_t *outputs, int input_count, const int64_t *inputs)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    size_t count = (size_t)output_count + (size_t)input_count;
    if (pyad_mem_grow(&engine->mem, (void **)&engine->index, &engine->index_capacity, count, sizeof *engine->index))
        return (int)pyad_engine_out_of_memory(engine);
    for (int k = 0; k < output_count; k++)
        PYAD_TRY(pyad_engine_node(engine, outputs[k], &engine->index[k]));
    for (int k = 0; k < input_count; k++)
        PYAD_TRY(pyad_engine_node(engine, inputs[k], &engine->index[output_count + k]));
    pyad_sweep *sweep = take_sweep(engine);
    if (sweep == NULL)
        return (int)pyad_engine_out_of_memory(engine);
    pyad_sweep_plan plan = {
        .output_count = output_count,
        .outputs = engine->index,
        .input_count = input_count,
        .inputs = engine->index + output_count,
        .forward = (flags & PYAD_SWEEP_FORWARD) != 0,
        .recorded = (flags & PYAD_SWEEP_RECORDED) != 0,
        .retain = (flags & PYAD_SWEEP_RETAIN) != 0,
    };
    pyad_status status = pyad_sweep_begin(sweep, &engine->recorder, &plan);
    if (status != PYAD_OK) {
        pyad_engine_give_sweep(engine, sweep);
        return pyad_engine_explained(engine, status);
    }
    sweep->outer = engine->sweep;
    engine->sweep = sweep;
    engine->sweep_count++;
    return PYAD_OK;
}

/* The engine, its sweep and the node of a handle: what nearly every call here needs. */
static pyad_status find(int64_t handle, pyad_engine **engine, uint32_t *node)
{
    *engine = pyad_engine_here();
    if (*engine == NULL)
        return PYAD_ERR_STALE;
    if (pyad_engine_sweep_here(*engine) == NULL)
        return pyad_engine_no_sweep(*engine);
    return pyad_engine_node(*engine, handle, node);
}

/* Says whether one of the shapes broadcasts to the other. */
static bool shapes_fit(const pyad_layout *a, const pyad_layout *b)
{
    const pyad_layout *both[2] = {a, b};
    int64_t shape[PYAD_MAX_NDIM];
    int ndim;
    if (!pyad_broadcast_shapes(2, both, shape, &ndim))
        return false;
    size_t bytes = (size_t)ndim * sizeof *shape;
    return (a->ndim == ndim && memcmp(pyad_shape(a), shape, bytes) == 0) ||
           (b->ndim == ndim && memcmp(pyad_shape(b), shape, bytes) == 0);
}

int pyad_sweep_give(int64_t node, int64_t value)
{
    pyad_engine *engine;
    uint32_t target = 0;
    uint32_t given = 0;
    PYAD_TRY(find(node, &engine, &target));
    PYAD_TRY(pyad_engine_node(engine, value, &given));
    const pyad_layout *want = engine->tape.value[target].layout;
    const pyad_layout *have = engine->tape.value[given].layout;
    if (want->dtype != have->dtype)
        return (int)pyad_fail(&engine->message, PYAD_ERR_DTYPE, "a derivative has dtype %s, expected %s",
                              pyad_dtype_name(have->dtype), pyad_dtype_name(want->dtype));
    if (!shapes_fit(want, have)) {
        char want_text[160];
        char have_text[160];
        return (int)pyad_fail(&engine->message, PYAD_ERR_SHAPE, "a derivative has shape %s, expected %s",
                              pyad_shape_text(have, have_text, sizeof have_text),
                              pyad_shape_text(want, want_text, sizeof want_text));
    }
    /* A recorded sweep goes on with the node itself, whose holder may drop it before. */
    if (engine->sweep->recorded && engine->tape.value[given].buffer != NULL)
        engine->tape.flags[given] |= PYAD_NODE_SAVED;
    return pyad_engine_explained(engine, pyad_sweep_add(engine->sweep, target, given));
}

int pyad_sweep_seed(int64_t handle, int64_t value)
{
    return pyad_sweep_give(handle, value);
}

int pyad_sweep_seed_ones(int64_t handle)
{
    pyad_engine *engine;
    uint32_t node = 0;
    uint32_t one;
    PYAD_TRY(find(handle, &engine, &node));
    pyad_status status = pyad_tape_number(&engine->tape, 1.0, engine->tape.value[node].layout->dtype, &one);
    if (status == PYAD_OK)
        status = pyad_sweep_add(engine->sweep, node, one);
    return pyad_engine_explained(engine, status);
}

int pyad_sweep_go(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    if (pyad_engine_sweep_here(engine) == NULL)
        return (int)pyad_engine_no_sweep(engine);
    return pyad_engine_explained(engine, pyad_sweep_run(engine->sweep));
}

/* ---- ending sweeps ---- */

int pyad_sweep_level(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL ? engine->sweep_count : 0;
}

void pyad_sweep_return(int level)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine != NULL)
        pyad_engine_return(engine, level);
}

void pyad_sweep_stop_at(int level)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return;
    pyad_engine_return(engine, level);
    pyad_engine_pop_sweeps(engine, level - 1);
}

void pyad_sweep_stop(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine != NULL && engine->sweep_count > 0)
        pyad_sweep_stop_at(engine->sweep_count);
}

int pyad_sweep_gradient(int flags, int64_t output, int input_count, const int64_t *inputs)
{
    PYAD_TRY(pyad_sweep_start(flags, 1, &output, input_count, inputs));
    int status = pyad_sweep_seed_ones(output);
    if (status == PYAD_OK)
        status = pyad_sweep_go();
    if (status != PYAD_OK && status != PYAD_CALL_PYTHON)
        pyad_sweep_stop();
    return status;
}

int pyad_sweep_wants(int64_t *node)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL || pyad_engine_sweep_here(engine) == NULL || engine->sweep->call == PYAD_CALL_NONE)
        return 0;
    *node = pyad_tape_handle(&engine->tape, engine->sweep->call_node);
    return (int)engine->sweep->call;
}

int64_t pyad_sweep_value(int64_t node)
{
    pyad_engine *engine;
    uint32_t index = 0;
    bool there = false;
    uint32_t value = 0;
    pyad_status status = find(node, &engine, &index);
    if (status == PYAD_OK)
        status = pyad_sweep_node(engine->sweep, index, &there, &value);
    if (status != PYAD_OK)
        return PYAD_FAILED + pyad_engine_explained(engine, status);
    return there ? pyad_tape_handle(&engine->tape, value) : 0;
}

int pyad_sweep_needs(int64_t node)
{
    pyad_engine *engine;
    uint32_t index = 0;
    if (find(node, &engine, &index) != PYAD_OK)
        return 0;
    return pyad_sweep_slot(engine->sweep, index) != NULL;
}

int pyad_sweep_verify(int64_t node, const char *name)
{
    pyad_engine *engine;
    uint32_t index = 0;
    PYAD_TRY(find(node, &engine, &index));
    pyad_tape *tape = &engine->tape;
    for (int k = 0; k < tape->nargs[index]; k++) {
        uint32_t operand = pyad_tape_args(tape, index)[k];
        pyad_status status = pyad_tape_verify(tape, operand);
        if (status == PYAD_ERR_MUTATED)
            return (int)pyad_sweep_fail_changed(engine->sweep, operand, name);
        if (status != PYAD_OK)
            return (int)status;
    }
    return PYAD_OK;
}

static pyad_status copy_slot(pyad_engine *engine, uint32_t node, void *to)
{
    const pyad_slot *slot = pyad_sweep_slot(engine->sweep, node);
    const pyad_layout *layout = engine->tape.value[node].layout;
    if (slot == NULL || slot->state == PYAD_SLOT_EMPTY) {
        memset(to, 0, pyad_layout_bytes(layout));
        return PYAD_OK;
    }
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, layout->dtype, layout->ndim, pyad_shape(layout)));
    const pyad_value *value = engine->sweep->recorded ? &engine->tape.value[slot->node] : &slot->value;
    pyad_copy((pyad_view){&flat.layout, to}, pyad_value_view(value));
    return PYAD_OK;
}

int pyad_sweep_copy(int64_t node, void *to)
{
    pyad_engine *engine;
    uint32_t index = 0;
    PYAD_TRY(find(node, &engine, &index));
    return pyad_engine_explained(engine, copy_slot(engine, index, to));
}

double pyad_sweep_number(int64_t node)
{
    pyad_engine *engine;
    uint32_t index = 0;
    if (find(node, &engine, &index) != PYAD_OK)
        return NAN;
    const pyad_slot *slot = pyad_sweep_slot(engine->sweep, index);
    if (slot == NULL || slot->state == PYAD_SLOT_EMPTY)
        return 0.0;
    return pyad_value_number(engine->sweep->recorded ? &engine->tape.value[slot->node] : &slot->value);
}

int pyad_sweep_share(int64_t node, pyad_buffer **cell)
{
    pyad_engine *engine;
    uint32_t index = 0;
    if (find(node, &engine, &index) != PYAD_OK || engine->sweep->recorded)
        return 0;
    const pyad_slot *slot = pyad_sweep_slot(engine->sweep, index);
    if (slot == NULL || slot->state != PYAD_SLOT_OWNED)
        return 0;
    return pyad_share_value(&slot->value, cell);
}
