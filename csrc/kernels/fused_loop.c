/* Lines. */
#include "kernels/fused_loop.h"

#include <stdatomic.h>
#include <string.h>

#include "array/strided_iter.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"

enum { REGISTER_BYTES = 8, LEAST_BLOCK = 64 };

static int64_t blocks_of(const pyad_fused_loop *fused, int64_t elements)
{
    return (elements + fused->block - 1) / fused->block;
}

/* Each chunk begins with a block. */
static int64_t block_count(const pyad_fused_loop *fused)
{
    int64_t chunks = fused->size / fused->chunk;
    return chunks * blocks_of(fused, fused->chunk) + blocks_of(fused, fused->size % fused->chunk);
}

/* The longest row that all operands which do not lie in one run have, or 0 where there is none that is worth it. */
static int64_t row_length(const pyad_fused_loop *fused)
{
    int64_t row = INT64_MAX;
    int loaded = 0;
    for (int k = 0; k < fused->input_count; k++) {
        const pyad_fused_loop_input *input = &fused->inputs[k];
        if (input->kind != PYAD_OPERAND_LOADED)
            continue;
        loaded++;
        int64_t length = input->shape[input->ndim - 1];
        int64_t stride = input->strides[input->ndim - 1];
        row = length < row ? length : row;
        if (length % row != 0 || (stride != 0 && stride != input->bytes))
            return 0;
    }
    for (int k = 0; k < fused->input_count && loaded > 0; k++) {
        const pyad_fused_loop_input *input = &fused->inputs[k];
        if (input->kind == PYAD_OPERAND_LOADED && input->shape[input->ndim - 1] % row != 0)
            return 0;
    }
    bool fits = loaded > 0 && loaded <= PYAD_FUSED_LOOP_ROW_INPUTS && row >= PYAD_FUSED_LOOP_LEAST_ROW &&
                row <= PYAD_FUSED_LOOP_MOST_ROW;
    return fits ? row : 0;
}

static int64_t block_length(const pyad_fused_loop *fused)
{
    int64_t registers = fused->register_count > 0 ? fused->register_count : 1;
    int64_t block = PYAD_FUSED_LOOP_BLOCK_BYTES / (REGISTER_BYTES * registers);
    block = block < LEAST_BLOCK ? LEAST_BLOCK : block;
    block = block > PYAD_FUSED_LOOP_MOST_BLOCK ? PYAD_FUSED_LOOP_MOST_BLOCK : block;
    block = block / 8 * 8;
    return block > fused->size ? (fused->size + 7) / 8 * 8 : block;
}

void pyad_fused_loop_choose_tiling(pyad_fused_loop *fused)
{
    fused->block = row_length(fused);
    fused->by_rows = fused->block > 0;
    if (!fused->by_rows)
        fused->block = block_length(fused);
    pyad_fused_loop_choose_chunks(fused);
}

static size_t register_bytes(const pyad_fused_loop *fused)
{
    return ((size_t)fused->block * REGISTER_BYTES + 63) / 64 * 64;
}

/* Of where each register and each input is, for the present block. */
static size_t slot_bytes(const pyad_fused_loop *fused)
{
    return ((size_t)(fused->input_count + fused->register_count) * sizeof(void *) + 63) / 64 * 64;
}

/* All of one lane. */
static size_t lane_bytes(const pyad_fused_loop *fused)
{
    return register_bytes(fused) * (size_t)fused->register_count + slot_bytes(fused);
}

size_t pyad_fused_loop_scratch(const pyad_fused_loop *fused)
{
    return lane_bytes(fused) * (size_t)fused->lanes +
           (size_t)fused->sum_count * (size_t)block_count(fused) * sizeof(double);
}

/* ---- operands that do not lie in one run ---- */

static void load_by_table(const pyad_fused_loop_input *input, int64_t at, int64_t n, char *to)
{
    const char *from = input->data;
    const int32_t *table = input->table + at;
    if (input->bytes == 8) {
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 8 * i, from + table[i], 8);
    } else if (input->bytes == 4) {
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 4 * i, from + table[i], 4);
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i] = from[table[i]];
    }
}

