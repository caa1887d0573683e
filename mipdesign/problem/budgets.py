"""Budgets of a problem: limits of a network's figures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from ..errors import SpecError, short
from ..networks.architecture_file import Positive
from ..networks.evaluator import DEFAULT_BYTES, LOWER, SIZES, UPPER_ONLY
from ..networks.latency import KINDS, LatencyModel, LatencyTable
from ..numerals import at_most, plain_number
from .specification import SpecModel, with_tuples

Limit = Annotated[Fraction, BeforeValidator(at_most(sys.float_info.max))]
"""An exact number above 0; reports show the double nearest to it, so it is at most the largest double."""


class Range(SpecModel):
    """Limits of one figure: at most ``max``, at least ``min``; ``bytes`` per number where the figure is a size."""

    max: Limit | None = None
    min: Limit | None = None
    bytes: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, data: Any) -> Any:
        if isinstance(data, (dict, Range)):
            return data
        return {"max": at_most(sys.float_info.max)(data)}  # here, for an error to name the budget and not its ``max``

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max is None and self.min is None:
            raise SpecError("", "limits nothing", "give max, min or both")
        if self.max is not None and self.min is not None and self.max < self.min:
            text = f"{plain_number(self.max)} is below min {plain_number(self.min)}"
            raise SpecError("max", text, "let min be at most max")
        return self


class LatencyRange(Range):
    """A limit of the latency in microseconds, by a table of measured operations; see :mod:`mipdesign.networks.latency`.

    Attributes
    ----------
    table:
        The path of a CSV file, or its lines. A problem that was read holds the lines.
    batch:
        Which rows of the table count.
    free:
        Kinds of operations that take no time, for example those that a device fuses into the convolution before.
    """

    table: LatencyTable
    batch: Positive = 1
    free: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_table(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise SpecError("", f"{short(data)} comes without a table", "give a mapping with max and table")
        made = with_tuples(data, "free", texts=True)
        table = made.get("table")
        try:
            if isinstance(table, str):
                made["table"] = LatencyTable.load(table)
            elif isinstance(table, (list, tuple)) and all(isinstance(line, str) for line in table):
                made["table"] = LatencyTable.from_lines(table)
            elif table is not None and not isinstance(table, LatencyTable):
                raise SpecError("", f"{short(table)} is not a table", "give the path of a CSV file, or its lines")
        except SpecError as error:
            field = ".".join(part for part in ("table", error.field) if part)
            raise SpecError(field, error.problem, error.remedy, error.source) from None
        return made

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        for kind in self.free:
            if kind not in KINDS:
                raise SpecError("free", f"{kind!r} is not a kind of operation", f"use some of: {', '.join(KINDS)}")
        self.table.of_batch(self.batch)
        return self

    @cached_property
    def model(self) -> LatencyModel:
        """What computes the latency of a network."""
        return LatencyModel(self.table.of_batch(self.batch), self.free)


class Budgets(SpecModel):
    """Limits; any subset. A number is an upper limit; ``{min: .., max: ..}`` sets a lower one too.

    ``flops`` and ``params`` follow the convention, the other names mean the same in both. ``activations`` is the sum of the
    outputs of all convolutions, ``activation_memory`` the largest sum of input and output maps of one operation, in bytes,
    ``weights_bytes`` the size of all parameters, ``latency`` microseconds by a table. ``model_size``, ``bit_operations`` and
    ``max_feature`` count as the released tool does, with bits; see :mod:`mipdesign.networks.tool_counts`.
    """

    flops: Range | None = None
    params: Range | None = None
    macs: Range | None = None
    params_backbone: Range | None = None
    layers: Range | None = None
    blocks: Range | None = None
    activations: Range | None = None
    weights_bytes: Range | None = None
    activation_memory: Range | None = None
    latency: LatencyRange | None = None
    effectiveness: Range | None = None
    model_size: Range | None = None
    max_feature: Range | None = None
    bit_operations: Range | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            limits = getattr(self, name)
            if limits is None:
                continue
            if limits.bytes is not None and name not in SIZES:
                raise SpecError(f"{name}.bytes", "has no meaning for this budget", f"use it with {' or '.join(SIZES)}")
            if limits.min is not None and name in UPPER_ONLY:
                raise SpecError(f"{name}.min", "is not supported for this budget", "give an upper limit only")
        return self

    def bytes_of(self, name: str) -> int:
        """Bytes per number of a budget that is a size."""
        limits = getattr(self, name)
        return DEFAULT_BYTES if limits is None or limits.bytes is None else limits.bytes

    def limits(self) -> dict[str, Fraction]:
        """The limits that are set, as exact numbers; lower ones as ``min_<name>``."""
        limits = {}
        for name in type(self).model_fields:
            given = getattr(self, name)
            if given is not None and given.max is not None:
                limits[name] = given.max
            if given is not None and given.min is not None:
                limits[LOWER + name] = given.min
        return limits


@dataclass(frozen=True)
class Budget:
    """One budget of the final network, in exact numbers where it counts something."""

    name: str
    value: float
    limit: float
    holds: bool

    @property
    def slack(self) -> float:
        """What is left of it."""
        return self.value - self.limit if self.name.startswith(LOWER) else self.limit - self.value
