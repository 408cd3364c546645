/* Memory: plain blocks, cached buffers, arenas, and what each does when there is none left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/memory.h"
#include "support/hook.h"

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
} fixture;

static fixture *setup(void)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    pyad_mem_init(&f.mem, test_hook_use(&f.hook));
    return &f;
}

static void finish(fixture *f)
{
    pyad_mem_finish(&f->mem);
    assert_int_equal(f->mem.cached_bytes, 0);
    assert_int_equal(f->hook.blocks, 0);
    assert_int_equal(f->hook.bytes, 0);
}

static pyad_buffer *new_buffer(fixture *f, size_t bytes)
{
    pyad_buffer *buffer = NULL;
    assert_int_equal(pyad_buffer_new(&f->mem, bytes, &buffer), PYAD_OK);
    assert_int_equal((uintptr_t)buffer->data % 64, 0);
    assert_int_equal(buffer->bytes, bytes);
    assert_true((char *)buffer->data + bytes <= (char *)buffer + buffer->block_bytes);
    return buffer;
}

static void test_size_mul(void **state)
{
    (void)state;
    size_t product = 7;
    assert_int_equal(pyad_size_mul(6, 7, &product), PYAD_OK);
    assert_int_equal(product, 42);
    assert_int_equal(pyad_size_mul(SIZE_MAX / 2 + 1, 2, &product), PYAD_ERR_MEMORY);
    assert_int_equal(product, 42);
    assert_int_equal(pyad_size_mul(SIZE_MAX, 1, &product), PYAD_OK);
    assert_true(product == SIZE_MAX);
    assert_int_equal(pyad_size_mul(SIZE_MAX, 0, &product), PYAD_OK);
    assert_int_equal(product, 0);
}

static void test_grow(void **state)
{
    (void)state;
    fixture *f = setup();
    int32_t *items = NULL;
    size_t capacity = 0;
    for (size_t count = 0; count < 1000; count++) {
        assert_int_equal(pyad_mem_grow(&f->mem, (void **)&items, &capacity, count + 1, sizeof *items), PYAD_OK);
        assert_true(capacity >= count + 1);
        items[count] = (int32_t)count;
    }
    for (size_t k = 0; k < 1000; k++)
        assert_int_equal(items[k], k);
    assert_true(f->hook.calls <= 8);
    pyad_mem_free(&f->mem, items, capacity * sizeof *items);
    finish(f);
}

static void test_grow_fails(void **state)
{
    (void)state;
    fixture *f = setup();
    void *items = NULL;
    size_t capacity = 0;
    assert_int_equal(pyad_mem_grow(&f->mem, &items, &capacity, 3, 24), PYAD_OK);
    void *before = items;
    size_t capacity_before = capacity;

    test_hook_fail_after(&f->hook, 0);
    assert_int_equal(pyad_mem_grow(&f->mem, &items, &capacity, capacity + 1, 24), PYAD_ERR_MEMORY);
    test_hook_never_fail(&f->hook);
    assert_int_equal(pyad_mem_grow(&f->mem, &items, &capacity, SIZE_MAX / 8, 24), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_mem_grow(&f->mem, &items, &capacity, SIZE_MAX, 1), PYAD_ERR_MEMORY);
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, capacity_before);

    pyad_mem_free(&f->mem, items, capacity * 24);
    finish(f);
}

static void test_zeroed_block(void **state)
{
    (void)state;
    fixture *f = setup();
    unsigned char *block = pyad_mem_calloc(&f->mem, 100);
    for (int k = 0; k < 100; k++)
        assert_int_equal(block[k], 0);
    pyad_mem_free(&f->mem, block, 100);

    void *empty = pyad_mem_calloc(&f->mem, 0);
    assert_non_null(empty);
    pyad_mem_free(&f->mem, empty, 0);
    pyad_mem_free(&f->mem, NULL, 8);

    assert_null(pyad_mem_calloc(&f->mem, SIZE_MAX));
    test_hook_fail_after(&f->hook, 0);
    assert_null(pyad_mem_calloc(&f->mem, 1));
    finish(f);
}

static void test_buffer_counts(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_buffer *a = new_buffer(f, 1000);
    pyad_buffer *b = new_buffer(f, 0);
    pyad_buffer *c = new_buffer(f, 500);
    memset(a->data, 1, 1000);
    assert_int_equal(f->mem.live_buffers, 3);
    assert_int_equal(f->mem.live_bytes, 1500);

    pyad_buffer_retain(a);
    pyad_buffer_release(&f->mem, a);
    assert_int_equal(f->mem.live_buffers, 3);
    assert_int_equal(f->mem.cached_count, 0);

    pyad_buffer_release(&f->mem, a);
    assert_int_equal(f->mem.live_bytes, 500);
    assert_int_equal(f->mem.peak_bytes, 1500);
    pyad_buffer_release(&f->mem, b);
    pyad_buffer_release(&f->mem, c);
    assert_int_equal(f->mem.live_buffers, 0);
    assert_int_equal(f->mem.live_bytes, 0);
    assert_int_equal(f->mem.peak_bytes, 1500);
    finish(f);
}

/* A loop that asks for the same sizes again, in whatever order it frees them, takes nothing new. */
static void test_cache_serves_a_loop(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 8, 1 << 20, 4000, 100000, 401408, 1 << 20, 1 << 20, 4000, 3 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    fixture *f = setup();
    pyad_buffer *buffers[COUNT];
    int64_t calls = 0;
    for (int round = 0; round < 5; round++) {
        for (int k = 0; k < COUNT; k++)
            buffers[k] = new_buffer(f, sizes[k]);
        for (int k = 0; k < COUNT; k++) {
            /* Every other round frees in the opposite order. */
            pyad_buffer_release(&f->mem, buffers[round % 2 ? COUNT - 1 - k : k]);
        }
        if (round == 0)
            calls = f->hook.calls;
        assert_int_equal(f->hook.calls, calls);
        assert_int_equal(f->mem.cached_count, COUNT);
    }
    finish(f);
}

