/* Replays: plans with memory, ready to run.
 *
 * The folder compile/replay knows plans and runs their actions. It must not know how a plan came about: tapes and
 * passes.
 *
 * All addresses are worked out once. What lies outside (inputs and results) is patched in before a run, where it is
 * not where it was the last time. A run goes from action to action; it stops where Python has something to do, and
 * where a guard does not hold. Nothing is written into inputs before the last guard has held and the last call is
 * done. */
#ifndef PYAD_REPLAY_H
#define PYAD_REPLAY_H

#include "compile/plan/plan.h"

typedef struct pyad_patch {
    void **where;
    uint32_t base; /* counted from PYAD_BASE_OUTSIDE */
    int64_t offset;
} pyad_patch;

/* Additions to slices of one array that are done together: slice_accumulation.c. */
typedef struct pyad_slice_accumulation pyad_slice_accumulation;

/* An action of the plan with the addresses it works on. */
typedef struct pyad_bound_action {
    pyad_fused_loop loop;                  /* FUSED_LOOP */
    pyad_scalar_step *scalars;       /* SCALARS */
    pyad_slice_accumulation *slices; /* RUN, where it and the actions after it are done together; mostly NULL */
    uint32_t count;                  /* of scalar steps, or of actions that are done together */
} pyad_bound_action;

typedef struct pyad_replay {
    const pyad_plan *plan;
    pyad_mem *mem;
    pyad_buffer *memory;
    pyad_buffer *registers; /* of the fused loop that is running */
    pyad_arena scratch;
    pyad_arena steps;
    pyad_message message;
    pyad_value *values;      /* per node */
    void **outside;          /* arguments, then results, as of the last run */
    pyad_patch *patches;     /* sorted by base */
    size_t patch_count;
    size_t patch_capacity;
    uint32_t *patch_first;   /* per base: where its patches begin; one more at the end */
    pyad_bound_action *bound; /* per action */
    size_t at;               /* the action whose turn it is */
    uint32_t stopped;        /* the node to call, or the output of the guard */
} pyad_replay;

pyad_status pyad_replay_make(pyad_replay *replay, pyad_mem *mem, const pyad_plan *plan);
void pyad_replay_finish(pyad_replay *replay);

/* Begins a run: `outside` has an address for each argument, and then for each result. */
void pyad_replay_start(pyad_replay *replay, void *const *outside);
/* Runs until all is done (PYAD_OK), Python has something to do (PYAD_CALL_PYTHON; it is called again after that), or a
 * guard does not hold (PYAD_GUARD_FAILED). */
pyad_status pyad_replay_go(pyad_replay *replay);

/* Where a guard on floats does not hold by rounding alone, the guard asks for the value as it is from now on. */
bool pyad_replay_relax_guard(pyad_replay *replay);

/* ---- making one ---- */

/* Puts the address of a node's value into *where: now if it is known, else before each run. addresses.c */
pyad_status pyad_replay_bind(pyad_replay *replay, uint32_t node, void **where);
/* Brings the patches into the order of their bases: a counting sort. */
pyad_status pyad_replay_sort_patches(pyad_replay *replay);

/* Counts what lies outside: arguments and results. */
static inline size_t pyad_replay_outside_count(const pyad_plan *plan)
{
    return plan->graph->argument_count + plan->result_count;
}

enum { PYAD_FUSED_LOOP_COLUMNS = 4 };

/* What making fused loops needs besides: columns with an entry for each node, all zero at first. */
typedef struct pyad_fused_loop_maker {
    pyad_replay *replay;
    uint32_t *column[PYAD_FUSED_LOOP_COLUMNS];
    size_t scratch; /* the most that a loop needs */
} pyad_fused_loop_maker;

/* Makes the fused loop of action `a`. make_fused_loop.c */
pyad_status pyad_replay_make_fused_loop(pyad_fused_loop_maker *maker, uint32_t a, const pyad_action *action,
                                        pyad_fused_loop *loop);

/* Puts the additions to slices that begin with action `a` together as far as it pays: else bound->slices stays NULL. */
pyad_status pyad_slice_accumulation_make(pyad_replay *replay, uint32_t a, pyad_bound_action *bound);
void pyad_slice_accumulation_run(const pyad_slice_accumulation *slices);

#endif
