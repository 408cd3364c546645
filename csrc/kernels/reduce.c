/* Reductions over any axes, and the sum that undoes broadcasting.
 *
 * The dimensions fall into those that are kept, along which the destination moves, and those that are reduced. Where
 * the shortest step through the source is reduced, every result is a sum of contiguous runs ("rows"). Where it is
 * kept, whole vectors are added to a vector of results ("columns"). Long sums are cascaded: blocks of RADIX terms, then
 * blocks of block sums, so that the error does not grow with the length. */
#include "kernels/kernels.h"

#include <string.h>

#include "base/thread_pool.h"
#include "kernels/parallel_for.h"
#include "simd/dispatch.h"

enum {
    RADIX = 128,  /* terms that are added one after the other */
    LEVELS = 3,   /* block sums of block sums; the last level takes all the rest */
    STRIP = 512, /* elements of a vector that are worked on at once, so that the partial sums stay in the first cache */
    NARROW = 32, /* vectors shorter than this are joined before they are added */
    WIDE = 128, /* up to this length */
    CHUNK_COLUMNS = 64, /* columns that a thread takes at least */
    COST = 20, /* about so many picoseconds a byte */
    PIECE = 1 << 17, /* elements of one long run that a thread takes at least, */
    MOST_PIECES = 128 /* and how many there are at most */
};

/* Room for a strip of either dtype. */
typedef union strip {
    float f32[STRIP];
    double f64[STRIP];
} strip;

typedef struct plan {
    pyad_reduction kind;
    int dtype;
    size_t item;
    bool onto; /* the destination's old elements take part */
    bool rows;
    const pyad_isa_table *isa;
    pyad_loop combine;
    const pyad_strided_iter *kept; /* operand 0: destination, 1: source */
    const pyad_strided_iter *reduced; /* operand 1: source */
} plan;

/* The dimensions of one call. */
typedef struct axes_split {
    pyad_strided_iter kept;
    pyad_strided_iter reduced;
} axes_split;

/* --- One contiguous run ------------------------------------------------------------------------------------------- */

static float run_f32(const pyad_isa_table *isa, pyad_reduction kind, int64_t n, const float *x)
{
    if (kind == PYAD_SUM)
        return isa->sum_f32(n, x);
    return kind == PYAD_MAX ? isa->max_f32(n, x) : isa->min_f32(n, x);
}

static double run_f64(const pyad_isa_table *isa, pyad_reduction kind, int64_t n, const double *x)
{
    if (kind == PYAD_SUM)
        return isa->sum_f64(n, x);
    return kind == PYAD_MAX ? isa->max_f64(n, x) : isa->min_f64(n, x);
}

static double run(const plan *p, int64_t n, const void *x)
{
    return p->dtype == PYAD_F32 ? (double)run_f32(p->isa, p->kind, n, x) : run_f64(p->isa, p->kind, n, x);
}

static void store(int dtype, void *at, double value)
{
    if (dtype == PYAD_F32)
        *(float *)at = (float)value;
    else
        *(double *)at = value;
}

