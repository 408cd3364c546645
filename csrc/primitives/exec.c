/* Running one instruction. */
#include "primitives/exec.h"

#include "array/subview.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "primitives/exec_assign.h"
#include "primitives/infer.h"
#include "primitives/info.h"
#include "primitives/values.h"

/* One operand of a complex loop as contiguous memory of the result's shape, or one element for all. The caller releases
 * the buffer of a copy. */
static pyad_status spread(const pyad_env *env, const pyad_layout *shape, const pyad_value *in, pyad_value *out)
{
    *out = (pyad_value){in->layout, in->data, NULL};
    if (in->layout->size == 1 || (in->layout->contiguous && in->layout->size == shape->size))
        return PYAD_OK;
    pyad_layout_any any;
    PYAD_TRY(pyad_layout_fill(&any, in->layout->dtype, shape->ndim, pyad_shape(shape)));
    const pyad_layout *layout = pyad_layout_keep(env->arena, &any.layout);
    if (layout == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    pyad_copy(pyad_value_view(out), pyad_value_view(in));
    return PYAD_OK;
}

/* `out` has its memory. */
static pyad_status run_complex(const pyad_env *env, int loop, int nargs, const pyad_value *in, const pyad_value *out)
{
    pyad_value full[3] = {{NULL, NULL, NULL}, {NULL, NULL, NULL}, {NULL, NULL, NULL}};
    const void *data[3] = {NULL, NULL, NULL};
    unsigned scalars = 0;
    pyad_status status = PYAD_OK;
    for (int k = 0; k < nargs && status == PYAD_OK; k++) {
        status = spread(env, out->layout, &in[k], &full[k]);
        data[k] = full[k].data;
        scalars |= (unsigned)(in[k].layout->size == 1) << k;
    }
    if (status == PYAD_OK && out->layout->size > 0)
        pyad_complex_loop(loop, in[nargs - 1].layout->dtype)(out->layout->size, out->data, data, scalars);
    for (int k = 0; k < nargs; k++) {
        pyad_value_release(env, &full[k]);
    }
    return status;
}

/* `out` has its memory. */
static pyad_status run_loop(const pyad_env *env, int loop, int nargs, const pyad_value *in, const pyad_value *out)
{
    const pyad_layout *layout = out->layout;
    if (pyad_dtype_is_complex(in[nargs - 1].layout->dtype))
        return run_complex(env, loop, nargs, in, out);
    int wide = in[nargs - 1].layout->dtype == PYAD_F64;
    pyad_elementwise_step step = {
        .loop = (uint8_t)loop,
        .wide = (uint8_t)wide,
        .arity = (uint8_t)nargs,
        .bytes = (uint8_t)pyad_dtype_size(layout->dtype),
        .in = {0, 1, 2},
    };
    if (layout->size == 1) {
        const void *data[3] = {in[0].data, nargs > 1 ? in[1].data : NULL, nargs > 2 ? in[2].data : NULL};
        pyad_isa()->loop[loop][wide](1, out->data, data, 0);
        return PYAD_OK;
    }
    pyad_view views[3];
    for (int k = 0; k < nargs; k++)
        views[k] = pyad_value_view(&in[k]);
    pyad_elementwise_output output = {.reg = (uint16_t)nargs, .data = out->data};
    pyad_elementwise work = {&step, 1, nargs, views, 1, &output, layout};
    return pyad_elementwise_run(env->mem, &work);
}

static pyad_status exec_loop(const pyad_env *env, int loop, int nargs, const pyad_value *in, pyad_value *out)
{
    const pyad_layout *layout;
    PYAD_TRY(pyad_infer_loop(env, loop, nargs, in, &layout));
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    pyad_status status = run_loop(env, loop, nargs, in, out);
    if (status != PYAD_OK)
        pyad_value_release(env, out);
    return status;
}

/* A strided view of what is not in C order: of a copy that is. */
static pyad_status view_of_copy(const pyad_env *env, const int64_t *params, const pyad_value *in, pyad_value *out)
{
    pyad_value flat;
    pyad_layout_any view;
    int64_t offset;
    PYAD_TRY(pyad_value_copy(env, in, &flat));
    pyad_status status = pyad_strided_view_layout(flat.layout, params + 1, &view, &offset);
    if (status == PYAD_OK) {
        char *at = (char *)flat.data + offset * (int64_t)pyad_dtype_size(flat.layout->dtype);
        status = pyad_value_copy(env, &(pyad_value){&view.layout, at, NULL}, out);
    }
    pyad_value_release(env, &flat);
    return status;
}

static pyad_status exec_view(const pyad_env *env, int kernel, const pyad_value *in, const pyad_layout *layout,
                             int64_t offset, pyad_value *out)
{
    if (pyad_shares_memory(kernel, in->layout, layout)) {
        out->layout = layout;
        out->data = (char *)in->data + offset * (int64_t)pyad_dtype_size(layout->dtype);
        out->buffer = in->buffer;
        if (out->buffer != NULL)
            pyad_buffer_retain(out->buffer);
        return PYAD_OK;
    }
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    /* The copy has the operand's shape and the result's memory. */
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, in->layout->dtype, in->layout->ndim, pyad_shape(in->layout)));
    pyad_copy((pyad_view){&flat.layout, out->data}, pyad_value_view(in));
    return PYAD_OK;
}

