/* What the files of the simplification pass share. Their rewrites have the form of pyad_rewrite without the old
 * graph: `node` is the node as it was, `args` are its operands in the new graph. */
#ifndef PYAD_SIMPLIFY_H
#define PYAD_SIMPLIFY_H

#include "compile/graph/graph.h"

/* Simplifies kernels that know shapes. simplify_views.c */
pyad_status pyad_simplify_views(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number);
/* Simplifies SLICE, STRIDED_VIEW, ASSIGN and ADD_SLICE. simplify_slices.c */
pyad_status pyad_simplify_slices(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number);

#endif
