/* The state of a sweep, which its driver (sweep.c) and the appliers of rules (apply_*.c) share: a slot for each node
 * of the sweep, and the memory and registers that applying a rule needs. It knows nothing of rules and of the order
 * of the sweep. */
#ifndef PYAD_SWEEP_STATE_H
#define PYAD_SWEEP_STATE_H

#include "autodiff/record.h"
#include "tape/accumulate.h"
#include "tape/toposort.h"

typedef struct pyad_sweep pyad_sweep;

struct pyad_sweep {
    pyad_sweep *outer; /* the sweep that was under way when this one began */
    pyad_recorder recorder;
    pyad_toposort order;
    pyad_slot *slots;
    size_t slot_capacity;
    uint8_t *asked; /* per position: it is an input, whose slot is the result */
    size_t asked_capacity;
    pyad_arena memory; /* slots and their layouts */
    pyad_arena scratch; /* what is gone after each node */
    pyad_accum accum;
    pyad_value *regs;
    size_t reg_capacity;
    uint32_t *nodes; /* registers of a recorded sweep */
    size_t node_capacity;
    uint32_t *targets; /* the same node for every output of a rule, going forward */
    size_t target_capacity;
    int64_t at; /* position whose turn it is */
    uint32_t epoch;
    bool forward;
    bool recorded;
    bool retain; /* values stay, the sweep may be run again */
    pyad_call call;
    uint32_t call_node;
    int64_t visited; /* nodes whose rule was applied */
};

void pyad_sweep_init(pyad_sweep *sweep, pyad_mem *mem);
void pyad_sweep_finish(pyad_sweep *sweep, pyad_mem *mem);
/* Empties all slots. */
void pyad_sweep_end(pyad_sweep *sweep);

/* Writes the sweep's positions onto the tape again, where another sweep has written its own since. */
void pyad_sweep_renew_positions(pyad_sweep *sweep);
/* Returns the slot of a node, or NULL where it is not in the sweep. */
pyad_slot *pyad_sweep_slot(pyad_sweep *sweep, uint32_t node);
/* Adds the value of `addend` (a node) to the slot of `node`: seeds before the sweep, and what Python gives during it.
 * Nothing happens where the node is not in the sweep. */
pyad_status pyad_sweep_add(pyad_sweep *sweep, uint32_t node, uint32_t addend);
/* Adds a node to the slot of `target` on the tape, summing or widening broadcast axes; for recorded sweeps. */
pyad_status pyad_sweep_add_node(pyad_sweep *sweep, uint32_t target, uint32_t addend);
/* Says whether the slot of `node` holds something, and which node is its value (recorded sweeps have one; for others a
 * constant is put on the tape). */
pyad_status pyad_sweep_node(pyad_sweep *sweep, uint32_t node, bool *there, uint32_t *value);
/* Puts zeros of the shape and dtype of a node on the tape. */
pyad_status pyad_sweep_zeros_node(pyad_sweep *sweep, uint32_t like, uint32_t *node);
/* Fails with the words for a node whose memory has changed, though the rule of operation `name` has yet to read it. */
pyad_status pyad_sweep_fail_changed(const pyad_sweep *sweep, uint32_t read, const char *name);
/* Refuses to go on where the value of `read`, which the rule of `node` needs, has been freed (PYAD_ERR_STATE) or
 * changed (PYAD_ERR_MUTATED). */
pyad_status pyad_sweep_check_read(pyad_sweep *sweep, uint32_t node, uint32_t read);

static inline const pyad_layout *pyad_sweep_layout(const pyad_sweep *sweep, uint32_t node)
{
    return sweep->recorder.tape->value[node].layout;
}

#endif