static pyad_status run_take(const pyad_env *env, const pyad_value *in, const pyad_value *out)
{
    int64_t bad;
    int64_t rows = pyad_shape(in[0].layout)[0];
    if (pyad_index_check(pyad_value_view(&in[1]), rows, &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "take: index %lld is out of range for %lld rows", (long long)bad,
                         (long long)rows);
    pyad_gather(pyad_value_view(out), pyad_value_view(&in[0]), pyad_value_view(&in[1]));
    return PYAD_OK;
}

static pyad_status run_put(const pyad_env *env, const int64_t *values, const pyad_value *in, const pyad_value *out)
{
    int64_t bad;
    if (pyad_index_check(pyad_value_view(&in[1]), values[0], &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "put: index %lld is out of range for %lld rows", (long long)bad,
                         (long long)values[0]);
    pyad_zero(pyad_value_view(out));
    pyad_scatter_add(pyad_value_view(out), pyad_value_view(&in[0]), pyad_value_view(&in[1]));
    return PYAD_OK;
}

static pyad_status run_pick(const pyad_env *env, int kernel, const pyad_value *in, const pyad_value *out)
{
    int64_t bad;
    const pyad_layout *table = kernel == PYAD_KERNEL_UNPICK ? out->layout : in[0].layout;
    int64_t classes = pyad_shape(table)[table->ndim - 1];
    if (pyad_index_check(pyad_value_view(&in[1]), classes, &bad) >= 0)
        return pyad_fail(env->message, PYAD_ERR_VALUE, "%s: index %lld is out of range for %lld classes",
                         pyad_kernel_name(kernel), (long long)bad, (long long)classes);
    pyad_value source;
    pyad_value index = {NULL, NULL, NULL};
    PYAD_TRY(pyad_value_contiguous(env, &in[0], &source));
    pyad_status status = pyad_value_contiguous(env, &in[1], &index);
    if (status == PYAD_OK && kernel == PYAD_KERNEL_PICK)
        pyad_pick(pyad_value_view(out), pyad_value_view(&source), pyad_value_view(&index));
    else if (status == PYAD_OK && kernel == PYAD_KERNEL_CROSS_ENTROPY)
        status = pyad_cross_entropy(env->mem, pyad_value_view(out), pyad_value_view(&source), pyad_value_view(&index));
    else if (status == PYAD_OK)
        pyad_unpick(pyad_value_view(out), pyad_value_view(&source), pyad_value_view(&index));
    pyad_value_release(env, &source);
    pyad_value_release(env, &index);
    return status;
}

static pyad_status run_unslice(const int64_t *values, const pyad_value *in, const pyad_value *out)
{
    pyad_layout_any view;
    int64_t offset;
    pyad_zero(pyad_value_view(out));
    PYAD_TRY(pyad_slice_layout(out->layout, values + 1 + values[0], &view, &offset));
    char *at = (char *)out->data + offset * (int64_t)pyad_dtype_size(out->layout->dtype);
    pyad_copy((pyad_view){&view.layout, at}, pyad_value_view(in));
    return PYAD_OK;
}

static pyad_status run_concatenate(const int64_t *values, int nargs, const pyad_value *in, const pyad_value *out)
{
    int64_t axis = values[0];
    char *at = out->data;
    size_t item = pyad_dtype_size(out->layout->dtype);
    for (int k = 0; k < nargs; k++) {
        pyad_layout_any piece;
        PYAD_TRY(pyad_layout_fill_strided(&piece, out->layout->dtype, out->layout->ndim, pyad_shape(in[k].layout),
                                          pyad_strides(out->layout)));
        pyad_copy((pyad_view){&piece.layout, at}, pyad_value_view(&in[k]));
        at += pyad_shape(in[k].layout)[axis] * pyad_strides(out->layout)[axis] * (int64_t)item;
    }
    return PYAD_OK;
}

static pyad_status run_affine(const pyad_env *env, const pyad_value *in, const pyad_value *out)
{
    if (in[2].data != out->data)
        pyad_copy(pyad_value_view(out), pyad_value_view(&in[2]));
    return pyad_matmul(env->mem, pyad_value_view(out), pyad_value_view(&in[0]), pyad_value_view(&in[1]), 1);
}

static pyad_status run_scan(int kernel, const int64_t *values, const pyad_value *in, const pyad_value *out)
{
    static const pyad_scan_kind kinds[] = {PYAD_CUMSUM, PYAD_CUMPROD, PYAD_RECUR};
    bool recur = kernel == PYAD_KERNEL_RECUR;
    pyad_view factors = recur ? pyad_value_view(&in[1]) : (pyad_view){NULL, NULL};
    pyad_scan(kinds[kernel - PYAD_KERNEL_CUMSUM], pyad_value_view(out), pyad_value_view(&in[0]),
              recur ? &factors : NULL, (int)values[0], values[1] != 0);
    return PYAD_OK;
}

static pyad_status run_fresh(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                             const pyad_value *out)
{
    const int64_t *values = params != NULL ? params + 1 : NULL;
    pyad_view dst = pyad_value_view(out);
    pyad_view src = pyad_value_view(&in[0]);
    switch ((pyad_kernel_id)kernel) {
    case PYAD_KERNEL_UNSLICE:
        return run_unslice(values, in, out);
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ASSIGN_AT:
    case PYAD_KERNEL_ADD_SLICE:
    case PYAD_KERNEL_ADD_ROWS:
        if (src.data != dst.data)
            pyad_copy(dst, src);
        return pyad_exec_assign(env, kernel, values, in, dst);
    case PYAD_KERNEL_CAST:
        pyad_copy(dst, src);
        return PYAD_OK;
    case PYAD_KERNEL_SUM:
        pyad_reduce(PYAD_SUM, dst, src, (uint32_t)values[0]);
        return PYAD_OK;
    case PYAD_KERNEL_MAX:
        pyad_reduce(PYAD_MAX, dst, src, (uint32_t)values[0]);
        return PYAD_OK;
    case PYAD_KERNEL_MIN:
        pyad_reduce(PYAD_MIN, dst, src, (uint32_t)values[0]);
        return PYAD_OK;
    case PYAD_KERNEL_LOGSUMEXP:
        return pyad_softmax(env->mem, PYAD_LOGSUMEXP, dst, src, (int)values[0]);
    case PYAD_KERNEL_SOFTMAX:
        return pyad_softmax(env->mem, PYAD_SOFTMAX, dst, src, (int)values[0]);
    case PYAD_KERNEL_LOG_SOFTMAX:
        return pyad_softmax(env->mem, PYAD_LOG_SOFTMAX, dst, src, (int)values[0]);
    case PYAD_KERNEL_TAKE:
        return run_take(env, in, out);
    case PYAD_KERNEL_PUT:
        return run_put(env, values, in, out);
    case PYAD_KERNEL_PICK:
    case PYAD_KERNEL_UNPICK:
    case PYAD_KERNEL_CROSS_ENTROPY:
        return run_pick(env, kernel, in, out);
    case PYAD_KERNEL_SUM_SQUARES:
        return pyad_sum_squares(env->mem, dst, src, pyad_value_view(&in[1]),
                                values[0] ? 1.0 / (double)in[0].layout->size : 1.0);
    case PYAD_KERNEL_CONCATENATE:
        return run_concatenate(values, nargs, in, out);
    case PYAD_KERNEL_CUMSUM:
    case PYAD_KERNEL_CUMPROD:
    case PYAD_KERNEL_RECUR:
        return run_scan(kernel, values, in, out);
    case PYAD_KERNEL_MATMUL:
        return pyad_matmul(env->mem, dst, src, pyad_value_view(&in[1]), 0);
    case PYAD_KERNEL_AFFINE:
        return run_affine(env, in, out);
    case PYAD_KERNEL_CONJ:
        pyad_conj(dst, src);
        return PYAD_OK;
    case PYAD_KERNEL_IMAG:
        pyad_imag(dst, src);
        return PYAD_OK;
    case PYAD_KERNEL_UNIMAG:
        pyad_unimag(dst, src);
        return PYAD_OK;
    default:
        return pyad_fail(env->message, PYAD_ERR_STATE, "kernel %d does not make new memory", kernel);
    }
}

pyad_status pyad_exec(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                      pyad_value *out)
{
    if (pyad_kernel_is_loop(kernel))
        return exec_loop(env, kernel, nargs, in, out);
    const pyad_layout *few[8] = {NULL};
    const pyad_layout **layouts = few;
    size_t bytes = (size_t)nargs * sizeof *layouts;
    if (nargs > 8) {
        layouts = pyad_mem_calloc(env->mem, bytes);
        if (layouts == NULL)
            return PYAD_ERR_MEMORY;
    }
    for (int k = 0; k < nargs; k++)
        layouts[k] = in[k].layout;
    pyad_layout_any any;
    int64_t offset;
    pyad_status status = pyad_infer(env->message, kernel, params, nargs, layouts, &any, &offset);
    if (layouts != few)
        pyad_mem_free(env->mem, layouts, bytes);
    PYAD_TRY(status);
    /* Sharing the operand's layout where it is the same saves memory and makes later comparisons cheap. */
    const pyad_layout *layout = in[0].layout;
    if (!pyad_same_layout(layout, &any.layout))
        layout = pyad_layout_keep(env->arena, &any.layout);
    if (layout == NULL)
        return PYAD_ERR_MEMORY;
    if (kernel == PYAD_KERNEL_STRIDED_VIEW && !in[0].layout->contiguous)
        return view_of_copy(env, params, &in[0], out);
    if (pyad_kernel_is_view(kernel))
        return exec_view(env, kernel, &in[0], layout, offset, out);
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    status = run_fresh(env, kernel, params, nargs, in, out);
    if (status != PYAD_OK)
        pyad_value_release(env, out);
    return status;
}

/* A view whose operand's memory cannot show it: the operand's elements in C order. */
static pyad_status copy_view(const pyad_env *env, int kernel, const int64_t *params, const pyad_value *in,
                             const pyad_value *out)
{
    pyad_layout_any flat;
    if (kernel == PYAD_KERNEL_RESHAPE) {
        PYAD_TRY(pyad_layout_fill(&flat, in->layout->dtype, in->layout->ndim, pyad_shape(in->layout)));
        pyad_copy((pyad_view){&flat.layout, out->data}, pyad_value_view(in));
        return PYAD_OK;
    }
    pyad_value made;
    PYAD_TRY(pyad_exec(env, kernel, params, 1, in, &made));
    pyad_copy(pyad_value_view(out), pyad_value_view(&made));
    pyad_value_release(env, &made);
    return PYAD_OK;
}

pyad_status pyad_exec_into(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                           const pyad_value *out)
{
    if (pyad_kernel_is_loop(kernel))
        return run_loop(env, kernel, nargs, in, out);
    if (pyad_kernel_is_view(kernel))
        return copy_view(env, kernel, params, in, out);
    return run_fresh(env, kernel, params, nargs, in, out);
}
