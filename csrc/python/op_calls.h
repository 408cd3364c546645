/* Functions over Python objects that operations run by NumPy call once each: values out of the tape, results into it.
 *
 * Unlike what cffi declares they take and return objects, so one call does what would be ten through cffi. They know
 * only the common case (arrays of one float or complex dtype, values that are small) and return None for any other:
 * nothing has been changed then that the long way would not do again, and the caller goes it. An exception is raised
 * only where Python itself failed.
 *
 * Each is a method of one tuple, the context, that Python makes once; it holds what they need of Python and NumPy. */
#ifndef PYAD_OP_CALLS_H
#define PYAD_OP_CALLS_H

#include "python/evaluate.h"

enum { PYAD_OP_CALL_OPERANDS = 16 };

static int pyad_is_traced(PyObject *object, PyObject *context)
{
    return pyad_is_kind(object, context, PYAD_CTX_ARRAY) || pyad_is_kind(object, context, PYAD_CTX_VIEW);
}

/* The engine's number of an operation, -1 for one that can be none. Not 0 with an exception set where it is no
 * number. */
static int pyad_read_op(PyObject *object, int64_t *op)
{
    *op = PyLong_AsLongLong(object);
    if (*op == -1 && PyErr_Occurred() != NULL)
        return -1;
    if (*op < 0 || *op > UINT16_MAX)
        *op = -1;
    return 0;
}

/* The handle of a traced array. That of a view may read its elements anew, which records. Not 0 with an exception set
 * where it has none. */
static int pyad_handle_in(PyObject *context, PyObject *array, int64_t *handle)
{
    PyObject *number = PyObject_GetAttr(array, PyTuple_GetItem(context, PYAD_CTX_HANDLE));
    if (number == NULL)
        return -1;
    *handle = PyLong_AsLongLong(number);
    Py_DECREF(number);
    return *handle == -1 && PyErr_Occurred() != NULL;
}

static PyObject *pyad_scalar_of(PyObject *context, int64_t handle, int dtype)
{
    double pair[2];
    if (dtype < PYAD_C64) {
        double number = pyad_read_number(handle);
        float single = (float)number;
        return pyad_scalar_from(context, dtype, dtype == PYAD_F32 ? (const void *)&single : (const void *)&number);
    }
    return pyad_copy_out(handle, pair) != 0 ? pyad_none() : pyad_scalar_from(context, dtype, pair);
}

/* The value of a node as a fresh array, or as a scalar where it is 0-d; None where the node is not on the tape, has no
 * value or a large one, or is of another dtype. */
static PyObject *pyad_value_of(PyObject *context, int64_t handle, int *dtype)
{
    pyad_info info;
    if (pyad_look(handle, &info) != 0 || info.data == NULL || info.dtype < PYAD_F32 || info.size == 0)
        return pyad_none();
    int64_t item = pyad_item_size(info.dtype);
    if (info.size * item > PYAD_SMALL_BYTES)
        return pyad_none();
    *dtype = info.dtype;
    if (info.ndim == 0)
        return pyad_scalar_of(context, handle, info.dtype);
    PyObject *shape = pyad_integers(info.ndim, info.shape);
    if (shape == NULL)
        return NULL;
    PyObject *kind = PyTuple_GetItem(context, PYAD_CTX_DTYPES + info.dtype - PYAD_F32);
    PyObject *array = PyObject_CallFunctionObjArgs(PyTuple_GetItem(context, PYAD_CTX_EMPTY), shape, kind, NULL);
    Py_DECREF(shape);
    Py_buffer view;
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) != 0) {
        Py_XDECREF(array);
        return NULL;
    }
    int status = view.len == (Py_ssize_t)(info.size * item) ? pyad_copy_out(handle, view.buf) : PYAD_NOT_PLAIN;
    PyBuffer_Release(&view);
    if (status == 0)
        return array;
    Py_DECREF(array);
    return pyad_none();
}

/* value(handle): as pyad_value_of. */
static PyObject *pyad_py_value(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    int dtype;
    int64_t handle = count == 1 ? PyLong_AsLongLong(args[0]) : -1;
    if (handle == -1)
        return PyErr_Occurred() ? NULL : pyad_none();
    return pyad_value_of(context, handle, &dtype);
}

