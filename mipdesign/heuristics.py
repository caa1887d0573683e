"""Incumbents: simulated annealing on many chains at once, then exhaustive small moves around the best.

Heuristics only supply cutoffs. The answer of a design run does not depend on them, nor on their seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .batch import Batch, BatchEvaluation, evaluate_batch
from .branching import contenders_of_batch
from .lattice import Bools, Contender, Floats, Ints, StageTables, Tables

CHAINS = 256
QUICK_STEPS, ANNEALING_STEPS = 200, 1000
"""Steps of a first and of a second annealing run."""
HOT, COLD = 0.05, 1e-4
"""First and last temperature, relative to the best objective."""
STRICTNESS = 4.0
"""Price of exceeding one budget by its whole limit, relative to the best objective."""


class Moves:
    """Networks as integer vectors ``(stem, then C, b, k, L of each super-block)`` of lattice indices, so that a move is a
    sum.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.axes = [(np.unique(s.c), np.unique(s.b), np.unique(s.k), s.depths) for s in tables.stages]
        self.column_at = [self._columns(s, *axes[:3]) for s, axes in zip(tables.stages, self.axes, strict=True)]
        self.sizes = np.array([len(tables.stem_c), *(len(axis) for axes in self.axes for axis in axes)])

    @staticmethod
    def _columns(s: StageTables, c: Ints, b: Ints, k: Ints) -> Ints:
        """Column at each ``(C, b, k)`` index, or -1."""
        at = np.full((len(c), len(b), len(k)), -1)
        at[np.searchsorted(c, s.c), np.searchsorted(b, s.b), np.searchsorted(k, s.k)] = np.arange(len(s.c))
        return at

    def vectors(self, batch: Batch) -> Ints:
        """Vectors of a batch, shape ``(n, 1 + 4 super_blocks)``."""
        parts = [batch.stem]
        for i, (s, (c, b, k, depths)) in enumerate(zip(self.tables.stages, self.axes, strict=True)):
            j = batch.columns[i]
            values = ((c, s.c[j]), (b, s.b[j]), (k, s.k[j]), (depths, batch.depths[i]))
            parts += [np.searchsorted(axis, value) for axis, value in values]
        return np.array(parts).T

    def batch(self, vectors: Ints) -> tuple[Batch, Bools]:
        """The networks of vectors, and which of them are on the lattice (the others come out as arbitrary networks)."""
        inside = np.asarray(((vectors >= 0) & (vectors < self.sizes)).all(axis=1))
        safe = np.clip(vectors, 0, self.sizes - 1)
        columns, depths = [], []
        for i, at in enumerate(self.column_at):
            c, b, k, depth = safe[:, 1 + 4 * i : 5 + 4 * i].T
            j = at[c, b, k]
            inside = inside & (j >= 0)
            columns.append(np.maximum(j, 0))
            depths.append(self.axes[i][3][depth])
        return Batch(safe[:, 0], np.array(columns), np.array(depths)), inside

    def single(self) -> Ints:
        """Moves of one coordinate, shape ``(moves, coordinates)``."""
        rows = []
        reach = {0: (1,), 1: (1, 2, 3, 5, 8), 2: (1, 2, 3), 3: (1,), 4: (1, 2)}
        for coordinate in range(len(self.sizes)):
            for step in reach[0 if coordinate == 0 else 1 + (coordinate - 1) % 4]:
                for sign in (1, -1):
                    row = np.zeros(len(self.sizes), dtype=np.int64)
                    row[coordinate] = sign * step
                    rows.append(row)
        return np.array(rows)


@dataclass
class _Population:
    vectors: Ints
    objective: Floats
    excess: Floats

    def merit(self, scale: float) -> Floats:
        value: Floats = self.objective - STRICTNESS * scale * self.excess
        return value


def _evaluate(moves: Moves, vectors: Ints) -> tuple[_Population, Batch, BatchEvaluation]:
    batch, inside = moves.batch(vectors)
    evaluation = evaluate_batch(moves.tables, batch)
    objective = np.where(inside & evaluation.chained, evaluation.objective, -np.inf)
    return _Population(vectors, objective, evaluation.excess.sum(axis=0)), batch, evaluation


