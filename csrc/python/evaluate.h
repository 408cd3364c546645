/* One instruction on plain arrays: what a function of traced arrays computes for plain ones, with the same bits. */
#ifndef PYAD_EVALUATE_H
#define PYAD_EVALUATE_H

#include <string.h>

#include "python/context.h"

enum { PYAD_EVALUATE_OPERANDS = 4, PYAD_EVALUATE_PARAMS = 8, PYAD_EVALUATE_LONG = 1 << 12 };

/* What the instruction is given. The buffers are held until it has run: another thread may resize an array meanwhile. */
typedef struct pyad_evaluation {
    int64_t op;
    int nargs;
    int held;
    int64_t params[1 + PYAD_EVALUATE_PARAMS];
    double numbers[PYAD_EVALUATE_OPERANDS];
    Py_buffer buffers[PYAD_EVALUATE_OPERANDS];
    pyad_array in[PYAD_EVALUATE_OPERANDS];
} pyad_evaluation;

static void pyad_evaluation_release(pyad_evaluation *e)
{
    for (int k = 0; k < e->held; k++)
        PyBuffer_Release(&e->buffers[k]);
}

/* The dtype of a buffer of floats, complex numbers or int64; -1 for any other. */
static int pyad_evaluate_dtype(const Py_buffer *view)
{
    const char *format = view->format != NULL ? view->format : "B";
    int complex_parts = format[0] == 'Z';
    format += complex_parts;
    if (format[0] == '\0' || format[1] != '\0')
        return -1;
    if (format[0] == 'f' || format[0] == 'd')
        return (format[0] == 'f' ? PYAD_F32 : PYAD_F64) + 2 * complex_parts;
    return (format[0] == 'l' || format[0] == 'q') && !complex_parts && view->itemsize == 8 ? PYAD_I64 : -1;
}

/* 0, or PYAD_NOT_PLAIN for what is no array of numbers that lies as the engine needs it. */
static int pyad_evaluate_array(PyObject *object, pyad_evaluation *e, pyad_array *out)
{
    Py_buffer *view = &e->buffers[e->held];
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
        PyErr_Clear();
        return PYAD_NOT_PLAIN;
    }
    e->held++;
    out->dtype = pyad_evaluate_dtype(view);
    if (out->dtype < 0 || view->ndim > 31)
        return PYAD_NOT_PLAIN;
    out->ndim = view->ndim;
    out->data = view->buf;
    if ((uintptr_t)view->buf % (uintptr_t)pyad_item_align(out->dtype) != 0)
        return PYAD_NOT_PLAIN;
    for (int d = 0; d < view->ndim; d++) {
        out->shape[d] = view->shape[d];
        if (view->strides[d] % view->itemsize != 0)
            return PYAD_NOT_PLAIN;
        out->strides[d] = view->strides[d] / view->itemsize;
    }
    return 0;
}

static int pyad_evaluate_operand(PyObject *context, PyObject *object, pyad_evaluation *e)
{
    int k = e->nargs++;
    if (PyFloat_Check(object)) {
        e->numbers[k] = PyFloat_AsDouble(object);
        e->in[k].dtype = PYAD_F64;
        e->in[k].ndim = 0;
        e->in[k].data = &e->numbers[k];
        return 0;
    }
    return pyad_is_kind(object, context, PYAD_CTX_NDARRAY) ? pyad_evaluate_array(object, e, &e->in[k]) : PYAD_NOT_PLAIN;
}

/* The arguments of `pyad_py_evaluate`. 0, PYAD_NOT_PLAIN, or 1 with an exception set. */
static int pyad_evaluate_arguments(PyObject *context, PyObject *const *args, Py_ssize_t count, pyad_evaluation *e)
{
    if (count != 3 || !PyTuple_Check(args[1]) || !PyTuple_Check(args[2]) ||
        PyTuple_Size(args[1]) > PYAD_EVALUATE_OPERANDS || PyTuple_Size(args[2]) > PYAD_EVALUATE_PARAMS)
        return PYAD_NOT_PLAIN;
    e->op = PyLong_AsLongLong(args[0]);
    e->params[0] = PyTuple_Size(args[2]);
    for (Py_ssize_t k = 0; k < e->params[0]; k++)
        e->params[1 + k] = PyLong_AsLongLong(PyTuple_GetItem(args[2], k));
    if (PyErr_Occurred() != NULL)
        return 1;
    for (Py_ssize_t k = 0; k < PyTuple_Size(args[1]); k++) {
        if (pyad_evaluate_operand(context, PyTuple_GetItem(args[1], k), e) != 0)
            return PYAD_NOT_PLAIN;
    }
    return 0;
}

static int pyad_evaluate_run(const pyad_evaluation *e, pyad_array *out)
{
    int64_t most = 0;
    for (int k = 0; k < e->nargs; k++) {
        int64_t size = 1;
        for (int d = 0; d < e->in[k].ndim; d++)
            size *= e->in[k].shape[d];
        most = size > most ? size : most;
    }
    PyThreadState *released = most >= PYAD_EVALUATE_LONG ? PyEval_SaveThread() : NULL;
    int status = pyad_evaluate((int)e->op, e->params[0] > 0 ? e->params : NULL, e->nargs, e->in, out);
    if (released != NULL)
        PyEval_RestoreThread(released);
    return status;
}

/* The result as a new array, or as a scalar where it is 0-d; the number of a failure of the engine. */
static PyObject *pyad_evaluate_result(PyObject *context, const pyad_evaluation *e)
{
    pyad_array out = {.data = NULL};
    int status = pyad_evaluate((int)e->op, e->params[0] > 0 ? e->params : NULL, e->nargs, e->in, &out);
    if (status != 0)
        return PyLong_FromLong(status);
    if (out.dtype < PYAD_F32)
        return pyad_none();
    if (out.ndim == 0) {
        double pair[2];
        out.data = pair;
        status = pyad_evaluate_run(e, &out);
        return status != 0 ? PyLong_FromLong(status) : pyad_scalar_from(context, out.dtype, pair);
    }
    PyObject *shape = pyad_integers(out.ndim, out.shape);
    if (shape == NULL)
        return NULL;
    PyObject *kind = PyTuple_GetItem(context, PYAD_CTX_DTYPES + out.dtype - PYAD_F32);
    PyObject *array = PyObject_CallFunctionObjArgs(PyTuple_GetItem(context, PYAD_CTX_EMPTY), shape, kind, NULL);
    Py_DECREF(shape);
    Py_buffer view;
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) != 0) {
        Py_XDECREF(array);
        return NULL;
    }
    out.data = view.buf;
    status = pyad_evaluate_run(e, &out);
    PyBuffer_Release(&view);
    if (status == 0)
        return array;
    Py_DECREF(array);
    return PyLong_FromLong(status);
}

/* evaluate(op, operands, params): the result of one instruction on plain arrays and Python floats. The number of a
 * failure of the engine; None where an operand is of another kind, or lies as the engine cannot read it. */
static PyObject *pyad_py_evaluate(PyObject *context, PyObject *const *args, Py_ssize_t count)
{
    pyad_evaluation e;
    e.nargs = e.held = 0;
    int status = pyad_evaluate_arguments(context, args, count, &e);
    PyObject *result = status == 0 ? pyad_evaluate_result(context, &e) : status > 0 ? NULL : pyad_none();
    pyad_evaluation_release(&e);
    return result;
}

#endif
