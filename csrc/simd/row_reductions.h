/* Kernels over one row of contiguous elements: sums, extremes, softmax and its kin, axpy, fingerprint. */
#ifndef PYAD_SIMD_ROW_REDUCTIONS_H
#define PYAD_SIMD_ROW_REDUCTIONS_H

#include "simd/loops.h"
#include "simd/vector_types.h"

/* Sums of this many elements are kept in lanes; beyond it they are added as a balanced tree. */
#define ROWS_CHUNK 1024

#define REAL float
#define VEC vec_f32
#define MASK mask_f32
#define SUFFIXED(name) name##_f32
#include "simd/row_reductions.inc.h"
#undef REAL
#undef VEC
#undef MASK
#undef SUFFIXED

#define REAL double
#define VEC vec_f64
#define MASK mask_f64
#define SUFFIXED(name) name##_f64
#include "simd/row_reductions.inc.h"
#undef REAL
#undef VEC
#undef MASK
#undef SUFFIXED

/* ---- fingerprint ---- */

#define FINGERPRINT_LANES 8
#define FINGERPRINT_STRIDE 16

static inline uint64_t fingerprint_word(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* One to one in each of the three while the other two are fixed: that is why a changed byte always changes the result.
 * The rotations bring the high bits down, where the multiplication spreads them again; without them two sign flips in
 * one lane would cancel. Two words share a multiplication because that is what bounds the speed. */
static inline uint64_t fingerprint_step(uint64_t state, uint64_t first, uint64_t second)
{
    uint64_t x = state ^ first;
    x = ((x << 23) | (x >> 41)) + second;
    x *= UINT64_C(0x9fb21c651e98df25);
    return (x << 29) | (x >> 35);
}

#if defined(__AVX2__)
#define FINGERPRINT_WIDE 32

/* The same by additions and shifts, which vectors have for 64 bits and multiplications they have not: twice as fast on
 * long memory. Each line below is one to one. */
static inline uint64_t fingerprint_wide_step(uint64_t state, uint64_t word)
{
    uint64_t x = state ^ word;
    x += x << 21;
    x ^= x >> 29;
    return x + (x << 9);
}

static uint64_t fingerprint_wide(const unsigned char *p, size_t stripes)
{
    uint64_t lane[FINGERPRINT_WIDE];
    for (unsigned j = 0; j < FINGERPRINT_WIDE; j++) {
        lane[j] = UINT64_C(0x2545f4914f6cdd1d) * (2u * j + 1u);
    }
    for (size_t i = 0; i < stripes; i++) {
        for (unsigned j = 0; j < FINGERPRINT_WIDE; j++)
            lane[j] = fingerprint_wide_step(lane[j], fingerprint_word(p + 8 * j));
        p += 8 * FINGERPRINT_WIDE;
    }
    uint64_t h = 0;
    for (unsigned j = 0; j < FINGERPRINT_WIDE; j++)
        h = fingerprint_step(h, lane[j], j);
    return h;
}
#endif

/* Differs between levels of the instruction set, of which a process uses one. */
static uint64_t rows_fingerprint(const void *data, size_t bytes)
{
    uint64_t lane[FINGERPRINT_LANES];
    for (unsigned j = 0; j < FINGERPRINT_LANES; j++) {
        lane[j] = UINT64_C(0x2545f4914f6cdd1d) * (2u * j + 1u);
    }
    const unsigned char *p = data;
    size_t left = bytes;
#if defined(__AVX2__)
    if (bytes >= 4096) {
        size_t stripes = bytes / (8 * FINGERPRINT_WIDE);
        lane[0] ^= fingerprint_wide(p, stripes);
        p += stripes * 8 * FINGERPRINT_WIDE;
        left -= stripes * 8 * FINGERPRINT_WIDE;
    }
#endif
    for (; left >= FINGERPRINT_STRIDE * FINGERPRINT_LANES; left -= FINGERPRINT_STRIDE * FINGERPRINT_LANES) {
        PYAD_UNROLL
        for (unsigned j = 0; j < FINGERPRINT_LANES; j++) {
            lane[j] = fingerprint_step(lane[j], fingerprint_word(p), fingerprint_word(p + 8));
            p += FINGERPRINT_STRIDE;
        }
    }
    for (unsigned j = 0; left > 0; j++) {
        unsigned char last[FINGERPRINT_STRIDE] = {0};
        size_t take = left < FINGERPRINT_STRIDE ? left : FINGERPRINT_STRIDE;
        memcpy(last, p, take);
        lane[j] = fingerprint_step(lane[j], fingerprint_word(last), fingerprint_word(last + 8));
        p += take;
        left -= take;
    }
    /* The length tells a short last word from one that ends in zeros. */
    uint64_t h = (uint64_t)bytes;
    for (unsigned j = 0; j < FINGERPRINT_LANES; j++) {
        h = fingerprint_step(h, lane[j], j);
    }
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ (h >> 29);
}

#endif
