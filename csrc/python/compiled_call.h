/* One call of a compiled program, from Python's arguments to its results.
 *
 * A caller is what is known of one signature: the containers of the arguments, what each leaf has to be, and the
 * shapes and dtypes of the results. A call takes the arguments apart, runs the program and returns its results; it
 * returns None where an argument is otherwise, another call is under way, or a guard does not hold, and then nothing
 * has been changed: the caller in Python goes the long way. */
#ifndef PYAD_COMPILED_CALL_H
#define PYAD_COMPILED_CALL_H

#include <stdlib.h>
#include <string.h>

#include "python/op_calls.h"

enum { PYAD_CALL_DEPTH = 64, PYAD_CALL_LONG = 1 << 15 };

/* The items of a caller's context: the keys of dicts in the order of their tokens, what leaves are compared with (static
 * ones with a value, scalars of NumPy's with their class), shapes of the results, their dtypes, their scalar types,
 * numpy.empty, numpy.ndarray, the address of the pyad_caller, a function that runs the node at which the program has
 * stopped, and returns whether it could, and what holds the memory of the pyad_caller. */
enum {
    PYAD_CALL_KEYS,
    PYAD_CALL_COMPARED,
    PYAD_CALL_SHAPES,
    PYAD_CALL_DTYPES,
    PYAD_CALL_SCALARS,
    PYAD_CALL_EMPTY,
    PYAD_CALL_NDARRAY,
    PYAD_CALL_CALLER,
    PYAD_CALL_NODE,
    PYAD_CALL_HELD,
    PYAD_CALL_ITEMS
};

/* Where the traversal of containers stands: at which child of which container. */
typedef struct pyad_frame {
    PyObject *container;
    PyObject *keys; /* of a dict */
    int64_t next;
    int64_t count;
} pyad_frame;

/* The next child of a container, owned; NULL where it has gone meanwhile, or where looking for it raises. */
static PyObject *pyad_child(const pyad_frame *frame)
{
    Py_ssize_t place = (Py_ssize_t)frame->next;
    PyObject *child = NULL;
    if (frame->keys != NULL)
        child = PyDict_GetItemWithError(frame->container, PyTuple_GetItem(frame->keys, place));
    else if (PyTuple_CheckExact(frame->container))
        child = PyTuple_GetItem(frame->container, place);
    else if (place < PyList_Size(frame->container))
        child = PyList_GetItem(frame->container, place);
    Py_XINCREF(child);
    return child;
}

/* Says whether a dict has these keys, in this order: a function sees it when it goes through them. */
static int pyad_has_keys(PyObject *dict, PyObject *keys)
{
    PyObject *key;
    PyObject *value;
    Py_ssize_t at = 0;
    for (Py_ssize_t k = 0; PyDict_Next(dict, &at, &key, &value); k++) {
        PyObject *expected = PyTuple_GetItem(keys, k);
        int same = key == expected || (PyUnicode_CheckExact(key) && PyUnicode_CheckExact(expected) &&
                                       PyUnicode_Compare(key, expected) == 0);
        if (!same)
            return 0;
    }
    return 1;
}

/* Says whether an object is the container of a token, which is then entered. */
static int pyad_enter(PyObject *object, int64_t token, int64_t count, PyObject *keys, pyad_frame *frame)
{
    *frame = (pyad_frame){object, NULL, 0, count};
    if (token == PYAD_TOKEN_TUPLE)
        return PyTuple_CheckExact(object) && PyTuple_Size(object) == count;
    if (token == PYAD_TOKEN_LIST)
        return PyList_CheckExact(object) && PyList_Size(object) == count;
    frame->keys = keys;
    return PyDict_CheckExact(object) && PyDict_Size(object) == count && pyad_has_keys(object, keys);
}

/* What a call holds of its arguments. All of it is owned: keys and static arguments that compare themselves may run
 * any code, which may drop what the containers hold. */
typedef struct pyad_held {
    PyObject *leaves[PYAD_CALL_LEAVES];
    int count;
    PyObject *locks[PYAD_CALL_LEAVES];
    int locked;
    pyad_frame stack[PYAD_CALL_DEPTH];
    int depth;
} pyad_held;

/* Drops the containers that have been gone through. */
static void pyad_leave(pyad_held *held)
{
    while (held->depth > 0 && held->stack[held->depth - 1].next == held->stack[held->depth - 1].count)
        Py_DECREF(held->stack[--held->depth].container);
}

