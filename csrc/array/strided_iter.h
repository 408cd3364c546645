/* Iteration over strided dimensions, shared by every kernel: dimensions of several operands are pushed from the
 * outermost to the innermost, then ordered and merged so that loops run over as few and as long runs as the layouts
 * allow.
 *
 * Strides and offsets count elements. Dimensions of length 1 are dropped when they are pushed; an iterator without
 * dimensions is a single element. Empty arrays are the caller's to handle before. */
#ifndef PYAD_ARRAY_STRIDED_ITER_H
#define PYAD_ARRAY_STRIDED_ITER_H

#include "array/array.h"

enum { PYAD_STRIDED_OPERANDS = 3 };

typedef struct pyad_strided_dim {
    int64_t length;
    int64_t stride[PYAD_STRIDED_OPERANDS];
} pyad_strided_dim;

typedef struct pyad_strided_iter {
    int ndim;
    pyad_strided_dim dim[PYAD_MAX_NDIM];
} pyad_strided_iter;

/* A position in the outer dimensions of an iterator. */
typedef struct pyad_cursor {
    int64_t offset[PYAD_STRIDED_OPERANDS];
    int64_t index[PYAD_MAX_NDIM];
} pyad_cursor;

static inline void pyad_strided_iter_push(pyad_strided_iter *iter, int64_t length, int64_t stride0, int64_t stride1,
                                          int64_t stride2)
{
    if (length != 1)
        iter->dim[iter->ndim++] = (pyad_strided_dim){length, {stride0, stride1, stride2}};
}

/* Sorts the dimensions so that the one with the shortest step of `operand` is innermost. Only for loops whose result
 * does not depend on the order. */
void pyad_strided_iter_sort(pyad_strided_iter *iter, int operand);
/* Merges neighbours that are one longer run in all operands. Keeps the order of elements. */
void pyad_strided_iter_merge(pyad_strided_iter *iter);
/* Number of elements. */
int64_t pyad_strided_iter_size(const pyad_strided_iter *iter);

static inline void pyad_cursor_start(pyad_cursor *cursor, int ndim)
{
    for (int operand = 0; operand < PYAD_STRIDED_OPERANDS; operand++)
        cursor->offset[operand] = 0;
    for (int axis = 0; axis < ndim; axis++)
        cursor->index[axis] = 0;
}

/* To the next position in the outer `ndim` dimensions of the iterator; false after the last one. */
static inline bool pyad_cursor_next(pyad_cursor *cursor, const pyad_strided_iter *iter, int ndim)
{
    for (int axis = ndim - 1; axis >= 0; axis--) {
        const pyad_strided_dim *dim = &iter->dim[axis];
        if (++cursor->index[axis] < dim->length) {
            for (int operand = 0; operand < PYAD_STRIDED_OPERANDS; operand++)
                cursor->offset[operand] += dim->stride[operand];
            return true;
        }
        cursor->index[axis] = 0;
        for (int operand = 0; operand < PYAD_STRIDED_OPERANDS; operand++)
            cursor->offset[operand] -= dim->stride[operand] * (dim->length - 1);
    }
    return false;
}

/* `count` elements on from `data`, in bytes of `item` each; the count may be negative. */
static inline void *pyad_at(void *data, int64_t count, size_t item)
{
    return (char *)data + count * (int64_t)item;
}

static inline const void *pyad_at_const(const void *data, int64_t count, size_t item)
{
    return (const char *)data + count * (int64_t)item;
}

/* Elements of `item` bytes (1, 2, 4, 8 or 16) with any strides: dst[i] = src[i]. The memory does not overlap. */
void pyad_strided_copy(size_t item, int64_t n, void *dst, int64_t dst_stride, const void *src, int64_t src_stride);

/* One side of a two-dimensional copy. */
typedef struct pyad_plane {
    void *data;
    int64_t row_stride;
    int64_t col_stride;
} pyad_plane;

/* dst[i, j] = src[i, j] for rows x cols elements; src is only read. Transposes go through tiles of whole cache
 * lines. */
void pyad_strided_copy_2d(size_t item, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src);

#endif
