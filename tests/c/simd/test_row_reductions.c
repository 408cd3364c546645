/* Row kernels, fingerprints and small products of every level the processor runs. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simd/dispatch.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const levels[] = {"base", "v3", "v4"};
static const int64_t lengths[] = {1,  2,  3,  5,   7,   8,   9,   15,   16,   17,   31,   32,   33,
                                  64, 65, 77, 100, 255, 256, 257, 1000, 1024, 1025, 2049, 5000, 100003};

enum { LONGEST = 100003 };

/* One row in both precisions; the float64 row holds the float32 values, so that one reference serves both. */
static float row_f32[LONGEST + 1];
static double row_f64[LONGEST + 1];
static float out_f32[LONGEST + 1];
static double out_f64[LONGEST + 1];

static uint64_t random_state = UINT64_C(0x853c49e6748fea9b);

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(2685821657736338717);
}

static void fill_row(int64_t n, double scale)
{
    for (int64_t i = 0; i < n; i++) {
        row_f32[i] = (float)(scale * ((double)(random_bits() >> 11) * 0x1p-52 - 1.0));
        row_f64[i] = (double)row_f32[i];
    }
}

static void put(int64_t i, double value)
{
    row_f32[i] = (float)value;
    row_f64[i] = value;
}

static void assert_near(double got, long double want, double tolerance)
{
    if (!(fabsl((long double)got - want) <= tolerance)) {
        fail_msg("got %.17g, want %.17Lg within %g", got, want, tolerance);
    }
}

static void test_sum(void **state)
{
    (void)state;
    const pyad_isa_table *base = pyad_isa_level("base");
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t s = 0; table != NULL && s < COUNT(lengths); s++) {
            int64_t n = lengths[s];
            fill_row(n, 1);
            long double want = 0;
            double magnitude = 0;
            for (int64_t i = 0; i < n; i++) {
                want += (long double)row_f64[i];
                magnitude += fabs(row_f64[i]);
            }
            /* A running sum would be allowed n roundings; a chunked tree has few. */
            double roundings = fmin((double)n, 45);
            assert_near((double)table->sum_f32(n, row_f32), want, roundings * (double)FLT_EPSILON / 2 * magnitude);
            assert_near(table->sum_f64(n, row_f64), want, roundings * DBL_EPSILON / 2 * magnitude + 1e-300);
            assert_true(table->sum_f32(n, row_f32) == base->sum_f32(n, row_f32));
            assert_true(table->sum_f64(n, row_f64) == base->sum_f64(n, row_f64));
        }
        if (table != NULL) {
            assert_true(table->sum_f32(0, NULL) == 0 && table->sum_f64(0, NULL) == 0);
        }
    }
}

/* The extreme at every position of a row, then a NaN at every position. */
static void check_extremes(const pyad_isa_table *table, int64_t n)
{
    for (int64_t i = 0; i < n; i += n > 300 ? 97 : 1) {
        fill_row(n, 1);
        put(i, 5);
        assert_true(table->max_f32(n, row_f32) == 5 && table->max_f64(n, row_f64) == 5);
        put(i, -5);
        assert_true(table->min_f32(n, row_f32) == -5 && table->min_f64(n, row_f64) == -5);
        put(n - 1 - i, -(double)INFINITY);
        assert_true(isinf(table->min_f32(n, row_f32)) && isinf(table->min_f64(n, row_f64)));
        put(i, (double)NAN);
        assert_true(isnan(table->max_f32(n, row_f32)) && isnan(table->max_f64(n, row_f64)));
        assert_true(isnan(table->min_f32(n, row_f32)) && isnan(table->min_f64(n, row_f64)));
    }
}

static void test_extremes(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t s = 0; table != NULL && lengths[s] <= 1025; s++) {
            check_extremes(table, lengths[s]);
        }
    }
}

