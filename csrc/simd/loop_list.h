/* The element-wise kernels: one list, from which the enum, the tables of names, costs and loops, and the reference of the
 * C test are generated.
 *
 * X(NAME, name, arity, kind, cost, accuracy, reference).
 *   kind       FLOAT takes and gives floats; COMPARE takes floats and gives bool; LOGIC takes and gives bool; SELECT takes
 *              (bool, float, float).
 *   cost       what an element takes, which decides where work is cut into chunks: CHEAP, an addition; DIVISION, a division
 *              or square root; SERIES, vectorised, as exp; LIBM, one by one by the C library, or as slow as that.
 *   accuracy   EXACT: the result is the exact one, rounded; CLOSE: within 2 units in the last place; ANY_ZERO: exact but for
 *              the sign of a zero; CANCELS: CLOSE, or as close in units of the larger operand.
 *   reference  the exact result of long double x, y and z, for tests/c/simd/test_loops.c, which defines what the C library
 *              does not have. */
#ifndef PYAD_SIMD_LOOP_LIST_H
#define PYAD_SIMD_LOOP_LIST_H

#define PYAD_LOOP_LIST(X)                                                                    \
    X(ADD, add, 2, FLOAT, CHEAP, EXACT, x + y)                                               \
    X(SUB, sub, 2, FLOAT, CHEAP, EXACT, x - y)                                               \
    X(MUL, mul, 2, FLOAT, CHEAP, EXACT, x *y)                                                \
    X(DIV, div, 2, FLOAT, DIVISION, EXACT, x / y)                                            \
    X(POW, pow, 2, FLOAT, LIBM, CLOSE, powl(x, y))                                           \
    X(MAXIMUM, maximum, 2, FLOAT, CHEAP, ANY_ZERO, isnan(x) || isnan(y) ? NAN : fmaxl(x, y)) \
    X(MINIMUM, minimum, 2, FLOAT, CHEAP, ANY_ZERO, isnan(x) || isnan(y) ? NAN : fminl(x, y)) \
    X(ARCTAN2, arctan2, 2, FLOAT, LIBM, CLOSE, atan2l(x, y))                                 \
    X(NEG, neg, 1, FLOAT, CHEAP, EXACT, -x)                                                  \
    X(ABS, abs, 1, FLOAT, CHEAP, EXACT, fabsl(x))                                            \
    X(SIGN, sign, 1, FLOAT, CHEAP, EXACT, isnan(x) ? x : (x > 0) - (x < 0))                  \
    X(SQUARE, square, 1, FLOAT, CHEAP, EXACT, x *x)                                          \
    X(RECIPROCAL, reciprocal, 1, FLOAT, DIVISION, EXACT, 1 / x)                              \
    X(SQRT, sqrt, 1, FLOAT, DIVISION, EXACT, sqrtl(x))                                       \
    X(EXP, exp, 1, FLOAT, SERIES, CLOSE, expl(x))                                            \
    X(EXPM1, expm1, 1, FLOAT, SERIES, CLOSE, expm1l(x))                                      \
    X(LOG, log, 1, FLOAT, SERIES, CLOSE, logl(x))                                            \
    X(LOG1P, log1p, 1, FLOAT, SERIES, CLOSE, log1pl(x))                                      \
    X(SIN, sin, 1, FLOAT, SERIES, CLOSE, sinl(x))                                            \
    X(COS, cos, 1, FLOAT, SERIES, CLOSE, cosl(x))                                            \
    X(TAN, tan, 1, FLOAT, LIBM, CLOSE, tanl(x))                                              \
    X(SINH, sinh, 1, FLOAT, LIBM, CLOSE, sinhl(x))                                           \
    X(COSH, cosh, 1, FLOAT, LIBM, CLOSE, coshl(x))                                           \
    X(TANH, tanh, 1, FLOAT, SERIES, CLOSE, tanhl(x))                                         \
    X(ARCSIN, arcsin, 1, FLOAT, LIBM, CLOSE, asinl(x))                                       \
    X(ARCCOS, arccos, 1, FLOAT, LIBM, CLOSE, acosl(x))                                       \
    X(ARCTAN, arctan, 1, FLOAT, LIBM, CLOSE, atanl(x))                                       \
    X(SIGMOID, sigmoid, 1, FLOAT, SERIES, CLOSE, 1 / (1 + expl(-x)))                         \
    X(RELU, relu, 1, FLOAT, CHEAP, EXACT, x <= 0 ? 0 : x)                                    \
    X(SOFTPLUS, softplus, 1, FLOAT, SERIES, CLOSE, fmaxl(x, 0) + log1pl(expl(-fabsl(x))))    \
    X(ERF, erf, 1, FLOAT, SERIES, CLOSE, erfl(x))                                            \
    X(FLOOR, floor, 1, FLOAT, CHEAP, EXACT, floorl(x))                                       \
    X(CEIL, ceil, 1, FLOAT, CHEAP, EXACT, ceill(x))                                          \
    X(HYPOT, hypot, 2, FLOAT, LIBM, CLOSE, hypotl(x, y))                                     \
    X(LOGADDEXP, logaddexp, 2, FLOAT, SERIES, CANCELS, logaddexpl(x, y))                     \
    X(FMOD, fmod, 2, FLOAT, LIBM, EXACT, fmodl(x, y))                                        \
    X(MOD, mod, 2, FLOAT, LIBM, CLOSE, modl(x, y))                                           \
    X(FLOOR_DIVIDE, floor_divide, 2, FLOAT, LIBM, CLOSE, floor_dividel(x, y))                \
    X(COPYSIGN, copysign, 2, FLOAT, CHEAP, EXACT, copysignl(x, y))                           \
    X(FMAX, fmax, 2, FLOAT, CHEAP, ANY_ZERO, fmaxl(x, y))                                    \
    X(FMIN, fmin, 2, FLOAT, CHEAP, ANY_ZERO, fminl(x, y))                                    \
    X(EXP2, exp2, 1, FLOAT, SERIES, CLOSE, exp2l(x))                                         \
    X(LOG2, log2, 1, FLOAT, LIBM, CLOSE, log2l(x))                                           \
    X(LOG10, log10, 1, FLOAT, LIBM, CLOSE, log10l(x))                                        \
    X(CBRT, cbrt, 1, FLOAT, LIBM, CLOSE, cbrtl(x))                                           \
    X(ARCSINH, arcsinh, 1, FLOAT, LIBM, CLOSE, asinhl(x))                                    \
    X(ARCCOSH, arccosh, 1, FLOAT, LIBM, CLOSE, acoshl(x))                                    \
    X(ARCTANH, arctanh, 1, FLOAT, LIBM, CLOSE, atanhl(x))                                    \
    X(TRUNC, trunc, 1, FLOAT, CHEAP, EXACT, truncl(x))                                       \
    X(RINT, rint, 1, FLOAT, CHEAP, EXACT, rintl(x))                                          \
    X(EQ, eq, 2, COMPARE, CHEAP, EXACT, x == y)                                              \
    X(NE, ne, 2, COMPARE, CHEAP, EXACT, x != y)                                              \
    X(LT, lt, 2, COMPARE, CHEAP, EXACT, x < y)                                               \
    X(LE, le, 2, COMPARE, CHEAP, EXACT, x <= y)                                              \
    X(GT, gt, 2, COMPARE, CHEAP, EXACT, x > y)                                               \
    X(GE, ge, 2, COMPARE, CHEAP, EXACT, x >= y)                                              \
    X(ISNAN, isnan, 1, COMPARE, CHEAP, EXACT, isnan(x))                                      \
    X(AND, and, 2, LOGIC, CHEAP, EXACT, x &&y)                                               \
    X(OR, or, 2, LOGIC, CHEAP, EXACT, x || y)                                                \
    X(NOT, not, 1, LOGIC, CHEAP, EXACT, !x)                                                  \
    X(WHERE, where, 3, SELECT, CHEAP, EXACT, x ? y : z)

