/* pyad's engine: the one public header, and what the Python binding declares.
 *
 * The engine records operations on arrays and runs derivatives over the recording. Each thread has an engine of its own;
 * every call below works on the engine the calling thread has entered. What the caller holds of a recorded value is a handle, a
 * 64-bit number: an index into the tape and the generation of the transform that made it. The caller picks generations
 * (never the same twice in a process), so a handle that outlived its transform, or belongs to another thread, gives
 * PYAD_ERR_STALE instead of another value.
 *
 * The gradient of f(x) = sum(x * x), in the order of the calls:
 *
 *     pyad_engine_enter(engine);
 *     pyad_mark_open(generation, 0);
 *     x = pyad_lend(0, PYAD_F64, 1, shape, strides, data);    an input: the caller's memory, not copied
 *     y = pyad_op2(mul, x, x);                                run and recorded
 *     s = pyad_op(sum, 1, &y, 2, params);
 *     pyad_sweep_start(PYAD_SWEEP_BACKWARD, 1, &s, 1, &x);
 *     pyad_sweep_seed_ones(s);
 *     while (pyad_sweep_go() == PYAD_CALL_PYTHON) ...         a rule is asked for once, then kept
 *     pyad_sweep_copy(x, gradient);
 *     pyad_sweep_stop();
 *     pyad_mark_cut();                                          everything since the mark is gone
 *
 * Calls that return a handle return at least PYAD_HANDLE_LARGE when there is something to look at: a failure (PYAD_FAILED +
 * status), or a value with a buffer of its own (PYAD_HANDLE_LARGE + handle), whose holder should call pyad_drop when it lets
 * go. Calls that return an int return a pyad_status, unless it is said otherwise; see pyad_last_message.
 *
 * Operations are named by numbers below pyad_kernel_count(); numbers from there on are the caller's own operations, which
 * only the caller can run. Static parameters are described in csrc/primitives/list.h. Shapes and strides count elements. */
#ifndef PYAD_H
#define PYAD_H

#include <stddef.h>
#include <stdint.h>

/* ---- numbers that the engine and its callers share ---- */

typedef enum pyad_status {
    PYAD_OK = 0,
    PYAD_ERR_MEMORY = 1,   /* the allocation hook returned NULL, or a size does not fit */
    PYAD_ERR_SHAPE = 2,    /* shapes that do not broadcast, contract or reshape */
    PYAD_ERR_DTYPE = 3,    /* a dtype that the operation has no kernel for */
    PYAD_ERR_VALUE = 4,    /* an axis, index or count out of range */
    PYAD_ERR_STALE = 5,    /* a handle that is not on this thread's tape (any more) */
    PYAD_ERR_MUTATED = 6,  /* memory lent by the user changed since it was recorded */
    PYAD_ERR_STATE = 7,    /* a call out of order, such as a sweep without outputs */
    PYAD_CALL_PYTHON = 32, /* not a failure: a sweep or a replay stopped for something only Python can do */
    PYAD_GUARD_FAILED = 33 /* a replay stopped, since a value decides otherwise than when it was recorded */
} pyad_status;

typedef enum pyad_dtype {
    PYAD_BOOL = 0,
    PYAD_I8,
    PYAD_I16,
    PYAD_I32,
    PYAD_I64,
    PYAD_U8,
    PYAD_U16,
    PYAD_U32,
    PYAD_U64,
    PYAD_F32, /* from here on: what can be differentiated */
    PYAD_F64,
    PYAD_C64,
    PYAD_C128,
    PYAD_DTYPE_COUNT
} pyad_dtype;

/* NumPy's name of a dtype. */
const char *pyad_dtype_name(int dtype);

enum {
    PYAD_MAX_NDIM = 32,
    /* Values up to this many bytes live in the tape's arena until a mark is cut; larger ones are buffers, freed when
     * neither the program nor a rule can need them. */
    PYAD_SMALL_BYTES = 1024,
    /* A handle is the index of a node in its lowest bits, and above them a generation. */
    PYAD_INDEX_BITS = 28
};
/* Set in a returned handle whose node owns much memory: the holder is asked to say when it drops the handle. */
static const int64_t PYAD_HANDLE_LARGE = 0x4000000000000000;
/* What is returned in the place of a handle for a failure: this and the status. */
static const int64_t PYAD_FAILED = 0x6000000000000000;

