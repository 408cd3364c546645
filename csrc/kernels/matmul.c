/* Matrix products with batch dimensions. */
#include "kernels/kernels.h"

#include "array/strided_iter.h"
#include "kernels/gemm.h"

/* One of the two factors: a matrix for every batch entry. */
typedef struct factor {
    void *data;
    int64_t rows;
    int64_t cols;
    int64_t row_stride;
    int64_t col_stride;
    pyad_buffer *copy;   /* where the layout cannot be used in place: a contiguous copy of one matrix */
    bool copied;         /* the copy holds the matrix at `offset` */
    int64_t offset;
} factor;

typedef struct product {
    int dtype;
    size_t item;
    int accumulate;
    factor a;
    factor b;
    pyad_strided_iter batch;  /* operand 0: destination, 1: a, 2: b */
} product;

static factor factor_of(pyad_view view)
{
    int ndim = view.layout->ndim;
    const int64_t *shape = pyad_shape(view.layout) + ndim - 2;
    const int64_t *strides = pyad_strides(view.layout) + ndim - 2;
    return (factor){
        .data = view.data, .rows = shape[0], .cols = shape[1], .row_stride = strides[0], .col_stride = strides[1]};
}

/* The stride of batch dimension `axis` of `ndim`, counted as in the destination; 0 where the operand is broadcast. */
static int64_t batch_stride(const pyad_layout *layout, int ndim, int axis)
{
    int own = axis - (ndim - (layout->ndim - 2));
    if (own < 0 || pyad_shape(layout)[own] == 1)
        return 0;
    return pyad_strides(layout)[own];
}

/* Batch dimensions over which b does not change are more rows of a where they follow each other in memory. */
static void take_rows(product *p)
{
    pyad_strided_iter *batch = &p->batch;
    pyad_strided_iter_push(batch, p->a.rows, p->b.cols, p->a.row_stride, 0);
    pyad_strided_iter_merge(batch);
    p->a.rows = 1;
    if (batch->ndim == 0)
        return;
    pyad_strided_dim last = batch->dim[batch->ndim - 1];
    if (last.stride[2] == 0 && last.stride[0] == p->b.cols) {
        p->a.rows = last.length;
        p->a.row_stride = last.stride[1];
        batch->ndim--;
    }
}

static void fill_batch(product *p, const pyad_layout *dst, const pyad_layout *a, const pyad_layout *b)
{
    int ndim = dst->ndim - 2;
    int64_t stride[PYAD_MAX_NDIM];
    int64_t step = p->a.rows * p->b.cols;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        stride[axis] = step;
        step *= pyad_shape(dst)[axis];
    }
    p->batch.ndim = 0;
    for (int axis = 0; axis < ndim; axis++)
        pyad_strided_iter_push(&p->batch, pyad_shape(dst)[axis], stride[axis], batch_stride(a, ndim, axis),
                               batch_stride(b, ndim, axis));
}

/* Makes room for a contiguous matrix if the product cannot read this one where it is. */
static pyad_status factor_prepare(factor *f, size_t item, pyad_mem *mem)
{
    if (pyad_gemm_takes(f->rows, f->cols, f->row_stride, f->col_stride))
        return PYAD_OK;
    size_t bytes;
    PYAD_TRY(pyad_size_mul((size_t)f->rows, (size_t)f->cols, &bytes));
    PYAD_TRY(pyad_size_mul(bytes, item, &bytes));
    return pyad_buffer_new(mem, bytes, &f->copy);
}

/* The matrix at `offset`, copied if need be. A matrix that serves several batch entries in a row is copied once. */
static const void *factor_at(factor *f, size_t item, int64_t offset)
{
    void *data = pyad_at(f->data, offset, item);
    if (f->copy == NULL)
        return data;
    if (!f->copied || f->offset != offset) {
        pyad_plane to = {f->copy->data, f->cols, 1};
        pyad_plane from = {data, f->row_stride, f->col_stride};
        pyad_strided_copy_2d(item, f->rows, f->cols, to, from);
        f->copied = true;
        f->offset = offset;
    }
    return f->copy->data;
}

static void product_run(product *p, void *dst)
{
    factor *a = &p->a;
    factor *b = &p->b;
    int64_t ars = a->copy == NULL ? a->row_stride : a->cols;
    int64_t acs = a->copy == NULL ? a->col_stride : 1;
    int64_t brs = b->copy == NULL ? b->row_stride : b->cols;
    int64_t bcs = b->copy == NULL ? b->col_stride : 1;
    pyad_cursor at;
    pyad_cursor_start(&at, p->batch.ndim);
    do {
        const void *left = factor_at(a, p->item, at.offset[1]);
        const void *right = factor_at(b, p->item, at.offset[2]);
        void *to = pyad_at(dst, at.offset[0], p->item);
        pyad_gemm(p->dtype, a->rows, b->cols, a->cols, left, ars, acs, right, brs, bcs, p->accumulate, to, b->cols);
    } while (pyad_cursor_next(&at, &p->batch, p->batch.ndim));
}

static bool is_plain(const factor *f, const pyad_layout *layout)
{
    return layout->ndim == 2 && pyad_gemm_takes(f->rows, f->cols, f->row_stride, f->col_stride);
}

pyad_status pyad_matmul(pyad_mem *mem, pyad_view dst, pyad_view a, pyad_view b, int accumulate)
{
    if (dst.layout->size == 0)
        return PYAD_OK;
    product p;
    p.dtype = dst.layout->dtype;
    p.item = pyad_dtype_size(p.dtype);
    p.accumulate = accumulate;
    p.a = factor_of(a);
    p.b = factor_of(b);
    if (p.a.cols == 0) {
        if (!accumulate)
            pyad_zero(dst);
        return PYAD_OK;
    }
    if (dst.layout->ndim == 2 && is_plain(&p.a, a.layout) && is_plain(&p.b, b.layout)) {
        pyad_gemm(p.dtype, p.a.rows, p.b.cols, p.a.cols, a.data, p.a.row_stride, p.a.col_stride, b.data, p.b.row_stride,
                  p.b.col_stride, accumulate, dst.data, p.b.cols);
        return PYAD_OK;
    }
    fill_batch(&p, dst.layout, a.layout, b.layout);
    take_rows(&p);
    pyad_status status = factor_prepare(&p.a, p.item, mem);
    if (status == PYAD_OK)
        status = factor_prepare(&p.b, p.item, mem);
    if (status == PYAD_OK)
        product_run(&p, dst.data);
    if (p.a.copy != NULL)
        pyad_buffer_release(mem, p.a.copy);
    if (p.b.copy != NULL)
        pyad_buffer_release(mem, p.b.copy);
    return status;
}
