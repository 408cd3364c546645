/* logsumexp, softmax and log_softmax along one axis. */
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#include "kernels/parallel_for.h"
#include "simd/dispatch.h"

enum {
    SCRATCH = 8192,  /* elements that fit the first and second cache: columns are worked on so many at a time */
    CACHE_LINE = 16,       /* columns that share a cache line */
    SHORT = 32,      /* contiguous rows up to this length are turned into columns, many of which make a vector */
    TURNED = 2048,   /* elements turned at once */
    LONG = 128,      /* beyond this length, sums along columns are not accurate enough one by one */
    STRIP = 256,     /* columns worked on at once */
    COST = 200       /* about so many picoseconds a byte */
};

/* A row of STRIP columns. */
typedef union strip {
    float f32[STRIP];
    double f64[STRIP];
} strip;

typedef struct job job;

/* How some neighbouring columns are done. */
typedef void block_run(const job *j, int64_t count, pyad_plane dst, pyad_plane src);

/* One call: rows of n elements along `axis`, and where they go. */
struct job {
    pyad_softmax_kind kind;
    bool wide;         /* float64 */
    size_t item;
    int64_t n;
    int64_t dst_step;  /* along the axis; 0 for logsumexp */
    int64_t src_step;
    const pyad_isa_table *isa;
    void *scratch;     /* for run_gathered */
    block_run *run;    /* for run_blocks, */
    int64_t block;     /* and how many columns it is given at most */
    pyad_strided_iter iter;    /* the other dimensions; operand 0: destination, 1: source */
};

static void row_f32(const job *j, float *out, const float *x)
{
    if (j->kind == PYAD_LOGSUMEXP)
        *out = j->isa->logsumexp_f32(j->n, x);
    else if (j->kind == PYAD_SOFTMAX)
        j->isa->softmax_f32(j->n, out, x);
    else
        j->isa->log_softmax_f32(j->n, out, x);
}

static void row_f64(const job *j, double *out, const double *x)
{
    if (j->kind == PYAD_LOGSUMEXP)
        *out = j->isa->logsumexp_f64(j->n, x);
    else if (j->kind == PYAD_SOFTMAX)
        j->isa->softmax_f64(j->n, out, x);
    else
        j->isa->log_softmax_f64(j->n, out, x);
}

static void row(const job *j, void *out, const void *x)
{
    if (j->wide)
        row_f64(j, out, x);
    else
        row_f32(j, out, x);
}

/* Rows that are contiguous on both sides. */
static void run_rows(const job *j, void *dst, void *src)
{
    pyad_cursor at;
    pyad_cursor_start(&at, j->iter.ndim);
    do {
        row(j, pyad_at(dst, at.offset[0], j->item), pyad_at_const(src, at.offset[1], j->item));
    } while (pyad_cursor_next(&at, &j->iter, j->iter.ndim));
}

static void apply(const job *j, pyad_loop_id id, int64_t n, void *out, const void *a, const void *b)
{
    const void *in[2] = {a, b};
    j->isa->loop[id][j->wide](n, out, in, 0);
}

/* The shift of a column is its maximum where that is finite: it must not make a NaN of infinities. */
static void make_finite(const job *j, int64_t n, strip *most)
{
    for (int64_t i = 0; i < n && !j->wide; i++)
        most->f32[i] = isfinite(most->f32[i]) ? most->f32[i] : 0;
    for (int64_t i = 0; i < n && j->wide; i++)
        most->f64[i] = isfinite(most->f64[i]) ? most->f64[i] : 0;
}

static void find_most(const job *j, int64_t n, strip *most, pyad_plane src)
{
    memcpy(most, src.data, (size_t)n * j->item);
    for (int64_t i = 1; i < j->n; i++)
        apply(j, PYAD_LOOP_MAXIMUM, n, most, most, pyad_at(src.data, i * src.row_stride, j->item));
    make_finite(j, n, most);
}

/* `n` neighbouring columns, at most STRIP, as passes over rows of them. Rows of the planes are steps along the axis;
 * columns have unit stride. dst may be src. */
