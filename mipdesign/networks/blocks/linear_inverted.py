"""MobileNetV2's block."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_identity


class LinearInverted(BlockFamily):
    """MobileNetV2's block (Sandler et al., CVPR 2018, arXiv 1801.04381): 1x1 expansion, depthwise k x k, linear 1x1; ReLU6.

    An identity shortcut where neither stride nor channels change; no activation at the end.
    """

    name = "linear_inverted"
    activation = "relu6"
    layers = 3

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, k**2 + 0 * b, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", b, act=self.activation)
        main.conv("conv2", b, kernel=k, stride=s, groups=b, act=self.activation)
        main.conv("conv3", c)
        return with_identity(main, ci, c, s)
