/* Memory: the one place that allocates, through one hook. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#if PYAD_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

enum {
    BUFFER_ALIGNMENT = 64,
    /* The header, and what aligning the data behind it can cost. */
    BUFFER_OVERHEAD = sizeof(pyad_buffer) + BUFFER_ALIGNMENT,
    FIRST_CAPACITY = 16,
    CHUNK_MIN = 64 << 10,
    CHUNK_MAX = 1 << 20
};

/* Stands at the start of the buffer whose memory the chunk hands out. */
struct pyad_chunk {
    pyad_chunk *before;
    pyad_buffer *buffer;
};

static void *default_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

const pyad_hook pyad_hook_default = {default_resize, NULL};

static char *align_up(char *address, size_t alignment)
{
    size_t past = (size_t)((uintptr_t)address & (alignment - 1));
    return past == 0 ? address : address + (alignment - past);
}

/* All that is taken goes through here. Cached buffers are the engine's to give up before it reports a failure. */
static void *take(pyad_mem *mem, void *block, size_t old_size, size_t new_size)
{
    void *taken = mem->hook.resize(mem->hook.user, block, old_size, new_size);
    if (taken == NULL && mem->cached_count > 0) {
        pyad_mem_trim(mem);
        taken = mem->hook.resize(mem->hook.user, block, old_size, new_size);
    }
    return taken;
}

void pyad_mem_init(pyad_mem *mem, pyad_hook hook)
{
    memset(mem, 0, sizeof *mem);
    mem->hook = hook;
}

void pyad_mem_finish(pyad_mem *mem)
{
    pyad_mem_trim(mem);
}

pyad_status pyad_size_mul(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return PYAD_ERR_MEMORY;
    *product = a * b;
    return PYAD_OK;
}

/* Plain blocks. */

pyad_status pyad_mem_grow(pyad_mem *mem, void **block, size_t *capacity, size_t need, size_t item)
{
    if (need <= *capacity)
        return PYAD_OK;
    size_t items = need;
    if (*capacity <= SIZE_MAX / 2 && items < 2 * *capacity)
        items = 2 * *capacity;
    if (items < FIRST_CAPACITY)
        items = FIRST_CAPACITY;
    size_t bytes;
    PYAD_TRY(pyad_size_mul(items, item, &bytes));
    /* An object larger than this breaks the subtraction of pointers into it. */
    if (bytes > PTRDIFF_MAX)
        return PYAD_ERR_MEMORY;
    void *grown = take(mem, *block, *capacity * item, bytes);
    if (grown == NULL)
        return PYAD_ERR_MEMORY;
    *block = grown;
    *capacity = items;
    return PYAD_OK;
}

/* A block of no bytes still has an address, so that NULL means failure and nothing else. */
static size_t at_least_one(size_t bytes)
{
    return bytes == 0 ? 1 : bytes;
}

void *pyad_mem_calloc(pyad_mem *mem, size_t bytes)
{
    if (bytes > PTRDIFF_MAX)
        return NULL;
    void *block = take(mem, NULL, 0, at_least_one(bytes));
    if (block != NULL)
        memset(block, 0, at_least_one(bytes));
    return block;
}

void pyad_mem_free(pyad_mem *mem, void *block, size_t bytes)
{
    if (block != NULL)
        mem->hook.resize(mem->hook.user, block, at_least_one(bytes), 0);
}

/* Buffers. */

/* Sizes are rounded up in steps of a sixteenth of the power of two below them, at least 64 bytes. So every buffer under
 * one index has the same size and any of them serves, and at most 6 % of a large buffer is never touched. Returns
 * the index and writes the rounded size; PYAD_CACHE_SIZES means that the size is not cached. */
static size_t size_index(size_t bytes, size_t *rounded)
{
    size_t last = bytes == 0 ? 0 : (bytes - 1) / BUFFER_ALIGNMENT;
    if (bytes > PYAD_CACHE_BYTES) {
        *rounded = (last + 1) * BUFFER_ALIGNMENT;
        return PYAD_CACHE_SIZES;
    }
    size_t shift = 0;
    if (last >= 32)
        shift = (size_t)(63 - __builtin_clzll((unsigned long long)last)) - 4;
    size_t step = last >> shift;
    *rounded = ((step + 1) << shift) * BUFFER_ALIGNMENT;
    return shift * 16 + step;
}