typedef struct pyad_engine pyad_engine;
typedef struct pyad_saved_tape pyad_saved_tape;
typedef struct pyad_buffer pyad_buffer;

/* ---- engines and names ---- */

/* NULL when out of memory. */
pyad_engine *pyad_engine_new(void);
void pyad_engine_free(pyad_engine *engine);
/* Makes `engine` (or none, for NULL) the calling thread's. */
void pyad_engine_enter(pyad_engine *engine);
/* The words of the last failure on this thread. */
const char *pyad_last_message(void);
int pyad_kernel_count(void);
/* The kernel's name; NULL outside the range. */
const char *pyad_kernel_name(int kernel);
/* The number of a kernel by name, or -1. */
int pyad_kernel_find(const char *name);
/* 1 where the kernel only moves elements. */
int pyad_kernel_is_move(int kernel);

typedef struct pyad_blas_info {
    const char *function;  /* the name of sgemm there, or "" for the engine's own loops */
    const char *file;      /* where it is from, or "" */
    int bits;              /* of its integers */
} pyad_blas_info;

/* Takes matrix products from the cblas of a shared library from now on, on all threads; from the engine's own loops for
 * NULL. Without `load`, only a library that is loaded already is taken. Where it cannot be loaded (PYAD_ERR_STATE), or has
 * no cblas or one that gives wrong numbers (PYAD_ERR_VALUE), nothing changes, and `words`, of `size` bytes, say why. */
int pyad_blas_set(const char *library, int load, char *words, size_t size);
/* What takes them now. */
void pyad_blas_get(pyad_blas_info *out);

/* ---- threads, of which all engines share a pool ---- */

/* With the one that asks, at most so many threads work on what is spread over several; 0: one to each usable core.
 * PYAD_ERR_VALUE below 0. */
int pyad_set_num_threads(int64_t count);
int pyad_num_threads(void);

/* ---- the tape ---- */

/* keep_all: a forward sweep may follow; what it reads is kept too. */
int pyad_mark_open(int64_t generation, int keep_all);
/* Ends the innermost mark: what was recorded since is dropped, what began since (sweeps, a rule) is over. */
void pyad_mark_cut(void);
/* Ends the mark of a generation in the same way, and with it all that began since: other marks, and saved tapes that were
 * entered. PYAD_ERR_STALE where the mark is not open (any more); nothing has happened then. */
int pyad_mark_close(int64_t generation);
/* Ends the mark of a generation without dropping its nodes; handles of the `count` kept ones are renewed in place. */
int pyad_mark_seal(int64_t generation, int count, int64_t *kept);
/* Ends all that is under way and empties the tape. */
void pyad_reset(void);
/* Open marks. */
int pyad_depth(void);
/* Whether the value depends on a leaf that stands before node `floor` (as pyad_node_count gave it). */
int pyad_is_outer(int64_t handle, int64_t floor);
int64_t pyad_node_count(void);
/* Takes the tape away from the engine, which goes on with an empty one; to be swept later, or freed. Calls that give
 * something away put it into a cell of the caller's, who has made sure before that it will be freed. */
int pyad_tape_take(pyad_saved_tape **cell);
/* The generation of the saved tape's innermost mark. */
int64_t pyad_saved_tape_generation(const pyad_saved_tape *saved);
/* Puts the saved tape in the place of the engine's, under a mark of its own, until it is left. To leave it ends what began
 * since, and cuts that mark. */
int pyad_tape_enter(pyad_saved_tape *saved, int64_t generation);
void pyad_tape_leave(pyad_saved_tape *saved);
/* Whether it was entered last. */
int pyad_tape_is_innermost(const pyad_saved_tape *saved);
/* Empties the cell. */
void pyad_saved_tape_free(pyad_saved_tape **cell);

/* ---- recording ---- */

