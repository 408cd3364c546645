/* The row kernels of one precision; row_reductions.h includes it twice, with REAL, VEC, MASK and SUFFIXED defined. No guard. */

#define LANES ((int64_t)(sizeof(VEC) / sizeof(REAL)))
/* A sum runs in 128 bytes of lanes whatever the vector's width, so that every level adds in the same order. */
#define SUM_VECTORS ((int)(128 / sizeof(VEC)))
#define SUM_LANES ((int64_t)(128 / sizeof(REAL)))

static inline VEC SUFFIXED(rows_load)(const REAL *x)
{
    VEC v;
    memcpy(&v, x, sizeof v);
    return v;
}

/* Fewer than SUM_LANES elements, in four lanes. */
static inline REAL SUFFIXED(rows_sum_short)(int64_t n, const REAL *x)
{
    REAL a = 0;
    REAL b = 0;
    REAL c = 0;
    REAL d = 0;
    for (; n >= 4; n -= 4) {
        a += x[0];
        b += x[1];
        c += x[2];
        d += x[3];
        x += 4;
    }
    a += n > 0 ? x[0] : 0;
    b += n > 1 ? x[1] : 0;
    c += n > 2 ? x[2] : 0;
    return (a + c) + (b + d);
}

/* At most ROWS_CHUNK elements. */
static REAL SUFFIXED(rows_sum_chunk)(int64_t n, const REAL *x)
{
    if (n < SUM_LANES) {
        return SUFFIXED(rows_sum_short)(n, x);
    }
    VEC acc[SUM_VECTORS];
    PYAD_UNROLL
    for (int v = 0; v < SUM_VECTORS; v++) {
        acc[v] = (VEC){0};
    }
    for (; n >= SUM_LANES; n -= SUM_LANES) {
        PYAD_UNROLL
        for (int v = 0; v < SUM_VECTORS; v++) {
            acc[v] += SUFFIXED(rows_load)(x + v * LANES);
        }
        x += SUM_LANES;
    }
    REAL lanes[128 / sizeof(REAL)] = {0};
    if (n > 0) {
        memcpy(lanes, x, (size_t)n * sizeof(REAL));
        PYAD_UNROLL
        for (int v = 0; v < SUM_VECTORS; v++) {
            acc[v] += SUFFIXED(rows_load)(lanes + v * LANES);
        }
    }
    PYAD_UNROLL
    for (int half = SUM_VECTORS / 2; half > 0; half /= 2) {
        PYAD_UNROLL
        for (int v = 0; v < half; v++) {
            acc[v] += acc[v + half];
        }
    }
    memcpy(lanes, &acc[0], sizeof acc[0]);
    PYAD_UNROLL
    for (int64_t half = LANES / 2; half > 0; half /= 2) {
        PYAD_UNROLL
        for (int64_t j = 0; j < half; j++) {
            lanes[j] += lanes[j + half];
        }
    }
    return lanes[0];
}

/* A running sum of chunks as a balanced tree: level k holds the sum of 2^k chunks, as the bits of `count` say. */
typedef struct SUFFIXED(rows_tree) {
    uint64_t count;
    REAL level[64];
} SUFFIXED(rows_tree);

static void SUFFIXED(rows_tree_add)(SUFFIXED(rows_tree) * tree, REAL sum)
{
    int k = 0;
    for (uint64_t c = tree->count; c & 1u; c >>= 1) {
        sum = tree->level[k] + sum;
        k++;
    }
    tree->level[k] = sum;
    tree->count++;
}

static REAL SUFFIXED(rows_tree_total)(const SUFFIXED(rows_tree) * tree)
{
    REAL total = 0;
    int k = 0;
    for (uint64_t c = tree->count; c != 0; c >>= 1) {
        if (c & 1u) {
            total = tree->level[k] + total;
        }
        k++;
    }
    return total;
}

static REAL SUFFIXED(rows_sum)(int64_t n, const REAL *x)
{
    if (n <= ROWS_CHUNK) {
        return SUFFIXED(rows_sum_chunk)(n, x);
    }
    SUFFIXED(rows_tree) tree;
    tree.count = 0;
    for (; n > 0; n -= ROWS_CHUNK) {
        int64_t take = n < ROWS_CHUNK ? n : ROWS_CHUNK;
        SUFFIXED(rows_tree_add)(&tree, SUFFIXED(rows_sum_chunk)(take, x));
        x += take;
    }
    return SUFFIXED(rows_tree_total)(&tree);
}

static inline VEC SUFFIXED(rows_pick)(MASK take, VEC a, VEC b)
{
    return (VEC)((take & (MASK)a) | (~take & (MASK)b));
}

/* Once a NaN is held, no comparison replaces it. The last vector may overlap the one before: an extreme does not mind
 * seeing an element twice. */
