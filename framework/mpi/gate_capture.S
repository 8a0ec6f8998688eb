/* gate/entry.S under a name of its own: gate/capture.c has the same object file name. */
#include "gate/entry.S"
