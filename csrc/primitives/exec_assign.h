/* Execution of what writes into an array. */
#ifndef PYAD_PRIMITIVES_EXEC_ASSIGN_H
#define PYAD_PRIMITIVES_EXEC_ASSIGN_H

#include "array/array.h"

/* What ASSIGN, ASSIGN_AT, ADD_SLICE and ADD_ROWS do to memory that already holds operand 0, contiguous, and
 * has nothing in common with the other operands. `values`: the static parameters without their count. Everything that can
 * fail is done before anything is written. */
pyad_status pyad_exec_assign(const pyad_env *env, int kernel, const int64_t *values, const pyad_value *in,
                             pyad_view whole);
#endif
