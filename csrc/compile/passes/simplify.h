/* What the files of the algebra pass share. Their rewrites have the form of pyad_rewrite without the old graph: `node` is
 * the node as it was, `args` are its operands in the new graph. */
#ifndef PYAD_PASS_ALGEBRA_H
#define PYAD_PASS_ALGEBRA_H

#include "compile/graph/graph.h"

/* pass_algebra_views.c: kernels that know shapes. */
pyad_status pyad_algebra_views(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number);
/* pass_algebra_parts.c: SLICE, STRIDED_VIEW, ASSIGN and ADD_SLICE. */
pyad_status pyad_algebra_parts(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number);

#endif