/* SYMBOLIC: an argument of the program that is being recorded. */
enum { PYAD_LEND_CONST = 1, PYAD_LEND_SYMBOLIC = 2 };
/* A leaf over the caller's memory, which must be aligned and stay until the mark is cut. strides NULL: C-contiguous. */
int64_t pyad_lend(int flags, int dtype, int ndim, const int64_t *shape, const int64_t *strides, void *data);
/* A leaf for one number, by value. */
int64_t pyad_leaf_number(int flags, double number, int dtype);
/* A 0-d constant. */
int64_t pyad_const_number(double number, int dtype);
/* A fresh leaf over a recorded value. */
int64_t pyad_alias(int64_t of);
/* The same value under another handle: what a copy is, until one of the two is written. */
int64_t pyad_same(int64_t of);
/* Whether an operation on the value takes long enough for other threads to run meanwhile. */
int pyad_is_long(int64_t handle);
int pyad_any_is_long(int count, const int64_t *handles);
int64_t pyad_op1(int op, int64_t a);
int64_t pyad_op2(int op, int64_t a, int64_t b);
/* The second (first) operand is a plain number, taken in the dtype of the other. */
int64_t pyad_op2n(int op, int64_t a, double b);
int64_t pyad_opn2(int op, double a, int64_t b);
/* op(a, re + im i), or (swapped) the other way round; a real a becomes complex. */
int64_t pyad_op2z(int op, int64_t a, double re, double im, int swapped);
int64_t pyad_op3(int op, int64_t a, int64_t b, int64_t c);
int64_t pyad_op(int op, int nargs, const int64_t *args, int param_count, const int64_t *params);
/* The result of an operation that the caller ran; `data` as in pyad_lend. `param` is the caller's. flags as pyad_lend. */
int64_t pyad_op_ran(int op, int nargs, const int64_t *args, int64_t param, int dtype, int ndim, const int64_t *shape,
                    void *data);
/* The same over the value of another node. */
int64_t pyad_op_ran_node(int op, int nargs, const int64_t *args, int64_t param, int64_t value);
/* The same, where that node is how the value came about: it is what a program runs. */
int64_t pyad_op_traced(int op, int nargs, const int64_t *args, int64_t param, int64_t value);
/* The result of a kernel's operation that the caller ran, on operands the kernel does not take: over the value of another
 * node. Its rule is the caller's to run too. */
int64_t pyad_op_given(int op, int nargs, const int64_t *args, int param_count, const int64_t *params, int64_t value);
/* The holder of a large value let go of it. */
void pyad_drop(int64_t handle);

/* ---- indexing ---- */

/* x[i] for count 1, x[i, j] for count 2, as in NumPy. Where the result is not one element, the bitwise complement of what
 * other calls would return is returned. PYAD_ERR_VALUE without words where the indices do not fit. */
int64_t pyad_item(int64_t handle, int count, int64_t i, int64_t j);
/* x[start:stop:step] as in Python; INT64_MIN stands for a bound that is left out. */
int64_t pyad_slice(int64_t handle, int64_t start, int64_t stop, int64_t step);
/* The array with that one element replaced by a 0-d value of its dtype, or by a number. As pyad_assign; PYAD_ERR_VALUE
 * without words where it is not as said here. */
int64_t pyad_set_item(int64_t old, int count, int64_t i, int64_t j, int64_t x);
int64_t pyad_set_number(int64_t old, int count, int64_t i, int64_t j, double number);
/* The array `old` with a strided view (static parameters of ASSIGN, see csrc/primitives/list.h) replaced by x. Where nobody needs the old value,
 * its memory is written and the handle `old` is stale afterwards. */
int64_t pyad_assign(int64_t old, int64_t x, int param_count, const int64_t *params);
/* The same for single elements: `index` is an int64 array of their places in C order. */
int64_t pyad_assign_at(int64_t old, int64_t x, int64_t index);
/* 1 where nothing can be differentiated through the value, 0 where it can, -1 where the handle is stale. */
int pyad_is_const(int64_t handle);

/* ---- compiled programs ---- */

/* A value. */
typedef struct pyad_info {
    int dtype;
    int ndim;
    const int64_t *shape;
    const int64_t *strides;
    void *data;        /* NULL on a tape without values */
    int64_t size;
    int op;
    int nargs;
    int is_const;
    int is_contiguous;
    const int64_t *params;
} pyad_info;

typedef struct pyad_compiled pyad_compiled;
typedef struct pyad_instance pyad_instance;

/* While a program is being recorded (on = 1), what depends on memory that is lent is symbolic. Forgets all guards. */
int pyad_record_program(int on);
int pyad_is_recording_program(void);
/* 1 where the value depends on an argument of the program that is being recorded, or on memory that it was lent. */
int pyad_is_symbolic(int64_t handle);
/* The value decides what is recorded: the program is right only where it is the same again. */
int pyad_guard(int64_t handle);
/* A node that has the value of `of`, through which nothing is differentiated. */
int64_t pyad_without_derivative(int64_t of);