static void run_side_by_side(const job *j, int64_t n, pyad_plane dst, pyad_plane src)
{
    strip most;
    strip sum;
    strip powers;
    find_most(j, n, &most, src);
    for (int64_t i = 0; i < j->n; i++) {
        void *shifted = j->kind == PYAD_LOGSUMEXP ? &powers : pyad_at(dst.data, i * dst.row_stride, j->item);
        void *power = j->kind == PYAD_SOFTMAX ? shifted : &powers;
        apply(j, PYAD_LOOP_SUB, n, shifted, pyad_at(src.data, i * src.row_stride, j->item), &most);
        apply(j, PYAD_LOOP_EXP, n, power, shifted, NULL);
        if (i == 0)
            memcpy(&sum, power, (size_t)n * j->item);
        else
            apply(j, PYAD_LOOP_ADD, n, &sum, &sum, power);
    }
    if (j->kind != PYAD_SOFTMAX)
        apply(j, PYAD_LOOP_LOG, n, &sum, &sum, NULL);
    if (j->kind == PYAD_LOGSUMEXP) {
        apply(j, PYAD_LOOP_ADD, n, dst.data, &sum, &most);
        return;
    }
    for (int64_t i = 0; i < j->n; i++) {
        void *row = pyad_at(dst.data, i * dst.row_stride, j->item);
        apply(j, j->kind == PYAD_SOFTMAX ? PYAD_LOOP_DIV : PYAD_LOOP_SUB, n, row, row, &sum);
    }
}

/* Short contiguous rows, `count` of them: turned, computed, turned back. */
static void run_turned(const job *j, int64_t count, pyad_plane dst, pyad_plane src)
{
    union {
        float f32[TURNED];
        double f64[TURNED];
    } room;
    pyad_plane turned = {&room, count, 1};
    pyad_strided_copy_2d(j->item, j->n, count, turned, src);
    if (j->kind == PYAD_LOGSUMEXP) {
        run_side_by_side(j, count, dst, turned);
        return;
    }
    run_side_by_side(j, count, turned, turned);
    pyad_strided_copy_2d(j->item, j->n, count, dst, turned);
}

/* `count` neighbouring columns: gathered as rows, computed in place, and put where they belong. */
static void run_gathered(const job *j, int64_t count, pyad_plane dst, pyad_plane src)
{
    pyad_plane rows = {j->scratch, 1, j->n};
    pyad_strided_copy_2d(j->item, j->n, count, rows, src);
    for (int64_t i = 0; i < count; i++) {
        void *x = pyad_at(rows.data, i * j->n, j->item);
        row(j, j->kind == PYAD_LOGSUMEXP ? pyad_at(dst.data, i * dst.col_stride, j->item) : x, x);
    }
    if (j->kind != PYAD_LOGSUMEXP)
        pyad_strided_copy_2d(j->item, j->n, count, dst, rows);
}

static pyad_strided_dim columns_of(const job *j)
{
    return j->iter.ndim > 0 ? j->iter.dim[j->iter.ndim - 1] : (pyad_strided_dim){1, {1, 1, 0}};
}

/* Up to `block` columns at a time, over all dimensions. Rows of the planes are steps along the axis. */
static void run_blocks(const job *j, void *dst, void *src)
{
    int outer = j->iter.ndim > 0 ? j->iter.ndim - 1 : 0;
    pyad_strided_dim cols = columns_of(j);
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        for (int64_t first = 0; first < cols.length; first += j->block) {
            int64_t count = cols.length - first < j->block ? cols.length - first : j->block;
            int64_t dst_offset = at.offset[0] + first * cols.stride[0];
            int64_t src_offset = at.offset[1] + first * cols.stride[1];
            pyad_plane to = {pyad_at(dst, dst_offset, j->item), j->dst_step, cols.stride[0]};
            pyad_plane from = {pyad_at(src, src_offset, j->item), j->src_step, cols.stride[1]};
            j->run(j, count, to, from);
        }
    } while (pyad_cursor_next(&at, &j->iter, outer));
}

static int64_t block_columns(int64_t columns, int64_t n)
{
    int64_t fitting = SCRATCH / n - SCRATCH / n % CACHE_LINE;
    if (fitting < CACHE_LINE)
        fitting = CACHE_LINE;
    return columns < fitting ? columns : fitting;
}

