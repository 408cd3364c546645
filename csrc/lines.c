/* Lines. */
#include "lines.h"

#include <string.h>

#include "kernels/kernels.h"
#include "kernels/walk.h"

enum { REGISTER_BYTES = 8, LEAST_BLOCK = 64 };

static int64_t block_count(const pyad_line *line)
{
    return (line->size + line->block - 1) / line->block;
}

void pyad_line_settle(pyad_line *line)
{
    int64_t registers = line->register_count > 0 ? line->register_count : 1;
    int64_t block = PYAD_LINE_BLOCK_BYTES / (REGISTER_BYTES * registers);
    block = block < LEAST_BLOCK ? LEAST_BLOCK : block;
    block = block > PYAD_LINE_MOST_BLOCK ? PYAD_LINE_MOST_BLOCK : block;
    line->block = block / 8 * 8;
    if (line->block > line->size)
        line->block = (line->size + 7) / 8 * 8;
}

static size_t register_bytes(const pyad_line *line)
{
    return (size_t)line->block * REGISTER_BYTES;
}

size_t pyad_line_scratch(const pyad_line *line)
{
    return register_bytes(line) * (size_t)line->register_count +
           (size_t)line->sum_count * (size_t)block_count(line) * sizeof(double);
}

/* ---- operands that do not lie in one run ---- */

/* Elements [at, at + n) of the operand, in the order of the common shape. */
static void load(const pyad_line_input *input, int64_t at, int64_t n, char *to)
{
    int64_t index[PYAD_MAX_NDIM];
    const char *from = input->data;
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
            pyad_line_copy(bytes, run, to, 1, from, stride);
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

static double sum_of(const pyad_line_step *step, int64_t n, const void *x)
{
    const pyad_isa_table *isa = pyad_isa();
    return step->wide ? isa->sum_f64(n, x) : (double)isa->sum_f32(n, x);
}

static void run_block(const pyad_line *line, char *scratch, int64_t at, int64_t n, double *sums)
{
    const pyad_line_step *end = line->steps + line->step_count;
    size_t width = register_bytes(line);
    for (int k = 0; k < line->input_count; k++) {
        if (line->inputs[k].kind == PYAD_OPERAND_LOADED)
            load(&line->inputs[k], at, n, scratch + line->inputs[k].reg * width);
    }
    for (const pyad_line_step *step = line->steps; step < end; step++) {
        const void *in[3];
        for (int k = 0; k < step->arity; k++) {
            int32_t from = step->in[k];
            if (from >= 0) {
                in[k] = scratch + (size_t)from * width;
                continue;
            }
            const pyad_line_input *input = &line->inputs[-1 - from];
            if (input->kind == PYAD_OPERAND_LOADED)
                in[k] = scratch + input->reg * width;
            else
                in[k] = (const char *)input->data + (input->kind == PYAD_OPERAND_FLAT ? at * input->bytes : 0);
        }
        if (step->loop == NULL) {
            *sums++ = sum_of(step, n, in[0]);
            continue;
        }
        void *out = step->reg >= 0 ? scratch + (size_t)step->reg * width : (char *)step->out + at * step->bytes;
        step->loop(n, out, in, n == 1 ? 0 : step->scalars);
    }
}

static void finish_sums(const pyad_line *line, const double *sums)
{
    int64_t blocks = block_count(line);
    double column[PYAD_LINE_MOST_BLOCK];
    int which = 0;
    for (int s = 0; s < line->step_count; s++) {
        const pyad_line_step *step = &line->steps[s];
        if (step->loop != NULL)
            continue;
        double total = 0.0;
        for (int64_t b = 0; b < blocks;) {
            int64_t count = 0;
            for (; count < PYAD_LINE_MOST_BLOCK && b < blocks; b++)
                column[count++] = sums[b * line->sum_count + which];
            total += pyad_isa()->sum_f64(count, column);
        }
        if (step->wide)
            *(double *)step->out = total;
        else
            *(float *)step->out = (float)total;
        which++;
    }
}

void pyad_line_run(const pyad_line *line, char *scratch)
{
    double *sums = (double *)(void *)(scratch + register_bytes(line) * (size_t)line->register_count);
    int64_t block = 0;
    for (int64_t at = 0; at < line->size; at += line->block, block++) {
        int64_t left = line->size - at;
        run_block(line, scratch, at, left < line->block ? left : line->block, sums + block * line->sum_count);
    }
    if (line->sum_count > 0)
        finish_sums(line, sums);
}
