/* The tape: columns, marks, handles, lent memory. */
#include "tape/tape.h"

#include <string.h>

#include "kernels/kernels.h"

void pyad_tape_init(pyad_tape *tape, pyad_mem *mem)
{
    memset(tape, 0, sizeof *tape);
    tape->mem = mem;
    pyad_arena_init(&tape->arena, mem);
    for (int k = 0; k < PYAD_CONST_CACHE; k++)
        tape->constants[k].generation = -1;
}

static void drop_values(pyad_tape *tape, uint32_t from)
{
    for (uint32_t node = from; node < tape->count; node++) {
        if (tape->value[node].buffer != NULL)
            pyad_buffer_release(tape->mem, tape->value[node].buffer);
    }
    tape->count = from;
}

/* Frees the columns of an empty tape; they grow again when they are needed. */
static void free_columns(pyad_tape *tape)
{
    pyad_mem *mem = tape->mem;
    size_t n = tape->capacity;
    pyad_mem_free(mem, tape->op, n * sizeof *tape->op);
    pyad_mem_free(mem, tape->nargs, n * sizeof *tape->nargs);
    pyad_mem_free(mem, tape->flags, n * sizeof *tape->flags);
    pyad_mem_free(mem, tape->first, n * sizeof *tape->first);
    pyad_mem_free(mem, tape->rule, n * sizeof *tape->rule);
    pyad_mem_free(mem, tape->oldest, n * sizeof *tape->oldest);
    pyad_mem_free(mem, tape->epoch, n * sizeof *tape->epoch);
    pyad_mem_free(mem, tape->position, n * sizeof *tape->position);
    pyad_mem_free(mem, tape->generation, n * sizeof *tape->generation);
    pyad_mem_free(mem, tape->params, n * sizeof *tape->params);
    pyad_mem_free(mem, tape->value, n * sizeof *tape->value);
    pyad_mem_free(mem, tape->args, tape->args_capacity * sizeof *tape->args);
    tape->op = tape->nargs = tape->flags = NULL;
    tape->first = tape->rule = tape->oldest = tape->epoch = tape->position = tape->args = NULL;
    tape->generation = NULL;
    tape->params = NULL;
    tape->value = NULL;
    tape->capacity = tape->args_capacity = 0;
}

/* An empty tape keeps its memory for the next transform, unless that is far more than most need: to take it again then
 * costs a few hundredths of what filling it costs. */
static void keep_a_little(pyad_tape *tape)
{
    if (tape->count > 0 || (tape->capacity <= PYAD_TAPE_KEPT && tape->args_capacity <= 2 * PYAD_TAPE_KEPT))
        return;
    free_columns(tape);
    pyad_mem_trim(tape->mem);
}

void pyad_tape_finish(pyad_tape *tape)
{
    pyad_mem *mem = tape->mem;
    drop_values(tape, 0);
    pyad_arena_finish(&tape->arena);
    free_columns(tape);
    pyad_mem_free(mem, tape->lent, tape->lent_capacity * sizeof *tape->lent);
    pyad_mem_free(mem, tape->marks, tape->mark_capacity * sizeof *tape->marks);
    memset(tape, 0, sizeof *tape);
}

pyad_status pyad_tape_mark(pyad_tape *tape, int64_t generation, bool keep_all)
{
    PYAD_TRY(pyad_mem_grow(tape->mem, (void **)&tape->marks, &tape->mark_capacity, tape->mark_count + 1,
                           sizeof *tape->marks));
    bool outer_keeps = tape->mark_count > 0 && tape->marks[tape->mark_count - 1].keep_all;
    tape->marks[tape->mark_count] = (pyad_mark){
        .generation = generation,
        .nodes = tape->count,
        .args = (uint32_t)tape->args_count,
        .lent = (uint32_t)tape->lent_count,
        .keep_all = keep_all || outer_keeps,
        .arena = pyad_arena_position(&tape->arena),
    };
    tape->mark_count++;
    return PYAD_OK;
}

bool pyad_tape_find_mark(const pyad_tape *tape, int64_t generation, size_t *mark)
{
    for (size_t k = tape->mark_count; k-- > 0;) {
        if (tape->marks[k].generation == generation) {
            *mark = k;
            return true;
        }
    }
    return false;
}

void pyad_tape_cut(pyad_tape *tape)
{
    if (tape->mark_count == 0)
        return;
    pyad_mark mark = tape->marks[--tape->mark_count];
    drop_values(tape, mark.nodes);
    tape->args_count = mark.args;
    tape->lent_count = mark.lent;
    pyad_arena_cut(&tape->arena, mark.arena);
    if (tape->mark_count == 0)
        keep_a_little(tape);
}