static void check_softmax(const pyad_isa_table *table, int64_t n, double scale)
{
    fill_row(n, scale);
    double max = row_f64[0];
    for (int64_t i = 1; i < n; i++) {
        max = fmax(max, row_f64[i]);
    }
    long double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += expl((long double)row_f64[i] - max);
    }
    long double lse = max + logl(sum);
    /* Rounding of x - max, which grows with its size, comes before exp. */
    double loss = 2 * scale + 20;
    assert_near((double)table->logsumexp_f32(n, row_f32), lse, loss * (double)FLT_EPSILON);
    assert_near(table->logsumexp_f64(n, row_f64), lse, loss * DBL_EPSILON);
    memcpy(out_f32, row_f32, (size_t)n * sizeof(float));
    table->softmax_f32(n, out_f32, out_f32);
    table->softmax_f64(n, out_f64, row_f64);
    for (int64_t i = 0; i < n; i++) {
        long double want = expl((long double)row_f64[i] - max) / sum;
        assert_near((double)out_f32[i], want, (double)want * loss * (double)FLT_EPSILON + (double)FLT_TRUE_MIN);
        assert_near(out_f64[i], want, (double)want * loss * DBL_EPSILON + DBL_TRUE_MIN);
    }
    memcpy(out_f64, row_f64, (size_t)n * sizeof(double));
    table->log_softmax_f32(n, out_f32, row_f32);
    table->log_softmax_f64(n, out_f64, out_f64);
    for (int64_t i = 0; i < n; i++) {
        long double want = (long double)row_f64[i] - lse;
        assert_near((double)out_f32[i], want, loss * (double)FLT_EPSILON);
        assert_near(out_f64[i], want, loss * DBL_EPSILON);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t s = 0; table != NULL && s < COUNT(lengths); s++) {
            check_softmax(table, lengths[s], 3);
            check_softmax(table, lengths[s], 80);
        }
    }
}

static void check_softmax_special(const pyad_isa_table *table, int64_t n)
{
    double inf = (double)INFINITY;
    for (int64_t i = 0; i < n; i++) {
        put(i, -inf);
    }
    assert_true(table->logsumexp_f32(n, row_f32) == -INFINITY && table->logsumexp_f64(n, row_f64) == -inf);
    put(n / 2, 1.5);
    assert_true(table->logsumexp_f32(n, row_f32) == 1.5f && table->logsumexp_f64(n, row_f64) == 1.5);
    table->softmax_f64(n, out_f64, row_f64);
    table->softmax_f32(n, out_f32, row_f32);
    for (int64_t i = 0; i < n; i++) {
        assert_true(out_f64[i] == (i == n / 2) && out_f32[i] == (float)(i == n / 2));
    }
    put(0, inf);
    assert_true(table->logsumexp_f32(n, row_f32) == INFINITY && table->logsumexp_f64(n, row_f64) == inf);
    put(n - 1, (double)NAN);
    assert_true(isnan(table->logsumexp_f32(n, row_f32)) && isnan(table->logsumexp_f64(n, row_f64)));
    table->softmax_f64(n, out_f64, row_f64);
    table->log_softmax_f32(n, out_f32, row_f32);
    for (int64_t i = 0; i < n; i++) {
        assert_true(isnan(out_f64[i]) && isnan(out_f32[i]));
    }
}

static void test_softmax_special(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t s = 0; table != NULL && lengths[s] <= 300; s++) {
            check_softmax_special(table, lengths[s]);
        }
    }
}

static void test_axpy(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t s = 0; table != NULL && s < COUNT(lengths); s++) {
            int64_t n = lengths[s];
            fill_row(n, 1);
            for (int64_t i = 0; i <= n; i++) {
                out_f32[i] = (float)i;
                out_f64[i] = (double)i;
            }
            table->axpy_f32(n, 0.5f, row_f32, out_f32);
            table->axpy_f64(n, 0.5, row_f64, out_f64);
            for (int64_t i = 0; i < n; i++) {
                assert_true(out_f32[i] == (float)i + 0.5f * row_f32[i]);
                assert_true(out_f64[i] == (double)i + 0.5 * row_f64[i]);
            }
            assert_true(out_f32[n] == (float)n && out_f64[n] == (double)n);
        }
    }
}

/* ---- fingerprint ---- */

enum { FINGERPRINT_SHORT = 4 * 64, FINGERPRINT_LONG = 4096 + 333 };

static void check_fingerprint(const pyad_isa_table *table, size_t bytes)
{
    unsigned char data[FINGERPRINT_LONG + 8];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)random_bits();
    }
    unsigned char *at = data + 3;
    uint64_t want = table->fingerprint(at, bytes);
    unsigned char copy[FINGERPRINT_LONG + 8];
    memcpy(copy + 1, at, bytes);
    assert_int_equal(table->fingerprint(copy + 1, bytes), want);
    /* The byte behind the end does not count. */
    at[bytes] ^= 1;
    assert_int_equal(table->fingerprint(at, bytes), want);
    at[bytes] = 0;
    assert_true(table->fingerprint(at, bytes + 1) != want);
    /* Of long memory, one bit in every few bytes. */
    size_t pace = bytes > FINGERPRINT_SHORT ? 31 : 1;
    for (size_t i = 0; i < bytes; i += pace) {
        for (unsigned bit = 0; bit < 8; bit++) {
            at[i] ^= (unsigned char)(1u << bit);
            assert_true(table->fingerprint(at, bytes) != want);
            at[i] ^= (unsigned char)(1u << bit);
        }
        /* A second sign flip of float64, some words further on, must not undo the first. */
        for (size_t step = 8; i % 8 == 7 && step <= 1024 && i + step < bytes; step *= 2) {
            at[i] ^= 0x80;
            at[i + step] ^= 0x80;
            assert_true(table->fingerprint(at, bytes) != want);
            at[i] ^= 0x80;
            at[i + step] ^= 0x80;
        }
    }
    if (bytes >= 16) {
        unsigned char swap[8];
        memcpy(swap, at, 8);
        memcpy(at, at + bytes - 8, 8);
        memcpy(at + bytes - 8, swap, 8);
        assert_true(table->fingerprint(at, bytes) != want);
    }
}

