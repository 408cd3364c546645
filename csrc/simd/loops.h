/* The element-wise loops: templates, and one instance for each row of loop_list.h and each precision.
 *
 * Every loop begins with the case of one element, which is what chains of scalar operations run, and goes no further
 * there. Loops over cheap operations are left to the compiler whole. Loops over expensive ones work in blocks of a
 * constant length, so that there is no scalar remainder: a short last block is copied to a padded buffer. */
#ifndef PYAD_SIMD_LOOPS_H
#define PYAD_SIMD_LOOPS_H

#include "simd/math_log_root.h"

/* Iterations are independent, since `out` is either apart from an operand or that very operand. */
#if defined(__clang__)
#define PYAD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define PYAD_INDEPENDENT _Pragma("GCC ivdep")
#else
#define PYAD_INDEPENDENT
#endif

/* One cache line. */
#define BLOCK_f32 16
#define BLOCK_f64 8

/* Not put into one another: nothing would be gained. */
#define LOOP_HEAD(name, S)                                                                               \
    static __attribute__((noinline)) void loop_##name##_##S(int64_t n, void *out, const void *const *in, \
                                                            unsigned scalars)

/* ---- templates ---- */

#define LOOP_UNARY(name, S, T, R)         \
    LOOP_HEAD(name, S)                    \
    {                                     \
        const T *x = in[0];               \
        R *y = out;                       \
        (void)scalars;                    \
        if (n == 1) {                     \
            y[0] = op_##name##_##S(x[0]); \
            return;                       \
        }                                 \
        PYAD_INDEPENDENT                  \
        for (int64_t i = 0; i < n; i++) { \
            y[i] = op_##name##_##S(x[i]); \
        }                                 \
    }

#define LOOP_BINARY(name, S, T, R)                  \
    LOOP_HEAD(name, S)                              \
    {                                               \
        const T *a = in[0];                         \
        const T *b = in[1];                         \
        R *y = out;                                 \
        if (n <= 1) {                               \
            if (n == 1) {                           \
                y[0] = op_##name##_##S(a[0], b[0]); \
            }                                       \
            return;                                 \
        }                                           \
        if (scalars & 1u) {                         \
            T s = a[0];                             \
            PYAD_INDEPENDENT                        \
            for (int64_t i = 0; i < n; i++) {       \
                y[i] = op_##name##_##S(s, b[i]);    \
            }                                       \
        } else if (scalars & 2u) {                  \
            T s = b[0];                             \
            PYAD_INDEPENDENT                        \
            for (int64_t i = 0; i < n; i++) {       \
                y[i] = op_##name##_##S(a[i], s);    \
            }                                       \
        } else {                                    \
            PYAD_INDEPENDENT                        \
            for (int64_t i = 0; i < n; i++) {       \
                y[i] = op_##name##_##S(a[i], b[i]); \
            }                                       \
        }                                           \
    }

/* a > b is b < a. */
#define LOOP_SWAPPED(name, other, S)                                             \
    LOOP_HEAD(name, S)                                                           \
    {                                                                            \
        const void *const swapped[2] = {in[1], in[0]};                           \
        loop_##other##_##S(n, out, swapped, scalars >> 1 | (scalars & 1u) << 1); \
    }

