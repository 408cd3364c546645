/* Matrix products: the BLAS in use (NumPy's, unless another one was chosen), a register tile for small products, a blocked
 * fallback. */
#ifndef PYAD_KERNELS_GEMM_H
#define PYAD_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Takes products from the cblas in the shared library at `library` from now on, on all threads: under the names that
 * builds of BLAS use, with 64- or 32-bit integers, after all its functions have been tried out on small products. NULL is
 * the fallback. Without `load`, only a library that the process has loaded already is taken. What is loaded stays loaded.
 * PYAD_ERR_STATE: it cannot be loaded. PYAD_ERR_VALUE: it has no cblas, or gives wrong numbers. Nothing changes then. */
pyad_status pyad_blas_use(pyad_message *message, const char *library, bool load);

typedef struct pyad_blas_name {
    const char *function; /* the name of sgemm, or "" where products run through the fallback */
    const char *file; /* where it is from, or "" */
    int bits; /* of its integers */
} pyad_blas_name;

pyad_blas_name pyad_blas_in_use(void);

/* Whether pyad_gemm takes a matrix of this shape with these strides. */
bool pyad_gemm_takes(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride);

/* C = A B + beta C, row-major: A is M x K, B is K x N, C is M x N. Any strides (in elements) for A and B as long as,
 * for each of them, one of its two strides is 1 (or its length along that axis is at most 1) and the other is at
 * least the length along the unit-stride axis (or, again, not used), as pyad_gemm_takes tells; C has unit column
 * stride and row stride crs >= N. beta is 0 (C is not read, so it may hold NaN) or 1. M, N, K may be 0. dtype is
 * PYAD_F32, PYAD_F64, PYAD_C64 or PYAD_C128. */
void pyad_gemm(int dtype, int64_t M, int64_t N, int64_t K, const void *A, int64_t ars, int64_t acs, const void *B,
               int64_t brs, int64_t bcs, int beta, void *C, int64_t crs);

#endif