def anneal(
    tables: Tables,
    seed: int,
    steps: int = ANNEALING_STEPS,
    stop: Callable[[], bool] = lambda: False,
    found: Callable[[Contender], None] = lambda contender: None,
) -> list[Contender]:
    """Feasible networks of an annealing run, the best of each chain's history last seen as an improvement; best first.

    Parameters
    ----------
    stop:
        Asked now and then whether to end early.
    found:
        Told of each new best network.
    """
    moves, rng = Moves(tables), np.random.default_rng(seed)
    current, batch, evaluation = _evaluate(moves, moves.vectors(_starts(tables, rng)))
    elite: list[Contender] = []
    best = -np.inf
    scale = max(1.0, float(np.nanmax(np.where(np.isfinite(current.objective), np.abs(current.objective), 0.0))))
    scale = min(scale, 1e6)
    n, dims = current.vectors.shape
    for step in range(steps):
        progress = step / steps
        temperature = scale * HOT * (COLD / HOT) ** progress
        change = np.zeros((n, dims), dtype=np.int64)
        for _ in range(int(rng.integers(1, 4))):
            size = 1 + np.floor(rng.exponential(0.5 + 5.0 * (1.0 - progress), n)).astype(np.int64)
            coordinate = rng.integers(0, dims, n)
            small = (coordinate == 0) | (coordinate % 4 == 3) | (coordinate % 4 == 0)
            change[np.arange(n), coordinate] += np.where(small, np.minimum(size, 2), size) * rng.choice((-1, 1), n)
        trial, batch, evaluation = _evaluate(moves, current.vectors + change)
        with np.errstate(invalid="ignore"):  # two chains off the lattice: no gain
            gain = trial.merit(scale) - current.merit(scale)
        accept = np.log(rng.random(n)) < np.where(np.isnan(gain), -np.inf, gain) / temperature
        current.vectors[accept] = trial.vectors[accept]
        current.objective[accept] = trial.objective[accept]
        current.excess[accept] = trial.excess[accept]
        value = np.where((trial.excess <= 0) & evaluation.chained, trial.objective, -np.inf)
        k = int(value.argmax())
        if value[k] > best:
            best = float(value[k])
            scale = max(1.0, abs(best))
            elite.append(contenders_of_batch(batch.take(np.array([k])), value[[k]])[0])
            found(elite[-1])
        if step % 16 == 0 and stop():
            break
    return elite[::-1]


def _starts(tables: Tables, rng: np.random.Generator) -> Batch:
    """Random chains of small networks; where the chain rule has no continuation, the last column stands in."""
    stem = rng.integers(0, len(tables.stem_c), CHAINS)
    ci = tables.stem_c[stem]
    columns, depths = [], []
    for s in tables.stages:
        picks = np.empty(CHAINS, dtype=np.int64)
        for value in np.unique(ci):
            rows = np.flatnonzero(ci == value)
            following = np.flatnonzero(s.follows(value, s.c))
            if not len(following):
                following = np.array([len(s.c) - 1])
            few = following[: max(1, len(following) // 3)]
            picks[rows] = few[rng.integers(0, len(few), len(rows))]
        columns.append(picks)
        depths.append(s.depths[rng.integers(0, min(3, len(s.depths)), CHAINS)])
        ci = s.c[picks]
    return Batch(stem, np.array(columns), np.array(depths))


def polish(
    tables: Tables, start: Contender, seed: int, rounds: int = 40, stop: Callable[[], bool] = lambda: False
) -> Contender | None:
    """Best network reached from ``start`` by repeated best moves of one, two or (sampled) three and four coordinates.

    ``start`` may exceed budgets; ``None`` if no feasible network is reached.
    """
    moves, rng = Moves(tables), np.random.default_rng(seed)
    single = moves.single()
    first, second = np.triu_indices(len(single), 1)
    near = np.concatenate([single, single[first] + single[second]])
    at = start.position
    batch = Batch(np.array([at.stem]), np.array([at.columns]).T, np.array([at.depths]).T)
    vector = moves.vectors(batch)[0]
    here, _, _ = _evaluate(moves, vector[None])
    scale = max(1.0, abs(start.objective))
    merit = float(here.merit(scale)[0])
    dry = 0
    for _ in range(rounds):
        picks = rng.integers(0, len(single), (4, 3000))
        wide = single[picks[:3]].sum(axis=0)
        wide[::2] += single[picks[3, ::2]]
        trial, _, _ = _evaluate(moves, vector + np.concatenate([near, wide]))
        value = trial.merit(scale)
        k = int(value.argmax())
        if value[k] > merit + 1e-9 * scale:
            vector, merit, dry = trial.vectors[k], float(value[k]), 0
        else:
            dry += 1
        if dry > 3 or stop():
            break
    final, batch, evaluation = _evaluate(moves, vector[None])
    if not bool(evaluation.feasible[0]) or not np.isfinite(final.objective[0]):
        return None
    return contenders_of_batch(batch, final.objective)[0]


def incumbent(tables: Tables, seed: int, seconds: float, found: Callable[[Contender], None], stop: Callable[[], bool]) -> None:
    """Good incumbents within ``seconds``: annealing, then polishing of its best networks; first quickly, then with care."""
    deadline = time.monotonic() + seconds

    def late() -> bool:
        return stop() or time.monotonic() > deadline

    for steps, starts in ((QUICK_STEPS, 1), (ANNEALING_STEPS, 3)):
        for contender in anneal(tables, seed, steps, stop=late, found=found)[:starts]:
            if late():
                return
            better = polish(tables, contender, seed, stop=late)
            if better is not None:
                found(better)
