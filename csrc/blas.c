/* Finding NumPy's BLAS, and choosing between it, the small tile and the fallback. */
/* RTLD_NOLOAD is an extension in glibc. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "blas.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "array.h"
#include "kernels/isa.h"

/* cblas' names for the orders. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

/* Products of at most this many multiplications run through the register tile: below it the BLAS' own preparations cost
 * more than they save. With one row or column, gemv is ahead much earlier. Measured against OpenBLAS 0.3.31 on AVX2. */
enum { SMALL_PRODUCT = 65536, SMALL_VECTOR = 1024 };

typedef void (*sgemm_32)(int order, int trans_a, int trans_b, int32_t M, int32_t N, int32_t K, float alpha,
                         const float *A, int32_t lda, const float *B, int32_t ldb, float beta, float *C, int32_t ldc);
typedef void (*dgemm_32)(int order, int trans_a, int trans_b, int32_t M, int32_t N, int32_t K, double alpha,
                         const double *A, int32_t lda, const double *B, int32_t ldb, double beta, double *C,
                         int32_t ldc);
typedef void (*sgemm_64)(int order, int trans_a, int trans_b, int64_t M, int64_t N, int64_t K, float alpha,
                         const float *A, int64_t lda, const float *B, int64_t ldb, float beta, float *C, int64_t ldc);
typedef void (*dgemm_64)(int order, int trans_a, int trans_b, int64_t M, int64_t N, int64_t K, double alpha,
                         const double *A, int64_t lda, const double *B, int64_t ldb, double beta, double *C,
                         int64_t ldc);

typedef void (*sgemv_32)(int order, int trans, int32_t M, int32_t N, float alpha, const float *A, int32_t lda,
                         const float *x, int32_t incx, float beta, float *y, int32_t incy);
typedef void (*dgemv_32)(int order, int trans, int32_t M, int32_t N, double alpha, const double *A, int32_t lda,
                         const double *x, int32_t incx, double beta, double *y, int32_t incy);
typedef void (*sgemv_64)(int order, int trans, int64_t M, int64_t N, float alpha, const float *A, int64_t lda,
                         const float *x, int64_t incx, float beta, float *y, int64_t incy);
typedef void (*dgemv_64)(int order, int trans, int64_t M, int64_t N, double alpha, const double *A, int64_t lda,
                         const double *x, int64_t incx, double beta, double *y, int64_t incy);

typedef struct symbols {
    const char *sgemm;
    const char *dgemm;
    const char *sgemv;
    const char *dgemv;
    bool wide;  /* 64-bit integers */
} symbols;

#define SYMBOLS(prefix, suffix, wide) \
    {prefix "sgemm" suffix, prefix "dgemm" suffix, prefix "sgemv" suffix, prefix "dgemv" suffix, wide}

/* In the order of preference: what NumPy 2 wheels, NumPy 1 wheels, 32-bit wheels, distributions and macOS have. */
static const symbols known[] = {
    SYMBOLS("scipy_cblas_", "64_", true),        SYMBOLS("cblas_", "64_", true), SYMBOLS("scipy_cblas_", "", false),
    SYMBOLS("cblas_", "$NEWLAPACK$ILP64", true), SYMBOLS("cblas_", "", false),
};

typedef struct binding {
    void *library;
    const char *name;  /* NULL when nothing is bound */
    bool wide;
    sgemm_32 s32;
    dgemm_32 d32;
    sgemm_64 s64;
    dgemm_64 d64;
    sgemv_32 sv32;
    dgemv_32 dv32;
    sgemv_64 sv64;
    dgemv_64 dv64;
} binding;

/* Written by pyad_blas_bind alone, which runs once while the package is imported; only read from then on. */
static binding bound;

/* One product as a BLAS sees it. */
typedef struct gemm {
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
} gemm;

/* --- Strides ------------------------------------------------------------------------------------------------------ */

