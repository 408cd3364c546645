/* Compiled programs: the way from a tape to what runs, which is lift, passes, plan and replay, in one place.
 *
 * The folder compile knows the four folders in it. It must not know the engine: a program is made of a tape, and
 * instances of it run without one. */
#ifndef PYAD_COMPILED_H
#define PYAD_COMPILED_H

#include "compile/passes/passes.h"
#include "compile/replay/replay.h"
#include "pyad.h"

/* What all threads share. It is only read once it is made. */
struct pyad_compiled {
    _Atomic int64_t refs; /* the caller's, and one of each instance */
    pyad_mem mem;
    pyad_arena arena;
    pyad_graph recorded;
    pyad_graph graph;
    pyad_plan plan;
    size_t counts[PYAD_PASSES_MOST];
    int64_t *action_of; /* per node of the optimised graph */
    size_t action_bytes;
};

struct pyad_instance {
    pyad_compiled *compiled;
    pyad_mem mem;
    pyad_replay replay;
};

/* Makes the program of what a tape holds, with one reference, which pyad_compiled_free drops. It has none to the
 * tape. */
pyad_status pyad_compiled_new(pyad_hook hook, const pyad_tape *tape, const pyad_lift *lift, pyad_compiled **out);

#endif
