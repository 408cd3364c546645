/* Elementary functions in float32, branch-free; the same methods as math_f64.h, whose comments say why, with shorter
 * polynomials. */
#ifndef PYAD_SIMD_MATH_F32_H
#define PYAD_SIMD_MATH_F32_H

#include "simd/math_common.h"

#define F32_LOG2E 0x1.715476p+0f
#define F32_LN2_HI 0x1.62e4p-1f
#define F32_LN2_LO 0x1.7f7d1cp-20f
#define F32_ROUND (0x1.8p23f + 256.0f)
#define F32_EXP_MASK UINT32_C(0x007fffff)
#define F32_SQRT_HALF UINT32_C(0x3f3504f3)
#define F32_ONE UINT32_C(0x3f800000)

typedef struct f32_reduced {
    uint32_t rounded;
    float r;
    float r_lo;
} f32_reduced;

PYAD_INLINE f32_reduced f32_reduce_ln2(float x)
{
    float t = madd_f32(x, F32_LOG2E, F32_ROUND);
    float k = t - F32_ROUND;
    float exact = madd_f32(k, -F32_LN2_HI, x);
    float r = madd_f32(k, -F32_LN2_LO, exact);
    float r_lo = madd_f32(k, -F32_LN2_LO, exact - r);
    f32_reduced out = {bits_of_f32(t), r, r_lo};
    return out;
}

PYAD_INLINE float f32_exp_tail(float r)
{
    float z = r * r;
    return z * SPLIT4(r, z, 0x1p-1f, 0x1.5554dcp-3f, 0x1.5554e8p-5f, 0x1.120c28p-7f, 0x1.6d4e7p-10f);
}

PYAD_INLINE float f32_pow2(uint32_t rounded)
{
    return f32_of_bits((rounded - 129u) << 23);
}

PYAD_INLINE float f32_scale(float p, uint32_t rounded)
{
    uint32_t half = rounded >> 1;
    float first = f32_of_bits((half - 1u) << 23);
    float second = f32_of_bits((rounded - half - 1u) << 23);
    return p * first * second;
}

PYAD_INLINE float v_exp_f32(float x)
{
    float c = x > 89.0f ? 89.0f : x;
    c = x < -104.0f ? -104.0f : c;
    f32_reduced a = f32_reduce_ln2(c);
    return f32_scale(1.0f + (a.r + f32_exp_tail(a.r)), a.rounded);
}

PYAD_INLINE float f32_exp_normal(float x)
{
    f32_reduced a = f32_reduce_ln2(x);
    return (1.0f + (a.r + f32_exp_tail(a.r))) * f32_pow2(a.rounded);
}

PYAD_INLINE float v_expm1_f32(float x)
{
    float c = x > 89.0f ? 89.0f : x;
    c = x < -30.0f ? -30.0f : c;
    f32_reduced a = f32_reduce_ln2(c);
    float s = f32_pow2(a.rounded - 1u);
    float y = 2.0f * madd_f32(s, f32_exp_tail(a.r) + a.r_lo, madd_f32(s, a.r, s - 0.5f));
    return fabsf(x) < 0x1p-26f ? x : y;
}

/* No quotient here: the polynomial in f itself is short enough. */
PYAD_INLINE float f32_log_tail(float f, float k)
{
    float z = f * f;
    float p = SPLIT8(f, z, 0x1.555552p-2f, -0x1.ffffe4p-3f, 0x1.999f18p-3f, -0x1.5562eap-3f, 0x1.23ad2cp-3f,
                     -0x1.fba032p-4f, 0x1.dfaa3ep-4f, -0x1.df031p-4f, 0x1.25d9a2p-4f);
    float small = madd_f32(k, F32_LN2_LO, z * f * p);
    float y = f - (0.5f * z - small);
    return madd_f32(k, F32_LN2_HI, y);
}

typedef struct f32_split {
    uint32_t biased;
    float m;
} f32_split;

PYAD_INLINE f32_split f32_split_log(float x)
{
    uint32_t u = bits_of_f32(x) + (F32_ONE - F32_SQRT_HALF);
    f32_split out = {u >> 23, f32_of_bits((u & F32_EXP_MASK) + F32_SQRT_HALF)};
    return out;
}

PYAD_INLINE float f32_of_small(uint32_t u, float offset)
{
    return f32_of_bits(u | UINT32_C(0x4b000000)) - (0x1p23f + offset);
}

PYAD_INLINE float v_log_f32(float x)
{
    int denormal = x < 0x1p-126f;
    f32_split a = f32_split_log(denormal ? x * 0x1p25f : x);
    float k = f32_of_small(a.biased, 127.0f) - (denormal ? 25.0f : 0.0f);
    float y = f32_log_tail(a.m - 1.0f, k);
    float special = x < 0.0f ? NAN : x;
    special = x == 0.0f ? -INFINITY : special;
    int ordinary = (x > 0.0f) & (x < INFINITY);
    return ordinary ? y : special;
}

