/* The small product of one precision; small_gemm.h includes it twice, with REAL, VEC and SUFFIXED defined. No guard. */

#define LANES ((int64_t)(sizeof(VEC) / sizeof(REAL)))
#define PANEL (4 * LANES)

/* A matrix by its first element and its two strides. */
typedef struct SUFFIXED(gemm_matrix) {
    const REAL *at;
    int64_t row;
    int64_t col;
} SUFFIXED(gemm_matrix);

/* What one tile is made of: A, a panel of B with contiguous rows, and where in C it goes. */
typedef struct SUFFIXED(gemm_job) {
    SUFFIXED(gemm_matrix) a;
    const REAL *b;
    int64_t b_row;
    int64_t depth;
    int64_t cols;
    REAL *c;
    int64_t c_row;
    int accumulate;
} SUFFIXED(gemm_job);

static inline VEC SUFFIXED(gemm_load)(const REAL *x)
{
    VEC v;
    memcpy(&v, x, sizeof v);
    return v;
}

/* a * b + c; the compiler makes the fused instruction of it where the level has one, lane by lane. */
static inline VEC SUFFIXED(gemm_madd)(REAL a, VEC b, VEC c)
{
#ifdef __FMA__
    VEC out;
    PYAD_UNROLL
    for (int64_t j = 0; j < LANES; j++) {
        out[j] = MADD(a, b[j], c[j]);
    }
    return out;
#else
    return a * b + c;
#endif
}

/* C[rows, cols] = or += A[rows, depth] B[depth, cols], the rows of B contiguous and `b_row` apart. The vectors of a row
 * lie side by side, but for the last: it ends where the row ends, and so overlaps the one before unless cols is a
 * multiple of LANES. What overlaps is computed twice and is the same. rows and vectors are constants in every call, so
 * the tile stays in registers. */
static inline __attribute__((always_inline)) void SUFFIXED(gemm_tile)(int rows, int vectors, SUFFIXED(gemm_job) job)
{
    VEC acc[GEMM_ROWS][4];
    int64_t at[4] = {0, LANES, 2 * LANES, 3 * LANES};
    at[vectors - 1] = job.cols - LANES;
    PYAD_UNROLL
    for (int i = 0; i < rows; i++) {
        PYAD_UNROLL
        for (int v = 0; v < vectors; v++) {
            acc[i][v] = (VEC){0};
        }
    }
    const REAL *column = job.a.at;
    const REAL *b = job.b;
    for (int64_t k = 0; k < job.depth; k++) {
        VEC bv[4];
        PYAD_UNROLL
        for (int v = 0; v < vectors; v++) {
            bv[v] = SUFFIXED(gemm_load)(b + at[v]);
        }
        PYAD_UNROLL
        for (int i = 0; i < rows; i++) {
            REAL x = column[i * job.a.row];
            PYAD_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[i][v] = SUFFIXED(gemm_madd)(x, bv[v], acc[i][v]);
            }
        }
        column += job.a.col;
        b += job.b_row;
    }
    PYAD_UNROLL
    for (int i = 0; i < rows; i++) {
        REAL *c = job.c + i * job.c_row;
        if (job.accumulate) {
            /* All of the row is read before any of it is written. */
            PYAD_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[i][v] += SUFFIXED(gemm_load)(c + at[v]);
            }
        }
        PYAD_UNROLL
        for (int v = 0; v < vectors; v++) {
            memcpy(c + at[v], &acc[i][v], sizeof(VEC));
        }
    }
}

#define GEMM_CASE(rows, vectors)                 \
    case (rows) * 4 + (vectors) - 1:             \
        SUFFIXED(gemm_tile)(rows, vectors, job); \
        break;

