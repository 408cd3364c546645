/* The element-wise kernels: one list, from which the enum, the name table and the loop tables are generated.
 *
 * X(NAME, name, arity, kind). kind: FLOAT takes and gives floats; COMPARE takes floats and gives bool; LOGIC takes and
 * gives bool; SELECT takes (bool, float, float). */
#ifndef PYAD_SIMD_LOOP_LIST_H
#define PYAD_SIMD_LOOP_LIST_H

#define PYAD_LOOP_LIST(X)                   \
    X(ADD, add, 2, FLOAT)                   \
    X(SUB, sub, 2, FLOAT)                   \
    X(MUL, mul, 2, FLOAT)                   \
    X(DIV, div, 2, FLOAT)                   \
    X(POW, pow, 2, FLOAT)                   \
    X(MAXIMUM, maximum, 2, FLOAT)           \
    X(MINIMUM, minimum, 2, FLOAT)           \
    X(ARCTAN2, arctan2, 2, FLOAT)           \
    X(NEG, neg, 1, FLOAT)                   \
    X(ABS, abs, 1, FLOAT)                   \
    X(SIGN, sign, 1, FLOAT)                 \
    X(SQUARE, square, 1, FLOAT)             \
    X(RECIPROCAL, reciprocal, 1, FLOAT)     \
    X(SQRT, sqrt, 1, FLOAT)                 \
    X(EXP, exp, 1, FLOAT)                   \
    X(EXPM1, expm1, 1, FLOAT)               \
    X(LOG, log, 1, FLOAT)                   \
    X(LOG1P, log1p, 1, FLOAT)               \
    X(SIN, sin, 1, FLOAT)                   \
    X(COS, cos, 1, FLOAT)                   \
    X(TAN, tan, 1, FLOAT)                   \
    X(SINH, sinh, 1, FLOAT)                 \
    X(COSH, cosh, 1, FLOAT)                 \
    X(TANH, tanh, 1, FLOAT)                 \
    X(ARCSIN, arcsin, 1, FLOAT)             \
    X(ARCCOS, arccos, 1, FLOAT)             \
    X(ARCTAN, arctan, 1, FLOAT)             \
    X(SIGMOID, sigmoid, 1, FLOAT)           \
    X(RELU, relu, 1, FLOAT)                 \
    X(SOFTPLUS, softplus, 1, FLOAT)         \
    X(ERF, erf, 1, FLOAT)                   \
    X(FLOOR, floor, 1, FLOAT)               \
    X(CEIL, ceil, 1, FLOAT)                 \
    X(HYPOT, hypot, 2, FLOAT)               \
    X(LOGADDEXP, logaddexp, 2, FLOAT)       \
    X(FMOD, fmod, 2, FLOAT)                 \
    X(MOD, mod, 2, FLOAT)                   \
    X(FLOOR_DIVIDE, floor_divide, 2, FLOAT) \
    X(COPYSIGN, copysign, 2, FLOAT)         \
    X(FMAX, fmax, 2, FLOAT)                 \
    X(FMIN, fmin, 2, FLOAT)                 \
    X(EXP2, exp2, 1, FLOAT)                 \
    X(LOG2, log2, 1, FLOAT)                 \
    X(LOG10, log10, 1, FLOAT)               \
    X(CBRT, cbrt, 1, FLOAT)                 \
    X(ARCSINH, arcsinh, 1, FLOAT)           \
    X(ARCCOSH, arccosh, 1, FLOAT)           \
    X(ARCTANH, arctanh, 1, FLOAT)           \
    X(TRUNC, trunc, 1, FLOAT)               \
    X(RINT, rint, 1, FLOAT)                 \
    X(EQ, eq, 2, COMPARE)                   \
    X(NE, ne, 2, COMPARE)                   \
    X(LT, lt, 2, COMPARE)                   \
    X(LE, le, 2, COMPARE)                   \
    X(GT, gt, 2, COMPARE)                   \
    X(GE, ge, 2, COMPARE)                   \
    X(ISNAN, isnan, 1, COMPARE)             \
    X(AND, and, 2, LOGIC)                   \
    X(OR, or, 2, LOGIC)                     \
    X(NOT, not, 1, LOGIC)                   \
    X(WHERE, where, 3, SELECT)

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
