/* Indexing as the caller drives it: reads and writes of elements, slices and views. */
#include <string.h>

#include "engine/engine.h"

/* The indices counted from the start; false where they do not fit the array. */
static bool place_indices(const pyad_layout *layout, int count, int64_t *index)
{
    if (count < 1 || count > layout->ndim)
        return false;
    for (int d = 0; d < count; d++) {
        int64_t length = pyad_shape(layout)[d];
        if (index[d] < -length || index[d] >= length)
            return false;
        index[d] += index[d] < 0 ? length : 0;
    }
    return true;
}

static pyad_status record_row(const pyad_engine *engine, uint32_t of, int count, const int64_t *index, uint32_t *node)
{
    const pyad_layout *layout = engine->tape.value[of].layout;
    int64_t params[1 + 3 * PYAD_MAX_NDIM];
    params[0] = 3 * layout->ndim;
    for (int d = 0; d < layout->ndim; d++) {
        params[1 + 3 * d] = d < count ? index[d] : 0;
        params[2 + 3 * d] = 1;
        params[3 + 3 * d] = d < count ? -1 : pyad_shape(layout)[d];
    }
    return pyad_record(&engine->recorder, PYAD_KERNEL_SLICE, 1, &of, params, node);
}

int64_t pyad_item(int64_t handle, int count, int64_t i, int64_t j)
{
    pyad_engine *engine = pyad_engine_here();
    int64_t index[2] = {i, j};
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, handle, &node);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    const pyad_layout *layout = engine->tape.value[node].layout;
    if (count > 2 || !place_indices(layout, count, index))
        return pyad_engine_failed(PYAD_ERR_VALUE);
    if (layout->ndim == count) {
        status = pyad_record_item(&engine->recorder, node, count, index, &node);
        return pyad_engine_handle(engine, status, node);
    }
    status = record_row(engine, node, count, index, &node);
    return status != PYAD_OK ? pyad_engine_failed(status) : ~pyad_engine_handle(engine, status, node);
}

/* A bound of a slice as a place in [low, high]. */
static int64_t bound(int64_t given, int64_t absent, int64_t length, int64_t low, int64_t high)
{
    if (given == INT64_MIN)
        return absent;
    int64_t place = given < 0 ? given + length : given;
    return place < low ? low : place > high ? high : place;
}

int64_t pyad_slice(int64_t handle, int64_t start, int64_t stop, int64_t step)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    pyad_status status = pyad_engine_node(engine, handle, &node);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    const pyad_layout *layout = engine->tape.value[node].layout;
    step = step == INT64_MIN ? 1 : step;
    if (layout->ndim == 0 || step == 0)
        return pyad_engine_failed(PYAD_ERR_VALUE);
    int64_t length = pyad_shape(layout)[0];
    bool up = step > 0;
    int64_t low = up ? 0 : -1;
    int64_t from = bound(start, up ? 0 : length - 1, length, low, length + low);
    int64_t to = bound(stop, up ? length : -1, length, low, length + low);
    int64_t reach = up ? to - from : from - to;
    int64_t size = up ? step : -step;
    int64_t params[1 + 3 * PYAD_MAX_NDIM];
    params[0] = 3 * layout->ndim;
    for (int d = 0; d < layout->ndim; d++) {
        params[1 + 3 * d] = 0;
        params[2 + 3 * d] = 1;
        params[3 + 3 * d] = pyad_shape(layout)[d];
    }
    params[3] = reach > 0 ? (reach - 1) / size + 1 : 0;
    params[1] = params[3] > 0 ? from : 0;
    params[2] = step;
    status = pyad_record(&engine->recorder, PYAD_KERNEL_SLICE, 1, &node, params, &node);
    return pyad_engine_handle(engine, status, node);
}

/* Replaces one element by the value of a node, or by a number where `x` is NULL. */
static int64_t set_element(int64_t old, int count, int64_t *index, const int64_t *x, double number)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t args[2] = {0, 0};
    pyad_status status = pyad_engine_node(engine, old, &args[0]);
    if (status == PYAD_OK && x != NULL)
        status = pyad_engine_node(engine, *x, &args[1]);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    const pyad_layout *layout = engine->tape.value[args[0]].layout;
    if (count > 2 || count != layout->ndim || !place_indices(layout, count, index))
        return pyad_engine_failed(PYAD_ERR_VALUE);
    if (x == NULL)
        status = pyad_tape_number(&engine->tape, number, layout->dtype, &args[1]);
    if (status != PYAD_OK)
        return pyad_engine_failed(status);
    if (engine->tape.value[args[1]].layout != pyad_layout_scalar(layout->dtype))
        return pyad_engine_failed(PYAD_ERR_VALUE);
    /* In C order, whatever the strides are. */
    int64_t place = count == 1 ? index[0] : index[0] * pyad_shape(layout)[1] + index[1];
    const int64_t params[3] = {2, place, 0};
    uint32_t node = 0;
    status = pyad_record_write(&engine->recorder, PYAD_KERNEL_ASSIGN, 2, args, params, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_set_item(int64_t old, int count, int64_t i, int64_t j, int64_t x)
{
    int64_t index[2] = {i, j};
    return set_element(old, count, index, &x, 0.0);
}

int64_t pyad_set_number(int64_t old, int count, int64_t i, int64_t j, double number)
{
    int64_t index[2] = {i, j};
    return set_element(old, count, index, NULL, number);
}

static int64_t record_write(int op, int nargs, const int64_t *handles, const int64_t *params)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t args[3];
    uint32_t node = 0;
    pyad_status status = PYAD_OK;
    for (int k = 0; k < nargs && status == PYAD_OK; k++)
        status = pyad_engine_node(engine, handles[k], &args[k]);
    if (status == PYAD_OK)
        status = pyad_record_write(&engine->recorder, op, nargs, args, params, &node);
    return pyad_engine_handle(engine, status, node);
}

int64_t pyad_assign(int64_t old, int64_t x, int param_count, const int64_t *params)
{
    enum { MOST = 2 + 2 * PYAD_MAX_NDIM };
    pyad_engine *engine = pyad_engine_here();
    const int64_t handles[] = {old, x};
    int64_t counted[1 + MOST] = {param_count};
    if (engine != NULL && (param_count < 0 || param_count > MOST))
        return pyad_engine_failed(
            pyad_fail(&engine->message, PYAD_ERR_VALUE, "%d static parameters, at most %d", param_count, (int)MOST));
    if (engine != NULL)
        memcpy(counted + 1, params, (size_t)param_count * sizeof *params);
    return record_write(PYAD_KERNEL_ASSIGN, 2, handles, counted);
}

int64_t pyad_assign_at(int64_t old, int64_t x, int64_t index)
{
    const int64_t handles[] = {old, x, index};
    return record_write(PYAD_KERNEL_ASSIGN_AT, 3, handles, NULL);
}

int pyad_is_const(int64_t handle)
{
    pyad_engine *engine = pyad_engine_here();
    uint32_t node = 0;
    if (pyad_engine_node(engine, handle, &node) != PYAD_OK)
        return -1;
    return (engine->tape.flags[node] & PYAD_NODE_CONST) != 0;
}