static double load(int dtype, const void *at)
{
    return dtype == PYAD_F32 ? (double)*(const float *)at : *(const double *)at;
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

/* Results of runs on their way to one element. */
typedef struct total {
    pyad_reduction kind;
    int64_t count;
    double level[LEVELS];
} total;

static void total_start(total *t, pyad_reduction kind)
{
    t->kind = kind;
    t->count = 0;
    /* Minus zero is the identity of addition: it leaves the sign of a zero alone. */
    for (int level = 0; level < LEVELS; level++)
        t->level[level] = -0.0;
}

static double better(pyad_reduction kind, double old, double x)
{
    bool wins = kind == PYAD_MAX ? x > old : x < old;
    return wins || x != x ? x : old;
}

static void total_add(total *t, double x)
{
    t->count++;
    if (t->kind != PYAD_SUM) {
        t->level[0] = t->count == 1 ? x : better(t->kind, t->level[0], x);
        return;
    }
    t->level[0] += x;
    int64_t blocks = t->count;
    for (int level = 0; level + 1 < LEVELS && blocks % RADIX == 0; level++) {
        t->level[level + 1] += t->level[level];
        t->level[level] = -0.0;
        blocks /= RADIX;
    }
}

static double total_value(const total *t)
{
    double value = t->level[0];
    if (t->kind == PYAD_SUM) {
        for (int level = 1; level < LEVELS; level++)
            value += t->level[level];
    }
    return value;
}

/* A run with gaps goes through blocks on the stack. */
static void total_add_run(const plan *p, total *t, pyad_strided_dim dim, const void *x)
{
    if (dim.stride[1] == 1) {
        total_add(t, run(p, dim.length, x));
        return;
    }
    strip block;
    for (int64_t start = 0; start < dim.length; start += STRIP) {
        int64_t count = dim.length - start < STRIP ? dim.length - start : STRIP;
        const void *from = pyad_at_const(x, start * dim.stride[1], p->item);
        pyad_strided_copy(p->item, count, &block, 1, from, dim.stride[1]);
        total_add(t, run(p, count, &block));
    }
}

static void reduce_rows(const plan *p, void *dst, const void *src)
{
    int middle = p->reduced->ndim - 1;
    pyad_strided_dim inner = p->reduced->dim[middle];
    pyad_cursor at;
    pyad_cursor_start(&at, p->kept->ndim);
    do {
        void *to = pyad_at(dst, at.offset[0], p->item);
        const void *from = pyad_at_const(src, at.offset[1], p->item);
        if (middle == 0 && inner.stride[1] == 1 && !p->onto) {
            store(p->dtype, to, run(p, inner.length, from));
            continue;
        }
        total t;
        total_start(&t, p->kind);
        if (p->onto)
            total_add(&t, load(p->dtype, to));
        pyad_cursor row;
        pyad_cursor_start(&row, middle);
        do {
            total_add_run(p, &t, inner, pyad_at_const(from, row.offset[1], p->item));
        } while (pyad_cursor_next(&row, p->reduced, middle));
        store(p->dtype, to, total_value(&t));
    } while (pyad_cursor_next(&at, p->kept, p->kept->ndim));
}

/* --- Columns ------------------------------------------------------------------------------------------------------ */

/* A vector of n elements at a step of `stride`. */
typedef struct vector {
    const void *data;
    int64_t stride;
} vector;

/* A vector of partial results. */
typedef struct partial {
    void *data;
    bool filled;
} partial;

static void partial_add(const plan *p, partial *sum, int64_t n, vector x)
{
    if (!sum->filled) {
        pyad_strided_copy(p->item, n, sum->data, 1, x.data, x.stride);
        sum->filled = true;
        return;
    }
    strip packed;
    unsigned scalars = 0;
    if (x.stride == 0 && n > 1) {
        scalars = 2;
    } else if (x.stride != 1 && n > 1) {
        pyad_strided_copy(p->item, n, &packed, 1, x.data, x.stride);
        x.data = &packed;
    }
    const void *in[2] = {sum->data, x.data};
    p->combine(n, sum->data, in, scalars);
}

static void partial_move(const plan *p, partial *to, int64_t n, partial *from)
{
    if (from->filled)
        partial_add(p, to, n, (vector){from->data, 1});
    from->filled = false;
}

/* Adds up the vectors of a long sum in blocks of RADIX, and the blocks in blocks again, before they reach `sum`. */
static void cascade(const plan *p, partial *sum, int64_t n, vector x)
{
    strip room[LEVELS - 1];
    partial level[LEVELS];
    for (int k = 0; k + 1 < LEVELS; k++)
        level[k] = (partial){&room[k], false};
    level[LEVELS - 1] = *sum;
    int64_t count = 0;
    pyad_cursor at;
    pyad_cursor_start(&at, p->reduced->ndim);
    do {
        partial_add(p, &level[0], n, (vector){pyad_at_const(x.data, at.offset[1], p->item), x.stride});
        int64_t blocks = ++count;
        for (int k = 0; k + 1 < LEVELS && blocks % RADIX == 0; k++) {
            partial_move(p, &level[k + 1], n, &level[k]);
            blocks /= RADIX;
        }
    } while (pyad_cursor_next(&at, p->reduced, p->reduced->ndim));
    for (int k = 0; k + 1 < LEVELS; k++)
        partial_move(p, &level[k + 1], n, &level[k]);
    sum->filled = true;
}

static void add_vectors(const plan *p, partial *sum, int64_t n, vector x)
{
    pyad_cursor at;
    pyad_cursor_start(&at, p->reduced->ndim);
    do {
        partial_add(p, sum, n, (vector){pyad_at_const(x.data, at.offset[1], p->item), x.stride});
    } while (pyad_cursor_next(&at, p->reduced, p->reduced->ndim));
}

/* At most STRIP results. A destination with gaps is gathered and put back. */
static void reduce_strip(const plan *p, int64_t n, void *dst, int64_t dst_stride, vector x)
{
    strip room;
    partial sum = {dst, p->onto};
    if (dst_stride != 1) {
        sum.data = &room;
        if (p->onto)
            pyad_strided_copy(p->item, n, &room, 1, dst, dst_stride);
    }
    if (p->kind == PYAD_SUM && pyad_strided_iter_size(p->reduced) > RADIX)
        cascade(p, &sum, n, x);
    else
        add_vectors(p, &sum, n, x);
    if (dst_stride != 1)
        pyad_strided_copy(p->item, n, dst, dst_stride, &room, 1);
}

/* Whether the innermost reduced dimension steps over vectors that lie one behind the other and are worth joining. */
static bool joins(const plan *p, pyad_strided_dim cols)
{
    if (p->reduced->ndim == 0 || cols.length >= NARROW || cols.stride[1] != 1)
        return false;
    pyad_strided_dim vectors = p->reduced->dim[p->reduced->ndim - 1];
    return vectors.stride[1] == cols.length && vectors.length >= 2 * (WIDE / cols.length);
}

/* Narrow vectors: `group` of them are one wide vector; the wide vectors are added up, the groups of the result are added
 * up, and then the vectors that made no full group. */
static void reduce_joined(const plan *p, pyad_strided_dim cols, void *dst, const void *src)
{
    int last = p->reduced->ndim - 1;
    int64_t count = p->reduced->dim[last].length;
    int64_t group = WIDE / cols.length;
    strip wide;
    pyad_strided_iter vectors;
    vectors.ndim = p->reduced->ndim;
    memcpy(vectors.dim, p->reduced->dim, (size_t)vectors.ndim * sizeof vectors.dim[0]);
    vectors.dim[last] = (pyad_strided_dim){count / group, {0, group * cols.length, 0}};
    plan most = *p;
    most.onto = false;
    most.reduced = &vectors;
    reduce_strip(&most, group * cols.length, &wide, 1, (vector){src, 1});

    pyad_strided_iter groups;
    groups.ndim = 1;
    groups.dim[0] = (pyad_strided_dim){group, {0, cols.length, 0}};
    plan fold = *p;
    fold.reduced = &groups;
    reduce_strip(&fold, cols.length, dst, cols.stride[0], (vector){&wide, 1});
    if (count % group > 0) {
        const void *rest = pyad_at_const(src, (count - count % group) * cols.length, p->item);
        vectors.dim[last] = (pyad_strided_dim){count % group, {0, cols.length, 0}};
        most.onto = true;
        reduce_strip(&most, cols.length, dst, cols.stride[0], (vector){rest, 1});
    }
}

static void reduce_strips(const plan *p, pyad_strided_dim cols, void *dst, const void *src)
{
    for (int64_t start = 0; start < cols.length; start += STRIP) {
        int64_t count = cols.length - start < STRIP ? cols.length - start : STRIP;
        void *to = pyad_at(dst, start * cols.stride[0], p->item);
        vector from = {pyad_at_const(src, start * cols.stride[1], p->item), cols.stride[1]};
        reduce_strip(p, count, to, cols.stride[0], from);
    }
}

static void reduce_columns(const plan *p, void *dst, const void *src)
{
    int outer = p->kept->ndim > 0 ? p->kept->ndim - 1 : 0;
    pyad_strided_dim cols = p->kept->ndim > 0 ? p->kept->dim[outer] : (pyad_strided_dim){1, {1, 1, 0}};
    bool joined = joins(p, cols);
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        void *to = pyad_at(dst, at.offset[0], p->item);
        const void *from = pyad_at_const(src, at.offset[1], p->item);
        if (joined)
            reduce_joined(p, cols, to, from);
        else
            reduce_strips(p, cols, to, from);
    } while (pyad_cursor_next(&at, p->kept, outer));
}

