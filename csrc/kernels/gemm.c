/* Matrix products: choosing between the BLAS, the small tile and the fallback. */
#include "kernels/gemm.h"

#include <stddef.h>
#include <string.h>

#include "array/array.h"
#include "kernels/blas_library.h"
#include "simd/dispatch.h"

/* Products of at most this many multiplications run through the register tile: below it the BLAS' own preparations cost
 * more than they save. With one row or column, gemv is ahead much earlier. Measured against OpenBLAS 0.3.31 on AVX2. */
enum { SMALL_PRODUCT = 65536, SMALL_VECTOR = 1024, SMALL_COMPLEX = 64 };

/* --- Strides ------------------------------------------------------------------------------------------------------ */

/* The order and leading dimension of a matrix; false when its strides have none. */
static bool matrix_order(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride, int *trans, int64_t *lead)
{
    if (col_stride == 1 || cols <= 1) {
        int64_t least = cols > 1 ? cols : 1;
        *trans = PYAD_NO_TRANS;
        *lead = rows <= 1 ? least : row_stride;
        if (*lead >= least)
            return true;
    }
    if (row_stride == 1 || rows <= 1) {
        int64_t least = rows > 1 ? rows : 1;
        *trans = PYAD_TRANS;
        *lead = cols <= 1 ? least : col_stride;
        return *lead >= least;
    }
    return false;
}

bool pyad_gemm_takes(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride)
{
    int trans;
    int64_t lead;
    return matrix_order(rows, cols, row_stride, col_stride, &trans, &lead);
}

static bool fits_binding(const pyad_binding *to, const pyad_gemm_call *g)
{
    if (to->wide)
        return true;
    const int64_t lengths[] = {g->M, g->N, g->K, g->lda, g->ldb, g->ldc};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        if (lengths[i] > INT32_MAX)
            return false;
    }
    return true;
}

/* --- The small tile and the fallback ------------------------------------------------------------------------------ */

/* A matrix with any strides. */
typedef struct matrix {
    const void *data;
    int64_t row_stride;
    int64_t col_stride;
} matrix;

typedef struct extent {
    int64_t M;
    int64_t N;
    int64_t K;
} extent;

static void small_gemm(int dtype, extent e, matrix A, matrix B, int beta, void *C, int64_t crs)
{
    const pyad_isa_table *isa = pyad_isa();
    if (dtype == PYAD_F32)
        isa->small_gemm_f32(e.M, e.N, e.K, A.data, A.row_stride, A.col_stride, B.data, B.row_stride, B.col_stride, C,
                            crs, beta);
    else
        isa->small_gemm_f64(e.M, e.N, e.K, A.data, A.row_stride, A.col_stride, B.data, B.row_stride, B.col_stride, C,
                            crs, beta);
}

/* Blocks of A and B that stay in the caches: 16 and 32 KiB in float64, which also suits threads with small stacks. */
enum { BLOCK_M = 32, BLOCK_N = 64, BLOCK_K = 64 };

static void pack_f32(float *to, int64_t rows, int64_t cols, matrix from)
{
    const float *x = from.data;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++)
            to[i * cols + j] = x[i * from.row_stride + j * from.col_stride];
    }
}

static void pack_f64(double *to, int64_t rows, int64_t cols, matrix from)
{
    const double *x = from.data;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++)
            to[i * cols + j] = x[i * from.row_stride + j * from.col_stride];
    }
}

/* A contiguous copy of a block in `room`. */
static matrix pack(int dtype, void *room, int64_t rows, int64_t cols, matrix from)
{
    if (dtype == PYAD_F32)
        pack_f32(room, rows, cols, from);
    else
        pack_f64(room, rows, cols, from);
    return (matrix){room, cols, 1};
}

static matrix matrix_at(matrix from, int dtype, int64_t row, int64_t col)
{
    int64_t offset = row * from.row_stride + col * from.col_stride;
    from.data = (const char *)from.data + offset * (int64_t)pyad_dtype_size(dtype);
    return from;
}

static int64_t at_most(int64_t length, int64_t limit)
{
    return length < limit ? length : limit;
}

/* One block of B against all of A. */
static void block_column(int dtype, extent e, matrix A, matrix B, int beta, void *C, int64_t crs)
{
    union {
        float f32[BLOCK_M * BLOCK_K];
        double f64[BLOCK_M * BLOCK_K];
    } room;
    int64_t item = (int64_t)pyad_dtype_size(dtype);
    for (int64_t i = 0; i < e.M; i += BLOCK_M) {
        extent block = {at_most(e.M - i, BLOCK_M), e.N, e.K};
        matrix left = pack(dtype, &room, block.M, block.K, matrix_at(A, dtype, i, 0));
        small_gemm(dtype, block, left, B, beta, (char *)C + i * crs * item, crs);
    }
}

static void blocked_gemm(int dtype, extent e, matrix A, matrix B, int beta, void *C, int64_t crs)
{
    union {
        float f32[BLOCK_K * BLOCK_N];
        double f64[BLOCK_K * BLOCK_N];
    } room;
    int64_t item = (int64_t)pyad_dtype_size(dtype);
    for (int64_t j = 0; j < e.N; j += BLOCK_N) {
        for (int64_t k = 0; k < e.K; k += BLOCK_K) {
            extent block = {e.M, at_most(e.N - j, BLOCK_N), at_most(e.K - k, BLOCK_K)};
            matrix right = pack(dtype, &room, block.K, block.N, matrix_at(B, dtype, k, j));
            block_column(dtype, block, matrix_at(A, dtype, 0, k), right, beta || k > 0, (char *)C + j * item, crs);
        }
    }
}

