/* Passes: each makes a better graph out of a graph.
 *
 * The folder compile/passes knows graphs and what kernels compute. It must not know memory: where values lie is
 * decided by the plan. */
#ifndef PYAD_PASSES_H
#define PYAD_PASSES_H

#include "compile/graph/graph.h"

/* A pass has a name, for reports, and makes a graph out of an old one. passes.c lists them. */
typedef struct pyad_pass {
    const char *name;
    pyad_status (*run)(const pyad_graph *old, pyad_graph *graph);
} pyad_pass;

/* Dead code elimination: what no output needs goes. */
pyad_status pyad_pass_dce(const pyad_graph *old, pyad_graph *graph);
/* Constant folding: kernels all of whose operands are constants are run. */
pyad_status pyad_pass_constant_fold(const pyad_graph *old, pyad_graph *graph);
/* Common subexpression elimination: equal nodes become one. */
pyad_status pyad_pass_cse(const pyad_graph *old, pyad_graph *graph);
/* Simplification that keeps IEEE results: x * 1, x / 1, x + -0, -(-x), casts and broadcasts to what a value already is,
 * reshapes of reshapes, transposes of transposes, sums over one element. */
pyad_status pyad_pass_simplify(const pyad_graph *old, pyad_graph *graph);
/* GEMM epilogues: x + a b becomes one product that adds to x, and a product that is scaled by a number takes it as
 * its factor. */
pyad_status pyad_pass_gemm_epilogue(const pyad_graph *old, pyad_graph *graph);
/* Slice accumulation: sums with arrays that are zero but for a slice become additions to that slice. */
pyad_status pyad_pass_slice_accumulation(const pyad_graph *old, pyad_graph *graph);

/* Runs all passes on `graph`, which is replaced. `counts`, if not NULL, gets the number of nodes after each. */
enum { PYAD_PASSES_MOST = 16 };
int pyad_passes_count(void);
const char *pyad_passes_name(int pass);
pyad_status pyad_passes_run(pyad_graph *graph, size_t *counts);

#endif
