/* Finding a BLAS in a shared library, trying it out, and calling it. */
/* RTLD_NOLOAD, RTLD_DEEPBIND, RTLD_DEFAULT and dladdr are extensions in glibc. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "kernels/blas_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "array/array.h"
#include "base/memory.h"

/* --- Calls -------------------------------------------------------------------------------------------------------- */

/* The calls for one dtype and one width of integers. cblas takes real factors by value and complex ones by address. */
#define DEFINE_CALLS(name, element, scalar, integer)                                                                  \
    static void gemm_##name(pyad_function f, const pyad_gemm_call *g, scalar one, scalar beta)                        \
    {                                                                                                                 \
        typedef void (*function)(int, int, int, integer, integer, integer, scalar, const element *, integer,          \
                                 const element *, integer, scalar, element *, integer);                               \
        ((function)f)(PYAD_ROW_MAJOR, g->trans_a, g->trans_b, (integer)g->M, (integer)g->N, (integer)g->K, one, g->A, \
                      (integer)g->lda, g->B, (integer)g->ldb, beta, g->C, (integer)g->ldc);                           \
    }                                                                                                                 \
    static void gemv_##name(pyad_function f, const pyad_gemv_call *v, scalar one)                                     \
    {                                                                                                                 \
        typedef void (*function)(int, int, integer, integer, scalar, const element *, integer, const element *,       \
                                 integer, scalar, element *, integer);                                                \
        ((function)f)(PYAD_ROW_MAJOR, v->trans, (integer)v->M, (integer)v->N, one, v->A, (integer)v->lda, v->x,       \
                      (integer)v->incx, one, v->y, (integer)v->incy);                                                 \
    }

DEFINE_CALLS(f32_narrow, float, float, int32_t)
DEFINE_CALLS(f32_wide, float, float, int64_t)
DEFINE_CALLS(f64_narrow, double, double, int32_t)
DEFINE_CALLS(f64_wide, double, double, int64_t)
DEFINE_CALLS(complex_narrow, void, const void *, int32_t)
DEFINE_CALLS(complex_wide, void, const void *, int64_t)

static const float c64_zero[2] = {0, 0};
static const float c64_one[2] = {1, 0};
static const double c128_zero[2] = {0, 0};
static const double c128_one[2] = {1, 0};

static const void *complex_number(int dtype, int number)
{
    if (dtype == PYAD_C64)
        return number ? c64_one : c64_zero;
    return number ? c128_one : c128_zero;
}

void pyad_binding_gemm(const pyad_binding *to, int dtype, const pyad_gemm_call *g)
{
    pyad_function f = to->gemm[dtype - PYAD_F32];
    if (dtype == PYAD_F32)
        (to->wide ? gemm_f32_wide : gemm_f32_narrow)(f, g, 1.0f, g->beta ? 1.0f : 0.0f);
    else if (dtype == PYAD_F64)
        (to->wide ? gemm_f64_wide : gemm_f64_narrow)(f, g, 1.0, g->beta ? 1.0 : 0.0);
    else
        (to->wide ? gemm_complex_wide : gemm_complex_narrow)(f, g, complex_number(dtype, 1),
                                                             complex_number(dtype, g->beta));
}

void pyad_binding_gemv(const pyad_binding *to, int dtype, const pyad_gemv_call *v)
{
    pyad_function f = to->gemv[dtype - PYAD_F32];
    if (dtype == PYAD_F32)
        (to->wide ? gemv_f32_wide : gemv_f32_narrow)(f, v, 1.0f);
    else if (dtype == PYAD_F64)
        (to->wide ? gemv_f64_wide : gemv_f64_narrow)(f, v, 1.0);
    else
        (to->wide ? gemv_complex_wide : gemv_complex_narrow)(f, v, complex_number(dtype, 1));
}

/* --- Finding the functions ---------------------------------------------------------------------------------------- */

typedef struct spelling {
    const char *before;
    const char *sgemm;
    const char *after;
    bool wide;  /* as the name promises; what holds is measured */
} spelling;

#define SPELLING(before, after, wide) {before "cblas_", before "cblas_sgemm" after, after, wide}

/* In the order of preference: what NumPy 2 wheels, NumPy 1 wheels and builds of OpenBLAS with a suffix, MKL beside its
 * plain names, 32-bit wheels, macOS, and all others have. */
