/* Element-wise steps one after the other, run block by block. */
#include "kernels/elementwise.h"

#include <string.h>

#include "kernels/kernels.h"

enum { SCRATCH_BYTES = 32768, MAX_BLOCK = 1024, MIN_ROW = 16 };

/* What one run needs, set up once and then used for every row of it. */
typedef struct run {
    const pyad_elementwise *work;
    const pyad_isa_table *isa;
    const char *base[PYAD_ELEMENTWISE_REGISTERS];     /* inputs: start of the current row */
    uint8_t bytes[PYAD_ELEMENTWISE_REGISTERS];        /* element size of each register */
    uint8_t scalar[PYAD_ELEMENTWISE_REGISTERS];       /* one element stands for the row */
    int16_t direct[PYAD_ELEMENTWISE_REGISTERS];       /* the output that a step writes straight into, or -1 */
    uint16_t temp[PYAD_ELEMENTWISE_REGISTERS];        /* else which scratch slot */
    int64_t block;
    int temps;
} run;

static void fill(void *out, const void *one, int64_t n, size_t bytes)
{
    char *at = out;
    for (int64_t i = 0; i < n; i++)
        memcpy(at + (size_t)i * bytes, one, bytes);
}

/* Chooses where each step writes. A step whose result is only stored goes straight to its output. */
static void place_results(run *r)
{
    const pyad_elementwise *b = r->work;
    for (int s = 0; s < b->step_count; s++) {
        int reg = b->input_count + s;
        const pyad_elementwise_step *step = &b->steps[s];
        r->direct[reg] = -1;
        if (step->skip)
            continue;
        uint8_t scalar = 1;
        for (int k = 0; k < step->arity; k++)
            scalar &= r->scalar[step->in[k]];
        r->scalar[reg] = scalar;
        r->bytes[reg] = step->bytes;
        for (int k = 0; k < b->output_count && !scalar; k++) {
            if (b->outputs[k].reg == reg && !b->outputs[k].add)
                r->direct[reg] = (int16_t)k;
        }
        if (r->direct[reg] < 0)
            r->temp[reg] = (uint16_t)r->temps++;
    }
    int64_t block = r->temps > 0 ? SCRATCH_BYTES / (8 * r->temps) : MAX_BLOCK;
    r->block = block > MAX_BLOCK ? MAX_BLOCK : block;
}

/* Runs all steps over elements [at, at + n) of the row that starts at `row` in the outputs. */
static void run_block(const run *r, char *scratch, int64_t row, int64_t at, int64_t n)
{
    const pyad_elementwise *b = r->work;
    const void *reg[PYAD_ELEMENTWISE_REGISTERS];
    for (int k = 0; k < b->input_count; k++)
        reg[k] = r->scalar[k] ? r->base[k] : r->base[k] + at * r->bytes[k];
    for (int s = 0; s < b->step_count; s++) {
        const pyad_elementwise_step *step = &b->steps[s];
        if (step->skip)
            continue;
        int to = b->input_count + s;
        const void *in[3];
        unsigned scalars = 0;
        for (int k = 0; k < step->arity; k++) {
            in[k] = reg[step->in[k]];
            scalars |= (unsigned)r->scalar[step->in[k]] << k;
        }
        void *out = r->direct[to] >= 0 ? (char *)b->outputs[r->direct[to]].data + (row + at) * step->bytes
                                       : scratch + (int64_t)r->temp[to] * r->block * 8;
        reg[to] = out;
        if (r->scalar[to])
            r->isa->loop[step->loop][step->wide](1, out, in, 0);
        else
            r->isa->loop[step->loop][step->wide](n, out, in, scalars);
    }
    for (int k = 0; k < b->output_count; k++) {
        const pyad_elementwise_output *output = &b->outputs[k];
        size_t bytes = r->bytes[output->reg];
        char *to = (char *)output->data + (size_t)(row + at) * bytes;
        if (r->direct[output->reg] == k)
            continue;
        if (output->add) {
            const void *in[2] = {to, reg[output->reg]};
            unsigned one = n > 1 ? (unsigned)r->scalar[output->reg] << 1 : 0;
            r->isa->loop[PYAD_LOOP_ADD][output->wide](n, to, in, one);
        } else if (r->scalar[output->reg]) {
            fill(to, reg[output->reg], n, bytes);
        } else {
            memcpy(to, reg[output->reg], (size_t)n * bytes);
        }
    }
}

static void run_row(const run *r, int64_t row, int64_t length)
{
    _Alignas(64) char scratch[SCRATCH_BYTES];
    for (int64_t at = 0; at < length; at += r->block)
        run_block(r, scratch, row, at, length - at < r->block ? length - at : r->block);
}

/* Whether the operand can be read as one run: contiguous in the common shape, or a single element. */
static bool is_flat(const pyad_layout *operand, const pyad_layout *shape)
{
    return operand->size == 1 || (operand->contiguous && operand->size == shape->size);
}

/* The number of trailing dimensions along which the strides of an operand are those of one contiguous run, or all 0. */
static int run_dims(int ndim, const int64_t *shape, const int64_t *strides)
{
    int64_t want = 1;
    int d = ndim;
    while (d > 0 && (shape[d - 1] == 1 || strides[d - 1] == want)) {
        want *= shape[d - 1];
        d--;
    }
    int gapless = ndim - d;
    d = ndim;
    while (d > 0 && (shape[d - 1] == 1 || strides[d - 1] == 0))
        d--;
    return ndim - d > gapless ? ndim - d : gapless;
}