/* What comes out of the cache holds what is asked for: a buffer of the next larger size is never served short. */
static void test_cache_sizes(void **state)
{
    (void)state;
    fixture *f = setup();
    for (size_t bytes = 1; bytes < 300 << 20; bytes += 1 + bytes / 7) {
        for (size_t near = bytes < 3 ? 1 : bytes - 2; near < bytes + 3; near++) {
            pyad_buffer *buffer = new_buffer(f, near);
            size_t waste = buffer->block_bytes - near;
            assert_true(waste <= 64 + sizeof *buffer + (near < 2048 ? 64 : near / 16 + 64));
            pyad_buffer_release(&f->mem, buffer);
        }
    }
    finish(f);
}

static void test_cache_is_bounded(void **state)
{
    (void)state;
    fixture *f = setup();
    enum { BYTES = 60 << 20, COUNT = 6 };
    pyad_buffer *buffers[COUNT];
    for (int k = 0; k < COUNT; k++)
        buffers[k] = new_buffer(f, BYTES);
    for (int k = 0; k < COUNT; k++) {
        pyad_buffer_release(&f->mem, buffers[k]);
        assert_true(f->mem.cached_bytes <= PYAD_CACHE_BYTES);
    }
    assert_int_equal(f->mem.cached_count, 4);
    /* The most recent comes first, and the first two freed are the ones that went. */
    for (int k = COUNT - 1; k >= 2; k--)
        assert_ptr_equal(buffers[k], new_buffer(f, BYTES));
    assert_int_equal(f->mem.cached_count, 0);
    for (int k = 2; k < COUNT; k++)
        pyad_buffer_release(&f->mem, buffers[k]);

    pyad_buffer *outsize = new_buffer(f, (size_t)PYAD_CACHE_BYTES + 1);
    pyad_buffer_release(&f->mem, outsize);
    assert_int_equal(f->mem.cached_count, 4);
    finish(f);
}

/* The oldest go first whatever their size, and the links among sizes stay whole. */
static void test_cache_evicts_across_sizes(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_buffer *small[3];
    pyad_buffer *large[4];
    for (int k = 0; k < 3; k++)
        small[k] = new_buffer(f, 128);
    for (int k = 0; k < 4; k++)
        large[k] = new_buffer(f, 80 << 20);
    pyad_buffer_release(&f->mem, small[0]);
    for (int k = 0; k < 3; k++)
        pyad_buffer_release(&f->mem, large[k]);
    pyad_buffer_release(&f->mem, small[1]);
    pyad_buffer_release(&f->mem, small[2]);
    assert_int_equal(f->mem.cached_count, 6);
    pyad_buffer_release(&f->mem, large[3]);

    /* small[0] and large[0] went. */
    assert_int_equal(f->mem.cached_count, 5);
    assert_ptr_equal(new_buffer(f, 128), small[2]);
    assert_ptr_equal(new_buffer(f, 128), small[1]);
    pyad_buffer *fresh = new_buffer(f, 128);
    assert_int_equal(f->mem.cached_count, 3);
    pyad_buffer_release(&f->mem, fresh);
    pyad_buffer_release(&f->mem, small[1]);
    pyad_buffer_release(&f->mem, small[2]);
    finish(f);
}

