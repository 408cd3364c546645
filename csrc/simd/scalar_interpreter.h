/* The scalar interpreter: a row of operations on single numbers, one after the other.
 *
 * Each step says where its operands and its result are. Most often a step takes what the one before it has made: that is
 * still in a register, and to read it back from memory would take longer than the operation itself. So there are three
 * cases of each operation in float64: both operands from memory, the first (or only) one just made, the second one just
 * made. What is not listed here, and float32, goes through the loops, one element at a time. */
#ifndef PYAD_SIMD_SCALAR_INTERPRETER_H
#define PYAD_SIMD_SCALAR_INTERPRETER_H

#include "simd/loops.h"

#define SCALAR_UNARY(X)          \
    X(NEG, op_neg)               \
    X(ABS, op_abs)               \
    X(SIGN, op_sign)             \
    X(SQUARE, op_square)         \
    X(RECIPROCAL, op_reciprocal) \
    X(SQRT, op_sqrt)             \
    X(RELU, op_relu)             \
    X(EXP, v_exp)                \
    X(LOG, v_log)                \
    X(TANH, v_tanh)              \
    X(SIGMOID, v_sigmoid)        \
    X(SIN, trig_sin)             \
    X(COS, trig_cos)

#define SCALAR_BINARY(X)   \
    X(ADD, op_add)         \
    X(SUB, op_sub)         \
    X(MUL, op_mul)         \
    X(DIV, op_div)         \
    X(MAXIMUM, op_maximum) \
    X(MINIMUM, op_minimum)

static void run_scalars(int64_t count, const pyad_scalar_step *steps)
{
    double made = 0.0;
    for (const pyad_scalar_step *step = steps; step < steps + count; step++) {
        const double *a = step->in[0];
        const double *b = step->in[1];
        switch (step->code) {
#define SCALAR_UNARY_CASES(NAME, function)                    \
    case PYAD_SCALAR_CODE(PYAD_LOOP_##NAME, PYAD_BOTH_READ):  \
        made = function##_f64(*a);                            \
        break;                                                \
    case PYAD_SCALAR_CODE(PYAD_LOOP_##NAME, PYAD_FIRST_MADE): \
        made = function##_f64(made);                          \
        break;
#define SCALAR_BINARY_CASES(NAME, function)                    \
    case PYAD_SCALAR_CODE(PYAD_LOOP_##NAME, PYAD_BOTH_READ):   \
        made = function##_f64(*a, *b);                         \
        break;                                                 \
    case PYAD_SCALAR_CODE(PYAD_LOOP_##NAME, PYAD_FIRST_MADE):  \
        made = function##_f64(made, *b);                       \
        break;                                                 \
    case PYAD_SCALAR_CODE(PYAD_LOOP_##NAME, PYAD_SECOND_MADE): \
        made = function##_f64(*a, made);                       \
        break;
            SCALAR_UNARY(SCALAR_UNARY_CASES)
            SCALAR_BINARY(SCALAR_BINARY_CASES)
        default:
            step->loop(1, step->out, step->in, 0);
            continue;
        }
        *(double *)step->out = made;
    }
}

/* Whether an operation in float64 has cases here. */
static int scalar_has_code(int loop)
{
    switch (loop) {
#define SCALAR_KNOWN(NAME, function) case PYAD_LOOP_##NAME:
        SCALAR_UNARY(SCALAR_KNOWN)
        SCALAR_BINARY(SCALAR_KNOWN)
        return 1;
    default:
        return 0;
    }
}

#endif
