/* The core: what takes the time of a proof. One file for the compiler, so that it sees all of it at once. */

#include "evaluator.h"
#include "relaxation.h"

/* Smallest and largest value of some columns, and the largest one that is at or below their geometric middle and less than the
 * largest (the least where all are equal). */
EXPORT void extent(const i64 *values, const i64 *columns, i64 n, i64 *low, i64 *high, i64 *middle) {
    i64 least = values[columns[0]], most = least;
    for (i64 k = 1; k < n; k++) {
        least = least_int(least, values[columns[k]]);
        most = most_int(most, values[columns[k]]);
    }
    double target = sqrt((double)least * (double)most);
    i64 found = least;
    for (i64 k = 0; k < n; k++) {
        i64 value = values[columns[k]];
        if (found < value && (double)value <= target && value < most)
            found = value;
    }
    *low = least, *high = most, *middle = found;
}