static void test_fingerprint(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t bytes = 0; table != NULL && bytes <= FINGERPRINT_SHORT; bytes++) {
            check_fingerprint(table, bytes);
        }
        for (size_t bytes = 4095; table != NULL && bytes <= FINGERPRINT_LONG; bytes += 67) {
            check_fingerprint(table, bytes);
        }
    }
}

/* ---- small products ---- */

enum { SPACE = 200000, MIDDLE = 100000 };

static double a_f64[SPACE];
static double b_f64[SPACE];
static float a_f32[SPACE];
static float b_f32[SPACE];
static double c_f64[4000];
static float c_f32[4000];
static double old[4000];

/* Strides of a matrix rows x cols in one of five layouts: plain, transposed, spread, reversed, one row for all. */
static void pick_strides(int layout, int64_t rows, int64_t cols, int64_t *rs, int64_t *cs)
{
    const int64_t table[5][2] = {{cols, 1}, {1, rows}, {2 * cols + 3, 2}, {-cols, -1}, {0, 1}};
    *rs = table[layout][0];
    *cs = table[layout][1];
}

static void check_gemm(const pyad_isa_table *table, int64_t M, int64_t N, int64_t K, int layouts, int accumulate)
{
    int64_t ars, acs, brs, bcs;
    pick_strides(layouts % 5, M, K, &ars, &acs);
    pick_strides(layouts / 5, K, N, &brs, &bcs);
    int64_t crs = N + 2;
    for (int i = 0; i < M * crs; i++) {
        old[i] = (double)(i % 7);
        c_f64[i] = old[i];
        c_f32[i] = (float)old[i];
    }
    table->small_gemm_f64(M, N, K, a_f64 + MIDDLE, ars, acs, b_f64 + MIDDLE, brs, bcs, c_f64, crs, accumulate);
    table->small_gemm_f32(M, N, K, a_f32 + MIDDLE, ars, acs, b_f32 + MIDDLE, brs, bcs, c_f32, crs, accumulate);
    for (int64_t i = 0; i < M; i++) {
        for (int64_t j = 0; j < crs; j++) {
            long double want = accumulate || j >= N ? (long double)old[i * crs + j] : 0;
            double size = fabs((double)want);
            for (int64_t k = 0; j < N && k < K; k++) {
                double product = a_f64[MIDDLE + i * ars + k * acs] * b_f64[MIDDLE + k * brs + j * bcs];
                want += product;
                size += fabs(product);
            }
            double roundings = j < N ? (double)(K + 2) : 0;
            assert_near(c_f64[i * crs + j], want, roundings * DBL_EPSILON * size);
            assert_near((double)c_f32[i * crs + j], want, roundings * (double)FLT_EPSILON * size);
        }
    }
}

static void test_small_gemm(void **state)
{
    (void)state;
    static const int64_t Ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 32};
    static const int64_t Ns[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 33};
    static const int64_t Ks[] = {0, 1, 2, 5, 16, 33, 129, 260};
    for (int i = 0; i < SPACE; i++) {
        a_f32[i] = (float)((double)(random_bits() >> 11) * 0x1p-52 - 1.0);
        b_f32[i] = (float)((double)(random_bits() >> 11) * 0x1p-52 - 1.0);
        a_f64[i] = (double)a_f32[i];
        b_f64[i] = (double)b_f32[i];
    }
    int turn = 0;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t m = 0; table != NULL && m < COUNT(Ms); m++) {
            for (size_t n = 0; n < COUNT(Ns); n++) {
                for (size_t k = 0; k < COUNT(Ks); k++) {
                    /* One of the 25 pairs of layouts, in turn, and one of the four usual ones. */
                    check_gemm(table, Ms[m], Ns[n], Ks[k], turn % 25, turn % 2);
                    check_gemm(table, Ms[m], Ns[n], Ks[k], turn / 3 % 2 + 5 * (turn % 2), turn % 3 == 0);
                    turn++;
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_softmax),    cmocka_unit_test(test_softmax_special),
        cmocka_unit_test(test_axpy),       cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_small_gemm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
