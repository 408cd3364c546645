/* Copies between layouts and dtypes. */
#include "kernels/kernels.h"

#include <string.h>

#include "kernels/parallel_for.h"

/* C leaves the conversion of a value that does not fit undefined. These give what x86 processors, and so NumPy, give
 * for 64-bit integers: the least integer. Narrower integers keep the low bits. */
static int64_t integer_from(double value)
{
    if (value >= -9223372036854775808.0 && value < 9223372036854775808.0)
        return (int64_t)value;
    return INT64_MIN;
}

static uint64_t unsigned_from(double value)
{
    if (value >= 9223372036854775808.0 && value < 18446744073709551616.0)
        return (uint64_t)value;
    return (uint64_t)integer_from(value);
}

/* CONVERT_<class of source>_<class of target>. */
#define CONVERT_INT_TRUTH(type, x) ((type)((x) != 0))
#define CONVERT_INT_INT(type, x) ((type)(x))
#define CONVERT_INT_U64(type, x) ((type)(x))
#define CONVERT_INT_REAL(type, x) ((type)(x))
#define CONVERT_TRUTH_TRUTH(type, x) ((type)((x) != 0))
#define CONVERT_TRUTH_INT(type, x) ((type)((x) != 0))
#define CONVERT_TRUTH_U64(type, x) ((type)((x) != 0))
#define CONVERT_TRUTH_REAL(type, x) ((type)((x) != 0))
#define CONVERT_REAL_TRUTH(type, x) ((type)((x) != 0))
#define CONVERT_REAL_INT(type, x) ((type)integer_from((double)(x)))
#define CONVERT_REAL_U64(type, x) ((type)unsigned_from((double)(x)))
#define CONVERT_REAL_REAL(type, x) ((type)(x))
#define CONVERT_INT_COMPLEX(type, x) ((type)(x))
#define CONVERT_TRUTH_COMPLEX(type, x) ((type)((x) != 0))
#define CONVERT_REAL_COMPLEX(type, x) ((type)(x))
/* From complex numbers: the real part. */
#define CONVERT_COMPLEX_TRUTH(type, x) ((type)((x) != 0))
#define CONVERT_COMPLEX_INT(type, x) ((type)integer_from((double)(x)))
#define CONVERT_COMPLEX_U64(type, x) ((type)unsigned_from((double)(x)))
#define CONVERT_COMPLEX_REAL(type, x) ((type)(x))
#define CONVERT_COMPLEX_COMPLEX(type, x) ((type)(x))

/* Every dtype as a target of the conversion from (source, its C type, its class). */
#define FOR_TARGETS(X, source, ctype, class)              \
    X(source, ctype, class, BOOL, uint8_t, TRUTH)         \
    X(source, ctype, class, I8, int8_t, INT)              \
    X(source, ctype, class, I16, int16_t, INT)            \
    X(source, ctype, class, I32, int32_t, INT)            \
    X(source, ctype, class, I64, int64_t, INT)            \
    X(source, ctype, class, U8, uint8_t, INT)             \
    X(source, ctype, class, U16, uint16_t, INT)           \
    X(source, ctype, class, U32, uint32_t, INT)           \
    X(source, ctype, class, U64, uint64_t, U64)           \
    X(source, ctype, class, F32, float, REAL)             \
    X(source, ctype, class, F64, double, REAL)            \
    X(source, ctype, class, C64, float _Complex, COMPLEX) \
    X(source, ctype, class, C128, double _Complex, COMPLEX)

/* Every dtype as a source. A macro cannot expand inside itself, hence the second list. */
#define FOR_SOURCES(X)              \
    X(BOOL, uint8_t, TRUTH)         \
    X(I8, int8_t, INT)              \
    X(I16, int16_t, INT)            \
    X(I32, int32_t, INT)            \
    X(I64, int64_t, INT)            \
    X(U8, uint8_t, INT)             \
    X(U16, uint16_t, INT)           \
    X(U32, uint32_t, INT)           \
    X(U64, uint64_t, INT)           \
    X(F32, float, REAL)             \
    X(F64, double, REAL)            \
    X(C64, float _Complex, COMPLEX) \
    X(C128, double _Complex, COMPLEX)

typedef void (*convert)(int64_t n, void *dst, const void *src);

