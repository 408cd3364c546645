/* Inference: what layout an instruction's result has. Operands are checked here, so a wrong shape or dtype is found
 * whoever runs the instruction: an eager call, a sweep or a compiled program. */
#ifndef PYAD_PRIMITIVES_INFER_H
#define PYAD_PRIMITIVES_INFER_H

#include "array/array.h"
#include "primitives/list.h"

/* The layout of the result. For a view over memory whose strides do not allow it (a reshape), the layout is that of a
 * contiguous copy. *offset is where a view starts in the operand, in elements. */
pyad_status pyad_infer(pyad_message *message, int kernel, const int64_t *params, int nargs,
                       const pyad_layout *const *in, pyad_layout_any *out, int64_t *offset);

/* The common layout of element-wise operands: one of theirs when it already is C-contiguous and of that shape, else a new
 * one in the arena. */
pyad_status pyad_infer_loop(const pyad_env *env, int loop, int nargs, const pyad_value *in, const pyad_layout **out);

/* Whether a result with this layout lies over the operand's memory. A reshape may have to move things, and a strided view
 * counts elements in C order. */
bool pyad_shares_memory(int kernel, const pyad_layout *in, const pyad_layout *out);

#endif
