/* Indexing in sweeps: reads and writes of strided views of arrays.
 *
 * Its rules are built in. With s for what has arrived at y = assign(old, x), where the view P of old became x:
 * backward, x gets the view P of s, and old gets s with P cleared; forward, y gets the tangent of old with P replaced
 * by the tangent of x. On plain values s is not copied: it is changed in place and moves from one state of the array
 * to the other. */
#include <string.h>

#include "array/subview.h"
#include "autodiff/apply.h"
#include "kernels/kernels.h"
#include "primitives/values.h"

/* A subview of a slot's memory, with what its layout needs. */
typedef struct subview {
    pyad_layout_any layout;
    pyad_view view;
} subview;

static pyad_status find_subview(const pyad_sweep *sweep, uint32_t node, const pyad_value *whole, subview *out)
{
    const pyad_tape *tape = sweep->recorder.tape;
    const int64_t *params = tape->params[node] + 1;
    int64_t offset;
    if (tape->op[node] == PYAD_KERNEL_SLICE)
        PYAD_TRY(pyad_slice_layout(whole->layout, params, &out->layout, &offset));
    else
        PYAD_TRY(pyad_strided_view_layout(whole->layout, params, &out->layout, &offset));
    char *at = (char *)whole->data + offset * (int64_t)pyad_dtype_size(whole->layout->dtype);
    out->view = (pyad_view){&out->layout.layout, at};
    return PYAD_OK;
}

static pyad_value as_value(const subview *p)
{
    return (pyad_value){p->view.layout, p->view.data, NULL};
}

static bool is_filled(const pyad_slot *slot)
{
    return slot != NULL && slot->state != PYAD_SLOT_EMPTY;
}

/* The places that an ASSIGN_AT wrote, contiguous. */
static pyad_status find_places(pyad_sweep *sweep, uint32_t node, pyad_value *places)
{
    const pyad_tape *tape = sweep->recorder.tape;
    uint32_t index = pyad_tape_args(tape, node)[2];
    PYAD_TRY(pyad_sweep_check_read(sweep, node, index));
    const pyad_value *value = &tape->value[index];
    *places = (pyad_value){value->layout, value->data, NULL};
    if (value->layout->contiguous)
        return PYAD_OK;
    const pyad_env env = {tape->mem, &sweep->scratch, sweep->recorder.message};
    return pyad_value_copy(&env, value, places);
}

static void release_places(pyad_sweep *sweep, const pyad_value *places)
{
    if (places->buffer != NULL)
        pyad_buffer_release(sweep->accum.env.mem, places->buffer);
}

/* ---- backward, on values ---- */

/* Where a window repeats elements, the repeats are added up: each counts as a length of one. */
static void drop_repeats(pyad_layout_any *layout)
{
    int ndim = layout->layout.ndim;
    for (int d = 0; d < ndim; d++) {
        if (layout->layout.dims[ndim + d] == 0 && layout->layout.dims[d] > 1) {
            layout->layout.size /= layout->layout.dims[d];
            layout->layout.dims[d] = 1;
            layout->layout.contiguous = 0;
        }
    }
}

static pyad_status read_backward(pyad_sweep *sweep, uint32_t node, const pyad_slot *slot)
{
    uint32_t target = pyad_tape_args(sweep->recorder.tape, node)[0];
    pyad_slot *to = pyad_sweep_slot(sweep, target);
    subview p;
    if (to == NULL)
        return PYAD_OK;
    PYAD_TRY(pyad_accum_own(&sweep->accum, to, pyad_sweep_layout(sweep, target)));
    PYAD_TRY(find_subview(sweep, node, &to->value, &p));
    if (p.view.layout->size == 1 && p.view.layout->dtype == PYAD_F64) {
        *(double *)p.view.data += *(const double *)slot->value.data;
        return PYAD_OK;
    }
    drop_repeats(&p.layout);
    pyad_reduce_add(p.view, pyad_value_view(&slot->value));
    return PYAD_OK;
}

