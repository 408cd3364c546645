/* The layouts of strided views, and of what writing into arrays gives. */
#include "primitives/infer_assign.h"

#include <string.h>

#include "array/subview.h"
#include "primitives/list.h"

enum { TEXT = 160 };

static pyad_status infer_strided_view(pyad_message *message, const int64_t *params, const pyad_layout *in,
                                      pyad_layout_any *out, int64_t *offset)
{
    pyad_status status = pyad_strided_view_layout(in, params, out, offset);
    if (status != PYAD_OK) {
        char text[TEXT];
        return pyad_fail(message, status, "strided_view: the view is not inside an array of shape %s",
                         pyad_shape_text(in, text, TEXT));
    }
    if (in->contiguous)
        return PYAD_OK;
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim = out->layout.ndim;
    memcpy(shape, pyad_shape(&out->layout), (size_t)ndim * sizeof *shape);
    *offset = 0;
    return pyad_layout_fill(out, in->dtype, ndim, shape);
}

static pyad_status assign_failure(pyad_message *message, int kernel, int dtype, const pyad_layout *view,
                                  const pyad_layout *given)
{
    char left[TEXT];
    char right[TEXT];
    return pyad_fail(message, dtype == given->dtype ? PYAD_ERR_SHAPE : PYAD_ERR_DTYPE,
                     "%s: could not broadcast a value of shape %s (%s) into a view of shape %s (%s)",
                     kernel == PYAD_KERNEL_ADD_SLICE ? "add_slice" : "assign", pyad_shape_text(given, right, TEXT),
                     pyad_dtype_name(given->dtype), pyad_shape_text(view, left, TEXT), pyad_dtype_name(dtype));
}

/* Of lengths that are stepped along. */
static bool has_zero_stride(const int64_t *params)
{
    const int64_t *shape = params + 2;
    const int64_t *strides = shape + params[1];
    for (int64_t d = 0; d < params[1]; d++) {
        if (shape[d] > 1 && strides[d] == 0)
            return true;
    }
    return false;
}

/* ASSIGN and ADD_SLICE. */
static pyad_status infer_assign(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                                pyad_layout_any *out)
{
    int64_t offset;
    PYAD_TRY(infer_strided_view(message, params, in[0], out, &offset));
    if (kernel == PYAD_KERNEL_ADD_SLICE && has_zero_stride(params))
        return pyad_fail(message, PYAD_ERR_VALUE, "add_slice: the slice has a stride of 0, expected distinct places");
    if (in[0]->dtype != in[1]->dtype || !pyad_broadcasts_to(in[1], &out->layout))
        return assign_failure(message, kernel, in[0]->dtype, &out->layout, in[1]);
    return pyad_layout_fill(out, in[0]->dtype, in[0]->ndim, pyad_shape(in[0]));
}

static pyad_status infer_assign_at(pyad_message *message, const pyad_layout *const *in, pyad_layout_any *out)
{
    const pyad_layout *index = in[2];
    if (index->dtype != PYAD_I64)
        return pyad_fail(message, PYAD_ERR_DTYPE, "assign_at: index has dtype %s, expected int64",
                         pyad_dtype_name(index->dtype));
    if (in[0]->dtype != in[1]->dtype || (in[1]->ndim > 0 && !pyad_same_shape(in[1], index)))
        return assign_failure(message, PYAD_KERNEL_ASSIGN_AT, in[0]->dtype, index, in[1]);
    return pyad_layout_fill(out, in[0]->dtype, in[0]->ndim, pyad_shape(in[0]));
}

/* The rows have the index' shape, then that of a row of operand 0. */
static bool are_rows(const pyad_layout *whole, const pyad_layout *rows, const pyad_layout *index)
{
    if (whole->ndim == 0 || rows->ndim != index->ndim + whole->ndim - 1)
        return false;
    const int64_t *row = pyad_shape(rows) + index->ndim;
    return memcmp(pyad_shape(rows), pyad_shape(index), (size_t)index->ndim * sizeof *row) == 0 &&
           memcmp(row, pyad_shape(whole) + 1, (size_t)(whole->ndim - 1) * sizeof *row) == 0;
}

static pyad_status infer_add_rows(pyad_message *message, const pyad_layout *const *in, pyad_layout_any *out)
{
    if (in[2]->dtype != PYAD_I64)
        return pyad_fail(message, PYAD_ERR_DTYPE, "add_rows: index has dtype %s, expected int64",
                         pyad_dtype_name(in[2]->dtype));
    if (in[0]->dtype != in[1]->dtype)
        return pyad_fail(message, PYAD_ERR_DTYPE, "add_rows: array has dtype %s and rows %s, expected the same",
                         pyad_dtype_name(in[0]->dtype), pyad_dtype_name(in[1]->dtype));
    if (!are_rows(in[0], in[1], in[2])) {
        char text[3][TEXT];
        return pyad_fail(message, PYAD_ERR_SHAPE,
                         "add_rows: rows of shape %s at an index of shape %s do not fit into %s",
                         pyad_shape_text(in[1], text[1], TEXT), pyad_shape_text(in[2], text[2], TEXT),
                         pyad_shape_text(in[0], text[0], TEXT));
    }
    return pyad_layout_fill(out, in[0]->dtype, in[0]->ndim, pyad_shape(in[0]));
}

pyad_status pyad_infer_indexing(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                                pyad_layout_any *out, int64_t *offset)
{
    if (kernel == PYAD_KERNEL_STRIDED_VIEW)
        return infer_strided_view(message, params, in[0], out, offset);
    if (kernel == PYAD_KERNEL_ASSIGN || kernel == PYAD_KERNEL_ADD_SLICE)
        return infer_assign(message, kernel, params, in, out);
    if (kernel == PYAD_KERNEL_ADD_ROWS)
        return infer_add_rows(message, in, out);
    return infer_assign_at(message, in, out);
}
