"""A depthwise separable block."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .family import BlockFamily
from .shortcut import with_identity


class Separable(BlockFamily):
    """Depthwise k x k, then a linear 1x1: timm's ``ds`` and the first block of MobileNetV2; ReLU6.

    There is no expansion: the bottleneck width has no meaning and costs nothing. Shortcut as :class:`LinearInverted`.
    """

    name = "separable"
    activation = "relu6"
    layers = 2

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return k**2 + 0 * b, ci

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = OperationChain(ci, r)
        main.conv("conv1", ci, kernel=k, stride=s, groups=ci, act=self.activation)
        main.conv("conv2", c)
        return with_identity(main, ci, c, s)
