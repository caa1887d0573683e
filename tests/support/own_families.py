"""A block family that the package does not bring, as a user would write it; ``docs/howto/extending.md`` shows it."""

from __future__ import annotations

from mipdesign.networks.blocks import Bottleneck, Int, Operation, with_shortcut
from mipdesign.networks.blocks import OperationChain as Chain


class Grouped(Bottleneck):
    """ResNeXt's block: a bottleneck whose k x k convolution has eight groups; widths have to be multiples of 8."""

    name = "grouped"
    groups = 8

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2 // self.groups, b

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = Chain(ci, r)
        main.conv("conv1", b, act="relu")
        main.conv("conv2", b, kernel=k, stride=s, groups=self.groups, act="relu")
        main.conv("conv3", c)
        return with_shortcut(main, ci, c, s, r, projection=first, act="relu")


class Inconsistent(Grouped):
    """States widths that its operations do not have."""

    name = "inconsistent"

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, b * k**2, b


class Quadratic(Grouped):
    """Its counts are not affine in the incoming channels."""

    name = "quadratic"

    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        return ci, ci, ci * k**2

    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        main = Chain(ci, r)
        main.conv("conv1", ci)
        main.conv("conv2", ci)
        main.conv("conv3", c, kernel=k, stride=s)
        return with_shortcut(main, ci, c, s, r, projection=first, act="relu")