/* Gives the slot of the array after a write to the array before it. */
static pyad_status hand_back(pyad_sweep *sweep, uint32_t old, pyad_slot *slot)
{
    pyad_slot *to = pyad_sweep_slot(sweep, old);
    if (to == NULL)
        return PYAD_OK;
    if (to->state == PYAD_SLOT_EMPTY)
        *to = *slot;
    else
        PYAD_TRY(pyad_accum_add(&sweep->accum, to, pyad_sweep_layout(sweep, old), slot->value, true));
    slot->state = PYAD_SLOT_EMPTY;
    return PYAD_OK;
}

static pyad_status write_subview_backward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot)
{
    uint32_t written = pyad_tape_args(sweep->recorder.tape, node)[1];
    pyad_slot *to = pyad_sweep_slot(sweep, written);
    subview p;
    PYAD_TRY(find_subview(sweep, node, &slot->value, &p));
    if (to != NULL)
        PYAD_TRY(pyad_accum_add(&sweep->accum, to, pyad_sweep_layout(sweep, written), as_value(&p), false));
    pyad_zero(p.view);
    return PYAD_OK;
}

static pyad_status give_places(pyad_sweep *sweep, uint32_t written, const pyad_slot *slot, const pyad_value *places)
{
    pyad_layout_any flat;
    pyad_value values;
    PYAD_TRY(pyad_layout_fill(&flat, slot->value.layout->dtype, places->layout->ndim, pyad_shape(places->layout)));
    const pyad_layout *layout = pyad_layout_keep(&sweep->memory, &flat.layout);
    if (layout == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(pyad_accum_alloc(&sweep->accum, layout, &values));
    pyad_gather_places(pyad_value_view(&values), slot->value.data, pyad_value_view(places));
    pyad_status status =
        pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, written), pyad_sweep_layout(sweep, written), values, true);
    if (status != PYAD_OK && values.buffer != NULL)
        pyad_buffer_release(sweep->accum.env.mem, values.buffer);
    return status;
}

static pyad_status write_places_backward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot)
{
    uint32_t written = pyad_tape_args(sweep->recorder.tape, node)[1];
    pyad_value places;
    pyad_status status = find_places(sweep, node, &places);
    if (status == PYAD_OK && pyad_sweep_slot(sweep, written) != NULL)
        status = give_places(sweep, written, slot, &places);
    if (status == PYAD_OK)
        pyad_scatter_places(pyad_value_view(&slot->value), NULL, true, pyad_value_view(&places));
    release_places(sweep, &places);
    return status;
}

/* ---- forward, on values ---- */

static pyad_status read_forward(pyad_sweep *sweep, uint32_t node)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t source = pyad_tape_args(tape, node)[0];
    pyad_slot *from = pyad_sweep_slot(sweep, source);
    subview p;
    if (!is_filled(from))
        return PYAD_OK;
    if (tape->op[node] == PYAD_KERNEL_STRIDED_VIEW && !from->value.layout->contiguous)
        PYAD_TRY(pyad_accum_own(&sweep->accum, from, pyad_sweep_layout(sweep, source)));
    PYAD_TRY(find_subview(sweep, node, &from->value, &p));
    pyad_value value = as_value(&p);
    /* A small subview is copied, so that the next write can change the slot in place. */
    if (2 * value.layout->size > from->value.layout->size)
        value.buffer = from->value.buffer;
    return pyad_accum_add(&sweep->accum, pyad_sweep_slot(sweep, node), pyad_sweep_layout(sweep, node), value, false);
}

/* The tangent of the array before a write, in the slot of the array after it: moved where it is nobody else's. */
static pyad_status hand_on(pyad_sweep *sweep, uint32_t node, pyad_slot *from, pyad_slot *slot)
{
    const pyad_layout *layout = pyad_sweep_layout(sweep, node);
    if (!is_filled(from))
        return pyad_accum_own(&sweep->accum, slot, layout);
    bool alone = from->state == PYAD_SLOT_OWNED && from->value.layout->contiguous &&
                 (from->value.buffer == NULL || atomic_load(&from->value.buffer->refs) == 1);
    if (alone && (sweep->recorder.tape->flags[node] & PYAD_NODE_MOVED)) {
        *slot = *from;
        from->state = PYAD_SLOT_EMPTY;
        return PYAD_OK;
    }
    PYAD_TRY(pyad_accum_add(&sweep->accum, slot, layout, from->value, false));
    return pyad_accum_own(&sweep->accum, slot, layout);
}

