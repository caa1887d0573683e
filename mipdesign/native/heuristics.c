/* The search for good networks. */

#include "heuristics.h"

/* The size of what Python lays out by its own list of fields. */
EXPORT i64 size_of_moves(void) { return (i64)sizeof(Moves); }
