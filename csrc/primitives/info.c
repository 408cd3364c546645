/* The kernels by number: names, operands, parameters, and what kind each is. */
#include "primitives/exec.h"

static const struct {
    const char *name;
    int nargs;
    bool view;
} shaped[] = {
#define PYAD_SHAPED_INFO(NAME, name, nargs, kind) {#name, nargs, PYAD_SHAPED_##kind},
#define PYAD_SHAPED_VIEW true
#define PYAD_SHAPED_FRESH false
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

bool pyad_kernel_is_view(int kernel)
{
    return kernel >= PYAD_LOOP_COUNT && kernel < PYAD_KERNEL_COUNT && shaped[kernel - PYAD_LOOP_COUNT].view;
}

bool pyad_kernel_is_constant(int kernel)
{
    if (kernel >= PYAD_LOOP_COUNT)
        return false;
    pyad_loop_kind kind = pyad_loops[kernel].kind;
    return kind == PYAD_KIND_COMPARE || kind == PYAD_KIND_LOGIC;
}

/* Static parameters that a kernel reads whatever its operands are. */
static int64_t least_params(int kernel)
{
    switch (kernel) {
    case PYAD_KERNEL_SUM:
    case PYAD_KERNEL_MAX:
    case PYAD_KERNEL_MIN:
    case PYAD_KERNEL_LOGSUMEXP:
    case PYAD_KERNEL_CUMSUM:
    case PYAD_KERNEL_CUMPROD:
    case PYAD_KERNEL_RECUR:
        return 2;
    case PYAD_KERNEL_STRIDED_VIEW:
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ADD_SLICE:
        return 2;
    case PYAD_KERNEL_UNSLICE:
    case PYAD_KERNEL_CAST:
    case PYAD_KERNEL_SOFTMAX:
    case PYAD_KERNEL_LOG_SOFTMAX:
    case PYAD_KERNEL_PUT:
    case PYAD_KERNEL_UNPICK:
    case PYAD_KERNEL_SUM_SQUARES:
    case PYAD_KERNEL_CONCATENATE:
        return 1;
    default:
        return 0;
    }
}

static bool takes_params(int kernel, const int64_t *params)
{
    if (params == NULL)
        return kernel == PYAD_KERNEL_ALIAS || kernel == PYAD_KERNEL_TAKE || kernel == PYAD_KERNEL_PICK ||
               kernel == PYAD_KERNEL_CROSS_ENTROPY || kernel == PYAD_KERNEL_ASSIGN_AT ||
               kernel == PYAD_KERNEL_ADD_ROWS || kernel >= PYAD_KERNEL_MATMUL;
    if (params[0] < least_params(kernel))
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
