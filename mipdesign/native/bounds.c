/* Bounds of cells, and the expansion of nodes: what takes the time of a proof. */

#include "expansion.h"
#include "rows.h"

/* The size of a problem's structure, which Python lays out by its own list of fields. */
EXPORT i64 size_of_arrays(void) { return (i64)sizeof(Arrays); }