/* shape(handle): the shape of a node; None where it is not on the tape. */
static PyObject *pyad_py_shape(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    (void)context;
    int64_t handle = count == 1 ? PyLong_AsLongLong(args[0]) : -1;
    if (handle == -1)
        return PyErr_Occurred() ? NULL : pyad_none();
    int ndim = pyad_ndim_of(handle);
    return ndim < 0 ? pyad_none() : pyad_integers(ndim, pyad_shape_of(handle));
}

/* The plain value of an operand, and its dtype; None for one that is neither traced nor a plain array. */
static PyObject *pyad_operand_value(PyObject *context, PyObject *operand, int *dtype)
{
    if (pyad_is_traced(operand, context)) {
        int64_t handle;
        return pyad_handle_in(context, operand, &handle) != 0 ? NULL : pyad_value_of(context, handle, dtype);
    }
    pyad_plain plain;
    if (!pyad_is_kind(operand, context, PYAD_CTX_NDARRAY) || pyad_plain_read(operand, 0, &plain) != 0 ||
        plain.ndim == 0 || plain.size * pyad_item_size(plain.dtype) > PYAD_SMALL_BYTES)
        return pyad_none();
    *dtype = plain.dtype;
    Py_INCREF(operand);
    return operand;
}

/* values(operands): the plain values of traced operands and of arrays beside them, all of one dtype, as a tuple. None
 * where no operand is traced. */
static PyObject *pyad_py_values(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    if (count != 1 || !PyTuple_Check(args[0]))
        return pyad_none();
    Py_ssize_t operands = PyTuple_Size(args[0]);
    if (operands == 0 || operands > PYAD_OP_CALL_OPERANDS)
        return pyad_none();
    int traced = 0;
    for (Py_ssize_t k = 0; !traced && k < operands; k++)
        traced = pyad_is_traced(PyTuple_GetItem(args[0], k), context);
    if (!traced)
        return pyad_none();
    PyObject *values[PYAD_OP_CALL_OPERANDS];
    int common = 0;
    for (Py_ssize_t k = 0; k < operands; k++) {
        int dtype = 0;
        PyObject *value = pyad_operand_value(context, PyTuple_GetItem(args[0], k), &dtype);
        values[k] = value;
        if (value == NULL || value == Py_None || (k > 0 && dtype != common)) {
            pyad_drop_all(k, values);
            if (value == NULL || value == Py_None)
                return value;
            Py_DECREF(value);
            return pyad_none();
        }
        common = dtype;
    }
    return pyad_tuple_of(operands, values);
}

/* A constant over a plain operand, which the list `keep` holds from then on. -1: an exception is set; 0: it is of no
 * kind that can be handled here; 1: all well. */
static int pyad_constant_of(PyObject *context, PyObject *operand, PyObject *keep, int64_t *handle)
{
    pyad_plain plain;
    if (!pyad_is_kind(operand, context, PYAD_CTX_NDARRAY) || pyad_plain_read(operand, 0, &plain) != 0)
        return 0;
    if (pyad_hold_array(keep, operand) != 0)
        return -1;
    *handle = pyad_lend(PYAD_LEND_CONST, plain.dtype, plain.ndim, plain.shape, NULL, plain.data);
    return *handle < PYAD_FAILED;
}

/* The handles of operands, plain ones as constants; returns what pyad_constant_of does. Traced ones are looked at
 * first: nothing would drop what is lent after their transform has ended. */
static int pyad_handles_of(PyObject *context, PyObject *operands, PyObject *keep, int64_t *handles)
{
    Py_ssize_t count = PyTuple_Size(operands);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *operand = PyTuple_GetItem(operands, k);
        handles[k] = -1;
        if (!pyad_is_traced(operand, context))
            continue;
        if (pyad_handle_in(context, operand, &handles[k]) != 0)
            return -1;
        if (pyad_dtype_of(handles[k]) < 0)
            return 0;
    }
    int status = 1;
    for (Py_ssize_t k = 0; status == 1 && k < count; k++) {
        if (handles[k] < 0)
            status = pyad_constant_of(context, PyTuple_GetItem(operands, k), keep, &handles[k]);
    }
    return status;
}

