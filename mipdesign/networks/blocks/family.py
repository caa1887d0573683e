"""What a block family is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ..operation import Int, Operation


class BlockFamily(ABC):
    """What one kind of block is made of. Instances are stateless; :data:`mipdesign.networks.blocks.FAMILIES` holds one of each
    by name.
    """

    name: ClassVar[str]
    activation: ClassVar[str] = "relu"
    layers: ClassVar[int]
    """Main-path convolutions of one block: its layers in the sense of the theory."""
    has_se: ClassVar[bool] = False

    @abstractmethod
    def widths(self, ci: Int, c: Int, b: Int, k: Int) -> tuple[Int, ...]:
        """Widths of the main-path convolutions of one block, in order."""

    @abstractmethod
    def operations(self, ci: Int, c: Int, b: Int, k: Int, s: int, r: Int, *, first: bool) -> tuple[Operation, ...]:
        """Operations of one block, in topological order; the last one is the block's output."""

    def __repr__(self) -> str:
        return f"<{self.name}>"
