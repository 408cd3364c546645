/* Running replays, action by action. */
#include "compile/replay/replay.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "primitives/exec.h"
#include "primitives/values.h"

static pyad_status run_kernel(pyad_replay *r, uint32_t node)
{
    enum { FEW = 8 };
    const pyad_graph *graph = r->plan->graph;
    const pyad_gnode *n = &graph->nodes[node];
    const uint32_t *args = pyad_graph_args(graph, node);
    const pyad_env env = {r->mem, &r->scratch, &r->message};
    pyad_value few[FEW];
    pyad_value *in = few;
    size_t bytes = n->nargs * sizeof *in;
    if (n->nargs > FEW) {
        in = pyad_mem_calloc(r->mem, bytes);
        if (in == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (uint32_t k = 0; k < n->nargs; k++)
        in[k] = r->values[args[k]];
    pyad_arena_mark mark = pyad_arena_position(&r->scratch);
    pyad_status status = pyad_exec_into(&env, n->op, n->params, (int)n->nargs, in, &r->values[node]);
    pyad_arena_cut(&r->scratch, mark);
    if (in != few)
        pyad_mem_free(r->mem, in, bytes);
    return status;
}

/* NaN is equal to itself here: it is the same bits. */
static pyad_status check_guard(pyad_replay *r, const pyad_goutput *output)
{
    const pyad_value *value = &r->values[output->node];
    const pyad_env env = {r->mem, &r->scratch, &r->message};
    size_t bytes = pyad_layout_bytes(value->layout);
    if (value->layout->contiguous)
        return memcmp(value->data, output->expected, bytes) == 0 ? PYAD_OK : PYAD_GUARD_FAILED;
    pyad_value flat;
    pyad_arena_mark mark = pyad_arena_position(&r->scratch);
    PYAD_TRY(pyad_value_copy(&env, value, &flat));
    bool holds = memcmp(flat.data, output->expected, bytes) == 0;
    if (flat.buffer != NULL)
        pyad_buffer_release(r->mem, flat.buffer);
    pyad_arena_cut(&r->scratch, mark);
    return holds ? PYAD_OK : PYAD_GUARD_FAILED;
}

/* Equal but for rounding; NaN and infinities equal to themselves. */
static bool is_near(double a, double b, double tolerance)
{
    double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return a == b || (a != a && b != b) || fabs(a - b) <= tolerance * size;
}

bool pyad_replay_relax_guard(pyad_replay *r)
{
    const pyad_goutput *output = &r->plan->graph->outputs[r->stopped];
    const pyad_value *value = &r->values[output->node];
    int real = pyad_dtype_real(value->layout->dtype);
    int64_t count = value->layout->size * (pyad_dtype_is_complex(value->layout->dtype) ? 2 : 1);
    if (!pyad_dtype_is_float(real) || !value->layout->contiguous)
        return false;
    for (int64_t k = 0; k < count; k++) {
        bool near = real == PYAD_F64
                        ? is_near(((const double *)value->data)[k], ((const double *)output->expected)[k], 1e-12)
                        : is_near(((const float *)value->data)[k], ((const float *)output->expected)[k], 1e-5);
        if (!near)
            return false;
    }
    /* The graph's own copy, which nobody else reads meanwhile. */
    memcpy((void *)(uintptr_t)output->expected, value->data, pyad_layout_bytes(value->layout));
    return true;
}

static void copy_out(pyad_replay *r, const pyad_goutput *output)
{
    const pyad_graph *graph = r->plan->graph;
    bool result = output->kind == PYAD_G_RESULT;
    void *to = r->outside[(result ? graph->argument_count : 0) + output->number];
    const pyad_layout *layout = result ? graph->nodes[output->node].layout : graph->inputs[output->number].layout;
    pyad_copy((pyad_view){layout, to}, pyad_value_view(&r->values[output->node]));
}

pyad_status pyad_replay_go(pyad_replay *r)
{
    const pyad_plan *plan = r->plan;
    for (; r->at < plan->action_count; r->at++) {
        const pyad_action *action = &plan->actions[r->at];
        switch ((pyad_action_kind)action->kind) {
        case PYAD_ACTION_RUN:
            if (r->bound[r->at].slices == NULL) {
                PYAD_TRY(run_kernel(r, plan->members[action->first]));
                break;
            }
            pyad_slice_accumulation_run(r->bound[r->at].slices);
            r->at += r->bound[r->at].count - 1;
            break;
        case PYAD_ACTION_FUSED_LOOP:
            pyad_fused_loop_run(&r->bound[r->at].loop, r->registers != NULL ? r->registers->data : NULL);
            break;
        case PYAD_ACTION_SCALARS:
            pyad_isa()->run_scalars(r->bound[r->at].count, r->bound[r->at].scalars);
            break;
        case PYAD_ACTION_CALL:
            r->stopped = plan->members[action->first];
            r->at++;
            return PYAD_CALL_PYTHON;
        case PYAD_ACTION_GUARD:
            r->stopped = action->output;
            PYAD_TRY(check_guard(r, &plan->graph->outputs[action->output]));
            break;
        case PYAD_ACTION_COPY:
            copy_out(r, &plan->graph->outputs[action->output]);
            break;
        }
    }
    return PYAD_OK;
}
