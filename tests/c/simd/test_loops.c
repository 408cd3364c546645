/* The element-wise loops of every level the processor runs, against long double libm. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simd/dispatch.h"

#define MAX_ULP 2.0
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const levels[] = {"base", "v3", "v4"};

/* ---- random numbers, the same in every run ---- */

static uint64_t random_state = UINT64_C(88172645463325252);

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(2685821657736338717);
}

static double random_between(double low, double high)
{
    return low + (high - low) * ((double)(random_bits() >> 11) * 0x1p-53);
}

/* ---- arrays of either precision ---- */

static double get(const void *data, int is_f64, int64_t i)
{
    return is_f64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void set(void *data, int is_f64, int64_t i, double value)
{
    if (is_f64) {
        ((double *)data)[i] = value;
    } else {
        ((float *)data)[i] = (float)value;
    }
}

/* Any bit pattern: zeros, denormals, infinities and NaN come up too. */
static double random_pattern(int is_f64)
{
    uint64_t bits = random_bits();
    uint32_t half = (uint32_t)bits;
    double wide;
    float narrow;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &half, sizeof narrow);
    return is_f64 ? wide : (double)narrow;
}

/* ---- references ---- */

static long double modl(long double x, long double y)
{
    long double rest = fmodl(x, y);
    if (y == 0 || rest == 0)
        return y == 0 ? rest : copysignl(0, y);
    return (y < 0) != (rest < 0) ? rest + y : rest;
}

static long double floor_dividel(long double x, long double y)
{
    if (y == 0)
        return x / y;
    long double rest = fmodl(x, y);
    long double whole = (x - rest) / y - (rest != 0 && (y < 0) != (rest < 0) ? 1 : 0);
    return whole == 0 ? copysignl(0, x / y) : rintl(whole);
}

static long double logaddexpl(long double x, long double y)
{
    if (isnan(x) || isnan(y))
        return NAN;
    return x == y ? x + logl(2) : fmaxl(x, y) + log1pl(expl(-fabsl(x - y)));
}

/* What the list says of each loop. */
#define REFERENCE(NAME, name, arity, kind, cost, accuracy, result)                   \
    static long double reference_##name(long double x, long double y, long double z) \
    {                                                                                \
        (void)y;                                                                     \
        (void)z;                                                                     \
        return result;                                                               \
    }
PYAD_LOOP_LIST(REFERENCE)

typedef enum accuracy { EXACT, CLOSE, ANY_ZERO, CANCELS } accuracy;

#define EXPECTATION(NAME, name, arity, kind, cost, accuracy, ...) [PYAD_LOOP_##NAME] = {reference_##name, accuracy},
static const struct {
    long double (*reference)(long double x, long double y, long double z);
    accuracy accuracy;
} expected[PYAD_LOOP_COUNT] = {PYAD_LOOP_LIST(EXPECTATION)};

/* ---- errors ---- */

/* Emulators may run long double as double, and their libm then gets range and special values wrong. */
static int has_long_double(void)
{
    volatile long double one = 1;
    volatile long double next = one + LDBL_EPSILON;
    return next != one;
}

/* The distance from the exact value, in units of the last place of the result's precision; a wrong kind of value is
 * infinitely far. Where there is no reference to trust, the loops are run and nothing is said of their values. */
static double ulp_error(double got, long double want, int is_f64)
{
    if (!has_long_double()) {
        return 0;
    }
    double rounded = is_f64 ? (double)want : (double)(float)want;
    if (isnan(rounded) || isnan(got)) {
        return isnan(rounded) && isnan(got) ? 0 : (double)INFINITY;
    }
    if (isinf(rounded) || isinf(got)) {
        double largest = is_f64 ? DBL_MAX : (double)FLT_MAX;
        int at_edge = isinf(rounded) != isinf(got) && fabsl(want) < 1.0000001L * largest &&
                      fabs(isinf(got) ? rounded : got) == largest && signbit(got) == signbit(rounded);
        return got == rounded ? 0 : (at_edge ? 1 : (double)INFINITY);
    }
    if (signbit(got) != signbit(rounded)) {
        return (double)INFINITY;
    }
    int exponent;
    frexp(rounded, &exponent);
    int last = exponent - (is_f64 ? DBL_MANT_DIG : FLT_MANT_DIG);
    int lowest = is_f64 ? -1074 : -149;
    long double unit = ldexpl(1, rounded == 0 || last < lowest ? lowest : last);
    return (double)(fabsl((long double)got - want) / unit);
}

