/* The BLAS that is in use: functions found in a shared library, tried out, and called for one product at a time.
 *
 * A binding never changes once it is in use, and its library is never unloaded, so whoever has fetched the pointer may
 * go on with it while another thread chooses another library. */
#ifndef PYAD_KERNELS_BLAS_LIBRARY_H
#define PYAD_KERNELS_BLAS_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/gemm.h"

/* cblas' names for the orders. */
enum { PYAD_ROW_MAJOR = 101, PYAD_NO_TRANS = 111, PYAD_TRANS = 112 };

/* Float32, float64, complex64 and complex128, which is how the engine numbers them too. */
enum { PYAD_BLAS_DTYPES = 4 };

/* Any function; the call converts it to what it is. */
typedef void (*pyad_function)(void);

typedef struct pyad_binding {
    void *library;
    const char *function;                  /* the name of sgemm there */
    const char *file;
    bool wide;                             /* 64-bit integers */
    pyad_function gemm[PYAD_BLAS_DTYPES];  /* the complex ones may be NULL */
    pyad_function gemv[PYAD_BLAS_DTYPES];  /* each may be NULL */
} pyad_binding;

/* C = op(A) op(B) + beta C as a BLAS sees it, row-major; beta is 0 or 1. */
typedef struct pyad_gemm_call {
    int64_t M;
    int64_t N;
    int64_t K;
    const void *A;
    const void *B;
    void *C;
    int64_t lda;
    int64_t ldb;
    int64_t ldc;
    int trans_a;
    int trans_b;
    int beta;
} pyad_gemm_call;

/* y += op(A) x. */
typedef struct pyad_gemv_call {
    int64_t M;
    int64_t N;
    int64_t lda;
    int64_t incx;
    int64_t incy;
    const void *A;
    const void *x;
    void *y;
    int trans;
} pyad_gemv_call;

/* What is in use; NULL where products run through the fallback. */
const pyad_binding *pyad_blas_current(void);

/* The binding has the function for the dtype, and lengths and strides fit its integers. */
void pyad_binding_gemm(const pyad_binding *to, int dtype, const pyad_gemm_call *g);
void pyad_binding_gemv(const pyad_binding *to, int dtype, const pyad_gemv_call *v);

#endif
