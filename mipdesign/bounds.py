"""Lagrangian chain bounds: valid upper bounds for the objective over a cell, and the choices that they exclude.

Pricing the budgets and linearising what is convex leaves a problem that is additive along the chain of super-blocks and
coupled only through the channels of neighbours; a longest path through the channel lattice (:mod:`mipdesign.chain`) solves it
exactly. Three surrogates make it so:

* the penalty ``beta Q`` is convex in the depths ``d`` and priced by its gradient ``gamma``:
  ``-beta Q(d) <= max_d' (gamma d' - beta Q(d')) - gamma d``;
* ``rho <= rho0``, which reads ``sum log w >= phi(n)`` with ``phi(n) = n log n - n log rho0`` convex, is priced by ``mu``, and
  its layer count by ``pi``: ``-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n``;
* the products ``log(r^2 C_j) S_j`` are replaced by their McCormick overestimator ``x_u S + S_l (x - x_u)`` on the cell.

Every price vector gives a valid bound, whatever its origin; :func:`optimise` looks for good ones, and a certificate needs
only the prices. Floating-point sums are rounded outward: a bound comes with :attr:`Bound.error`, and "below a cutoff" means
``value + error < cutoff``. Formulas and the error analysis: ``docs/theory.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .batch import Batch
from .cell import Cell
from .chain import Chain, Pass, Worth, build_groups, forward, keep, list_paths, log_ranges, trace
from .lattice import Floats, Ints, Position, Tables
from .level import project_to_level

ERROR = 1e-11
"""Relative rounding allowance of a bound: about a hundred times the error of its few hundred additions."""
OVERSHOOT = 1.0
"""How far below the cutoff the level method aims, relative to how far above it the bound stands."""


MOST_LISTED = 20_000
"""Most networks that a search for all of them returns."""


@dataclass(frozen=True)
class Prices:
    """The multipliers of one bound.

    Attributes
    ----------
    budget:
        Objective per unit of each additive budget, shape ``(budgets,)``, non-negative.
    rho:
        Objective per nat of each effectiveness constraint, shape ``(rho_stages,)``, non-negative.
    layer:
        Objective per layer of each effectiveness constraint's prefix, shape ``(rho_stages,)``.
    depth:
        Gradient of the penalty, objective per block, shape ``(penalised super_blocks,)``; only its deviations from the mean
        count.
    weight:
        1, or 0 to leave the objective out: a negative bound then proves that the cell holds no feasible network.
    """

    budget: Floats
    rho: Floats
    layer: Floats
    depth: Floats
    weight: float = 1.0

    @classmethod
    def initial(cls, tables: Tables, worth: float, weight: float = 1.0) -> Prices:
        """Prices that value each whole budget at a third of ``worth``."""
        n = len(tables.rho_stages)
        rho = np.zeros(n)
        rho[-1:] = worth / 200.0
        return cls(
            budget=worth / 3.0 / np.maximum(tables.limits, 1),
            rho=rho,
            layer=7.0 * rho,
            depth=np.zeros(len(tables.penalised)),
            weight=weight,
        )

    @property
    def vector(self) -> Floats:
        """All but the weight in one row."""
        return np.concatenate([self.budget, self.rho, self.layer, self.depth])

    def at(self, vector: Floats) -> Prices:
        """Prices of the same shapes and weight from one row."""
        nb, nr = len(self.budget), len(self.rho)
        budget, rho, layer, depth = np.split(vector, [nb, nb + nr, nb + 2 * nr])
        return Prices(budget, rho, layer, depth, self.weight)

    def to_list(self) -> list[float]:
        """All numbers in one row."""
        return [self.weight, *self.vector.tolist()]

    @classmethod
    def from_list(cls, tables: Tables, row: list[float]) -> Prices:
        """Inverse of :meth:`to_list`."""
        empty = cls.initial(tables, 0.0, float(row[0]))
        if len(row) != 1 + len(empty.vector):
            raise ValueError(f"a row of {1 + len(empty.vector)} prices is expected, not {len(row)}")
        return empty.at(np.array(row[1:], dtype=np.float64))


class Path(NamedTuple):
    """The network that attains a bound, with the figures that its subgradient needs.

    ``objective`` is the true one; ``log_widths``, ``layers`` and ``ends`` (``x_j``) are per stage.
    """

    stem: int
    columns: Ints
    depths: Ints
    counts: Floats
    log_widths: Floats
    layers: Floats
    ends: Floats
    objective: float

    @property
    def position(self) -> Position:
        """The network as table positions."""
        return Position(self.stem, tuple(self.columns.tolist()), tuple(self.depths.tolist()))


@dataclass(frozen=True)
class Bound:
    """A bound of a cell: ``value + error`` is at least the objective of every network of it that reaches the cutoff."""

    value: float
    error: float
    path: Path

    @property
    def outward(self) -> float:
        """The bound, rounded outward."""
        return self.value + self.error


def phi(n: Floats, rho: float) -> Floats:
    """``n log n - n log rho``: the least ``sum log w`` of a prefix of ``n`` layers."""
    value: Floats = n * np.log(n / rho)
    return value


def dearest_layers(rho_price: Floats, layer_price: Floats, rho: float, low: Floats, high: Floats) -> Floats:
    """``n`` in ``[low, high]`` that maximises ``pi n - mu phi(n)``; any ``n`` of the range keeps a bound valid only there."""
    with np.errstate(over="ignore"):
        free = rho * np.exp(np.minimum(layer_price / np.maximum(rho_price, 1e-300), 700.0) - 1.0)
    return np.minimum(np.maximum(free, low), high)


class Penalty:
    """``beta Q`` over the depths of a cell, as a function of their spread ``s = |d - mean d|``."""

    def __init__(self, tables: Tables, low: Ints, high: Ints) -> None:
        scoring = tables.problem.scoring
        self.index = list(tables.penalised)
        self.beta, self.squared, self.n = scoring.beta, scoring.penalty_form == "exp_var", len(self.index)
        if self.n:
            a, b = low[self.index].astype(np.float64), high[self.index].astype(np.float64)
            self.least, self.most = _least_spread(a, b), 0.5 * float(b.max() - a.min()) * math.sqrt(self.n) * (1 + 1e-12)

    def value(self, spread: float) -> float:
        """``beta Q`` at a spread."""
        exponent = spread * spread / self.n if self.squared else spread / math.sqrt(self.n)
        return self.beta * math.exp(min(exponent, 300.0))

    def at(self, depths: Ints) -> float:
        """``beta Q`` of a network."""
        if not self.n:
            return 0.0
        deviation = depths[self.index] - depths[self.index].mean()
        return self.value(math.sqrt(float(deviation @ deviation)))

    def conjugate(self, gradient: Floats) -> tuple[float, float, Floats]:
        """Largest ``gamma d - beta Q(d)`` over spreads that the cell allows, its share ``-beta Q``, and the ``d`` (of mean 0)."""
        if not self.n:
            return 0.0, 0.0, gradient
        centred = gradient - gradient.mean()
        size = math.sqrt(float(centred @ centred))
        spread = min(max(self._spread(size), self.least), self.most)
        penalty = self.value(spread)
        return size * spread - penalty, -penalty, centred * (spread / size if size else 0.0)

    def _spread(self, slope: float) -> float:
        """Where ``beta Q`` has a slope; its error matters to second order only."""
        root = math.sqrt(self.n)
        if slope <= 0.0 or self.beta <= 0.0:
            return 0.0 if slope <= 0.0 else math.inf
        if not self.squared:
            return root * math.log(slope * root / self.beta) if slope * root > self.beta else 0.0
        s, target = 0.0, slope * root / (2.0 * self.beta)  # y exp(y^2) = target with y = s / root
        s = math.sqrt(math.log1p(target)) if target > 1.0 else target
        for _ in range(30):
            grown = math.exp(s * s)
            s -= (s * grown - target) / (grown * (1.0 + 2.0 * s * s))
            s = max(s, 0.0)
        return s * root


def _least_spread(low: Floats, high: Floats) -> float:
    """A lower bound of ``|d - mean d|`` over a box, from the supporting plane at the flattest point found."""
    common = float((low + high).mean()) / 2
    for _ in range(30):
        depths = np.minimum(np.maximum(common, low), high)
        common = float(depths.mean())
    deviation = depths - common
    size = math.sqrt(float(deviation @ deviation))
    if size <= 1e-9:
        return 0.0
    direction = deviation / size
    least = size + float(np.minimum(direction * (low - depths), direction * (high - depths)).sum())
    return max(0.0, least * (1.0 - 1e-12))


class Relaxation:
    """The chain relaxation of one cell, for networks whose objective is at least ``cutoff``.

    Attributes
    ----------
    empty:
        Whether the chain rule alone leaves no network in the cell; there is no bound then.
    """

    def __init__(self, tables: Tables, cell: Cell, cutoff: float) -> None:
        self.tables, self.cell, self.cutoff = tables, cell, cutoff
        scoring = tables.problem.scoring
        self.factor = float(scoring.convention.layer_factor)
        self.alpha = np.array(scoring.alpha)
        at = np.zeros(len(cell.columns) + 1, dtype=np.int64)
        np.cumsum([len(columns) for columns in cell.columns], out=at[1:])
        rows = np.concatenate([c + o for c, o in zip(cell.columns, tables.offsets, strict=False)])
        stem = tables.stem_c[cell.stem].astype(np.float64)
        groups, starts, channels, logs, first, stop, alive = build_groups(tables.rows, rows, at, stem, tables.growth)
        self.empty = not alive
        if self.empty:
            return
        self.chain = Chain(rows, at, groups, starts, channels, logs, first, stop, stem, np.log(stem), cell.low, cell.high)
        self.penalty = Penalty(tables, cell.low, cell.high)
        self._set_ranges()

    def _set_ranges(self) -> None:
        """Ranges of ``S_j``, ``n_j`` and ``x_j`` over the cell."""
        tables, chain, cell = self.tables, self.chain, self.cell
        least, most = log_ranges(tables.rows, chain)
        last = chain.logs[chain.groups[-2]], chain.logs[-1]
        self.s_low, self.s_high = self._prefixes(least, last[0]), self._prefixes(most, last[1])
        self.n_low = tables.prefix_layers(cell.low)
        self.n_high = tables.prefix_layers(cell.high)
        self.x_low, self.x_high = np.empty(tables.n_stages), np.empty(tables.n_stages)
        for j, end in enumerate(tables.ends):
            logs = chain.stem_logs if end < 0 else chain.logs[chain.groups[end] : chain.groups[end + 1]]
            self.x_low[j], self.x_high[j] = logs[0], logs[-1]
        if tables.end_channels is not None:
            self.x_low[-1] = self.x_high[-1] = math.log(tables.end_channels)
        self.x_low += tables.log_areas
        self.x_high += tables.log_areas
        self.s_floor = self.factor * self.s_low
        if math.isfinite(self.cutoff):
            self.s_floor[-1] = max(self.s_floor[-1], self._least_entropy_sum())

    def _prefixes(self, per_super_block: Floats, last_log: float) -> Floats:
        """``sum log w`` of each stage's prefix, from those of the super-blocks."""
        sums: Floats = self.tables.prefix @ per_super_block + self.tables.stem_log
        if self.tables.has_head:
            sums[-1] += last_log
        return sums

    def _least_entropy_sum(self) -> float:
        """Least ``S_J`` of a network that reaches the cutoff: as ``S_j <= S_J``, its score is at most
        ``sum_j alpha_j x_j min(max S_j, S_J)``, which grows with ``S_J``.
        """
        rates, most = self.alpha * self.x_high, self.factor * self.s_high
        needed = self.cutoff + (self.penalty.value(self.penalty.least) if self.penalty.n else 0.0)
        least = 0.0
        for s in np.sort(most):
            if float(rates @ np.minimum(most, s)) < needed:
                least = float(s)
                continue
            below = most <= least
            least = (needed - float(rates[below] @ most[below])) / max(float(rates[~below].sum()), 1e-300)
            break
        return min(least * (1.0 - 1e-9), float(most[-1]))

    # ------------------------------------------------------------------- bound

    def bound(self, prices: Prices) -> Bound:
        """The bound at given prices, and a network that attains it."""
        tables = self.tables
        self.worth, self.constant, self.error = self._worth(prices)
        self.passed: Pass = forward(tables.rows, tables.has_same, self.chain, self.worth)
        return self._trace()

    def _worth(self, prices: Prices) -> tuple[Worth, float, float]:
        """What the parts of a network are worth at given prices, the constant beside them, and the rounding allowance."""
        tables, w = self.tables, prices.weight
        x_hat, s_hat, high = self.x_high, self.s_floor, self.chain.high
        shift = float((self.alpha * s_hat) @ x_hat)
        conjugate, _, _ = self.penalty.conjugate(prices.depth)
        block = np.zeros(len(high))
        if self.penalty.n:
            block[self.penalty.index] -= w * (prices.depth - prices.depth.mean())
        budget = float(prices.budget @ tables.limits)
        constant = w * (conjugate - shift) + budget
        scale = budget + float(abs(block) @ high)
        scale += w * (abs(conjugate) + shift + self.factor * float((self.alpha * self.x_high) @ self.s_high))
        per_stage, layer_price = w * self.factor * self.alpha * x_hat, np.zeros(tables.n_stages)
        if len(prices.rho):
            stages, n = tables.rho_index, self._dearest(prices)
            value = phi(n, tables.rho_float)
            per_stage[stages] += prices.rho
            layer_price[stages] += prices.layer
            constant += float(prices.layer @ n - prices.rho @ value)
            scale += float(abs(prices.layer) @ self.n_high[stages] + prices.rho @ (abs(value) + self.s_high[stages]))
        log_worth = tables.prefix.T @ per_stage
        block -= tables.layers * (tables.prefix.T @ layer_price)
        constant += float(per_stage.sum()) * tables.stem_log - float(layer_price.sum())
        ends = w * self.alpha * s_hat
        end, offset = np.zeros(len(high)), np.zeros(len(high))
        stem = -(prices.budget @ tables.stem_counts[:, self.cell.stem])
        for j, i in enumerate(tables.ends):
            if j == tables.n_stages - 1 and tables.end_channels is not None:
                constant += ends[j] * x_hat[j]  # a constant: its product is exact
            elif i < 0:
                stem = stem + ends[j] * (tables.log_areas[j] + self.chain.stem_logs)
            else:
                end[i], offset[i] = ends[j], ends[j] * tables.log_areas[j]
        if tables.has_head:
            end[-1] += per_stage[-1]
            constant -= layer_price[-1]
        offset[-1] -= prices.budget @ tables.tail_fixed
        per_channel = -float(prices.budget @ tables.tail_slope)
        return Worth(prices.budget, log_worth, block, end, offset, per_channel, stem), constant, ERROR * scale

    def _dearest(self, prices: Prices) -> Floats:
        """Layer counts that attain the conjugate of ``mu phi``; the float maximiser is exact to second order."""
        stages = self.tables.rho_index
        return dearest_layers(prices.rho, prices.layer, self.tables.rho_float, self.n_low[stages], self.n_high[stages])

    def _trace(self) -> Bound:
        """The best path of the last forward pass, and the bound that it attains."""
        tables, chain = self.tables, self.chain
        value, k, places, depths, counts, logs = trace(tables.rows, chain, self.passed, len(tables.limits))
        rows, stem = chain.rows[places], int(self.cell.stem[k])
        end_logs = tables.rows[rows, 1]
        ends = tables.log_areas + np.where(tables.ends_index < 0, chain.stem_logs[k], end_logs[tables.ends_index])
        if tables.end_channels is not None:
            ends[-1] = self.x_high[-1]
        log_widths = self._prefixes(logs, float(end_logs[-1]))
        counts += tables.stem_counts[:, stem] + tables.tail_fixed + tables.rows[rows[-1], 0] * tables.tail_slope
        objective = self.factor * float((self.alpha * ends) @ log_widths) - self.penalty.at(depths)
        columns = rows - tables.offsets[:-1]
        path = Path(stem, columns, depths, counts, log_widths, tables.prefix_layers(depths), ends, objective)
        return Bound(value + self.constant, self.error, path)

    # ------------------------------------------------------------- reductions

    def reduced(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff, at the prices of the last :meth:`bound`; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        tables, cell, at = self.tables, self.cell, self.chain.at
        least = self.cutoff - self.error - self.constant
        some, kept, stem, low, high = keep(tables.rows, tables.has_same, self.chain, self.worth, self.passed, least)
        if not some:
            return None
        for i, s in enumerate(tables.stages):
            possible = s.depths[(s.depths >= low[i]) & (s.depths <= high[i])]
            if not len(possible):
                return None
            low[i], high[i] = possible[0], possible[-1]
        columns = tuple(c[kept[at[i] : at[i + 1]]] for i, c in enumerate(cell.columns))
        return Cell(cell.stem[stem], columns, low, high)

    def networks(self, max_steps: int) -> Batch | None:
        """All networks that keep the additive budgets and whose own bound at the prices of the last :meth:`bound` reaches the
        cutoff; ``None`` if there are more than a search of ``max_steps`` steps finds.
        """
        tables, m = self.tables, len(self.tables.stages)
        depths = [self.cell.depths(tables, i) for i in range(m)]
        steps, _, found = list_paths(
            tables.rows,
            tables.score,
            self.chain,
            self.worth,
            self.passed,
            tables.limits.astype(np.float64),
            self.cell.stem,
            np.concatenate(depths),
            np.cumsum([0] + [len(d) for d in depths]),
            self.cutoff - self.error - self.constant,
            max_steps,
            MOST_LISTED,
        )
        return None if steps > max_steps else Batch(found[:, 0], found[:, 1 : 1 + m].T, found[:, 1 + m :].T)

    # ------------------------------------------------------------ subgradients

    def slack(self, prices: Prices, path: Path) -> Floats:
        """Subgradient of the bound in :attr:`Prices.vector` at a path that attains it."""
        tables = self.tables
        parts = [tables.limits - path.counts]
        if len(prices.rho):
            stages, n = tables.rho_index, self._dearest(prices)
            parts += [path.log_widths[stages] - phi(n, tables.rho_float), n - path.layers[stages]]
        if self.penalty.n:
            depths = path.depths[self.penalty.index]
            parts.append(prices.weight * (self.penalty.conjugate(prices.depth)[2] - (depths - depths.mean())))
        return np.concatenate(parts)

    def surrogate(self, prices: Prices, path: Path) -> float:
        """Score of a path in the relaxation: its share of the bound that is not proportional to prices."""
        products = self.x_high * self.factor * path.log_widths + self.s_floor * (path.ends - self.x_high)
        return prices.weight * (float(self.alpha @ products) + self.penalty.conjugate(prices.depth)[1])


@dataclass(frozen=True)
class Optimised:
    """Outcome of :func:`optimise`: the best bound, its prices, the paths seen and their weights in the last model."""

    bound: Bound
    prices: Prices
    paths: list[Path]
    weights: Floats
    evaluations: int


def optimise(
    relaxation: Relaxation, start: Prices, max_evaluations: int, known: Sequence[Path] = (), tolerance: float = 0.05
) -> Optimised:
    """Lowers the bound of a cell by a level method (Lemarechal, Nemirovskii, Nesterov 1995) on its convex dual function.

    The level's lower end starts below the cutoff, so the method stops as soon as the cell is excluded, or when its own model
    shows that the bound can fall by no more than ``tolerance`` of its distance to the cutoff. Paths ``known`` from a larger
    cell are cuts of the model from the start, where they lie in this one.
    """
    tables = relaxation.tables
    stages = tables.rho_index
    cell = relaxation.cell
    depth_range = (cell.high - cell.low)[relaxation.penalty.index]
    unit = 1.0 / np.maximum(
        np.concatenate([tables.limits, relaxation.s_high[stages], relaxation.n_high[stages], depth_range]), 1.0
    )
    signed = np.arange(len(unit)) < len(tables.limits) + len(stages)
    cutoff = relaxation.cutoff
    floor = -math.inf
    size = max(1.0, abs(cutoff))
    prices = start
    paths = [p for p in known if cell.holds(p.stem, p.columns, p.depths)]
    n_known = len(paths)
    slopes = np.empty((n_known + max_evaluations, len(unit)))
    intercepts = np.empty(n_known + max_evaluations)
    for k, p in enumerate(paths):
        slopes[k], intercepts[k] = relaxation.slack(prices, p) * unit, relaxation.surrogate(prices, p)
    weights = np.zeros(0)
    active = np.zeros(0, dtype=np.int64)
    best: Bound | None = None
    best_prices, centre = prices, np.zeros(len(unit))
    for iteration in range(max_evaluations):
        bound = relaxation.bound(prices)
        point = prices.vector / unit
        n = len(paths)
        slopes[n] = relaxation.slack(prices, bound.path) * unit
        intercepts[n] = bound.value - slopes[n] @ point
        paths.append(bound.path)
        if best is None or bound.value < best.value:
            best, best_prices, centre = bound, prices, point
        excess = best.value - cutoff
        good_enough = max(1e-5 * size, tolerance * excess)
        floor = max(floor, cutoff - OVERSHOOT * excess)
        last = iteration + 1 == max_evaluations or not len(unit)
        if last or best.outward < cutoff or best.value - floor < good_enough:
            break
        step = None
        cuts = slopes[: n + 1]
        above = intercepts[: n + 1] + cuts @ centre
        for _ in range(6):
            level = floor + 0.3 * (best.value - floor)
            step, duals, active = project_to_level(above - level, cuts, centre, signed, size, active)
            total = duals.sum()
            if total > 0:
                weights = duals / total
            if step is not None and float((above + cuts @ step).max()) < level + 0.1 * (best.value - level):
                break
            step, floor = None, level
            if best.value - floor < good_enough:
                break
        if step is None:
            break
        new = centre + step
        prices = prices.at(np.where(signed, np.maximum(0.0, new), new) * unit)
    assert best is not None
    weights = np.append(weights, np.zeros(len(paths) - len(weights)))
    return Optimised(best, best_prices, paths, weights, len(paths) - n_known)