/* ---- values ---- */

static const double edges[] = {
    0.0,
    1.0,
    0.5,
    2.0,
    3.0,
    0.25,
    1.5,
    0.1,
    0.9,
    0.7071067811865476,
    1.41421,
    0.41421,
    0x1p-1074,
    0x1p-149,
    0x1p-126,
    0x1p-1022,
    0x1p-130,
    0x1.8p-1060,
    1e-8,
    1e-20,
    88.7228,
    88.73,
    87.3,
    103.9,
    103.98,
    104.5,
    709.78,
    709.79,
    710.5,
    745.1,
    745.2,
    800.0,
    1.5707963267948966,
    3.141592653589793,
    1e5,
    1e6,
    1e10,
    123456789.0,
    1e22,
    0x1p52,
    0x1p53,
    0x1.fffffep127,
    0x1p127,
    DBL_MAX,
    0x1p1023,
    9.0,
    10.0,
    22.0,
    36.5,
    6.0,
    4.0,
    5.9,
    3.9,
    16777217.0,
    2147483649.0,
    0x1.fffffffffffffp-1,
    0x1.0000000000001p0,
    0x1.fffffep-1,
    0x1.000002p0,
    (double)INFINITY,
    (double)NAN,
};

enum { EDGES = 2 * (int)COUNT(edges), SAMPLES = 6000 };

static double edge(int i)
{
    return i % 2 ? -edges[i / 2] : edges[i / 2];
}

/* One ordinary argument: near 1, in the range where exponentials matter, or large. */
static double random_ordinary(int i)
{
    switch (i % 4) {
    case 0:
        return random_between(-2, 2);
    case 1:
        return random_between(-20, 20);
    case 2:
        return random_between(-800, 800);
    default:
        return ldexp(random_between(-2, 2), (int)(random_bits() % 60) - 40);
    }
}

/* The error of one result, in units of what the list allows: a failure above 1. */
static double judged(pyad_loop_id id, double got, double x, double y, int is_f64)
{
    long double want = expected[id].reference(x, y, 0);
    accuracy allowed = expected[id].accuracy;
    if (allowed == ANY_ZERO && got == 0 && want == 0)
        return 0;
    double error = ulp_error(got, want, is_f64) / (allowed == EXACT || allowed == ANY_ZERO ? 0.5 : MAX_ULP);
    if (allowed == CANCELS && error > 1) {
        /* Where the larger operand and the rest cancel, the error is one of the operands. */
        long double unit = ldexpl(fmaxl(fabsl(x), fabsl(y)), is_f64 ? -52 : -23);
        return (double)(fabsl((long double)got - want) / unit);
    }
    return error;
}

static double worst_error(const pyad_isa_table *table, pyad_loop_id id, int is_f64, int64_t n, const void *a,
                          const void *b)
{
    const void *in[2] = {a, b};
    void *out = malloc((size_t)n * 8);
    assert_non_null(out);
    table->loop[id][is_f64](n, out, in, 0);
    int floats = pyad_loops[id].kind == PYAD_KIND_FLOAT;
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = get(a, is_f64, i);
        double y = get(b, is_f64, i);
        double got = floats ? get(out, is_f64, i) : (double)((const uint8_t *)out)[i];
        double error = judged(id, got, x, y, is_f64);
        if (!(error <= 1)) {
            free(out);
            fail_msg("%s %s f%d (%a, %a): got %a, want %La", table->name, pyad_loops[id].name, is_f64 ? 64 : 32, x, y,
                     got, expected[id].reference(x, y, 0));
        }
        worst = error > worst ? error : worst;
    }
    free(out);
    return worst;
}

