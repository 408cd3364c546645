/* Lists of integers written where they are used: shapes, indices, static parameters. */
#ifndef PYAD_TESTS_LISTS_H
#define PYAD_TESTS_LISTS_H

#include <stdint.h>

#define LIST(...) ((const int64_t[]){__VA_ARGS__})
/* Static parameters: their count, then they. */
#define PARAMS(...) ((const int64_t[]){sizeof(LIST(__VA_ARGS__)) / 8, __VA_ARGS__})

#endif
