"""DeepMAD's inverted block with squeeze-and-excitation, ``K1DWSEK1``."""

from __future__ import annotations

from ..operation import Int, OperationChain
from .inverted import Inverted


class InvertedSE(Inverted):
    """``K1DWSEK1``: :class:`Inverted` with squeeze-and-excitation after the depthwise convolution; SiLU."""

    name = "inverted_se"
    activation = "silu"
    has_se = True

    @staticmethod
    def squeeze(b: Int) -> Int:
        """Squeeze width ``max(1, round(b/4) // 8 * 8)``."""
        if not getattr(b, "ndim", 0):
            return max(1, round(b / 4) // 8 * 8)
        import numpy as np  # which the blocks of one network do not need

        return np.maximum(1, np.rint(b / 4).astype(np.int64) // 8 * 8)

    def _attention(self, main: OperationChain, b: Int) -> None:
        trunk, resolution = main.last, main.resolution
        main.add("se_pool", "global_pool", stride=resolution, role="se")
        main.conv("se_reduce", self.squeeze(b), act="silu", role="se")
        main.conv("se_expand", b, act="sigmoid", role="se")
        main.add("se_scale", "scale", inputs=(trunk, main.last), resolution=resolution, role="se")