static const spelling spellings[] = {
    SPELLING("scipy_", "64_", true),
    SPELLING("", "64_", true),
    SPELLING("", "_64", true),
    SPELLING("scipy_", "", false),
    SPELLING("", "$NEWLAPACK$ILP64", true),
    SPELLING("", "", false),
};

enum { SPELLINGS = sizeof spellings / sizeof spellings[0] };

/* A function pointer out of dlsym, for which C has no cast. */
static pyad_function find(void *library, const spelling *how, char letter, const char *rest)
{
    char name[64];
    pyad_function function;
    snprintf(name, sizeof name, "%s%c%s%s", how->before, letter, rest, how->after);
    void *address = dlsym(library, name);
    memcpy(&function, &address, sizeof function);
    return function;
}

static const char *file_of(pyad_function function)
{
    void *address;
    Dl_info info;
    memcpy(&address, &function, sizeof address);
    return dladdr(address, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : "";
}

static bool find_all(pyad_binding *to, const spelling *how)
{
    static const char letters[] = "sdcz";
    for (int k = 0; k < PYAD_BLAS_DTYPES; k++) {
        to->gemm[k] = find(to->library, how, letters[k], "gemm");
        to->gemv[k] = find(to->library, how, letters[k], "gemv");
    }
    if (to->gemm[0] == NULL || to->gemm[1] == NULL)
        return false;
    to->function = how->sgemm;
    to->file = file_of(to->gemm[0]);
    return true;
}

/* The width of the integers, whatever the name says. A length whose low half is 2 and which is negative as a whole makes
 * an empty sum where 64 bits are read, and a sum of two where 32 are; no other BLAS function is as harmless. */
static bool is_wide(void *library, const spelling *how)
{
    typedef double (*dot)(int64_t n, const double *x, int64_t incx, const double *y, int64_t incy);
    static const double x[2] = {2, 3};
    pyad_function function = find(library, how, 'd', "dot");
    /* Where a pointer has 32 bits, a longer integer takes the place of two. */
    if (function == NULL || sizeof(void *) < 8)
        return how->wide;
    int64_t length = 2 - (INT64_C(1) << 32);
    return ((dot)function)(length, x, 1, x, 1) == 0;
}

/* --- Trying them out ---------------------------------------------------------------------------------------------- */

/* Products of small whole numbers are exact, so any order of summation gives the same. */
enum { TRIAL_LEAD = 32, TRIAL_ROOM = TRIAL_LEAD * TRIAL_LEAD * 2 };

/* Room for a matrix of any dtype. */
typedef union room {
    float f32[TRIAL_ROOM];
    double f64[TRIAL_ROOM];
} room;

static bool is_single(int dtype)
{
    return dtype == PYAD_F32 || dtype == PYAD_C64;
}

static double number_at(int dtype, const room *from, int64_t i)
{
    return is_single(dtype) ? (double)from->f32[i] : from->f64[i];
}

static void put_number(int dtype, room *to, int64_t i, double number)
{
    if (is_single(dtype))
        to->f32[i] = (float)number;
    else
        to->f64[i] = number;
}

/* Whole numbers from -8 to 8 that look like noise. */
static void fill(int dtype, room *to, int64_t count, uint32_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        put_number(dtype, to, i, (double)(seed >> 16) - (double)((seed >> 16) / 17 * 17) - 8.0);
    }
}

/* The place of an entry of op(A), counted in entries. */
static int64_t place(int trans, int64_t lead, int64_t row, int64_t col)
{
    return trans == PYAD_TRANS ? col * lead + row : row * lead + col;
}

/* One entry of the product, real and imaginary part, by the definition. */
static void entry(int dtype, const pyad_gemm_call *g, int64_t row, int64_t col, double *sum)
{
    for (int64_t k = 0; k < g->K; k++) {
        int64_t a = place(g->trans_a, g->lda, row, k);
        int64_t b = place(g->trans_b, g->ldb, k, col);
        if (!pyad_dtype_is_complex(dtype)) {
            sum[0] += number_at(dtype, g->A, a) * number_at(dtype, g->B, b);
            continue;
        }
        double ar = number_at(dtype, g->A, 2 * a);
        double ai = number_at(dtype, g->A, 2 * a + 1);
        double br = number_at(dtype, g->B, 2 * b);
        double bi = number_at(dtype, g->B, 2 * b + 1);
        sum[0] += ar * br - ai * bi;
        sum[1] += ar * bi + ai * br;
    }
}

