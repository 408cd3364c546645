/* Sweeps: backward and forward over a tape.
 *
 * A sweep goes through what lies between outputs and inputs, in order, and applies each node's rule. Where no higher
 * derivative is asked for, the rules' programs run on plain values and their intermediate results are gone at once.
 * Where one is asked for (`recorded`), the same programs are put on the tape instruction by instruction, so that they can
 * be differentiated in turn. When something only Python can do comes up, the sweep answers PYAD_CALL_PYTHON and says
 * what; it goes on from there when it is run again. */
#ifndef PYAD_SWEEP_H
#define PYAD_SWEEP_H

#include "autodiff/record.h"
#include "tape/accumulate.h"
#include "tape/toposort.h"

typedef enum pyad_call {
    PYAD_CALL_NONE = 0,
    PYAD_CALL_RULE = 1,     /* record the rule of `call_node` */
    PYAD_CALL_BACKWARD = 2, /* run the rule of `call_node`: give cotangents to its operands */
    PYAD_CALL_FORWARD = 3   /* run the rule of `call_node`: give a tangent to it */
} pyad_call;

typedef struct pyad_sweep pyad_sweep;

struct pyad_sweep {
    pyad_sweep *outer;    /* the sweep that was under way when this one began */
    pyad_recorder recorder;
    pyad_toposort order;
    pyad_slot *slots;
    size_t slot_capacity;
    uint8_t *asked;       /* per position: it is an input, whose slot is the result */
    size_t asked_capacity;
    pyad_arena memory;    /* slots and their layouts */
    pyad_arena scratch;   /* what is gone after each node */
    pyad_accum accum;
    pyad_value *regs;
    size_t reg_capacity;
    uint32_t *nodes;      /* registers of a recorded sweep */
    size_t node_capacity;
    uint32_t *targets;    /* the same node for every output of a rule, going forward */
    size_t target_capacity;
    int64_t at;           /* position whose turn it is */
    uint32_t epoch;
    bool forward;
    bool recorded;
    bool retain;          /* values stay, the sweep may be run again */
    pyad_call call;
    uint32_t call_node;
    int64_t visited;      /* nodes whose rule was applied */
};

typedef struct pyad_sweep_plan {
    int output_count;
    const uint32_t *outputs;
    int input_count;
    const uint32_t *inputs;
    bool forward;
    bool recorded;
    bool retain;
} pyad_sweep_plan;

void pyad_sweep_init(pyad_sweep *sweep, pyad_mem *mem);
void pyad_sweep_finish(pyad_sweep *sweep, pyad_mem *mem);

/* Sorts and makes the slots, all empty. */
pyad_status pyad_sweep_begin(pyad_sweep *sweep, const pyad_recorder *recorder, const pyad_sweep_plan *plan);
/* Adds the value of `part` (a node) to the slot of `node`: seeds before the sweep, and what Python gives during it.
 * Nothing happens where the node is not in the sweep. */
pyad_status pyad_sweep_add(pyad_sweep *sweep, uint32_t node, uint32_t part);
/* Runs until done, or until PYAD_CALL_PYTHON. */
pyad_status pyad_sweep_run(pyad_sweep *sweep);
/* Whether the slot of `node` holds something, and the node that is its value (recorded sweeps have one; for others a
 * constant is put on the tape). */
pyad_status pyad_sweep_node(pyad_sweep *sweep, uint32_t node, bool *there, uint32_t *value);
/* The slot of a node of the sweep, or NULL. */
pyad_slot *pyad_sweep_slot(pyad_sweep *sweep, uint32_t node);
/* Empties all slots. */
void pyad_sweep_end(pyad_sweep *sweep);

#endif
