/* Topological order of what lies between the asked outputs and the asked inputs.
 *
 * A depth-first walk from the outputs with a stack of its own, never past the inputs, never into constants; a node is in
 * the order only if an asked input is among what it depends on, so dead branches cost nothing. Linear in the nodes and
 * edges reached. Operands stand before their users. Read backwards it is the order of the reverse sweep, where a node
 * comes after the last of its users: its own turn is the last time that its value and its cotangent are needed.
 *
 * Where arrays are written into, the nodes are put in the order of recording, which is a topological one too: in it all
 * that read an array before a write stand before the write. So there is one slot for all states of an array. */
#ifndef PYAD_TAPE_TOPOSORT_H
#define PYAD_TAPE_TOPOSORT_H

#include "tape/tape.h"

typedef struct pyad_toposort_frame {
    uint32_t node;
    uint16_t next;    /* operand to look at next */
    uint16_t active;  /* an operand seen so far leads to an asked input */
} pyad_toposort_frame;

typedef struct pyad_toposort {
    uint32_t *nodes;
    size_t count;
    size_t capacity;
    pyad_toposort_frame *stack;
    size_t stack_capacity;
    bool writes; /* some node writes into an array: then the nodes stand in the order of recording */
} pyad_toposort;

/* Position of a node that the walk reached without finding an asked input below it. */
#define PYAD_POSITION_NONE UINT32_MAX

/* Begins a new epoch on the tape: afterwards a node is in the order iff its epoch is the tape's and its position is not
 * PYAD_POSITION_NONE. */
pyad_status pyad_toposort_build(pyad_toposort *order, pyad_tape *tape, int output_count, const uint32_t *outputs,
                                int input_count, const uint32_t *inputs);
void pyad_toposort_finish(pyad_toposort *order, pyad_mem *mem);

static inline bool pyad_toposort_has(const pyad_tape *tape, uint32_t epoch, uint32_t node)
{
    return tape->epoch[node] == epoch && tape->position[node] != PYAD_POSITION_NONE;
}

#endif