/* The order and leading dimension of a matrix; false when its strides have none. */
static bool matrix_order(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride, int *trans, int64_t *lead)
{
    if (col_stride == 1 || cols <= 1) {
        int64_t least = cols > 1 ? cols : 1;
        *trans = NO_TRANS;
        *lead = rows <= 1 ? least : row_stride;
        if (*lead >= least)
            return true;
    }
    if (row_stride == 1 || rows <= 1) {
        int64_t least = rows > 1 ? rows : 1;
        *trans = TRANS;
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

/* --- Through the BLAS --------------------------------------------------------------------------------------------- */

static void call_f32(const binding *to, const gemm *g)
{
    float beta = g->beta ? 1.0f : 0.0f;
    if (to->wide)
        to->s64(ROW_MAJOR, g->trans_a, g->trans_b, g->M, g->N, g->K, 1.0f, g->A, g->lda, g->B, g->ldb, beta, g->C,
                g->ldc);
    else
        to->s32(ROW_MAJOR, g->trans_a, g->trans_b, (int32_t)g->M, (int32_t)g->N, (int32_t)g->K, 1.0f, g->A,
                (int32_t)g->lda, g->B, (int32_t)g->ldb, beta, g->C, (int32_t)g->ldc);
}

static void call_f64(const binding *to, const gemm *g)
{
    double beta = g->beta ? 1.0 : 0.0;
    if (to->wide)
        to->d64(ROW_MAJOR, g->trans_a, g->trans_b, g->M, g->N, g->K, 1.0, g->A, g->lda, g->B, g->ldb, beta, g->C,
                g->ldc);
    else
        to->d32(ROW_MAJOR, g->trans_a, g->trans_b, (int32_t)g->M, (int32_t)g->N, (int32_t)g->K, 1.0, g->A,
                (int32_t)g->lda, g->B, (int32_t)g->ldb, beta, g->C, (int32_t)g->ldc);
}

static bool fits_binding(const binding *to, const gemm *g)
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

/* y += op(A) x. Products with one row or one column are several times faster this way, for A is read just once. */
typedef struct gemv {
    int64_t M;
    int64_t N;
    int64_t lda;
    int64_t incx;
    int64_t incy;
    const void *A;
    const void *x;
    void *y;
    int trans;
} gemv;

static void call_gemv_f32(const binding *to, const gemv *g)
{
    if (to->wide)
        to->sv64(ROW_MAJOR, g->trans, g->M, g->N, 1.0f, g->A, g->lda, g->x, g->incx, 1.0f, g->y, g->incy);
    else
        to->sv32(ROW_MAJOR, g->trans, (int32_t)g->M, (int32_t)g->N, 1.0f, g->A, (int32_t)g->lda, g->x, (int32_t)g->incx,
                 1.0f, g->y, (int32_t)g->incy);
}

static void call_gemv_f64(const binding *to, const gemv *g)
{
    if (to->wide)
        to->dv64(ROW_MAJOR, g->trans, g->M, g->N, 1.0, g->A, g->lda, g->x, g->incx, 1.0, g->y, g->incy);
    else
        to->dv32(ROW_MAJOR, g->trans, (int32_t)g->M, (int32_t)g->N, 1.0, g->A, (int32_t)g->lda, g->x, (int32_t)g->incx,
                 1.0, g->y, (int32_t)g->incy);
}

/* --- Finding it --------------------------------------------------------------------------------------------------- */

/* A function pointer out of dlsym, for which C has no cast. */
static void find(void *library, const char *name, void *function, size_t size)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, size);
}

static bool find_wide(binding *to, const symbols *names)
{
    find(to->library, names->sgemm, &to->s64, sizeof to->s64);
    find(to->library, names->dgemm, &to->d64, sizeof to->d64);
    find(to->library, names->sgemv, &to->sv64, sizeof to->sv64);
    find(to->library, names->dgemv, &to->dv64, sizeof to->dv64);
    return to->s64 != NULL && to->d64 != NULL && to->sv64 != NULL && to->dv64 != NULL;
}

static bool find_narrow(binding *to, const symbols *names)
{
    find(to->library, names->sgemm, &to->s32, sizeof to->s32);
    find(to->library, names->dgemm, &to->d32, sizeof to->d32);
    find(to->library, names->sgemv, &to->sv32, sizeof to->sv32);
    find(to->library, names->dgemv, &to->dv32, sizeof to->dv32);
    return to->s32 != NULL && to->d32 != NULL && to->sv32 != NULL && to->dv32 != NULL;
}

static bool find_all(binding *to, const symbols *names)
{
    to->name = names->sgemm;
    to->wide = names->wide;
    return names->wide ? find_wide(to, names) : find_narrow(to, names);
}

/* The product of a 2 x 3 by a 3 x 2 matrix, the second one transposed, inside larger ones: every length and leading
 * dimension is different, so integers of another width do not go unnoticed. */
