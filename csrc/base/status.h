/* Status codes and the message that goes with a failure.
 *
 * Every function that can fail returns a pyad_status. The words for a failure are written once, where it is found, into
 * the pyad_message that the tape holds; callers only pass the code on. Nothing here ends the process. */
#ifndef PYAD_BASE_STATUS_H
#define PYAD_BASE_STATUS_H

#include "pyad.h"

enum { PYAD_MESSAGE_SIZE = 512 };

typedef struct pyad_message {
    char text[PYAD_MESSAGE_SIZE];
} pyad_message;

/* Writes the words and returns `code`, so that a failing function is `return pyad_fail(...)`. `message` may be NULL. */
pyad_status pyad_fail(pyad_message *message, pyad_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Passes a failure on to the caller. */
#define PYAD_TRY(call)                        \
    do {                                      \
        pyad_status pyad_try_status = (call); \
        if (pyad_try_status != PYAD_OK)       \
            return pyad_try_status;           \
    } while (0)

#endif
