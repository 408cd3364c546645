/* Sweeps: backward and forward over a tape.
 *
 * The folder autodiff knows the tape: it records instructions on it, keeps the rules of their derivatives, and
 * applies these in sweeps. It must not know graphs and compiled programs, which lie beside it, nor the calls of
 * pyad.h.
 *
 * A sweep goes through what lies between outputs and inputs, in order, and applies each node's rule. Where no higher
 * derivative is asked for, the rules' programs run on plain values and their intermediate results are gone at once.
 * Where one is asked for (`recorded`), the same programs are put on the tape instruction by instruction, so that they
 * can be differentiated in turn. When something only Python can do comes up, the sweep returns PYAD_CALL_PYTHON and
 * says what; it goes on from there when it is run again. */
#ifndef PYAD_SWEEP_H
#define PYAD_SWEEP_H

#include "autodiff/sweep_state.h"

typedef struct pyad_sweep_plan {
    int output_count;
    const uint32_t *outputs;
    int input_count;
    const uint32_t *inputs;
    bool forward;
    bool recorded;
    bool retain;
} pyad_sweep_plan;

/* Sorts the nodes and makes their slots, all empty. */
pyad_status pyad_sweep_begin(pyad_sweep *sweep, const pyad_recorder *recorder, const pyad_sweep_plan *plan);
/* Runs until the sweep is done, or returns PYAD_CALL_PYTHON. */
pyad_status pyad_sweep_run(pyad_sweep *sweep);

#endif
