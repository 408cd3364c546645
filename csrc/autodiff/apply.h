/* Applying the rule of one node inside a sweep: to plain values, or on the tape. */
#ifndef PYAD_APPLY_H
#define PYAD_APPLY_H

#include "autodiff/sweep_state.h"

/* One application of a rule's program: its inputs are the operands and the result of `node` and then a seed; wanted
 * output k is added to target[k]. */
typedef struct pyad_application {
    const pyad_rule_program *program;
    uint32_t node;
    const pyad_slot *seed;
    uint64_t want;
    int target_count;
    const uint32_t *targets;  /* nodes, one per output (all the same going forward) */
} pyad_application;

/* Returns the node that is input `k` of the program, where that is not the seed. */
static inline uint32_t pyad_apply_input(const pyad_sweep *sweep, const pyad_application *a, int k)
{
    const pyad_tape *tape = sweep->recorder.tape;
    return k < tape->nargs[a->node] ? pyad_tape_args(tape, a->node)[k] : a->node;
}

static inline bool pyad_apply_is_seed(const pyad_application *a, int k)
{
    return k == a->program->input_count - 1;
}

/* Says whether an output is wanted. From 64 operands on several share a bit, so that the target itself is looked up. */
static inline bool pyad_apply_wants(pyad_sweep *sweep, const pyad_application *a, int output)
{
    return (a->want & pyad_output_bit(output)) && pyad_sweep_slot(sweep, a->targets[output]) != NULL;
}

/* Applies a rule to few elements with nothing to broadcast or to sum: all registers are on the stack. */
bool pyad_apply_is_small(const pyad_sweep *sweep, const pyad_application *a);
pyad_status pyad_apply_small(pyad_sweep *sweep, const pyad_application *a);

/* Applies a rule to plain values. */
pyad_status pyad_apply_values(pyad_sweep *sweep, const pyad_application *application);
/* Puts the instructions of a rule on the tape. */
pyad_status pyad_apply_recorded(pyad_sweep *sweep, const pyad_application *application);
/* Goes forward through an operation that is linear in the operands [from, to): runs the operation itself, with their
 * tangents (zeros where there is none) in their places. */
pyad_status pyad_apply_linear_jvp(pyad_sweep *sweep, uint32_t node, int from, int to);
/* Apply indexing, reads and writes of a strided view (apply_assign.c), without a program: the slot itself is read and
 * written. Both take O(view) on plain values; a write hands the slot on from the array after it to the array before
 * it (or the other way). */
pyad_status pyad_apply_indexing_backward(pyad_sweep *sweep, uint32_t node, pyad_slot *slot);
pyad_status pyad_apply_indexing_forward(pyad_sweep *sweep, uint32_t node);

#endif
