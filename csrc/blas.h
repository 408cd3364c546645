/* Matrix products: the BLAS that NumPy has loaded, a register tile for small ones, a blocked fallback.
 *
 * The BLAS is a table of function pointers that the binding fills in once at import with pyad_blas_bind, after which it
 * is only read. Without one, products run through the fallback. */
#ifndef PYAD_BLAS_H
#define PYAD_BLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* Looks for a cblas in the shared library at `path` (NumPy's core extension: it is asked for with RTLD_NOLOAD, so
 * nothing new is loaded) under the names NumPy builds use, with 64- or 32-bit integers, and checks it with a small
 * product. Returns the name of the symbol found (static memory), or NULL. `library` NULL forgets the binding. Not
 * thread-safe; called at import and by tests. */
const char *pyad_blas_bind(const char *library);
/* The name of the sgemm symbol in use, or "" when products run through the fallback. */
const char *pyad_blas_name(void);

/* Whether pyad_gemm takes a matrix of this shape with these strides. */
bool pyad_gemm_takes(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride);

/* C = A B + beta C, row-major: A is M x K, B is K x N, C is M x N. Any strides (in elements) for A and B as long as,
 * for each of them, one of its two strides is 1 (or its length along that axis is at most 1) and the other is at
 * least the length along the unit-stride axis (or, again, not used), as pyad_gemm_takes tells; C has unit column
 * stride and row stride crs >= N. beta is 0 (C is not read, so it may hold NaN) or 1. M, N, K may be 0. dtype is
 * PYAD_F32 or PYAD_F64. */
void pyad_gemm(int dtype, int64_t M, int64_t N, int64_t K, const void *A, int64_t ars, int64_t acs, const void *B,
               int64_t brs, int64_t bcs, int beta, void *C, int64_t crs);

#endif
