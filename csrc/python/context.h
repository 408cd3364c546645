/* What the functions of op_calls.h and evaluate.h are bound to: a tuple of what they need of Python and NumPy. */
#ifndef PYAD_CONTEXT_H
#define PYAD_CONTEXT_H

#include "python/buffers.h"

/* The items of the context: the classes of traced arrays and of their views, the name of the handle of both,
 * numpy.ndarray, numpy.empty, and by dtype from float32 on: NumPy's dtypes, then their scalar types. */
enum { PYAD_CTX_ARRAY, PYAD_CTX_VIEW, PYAD_CTX_HANDLE, PYAD_CTX_NDARRAY, PYAD_CTX_EMPTY, PYAD_CTX_DTYPES };
enum {
    PYAD_CTX_SCALARS = PYAD_CTX_DTYPES + PYAD_DTYPE_COUNT - PYAD_F32,
    PYAD_CTX_SIZE = PYAD_CTX_SCALARS + PYAD_DTYPE_COUNT - PYAD_F32
};

static PyObject *pyad_none(void)
{
    Py_INCREF(Py_None);
    return Py_None;
}

static int64_t pyad_item_size(int dtype)
{
    return dtype == PYAD_F32 ? 4 : dtype == PYAD_C128 ? 16 : 8;
}

/* What addresses of its elements are multiples of. */
static inline int64_t pyad_item_align(int dtype)
{
    return dtype == PYAD_F32 || dtype == PYAD_C64 ? 4 : 8;
}

static int pyad_is_kind(PyObject *object, PyObject *context, int kind)
{
    return (PyObject *)Py_TYPE(object) == PyTuple_GetItem(context, kind);
}

/* Has the list `keep` hold an array, and the array's memory where it is: NumPy resizes no array that has a weak
 * reference. Not 0 with an exception set where that fails. */
static int pyad_hold_array(PyObject *keep, PyObject *array)
{
    PyObject *lock = PyWeakref_NewRef(array, NULL);
    int status = lock == NULL || PyList_Append(keep, array) != 0 || PyList_Append(keep, lock) != 0;
    Py_XDECREF(lock);
    return status;
}

static void pyad_drop_all(Py_ssize_t count, PyObject **items)
{
    for (Py_ssize_t k = 0; k < count; k++)
        Py_CLEAR(items[k]);
}

/* A tuple of items, whose references it takes, also where it fails; NULL where one of them is NULL. The collector shows
 * a tuple to others (gc.get_objects) from when it is made, and one that others hold cannot be filled any more. So it is
 * made last, and nothing can come between that and filling it. */
static PyObject *pyad_tuple_of(Py_ssize_t count, PyObject **items)
{
    Py_ssize_t found = 0;
    while (found < count && items[found] != NULL)
        found++;
    PyObject *tuple = found == count ? PyTuple_New(count) : NULL;
    if (tuple == NULL) {
        pyad_drop_all(count, items);
        return NULL;
    }
    for (Py_ssize_t k = 0; k < count; k++) {
        if (PyTuple_SetItem(tuple, k, items[k]) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* Integers are no concern of the collector, so nothing comes between making this tuple and filling it either. */
static PyObject *pyad_integers(int64_t count, const int64_t *numbers)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (Py_ssize_t k = 0; tuple != NULL && k < count; k++) {
        PyObject *number = PyLong_FromLongLong(numbers[k]);
        if (number == NULL || PyTuple_SetItem(tuple, k, number) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* NumPy's scalar of a float or complex dtype whose number lies at `data`. */
static PyObject *pyad_scalar_from(PyObject *context, int dtype, const void *data)
{
    const float *single = data;
    const double *wide = data;
    PyObject *number = dtype == PYAD_F32    ? PyFloat_FromDouble((double)single[0])
                       : dtype == PYAD_C64  ? PyComplex_FromDoubles((double)single[0], (double)single[1])
                       : dtype == PYAD_C128 ? PyComplex_FromDoubles(wide[0], wide[1])
                                            : PyFloat_FromDouble(wide[0]);
    if (number == NULL)
        return NULL;
    PyObject *type = PyTuple_GetItem(context, PYAD_CTX_SCALARS + dtype - PYAD_F32);
    PyObject *scalar = PyObject_CallFunctionObjArgs(type, number, NULL);
    Py_DECREF(number);
    return scalar;
}

#endif
