/* Lists of NumPy arrays, through the buffer protocol; op_calls.h has what single operations call, compiled_call.h
 * what the calls of compiled programs do.
 *
 * The folder python is the only C that knows Python objects. It must not know anything of the engine but pyad.h.
 *
 * It is compiled into the extension module, not into the engine. Reading six arrays here costs as much as one array
 * costs through cffi. A list is passed as its address (Python's id), which its holder keeps valid for the call. Each
 * function returns 0, a pyad_status, or PYAD_NOT_PLAIN when an item is not what it expects; nothing has been changed
 * then, and the caller goes the long way, which finds the words. */
#ifndef PYAD_BUFFERS_H
#define PYAD_BUFFERS_H

#include <Python.h>

#include "pyad.h"

enum { PYAD_NOT_PLAIN = -1, PYAD_LIST_MOST = 256 };

/* What is needed of one array: float or complex, C-contiguous and aligned. */
typedef struct pyad_plain {
    void *data;
    int64_t size;
    int dtype;
    int ndim;
    int64_t shape[PYAD_MAX_NDIM];
} pyad_plain;

static int pyad_plain_read(PyObject *object, int writable, pyad_plain *out)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) != 0) {
        PyErr_Clear();
        return PYAD_NOT_PLAIN;
    }
    const char *format = view.format != NULL ? view.format : "";
    int complex_parts = format[0] == 'Z';
    format += complex_parts;
    int known = (format[0] == 'f' || format[0] == 'd') && format[1] == '\0';
    size_t real = (size_t)view.itemsize / (complex_parts ? 2 : 1);
    int plain = known && view.ndim <= PYAD_MAX_NDIM - complex_parts && (uintptr_t)view.buf % real == 0;
    if (plain) {
        out->data = view.buf;
        out->size = view.len / view.itemsize;
        out->dtype = (format[0] == 'f' ? PYAD_F32 : PYAD_F64) + (complex_parts ? PYAD_C64 - PYAD_F32 : 0);
        out->ndim = view.ndim;
        for (int d = 0; d < view.ndim; d++)
            out->shape[d] = view.shape[d];
    }
    /* The array itself stays alive in the caller's list, and so does its memory. */
    PyBuffer_Release(&view);
    return plain ? 0 : PYAD_NOT_PLAIN;
}

static int pyad_same_plain(const pyad_plain *a, const pyad_plain *b)
{
    if (a->dtype != b->dtype || a->ndim != b->ndim)
        return 0;
    for (int d = 0; d < a->ndim; d++) {
        if (a->shape[d] != b->shape[d])
            return 0;
    }
    return 1;
}

/* Differentiable leaves over the arrays of a list. */
static int pyad_lend_list(uintptr_t list, int64_t *handles)
{
    PyObject *arrays = (PyObject *)list;
    Py_ssize_t count = PyList_Size(arrays);
    pyad_plain plain;
    for (Py_ssize_t k = 0; k < count; k++) {
        int status = pyad_plain_read(PyList_GetItem(arrays, k), 0, &plain);
        if (status != 0 || plain.ndim == 0)
            return PYAD_NOT_PLAIN;
        handles[k] = pyad_lend(0, plain.dtype, plain.ndim, plain.shape, NULL, plain.data);
        if (handles[k] >= ((int64_t)3 << 61))
            return (int)(handles[k] - ((int64_t)3 << 61));
    }
    return 0;
}

/* The results of the sweep under way at `handles`, into the arrays of a list (None: left out). */
static int pyad_sweep_copy_list(const int64_t *handles, uintptr_t list)
{
    PyObject *arrays = (PyObject *)list;
    Py_ssize_t count = PyList_Size(arrays);
    pyad_plain plain;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *array = PyList_GetItem(arrays, k);
        if (array == Py_None)
            continue;
        int status = pyad_plain_read(array, 1, &plain);
        if (status == 0)
            status = plain.size == pyad_size_of(handles[k]) ? pyad_sweep_copy(handles[k], plain.data) : PYAD_NOT_PLAIN;
        if (status != 0)
            return status;
    }
    return 0;
}

/* y += a * x for the pairs of two lists; all pairs are checked before any is changed. */
static int pyad_axpy_lists(double a, uintptr_t x_list, uintptr_t y_list)
{
    PyObject *xs = (PyObject *)x_list;
    PyObject *ys = (PyObject *)y_list;
    Py_ssize_t count = PyList_Size(ys);
    int dtypes[PYAD_LIST_MOST];
    int64_t sizes[PYAD_LIST_MOST];
    const void *x_data[PYAD_LIST_MOST];
    void *y_data[PYAD_LIST_MOST];
    int64_t total = 0;
    if (count > PYAD_LIST_MOST || PyList_Size(xs) != count)
        return PYAD_NOT_PLAIN;
    for (Py_ssize_t k = 0; k < count; k++) {
        pyad_plain x;
        pyad_plain y;
        int plain = pyad_plain_read(PyList_GetItem(xs, k), 0, &x) == 0 &&
                    pyad_plain_read(PyList_GetItem(ys, k), 1, &y) == 0 && pyad_same_plain(&x, &y) && y.ndim > 0 &&
                    y.dtype <= PYAD_F64;
        if (!plain)
            return PYAD_NOT_PLAIN;
        dtypes[k] = y.dtype;
        sizes[k] = y.size;
        x_data[k] = x.data;
        y_data[k] = y.data;
        total += y.size;
    }
    PyThreadState *released = total >= 1 << 14 ? PyEval_SaveThread() : NULL;
    pyad_axpy((int)count, dtypes, sizes, a, x_data, y_data);
    if (released != NULL)
        PyEval_RestoreThread(released);
    return 0;
}

#endif
