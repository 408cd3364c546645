/* The kernels by number: names, operands, parameters, and what kind each is. */
#include "primitives/info.h"

#include "array/array.h"

typedef enum shaped_kind { VIEW, MOVE, COMPUTE } shaped_kind;
enum { NONE = -1 };

static const struct {
    const char *name;
    int nargs;
    int params;
    shaped_kind kind;
} shaped[] = {
#define PYAD_SHAPED_INFO(NAME, name, nargs, params, kind) {#name, nargs, params, kind},
    PYAD_SHAPED_LIST(PYAD_SHAPED_INFO)};

const char *pyad_kernel_name(int kernel)
{
    if (kernel < 0 || kernel >= PYAD_KERNEL_COUNT)
        return NULL;
    return kernel < PYAD_LOOP_COUNT ? pyad_loops[kernel].name : shaped[kernel - PYAD_LOOP_COUNT].name;
}

int pyad_kernel_nargs(int kernel)
{
    return kernel < PYAD_LOOP_COUNT ? pyad_loops[kernel].arity : shaped[kernel - PYAD_LOOP_COUNT].nargs;
}

static bool is_shaped(int kernel)
{
    return kernel >= PYAD_LOOP_COUNT && kernel < PYAD_KERNEL_COUNT;
}

bool pyad_kernel_is_view(int kernel)
{
    return is_shaped(kernel) && shaped[kernel - PYAD_LOOP_COUNT].kind == VIEW;
}

int pyad_kernel_is_move(int kernel)
{
    return is_shaped(kernel) && shaped[kernel - PYAD_LOOP_COUNT].kind != COMPUTE;
}

bool pyad_kernel_is_constant(int kernel)
{
    if (kernel >= PYAD_LOOP_COUNT)
        return false;
    pyad_loop_kind kind = pyad_loops[kernel].kind;
    return kind == PYAD_KIND_COMPARE || kind == PYAD_KIND_LOGIC;
}

static bool takes_params(int kernel, const int64_t *params)
{
    int least = shaped[kernel - PYAD_LOOP_COUNT].params;
    if (params == NULL)
        return least == NONE;
    if (params[0] < least)
        return false;
    if (kernel == PYAD_KERNEL_STRIDED_VIEW || kernel == PYAD_KERNEL_ASSIGN || kernel == PYAD_KERNEL_ADD_SLICE)
        return params[2] >= 0 && params[2] <= PYAD_MAX_NDIM && params[0] == 2 + 2 * params[2];
    return kernel != PYAD_KERNEL_UNSLICE ||
           (params[1] >= 0 && params[1] <= PYAD_MAX_NDIM && params[0] == 1 + 4 * params[1]);
}

pyad_status pyad_kernel_check(pyad_message *message, int kernel, const int64_t *params, int nargs)
{
    if (kernel < 0 || kernel >= PYAD_KERNEL_COUNT)
        return pyad_fail(message, PYAD_ERR_VALUE, "kernel %d does not exist", kernel);
    int takes = pyad_kernel_nargs(kernel);
    if (takes >= 0 ? nargs != takes : nargs < 1 || nargs > UINT16_MAX)
        return pyad_fail(message, PYAD_ERR_VALUE, "%s: called with %d operands, takes %s%d", pyad_kernel_name(kernel),
                         nargs, takes >= 0 ? "" : "1 to ", takes >= 0 ? takes : UINT16_MAX);
    if (!pyad_kernel_is_loop(kernel) && !takes_params(kernel, params))
        return pyad_fail(message, PYAD_ERR_VALUE, "%s: static parameters are missing", pyad_kernel_name(kernel));
    return PYAD_OK;
}