void pyad_tape_clear(pyad_tape *tape)
{
    drop_values(tape, 0);
    tape->mark_count = 0;
    tape->args_count = 0;
    tape->lent_count = 0;
    pyad_arena_cut(&tape->arena, (pyad_arena_mark){NULL, NULL});
    /* Nodes outside of all marks have a generation that comes again. */
    for (int k = 0; k < PYAD_CONST_CACHE; k++)
        tape->constants[k].generation = -1;
    keep_a_little(tape);
}

void pyad_tape_seal(pyad_tape *tape, int count, const uint32_t *kept)
{
    if (tape->mark_count == 0)
        return;
    pyad_mark mark = tape->marks[--tape->mark_count];
    int64_t outer = tape->mark_count > 0 ? tape->marks[tape->mark_count - 1].generation : 0;
    for (uint32_t node = mark.nodes; node < tape->count; node++) {
        /* Nodes that an enclosing transform lent to this one (kept earlier) have its generation already; later ones are
         * of transforms that have not come to their end. */
        if (tape->generation[node] >= mark.generation)
            tape->generation[node] = PYAD_GENERATION_SEALED;
    }
    for (int k = 0; k < count; k++) {
        if (tape->generation[kept[k]] == PYAD_GENERATION_SEALED)
            tape->generation[kept[k]] = outer;
    }
}

/* Grows one column to `capacity` items; the old capacity is the tape's until all columns have grown. */
static pyad_status grow_column(pyad_tape *tape, void **column, size_t capacity, size_t item)
{
    size_t have = tape->capacity;
    size_t bytes;
    PYAD_TRY(pyad_size_mul(capacity, item, &bytes));
    void *moved = tape->mem->hook.resize(tape->mem->hook.user, *column, have * item, bytes);
    if (moved == NULL)
        return PYAD_ERR_MEMORY;
    *column = moved;
    return PYAD_OK;
}

/* A column that has grown before another one failed is only larger than it need be, but its size is then no longer known
 * from the capacity; so a failed growth is undone. */
static pyad_status grow_columns(pyad_tape *tape, size_t capacity)
{
    struct {
        void **column;
        size_t item;
    } columns[] = {
        {(void **)&tape->op, sizeof *tape->op},
        {(void **)&tape->nargs, sizeof *tape->nargs},
        {(void **)&tape->flags, sizeof *tape->flags},
        {(void **)&tape->first, sizeof *tape->first},
        {(void **)&tape->rule, sizeof *tape->rule},
        {(void **)&tape->oldest, sizeof *tape->oldest},
        {(void **)&tape->epoch, sizeof *tape->epoch},
        {(void **)&tape->position, sizeof *tape->position},
        {(void **)&tape->generation, sizeof *tape->generation},
        {(void **)&tape->params, sizeof *tape->params},
        {(void **)&tape->value, sizeof *tape->value},
    };
    size_t count = sizeof columns / sizeof columns[0];
    for (size_t k = 0; k < count; k++) {
        pyad_status status = grow_column(tape, columns[k].column, capacity, columns[k].item);
        if (status == PYAD_OK)
            continue;
        while (k-- > 0) {
            size_t item = columns[k].item;
            void *block = *columns[k].column;
            void *back = tape->mem->hook.resize(tape->mem->hook.user, block, capacity * item, tape->capacity * item);
            /* Shrinking to nothing frees; any other shrink that fails leaves the larger block, which is as good. */
            if (back != NULL || tape->capacity == 0)
                *columns[k].column = back;
        }
        return status;
    }
    memset(tape->epoch + tape->capacity, 0, (capacity - tape->capacity) * sizeof *tape->epoch);
    tape->capacity = capacity;
    return PYAD_OK;
}

pyad_status pyad_tape_reserve_slow(pyad_tape *tape, size_t nodes, size_t nargs)
{
    size_t need = tape->count + nodes;
    if (need > PYAD_MAX_NODES)
        return PYAD_ERR_MEMORY;
    if (need > tape->capacity) {
        size_t capacity = tape->capacity < 256 ? 256 : 2 * tape->capacity;
        if (capacity < need)
            capacity = need;
        PYAD_TRY(grow_columns(tape, capacity));
    }
    if (tape->args_count + nargs >= UINT32_MAX)
        return PYAD_ERR_MEMORY;
    return pyad_mem_grow(tape->mem, (void **)&tape->args, &tape->args_capacity, tape->args_count + nargs,
                         sizeof *tape->args);
}

