/* Rows picked by an index, and their transpose. */
#include "kernels/kernels.h"

#include <string.h>

#include "array/strided_iter.h"
#include "simd/dispatch.h"

enum {
    SHORT_ROW = 8  /* rows up to this length are added by a plain loop */
};

/* A row: the sub-array under one index. */
typedef struct row_plan {
    size_t item;
    bool wide;           /* float64; only looked at when adding */
    int64_t size;        /* elements */
    bool contiguous;     /* on both sides */
    int64_t dst_stride;  /* from one row to the next, on the side that the index picks from or adds to */
    pyad_loop add;
    pyad_strided_iter iter;      /* operand 0: destination, 1: source */
} row_plan;

/* Dimensions from `first` on of `src`, with the strides of both. */
static void row_start(row_plan *row, int ndim, const int64_t *shape, const int64_t *dst, const int64_t *src)
{
    row->iter.ndim = 0;
    for (int axis = 0; axis < ndim; axis++)
        pyad_strided_iter_push(&row->iter, shape[axis], dst[axis], src[axis], 0);
    pyad_strided_iter_sort(&row->iter, 0);
    pyad_strided_iter_merge(&row->iter);
    row->size = pyad_strided_iter_size(&row->iter);
    row->contiguous = row->iter.ndim == 0;
    if (row->iter.ndim == 1)
        row->contiguous = row->iter.dim[0].stride[0] == 1 && row->iter.dim[0].stride[1] == 1;
}

/* --- Gather ------------------------------------------------------------------------------------------------------- */

typedef uint8_t __attribute__((may_alias)) word_8;
typedef uint16_t __attribute__((may_alias)) word_16;
typedef uint32_t __attribute__((may_alias)) word_32;
typedef uint64_t __attribute__((may_alias)) word_64;
typedef struct __attribute__((may_alias)) word_128 {
    uint64_t half[2];
} word_128;

#define DEFINE_PICK(BITS)                                                                                         \
    static void pick_##BITS(pyad_strided_dim inner, word_##BITS *dst, const word_##BITS *src, int64_t src_stride, \
                            const int64_t *index)                                                                 \
    {                                                                                                             \
        for (int64_t i = 0; i < inner.length; i++)                                                                \
            dst[i] = src[index[i * inner.stride[0]] * src_stride];                                                \
    }

DEFINE_PICK(8)
DEFINE_PICK(16)
DEFINE_PICK(32)
DEFINE_PICK(64)
DEFINE_PICK(128)

/* Rows of one element. */
static void pick(size_t item, pyad_strided_dim inner, void *dst, const void *src, int64_t stride, const int64_t *index)
{
    switch (item) {
    case 1:
        pick_8(inner, dst, src, stride, index);
        break;
    case 2:
        pick_16(inner, dst, src, stride, index);
        break;
    case 4:
        pick_32(inner, dst, src, stride, index);
        break;
    case 8:
        pick_64(inner, dst, src, stride, index);
        break;
    default:
        pick_128(inner, dst, src, stride, index);
        break;
    }
}

static void row_copy(const row_plan *row, void *dst, const void *src)
{
    if (row->contiguous) {
        memcpy(dst, src, (size_t)row->size * row->item);
        return;
    }
    int outer = row->iter.ndim - 1;
    pyad_strided_dim inner = row->iter.dim[outer];
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        void *to = pyad_at(dst, at.offset[0], row->item);
        const void *from = pyad_at_const(src, at.offset[1], row->item);
        pyad_strided_copy(row->item, inner.length, to, inner.stride[0], from, inner.stride[1]);
    } while (pyad_cursor_next(&at, &row->iter, outer));
}

/* The index along its innermost dimension. */
static void gather_inner(const row_plan *row, pyad_strided_dim inner, void *dst, pyad_view src, const int64_t *index)
{
    int64_t stride = pyad_strides(src.layout)[0];
    if (row->size == 1) {
        pick(row->item, inner, dst, src.data, stride, index);
        return;
    }
    for (int64_t i = 0; i < inner.length; i++) {
        const void *from = pyad_at_const(src.data, index[i * inner.stride[0]] * stride, row->item);
        row_copy(row, pyad_at(dst, i * row->size, row->item), from);
    }
}

