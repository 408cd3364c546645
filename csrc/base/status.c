/* Status codes and the message that goes with a failure. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

pyad_status pyad_fail(pyad_message *message, pyad_status code, const char *format, ...)
{
    if (message != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message->text, sizeof message->text, format, arguments);
        va_end(arguments);
    }
    return code;
}
