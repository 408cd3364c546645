/* Logarithms and powers of other bases, cube root, logaddexp: built on the functions of math_f64.h and math_pow.h.
 * And division with remainder, one element at a time. */
#ifndef PYAD_SIMD_MATH_LOG_ROOT_H
#define PYAD_SIMD_MATH_LOG_ROOT_H

#include "simd/math_pow.h"

/* ---- logarithms to base 2 and 10 ---- */

/* log(x) times 1 / log(base), given in two parts; `lost` is the logarithm of the 2^54 that denormals are raised by.
 * The product is made from more than 64 bits of log x, so that exact powers of the base give exact results. */
PYAD_INLINE double f64_log_base(double x, double factor, double factor_lo, double lost)
{
    int denormal = x < 0x1p-1022;
    f64_pair l = f64_log_pair(denormal ? x * 0x1p54 : x);
    f64_pair p = f64_product(l.hi, factor);
    double y = p.hi + (p.lo + (l.hi * factor_lo + l.lo * factor));
    y = denormal ? y - lost : y;
    double special = x < 0.0 ? (double)NAN : x;
    special = x == 0.0 ? -(double)INFINITY : special;
    int ordinary = (x > 0.0) & (x < (double)INFINITY);
    return ordinary ? y : special;
}

PYAD_INLINE double v_log2_f64(double x)
{
    return f64_log_base(x, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56, 54.0);
}

PYAD_INLINE double v_log10_f64(double x)
{
    return f64_log_base(x, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57, 0x1.041704c068eefp+4);
}

PYAD_INLINE float v_log2_f32(float x)
{
    return (float)(v_log_f64((double)x) * 0x1.71547652b82fep+0);
}

PYAD_INLINE float v_log10_f32(float x)
{
    return (float)(v_log_f64((double)x) * 0x1.bcb7b1526e50ep-2);
}

/* ---- 2^x ---- */

PYAD_INLINE double v_exp2_f64(double x)
{
    double c = x > 1025.0 ? 1025.0 : x;
    c = x < -1080.0 ? -1080.0 : c;
    double t = c + F64_ROUND;
    double r = (c - (t - F64_ROUND)) * 0x1.62e42fefa39efp-1;
    return f64_scale(1.0 + (r + f64_exp_tail(r)), bits_of_f64(t));
}

PYAD_INLINE float v_exp2_f32(float x)
{
    float c = x > 129.0f ? 129.0f : x;
    c = x < -155.0f ? -155.0f : c;
    float t = c + F32_ROUND;
    float r = (c - (t - F32_ROUND)) * 0x1.62e43p-1f;
    return f32_scale(1.0f + (r + f32_exp_tail(r)), bits_of_f32(t));
}

/* ---- cube root ---- */

/* exp(log(x) / 3) is right to 1e-13. One step of Newton's method makes it right to the last place, with the residual
 * y^3 - x from exact products; the argument is first brought to where these neither over- nor underflow. */
PYAD_INLINE double v_cbrt_f64(double x)
{
    double a = fabs(x);
    int tiny = a < 0x1p-700;
    int huge = a > 0x1p900;
    double scale = tiny ? 0x1p180 : (huge ? 0x1p-180 : 1.0);
    double back = tiny ? 0x1p-60 : (huge ? 0x1p60 : 1.0);
    double b = a * scale;
    double y = f64_exp_normal(v_log_f64(b) * 0x1.5555555555555p-2);
    f64_pair square = f64_product(y, y);
    f64_pair cube = f64_product(square.hi, y);
    double residual = (cube.hi - b) + (cube.lo + square.lo * y);
    double root = (y - residual / (3.0 * square.hi)) * back;
    int ordinary = (a > 0.0) & (a < (double)INFINITY);
    return ordinary ? copysign(root, x) : x;
}

PYAD_INLINE float v_cbrt_f32(float x)
{
    float a = fabsf(x);
    float y = (float)f64_exp_normal(v_log_f64((double)a) * 0x1.5555555555555p-2);
    int ordinary = (a > 0.0f) & (a < INFINITY);
    return ordinary ? copysignf(y, x) : x;
}

/* ---- log(exp(a) + exp(b)) ---- */