static pyad_status write_subview_forward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot, const pyad_slot *x)
{
    subview p;
    PYAD_TRY(find_subview(sweep, node, &slot->value, &p));
    if (is_filled(x))
        pyad_copy(p.view, pyad_value_view(&x->value));
    else
        pyad_zero(p.view);
    return PYAD_OK;
}

static pyad_status write_places_forward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot, pyad_slot *x)
{
    pyad_value places;
    uint32_t written = pyad_tape_args(sweep->recorder.tape, node)[1];
    if (is_filled(x))
        PYAD_TRY(pyad_accum_own(&sweep->accum, x, pyad_sweep_layout(sweep, written)));
    pyad_status status = find_places(sweep, node, &places);
    if (status == PYAD_OK)
        pyad_scatter_places(pyad_value_view(&slot->value), is_filled(x) ? x->value.data : NULL,
                            pyad_sweep_layout(sweep, written)->ndim == 0, pyad_value_view(&places));
    release_places(sweep, &places);
    return status;
}

static pyad_status write_forward(pyad_sweep *sweep, uint32_t node)
{
    const pyad_tape *tape = sweep->recorder.tape;
    const uint32_t *args = pyad_tape_args(tape, node);
    pyad_slot *old = pyad_sweep_slot(sweep, args[0]);
    pyad_slot *x = pyad_sweep_slot(sweep, args[1]);
    pyad_slot *slot = pyad_sweep_slot(sweep, node);
    if (!is_filled(old) && !is_filled(x))
        return PYAD_OK;
    PYAD_TRY(hand_on(sweep, node, old, slot));
    return tape->op[node] == PYAD_KERNEL_ASSIGN ? write_subview_forward(sweep, node, slot, x)
                                                : write_places_forward(sweep, node, slot, x);
}

/* ---- on the tape ---- */

/* What has arrived at a read, in the place it was read from and zeros elsewhere. */
static pyad_status read_backward_recorded(pyad_sweep *sweep, uint32_t node, uint32_t s)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t target = pyad_tape_args(tape, node)[0];
    if (pyad_sweep_slot(sweep, target) == NULL)
        return PYAD_OK;
    const pyad_layout *layout = tape->value[target].layout;
    int64_t params[2 + 4 * PYAD_MAX_NDIM];
    if (tape->op[node] == PYAD_KERNEL_SLICE) {
        params[0] = 1 + 4 * layout->ndim;
        params[1] = layout->ndim;
        memcpy(params + 2, pyad_shape(layout), layout->ndim * sizeof *params);
        memcpy(params + 2 + layout->ndim, tape->params[node] + 1, 3 * (size_t)layout->ndim * sizeof *params);
        PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_UNSLICE, 1, &s, params, &s));
        return pyad_sweep_add_node(sweep, target, s);
    }
    memcpy(params, tape->params[node], (size_t)(tape->params[node][0] + 1) * sizeof *params);
    int64_t ndim = params[2];
    int64_t repeats[3] = {2, 0, 1};
    for (int d = 0; d < ndim; d++) {
        if (params[3 + ndim + d] == 0 && params[3 + d] > 1) {
            repeats[1] |= (int64_t)1 << d;
            params[3 + d] = 1;
        }
    }
    if (repeats[1] != 0)
        PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_SUM, 1, &s, repeats, &s));
    uint32_t both[2] = {0, s};
    PYAD_TRY(pyad_sweep_zeros_node(sweep, target, &both[0]));
    PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_ASSIGN, 2, both, params, &s));
    return pyad_sweep_add_node(sweep, target, s);
}

/* The written subview of `s`, in the shape of operand 1 or of one that broadcasting it gives. */
static pyad_status record_subview(pyad_sweep *sweep, uint32_t node, uint32_t s, uint32_t *out)
{
    pyad_tape *tape = sweep->recorder.tape;
    if (tape->op[node] == PYAD_KERNEL_ASSIGN)
        return pyad_record(&sweep->recorder, PYAD_KERNEL_STRIDED_VIEW, 1, &s, tape->params[node], out);
    int64_t flat[2] = {1, tape->value[s].layout->size};
    static const int64_t none[1] = {0};
    uint32_t both[2] = {s, pyad_tape_args(tape, node)[2]};
    PYAD_TRY(pyad_record(&sweep->recorder, PYAD_KERNEL_RESHAPE, 1, &s, flat, &both[0]));
    return pyad_record(&sweep->recorder, PYAD_KERNEL_TAKE, 2, both, none, out);
}