/* Which nodes of the tape a program takes and gives. */
typedef struct pyad_interface {
    int input_count;
    const int64_t *inputs; /* leaves */
    int result_count;
    const int64_t *results;
    int store_count; /* inputs that are written when the program is done: the value, and which input */
    const int64_t *stores;
    const int64_t *stored;
} pyad_interface;

/* The program of what has been recorded, optimised; NULL for a failure (see pyad_last_message). It holds no reference to
 * the tape; memory that was lent has to stay. */
pyad_compiled *pyad_compile(const pyad_interface *what);
/* The caller's reference goes; instances have their own. */
void pyad_compiled_free(pyad_compiled *compiled);

typedef struct pyad_compiled_info {
    int64_t recorded;     /* nodes, before ... */
    int64_t optimised;    /* ... and after all passes */
    int64_t actions;
    int64_t guards;
    int64_t float_guards; /* those of them that are on floats */
    int64_t calls;        /* nodes that only Python can run */
    int64_t arena_bytes;
    int64_t stores;       /* inputs that are written in place, ... */
    int64_t reused;       /* ... and other values that took over an operand's memory */
    int64_t passes;
} pyad_compiled_info;

void pyad_compiled_count(const pyad_compiled *compiled, pyad_compiled_info *info);
/* A pass: its name, and the nodes that were left after it. */
const char *pyad_compiled_pass(const pyad_compiled *compiled, int pass, int64_t *nodes);

/* What a node of a program is. */
typedef enum pyad_gkind {
    PYAD_G_INPUT, /* memory of the caller's: an argument, or an array of captured state */
    PYAD_G_CONST, /* a value that the graph holds */
    PYAD_G_RUN,   /* a kernel */
    PYAD_G_CALL   /* an operation that only Python can run */
} pyad_gkind;

/* Where the value of a node lies. */
typedef enum pyad_base {
    PYAD_BASE_FIXED, /* a constant: the offset is the address */
    PYAD_BASE_ARENA,
    PYAD_BASE_NONE,    /* between the steps of one action only */
    PYAD_BASE_OUTSIDE /* and from here on: the arguments, then the results */
} pyad_base;

/* What a node is for. */
typedef enum pyad_goutput_kind { PYAD_G_RESULT, PYAD_G_STORE, PYAD_G_GUARD } pyad_goutput_kind;

typedef struct pyad_node_info {
    int kind;         /* a pyad_gkind */
    int op;
    int number;
    int nargs;
    const uint32_t *args;
    const int64_t *params;
    int dtype;
    int ndim;
    const int64_t *shape;
    const void *data; /* of a constant, or of memory outside that is no argument */
    int64_t action;   /* which runs it, -1 for none */
    int base;         /* a pyad_base */
    int64_t offset;
    int64_t root;     /* the node whose memory it is */
} pyad_node_info;

/* Node `node` of the program as it was recorded (optimised = 0) or as it runs; 0 where there is none. */
int pyad_compiled_node(const pyad_compiled *compiled, int optimised, int64_t node, pyad_node_info *info);
/* What the program puts out, by its number. 0 where there is no output of that number. */
int pyad_compiled_output(const pyad_compiled *compiled, int output, int64_t *node, int *kind, int *number);

/* A program with memory to run in. NULL when out of memory. */
pyad_instance *pyad_instance_new(pyad_compiled *compiled);
void pyad_instance_free(pyad_instance *instance);
/* Runs the program: an address for each input that pyad_compile was told of, and each result. 0 when done;
 * PYAD_CALL_PYTHON where Python has to run a node, after which pyad_instance_go goes on; PYAD_GUARD_FAILED
 * where another path has to be recorded. Nothing has been written into inputs before a 0. */
int pyad_instance_run(pyad_instance *instance, void *const *outside);
int pyad_instance_go(pyad_instance *instance);
/* After PYAD_GUARD_FAILED, on the arguments that the program was recorded with: the program may round a float otherwise than
 * the recording did. Where the value is that of the recording but for this, it is what the guard looks for from now on, and
 * 1 is returned: pyad_instance_go goes on. Else 0. No other instance may be running. */
