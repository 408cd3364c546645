/* Products of small matrices: a tile of C held in registers, no copy of A, and B copied to the stack only where its
 * rows are not contiguous or are shorter than a vector. */
#ifndef PYAD_SIMD_SMALL_GEMM_H
#define PYAD_SIMD_SMALL_GEMM_H

#include "simd/vector_types.h"

/* Rows of a tile. Two vectors a row: 6 rows fill the 16 registers of base and v3 (12 sums, 2 of B, 1 of A); v4 has 32.
 * One or two rows alone have four vectors each, since a sum waits for the one before it. */
#define GEMM_ROWS 6
#define GEMM_SIDE 4
/* Rows of B copied at a time. */
#define GEMM_DEPTH 128

/* to = the transpose of `from`, both squares of GEMM_SIDE elements a side; the strides are those of the rows. */
static inline void gemm_turn_f32(float *to, int64_t to_row, const float *from, int64_t from_row)
{
    typedef float quad __attribute__((vector_size(16)));
    quad a;
    quad b;
    quad c;
    quad d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_row, sizeof b);
    memcpy(&c, from + 2 * from_row, sizeof c);
    memcpy(&d, from + 3 * from_row, sizeof d);
    quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    memcpy(to, &a, sizeof a);
    memcpy(to + to_row, &b, sizeof b);
    memcpy(to + 2 * to_row, &c, sizeof c);
    memcpy(to + 3 * to_row, &d, sizeof d);
}

static inline void gemm_turn_f64(double *to, int64_t to_row, const double *from, int64_t from_row)
{
    typedef double quad __attribute__((vector_size(32)));
    quad a;
    quad b;
    quad c;
    quad d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_row, sizeof b);
    memcpy(&c, from + 2 * from_row, sizeof c);
    memcpy(&d, from + 3 * from_row, sizeof d);
    quad ab_even = __builtin_shufflevector(a, b, 0, 4, 2, 6);
    quad cd_even = __builtin_shufflevector(c, d, 0, 4, 2, 6);
    quad ab_odd = __builtin_shufflevector(a, b, 1, 5, 3, 7);
    quad cd_odd = __builtin_shufflevector(c, d, 1, 5, 3, 7);
    a = __builtin_shufflevector(ab_even, cd_even, 0, 1, 4, 5);
    b = __builtin_shufflevector(ab_odd, cd_odd, 0, 1, 4, 5);
    c = __builtin_shufflevector(ab_even, cd_even, 2, 3, 6, 7);
    d = __builtin_shufflevector(ab_odd, cd_odd, 2, 3, 6, 7);
    memcpy(to, &a, sizeof a);
    memcpy(to + to_row, &b, sizeof b);
    memcpy(to + 2 * to_row, &c, sizeof c);
    memcpy(to + 3 * to_row, &d, sizeof d);
}

#define REAL float
#define VEC vec_f32
#define SUFFIXED(name) name##_f32
#include "simd/small_gemm.inc.h"
#undef REAL
#undef VEC
#undef SUFFIXED

#define REAL double
#define VEC vec_f64
#define SUFFIXED(name) name##_f64
#include "simd/small_gemm.inc.h"
#undef REAL
#undef VEC
#undef SUFFIXED

#endif