uint32_t pyad_tape_push(pyad_tape *tape, int op, uint16_t flags, int nargs, const uint32_t *args, const int64_t *params,
                        pyad_value value)
{
    uint32_t node = tape->count;
    uint32_t oldest = node;
    uint32_t first = (uint32_t)tape->args_count;
    for (int k = 0; k < nargs; k++) {
        tape->args[first + (uint32_t)k] = args[k];
        if (!(tape->flags[args[k]] & PYAD_NODE_CONST) && tape->oldest[args[k]] < oldest)
            oldest = tape->oldest[args[k]];
        flags |= tape->flags[args[k]] & PYAD_NODE_SYMBOLIC;
    }
    tape->op[node] = (uint16_t)op;
    tape->nargs[node] = (uint16_t)nargs;
    tape->flags[node] = flags;
    tape->first[node] = first;
    tape->rule[node] = PYAD_RULE_UNRESOLVED;
    tape->oldest[node] = oldest;
    tape->epoch[node] = 0;
    tape->generation[node] = tape->mark_count > 0 ? tape->marks[tape->mark_count - 1].generation : 0;
    tape->params[node] = params;
    tape->value[node] = value;
    tape->args_count += (size_t)nargs;
    tape->count++;
    return node;
}

pyad_status pyad_tape_number(pyad_tape *tape, double number, int dtype, uint32_t *node)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits ^= bits >> 32;
    bits ^= bits >> 16;
    pyad_const_entry *entry = &tape->constants[(bits ^ (bits >> 8) ^ (bits >> 4)) % PYAD_CONST_CACHE];
    int64_t generation = tape->mark_count > 0 ? tape->marks[tape->mark_count - 1].generation : 0;
    /* Compared by their bits: -0.0 is not 0.0. The generation says that the node was not cut since. */
    if (entry->generation == generation && entry->dtype == dtype && entry->node < tape->count &&
        tape->generation[entry->node] == generation && memcmp(&entry->value, &number, sizeof number) == 0) {
        *node = entry->node;
        return PYAD_OK;
    }
    if (pyad_layout_scalar(dtype) == NULL)
        return PYAD_ERR_DTYPE;
    PYAD_TRY(pyad_tape_reserve(tape, 0));
    pyad_value value = {pyad_layout_scalar(dtype), pyad_arena_alloc(&tape->arena, pyad_dtype_size(dtype)), NULL};
    if (value.data == NULL)
        return PYAD_ERR_MEMORY;
    if (dtype == PYAD_F32)
        *(float *)value.data = (float)number;
    else if (dtype == PYAD_F64)
        *(double *)value.data = number;
    else
        pyad_copy(pyad_value_view(&value), (pyad_view){pyad_layout_scalar(PYAD_F64), &number});
    *node = pyad_tape_push(tape, PYAD_KERNEL_ALIAS, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL, NULL, value);
    *entry = (pyad_const_entry){.value = number, .generation = generation, .node = *node, .dtype = dtype};
    return PYAD_OK;
}

pyad_status pyad_tape_lend(pyad_tape *tape, uint16_t flags, const pyad_layout *layout, void *data, uint32_t *node)
{
    PYAD_TRY(pyad_tape_reserve(tape, 0));
    PYAD_TRY(
        pyad_mem_grow(tape->mem, (void **)&tape->lent, &tape->lent_capacity, tape->lent_count + 1, sizeof *tape->lent));
    const pyad_layout *kept = pyad_layout_keep(&tape->arena, layout);
    if (kept == NULL)
        return PYAD_ERR_MEMORY;
    flags |= PYAD_NODE_LENT | PYAD_NODE_LEAF | (tape->recording_program ? PYAD_NODE_SYMBOLIC : 0);
    *node = pyad_tape_push(tape, PYAD_KERNEL_ALIAS, flags, 0, NULL, NULL, (pyad_value){kept, data, NULL});
    tape->rule[*node] = (uint32_t)tape->lent_count;
    tape->lent[tape->lent_count++] = (pyad_lent){.node = *node};
    return PYAD_OK;
}

/* The node whose memory the value of `node` is. */
static uint32_t memory_owner(const pyad_tape *tape, uint32_t node)
{
    while ((tape->flags[node] & PYAD_NODE_VIEW) && tape->nargs[node] > 0)
        node = pyad_tape_args(tape, node)[0];
    return node;
}

