/* The engine: one thread's memory, tape, rules and sweeps.
 *
 * The folder engine knows all folders below and implements the functions of pyad.h with them: it turns handles into
 * nodes and gives failures their words. It must not know Python. */
#ifndef PYAD_ENGINE_H
#define PYAD_ENGINE_H

#include "autodiff/sweep.h"
#include "pyad.h"

struct pyad_engine {
    int64_t fail_after;  /* allocations until one fails; -1 for never */
    pyad_mem mem;
    pyad_message message;
    pyad_rules rules;
    pyad_tape tape;
    pyad_tape rule_tape;  /* for recording rules; exchanged with `tape` meanwhile */
    bool in_rule;
    int rule_level;       /* sweeps under way when the recording of the rule began */
    const pyad_rule_program *pending[1 + PYAD_OWN_FORWARD_MOST];
    pyad_recorder recorder;
    pyad_sweep *sweep;  /* the innermost one under way */
    int sweep_count;
    pyad_sweep *spare;  /* one that is over, with its memory */
    struct pyad_goutput *guards; /* of the program that is being recorded */
    size_t guard_count;
    size_t guard_capacity;
    pyad_saved_tape *entered;  /* the last saved tape that is in the place of `tape` */
    pyad_saved_tape *saved;    /* all there are */
    uint32_t *index;    /* scratch for handles turned into nodes */
    size_t index_capacity;
};

/* While it is entered, `tape` is the one whose place it has taken. */
struct pyad_saved_tape {
    pyad_engine *engine;
    pyad_tape tape;
    size_t marks;        /* on the saved tape, ... */
    int64_t generation;  /* ... and that of the innermost */
    bool is_entered;
    int sweeps;    /* under way when it was entered */
    pyad_saved_tape *below;
    pyad_saved_tape *next;
    pyad_saved_tape *previous;
};

/* Returns the engine of the calling thread, or NULL. */
pyad_engine *pyad_engine_here(void);

/* Turns handles into nodes, in the engine's scratch vector. PYAD_ERR_STALE where one is not on the tape. */
pyad_status pyad_engine_nodes(pyad_engine *engine, int count, const int64_t *handles, const uint32_t **nodes);
pyad_status pyad_engine_node(pyad_engine *engine, int64_t handle, uint32_t *node);

/* Returns the innermost sweep if it is one of the tape in place: a tape that was entered since knows nothing of its
 * nodes. */
pyad_sweep *pyad_engine_sweep_here(const pyad_engine *engine);

/* Return what a call that gives a handle returns: the handle of a node, or the failure. */
int64_t pyad_engine_handle(const pyad_engine *engine, pyad_status status, uint32_t node);
int64_t pyad_engine_failed(pyad_status status);
/* Returns the status, after giving words to a failure that has none of its own. */
int pyad_engine_explained(pyad_engine *engine, pyad_status status);
pyad_status pyad_engine_out_of_memory(pyad_engine *engine);
pyad_status pyad_engine_no_sweep(pyad_engine *engine);

/* Describes a value; what only a node has is left 0. */
pyad_info pyad_value_info(const pyad_value *value);
/* Returns the only element of a value as a double, or NaN where there is none. */
double pyad_value_number(const pyad_value *value);

/* Makes the layout that a caller describes, and says what is wrong with it. Without strides it is contiguous. */
pyad_status pyad_engine_layout(pyad_engine *engine, int dtype, int ndim, const int64_t *shape, const int64_t *strides,
                               pyad_layout_any *out);

/* Fills the cell with the buffer behind a value that nobody else holds and that fills most of it, with one more
 * reference; returns false where there is none. */
bool pyad_share_value(const pyad_value *value, pyad_buffer **cell);

#endif
