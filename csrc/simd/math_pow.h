/* x ** y in both precisions, branch-free for ordinary operands; the loops send the rare ones (zeros, infinities, NaN,
 * denormal or huge) to libm. */
#ifndef PYAD_SIMD_MATH_POW_H
#define PYAD_SIMD_MATH_POW_H

#include "simd/math_f32.h"
#include "simd/math_f64.h"

/* An unevaluated sum: hi is the sum rounded. */
typedef struct f64_pair {
    double hi;
    double lo;
} f64_pair;

/* The exact product. Without a fused multiply-add the factors are cut in halves of 26 bits. */
PYAD_INLINE f64_pair f64_product(double a, double b)
{
    double hi = a * b;
#ifdef __FMA__
    f64_pair out = {hi, __builtin_fma(a, b, -hi)};
#else
    double ca = a * 0x1.0000002p27;
    double cb = b * 0x1.0000002p27;
    double ah = ca - (ca - a);
    double bh = cb - (cb - b);
    double al = a - ah;
    double bl = b - bh;
    f64_pair out = {hi, ((ah * bh - hi) + ah * bl + al * bh) + al * bl};
#endif
    return out;
}

/* a + b for |a| >= |b| or a == 0. */
PYAD_INLINE f64_pair f64_sum(double a, double b)
{
    double hi = a + b;
    f64_pair out = {hi, (a - hi) + b};
    return out;
}

/* log x to about 66 bits for a normal x > 0: y log x reaches 745, so 2 ulp of x ** y need ten bits more than float64
 * has. With s = f / (2 + f) it is k ln 2 + 2 s (1 + z / 3 + z^2 P(z)), z = s^2; only P is in plain float64. */
PYAD_INLINE f64_pair f64_log_pair(double x)
{
    f64_split a = f64_split_log(x);
    double k = f64_of_small(a.biased, 1023.0);
    double f = a.m - 1.0;
    double d = a.m + 1.0;
    double d_lo = a.m - (d - 1.0);
    double inverse = 1.0 / d;
    double s = f * inverse;
    f64_pair sd = f64_product(s, d);
    double s_lo = (((f - sd.hi) - sd.lo) - s * d_lo) * inverse;

    f64_pair z = f64_product(s, s);
    z.lo += 2.0 * s * s_lo;
    double w = z.hi * z.hi;
    double p =
        w * SPLIT7(z.hi, w, 0x1.999999999999ap-3, 0x1.24924924922fep-3, 0x1.c71c71c74c77ap-4, 0x1.745d173ce41bap-4,
                   0x1.3b13a9cbb9294p-4, 0x1.111551154f755p-4, 0x1.e01971bc08f3ap-5, 0x1.daa559ed8cce9p-5);
    f64_pair third = f64_product(z.hi, 0x1.5555555555555p-2);
    third.lo += z.hi * 0x1.5555555555555p-56 + z.lo * 0x1.5555555555555p-2;
    f64_pair v = f64_sum(third.hi, third.lo + p);

    f64_pair g = f64_product(2.0 * s, v.hi);
    g.lo += 2.0 * (s * v.lo + s_lo * v.hi);
    f64_pair h = f64_sum(k * F64_LN2_HI, 2.0 * s);
    f64_pair l = f64_sum(h.hi, g.hi);
    double lo = (h.lo + l.lo) + (g.lo + 2.0 * s_lo + k * F64_LN2_LO);
    return f64_sum(l.hi, lo);
}

/* The sign that a negative x gives to |x| ** y: 1 or -1 for an integer y, else NaN. |y| < 2^52. */
PYAD_INLINE double f64_pow_sign(double y)
{
    double a = fabs(y);
    double t = a + 0x1p52;
    double sign = f64_of_bits(F64_ONE | (bits_of_f64(t) << 63));
    return t - 0x1p52 == a ? sign : (double)NAN;
}

PYAD_INLINE int v_pow_rare_f64(double x, double y)
{
    double a = fabs(x);
    int ordinary = (a >= 0x1p-1022) & (a < (double)INFINITY) & (fabs(y) < 0x1p52);
    return !ordinary;
}

PYAD_INLINE double v_pow_f64(double x, double y)
{
    f64_pair log_x = f64_log_pair(fabs(x));
    f64_pair e = f64_product(y, log_x.hi);
    /* Past the range of exp the low part is as large as you like, and means nothing. */
    double lo = fabs(e.hi) < 800.0 ? madd_f64(y, log_x.lo, e.lo) : 0.0;
    f64_reduced a = f64_reduce_ln2(f64_exp_clamp(e.hi));
    double r = a.r + lo;
    double p = f64_scale(1.0 + (r + f64_exp_tail(r)), a.rounded);
    return p * (x < 0.0 ? f64_pow_sign(y) : 1.0);
}

/* All floats of float32, denormals too, are normal numbers of float64. */
PYAD_INLINE int v_pow_rare_f32(float x, float y)
{
    float a = fabsf(x);
    int ordinary = (a > 0.0f) & (a < INFINITY) & (fabsf(y) < 0x1p40f);
    return !ordinary;
}

/* float32 is computed in float64, which has the ten bits to spare. */
PYAD_INLINE float v_pow_f32(float x, float y)
{
    f64_split a = f64_split_log(fabs((double)x));
    double s = (a.m - 1.0) / (a.m + 1.0);
    double z = s * s;
    double w = z * z;
    double log2_m = s * SPLIT5(z, w, 0x1.71547652b825p+1, 0x1.ec709dc53e6bep-1, 0x1.2776c290f125bp-1,
                               0x1.a61a309a0252fp-2, 0x1.47950c07f4115p-2, 0x1.21b50c6e34072p-2);
    double e = (double)y * (f64_of_small(a.biased, 1023.0) + log2_m);
    e = e > 200.0 ? 200.0 : e;
    e = e < -200.0 ? -200.0 : e;
    double t = e + F64_ROUND;
    double r = e - (t - F64_ROUND);
    double r2 = r * r;
    double p = SPLIT6(r, r2, 0x1.ffffffff4dbdfp-1, 0x1.62e430d08889ap-1, 0x1.ebfbe10e86f71p-3, 0x1.c6aecbfb7c304p-5,
                      0x1.3b2995b6d872bp-7, 0x1.5f48f45d2a876p-10, 0x1.449928dc6970fp-13);
    double sign = x < 0.0f ? f64_pow_sign((double)y) : 1.0;
    return (float)(p * f64_pow2(bits_of_f64(t)) * sign);
}

#endif
