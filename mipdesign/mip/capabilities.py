"""What a model needs and a solver can do, as one set of words: who asks compares sets, never names of solvers."""

from __future__ import annotations

from enum import Enum


class Capability(Enum):
    """What a solver can do; the first three may be needed by a model."""

    SOS2 = "special ordered sets of type 2"
    NONLINEAR = "nonlinear constraints"
    PRICING = "columns that a pricer adds"
    TIME_LIMIT = "a time limit"
    MEMORY_LIMIT = "a memory limit"
    SEED = "a seed"
    START = "a start solution"
    BOUND = "a dual bound, whatever the status"
    NODES = "the number of branch-and-bound nodes"