PYAD_INLINE float v_log1p_f32(float x)
{
    f32_split a = f32_split_log(1.0f + x);
    float s = f32_of_bits((254u - a.biased) << 23);
    float f = madd_f32(x, s, s - 1.0f);
    f = x > 0x1p30f ? a.m - 1.0f : f;
    float y = copysignf(f32_log_tail(f, f32_of_small(a.biased, 127.0f)), x);
    float special = x < -1.0f ? NAN : x;
    special = x == -1.0f ? -INFINITY : special;
    int ordinary = (x > -1.0f) & (x < INFINITY);
    return ordinary ? y : special;
}

PYAD_INLINE float f32_log1p_unit(float e)
{
    int upper = e > 0.41421354f;
    float f = upper ? (e - 1.0f) * 0.5f : e;
    return f32_log_tail(f, upper ? 1.0f : 0.0f);
}

PYAD_INLINE float v_softplus_f32(float x)
{
    float positive = x > 0.0f ? x : 0.0f;
    return positive + f32_log1p_unit(v_exp_f32(-fabsf(x)));
}

PYAD_INLINE float v_sigmoid_f32(float x)
{
    float c = -fabsf(x);
    f32_reduced a = f32_reduce_ln2(c < -104.0f ? -104.0f : c);
    float e = f32_scale(1.0f + (a.r + (f32_exp_tail(a.r) + a.r_lo)), a.rounded);
    float d = 1.0f + e;
    float d_lo = e - (d - 1.0f);
    float q = (x < 0.0f ? e : 1.0f) / d;
    return madd_f32(q, d_lo * madd_f32(e, 0.46f, -0.96f), q);
}

PYAD_INLINE float v_tanh_f32(float x)
{
    float a = fabsf(x);
    float z = x * x;
    float w = z * z;
    float p =
        SPLIT5(z, w, -0x1.555556p-2f, 0x1.111148p-3f, -0x1.ba21aap-5f, 0x1.65f9f8p-6f, -0x1.191bfcp-7f, 0x1.4d04b2p-9f);
    float near = madd_f32(z * a, p, a);
    float twice = 2.0f * a;
    float far = 1.0f - 2.0f / (f32_exp_normal(twice > 20.0f ? 20.0f : twice) + 1.0f);
    return copysignf(f32_select(a < 0.6f, near, far), x);
}

#define F32_TRIG_LIMIT 1.0e5f

/* Without a fused multiply-add the parts of pi / 2 would have to be very short: float64 is better. */
PYAD_INLINE float f32_reduce_pi(float x, float q)
{
#ifdef __FMA__
    float r = __builtin_fmaf(q, -0x1.921fb6p+0f, x);
    r = __builtin_fmaf(q, 0x1.777a5cp-25f, r);
    return __builtin_fmaf(q, 0x1.ee59dap-50f, r);
#else
    double d = (double)q;
    return (float)(((double)x - d * 0x1.921fb544p+0) - d * 0x1.0b4611a6263318p-34);
#endif
}

PYAD_INLINE float f32_circular(float x, uint32_t quadrant)
{
    float t = madd_f32(x, 0x1.45f306p-1f, 0x1.8p23f);
    float r = f32_reduce_pi(x, t - 0x1.8p23f);
    float z = r * r;
    float w = z * z;
    float sin_tail = SPLIT3(z, w, -0x1.555556p-3f, 0x1.111198p-7f, -0x1.a08318p-13f, 0x1.87788ep-19f);
    float cos_tail = POLY2(z, 0x1.555554p-5f, -0x1.6c129cp-10f, 0x1.9bc62cp-16f);
    float sin_r = madd_f32(z * r, sin_tail, r);
    float cos_r = 1.0f - (0.5f * z - w * cos_tail);
    uint32_t turns = bits_of_f32(t) + quadrant;
    float y = (turns & 1u) ? cos_r : sin_r;
    return f32_of_bits(bits_of_f32(y) ^ ((turns & 2u) << 30));
}

PYAD_INLINE float v_sin_f32(float x)
{
    float y = f32_circular(x, 0);
    return x == 0.0f ? x : y;
}

PYAD_INLINE float v_cos_f32(float x)
{
    return f32_circular(x, 1);
}

PYAD_INLINE float v_erf_f32(float x)
{
    float a = fabsf(x);
    float z = x * x;
    float w = z * z;
    float p = SPLIT6(z, w, 0x1.06eba8p-3f, -0x1.812742p-2f, 0x1.ce2dfap-4f, -0x1.b80eeap-6f, 0x1.54d5cap-8f,
                     -0x1.aaff0ep-11f, 0x1.6007bcp-14f);
    float near = madd_f32(a, p, a);
    float t = (a > 4.0f ? 4.0f : a) - 1.5f;
    float t2 = t * t;
    float q = SPLIT6(t, t2, 0x1.b1370ap+1f, 0x1.c12066p+1f, 0x1.c9080cp-1f, 0x1.a6f472p-6f, -0x1.89e648p-8f,
                     0x1.50b4d4p-10f, -0x1.a8bb08p-13f);
    float far = 1.0f - f32_exp_normal(-q);
    return copysignf(f32_select(a < 0.9f, near, far), x);
}

#endif