static void buffer_free(pyad_buffer *buffer)
{
    ASAN_UNPOISON_MEMORY_REGION(buffer->data, buffer->bytes);
    pyad_hook hook = buffer->hook;
    hook.resize(hook.user, buffer, buffer->block_bytes, 0);
}

static void cache_push(pyad_mem *mem, pyad_buffer *buffer, size_t index)
{
    buffer->prev = NULL;
    buffer->next = mem->cache[index];
    if (buffer->next != NULL)
        buffer->next->prev = buffer;
    mem->cache[index] = buffer;

    buffer->newer = NULL;
    buffer->older = mem->newest;
    if (buffer->older != NULL)
        buffer->older->newer = buffer;
    else
        mem->oldest = buffer;
    mem->newest = buffer;

    mem->cached_bytes += buffer->block_bytes;
    mem->cached_count++;
    ASAN_POISON_MEMORY_REGION(buffer->data, buffer->bytes);
}

static void cache_remove(pyad_mem *mem, pyad_buffer *buffer, size_t index)
{
    if (buffer->prev != NULL)
        buffer->prev->next = buffer->next;
    else
        mem->cache[index] = buffer->next;
    if (buffer->next != NULL)
        buffer->next->prev = buffer->prev;

    if (buffer->newer != NULL)
        buffer->newer->older = buffer->older;
    else
        mem->newest = buffer->older;
    if (buffer->older != NULL)
        buffer->older->newer = buffer->newer;
    else
        mem->oldest = buffer->newer;

    mem->cached_bytes -= buffer->block_bytes;
    mem->cached_count--;
    ASAN_UNPOISON_MEMORY_REGION(buffer->data, buffer->bytes);
}

static void cache_evict_oldest(pyad_mem *mem)
{
    pyad_buffer *buffer = mem->oldest;
    size_t rounded;
    size_t index = size_index(buffer->bytes, &rounded);
    cache_remove(mem, buffer, index);
    buffer_free(buffer);
}

void pyad_mem_trim(pyad_mem *mem)
{
    while (mem->cached_count > 0)
        cache_evict_oldest(mem);
}

static pyad_buffer *buffer_take(pyad_mem *mem, size_t rounded)
{
    size_t block_bytes = rounded + BUFFER_OVERHEAD;
    pyad_buffer *buffer = take(mem, NULL, 0, block_bytes);
    if (buffer == NULL)
        return NULL;
    memset(buffer, 0, sizeof *buffer);
    buffer->block_bytes = block_bytes;
    buffer->hook = mem->hook;
    buffer->mem = mem;
    buffer->data = align_up((char *)(buffer + 1), BUFFER_ALIGNMENT);
    return buffer;
}

/* A buffer of this thread's, from the cache or new, which no counter knows of yet; or NULL. */
static pyad_buffer *buffer_obtain(pyad_mem *mem, size_t bytes)
{
    if (bytes > PTRDIFF_MAX - BUFFER_OVERHEAD - BUFFER_ALIGNMENT)
        return NULL;
    size_t rounded;
    size_t index = size_index(bytes, &rounded);
    pyad_buffer *buffer = index < PYAD_CACHE_SIZES ? mem->cache[index] : NULL;
    if (buffer != NULL)
        cache_remove(mem, buffer, index);
    else
        buffer = buffer_take(mem, rounded);
    if (buffer == NULL)
        return NULL;
    atomic_init(&buffer->refs, 1);
    buffer->bytes = bytes;
    return buffer;
}

static void buffer_give_back(pyad_mem *mem, pyad_buffer *buffer)
{
    size_t rounded;
    size_t index = size_index(buffer->bytes, &rounded);
    if (index == PYAD_CACHE_SIZES) {
        buffer_free(buffer);
        return;
    }
    cache_push(mem, buffer, index);
    while (mem->cached_bytes > PYAD_CACHE_BYTES || mem->cached_count > PYAD_CACHE_COUNT)
        cache_evict_oldest(mem);
}

pyad_status pyad_buffer_new(pyad_mem *mem, size_t bytes, pyad_buffer **out)
{
    pyad_buffer *buffer = buffer_obtain(mem, bytes);
    if (buffer == NULL)
        return PYAD_ERR_MEMORY;
    mem->live_buffers++;
    mem->live_bytes += bytes;
    if (mem->peak_bytes < mem->live_bytes)
        mem->peak_bytes = mem->live_bytes;
    *out = buffer;
    return PYAD_OK;
}

void pyad_buffer_retain(pyad_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
}

/* A pyad_mem can stand where an earlier one stood that this buffer came from and was never counted in; so the counters
 * stop at zero. */