static void SUFFIXED(gemm_rows)(int rows, int vectors, SUFFIXED(gemm_job) job)
{
    switch (rows * 4 + vectors - 1) {
        GEMM_CASE(1, 1)
        GEMM_CASE(1, 2)
        GEMM_CASE(1, 4)
        GEMM_CASE(2, 1)
        GEMM_CASE(2, 2)
        GEMM_CASE(2, 4)
        GEMM_CASE(3, 1)
        GEMM_CASE(3, 2)
        GEMM_CASE(4, 1)
        GEMM_CASE(4, 2)
        GEMM_CASE(5, 1)
        GEMM_CASE(5, 2)
        GEMM_CASE(6, 1)
        GEMM_CASE(6, 2)
    default:
        break;
    }
}

/* panel[k, j] = B[k, j] for k < depth and j < cols, in rows PANEL apart. */
static void SUFFIXED(gemm_pack)(REAL *panel, int64_t depth, int64_t cols, SUFFIXED(gemm_matrix) b)
{
    for (int64_t k = 0; k < depth; k++) {
        const REAL *from = b.at + k * b.row;
        for (int64_t j = 0; j < cols; j++) {
            panel[j] = from[j * b.col];
        }
        panel += PANEL;
    }
}

/* The same for a B whose columns are contiguous, in small squares turned in registers. */
static void SUFFIXED(gemm_pack_columns)(REAL *panel, int64_t depth, int64_t cols, SUFFIXED(gemm_matrix) b)
{
    int64_t whole_rows = depth - depth % GEMM_SIDE;
    int64_t whole_cols = cols - cols % GEMM_SIDE;
    for (int64_t k = 0; k < whole_rows; k += GEMM_SIDE) {
        for (int64_t j = 0; j < whole_cols; j += GEMM_SIDE) {
            SUFFIXED(gemm_turn)(panel + k * PANEL + j, PANEL, b.at + k + j * b.col, b.col);
        }
    }
    SUFFIXED(gemm_matrix) right = {b.at + whole_cols * b.col, 1, b.col};
    SUFFIXED(gemm_pack)(panel + whole_cols, whole_rows, cols - whole_cols, right);
    SUFFIXED(gemm_matrix) below = {b.at + whole_rows, 1, b.col};
    SUFFIXED(gemm_pack)(panel + whole_rows * PANEL, depth - whole_rows, cols, below);
}

/* All rows of one panel of columns, in even shares: 8 rows as 4 + 4 and not 6 + 2. */
static void SUFFIXED(gemm_panel)(int64_t M, int vectors, SUFFIXED(gemm_job) job)
{
    for (int64_t tiles = (M + GEMM_ROWS - 1) / GEMM_ROWS; tiles > 0; tiles--) {
        int64_t rows = (M + tiles - 1) / tiles;
        SUFFIXED(gemm_rows)((int)rows, vectors, job);
        M -= rows;
        job.a.at += rows * job.a.row;
        job.c += rows * job.c_row;
    }
}

/* The same where C has fewer columns than a vector has lanes: B is padded with zeros, and C goes by way of a buffer. */
static void SUFFIXED(gemm_narrow)(int64_t M, SUFFIXED(gemm_job) job)
{
    int64_t cols = job.cols;
    int64_t c_row = job.c_row;
    REAL *c = job.c;
    REAL tile[GEMM_ROWS * (sizeof(VEC) / sizeof(REAL))];
    int accumulate = job.accumulate;
    job.cols = LANES;
    job.c = tile;
    job.c_row = LANES;
    job.accumulate = 0;
    while (M > 0) {
        int64_t rows = M < GEMM_ROWS ? M : GEMM_ROWS;
        SUFFIXED(gemm_rows)((int)rows, 1, job);
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < cols; j++) {
                REAL old = accumulate ? c[j] : 0;
                c[j] = old + tile[i * LANES + j];
            }
            c += c_row;
        }
        M -= rows;
        job.a.at += rows * job.a.row;
    }
}

