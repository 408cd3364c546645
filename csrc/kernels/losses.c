/* Losses that end in one number. */
#include "kernels/kernels.h"

#include "kernels/elementwise.h"

/* A buffer of `count` elements of the dtype, and a layout for it. */
static pyad_status vector_new(pyad_mem *mem, int dtype, int64_t count, pyad_layout_any *layout, pyad_buffer **buffer)
{
    PYAD_TRY(pyad_layout_fill(layout, dtype, 1, &count));
    return pyad_buffer_new(mem, pyad_layout_bytes(&layout->layout), buffer);
}

static void set_number(pyad_view dst, double number)
{
    pyad_copy(dst, (pyad_view){pyad_layout_scalar(PYAD_F64), &number});
}

static double number_at(pyad_view view, int64_t i)
{
    return view.layout->dtype == PYAD_F64 ? ((const double *)view.data)[i] : (double)((const float *)view.data)[i];
}

pyad_status pyad_cross_entropy(pyad_mem *mem, pyad_view dst, pyad_view logits, pyad_view index)
{
    int64_t rows = index.layout->size;
    int axis = logits.layout->ndim - 1;
    int64_t classes = pyad_shape(logits.layout)[axis];
    const int64_t *label = index.data;
    pyad_layout_any layout;
    pyad_buffer *buffer;
    PYAD_TRY(vector_new(mem, logits.layout->dtype, rows, &layout, &buffer));
    pyad_view norms = {&layout.layout, buffer->data};
    pyad_status status = pyad_softmax(mem, PYAD_LOGSUMEXP, norms, logits, axis);
    if (status == PYAD_OK) {
        double total = 0;
        for (int64_t i = 0; i < rows; i++)
            total += number_at(norms, i) - number_at(logits, i * classes + label[i]);
        set_number(dst, total / (double)rows);
    }
    pyad_buffer_release(mem, buffer);
    return status;
}

pyad_status pyad_sum_squares(pyad_mem *mem, pyad_view dst, pyad_view a, pyad_view b, double scale)
{
    uint8_t wide = a.layout->dtype == PYAD_F64;
    uint8_t bytes = (uint8_t)pyad_dtype_size(a.layout->dtype);
    pyad_layout_any layout;
    pyad_buffer *buffer;
    PYAD_TRY(vector_new(mem, a.layout->dtype, a.layout->size, &layout, &buffer));
    pyad_view squares = {&layout.layout, buffer->data};
    const pyad_elementwise_step steps[2] = {
        {.loop = PYAD_LOOP_SUB, .wide = wide, .arity = 2, .bytes = bytes, .in = {0, 1}},
        {.loop = PYAD_LOOP_SQUARE, .wide = wide, .arity = 1, .bytes = bytes, .in = {2}},
    };
    const pyad_view inputs[2] = {a, b};
    const pyad_elementwise_output output = {.reg = 3, .data = buffer->data};
    const pyad_elementwise work = {steps, 2, 2, inputs, 1, &output, a.layout};
    pyad_status status = pyad_elementwise_run(mem, &work);
    if (status == PYAD_OK) {
        pyad_reduce(PYAD_SUM, dst, squares, 1);
        set_number(dst, number_at(dst, 0) * scale);
    }
    pyad_buffer_release(mem, buffer);
    return status;
}
