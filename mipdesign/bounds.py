"""Lagrangian chain bounds: valid upper bounds for the objective over a cell, and the choices that they exclude.

Pricing the budgets and linearising what is convex leaves a problem that is additive along the chain of super-blocks and
coupled only through the channels of neighbours; a longest path through the channel lattice solves it exactly. Three
surrogates make it so:

* ``Q`` (convex in the depths) is replaced by its tangent at ``Prices.depths``;
* ``rho <= rho0``, which reads ``sum log w >= phi(n)`` with ``phi(n) = n log n - n log rho0`` convex, is priced by
``Prices.rho``
  (``mu``), and its layer count by ``Prices.layer`` (``pi``): ``-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n``;
* the products ``log(r^2 C_j) S_j`` are replaced by their McCormick overestimator ``x_u S + S_l (x - x_u)`` on the cell.

Every price vector gives a valid bound, whatever its origin; :func:`optimise` looks for good ones, and a certificate needs
only the prices. Floating-point sums are rounded outward: a bound comes with :attr:`Bound.error`, and "below a cutoff" means
``value + error < cutoff``. Formulas and the error analysis: ``docs/theory.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .cell import Cell
from .lattice import Bools, Floats, Ints, Position, StageTables, Tables

GROUP_WORK = 100_000
"""Entries of the transition array of one super-block above which incoming channels are grouped (which keeps bounds valid)."""
ERROR = 1e-11
"""Relative rounding allowance of a bound: about a hundred times the error of its few hundred additions."""
OVERSHOOT = 1.0
"""How far below the cutoff the level method aims, relative to how far above it the bound stands."""
LOST_TO_PENALTY = 1e3
"""Least penalty of a cell, relative to the cutoff, beyond which nothing else matters."""
PENALTY_SLACK = 0.02
"""How far above its minimum, relative to the cutoff, the penalty may stand at the point where its tangent is taken."""


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
    depths:
        Depths at which the tangent of ``Q`` is taken, shape ``(super_blocks,)``.
    weight:
        1, or 0 to leave the objective out: a negative bound then proves that the cell holds no feasible network.
    """

    budget: Floats
    rho: Floats
    layer: Floats
    depths: Floats
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
            depths=np.array([float(s.depths[0]) for s in tables.stages]),
            weight=weight,
        )

    def to_list(self) -> list[float]:
        """All numbers in one row."""
        return [self.weight, *self.budget.tolist(), *self.rho.tolist(), *self.layer.tolist(), *self.depths.tolist()]

    @classmethod
    def from_list(cls, tables: Tables, row: list[float]) -> Prices:
        """Inverse of :meth:`to_list`."""
        nb, nr, m = len(tables.limits), len(tables.rho_stages), len(tables.stages)
        if len(row) != 1 + nb + 2 * nr + m:
            raise ValueError(f"a row of {1 + nb + 2 * nr + m} prices is expected, not {len(row)}")
        budget, rho, layer, depths = np.split(np.array(row[1:], dtype=np.float64), [nb, nb + nr, nb + 2 * nr])
        return cls(budget, rho, layer, depths, float(row[0]))


@dataclass(frozen=True)
class Path:
    """The network that attains a bound, with the figures that its subgradient needs.

    ``objective`` is the true one; ``log_widths``, ``layers`` and ``ends`` (``x_j``) are per stage.
    """

    position: Position
    counts: Floats
    log_widths: Floats
    layers: Floats
    ends: Floats
    objective: float


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


def penalty_tangent(tables: Tables, depths: Floats) -> tuple[float, Floats]:
    """``beta Q`` and its (sub)gradient at real depths; 0 is a subgradient of ``exp(std)`` at equal depths."""
    scoring = tables.problem.scoring
    gradient = np.zeros(len(tables.stages))
    index = list(scoring.penalised)
    if scoring.penalty_form == "none" or not index or scoring.beta == 0:
        return 0.0, gradient
    x = depths[index]
    deviation = x - x.mean()
    variance = float(deviation @ deviation) / len(x)
    if scoring.penalty_form == "exp_var":
        q = math.exp(min(variance, 300.0))
        gradient[index] = scoring.beta * q * 2.0 / len(x) * deviation
    else:
        std = math.sqrt(variance)
        q = math.exp(min(std, 300.0))
        if std > 0:
            gradient[index] = scoring.beta * q / (len(x) * std) * deviation
    return scoring.beta * q, gradient


