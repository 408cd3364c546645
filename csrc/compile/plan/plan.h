/* Plans: what a graph does, action by action, and where each value lies.
 *
 * The folder compile/plan knows graphs and how many steps a fused loop can have. It must not know addresses: a plan
 * holds offsets, and a replay turns them into addresses.
 *
 * Element-wise nodes of one shape become one action that runs block by block; single numbers become one action too.
 * All values lie in one arena at offsets that are chosen by their lifetimes, in the memory of an input or of a
 * result, or in constants. A node may take over the memory of an operand that nobody reads afterwards. The plan
 * itself holds no array memory: a replay (csrc/compile/replay/replay.h) does, so one plan can be run by several
 * threads. */
#ifndef PYAD_PLAN_H
#define PYAD_PLAN_H

#include "compile/graph/graph.h"
#include "kernels/fused_loop.h"

typedef struct pyad_place {
    const pyad_layout *layout; /* as it lies in memory */
    uint32_t base;
    uint32_t root;  /* the node whose memory it is: itself, or what it is a view of */
    int64_t offset; /* in bytes */
} pyad_place;

typedef enum pyad_action_kind {
    PYAD_ACTION_RUN,   /* one kernel */
    PYAD_ACTION_FUSED_LOOP, /* element-wise nodes over arrays of one shape */
    PYAD_ACTION_SCALARS, /* element-wise nodes over single elements */
    PYAD_ACTION_CALL,  /* Python's */
    PYAD_ACTION_GUARD,
    PYAD_ACTION_COPY   /* a value to where a result or an input is */
} pyad_action_kind;

typedef struct pyad_action {
    uint8_t kind;
    uint32_t first; /* its nodes: plan->members[first .. first + count) */
    uint32_t count;
    uint32_t output;  /* GUARD, COPY */
} pyad_action;

typedef struct pyad_plan {
    const pyad_graph *graph;
    pyad_mem *mem;
    pyad_place *places; /* per node */
    pyad_action *actions;
    size_t action_count;
    size_t action_capacity;
    uint32_t *members;
    size_t member_count;
    size_t member_capacity;
    size_t arena_bytes;
    uint32_t result_count;
    uint32_t direct_stores; /* inputs that are written in place, without a copy */
    uint32_t reused;        /* values that took over memory */
} pyad_plan;

/* Makes the plan of a graph, which must outlive it. */
pyad_status pyad_plan_make(pyad_plan *plan, pyad_mem *mem, const pyad_graph *graph);
void pyad_plan_finish(pyad_plan *plan);

/* Fills in the layouts of what needs no action: inputs, constants, and views over something else. views.c */
pyad_status pyad_plan_views(pyad_plan *plan);
/* Fills in actions and members. schedule.c */
pyad_status pyad_plan_schedule(pyad_plan *plan);
/* Fills in where the values lie. memory.c */
pyad_status pyad_plan_memory(pyad_plan *plan);

/* Returns the base of a result's memory. */
static inline uint32_t pyad_plan_result_base(const pyad_plan *plan, uint32_t result)
{
    return PYAD_BASE_OUTSIDE + (uint32_t)plan->graph->argument_count + result;
}

#endif
