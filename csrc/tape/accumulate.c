/* Gradient accumulation. */
#include "tape/accumulate.h"

#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

static size_t pool_class(size_t bytes)
{
    return (bytes + 15) / 16;
}

static void *freelist_take(pyad_freelist *list, size_t bytes)
{
    size_t class = pool_class(bytes);
    void *block = list->freed[class];
    if (block == NULL)
        return pyad_arena_alloc(list->arena, class > 0 ? class * 16 : 16);
    memcpy(&list->freed[class], block, sizeof(void *));
    return block;
}

static void freelist_give(pyad_freelist *list, void *block, size_t bytes)
{
    size_t class = pool_class(bytes);
    if (class == 0)
        return;
    memcpy(block, &list->freed[class], sizeof(void *));
    list->freed[class] = block;
}

/* A contiguous layout of the same shape and dtype. */
static pyad_status flat_layout(pyad_accum *accum, const pyad_layout *layout, const pyad_layout **out)
{
    *out = layout;
    if (layout->contiguous)
        return PYAD_OK;
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, layout->dtype, layout->ndim, pyad_shape(layout)));
    *out = pyad_layout_keep(accum->env.arena, &flat.layout);
    return *out != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

pyad_status pyad_accum_alloc(pyad_accum *accum, const pyad_layout *layout, pyad_value *out)
{
    size_t bytes = pyad_layout_bytes(layout);
    out->layout = layout;
    out->buffer = NULL;
    if (bytes <= PYAD_SMALL_BYTES) {
        out->data = freelist_take(&accum->freelist, bytes);
        return out->data != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
    }
    PYAD_TRY(pyad_buffer_new(accum->env.mem, bytes, &out->buffer));
    out->data = out->buffer->data;
    return PYAD_OK;
}

static void free_memory(pyad_accum *accum, const pyad_value *value)
{
    if (value->buffer != NULL)
        pyad_buffer_release(accum->env.mem, value->buffer);
    else
        freelist_give(&accum->freelist, value->data, pyad_layout_bytes(value->layout));
}

void pyad_accum_drop(pyad_accum *accum, pyad_slot *slot)
{
    if (slot->state == PYAD_SLOT_EMPTY)
        return;
    /* A borrowed value without a buffer is a small view over memory that is not the slot's. */
    if (slot->state == PYAD_SLOT_OWNED || slot->value.buffer != NULL)
        free_memory(accum, &slot->value);
    slot->state = PYAD_SLOT_EMPTY;
}

/* Bytes from the first to the last element of a view, or SIZE_MAX where a stride is negative. */
static size_t view_span(const pyad_layout *layout)
{
    int64_t last = 0;
    for (int d = 0; d < layout->ndim; d++) {
        if (pyad_strides(layout)[d] < 0)
            return SIZE_MAX;
        last += (pyad_shape(layout)[d] - 1) * pyad_strides(layout)[d];
    }
    return (size_t)(last + 1) * pyad_dtype_size(layout->dtype);
}

