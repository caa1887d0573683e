"""``trace.csv``: incumbent and bound of a run over time, the one writer and the one reader."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from ..errors import SpecError, counted, short
from ..files import read_text
from ..parsing import validated
from ..search.outcome import Progress
from .stored import Count, NotNegative

TRACE = "trace.csv"
TRACE_COLUMNS = ("seconds", "phase", "incumbent", "bound", "gap", "open_nodes", "closed_nodes")
MAX_TRACE_BYTES = 16_000_000
"""Largest ``trace.csv``."""
Phase: TypeAlias = Literal["incumbent", "feasibility", "presolve", "tree", "solver", "done"]
"""What a run does, as :class:`mipdesign.search.outcome.Progress` names it once everything is compiled (up to
version 0.1.0 the tree was called presolve).
"""


class StoredProgress(BaseModel):
    """A row of ``trace.csv``, whose texts are read as numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    seconds: NotNegative
    phase: Phase
    incumbent: float | None
    bound: float | None
    gap: float | None
    open_nodes: Count
    closed_nodes: Count


def trace_text(trace: Sequence[Progress]) -> str:
    """Text of ``trace.csv``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    for p in trace:
        writer.writerow(
            (f"{p.seconds:.3f}", p.phase, _cell(p.incumbent), _cell(p.bound), _cell(p.gap), p.open_nodes, p.closed_nodes)
        )
    return out.getvalue()


def read_trace(path: Path) -> tuple[Progress, ...]:
    """Inverse of :func:`trace_text`; empty where there is no such file.

    Raises
    ------
    SpecError
        With the file, the line, the column and its value.
    """
    if not os.path.lexists(path):
        return ()
    lines = csv.reader(io.StringIO(read_text(path, MAX_TRACE_BYTES), newline=""), strict=True)
    trace: list[Progress] = []
    try:
        if (header := next(lines, [])) != list(TRACE_COLUMNS):
            raise SpecError("", f"{short(header)} is not the header of a trace", f"write {','.join(TRACE_COLUMNS)}")
        for cells in lines:
            if len(cells) != len(TRACE_COLUMNS):
                raise SpecError("", f"has {counted(len(cells), 'column')}", f"give {len(TRACE_COLUMNS)}")
            row = validated(StoredProgress, {name: cell or None for name, cell in zip(TRACE_COLUMNS, cells, strict=True)}, None)
            bound = math.inf if row.bound is None else row.bound
            trace.append(Progress(row.seconds, row.phase, row.incumbent, bound, row.gap, row.open_nodes, row.closed_nodes))
    except SpecError as error:
        raise error.at(f"{path}: line {lines.line_num}") from None
    except csv.Error as error:
        raise SpecError(f"line {lines.line_num}", f"not valid CSV ({error})", "remove the file", str(path)) from None
    return tuple(trace)


def _cell(number: float | None) -> str:
    return "" if number is None or not math.isfinite(number) else repr(float(number))