static void check_values(const pyad_isa_table *table, pyad_loop_id id, int is_f64)
{
    int64_t n = SAMPLES;
    void *a = malloc((size_t)n * 8);
    void *b = malloc((size_t)n * 8);
    assert_non_null(a);
    assert_non_null(b);
    double worst = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) {
            set(a, is_f64, i, round == 0 ? random_pattern(is_f64) : random_ordinary(i));
            set(b, is_f64, i, round == 0 ? random_pattern(is_f64) : random_ordinary(i / 4));
            if (round == 2) {
                /* Positive bases and exponents that keep pow in range; all positive for the logarithms. */
                double x = fabs(get(a, is_f64, i));
                set(a, is_f64, i, x);
                set(b, is_f64, i, random_between(-1, 1) * (is_f64 ? 740 : 100) / (fabs(log(x)) + 1e-3));
            }
        }
        double error = worst_error(table, id, is_f64, n, a, b);
        worst = error > worst ? error : worst;
    }
    /* Every pair of edges. */
    for (int i = 0; i < EDGES; i++) {
        for (int j = 0; j < EDGES; j++) {
            set(a, is_f64, j, edge(i));
            set(b, is_f64, j, edge(j));
        }
        if (pyad_loops[id].arity == 2) {
            worst_error(table, id, is_f64, EDGES, a, b);
        }
    }
    if (pyad_loops[id].arity == 1) {
        worst_error(table, id, is_f64, EDGES, b, b);
    }
    free(a);
    free(b);
    if (getenv("PYAD_TEST_VERBOSE") != NULL) {
        printf("%-5s %-10s f%d %.2f of the error allowed\n", table->name, pyad_loops[id].name, is_f64 ? 64 : 32, worst);
    }
}

static void test_values(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (int id = 0; table != NULL && id < PYAD_LOOP_COUNT; id++) {
            if (pyad_loops[id].kind <= PYAD_KIND_COMPARE) {
                check_values(table, (pyad_loop_id)id, 0);
                check_values(table, (pyad_loop_id)id, 1);
            }
        }
    }
}

/* Loops that read bool: all combinations of it, and floats on the other side. */
static void check_truth(const pyad_isa_table *table, pyad_loop_id id, int is_f64)
{
    int select = pyad_loops[id].kind == PYAD_KIND_SELECT;
    for (unsigned k = 0; k < 8; k++) {
        uint8_t truth[3] = {k & 1, k >> 1 & 1, k >> 2 & 1};
        double number[2] = {0, 0};
        set(&number[0], is_f64, 0, 1.5);
        set(&number[1], is_f64, 0, k < 4 ? -2.5 : (double)NAN);
        const void *in[3] = {truth, select ? (const void *)&number[0] : &truth[1],
                             select ? (const void *)&number[1] : &truth[2]};
        double out = 0;
        table->loop[id][is_f64](1, &out, in, 0);
        double got = select ? get(&out, is_f64, 0) : (double)*(const uint8_t *)&out;
        double want = (double)expected[id].reference(truth[0], select ? get(&number[0], is_f64, 0) : truth[1],
                                                     select ? get(&number[1], is_f64, 0) : truth[2]);
        assert_true(got == want || (isnan(got) && isnan(want)));
    }
}

static void test_truth(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (int id = 0; table != NULL && id < PYAD_LOOP_COUNT; id++) {
            if (pyad_loops[id].kind > PYAD_KIND_COMPARE) {
                check_truth(table, (pyad_loop_id)id, 0);
                check_truth(table, (pyad_loop_id)id, 1);
            }
        }
    }
}

/* ---- sizes, scalars, aliasing ---- */

enum { LONGEST = 1000, GUARD = 16 };
static const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 64, LONGEST};

/* The operands of one case, the expected result made by calls with n == 1, and room for the result. */
typedef struct sized_case {
    const pyad_isa_table *table;
    pyad_loop_id id;
    int is_f64;
    int64_t n;
    unsigned scalars;
    size_t in_size[3];
    size_t out_size;
    unsigned char operand[3][LONGEST * 8 + 8];
    unsigned char want[LONGEST * 8];
    unsigned char out[LONGEST * 8 + 8 + GUARD];
} sized_case;

static void fill_operands(sized_case *c)
{
    const pyad_loop_info *info = &pyad_loops[c->id];
    size_t width = c->is_f64 ? 8 : 4;
    c->out_size = info->kind == PYAD_KIND_FLOAT || info->kind == PYAD_KIND_SELECT ? width : 1;
    for (int k = 0; k < info->arity; k++) {
        int is_bool = info->kind == PYAD_KIND_LOGIC || (info->kind == PYAD_KIND_SELECT && k == 0);
        c->in_size[k] = is_bool ? 1 : width;
        for (int i = 0; i < LONGEST; i++) {
            if (is_bool) {
                c->operand[k][i] = (uint8_t)(random_bits() >> 63);
            } else {
                int rare = random_bits() % 64 == 0;
                set(c->operand[k], c->is_f64, i, rare ? random_pattern(c->is_f64) : random_between(-3, 3));
            }
        }
    }
    for (int64_t i = 0; i < c->n; i++) {
        const void *in[3];
        for (int k = 0; k < info->arity; k++) {
            in[k] = c->operand[k] + ((c->scalars >> k & 1u) ? 0 : (size_t)i * c->in_size[k]);
        }
        unsigned char one[8];
        c->table->loop[c->id][c->is_f64](1, one, in, 0);
        memcpy(c->want + (size_t)i * c->out_size, one, c->out_size);
    }
}

