/* Gradient accumulation. */
#include "tape/accumulate.h"

#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

static size_t pool_class(size_t bytes)
{
    return (bytes + 15) / 16;
}

static void *pool_take(pyad_pool *pool, size_t bytes)
{
    size_t class = pool_class(bytes);
    void *block = pool->freed[class];
    if (block == NULL)
        return pyad_arena_alloc(pool->arena, class > 0 ? class * 16 : 16);
    memcpy(&pool->freed[class], block, sizeof(void *));
    return block;
}

static void pool_give(pyad_pool *pool, void *block, size_t bytes)
{
    size_t class = pool_class(bytes);
    if (class == 0)
        return;
    memcpy(block, &pool->freed[class], sizeof(void *));
    pool->freed[class] = block;
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
        out->data = pool_take(&accum->pool, bytes);
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
        pool_give(&accum->pool, value->data, pyad_layout_bytes(value->layout));
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

/* A layout that lives as long as the slot: the part's own may be a temporary one. */
static pyad_status keep_layout(pyad_accum *accum, const pyad_layout *layout, pyad_value *part)
{
    if (part->layout == layout)
        return PYAD_OK;
    bool same = part->layout->contiguous && layout->contiguous && part->layout->ndim == layout->ndim;
    part->layout = same ? layout : pyad_layout_keep(accum->env.arena, part->layout);
    return part->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

/* First contribution, of the slot's own shape. */
static pyad_status put_first(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value part, bool fresh)
{
    PYAD_TRY(keep_layout(accum, layout, &part));
    if (fresh) {
        slot->value = part;
        /* A strided value may overlap itself, so only contiguous ones are written in place. */
        bool whole = part.layout->contiguous && (part.buffer == NULL || atomic_load(&part.buffer->refs) == 1);
        slot->state = whole ? PYAD_SLOT_OWNED : PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    if (part.buffer != NULL) {
        pyad_buffer_retain(part.buffer);
        slot->value = part;
        slot->state = PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    if (pyad_layout_bytes(part.layout) > PYAD_SMALL_BYTES && view_span(part.layout) <= PYAD_SMALL_BYTES) {
        /* A few elements broadcast to many, as a sum sends back: keep the few. They stay until the sweep ends. */
        void *few = pyad_arena_alloc(accum->pool.arena, view_span(part.layout));
        if (few == NULL)
            return PYAD_ERR_MEMORY;
        memcpy(few, part.data, view_span(part.layout));
        slot->value = (pyad_value){part.layout, few, NULL};
        slot->state = PYAD_SLOT_BORROWED;
        return PYAD_OK;
    }
    /* Memory without a count, small or the user's: keep a copy. */
    const pyad_layout *flat;
    pyad_value copy;
    PYAD_TRY(flat_layout(accum, part.layout, &flat));
    PYAD_TRY(pyad_accum_alloc(accum, flat, &copy));
    pyad_copy(pyad_value_view(&copy), pyad_value_view(&part));
    slot->value = copy;
    slot->state = PYAD_SLOT_OWNED;
    return PYAD_OK;
}

/* sum = a + b; sum is contiguous. */
static pyad_status add_blocks(pyad_accum *accum, const pyad_value *a, const pyad_value *b, const pyad_value *sum)
{
    const pyad_layout *flat = sum->layout;
    pyad_view views[2] = {pyad_value_view(a), pyad_value_view(b)};
    pyad_step step = {.loop = PYAD_LOOP_ADD, .wide = flat->dtype == PYAD_F64, .arity = 2, .in = {0, 1, 0}};
    step.bytes = (uint8_t)pyad_dtype_size(flat->dtype);
    pyad_sink sink = {.reg = 2, .data = sum->data};
    pyad_blocks blocks = {&step, 1, 2, views, 1, &sink, flat};
    return pyad_blocks_run(accum->env.mem, &blocks);
}

/* Second contribution to a borrowed value: the sum gets memory of its own. */
static pyad_status put_second(pyad_accum *accum, pyad_slot *slot, pyad_value part)
{
    const pyad_layout *flat;
    pyad_value sum;
    PYAD_TRY(flat_layout(accum, slot->value.layout, &flat));
    PYAD_TRY(pyad_accum_alloc(accum, flat, &sum));
    pyad_status status;
    if (pyad_dtype_is_complex(flat->dtype)) {
        pyad_copy(pyad_value_view(&sum), pyad_value_view(&slot->value));
        pyad_reduce_add(pyad_value_view(&sum), pyad_value_view(&part));
        status = PYAD_OK;
    } else {
        status = add_blocks(accum, &slot->value, &part, &sum);
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

/* A part that is smaller than the slot (a tangent before broadcasting), seen in the slot's shape. */
static pyad_status widen(pyad_accum *accum, const pyad_layout *layout, pyad_value *part)
{
    int64_t strides[PYAD_MAX_NDIM];
    pyad_layout_any wide;
    pyad_broadcast_strides(part->layout, layout->ndim, pyad_shape(layout), strides);
    PYAD_TRY(pyad_layout_fill_strided(&wide, layout->dtype, layout->ndim, pyad_shape(layout), strides));
    part->layout = pyad_layout_keep(accum->env.arena, &wide.layout);
    return part->layout != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
}

static bool broadcasts_to(const pyad_layout *small, const pyad_layout *large)
{
    if (small->ndim > large->ndim)
        return false;
    for (int d = 1; d <= small->ndim; d++) {
        int64_t length = pyad_shape(small)[small->ndim - d];
        if (length != 1 && length != pyad_shape(large)[large->ndim - d])
            return false;
    }
    return true;
}

static pyad_status add_same_shape(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value part,
                                  bool fresh)
{
    if (slot->state == PYAD_SLOT_EMPTY)
        return put_first(accum, slot, layout, part, fresh);
    pyad_status status = PYAD_OK;
    if (slot->state == PYAD_SLOT_BORROWED)
        status = put_second(accum, slot, part);
    else
        pyad_reduce_add(pyad_value_view(&slot->value), pyad_value_view(&part));
    if (fresh && status == PYAD_OK)
        free_memory(accum, &part);
    return status;
}

pyad_status pyad_accum_add(pyad_accum *accum, pyad_slot *slot, const pyad_layout *layout, pyad_value part, bool fresh)
{
    if (part.layout == layout || pyad_same_shape(part.layout, layout))
        return add_same_shape(accum, slot, layout, part, fresh);
    if (broadcasts_to(layout, part.layout)) {
        PYAD_TRY(pyad_accum_own(accum, slot, layout));
        pyad_reduce_add(pyad_value_view(&slot->value), pyad_value_view(&part));
        if (fresh)
            free_memory(accum, &part);
        return PYAD_OK;
    }
    pyad_value narrow = part;
    PYAD_TRY(widen(accum, layout, &part));
    PYAD_TRY(add_same_shape(accum, slot, layout, part, false));
    if (fresh)
        free_memory(accum, &narrow);
    return PYAD_OK;
}
