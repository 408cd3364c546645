/* Passes: each makes a better graph out of a graph. They know graphs and what kernels mean, and nothing of memory: where
 * values lie is the plan's. */
#ifndef PYAD_PASSES_H
#define PYAD_PASSES_H

#include "compile/graph/graph.h"

/* One pass: a name, for reports, and what it does. All have this form; see csrc/compile/passes/passes.c. */
typedef struct pyad_pass {
    const char *name;
    pyad_status (*run)(const pyad_graph *old, pyad_graph *graph);
} pyad_pass;

/* What no sink needs goes. */
pyad_status pyad_pass_dead(const pyad_graph *old, pyad_graph *graph);
/* Kernels all of whose operands are constants are run. */
pyad_status pyad_pass_fold(const pyad_graph *old, pyad_graph *graph);
/* Equal nodes become one. */
pyad_status pyad_pass_common(const pyad_graph *old, pyad_graph *graph);
/* Algebra that keeps IEEE results: x * 1, x / 1, x + -0, -(-x), casts and broadcasts to what a value already is,
 * reshapes of reshapes, transposes of transposes, sums over one element. */
pyad_status pyad_pass_algebra(const pyad_graph *old, pyad_graph *graph);
/* x + a b becomes one product that adds to x, and a product that is scaled by a number takes it as its factor. */
pyad_status pyad_pass_products(const pyad_graph *old, pyad_graph *graph);
/* Sums with arrays that are zero but for a part are additions to that part. */
pyad_status pyad_pass_parts(const pyad_graph *old, pyad_graph *graph);

/* Runs all passes on `graph`, which is replaced. `counts`, if not NULL, gets the number of nodes after each. */
enum { PYAD_PASSES_MOST = 16 };
int pyad_passes_count(void);
const char *pyad_passes_name(int pass);
pyad_status pyad_passes_run(pyad_graph *graph, size_t *counts);

#endif
