/* What the vector mathematics of both precisions shares: bits of floats, multiply-add, polynomials.
 *
 * Every function of math_*.h is a branch-free scalar: the loops of loops.h inline it, and the compiler turns the loop
 * into vector code. Selections are written with ?: over values already computed, bit work on unsigned integers, and
 * rounding to an integer by adding a large constant, because those have vector forms on every level. */
#ifndef PYAD_SIMD_MATH_COMMON_H
#define PYAD_SIMD_MATH_COMMON_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A call left in a loop leaves the loop scalar, so inlining is not left to the compiler's sense of size. */
#if defined(__GNUC__)
#define PYAD_INLINE static inline __attribute__((always_inline))
#else
#define PYAD_INLINE static inline
#endif

PYAD_INLINE uint32_t bits_of_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

PYAD_INLINE float f32_of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

PYAD_INLINE uint64_t bits_of_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

PYAD_INLINE double f64_of_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* take ? a : b by masking, for two long computations: given ?: the compiler would move each into a branch of its own,
 * and not always find the way back to vector code. */
PYAD_INLINE float f32_select(int take, float a, float b)
{
    uint32_t mask = 0u - (uint32_t)take;
    return f32_of_bits((bits_of_f32(a) & mask) | (bits_of_f32(b) & ~mask));
}

PYAD_INLINE double f64_select(int take, double a, double b)
{
    uint64_t mask = UINT64_C(0) - (uint64_t)(unsigned)take;
    return f64_of_bits((bits_of_f64(a) & mask) | (bits_of_f64(b) & ~mask));
}

/* a * b + c, fused where the level has the instruction. The files are compiled without contraction, so this is the only
 * place where a level may differ from another, and compensated sums stay as they are written. */
PYAD_INLINE float madd_f32(float a, float b, float c)
{
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

PYAD_INLINE double madd_f64(double a, double b, double c)
{
#ifdef __FMA__
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

#define MADD(a, b, c) _Generic((a), float: madd_f32, double: madd_f64)(a, b, c)

/* Polynomials in x, coefficients from the constant term up. */
#define POLY1(x, a, b) MADD(b, x, a)
#define POLY2(x, a, b, c) MADD(POLY1(x, b, c), x, a)
#define POLY3(x, a, b, c, d) MADD(POLY2(x, b, c, d), x, a)
#define POLY4(x, a, b, c, d, e) MADD(POLY3(x, b, c, d, e), x, a)
#define POLY5(x, a, b, c, d, e, f) MADD(POLY4(x, b, c, d, e, f), x, a)

/* The same in two interleaved halves, z = x * x: half the latency, which is what a single element pays. */
#define SPLIT3(x, z, a, b, c, d) MADD(POLY1(z, b, d), x, POLY1(z, a, c))
#define SPLIT4(x, z, a, b, c, d, e) MADD(POLY1(z, b, d), x, POLY2(z, a, c, e))
#define SPLIT5(x, z, a, b, c, d, e, f) MADD(POLY2(z, b, d, f), x, POLY2(z, a, c, e))
#define SPLIT6(x, z, a, b, c, d, e, f, g) MADD(POLY2(z, b, d, f), x, POLY3(z, a, c, e, g))
#define SPLIT7(x, z, a, b, c, d, e, f, g, h) MADD(POLY3(z, b, d, f, h), x, POLY3(z, a, c, e, g))
#define SPLIT8(x, z, a, b, c, d, e, f, g, h, i) MADD(POLY3(z, b, d, f, h), x, POLY4(z, a, c, e, g, i))
#define SPLIT9(x, z, a, b, c, d, e, f, g, h, i, j) MADD(POLY4(z, b, d, f, h, j), x, POLY4(z, a, c, e, g, i))

#endif