/* A layout that lives as long as the slot: its own may be a temporary one. */
static pyad_status keep_layout(pyad_accum *accum, const pyad_layout *layout, pyad_value *given)
{
    if (given->layout == layout)
        return PYAD_OK;
    bool same = given->layout->contiguous && layout->contiguous && given->layout->ndim == layout->ndim;
    given->layout = same ? layout : pyad_layout_keep(accum->env.arena, given->layout);
    return given->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

/* First contribution, of the slot's own shape. */
static pyad_status put_first(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value given,
                             bool fresh)
{
    PYAD_TRY(keep_layout(accum, layout, &given));
    if (fresh) {
        slot->value = given;
        /* A strided value may overlap itself, so only contiguous ones are written in place. */
        bool whole = given.layout->contiguous && (given.buffer == NULL || atomic_load(&given.buffer->refs) == 1);
        slot->state = whole ? PYAD_SLOT_OWNED : PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    if (given.buffer != NULL) {
        pyad_buffer_retain(given.buffer);
        slot->value = given;
        slot->state = PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    if (pyad_layout_bytes(given.layout) > PYAD_SMALL_BYTES && view_span(given.layout) <= PYAD_SMALL_BYTES) {
        /* A few elements broadcast to many, as a sum sends back: keep the few. They stay until the sweep ends. */
        void *few = pyad_arena_alloc(accum->freelist.arena, view_span(given.layout));
        if (few == NULL)
            return PYAD_ERR_MEMORY;
        memcpy(few, given.data, view_span(given.layout));
        slot->value = (pyad_value){given.layout, few, NULL};
        slot->state = PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    /* Memory without a count, small or the user's: keep a copy. */
    const pyad_layout *flat;
    pyad_value copy;
    PYAD_TRY(flat_layout(accum, given.layout, &flat));
    PYAD_TRY(pyad_accum_alloc(accum, flat, &copy));
    pyad_copy(pyad_value_view(&copy), pyad_value_view(&given));
    slot->value = copy;
    slot->state = PYAD_SLOT_OWNED;
    return PYAD_OK;
}

/* sum = a + b; sum is contiguous. */
static pyad_status add_into(pyad_accum *accum, const pyad_value *a, const pyad_value *b, const pyad_value *sum)
{
    const pyad_layout *flat = sum->layout;
    pyad_view views[2] = {pyad_value_view(a), pyad_value_view(b)};
    pyad_elementwise_step step = {.loop = PYAD_LOOP_ADD, .wide = flat->dtype == PYAD_F64, .arity = 2, .in = {0, 1, 0}};
    step.bytes = (uint8_t)pyad_dtype_size(flat->dtype);
    pyad_elementwise_output output = {.reg = 2, .data = sum->data};
    pyad_elementwise work = {&step, 1, 2, views, 1, &output, flat};
    return pyad_elementwise_run(accum->env.mem, &work);
}

/* Second contribution to a borrowed value: the sum gets memory of its own. */
static pyad_status put_second(pyad_accum *accum, pyad_slot *slot, pyad_value given)
{
    const pyad_layout *flat;
    pyad_value sum;
    PYAD_TRY(flat_layout(accum, slot->value.layout, &flat));
    PYAD_TRY(pyad_accum_alloc(accum, flat, &sum));
    pyad_status status;
    if (pyad_dtype_is_complex(flat->dtype)) {
        pyad_copy(pyad_value_view(&sum), pyad_value_view(&slot->value));
        pyad_reduce_add(pyad_value_view(&sum), pyad_value_view(&given));
        status = PYAD_OK;
    } else {
        status = add_into(accum, &slot->value, &given, &sum);
    }
    if (status != PYAD_OK) {
        free_memory(accum, &sum);
        return status;
    }
    pyad_accum_drop(accum, slot);
    slot->value = sum;
    slot->state = PYAD_SLOT_OWNED;
    return PYAD_OK;
}

pyad_status pyad_accum_own(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout)
{
    if (slot->state == PYAD_SLOT_OWNED && slot->value.layout->contiguous)
        return PYAD_OK;
    const pyad_layout *flat;
    pyad_value whole;
    PYAD_TRY(flat_layout(accum, layout, &flat));
    PYAD_TRY(pyad_accum_alloc(accum, flat, &whole));
    if (slot->state == PYAD_SLOT_EMPTY)
        memset(whole.data, 0, pyad_layout_bytes(flat));
    else
        pyad_copy(pyad_value_view(&whole), pyad_value_view(&slot->value));
    pyad_accum_drop(accum, slot);
    slot->value = whole;
    slot->state = PYAD_SLOT_OWNED;
    return PYAD_OK;
}

/* A contribution that is smaller than the slot (a tangent before broadcasting), seen in the slot's shape. */
static pyad_status widen(pyad_accum *accum, const pyad_layout *layout, pyad_value *given)
{
    int64_t strides[PYAD_MAX_NDIM];
    pyad_layout_any wide;
    pyad_broadcast_strides(given->layout, layout->ndim, pyad_shape(layout), strides);
    PYAD_TRY(pyad_layout_fill_strided(&wide, layout->dtype, layout->ndim, pyad_shape(layout), strides));
    given->layout = pyad_layout_keep(accum->env.arena, &wide.layout);
    return given->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

static pyad_status add_same_shape(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value given,
                                  bool fresh)
{
    if (slot->state == PYAD_SLOT_EMPTY)
        return put_first(accum, slot, layout, given, fresh);
    pyad_status status = PYAD_OK;
    if (slot->state == PYAD_SLOT_BORROWED)
        status = put_second(accum, slot, given);
    else
        pyad_reduce_add(pyad_value_view(&slot->value), pyad_value_view(&given));
    if (fresh && status == PYAD_OK)
        free_memory(accum, &given);
    return status;
}

pyad_status pyad_accum_add(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value given, bool fresh)
{
    if (given.layout == layout || pyad_same_shape(given.layout, layout))
        return add_same_shape(accum, slot, layout, given, fresh);
    if (pyad_broadcasts_to(layout, given.layout)) {
        PYAD_TRY(pyad_accum_own(accum, slot, layout));
        pyad_reduce_add(pyad_value_view(&slot->value), pyad_value_view(&given));
        if (fresh)
            free_memory(accum, &given);
        return PYAD_OK;
    }
    pyad_value narrow = given;
    PYAD_TRY(widen(accum, layout, &given));
    PYAD_TRY(add_same_shape(accum, slot, layout, given, false));
    if (fresh)
        free_memory(accum, &narrow);
    return PYAD_OK;
}
