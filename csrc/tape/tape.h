/* The tape: what has been recorded, as parallel arrays addressed by index.
 *
 * The folder tape knows nodes, in which order they depend on each other, and how what arrives at one is summed up. It must
 * not know derivative rules: which node reads what, and what is summed, is said from above.
 *
 * A node is an instruction and its value: operation, operands, static parameters, layout, memory. Operands always stand
 * before the node that uses them, so the index order is a topological order. A mark notes where every column ends; cutting back to
 * it drops everything recorded since, in one step and without a destructor per node.
 *
 * A handle is what the outside holds: a node's index and the generation of the transform that recorded it. Generations
 * are never used twice in a process, so a handle that outlived its transform, or is used with another thread's tape, is
 * always noticed. */
#ifndef PYAD_TAPE_TAPE_H
#define PYAD_TAPE_TAPE_H

#include "array/array.h"
#include "primitives/list.h"

typedef int64_t pyad_handle;

#define PYAD_MAX_NODES ((uint32_t)1 << PYAD_INDEX_BITS)
/* The generation of nodes that a sealed mark left behind. Only the engine makes handles of it. */
#define PYAD_GENERATION_SEALED (((int64_t)1 << (62 - PYAD_INDEX_BITS)) - 1)
#define PYAD_HANDLE_MASK (PYAD_HANDLE_LARGE - 1)

enum pyad_node_flag {
    PYAD_NODE_CONST = 1,   /* nothing can be differentiated through it */
    PYAD_NODE_LENT = 2,    /* the value is the user's own memory; `rule` is an index into the lent table */
    PYAD_NODE_HELD = 4,    /* a handle to it may be alive outside (only tracked for nodes with a buffer) */
    PYAD_NODE_SAVED = 8,   /* a rule may read the value in a sweep */
    PYAD_NODE_VIEW = 16,   /* the value is memory of operand 0 */
    PYAD_NODE_LEAF = 32,   /* no operands that count: an input, a constant or an alias of an outer node */
    PYAD_NODE_PYTHON = 64, /* only Python can run it */
    PYAD_NODE_FREED = 128, /* the value has been given back */
    PYAD_NODE_SHARED = 256,  /* a view or an alias lies over its memory, which no buffer counts */
    PYAD_NODE_MUTABLE = 512, /* made by a write, or a view over such: further writes are to be expected */
    PYAD_NODE_SYMBOLIC = 2048, /* depends on what was lent while a program is being recorded */
    PYAD_NODE_MOVED = 1024   /* a write that was done in operand 0's own memory; that operand has no value any more */
};

/* A rule column entry below PYAD_RULE_FIRST is one of these. */
enum { PYAD_RULE_UNRESOLVED = 0, PYAD_RULE_PYTHON = 1, PYAD_RULE_NONE = 2, PYAD_RULE_FIRST = 3 };

typedef struct pyad_lent {
    uint64_t fingerprint;
    size_t bytes;      /* of the fingerprinted memory, 0 before the value is saved */
    uint32_t node;
    uint32_t reader;   /* the node for whose rule it was saved, for the message */
    uint32_t checked;  /* sweep number of the last check */
} pyad_lent;

typedef struct pyad_mark {
    int64_t generation;
    uint32_t nodes;
    uint32_t args;
    uint32_t lent;
    int sweeps;       /* that were under way; the engine's */
    uint8_t keep_all; /* a forward sweep may follow: what it reads is kept too */
    pyad_arena_mark arena;
} pyad_mark;

/* An empty tape keeps room for so many nodes, which is about ten megabytes. */
enum { PYAD_TAPE_KEPT = 1 << 17 };

/* A scalar constant is recorded once per mark and value. */
enum { PYAD_CONST_CACHE = 16 };

typedef struct pyad_const_entry {
    double value;
    int64_t generation;
    uint32_t node;
    int dtype;
} pyad_const_entry;

typedef struct pyad_tape {
    pyad_mem *mem;
    pyad_arena arena;
    uint32_t count;    /* nodes in use */
    size_t capacity;   /* nodes there is room for in every column */
    uint16_t *op;
    uint16_t *nargs;
    uint16_t *flags;
    uint32_t *first;         /* where the node's operands begin in args */
    uint32_t *rule;          /* which derivative rule, or the lent entry of a leaf */
    uint32_t *oldest;        /* the first leaf (in index order, through aliases) that the value depends on */
    uint32_t *epoch;         /* the last sweep that reached the node, ... */
    uint32_t *position;      /* ... and its place in that sweep's order */
    int64_t *generation;
    const int64_t **params;  /* [count, values...] or NULL */
    pyad_value *value;
    uint32_t *args;
    size_t args_count;
    size_t args_capacity;
    pyad_lent *lent;
    size_t lent_count;
    size_t lent_capacity;
    pyad_mark *marks;
    size_t mark_count;
    size_t mark_capacity;
    pyad_const_entry constants[PYAD_CONST_CACHE];
    int64_t copied;   /* bytes that writes copied since they could not be done in place */
    uint32_t epochs;  /* sweeps begun */
    bool recording_program;     /* a program is being recorded: what is lent may be something else when it runs */
    bool abstract;    /* records layouts only: a rule is being recorded on placeholders */
} pyad_tape;

