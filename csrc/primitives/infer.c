/* What layout an instruction's result has, and which operands it refuses. */
#include "primitives/infer.h"

#include <string.h>

#include "array/subview.h"
#include "kernels/kernels.h"
#include "primitives/infer_assign.h"
#include "primitives/info.h"

enum { TEXT = 160 };

/* A contiguous layout, with words when there can be none. */
static pyad_status fill_result(pyad_message *message, int kernel, int dtype, int64_t ndim, const int64_t *shape,
                               pyad_layout_any *out)
{
    pyad_status status = ndim > PYAD_MAX_NDIM ? PYAD_ERR_VALUE : pyad_layout_fill(out, dtype, (int)ndim, shape);
    if (status == PYAD_ERR_DTYPE)
        return pyad_fail(message, status, "%s: there is no dtype %d", pyad_kernel_name(kernel), dtype);
    if (status == PYAD_ERR_VALUE)
        return pyad_fail(message, status, "%s: a shape has up to %d lengths, none below zero", pyad_kernel_name(kernel),
                         PYAD_MAX_NDIM);
    return status;
}

static pyad_status need_float(pyad_message *message, int kernel, const pyad_layout *in)
{
    if (pyad_dtype_is_float(in->dtype))
        return PYAD_OK;
    return pyad_fail(message, PYAD_ERR_DTYPE, "%s: operand has dtype %s, expected float32 or float64",
                     pyad_kernel_name(kernel), pyad_dtype_name(in->dtype));
}

static pyad_status need_inexact(pyad_message *message, int kernel, const pyad_layout *in)
{
    return pyad_dtype_is_complex(in->dtype) ? PYAD_OK : need_float(message, kernel, in);
}

/* CONJ and IMAG take complex numbers, UNIMAG gives them. */
static pyad_status infer_complex(pyad_message *message, int kernel, const pyad_layout *in, pyad_layout_any *out)
{
    bool is_complex = pyad_dtype_is_complex(in->dtype);
    if (kernel == PYAD_KERNEL_UNIMAG) {
        PYAD_TRY(need_float(message, kernel, in));
        return fill_result(message, kernel, in->dtype - PYAD_F32 + PYAD_C64, in->ndim, pyad_shape(in), out);
    }
    if (!is_complex)
        return pyad_fail(message, PYAD_ERR_DTYPE, "%s: operand has dtype %s, expected complex64 or complex128",
                         pyad_kernel_name(kernel), pyad_dtype_name(in->dtype));
    int dtype = kernel == PYAD_KERNEL_IMAG ? pyad_dtype_real(in->dtype) : in->dtype;
    return fill_result(message, kernel, dtype, in->ndim, pyad_shape(in), out);
}

static pyad_status check_loop_dtypes(pyad_message *message, int loop, int nargs, const pyad_layout *const *in)
{
    pyad_loop_kind kind = pyad_loops[loop].kind;
    int from = kind == PYAD_KIND_SELECT ? 1 : 0;
    bool logic = kind == PYAD_KIND_LOGIC;
    bool right = kind != PYAD_KIND_SELECT || in[0]->dtype == PYAD_BOOL;
    for (int k = from; k < nargs; k++)
        right = right && in[k]->dtype == in[from]->dtype;
    bool known = pyad_dtype_is_float(in[from]->dtype) || pyad_complex_loop(loop, in[from]->dtype) != NULL;
    right = right && (logic ? in[0]->dtype == PYAD_BOOL : known);
    if (right)
        return PYAD_OK;
    return pyad_fail(message, PYAD_ERR_DTYPE, "%s: operands have dtypes %s%s%s%s%s, expected %s", pyad_loops[loop].name,
                     pyad_dtype_name(in[0]->dtype), nargs > 1 ? " and " : "",
                     nargs > 1 ? pyad_dtype_name(in[1]->dtype) : "", nargs > 2 ? " and " : "",
                     nargs > 2 ? pyad_dtype_name(in[2]->dtype) : "",
                     logic ? "bool" : "float32 or float64, the same for all");
}

static int loop_result(int loop, const pyad_layout *last)
{
    pyad_loop_kind kind = pyad_loops[loop].kind;
    return kind == PYAD_KIND_COMPARE || kind == PYAD_KIND_LOGIC ? PYAD_BOOL : last->dtype;
}

