/* The kernels an instruction can name: the element-wise loops first, then those that know shapes.
 *
 * X(NAME, name, nargs, kind): nargs -1 takes any number. kind: VIEW gives new layout over the operand's memory where it
 * can, FRESH gives new memory. */
#ifndef PYAD_PRIMITIVES_LIST_H
#define PYAD_PRIMITIVES_LIST_H

#include "simd/dispatch.h"

#define PYAD_SHAPED_LIST(X)                   \
    X(ALIAS, alias, 1, VIEW)                  \
    X(RESHAPE, reshape, 1, VIEW)              \
    X(TRANSPOSE, transpose, 1, VIEW)          \
    X(BROADCAST, broadcast_to, 1, VIEW)       \
    X(SLICE, slice, 1, VIEW)                  \
    X(UNSLICE, unslice, 1, FRESH)             \
    X(STRIDED_VIEW, strided_view, 1, VIEW)    \
    X(ASSIGN, assign, 2, FRESH)               \
    X(ASSIGN_AT, assign_at, 3, FRESH)         \
    X(ADD_SLICE, add_slice, 2, FRESH)         \
    X(ADD_ROWS, add_rows, 3, FRESH)           \
    X(CAST, astype, 1, FRESH)                 \
    X(SUM, sum, 1, FRESH)                     \
    X(MAX, max, 1, FRESH)                     \
    X(MIN, min, 1, FRESH)                     \
    X(LOGSUMEXP, logsumexp, 1, FRESH)         \
    X(SOFTMAX, softmax, 1, FRESH)             \
    X(LOG_SOFTMAX, log_softmax, 1, FRESH)     \
    X(TAKE, take, 2, FRESH)                   \
    X(PUT, put, 2, FRESH)                     \
    X(PICK, pick, 2, FRESH)                   \
    X(UNPICK, unpick, 2, FRESH)               \
    X(CROSS_ENTROPY, cross_entropy, 2, FRESH) \
    X(SUM_SQUARES, sum_squares, 2, FRESH)     \
    X(CONCATENATE, concatenate, -1, FRESH)    \
    X(CUMSUM, cumsum, 1, FRESH)               \
    X(CUMPROD, cumprod, 1, FRESH)             \
    X(RECUR, recur, 2, FRESH)                 \
    X(MATMUL, matmul, 2, FRESH)               \
    X(AFFINE, affine, 3, FRESH)               \
    X(CONJ, conj, 1, FRESH)                   \
    X(IMAG, imag, 1, FRESH)                   \
    X(UNIMAG, unimag, 1, FRESH)

typedef enum pyad_kernel_id {
    PYAD_KERNEL_BEFORE_SHAPED = PYAD_LOOP_COUNT - 1,
#define PYAD_SHAPED_ENUM(NAME, name, nargs, kind) PYAD_KERNEL_##NAME,
    PYAD_SHAPED_LIST(PYAD_SHAPED_ENUM)
#undef PYAD_SHAPED_ENUM
    /* From here on: operations that only Python can run. */
    PYAD_KERNEL_COUNT
} pyad_kernel_id;

#endif
