/* Execution: making the result of one instruction. */
#ifndef PYAD_PRIMITIVES_EXEC_H
#define PYAD_PRIMITIVES_EXEC_H

#include "array/array.h"
#include "primitives/list.h"

/* Makes the result, in memory of its own or (views) over the operand's buffer, of which it then holds a reference. */
pyad_status pyad_exec(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                      pyad_value *out);

/* The same into contiguous memory of the result's layout, which pyad_infer has said. Operand 0 of a write, and operand 2
 * of AFFINE, may be that very memory; other operands do not overlap it. */
pyad_status pyad_exec_into(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                           const pyad_value *out);

#endif
