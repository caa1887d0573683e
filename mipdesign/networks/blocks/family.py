"""What a block family is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ..operation import Bits, Int, Operation


class BlockFamily(ABC):
    """What one kind of block is made of. Instances are stateless; :data:`mipdesign.networks.blocks.FAMILIES` holds one of each
    by name.
    """

    name: ClassVar[str]
    activation: ClassVar[str] = "relu"
    layers: ClassVar[int]
    """Main-path convolutions of one block: its layers in the sense of the theory."""
    has_se: ClassVar[bool] = False
    temporal: ClassVar[str] = ""
    """The convolution whose kernel spans frames, by its name; families of pictures have none."""

    @abstractmethod
    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        """Widths of the main-path convolutions of one block, in order."""

    @abstractmethod
    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        """Operations of one block, in topological order; the last one is the block's output."""

    def placed(
        self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool, kt: Int = 1, frames: int = 1,
        bits: Sequence[Bits] = (),
    ) -> tuple[Operation, ...]:  # fmt: skip
        """:meth:`operations` on maps of several frames, or quantised.

        Parameters
        ----------
        kt:
            Frames that the kernel of :attr:`temporal` spans.
        bits:
            Those of the main-path convolutions, in order; a projection has those of the first one.
        """
        operations = self.operations(ci, c, b, k, s, r, first=first)
        if frames != 1 or self.temporal:
            operations = tuple(replace(op, frames=frames, kernel_t=kt if op.name == self.temporal else 1) for op in operations)
        if not bits:
            return operations
        main = (op.name for op in operations if op.kind == "conv" and op.role == "main")
        of_name = dict(zip(main, bits, strict=True))
        return tuple(replace(op, bits=of_name.get(op.name, bits[0])) if op.kind == "conv" else op for op in operations)

    def __repr__(self) -> str:
        return f"<{self.name}>"
