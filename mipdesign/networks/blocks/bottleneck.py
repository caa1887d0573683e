"""DeepMAD's bottleneck block, ``K1KXK1``."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_shortcut


class Bottleneck(BlockFamily):
    """``K1KXK1``: 1x1, k x k (strided), 1x1; ReLU. The first block of a super-block has a projection shortcut."""

    name = "bottleneck"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        act = self.activation
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=act)
        main.conv("conv2", b, kernel=k, stride=s, act=act)
        main.conv("conv3", c)
        return self._joined(main, ci, c, s, r, first)

    def _joined(self, main: OperationChain, ci: Int, c: Int, s: int, r: Int, first: bool) -> tuple[Operation, ...]:
        """The main path with the family's shortcut."""
        return with_shortcut(main, ci, c, s, r, projection=first, act=self.activation)