/* Elements [at, at + n) of the operand, in the order of the common shape. */
static void load(const pyad_fused_loop_input *input, int64_t at, int64_t n, char *to)
{
    int64_t index[PYAD_MAX_NDIM];
    const char *from = input->data;
    if (input->table != NULL) {
        load_by_table(input, at, n, to);
        return;
    }
    int last = input->ndim - 1;
    for (int d = last; d >= 0; d--) {
        index[d] = at % input->shape[d];
        at /= input->shape[d];
        from += index[d] * input->strides[d];
    }
    size_t bytes = input->bytes;
    int64_t stride = input->strides[last] / (int64_t)bytes;
    while (n > 0) {
        int64_t run = input->shape[last] - index[last];
        run = run < n ? run : n;
        if (stride == 1)
            memcpy(to, from, (size_t)run * bytes);
        else
            pyad_strided_copy(bytes, run, to, 1, from, stride);
        to += (size_t)run * bytes;
        n -= run;
        from -= index[last] * input->strides[last];
        index[last] = 0;
        for (int d = last - 1; d >= 0; d--) {
            from += input->strides[d];
            if (++index[d] < input->shape[d])
                break;
            from -= input->shape[d] * input->strides[d];
            index[d] = 0;
        }
    }
}

/* ---- blocks ---- */

static double sum_of(const pyad_fused_loop_step *step, int64_t n, const void *x)
{
    const pyad_isa_table *isa = pyad_isa();
    return step->wide ? isa->sum_f64(n, x) : (double)isa->sum_f32(n, x);
}

static void add_to(bool wide, int64_t n, void *to, const void *x)
{
    const void *in[2] = {to, x};
    pyad_isa()->loop[PYAD_LOOP_ADD][wide](n, to, in, 0);
}

/* Elements [at, at + n) to sums over an axis behind which there are others: row by row. A short row takes less time than
 * the call of a loop. */
#define ADD_ROWS(S, T)                                                                            \
    static void add_rows_##S(const pyad_fused_loop_step *step, int64_t at, int64_t n, const T *x) \
    {                                                                                             \
        enum { SHORT = 16 };                                                                      \
        int64_t place = at % step->inner;                                                         \
        int64_t row = at / step->inner % step->summed;                                            \
        T *to = (T *)step->out + at / step->inner / step->summed * step->inner;                   \
        while (n > 0) {                                                                           \
            int64_t count = step->inner - place < n ? step->inner - place : n;                    \
            if (row == 0)                                                                         \
                memcpy(to + place, x, (size_t)count * sizeof(T));                                 \
            else if (count >= SHORT)                                                              \
                add_to(step->wide, count, to + place, x);                                         \
            else                                                                                  \
                for (int64_t i = 0; i < count; i++)                                               \
                    to[place + i] += x[i];                                                        \
            x += count;                                                                           \
            n -= count;                                                                           \
            place = 0;                                                                            \
            if (++row == step->summed) {                                                          \
                row = 0;                                                                          \
                to += step->inner;                                                                \
            }                                                                                     \
        }                                                                                         \
    }

ADD_ROWS(f32, float)
ADD_ROWS(f64, double)

#define SUM_RUNS(S, T)                                                                            \
    static void sum_runs_##S(const pyad_fused_loop_step *step, int64_t at, int64_t n, const T *x) \
    {                                                                                             \
        enum { SHORT = 8 };                                                                       \
        T *to = (T *)step->out + at / step->summed;                                               \
        int64_t place = at % step->summed;                                                        \
        while (n > 0) {                                                                           \
            int64_t count = step->summed - place < n ? step->summed - place : n;                  \
            T sum = x[0];                                                                         \
            if (count > SHORT)                                                                    \
                sum = pyad_isa()->sum_##S(count, x);                                              \
            else                                                                                  \
                for (int64_t i = 1; i < count; i++)                                               \
                    sum += x[i];                                                                  \
            *to = place == 0 ? sum : *to + sum;                                                   \
            x += count;                                                                           \
            n -= count;                                                                           \
            place = 0;                                                                            \
            to++;                                                                                 \
        }                                                                                         \
    }

