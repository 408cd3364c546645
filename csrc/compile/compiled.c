/* Compiled programs and their instances. */
#include "compile/compiled.h"

#include <string.h>

/* ---- programs ---- */

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

pyad_status pyad_compiled_new(pyad_hook hook, const pyad_tape *tape, const pyad_lift *lift, pyad_compiled **out)
{
    pyad_compiled *c = hook.resize(hook.user, NULL, 0, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return PYAD_ERR_MEMORY;
    memset(c, 0, sizeof *c);
    c->refs = 1;
    pyad_mem_init(&c->mem, hook);
    pyad_arena_init(&c->arena, &c->mem);
    pyad_graph_init(&c->recorded, &c->mem, &c->arena);
    pyad_graph_init(&c->graph, &c->mem, &c->arena);
    pyad_status status = build(c, tape, lift);
    if (status == PYAD_OK)
        *out = c;
    else
        pyad_compiled_free(c);
    return status;
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

/* ---- instances ---- */

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