static void expect(int dtype, const pyad_gemm_call *g, room *C)
{
    int parts = pyad_dtype_is_complex(dtype) ? 2 : 1;
    for (int64_t i = 0; i < g->M; i++) {
        for (int64_t j = 0; j < g->N; j++) {
            double sum[2] = {0, 0};
            entry(dtype, g, i, j, sum);
            for (int part = 0; part < parts; part++) {
                int64_t at = (i * g->ldc + j) * parts + part;
                put_number(dtype, C, at, sum[part] + (g->beta ? number_at(dtype, C, at) : 0.0));
            }
        }
    }
}

/* All of the first `count` numbers are compared, so writing beside the product is noticed as well. */
static bool same(int dtype, const room *left, const room *right, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (number_at(dtype, left, i) != number_at(dtype, right, i))
            return false;
    }
    return true;
}

static bool gemm_works(const pyad_binding *to, int dtype, pyad_gemm_call g, int64_t count)
{
    room A;
    room B;
    room C;
    room expected;
    fill(dtype, &A, count, 1);
    fill(dtype, &B, count, 2);
    fill(dtype, &C, count, 3);
    fill(dtype, &expected, count, 3);
    g.A = &A;
    g.B = &B;
    g.C = &expected;
    expect(dtype, &g, &expected);
    g.C = &C;
    pyad_binding_gemm(to, dtype, &g);
    return same(dtype, &C, &expected, count);
}

/* The same product by gemv: one column, with gaps in both vectors. */
static bool gemv_works(const pyad_binding *to, int dtype, int trans)
{
    enum { LONG = 5, SHORT = 3, LDA = 7, INCX = 2, INCY = 3, COUNT = 2 * LONG * LDA };
    room A;
    room x;
    room y;
    room expected;
    fill(dtype, &A, COUNT, 4);
    fill(dtype, &x, COUNT, 5);
    fill(dtype, &y, COUNT, 6);
    fill(dtype, &expected, COUNT, 6);
    bool turned = trans == PYAD_TRANS;
    pyad_gemm_call g = {turned ? SHORT : LONG, 1, turned ? LONG : SHORT, &A, &x, &expected, LDA, INCX, INCY, trans,
                        PYAD_NO_TRANS,         1};
    expect(dtype, &g, &expected);
    pyad_gemv_call v = {LONG, SHORT, LDA, INCX, INCY, &A, &x, &y, trans};
    pyad_binding_gemv(to, dtype, &v);
    return same(dtype, &y, &expected, COUNT);
}

/* All orders of a small product in which every length and leading dimension is another number, so that integers of
 * another width do not go unnoticed, and one that is long enough for a library's blocks. */
static bool dtype_works(const pyad_binding *to, int dtype)
{
    for (int round = 0; round < 8; round++) {
        int trans_a = round & 1 ? PYAD_TRANS : PYAD_NO_TRANS;
        int trans_b = round & 2 ? PYAD_TRANS : PYAD_NO_TRANS;
        pyad_gemm_call small = {.M = 2, .N = 5, .K = 3, .lda = 6, .ldb = 7, .ldc = 8};
        small.trans_a = trans_a;
        small.trans_b = trans_b;
        small.beta = round >> 2;
        if (!gemm_works(to, dtype, small, 2 * 8 * 8))
            return false;
    }
    pyad_gemm_call blocks = {.M = 20, .N = 24, .K = 28, .lda = 31, .ldb = 30, .ldc = 29, .beta = 1};
    blocks.trans_a = PYAD_NO_TRANS;
    blocks.trans_b = PYAD_TRANS;
    if (!gemm_works(to, dtype, blocks, TRIAL_ROOM))
        return false;
    if (to->gemv[dtype - PYAD_F32] == NULL)
        return true;
    return gemv_works(to, dtype, PYAD_NO_TRANS) && gemv_works(to, dtype, PYAD_TRANS);
}

static bool works(const pyad_binding *to, const char **which)
{
    for (int dtype = PYAD_F32; dtype < PYAD_F32 + PYAD_BLAS_DTYPES; dtype++) {
        *which = pyad_dtype_name(dtype);
        if (to->gemm[dtype - PYAD_F32] != NULL && !dtype_works(to, dtype))
            return false;
    }
    return true;
}