/* How many of the `left` columns the next panel takes. A panel has at least a vector's worth where the matrix has. */
static inline int64_t SUFFIXED(gemm_columns)(int64_t M, int64_t left)
{
    if (M <= 2 && left >= 4 * LANES) {
        return 4 * LANES;
    }
    if (left <= 2 * LANES) {
        return left;
    }
    return left < 3 * LANES ? LANES : 2 * LANES;
}

/* out[i] = or += row i of `m` (contiguous) times x, `out_step` apart. */
static void SUFFIXED(gemm_dots)(int64_t rows, int64_t depth, SUFFIXED(gemm_matrix) m, const REAL *x, int64_t x_step,
                                REAL *out, int64_t out_step, int accumulate)
{
    for (int64_t i = 0; i < rows; i++) {
        const REAL *row = m.at + i * m.row;
        VEC acc = {0};
        int64_t k = 0;
        REAL sum = 0;
        if (x_step == 1) {
            for (; k + LANES <= depth; k += LANES) {
                acc += SUFFIXED(gemm_load)(row + k) * SUFFIXED(gemm_load)(x + k);
            }
            PYAD_UNROLL
            for (int64_t j = 0; j < LANES; j++) {
                sum += acc[j];
            }
        }
        for (; k < depth; k++) {
            sum += row[k] * x[k * x_step];
        }
        REAL *to = out + i * out_step;
        *to = accumulate ? *to + sum : sum;
    }
}

static void SUFFIXED(small_gemm)(int64_t M, int64_t N, int64_t K, const REAL *A, int64_t ars, int64_t acs,
                                 const REAL *B, int64_t brs, int64_t bcs, REAL *C, int64_t crs, int accumulate)
{
    SUFFIXED(gemm_matrix) a = {A, ars, acs};
    SUFFIXED(gemm_matrix) b = {B, brs, bcs};
    if (N == 1 && acs == 1 && K > 0) {
        SUFFIXED(gemm_dots)(M, K, a, B, brs, C, crs, accumulate);
        return;
    }
    if (M == 1 && brs == 1 && bcs != 1 && K > 0) {
        SUFFIXED(gemm_matrix) turned = {B, bcs, brs};
        SUFFIXED(gemm_dots)(N, K, turned, A, acs, C, 1, accumulate);
        return;
    }
    /* A column times a matrix is the row of the transposed product. */
    if (N == 1 && ars == 1 && crs == 1) {
        a = (SUFFIXED(gemm_matrix)){B, bcs, brs};
        b = (SUFFIXED(gemm_matrix)){A, acs, ars};
        N = M;
        M = 1;
    }
    REAL panel[GEMM_DEPTH * PANEL];
    int64_t done = 0;
    do {
        int64_t depth = K - done < GEMM_DEPTH ? K - done : GEMM_DEPTH;
        int64_t cols;
        for (int64_t j = 0; j < N; j += cols) {
            cols = SUFFIXED(gemm_columns)(M, N - j);
            SUFFIXED(gemm_matrix) part = {b.at + j * b.col, b.row, b.col};
            SUFFIXED(gemm_job) job = {a, part.at, b.row, depth, cols, C + j, crs, accumulate};
            if (b.col != 1 || cols < LANES) {
                job.b = panel;
                job.b_row = PANEL;
            }
            if (cols < LANES) {
                for (int64_t k = 0; k < depth; k++) {
                    memset(panel + k * PANEL, 0, sizeof(VEC));
                }
            }
            if (job.b == panel && b.row == 1) {
                SUFFIXED(gemm_pack_columns)(panel, depth, cols, part);
            } else if (job.b == panel) {
                SUFFIXED(gemm_pack)(panel, depth, cols, part);
            }
            if (cols < LANES) {
                SUFFIXED(gemm_narrow)(M, job);
            } else {
                SUFFIXED(gemm_panel)(M, (int)((cols + LANES - 1) / LANES), job);
            }
        }
        done += depth;
        a.at += depth * a.col;
        b.at += depth * b.row;
        accumulate = 1;
    } while (done < K);
}

#undef GEMM_CASE
#undef LANES
#undef PANEL
