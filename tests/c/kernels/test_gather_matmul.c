/* Indexing and matrix products against plain loops over indices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/arrays.h"
#include "support/memory.h"

enum { ROUNDS = 400, BIG_ROUNDS = 40 };

static void assert_same(double a, double b)
{
    if (a != b)
        fail_msg("%.17g is not %.17g", a, b);
}

/* --- Indexing ----------------------------------------------------------------------------------------------------- */

typedef struct picking {
    int dtype;
    int lead;        /* dimensions of the index */
    int ndim;        /* of the picked rows: lead + those of a row */
    int64_t rows;
    int64_t shape[8];
    int64_t table[8];  /* shape of what is indexed */
} picking;

static picking random_picking(int dtype)
{
    picking p = {.dtype = dtype, .rows = 1 + test_random(9)};
    p.lead = test_random_shape(3, 5, p.shape);
    p.table[0] = p.rows;
    int row_ndim = test_random_shape(3, test_random(4) == 0 ? 20 : 3, p.table + 1);
    memcpy(p.shape + p.lead, p.table + 1, (size_t)row_ndim * sizeof p.shape[0]);
    p.ndim = p.lead + row_ndim;
    return p;
}

/* The index in the table that belongs to `at` among the picked rows. */
static void table_index(const picking *p, test_array *index, const int64_t *at, int64_t *out)
{
    out[0] = (int64_t)test_get(index, p->lead, at);
    memcpy(out + 1, at + p->lead, (size_t)(p->ndim - p->lead) * sizeof *out);
}

static void check_gather(const picking *p)
{
    test_array table;
    test_array index;
    test_array picked;
    int table_ndim = 1 + p->ndim - p->lead;
    test_array_make(&table, p->dtype, table_ndim, p->table, test_random_style());
    test_array_fill(&table, 0, 100);
    test_array_make(&index, PYAD_I64, p->lead, p->shape, test_random_style());
    test_array_fill(&index, 0, p->rows);
    test_array_make(&picked, p->dtype, p->ndim, p->shape, TEST_CONTIGUOUS);
    pyad_gather(test_view(&picked), test_view(&table), test_view(&index));
    int64_t at[8] = {0};
    int64_t from[8];
    if (picked.layout.layout.size > 0) {
        do {
            table_index(p, &index, at, from);
            assert_same(test_get(&picked, p->ndim, at), test_get(&table, table_ndim, from));
        } while (test_next(p->ndim, p->shape, at));
    }
    test_array_free(&table);
    test_array_free(&index);
    test_array_free(&picked);
}

static void check_scatter(const picking *p)
{
    test_array table;
    test_array expected;
    test_array index;
    test_array rows;
    int table_ndim = 1 + p->ndim - p->lead;
    test_array_random(&table, p->dtype, table_ndim, p->table, test_random_style());
    test_array_make(&expected, PYAD_F64, table_ndim, p->table, TEST_CONTIGUOUS);
    pyad_copy(test_view(&expected), test_view(&table));
    test_array_make(&index, PYAD_I64, p->lead, p->shape, test_random_style());
    test_array_fill(&index, 0, p->rows);
    test_array_random(&rows, p->dtype, p->ndim, p->shape, test_random(3) == 0 ? TEST_BROADCAST : test_random_style());
    int64_t at[8] = {0};
    int64_t to[8];
    if (rows.layout.layout.size > 0) {
        do {
            table_index(p, &index, at, to);
            double sum = test_get(&expected, table_ndim, to) + test_get(&rows, p->ndim, at);
            test_set(&expected, table_ndim, to, sum);
        } while (test_next(p->ndim, p->shape, at));
    }
    pyad_scatter_add(test_view(&table), test_view(&rows), test_view(&index));
    memset(to, 0, sizeof to);
    if (table.layout.layout.size > 0) {
        do {
            assert_same(test_get(&table, table_ndim, to), test_get(&expected, table_ndim, to));
        } while (test_next(table_ndim, p->table, to));
    }
    test_array_free(&table);
    test_array_free(&expected);
    test_array_free(&index);
    test_array_free(&rows);
}

static void test_gather_scatter(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        picking p = random_picking((int)test_random(PYAD_DTYPE_COUNT));
        if (p.dtype == PYAD_BOOL)
            p.dtype = PYAD_I8;
        check_gather(&p);
        p = random_picking(test_random_float());
        check_scatter(&p);
    }
}

static void test_index_check(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        test_array index;
        int64_t shape[4] = {0};
        int ndim = test_random_shape(4, 4, shape);
        test_array_make(&index, PYAD_I64, ndim, shape, test_random_style());
        test_array_fill(&index, test_random(20) == 0 ? -1 : 0, 10);
        int64_t rows = 9 + test_random(2);
        int64_t expected = -1;
        int64_t wrong = 77;
        int64_t position = 0;
        int64_t at[4] = {0};
        if (index.layout.layout.size > 0) {
            do {
                int64_t entry = (int64_t)test_get(&index, ndim, at);
                if (expected < 0 && (entry < 0 || entry >= rows)) {
                    expected = position;
                    wrong = entry;
                }
                position++;
            } while (test_next(ndim, shape, at));
        }
        int64_t bad = 77;
        assert_true(pyad_index_check(test_view(&index), rows, &bad) == expected);
        assert_true(bad == wrong);
        test_array_free(&index);
    }
}

