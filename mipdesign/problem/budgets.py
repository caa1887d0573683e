"""Budgets of a problem: limits of a network's figures."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from ..errors import SpecError, short
from ..networks.architecture_file import Positive
from ..networks.budget_names import LATENCY, LOWER, SIZES, UPPER_ONLY, kind_of_budget
from ..networks.evaluator import DEFAULT_BYTES
from ..networks.latency import ROW_KINDS, LatencyModel, LatencyTable
from ..numerals import at_most, plain_number
from ..parsing import validated
from ..units import COUNT, DIMENSIONS, Dimension, without_unit
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


LIMITS = ("max", "min")
"""Fields of a budget that are limits."""


def in_numbers(data: Any, dimension: Dimension) -> Any:
    """A budget's plain data with its limits as numbers, where they are texts with a unit.

    Raises
    ------
    SpecError
        As :func:`mipdesign.units.without_unit` does, with the field.
    """
    if not isinstance(data, dict):
        return without_unit(data, dimension)
    found = dict(data)
    for side in LIMITS:
        if isinstance(found.get(side), str):
            try:
                found[side] = without_unit(found[side], dimension)
            except SpecError as error:
                raise SpecError(side, error.problem, error.remedy) from None
    return found


def check_model_size(data: Any) -> None:
    """Refuses a limit in bytes of ``model_size`` in a specification without bits: it is one of numbers there.

    Raises
    ------
    SpecError
        With the field.
    """
    stem, budgets = (data.get(name) if isinstance(data, dict) else None for name in ("stem", "budgets"))
    given = budgets.get("model_size") if isinstance(budgets, dict) else None
    if given is not None and isinstance(stem, dict) and stem.get("bits") is None:
        try:
            in_numbers(given, COUNT)
        except SpecError as error:
            field = ".".join(part for part in ("budgets.model_size", error.field) if part)
            raise SpecError(field, f"{error.problem}, and nothing has bits", error.remedy) from None


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

    @staticmethod
    def as_mapping(data: Any) -> dict[str, Any]:
        """Plain data, which has to be a mapping.

        Raises
        ------
        SpecError
            If it is something else.
        """
        if not isinstance(data, dict):
            raise SpecError("", f"{short(data)} comes without a table", "give a mapping with max and table")
        return data

    @model_validator(mode="before")
    @classmethod
    def _read_table(cls, data: Any) -> Any:
        if not isinstance(data, dict):  # one that is made already
            return data
        made = in_numbers(with_tuples(data, "free", texts=True), DIMENSIONS[LATENCY])
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
            if kind not in ROW_KINDS:
                raise SpecError("free", f"{kind!r} is not a kind of operation", f"use some of: {', '.join(ROW_KINDS)}")
        self.table.of_batch(self.batch)
        return self

    @cached_property
    def model(self) -> LatencyModel:
        """What computes the latency of a network."""
        return LatencyModel(self.table.of_batch(self.batch), self.free)


MOST_TABLES = 8
"""Most latency budgets of a problem."""
NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,39}")
"""The name of one of several: it is a part of names in models of solvers."""


def tables_by_name(data: Any) -> Any:
    """Several latency budgets as a mapping by their names, where they are given as a list; anything else as it was.

    Raises
    ------
    SpecError
        For a list of which some entry has no name, or that of another one.
    """
    if not isinstance(data, (list, tuple)):
        return data
    found: dict[str, Any] = {}
    for n, row in enumerate(data):
        name = row.get("name") if isinstance(row, dict) else None
        if not isinstance(name, str):
            raise SpecError(str(n), "has no name", "give each of several tables a name, a table and a max")
        if name in found:
            raise SpecError(f"{n}.name", f"{short(name)} is given twice", "give each table a name of its own")
        found[name] = {field: value for field, value in row.items() if field != "name"}
    return found


def several(data: Any) -> bool:
    """Whether plain data of the budget ``latency`` is that of several tables by name."""
    return isinstance(data, dict) and bool(data) and not any(field in LatencyRange.model_fields for field in data)


def _read_latency(data: Any) -> Any:
    """One latency budget, or several by name, in the order of their names."""
    data = tables_by_name(data)
    if data is None or isinstance(data, LatencyRange):
        return data
    if not several(data):
        return validated(LatencyRange, LatencyRange.as_mapping(data), None)
    if len(data) > MOST_TABLES:
        raise SpecError("", f"has {len(data)} tables", f"give at most {MOST_TABLES}")
    found = {}
    for name in data:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise SpecError("", f"{short(name)} is not a name of a table", "use letters, digits and _, a letter first")
    for name in sorted(data):
        try:
            of_name = data[name]
            given = isinstance(of_name, LatencyRange)
            found[name] = of_name if given else validated(LatencyRange, LatencyRange.as_mapping(of_name), None)
        except SpecError as error:
            raise SpecError(".".join(part for part in (name, error.field) if part), error.problem, error.remedy) from None
    return found


class Budgets(SpecModel):
    """Limits; any subset. A number is an upper limit; ``{min: .., max: ..}`` sets a lower one too.

    ``flops`` and ``params`` follow the convention, the other names mean the same in both. ``activations`` is the sum of the
    outputs of all convolutions, ``activation_memory`` the largest sum of input and output maps of one operation, in bytes,
    ``weights_bytes`` the size of all parameters, ``latency`` microseconds by a table, or by several of which each has a budget
    of its own, ``latency.NAME``. Limits may have a unit, see :mod:`mipdesign.units`. ``model_size``, ``bit_operations`` and
    ``max_feature`` count as the released tool does, with bits; see :mod:`mipdesign.networks.tool_counts`.
    """

    flops: Range | None = None
    params: Range | None = None
    macs: Range | None = None
    params_backbone: Range | None = None
    params_total: Range | None = None
    layers: Range | None = None
    blocks: Range | None = None
    activations: Range | None = None
    weights_bytes: Range | None = None
    activation_memory: Range | None = None
    latency: Annotated[LatencyRange | dict[str, LatencyRange] | None, PlainValidator(_read_latency)] = None
    effectiveness: Range | None = None
    model_size: Range | None = None
    max_feature: Range | None = None
    bit_operations: Range | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_numbers(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        made = dict(data)
        for name in DIMENSIONS:
            if name != LATENCY and name in made:
                try:
                    made[name] = in_numbers(made[name], DIMENSIONS[name])
                except SpecError as error:
                    field = ".".join(part for part in (name, error.field) if part)
                    raise SpecError(field, error.problem, error.remedy) from None
        return made

    @model_validator(mode="after")
    def _check(self) -> Self:
        for budget, limits in self.ranges.items():
            name = kind_of_budget(budget)
            if limits.bytes is not None and name not in SIZES:
                raise SpecError(f"{budget}.bytes", "has no meaning for this budget", f"use it with {' or '.join(SIZES)}")
            if limits.min is not None and name in UPPER_ONLY:
                raise SpecError(f"{budget}.min", "is not supported for this budget", "give an upper limit only")
        return self

    @property
    def latencies(self) -> dict[str, LatencyRange]:
        """The latency budgets by their names: ``latency``, or ``latency.NAME`` of each table."""
        if isinstance(self.latency, dict):
            return {f"{LATENCY}.{name}": limits for name, limits in self.latency.items()}
        return {} if self.latency is None else {LATENCY: self.latency}

    @property
    def ranges(self) -> dict[str, Range]:
        """The budgets that are set, by their names."""
        found: dict[str, Range] = {}
        for name in type(self).model_fields:
            given = self.latencies if name == LATENCY else {name: getattr(self, name)}
            found |= {budget: limits for budget, limits in given.items() if limits is not None}
        return found

    def bytes_of(self, name: str) -> int:
        """Bytes per number of a budget that is a size."""
        limits = getattr(self, name)
        return DEFAULT_BYTES if limits is None or limits.bytes is None else limits.bytes

    def limits(self) -> dict[str, Fraction]:
        """The limits that are set, as exact numbers; lower ones as ``min_<name>``."""
        limits = {}
        for name, given in self.ranges.items():
            if given.max is not None:
                limits[name] = given.max
            if given.min is not None:
                limits[LOWER + name] = given.min
        return limits


@dataclass(frozen=True)
class Budget:
    """One budget of the final network, in exact numbers where it counts something.

    Attributes
    ----------
    exact_limit:
        The limit itself, of which ``limit`` is the nearest double.
    """

    name: str
    value: float
    limit: float
    holds: bool
    exact_limit: Fraction

    @property
    def slack(self) -> float:
        """What is left of it."""
        return self.value - self.limit if self.name.startswith(LOWER) else self.limit - self.value
