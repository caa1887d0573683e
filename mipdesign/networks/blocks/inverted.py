"""DeepMAD's inverted block, ``K1DWK1``."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_shortcut


class Inverted(BlockFamily):
    """``K1DWK1``: 1x1 expansion, depthwise k x k (strided), 1x1; a shortcut only where the channels stay the same."""

    name = "inverted"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, k**2 + 0 * b, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        act = self.activation
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=act)
        main.conv("conv2", b, kernel=k, stride=s, groups=b, act=act)
        self._attention(main, b)
        main.conv("conv3", c)
        return with_shortcut(main, ci, c, s, r, projection=False, act=act, present=ci == c)

    def _attention(self, main: OperationChain, b: Int) -> None:
        """Hook for the squeeze-and-excitation of :class:`InvertedSE`."""
