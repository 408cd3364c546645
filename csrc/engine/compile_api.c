/* Compiled programs as the caller drives them: recording, compiling, inspecting and running. */
#include "compile/compiled.h"
#include "engine/engine.h"
#include "kernels/kernels.h"

/* ---- while recording ---- */

int pyad_record_program(int on)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    engine->tape.recording_program = on != 0;
    engine->guard_count = 0;
    return PYAD_OK;
}

int pyad_is_recording_program(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL && engine->tape.recording_program;
}

int pyad_is_symbolic(int64_t handle)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node;
    return engine != NULL && pyad_tape_find(&engine->tape, handle, &node) &&
           (engine->tape.flags[node] & PYAD_NODE_SYMBOLIC) != 0;
}

int pyad_guard(int64_t handle)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    PYAD_TRY(pyad_engine_node(engine, handle, &node));
    const pyad_value *value = &engine->tape.value[node];
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, value->layout->dtype, value->layout->ndim, pyad_shape(value->layout)));
    void *copy = pyad_arena_alloc(&engine->tape.arena, pyad_layout_bytes(value->layout));
    if (copy == NULL)
        return PYAD_ERR_MEMORY;
    pyad_copy((pyad_view){&flat.layout, copy}, pyad_value_view(value));
    PYAD_TRY(pyad_mem_grow(&engine->mem, (void **)&engine->guards, &engine->guard_capacity, engine->guard_count + 1,
                           sizeof *engine->guards));
    engine->guards[engine->guard_count++] = (pyad_goutput){.kind = PYAD_G_GUARD, .node = node, .expected = copy};
    return PYAD_OK;
}

int64_t pyad_without_derivative(int64_t of)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, of, &node);
    if (status == PYAD_OK)
        status = pyad_record_same(&engine->recorder, node, &node);
    if (status == PYAD_OK)
        engine->tape.flags[node] |= PYAD_NODE_CONST;
    return pyad_engine_handle(engine, status, node);
}

/* ---- making a program ---- */

typedef struct taking {
    pyad_engine *engine;
    uint32_t *inputs;
    pyad_goutput *outputs;
    int output_count;
} taking;

static pyad_status take_outputs(taking *t, const pyad_interface *what)
{
    for (size_t k = 0; k < t->engine->guard_count; k++)
        t->outputs[t->output_count++] = t->engine->guards[k];
    for (int k = 0; k < what->result_count; k++) {
        pyad_goutput *output = &t->outputs[t->output_count++];
        *output = (pyad_goutput){.kind = PYAD_G_RESULT, .number = (uint32_t)k};
        PYAD_TRY(pyad_engine_node(t->engine, what->results[k], &output->node));
    }
    for (int k = 0; k < what->store_count; k++) {
        pyad_goutput *output = &t->outputs[t->output_count++];
        *output = (pyad_goutput){.kind = PYAD_G_STORE, .number = (uint32_t)what->stored[k]};
        PYAD_TRY(pyad_engine_node(t->engine, what->stores[k], &output->node));
    }
    for (int k = 0; k < what->input_count; k++)
        PYAD_TRY(pyad_engine_node(t->engine, what->inputs[k], &t->inputs[k]));
    return PYAD_OK;
}

static pyad_compiled *make(pyad_engine *engine, const pyad_lift *lift)
{
    pyad_compiled *compiled;
    pyad_status status = pyad_compiled_new(engine->mem.hook, &engine->tape, lift, &compiled);
    if (status != PYAD_OK)
        pyad_fail(&engine->message, status,
                  status == PYAD_ERR_MEMORY ? "out of memory while compiling a program"
                                            : "a program could not be compiled (status %d)",
                  (int)status);
    return compiled;
}