#define DEFINE_CONVERT(source, stype, sclass, target, ttype, tclass)                                 \
    static void convert_##source##_##target(int64_t n, void *restrict dst, const void *restrict src) \
    {                                                                                                \
        const stype *from = src;                                                                     \
        ttype *to = dst;                                                                             \
        for (int64_t i = 0; i < n; i++)                                                              \
            to[i] = CONVERT_##sclass##_##tclass(ttype, from[i]);                                     \
    }
#define DEFINE_FROM(source, ctype, class) FOR_TARGETS(DEFINE_CONVERT, source, ctype, class)
FOR_SOURCES(DEFINE_FROM)

#define CONVERT_ENTRY(source, stype, sclass, target, ttype, tclass) [PYAD_##target] = convert_##source##_##target,
#define CONVERT_ROW(source, ctype, class) [PYAD_##source] = {FOR_TARGETS(CONVERT_ENTRY, source, ctype, class)},
static const convert converts[PYAD_DTYPE_COUNT][PYAD_DTYPE_COUNT] = {FOR_SOURCES(CONVERT_ROW)};

enum {
    BLOCK_ROWS = 16,
    BLOCK_COLS = 64,
    LEAST_ELEMENTS = 4096, /* elements of a single run that a thread takes at least */
    COST = 60 /* about so many picoseconds a byte, where the layouts differ */
};

/* The two sides of a conversion. */
typedef struct conversion {
    convert run;
    size_t dst_item;
    size_t src_item;
} conversion;

/* One block through the stack: gathered, converted, put in place. */
static void block_convert(const conversion *c, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    double _Complex from[BLOCK_ROWS * BLOCK_COLS];
    double _Complex to[BLOCK_ROWS * BLOCK_COLS];
    pyad_strided_copy_2d(c->src_item, rows, cols, (pyad_plane){from, cols, 1}, src);
    c->run(rows * cols, to, from);
    pyad_strided_copy_2d(c->dst_item, rows, cols, dst, (pyad_plane){to, cols, 1});
}

static void plane_convert(const conversion *c, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    if (dst.col_stride == 1 && src.col_stride == 1) {
        for (int64_t i = 0; i < rows; i++)
            c->run(cols, pyad_at(dst.data, i * dst.row_stride, c->dst_item),
                   pyad_at(src.data, i * src.row_stride, c->src_item));
        return;
    }
    for (int64_t i = 0; i < rows; i += BLOCK_ROWS) {
        for (int64_t j = 0; j < cols; j += BLOCK_COLS) {
            int64_t height = rows - i < BLOCK_ROWS ? rows - i : BLOCK_ROWS;
            int64_t width = cols - j < BLOCK_COLS ? cols - j : BLOCK_COLS;
            pyad_plane to = dst;
            pyad_plane from = src;
            to.data = pyad_at(dst.data, i * dst.row_stride + j * dst.col_stride, c->dst_item);
            from.data = pyad_at(src.data, i * src.row_stride + j * src.col_stride, c->src_item);
            block_convert(c, height, width, to, from);
        }
    }
}

/* Puts the dimension along which src has unit steps next to the innermost one, so that the two make a plane in which a
 * transpose can run in tiles. */
static void pick_plane(pyad_strided_iter *iter)
{
    int last = iter->ndim - 1;
    int best = last - 1;
    for (int axis = 0; axis < last; axis++) {
        if (iter->dim[axis].stride[1] == 1)
            best = axis;
    }
    pyad_strided_dim picked = iter->dim[best];
    for (int axis = best; axis < last - 1; axis++)
        iter->dim[axis] = iter->dim[axis + 1];
    iter->dim[last - 1] = picked;
}

