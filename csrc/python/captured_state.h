/* Says whether what a compiled program has found outside its arguments is as it was.
 *
 * Everything is compared by identity, and arrays by their bytes: no code in Python runs but the function that looks
 * at what this file knows nothing of. Where another object is found it may still have the same value, which Python
 * sees to. */
#ifndef PYAD_CAPTURED_STATE_H
#define PYAD_CAPTURED_STATE_H

#include <string.h>

#include "python/op_calls.h"

/* The items of the context: what stands for things that are not there; dicts, keys and values; objects, names of
 * attributes and values; lists and tuples of their items; dicts, tuples of their keys and of their values; arrays,
 * their formats, shapes, strides and bytes; a function that looks at everything else, or None. */
enum {
    PYAD_WATCH_GONE,
    PYAD_WATCH_NAMES,
    PYAD_WATCH_ATTRIBUTES,
    PYAD_WATCH_LISTS,
    PYAD_WATCH_DICTS,
    PYAD_WATCH_ARRAYS,
    PYAD_WATCH_REST,
    PYAD_WATCH_ITEMS
};

/* Each of these returns 1 where all is as it was, 0 where something is not, and -1 with an exception set. */

static int pyad_names_hold(PyObject *names, PyObject *gone)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(names); k += 3) {
        PyObject *now = PyDict_GetItemWithError(PyTuple_GetItem(names, k), PyTuple_GetItem(names, k + 1));
        if (now == NULL && PyErr_Occurred() != NULL)
            return -1;
        if ((now != NULL ? now : gone) != PyTuple_GetItem(names, k + 2))
            return 0;
    }
    return 1;
}

static int pyad_attributes_hold(PyObject *attributes, PyObject *gone)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(attributes); k += 3) {
        PyObject *now = PyObject_GetAttr(PyTuple_GetItem(attributes, k), PyTuple_GetItem(attributes, k + 1));
        if (now == NULL) {
            /* A cell that is empty raises a ValueError. */
            if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_ValueError))
                return -1;
            PyErr_Clear();
        }
        int holds = (now != NULL ? now : gone) == PyTuple_GetItem(attributes, k + 2);
        Py_XDECREF(now);
        if (!holds)
            return 0;
    }
    return 1;
}

static int pyad_lists_hold(PyObject *lists)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(lists); k += 2) {
        PyObject *list = PyTuple_GetItem(lists, k);
        PyObject *items = PyTuple_GetItem(lists, k + 1);
        Py_ssize_t count = PyTuple_Size(items);
        if (PyList_Size(list) != count)
            return 0;
        for (Py_ssize_t i = 0; i < count; i++) {
            if (PyList_GetItem(list, i) != PyTuple_GetItem(items, i))
                return 0;
        }
    }
    return 1;
}

static int pyad_dicts_hold(PyObject *dicts)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(dicts); k += 3) {
        PyObject *dict = PyTuple_GetItem(dicts, k);
        PyObject *keys = PyTuple_GetItem(dicts, k + 1);
        PyObject *values = PyTuple_GetItem(dicts, k + 2);
        PyObject *key;
        PyObject *value;
        Py_ssize_t at = 0;
        Py_ssize_t i = 0;
        if (PyDict_Size(dict) != PyTuple_Size(keys))
            return 0;
        while (PyDict_Next(dict, &at, &key, &value)) {
            if (key != PyTuple_GetItem(keys, i) || value != PyTuple_GetItem(values, i))
                return 0;
            i++;
        }
    }
    return 1;
}

/* Says whether a buffer has the shape and the strides of two tuples. */
static int pyad_has_form(const Py_buffer *view, PyObject *shape, PyObject *strides)
{
    if (PyTuple_Size(shape) != view->ndim)
        return 0;
    for (int d = 0; d < view->ndim; d++) {
        if (PyLong_AsSsize_t(PyTuple_GetItem(shape, d)) != view->shape[d] ||
            PyLong_AsSsize_t(PyTuple_GetItem(strides, d)) != view->strides[d])
            return 0;
    }
    return 1;
}

static int pyad_arrays_hold(PyObject *arrays)
{
    for (Py_ssize_t k = 0; k < PyTuple_Size(arrays); k += 5) {
        Py_buffer view;
        const char *data = PyBytes_AsString(PyTuple_GetItem(arrays, k + 4));
        PyObject *format = PyTuple_GetItem(arrays, k + 1);
        if (PyObject_GetBuffer(PyTuple_GetItem(arrays, k), &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
            PyErr_Clear();
            return 0;
        }
        int holds = view.len == PyBytes_Size(PyTuple_GetItem(arrays, k + 4)) &&
                    pyad_has_form(&view, PyTuple_GetItem(arrays, k + 2), PyTuple_GetItem(arrays, k + 3)) &&
                    PyUnicode_CompareWithASCIIString(format, view.format != NULL ? view.format : "B") == 0 &&
                    memcmp(view.buf, data, (size_t)view.len) == 0;
        PyBuffer_Release(&view);
        if (!holds)
            return 0;
    }
    return 1;
}

static int pyad_rest_holds(PyObject *function)
{
    if (function == Py_None)
        return 1;
    PyObject *holds = PyObject_CallObject(function, NULL);
    int status = holds == NULL ? -1 : holds == Py_True;
    Py_XDECREF(holds);
    return status;
}

/* watch(): whether all is as it was. */
static PyObject *pyad_py_watch(PyObject *context, PyObject *unused)
{
    (void)unused;
    PyObject *gone = PyTuple_GetItem(context, PYAD_WATCH_GONE);
    int holds = pyad_names_hold(PyTuple_GetItem(context, PYAD_WATCH_NAMES), gone);
    if (holds == 1)
        holds = pyad_attributes_hold(PyTuple_GetItem(context, PYAD_WATCH_ATTRIBUTES), gone);
    if (holds == 1)
        holds = pyad_lists_hold(PyTuple_GetItem(context, PYAD_WATCH_LISTS));
    if (holds == 1)
        holds = pyad_dicts_hold(PyTuple_GetItem(context, PYAD_WATCH_DICTS));
    if (holds == 1)
        holds = pyad_arrays_hold(PyTuple_GetItem(context, PYAD_WATCH_ARRAYS));
    if (holds == 1)
        holds = pyad_rest_holds(PyTuple_GetItem(context, PYAD_WATCH_REST));
    return holds < 0 ? NULL : PyBool_FromLong(holds);
}

static const PyMethodDef pyad_watch_method = {"watch", pyad_py_watch, METH_NOARGS, NULL};

/* Puts the function that looks at what is watched into a list. */
static int pyad_make_watch(uintptr_t context, uintptr_t list)
{
    PyObject *tuple = (PyObject *)context;
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != PYAD_WATCH_ITEMS)
        return PYAD_NOT_PLAIN;
    PyObject *function = PyCFunction_New((PyMethodDef *)(uintptr_t)&pyad_watch_method, tuple);
    int status = function != NULL ? PyList_Append((PyObject *)list, function) : -1;
    Py_XDECREF(function);
    if (status != 0)
        PyErr_Clear();
    return status == 0 ? 0 : PYAD_NOT_PLAIN;
}

#endif
