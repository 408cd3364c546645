/* Lines: element-wise steps over arrays of one shape, made once and run often.
 *
 * A line runs block by block: all steps over the first few hundred elements, then all over the next, so that what only
 * the steps themselves read stays in cache and never gets an array of its own. Of operands that do not lie in one run
 * (parts of arrays, broadcast ones) a block is copied first; where their rows are long, each row is a block and is read
 * where it is. A step may also sum, over all elements or over neighbouring axes: block by block, in an order that does not
 * depend on who runs which block.
 *
 * A line with enough work is cut into chunks that threads of the pool run side by side. Where it is cut depends on the line
 * alone, and each chunk begins with a block of its own, so the results are the same bits for any number of threads. */
#ifndef PYAD_LINES_H
#define PYAD_LINES_H

#include "array/array.h"
#include "simd/dispatch.h"

enum {
    PYAD_LINE_MOST_STEPS = 256,
    PYAD_LINE_BLOCK_BYTES = 32 << 10,
    PYAD_LINE_MOST_BLOCK = 1024,
    PYAD_LINE_LEAST_ROW = 24, /* shorter rows are copied */
    PYAD_LINE_MOST_ROW = 2048,
    PYAD_LINE_ROW_INPUTS = 16, /* and so are rows of more operands */
    PYAD_LINE_TABLE = 4096, /* up to so many elements are copied by a table of their places */
    PYAD_LINE_MOST_LANES = 8 /* threads that run one line */
};

typedef enum pyad_operand_kind {
    PYAD_OPERAND_FLAT,   /* memory that lies in one run, in the order of the elements */
    PYAD_OPERAND_ONE,    /* a single element for all */
    PYAD_OPERAND_LOADED  /* any other layout: copied into a register, block by block */
} pyad_operand_kind;

/* Memory outside the line. `data` may change between runs. */
typedef struct pyad_line_input {
    uint8_t kind;
    uint8_t bytes;
    uint16_t reg; /* LOADED: the register */
    void *data;
    int ndim;        /* LOADED: the merged dimensions of the common shape, and the strides of this operand in bytes */
    const int64_t *shape;
    const int64_t *strides;
    const int32_t *table; /* where each element is, in bytes; NULL for none */
} pyad_line_input;

typedef struct pyad_line_step {
    pyad_loop loop;   /* NULL: a sum, whose result is in memory */
    int64_t summed;   /* of a sum: how many elements go into one, 0 for all */
    int64_t inner;    /* and how many elements lie between two of these */
    uint8_t arity;
    uint8_t bytes;    /* of a result element */
    uint8_t wide;     /* sums: float64 */
    uint16_t cost;    /* about so many picoseconds an element; 0 where nobody wants to know */
    uint32_t scalars; /* for the loop */
    uint16_t op;      /* pyad_loop_id, pyad_fused_id */
    int32_t in[4];    /* registers from 0 on; inputs as -1 - number */
    int32_t to;       /* the same for the result of a loop: what goes to memory can be read as an input later */
    void *out;        /* of a sum */
} pyad_line_step;

typedef struct pyad_line {
    int64_t size;      /* elements of the common shape, at least 2 */
    int64_t block;
    int64_t chunk;     /* what one thread runs at a time, at least a block; the size where the line is not cut */
    int lanes;         /* threads that can run it at once: each has registers of its own */
    bool by_rows;      /* a block is a row, and LOADED operands are read where they are */
    int step_count;
    int input_count;
    int register_count;
    int sum_count;
    pyad_line_step *steps;
    pyad_line_input *inputs;
} pyad_line;

/* The scratch memory a run needs: registers, and the sums of all blocks. */
size_t pyad_line_scratch(const pyad_line *line);
/* Chooses the block, the chunk and the lanes; the counts, the size, the inputs and the steps are known. */
void pyad_line_settle(pyad_line *line);
/* The second half of that, where the block is known. lines_cut.c */
void pyad_line_cut(pyad_line *line);
/* The cost of a step that runs a loop, and of one that sums (`loop` is PYAD_LOOP_COUNT). lines_cut.c */
uint16_t pyad_line_cost(int loop, bool wide);
/* Makes one step of two, the second of which alone reads what the first makes, in a register: false where there is no
 * loop for both. Becomes `second`. lines_fuse.c */
bool pyad_line_fuse(const pyad_line *line, const pyad_line_step *first, pyad_line_step *second);
/* Runs the line; `scratch` is aligned to 64 bytes. */
void pyad_line_run(const pyad_line *line, char *scratch);

#endif