static void iter_copy(pyad_strided_iter *iter, const conversion *c, void *dst, void *src)
{
    pyad_strided_dim rows = {1, {1, 1, 0}};
    pyad_strided_dim cols = {1, {1, 1, 0}};
    if (iter->ndim > 1) {
        pick_plane(iter);
        rows = iter->dim[iter->ndim - 2];
    }
    if (iter->ndim > 0)
        cols = iter->dim[iter->ndim - 1];
    int outer = iter->ndim > 2 ? iter->ndim - 2 : 0;
    pyad_cursor cursor;
    pyad_cursor_start(&cursor, outer);
    do {
        pyad_plane to = {pyad_at(dst, cursor.offset[0], c->dst_item), rows.stride[0], cols.stride[0]};
        pyad_plane from = {pyad_at(src, cursor.offset[1], c->src_item), rows.stride[1], cols.stride[1]};
        if (c->run != NULL)
            plane_convert(c, rows.length, cols.length, to, from);
        else
            pyad_strided_copy_2d(c->dst_item, rows.length, cols.length, to, from);
    } while (pyad_cursor_next(&cursor, iter, outer));
}

/* Of the outermost dimension: whole tiles, where it is one of the plane's. */
static int64_t chunk_unit(const pyad_strided_iter *iter)
{
    if (iter->ndim == 1)
        return LEAST_ELEMENTS;
    return iter->ndim == 2 || iter->dim[0].stride[1] == 1 ? BLOCK_COLS : 1;
}

static void copy_chunk(const void *context, const pyad_strided_iter *iter, void *dst, const void *src)
{
    pyad_strided_iter mine = *iter;
    iter_copy(&mine, context, dst, (void *)(uintptr_t)src); /* which is only read */
}

static void copy_contiguous(pyad_view dst, pyad_view src)
{
    if (dst.layout->dtype == src.layout->dtype)
        memcpy(dst.data, src.data, pyad_layout_bytes(dst.layout));
    else
        converts[src.layout->dtype][dst.layout->dtype](dst.layout->size, dst.data, src.data);
}

void pyad_copy(pyad_view dst, pyad_view src)
{
    if (dst.layout->size == 0)
        return;
    if (dst.layout->contiguous && src.layout->contiguous && dst.layout->size == src.layout->size) {
        copy_contiguous(dst, src);
        return;
    }
    int ndim = dst.layout->ndim;
    const int64_t *shape = pyad_shape(dst.layout);
    const int64_t *dst_strides = pyad_strides(dst.layout);
    int64_t src_strides[PYAD_MAX_NDIM];
    pyad_broadcast_strides(src.layout, ndim, shape, src_strides);
    pyad_strided_iter iter;
    iter.ndim = 0;
    for (int axis = 0; axis < ndim; axis++)
        pyad_strided_iter_push(&iter, shape[axis], dst_strides[axis], src_strides[axis], 0);
    pyad_strided_iter_sort(&iter, 0);
    pyad_strided_iter_merge(&iter);
    int from = src.layout->dtype;
    int to = dst.layout->dtype;
    conversion c = {from == to ? NULL : converts[from][to], pyad_dtype_size(to), pyad_dtype_size(from)};
    pyad_parallel_for work = {copy_chunk, &c, &iter, c.dst_item, c.src_item, chunk_unit(&iter), 0};
    work.cost = dst.layout->size * (int64_t)c.dst_item * COST;
    pyad_parallel_for_run(&work, dst.data, src.data);
}

void pyad_zero(pyad_view dst)
{
    static const uint64_t zero[2] = {0, 0};
    if (dst.layout->size == 0)
        return;
    if (dst.layout->contiguous) {
        memset(dst.data, 0, pyad_layout_bytes(dst.layout));
        return;
    }
    size_t item = pyad_dtype_size(dst.layout->dtype);
    const int64_t *shape = pyad_shape(dst.layout);
    const int64_t *strides = pyad_strides(dst.layout);
    pyad_strided_iter iter;
    iter.ndim = 0;
    for (int axis = 0; axis < dst.layout->ndim; axis++)
        pyad_strided_iter_push(&iter, shape[axis], strides[axis], 0, 0);
    pyad_strided_iter_sort(&iter, 0);
    pyad_strided_iter_merge(&iter);
    int outer = iter.ndim > 0 ? iter.ndim - 1 : 0;
    pyad_strided_dim inner = iter.ndim > 0 ? iter.dim[outer] : (pyad_strided_dim){1, {1, 1, 1}};
    pyad_cursor cursor;
    pyad_cursor_start(&cursor, outer);
    do {
        pyad_strided_copy(item, inner.length, pyad_at(dst.data, cursor.offset[0], item), inner.stride[0], zero, 0);
    } while (pyad_cursor_next(&cursor, &iter, outer));
}
