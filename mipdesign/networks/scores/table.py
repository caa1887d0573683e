"""The score of a table alone: networks are worth what their super-blocks are worth by the table, and nothing beside."""

from __future__ import annotations

from .score import Number, Score


class TableScore(Score):
    """``H_j = 0``: all that counts is :class:`mipdesign.networks.values.Values`."""

    name = "table"
    additive = False
    exponents = (1.0, 1.0)
    beta = 0.0
    counts_bits = False
    logarithms = 2

    def alpha(self, n_stages: int) -> tuple[float, ...]:
        """No entropy at all."""
        return (0.0,) * n_stages

    def term(self, weight: Number, end_weight: Number, x: Number, u: Number) -> Number:
        return weight * (x * u)