static void count_released(pyad_mem *mem, size_t bytes)
{
    if (mem->live_buffers > 0)
        mem->live_buffers--;
    mem->live_bytes -= bytes < mem->live_bytes ? bytes : mem->live_bytes;
}

void pyad_buffer_release(pyad_mem *mem, pyad_buffer *buffer)
{
    /* What this thread wrote must be seen by the one that frees, and that one must see what all others wrote. */
    if (atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (mem == NULL || mem != buffer->mem) {
        buffer_free(buffer);
        return;
    }
    count_released(mem, buffer->bytes);
    buffer_give_back(mem, buffer);
}

/* Arenas. */

static char *chunk_end(pyad_chunk *chunk)
{
    return (char *)chunk + chunk->buffer->bytes;
}

void pyad_arena_init(pyad_arena *arena, pyad_mem *mem)
{
    memset(arena, 0, sizeof *arena);
    arena->mem = mem;
}

/* Puts `chunk`, or no chunk, into use from `at` on. */
static void arena_use(pyad_arena *arena, pyad_chunk *chunk, char *at)
{
    arena->chunk = chunk;
    arena->at = at;
    arena->end = chunk == NULL ? NULL : chunk_end(chunk);
    if (chunk != NULL)
        ASAN_POISON_MEMORY_REGION(at, (size_t)(arena->end - at));
}

/* Chunks double, so that a long tape needs few and a short one little. */
static size_t next_chunk_bytes(const pyad_arena *arena, size_t need)
{
    size_t bytes = arena->chunk == NULL ? CHUNK_MIN : 2 * arena->chunk->buffer->bytes;
    if (bytes > CHUNK_MAX)
        bytes = CHUNK_MAX;
    return bytes < need ? need : bytes;
}

static pyad_status arena_add_chunk(pyad_arena *arena, size_t need)
{
    pyad_buffer *buffer = buffer_obtain(arena->mem, next_chunk_bytes(arena, need));
    if (buffer == NULL)
        return PYAD_ERR_MEMORY;
    pyad_chunk *chunk = buffer->data;
    chunk->before = arena->chunk;
    chunk->buffer = buffer;
    arena_use(arena, chunk, (char *)(chunk + 1));
    return PYAD_OK;
}

/* The aligned place for `bytes` in the chunk in use, or NULL when they do not fit. */
static char *arena_place(const pyad_arena *arena, size_t bytes, size_t alignment)
{
    if (arena->chunk == NULL)
        return NULL;
    size_t room = (size_t)(arena->end - arena->at);
    size_t padding = (size_t)(align_up(arena->at, alignment) - arena->at);
    if (padding > room || bytes > room - padding)
        return NULL;
    return arena->at + padding;
}

void *pyad_arena_alloc_slow(pyad_arena *arena, size_t bytes)
{
    size_t alignment = bytes >= 64 ? 64 : bytes > 8 ? 16 : 8;
    if (bytes > PTRDIFF_MAX - sizeof(pyad_chunk) - 64)
        return NULL;
    /* Blocks keep `at` a multiple of eight, which the fast way relies on. */
    bytes = (at_least_one(bytes) + 7) & ~(size_t)7;
    char *block = arena_place(arena, bytes, alignment);
    if (block == NULL) {
        if (arena_add_chunk(arena, sizeof(pyad_chunk) + alignment + bytes) != PYAD_OK)
            return NULL;
        block = arena_place(arena, bytes, alignment);
    }
    arena->at = block + bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    return block;
}

pyad_arena_mark pyad_arena_position(const pyad_arena *arena)
{
    return (pyad_arena_mark){arena->chunk, arena->at};
}

void pyad_arena_cut(pyad_arena *arena, pyad_arena_mark mark)
{
    pyad_chunk *chunk = arena->chunk;
    while (chunk != mark.chunk) {
        pyad_chunk *before = chunk->before;
        buffer_give_back(arena->mem, chunk->buffer);
        chunk = before;
    }
    arena_use(arena, mark.chunk, mark.at);
}

void pyad_arena_finish(pyad_arena *arena)
{
    pyad_arena_cut(arena, (pyad_arena_mark){NULL, NULL});
}

size_t pyad_arena_bytes(const pyad_arena *arena)
{
    size_t bytes = 0;
    for (const pyad_chunk *chunk = arena->chunk; chunk != NULL; chunk = chunk->before)
        bytes += chunk->buffer->bytes;
    return bytes;
}