static void pyad_drop_held(pyad_held *held)
{
    while (held->depth > 0)
        Py_DECREF(held->stack[--held->depth].container);
    pyad_drop_all(held->locked, held->locks);
    pyad_drop_all(held->count, held->leaves);
}

/* Keeps the memory of the arguments where it is while other code may run: NumPy resizes no array that has a weak
 * reference. Not 0 with an exception set where that fails. */
static int pyad_lock(const pyad_caller *caller, pyad_held *held)
{
    for (; held->locked < held->count; held->locked++) {
        int is_array = caller->leaves[held->locked].kind == PYAD_LEAF_ARRAY;
        PyObject *lock = is_array ? PyWeakref_NewRef(held->leaves[held->locked], NULL) : NULL;
        held->locks[held->locked] = lock;
        if (is_array && lock == NULL)
            return -1;
    }
    return 0;
}

/* Takes one object, whose reference goes to `held`, for a token. -1 where it is another than the token says. */
static int pyad_hold(pyad_held *held, PyObject *object, int64_t token, int64_t count, PyObject *names)
{
    if (token == PYAD_TOKEN_LEAF) {
        held->leaves[held->count++] = object;
        return 0;
    }
    int found = token == PYAD_TOKEN_NONE ? object == Py_None
                                         : held->depth < PYAD_CALL_DEPTH &&
                                               pyad_enter(object, token, count, names, &held->stack[held->depth]);
    if (found && token != PYAD_TOKEN_NONE)
        held->depth++;
    else
        Py_DECREF(object);
    return found ? 0 : -1;
}

/* The leaves of the arguments; -1 where their containers are others than the tokens say. */
static int pyad_hold_leaves(const pyad_caller *caller, PyObject *keys, PyObject *arguments, pyad_held *held)
{
    Py_ssize_t dicts = 0;
    PyObject *at = arguments;
    Py_INCREF(at);
    for (int64_t k = 0; k < caller->token_count; k++) {
        int64_t token = caller->tokens[2 * k];
        if (at == NULL)
            return -1;
        PyObject *names = token == PYAD_TOKEN_DICT ? PyTuple_GetItem(keys, dicts++) : NULL;
        if (pyad_hold(held, at, token, caller->tokens[2 * k + 1], names) != 0)
            return -1;
        pyad_leave(held);
        if (held->depth > 0) {
            at = pyad_child(&held->stack[held->depth - 1]);
            held->stack[held->depth - 1].next++;
        }
    }
    return 0;
}

/* The engine's number of the dtype of a buffer, -1 for one it does not have. */
static int pyad_format_dtype(const Py_buffer *view)
{
    const char *format = view->format != NULL ? view->format : "B";
    int size = view->itemsize == 1 ? 0 : view->itemsize == 2 ? 1 : view->itemsize == 4 ? 2 : 3;
    if (format[0] == 'Z')
        return format[1] == 'f' ? PYAD_C64 : format[1] == 'd' ? PYAD_C128 : -1;
    if (format[0] == '\0' || format[1] != '\0')
        return -1;
    switch (format[0]) {
    case '?':
        return PYAD_BOOL;
    case 'f':
        return PYAD_F32;
    case 'd':
        return PYAD_F64;
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
        return PYAD_I8 + size;
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
        return PYAD_U8 + size;
    default:
        return -1;
    }
}

/* The memory of an array, which has to be as the program was recorded; NULL where it is not. */
static void *pyad_argument(PyObject *object, const pyad_leaf *leaf)
{
    Py_buffer view;
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (leaf->stored ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &view, flags) != 0) {
        PyErr_Clear();
        return NULL;
    }
    int same = pyad_format_dtype(&view) == leaf->dtype && view.ndim == leaf->ndim &&
               (uintptr_t)view.buf % (uintptr_t)leaf->align == 0;
    for (int d = 0; same && d < view.ndim; d++)
        same = view.shape[d] == leaf->shape[d];
    void *data = view.buf;
    PyBuffer_Release(&view);
    return same ? data : NULL;
}

static PyObject *pyad_compared_with(PyObject *context, int64_t leaf)
{
    return PyTuple_GetItem(PyTuple_GetItem(context, PYAD_CALL_COMPARED), (Py_ssize_t)leaf);
}

