/* Going forward through a linear operation: the operation itself on tangents. */
#include "autodiff/apply.h"
#include "primitives/exec.h"

/* Zeros of the layout's shape: one element that stands for all. */
static pyad_status make_zeros(pyad_sweep *sweep, const pyad_layout *like, pyad_value *out)
{
    static const double nothing[2] = {0.0, 0.0};
    static const int64_t still[PYAD_MAX_NDIM] = {0};
    pyad_layout_any any;
    PYAD_TRY(pyad_layout_fill_strided(&any, like->dtype, like->ndim, pyad_shape(like), still));
    out->layout = pyad_layout_keep(&sweep->scratch, &any.layout);
    out->data = (void *)(uintptr_t)nothing;
    out->buffer = NULL;
    return out->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

static pyad_status jvp_values(pyad_sweep *sweep, uint32_t node, int from, int to, pyad_value *in)
{
    pyad_tape *tape = sweep->recorder.tape;
    int nargs = tape->nargs[node];
    for (int k = 0; k < nargs; k++) {
        uint32_t arg = pyad_tape_args(tape, node)[k];
        pyad_slot *slot = pyad_sweep_slot(sweep, arg);
        in[k] = tape->value[arg];
        if (k < from || k >= to) {
            PYAD_TRY(pyad_sweep_check_read(sweep, node, arg));
            continue;
        }
        if (slot != NULL && slot->state != PYAD_SLOT_EMPTY)
            in[k] = slot->value;
        else
            PYAD_TRY(make_zeros(sweep, in[k].layout, &in[k]));
    }
    const pyad_env env = {tape->mem, &sweep->scratch, sweep->recorder.message};
    pyad_value out;
    PYAD_TRY(pyad_exec(&env, tape->op[node], tape->params[node], nargs, in, &out));
    bool fresh = out.buffer != NULL;
    pyad_status status =
        pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, node), pyad_sweep_layout(sweep, node), out, fresh);
    if (status != PYAD_OK && fresh)
        pyad_buffer_release(tape->mem, out.buffer);
    return status;
}

static pyad_status jvp_recorded(pyad_sweep *sweep, uint32_t node, int from, int to, uint32_t *in)
{
    pyad_tape *tape = sweep->recorder.tape;
    int nargs = tape->nargs[node];
    for (int k = 0; k < nargs; k++) {
        uint32_t arg = pyad_tape_args(tape, node)[k];
        pyad_slot *slot = pyad_sweep_slot(sweep, arg);
        in[k] = arg;
        if (k < from || k >= to) {
            PYAD_TRY(pyad_sweep_check_read(sweep, node, arg));
        } else if (slot != NULL && slot->state != PYAD_SLOT_EMPTY) {
            in[k] = slot->node;
        } else {
            PYAD_TRY(pyad_sweep_zeros_node(sweep, arg, &in[k]));
        }
    }
    uint32_t tangent;
    PYAD_TRY(pyad_record(&sweep->recorder, tape->op[node], nargs, in, tape->params[node], &tangent));
    return pyad_sweep_add_node(sweep, node, tangent);
}

pyad_status pyad_apply_linear_jvp(pyad_sweep *sweep, uint32_t node, int from, int to)
{
    pyad_mem *mem = sweep->accum.env.mem;
    size_t nargs = sweep->recorder.tape->nargs[node];
    if (sweep->recorded) {
        PYAD_TRY(pyad_mem_grow(mem, (void **)&sweep->nodes, &sweep->node_capacity, nargs, sizeof *sweep->nodes));
        return jvp_recorded(sweep, node, from, to, sweep->nodes);
    }
    PYAD_TRY(pyad_mem_grow(mem, (void **)&sweep->regs, &sweep->reg_capacity, nargs, sizeof *sweep->regs));
    pyad_arena_mark mark = pyad_arena_position(&sweep->scratch);
    pyad_status status = jvp_values(sweep, node, from, to, sweep->regs);
    pyad_arena_cut(&sweep->scratch, mark);
    return status;
}