static void index_iter(pyad_strided_iter *iter, const pyad_layout *index, const int64_t *src_strides)
{
    const int64_t *shape = pyad_shape(index);
    const int64_t *strides = pyad_strides(index);
    iter->ndim = 0;
    for (int axis = 0; axis < index->ndim; axis++)
        pyad_strided_iter_push(iter, shape[axis], strides[axis], src_strides != NULL ? src_strides[axis] : 0, 0);
    pyad_strided_iter_merge(iter);
}

void pyad_gather(pyad_view dst, pyad_view src, pyad_view index)
{
    if (dst.layout->size == 0)
        return;
    row_plan row;
    row.item = pyad_dtype_size(src.layout->dtype);
    int lead = index.layout->ndim;
    row_start(&row, src.layout->ndim - 1, pyad_shape(src.layout) + 1, pyad_strides(dst.layout) + lead,
              pyad_strides(src.layout) + 1);
    pyad_strided_iter iter;
    index_iter(&iter, index.layout, NULL);
    int outer = iter.ndim > 0 ? iter.ndim - 1 : 0;
    pyad_strided_dim inner = iter.ndim > 0 ? iter.dim[outer] : (pyad_strided_dim){1, {1, 0, 0}};
    const int64_t *entries = index.data;
    char *to = dst.data;
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        gather_inner(&row, inner, to, src, entries + at.offset[0]);
        to += (size_t)(inner.length * row.size) * row.item;
    } while (pyad_cursor_next(&at, &iter, outer));
}

/* --- Scatter ------------------------------------------------------------------------------------------------------ */

static void add_f32(pyad_strided_dim inner, float *dst, const float *src)
{
    for (int64_t i = 0; i < inner.length; i++)
        dst[i * inner.stride[0]] += src[i * inner.stride[1]];
}

static void add_f64(pyad_strided_dim inner, double *dst, const double *src)
{
    for (int64_t i = 0; i < inner.length; i++)
        dst[i * inner.stride[0]] += src[i * inner.stride[1]];
}

static void row_add(const row_plan *row, void *dst, const void *src)
{
    if (row->contiguous && row->size > SHORT_ROW) {
        const void *in[2] = {dst, src};
        row->add(row->size, dst, in, 0);
        return;
    }
    int outer = row->iter.ndim > 0 ? row->iter.ndim - 1 : 0;
    pyad_strided_dim inner = row->iter.ndim > 0 ? row->iter.dim[outer] : (pyad_strided_dim){1, {1, 1, 0}};
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        void *to = pyad_at(dst, at.offset[0], row->item);
        const void *from = pyad_at_const(src, at.offset[1], row->item);
        if (row->wide)
            add_f64(inner, to, from);
        else
            add_f32(inner, to, from);
    } while (pyad_cursor_next(&at, &row->iter, outer));
}

static void put_f32(pyad_strided_dim inner, float *dst, int64_t dst_stride, const float *src, const int64_t *index)
{
    for (int64_t i = 0; i < inner.length; i++)
        dst[index[i * inner.stride[0]] * dst_stride] += src[i * inner.stride[1]];
}

static void put_f64(pyad_strided_dim inner, double *dst, int64_t dst_stride, const double *src, const int64_t *index)
{
    for (int64_t i = 0; i < inner.length; i++)
        dst[index[i * inner.stride[0]] * dst_stride] += src[i * inner.stride[1]];
}

/* The index, and the rows of the source, along the innermost dimension of the index. */
static void scatter_inner(const row_plan *row, pyad_strided_dim inner, void *dst, const void *src, const int64_t *index)
{
    if (row->size == 1 && row->wide) {
        put_f64(inner, dst, row->dst_stride, src, index);
        return;
    }
    if (row->size == 1) {
        put_f32(inner, dst, row->dst_stride, src, index);
        return;
    }
    for (int64_t i = 0; i < inner.length; i++) {
        void *to = pyad_at(dst, index[i * inner.stride[0]] * row->dst_stride, row->item);
        row_add(row, to, pyad_at_const(src, i * inner.stride[1], row->item));
    }
}