/* Whether the view fills one block of memory, in whatever order of axes; *first is where it begins. */
static bool fills_block(pyad_view view, const char **first)
{
    const pyad_layout *layout = view.layout;
    int64_t low = 0;
    int64_t span = 1;
    for (int d = 0; d < layout->ndim; d++) {
        int64_t reach = pyad_strides(layout)[d] * (pyad_shape(layout)[d] - 1);
        low += reach < 0 ? reach : 0;
        span += reach < 0 ? -reach : reach;
    }
    *first = (const char *)view.data + low * (int64_t)pyad_dtype_size(layout->dtype);
    return span == layout->size;
}

/* A fingerprint of the memory a view covers: as one block, or row by row along the innermost contiguous run. */
static uint64_t view_fingerprint(pyad_view view)
{
    const pyad_layout *layout = view.layout;
    size_t item = pyad_dtype_size(layout->dtype);
    const char *first = view.data;
    if (layout->contiguous || fills_block(view, &first))
        return pyad_isa()->fingerprint(first, (size_t)layout->size * item);
    const int64_t *shape = pyad_shape(layout);
    const int64_t *strides = pyad_strides(layout);
    int last = layout->ndim - 1;
    bool rows = strides[last] == 1;
    int64_t run = rows ? shape[last] : 1;
    int outer = rows ? last : last + 1;
    int64_t index[PYAD_MAX_NDIM] = {0};
    uint64_t hash = 0;
    const char *at = view.data;
    for (int64_t left = layout->size / (run > 0 ? run : 1); left > 0; left--) {
        uint64_t part = pyad_isa()->fingerprint(at, (size_t)run * item);
        hash = (hash ^ part) * UINT64_C(0x9E3779B97F4A7C15) + (hash >> 29);
        for (int d = outer - 1; d >= 0; d--) {
            at += strides[d] * (int64_t)item;
            if (++index[d] < shape[d])
                break;
            at -= strides[d] * shape[d] * (int64_t)item;
            index[d] = 0;
        }
    }
    return hash;
}

void pyad_tape_save(pyad_tape *tape, uint32_t node, uint32_t reader)
{
    if (tape->flags[node] & PYAD_NODE_SAVED)
        return;
    tape->flags[node] |= PYAD_NODE_SAVED;
    uint32_t owner = memory_owner(tape, node);
    if (!(tape->flags[owner] & PYAD_NODE_LENT) || tape->value[owner].layout->size == 0)
        return;
    pyad_lent *lent = &tape->lent[tape->rule[owner]];
    if (lent->bytes != 0)
        return;
    lent->bytes = pyad_layout_bytes(tape->value[owner].layout);
    lent->fingerprint = view_fingerprint(pyad_value_view(&tape->value[owner]));
    lent->reader = reader;
}

pyad_status pyad_tape_verify(pyad_tape *tape, uint32_t node)
{
    uint32_t owner = memory_owner(tape, node);
    if (!(tape->flags[owner] & PYAD_NODE_LENT))
        return PYAD_OK;
    pyad_lent *lent = &tape->lent[tape->rule[owner]];
    if (lent->bytes == 0 || lent->checked == tape->epochs)
        return PYAD_OK;
    lent->checked = tape->epochs;
    if (view_fingerprint(pyad_value_view(&tape->value[owner])) == lent->fingerprint)
        return PYAD_OK;
    lent->checked = 0;
    return PYAD_ERR_MUTATED;
}

void pyad_tape_free_value(pyad_tape *tape, uint32_t node)
{
    pyad_value *value = &tape->value[node];
    if (value->buffer == NULL)
        return;
    pyad_buffer_release(tape->mem, value->buffer);
    value->buffer = NULL;
    value->data = NULL;
    tape->flags[node] |= PYAD_NODE_FREED;
}

pyad_value pyad_tape_take_value(pyad_tape *tape, uint32_t node)
{
    pyad_value value = tape->value[node];
    tape->value[node].buffer = NULL;
    tape->value[node].data = NULL;
    tape->flags[node] |= PYAD_NODE_FREED;
    tape->generation[node] = PYAD_GENERATION_SEALED;
    return value;
}

void pyad_tape_release(pyad_tape *tape, uint32_t node)
{
    tape->flags[node] &= (uint16_t)~PYAD_NODE_HELD;
    if (!(tape->flags[node] & PYAD_NODE_SAVED))
        pyad_tape_free_value(tape, node);
}