int pyad_instance_relax_guard(pyad_instance *instance);
/* The node to be called, or the output that is the guard. */
int64_t pyad_instance_stopped(const pyad_instance *instance);
/* The memory of a node's value. */
void *pyad_instance_data(const pyad_instance *instance, int64_t node, pyad_info *info);

/* What csrc/python/compiled_call.h needs of a program to call it. Filled in by Python, which holds all memory in it. */
/* What a leaf is: an array; a scalar of NumPy's; a Python float; anything that has to be equal to what it was. */
typedef enum pyad_leaf_kind { PYAD_LEAF_ARRAY, PYAD_LEAF_SCALAR, PYAD_LEAF_FLOAT, PYAD_LEAF_STATIC } pyad_leaf_kind;
/* The tokens of containers, parents before their children; each is followed by its number of children. */
typedef enum pyad_token {
    PYAD_TOKEN_LEAF,
    PYAD_TOKEN_NONE,
    PYAD_TOKEN_TUPLE,
    PYAD_TOKEN_LIST,
    PYAD_TOKEN_DICT
} pyad_token;
/* The most leaves of a call, and the most results. */
enum { PYAD_CALL_LEAVES = 256 };

typedef struct pyad_leaf {
    int kind; /* a pyad_leaf_kind */
    int dtype;
    int ndim;
    int stored; /* the program writes into it */
    int64_t align;
    int64_t input;
    int64_t bytes;
    const int64_t *shape;
} pyad_leaf;

typedef struct pyad_caller {
    pyad_instance *instance;
    int busy;
    int64_t work; /* bytes that a run goes through, about */
    int64_t token_count;
    const int64_t *tokens;
    int64_t leaf_count;
    const pyad_leaf *leaves;
    int64_t input_count;
    int64_t result_count;
    const pyad_leaf *results;
    double *numbers; /* a cell for each input and each result */
    void **outside;
} pyad_caller;

/* ---- looking at a node ---- */

int pyad_look(int64_t handle, pyad_info *info);
/* Some of the same, where not all is needed: -1 (NULL) where the handle is stale. */
int pyad_dtype_of(int64_t handle);
int pyad_ndim_of(int64_t handle);
int64_t pyad_size_of(int64_t handle);
const int64_t *pyad_shape_of(int64_t handle);
/* Operand k of a node, as a handle. */
int64_t pyad_operand(int64_t handle, int k);
/* Copies the value, contiguous, to `to`. */
int pyad_copy_out(int64_t handle, void *to);
/* The value of a 0-d node; NaN where there is none. */
double pyad_read_number(int64_t handle);
/* Fills a cell of the caller's with the buffer of a value that nobody else holds; 0 where it must be copied. */
int pyad_share_out(int64_t handle, pyad_buffer **cell);
/* The same for the buffer of a value, whoever else holds it; 0 where it has none. */
int pyad_borrow(int64_t handle, pyad_buffer **cell);
void *pyad_buffer_data(pyad_buffer *buffer);
/* Lets go of the buffer in a cell, if there is one, and empties the cell. */
void pyad_buffer_drop(pyad_buffer **cell, const void *unused);

/* ---- sweeps ---- */

enum { PYAD_SWEEP_BACKWARD = 0, PYAD_SWEEP_FORWARD = 1, PYAD_SWEEP_RECORDED = 2, PYAD_SWEEP_RETAIN = 4 };

int pyad_sweep_start(int flags, int output_count, const int64_t *outputs, int input_count, const int64_t *inputs);
/* Seeds: the cotangent of an output (the tangent of an input); ones for a 0-d one. */
int pyad_sweep_seed(int64_t handle, int64_t value);
int pyad_sweep_seed_ones(int64_t handle);
/* 0 when done; PYAD_CALL_PYTHON to be called again after what pyad_sweep_wants says has been done. */
int pyad_sweep_go(void);
/* Start, ones for a 0-d output, and go, in one call. On a failure the sweep has been stopped. */
int pyad_sweep_gradient(int flags, int64_t output, int input_count, const int64_t *inputs);
typedef enum pyad_call {
    PYAD_CALL_NONE = 0,
    PYAD_CALL_RULE = 1,     /* record the rule of the node */
    PYAD_CALL_BACKWARD = 2, /* run its rule: give cotangents to its operands */
    PYAD_CALL_FORWARD = 3   /* run its rule: give it a tangent */
} pyad_call;
/* What Python is called for, and at which node. */
int pyad_sweep_wants(int64_t *node);
/* During a call: the cotangent or tangent that has arrived at a node, as a handle, or 0 where there is none. */
int64_t pyad_sweep_value(int64_t node);
/* During a call: adds `value` to what has arrived at a node. Nodes outside the sweep ignore it. */
int pyad_sweep_give(int64_t node, int64_t value);
/* 1 when the sweep wants a contribution for the node. */
int pyad_sweep_needs(int64_t node);
/* PYAD_ERR_MUTATED when memory of the caller's that the node's operands lie in has changed since it was recorded. The
 * rule of the operation `name` (for the message) is about to read them. */
