/* The kernels an instruction can name: the element-wise loops first, then those that know shapes.
 *
 * The folder primitives knows what one instruction is: which operands it takes, what it gives, and how to make that. It must
 * not know where instructions are kept, on a tape or in a program, nor what their derivatives are.
 *
 * X(NAME, name, nargs, params, kind).
 *   nargs   the number of operands, -1 for any number
 *   params  the least number of static parameters; NONE: it reads none
 *   kind    VIEW gives a new layout over the operand's memory where it can, the others give new memory: MOVE only
 *           moves elements (and PUT adds those of one place); COMPUTE does more
 *
 * Static parameters are int64 vectors that start with their length:
 *   RESHAPE, BROADCAST  shape           TRANSPOSE  permutation      CAST  dtype
 *   SUM, MAX, MIN       axes as bits, keepdims                      LOGSUMEXP  axis, keepdims
 *   SOFTMAX, LOG_SOFTMAX, CONCATENATE  axis
 *   SLICE               per dimension: start, step, count (count -1: one index, the dimension goes)
 *   UNSLICE             ndim, full shape, then as SLICE            PUT  rows
 *   UNPICK              classes           SUM_SQUARES  1 for the mean, 0 for the sum
 *   CUMSUM, CUMPROD, RECUR  axis, from the end
 *   STRIDED_VIEW, ASSIGN, ADD_SLICE  offset, ndim, shape, strides: a view of operand 0, in elements of its C order
 * RECUR's operands are the terms and the factors. ASSIGN gives operand 0 with that view replaced by operand 1, which
 * broadcasts to it. ASSIGN_AT replaces single elements: operand 2 holds their places in C order, which are distinct;
 * operand 1 is one number or one for each.
 *
 * ADD_SLICE and ADD_ROWS are made by the passes over graphs and are never on a tape. ADD_SLICE gives operand 0 with operand
 * 1, which broadcasts, added to a view that has no stride 0. ADD_ROWS adds the rows operand 1 to operand 0 at the indices
 * operand 2; those of one index add up. */
#ifndef PYAD_PRIMITIVES_LIST_H
#define PYAD_PRIMITIVES_LIST_H

#include "simd/dispatch.h"

#define PYAD_SHAPED_LIST(X)                           \
    X(ALIAS, alias, 1, NONE, VIEW)                    \
    X(RESHAPE, reshape, 1, 0, VIEW)                   \
    X(TRANSPOSE, transpose, 1, 0, VIEW)               \
    X(BROADCAST, broadcast_to, 1, 0, VIEW)            \
    X(SLICE, slice, 1, 0, VIEW)                       \
    X(UNSLICE, unslice, 1, 1, MOVE)                   \
    X(STRIDED_VIEW, strided_view, 1, 2, VIEW)         \
    X(ASSIGN, assign, 2, 2, MOVE)                     \
    X(ASSIGN_AT, assign_at, 3, NONE, MOVE)            \
    X(ADD_SLICE, add_slice, 2, 2, COMPUTE)            \
    X(ADD_ROWS, add_rows, 3, NONE, COMPUTE)           \
    X(CAST, astype, 1, 1, MOVE)                       \
    X(SUM, sum, 1, 2, COMPUTE)                        \
    X(MAX, max, 1, 2, COMPUTE)                        \
    X(MIN, min, 1, 2, COMPUTE)                        \
    X(LOGSUMEXP, logsumexp, 1, 2, COMPUTE)            \
    X(SOFTMAX, softmax, 1, 1, COMPUTE)                \
    X(LOG_SOFTMAX, log_softmax, 1, 1, COMPUTE)        \
    X(TAKE, take, 2, NONE, MOVE)                      \
    X(PUT, put, 2, 1, MOVE)                           \
    X(PICK, pick, 2, NONE, MOVE)                      \
    X(UNPICK, unpick, 2, 1, MOVE)                     \
    X(CROSS_ENTROPY, cross_entropy, 2, NONE, COMPUTE) \
    X(SUM_SQUARES, sum_squares, 2, 1, COMPUTE)        \
    X(CONCATENATE, concatenate, -1, 1, MOVE)          \
    X(CUMSUM, cumsum, 1, 2, COMPUTE)                  \
    X(CUMPROD, cumprod, 1, 2, COMPUTE)                \
    X(RECUR, recur, 2, 2, COMPUTE)                    \
    X(MATMUL, matmul, 2, NONE, COMPUTE)               \
    X(AFFINE, affine, 3, NONE, COMPUTE)               \
    X(CONJ, conj, 1, NONE, COMPUTE)                   \
    X(IMAG, imag, 1, NONE, COMPUTE)                   \
    X(UNIMAG, unimag, 1, NONE, COMPUTE)

typedef enum pyad_kernel_id {
    PYAD_KERNEL_BEFORE_SHAPED = PYAD_LOOP_COUNT - 1,
#define PYAD_SHAPED_ENUM(NAME, ...) PYAD_KERNEL_##NAME,
    PYAD_SHAPED_LIST(PYAD_SHAPED_ENUM)
#undef PYAD_SHAPED_ENUM
    /* From here on: operations that only Python can run. */
    PYAD_KERNEL_COUNT
} pyad_kernel_id;

#endif
