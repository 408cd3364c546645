/* The addresses of a replay: those that are known at once, and those that are patched in before a run. */
#include "compile/replay/replay.h"

#include <string.h>

pyad_status pyad_replay_bind(pyad_replay *r, uint32_t node, void **where)
{
    const pyad_place *place = &r->plan->places[node];
    if (place->base == PYAD_BASE_FIXED) {
        *where = (void *)(intptr_t)place->offset;
        return PYAD_OK;
    }
    if (place->base == PYAD_BASE_ARENA) {
        *where = (char *)r->memory->data + place->offset;
        return PYAD_OK;
    }
    *where = NULL;
    if (place->base == PYAD_BASE_NONE)
        return PYAD_OK;
    PYAD_TRY(pyad_mem_grow(r->mem, (void **)&r->patches, &r->patch_capacity, r->patch_count + 1, sizeof *r->patches));
    r->patches[r->patch_count++] = (pyad_patch){where, place->base - PYAD_BASE_OUTSIDE, place->offset};
    return PYAD_OK;
}

pyad_status pyad_replay_sort_patches(pyad_replay *r)
{
    size_t bases = pyad_replay_outside_count(r->plan);
    size_t bytes = r->patch_count * sizeof *r->patches;
    pyad_patch *sorted = pyad_mem_calloc(r->mem, bytes);
    if (sorted == NULL && bytes > 0)
        return PYAD_ERR_MEMORY;
    for (size_t k = 0; k < r->patch_count; k++)
        r->patch_first[r->patches[k].base + 1]++;
    for (size_t b = 0; b < bases; b++)
        r->patch_first[b + 1] += r->patch_first[b];
    for (size_t k = 0; k < r->patch_count; k++)
        sorted[r->patch_first[r->patches[k].base]++] = r->patches[k];
    for (size_t b = bases; b > 0; b--)
        r->patch_first[b] = r->patch_first[b - 1];
    r->patch_first[0] = 0;
    if (bytes > 0)
        memcpy(r->patches, sorted, bytes);
    pyad_mem_free(r->mem, sorted, bytes);
    return PYAD_OK;
}

void pyad_replay_start(pyad_replay *replay, void *const *outside)
{
    size_t bases = pyad_replay_outside_count(replay->plan);
    for (size_t b = 0; b < bases; b++) {
        if (replay->outside[b] == outside[b])
            continue;
        replay->outside[b] = outside[b];
        for (uint32_t k = replay->patch_first[b]; k < replay->patch_first[b + 1]; k++)
            *replay->patches[k].where = (char *)outside[b] + replay->patches[k].offset;
    }
    replay->at = 0;
}
