/* The engine: one thread's memory, tape, rules and sweeps, behind the functions of pyad.h. */
#ifndef PYAD_ENGINE_H
#define PYAD_ENGINE_H

#include "pyad.h"
#include "sweep.h"

/* What a call that answers handles answers on failure, plus the status. */
#define PYAD_FAILED (PYAD_HANDLE_LARGE + ((int64_t)1 << 61))

struct pyad_engine {
    int64_t fail_after;  /* allocations until one fails; -1 for never */
    pyad_mem mem;
    pyad_message message;
    pyad_rules rules;
    pyad_tape tape;
    pyad_tape rule_tape;  /* for recording rules; exchanged with `tape` meanwhile */
    bool in_rule;
    const pyad_program *pending[1 + PYAD_OWN_FORWARD_MOST];
    pyad_recorder recorder;
    pyad_sweep *sweep;  /* the innermost one under way */
    pyad_sweep *spare;  /* one that is over, with its memory */
    struct pyad_gsink *guards; /* of the program that is being recorded */
    size_t guard_count;
    size_t guard_capacity;
    uint32_t *index;    /* scratch for handles turned into nodes */
    size_t index_capacity;
};

struct pyad_saved_tape {
    pyad_engine *engine;
    pyad_tape tape;
};

/* The engine of the calling thread, or NULL. */
pyad_engine *pyad_engine_here(void);

/* Turns handles into nodes, in the engine's scratch vector. PYAD_ERR_STALE where one is not on the tape. */
pyad_status pyad_engine_nodes(pyad_engine *engine, int count, const int64_t *handles, const uint32_t **nodes);
pyad_status pyad_engine_node(pyad_engine *engine, int64_t handle, uint32_t *node);

/* What a call that answers a handle answers: the handle of a node, or the failure. */
int64_t pyad_engine_answer(const pyad_engine *engine, pyad_status status, uint32_t node);
int64_t pyad_engine_failed(pyad_status status);

/* The only element of a value as a double; NaN where there is none. */
double pyad_value_number(const pyad_value *value);

/* The layout that a caller describes, with words when it is none. No strides: contiguous. */
pyad_status pyad_engine_layout(pyad_engine *engine, int dtype, int ndim, const int64_t *shape, const int64_t *strides,
                               pyad_layout_any *out);

/* The buffer behind a value that nobody else holds and that fills most of it, with one more reference; else NULL. */
pyad_buffer *pyad_share_value(const pyad_value *value);

#endif
