/* Counters, and what tests need to make the engine fail. */
#include "engine/debug_api.h"

#include <string.h>

#include "base/thread_pool.h"
#include "engine/engine.h"

/* Counts allocations down, so that a test can make any one of them fail. */
static void *counting_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    pyad_engine *engine = user;
    /* What was made through this hook may be freed through it after the engine has gone. */
    if (new_size > old_size && engine->fail_after >= 0) {
        if (engine->fail_after == 0)
            return NULL;
        engine->fail_after--;
    }
    return pyad_hook_default.resize(NULL, block, old_size, new_size);
}

void pyad_count(pyad_counters *counters)
{
    pyad_engine *engine = pyad_engine_here();
    memset(counters, 0, sizeof *counters);
    if (engine == NULL)
        return;
    const pyad_tape *tape = &engine->tape;
    size_t per_node = sizeof *tape->op + sizeof *tape->nargs + sizeof *tape->flags + sizeof *tape->first +
                      sizeof *tape->rule + sizeof *tape->oldest + sizeof *tape->epoch + sizeof *tape->position +
                      sizeof *tape->generation + sizeof *tape->params + sizeof *tape->value;
    counters->nodes = tape->count;
    counters->tape_bytes = (int64_t)(tape->capacity * per_node + tape->args_capacity * sizeof *tape->args +
                                     pyad_arena_bytes(&tape->arena));
    counters->live_bytes = (int64_t)engine->mem.live_bytes;
    counters->peak_bytes = (int64_t)engine->mem.peak_bytes;
    counters->cached_bytes = (int64_t)engine->mem.cached_bytes;
    counters->rules = (int64_t)engine->rules.count;
    counters->copied_bytes = tape->copied;
}

void pyad_reset_peak(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine != NULL)
        engine->mem.peak_bytes = engine->mem.live_bytes;
}

void pyad_trim(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine != NULL)
        pyad_mem_trim(&engine->mem);
}

void pyad_fail_after(int64_t after)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return;
    /* Blocks made through either hook may be resized through the other. Cached buffers would hide the failure. */
    pyad_mem_trim(&engine->mem);
    engine->fail_after = after;
    engine->mem.hook = after >= 0 ? (pyad_hook){counting_resize, engine} : pyad_hook_default;
}

static pyad_status add_one(void *times, int64_t k)
{
    ((int64_t *)times)[k]++;
    return PYAD_OK;
}

int pyad_count_tasks(int64_t count, int64_t *times)
{
    return pyad_thread_pool_run(add_one, times, count);
}

const char *pyad_isa_name(void)
{
    return pyad_isa()->name;
}

int64_t pyad_sweep_visited(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL && engine->sweep != NULL ? engine->sweep->visited : 0;
}