static void test_cache_count_is_bounded(void **state)
{
    (void)state;
    fixture *f = setup();
    enum { COUNT = PYAD_CACHE_COUNT + 100 };
    pyad_buffer **buffers = pyad_mem_calloc(&f->mem, COUNT * sizeof *buffers);
    for (int k = 0; k < COUNT; k++)
        buffers[k] = new_buffer(f, 8);
    for (int k = 0; k < COUNT; k++)
        pyad_buffer_release(&f->mem, buffers[k]);
    assert_int_equal(f->mem.cached_count, PYAD_CACHE_COUNT);
    pyad_mem_free(&f->mem, buffers, COUNT * sizeof *buffers);
    finish(f);
}

static void test_buffer_fails(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_buffer *buffer = NULL;
    test_hook_fail_after(&f->hook, 0);
    assert_int_equal(pyad_buffer_new(&f->mem, 8, &buffer), PYAD_ERR_MEMORY);
    assert_null(buffer);
    test_hook_never_fail(&f->hook);
    assert_int_equal(pyad_buffer_new(&f->mem, SIZE_MAX, &buffer), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_buffer_new(&f->mem, PTRDIFF_MAX, &buffer), PYAD_ERR_MEMORY);
    assert_null(buffer);
    assert_int_equal(f->mem.live_buffers, 0);
    assert_int_equal(f->mem.peak_bytes, 0);
    finish(f);
}

static void test_failure_gives_the_cache_back(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_buffer_release(&f->mem, new_buffer(f, 5000));
    pyad_buffer_release(&f->mem, new_buffer(f, 70000));
    test_hook_fail_once(&f->hook, 0);
    pyad_buffer *buffer = new_buffer(f, 1 << 20);
    assert_int_equal(f->hook.failures, 1);
    assert_int_equal(f->mem.cached_count, 0);
    pyad_buffer_release(&f->mem, buffer);
    finish(f);
}

static void test_buffer_outlives_mem(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_buffer *buffer = new_buffer(f, 4096);
    pyad_mem_finish(&f->mem);
    memset(buffer->data, 3, 4096);
    pyad_buffer_release(NULL, buffer);
    assert_int_equal(f->hook.blocks, 0);

    /* Its pyad_mem's place may be taken by another's by then, which has never counted the buffer. */
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    buffer = new_buffer(f, 4096);
    pyad_mem_finish(&f->mem);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_buffer_release(&f->mem, buffer);
    assert_int_equal(f->mem.live_buffers, 0);
    assert_int_equal(f->mem.live_bytes, 0);
    finish(f);
}

enum { SHARERS = 4, TURNS = 20000 };

static void *share(void *argument)
{
    pyad_buffer *buffer = argument;
    pyad_mem own;
    pyad_mem_init(&own, pyad_hook_default);
    for (int k = 0; k < TURNS; k++) {
        pyad_buffer_retain(buffer);
        pyad_buffer_release(&own, buffer);
    }
    pyad_buffer_release(&own, buffer);
    bool foreign = own.cached_count == 0;
    pyad_mem_finish(&own);
    return foreign ? NULL : argument;
}

