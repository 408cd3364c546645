/* Writing into parts of arrays. */
#include <string.h>

#include "kernels/kernels.h"
#include "primitives/exec.h"

void pyad_gather_places(pyad_view to, const void *from, pyad_view index)
{
    const int64_t *at = index.data;
    if (to.layout->dtype == PYAD_F64) {
        for (int64_t k = 0; k < index.layout->size; k++)
            ((double *)to.data)[k] = ((const double *)from)[at[k]];
        return;
    }
    size_t item = pyad_dtype_size(to.layout->dtype);
    for (int64_t k = 0; k < index.layout->size; k++)
        memcpy((char *)to.data + (size_t)k * item, (const char *)from + (size_t)at[k] * item, item);
}

void pyad_scatter_places(pyad_view to, const void *from, bool one, pyad_view index)
{
    static const double nothing = 0.0;
    const int64_t *at = index.data;
    const char *source = from != NULL ? from : &nothing;
    size_t item = pyad_dtype_size(to.layout->dtype);
    size_t step = one || from == NULL ? 0 : item;
    if (to.layout->dtype == PYAD_F64) {
        for (int64_t k = 0; k < index.layout->size; k++)
            memcpy((double *)to.data + at[k], source + (size_t)k * step, sizeof(double));
        return;
    }
    for (int64_t k = 0; k < index.layout->size; k++)
        memcpy((char *)to.data + (size_t)at[k] * item, source + (size_t)k * step, item);
}

static pyad_status write_window(const int64_t *values, const pyad_value *in, pyad_view whole)
{
    pyad_layout_any window;
    int64_t offset;
    PYAD_TRY(pyad_strided_view_layout(whole.layout, values, &window, &offset));
    char *at = (char *)whole.data + offset * (int64_t)pyad_dtype_size(whole.layout->dtype);
    pyad_copy((pyad_view){&window.layout, at}, pyad_value_view(&in[1]));
    return PYAD_OK;
}

/* A contiguous value as it is, else a copy. */
static pyad_status flat_value(const pyad_env *env, const pyad_value *in, pyad_value *out)
{
    *out = (pyad_value){in->layout, in->data, NULL};
    return in->layout->contiguous ? PYAD_OK : pyad_exec_copy(env, in, out);
}

static pyad_status write_places(const pyad_env *env, const pyad_value *in, pyad_view whole)
{
    int64_t bad;
    if (pyad_index_check(pyad_value_view(&in[2]), whole.layout->size, &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "assign_at: place %lld is out of range for %lld elements",
                         (long long)bad, (long long)whole.layout->size);
    pyad_value source;
    pyad_value index = {NULL, NULL, NULL};
    PYAD_TRY(flat_value(env, &in[1], &source));
    pyad_status status = flat_value(env, &in[2], &index);
    if (status == PYAD_OK)
        pyad_scatter_places(whole, source.data, in[1].layout->ndim == 0, pyad_value_view(&index));
    if (source.buffer != NULL)
        pyad_buffer_release(env->mem, source.buffer);
    if (index.buffer != NULL)
        pyad_buffer_release(env->mem, index.buffer);
    return status;
}

static pyad_status add_slice(const int64_t *values, const pyad_value *in, pyad_view whole)
{
    pyad_layout_any window;
    pyad_layout_any wide;
    int64_t offset;
    int64_t strides[PYAD_MAX_NDIM];
    PYAD_TRY(pyad_strided_view_layout(whole.layout, values, &window, &offset));
    const pyad_layout *part = &window.layout;
    pyad_broadcast_strides(in[1].layout, part->ndim, pyad_shape(part), strides);
    PYAD_TRY(pyad_layout_fill_strided(&wide, part->dtype, part->ndim, pyad_shape(part), strides));
    char *at = (char *)whole.data + offset * (int64_t)pyad_dtype_size(part->dtype);
    pyad_reduce_add((pyad_view){part, at}, (pyad_view){&wide.layout, in[1].data});
    return PYAD_OK;
}

static pyad_status add_rows(const pyad_env *env, const pyad_value *in, pyad_view whole)
{
    int64_t bad;
    int64_t rows = pyad_shape(whole.layout)[0];
    if (pyad_index_check(pyad_value_view(&in[2]), rows, &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "add_rows: index %lld is out of range for %lld rows",
                         (long long)bad, (long long)rows);
    pyad_scatter_add(whole, pyad_value_view(&in[1]), pyad_value_view(&in[2]));
    return PYAD_OK;
}

pyad_status pyad_exec_write(const pyad_env *env, int kernel, const int64_t *values, const pyad_value *in,
                            pyad_view whole)
{
    switch (kernel) {
    case PYAD_KERNEL_ASSIGN:
        return write_window(values, in, whole);
    case PYAD_KERNEL_ADD_SLICE:
        return add_slice(values, in, whole);
    case PYAD_KERNEL_ADD_ROWS:
        return add_rows(env, in, whole);
    default:
        return write_places(env, in, whole);
    }
}
