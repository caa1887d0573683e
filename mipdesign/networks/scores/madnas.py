"""The multi-scale score of MAE-DET (ICML 2022, arXiv 2111.13336) and of the networks found with it."""

from __future__ import annotations

from .score import Number, Score


class MadNas(Score):
    """``M_j = sum of layer terms + ln C_j``: a sum, so every layer adds on its own (MAE-DET, QE-Score, DAMO-YOLO)."""

    name = "madnas"
    additive = True
    exponents = (1.0, 0.0)
    beta = 0.0
    counts_bits = True
    logarithms = 1

    def alpha(self, n_stages: int) -> tuple[float, ...]:
        """The last map alone, as for classification."""
        return (0.0,) * (n_stages - 1) + (1.0,)

    def term(self, weight: Number, end_weight: Number, x: Number, u: Number) -> Number:
        return weight * u + end_weight * x