/* Whoever is last frees it, and a foreign thread never keeps it. */
static void test_buffer_on_threads(void **state)
{
    (void)state;
    pyad_mem mem;
    pyad_mem_init(&mem, pyad_hook_default);
    pyad_buffer *buffer = NULL;
    assert_int_equal(pyad_buffer_new(&mem, 1000, &buffer), PYAD_OK);
    pthread_t threads[SHARERS];
    for (int k = 0; k < SHARERS; k++)
        pyad_buffer_retain(buffer);
    for (int k = 0; k < SHARERS; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, share, buffer), 0);
    for (int k = 0; k < SHARERS; k++) {
        void *wrong = buffer;
        pthread_join(threads[k], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(atomic_load(&buffer->refs), 1);

    pyad_buffer_retain(buffer);
    pyad_buffer_release(&mem, buffer);
    pthread_t last;
    assert_int_equal(pthread_create(&last, NULL, share, buffer), 0);
    pthread_join(last, NULL);
    assert_int_equal(mem.cached_count, 0);
    pyad_mem_finish(&mem);
}

static void test_arena_blocks(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    fixture *f = setup();
    pyad_arena arena;
    pyad_arena_init(&arena, &f->mem);
    assert_int_equal(pyad_arena_bytes(&arena), 0);
    unsigned char *blocks[COUNT];
    size_t sizes[COUNT];
    size_t total = 0;
    for (int k = 0; k < COUNT; k++) {
        sizes[k] = (size_t)(k * 7919) % 701;
        blocks[k] = pyad_arena_alloc(&arena, sizes[k]);
        assert_non_null(blocks[k]);
        uintptr_t place = (uintptr_t)blocks[k];
        assert_int_equal(place % (sizes[k] >= 64 ? 64 : sizes[k] > 8 ? 16 : 8), 0);
        memset(blocks[k], k & 255, sizes[k]);
        total += sizes[k];
    }
    for (int k = 0; k < COUNT; k++) {
        for (size_t at = 0; at < sizes[k]; at++)
            assert_int_equal(blocks[k][at], k & 255);
    }
    assert_true(pyad_arena_bytes(&arena) >= total);
    assert_true(pyad_arena_bytes(&arena) <= f->hook.bytes);
    /* Chunks are not among the buffers handed out. */
    assert_int_equal(f->mem.live_buffers, 0);
    assert_int_equal(f->mem.live_bytes, 0);
    pyad_arena_finish(&arena);
    assert_int_equal(pyad_arena_bytes(&arena), 0);
    finish(f);
}

static void test_arena_grows_and_cuts(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_arena arena;
    pyad_arena_init(&arena, &f->mem);
    pyad_arena_mark start = pyad_arena_position(&arena);
    int64_t *first = pyad_arena_alloc(&arena, 8);
    *first = 42;
    assert_int_equal(pyad_arena_bytes(&arena), 64 << 10);

    pyad_arena_mark mark = pyad_arena_position(&arena);
    void *next = pyad_arena_alloc(&arena, 8);
    for (int k = 0; k < 1000000; k++)
        assert_non_null(pyad_arena_alloc(&arena, 8));
    /* Eight megabytes in chunks that end at one each. */
    assert_true(f->hook.blocks <= 13);
    assert_true(arena.end - (char *)arena.chunk == 1 << 20);

    pyad_arena_cut(&arena, mark);
    assert_int_equal(*first, 42);
    assert_int_equal(pyad_arena_bytes(&arena), 64 << 10);
    assert_ptr_equal(pyad_arena_alloc(&arena, 8), next);

    /* The chunks cut away serve the next round. */
    int64_t calls = f->hook.calls;
    for (int k = 0; k < 1000000; k++)
        assert_non_null(pyad_arena_alloc(&arena, 8));
    assert_int_equal(f->hook.calls, calls);

    pyad_arena_cut(&arena, start);
    assert_null(arena.chunk);
    assert_int_equal(pyad_arena_bytes(&arena), 0);
    assert_non_null(pyad_arena_alloc(&arena, 8));
    pyad_arena_finish(&arena);
    finish(f);
}

static void test_arena_outsize_block(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_arena arena;
    pyad_arena_init(&arena, &f->mem);
    assert_non_null(pyad_arena_alloc(&arena, 8));
    pyad_arena_mark mark = pyad_arena_position(&arena);
    char *block = pyad_arena_alloc(&arena, 5 << 20);
    assert_non_null(block);
    memset(block, 1, 5 << 20);
    assert_non_null(pyad_arena_alloc(&arena, 100));
    pyad_arena_cut(&arena, mark);
    assert_int_equal(pyad_arena_bytes(&arena), 64 << 10);
    pyad_arena_finish(&arena);
    finish(f);
}

static void test_arena_fails(void **state)
{
    (void)state;
    fixture *f = setup();
    pyad_arena arena;
    pyad_arena_init(&arena, &f->mem);
    test_hook_fail_after(&f->hook, 0);
    assert_null(pyad_arena_alloc(&arena, 8));
    test_hook_never_fail(&f->hook);
    assert_null(pyad_arena_alloc(&arena, SIZE_MAX));
    assert_null(pyad_arena_alloc(&arena, PTRDIFF_MAX));

    /* A failure takes nothing from what is there: the rest of the chunk is still handed out. */
    assert_non_null(pyad_arena_alloc(&arena, 8));
    pyad_arena_mark mark = pyad_arena_position(&arena);
    test_hook_fail_after(&f->hook, 0);
    assert_null(pyad_arena_alloc(&arena, 1 << 20));
    assert_ptr_equal(arena.chunk, mark.chunk);
    assert_ptr_equal(arena.at, mark.at);
    assert_non_null(pyad_arena_alloc(&arena, 1000));
    pyad_arena_finish(&arena);
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_mul),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_grow_fails),
        cmocka_unit_test(test_zeroed_block),
        cmocka_unit_test(test_buffer_counts),
        cmocka_unit_test(test_cache_serves_a_loop),
        cmocka_unit_test(test_cache_sizes),
        cmocka_unit_test(test_cache_is_bounded),
        cmocka_unit_test(test_cache_evicts_across_sizes),
        cmocka_unit_test(test_cache_count_is_bounded),
        cmocka_unit_test(test_buffer_fails),
        cmocka_unit_test(test_failure_gives_the_cache_back),
        cmocka_unit_test(test_buffer_outlives_mem),
        cmocka_unit_test(test_buffer_on_threads),
        cmocka_unit_test(test_arena_blocks),
        cmocka_unit_test(test_arena_grows_and_cuts),
        cmocka_unit_test(test_arena_outsize_block),
        cmocka_unit_test(test_arena_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
