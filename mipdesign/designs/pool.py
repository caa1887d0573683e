"""The networks of a list: ``networks.csv``, and the sequence that reads it, a network at a time.

Mixed-integer solvers call the solutions that they keep a *solution pool*. A pool may have a million networks, so that it is the
text of the file, and each network is made when it is asked for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from ..checker import MEMBERS
from ..display import Displayed
from ..errors import SpecError
from ..files import read_bytes, write_whole
from ..frames import data_frame
from ..lattice.additive_budgets import AdditiveBudget
from ..lattice.arrays import Floats, Ints
from ..lattice.batch import evaluate_batch
from ..lattice.tables import Tables
from ..networks.architecture import PER_BLOCK, Architecture, Stage, Stem
from ..networks.blocks import FAMILIES
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..problem.problem import Problem
from ..search.branching import position_of
from ..search.pool import batch_of
from .result import RESULT, checked_result, load_result

if TYPE_CHECKING:
    import networkx
    import pandas

    from ..nn.module import DesignedNetwork

MOST_BYTES = 2_000_000_000
"""Largest ``networks.csv`` that is read: some ten million networks."""
AT_ONCE = 10_000
"""Networks whose figures are worked out at a time."""


@dataclass(frozen=True)
class PoolNetwork:
    """A network of a list.

    Attributes
    ----------
    rank:
        Its place in the list, from 1.
    figures:
        What it uses of the limited budgets, by name; latencies in microseconds.
    """

    rank: int
    objective: float
    figures: dict[str, float]
    architecture: Architecture

    def to_graph(self) -> networkx.DiGraph[str]:
        """The network as a graph, one node per operation."""
        from ..nn.graph import to_graph

        return to_graph(self.architecture)

    def to_module(self) -> DesignedNetwork:
        """The network as a ``torch.nn.Module``."""
        from ..nn.lowering import to_module

        return to_module(self.to_graph())


class Pool(Displayed, Sequence[PoolNetwork]):
    """The networks of a list, best first, each made when it is asked for; slices are lists.

    Attributes
    ----------
    problem:
        What they are networks of.
    text:
        The content of ``networks.csv``.
    """

    def __init__(self, problem: Problem, text: bytes) -> None:
        self.problem, self.text = problem, text
        expected = header(problem)
        line = text[: text.find(b"\n")].decode(errors="replace")
        if line != ",".join(expected):
            raise SpecError(MEMBERS, "does not begin with the header of such a list", f"it begins with {','.join(expected)}")
        self._names = expected
        self._ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))

    @classmethod
    def read(cls, problem: Problem, folder: Path) -> Pool | None:
        """That of a folder; ``None`` where it has none.

        Raises
        ------
        SpecError
            If it cannot be read.
        """
        path = folder / MEMBERS
        return cls(problem, read_bytes(path, MOST_BYTES)) if path.exists() else None

    def save(self, folder: Path) -> None:
        """Writes ``networks.csv``."""
        write_whole(folder / MEMBERS, self.text)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> PoolNetwork: ...
    @overload
    def __getitem__(self, at: slice) -> list[PoolNetwork]: ...
    def __getitem__(self, at: int | slice) -> PoolNetwork | list[PoolNetwork]:
        if isinstance(at, slice):
            return [self._network(k) for k in range(len(self))[at]]
        return self._network(range(len(self))[at])

    def __iter__(self) -> Iterator[PoolNetwork]:
        return map(self._network, range(len(self)))

    def __repr__(self) -> str:
        return f"<Pool of {len(self)} networks of {self.problem.name}>"

    @cached_property
    def objectives(self) -> Floats:
        """Their objectives, falling, shape ``(n,)``."""
        return np.array([float(row[1]) for row in self.rows()])

    def rows(self) -> Iterator[list[str]]:
        """The lines of the file as texts, without the first."""
        lines = io.StringIO(self.text.decode(), newline="\n")
        next(lines)
        return (line.rstrip("\n").split(",") for line in lines)

    @property
    def columns(self) -> tuple[str, ...]:
        """What each place of :meth:`rows` is."""
        return tuple(self._names)

    def to_frame(self) -> pandas.DataFrame:
        """The networks in order, one row each: the columns of ``networks.csv``, where widths, kernels and bits that differ from
        block to block are texts. Needs pandas, the extra ``frames``.
        """
        return data_frame(dict(zip(self._names, map(_number, row), strict=True)) for row in self.rows())

    def _network(self, k: int) -> PoolNetwork:
        cells = self.text[int(self._ends[k]) + 1 : int(self._ends[k + 1])].decode(errors="replace").split(",")
        where = f"{MEMBERS}: line {k + 2}"
        if len(cells) != len(self._names):
            raise SpecError("", f"has {len(cells)} columns", f"give {len(self._names)}", where)
        row = dict(zip(self._names, cells, strict=True))
        try:
            figures = {name: float(row[name]) for name in self._names[2 : self._names.index("stem")]}
            return PoolNetwork(int(row["rank"]), float(row["objective"]), figures, architecture_of(self.problem, row))
        except (ValueError, KeyError, TypeError) as error:
            raise SpecError("", f"is no network ({error})", "let 'mipdesign design' write the list again", where) from None


def _number(text: str) -> int | float | str:
    """What a cell of the file says."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def network_of(folder: str | Path, rank: int) -> Architecture:
    """A network of the list of a design, by its place in the list, from 1.

    Raises
    ------
    SpecError
        If the folder has no list, or not so long a one.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == RESULT else folder
    if not os.path.isdir(folder):
        raise SpecError(
            "network", f"{rank} of {folder}, which is not the folder of a design", "give the folder, or leave it out"
        )
    path = folder / RESULT
    problem = Problem.from_dict(checked_result(load_result(path), path).problem, f"{path}: problem")
    pool = Pool.read(problem, folder)
    if pool is None:
        raise SpecError("network", f"{rank} of {folder}, which has no list of networks", "leave it out, or design with best=")
    if not 1 <= rank <= len(pool):
        raise SpecError("network", f"{rank} is not in the list, which has {len(pool)}", f"give a number from 1 to {len(pool)}")
    return pool[rank - 1].architecture


# ---------------------------------------------------------------- the file


def figure_names(problem: Problem) -> list[str]:
    """The budgets of which the file says what the networks use, but for the effectiveness."""
    names = [name.removeprefix(LOWER) for name in problem.budgets.limits()]
    return [name for name in dict.fromkeys(names) if name != "effectiveness"]


def states_effectiveness(problem: Problem) -> bool:
    """Whether the file has the effectiveness, too."""
    return "effectiveness" in problem.budgets.limits() or bool(problem.scoring.effectiveness_price)


def header(problem: Problem) -> list[str]:
    """The names of the columns of ``networks.csv``."""
    found = ["rank", "objective", *figure_names(problem)]
    found += ["effectiveness"] if states_effectiveness(problem) else []
    fields = ["block", "channels", "bottleneck", "kernel"]
    fields += ["kernel_t"] if problem.input.frames is not None else []
    fields += ["bits"] if problem.stem.bits is not None else []
    return [*found, "stem", *(f"{name}{n}" for n in range(1, 1 + len(problem.space)) for name in (*fields, "depth"))]


def networks_text(problem: Problem, tables: Tables, rows: Ints, objectives: Floats) -> bytes:
    """The content of ``networks.csv`` for networks in order."""
    out = io.StringIO()
    out.write(",".join(header(problem)) + "\n")
    stage_texts: dict[tuple[int, ...], str] = {}
    elements = [tables.elements_of(i) for i in range(len(problem.space))]
    m = len(tables.stages)
    for begin in range(0, len(rows), AT_ONCE):
        part = rows[begin : begin + AT_ONCE]
        figures = _figures(problem, tables, part)
        for k, row in enumerate(part.tolist()):
            cells = [str(begin + k + 1), repr(float(objectives[begin + k])), *(column[k] for column in figures)]
            cells.append(str(int(tables.stem_c[row[0]])))
            network: Architecture | None = None
            for i, (first, stop) in enumerate(elements):
                key = (i, row[1 + m + first], *row[1 + first : 1 + stop])
                text = stage_texts.get(key)
                if text is None:
                    network = network or tables.architecture(position_of(row))
                    text = stage_texts[key] = ",".join(_cells(problem, network.stages[i]))
                cells.append(text)
            out.write(",".join(cells) + "\n")
    return out.getvalue().encode()


def _figures(problem: Problem, tables: Tables, rows: Ints) -> list[list[str]]:
    """What some networks use of each budget, as texts."""
    found, evaluation = evaluate_batch(tables, batch_of(rows)), []
    counts = dict(zip(tables.counts, found.counts, strict=True))
    for name in figure_names(problem):
        if name not in counts and LOWER + name not in counts:  # the largest of an operation each
            networks = [problem.evaluator(tables.architecture(position_of(row))) for row in rows.tolist()]
            evaluation.append([_plain(Fraction(of.count(name))) for of in networks])
            continue
        lower = name not in counts
        numbers = counts[LOWER + name if lower else name]
        units = 1000 if kind_of_budget(name) == LATENCY else AdditiveBudget.of(name, problem).units
        whole = (-numbers if lower else numbers).tolist()
        evaluation.append([str(n) if units == 1 else _plain(Fraction(n, units)) for n in whole])
    if states_effectiveness(problem):
        evaluation.append([repr(float(rho)) for rho in found.effectiveness])
    return evaluation


def _plain(value: Fraction) -> str:
    """A number whose denominator divides a power of ten, as a plain decimal."""
    digits = 0
    while (scaled := value * 10**digits).denominator != 1:
        digits += 1
    text = str(scaled.numerator).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def _cells(problem: Problem, stage: Stage) -> Iterable[str]:
    """A super-block as the file has it."""
    yield from (stage.block, str(stage.channels), *(_joined(getattr(stage, name)) for name in PER_BLOCK))
    if problem.input.frames is not None:
        yield str(stage.kernel_t)
    if problem.stem.bits is not None:
        pairs = [f"{of_block[0][0]}/{of_block[0][1]}" for of_block in stage.bits]
        yield pairs[0] if len(set(pairs)) == 1 else " ".join(pairs)
    yield str(stage.depth)


def _joined(values: int | tuple[int, ...]) -> str:
    return " ".join(map(str, values)) if isinstance(values, tuple) else str(values)


def architecture_of(problem: Problem, row: dict[str, str]) -> Architecture:
    """The network of a line, by the names of its columns; whether it lies in the space is not decided.

    Raises
    ------
    ValueError, KeyError
        If a cell is not what its column says.
    """
    stages = []
    for n, space in enumerate(problem.space, 1):
        depth, block = int(row[f"depth{n}"]), row[f"block{n}"]
        lists = [tuple(map(int, row[f"{name}{n}"].split(" "))) for name in PER_BLOCK]
        width, kernel = (values[0] if len(values) == 1 else values for values in lists)
        bits: tuple[tuple[tuple[int, int], ...], ...] = ()
        if problem.stem.bits is not None:
            texts = row[f"bits{n}"].split(" ")
            pairs = [(int(a), int(w)) for a, w in (text.split("/") for text in texts)]
            bits = tuple((pair,) * FAMILIES[block].layers for pair in (pairs * depth if len(pairs) == 1 else pairs))
        channels, length = int(row[f"channels{n}"]), int(row.get(f"kernel_t{n}", 1))
        stages.append(Stage(block, space.stride, channels, width, kernel, depth, length, bits))
    stem = Stem(
        int(row["stem"]), problem.stem.kernel, problem.stem.stride, False, problem.stem.kernel_t or 1, problem.stem.bits
    )
    head = (problem.head.channels, problem.head.bits) if problem.head else (None, None)
    of_input = head[0], problem.input.channels, problem.classes, problem.input.frames, head[1]
    return Architecture(problem.input.resolution, stem, tuple(stages), *of_input)
