/* Status codes and the message that goes with a failure.
 *
 * Every function that can fail returns a pyad_status. The words for a failure are written once, where it is found, into
 * the pyad_message that the tape holds; callers only pass the code on. Nothing here ends the process. */
#ifndef PYAD_BASE_STATUS_H
#define PYAD_BASE_STATUS_H

typedef enum pyad_status {
    PYAD_OK = 0,
    PYAD_ERR_MEMORY = 1,   /* the allocation hook returned NULL, or a size does not fit */
    PYAD_ERR_SHAPE = 2,    /* shapes that do not broadcast, contract or reshape */
    PYAD_ERR_DTYPE = 3,    /* a dtype that the operation has no kernel for */
    PYAD_ERR_VALUE = 4,    /* an axis, index or count out of range */
    PYAD_ERR_STALE = 5,    /* a handle that is not on this thread's tape (any more) */
    PYAD_ERR_MUTATED = 6,  /* memory lent by the user changed since it was recorded */
    PYAD_ERR_STATE = 7,    /* a call out of order, such as a sweep without outputs */
    PYAD_CALL_PYTHON = 32, /* not a failure: a sweep or a replay stopped for something only Python can do */
    PYAD_GUARD_FAILED = 33 /* a replay stopped, since a value decides otherwise than when it was recorded */
} pyad_status;

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
