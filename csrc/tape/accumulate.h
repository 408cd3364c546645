/* Gradient accumulation: the one place where cotangents (and tangents) are summed.
 *
 * A slot is empty (no gradient, which is not the same as zeros), borrowed (its value is memory that somebody else also
 * holds, so it is never written) or owned. The first contribution is moved or borrowed in, the second allocates the
 * sum, later ones add in place. A contribution that was broadcast is summed back to the slot's shape by the addition
 * itself; one that belongs to a slice is added to that slice. */
#ifndef PYAD_TAPE_ACCUMULATE_H
#define PYAD_TAPE_ACCUMULATE_H

#include "array/array.h"

typedef enum pyad_slot_state { PYAD_SLOT_EMPTY = 0, PYAD_SLOT_BORROWED, PYAD_SLOT_OWNED } pyad_slot_state;

typedef struct pyad_slot {
    pyad_value value;
    uint32_t node;  /* in a recorded sweep: the tape node that is the value */
    uint8_t state;
} pyad_slot;

enum { PYAD_FREELIST_CLASSES = PYAD_SMALL_BYTES / 16 + 1 };

/* Memory of small slots: freed blocks are used again at once, so that a sweep over small arrays stays in cache. */
typedef struct pyad_freelist {
    pyad_arena *arena;
    void *freed[PYAD_FREELIST_CLASSES];
} pyad_freelist;

typedef struct pyad_accum {
    pyad_env env;    /* its arena holds layouts */
    pyad_freelist freelist;
} pyad_accum;

/* Uncleared memory for a slot of this layout (a contiguous one). */
pyad_status pyad_accum_alloc(pyad_accum *accum, const pyad_layout *layout, pyad_value *out);

/* Adds `given` to the slot of a value with layout `layout`. `fresh`: its memory is this call's to keep (a buffer
 * reference that is handed over, or a small block of the free list); otherwise the slot takes a reference or a copy. The
 * contribution's shape is the slot's, or the slot's shape broadcasts to it, or it broadcasts to the slot's. */
pyad_status pyad_accum_add(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value given, bool fresh);

/* Makes the slot owned and contiguous, zeros where it was empty, so that a caller may add to a part of it in place. */
pyad_status pyad_accum_own(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout);

/* Empties the slot and gives its memory back. */
void pyad_accum_drop(pyad_accum *accum, pyad_slot *slot);

#endif
