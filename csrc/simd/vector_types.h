/* Vectors of the level's natural width, in the compiler's own vector types, for the kernels that must hold sums in
 * registers in a set order: the compiler does not reorder floating sums by itself. */
#ifndef PYAD_SIMD_VECTOR_TYPES_H
#define PYAD_SIMD_VECTOR_TYPES_H

#include <stdint.h>
#include <string.h>

#ifndef PYAD_VECTOR_BYTES
#if defined(__AVX512F__)
#define PYAD_VECTOR_BYTES 64
#elif defined(__AVX__)
#define PYAD_VECTOR_BYTES 32
#else
#define PYAD_VECTOR_BYTES 16
#endif
#endif

/* Vectors are passed to inline functions only, so how an ABI would pass them is of no interest. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

typedef float vec_f32 __attribute__((vector_size(PYAD_VECTOR_BYTES)));
typedef double vec_f64 __attribute__((vector_size(PYAD_VECTOR_BYTES)));
typedef int32_t mask_f32 __attribute__((vector_size(PYAD_VECTOR_BYTES)));
typedef int64_t mask_f64 __attribute__((vector_size(PYAD_VECTOR_BYTES)));

/* Loops over the vectors of a tile are unrolled, so that the tile lives in registers. */
#define PYAD_UNROLL _Pragma("GCC unroll 32")

#endif
