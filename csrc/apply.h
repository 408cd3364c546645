/* Applying one rule inside a sweep: on plain values, or recorded. */
#ifndef PYAD_APPLY_H
#define PYAD_APPLY_H

#include "sweep.h"

/* One application of a rule's program: its inputs are the operands and the result of `node` and then a seed; wanted
 * output k is added to target[k]. */
typedef struct pyad_application {
    const pyad_program *program;
    uint32_t node;
    const pyad_slot *seed;
    uint64_t want;
    int target_count;
    const uint32_t *targets;  /* nodes, one per output (all the same going forward) */
} pyad_application;

/* On values. */
pyad_status pyad_apply_values(pyad_sweep *sweep, const pyad_application *application);
/* On the tape. */
pyad_status pyad_apply_recorded(pyad_sweep *sweep, const pyad_application *application);
/* Going forward through an operation that is linear in the operands [from, to): the operation itself, with their tangents
 * (zeros where there is none) in their places. */
pyad_status pyad_apply_self(pyad_sweep *sweep, uint32_t node, int from, int to);
/* Adds a node to the slot of `target` on the tape, summing or widening broadcast axes. */
pyad_status pyad_apply_add_node(pyad_sweep *sweep, uint32_t target, uint32_t part);
/* PYAD_ERR_MUTATED, with its words, when memory that the program reads has changed. */
pyad_status pyad_apply_verify(pyad_sweep *sweep, uint32_t node, uint32_t read);

#endif
