/* Where fused loops are cut into chunks for several threads: by what they will take, as far as one can tell beforehand. */
#include "base/thread_pool.h"
#include "kernels/fused_loop.h"

/* In picoseconds. Measured in float64, in the first cache, with AVX-512; docs/developer/measurements.md says why just so much work. */
enum {
    CHEAP = 80,
    DIVISION = 300,
    SERIES = 1000, /* vectorised: exp and its kin */
    SCALAR = 4000, /* one by one, by the C library */
    MEMORY = 100, /* an operand or a result outside of registers */
    COPIED = 500, /* an operand that is copied first */
    LEAST_WORK = 100 * 1000 * 1000,
    CHUNK_WORK = 20 * 1000 * 1000
};

static int cost_in_float64(int loop)
{
    switch (loop) {
    case PYAD_LOOP_DIV:
    case PYAD_LOOP_RECIPROCAL:
    case PYAD_LOOP_SQRT:
        return DIVISION;
    case PYAD_LOOP_EXP:
    case PYAD_LOOP_EXPM1:
    case PYAD_LOOP_EXP2:
    case PYAD_LOOP_LOG:
    case PYAD_LOOP_LOG1P:
    case PYAD_LOOP_SIN:
    case PYAD_LOOP_COS:
    case PYAD_LOOP_TANH:
    case PYAD_LOOP_SIGMOID:
    case PYAD_LOOP_SOFTPLUS:
    case PYAD_LOOP_ERF:
    case PYAD_LOOP_LOGADDEXP:
        return SERIES;
    case PYAD_LOOP_POW:
    case PYAD_LOOP_ARCTAN2:
    case PYAD_LOOP_TAN:
    case PYAD_LOOP_SINH:
    case PYAD_LOOP_COSH:
    case PYAD_LOOP_ARCSIN:
    case PYAD_LOOP_ARCCOS:
    case PYAD_LOOP_ARCTAN:
    case PYAD_LOOP_HYPOT:
    case PYAD_LOOP_FMOD:
    case PYAD_LOOP_MOD:
    case PYAD_LOOP_FLOOR_DIVIDE:
    case PYAD_LOOP_LOG2:
    case PYAD_LOOP_LOG10:
    case PYAD_LOOP_CBRT:
    case PYAD_LOOP_ARCSINH:
    case PYAD_LOOP_ARCCOSH:
    case PYAD_LOOP_ARCTANH:
        return SCALAR;
    default:
        return CHEAP;
    }
}

uint16_t pyad_fused_loop_step_cost(int loop, bool wide)
{
    int cost = cost_in_float64(loop);
    return (uint16_t)(wide || cost == SCALAR ? cost : cost / 2);
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
