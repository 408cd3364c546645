/* Elementary functions in float64, branch-free. At most 2 ulp; NaN, infinities, signed zeros and denormals as C has
 * them. The coefficients are minimax fits made for these argument ranges. */
#ifndef PYAD_SIMD_MATH_F64_H
#define PYAD_SIMD_MATH_F64_H

#include "simd/math_common.h"

#define F64_LOG2E 0x1.71547652b82fep+0
/* ln 2 in two parts; the first has 41 bits, so its product with an exponent is exact. */
#define F64_LN2_HI 0x1.62e42fefa3p-1
#define F64_LN2_LO 0x1.3de6af278ece6p-42
/* Adding it leaves the nearest integer, plus 2048, in the low bits of the sum. */
#define F64_ROUND (0x1.8p52 + 2048.0)
#define F64_EXP_MASK UINT64_C(0x000fffffffffffff)
#define F64_SQRT_HALF UINT64_C(0x3fe6a09e667f3bcd)
#define F64_ONE UINT64_C(0x3ff0000000000000)

/* x = k ln 2 + r + r_lo with |r| <= ln 2 / 2; the bits of k, offset by 2048, are the low bits of `rounded`. r_lo is
 * what r lost in rounding; where it is not used the compiler drops it. */
typedef struct f64_reduced {
    uint64_t rounded;
    double r;
    double r_lo;
} f64_reduced;

PYAD_INLINE f64_reduced f64_reduce_ln2(double x)
{
    double t = madd_f64(x, F64_LOG2E, F64_ROUND);
    double k = t - F64_ROUND;
    double exact = madd_f64(k, -F64_LN2_HI, x);
    double r = madd_f64(k, -F64_LN2_LO, exact);
    double r_lo = madd_f64(k, -F64_LN2_LO, exact - r);
    f64_reduced out = {bits_of_f64(t), r, r_lo};
    return out;
}

/* (exp(r) - 1 - r) for |r| <= ln 2 / 2. */
PYAD_INLINE double f64_exp_tail(double r)
{
    double z = r * r;
    double q = SPLIT9(r, z, 0x1.0000000000001p-1, 0x1.5555555555558p-3, 0x1.5555555553cc2p-5, 0x1.111111110f8dp-7,
                      0x1.6c16c178b624ep-10, 0x1.a01a01afbeba8p-13, 0x1.a019b88afbe0dp-16, 0x1.71ddf76e11584p-19,
                      0x1.2892099c9ee21p-22, 0x1.af61f506fe2c2p-26);
    return z * q;
}

/* 2^k where 2^k is normal. */
PYAD_INLINE double f64_pow2(uint64_t rounded)
{
    return f64_of_bits((rounded - 1025u) << 52);
}

/* p * 2^k in two exact steps and one rounding, so that overflow and denormal results come out right. */
PYAD_INLINE double f64_scale(double p, uint64_t rounded)
{
    uint64_t half = rounded >> 1;
    double first = f64_of_bits((half - 1u) << 52);
    double second = f64_of_bits((rounded - half - 1u) << 52);
    return p * first * second;
}

/* Past these bounds exp is inf or 0 whatever the argument; a NaN stays. Both tests are of x itself: if the second were
 * of the first's result, the compiler would make branches of the two, and many instructions of the branches. */
PYAD_INLINE double f64_exp_clamp(double x)
{
    double c = x > 709.9 ? 709.9 : x;
    return x < -745.2 ? -745.2 : c;
}

PYAD_INLINE double v_exp_f64(double x)
{
    f64_reduced a = f64_reduce_ln2(f64_exp_clamp(x));
    return f64_scale(1.0 + (a.r + f64_exp_tail(a.r)), a.rounded);
}

/* exp where the result is known to be normal. */
PYAD_INLINE double f64_exp_normal(double x)
{
    f64_reduced a = f64_reduce_ln2(x);
    return (1.0 + (a.r + f64_exp_tail(a.r))) * f64_pow2(a.rounded);
}

PYAD_INLINE double v_expm1_f64(double x)
{
    double c = x > 709.9 ? 709.9 : x;
    c = x < -50.0 ? -50.0 : c;
    f64_reduced a = f64_reduce_ln2(c);
    /* Half of 2^k, as k can be 1024. (s - 1/2 + s r) is added first, being nearly exact where the sum cancels. */
    double s = f64_pow2(a.rounded - 1u);
    double y = 2.0 * madd_f64(s, f64_exp_tail(a.r) + a.r_lo, madd_f64(s, a.r, s - 0.5));
    /* Halving loses the last bit of a denormal, and the sum the sign of zero. */
    return fabs(x) < 0x1p-54 ? x : y;
}

/* log(1 + f) + k ln 2 for sqrt(1/2) <= 1 + f < sqrt(2): with s = f / (2 + f) the series of log((1+s)/(1-s)) is short,
 * and f - f^2/2 carries the leading digits. */
