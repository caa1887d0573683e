"""The score of DeepMAD (CVPR 2023, arXiv 2303.02165)."""

from __future__ import annotations

from .score import Number, Score


class DeepMad(Score):
    """``H_j = log(r_j^2 C_j) * sum of layer terms``: a product; bits do not count."""

    name = "deepmad"
    additive = False
    exponents = (1.0, 1.0)
    beta = 10.0
    counts_bits = False
    logarithms = 2

    def alpha(self, n_stages: int) -> tuple[float, ...]:
        """One each, eight for the last (DeepMAD, section 4)."""
        return (1.0,) * (n_stages - 1) + (8.0,)

    def term(self, weight: Number, end_weight: Number, x: Number, u: Number) -> Number:
        return weight * (x * u)