enum { TEST_LDA = 5, TEST_LDB = 4, TEST_LDC = 6 };
static const double test_a[2 * TEST_LDA] = {1, 2, 3, 90, 91, 4, 5, 6, 92, 93};
static const double test_b[2 * TEST_LDB] = {7, 9, 11, 94, 8, 10, 12, 95};
static const double test_c[2 * TEST_LDC] = {59, 65, 1, 1, 1, 1, 140, 155, 1, 1, 1, 1};

static gemm test_product(const void *A, const void *B, void *C)
{
    return (gemm){2, 2, 3, A, B, C, TEST_LDA, TEST_LDB, TEST_LDC, NO_TRANS, TRANS, 1};
}

static bool works_f64(const binding *to)
{
    double C[2 * TEST_LDC];
    for (int i = 0; i < 2 * TEST_LDC; i++)
        C[i] = 1;
    gemm g = test_product(test_a, test_b, C);
    call_f64(to, &g);
    return memcmp(C, test_c, sizeof C) == 0;
}

static bool works_f32(const binding *to)
{
    float A[2 * TEST_LDA];
    float B[2 * TEST_LDB];
    float C[2 * TEST_LDC];
    float expected[2 * TEST_LDC];
    for (int i = 0; i < 2 * TEST_LDA; i++)
        A[i] = (float)test_a[i];
    for (int i = 0; i < 2 * TEST_LDB; i++)
        B[i] = (float)test_b[i];
    for (int i = 0; i < 2 * TEST_LDC; i++) {
        C[i] = 1;
        expected[i] = (float)test_c[i];
    }
    gemm g = test_product(A, B, C);
    call_f32(to, &g);
    return memcmp(C, expected, sizeof C) == 0;
}

static void forget(void)
{
    if (bound.library != NULL)
        dlclose(bound.library);
    bound = (binding){0};
}

const char *pyad_blas_bind(const char *library)
{
    forget();
    if (library == NULL)
        return NULL;
    void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (handle == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        binding candidate = {.library = handle};
        if (find_all(&candidate, &known[i]) && works_f32(&candidate) && works_f64(&candidate)) {
            bound = candidate;
            return bound.name;
        }
    }
    dlclose(handle);
    return NULL;
}

const char *pyad_blas_name(void)
{
    return bound.name != NULL ? bound.name : "";
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
static bool gemv_of(const gemm *g, matrix A, matrix B, gemv *v)
{
    if (g->N == 1) {
        bool turned = g->trans_a == TRANS;
        *v = (gemv){
            turned ? g->K : g->M, turned ? g->M : g->K, g->lda, B.row_stride, g->ldc, A.data, B.data, g->C, g->trans_a};
    } else if (g->M == 1) {
        bool turned = g->trans_b == TRANS;
        *v = (gemv){turned ? g->N : g->K,     turned ? g->K : g->N, g->ldb, A.col_stride, 1, B.data, A.data, g->C,
                    turned ? NO_TRANS : TRANS};
    } else {
        return false;
    }
    if (g->K == 1)
        v->incx = 1;
    return v->incx > 0;
}

static void run_gemv(int dtype, const gemm *g, const gemv *v)
{
    /* Some versions multiply the old elements by beta even if it is 0, which keeps a NaN. */
    if (g->beta == 0)
        clear(dtype, g->M, g->N, g->C, g->ldc);
    if (dtype == PYAD_F32)
        call_gemv_f32(&bound, v);
    else
        call_gemv_f64(&bound, v);
}

static bool run_bound(int dtype, gemm *g, matrix A, matrix B)
{
    if (bound.name == NULL)
        return false;
    if (!matrix_order(g->M, g->K, A.row_stride, A.col_stride, &g->trans_a, &g->lda))
        return false;
    if (!matrix_order(g->K, g->N, B.row_stride, B.col_stride, &g->trans_b, &g->ldb))
        return false;
    gemv v;
    bool vector = gemv_of(g, A, B, &v);
    if (!fits_binding(&bound, g) || (vector && v.incx > INT32_MAX))
        return false;
    if (vector)
        run_gemv(dtype, g, &v);
    else if (dtype == PYAD_F32)
        call_f32(&bound, g);
    else
        call_f64(&bound, g);
    return true;
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
    if (is_small(M, N, K, vector ? SMALL_VECTOR : SMALL_PRODUCT)) {
        small_gemm(dtype, e, left, right, beta, C, crs);
        return;
    }
    gemm g = {.M = M, .N = N, .K = K, .A = A, .B = B, .C = C, .ldc = crs, .beta = beta};
    if (!run_bound(dtype, &g, left, right))
        blocked_gemm(dtype, e, left, right, beta, C, crs);
}