def phi(n: Floats, rho: float) -> Floats:
    """``n log n - n log rho``: the least ``sum log w`` of a prefix of ``n`` layers."""
    value: Floats = n * np.log(n / rho)
    return value


def dearest_layers(rho_price: Floats, layer_price: Floats, rho: float, low: Floats, high: Floats) -> Floats:
    """``n`` in ``[low, high]`` that maximises ``pi n - mu phi(n)``; any ``n`` of the range keeps a bound valid only there."""
    with np.errstate(over="ignore"):
        free = rho * np.exp(np.minimum(layer_price / np.maximum(rho_price, 1e-300), 700.0) - 1.0)
    return np.clip(free, low, high)


class _Layer:
    """One super-block of a cell: its columns' tables gathered, and the incoming channels grouped."""

    def __init__(self, s: StageTables, columns: Ints, incoming: Ints) -> None:
        self.tables, self.columns, self.incoming = s, columns, incoming
        self.c = s.c[columns]
        self.t, self.log_c = s.t[columns], s.log_c[columns]
        self.block_log = self.log_c + self.t
        new = np.empty(len(columns), dtype=bool)
        new[0] = True
        np.not_equal(self.c[1:], self.c[:-1], out=new[1:])
        self.starts = np.flatnonzero(new)
        self.group = np.cumsum(new) - 1
        self.channels = self.c[self.starts]
        self.log_incoming = np.log(incoming)
        self.fixed = s.fixed[:, columns].astype(np.float64)
        self.slope = s.slope[:, columns].astype(np.float64)
        self.rest = s.rest[:, columns].astype(np.float64)
        self.same = s.same[:, columns].astype(np.float64) if s.same.any() else None
        size = max(4, GROUP_WORK // len(columns))
        n = len(incoming)
        self.grouped = n > size
        self.bounds = np.unique(np.linspace(0, n, min(size, n) + 1).astype(np.int64)) if self.grouped else np.arange(n + 1)
        self.first = incoming[self.bounds[:-1]]
        self.last = incoming[self.bounds[1:] - 1]
        self.cost_channels = self.first.astype(np.float64)[:, None]
        self.forbidden = np.where(self._reachable, 0.0, -np.inf)

    @cached_property
    def _reachable(self) -> Bools:
        """Whether some channel count of a group may precede a column, shape ``(groups, columns)``."""
        low, high = self.tables.growth
        ok = self.channels * low.denominator >= self.first[:, None] * low.numerator
        if high is not None:
            ok = ok & (self.channels * high.denominator <= self.last[:, None] * high.numerator)
        reachable: Bools = ok[:, self.group]
        return reachable

    def price_same(self, budget: Floats) -> Floats | None:
        """Priced ``[ci = C] same`` terms, shape ``(groups, columns)``; a group takes them where that raises the bound."""
        if self.same is None:
            return None
        priced = -(budget @ self.same)
        exact = (self.first[:, None] == self.c) & (self.first == self.last)[:, None]
        possible = (self.first[:, None] <= self.c) & (self.c <= self.last[:, None])
        return np.where(exact, priced, np.where(possible, np.maximum(priced, 0.0), 0.0))

    def spread(self, grouped: Floats) -> Floats:
        """Values of groups handed to their members."""
        return np.repeat(grouped, np.diff(self.bounds)) if self.grouped else grouped

    def gather(self, values: Floats) -> Floats:
        """Largest value of each group."""
        best: Floats = np.maximum.reduceat(values, self.bounds[:-1]) if self.grouped else values
        return best


@dataclass
class _Forward:
    """What the forward pass leaves behind for one super-block."""

    into: Floats
    """Best value at each incoming channel count, its log term included."""
    gathered: Floats
    """The same per group of incoming channels."""
    entry: Floats
    """What a column gains or pays for being entered from a group, shape ``(groups, columns)``."""
    best: Floats
    """Best value with which each column is entered."""
    own: Floats
    """Value of the column itself at its better depth."""
    per_block: Floats
    depth: Ints
    log_price: float
    end_terms: Floats


class Relaxation:
    """The chain relaxation of one cell, for networks whose objective is at least ``cutoff``.

    Raises
    ------
    EmptyCellError
        If the chain rule alone leaves the cell empty.
    """

    def __init__(self, tables: Tables, cell: Cell, cutoff: float) -> None:
        self.tables, self.cell, self.cutoff = tables, cell, cutoff
        scoring = tables.problem.scoring
        self.factor = float(scoring.convention.layer_factor)
        self.alpha = np.array(scoring.alpha)
        self.layers: list[_Layer] = []
        incoming = tables.stem_c[cell.stem]
        for s, columns in zip(tables.stages, cell.columns, strict=True):
            layer = _Layer(s, columns, incoming)
            self.layers.append(layer)
            incoming = layer.channels
        self._set_ranges()

    def _set_ranges(self) -> None:
        """Ranges of ``S_j``, ``n_j`` and ``x_j`` over the cell."""
        tables, cell, n = self.tables, self.cell, self.tables.n_stages
        rows = np.zeros((4, n))
        rows[:, 0] = tables.stem_log, tables.stem_log, 1, 1
        for i, layer in enumerate(self.layers):
            j = tables.stage_of[i]
            rows[0, j] += layer.log_incoming[0] + (layer.t + (cell.low[i] - 1) * layer.block_log).min()
            rows[1, j] += layer.log_incoming[-1] + (layer.t + (cell.high[i] - 1) * layer.block_log).max()
            rows[2, j] += layer.tables.layers * cell.low[i]
            rows[3, j] += layer.tables.layers * cell.high[i]
        if tables.has_head:
            channels = self.layers[-1].channels
            rows[:, -1] += math.log(channels[0]), math.log(channels[-1]), 1, 1
        self.s_low, self.s_high, self.n_low, self.n_high = np.cumsum(rows, axis=1)
        self.x = [tables.log_end(j, self._end_channels(j)) for j in range(n)]
        self.x_low = np.array([x.min() for x in self.x])
        self.x_high = np.array([x.max() for x in self.x])
        self.s_floor = self.factor * self.s_low
        if math.isfinite(self.cutoff):
            self.s_floor[-1] = max(self.s_floor[-1], self._least_entropy_sum())

    def _least_entropy_sum(self) -> float:
        """Least ``S_J`` of a network that reaches the cutoff: as ``S_j <= S_J``, its score is at most
        ``sum_j alpha_j x_j min(max S_j, S_J)``, which grows with ``S_J``.
        """
        rates, most = self.alpha * self.x_high, self.factor * self.s_high
        needed = self.cutoff + self._least_penalty
        least = 0.0
        for s in np.sort(most):
            if float(rates @ np.minimum(most, s)) < needed:
                least = float(s)
                continue
            below = most <= least
            least = (needed - float(rates[below] @ most[below])) / max(float(rates[~below].sum()), 1e-300)
            break
        return min(least * (1.0 - 1e-9), float(most[-1]))

    @property
    def _least_penalty(self) -> float:
        scoring = self.tables.problem.scoring
        return 0.0 if scoring.penalty_form == "none" or not scoring.penalised else scoring.beta

    def _end_channels(self, j: int) -> Ints:
        end = self.tables.ends[j]
        return self.tables.stem_c[self.cell.stem] if end < 0 else self.layers[end].channels

    # ------------------------------------------------------------------ prices

    def settle(self, prices: Prices) -> Prices:
        """Prices with the tangent point of the penalty moved to where it serves the cell."""
        return replace(prices, depths=self._moderate(np.clip(prices.depths, self.cell.low, self.cell.high)))

    def _moderate(self, depths: Floats) -> Floats:
        """Moves depths towards the penalty's minimum where the exponential would make its tangent useless elsewhere."""
        calm = self._calmest
        least = penalty_tangent(self.tables, calm)[0]
        if least > LOST_TO_PENALTY * max(abs(self.cutoff), 1.0) and math.isfinite(self.cutoff):
            return calm  # there the tangent is nowhere below the least penalty, which excludes the cell
        allowed = least + PENALTY_SLACK * max(abs(self.cutoff), 1.0) if math.isfinite(self.cutoff) else 1e3
        for share in (1.0, 0.5, 0.25, 0.1, 0.0):
            moved = calm + share * (depths - calm)
            if penalty_tangent(self.tables, moved)[0] <= allowed:
                return moved
        return calm

    @cached_property
    def _calmest(self) -> Floats:
        """Depths of the cell with the smallest penalty: a common value, clipped to each range."""
        low, high = self.cell.low.astype(np.float64), self.cell.high.astype(np.float64)
        depths = (low + high) / 2
        index = list(self.tables.problem.scoring.penalised)
        if index:
            common = depths[index].mean()
            for _ in range(30):
                depths[index] = np.clip(common, low[index], high[index])
                common = depths[index].mean()
        return depths

    # ------------------------------------------------------------------- bound

    def bound(self, prices: Prices) -> Bound:
        """The bound at given prices, and a network that attains it."""
        self._forward(prices)
        last = self.values
        k = int(last.argmax())
        return Bound(float(last[k]) + self.constant, self.error, self._trace(k))

    def _forward(self, prices: Prices) -> None:
        tables, cell = self.tables, self.cell
        w = prices.weight
        q, gradient = penalty_tangent(tables, prices.depths) if w else (0.0, np.zeros(len(self.layers)))
        x_hat, s_hat = self.x_high, self.s_floor
        shift = float((self.alpha * s_hat * x_hat).sum())
        entropy_price = w * self.factor * np.cumsum((self.alpha * x_hat)[::-1])[::-1]
        rho_price, layer_price = np.zeros(tables.n_stages), np.zeros(tables.n_stages)
        constant = w * (gradient @ prices.depths - q - shift) + prices.budget @ tables.limits
        scale = w * (q + abs(gradient) @ prices.depths + shift + self.factor * float(self.alpha * self.x_high @ self.s_high))
        scale += prices.budget @ tables.limits
        if tables.rho is not None and len(prices.rho):
            stages, n = list(tables.rho_stages), self._dearest(prices)
            value = phi(n, float(tables.rho))
            rho_price[stages], layer_price[stages] = prices.rho, prices.layer
            constant += prices.layer @ n - prices.rho @ value
            scale += abs(prices.layer) @ self.n_high[stages] + prices.rho @ (abs(value) + self.s_high[stages])
        log_price = entropy_price + np.cumsum(rho_price[::-1])[::-1]
        layer_price = np.cumsum(layer_price[::-1])[::-1]
        constant += log_price[0] * tables.stem_log - layer_price[0]
        value = -(prices.budget @ tables.stem_counts[:, cell.stem])
        if tables.ends[0] < 0:
            value = value + w * self.alpha[0] * s_hat[0] * self.x[0]
        self.stem_values = value
        self.steps: list[_Forward] = []
        for i, layer in enumerate(self.layers):
            j = tables.stage_of[i]
            g = float(log_price[j])
            block = -w * float(gradient[i]) - layer.tables.layers * float(layer_price[j])
            per_block = g * layer.block_log - prices.budget @ layer.rest + block
            first = g * layer.t - prices.budget @ layer.fixed + block
            depth = np.where(per_block > 0, cell.high[i], cell.low[i])
            own = first + (depth - 1) * per_block
            into = value + g * layer.log_incoming
            gathered = layer.gather(into)
            entry = layer.forbidden - layer.cost_channels * (prices.budget @ layer.slope)
            same = layer.price_same(prices.budget)
            if same is not None:
                entry += same
            best = (entry + gathered[:, None]).max(axis=0)
            end_terms = np.zeros(len(layer.channels))
            if i in tables.ends and not (j == tables.n_stages - 1 and tables.end_channels is not None):
                end_terms = w * self.alpha[j] * s_hat[j] * self.x[j]
            if i == len(self.layers) - 1:
                end_terms = end_terms - prices.budget @ tables.tail_fixed - (prices.budget @ tables.tail_slope) * layer.channels
                if tables.has_head:
                    end_terms = end_terms + g * np.log(layer.channels)
                    constant -= layer_price[-1]
            self.steps.append(_Forward(into, gathered, entry, best, own, per_block, depth, g, end_terms))
            value = np.maximum.reduceat(best + own, layer.starts) + end_terms
        if tables.end_channels is not None:  # x of the last stage is a constant: its product is exact
            constant += w * self.alpha[-1] * s_hat[-1] * x_hat[-1]
        self.values, self.constant = value, float(constant)
        self.error = ERROR * float(scale)

    def _dearest(self, prices: Prices) -> Floats:
        """Layer counts that attain the conjugate of ``mu phi``; the float maximiser is exact to second order."""
        stages = list(self.tables.rho_stages)
        assert self.tables.rho is not None
        return dearest_layers(prices.rho, prices.layer, float(self.tables.rho), self.n_low[stages], self.n_high[stages])

    def _trace(self, k: int) -> Path:
        """Follows the best path back from the last channels ``k``."""
        tables = self.tables
        columns, depths = [0] * len(self.layers), [0] * len(self.layers)
        counts = tables.tail_fixed + self.layers[-1].channels[k] * tables.tail_slope
        stage_logs, stage_layers = np.zeros(tables.n_stages), np.zeros(tables.n_stages)
        if tables.has_head:
            stage_logs[-1] += math.log(self.layers[-1].channels[k])
            stage_layers[-1] += 1
        ends = np.array([float(np.ravel(x)[0]) for x in self.x])
        for i in range(len(self.layers) - 1, -1, -1):
            layer, step, s = self.layers[i], self.steps[i], tables.stages[i]
            if i in tables.ends and self.x[tables.stage_of[i]].ndim:
                ends[tables.stage_of[i]] = self.x[tables.stage_of[i]][k]
            start = layer.starts[k]
            stop = layer.starts[k + 1] if k + 1 < len(layer.starts) else len(layer.c)
            col = start + int((step.best[start:stop] + step.own[start:stop]).argmax())
            group = int((step.entry[:, col] + step.gathered).argmax())
            first, last = layer.bounds[group], layer.bounds[group + 1]
            k = int(first + step.into[first:last].argmax())
            ci, depth = int(layer.incoming[k]), int(step.depth[col])
            j = int(layer.columns[col])
            columns[i], depths[i] = j, depth
            counts = counts + s.fixed[:, j] + ci * s.slope[:, j] + (ci == s.c[j]) * s.same[:, j] + (depth - 1) * s.rest[:, j]
            stage = tables.stage_of[i]
            stage_logs[stage] += layer.log_incoming[k] + s.t[j] + (depth - 1) * (s.log_c[j] + s.t[j])
            stage_layers[stage] += s.layers * depth
        stem = int(self.cell.stem[k])
        counts = counts + tables.stem_counts[:, stem]
        stage_logs[0] += tables.stem_log
        stage_layers[0] += 1
        if tables.ends[0] < 0:
            ends[0] = self.x[0][k]
        log_widths = np.cumsum(stage_logs)
        penalty = penalty_tangent(tables, np.array(depths, dtype=np.float64))[0]
        objective = self.factor * float(self.alpha * ends @ log_widths) - penalty
        position = Position(stem, tuple(columns), tuple(depths))
        return Path(position, counts.astype(np.float64), log_widths, np.cumsum(stage_layers), ends, objective)

    # ------------------------------------------------------------- reductions

    def reduced(self) -> Cell | None:
        """The part of the cell whose own bounds reach the cutoff, at the prices of the last :meth:`bound`; ``None`` if empty.

        A forward and a backward pass give, for every column and every stem, the bound of the networks that use it.
        """
        least = self.cutoff - self.error - self.constant
        onward = np.zeros(len(self.layers[-1].channels))
        kept: list[Ints] = []
        low, high = self.cell.low.copy(), self.cell.high.copy()
        for i in range(len(self.layers) - 1, -1, -1):
            layer, step = self.layers[i], self.steps[i]
            beyond = (onward + step.end_terms)[layer.group]
            through = step.best + step.own + beyond
            keep = through >= least
            if not keep.any():
                return None
            kept.append(layer.columns[keep])
            if low[i] < high[i]:
                depths = self.cell.depths(self.tables, i)
                change = (depths[:, None] - step.depth[keep]) * step.per_block[keep]
                possible = depths[(through[keep] + change).max(axis=1) >= least]
                if not len(possible):
                    return None
                low[i], high[i] = possible[0], possible[-1]
            back = (step.entry + (step.own + beyond)).max(axis=1)
            onward = layer.spread(back) + step.log_price * layer.log_incoming
        stem = self.stem_values + onward >= least
        if not stem.any():
            return None
        return Cell(self.cell.stem[stem], tuple(reversed(kept)), low, high)

    def slack(self, prices: Prices, path: Path) -> Floats:
        """Subgradient of the bound in ``(budget, rho, layer)`` at a path that attains it."""
        slack = self.tables.limits - path.counts
        if self.tables.rho is None:
            return slack
        stages, n = list(self.tables.rho_stages), self._dearest(prices)
        need = phi(n, float(self.tables.rho))
        return np.concatenate([slack, path.log_widths[stages] - need, n - path.layers[stages]])

    def surrogate(self, prices: Prices, path: Path) -> float:
        """Score of a path in the relaxation: its share of the bound that no price but the penalty's tangent enters."""
        q, gradient = penalty_tangent(self.tables, prices.depths)
        products = self.x_high * self.factor * path.log_widths + self.s_floor * (path.ends - self.x_high)
        return prices.weight * (
            float(self.alpha @ products) - q - float(gradient @ (np.array(path.position.depths) - prices.depths))
        )


def chain_is_empty(tables: Tables, cell: Cell) -> bool:
    """Whether the chain rule alone leaves no network in a cell."""
    reached = tables.stem_c[cell.stem]
    for s, columns in zip(tables.stages, cell.columns, strict=True):
        channels = np.unique(s.c[columns])
        ok = s.follows(reached[:, None], channels[None, :]).any(axis=0)
        if not ok.any():
            return True
        reached = channels[ok]
    return False


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
    stages = list(tables.rho_stages)
    nb, nr = len(tables.limits), len(stages)
    unit = 1.0 / np.maximum(np.concatenate([tables.limits, relaxation.s_high[stages], relaxation.n_high[stages]]), 1.0)
    signed = np.arange(nb + 2 * nr) < nb + nr
    cutoff = relaxation.cutoff
    floor = -math.inf
    size = max(1.0, abs(cutoff))
    prices = relaxation.settle(start)
    paths = [p for p in known if relaxation.cell.contains(p.position)]
    slopes = np.array([relaxation.slack(prices, p) * unit for p in paths]).reshape(len(paths), len(unit))
    intercepts = np.array([relaxation.surrogate(prices, p) for p in paths])
    n_known = len(paths)
    weights = np.zeros(0)
    active: list[int] = []
    best: Bound | None = None
    best_prices, centre = prices, np.zeros(len(unit))
    for iteration in range(max_evaluations):
        bound = relaxation.bound(prices)
        point = np.concatenate([prices.budget, prices.rho, prices.layer]) / unit
        slope = relaxation.slack(prices, bound.path) * unit
        paths.append(bound.path)
        slopes = np.vstack([slopes, slope])
        intercepts = np.append(intercepts, bound.value - slope @ point)
        if best is None or bound.value < best.value:
            best, best_prices, centre = bound, prices, point
        excess = best.value - cutoff
        good_enough = max(1e-5 * size, tolerance * excess)
        floor = max(floor, cutoff - OVERSHOOT * excess)
        last = iteration + 1 == max_evaluations or not len(unit)
        if last or best.outward < cutoff or best.value - floor < good_enough:
            break
        step = None
        for _ in range(6):
            level = floor + 0.3 * (best.value - floor)
            step, duals = project_to_level(intercepts + slopes @ centre - level, slopes, centre, signed, size, active)
            total = duals.sum()
            if total > 0:
                weights = duals / total
            if step is not None and float((intercepts + slopes @ (centre + step)).max()) < level + 0.1 * (best.value - level):
                break
            step, floor = None, level
            if best.value - floor < good_enough:
                break
        if step is None:
            break
        new = centre + step
        new = np.where(signed, np.maximum(0.0, new), new) * unit
        prices = replace(prices, budget=new[:nb], rho=new[nb : nb + nr], layer=new[nb + nr :])
    assert best is not None
    weights = np.append(weights, np.zeros(len(paths) - len(weights)))
    return Optimised(best, best_prices, paths, weights, len(paths) - n_known)


def project_to_level(
    excess: Floats, slopes: Floats, centre: Floats, signed: Bools, size: float, active: list[int]
) -> tuple[Floats | None, Floats]:
    """Shortest step ``z`` with ``excess + slopes @ z <= 0`` and ``centre + z >= 0`` where ``signed``, and the rows'
    multipliers.

    Least-distance programming by non-negative least squares (Lawson and Hanson 1974, chapter 23). ``None`` if no step exists.
    ``active`` holds the active set of an earlier call with fewer rows of ``slopes``, and receives that of this one.
    """
    eye = np.eye(len(centre))[signed]
    g = np.vstack([eye, -slopes])
    h = np.concatenate([-centre[signed], excess]) / size
    norms = np.sqrt((g * g).sum(axis=1)) + 1e-12
    e = np.concatenate([g.T, h[None]]) / norms
    target = e[-1]
    try:
        u = _nnls(e, target, active)
    except np.linalg.LinAlgError:  # rows that are numerically equal
        active.clear()
        return None, np.zeros(len(excess))
    r = e @ u
    r[-1] -= 1.0
    duals = (u / norms)[len(eye) :]
    if abs(r[-1]) < 1e-7:
        return None, duals
    return -r[:-1] / r[-1] * size, duals


def _nnls(e: Floats, target: Floats, active: list[int]) -> Floats:
    """``min |e u - f|`` over ``u >= 0`` with ``e' f = target``: the active-set method of Lawson and Hanson on the normal
    equations.
    """
    n = e.shape[1]
    gram = e.T @ e
    gram.flat[:: n + 1] += 1e-13
    u = np.zeros(n)
    while active:
        trial = np.linalg.solve(gram[active][:, active], target[active])
        if trial.min() > 0:
            u[active] = trial
            break
        active[:] = [index for index, value in zip(active, trial, strict=True) if value > 0]
    gradient = target - gram @ u
    for _ in range(3 * n):
        gradient[active] = -np.inf
        j = int(gradient.argmax())
        if gradient[j] <= 1e-10:
            break
        active.append(j)
        while active:
            trial = np.linalg.solve(gram[active][:, active], target[active])
            if trial.min() > 0:
                u[:] = 0.0
                u[active] = trial
                break
            old = u[active]
            falling = trial <= 0
            share = float((old[falling] / np.maximum(old[falling] - trial[falling], 1e-300)).min())
            moved = old + share * (trial - old)
            u[:] = 0.0
            u[active] = moved
            active[:] = [index for index, value in zip(active, moved, strict=True) if value > 1e-14]
        gradient = target - gram @ u
    return u
