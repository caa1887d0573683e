/* The core: what takes the time of a proof. One file for the compiler, so that it sees all of it at once. */

#include "evaluator.h"
#include "relaxation.h"

/* The size of a problem's structure, which Python lays out by its own list of fields. */
EXPORT i64 size_of_arrays(void) { return (i64)sizeof(Arrays); }
