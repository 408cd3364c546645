/* Inference of STRIDED_VIEW and of what writes into an array. */
#ifndef PYAD_PRIMITIVES_INFER_ASSIGN_H
#define PYAD_PRIMITIVES_INFER_ASSIGN_H

#include "array/array.h"

/* pyad_infer of STRIDED_VIEW, ASSIGN, ASSIGN_AT, ADD_SLICE and ADD_ROWS; `values`: the static parameters without their
 * count. */
pyad_status pyad_infer_indexing(pyad_message *message, int kernel, const int64_t *values, const pyad_layout *const *in,
                                pyad_layout_any *out, int64_t *offset);

#endif