static PyObject *pyad_traced(PyObject *context, int64_t handle)
{
    PyObject *number = PyLong_FromLongLong(handle);
    /* A failed handle is returned as a number, which is not a traced array. */
    if (number == NULL || handle >= PYAD_HANDLE_LARGE)
        return number;
    /* What calling the class would come to: it has no constructor of its own. */
    PyObject *array = PyType_GenericAlloc((PyTypeObject *)PyTuple_GetItem(context, PYAD_CTX_ARRAY), 0);
    if (array != NULL && PyObject_SetAttr(array, PyTuple_GetItem(context, PYAD_CTX_HANDLE), number) != 0)
        Py_CLEAR(array);
    Py_DECREF(number);
    return array;
}

/* record(op, operands, value, keep, item): the traced value of an operation that the caller ran, over the memory of
 * `value`. The list `keep` gets the item, which is to hold the value; its place is the node's parameter. The number
 * of a failed handle where the engine refused. */
static PyObject *pyad_py_record(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyTuple_Check(args[1]) || !PyList_Check(args[3]) ||
        !pyad_is_kind(args[2], context, PYAD_CTX_NDARRAY))
        return pyad_none();
    int64_t op;
    if (pyad_read_op(args[0], &op) != 0)
        return NULL;
    Py_ssize_t operands = PyTuple_Size(args[1]);
    int64_t handles[PYAD_OP_CALL_OPERANDS];
    pyad_plain plain;
    if (op < 0 || operands > PYAD_OP_CALL_OPERANDS || pyad_plain_read(args[2], 0, &plain) != 0)
        return pyad_none();
    int found = pyad_handles_of(context, args[1], args[3], handles);
    if (found <= 0)
        return found < 0 ? NULL : pyad_none();
    Py_ssize_t place = PyList_Size(args[3]);
    if (PyList_Append(args[3], args[4]) != 0)
        return NULL;
    return pyad_traced(
        context, pyad_op_ran((int)op, (int)operands, handles, place, plain.dtype, plain.ndim, plain.shape, plain.data));
}

/* As many integers as the sequence has, at most `most`, into `out`. Their number, or -1 with an exception set, or -2. */
static Py_ssize_t pyad_read_integers(PyObject *sequence, Py_ssize_t most, int64_t *out)
{
    Py_ssize_t count = PyTuple_Check(sequence)  ? PyTuple_Size(sequence)
                       : PyList_Check(sequence) ? PyList_Size(sequence)
                                                : -2;
    if (count > most)
        return -2;
    for (Py_ssize_t k = 0; k < count; k++) {
        out[k] =
            PyLong_AsLongLong(PyTuple_Check(sequence) ? PyTuple_GetItem(sequence, k) : PyList_GetItem(sequence, k));
        if (out[k] == -1 && PyErr_Occurred() != NULL)
            return -1;
    }
    return count;
}

/* An operation of a kernel that the caller runs: its number, its traced operands, its parameters (-1: none). */
typedef struct pyad_native {
    int64_t op;
    Py_ssize_t operands;
    Py_ssize_t param_count;
    int64_t handles[PYAD_OP_CALL_OPERANDS];
    int64_t params[PYAD_LIST_MOST];
} pyad_native;

/* Returns what pyad_constant_of does. */
static int pyad_read_native(PyObject *op, PyObject *handles, PyObject *params, pyad_native *out)
{
    out->operands = -2;
    if (pyad_read_op(op, &out->op) == 0)
        out->operands = pyad_read_integers(handles, PYAD_OP_CALL_OPERANDS, out->handles);
    out->param_count = params == Py_None ? -1 : pyad_read_integers(params, PYAD_LIST_MOST, out->params);
    if (PyErr_Occurred() != NULL)
        return -1;
    return out->op >= 0 && out->operands >= 0 && out->param_count != -2;
}

/* The traced value of an operation whose plain value this is; None for a value or operands of another kind. */
static PyObject *pyad_record_given(PyObject *context, const pyad_native *native, PyObject *value, PyObject *keep)
{
    pyad_plain plain;
    if (!pyad_is_kind(value, context, PYAD_CTX_NDARRAY) || pyad_plain_read(value, 0, &plain) != 0)
        return pyad_none();
    for (Py_ssize_t k = 0; k < native->operands; k++) {
        if (pyad_dtype_of(native->handles[k]) < 0)
            return pyad_none();
    }
    if (pyad_hold_array(keep, value) != 0)
        return NULL;
    int64_t handle = pyad_lend(PYAD_LEND_CONST, plain.dtype, plain.ndim, plain.shape, NULL, plain.data);
    if (handle < PYAD_FAILED)
        handle = pyad_op_given((int)native->op, (int)native->operands, native->handles, (int)native->param_count,
                               native->params, handle);
    return pyad_traced(context, handle);
}

