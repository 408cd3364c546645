/* Memory: the one place that allocates, through one hook.
 *
 * The folder base knows memory, threads, and how a failure is passed on. It must not know arrays.
 *
 * A pyad_mem belongs to one thread. It hands out plain blocks (for columns and tables), reference-counted buffers (for
 * arrays, cached by size when they are freed, since fresh pages cost more than the arithmetic done on them) and arenas
 * (for what lives until a mark is cut). A buffer may outlive its pyad_mem and be released on any thread. */
#ifndef PYAD_BASE_MEMORY_H
#define PYAD_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#if defined(__SANITIZE_ADDRESS__)
#define PYAD_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PYAD_ASAN 1
#endif
#endif
#ifndef PYAD_ASAN
#define PYAD_ASAN 0
#endif

/* As realloc: `new_size` 0 frees, `block` NULL allocates. Answers NULL when it cannot. Blocks are aligned as malloc's
 * are; what needs more is aligned by the functions below. Buffers are freed on any thread, so a hook must bear that.
 *
 * When the hook returns NULL and buffers are cached, the cache is given back and the hook asked once more. */
typedef struct pyad_hook {
    void *(*resize)(void *user, void *block, size_t old_size, size_t new_size);
    void *user;
} pyad_hook;

extern const pyad_hook pyad_hook_default;

typedef struct pyad_buffer pyad_buffer;

/* The memory of one or more arrays. `data` is aligned to 64 bytes. */
struct pyad_buffer {
    _Atomic int64_t refs;
    size_t bytes;        /* usable bytes at data, as asked for */
    size_t block_bytes;  /* bytes of the block this header stands in */
    pyad_hook hook;
    void *mem; /* the pyad_mem whose cache it goes back to; compared, never followed, after its thread ended */
    void *data;
    /* Links of a cached buffer: among those of its size, and among all by the time they were freed. */
    pyad_buffer *next;
    pyad_buffer *prev;
    pyad_buffer *older;
    pyad_buffer *newer;
};

enum {
    PYAD_CACHE_BYTES = 256 << 20, /* at most this much is kept in freed buffers, and no larger buffer */
    PYAD_CACHE_COUNT = 16384, /* and at most so many buffers */
    PYAD_CACHE_SIZES = 304 /* block sizes: 16 to each power of two, from 64 bytes to PYAD_CACHE_BYTES */
};

typedef struct pyad_mem {
    pyad_hook hook;
    pyad_buffer *cache[PYAD_CACHE_SIZES]; /* freed buffers by size, most recent first */
    pyad_buffer *newest;
    pyad_buffer *oldest;
    size_t cached_bytes; /* of whole blocks */
    int64_t cached_count;
    int64_t live_buffers;
    size_t live_bytes; /* bytes of buffers handed out and not yet released on this thread */
    size_t peak_bytes;
} pyad_mem;

void pyad_mem_init(pyad_mem *mem, pyad_hook hook);
/* Frees the cache. Buffers still held by others stay valid and free themselves. */
void pyad_mem_finish(pyad_mem *mem);

/* a * b into *product, which is left alone on failure; PYAD_ERR_MEMORY when it does not fit. */
pyad_status pyad_size_mul(size_t a, size_t b, size_t *product);

/* Grows *block (`*capacity` items of `item` >= 1 bytes) to hold at least `need` items, at least doubling. On failure both
 * stay as they were. */
pyad_status pyad_mem_grow(pyad_mem *mem, void **block, size_t *capacity, size_t need, size_t item);
void pyad_mem_free(pyad_mem *mem, void *block, size_t bytes);
/* A zeroed block, or NULL. Freed with pyad_mem_free and the same size. */
void *pyad_mem_calloc(pyad_mem *mem, size_t bytes);

/* A buffer with one reference, from the cache when one of the right size is there. Its bytes are not cleared. */
pyad_status pyad_buffer_new(pyad_mem *mem, size_t bytes, pyad_buffer **out);
void pyad_buffer_retain(pyad_buffer *buffer);
/* `mem` is the calling thread's (or NULL): the buffer goes back to it if it came from there. */
void pyad_buffer_release(pyad_mem *mem, pyad_buffer *buffer);
/* Gives cached buffers back to the system. */
void pyad_mem_trim(pyad_mem *mem);

/* A bump allocator whose blocks never move. Its chunks come from the cache of buffers and go back to it. */
typedef struct pyad_chunk pyad_chunk;

typedef struct pyad_arena {
    pyad_mem *mem;
    pyad_chunk *chunk; /* the one in use; earlier ones hang behind it */
    char *at;
    char *end;
} pyad_arena;

typedef struct pyad_arena_mark {
    pyad_chunk *chunk;
    char *at;
} pyad_arena_mark;

void pyad_arena_init(pyad_arena *arena, pyad_mem *mem);
/* Comes before the pyad_mem is finished. */
void pyad_arena_finish(pyad_arena *arena);
/* `bytes` aligned to 16 (to 8 up to 8 bytes, to 64 from 64 bytes on), or NULL. Called through pyad_arena_alloc. */
void *pyad_arena_alloc_slow(pyad_arena *arena, size_t bytes);
pyad_arena_mark pyad_arena_position(const pyad_arena *arena);
/* Back to a position taken earlier and not cut away since. What was handed out after it is gone. */
void pyad_arena_cut(pyad_arena *arena, pyad_arena_mark mark);
/* Bytes of the chunks the arena holds. */
size_t pyad_arena_bytes(const pyad_arena *arena);

static inline void *pyad_arena_alloc(pyad_arena *arena, size_t bytes)
{
    /* Eight bytes, a scalar, is by far the most common request. Under AddressSanitizer the slow way marks each block as
     * readable, so that a pointer into what was cut away is found. */
    if (!PYAD_ASAN && bytes <= 8 && (size_t)(arena->end - arena->at) >= 8) {
        void *block = arena->at;
        arena->at += 8;
        return block;
    }
    return pyad_arena_alloc_slow(arena, bytes);
}

#endif