void pyad_tape_init(pyad_tape *tape, pyad_mem *mem);
void pyad_tape_finish(pyad_tape *tape);

/* Opens a mark. */
pyad_status pyad_tape_mark(pyad_tape *tape, int64_t generation, bool keep_all);
/* The place of an open mark among the tape's, from the outermost. */
bool pyad_tape_find_mark(const pyad_tape *tape, int64_t generation, size_t *mark);
/* Drops the innermost mark and all that was recorded since. */
void pyad_tape_cut(pyad_tape *tape);
/* Drops all marks and nodes. */
void pyad_tape_clear(pyad_tape *tape);
/* Drops the innermost mark and keeps what was recorded: `kept` nodes pass to the enclosing generation, the handles of
 * all others become stale, also of those that have later generations. */
void pyad_tape_seal(pyad_tape *tape, int count, const uint32_t *kept);

/* Room for one more node with `nargs` operands; nothing is changed yet. */
pyad_status pyad_tape_reserve_slow(pyad_tape *tape, size_t nodes, size_t nargs);
static inline pyad_status pyad_tape_reserve(pyad_tape *tape, size_t nargs)
{
    if (tape->count < tape->capacity && tape->args_count + nargs <= tape->args_capacity)
        return PYAD_OK;
    return pyad_tape_reserve_slow(tape, 1, nargs);
}

/* Adds a node; room must have been reserved. `params` must live in the tape's arena or be NULL. Takes over the value's
 * reference to its buffer. */
uint32_t pyad_tape_push(pyad_tape *tape, int op, uint16_t flags, int nargs, const uint32_t *args, const int64_t *params,
                        pyad_value value);
/* A 0-d constant of `dtype` holding `number`, shared with earlier equal ones of this mark. */
pyad_status pyad_tape_number(pyad_tape *tape, double number, int dtype, uint32_t *node);
/* A leaf over the user's memory. */
pyad_status pyad_tape_lend(pyad_tape *tape, uint16_t flags, const pyad_layout *layout, void *data, uint32_t *node);

/* Notes that the rule of `reader` may read the value of `node`. */
void pyad_tape_save(pyad_tape *tape, uint32_t node, uint32_t reader);
/* PYAD_ERR_MUTATED when the memory behind `node` is the user's and has changed since it was saved. */
pyad_status pyad_tape_verify(pyad_tape *tape, uint32_t node);
/* The outside dropped its handle: frees the value if no rule may read it. */
void pyad_tape_release(pyad_tape *tape, uint32_t node);
/* Gives the value back. */
void pyad_tape_free_value(pyad_tape *tape, uint32_t node);
/* Takes the value out of a node whose memory is about to be written. The node stays for sweeps, which know its layout;
 * its handles become stale. */
pyad_value pyad_tape_take_value(pyad_tape *tape, uint32_t node);
/* Notes that other nodes are going to have the node's memory. */
static inline void pyad_tape_share(pyad_tape *tape, uint32_t node)
{
    if (tape->value[node].buffer == NULL)
        tape->flags[node] |= PYAD_NODE_SHARED;
}

static inline pyad_handle pyad_tape_handle(const pyad_tape *tape, uint32_t node)
{
    return (tape->generation[node] << PYAD_INDEX_BITS) | (int64_t)node;
}

/* The node of a handle; false when the handle is not (or no longer) on this tape. */
static inline bool pyad_tape_find(const pyad_tape *tape, pyad_handle handle, uint32_t *node)
{
    uint32_t index = (uint32_t)handle & (PYAD_MAX_NODES - 1);
    if (index >= tape->count || tape->generation[index] != (handle & PYAD_HANDLE_MASK) >> PYAD_INDEX_BITS)
        return false;
    *node = index;
    return true;
}

static inline const uint32_t *pyad_tape_args(const pyad_tape *tape, uint32_t node)
{
    return tape->args + tape->first[node];
}

#endif
