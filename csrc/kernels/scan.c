/* Running sums, running products and first-order recurrences along one axis.
 *
 * Steps are taken one after the other, as NumPy takes them, so the results have NumPy's bits. Where neighbouring scans
 * lie side by side in memory, a step is one vector operation over many of them. */
#include "kernels/kernels.h"

#include "array/strided_iter.h"
#include "simd/dispatch.h"

enum {
    SIDE = 8,   /* scans side by side from which on a step is worth a call */
    STRIP = 512 /* scans that are worked on at once, so that two steps stay in the first cache */
};

/* One call. Operand 0 of the iterator: destination, 1: the terms, 2: the factors (recurrences only). */
typedef struct job {
    pyad_scan_kind kind;
    bool wide; /* float64 */
    size_t item;
    int64_t n;
    int64_t step[PYAD_STRIDED_OPERANDS]; /* along the axis, in the direction of the scan */
    const pyad_isa_table *isa;
    pyad_strided_iter iter;
} job;

/* A place in each operand. */
typedef struct place {
    void *out;
    const void *terms;
    const void *factors;
} place;

static place at_offset(const job *j, place base, const int64_t *offset, int64_t times)
{
    place p = {pyad_at(base.out, times * offset[0], j->item), pyad_at_const(base.terms, times * offset[1], j->item),
               pyad_at_const(base.factors, times * offset[2], j->item)};
    return p;
}

#define SCAN_LINE(S, T)                           \
    static void scan_##S(const job *j, place p)   \
    {                                             \
        T *out = p.out;                           \
        const T *x = p.terms;                     \
        const T *a = p.factors;                   \
        T y = x[0];                               \
        out[0] = y;                               \
        for (int64_t i = 1; i < j->n; i++) {      \
            T term = x[i * j->step[1]];           \
            if (j->kind == PYAD_CUMSUM)           \
                y += term;                        \
            else if (j->kind == PYAD_CUMPROD)     \
                y *= term;                        \
            else                                  \
                y = term + a[i * j->step[2]] * y; \
            out[i * j->step[0]] = y;              \
        }                                         \
    }

SCAN_LINE(f32, float)
SCAN_LINE(f64, double)

static void apply(const job *j, pyad_loop_id id, int64_t n, void *out, const void *a, const void *b)
{
    const void *in[2] = {a, b};
    j->isa->loop[id][j->wide](n, out, in, 0);
}

/* `n` scans side by side, at most STRIP. */
static void side_by_side(const job *j, int64_t n, place p)
{
    pyad_strided_copy(j->item, n, p.out, 1, p.terms, 1);
    for (int64_t i = 1; i < j->n; i++) {
        const void *before = p.out;
        p = at_offset(j, p, j->step, 1);
        if (j->kind == PYAD_RECUR) {
            apply(j, PYAD_LOOP_MUL, n, p.out, p.factors, before);
            apply(j, PYAD_LOOP_ADD, n, p.out, p.terms, p.out);
        } else {
            apply(j, j->kind == PYAD_CUMSUM ? PYAD_LOOP_ADD : PYAD_LOOP_MUL, n, p.out, before, p.terms);
        }
    }
}

static void run_sides(const job *j, place first)
{
    int outer = j->iter.ndim - 1;
    int64_t scans = j->iter.dim[outer].length;
    static const int64_t unit[PYAD_STRIDED_OPERANDS] = {1, 1, 1};
    pyad_cursor at;
    pyad_cursor_start(&at, outer);
    do {
        place base = at_offset(j, first, at.offset, 1);
        for (int64_t done = 0; done < scans; done += STRIP)
            side_by_side(j, scans - done < STRIP ? scans - done : STRIP, at_offset(j, base, unit, done));
    } while (pyad_cursor_next(&at, &j->iter, outer));
}

static void run_each(const job *j, place first)
{
    pyad_cursor at;
    pyad_cursor_start(&at, j->iter.ndim);
    do {
        place p = at_offset(j, first, at.offset, 1);
        if (j->wide)
            scan_f64(j, p);
        else
            scan_f32(j, p);
    } while (pyad_cursor_next(&at, &j->iter, j->iter.ndim));
}

static bool lies_side_by_side(const job *j)
{
    if (j->iter.ndim == 0)
        return false;
    const pyad_strided_dim *inner = &j->iter.dim[j->iter.ndim - 1];
    return inner->length >= SIDE && inner->stride[0] == 1 && inner->stride[1] == 1 &&
           (j->kind != PYAD_RECUR || inner->stride[2] == 1);
}

void pyad_scan(pyad_scan_kind kind, pyad_view dst, pyad_view terms, const pyad_view *factors, int axis, bool reverse)
{
    if (dst.layout->size == 0)
        return;
    job j = {.kind = kind,
             .wide = dst.layout->dtype == PYAD_F64,
             .item = pyad_dtype_size(dst.layout->dtype),
             .n = pyad_shape(dst.layout)[axis],
             .isa = pyad_isa()};
    const int64_t *shape = pyad_shape(dst.layout);
    const int64_t *strides[PYAD_STRIDED_OPERANDS] = {pyad_strides(dst.layout), pyad_strides(terms.layout),
                                                     pyad_strides(factors != NULL ? factors->layout : terms.layout)};
    place first = {dst.data, terms.data, factors != NULL ? factors->data : terms.data};
    for (int d = 0; d < dst.layout->ndim; d++) {
        if (d != axis)
            pyad_strided_iter_push(&j.iter, shape[d], strides[0][d], strides[1][d], strides[2][d]);
    }
    for (int k = 0; k < PYAD_STRIDED_OPERANDS; k++)
        j.step[k] = strides[k][axis];
    if (reverse) {
        first = at_offset(&j, first, j.step, j.n - 1);
        for (int k = 0; k < PYAD_STRIDED_OPERANDS; k++)
            j.step[k] = -j.step[k];
    }
    pyad_strided_iter_merge(&j.iter);
    if (lies_side_by_side(&j))
        run_sides(&j, first);
    else
        run_each(&j, first);
}