/* given(op, handles, params, value, keep): the traced value of a kernel's operation that the caller ran on traced
 * operands, as pyad_op_given. params: integers, or None. `keep` holds the value. */
static PyObject *pyad_py_given(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    pyad_native native;
    if (count != 5 || !PyList_Check(args[4]))
        return pyad_none();
    int status = pyad_read_native(args[0], args[1], args[2], &native);
    if (status <= 0)
        return status < 0 ? NULL : pyad_none();
    return pyad_record_given(context, &native, args[3], args[4]);
}

/* What a function gives for the plain values of the operands, and the parameters; None where one of the values is none
 * that pyad_value_of knows. */
static PyObject *pyad_call_on_values(PyObject *context, const pyad_native *native, PyObject *function)
{
    PyObject *values[PYAD_OP_CALL_OPERANDS + PYAD_LIST_MOST];
    Py_ssize_t params = native->param_count > 0 ? native->param_count : 0;
    for (Py_ssize_t k = 0; k < native->operands; k++) {
        int dtype;
        values[k] = pyad_value_of(context, native->handles[k], &dtype);
        if (values[k] == NULL || values[k] == Py_None) {
            PyObject *unknown = values[k];
            pyad_drop_all(k, values);
            return unknown;
        }
    }
    for (Py_ssize_t k = 0; k < params; k++)
        values[native->operands + k] = PyLong_FromLongLong(native->params[k]);
    PyObject *arguments = pyad_tuple_of(native->operands + params, values);
    PyObject *result = arguments != NULL ? PyObject_CallObject(function, arguments) : NULL;
    Py_XDECREF(arguments);
    return result;
}

/* compute(op, function, handles, params, keep): as given, of the value that the function gives for the operands'
 * plain values and the parameters. The plain value, where it is none that can be handled here; None where the
 * function has not been called. */
static PyObject *pyad_py_compute(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    pyad_native native;
    if (count != 5 || !PyList_Check(args[4]))
        return pyad_none();
    int status = pyad_read_native(args[0], args[2], args[3], &native);
    if (status <= 0)
        return status < 0 ? NULL : pyad_none();
    PyObject *value = pyad_call_on_values(context, &native, args[1]);
    if (value == NULL || value == Py_None)
        return value;
    PyObject *traced = pyad_record_given(context, &native, value, args[4]);
    if (traced != Py_None) {
        Py_DECREF(value);
        return traced;
    }
    Py_DECREF(traced);
    return value;
}

/* What has arrived at a node of the sweep under way: None for nothing, a small value, or a handle. */
static PyObject *pyad_arrived(PyObject *context, int64_t node)
{
    int dtype;
    int64_t handle = pyad_sweep_value(node);
    if (handle == 0)
        return pyad_none();
    if (handle >= PYAD_FAILED)
        return PyLong_FromLongLong(handle);
    handle &= PYAD_HANDLE_LARGE - 1;
    PyObject *value = pyad_value_of(context, handle, &dtype);
    if (value != Py_None)
        return value;
    Py_DECREF(value);
    return PyLong_FromLongLong(handle);
}

/* The handles of a node's operands; `needed`: None for those that the sweep wants nothing for. */
static PyObject *pyad_operand_handles(int64_t node, int count, int needed)
{
    PyObject *handles = PyTuple_New(count);
    for (int k = 0; handles != NULL && k < count; k++) {
        int64_t operand = pyad_operand(node, k);
        PyObject *item = !needed || pyad_sweep_needs(operand) ? PyLong_FromLongLong(operand) : pyad_none();
        if (item == NULL || PyTuple_SetItem(handles, k, item) != 0)
            Py_CLEAR(handles);
    }
    return handles;
}