/* --- Products ----------------------------------------------------------------------------------------------------- */

/* Shapes batch + (rows, cols) with some batch dimensions missing or 1. */
static int factor_shape(int batch_ndim, const int64_t *batch, int64_t rows, int64_t cols, int64_t *shape)
{
    int ndim = test_random_narrower(batch_ndim, batch, shape);
    shape[ndim] = rows;
    shape[ndim + 1] = cols;
    return ndim + 2;
}

static double product_at(test_array *a, test_array *b, int ndim, const int64_t *index)
{
    int64_t left[PYAD_MAX_NDIM] = {0};
    int64_t right[PYAD_MAX_NDIM] = {0};
    memcpy(left, index, (size_t)ndim * sizeof *left);
    memcpy(right, index, (size_t)ndim * sizeof *right);
    double sum = 0;
    int64_t inner = pyad_shape(&a->layout.layout)[a->layout.layout.ndim - 1];
    for (int64_t k = 0; k < inner; k++) {
        left[ndim - 1] = k;
        right[ndim - 2] = k;
        sum += test_get(a, ndim, left) * test_get(b, ndim, right);
    }
    return sum;
}

static void check_matmul(int batch_ndim, const int64_t *batch, const int64_t *mnk)
{
    int dtype = test_random_float();
    int accumulate = (int)test_random(2);
    int64_t shape[8] = {0};
    test_array a;
    test_array b;
    test_array dst;
    int ndim = factor_shape(batch_ndim, batch, mnk[0], mnk[2], shape);
    test_array_random(&a, dtype, ndim, shape, test_random(4) == 0 ? TEST_BROADCAST : test_random_style());
    ndim = factor_shape(batch_ndim, batch, mnk[2], mnk[1], shape);
    test_array_random(&b, dtype, ndim, shape, test_random_style());
    memcpy(shape, batch, (size_t)batch_ndim * sizeof *shape);
    shape[batch_ndim] = mnk[0];
    shape[batch_ndim + 1] = mnk[1];
    ndim = batch_ndim + 2;
    test_array_make(&dst, dtype, ndim, shape, TEST_CONTIGUOUS);
    /* What was there must not be read unless it is added to: NaN bits then show. */
    if (dst.layout.layout.size > 0 && !accumulate)
        memset(dst.block, 0xff, pyad_layout_bytes(&dst.layout.layout));
    else
        test_array_fill(&dst, 5, 1);
    assert_int_equal(pyad_matmul(&memory, test_view(&dst), test_view(&a), test_view(&b), accumulate), PYAD_OK);
    int64_t index[8] = {0};
    if (dst.layout.layout.size > 0) {
        do {
            double expected = product_at(&a, &b, ndim, index) + (accumulate ? 5 : 0);
            assert_same(test_get(&dst, ndim, index), expected);
        } while (test_next(ndim, shape, index));
    }
    assert_int_equal(memory.live_buffers, 0);
    test_array_free(&a);
    test_array_free(&b);
    test_array_free(&dst);
}

static void test_matmul(void **state)
{
    (void)state;
    for (int round = 0; round < 2 * ROUNDS; round++) {
        int64_t batch[3] = {0};
        int64_t mnk[3];
        int batch_ndim = test_random_shape(3, 4, batch);
        for (int k = 0; k < 3; k++)
            mnk[k] = test_random(12) == 0 ? 0 : test_random(4) == 0 ? 1 : 1 + test_random(9);
        check_matmul(batch_ndim, batch, mnk);
    }
    for (int round = 0; round < BIG_ROUNDS / 2; round++)
        check_matmul(1, SHAPE(1 + test_random(3)),
                     SHAPE(1 + test_random(70), 1 + test_random(90), 1 + test_random(90)));
}

static void test_matmul_out_of_memory(void **state)
{
    (void)state;
    float data[200] = {0};
    pyad_layout_any a;
    pyad_layout_any b;
    pyad_layout_any dst;
    assert_int_equal(pyad_layout_fill_strided(&a, PYAD_F32, 2, SHAPE(5, 4), SHAPE(20, 2)), PYAD_OK);
    assert_int_equal(pyad_layout_fill_strided(&b, PYAD_F32, 2, SHAPE(4, 5), SHAPE(20, 3)), PYAD_OK);
    assert_int_equal(pyad_layout_fill(&dst, PYAD_F32, 2, SHAPE(5, 5)), PYAD_OK);
    pyad_view views[3] = {{&dst.layout, data + 100}, {&a.layout, data}, {&b.layout, data}};
    for (int count = 0; count < 2; count++) {
        pyad_mem_trim(&memory);
        test_hook_fail_after(&hook, count);
        assert_int_equal(pyad_matmul(&memory, views[0], views[1], views[2], 0), PYAD_ERR_MEMORY);
        assert_int_equal(memory.live_buffers, 0);
        test_hook_never_fail(&hook);
    }
    assert_int_equal(pyad_matmul(&memory, views[0], views[1], views[2], 0), PYAD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather_scatter),
        cmocka_unit_test(test_index_check),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_matmul_out_of_memory),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