/* --- Entry -------------------------------------------------------------------------------------------------------- */

static void plan_start(plan *p, pyad_reduction kind, int dtype)
{
    static const pyad_loop_id loops[] = {
        [PYAD_SUM] = PYAD_LOOP_ADD, [PYAD_MAX] = PYAD_LOOP_MAXIMUM, [PYAD_MIN] = PYAD_LOOP_MINIMUM};
    p->kind = kind;
    p->dtype = dtype;
    p->item = pyad_dtype_size(dtype);
    p->onto = false;
    p->isa = pyad_isa();
    p->combine = p->isa->loop[loops[kind]][dtype == PYAD_F64];
}

static int64_t shortest_step(const pyad_strided_iter *iter)
{
    int64_t step = iter->dim[iter->ndim - 1].stride[1];
    return step < 0 ? -step : step;
}

static void run_chunk(const void *context, const pyad_strided_iter *kept, void *dst, const void *src)
{
    plan p = *(const plan *)context;
    p.kept = kept;
    p.rows ? reduce_rows(&p, dst, src) : reduce_columns(&p, dst, src);
}

static void plan_run(plan *p, axes_split *split, void *dst, const void *src)
{
    pyad_strided_iter_sort(&split->kept, 1);
    pyad_strided_iter_merge(&split->kept);
    pyad_strided_iter_sort(&split->reduced, 1);
    pyad_strided_iter_merge(&split->reduced);
    p->kept = &split->kept;
    p->reduced = &split->reduced;
    p->rows = p->reduced->ndim > 0;
    if (p->rows && p->kept->ndim > 0)
        p->rows = shortest_step(p->reduced) < shortest_step(p->kept);
    pyad_parallel_for work = {run_chunk, p, p->kept, p->item, p->item, p->rows || p->kept->ndim > 1 ? 1 : CHUNK_COLUMNS,
                              0};
    work.cost = pyad_strided_iter_size(p->kept) * pyad_strided_iter_size(p->reduced) * (int64_t)p->item * COST;
    pyad_parallel_for_run(&work, dst, src);
}

