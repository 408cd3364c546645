/* Ordering and merging of strided dimensions, and copies of one and two dimensions. */
#include "array/strided_iter.h"

#include <string.h>

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Whether `a` belongs outside `b`. Equal steps, such as two broadcast dimensions, are told apart by operand 0. */
static bool goes_outside(const pyad_strided_dim *a, const pyad_strided_dim *b, int operand)
{
    int64_t step_a = magnitude(a->stride[operand]);
    int64_t step_b = magnitude(b->stride[operand]);
    if (step_a != step_b)
        return step_a > step_b;
    return magnitude(a->stride[0]) > magnitude(b->stride[0]);
}

void pyad_strided_iter_sort(pyad_strided_iter *iter, int operand)
{
    for (int last = 1; last < iter->ndim; last++) {
        pyad_strided_dim moving = iter->dim[last];
        int at = last;
        while (at > 0 && goes_outside(&moving, &iter->dim[at - 1], operand)) {
            iter->dim[at] = iter->dim[at - 1];
            at--;
        }
        iter->dim[at] = moving;
    }
}

static bool is_one_run(const pyad_strided_dim *outer, const pyad_strided_dim *inner)
{
    for (int operand = 0; operand < PYAD_STRIDED_OPERANDS; operand++) {
        if (outer->stride[operand] != inner->stride[operand] * inner->length)
            return false;
    }
    return true;
}

void pyad_strided_iter_merge(pyad_strided_iter *iter)
{
    if (iter->ndim < 2)
        return;
    int kept = 0;
    for (int axis = 1; axis < iter->ndim; axis++) {
        pyad_strided_dim inner = iter->dim[axis];
        if (is_one_run(&iter->dim[kept], &inner))
            inner.length *= iter->dim[kept].length;
        else
            kept++;
        iter->dim[kept] = inner;
    }
    iter->ndim = kept + 1;
}

int64_t pyad_strided_iter_size(const pyad_strided_iter *iter)
{
    int64_t size = 1;
    for (int axis = 0; axis < iter->ndim; axis++)
        size *= iter->dim[axis].length;
    return size;
}

enum { TILE = 16, BAND = 4 * TILE };

/* Elements are moved as words of their size, whatever their type is. */
typedef uint8_t __attribute__((may_alias)) word_8;
typedef uint16_t __attribute__((may_alias)) word_16;
typedef uint32_t __attribute__((may_alias)) word_32;
typedef uint64_t __attribute__((may_alias)) word_64;
/* Of two halves, as a complex number is aligned to its parts. */
typedef struct __attribute__((may_alias)) word_128 {
    uint64_t half[2];
} word_128;

/* The loops for one size of element. A tile is read by rows of the source and written by rows of the destination, whole
 * cache lines at a time, so that strides that are powers of two do not throw its lines out of the cache. */
#define DEFINE_COPIES(BITS)                                                                                   \
    static void copy_##BITS(int64_t n, word_##BITS *dst, int64_t dst_stride, const word_##BITS *src,          \
                            int64_t src_stride)                                                               \
    {                                                                                                         \
        for (int64_t i = 0; i < n; i++)                                                                       \
            dst[i * dst_stride] = src[i * src_stride];                                                        \
    }                                                                                                         \
                                                                                                              \
    static void fill_##BITS(int64_t n, word_##BITS *dst, word_##BITS value)                                   \
    {                                                                                                         \
        for (int64_t i = 0; i < n; i++)                                                                       \
            dst[i] = value;                                                                                   \
    }                                                                                                         \
                                                                                                              \
    static void tile_##BITS(word_##BITS *dst, int64_t dst_stride, const word_##BITS *src, int64_t src_stride) \
    {                                                                                                         \
        word_##BITS tile[TILE][TILE];                                                                         \
        for (int j = 0; j < TILE; j++)                                                                        \
            memcpy(tile[j], src + j * src_stride, sizeof tile[j]);                                            \
        for (int i = 0; i < TILE; i++) {                                                                      \
            for (int j = 0; j < TILE; j++)                                                                    \
                dst[i * dst_stride + j] = tile[j][i];                                                         \
        }                                                                                                     \
    }

DEFINE_COPIES(8)
DEFINE_COPIES(16)
DEFINE_COPIES(32)
DEFINE_COPIES(64)
DEFINE_COPIES(128)

