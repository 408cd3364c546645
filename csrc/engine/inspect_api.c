/* Inspecting nodes: shapes, values, and memory that leaves the engine. */
#include <math.h>

#include "engine/engine.h"
#include "kernels/kernels.h"

pyad_info pyad_value_info(const pyad_value *value)
{
    return (pyad_info){
        .dtype = value->layout->dtype,
        .ndim = value->layout->ndim,
        .shape = pyad_shape(value->layout),
        .strides = pyad_strides(value->layout),
        .data = value->data,
        .size = value->layout->size,
        .is_contiguous = value->layout->contiguous,
    };
}

int pyad_look(int64_t handle, pyad_info *info)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    PYAD_TRY(pyad_engine_node(here, handle, &node));
    const pyad_tape *tape = &here->tape;
    *info = pyad_value_info(&tape->value[node]);
    info->op = tape->op[node];
    info->nargs = tape->nargs[node];
    info->is_const = (tape->flags[node] & PYAD_NODE_CONST) != 0;
    info->params = tape->params[node];
    return PYAD_OK;
}

static const pyad_layout *layout_of(int64_t handle)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    if (pyad_engine_node(here, handle, &node) != PYAD_OK)
        return NULL;
    return here->tape.value[node].layout;
}

int pyad_dtype_of(int64_t handle)
{
    const pyad_layout *layout = layout_of(handle);
    return layout != NULL ? layout->dtype : -1;
}

int pyad_ndim_of(int64_t handle)
{
    const pyad_layout *layout = layout_of(handle);
    return layout != NULL ? layout->ndim : -1;
}

int64_t pyad_size_of(int64_t handle)
{
    const pyad_layout *layout = layout_of(handle);
    return layout != NULL ? layout->size : -1;
}

const int64_t *pyad_shape_of(int64_t handle)
{
    const pyad_layout *layout = layout_of(handle);
    return layout != NULL ? pyad_shape(layout) : NULL;
}

int64_t pyad_operand(int64_t handle, int k)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(here, handle, &node);
    if (status == PYAD_OK && (k < 0 || k >= here->tape.nargs[node]))
        status = pyad_fail(&here->message, PYAD_ERR_VALUE, "node has no operand %d", k);
    if (status != PYAD_OK)
        return PYAD_FAILED + (int64_t)status;
    return pyad_tape_handle(&here->tape, pyad_tape_args(&here->tape, node)[k]);
}

static pyad_status copy_value(const pyad_value *value, void *to)
{
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, value->layout->dtype, value->layout->ndim, pyad_shape(value->layout)));
    pyad_copy((pyad_view){&flat.layout, to}, pyad_value_view(value));
    return PYAD_OK;
}

int pyad_copy_out(int64_t handle, void *to)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    PYAD_TRY(pyad_engine_node(here, handle, &node));
    if (here->tape.value[node].data == NULL)
        return (int)pyad_fail(&here->message, PYAD_ERR_STATE, "the value has been freed, or there is none yet");
    return (int)copy_value(&here->tape.value[node], to);
}

double pyad_value_number(const pyad_value *value)
{
    double number = NAN;
    if (value->data != NULL && value->layout->size == 1)
        pyad_copy((pyad_view){pyad_layout_scalar(PYAD_F64), &number},
                  (pyad_view){pyad_layout_scalar(value->layout->dtype), value->data});
    return number;
}

double pyad_read_number(int64_t handle)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    if (pyad_engine_node(here, handle, &node) != PYAD_OK)
        return NAN;
    return pyad_value_number(&here->tape.value[node]);
}

bool pyad_share_value(const pyad_value *value, pyad_buffer **cell)
{
    pyad_buffer *buffer = value->buffer;
    bool whole = buffer != NULL && value->layout->contiguous && value->data == buffer->data &&
                 atomic_load(&buffer->refs) == 1 && pyad_layout_bytes(value->layout) >= buffer->bytes / 2;
    if (!whole)
        return false;
    pyad_buffer_retain(buffer);
    *cell = buffer;
    return true;
}

int pyad_share_out(int64_t handle, pyad_buffer **cell)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    if (pyad_engine_node(here, handle, &node) != PYAD_OK)
        return 0;
    return pyad_share_value(&here->tape.value[node], cell);
}

int pyad_borrow(int64_t handle, pyad_buffer **cell)
{
    pyad_engine *here = pyad_engine_here();
    uint32_t node = 0;
    if (pyad_engine_node(here, handle, &node) != PYAD_OK)
        return 0;
    pyad_buffer *buffer = here->tape.value[node].buffer;
    if (buffer == NULL)
        return 0;
    pyad_buffer_retain(buffer);
    *cell = buffer;
    return 1;
}

void *pyad_buffer_data(pyad_buffer *buffer)
{
    return buffer->data;
}

void pyad_buffer_drop(pyad_buffer **cell, const void *unused)
{
    (void)unused;
    pyad_engine *here = pyad_engine_here();
    pyad_buffer *buffer = *cell;
    *cell = NULL;
    if (buffer != NULL)
        pyad_buffer_release(here != NULL ? &here->mem : NULL, buffer);
}