/* One run, of which each thread takes pieces. */
typedef struct pieces {
    pyad_reduction kind;
    pyad_view src;
    int64_t each; /* elements */
    double result[MOST_PIECES];
} pieces;

static pyad_status run_piece(void *context, int64_t k)
{
    pieces *all = context;
    int64_t left = all->src.layout->size - k * all->each;
    plan p = {.kind = all->kind, .dtype = all->src.layout->dtype, .isa = pyad_isa()};
    const void *x = pyad_at_const(all->src.data, k * all->each, pyad_dtype_size(p.dtype));
    all->result[k] = run(&p, left < all->each ? left : all->each, x);
    return PYAD_OK;
}

/* A contiguous run of all elements. */
static double reduce_all(pyad_reduction kind, pyad_view src)
{
    int64_t n = src.layout->size;
    plan p = {.kind = kind, .dtype = src.layout->dtype, .isa = pyad_isa()};
    if (n <= 4 * PIECE)
        return run(&p, n, src.data);
    int64_t each = (n / MOST_PIECES / PIECE + 1) * PIECE;
    int64_t count = (n + each - 1) / each;
    pieces all = {.kind = kind, .src = src, .each = each};
    pyad_thread_pool_run(run_piece, &all, count);
    return run_f64(p.isa, kind, count, all.result);
}