PYAD_INLINE double f64_log_tail(double f, double k)
{
    double s = f / (2.0 + f);
    double z = s * s;
    double w = z * z;
    double series = z * SPLIT6(z, w, 0x1.5555555555558p-1, 0x1.99999999952b9p-2, 0x1.2492492dfb9b8p-2,
                               0x1.c71c62d649d8cp-3, 0x1.7462b925fa03ep-3, 0x1.39fdcbbceb4c6p-3, 0x1.2b5f5b2f9f871p-3);
    double half_square = 0.5 * f * f;
    double small = madd_f64(k, F64_LN2_LO, s * (half_square + series));
    return madd_f64(k, F64_LN2_HI, f - (half_square - small));
}

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)); `biased` is k + 1023. */
typedef struct f64_split {
    uint64_t biased;
    double m;
} f64_split;

PYAD_INLINE f64_split f64_split_log(double x)
{
    uint64_t u = bits_of_f64(x) + (F64_ONE - F64_SQRT_HALF);
    f64_split out = {u >> 52, f64_of_bits((u & F64_EXP_MASK) + F64_SQRT_HALF)};
    return out;
}

/* An integer below 2^52 as a float, less `offset`. There is no such conversion instruction before level v4. */
PYAD_INLINE double f64_of_small(uint64_t u, double offset)
{
    return f64_of_bits(u | UINT64_C(0x4330000000000000)) - (0x1p52 + offset);
}

PYAD_INLINE double v_log_f64(double x)
{
    int denormal = x < 0x1p-1022;
    f64_split a = f64_split_log(denormal ? x * 0x1p54 : x);
    double k = f64_of_small(a.biased, 1023.0) - (denormal ? 54.0 : 0.0);
    double y = f64_log_tail(a.m - 1.0, k);
    /* What is left of the special values, +inf and NaN, is its own logarithm. */
    double special = x < 0.0 ? (double)NAN : x;
    special = x == 0.0 ? -(double)INFINITY : special;
    int ordinary = (x > 0.0) & (x < (double)INFINITY);
    return ordinary ? y : special;
}

PYAD_INLINE double v_log1p_f64(double x)
{
    f64_split a = f64_split_log(1.0 + x);
    /* f is taken from x and not from 1 + x, which has been rounded: 2^-k x + (2^-k - 1). Only for the last exponent is
     * 2^-k not normal, and there (as for all x from 2^60) the 1 no longer matters. */
    double s = f64_of_bits((2046u - a.biased) << 52);
    double f = madd_f64(x, s, s - 1.0);
    f = x > 0x1p60 ? a.m - 1.0 : f;
    double y = copysign(f64_log_tail(f, f64_of_small(a.biased, 1023.0)), x);
    double special = x < -1.0 ? (double)NAN : x;
    special = x == -1.0 ? -(double)INFINITY : special;
    int ordinary = (x > -1.0) & (x < (double)INFINITY);
    return ordinary ? y : special;
}

/* log1p for 0 <= e <= 1. */
PYAD_INLINE double f64_log1p_unit(double e)
{
    int upper = e > 0.41421356237309503;
    double f = upper ? (e - 1.0) * 0.5 : e;
    return f64_log_tail(f, upper ? 1.0 : 0.0);
}

PYAD_INLINE double v_softplus_f64(double x)
{
    double positive = x > 0.0 ? x : 0.0;
    return positive + f64_log1p_unit(v_exp_f64(-fabs(x)));
}

PYAD_INLINE double v_sigmoid_f64(double x)
{
    double c = -fabs(x);
    f64_reduced a = f64_reduce_ln2(c < -745.2 ? -745.2 : c);
    /* The quotient adds its own roundings, so this exponential is made better than exp itself is. */
    double e = f64_scale(1.0 + (a.r + (f64_exp_tail(a.r) + a.r_lo)), a.rounded);
    double d = 1.0 + e;
    double d_lo = e - (d - 1.0);
    double q = (x < 0.0 ? e : 1.0) / d;
    /* What the sum lost, d_lo, changes the quotient by -q d_lo / d; a straight line is near enough to that 1 / d. */
    return madd_f64(q, d_lo * madd_f64(e, 0.46, -0.96), q);
}

/* Near 0 an odd polynomial; further out 1 - 2 / (exp(2 |x|) + 1), which forgives the errors of exp. */
PYAD_INLINE double v_tanh_f64(double x)
{
    double a = fabs(x);
    double z = x * x;
    double w = z * z;
    double p = SPLIT9(z, w, 0x1.1111111110d85p-3, -0x1.ba1ba1b9ae25cp-5, 0x1.664f485bd2c72p-6, -0x1.226e2e616cde3p-7,
                      0x1.d6d25beb52c9cp-9, -0x1.7d8b2143086f8p-10, 0x1.34530a20cdfecp-11, -0x1.e730611b2077bp-13,
                      0x1.5652796b35447p-14, -0x1.3432418245b07p-16);
    double near = madd_f64(z * a, madd_f64(p, z, -0x1.5555555555555p-2), a);
    double twice = 2.0 * a;
    double far = 1.0 - 2.0 / (f64_exp_normal(twice > 44.0 ? 44.0 : twice) + 1.0);
    return copysign(f64_select(a < 0.6, near, far), x);
}

