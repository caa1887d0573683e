"""What the files of designs and of frontiers have in common: types of their fields, and what is stated of an optimum."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from ..networks.architecture import Architecture
from ..parsing import Stored
from ..search.outcome import Status

Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=10**100)]
Short: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]


class StoredUsage(Stored):
    """What a network uses of a budget."""

    value: float
    limit: float | None = None


class StoredOptimum(Stored):
    """What is known of the optimum of a problem; the architecture is checked by its own model."""

    status: Status
    objective: float | None
    bound: float | None
    gap: float | None
    architecture: dict[str, Any] | None
    budgets: dict[str, StoredUsage]

    def network(self, source: str = "") -> Architecture | None:
        """The architecture as such; ``source`` is what an error names.

        Raises
        ------
        SpecError
            If it is none.
        """
        return None if self.architecture is None else Architecture.from_dict(self.architecture, source)