/* From the larger of the two. Equal ones are apart, since the difference of two infinities is NaN. */
PYAD_INLINE double v_logaddexp_f64(double a, double b)
{
    double y = (a > b ? a : b) + f64_log1p_unit(v_exp_f64(-fabs(a - b)));
    return a == b ? a + 0x1.62e42fefa39efp-1 : y;
}

PYAD_INLINE float v_logaddexp_f32(float a, float b)
{
    float y = (a > b ? a : b) + f32_log1p_unit(v_exp_f32(-fabsf(a - b)));
    return a == b ? a + 0x1.62e43p-1f : y;
}

/* ---- inverse hyperbolic functions ---- */

/* All are log1p of something that does not cancel. For huge x, where its square would overflow, they are log(2 x). */
#define F64_HUGE 0x1p500

PYAD_INLINE double v_arcsinh_f64(double x)
{
    double a = fabs(x);
    int huge = a > F64_HUGE;
    double t = a + a * a / (1.0 + sqrt(madd_f64(a, a, 1.0)));
    double y = v_log1p_f64(huge ? a : t) + (huge ? 0x1.62e42fefa39efp-1 : 0.0);
    return copysign(y, x);
}

PYAD_INLINE double v_arccosh_f64(double x)
{
    double d = x - 1.0;
    int huge = d > F64_HUGE;
    f64_pair square = f64_product(d, d);
    double root = sqrt(square.hi + 2.0 * d);
    f64_pair t = f64_sum(root, d);
    /* What the root lost, from its square, and the sum: log1p would add its own rounding to theirs. */
    f64_pair back = f64_product(root, root);
    double larger = d > 2.0 ? square.hi : 2.0 * d;
    double smaller = d > 2.0 ? 2.0 * d : square.hi;
    double lost = ((larger - back.hi) + smaller + (square.lo - back.lo)) / (2.0 * root) + t.lo;
    double correction = (root > 0.0) & !huge ? lost / (1.0 + t.hi) : 0.0;
    double y = v_log1p_f64(huge ? d : t.hi) + (huge ? 0x1.62e42fefa39efp-1 : correction);
    return x < 1.0 ? (double)NAN : y;
}

PYAD_INLINE double v_arctanh_f64(double x)
{
    double a = fabs(x);
    return copysign(0.5 * v_log1p_f64(2.0 * a / (1.0 - a)), x);
}

PYAD_INLINE float v_arcsinh_f32(float x)
{
    return (float)v_arcsinh_f64((double)x);
}

PYAD_INLINE float v_arccosh_f32(float x)
{
    return (float)v_arccosh_f64((double)x);
}

PYAD_INLINE float v_arctanh_f32(float x)
{
    return (float)v_arctanh_f64((double)x);
}

/* ---- what a loop calls element by element ---- */

/* Python's a % b and a // b: the remainder has the sign of b, and the quotient is made from a minus the remainder,
 * which b divides, and then rounded; a / b alone may round up to an integer that is too large. */
#define FAR_DIVISION(S, T, remainder_of, down, signed_as)     \
    static inline T far_mod_##S(T a, T b)                     \
    {                                                         \
        T rest = remainder_of(a, b);                          \
        if (b == (T)0) {                                      \
            return rest;                                      \
        }                                                     \
        if (rest == (T)0) {                                   \
            return signed_as((T)0, b);                        \
        }                                                     \
        return (b < (T)0) != (rest < (T)0) ? rest + b : rest; \
    }                                                         \
    static inline T far_floor_divide_##S(T a, T b)            \
    {                                                         \
        if (b == (T)0) {                                      \
            return a / b;                                     \
        }                                                     \
        T rest = remainder_of(a, b);                          \
        T whole = (a - rest) / b;                             \
        if (rest != (T)0 && (b < (T)0) != (rest < (T)0)) {    \
            whole -= (T)1;                                    \
        }                                                     \
        if (whole == (T)0) {                                  \
            return signed_as((T)0, a / b);                    \
        }                                                     \
        T below = down(whole);                                \
        return whole - below > (T)0.5 ? below + (T)1 : below; \
    }

FAR_DIVISION(f32, float, fmodf, floorf, copysignf)
FAR_DIVISION(f64, double, fmod, floor, copysign)

#endif
