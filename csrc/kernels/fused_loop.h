/* Fused loops: element-wise steps over arrays of one shape, made once and run often.
 *
 * A fused loop runs block by block: all steps over the first few hundred elements, then all over the next, so that what only
 * the steps themselves read stays in cache and never gets an array of its own. Of operands that do not lie in one run
 * (strided views, broadcast ones) a block is copied first; where their rows are long, each row is a block and is read
 * where it is. A step may also sum, over all elements or over neighbouring axes: block by block, in an order that does not
 * depend on who runs which block.
 *
 * A fused loop with enough work is cut into chunks that threads of the pool run side by side. Where it is cut depends on the loop
 * alone, and each chunk begins with a block of its own, so the results are the same bits for any number of threads. */
#ifndef PYAD_KERNELS_FUSED_LOOP_H
#define PYAD_KERNELS_FUSED_LOOP_H

#include "array/array.h"
#include "simd/dispatch.h"

enum {
    PYAD_FUSED_LOOP_MOST_STEPS = 256,
    PYAD_FUSED_LOOP_BLOCK_BYTES = 32 << 10,
    PYAD_FUSED_LOOP_MOST_BLOCK = 1024,
    PYAD_FUSED_LOOP_LEAST_ROW = 24, /* shorter rows are copied */
    PYAD_FUSED_LOOP_MOST_ROW = 2048,
    PYAD_FUSED_LOOP_ROW_INPUTS = 16, /* and so are rows of more operands */
    PYAD_FUSED_LOOP_TABLE = 4096, /* up to so many elements are copied by a table of their places */
    PYAD_FUSED_LOOP_MOST_LANES = 8 /* threads that run one loop */
};

typedef enum pyad_operand_kind {
    PYAD_OPERAND_FLAT,   /* memory that lies in one run, in the order of the elements */
    PYAD_OPERAND_ONE,    /* a single element for all */
    PYAD_OPERAND_LOADED  /* any other layout: copied into a register, block by block */
} pyad_operand_kind;

/* Memory outside the fused. `data` may change between runs. */
typedef struct pyad_fused_loop_input {
    uint8_t kind;
    uint8_t bytes;
    uint16_t reg; /* LOADED: the register */
    void *data;
    int ndim;        /* LOADED: the merged dimensions of the common shape, and the strides of this operand in bytes */
    const int64_t *shape;
    const int64_t *strides;
    const int32_t *table; /* where each element is, in bytes; NULL for none */
} pyad_fused_loop_input;

typedef struct pyad_fused_loop_step {
    pyad_loop loop;   /* NULL: a sum, whose result is in memory */
    int64_t summed;   /* of a sum: how many elements go into one, 0 for all */
    int64_t inner;    /* and how many elements lie between two of these */
    uint8_t arity;
    uint8_t bytes;    /* of a result element */
    uint8_t wide;     /* sums: float64 */
    uint16_t cost;    /* about so many picoseconds an element; 0 where nobody wants to know */
    uint32_t scalars; /* for the loop */
    uint16_t op;      /* pyad_loop_id, pyad_super_id */
    int32_t in[4];    /* registers from 0 on; inputs as -1 - number */
    int32_t to;       /* the same for the result of a loop: what goes to memory can be read as an input later */
    void *out;        /* of a sum */
} pyad_fused_loop_step;

typedef struct pyad_fused_loop {
    int64_t size;      /* elements of the common shape, at least 2 */
    int64_t block;
    int64_t chunk;     /* what one thread runs at a time, at least a block; the size where the loop is not cut */
    int lanes;         /* threads that can run it at once: each has registers of its own */
    bool by_rows;      /* a block is a row, and LOADED operands are read where they are */
    int step_count;
    int input_count;
    int register_count;
    int sum_count;
    pyad_fused_loop_step *steps;
    pyad_fused_loop_input *inputs;
} pyad_fused_loop;

/* The scratch memory a run needs: registers, and the sums of all blocks. */
size_t pyad_fused_loop_scratch(const pyad_fused_loop *fused);
/* Chooses the block, the chunk and the lanes; the counts, the size, the inputs and the steps are known. */
void pyad_fused_loop_choose_tiling(pyad_fused_loop *fused);
/* The second half of that, where the block is known. fused_loop_chunks.c */
void pyad_fused_loop_choose_chunks(pyad_fused_loop *fused);
/* The cost of a step that runs a loop, and of one that sums (`loop` is PYAD_LOOP_COUNT). fused_loop_chunks.c */
uint16_t pyad_fused_loop_step_cost(int loop, bool wide);
/* Makes one step of two, the second of which alone reads what the first makes, in a register: false where there is no
 * loop for both. Becomes `second`. fused_loop_peephole.c */
bool pyad_fused_loop_combine(const pyad_fused_loop *fused, const pyad_fused_loop_step *first,
                             pyad_fused_loop_step *second);
/* Runs the loop; `scratch` is aligned to 64 bytes. */
void pyad_fused_loop_run(const pyad_fused_loop *fused, char *scratch);

#endif