/* The same for the last axis: runs that lie in one piece. */
SUM_RUNS(f32, float)
SUM_RUNS(f64, double)

static void sum_axis(const pyad_fused_loop_step *step, int64_t at, int64_t n, const void *x)
{
    if (step->inner > 1 && step->wide)
        add_rows_f64(step, at, n, x);
    else if (step->inner > 1)
        add_rows_f32(step, at, n, x);
    else if (step->wide)
        sum_runs_f64(step, at, n, x);
    else
        sum_runs_f32(step, at, n, x);
}

/* The slots of a lane, so that what a step calls x is slots[x]. */
static void **find_slots(const pyad_fused_loop *fused, char *scratch)
{
    size_t width = register_bytes(fused);
    void **slots = (void **)(void *)(scratch + width * (size_t)fused->register_count) + fused->input_count;
    for (int k = 0; k < fused->register_count; k++)
        slots[k] = scratch + width * (size_t)k;
    for (int k = 0; k < fused->input_count; k++) {
        const pyad_fused_loop_input *input = &fused->inputs[k];
        slots[-1 - k] = input->kind == PYAD_OPERAND_LOADED ? slots[input->reg] : input->data;
    }
    return slots;
}

static void find_flat(const pyad_fused_loop *fused, void **slots, int64_t at)
{
    for (int k = 0; k < fused->input_count; k++) {
        if (fused->inputs[k].kind == PYAD_OPERAND_FLAT)
            slots[-1 - k] = (char *)fused->inputs[k].data + at * fused->inputs[k].bytes;
    }
}

static void load_block(const pyad_fused_loop *fused, void **slots, int64_t at, int64_t n)
{
    for (int k = 0; k < fused->input_count; k++) {
        if (fused->inputs[k].kind == PYAD_OPERAND_LOADED)
            load(&fused->inputs[k], at, n, slots[-1 - k]);
    }
}

static void run_loop(const pyad_fused_loop_step *step, int64_t n, void *out, const void *const *in)
{
    if (n == 1 || step->scalars + 1 != 1u << step->arity) {
        step->loop(n, out, in, n == 1 ? 0 : step->scalars);
        return;
    }
    /* Where all operands have one element all along the row, so has the result. */
    step->loop(1, out, in, 0);
    pyad_strided_copy(step->bytes, n - 1, (char *)out + step->bytes, 1, out, 0);
}

static void run_block(const pyad_fused_loop *fused, void *const *slots, int64_t at, int64_t n, double *sums)
{
    const pyad_fused_loop_step *end = fused->steps + fused->step_count;
    for (const pyad_fused_loop_step *step = fused->steps; step < end; step++) {
        const void *in[4];
        for (int k = 0; k < step->arity; k++)
            in[k] = slots[step->in[k]];
        if (step->loop != NULL)
            run_loop(step, n, slots[step->to], in);
        else if (step->summed > 0)
            sum_axis(step, at, n, in[0]);
        else
            *sums++ = sum_of(step, n, in[0]);
    }
}

static void finish_sums(const pyad_fused_loop *fused, const double *sums)
{
    int64_t blocks = block_count(fused);
    double column[PYAD_FUSED_LOOP_MOST_BLOCK];
    int which = 0;
    for (int s = 0; s < fused->step_count; s++) {
        const pyad_fused_loop_step *step = &fused->steps[s];
        if (step->loop != NULL || step->summed > 0)
            continue;
        double total = 0.0;
        for (int64_t b = 0; b < blocks;) {
            int64_t count = 0;
            for (; count < PYAD_FUSED_LOOP_MOST_BLOCK && b < blocks; b++)
                column[count++] = sums[b * fused->sum_count + which];
            total += pyad_isa()->sum_f64(count, column);
        }
        if (step->wide)
            *(double *)step->out = total;
        else
            *(float *)step->out = (float)total;
        which++;
    }
}