/* What has arrived at each operand of a node, None for those that the sweep wants nothing for. */
static PyObject *pyad_arrived_at_operands(PyObject *context, int64_t node, int count)
{
    /* Not yet a tuple, for the reason that pyad_tuple_of has. */
    PyObject *list = PyList_New(0);
    for (int k = 0; list != NULL && k < count; k++) {
        int64_t operand = pyad_operand(node, k);
        PyObject *item = pyad_sweep_needs(operand) ? pyad_arrived(context, operand) : pyad_none();
        if (item == NULL || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    PyObject *arrived = list != NULL ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return arrived;
}

/* visit(node, forward): what a rule run by Python is given: the operation, its parameters, the operands' handles, the
 * same with None where the sweep wants nothing for one, and what has arrived: at the node, or forward at each operand.
 * None where the node is not on the tape, or memory behind an operand has been changed. */
static PyObject *pyad_py_visit(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2)
        return pyad_none();
    int64_t node = PyLong_AsLongLong(args[0]);
    int forward = PyObject_IsTrue(args[1]);
    if (PyErr_Occurred())
        return NULL;
    pyad_info info;
    if (pyad_look(node, &info) != 0 || pyad_sweep_verify(node, "") != 0)
        return pyad_none();
    const int64_t none = 0;
    const int64_t *params = info.params != NULL && info.params[0] > 0 ? info.params : &none;
    PyObject *visit[5];
    visit[0] = PyLong_FromLong(info.op);
    visit[1] = pyad_integers(params[0], params + 1);
    visit[2] = pyad_operand_handles(node, info.nargs, 0);
    visit[3] = pyad_operand_handles(node, info.nargs, 1);
    visit[4] = NULL;
    if (visit[0] != NULL && visit[1] != NULL && visit[2] != NULL && visit[3] != NULL)
        visit[4] = forward ? pyad_arrived_at_operands(context, node, info.nargs) : pyad_arrived(context, node);
    return pyad_tuple_of(5, visit);
}

/* give(node, value, keep): adds a plain array to what has arrived at a node, as pyad_sweep_give; `keep` holds it. True
 * where that was done. */
static PyObject *pyad_py_give(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyList_Check(args[2]) || !pyad_is_kind(args[1], context, PYAD_CTX_NDARRAY))
        return pyad_none();
    int64_t node = PyLong_AsLongLong(args[0]);
    if (node == -1 && PyErr_Occurred())
        return NULL;
    pyad_plain plain;
    if (pyad_plain_read(args[1], 0, &plain) != 0 || plain.ndim == 0 || plain.dtype != pyad_dtype_of(node))
        return pyad_none();
    if (pyad_hold_array(args[2], args[1]) != 0)
        return NULL;
    int64_t given = pyad_lend(PYAD_LEND_CONST, plain.dtype, plain.ndim, plain.shape, NULL, plain.data);
    /* A value that the engine refuses is refused again on the long way, with words. */
    if (given >= PYAD_FAILED || pyad_sweep_give(node, given) != 0)
        return pyad_none();
    Py_INCREF(Py_True);
    return Py_True;
}

/* Puts the functions into a dict, as methods of the context. */
static int pyad_make_op_calls(uintptr_t context, uintptr_t functions)
{
    static const PyMethodDef table[] = {
        {"value", (PyCFunction)(void (*)(void))pyad_py_value, METH_FASTCALL, NULL},
        {"shape", (PyCFunction)(void (*)(void))pyad_py_shape, METH_FASTCALL, NULL},
        {"values", (PyCFunction)(void (*)(void))pyad_py_values, METH_FASTCALL, NULL},
        {"record", (PyCFunction)(void (*)(void))pyad_py_record, METH_FASTCALL, NULL},
        {"given", (PyCFunction)(void (*)(void))pyad_py_given, METH_FASTCALL, NULL},
        {"compute", (PyCFunction)(void (*)(void))pyad_py_compute, METH_FASTCALL, NULL},
        {"visit", (PyCFunction)(void (*)(void))pyad_py_visit, METH_FASTCALL, NULL},
        {"give", (PyCFunction)(void (*)(void))pyad_py_give, METH_FASTCALL, NULL},
        {"evaluate", (PyCFunction)(void (*)(void))pyad_py_evaluate, METH_FASTCALL, NULL},
    };
    PyObject *tuple = (PyObject *)context;
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != PYAD_CTX_SIZE)
        return PYAD_NOT_PLAIN;
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        /* Python reads the entry for as long as the function lives, and never writes it. */
        PyObject *function = PyCFunction_New((PyMethodDef *)(uintptr_t)&table[k], tuple);
        int status = function != NULL ? PyDict_SetItemString((PyObject *)functions, table[k].ml_name, function) : -1;
        Py_XDECREF(function);
        if (status != 0) {
            PyErr_Clear();
            return PYAD_NOT_PLAIN;
        }
    }
    return 0;
}

#endif
