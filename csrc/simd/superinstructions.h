/* Two or three cheap operations in one pass. */
#ifndef PYAD_SIMD_SUPERINSTRUCTIONS_H
#define PYAD_SIMD_SUPERINSTRUCTIONS_H

#include "simd/loops.h"

#define SUPER_PASS(name, S, arity, first, third)                                          \
    PYAD_INDEPENDENT                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                     \
        y[i] = super_op_##name##_##S(first, b[i], third, (arity) == 4 ? in_3[i] : first); \
    }

#define SUPER_LOOP(name, S, T, arity, may, result)                                                \
    static inline T super_op_##name##_##S(T a, T b, T c, T d)                                     \
    {                                                                                             \
        (void)d;                                                                                  \
        return result;                                                                            \
    }                                                                                             \
    static void super_##name##_##S(int64_t n, void *out, const void *const *in, unsigned scalars) \
    {                                                                                             \
        const T *a = in[0];                                                                       \
        const T *b = in[1];                                                                       \
        const T *c = in[2];                                                                       \
        const T *in_3 = in[(arity) - 1];                                                          \
        T *y = out;                                                                               \
        if (((may) & 1u) != 0 && scalars == 1u) {                                                 \
            T s = a[0];                                                                           \
            SUPER_PASS(name, S, arity, s, c[i])                                                   \
        } else if (((may) & 4u) != 0 && scalars == 4u) {                                          \
            T s = c[0];                                                                           \
            SUPER_PASS(name, S, arity, a[i], s)                                                   \
        } else {                                                                                  \
            SUPER_PASS(name, S, arity, a[i], c[i])                                                \
        }                                                                                         \
    }

#define SUPER_LOOPS(NAME, name, arity, first, second, side, scalars, result) \
    SUPER_LOOP(name, f32, float, arity, scalars, result)                     \
    SUPER_LOOP(name, f64, double, arity, scalars, result)

PYAD_SUPER_LIST(SUPER_LOOPS)

#endif