/* Beyond it, sin and cos are left to libm: see f64_reduce_pi. */
#define F64_TRIG_LIMIT 1.0e6

/* x - q pi / 2. Without a fused multiply-add the parts of pi / 2 have 33 bits, so that their products with |q| < 2^20
 * are exact; near a multiple of pi / 2, where the digits cancel, the subtractions are exact too. */
PYAD_INLINE double f64_reduce_pi(double x, double q)
{
#ifdef __FMA__
    double r = __builtin_fma(q, -0x1.921fb54442d18p+0, x);
    r = __builtin_fma(q, -0x1.1a62633145c07p-54, r);
    return __builtin_fma(q, 0x1.f1976b7ed8fbcp-110, r);
#else
    double r = x - q * 0x1.921fb544p+0;
    r = r - q * 0x1.0b4611a6p-34;
    r = r - q * 0x1.3198a2ep-69;
    return r - q * 0x1.b839a252049c1p-104;
#endif
}

/* sin(x + quadrant pi / 2). */
PYAD_INLINE double f64_circular(double x, uint64_t quadrant)
{
    double t = madd_f64(x, 0x1.45f306dc9c883p-1, 0x1.8p52);
    double r = f64_reduce_pi(x, t - 0x1.8p52);
    double z = r * r;
    double w = z * z;
    double sin_tail = SPLIT5(z, w, -0x1.5555555555555p-3, 0x1.1111111110c7cp-7, -0x1.a01a019e9f406p-13,
                             0x1.71de37af2237dp-19, -0x1.ae601e2a34719p-26, 0x1.5e10841cb413ap-33);
    double cos_tail = SPLIT5(z, w, 0x1.5555555555555p-5, -0x1.6c16c16c168c9p-10, 0x1.a01a019f37d89p-16,
                             -0x1.27e4fa0244aa1p-22, 0x1.1eeb5711c6897p-29, -0x1.9072ea3b02ac7p-37);
    double sin_r = madd_f64(z * r, sin_tail, r);
    double cos_r = 1.0 - (0.5 * z - w * cos_tail);
    uint64_t turns = bits_of_f64(t) + quadrant;
    double y = (turns & 1u) ? cos_r : sin_r;
    return f64_of_bits(bits_of_f64(y) ^ ((turns & 2u) << 62));
}

PYAD_INLINE double v_sin_f64(double x)
{
    double y = f64_circular(x, 0);
    /* The polynomial gives +0 for -0. */
    return x == 0.0 ? x : y;
}

PYAD_INLINE double v_cos_f64(double x)
{
    return f64_circular(x, 1);
}

/* Near 0 an odd polynomial; further out 1 - erfc, where log erfc is a smooth function of |x|. */
PYAD_INLINE double v_erf_f64(double x)
{
    double a = fabs(x);
    double z = x * x;
    double w = z * z;
    double p = SPLIT9(z, w, 0x1.ce2f21a0434cbp-4, -0x1.b82ce312a1ea7p-6, 0x1.565bcd1066fa8p-8, -0x1.c02db40ed280fp-11,
                      0x1.f9a31f8ea7b3cp-14, -0x1.f4d108caa2124p-17, 0x1.b9ca094e6715p-20, -0x1.5e051fcb8165p-23,
                      0x1.e6a224ca106ap-27, -0x1.e01e84c45196bp-31);
    p = POLY2(z, 0x1.06eba8214db69p-3, -0x1.812746b0379fcp-2, p);
    double near = madd_f64(a, p, a);
    double t = (a > 6.0 ? 6.0 : a) - 1.5;
    double t2 = t * t;
    double low = SPLIT9(t, t2, 0x1.b137096b18e96p+1, 0x1.c1206279e92bdp+1, 0x1.c90827462a17cp-1, 0x1.a71a4bde00eb5p-6,
                        -0x1.89a87b490271p-8, 0x1.499262374de95p-10, -0x1.c4e86a9caf2a7p-13, 0x1.790bc0b67ecdap-16,
                        0x1.63408e205f963p-19, -0x1.3e3546a1bb75cp-19);
    double high =
        MADD(SPLIT9(t, t2, -0x1.9da0580d524d6p-23, 0x1.ded4c42039071p-26, 0x1.2b8e1573e72e7p-30, -0x1.49f747531f603p-29,
                    0x1.09ba1e7b80595p-30, -0x1.180f8bb508237p-32, 0x1.a35e4f9ba7f7dp-35, -0x1.ac52957c05eedp-38,
                    0x1.08be283a8846fp-41, -0x1.25e364dc537d4p-46),
             t, 0x1.b79180c84a378p-21);
    double t4 = t2 * t2;
    double q = madd_f64(high, t4 * t4 * t2, low);
    double far = 1.0 - f64_exp_normal(-q);
    return copysign(f64_select(a < 0.9, near, far), x);
}

#endif