static pyad_status broadcast_failure(pyad_message *message, int loop, int nargs, const pyad_layout *const *in)
{
    char text[3][TEXT];
    for (int k = 0; k < nargs; k++)
        pyad_shape_text(in[k], text[k], TEXT);
    return pyad_fail(
        message, PYAD_ERR_SHAPE,
        "%s: operands with shapes %s%s%s%s%s do not broadcast; lengths must be equal or 1, counted from the "
        "last axis",
        pyad_loops[loop].name, text[0], nargs > 1 ? " and " : "", nargs > 1 ? text[1] : "", nargs > 2 ? " and " : "",
        nargs > 2 ? text[2] : "");
}

static pyad_status infer_broadcast(pyad_message *message, int loop, int nargs, const pyad_layout *const *in,
                                   pyad_layout_any *out)
{
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim;
    PYAD_TRY(check_loop_dtypes(message, loop, nargs, in));
    if (!pyad_broadcast_shapes(nargs, in, shape, &ndim))
        return broadcast_failure(message, loop, nargs, in);
    return pyad_layout_fill(out, loop_result(loop, in[nargs - 1]), ndim, shape);
}

pyad_status pyad_infer_loop(const pyad_env *env, int loop, int nargs, const pyad_value *in, const pyad_layout **out)
{
    const pyad_layout *layouts[3];
    for (int k = 0; k < nargs; k++)
        layouts[k] = in[k].layout;
    PYAD_TRY(check_loop_dtypes(env->message, loop, nargs, layouts));
    int dtype = loop_result(loop, layouts[nargs - 1]);
    /* Most often one operand has the result's very layout and the others are the same or single elements. */
    for (int k = 0; k < nargs; k++) {
        const pyad_layout *one = layouts[k];
        bool fits = one->contiguous && one->dtype == dtype;
        for (int j = 0; j < nargs && fits; j++) {
            fits = layouts[j] == one || (layouts[j]->size == 1 && layouts[j]->ndim <= one->ndim) ||
                   pyad_same_shape(layouts[j], one);
        }
        if (fits) {
            *out = one;
            return PYAD_OK;
        }
    }
    pyad_layout_any any;
    PYAD_TRY(infer_broadcast(env->message, loop, nargs, layouts, &any));
    *out = pyad_layout_keep(env->arena, &any.layout);
    return *out != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

static pyad_status infer_reduction(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *in,
                                   pyad_layout_any *out)
{
    uint32_t axes = (uint32_t)params[0];
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim = 0;
    for (int d = 0; d < in->ndim; d++) {
        bool reduced = axes >> d & 1;
        if (reduced && pyad_shape(in)[d] == 0 && kernel != PYAD_KERNEL_SUM) {
            char text[TEXT];
            return pyad_fail(message, PYAD_ERR_VALUE, "%s: axis %d of shape %s is empty, and nothing has no %s",
                             pyad_kernel_name(kernel), d, pyad_shape_text(in, text, TEXT), pyad_kernel_name(kernel));
        }
        if (!reduced || params[1])
            shape[ndim++] = reduced ? 1 : pyad_shape(in)[d];
    }
    return pyad_layout_fill(out, in->dtype, ndim, shape);
}

static pyad_status infer_softmax(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *in,
                                 pyad_layout_any *out)
{
    int axis = (int)params[0];
    if (axis < 0 || axis >= in->ndim)
        return pyad_fail(message, PYAD_ERR_VALUE, "%s: axis %d is out of range for %d dimensions",
                         pyad_kernel_name(kernel), axis, in->ndim);
    if (kernel != PYAD_KERNEL_LOGSUMEXP)
        return pyad_layout_fill(out, in->dtype, in->ndim, pyad_shape(in));
    int64_t reduction[2] = {(int64_t)1 << axis, params[1]};
    return infer_reduction(message, kernel, reduction, in, out);
}

static pyad_status infer_scan(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                              pyad_layout_any *out)
{
    int axis = (int)params[0];
    if (axis < 0 || axis >= in[0]->ndim)
        return pyad_fail(message, PYAD_ERR_VALUE, "%s: axis %d is out of range for %d dimensions",
                         pyad_kernel_name(kernel), axis, in[0]->ndim);
    if (kernel == PYAD_KERNEL_RECUR && in[1]->dtype != in[0]->dtype)
        return pyad_fail(message, PYAD_ERR_DTYPE, "recur: terms have dtype %s and factors %s, expected the same",
                         pyad_dtype_name(in[0]->dtype), pyad_dtype_name(in[1]->dtype));
    if (kernel == PYAD_KERNEL_RECUR && !pyad_same_shape(in[0], in[1])) {
        char terms[TEXT];
        char factors[TEXT];
        return pyad_fail(message, PYAD_ERR_SHAPE, "recur: terms have shape %s and factors %s, expected the same",
                         pyad_shape_text(in[0], terms, TEXT), pyad_shape_text(in[1], factors, TEXT));
    }
    return pyad_layout_fill(out, in[0]->dtype, in[0]->ndim, pyad_shape(in[0]));
}

static pyad_status infer_reshape(pyad_message *message, const int64_t *params, const pyad_layout *in,
                                 pyad_layout_any *out)
{
    int ndim = (int)params[-1];
    PYAD_TRY(fill_result(message, PYAD_KERNEL_RESHAPE, in->dtype, params[-1], params, out));
    if (out->layout.size != in->size) {
        char old[TEXT];
        char new[TEXT];
        return pyad_fail(message, PYAD_ERR_SHAPE, "reshape: array of shape %s (%lld elements) does not fill shape %s",
                         pyad_shape_text(in, old, TEXT), (long long)in->size, pyad_shape_text(&out->layout, new, TEXT));
    }
    if (in->contiguous || in->size == 0)
        return PYAD_OK;
    int64_t strides[PYAD_MAX_NDIM];
    if (pyad_reshape_strides(in, ndim, params, strides))
        return pyad_layout_fill_strided(out, in->dtype, ndim, params, strides);
    return PYAD_OK;
}

static pyad_status infer_transpose(pyad_message *message, const int64_t *params, const pyad_layout *in,
                                   pyad_layout_any *out)
{
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int64_t strides[PYAD_MAX_NDIM];
    uint32_t seen = 0;
    for (int d = 0; d < in->ndim; d++) {
        int64_t axis = params[-1] == in->ndim ? params[d] : -1;
        if (axis < 0 || axis >= in->ndim || (seen >> axis & 1))
            return pyad_fail(message, PYAD_ERR_VALUE, "transpose: axes are no permutation of %d dimensions", in->ndim);
        seen |= (uint32_t)1 << axis;
        shape[d] = pyad_shape(in)[axis];
        strides[d] = pyad_strides(in)[axis];
    }
    return pyad_layout_fill_strided(out, in->dtype, in->ndim, shape, strides);
}

static pyad_status infer_broadcast_to(pyad_message *message, const int64_t *params, const pyad_layout *in,
                                      pyad_layout_any *out)
{
    int ndim = (int)params[-1];
    PYAD_TRY(fill_result(message, PYAD_KERNEL_BROADCAST, in->dtype, params[-1], params, out));
    if (!pyad_broadcasts_to(in, &out->layout)) {
        char old[TEXT];
        char new[TEXT];
        return pyad_fail(message, PYAD_ERR_SHAPE, "broadcast_to: shape %s does not broadcast to %s",
                         pyad_shape_text(in, old, TEXT), pyad_shape_text(&out->layout, new, TEXT));
    }
    int64_t strides[PYAD_MAX_NDIM];
    pyad_broadcast_strides(in, ndim, params, strides);
    return pyad_layout_fill_strided(out, in->dtype, ndim, params, strides);
}

static pyad_status infer_slice(pyad_message *message, const int64_t *params, const pyad_layout *in,
                               pyad_layout_any *out, int64_t *offset)
{
    pyad_status status = params[-1] == 3 * in->ndim ? pyad_slice_layout(in, params, out, offset) : PYAD_ERR_VALUE;
    char text[TEXT];
    if (status == PYAD_ERR_VALUE)
        return pyad_fail(message, status, "slice: index is out of range for shape %s", pyad_shape_text(in, text, TEXT));
    return status;
}

static pyad_status infer_unslice(pyad_message *message, const int64_t *params, const pyad_layout *in,
                                 pyad_layout_any *out)
{
    pyad_layout_any view;
    int64_t offset;
    PYAD_TRY(fill_result(message, PYAD_KERNEL_UNSLICE, in->dtype, params[0], params + 1, out));
    pyad_status status = pyad_slice_layout(&out->layout, params + 1 + params[0], &view, &offset);
    if (status == PYAD_OK && pyad_same_shape(&view.layout, in))
        return PYAD_OK;
    return pyad_fail(message, PYAD_ERR_SHAPE, "unslice: operand does not have the shape of the slice");
}

static pyad_status infer_take(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                              pyad_layout_any *out)
{
    const pyad_layout *index = in[1];
    if (index->dtype != PYAD_I64)
        return pyad_fail(message, PYAD_ERR_DTYPE, "%s: index has dtype %s, expected int64", pyad_kernel_name(kernel),
                         pyad_dtype_name(index->dtype));
    int64_t shape[2 * PYAD_MAX_NDIM] = {0};
    int ndim = 0;
    bool take = kernel == PYAD_KERNEL_TAKE;
    if (!take)
        PYAD_TRY(need_inexact(message, kernel, in[0])); /* rows of one index add up */
    int skip = take ? 1 : index->ndim;
    if (in[0]->ndim < skip)
        return pyad_fail(message, PYAD_ERR_SHAPE, "%s: operand has too few dimensions", pyad_kernel_name(kernel));
    if (take) {
        for (int d = 0; d < index->ndim; d++)
            shape[ndim++] = pyad_shape(index)[d];
    } else {
        if (memcmp(pyad_shape(index), pyad_shape(in[0]), (size_t)skip * sizeof *shape) != 0)
            return pyad_fail(message, PYAD_ERR_SHAPE, "put: operand does not begin with the shape of the index");
        shape[ndim++] = params[0];
    }
    for (int d = skip; d < in[0]->ndim; d++)
        shape[ndim++] = pyad_shape(in[0])[d];
    if (ndim > PYAD_MAX_NDIM)
        return pyad_fail(message, PYAD_ERR_VALUE, "%s: the result would have %d dimensions, at most %d are supported",
                         pyad_kernel_name(kernel), ndim, PYAD_MAX_NDIM);
    return fill_result(message, kernel, in[0]->dtype, ndim, shape, out);
}

/* PICK and CROSS_ENTROPY take (..., classes) and indices (...); UNPICK takes (...) and the same indices. */
static pyad_status infer_pick(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                              pyad_layout_any *out)
{
    const pyad_layout *index = in[1];
    bool pick = kernel != PYAD_KERNEL_UNPICK;
    bool fits = in[0]->ndim == index->ndim + (pick ? 1 : 0) && index->ndim < PYAD_MAX_NDIM &&
                memcmp(pyad_shape(in[0]), pyad_shape(index), (size_t)index->ndim * sizeof(int64_t)) == 0;
    bool inexact = pyad_dtype_is_float(in[0]->dtype) || pyad_dtype_is_complex(in[0]->dtype);
    if (index->dtype != PYAD_I64 || !fits || !inexact) {
        char left[TEXT];
        char right[TEXT];
        return pyad_fail(message, PYAD_ERR_SHAPE, "%s: operand of shape %s and index of shape %s (%s) do not fit",
                         pyad_kernel_name(kernel), pyad_shape_text(in[0], left, TEXT),
                         pyad_shape_text(index, right, TEXT), pyad_dtype_name(index->dtype));
    }
    if (pick)
        return pyad_layout_fill(out, in[0]->dtype, kernel == PYAD_KERNEL_PICK ? index->ndim : 0, pyad_shape(in[0]));
    int64_t shape[PYAD_MAX_NDIM] = {0};
    memcpy(shape, pyad_shape(index), (size_t)index->ndim * sizeof *shape);
    shape[index->ndim] = params[0];
    return pyad_layout_fill(out, in[0]->dtype, index->ndim + 1, shape);
}

static pyad_status infer_sum_squares(pyad_message *message, const pyad_layout *const *in, pyad_layout_any *out)
{
    if (in[0]->dtype == in[1]->dtype && pyad_same_shape(in[0], in[1]))
        return pyad_layout_fill(out, in[0]->dtype, 0, NULL);
    char left[TEXT];
    char right[TEXT];
    return pyad_fail(message, PYAD_ERR_SHAPE, "sum_squares: operands of shape %s (%s) and %s (%s) must be alike",
                     pyad_shape_text(in[0], left, TEXT), pyad_dtype_name(in[0]->dtype),
                     pyad_shape_text(in[1], right, TEXT), pyad_dtype_name(in[1]->dtype));
}

static pyad_status infer_concatenate(pyad_message *message, const int64_t *params, int nargs,
                                     const pyad_layout *const *in, pyad_layout_any *out)
{
    int axis = (int)params[0];
    int64_t shape[PYAD_MAX_NDIM] = {0};
    const pyad_layout *one = in[0];
    if (axis < 0 || axis >= one->ndim)
        return pyad_fail(message, PYAD_ERR_VALUE, "concatenate: axis %d is out of range for %d dimensions", axis,
                         one->ndim);
    memcpy(shape, pyad_shape(one), (size_t)one->ndim * sizeof *shape);
    shape[axis] = 0;
    for (int k = 0; k < nargs; k++) {
        bool fits = in[k]->ndim == one->ndim && in[k]->dtype == one->dtype;
        for (int d = 0; d < one->ndim && fits; d++)
            fits = d == axis || pyad_shape(in[k])[d] == pyad_shape(one)[d];
        if (!fits) {
            char first[TEXT];
            char other[TEXT];
            return pyad_fail(
                message, PYAD_ERR_SHAPE,
                "concatenate: operand %d has shape %s (%s), operand 0 has %s (%s); all but axis %d must be "
                "equal",
                k, pyad_shape_text(in[k], other, TEXT), pyad_dtype_name(in[k]->dtype),
                pyad_shape_text(one, first, TEXT), pyad_dtype_name(one->dtype), axis);
        }
        if (__builtin_add_overflow(shape[axis], pyad_shape(in[k])[axis], &shape[axis]))
            return PYAD_ERR_MEMORY;
    }
    return pyad_layout_fill(out, one->dtype, one->ndim, shape);
}

static pyad_status matmul_failure(pyad_message *message, int kernel, const pyad_layout *a, const pyad_layout *b,
                                  const char *why)
{
    char left[TEXT];
    char right[TEXT];
    return pyad_fail(message, PYAD_ERR_SHAPE, "%s: shapes %s and %s %s", pyad_kernel_name(kernel),
                     pyad_shape_text(a, left, TEXT), pyad_shape_text(b, right, TEXT), why);
}

/* Both operands have at least two dimensions: the op definitions see to vectors. */
static pyad_status infer_matmul(pyad_message *message, int kernel, const pyad_layout *const *in, pyad_layout_any *out)
{
    const pyad_layout *a = in[0];
    const pyad_layout *b = in[1];
    if (a->ndim < 2 || b->ndim < 2)
        return matmul_failure(message, kernel, a, b, "need at least two dimensions each");
    if (a->dtype != b->dtype)
        return pyad_fail(message, PYAD_ERR_DTYPE, "%s: dtypes %s and %s differ", pyad_kernel_name(kernel),
                         pyad_dtype_name(a->dtype), pyad_dtype_name(b->dtype));
    int64_t inner = pyad_shape(a)[a->ndim - 1];
    if (inner != pyad_shape(b)[b->ndim - 2])
        return matmul_failure(message, kernel, a, b,
                              "do not contract: the last axis of the first must equal the last but one of the second");
    pyad_layout_any batch[2];
    PYAD_TRY(pyad_layout_fill(&batch[0], a->dtype, a->ndim - 2, pyad_shape(a)));
    PYAD_TRY(pyad_layout_fill(&batch[1], b->dtype, b->ndim - 2, pyad_shape(b)));
    const pyad_layout *both[2] = {&batch[0].layout, &batch[1].layout};
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim;
    if (!pyad_broadcast_shapes(2, both, shape, &ndim))
        return matmul_failure(message, kernel, a, b, "have batch dimensions that do not broadcast");
    shape[ndim++] = pyad_shape(a)[a->ndim - 2];
    shape[ndim++] = pyad_shape(b)[b->ndim - 1];
    return pyad_layout_fill(out, a->dtype, ndim, shape);
}

static pyad_status infer_affine(pyad_message *message, const pyad_layout *const *in, pyad_layout_any *out)
{
    if (in[0]->ndim != 2 || in[1]->ndim != 2)
        return matmul_failure(message, PYAD_KERNEL_AFFINE, in[0], in[1], "must both have two dimensions");
    PYAD_TRY(infer_matmul(message, PYAD_KERNEL_AFFINE, in, out));
    const pyad_layout *bias = in[2];
    if (!pyad_broadcasts_to(bias, &out->layout))
        return matmul_failure(message, PYAD_KERNEL_AFFINE, bias, &out->layout, "(bias and product) do not broadcast");
    if (bias->dtype != out->layout.dtype)
        return pyad_fail(message, PYAD_ERR_DTYPE, "affine: bias has dtype %s, product %s", pyad_dtype_name(bias->dtype),
                         pyad_dtype_name(out->layout.dtype));
    return PYAD_OK;
}

bool pyad_shares_memory(int kernel, const pyad_layout *in, const pyad_layout *out)
{
    if (kernel == PYAD_KERNEL_STRIDED_VIEW)
        return in->contiguous;
    return kernel != PYAD_KERNEL_RESHAPE || in->contiguous || !out->contiguous || out->size == 0;
}

pyad_status pyad_infer(pyad_message *message, int kernel, const int64_t *params, int nargs,
                       const pyad_layout *const *in, pyad_layout_any *out, int64_t *offset)
{
    const int64_t *values = params != NULL ? params + 1 : NULL;
    const pyad_layout *x = in[0];
    *offset = 0;
    if (pyad_kernel_is_loop(kernel))
        return infer_broadcast(message, kernel, nargs, in, out);
    switch ((pyad_kernel_id)kernel) {
    case PYAD_KERNEL_ALIAS:
        return pyad_layout_fill_strided(out, x->dtype, x->ndim, pyad_shape(x), pyad_strides(x));
    case PYAD_KERNEL_RESHAPE:
        return infer_reshape(message, values, x, out);
    case PYAD_KERNEL_TRANSPOSE:
        return infer_transpose(message, values, x, out);
    case PYAD_KERNEL_BROADCAST:
        return infer_broadcast_to(message, values, x, out);
    case PYAD_KERNEL_SLICE:
        return infer_slice(message, values, x, out, offset);
    case PYAD_KERNEL_UNSLICE:
        return infer_unslice(message, values, x, out);
    case PYAD_KERNEL_STRIDED_VIEW:
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ASSIGN_AT:
        return pyad_infer_indexing(message, kernel, values, in, out, offset);
    case PYAD_KERNEL_ADD_SLICE:
    case PYAD_KERNEL_ADD_ROWS:
        PYAD_TRY(need_inexact(message, kernel, x));
        return pyad_infer_indexing(message, kernel, values, in, out, offset);
    case PYAD_KERNEL_CAST:
        return fill_result(message, kernel, (int)values[0], x->ndim, pyad_shape(x), out);
    case PYAD_KERNEL_SUM:
        PYAD_TRY(need_inexact(message, kernel, x));
        return infer_reduction(message, kernel, values, x, out);
    case PYAD_KERNEL_MAX:
    case PYAD_KERNEL_MIN:
        PYAD_TRY(need_float(message, kernel, x));
        return infer_reduction(message, kernel, values, x, out);
    case PYAD_KERNEL_LOGSUMEXP:
    case PYAD_KERNEL_SOFTMAX:
    case PYAD_KERNEL_LOG_SOFTMAX:
        PYAD_TRY(need_float(message, kernel, x));
        return infer_softmax(message, kernel, values, x, out);
    case PYAD_KERNEL_TAKE:
    case PYAD_KERNEL_PUT:
        return infer_take(message, kernel, values, in, out);
    case PYAD_KERNEL_PICK:
    case PYAD_KERNEL_UNPICK:
    case PYAD_KERNEL_CROSS_ENTROPY:
        return infer_pick(message, kernel, values, in, out);
    case PYAD_KERNEL_SUM_SQUARES:
        PYAD_TRY(need_float(message, kernel, x));
        return infer_sum_squares(message, in, out);
    case PYAD_KERNEL_CONCATENATE:
        return infer_concatenate(message, values, nargs, in, out);
    case PYAD_KERNEL_CUMSUM:
    case PYAD_KERNEL_CUMPROD:
    case PYAD_KERNEL_RECUR:
        PYAD_TRY(need_float(message, kernel, x));
        return infer_scan(message, kernel, values, in, out);
    case PYAD_KERNEL_MATMUL:
        PYAD_TRY(need_inexact(message, kernel, x));
        return infer_matmul(message, kernel, in, out);
    case PYAD_KERNEL_AFFINE:
        PYAD_TRY(need_inexact(message, kernel, x));
        return infer_affine(message, in, out);
    case PYAD_KERNEL_CONJ:
    case PYAD_KERNEL_IMAG:
    case PYAD_KERNEL_UNIMAG:
        return infer_complex(message, kernel, x, out);
    case PYAD_KERNEL_BEFORE_SHAPED:
    case PYAD_KERNEL_COUNT:
        break;
    }
    return pyad_fail(message, PYAD_ERR_STATE, "kernel %d does not exist", kernel);
}
