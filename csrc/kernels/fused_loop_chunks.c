/* Where fused loops are cut into chunks for several threads: by what they will take, as far as one can tell beforehand. */
#include "base/thread_pool.h"
#include "kernels/fused_loop.h"

/* In picoseconds. docs/developer/measurements.md says why just so much work. */
enum {
    MEMORY = 100, /* an operand or a result outside of registers */
    COPIED = 500, /* an operand that is copied first */
    LEAST_WORK = 100 * 1000 * 1000,
    CHUNK_WORK = 20 * 1000 * 1000
};

/* Of one element in float64, in the first cache, with AVX-512. */
static const uint16_t costs[] = {
    [PYAD_COST_CHEAP] = 80, [PYAD_COST_DIVISION] = 300, [PYAD_COST_SERIES] = 1000, [PYAD_COST_LIBM] = 4000};

uint16_t pyad_fused_loop_step_cost(int loop, bool wide)
{
    pyad_loop_cost cost = loop < PYAD_LOOP_COUNT ? pyad_loops[loop].cost : PYAD_COST_CHEAP;
    return wide || cost == PYAD_COST_LIBM ? costs[cost] : costs[cost] / 2;
}

/* Of one element, through all steps. 0 where a step does not know. */
static int64_t element_cost(const pyad_fused_loop *fused)
{
    int64_t cost = 0;
    for (int s = 0; s < fused->step_count; s++) {
        const pyad_fused_loop_step *step = &fused->steps[s];
        if (step->cost == 0)
            return 0;
        cost += step->cost + (step->to < 0 && step->loop != NULL ? MEMORY : 0);
    }
    for (int k = 0; k < fused->input_count; k++) {
        bool copied = fused->inputs[k].kind == PYAD_OPERAND_LOADED && !fused->by_rows;
        if (fused->inputs[k].kind != PYAD_OPERAND_ONE)
            cost += copied ? COPIED : MEMORY;
    }
    return cost;
}

static int64_t common_multiple(int64_t a, int64_t b)
{
    int64_t x = a;
    int64_t y = b;
    while (y != 0) {
        int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

/* Elements that one chunk has to have all of: whole rows, and whole sums over axes. Divides the size. */
static int64_t undivided(const pyad_fused_loop *fused)
{
    int64_t whole = fused->by_rows ? fused->block : 1;
    for (int s = 0; s < fused->step_count; s++) {
        const pyad_fused_loop_step *step = &fused->steps[s];
        if (step->loop == NULL && step->summed > 0)
            whole = common_multiple(whole, step->summed * step->inner);
    }
    return whole;
}

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

void pyad_fused_loop_choose_chunks(pyad_fused_loop *fused)
{
    fused->chunk = fused->size;
    fused->lanes = 1;
    int64_t cost = element_cost(fused);
    if (cost == 0 || fused->size < LEAST_WORK / cost)
        return;
    int64_t chunk = round_up(round_up(CHUNK_WORK / cost + 1, fused->block), undivided(fused));
    if (chunk >= fused->size)
        return;
    int64_t chunks = (fused->size + chunk - 1) / chunk;
    int64_t lanes = pyad_thread_pool_size();
    lanes = lanes < PYAD_FUSED_LOOP_MOST_LANES ? lanes : PYAD_FUSED_LOOP_MOST_LANES;
    fused->chunk = chunk;
    fused->lanes = (int)(lanes < chunks ? lanes : chunks);
}
