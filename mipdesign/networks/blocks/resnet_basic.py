"""torchvision's basic block."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_shortcut


class ResNetBasic(BlockFamily):
    """torchvision's basic block: two k x k convolutions, the *first* one strided; shortcut as :class:`ResNetBottleneck`."""

    name = "resnet_basic"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci * k**2, b * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, kernel=k, stride=s, act=self.activation)
        main.conv("conv2", c, kernel=k)
        return with_shortcut(main, ci, c, s, r, projection=s == 2 or ci != c, act=self.activation, pooled=False)