/* `into` with the subview that `node` wrote replaced by `x`. */
static pyad_status record_replaced(pyad_sweep *sweep, uint32_t node, uint32_t into, uint32_t x, uint32_t *out)
{
    pyad_tape *tape = sweep->recorder.tape;
    int nargs = tape->nargs[node];
    uint32_t args[3] = {into, x, nargs > 2 ? pyad_tape_args(tape, node)[2] : 0};
    return pyad_record(&sweep->recorder, tape->op[node], nargs, args, tape->params[node], out);
}

static pyad_status write_backward_recorded(pyad_sweep *sweep, uint32_t node, uint32_t s)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t old = pyad_tape_args(tape, node)[0];
    uint32_t written = pyad_tape_args(tape, node)[1];
    uint32_t found;
    uint32_t zero;
    if (pyad_sweep_slot(sweep, written) != NULL) {
        PYAD_TRY(record_subview(sweep, node, s, &found));
        PYAD_TRY(pyad_sweep_add_node(sweep, written, found));
    }
    if (pyad_sweep_slot(sweep, old) == NULL)
        return PYAD_OK;
    PYAD_TRY(pyad_tape_number(tape, 0.0, tape->value[old].layout->dtype, &zero));
    PYAD_TRY(record_replaced(sweep, node, s, zero, &found));
    return pyad_sweep_add_node(sweep, old, found);
}

static pyad_status forward_recorded(pyad_sweep *sweep, uint32_t node)
{
    pyad_tape *tape = sweep->recorder.tape;
    uint32_t first = pyad_tape_args(tape, node)[0];
    pyad_slot *from = pyad_sweep_slot(sweep, first);
    uint32_t found;
    if (tape->nargs[node] == 1) {
        if (!is_filled(from))
            return PYAD_OK;
        found = from->node;
        PYAD_TRY(pyad_record(&sweep->recorder, tape->op[node], 1, &found, tape->params[node], &found));
        return pyad_sweep_add_node(sweep, node, found);
    }
    pyad_slot *x = pyad_sweep_slot(sweep, pyad_tape_args(tape, node)[1]);
    if (!is_filled(from) && !is_filled(x))
        return PYAD_OK;
    uint32_t into;
    uint32_t given;
    if (is_filled(from))
        into = from->node;
    else
        PYAD_TRY(pyad_sweep_zeros_node(sweep, first, &into));
    if (is_filled(x))
        given = x->node;
    else
        PYAD_TRY(pyad_tape_number(tape, 0.0, tape->value[first].layout->dtype, &given));
    PYAD_TRY(record_replaced(sweep, node, into, given, &found));
    return pyad_sweep_add_node(sweep, node, found);
}

/* ---- both ---- */

pyad_status pyad_apply_indexing_backward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot)
{
    const pyad_tape *tape = sweep->recorder.tape;
    int op = tape->op[node];
    bool read = tape->nargs[node] == 1;
    if (sweep->recorded)
        return read ? read_backward_recorded(sweep, node, slot->node)
                    : write_backward_recorded(sweep, node, slot->node);
    if (read)
        return read_backward(sweep, node, slot);
    PYAD_TRY(pyad_accum_own(&sweep->accum, slot, pyad_sweep_layout(sweep, node)));
    PYAD_TRY(op == PYAD_KERNEL_ASSIGN ? write_subview_backward(sweep, node, slot)
                                      : write_places_backward(sweep, node, slot));
    return hand_back(sweep, pyad_tape_args(tape, node)[0], slot);
}

pyad_status pyad_apply_indexing_forward(pyad_sweep *sweep, uint32_t node)
{
    if (sweep->recorded)
        return forward_recorded(sweep, node);
    return sweep->recorder.tape->nargs[node] == 1 ? read_forward(sweep, node) : write_forward(sweep, node);
}