#define ROWS_EXTREME(name, op)                                                      \
    static REAL SUFFIXED(name)(int64_t n, const REAL *x)                            \
    {                                                                               \
        REAL best = x[0];                                                           \
        if (n < LANES) {                                                            \
            for (int64_t i = 1; i < n; i++) {                                       \
                best = ((x[i] op best) | (x[i] != x[i])) ? x[i] : best;             \
            }                                                                       \
            return best;                                                            \
        }                                                                           \
        VEC a = SUFFIXED(rows_load)(x);                                             \
        VEC b = a;                                                                  \
        int64_t i = LANES;                                                          \
        for (; i + 2 * LANES <= n; i += 2 * LANES) {                                \
            VEC u = SUFFIXED(rows_load)(x + i);                                     \
            VEC v = SUFFIXED(rows_load)(x + i + LANES);                             \
            a = SUFFIXED(rows_pick)((u op a) | (u != u), u, a);                     \
            b = SUFFIXED(rows_pick)((v op b) | (v != v), v, b);                     \
        }                                                                           \
        if (i + LANES <= n) {                                                       \
            VEC u = SUFFIXED(rows_load)(x + i);                                     \
            a = SUFFIXED(rows_pick)((u op a) | (u != u), u, a);                     \
        }                                                                           \
        VEC last = SUFFIXED(rows_load)(x + n - LANES);                              \
        a = SUFFIXED(rows_pick)((last op a) | (last != last), last, a);             \
        a = SUFFIXED(rows_pick)((b op a) | (b != b), b, a);                         \
        REAL lanes[sizeof(VEC) / sizeof(REAL)];                                     \
        memcpy(lanes, &a, sizeof a);                                                \
        best = lanes[0];                                                            \
        PYAD_UNROLL                                                                 \
        for (int64_t j = 1; j < LANES; j++) {                                       \
            best = ((lanes[j] op best) | (lanes[j] != lanes[j])) ? lanes[j] : best; \
        }                                                                           \
        return best;                                                                \
    }

ROWS_EXTREME(rows_max, >)
ROWS_EXTREME(rows_min, <)

/* out = exp(x - shift). */
static void SUFFIXED(rows_exp)(int64_t n, REAL *out, const REAL *x, REAL shift)
{
    enum { BLOCK = 64 / sizeof(REAL) };
    REAL buffer[BLOCK] = {0};
    for (; n > 0; n -= BLOCK) {
        int partial = n < BLOCK;
        if (partial) {
            memcpy(buffer, x, (size_t)n * sizeof(REAL));
        }
        const REAL *from = partial ? buffer : x;
        REAL *to = partial ? buffer : out;
        PYAD_INDEPENDENT
        for (int j = 0; j < BLOCK; j++) {
            to[j] = SUFFIXED(v_exp)(from[j] - shift);
        }
        if (partial) {
            memcpy(out, buffer, (size_t)n * sizeof(REAL));
            return;
        }
        x += BLOCK;
        out += BLOCK;
    }
}

/* The sum of exp(x - shift), with nothing written but a buffer. */
static REAL SUFFIXED(rows_sum_exp)(int64_t n, const REAL *x, REAL shift)
{
    enum { CHUNK = 256 };
    REAL buffer[CHUNK];
    SUFFIXED(rows_tree) tree;
    tree.count = 0;
    for (; n > 0; n -= CHUNK) {
        int64_t take = n < CHUNK ? n : CHUNK;
        SUFFIXED(rows_exp)(take, buffer, x, shift);
        SUFFIXED(rows_tree_add)(&tree, SUFFIXED(rows_sum_chunk)(take, buffer));
        x += take;
    }
    return SUFFIXED(rows_tree_total)(&tree);
}

/* The maximum where it is finite, else 0: inf - inf would be NaN. */
static REAL SUFFIXED(rows_shift)(REAL max)
{
    return max - max == 0 ? max : 0;
}

static REAL SUFFIXED(rows_logsumexp)(int64_t n, const REAL *x)
{
    REAL max = SUFFIXED(rows_max)(n, x);
    if (!(max - max == 0)) {
        return max;
    }
    return max + SUFFIXED(v_log)(SUFFIXED(rows_sum_exp)(n, x, max));
}

static void SUFFIXED(rows_softmax)(int64_t n, REAL *out, const REAL *x)
{
    SUFFIXED(rows_exp)(n, out, x, SUFFIXED(rows_shift)(SUFFIXED(rows_max)(n, x)));
    REAL sum = SUFFIXED(rows_sum)(n, out);
    for (int64_t i = 0; i < n; i++) {
        out[i] /= sum;
    }
}

static void SUFFIXED(rows_log_softmax)(int64_t n, REAL *out, const REAL *x)
{
    REAL shift = SUFFIXED(rows_shift)(SUFFIXED(rows_max)(n, x));
    REAL log_sum = SUFFIXED(v_log)(SUFFIXED(rows_sum_exp)(n, x, shift));
    PYAD_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        out[i] = (x[i] - shift) - log_sum;
    }
}

static void SUFFIXED(rows_axpy)(int64_t n, REAL a, const REAL *x, REAL *y)
{
    PYAD_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        y[i] += a * x[i];
    }
}

#undef ROWS_EXTREME
#undef LANES
#undef SUM_VECTORS
#undef SUM_LANES