pyad_compiled *pyad_compile(const pyad_interface *what)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return NULL;
    taking t = {.engine = engine};
    size_t outputs = engine->guard_count + (size_t)what->result_count + (size_t)what->store_count;
    size_t output_bytes = (outputs + 1) * sizeof *t.outputs;
    size_t input_bytes = ((size_t)what->input_count + 1) * sizeof *t.inputs;
    t.outputs = pyad_mem_calloc(&engine->mem, output_bytes);
    t.inputs = pyad_mem_calloc(&engine->mem, input_bytes);
    pyad_compiled *compiled = NULL;
    if (t.outputs == NULL || t.inputs == NULL)
        pyad_fail(&engine->message, PYAD_ERR_MEMORY, "out of memory while compiling a program");
    else if (take_outputs(&t, what) == PYAD_OK)
        compiled = make(engine, &(pyad_lift){what->input_count, t.inputs, t.output_count, t.outputs});
    pyad_mem_free(&engine->mem, t.outputs, output_bytes);
    pyad_mem_free(&engine->mem, t.inputs, input_bytes);
    return compiled;
}

/* ---- looking at it ---- */

void pyad_compiled_count(const pyad_compiled *c, pyad_compiled_info *info)
{
    *info = (pyad_compiled_info){
        .recorded = (int64_t)c->recorded.count,
        .optimised = (int64_t)c->graph.count,
        .actions = (int64_t)c->plan.action_count,
        .arena_bytes = (int64_t)c->plan.arena_bytes,
        .stores = c->plan.direct_stores,
        .reused = c->plan.reused,
        .passes = pyad_passes_count(),
    };
    for (size_t k = 0; k < c->graph.output_count; k++) {
        bool is_guard = c->graph.outputs[k].kind == PYAD_G_GUARD;
        info->guards += is_guard;
        info->float_guards += is_guard && c->graph.nodes[c->graph.outputs[k].node].layout->dtype >= PYAD_F32;
    }
    for (size_t k = 0; k < c->graph.count; k++)
        info->calls += c->graph.nodes[k].kind == PYAD_G_CALL;
}

const char *pyad_compiled_pass(const pyad_compiled *c, int pass, int64_t *nodes)
{
    *nodes = (int64_t)c->counts[pass];
    return pyad_passes_name(pass);
}

int pyad_compiled_node(const pyad_compiled *c, int optimised, int64_t node, pyad_node_info *info)
{
    const pyad_graph *graph = optimised ? &c->graph : &c->recorded;
    if (node < 0 || node >= (int64_t)graph->count)
        return 0;
    const pyad_gnode *n = &graph->nodes[node];
    *info = (pyad_node_info){
        .kind = n->kind,
        .op = n->op,
        .number = (int)n->number,
        .nargs = (int)n->nargs,
        .args = pyad_graph_args(graph, (uint32_t)node),
        .params = n->params,
        .dtype = n->layout->dtype,
        .ndim = n->layout->ndim,
        .shape = pyad_shape(n->layout),
        .data = n->kind == PYAD_G_INPUT ? graph->inputs[n->number].data : n->data,
        .action = -1,
        .base = PYAD_BASE_NONE,
    };
    if (!optimised)
        return 1;
    info->action = c->action_of[node];
    info->base = (int)c->plan.places[node].base;
    info->offset = c->plan.places[node].offset;
    info->root = c->plan.places[node].root;
    return 1;
}

int pyad_compiled_output(const pyad_compiled *c, int output, int64_t *node, int *kind, int *number)
{
    if (output < 0 || output >= (int)c->graph.output_count)
        return 0;
    *node = c->graph.outputs[output].node;
    *kind = c->graph.outputs[output].kind;
    *number = (int)c->graph.outputs[output].number;
    return 1;
}

/* ---- running it ---- */

int pyad_instance_run(pyad_instance *instance, void *const *outside)
{
    pyad_replay_start(&instance->replay, outside);
    return (int)pyad_replay_go(&instance->replay);
}

int pyad_instance_go(pyad_instance *instance)
{
    return (int)pyad_replay_go(&instance->replay);
}

int pyad_instance_relax_guard(pyad_instance *instance)
{
    return pyad_replay_relax_guard(&instance->replay);
}

int64_t pyad_instance_stopped(const pyad_instance *instance)
{
    return instance->replay.stopped;
}

void *pyad_instance_data(const pyad_instance *instance, int64_t node, pyad_info *info)
{
    *info = pyad_value_info(&instance->replay.values[node]);
    return info->data;
}