/* Says whether two objects are the same number or text, so that nothing can tell them apart. Of any other kind this is for
 * Python to say, as of a signature. */
static int pyad_is_same_constant(PyObject *a, PyObject *b)
{
    int is_constant = PyLong_CheckExact(a) || PyUnicode_CheckExact(a) || PyBool_Check(a) || PyBytes_CheckExact(a);
    return is_constant && Py_TYPE(a) == Py_TYPE(b) && PyObject_RichCompareBool(a, b, Py_EQ) == 1;
}

/* Addresses of the arguments into caller->outside. 0 where all are as they have to be. Runs no code of Python's, so
 * that what has been found of one still holds when the last has been looked at. */
static int pyad_take_arguments(pyad_caller *caller, PyObject *context, PyObject *const *leaves)
{
    for (int64_t k = 0; k < caller->leaf_count; k++) {
        const pyad_leaf *leaf = &caller->leaves[k];
        if (leaf->kind == PYAD_LEAF_STATIC) {
            PyObject *value = pyad_compared_with(context, k);
            if (leaves[k] != value && !pyad_is_same_constant(leaves[k], value))
                return -1;
            continue;
        }
        if (leaf->kind == PYAD_LEAF_FLOAT) {
            if (!PyFloat_CheckExact(leaves[k]))
                return -1;
            caller->numbers[leaf->input] = PyFloat_AsDouble(leaves[k]);
            caller->outside[leaf->input] = &caller->numbers[leaf->input];
            continue;
        }
        PyObject *kind = leaf->kind == PYAD_LEAF_SCALAR ? pyad_compared_with(context, k)
                                                        : PyTuple_GetItem(context, PYAD_CALL_NDARRAY);
        if ((PyObject *)Py_TYPE(leaves[k]) != kind)
            return -1;
        void *data = pyad_argument(leaves[k], leaf);
        if (data == NULL)
            return -1;
        caller->outside[leaf->input] = data;
    }
    return 0;
}

/* Says whether memory that is written is that of another argument too. */
static int pyad_overlaps(const pyad_caller *caller)
{
    for (int64_t k = 0; k < caller->leaf_count; k++) {
        const pyad_leaf *written = &caller->leaves[k];
        if (!written->stored)
            continue;
        const char *from = caller->outside[written->input];
        for (int64_t j = 0; j < caller->leaf_count; j++) {
            const pyad_leaf *other = &caller->leaves[j];
            if (j == k || (other->kind != PYAD_LEAF_ARRAY && other->kind != PYAD_LEAF_SCALAR))
                continue;
            const char *at = caller->outside[other->input];
            if (at < from + written->bytes && from < at + other->bytes)
                return 1;
        }
    }
    return 0;
}

/* Fresh arrays for the results, with their addresses in caller->outside. Results that are single real numbers get a cell
 * of the caller's, and NULL for now. Not 0 with an exception set where that fails; what there is so far is the caller's
 * to drop. */
static int pyad_fresh_results(pyad_caller *caller, PyObject *context, PyObject **results)
{
    for (Py_ssize_t k = 0; k < caller->result_count; k++) {
        const pyad_leaf *leaf = &caller->results[k];
        void **place = &caller->outside[caller->input_count + k];
        if (leaf->ndim == 0 && (leaf->dtype == PYAD_F32 || leaf->dtype == PYAD_F64)) {
            *place = &caller->numbers[caller->input_count + k];
            continue;
        }
        PyObject *shape = PyTuple_GetItem(PyTuple_GetItem(context, PYAD_CALL_SHAPES), k);
        PyObject *dtype = PyTuple_GetItem(PyTuple_GetItem(context, PYAD_CALL_DTYPES), k);
        results[k] = PyObject_CallFunctionObjArgs(PyTuple_GetItem(context, PYAD_CALL_EMPTY), shape, dtype, NULL);
        *place = results[k] != NULL ? pyad_argument(results[k], leaf) : NULL;
        if (*place == NULL)
            return -1;
    }
    return 0;
}