static void compare_result(const sized_case *c, const unsigned char *out, const char *what)
{
    for (int64_t i = 0; i < c->n; i++) {
        size_t at = (size_t)i * c->out_size;
        int both_nan = c->out_size > 1 && isnan(get(out, c->is_f64, i)) && isnan(get(c->want, c->is_f64, i));
        if (!both_nan && memcmp(out + at, c->want + at, c->out_size) != 0) {
            fail_msg("%s %s f%d n=%lld scalars=%u %s: element %lld differs from a call with n == 1", c->table->name,
                     pyad_loops[c->id].name, c->is_f64 ? 64 : 32, (long long)c->n, c->scalars, what, (long long)i);
        }
    }
}

static void check_case(sized_case *c)
{
    fill_operands(c);
    const void *in[3] = {c->operand[0], c->operand[1], c->operand[2]};
    pyad_loop loop = c->table->loop[c->id][c->is_f64];
    /* The second time at an odd address, as far as the element's own alignment allows. */
    for (size_t shift = 0; shift <= c->out_size; shift += c->out_size) {
        memset(c->out, 0x5a, sizeof c->out);
        loop(c->n, c->out + shift, in, c->scalars);
        compare_result(c, c->out + shift, "apart");
        for (size_t i = 0; i < GUARD / 2; i++) {
            assert_int_equal(c->out[shift + (size_t)c->n * c->out_size + i], 0x5a);
        }
    }
    unsigned char saved[sizeof c->operand[0]];
    for (int k = 0; k < pyad_loops[c->id].arity; k++) {
        if (c->in_size[k] == c->out_size && !(c->scalars >> k & 1u)) {
            memcpy(saved, c->operand[k], sizeof saved);
            loop(c->n, c->operand[k], in, c->scalars);
            compare_result(c, c->operand[k], "in place");
            memcpy(c->operand[k], saved, sizeof saved);
        }
    }
}

static void check_sizes(const pyad_isa_table *table, int id, int is_f64)
{
    static sized_case c;
    unsigned masks = 1u << pyad_loops[id].arity;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (unsigned mask = 0; mask < masks; mask++) {
            if (mask == masks - 1 && sizes[s] != 1) {
                continue;
            }
            c = (sized_case){.table = table, .id = (pyad_loop_id)id, .is_f64 = is_f64, .n = sizes[s], .scalars = mask};
            check_case(&c);
        }
    }
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (int id = 0; table != NULL && id < PYAD_LOOP_COUNT; id++) {
            check_sizes(table, id, 0);
            check_sizes(table, id, 1);
        }
    }
}

/* Exponents with a short cut, over a vector of bases and one scalar exponent. */
static void test_pow_scalar_exponent(void **state)
{
    (void)state;
    static const double exponents[] = {2, 3, 0.5, 1, -1, 0, -2, 2.5, 4, (double)INFINITY};
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (size_t e = 0; table != NULL && e < 2 * COUNT(exponents); e++) {
            int is_f64 = e % 2 == 1;
            double base[EDGES];
            double exponent[1];
            double out[EDGES];
            for (int i = 0; i < EDGES; i++) {
                set(base, is_f64, i, edge(i));
            }
            set(exponent, is_f64, 0, exponents[e / 2]);
            const void *in[2] = {base, exponent};
            table->loop[PYAD_LOOP_POW][is_f64](EDGES, out, in, 2);
            for (int i = 0; i < EDGES; i++) {
                long double want = powl(get(base, is_f64, i), exponents[e / 2]);
                assert_true(ulp_error(get(out, is_f64, i), want, is_f64) <= MAX_ULP);
            }
        }
    }
}

/* The arity of a fused loop's first part. */
static int first_arity(int k)
{
    int first = pyad_superloops[k].first;
    return first < PYAD_LOOP_COUNT ? pyad_loops[first].arity : 1 + first_arity(first - PYAD_LOOP_COUNT);
}

