/* Compiled programs, as the binding sees them. */
#include <string.h>

#include "compile/replay/replay.h"
#include "engine/engine.h"
#include "kernels/kernels.h"

/* What all threads share; only read once it is made. */
struct pyad_compiled {
    _Atomic int64_t refs; /* the caller's, and one of each instance */
    pyad_mem mem;
    pyad_arena arena;
    pyad_graph recorded;
    pyad_graph graph;
    pyad_plan plan;
    size_t counts[PYAD_PASSES_MOST];
    int64_t *action_of; /* per node of the optimised graph */
    size_t action_bytes;
};

struct pyad_instance {
    pyad_compiled *compiled;
    pyad_mem mem;
    pyad_replay replay;
};

/* ---- while recording ---- */

int pyad_record_program(int on)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    engine->tape.staging = on != 0;
    engine->guard_count = 0;
    return PYAD_OK;
}

int pyad_is_recording_program(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL && engine->tape.staging;
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
    engine->guards[engine->guard_count++] = (pyad_gsink){.kind = PYAD_G_GUARD, .node = node, .expected = copy};
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
    return pyad_engine_answer(engine, status, node);
}

/* ---- making a program ---- */

typedef struct taking {
    pyad_engine *engine;
    uint32_t *inputs;
    pyad_gsink *sinks;
    int sink_count;
} taking;

static pyad_status take_sinks(taking *t, const pyad_interface *what)
{
    for (size_t k = 0; k < t->engine->guard_count; k++)
        t->sinks[t->sink_count++] = t->engine->guards[k];
    for (int k = 0; k < what->result_count; k++) {
        pyad_gsink *sink = &t->sinks[t->sink_count++];
        *sink = (pyad_gsink){.kind = PYAD_G_RESULT, .number = (uint32_t)k};
        PYAD_TRY(pyad_engine_node(t->engine, what->results[k], &sink->node));
    }
    for (int k = 0; k < what->store_count; k++) {
        pyad_gsink *sink = &t->sinks[t->sink_count++];
        *sink = (pyad_gsink){.kind = PYAD_G_STORE, .number = (uint32_t)what->stored[k]};
        PYAD_TRY(pyad_engine_node(t->engine, what->stores[k], &sink->node));
    }
    for (int k = 0; k < what->input_count; k++)
        PYAD_TRY(pyad_engine_node(t->engine, what->inputs[k], &t->inputs[k]));
    return PYAD_OK;
}

static pyad_status note_actions(pyad_compiled *c)
{
    c->action_bytes = (c->graph.count + 1) * sizeof *c->action_of;
    c->action_of = pyad_mem_calloc(&c->mem, c->action_bytes);
    if (c->action_of == NULL)
        return PYAD_ERR_MEMORY;
    for (size_t node = 0; node < c->graph.count; node++)
        c->action_of[node] = -1;
    for (size_t a = 0; a < c->plan.action_count; a++) {
        const pyad_action *action = &c->plan.actions[a];
        for (uint32_t i = 0; i < action->count; i++)
            c->action_of[c->plan.members[action->first + i]] = (int64_t)a;
    }
    return PYAD_OK;
}

static pyad_status copy_node(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph,
                             const uint32_t *args, uint32_t *number)
{
    (void)context;
    return pyad_graph_copy_node(old, node, graph, args, number);
}

static pyad_status build(pyad_compiled *c, const pyad_tape *tape, const pyad_lift *lift)
{
    PYAD_TRY(pyad_graph_lift(&c->recorded, tape, lift));
    PYAD_TRY(pyad_graph_rewrite(&c->recorded, &c->graph, copy_node, NULL));
    PYAD_TRY(pyad_passes_run(&c->graph, c->counts));
    PYAD_TRY(pyad_plan_make(&c->plan, &c->mem, &c->graph));
    return note_actions(c);
}

static pyad_compiled *make(pyad_engine *engine, const pyad_lift *lift)
{
    pyad_hook hook = engine->mem.hook;
    pyad_compiled *c = hook.resize(hook.user, NULL, 0, sizeof *c);
    pyad_status status = PYAD_ERR_MEMORY;
    if (c != NULL) {
        memset(c, 0, sizeof *c);
        c->refs = 1;
        pyad_mem_init(&c->mem, hook);
        pyad_arena_init(&c->arena, &c->mem);
        pyad_graph_init(&c->recorded, &c->mem, &c->arena);
        pyad_graph_init(&c->graph, &c->mem, &c->arena);
        status = build(c, &engine->tape, lift);
    }
    if (status == PYAD_OK)
        return c;
    pyad_fail(&engine->message, status,
              status == PYAD_ERR_MEMORY ? "out of memory while compiling a program"
                                        : "a program could not be compiled (status %d)",
              (int)status);
    pyad_compiled_free(c);
    return NULL;
}

