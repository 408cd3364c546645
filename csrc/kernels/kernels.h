/* Kernels over whole arrays: copies, reductions, indexing, products.
 *
 * The folder kernels knows arrays, the BLAS and the pool of threads. It must not know the numbers and static parameters of
 * kernels, which instructions have, nor who calls.
 *
 * Shapes are checked by the caller and are right here. Floating kernels take PYAD_F32 or PYAD_F64, the same
 * for all operands. An output has memory of its own unless a comment says otherwise. Empty arrays and 0-d arrays are
 * legal everywhere. Functions that need scratch memory take a pyad_mem and can fail with PYAD_ERR_MEMORY, in which case
 * the output is undefined but valid memory. */
#ifndef PYAD_KERNELS_KERNELS_H
#define PYAD_KERNELS_KERNELS_H

#include "array/array.h"
#include "simd/dispatch.h"

typedef enum pyad_reduction { PYAD_SUM, PYAD_MAX, PYAD_MIN } pyad_reduction;
typedef enum pyad_scan_kind { PYAD_CUMSUM, PYAD_CUMPROD, PYAD_RECUR } pyad_scan_kind;
typedef enum pyad_softmax_kind { PYAD_LOGSUMEXP, PYAD_SOFTMAX, PYAD_LOG_SOFTMAX } pyad_softmax_kind;

/* dst[...] = src[...] with conversion as C casts (float to bool is != 0). src broadcasts to dst's shape. Any strides.
 * Any pair of dtypes. The memory must not overlap. copy.c */
void pyad_copy(pyad_view dst, pyad_view src);
/* Every element zero. dst may have any strides. copy.c */
void pyad_zero(pyad_view dst);

/* dst = reduction of src over the axes whose bit is set in `axes`; dst is C-contiguous with the remaining axes (kept
 * ones of length 1 or dropped, it is the same memory). SUM of nothing is 0; for MAX and MIN the caller sees to it that
 * the reduced length is not 0. Contiguous inner reductions are pairwise; a reduction over leading axes adds row by row.
 * reduce.c */
void pyad_reduce(pyad_reduction kind, pyad_view dst, pyad_view src, uint32_t axes);
/* dst += src summed over the axes along which dst broadcasts to src (shorter rank, or length 1). Any strides on both
 * sides, no memory in common. With equal shapes it is a plain addition. reduce.c */
void pyad_reduce_add(pyad_view dst, pyad_view src);

/* Along one axis. LOGSUMEXP writes the contiguous array without that axis, the others an array of src's shape, also
 * contiguous. The axis' length is at least 1. softmax.c */
pyad_status pyad_softmax(pyad_mem *mem, pyad_softmax_kind kind, pyad_view dst, pyad_view src, int axis);

/* Along one axis, from its end where `reverse`. y[i] = y[i-1] + x[i], y[i-1] * x[i], or (RECUR) x[i] + a[i] y[i-1] with
 * y[0] = x[0], where x are the terms and a the factors, NULL for the others. dst is C-contiguous, and all have one shape.
 * scan.c */
void pyad_scan(pyad_scan_kind kind, pyad_view dst, pyad_view terms, const pyad_view *factors, int axis, bool reverse);
/* Complex numbers, element by element. The loops have the meaning and the arguments of those in simd/dispatch.h; NULL where there is
 * none for the dtype. complex.c */
pyad_loop pyad_complex_loop(int loop, int dtype);
/* dst = the conjugate of src, the imaginary part of src, and (for a real src) -i src; dst is C-contiguous. complex.c */
void pyad_conj(pyad_view dst, pyad_view src);
void pyad_imag(pyad_view dst, pyad_view src);
void pyad_unimag(pyad_view dst, pyad_view src);

/* Rows are the sub-arrays src[i]. dst has shape index.shape + src.shape[1:] and is C-contiguous; index is int64 with any
 * strides and every entry is in [0, src.shape[0]). gather_scatter.c */
void pyad_gather(pyad_view dst, pyad_view src, pyad_view index);
/* dst[index[i]] += src[i], in the order of i, repeated entries adding up; dst has any strides. The transpose of
 * pyad_gather. gather_scatter.c */
void pyad_scatter_add(pyad_view dst, pyad_view src, pyad_view index);
/* dst[i] = src[i, index[i]] for src of shape index.shape + (classes,), all C-contiguous, every entry of index (int64) in
 * [0, classes). gather_scatter.c */
void pyad_pick(pyad_view dst, pyad_view src, pyad_view index);
/* Its transpose: dst[i, index[i]] = src[i], zero elsewhere. gather_scatter.c */
void pyad_unpick(pyad_view dst, pyad_view src, pyad_view index);
/* The first entry of index outside [0, rows), or -1 - nothing wrong. Writes the entry to *bad. gather_scatter.c */
int64_t pyad_index_check(pyad_view index, int64_t rows, int64_t *bad);

/* The mean over rows of logsumexp(row) - row[label], into a 0-d dst: logits (C-contiguous) of shape index.shape +
 * (classes,), every entry of index (int64, C-contiguous) in [0, classes). NaN for no rows. losses.c */
pyad_status pyad_cross_entropy(pyad_mem *mem, pyad_view dst, pyad_view logits, pyad_view index);
/* scale times the sum of (a - b)^2 into a 0-d dst; a and b of one shape, with any strides. losses.c */
pyad_status pyad_sum_squares(pyad_mem *mem, pyad_view dst, pyad_view a, pyad_view b, double scale);

/* dst (C-contiguous, shape batch + (M, N)) = a b, or dst += a b when `accumulate`. a is (..., M, K), b is (..., K, N) with
 * at least two dimensions each and batch dimensions that broadcast to dst's. Operands with a unit stride in either of
 * the last two axes are used in place, others are copied. A b without batch dimensions under contiguous a becomes one
 * product. matmul.c */
pyad_status pyad_matmul(pyad_mem *mem, pyad_view dst, pyad_view a, pyad_view b, int accumulate);

/* to[k] = from[index[k]], and to[index[k]] = from[k] (from[0] where `one`; zero where from is NULL). All contiguous, of one dtype. gather_scatter.c */
void pyad_gather_places(pyad_view to, const void *from, pyad_view index);
void pyad_scatter_places(pyad_view to, const void *from, bool one, pyad_view index);

#endif