static pyad_loop any_loop(const pyad_isa_table *table, int id, int is_f64)
{
    return id < PYAD_LOOP_COUNT ? table->loop[id][is_f64] : table->superloop[id - PYAD_LOOP_COUNT][is_f64];
}

/* One element, as the two loops one after the other make it. */
static void make_unfused(const pyad_isa_table *table, int k, int is_f64, int side, const void *const *in, void *out)
{
    int arity = first_arity(k);
    double made;
    any_loop(table, pyad_superloops[k].first, is_f64)(1, &made, in, 0);
    const void *both[2] = {side == 1 ? &made : in[arity], side == 1 ? in[arity] : &made};
    table->loop[pyad_superloops[k].second][is_f64](1, out, both, 0);
}

enum { FUSED_MOST = 70 };

/* `place`: the operand in whose memory the result is made, or a negative number for none. */
static void check_fused(const pyad_isa_table *table, int k, int is_f64, unsigned scalars, int64_t n, int place)
{
    int arity = first_arity(k) + 1;
    size_t item = is_f64 ? 8 : 4;
    static double operand[4][FUSED_MOST];
    static double out[FUSED_MOST];
    double wanted[2][FUSED_MOST];
    const void *in[4];
    for (int j = 0; j < arity; j++) {
        in[j] = operand[j];
        for (int64_t i = 0; i < n; i++)
            set(operand[j], is_f64, i, i % 3 == 0 ? random_pattern(is_f64) : random_between(-2, 2));
    }
    for (int64_t i = 0; i < n; i++) {
        const void *one[4];
        for (int j = 0; j < arity; j++)
            one[j] = (const char *)in[j] + (scalars >> j & 1 ? 0 : (size_t)i * item);
        for (int side = 1; side <= 2; side++)
            make_unfused(table, k, is_f64, side, one, (char *)wanted[side - 1] + (size_t)i * item);
    }
    void *to = place < 0 ? out : operand[place];
    table->superloop[k][is_f64](n, to, in, n == 1 ? 0 : scalars);
    for (int64_t i = 0; i < n; i++) {
        for (int side = 1; side <= 2; side++) {
            double want = get(wanted[side - 1], is_f64, i);
            double got = get(to, is_f64, i);
            int same = got == want ? signbit(got) == signbit(want) : isnan(got) && isnan(want);
            if ((pyad_superloops[k].side & side) != 0 && !same)
                fail_msg("%s %s f%d: got %a, want %a", table->name, pyad_superloops[k].name, is_f64 ? 64 : 32, got,
                         want);
        }
    }
}

/* The same bits as one loop after the other. */
static void test_fused(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(levels); l++) {
        const pyad_isa_table *table = pyad_isa_level(levels[l]);
        for (int k = 0; table != NULL && k < PYAD_SUPER_END - PYAD_LOOP_COUNT; k++) {
            for (unsigned scalars = 0; scalars <= 8; scalars = scalars == 0 ? 1 : 2 * scalars) {
                if ((scalars & ~pyad_superloops[k].scalars) != 0)
                    continue;
                for (int64_t n = 1; n <= FUSED_MOST; n++) {
                    for (int place = -1; place <= first_arity(k); place++) {
                        if (place >= 0 && (scalars >> place & 1) != 0)
                            continue;
                        check_fused(table, k, 0, scalars, n, place);
                        check_fused(table, k, 1, scalars, n, place);
                    }
                }
            }
        }
    }
}

static void test_table(void **state)
{
    (void)state;
    assert_non_null(pyad_isa());
    assert_ptr_equal(pyad_isa(), pyad_isa_level(pyad_isa()->name));
    assert_non_null(pyad_isa_level("base"));
    assert_null(pyad_isa_level("v5"));
    assert_null(pyad_isa_level(NULL));
    assert_string_equal(pyad_loops[PYAD_LOOP_ADD].name, "add");
    assert_string_equal(pyad_loops[PYAD_LOOP_WHERE].name, "where");
    assert_int_equal(pyad_loops[PYAD_LOOP_WHERE].arity, 3);
    assert_int_equal(pyad_loops[PYAD_LOOP_ISNAN].kind, PYAD_KIND_COMPARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pow_scalar_exponent),
        cmocka_unit_test(test_fused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
