"""DeepMAD's basic block, ``KXKX``."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_shortcut


class Basic(BlockFamily):
    """``KXKX``: two k x k convolutions, the second one strided; ReLU."""

    name = "basic"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci * k**2, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, kernel=k, act=self.activation)
        main.conv("conv2", c, kernel=k, stride=s)
        return with_shortcut(main, ci, c, s, r, projection=ci != c, act=self.activation)
