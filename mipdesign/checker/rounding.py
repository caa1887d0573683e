"""What floats can hold: the unit roundoff, the least number that is exact to it, the largest exponent."""

from __future__ import annotations

UNIT = 2.0**-53


UNDERFLOW = 1e-310
"""More than what numbers too small for floats to hold exactly come to in a bound: each is off by 5e-324."""


LARGEST_EXPONENT = 660.0
"""Where ``exp`` is cut off, for a lower bound of it."""
