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
 * Calls that return a handle return a number of at least 2^62 when there is something to look at: an error (2^62 + 2^61 +
 * status), or a value with a buffer of its own (2^62 + handle), whose holder should call pyad_drop when it lets go. Calls that
 * return an int return a status: 0 for success, else see pyad_last_message.
 *
 * Operations are named by numbers below pyad_kernel_count(); numbers from there on are the caller's own operations, which
 * only the caller can run. Static parameters are described in exec.h. Dtypes: 0 bool, 1-4 int8-int64, 5-8
 * uint8-uint64, 9 float32, 10 float64, 11 complex64, 12 complex128. Shapes and strides count elements. */
#ifndef PYAD_H
#define PYAD_H

#include <stddef.h>
#include <stdint.h>

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
const char *pyad_kernel_label(int kernel);
/* The number of a kernel by name, or -1. */
int pyad_kernel_find(const char *name);

typedef struct pyad_blas_info {
    const char *function;  /* the name of sgemm there, or "" for the engine's own loops */
    const char *file;      /* where it is from, or "" */
    int bits;              /* of its integers */
} pyad_blas_info;

/* Takes matrix products from the cblas of a shared library from now on, on all threads; from the engine's own loops for
 * NULL. Without `load`, only a library that is loaded already is taken. Where it cannot be loaded (status 7), or has no
 * cblas or one that gives wrong numbers (4), nothing changes, and `words`, of `size` bytes, say why. */
int pyad_blas_set(const char *library, int load, char *words, size_t size);
/* What takes them now. */
void pyad_blas_get(pyad_blas_info *out);
/* "base", "v3" or "v4". */
const char *pyad_isa_name(void);

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
/* The array `old` with a strided view (static parameters of ASSIGN, see exec.h) replaced by x. Where nobody needs the old value,
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

typedef struct pyad_node_info {
    int kind; /* 0 input, 1 constant, 2 kernel, 3 Python's */
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
    int base;         /* where it lies: 0 a constant, 1 the arena, 2 nowhere, from 3 on inputs and then results */
    int64_t offset;
    int64_t root;     /* the node whose memory it is */
} pyad_node_info;

/* Node `node` of the program as it was recorded (optimised = 0) or as it runs; 0 where there is none. */
int pyad_compiled_node(const pyad_compiled *compiled, int optimised, int64_t node, pyad_node_info *info);
/* What the program puts out: 0 a result, 1 a store, 2 a guard. 0 where there is no output of that number. */
int pyad_compiled_output(const pyad_compiled *compiled, int output, int64_t *node, int *kind, int *number);

/* A program with memory to run in. NULL when out of memory. */
pyad_instance *pyad_instance_new(pyad_compiled *compiled);
void pyad_instance_free(pyad_instance *instance);
/* Runs the program: an address for each input that pyad_compile was told of, and each result. 0 when done;
 * PYAD_CALL_PYTHON (32) where Python has to run a node, after which pyad_instance_go goes on; PYAD_GUARD_FAILED (33)
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
const char *pyad_instance_message(const pyad_instance *instance);

/* What csrc/python/compiled_call.h needs of a program to call it. Filled in by Python, which holds all memory in it. */
typedef struct pyad_leaf {
    int kind;
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
/* 0 when done; PYAD_CALL_PYTHON (32) to be called again after what pyad_sweep_wants says has been done. */
int pyad_sweep_go(void);
/* Start, ones for a 0-d output, and go, in one call. On a failure the sweep has been stopped. */
int pyad_sweep_gradient(int flags, int64_t output, int input_count, const int64_t *inputs);
/* 1: record the rule of *node. 2: give cotangents to its operands. 3: give it a tangent. */
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
/* Nodes whose rule was applied so far. */
int64_t pyad_sweep_visited(void);
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
int pyad_rule_program(int which, int64_t generation, int input_count, int output_count, const int64_t *outputs);
/* Gives the rule to the node that the sweep asked about. forward: 0 same program, 1 the operation itself, 2 the same with all tangents
 * at once, 3 the programs recorded. */
int pyad_rule_commit(int forward);
/* The rule of the node the sweep asked about is one that only Python can run. */
int pyad_rule_python(void);
void pyad_rule_abort(void);
/* Whether a rule is being recorded. */
int pyad_in_rule(void);

/* ---- memory, plain kernels, tests ---- */

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
void pyad_reset_peak(void);
/* Gives cached memory back to the system. */
void pyad_trim(void);
/* The next `after` allocations of this engine succeed, the one after them fails; -1 for never. For tests. */
void pyad_fail_after(int64_t after);
/* Adds one to times[0] to times[count - 1], each as a task of its own of the pool of threads. For tests. */
int pyad_count_tasks(int64_t count, int64_t *times);
/* y[k] += a * x[k] for `count` pairs of arrays of n[k] elements and dtype[k] (9 or 10). */
void pyad_axpy(int count, const int *dtype, const int64_t *n, double a, const void *const *x, void *const *y);
#endif