/* Two or three of these in one pass, so that what lies between takes no memory: the same bits as one after another.
 *
 * X(NAME, name, arity, FIRST, SECOND, side, scalars, result). FIRST may be one of this list, too. side: which operand of
 * the second what the first makes may be: 1 the left one, 2 the right one. The operands are those of the first, then the
 * other of the second. scalars: which of them (a bit each) may be a single element; at most one at a time. */
#define PYAD_SUPER_LIST(X)                                                                 \
    X(ADD_ADD, add_add, 3, PYAD_LOOP_ADD, PYAD_LOOP_ADD, 3, 0, a + b + c)                  \
    X(ADD_ADD_ADD, add_add_add, 4, PYAD_SUPER_ADD_ADD, PYAD_LOOP_ADD, 3, 0, a + b + c + d) \
    X(MUL_ADD, mul_add, 3, PYAD_LOOP_MUL, PYAD_LOOP_ADD, 3, 1, a *b + c)                   \
    X(MUL_FROM, mul_from, 3, PYAD_LOOP_MUL, PYAD_LOOP_SUB, 2, 5, c - a * b)                \
    X(MUL_MUL, mul_mul, 3, PYAD_LOOP_MUL, PYAD_LOOP_MUL, 3, 1, a * b * c)                  \
    X(SUB_MUL, sub_mul, 3, PYAD_LOOP_SUB, PYAD_LOOP_MUL, 3, 5, (a - b) * c)

#endif
