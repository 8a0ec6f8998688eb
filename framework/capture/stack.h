/* Running a function on another stack.
 *
 * The engine is called on whatever stack the application stood on, which may be a signal stack of a
 * few KiB or one that is nearly full; and what a capture writes must not change under it. */
#ifndef DV_CAPTURE_STACK_H
#define DV_CAPTURE_STACK_H

#include <dejavu/status.h>

/* Call `function(arg)` on a new stack of 256 KiB; gives its result, or DV_ERR_NO_MEMORY. Signals
 * that arrive meanwhile run there too. */
enum dv_status dv_call_on_new_stack(enum dv_status (*function)(void *arg), void *arg) DV_CHECKED;

#endif