void pyad_reduce(pyad_reduction kind, pyad_view dst, pyad_view src, uint32_t axes)
{
    if (pyad_dtype_is_complex(src.layout->dtype)) {
        pyad_layout_any to;
        pyad_layout_any from;
        pyad_layout_pairs(dst.layout, &to);
        pyad_layout_pairs(src.layout, &from);
        /* Not along the pairs, whatever bits there are beyond the array's own axes. */
        axes &= (UINT32_C(1) << src.layout->ndim) - 1;
        pyad_reduce(kind, (pyad_view){&to.layout, dst.data}, (pyad_view){&from.layout, src.data}, axes);
        return;
    }
    if (src.layout->contiguous && dst.layout->size == 1 && src.layout->size > 0) {
        store(src.layout->dtype, dst.data, reduce_all(kind, src));
        return;
    }
    if (src.layout->size == 0) {
        pyad_zero(dst);
        return;
    }
    plan p;
    axes_split split;
    split.kept.ndim = 0;
    split.reduced.ndim = 0;
    plan_start(&p, kind, src.layout->dtype);
    const int64_t *shape = pyad_shape(src.layout);
    const int64_t *strides = pyad_strides(src.layout);
    int64_t dst_stride[PYAD_MAX_NDIM];
    int64_t step = 1;
    for (int axis = src.layout->ndim - 1; axis >= 0; axis--) {
        dst_stride[axis] = step;
        if ((axes >> axis & 1u) == 0)
            step *= shape[axis];
    }
    for (int axis = 0; axis < src.layout->ndim; axis++) {
        bool gone = axes >> axis & 1u;
        pyad_strided_iter_push(gone ? &split.reduced : &split.kept, shape[axis], gone ? 0 : dst_stride[axis],
                               strides[axis], 0);
    }
    plan_run(&p, &split, dst.data, src.data);
}

/* Layouts that need no plan: everything into one element, or contiguous element by element. */
static bool reduce_add_simple(pyad_view dst, pyad_view src)
{
    if (!src.layout->contiguous || !dst.layout->contiguous)
        return false;
    const pyad_isa_table *isa = pyad_isa();
    int64_t n = src.layout->size;
    if (dst.layout->size == n) {
        const void *in[2] = {dst.data, src.data};
        isa->loop[PYAD_LOOP_ADD][src.layout->dtype == PYAD_F64](n, dst.data, in, 0);
        return true;
    }
    if (dst.layout->size != 1)
        return false;
    store(src.layout->dtype, dst.data, load(src.layout->dtype, dst.data) + reduce_all(PYAD_SUM, src));
    return true;
}

void pyad_reduce_add(pyad_view dst, pyad_view src)
{
    if (pyad_dtype_is_complex(src.layout->dtype)) {
        pyad_layout_any to;
        pyad_layout_any from;
        pyad_layout_pairs(dst.layout, &to);
        pyad_layout_pairs(src.layout, &from);
        pyad_reduce_add((pyad_view){&to.layout, dst.data}, (pyad_view){&from.layout, src.data});
        return;
    }
    if (src.layout->size == 0 || reduce_add_simple(dst, src))
        return;
    plan p;
    axes_split split;
    split.kept.ndim = 0;
    split.reduced.ndim = 0;
    plan_start(&p, PYAD_SUM, src.layout->dtype);
    p.onto = true;
    const int64_t *shape = pyad_shape(src.layout);
    const int64_t *strides = pyad_strides(src.layout);
    const int64_t *dst_shape = pyad_shape(dst.layout);
    const int64_t *dst_strides = pyad_strides(dst.layout);
    int shift = src.layout->ndim - dst.layout->ndim;
    for (int axis = 0; axis < src.layout->ndim; axis++) {
        bool gone = axis < shift || dst_shape[axis - shift] != shape[axis];
        int64_t dst_stride = gone ? 0 : dst_strides[axis - shift];
        pyad_strided_iter_push(gone ? &split.reduced : &split.kept, shape[axis], dst_stride, strides[axis], 0);
    }
    plan_run(&p, &split, dst.data, src.data);
}
