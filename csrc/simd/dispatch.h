/* The kernels that depend on the instruction set: inner loops over contiguous memory.
 *
 * The folder simd knows runs of numbers and instruction sets. It must not know layouts, allocation and threads.
 *
 * csrc/simd/simd_body.c is compiled once per level (base, x86-64-v3, x86-64-v4) with PYAD_ISA set to the level's
 * name; each compilation exports one table, and pyad_isa() picks the best one the processor runs. Numerics: at most 2 ulp from the exact result; NaN, infinities, signed zeros and
 * denormals as NumPy has them. */
#ifndef PYAD_SIMD_DISPATCH_H
#define PYAD_SIMD_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "simd/loop_list.h"

typedef enum pyad_loop_id {
#define PYAD_LOOP_ENUM(NAME, ...) PYAD_LOOP_##NAME,
    PYAD_LOOP_LIST(PYAD_LOOP_ENUM)
#undef PYAD_LOOP_ENUM
        PYAD_LOOP_COUNT
} pyad_loop_id;

/* Counted on from the loops. */
typedef enum pyad_super_id {
    PYAD_SUPER_BEFORE = PYAD_LOOP_COUNT - 1,
#define PYAD_SUPER_ENUM(NAME, ...) PYAD_SUPER_##NAME,
    PYAD_SUPER_LIST(PYAD_SUPER_ENUM)
#undef PYAD_SUPER_ENUM
        PYAD_SUPER_END
} pyad_super_id;

/* One pass over n >= 0 contiguous elements. Bit k of `scalars` is set when in[k] is a single element that stands for
 * all n. `out` may be the very memory of an operand; otherwise they do not overlap. Never all operands are scalars
 * unless n == 1. */
typedef void (*pyad_loop)(int64_t n, void *out, const void *const *in, unsigned scalars);

/* One step of the scalar interpreter: an operation on single numbers. */
typedef struct pyad_scalar_step {
    uint32_t code;  /* PYAD_SCALAR_CODE, or PYAD_SCALAR_LOOP: the loop is called */
    pyad_loop loop;
    void *out;
    const void *in[3];
} pyad_scalar_step;

/* Which operand is the result of the step before, in float64. */
typedef enum pyad_scalar_case { PYAD_BOTH_READ, PYAD_FIRST_MADE, PYAD_SECOND_MADE } pyad_scalar_case;
#define PYAD_SCALAR_CODE(loop, which) ((uint32_t)(loop) * 3u + (uint32_t)(which))
#define PYAD_SCALAR_LOOP UINT32_MAX

typedef struct pyad_isa_table {
    const char *name;                          /* "base", "v3", "v4" */
    pyad_loop loop[PYAD_LOOP_COUNT][2];        /* [id][0: float32 operands, 1: float64]; LOGIC has the same in both */

    pyad_loop superloop[PYAD_SUPER_END - PYAD_LOOP_COUNT][2];

    /* The steps in their order; and whether a loop in float64 has a code, or its steps are all PYAD_SCALAR_LOOP. A step
     * whose operand is "made" follows one in float64 that has a code. scalar_interpreter.h */
    void (*run_scalars)(int64_t count, const pyad_scalar_step *steps);
    int (*scalar_has_code)(int loop);

    /* Reductions of n contiguous elements. Sums are pairwise (error grows with log n); n == 0 gives 0. max and min
     * propagate NaN and need n >= 1. */
    float (*sum_f32)(int64_t n, const float *x);
    double (*sum_f64)(int64_t n, const double *x);
    float (*max_f32)(int64_t n, const float *x);
    double (*max_f64)(int64_t n, const double *x);
    float (*min_f32)(int64_t n, const float *x);
    double (*min_f64)(int64_t n, const double *x);

    /* One row each, n >= 1: stable, shifted by the row's maximum (where that is finite). logsumexp of all -inf is -inf;
     * any NaN gives NaN; +inf gives +inf. out may be x. */
    float (*logsumexp_f32)(int64_t n, const float *x);
    double (*logsumexp_f64)(int64_t n, const double *x);
    void (*softmax_f32)(int64_t n, float *out, const float *x);
    void (*softmax_f64)(int64_t n, double *out, const double *x);
    void (*log_softmax_f32)(int64_t n, float *out, const float *x);
    void (*log_softmax_f64)(int64_t n, double *out, const double *x);

    /* y += a * x. */
    void (*axpy_f32)(int64_t n, float a, const float *x, float *y);
    void (*axpy_f64)(int64_t n, double a, const double *x, double *y);

    /* A 64-bit fingerprint of `bytes` bytes at memory speed: changing any one byte changes it; not cryptographic. The
     * same for every level. */
    uint64_t (*fingerprint)(const void *data, size_t bytes);

    /* C = A B (+ C when accumulate) for small products, row-major; A is M x K with strides (ars, acs), B is K x N with
     * strides (brs, bcs), C is M x N with row stride crs and unit column stride. Any of the four input strides may be
     * anything, so transposed operands need no copy. C overlaps neither A nor B. */
    void (*small_gemm_f32)(int64_t M, int64_t N, int64_t K, const float *A, int64_t ars, int64_t acs, const float *B,
                           int64_t brs, int64_t bcs, float *C, int64_t crs, int accumulate);
    void (*small_gemm_f64)(int64_t M, int64_t N, int64_t K, const double *A, int64_t ars, int64_t acs, const double *B,
                           int64_t brs, int64_t bcs, double *C, int64_t crs, int accumulate);
} pyad_isa_table;

/* The best table for this processor. Cheap: picked once per process and constant from then on. */
const pyad_isa_table *pyad_isa(void);
/* The table of one level by name for tests and benchmarks, or NULL when it is not built or the processor lacks it. */
const pyad_isa_table *pyad_isa_level(const char *name);

/* A row of PYAD_LOOP_LIST. */
typedef enum pyad_loop_kind { PYAD_KIND_FLOAT, PYAD_KIND_COMPARE, PYAD_KIND_LOGIC, PYAD_KIND_SELECT } pyad_loop_kind;
typedef enum pyad_loop_cost { PYAD_COST_CHEAP, PYAD_COST_DIVISION, PYAD_COST_SERIES, PYAD_COST_LIBM } pyad_loop_cost;
typedef struct pyad_loop_info {
    const char *name;
    int arity;
    pyad_loop_kind kind;
    pyad_loop_cost cost;
} pyad_loop_info;
extern const pyad_loop_info pyad_loops[PYAD_LOOP_COUNT];

/* A row of PYAD_SUPER_LIST. */
typedef struct pyad_super_info {
    const char *name;
    int first;
    int second;
    int side;
    unsigned scalars;
} pyad_super_info;
extern const pyad_super_info pyad_superloops[PYAD_SUPER_END - PYAD_LOOP_COUNT];

#endif