void pyad_scatter_add(pyad_view dst, pyad_view src, pyad_view index)
{
    if (src.layout->size == 0)
        return;
    if (pyad_dtype_is_complex(src.layout->dtype)) {
        pyad_layout_any to;
        pyad_layout_any from;
        pyad_layout_pairs(dst.layout, &to);
        pyad_layout_pairs(src.layout, &from);
        pyad_scatter_add((pyad_view){&to.layout, dst.data}, (pyad_view){&from.layout, src.data}, index);
        return;
    }
    row_plan row;
    row.item = pyad_dtype_size(src.layout->dtype);
    row.wide = src.layout->dtype == PYAD_F64;
    row.dst_stride = pyad_strides(dst.layout)[0];
    row.add = pyad_isa()->loop[PYAD_LOOP_ADD][row.wide];
    row_start(&row, dst.layout->ndim - 1, pyad_shape(dst.layout) + 1, pyad_strides(dst.layout) + 1,
              pyad_strides(src.layout) + index.layout->ndim);
    pyad_strided_iter iter;
    index_iter(&iter, index.layout, pyad_strides(src.layout));
    int outer = iter.ndim > 0 ? iter.ndim - 1 : 0;
    pyad_strided_dim inner = iter.ndim > 0 ? iter.dim[outer] : (pyad_strided_dim){1, {1, 1, 0}};
    const int64_t *entries = index.data;
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        const void *from = pyad_at_const(src.data, at.offset[1], row.item);
        scatter_inner(&row, inner, dst.data, from, entries + at.offset[0]);
    } while (pyad_cursor_next(&at, &iter, outer));
}

/* --- Check -------------------------------------------------------------------------------------------------------- */

/* The first entry outside [0, rows) along the innermost dimension, or its length. As unsigned numbers, negative ones are large. */
static int64_t check_inner(pyad_strided_dim inner, const int64_t *index, int64_t rows)
{
    for (int64_t i = 0; i < inner.length; i++) {
        if ((uint64_t)index[i * inner.stride[0]] >= (uint64_t)rows)
            return i;
    }
    return inner.length;
}

int64_t pyad_index_check(pyad_view index, int64_t rows, int64_t *bad)
{
    if (index.layout->size == 0)
        return -1;
    pyad_strided_iter iter;
    index_iter(&iter, index.layout, NULL);
    int outer = iter.ndim > 0 ? iter.ndim - 1 : 0;
    pyad_strided_dim inner = iter.ndim > 0 ? iter.dim[outer] : (pyad_strided_dim){1, {1, 0, 0}};
    const int64_t *entries = index.data;
    int64_t passed = 0;
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        const int64_t *from = entries + at.offset[0];
        int64_t good = check_inner(inner, from, rows);
        if (good < inner.length) {
            *bad = from[good * inner.stride[0]];
            return passed + good;
        }
        passed += inner.length;
    } while (pyad_cursor_next(&at, &iter, outer));
    return -1;
}

/* dst[i] = src[at[i]] and dst[at[i]] = src[i], where row i begins at i * classes. */
#define DEFINE_ENTRIES(BITS)                                                                             \
    static void entries_get_##BITS(int64_t n, int64_t classes, word_##BITS *dst, const word_##BITS *src, \
                                   const int64_t *at)                                                    \
    {                                                                                                    \
        for (int64_t i = 0; i < n; i++)                                                                  \
            dst[i] = src[i * classes + at[i]];                                                           \
    }                                                                                                    \
                                                                                                         \
    static void entries_set_##BITS(int64_t n, int64_t classes, word_##BITS *dst, const word_##BITS *src, \
                                   const int64_t *at)                                                    \
    {                                                                                                    \
        for (int64_t i = 0; i < n; i++)                                                                  \
            dst[i * classes + at[i]] = src[i];                                                           \
    }

DEFINE_ENTRIES(32)
DEFINE_ENTRIES(64)
DEFINE_ENTRIES(128)

void pyad_pick(pyad_view dst, pyad_view src, pyad_view index)
{
    int64_t n = index.layout->size;
    int64_t classes = pyad_shape(src.layout)[src.layout->ndim - 1];
    size_t item = pyad_dtype_size(src.layout->dtype);
    if (item == 4)
        entries_get_32(n, classes, dst.data, src.data, index.data);
    else if (item == 8)
        entries_get_64(n, classes, dst.data, src.data, index.data);
    else
        entries_get_128(n, classes, dst.data, src.data, index.data);
}

void pyad_unpick(pyad_view dst, pyad_view src, pyad_view index)
{
    int64_t n = index.layout->size;
    int64_t classes = pyad_shape(dst.layout)[dst.layout->ndim - 1];
    size_t item = pyad_dtype_size(dst.layout->dtype);
    pyad_zero(dst);
    if (item == 4)
        entries_set_32(n, classes, dst.data, src.data, index.data);
    else if (item == 8)
        entries_set_64(n, classes, dst.data, src.data, index.data);
    else
        entries_set_128(n, classes, dst.data, src.data, index.data);
}

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