/* NumPy's scalars where results are single numbers. */
static int pyad_finish_results(const pyad_caller *caller, PyObject *context, PyObject **results)
{
    for (Py_ssize_t k = 0; k < caller->result_count; k++) {
        const pyad_leaf *leaf = &caller->results[k];
        if (results[k] != NULL)
            continue;
        const double *cell = &caller->numbers[caller->input_count + k];
        float single;
        memcpy(&single, cell, sizeof single);
        PyObject *number = PyFloat_FromDouble(leaf->dtype == PYAD_F32 ? (double)single : *cell);
        PyObject *type = PyTuple_GetItem(PyTuple_GetItem(context, PYAD_CALL_SCALARS), k);
        results[k] = number != NULL ? PyObject_CallFunctionObjArgs(type, number, NULL) : NULL;
        Py_XDECREF(number);
        if (results[k] == NULL)
            return -1;
    }
    return 0;
}

/* Runs the program to the next stop, without Python's lock where that takes long. */
static int pyad_run_on(pyad_caller *caller, int begin)
{
    PyThreadState *released = caller->work >= PYAD_CALL_LONG ? PyEval_SaveThread() : NULL;
    int status = begin ? pyad_instance_run(caller->instance, caller->outside) : pyad_instance_go(caller->instance);
    if (released != NULL)
        PyEval_RestoreThread(released);
    return status;
}

/* Has Python run the node at which the program has stopped. 0 where it did. */
static int pyad_run_node(PyObject *context)
{
    PyObject *done = PyObject_CallObject(PyTuple_GetItem(context, PYAD_CALL_NODE), NULL);
    int status = done == Py_True ? 0 : -1;
    Py_XDECREF(done);
    /* What went wrong is found again by the function itself, but an interrupt goes on. */
    if (done == NULL && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear();
    return status;
}

/* Runs the program on arguments that are held. 0 where it came to its end, and the results are whole. */
static int pyad_run_whole(pyad_caller *caller, PyObject *context, pyad_held *held, PyObject **results)
{
    /* The arguments come last: whatever runs before may run code of Python's, which may move what an array has. */
    int status = pyad_fresh_results(caller, context, results);
    if (status == 0 && caller->work >= PYAD_CALL_LONG)
        status = pyad_lock(caller, held);
    if (status == 0)
        status = pyad_take_arguments(caller, context, held->leaves);
    if (status != 0 || pyad_overlaps(caller))
        return -1;
    status = pyad_run_on(caller, 1);
    while (status == PYAD_CALL_PYTHON && pyad_lock(caller, held) == 0 && pyad_run_node(context) == 0)
        status = pyad_run_on(caller, 0);
    return status == 0 ? pyad_finish_results(caller, context, results) : status;
}

/* call((args, keywords)): a tuple of the computed results, or None. */
static PyObject *pyad_py_call(PyObject *context, PyObject *arguments)
{
    pyad_caller *caller = PyLong_AsVoidPtr(PyTuple_GetItem(context, PYAD_CALL_CALLER));
    if (caller == NULL)
        return NULL;
    if (caller->busy)
        return pyad_none();
    pyad_held held;
    held.count = held.locked = held.depth = 0;
    PyObject *fresh[PYAD_CALL_LEAVES] = {NULL};
    PyObject *results = NULL;
    caller->busy = 1;
    if (pyad_hold_leaves(caller, PyTuple_GetItem(context, PYAD_CALL_KEYS), arguments, &held) == 0 &&
        pyad_run_whole(caller, context, &held, fresh) == 0)
        results = pyad_tuple_of((Py_ssize_t)caller->result_count, fresh);
    else
        pyad_drop_all((Py_ssize_t)caller->result_count, fresh);
    caller->busy = 0;
    pyad_drop_held(&held);
    if (results == NULL && !PyErr_Occurred())
        return pyad_none();
    return results;
}

static const PyMethodDef pyad_call_method = {"call", (PyCFunction)pyad_py_call, METH_O, NULL};

/* Puts the function that calls a program into a list. */
static int pyad_make_compiled_call(uintptr_t context, uintptr_t list)
{
    PyObject *tuple = (PyObject *)context;
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != PYAD_CALL_ITEMS)
        return PYAD_NOT_PLAIN;
    PyObject *function = PyCFunction_New((PyMethodDef *)(uintptr_t)&pyad_call_method, tuple);
    int status = function != NULL ? PyList_Append((PyObject *)list, function) : -1;
    Py_XDECREF(function);
    if (status != 0)
        PyErr_Clear();
    return status == 0 ? 0 : PYAD_NOT_PLAIN;
}

#endif