/* The block being worked on: in place, or in the buffer where fewer elements than a block remain. */
#define LOOP_BLOCKED(name, S, T)                          \
    LOOP_HEAD(name, S)                                    \
    {                                                     \
        const T *x = in[0];                               \
        T *y = out;                                       \
        (void)scalars;                                    \
        if (n == 1) {                                     \
            y[0] = v_##name##_##S(x[0]);                  \
            return;                                       \
        }                                                 \
        T buffer[BLOCK_##S] = {0};                        \
        for (; n > 0; n -= BLOCK_##S) {                   \
            int partial = n < BLOCK_##S;                  \
            if (partial) {                                \
                memcpy(buffer, x, (size_t)n * sizeof(T)); \
            }                                             \
            const T *from = partial ? buffer : x;         \
            T *to = partial ? buffer : y;                 \
            PYAD_INDEPENDENT                              \
            for (int j = 0; j < BLOCK_##S; j++) {         \
                to[j] = v_##name##_##S(from[j]);          \
            }                                             \
            if (partial) {                                \
                memcpy(y, buffer, (size_t)n * sizeof(T)); \
                return;                                   \
            }                                             \
            x += BLOCK_##S;                               \
            y += BLOCK_##S;                               \
        }                                                 \
    }

/* The same, where arguments past `limit` go to libm. */
#define LOOP_TRIG(name, S, T, absolute, limit, libm)              \
    static inline T trig_##name##_##S(T x)                        \
    {                                                             \
        return absolute(x) > limit ? libm(x) : v_##name##_##S(x); \
    }                                                             \
    LOOP_HEAD(name, S)                                            \
    {                                                             \
        const T *x = in[0];                                       \
        T *y = out;                                               \
        (void)scalars;                                            \
        if (n == 1) {                                             \
            y[0] = trig_##name##_##S(x[0]);                       \
            return;                                               \
        }                                                         \
        T buffer[BLOCK_##S] = {0};                                \
        for (; n > 0; n -= BLOCK_##S) {                           \
            int partial = n < BLOCK_##S;                          \
            if (partial) {                                        \
                memcpy(buffer, x, (size_t)n * sizeof(T));         \
            }                                                     \
            const T *from = partial ? buffer : x;                 \
            T *to = partial ? buffer : y;                         \
            int far = 0;                                          \
            for (int j = 0; j < BLOCK_##S; j++) {                 \
                far |= absolute(from[j]) > limit;                 \
            }                                                     \
            if (far) {                                            \
                for (int j = 0; j < BLOCK_##S; j++) {             \
                    to[j] = trig_##name##_##S(from[j]);           \
                }                                                 \
            } else {                                              \
                PYAD_INDEPENDENT                                  \
                for (int j = 0; j < BLOCK_##S; j++) {             \
                    to[j] = v_##name##_##S(from[j]);              \
                }                                                 \
            }                                                     \
            if (partial) {                                        \
                memcpy(y, buffer, (size_t)n * sizeof(T));         \
                return;                                           \
            }                                                     \
            x += BLOCK_##S;                                       \
            y += BLOCK_##S;                                       \
        }                                                         \
    }

/* Functions outside the hot set: one libm call each. */
#define LOOP_LIBM1(name, S, T, libm)      \
    LOOP_HEAD(name, S)                    \
    {                                     \
        const T *x = in[0];               \
        T *y = out;                       \
        (void)scalars;                    \
        for (int64_t i = 0; i < n; i++) { \
            y[i] = libm(x[i]);            \
        }                                 \
    }

#define LOOP_LIBM2(name, S, T, libm)             \
    LOOP_HEAD(name, S)                           \
    {                                            \
        const T *a = in[0];                      \
        const T *b = in[1];                      \
        T *y = out;                              \
        int64_t step_a = (scalars & 1u) ? 0 : 1; \
        int64_t step_b = (scalars & 2u) ? 0 : 1; \
        for (int64_t i = 0; i < n; i++) {        \
            y[i] = libm(*a, *b);                 \
            a += step_a;                         \
            b += step_b;                         \
        }                                        \
    }

/* A function of two, block by block: block_<name>, whose result may lie where an operand does. */
#define LOOP_BLOCKS(name, S, T)                                                                \
    static void blocks_##name##_##S(int64_t n, T *y, const T *a, const T *b, unsigned scalars) \
    {                                                                                          \
        T left[BLOCK_##S];                                                                     \
        T right[BLOCK_##S];                                                                    \
        for (int j = 0; j < BLOCK_##S; j++) {                                                  \
            left[j] = (scalars & 1u) ? a[0] : (T)1;                                            \
            right[j] = (scalars & 2u) ? b[0] : (T)1;                                           \
        }                                                                                      \
        a = (scalars & 1u) ? left : a;                                                         \
        b = (scalars & 2u) ? right : b;                                                        \
        for (; n >= BLOCK_##S; n -= BLOCK_##S) {                                               \
            block_##name##_##S(y, a, b);                                                       \
            a += (scalars & 1u) ? 0 : BLOCK_##S;                                               \
            b += (scalars & 2u) ? 0 : BLOCK_##S;                                               \
            y += BLOCK_##S;                                                                    \
        }                                                                                      \
        if (n > 0) {                                                                           \
            memmove(left, a, (size_t)n * sizeof(T));                                           \
            memmove(right, b, (size_t)n * sizeof(T));                                          \
            block_##name##_##S(left, left, right);                                             \
            memcpy(y, left, (size_t)n * sizeof(T));                                            \
        }                                                                                      \
    }

#define LOOP_BLOCKED2(name, S, T)                                        \
    static inline void block_##name##_##S(T *to, const T *a, const T *b) \
    {                                                                    \
        PYAD_INDEPENDENT                                                 \
        for (int j = 0; j < BLOCK_##S; j++) {                            \
            to[j] = v_##name##_##S(a[j], b[j]);                          \
        }                                                                \
    }                                                                    \
    LOOP_BLOCKS(name, S, T)                                              \
    LOOP_HEAD(name, S)                                                   \
    {                                                                    \
        const T *a = in[0];                                              \
        const T *b = in[1];                                              \
        T *y = out;                                                      \
        if (n == 1) {                                                    \
            y[0] = v_##name##_##S(a[0], b[0]);                           \
        } else if (n > 1) {                                              \
            blocks_##name##_##S(n, y, a, b, scalars);                    \
        }                                                                \
    }

/* x ** y: exponents that are one multiplication or root away, then blocks. A block with a rare pair in it is done by
 * element; its operands are read before its result is written, element by element, so `out` may be either. */
#define LOOP_POW(S, T, root, libm)                                           \
    static inline T pow_any_##S(T x, T y)                                    \
    {                                                                        \
        return v_pow_rare_##S(x, y) ? libm(x, y) : v_pow_##S(x, y);          \
    }                                                                        \
    static inline T pow_half_##S(T x)                                        \
    {                                                                        \
        return x == -(T)INFINITY ? (T)INFINITY : root(x) + (T)0;             \
    }                                                                        \
    static void block_pow_##S(T *to, const T *a, const T *b)                 \
    {                                                                        \
        int rare = 0;                                                        \
        for (int j = 0; j < BLOCK_##S; j++) {                                \
            rare |= v_pow_rare_##S(a[j], b[j]);                              \
        }                                                                    \
        if (rare) {                                                          \
            for (int j = 0; j < BLOCK_##S; j++) {                            \
                to[j] = pow_any_##S(a[j], b[j]);                             \
            }                                                                \
            return;                                                          \
        }                                                                    \
        PYAD_INDEPENDENT                                                     \
        for (int j = 0; j < BLOCK_##S; j++) {                                \
            to[j] = v_pow_##S(a[j], b[j]);                                   \
        }                                                                    \
    }                                                                        \
    LOOP_BLOCKS(pow, S, T)                                                   \
    /* x[i] ** y for a y with a shorter way; 0 when it has none. */          \
    static int pow_easy_##S(int64_t n, T *out, const T *x, T y)              \
    {                                                                        \
        if (y == (T)2) {                                                     \
            PYAD_INDEPENDENT                                                 \
            for (int64_t i = 0; i < n; i++) {                                \
                out[i] = x[i] * x[i];                                        \
            }                                                                \
        } else if (y == (T)3) {                                              \
            PYAD_INDEPENDENT                                                 \
            for (int64_t i = 0; i < n; i++) {                                \
                out[i] = x[i] * x[i] * x[i];                                 \
            }                                                                \
        } else if (y == (T)0.5) {                                            \
            PYAD_INDEPENDENT                                                 \
            for (int64_t i = 0; i < n; i++) {                                \
                out[i] = pow_half_##S(x[i]);                                 \
            }                                                                \
        } else if (y == (T)1) {                                              \
            memmove(out, x, (size_t)n * sizeof(T));                          \
        } else if (y == (T) - 1) {                                           \
            PYAD_INDEPENDENT                                                 \
            for (int64_t i = 0; i < n; i++) {                                \
                out[i] = (T)1 / x[i];                                        \
            }                                                                \
        } else {                                                             \
            return 0;                                                        \
        }                                                                    \
        return 1;                                                            \
    }                                                                        \
    LOOP_HEAD(pow, S)                                                        \
    {                                                                        \
        const T *a = in[0];                                                  \
        const T *b = in[1];                                                  \
        T *y = out;                                                          \
        if (n <= 1) {                                                        \
            if (n == 1) {                                                    \
                y[0] = b[0] == (T)2 ? a[0] * a[0] : pow_any_##S(a[0], b[0]); \
            }                                                                \
            return;                                                          \
        }                                                                    \
        if ((scalars & 2u) && pow_easy_##S(n, y, a, b[0])) {                 \
            return;                                                          \
        }                                                                    \
        blocks_pow_##S(n, y, a, b, scalars);                                 \
    }

#define LOOP_WHERE(S, T)                                 \
    LOOP_HEAD(where, S)                                  \
    {                                                    \
        const uint8_t *c = in[0];                        \
        const T *a = in[1];                              \
        const T *b = in[2];                              \
        T *y = out;                                      \
        if (n <= 1) {                                    \
            if (n == 1) {                                \
                y[0] = c[0] ? a[0] : b[0];               \
            }                                            \
            return;                                      \
        }                                                \
        if (scalars & 1u) {                              \
            const T *from = c[0] ? a : b;                \
            if (scalars & (c[0] ? 2u : 4u)) {            \
                T s = from[0];                           \
                for (int64_t i = 0; i < n; i++) {        \
                    y[i] = s;                            \
                }                                        \
            } else {                                     \
                memmove(y, from, (size_t)n * sizeof(T)); \
            }                                            \
            return;                                      \
        }                                                \
        T sa = a[0];                                     \
        T sb = b[0];                                     \
        switch (scalars & 6u) {                          \
        case 2u:                                         \
            PYAD_INDEPENDENT                             \
            for (int64_t i = 0; i < n; i++) {            \
                T v = b[i];                              \
                y[i] = c[i] ? sa : v;                    \
            }                                            \
            break;                                       \
        case 4u:                                         \
            PYAD_INDEPENDENT                             \
            for (int64_t i = 0; i < n; i++) {            \
                T v = a[i];                              \
                y[i] = c[i] ? v : sb;                    \
            }                                            \
            break;                                       \
        case 6u:                                         \
            PYAD_INDEPENDENT                             \
            for (int64_t i = 0; i < n; i++) {            \
                y[i] = c[i] ? sa : sb;                   \
            }                                            \
            break;                                       \
        default:                                         \
            PYAD_INDEPENDENT                             \
            for (int64_t i = 0; i < n; i++) {            \
                T va = a[i];                             \
                T vb = b[i];                             \
                y[i] = c[i] ? va : vb;                   \
            }                                            \
            break;                                       \
        }                                                \
    }

/* ---- operations ---- */

#define UNARY_OP(name, S, T, R, result)  \
    static inline R op_##name##_##S(T x) \
    {                                    \
        return (R)(result);              \
    }                                    \
    LOOP_UNARY(name, S, T, R)

#define BINARY_OP(name, S, T, R, result)      \
    static inline R op_##name##_##S(T a, T b) \
    {                                         \
        return (R)(result);                   \
    }                                         \
    LOOP_BINARY(name, S, T, R)

/* maximum, minimum and sign pass a NaN on; relu is maximum(x, 0), and so turns -0 into 0. */
#define CHEAP_LOOPS(S, T, absolute, root, down, up, cut, nearest, signed_as)                 \
    BINARY_OP(add, S, T, T, a + b)                                                           \
    BINARY_OP(sub, S, T, T, a - b)                                                           \
    BINARY_OP(mul, S, T, T, a *b)                                                            \
    BINARY_OP(div, S, T, T, a / b)                                                           \
    BINARY_OP(maximum, S, T, T, ((a >= b) | (a != a)) ? a : b)                               \
    BINARY_OP(minimum, S, T, T, ((a <= b) | (a != a)) ? a : b)                               \
    UNARY_OP(neg, S, T, T, -x)                                                               \
    UNARY_OP(abs, S, T, T, absolute(x))                                                      \
    UNARY_OP(sign, S, T, T, x > (T)0 ? (T)1 : (x < (T)0 ? (T) - 1 : (x == (T)0 ? (T)0 : x))) \
    UNARY_OP(square, S, T, T, x *x)                                                          \
    UNARY_OP(reciprocal, S, T, T, (T)1 / x)                                                  \
    UNARY_OP(sqrt, S, T, T, root(x))                                                         \
    UNARY_OP(relu, S, T, T, x <= (T)0 ? (T)0 : x)                                            \
    UNARY_OP(floor, S, T, T, down(x))                                                        \
    UNARY_OP(ceil, S, T, T, up(x))                                                           \
    UNARY_OP(trunc, S, T, T, cut(x))                                                         \
    UNARY_OP(rint, S, T, T, nearest(x))                                                      \
    BINARY_OP(copysign, S, T, T, signed_as(a, b))                                            \
    BINARY_OP(fmax, S, T, T, ((a >= b) | (b != b)) ? a : b)                                  \
    BINARY_OP(fmin, S, T, T, ((a <= b) | (b != b)) ? a : b)                                  \
    BINARY_OP(eq, S, T, uint8_t, a == b)                                                     \
    BINARY_OP(ne, S, T, uint8_t, a != b)                                                     \
    BINARY_OP(lt, S, T, uint8_t, a < b)                                                      \
    BINARY_OP(le, S, T, uint8_t, a <= b)                                                     \
    UNARY_OP(isnan, S, T, uint8_t, x != x)

CHEAP_LOOPS(f32, float, fabsf, sqrtf, floorf, ceilf, truncf, rintf, copysignf)
CHEAP_LOOPS(f64, double, fabs, sqrt, floor, ceil, trunc, rint, copysign)

BINARY_OP(and, bool, uint8_t, uint8_t, a &b)
BINARY_OP(or, bool, uint8_t, uint8_t, a | b)
UNARY_OP(not, bool, uint8_t, uint8_t, x == 0)
#define loop_and_f32 loop_and_bool
#define loop_and_f64 loop_and_bool
#define loop_or_f32 loop_or_bool
#define loop_or_f64 loop_or_bool
#define loop_not_f32 loop_not_bool
#define loop_not_f64 loop_not_bool

#define BLOCKED_LOOPS(S, T)      \
    LOOP_BLOCKED(exp, S, T)      \
    LOOP_BLOCKED(expm1, S, T)    \
    LOOP_BLOCKED(log, S, T)      \
    LOOP_BLOCKED(log1p, S, T)    \
    LOOP_BLOCKED(tanh, S, T)     \
    LOOP_BLOCKED(sigmoid, S, T)  \
    LOOP_BLOCKED(softplus, S, T) \
    LOOP_BLOCKED(erf, S, T)      \
    LOOP_BLOCKED(exp2, S, T)     \
    LOOP_BLOCKED(log2, S, T)     \
    LOOP_BLOCKED(log10, S, T)    \
    LOOP_BLOCKED(cbrt, S, T)     \
    LOOP_BLOCKED(arcsinh, S, T)  \
    LOOP_BLOCKED(arccosh, S, T)  \
    LOOP_BLOCKED(arctanh, S, T)

BLOCKED_LOOPS(f32, float)
BLOCKED_LOOPS(f64, double)

LOOP_TRIG(sin, f32, float, fabsf, F32_TRIG_LIMIT, sinf)
LOOP_TRIG(cos, f32, float, fabsf, F32_TRIG_LIMIT, cosf)
LOOP_TRIG(sin, f64, double, fabs, F64_TRIG_LIMIT, sin)
LOOP_TRIG(cos, f64, double, fabs, F64_TRIG_LIMIT, cos)

LOOP_SWAPPED(gt, lt, f32)
LOOP_SWAPPED(gt, lt, f64)
LOOP_SWAPPED(ge, le, f32)
LOOP_SWAPPED(ge, le, f64)

LOOP_BLOCKED2(logaddexp, f32, float)
LOOP_BLOCKED2(logaddexp, f64, double)

LOOP_POW(f32, float, sqrtf, powf)
LOOP_POW(f64, double, sqrt, pow)

LOOP_LIBM1(tan, f32, float, tanf)
LOOP_LIBM1(sinh, f32, float, sinhf)
LOOP_LIBM1(cosh, f32, float, coshf)
LOOP_LIBM1(arcsin, f32, float, asinf)
LOOP_LIBM1(arccos, f32, float, acosf)
LOOP_LIBM1(arctan, f32, float, atanf)
LOOP_LIBM2(arctan2, f32, float, atan2f)
LOOP_LIBM1(tan, f64, double, tan)
LOOP_LIBM1(sinh, f64, double, sinh)
LOOP_LIBM1(cosh, f64, double, cosh)
LOOP_LIBM1(arcsin, f64, double, asin)
LOOP_LIBM1(arccos, f64, double, acos)
LOOP_LIBM1(arctan, f64, double, atan)
LOOP_LIBM2(arctan2, f64, double, atan2)

LOOP_LIBM2(hypot, f32, float, hypotf)
LOOP_LIBM2(fmod, f32, float, fmodf)
LOOP_LIBM2(mod, f32, float, far_mod_f32)
LOOP_LIBM2(floor_divide, f32, float, far_floor_divide_f32)
LOOP_LIBM2(hypot, f64, double, hypot)
LOOP_LIBM2(fmod, f64, double, fmod)
LOOP_LIBM2(mod, f64, double, far_mod_f64)
LOOP_LIBM2(floor_divide, f64, double, far_floor_divide_f64)

LOOP_WHERE(f32, float)
LOOP_WHERE(f64, double)

#endif