/* Complex products by the definition: for tiny ones, and where nothing is bound. */
#define DEFINE_COMPLEX_GEMM(name, type)                                                           \
    static void complex_gemm_##name(extent e, matrix A, matrix B, type *C, int64_t crs)           \
    {                                                                                             \
        for (int64_t i = 0; i < e.M; i++) {                                                       \
            for (int64_t k = 0; k < e.K; k++) {                                                   \
                const type *a = (const type *)A.data + 2 * (i * A.row_stride + k * A.col_stride); \
                const type *b = (const type *)B.data + 2 * k * B.row_stride;                      \
                type *c = C + 2 * i * crs;                                                        \
                for (int64_t j = 0; j < e.N; j++, b += 2 * B.col_stride, c += 2) {                \
                    c[0] += a[0] * b[0] - a[1] * b[1];                                            \
                    c[1] += a[0] * b[1] + a[1] * b[0];                                            \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }

DEFINE_COMPLEX_GEMM(c64, float)
DEFINE_COMPLEX_GEMM(c128, double)

static void complex_gemm(int dtype, extent e, matrix A, matrix B, void *C, int64_t crs)
{
    if (dtype == PYAD_C64)
        complex_gemm_c64(e, A, B, C, crs);
    else
        complex_gemm_c128(e, A, B, C, crs);
}

/* --- Choosing ----------------------------------------------------------------------------------------------------- */

static void clear(int dtype, int64_t M, int64_t N, void *C, int64_t crs)
{
    size_t item = pyad_dtype_size(dtype);
    for (int64_t i = 0; i < M; i++)
        memset((char *)C + i * crs * (int64_t)item, 0, (size_t)N * item);
}

/* M * N * K <= limit for positive lengths, without the product, which may not fit. */
static bool is_small(int64_t M, int64_t N, int64_t K, int64_t limit)
{
    return M <= limit && N <= limit / M && K <= limit / M / N;
}

/* One column: C = A b. One row: C = a B, which is the transpose of B times a. False where neither is the case. */
static bool gemv_of(const pyad_gemm_call *g, matrix A, matrix B, pyad_gemv_call *v)
{
    if (g->N == 1) {
        bool turned = g->trans_a == PYAD_TRANS;
        *v = (pyad_gemv_call){
            turned ? g->K : g->M, turned ? g->M : g->K, g->lda, B.row_stride, g->ldc, A.data, B.data, g->C, g->trans_a};
    } else if (g->M == 1) {
        bool turned = g->trans_b == PYAD_TRANS;
        *v = (pyad_gemv_call){turned ? g->N : g->K,
                              turned ? g->K : g->N,
                              g->ldb,
                              A.col_stride,
                              1,
                              B.data,
                              A.data,
                              g->C,
                              turned ? PYAD_NO_TRANS : PYAD_TRANS};
    } else {
        return false;
    }
    if (g->K == 1)
        v->incx = 1;
    return v->incx > 0;
}

static void run_gemv(const pyad_binding *to, int dtype, const pyad_gemm_call *g, const pyad_gemv_call *v)
{
    /* Some versions multiply the old elements by beta even if it is 0, which keeps a NaN. */
    if (g->beta == 0)
        clear(dtype, g->M, g->N, g->C, g->ldc);
    pyad_binding_gemv(to, dtype, v);
}

static bool run_bound(int dtype, pyad_gemm_call *g, matrix A, matrix B)
{
    const pyad_binding *to = pyad_blas_current();
    if (to == NULL || to->gemm[dtype - PYAD_F32] == NULL)
        return false;
    if (!matrix_order(g->M, g->K, A.row_stride, A.col_stride, &g->trans_a, &g->lda))
        return false;
    if (!matrix_order(g->K, g->N, B.row_stride, B.col_stride, &g->trans_b, &g->ldb))
        return false;
    pyad_gemv_call v;
    bool vector = to->gemv[dtype - PYAD_F32] != NULL && gemv_of(g, A, B, &v);
    if (!fits_binding(to, g) || (vector && !to->wide && v.incx > INT32_MAX))
        return false;
    if (vector)
        run_gemv(to, dtype, g, &v);
    else
        pyad_binding_gemm(to, dtype, g);
    return true;
}

static void run_own(int dtype, extent e, matrix A, matrix B, int beta, void *C, int64_t crs)
{
    if (!pyad_dtype_is_complex(dtype)) {
        blocked_gemm(dtype, e, A, B, beta, C, crs);
        return;
    }
    if (beta == 0)
        clear(dtype, e.M, e.N, C, crs);
    complex_gemm(dtype, e, A, B, C, crs);
}

void pyad_gemm(int dtype, int64_t M, int64_t N, int64_t K, const void *A, int64_t ars, int64_t acs, const void *B,
               int64_t brs, int64_t bcs, int beta, void *C, int64_t crs)
{
    if (M == 0 || N == 0)
        return;
    if (K == 0) {
        if (beta == 0)
            clear(dtype, M, N, C, crs);
        return;
    }
    matrix left = {A, ars, acs};
    matrix right = {B, brs, bcs};
    extent e = {M, N, K};
    bool vector = M == 1 || N == 1;
    if (pyad_dtype_is_complex(dtype)) {
        if (is_small(M, N, K, SMALL_COMPLEX)) {
            run_own(dtype, e, left, right, beta, C, crs);
            return;
        }
    } else if (is_small(M, N, K, vector ? SMALL_VECTOR : SMALL_PRODUCT)) {
        small_gemm(dtype, e, left, right, beta, C, crs);
        return;
    }
    pyad_gemm_call g = {.M = M, .N = N, .K = K, .A = A, .B = B, .C = C, .ldc = crs, .beta = beta};
    if (!run_bound(dtype, &g, left, right))
        run_own(dtype, e, left, right, beta, C, crs);
}
