"""DeepMAD's mixed block, ``K1KX``."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_shortcut


class Mixed(BlockFamily):
    """``K1KX``: 1x1, then k x k (strided); ReLU."""

    name = "mixed"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=self.activation)
        main.conv("conv2", c, kernel=k, stride=s)
        return with_shortcut(main, ci, c, s, r, projection=ci != c, act=self.activation)
