/* Writing into arrays. */
#include "primitives/exec_assign.h"

#include "array/subview.h"
#include "kernels/kernels.h"
#include "primitives/list.h"
#include "primitives/values.h"

static pyad_status write_view(const int64_t *values, const pyad_value *in, pyad_view whole)
{
    pyad_layout_any view;
    int64_t offset;
    PYAD_TRY(pyad_strided_view_layout(whole.layout, values, &view, &offset));
    char *at = (char *)whole.data + offset * (int64_t)pyad_dtype_size(whole.layout->dtype);
    pyad_copy((pyad_view){&view.layout, at}, pyad_value_view(&in[1]));
    return PYAD_OK;
}

static pyad_status write_elements(const pyad_env *env, const pyad_value *in, pyad_view whole)
{
    int64_t bad;
    if (pyad_index_check(pyad_value_view(&in[2]), whole.layout->size, &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "assign_at: place %lld is out of range for %lld elements",
                         (long long)bad, (long long)whole.layout->size);
    pyad_value source;
    pyad_value index = {NULL, NULL, NULL};
    PYAD_TRY(pyad_value_contiguous(env, &in[1], &source));
    pyad_status status = pyad_value_contiguous(env, &in[2], &index);
    if (status == PYAD_OK)
        pyad_scatter_places(whole, source.data, in[1].layout->ndim == 0, pyad_value_view(&index));
    pyad_value_release(env, &source);
    pyad_value_release(env, &index);
    return status;
}

static pyad_status add_slice(const int64_t *values, const pyad_value *in, pyad_view whole)
{
    pyad_layout_any view;
    pyad_layout_any wide;
    int64_t offset;
    int64_t strides[PYAD_MAX_NDIM];
    PYAD_TRY(pyad_strided_view_layout(whole.layout, values, &view, &offset));
    const pyad_layout *slice = &view.layout;
    pyad_broadcast_strides(in[1].layout, slice->ndim, pyad_shape(slice), strides);
    PYAD_TRY(pyad_layout_fill_strided(&wide, slice->dtype, slice->ndim, pyad_shape(slice), strides));
    char *at = (char *)whole.data + offset * (int64_t)pyad_dtype_size(slice->dtype);
    pyad_reduce_add((pyad_view){slice, at}, (pyad_view){&wide.layout, in[1].data});
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

pyad_status pyad_exec_assign(const pyad_env *env, int kernel, const int64_t *values, const pyad_value *in,
                             pyad_view whole)
{
    switch (kernel) {
    case PYAD_KERNEL_ASSIGN:
        return write_view(values, in, whole);
    case PYAD_KERNEL_ADD_SLICE:
        return add_slice(values, in, whole);
    case PYAD_KERNEL_ADD_ROWS:
        return add_rows(env, in, whole);
    default:
        return write_elements(env, in, whole);
    }
}