pyad_compiled *pyad_compile(const pyad_interface *what)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return NULL;
    taking t = {.engine = engine};
    size_t sinks = engine->guard_count + (size_t)what->result_count + (size_t)what->store_count;
    size_t sink_bytes = (sinks + 1) * sizeof *t.sinks;
    size_t input_bytes = ((size_t)what->input_count + 1) * sizeof *t.inputs;
    t.sinks = pyad_mem_calloc(&engine->mem, sink_bytes);
    t.inputs = pyad_mem_calloc(&engine->mem, input_bytes);
    pyad_compiled *compiled = NULL;
    if (t.sinks == NULL || t.inputs == NULL)
        pyad_fail(&engine->message, PYAD_ERR_MEMORY, "out of memory while compiling a program");
    else if (take_sinks(&t, what) == PYAD_OK)
        compiled = make(engine, &(pyad_lift){what->input_count, t.inputs, t.sink_count, t.sinks});
    pyad_mem_free(&engine->mem, t.sinks, sink_bytes);
    pyad_mem_free(&engine->mem, t.inputs, input_bytes);
    return compiled;
}

void pyad_compiled_free(pyad_compiled *c)
{
    if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    pyad_hook hook = c->mem.hook;
    pyad_mem_free(&c->mem, c->action_of, c->action_bytes);
    pyad_plan_finish(&c->plan);
    pyad_graph_finish(&c->recorded);
    pyad_graph_finish(&c->graph);
    pyad_arena_finish(&c->arena);
    pyad_mem_finish(&c->mem);
    hook.resize(hook.user, c, sizeof *c, 0);
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
    for (size_t k = 0; k < c->graph.sink_count; k++) {
        bool is_guard = c->graph.sinks[k].kind == PYAD_G_GUARD;
        info->guards += is_guard;
        info->float_guards += is_guard && c->graph.nodes[c->graph.sinks[k].node].layout->dtype >= PYAD_F32;
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

int pyad_compiled_output(const pyad_compiled *c, int sink, int64_t *node, int *kind, int *number)
{
    if (sink < 0 || sink >= (int)c->graph.sink_count)
        return 0;
    *node = c->graph.sinks[sink].node;
    *kind = c->graph.sinks[sink].kind;
    *number = (int)c->graph.sinks[sink].number;
    return 1;
}

/* ---- running it ---- */

pyad_instance *pyad_instance_new(pyad_compiled *compiled)
{
    pyad_hook hook = pyad_hook_default;
    pyad_instance *instance = hook.resize(hook.user, NULL, 0, sizeof *instance);
    if (instance == NULL)
        return NULL;
    memset(instance, 0, sizeof *instance);
    instance->compiled = compiled;
    atomic_fetch_add(&compiled->refs, 1);
    pyad_mem_init(&instance->mem, hook);
    if (pyad_replay_make(&instance->replay, &instance->mem, &compiled->plan) == PYAD_OK)
        return instance;
    pyad_instance_free(instance);
    return NULL;
}

void pyad_instance_free(pyad_instance *instance)
{
    if (instance == NULL)
        return;
    pyad_hook hook = instance->mem.hook;
    pyad_replay_finish(&instance->replay);
    pyad_mem_finish(&instance->mem);
    pyad_compiled_free(instance->compiled);
    hook.resize(hook.user, instance, sizeof *instance, 0);
}

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
    return pyad_replay_settle(&instance->replay);
}

int64_t pyad_instance_stopped(const pyad_instance *instance)
{
    return instance->replay.stopped;
}

void *pyad_instance_data(const pyad_instance *instance, int64_t node, pyad_info *info)
{
    const pyad_value *value = &instance->replay.values[node];
    *info = (pyad_info){
        .dtype = value->layout->dtype,
        .ndim = value->layout->ndim,
        .shape = pyad_shape(value->layout),
        .strides = pyad_strides(value->layout),
        .data = value->data,
        .size = value->layout->size,
        .is_contiguous = value->layout->contiguous,
    };
    return value->data;
}

const char *pyad_instance_message(const pyad_instance *instance)
{
    return instance->replay.message.text;
}
