/* The recording of rules: on a tape without values, which takes the place of the engine's meanwhile. */
#include <string.h>

#include "engine/unwind.h"

int pyad_rule_begin(int64_t generation)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    bool asked = pyad_engine_sweep_here(engine) != NULL && engine->sweep->call != PYAD_CALL_NONE;
    if (engine->in_rule || !asked)
        return (int)pyad_fail(&engine->message, PYAD_ERR_STATE, "no rule has been asked for");
    memset(engine->pending, 0, sizeof engine->pending);
    pyad_engine_exchange_tapes(engine);
    engine->rule_level = engine->sweep_count;
    engine->tape.abstract = true;
    pyad_status status = pyad_tape_mark(&engine->tape, generation, false);
    if (status != PYAD_OK)
        pyad_engine_exchange_tapes(engine);
    return pyad_engine_explained(engine, status);
}

int64_t pyad_rule_input(int dtype, int ndim, const int64_t *shape)
{
    pyad_engine *engine = pyad_engine_here();
    pyad_layout_any any;
    if (engine == NULL || !engine->in_rule)
        return PYAD_FAILED + PYAD_ERR_STATE;
    pyad_status status = pyad_engine_layout(engine, dtype, ndim, shape, NULL, &any);
    if (status == PYAD_OK)
        status = pyad_tape_reserve(&engine->tape, 0);
    const pyad_layout *layout = status == PYAD_OK ? pyad_layout_keep(&engine->tape.arena, &any.layout) : NULL;
    if (status == PYAD_OK && layout == NULL)
        status = PYAD_ERR_MEMORY;
    if (status != PYAD_OK)
        return PYAD_FAILED + pyad_engine_explained(engine, status);
    uint32_t node = pyad_tape_push(&engine->tape, PYAD_KERNEL_ALIAS, PYAD_NODE_LEAF, 0, NULL, NULL,
                                   (pyad_value){layout, NULL, NULL});
    return pyad_tape_handle(&engine->tape, node);
}

static pyad_status build_program(pyad_engine *engine, int input_count, int output_count, const int64_t *handles,
                                 const pyad_rule_program **program)
{
    size_t bytes = (size_t)output_count * sizeof(int64_t);
    int64_t *outputs = pyad_mem_calloc(&engine->mem, bytes);
    if (outputs == NULL)
        return PYAD_ERR_MEMORY;
    pyad_status status = PYAD_OK;
    for (int k = 0; k < output_count && status == PYAD_OK; k++) {
        uint32_t node = 0;
        if (handles[k] >= 0)
            status = pyad_engine_node(engine, handles[k], &node);
        outputs[k] = handles[k] >= 0 ? (int64_t)node : -1;
    }
    pyad_rule_recording recording = {&engine->tape, input_count, output_count, outputs};
    if (status == PYAD_OK)
        status = pyad_rule_program_build(&engine->rules, &recording, program);
    pyad_mem_free(&engine->mem, outputs, bytes);
    return status;
}

int pyad_rule_finish_program(int which, int64_t generation, int input_count, int output_count, const int64_t *outputs)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL || !engine->in_rule)
        return PYAD_ERR_STATE;
    if (which < 0 || which > PYAD_OWN_FORWARD_MOST)
        return (int)pyad_fail(&engine->message, PYAD_ERR_VALUE, "a rule has no program %d", which);
    if (input_count < 0 || output_count < 0 || (uint32_t)input_count > engine->tape.count)
        return (int)pyad_fail(&engine->message, PYAD_ERR_VALUE, "a rule with %d inputs of which %u were recorded",
                              input_count, engine->tape.count);
    pyad_status status = build_program(engine, input_count, output_count, outputs, &engine->pending[which]);
    if (status != PYAD_OK)
        return pyad_engine_explained(engine, status);
    pyad_engine_clear_rule_tape(engine);
    return pyad_engine_explained(engine, pyad_tape_mark(&engine->tape, generation, false));
}

int pyad_in_rule(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL && engine->in_rule;
}

void pyad_rule_abort(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine != NULL)
        pyad_engine_abort_rule(engine);
}

/* Says whether a program (or none) has the inputs and outputs of a rule for so many operands. */
static bool is_for(const pyad_rule_program *program, int nargs)
{
    return program == NULL || (program->input_count == nargs + 2 && program->output_count == nargs);
}

static int commit(pyad_engine *engine, pyad_rule rule)
{
    pyad_engine_abort_rule(engine);
    if (engine->sweep == NULL)
        return (int)pyad_engine_no_sweep(engine);
    int nargs = engine->tape.nargs[engine->sweep->call_node];
    bool fits = is_for(rule.backward, nargs);
    for (int k = 0; k < PYAD_OWN_FORWARD_MOST; k++)
        fits = fits && is_for(rule.own_forward[k], nargs);
    if (!fits)
        return (int)pyad_fail(&engine->message, PYAD_ERR_STATE,
                              "a rule for %d operands has %d inputs and %d outputs, each forward and backward", nargs,
                              nargs + 2, nargs);
    /* A rule that cannot be a program is kept too, so that it is asked for once. */
    return pyad_engine_explained(engine, pyad_rules_add(&engine->rules, &engine->tape, engine->sweep->call_node, rule));
}

int pyad_rule_commit(int forward)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL || !engine->in_rule)
        return PYAD_ERR_STATE;
    pyad_rule rule = {
        .backward = engine->pending[0],
        .forward = (pyad_forward)forward,
    };
    memcpy(rule.own_forward, engine->pending + 1, sizeof rule.own_forward);
    int nargs = engine->sweep != NULL ? engine->rule_tape.nargs[engine->sweep->call_node] : 0;
    for (int k = 0; rule.forward == PYAD_FORWARD_OWN && k < nargs; k++) {
        if (k >= PYAD_OWN_FORWARD_MOST || rule.own_forward[k] == NULL)
            rule.backward = NULL;
    }
    return commit(engine, rule);
}

int pyad_rule_python(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL || !engine->in_rule)
        return PYAD_ERR_STATE;
    return commit(engine, (pyad_rule){.backward = NULL});
}