static void fill_run(size_t item, int64_t n, void *dst, const void *src)
{
    switch (item) {
    case 1:
        fill_8(n, dst, *(const word_8 *)src);
        break;
    case 2:
        fill_16(n, dst, *(const word_16 *)src);
        break;
    case 4:
        fill_32(n, dst, *(const word_32 *)src);
        break;
    case 8:
        fill_64(n, dst, *(const word_64 *)src);
        break;
    default:
        fill_128(n, dst, *(const word_128 *)src);
        break;
    }
}

void pyad_strided_copy(size_t item, int64_t n, void *dst, int64_t dst_stride, const void *src, int64_t src_stride)
{
    if (n <= 0)
        return;
    if (dst_stride == 1 && src_stride == 1) {
        memcpy(dst, src, (size_t)n * item);
        return;
    }
    if (dst_stride == 1 && src_stride == 0) {
        fill_run(item, n, dst, src);
        return;
    }
    switch (item) {
    case 1:
        copy_8(n, dst, dst_stride, src, src_stride);
        break;
    case 2:
        copy_16(n, dst, dst_stride, src, src_stride);
        break;
    case 4:
        copy_32(n, dst, dst_stride, src, src_stride);
        break;
    case 8:
        copy_64(n, dst, dst_stride, src, src_stride);
        break;
    default:
        copy_128(n, dst, dst_stride, src, src_stride);
        break;
    }
}

static void tile_copy(size_t item, void *dst, int64_t dst_stride, const void *src, int64_t src_stride)
{
    switch (item) {
    case 1:
        tile_8(dst, dst_stride, src, src_stride);
        break;
    case 2:
        tile_16(dst, dst_stride, src, src_stride);
        break;
    case 4:
        tile_32(dst, dst_stride, src, src_stride);
        break;
    case 8:
        tile_64(dst, dst_stride, src, src_stride);
        break;
    default:
        tile_128(dst, dst_stride, src, src_stride);
        break;
    }
}

static void copy_rows(size_t item, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    for (int64_t i = 0; i < rows; i++) {
        void *to = pyad_at(dst.data, i * dst.row_stride, item);
        const void *from = pyad_at_const(src.data, i * src.row_stride, item);
        pyad_strided_copy(item, cols, to, dst.col_stride, from, src.col_stride);
    }
}

static pyad_plane plane_from(pyad_plane plane, size_t item, int64_t row, int64_t col)
{
    plane.data = pyad_at(plane.data, row * plane.row_stride + col * plane.col_stride, item);
    return plane;
}

/* Whole tiles of a band of columns. A tile touches as many pages as it has rows on each side, so the band is kept
 * narrow enough for the pages of its source to stay in the processor's table from one row of tiles to the next. */
static void band_copy(size_t item, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    for (int64_t i = 0; i < rows; i += TILE) {
        for (int64_t j = 0; j < cols; j += TILE) {
            pyad_plane to = plane_from(dst, item, i, j);
            tile_copy(item, to.data, dst.row_stride, plane_from(src, item, i, j).data, src.col_stride);
        }
    }
}

/* dst has unit column stride and src unit row stride. */
static void transpose_copy(size_t item, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    int64_t tiled_rows = rows - rows % TILE;
    int64_t tiled_cols = cols - cols % TILE;
    for (int64_t j = 0; j < tiled_cols; j += BAND) {
        int64_t width = tiled_cols - j < BAND ? tiled_cols - j : BAND;
        band_copy(item, tiled_rows, width, plane_from(dst, item, 0, j), plane_from(src, item, 0, j));
    }
    copy_rows(item, tiled_rows, cols - tiled_cols, plane_from(dst, item, 0, tiled_cols),
              plane_from(src, item, 0, tiled_cols));
    copy_rows(item, rows - tiled_rows, cols, plane_from(dst, item, tiled_rows, 0),
              plane_from(src, item, tiled_rows, 0));
}

static pyad_plane plane_turned(pyad_plane plane)
{
    return (pyad_plane){plane.data, plane.col_stride, plane.row_stride};
}

void pyad_strided_copy_2d(size_t item, int64_t rows, int64_t cols, pyad_plane dst, pyad_plane src)
{
    /* The inner loop runs along the destination's short step. */
    if (magnitude(dst.row_stride) < magnitude(dst.col_stride)) {
        int64_t swapped = rows;
        rows = cols;
        cols = swapped;
        dst = plane_turned(dst);
        src = plane_turned(src);
    }
    if (dst.col_stride == 1 && src.row_stride == 1 && src.col_stride != 1)
        transpose_copy(item, rows, cols, dst, src);
    else
        copy_rows(item, rows, cols, dst, src);
}