static pyad_status run_columns(job *j, pyad_view dst, pyad_view src, pyad_mem *mem)
{
    j->run = run_gathered;
    j->block = block_columns(columns_of(j).length, j->n);
    size_t bytes;
    PYAD_TRY(pyad_size_mul((size_t)j->n, (size_t)j->block, &bytes));
    PYAD_TRY(pyad_size_mul(bytes, j->item, &bytes));
    pyad_buffer *buffer;
    PYAD_TRY(pyad_buffer_new(mem, bytes, &buffer));
    j->scratch = buffer->data;
    run_blocks(j, dst.data, src.data);
    pyad_buffer_release(mem, buffer);
    return PYAD_OK;
}

/* The other dimensions, with the steps of a contiguous destination. */
static void fill_iter(job *j, const pyad_layout *src, int axis)
{
    const int64_t *shape = pyad_shape(src);
    const int64_t *strides = pyad_strides(src);
    int64_t dst_stride[PYAD_MAX_NDIM];
    int64_t step = 1;
    j->dst_step = 0;
    for (int d = src->ndim - 1; d >= 0; d--) {
        dst_stride[d] = step;
        if (d == axis && j->kind != PYAD_LOGSUMEXP)
            j->dst_step = step;
        if (d != axis || j->kind != PYAD_LOGSUMEXP)
            step *= shape[d];
    }
    j->iter.ndim = 0;
    for (int d = 0; d < src->ndim; d++) {
        if (d != axis)
            pyad_strided_iter_push(&j->iter, shape[d], dst_stride[d], strides[d], 0);
    }
}

/* Rows that are turned at once: whole cache lines of them, as many as there is room for. */
static int64_t turned_columns(int64_t n)
{
    int64_t columns = TURNED / n < STRIP ? TURNED / n : STRIP;
    return columns - columns % CACHE_LINE;
}

/* Some of the other dimensions' positions. The source is only read. */
static void run_chunk(const void *context, const pyad_strided_iter *iter, void *dst, const void *src)
{
    job j = *(const job *)context;
    j.iter = *iter;
    if (j.run != NULL)
        run_blocks(&j, dst, (void *)(uintptr_t)src);
    else
        run_rows(&j, dst, (void *)(uintptr_t)src);
}

static void run_parallel(const job *j, pyad_view dst, pyad_view src)
{
    int64_t cost = src.layout->size * (int64_t)j->item * COST;
    int64_t unit = j->run != NULL && j->iter.ndim == 1 ? j->block : 1;
    pyad_parallel_for_run(&(pyad_parallel_for){run_chunk, j, &j->iter, j->item, j->item, unit, cost}, dst.data,
                          src.data);
}

pyad_status pyad_softmax(pyad_mem *mem, pyad_softmax_kind kind, pyad_view dst, pyad_view src, int axis)
{
    if (src.layout->size == 0)
        return PYAD_OK;
    job j;
    j.kind = kind;
    j.wide = src.layout->dtype == PYAD_F64;
    j.item = pyad_dtype_size(src.layout->dtype);
    j.n = pyad_shape(src.layout)[axis];
    j.src_step = pyad_strides(src.layout)[axis];
    j.isa = pyad_isa();
    fill_iter(&j, src.layout, axis);
    bool in_rows = j.n == 1 || (j.src_step == 1 && (j.dst_step == 1 || kind == PYAD_LOGSUMEXP));
    if (!in_rows)
        pyad_strided_iter_sort(&j.iter, 1);
    pyad_strided_iter_merge(&j.iter);
    pyad_strided_dim cols = columns_of(&j);
    j.run = NULL;
    if (in_rows && j.n <= SHORT && cols.length >= CACHE_LINE && (kind != PYAD_LOGSUMEXP || cols.stride[0] == 1)) {
        j.run = run_turned;
        j.block = turned_columns(j.n);
    } else if (!in_rows && j.n <= LONG && cols.length >= 2 * CACHE_LINE && cols.stride[0] == 1 && cols.stride[1] == 1) {
        j.run = run_side_by_side;
        j.block = STRIP;
    } else if (!in_rows) {
        return run_columns(&j, dst, src, mem);
    }
    run_parallel(&j, dst, src);
    return PYAD_OK;
}