/* --- Choosing ----------------------------------------------------------------------------------------------------- */

/* Bindings stay: a product may be running in any of them, and a BLAS with threads of its own cannot be unloaded. */
enum { MOST_LIBRARIES = 32 };
static pyad_binding kept[MOST_LIBRARIES];
static int kept_count;
static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(const pyad_binding *) current;

/* The child of a fork does not have the thread that may have held the lock. A binding counts only when it is whole. */
static void unlock_in_child(void)
{
    pthread_mutex_init(&choosing, NULL);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, unlock_in_child);
}

const pyad_binding *pyad_blas_current(void)
{
    return atomic_load_explicit(&current, memory_order_acquire);
}

static void use(const pyad_binding *binding)
{
    atomic_store_explicit(&current, binding, memory_order_release);
}

/* Never global: what a library exports must not take the place of another's. The other way round, a library that has
 * been loaded globally by somebody else (MKL loads its parts so) would take the place of this one's own functions. */
static int open_flags(bool load)
{
    int flags = RTLD_NOW | RTLD_LOCAL;
    if (!load)
        return flags | RTLD_NOLOAD;
#if defined(RTLD_DEEPBIND) && !PYAD_ASAN
    if (dlsym(RTLD_DEFAULT, "cblas_sgemm") != NULL || dlsym(RTLD_DEFAULT, "sgemm_") != NULL)
        flags |= RTLD_DEEPBIND;
#endif
    return flags;
}

static pyad_status no_cblas(pyad_message *message, const char *library)
{
    char names[256] = "";
    size_t used = 0;
    for (int k = 0; k < SPELLINGS && used < sizeof names; k++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", k > 0 ? ", " : "", spellings[k].sgemm);
    return pyad_fail(message, PYAD_ERR_VALUE, "%s has no cblas: looked for %s, and dgemm with each", library, names);
}

/* The first spelling that the library has. */
static pyad_status find_binding(pyad_message *message, const char *library, pyad_binding *to)
{
    for (int k = 0; k < SPELLINGS; k++) {
        if (find_all(to, &spellings[k])) {
            to->wide = is_wide(to->library, &spellings[k]);
            return PYAD_OK;
        }
    }
    dlclose(to->library);
    return no_cblas(message, library);
}

static pyad_status bind(pyad_message *message, const char *library, void *handle)
{
    for (int k = 0; k < kept_count; k++) {
        if (kept[k].library == handle) {
            dlclose(handle);  /* only counted: it was open already */
            use(&kept[k]);
            return PYAD_OK;
        }
    }
    pyad_binding found = {.library = handle};
    PYAD_TRY(find_binding(message, library, &found));
    const char *which;
    if (!works(&found, &which))
        return pyad_fail(message, PYAD_ERR_VALUE,
                         "%s is not used: %s with %d-bit integers gives wrong numbers for a small product (%s)",
                         library, found.function, found.wide ? 64 : 32, which);
    if (kept_count == MOST_LIBRARIES)
        return pyad_fail(message, PYAD_ERR_VALUE, "%s is not used: %d libraries are bound already", library,
                         MOST_LIBRARIES);
    kept[kept_count] = found;
    use(&kept[kept_count++]);
    return PYAD_OK;
}

pyad_status pyad_blas_use(pyad_message *message, const char *library, bool load)
{
    if (library == NULL) {
        use(NULL);
        return PYAD_OK;
    }
    pthread_mutex_lock(&choosing);
    pyad_status status;
    void *handle = dlopen(library, open_flags(load));
    if (handle != NULL) {
        status = bind(message, library, handle);
    } else {
        const char *why = dlerror();
        status = pyad_fail(message, PYAD_ERR_STATE, "%s cannot be loaded: %s", library,
                           why != NULL ? why : "it is not in memory");
    }
    pthread_mutex_unlock(&choosing);
    return status;
}

pyad_blas_name pyad_blas_in_use(void)
{
    const pyad_binding *binding = pyad_blas_current();
    if (binding == NULL)
        return (pyad_blas_name){"", "", 64};
    return (pyad_blas_name){binding->function, binding->file, binding->wide ? 64 : 32};
}