int pyad_sweep_verify(int64_t node, const char *name);
/* Results: into memory of the node's shape (zeros where nothing arrived) ... */
int pyad_sweep_copy(int64_t node, void *to);
/* ... or one number of a 0-d node ... */
double pyad_sweep_number(int64_t node);
/* ... or the buffer itself, into a cell, where nobody else holds it (else 0). */
int pyad_sweep_share(int64_t node, pyad_buffer **cell);
/* Ends the innermost sweep. */
void pyad_sweep_stop(void);
/* The number of the innermost sweep, from 1 for the outermost; 0 where none is under way. */
int pyad_sweep_level(void);
/* Comes back into a sweep by its number: what began while it was under way and has not ended, ends. */
void pyad_sweep_return(int level);
/* The same, and ends the sweep itself, if it has begun. */
void pyad_sweep_stop_at(int level);

/* ---- rules ---- */

/* Recording goes to a tape without values until the rule is committed or aborted. */
int pyad_rule_begin(int64_t generation);
int64_t pyad_rule_input(int dtype, int ndim, const int64_t *shape);
/* Ends one recording: 0 the backward program, 1 + k the forward one from operand k (of at most three). An output is -1
 * where there is no derivative. */
int pyad_rule_finish_program(int which, int64_t generation, int input_count, int output_count, const int64_t *outputs);
/* How the forward direction of an operation follows. */
typedef enum pyad_forward {
    PYAD_FORWARD_SAME,    /* element-wise: the same program, seeded with a tangent */
    PYAD_FORWARD_LINEAR,  /* linear in each operand: the operation itself, with the tangent in its place */
    PYAD_FORWARD_JOINT,   /* linear in all operands together: the operation itself on all tangents */
    PYAD_FORWARD_OWN      /* a program of its own */
} pyad_forward;
/* Gives the rule to the node that the sweep asked about. forward: a pyad_forward. */
int pyad_rule_commit(int forward);
/* The rule of the node the sweep asked about is one that only Python can run. */
int pyad_rule_python(void);
void pyad_rule_abort(void);
/* Whether a rule is being recorded. */
int pyad_in_rule(void);

/* ---- memory, plain kernels ---- */

typedef struct pyad_counters {
    int64_t nodes;
    int64_t tape_bytes;
    int64_t live_bytes;
    int64_t peak_bytes;
    int64_t cached_bytes;
    int64_t rules;
    int64_t copied_bytes; /* of arrays that writes copied, since they could not be done in place, on this tape so far */
} pyad_counters;

void pyad_count(pyad_counters *counters);
/* Gives cached memory back to the system. */
void pyad_trim(void);

/* ---- without a tape ---- */

/* An array that is not on the tape. Strides count elements. */
typedef struct pyad_array {
    int dtype;
    int ndim;
    int64_t shape[PYAD_MAX_NDIM];
    int64_t strides[PYAD_MAX_NDIM];
    void *data;
} pyad_array;

/* One instruction on such arrays: nothing is recorded. `params`: their count, then they; NULL for none. Where out->data is
 * NULL it says the dtype and the shape of the result, else it computes it into that memory, which is contiguous. */
int pyad_evaluate(int kernel, const int64_t *params, int nargs, const pyad_array *in, pyad_array *out);
/* y[k] += a * x[k] for `count` pairs of arrays of n[k] elements and dtype[k] (float32 or float64). */
void pyad_axpy(int count, const int *dtype, const int64_t *n, double a, const void *const *x, void *const *y);
#endif