static pyad_status run_rows(pyad_mem *mem, run *r);

/* Copies operand `k` to contiguous memory of the common shape and runs again. */
static pyad_status run_with_copy(pyad_mem *mem, const run *r, int k)
{
    const pyad_elementwise *b = r->work;
    pyad_view inputs[PYAD_ELEMENTWISE_REGISTERS];
    memcpy(inputs, b->inputs, (size_t)b->input_count * sizeof *inputs);
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, inputs[k].layout->dtype, b->shape->ndim, pyad_shape(b->shape)));
    pyad_buffer *buffer;
    PYAD_TRY(pyad_buffer_new(mem, pyad_layout_bytes(&flat.layout), &buffer));
    pyad_view copy = {&flat.layout, buffer->data};
    pyad_copy(copy, inputs[k]);
    inputs[k] = copy;
    pyad_elementwise again = *b;
    again.inputs = inputs;
    pyad_status status = pyad_elementwise_run(mem, &again);
    pyad_buffer_release(mem, buffer);
    return status;
}

/* Odometer over the leading dimensions; the trailing ones are one run for every operand. */
static pyad_status run_rows(pyad_mem *mem, run *r)
{
    const pyad_elementwise *b = r->work;
    int ndim = b->shape->ndim;
    const int64_t *shape = pyad_shape(b->shape);
    int64_t strides[PYAD_ELEMENTWISE_REGISTERS][PYAD_MAX_NDIM];
    int inner = ndim;
    for (int k = 0; k < b->input_count; k++) {
        pyad_broadcast_strides(b->inputs[k].layout, ndim, shape, strides[k]);
        int dims = run_dims(ndim, shape, strides[k]);
        inner = dims < inner ? dims : inner;
    }
    int64_t length = 1;
    for (int d = ndim - inner; d < ndim; d++)
        length *= shape[d];
    for (int k = 0; k < b->input_count; k++) {
        if (length < MIN_ROW && !is_flat(b->inputs[k].layout, b->shape))
            return run_with_copy(mem, r, k);
        r->base[k] = b->inputs[k].data;
        r->scalar[k] = 1;
        for (int d = ndim - inner; d < ndim; d++)
            r->scalar[k] &= strides[k][d] == 0 || shape[d] == 1;
    }
    place_results(r);
    int64_t index[PYAD_MAX_NDIM] = {0};
    for (int64_t row = 0; row < b->shape->size; row += length) {
        run_row(r, row, length);
        for (int d = ndim - inner - 1; d >= 0; d--) {
            bool carry = ++index[d] == shape[d];
            for (int k = 0; k < b->input_count; k++) {
                int64_t move = carry ? strides[k][d] * (1 - shape[d]) : strides[k][d];
                r->base[k] += move * r->bytes[k];
            }
            if (!carry)
                break;
            index[d] = 0;
        }
    }
    return PYAD_OK;
}

/* One element: no blocks, no strides, nothing to decide. */
static void run_single(const pyad_elementwise *b)
{
    const pyad_isa_table *isa = pyad_isa();
    const void *reg[PYAD_ELEMENTWISE_REGISTERS];
    int64_t temp[PYAD_ELEMENTWISE_REGISTERS];
    for (int k = 0; k < b->input_count; k++)
        reg[k] = b->inputs[k].data;
    for (int s = 0; s < b->step_count; s++) {
        const pyad_elementwise_step *step = &b->steps[s];
        if (step->skip)
            continue;
        int to = b->input_count + s;
        const void *in[3];
        for (int k = 0; k < step->arity; k++)
            in[k] = reg[step->in[k]];
        isa->loop[step->loop][step->wide](1, &temp[to], in, 0);
        reg[to] = &temp[to];
    }
    for (int k = 0; k < b->output_count; k++) {
        const pyad_elementwise_output *output = &b->outputs[k];
        const void *from = reg[output->reg];
        if (output->add && output->wide)
            *(double *)output->data += *(const double *)from;
        else if (output->add)
            *(float *)output->data += *(const float *)from;
        else
            memcpy(output->data, from, b->steps[output->reg - b->input_count].bytes);
    }
}

pyad_status pyad_elementwise_run(pyad_mem *mem, const pyad_elementwise *work)
{
    if (work->shape->size == 1) {
        run_single(work);
        return PYAD_OK;
    }
    if (work->shape->size == 0)
        return PYAD_OK;
    run r;
    r.work = work;
    r.isa = pyad_isa();
    r.temps = 0;
    bool flat = true;
    for (int k = 0; k < work->input_count; k++) {
        const pyad_layout *layout = work->inputs[k].layout;
        r.bytes[k] = (uint8_t)pyad_dtype_size(layout->dtype);
        r.base[k] = work->inputs[k].data;
        r.scalar[k] = layout->size == 1;
        flat = flat && is_flat(layout, work->shape);
    }
    if (!flat)
        return run_rows(mem, &r);
    place_results(&r);
    run_row(&r, 0, work->shape->size);
    return PYAD_OK;
}