/* ---- rows ---- */

typedef struct row {
    const pyad_fused_loop_input *input;
    void **slot; /* where it is */
    int64_t index[PYAD_MAX_NDIM];
} row;

/* The rows of LOADED operands that begin with element `at` of the common shape; returns how many there are. */
static int find_rows(const pyad_fused_loop *fused, void **slots, int64_t at, row *rows)
{
    int count = 0;
    for (int k = 0; k < fused->input_count; k++) {
        const pyad_fused_loop_input *input = &fused->inputs[k];
        if (input->kind != PYAD_OPERAND_LOADED)
            continue;
        row *r = &rows[count++];
        char *from = input->data;
        int64_t left = at;
        for (int d = input->ndim - 1; d >= 0; d--) {
            r->index[d] = left % input->shape[d];
            left /= input->shape[d];
            from += r->index[d] * input->strides[d];
        }
        r->input = input;
        r->slot = &slots[-1 - k];
        *r->slot = from;
    }
    return count;
}

static void next_row(row *r, int64_t length)
{
    const pyad_fused_loop_input *input = r->input;
    char *at = *r->slot;
    int64_t step = length;
    for (int d = input->ndim - 1; d >= 0; d--) {
        at += step * input->strides[d];
        r->index[d] += step;
        if (r->index[d] < input->shape[d])
            break;
        at -= input->shape[d] * input->strides[d];
        r->index[d] = 0;
        step = 1;
    }
    *r->slot = at;
}

static void run_rows(const pyad_fused_loop *fused, void **slots, int64_t at, int64_t end, double *sums)
{
    row rows[PYAD_FUSED_LOOP_ROW_INPUTS];
    int count = find_rows(fused, slots, at, rows);
    for (; at < end; at += fused->block, sums += fused->sum_count) {
        find_flat(fused, slots, at);
        run_block(fused, slots, at, fused->block, sums);
        for (int k = 0; k < count; k++)
            next_row(&rows[k], fused->block);
    }
}

/* ---- chunks ---- */

typedef struct job {
    const pyad_fused_loop *fused;
    char *scratch;
    double *sums;
    int64_t chunks;
    _Atomic int64_t next; /* the chunk to be taken */
} job;

static void run_chunk(const pyad_fused_loop *fused, char *scratch, int64_t chunk, double *sums)
{
    int64_t at = chunk * fused->chunk;
    int64_t end = fused->size - at < fused->chunk ? fused->size : at + fused->chunk;
    void **slots = find_slots(fused, scratch);
    sums += chunk * blocks_of(fused, fused->chunk) * fused->sum_count;
    if (fused->by_rows) {
        run_rows(fused, slots, at, end, sums);
        return;
    }
    for (; at < end; at += fused->block, sums += fused->sum_count) {
        int64_t n = end - at < fused->block ? end - at : fused->block;
        load_block(fused, slots, at, n);
        find_flat(fused, slots, at);
        run_block(fused, slots, at, n, sums);
    }
}

/* A task of the pool: chunks, until none is left, in the registers of one lane. */
static pyad_status run_lane(void *context, int64_t lane)
{
    job *j = context;
    char *scratch = j->scratch + (size_t)lane * lane_bytes(j->fused);
    for (;;) {
        int64_t chunk = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
        if (chunk >= j->chunks)
            return PYAD_OK;
        run_chunk(j->fused, scratch, chunk, j->sums);
    }
}

void pyad_fused_loop_run(const pyad_fused_loop *fused, char *scratch)
{
    double *sums = (double *)(void *)(scratch + lane_bytes(fused) * (size_t)fused->lanes);
    if (fused->chunk == fused->size) {
        run_chunk(fused, scratch, 0, sums);
    } else {
        job j = {fused, scratch, sums, (fused->size + fused->chunk - 1) / fused->chunk, 0};
        int threads = pyad_thread_pool_size();
        pyad_thread_pool_run(run_lane, &j, threads < fused->lanes ? threads : fused->lanes);
    }
    if (fused->sum_count > 0)
        finish_sums(fused, sums);
}
