/* Complex numbers: element-wise loops over pairs of floats, conjugates and parts.
 *
 * Products are as the definition says, quotients after Smith, Algorithm 116: Complex division, 1962; both as in NumPy. */
#include <math.h>

#include "array/strided_iter.h"
#include "kernels/kernels.h"

/* What a loop does with the pairs a = (ar, ai) and b = (br, bi). */
#define DEFINE_LOOPS(type, S)                                                                 \
    typedef struct pair_##S {                                                                 \
        type re;                                                                              \
        type im;                                                                              \
    } pair_##S;                                                                               \
                                                                                              \
    static inline pair_##S add_##S(pair_##S a, pair_##S b)                                    \
    {                                                                                         \
        return (pair_##S){a.re + b.re, a.im + b.im};                                          \
    }                                                                                         \
                                                                                              \
    static inline pair_##S sub_##S(pair_##S a, pair_##S b)                                    \
    {                                                                                         \
        return (pair_##S){a.re - b.re, a.im - b.im};                                          \
    }                                                                                         \
                                                                                              \
    static inline pair_##S mul_##S(pair_##S a, pair_##S b)                                    \
    {                                                                                         \
        return (pair_##S){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};              \
    }                                                                                         \
                                                                                              \
    static inline pair_##S div_##S(pair_##S a, pair_##S b)                                    \
    {                                                                                         \
        if (fabs##S(b.re) >= fabs##S(b.im)) {                                                 \
            if (b.re == 0 && b.im == 0)                                                       \
                return (pair_##S){a.re / fabs##S(b.re), a.im / fabs##S(b.re)};                \
            type ratio = b.im / b.re;                                                         \
            type scale = (type)1 / (b.re + b.im * ratio);                                     \
            return (pair_##S){(a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale};  \
        }                                                                                     \
        type ratio = b.re / b.im;                                                             \
        type scale = (type)1 / (b.im + b.re * ratio);                                         \
        return (pair_##S){(a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale};      \
    }                                                                                         \
                                                                                              \
    static inline pair_##S neg_##S(pair_##S a)                                                \
    {                                                                                         \
        return (pair_##S){-a.re, -a.im};                                                      \
    }                                                                                         \
                                                                                              \
    static inline pair_##S square_##S(pair_##S a)                                             \
    {                                                                                         \
        return (pair_##S){a.re * a.re - a.im * a.im, a.re * a.im + a.im * a.re};              \
    }                                                                                         \
                                                                                              \
    DEFINE_BINARY(add, S)                                                                     \
    DEFINE_BINARY(sub, S)                                                                     \
    DEFINE_BINARY(mul, S)                                                                     \
    DEFINE_BINARY(div, S)                                                                     \
    DEFINE_UNARY(neg, S)                                                                      \
    DEFINE_UNARY(square, S)                                                                   \
                                                                                              \
    static void loop_where_##S(int64_t n, void *out, const void *const *in, unsigned scalars) \
    {                                                                                         \
        const uint8_t *c = in[0];                                                             \
        const pair_##S *a = in[1];                                                            \
        const pair_##S *b = in[2];                                                            \
        pair_##S *to = out;                                                                   \
        int64_t step_c = scalars & 1 ? 0 : 1;                                                 \
        int64_t step_a = scalars & 2 ? 0 : 1;                                                 \
        int64_t step_b = scalars & 4 ? 0 : 1;                                                 \
        for (int64_t i = 0; i < n; i++)                                                       \
            to[i] = c[i * step_c] ? a[i * step_a] : b[i * step_b];                            \
    }

#define DEFINE_BINARY(name, S)                                                                   \
    static void loop_##name##_##S(int64_t n, void *out, const void *const *in, unsigned scalars) \
    {                                                                                            \
        const pair_##S *a = in[0];                                                               \
        const pair_##S *b = in[1];                                                               \
        pair_##S *to = out;                                                                      \
        int64_t step_a = scalars & 1 ? 0 : 1;                                                    \
        int64_t step_b = scalars & 2 ? 0 : 1;                                                    \
        /* The usual case by itself, for the compiler's sake. */                                 \
        for (int64_t i = 0; i < n && scalars == 0; i++)                                          \
            to[i] = name##_##S(a[i], b[i]);                                                      \
        for (int64_t i = 0; i < n && scalars != 0; i++)                                          \
            to[i] = name##_##S(a[i * step_a], b[i * step_b]);                                    \
    }

#define DEFINE_UNARY(name, S)                                                                    \
    static void loop_##name##_##S(int64_t n, void *out, const void *const *in, unsigned scalars) \
    {                                                                                            \
        const pair_##S *a = in[0];                                                               \
        pair_##S *to = out;                                                                      \
        (void)scalars;                                                                           \
        for (int64_t i = 0; i < n; i++)                                                          \
            to[i] = name##_##S(a[i]);                                                            \
    }

#define fabsf32 fabsf
#define fabsf64 fabs

DEFINE_LOOPS(float, f32)
DEFINE_LOOPS(double, f64)

#define LOOP_ENTRY(NAME, name) [PYAD_LOOP_##NAME] = {loop_##name##_f32, loop_##name##_f64}

pyad_loop pyad_complex_loop(int loop, int dtype)
{
    static const pyad_loop loops[PYAD_LOOP_COUNT][2] = {
        LOOP_ENTRY(ADD, add), LOOP_ENTRY(SUB, sub),       LOOP_ENTRY(MUL, mul),     LOOP_ENTRY(DIV, div),
        LOOP_ENTRY(NEG, neg), LOOP_ENTRY(SQUARE, square), LOOP_ENTRY(WHERE, where),
    };
    return pyad_dtype_is_complex(dtype) ? loops[loop][dtype == PYAD_C128] : NULL;
}

/* The real (0) or imaginary (1) parts as an array of floats. */
static pyad_view part_of(pyad_view view, int which, pyad_layout_any *room)
{
    pyad_layout_pairs(view.layout, room);
    pyad_layout *pairs = &room->layout;
    int ndim = view.layout->ndim;
    /* Without the last dimension, the strides move up by one place. */
    for (int axis = 0; axis < ndim; axis++)
        pairs->dims[ndim + axis] = pairs->dims[ndim + 1 + axis];
    pairs->ndim = (uint8_t)ndim;
    pairs->size = view.layout->size;
    pairs->contiguous = pairs->size == 0;
    char *first = view.data;
    return (pyad_view){pairs, first + (size_t)which * pyad_dtype_size(pairs->dtype)};
}

static void negate_imaginary(pyad_view dst)
{
    if (dst.layout->dtype == PYAD_C128) {
        double *parts = dst.data;
        for (int64_t i = 0; i < dst.layout->size; i++)
            parts[2 * i + 1] = -parts[2 * i + 1];
    } else {
        float *parts = dst.data;
        for (int64_t i = 0; i < dst.layout->size; i++)
            parts[2 * i + 1] = -parts[2 * i + 1];
    }
}

void pyad_conj(pyad_view dst, pyad_view src)
{
    pyad_copy(dst, src);
    negate_imaginary(dst);
}

void pyad_imag(pyad_view dst, pyad_view src)
{
    pyad_layout_any room;
    if (src.layout->size > 0)
        pyad_copy(dst, part_of(src, 1, &room));
}

void pyad_unimag(pyad_view dst, pyad_view src)
{
    pyad_layout_any room;
    pyad_zero(dst);
    if (dst.layout->size == 0)
        return;
    pyad_copy(part_of(dst, 1, &room), src);
    negate_imaginary(dst);
}
