r"""The disaggregated lattice formulation: the design problem on a cell as an exact mixed-integer linear model.

Notation: super-block ``i`` has channels ``C_i``, width ``b_i``, kernel ``k_i`` and depth ``L_i``; ``C_0`` is the stem; ``q = (C, b, k)``
is a column of the tables; ``S_i`` is the sum of ``log w`` up to and with super-block ``i``.

* **One binary per point.** ``x_i[q, L] = 1`` for the column and the depth that are chosen. Everything that depends on one super-block
  alone is linear in it: counts, and its part ``L t_q + (L - 1) log C`` of ``S_i``. The marginals ``C_i[c]``, ``b_i[b]``, ``k_i[k]``,
  ``L_i[L]`` are one-hot binaries, and integers for their positions carry the branching: depth before width before channels.
* **Copies.** The products with what comes before are ``C_{i-1} z``, with ``z`` the binary of a channel count (for ``C_{i-1} C_i``) or of a
  group of columns with equal remaining slope (for ``C_{i-1} b_i``). Each ``z`` has its own copy ``y_z`` of ``C_{i-1}``, with
  ``low z <= y_z <= high z`` and ``sum_z y_z = C_{i-1}``. Since the binaries of a partition sum to 1, this is the convex hull of the
  product, and exact at integers. The ranges of the copies on channel counts are those that the chain rule admits, which makes
  the rule exact too.
* **Entropy.** ``log(r^2 C_j) S_j = sum_c log(r^2 c) C_j[c] S_j``. The own part of the super-block is known per ``x``; what comes before is
  copied over the channel counts in the same way.
* **Effectiveness.** ``rho <= rho_0`` reads ``S >= phi(n)`` with ``phi(n) = n log n - n log rho_0`` convex in the number of layers ``n``. The
  secants through neighbouring attainable ``n`` are exact at all attainable ``n``.
* **Depth penalty.** A weight per vector of penalised depths, whose marginals are the ``L_i[L]``. Where the cell has too many vectors,
  the convex function itself: a second-order cone and an exponential, which SCIP outer-approximates on demand.

Budgets are scaled to 1000 and loosened by half a unit, which no integer count notices; the effectiveness rows are loosened by a relative
1e-9. What slips through is a network that the exact check of :func:`mipdesign.scip.solve_cell` rejects.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pyscipopt import exp, quicksum

from mipdesign.cell import Cell
from mipdesign.formulation import Formulation, FormulationModel, OneHotGroup, Position
from mipdesign.lattice import Ints, StageTables, Tables
from mipdesign.linear import LinearModel, Terms
from mipdesign.theory import depth_penalty

PENALTY_VECTORS = 2000
"""Up to this many vectors of penalised depths get a variable each."""
MAGNITUDE = 1e4
"""Magnitude of the model's objective: SCIP's absolute tolerances of 1e-7 then mean a relative 1e-11."""
PENALTY_RANGE = 1e3
"""Depth penalties up to this multiple of the objective's magnitude are represented."""
BUDGET_UNIT = 1e3
"""What a budget's limit becomes; 1 of 1e12 is then still above SCIP's epsilon."""
LOOSENED = 1e-9
"""Relative loosening of the effectiveness rows."""

DEPTH, WIDTH, KERNEL, CHANNELS = 40, 30, 20, 10
"""Branching priorities of the one-hot binaries; the integers have one more."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class _Network:
    """A network in the terms of the model: what the rules of the variables read.

    Attributes
    ----------
    channels:
        ``C_0 .. C_M``.
    sums:
        ``S_0 .. S_M``.
    layers:
        Layers up to and with each super-block, from the stem on.
    """

    position: Position
    channels: tuple[int, ...]
    sums: tuple[float, ...]
    layers: tuple[int, ...]


Rule = Callable[[_Network], float]
"""The value of a variable in a network."""


class Lattice(Formulation):
    """Disaggregated lattice formulation; see the module."""

    id = "lattice"
    title = "disaggregated one-hot lattice with copies of what comes before"
    claim = "exact"
    reference = (
        "disaggregated convex combination: Vielma, Ahmed, Nemhauser, Operations Research 58(2), 2010; "
        "copies: Sherali, Adams, SIAM J. Discrete Math. 3(3), 1990; the problem: DeepMAD, CVPR 2023"
    )

    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        return _Writer(tables, cell).finish()


class _Writer:
    """Writes the model of one cell, super-block by super-block."""

    def __init__(self, tables: Tables, cell: Cell) -> None:
        self.tables, self.cell = tables, cell
        self.linear = LinearModel()
        self.rules: list[Rule] = []
        self.groups: list[OneHotGroup] = []
        self.one = self._variable("one", lambda _: 1.0, lower=1.0)
        self.counts: list[Terms] = [[(self.one, float(c))] for c in tables.tail_fixed]
        self.entropy_limit = 0.0
        self.depths: list[dict[int, int]] = []
        """Binary of each depth of each super-block."""
        columns = _reachable(tables, cell)
        if columns is None:
            self.linear.row("no_chain", [(self.one, 1.0)], high=0.0)
        else:
            self._network(*columns)

    # ------------------------------------------------------------------ parts

    def _variable(self, name: str, rule: Rule, kind: Any = "C", lower: float = 0.0, upper: float = 1.0, priority: int = 0) -> int:
        self.rules.append(rule)
        return self.linear.variable(name, kind, lower, upper, priority)

    def _network(self, stem: Ints, columns: Sequence[Ints]) -> None:
        """All variables and constraints of a cell whose chains are not empty."""
        t = self.tables
        values = {int(t.stem_c[i]): int(i) for i in stem}
        channels = self._one_hot("C0", values, lambda n: n.channels[0], CHANNELS)
        self.groups.append(OneHotGroup((0,), {(values[c],): self.linear.names[v] for c, v in channels.items()}))
        for c, v in channels.items():
            self._charge([(v, 1.0)], t.stem_counts[:, values[c]])
        total = _Sum([(self.one, t.stem_log)], t.stem_log, t.stem_log)
        layers = _Layers([(self.one, 1.0)], (1,))
        if t.ends[0] < 0:
            self._gain_of_stem(channels)
            self._effectiveness(0, total, layers)
        for i, own_columns in enumerate(columns):
            channels, total, layers = self._super_block(i, own_columns, channels, total, layers)
        for c, v in channels.items():
            self._charge([(v, float(c))], t.tail_slope)
        self._budgets()
        self._penalty()

    def _one_hot(self, name: str, values: Iterable[int], read: Callable[[_Network], int], priority: int) -> dict[int, int]:
        """Binaries of which exactly one is 1, with an integer for its place among them; a single value needs neither."""
        values = list(values)
        if len(values) == 1:
            return {values[0]: self.one}
        binaries = {
            value: self._variable(f"{name}_{value}", lambda n, value=value: float(read(n) == value), "B", priority=priority)
            for value in values
        }
        self.linear.row(f"one_{name}", [(v, 1.0) for v in binaries.values()], 1.0, 1.0)
        if len(values) > 2:
            place = {value: float(j) for j, value in enumerate(values)}
            index = self._variable(f"{name}_index", lambda n: place[read(n)], "I", 0.0, len(values) - 1.0, priority + 1)
            self.linear.row(f"index_{name}", [(binaries[x], j) for x, j in place.items()] + [(index, -1.0)], 0.0, 0.0)
        return binaries

    def _super_block(
        self, i: int, columns: Ints, before: dict[int, int], total: _Sum, layers: _Layers
    ) -> tuple[dict[int, int], _Sum, _Layers]:
        """One super-block; returns the binaries of its channels, and the log-width sum and the layers with it."""
        s, number, m = self.tables.stages[i], i + 1, len(self.tables.stages)
        depths = [int(d) for d in self.cell.depths(self.tables, i)]
        points = [(int(q), d) for q in columns for d in depths]
        binaries = self._points(i, points)
        self.groups.append(OneHotGroup((1 + i, 1 + m + i), {p: self.linear.names[v] for p, v in binaries.items()}))

        def marginal(letter: str, priority: int, of: Callable[[int, int], int], values: Sequence[int]) -> dict[int, int]:
            name = f"{letter}{number}"
            hot = self._one_hot(name, values, lambda n: of(n.position.columns[i], n.position.depths[i]), priority)
            self._link(name, hot, _grouped((of(*p), [(v, 1.0)]) for p, v in binaries.items()))
            return hot

        self.depths.append(marginal("L", DEPTH, lambda q, d: d, depths))
        widths = marginal("b", WIDTH, lambda q, d: int(s.b[q]), _unique(s.b[columns]))
        marginal("k", KERNEL, lambda q, d: int(s.k[q]), _unique(s.k[columns]))
        channels = marginal("C", CHANNELS, lambda q, d: int(s.c[q]), _unique(s.c[columns]))

        for (q, d), v in binaries.items():
            self._charge([(v, 1.0)], s.fixed[:, q] + (d - 1) * s.rest[:, q])
        self._slopes(i, columns, binaries, before, channels, widths)
        self._equal_channels(i, columns, binaries, before)

        own = {p: float(p[1] * s.t[p[0]] + (p[1] - 1) * s.log_c[p[0]]) for p in points}
        enters = _Sum(
            total.terms + [(v, math.log(c)) for c, v in before.items()],
            total.low + math.log(min(before)),
            total.high + math.log(max(before)),
        )
        own_terms = [(v, own[p]) for p, v in binaries.items()]
        low, high = enters.low + min(own.values()), enters.high + max(own.values())
        sum_variable = self._variable(f"S{number}", lambda n: n.sums[number], lower=low, upper=high)
        self.linear.row(f"sum_{number}", enters.terms + own_terms + [(sum_variable, -1.0)], 0.0, 0.0)
        after = _Sum([(sum_variable, 1.0)], low, high)
        counted = self._layers(number, layers, depths, s.layers)

        if i in self.tables.ends:
            last = i == m - 1
            ended, ended_layers = after, counted
            if last and self.tables.has_head:
                ended = after.plus([(v, math.log(c)) for c, v in channels.items()], math.log(min(channels)), math.log(max(channels)))
                ended_layers = counted.plus(self.one)
            stage = self.tables.stage_of[i]
            self._gain_of_stage(stage, i, channels, enters, {p: (v, own[p]) for p, v in binaries.items()}, ended)
            self._effectiveness(stage, ended, ended_layers)
        return channels, after, counted

    def _points(self, i: int, points: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The binaries ``x_i[q, L]``; their sum is 1 by the marginals."""
        if len(points) == 1:
            return {points[0]: self.one}
        s = self.tables.stages[i]

        def rule(point: tuple[int, int]) -> Rule:
            return lambda n: float((n.position.columns[i], n.position.depths[i]) == point)

        return {
            (q, d): self._variable(f"x{i + 1}_{s.c[q]}_{s.b[q]}_{s.k[q]}_{d}", rule((q, d)), "B") for q, d in points
        }

    def _link(self, name: str, hot: Mapping[int, int], members: Mapping[int, Terms]) -> None:
        """Says that the binaries of ``hot`` are the sums of their members."""
        if len(hot) > 1:
            for value, v in hot.items():
                self.linear.row(f"of_{name}_{value}", members[value] + [(v, -1.0)], 0.0, 0.0)

    def _copies(
        self,
        name: str,
        total: Terms,
        read: Rule,
        hot: Mapping[Key, tuple[int, Rule]],
        ranges: Mapping[Key, tuple[float, float]],
    ) -> dict[Key, Terms]:
        """Products of a quantity with each binary of a partition, as linear expressions.

        The copy on binary ``z`` is ``low z + (high - low) e`` with ``0 <= e <= z``, and the copies sum to the quantity.

        Parameters
        ----------
        total, read:
            The quantity, and its value in a network.
        hot:
            By key, the binary and its value in a network.
        ranges:
            By key, bounds of the quantity where that binary is 1.
        """
        if len(hot) == 1:
            return dict.fromkeys(hot, total)
        products: dict[Key, Terms] = {}
        for place, (key, (z, is_on)) in enumerate(hot.items()):
            low, high = ranges[key]
            products[key] = [(z, low)]
            if high > low:

                def rule(n: _Network, low: float = low, high: float = high, is_on: Rule = is_on) -> float:
                    return is_on(n) * (read(n) - low) / (high - low)

                e = self._variable(f"{name}_{place}", rule)
                self.linear.row(f"on_{name}_{place}", [(e, 1.0), (z, -1.0)], high=0.0)
                products[key].append((e, high - low))
        everything = [term for product in products.values() for term in product]
        self.linear.row(f"all_{name}", everything + [(v, -c) for v, c in total], 0.0, 0.0)
        return products

    # ----------------------------------------------------------------- counts

    def _charge(self, terms: Terms, counts: Ints) -> None:
        """Adds ``counts * terms`` to the budgets."""
        for row, count in zip(self.counts, counts, strict=True):
            if count:
                row.extend((v, coefficient * float(count)) for v, coefficient in terms)

    def _slopes(
        self,
        i: int,
        columns: Ints,
        binaries: Mapping[tuple[int, int], int],
        before: Mapping[int, int],
        channels: Mapping[int, int],
        widths: Mapping[int, int],
    ) -> None:
        """Counts that are proportional to the channels before, ``C_{i-1} slope_q``, and the chain rule.

        The slope is split into a multiple of ``C_i`` and a rest that few groups of columns share.
        """
        s, number = self.tables.stages[i], i + 1
        entering: Terms = [(v, float(c)) for c, v in before.items()]

        def read(n: _Network) -> float:
            return float(n.channels[i])

        allowed = {c: [p for p in before if s.follows(np.int64(p), np.int64(c))] for c in channels}
        ranges = {c: (float(min(ps)), float(max(ps))) for c, ps in allowed.items()}
        per_channel = _slope_per_channel(s, columns)
        if len(before) > 1 and (per_channel.any() or any(len(ps) < len(before) for ps in allowed.values())):
            hot = {c: (v, self.rules[v]) for c, v in channels.items()}
            on_channels = self._copies(f"p{number}", entering, read, hot, ranges)
            if len(channels) == 1 and len(allowed[min(channels)]) < len(before):
                raise AssertionError("the reachable stem and columns are not reduced")
        else:
            on_channels = {c: [(v, float(min(before)))] for c, v in channels.items()}
        for c, copy in on_channels.items():
            self._charge(copy, per_channel * c)

        rest = s.slope[:, columns] - per_channel[:, None] * s.c[columns]
        members: dict[tuple[int, ...], list[int]] = {}
        for q, r in zip(columns, rest.T, strict=True):
            members.setdefault(tuple(int(x) for x in r), []).append(int(q))
        if len(members) == 1:
            self._charge(entering, rest[:, 0])
            return
        hot_groups = self._slope_groups(i, members, binaries, widths)
        group_ranges = {
            key: (min(ranges[int(s.c[q])][0] for q in qs), max(ranges[int(s.c[q])][1] for q in qs)) for key, qs in members.items()
        }
        for key, copy in self._copies(f"w{number}", entering, read, hot_groups, group_ranges).items():
            self._charge(copy, np.array(key))

    def _slope_groups(
        self,
        i: int,
        members: Mapping[tuple[int, ...], list[int]],
        binaries: Mapping[tuple[int, int], int],
        widths: Mapping[int, int],
    ) -> dict[tuple[int, ...], tuple[int, Rule]]:
        """Binary of each group of columns: that of a width where the groups are the widths."""
        s = self.tables.stages[i]
        by_width = {key: {int(s.b[q]) for q in qs} for key, qs in members.items()}
        if all(len(bs) == 1 for bs in by_width.values()) and len(members) == len(widths):
            variables = {key: widths[min(bs)] for key, bs in by_width.items()}
            return {key: (v, self.rules[v]) for key, v in variables.items()}
        groups: dict[tuple[int, ...], tuple[int, Rule]] = {}
        for place, (key, qs) in enumerate(members.items()):
            inside = frozenset(qs)

            def rule(n: _Network, inside: frozenset[int] = inside) -> float:
                return float(n.position.columns[i] in inside)

            v = self._variable(f"g{i + 1}_{place}", rule)
            self.linear.row(f"of_g{i + 1}_{place}", [(x, 1.0) for (q, _), x in binaries.items() if q in inside] + [(v, -1.0)], 0.0, 0.0)
            groups[key] = (v, rule)
        return groups

    def _equal_channels(self, i: int, columns: Ints, binaries: Mapping[tuple[int, int], int], before: Mapping[int, int]) -> None:
        """Counts that arise only where the channels stay the same: products of a channel binary before and columns here."""
        s = self.tables.stages[i]
        members: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for q in columns:
            if int(s.c[q]) in before and s.same[:, q].any():
                members.setdefault((int(s.c[q]), tuple(int(x) for x in s.same[:, q])), []).append(int(q))
        for place, ((c, same), qs) in enumerate(members.items()):
            inside = frozenset(qs)
            here: Terms = [(x, 1.0) for (q, _), x in binaries.items() if q in inside]
            if len(before) == 1:
                self._charge(here, np.array(same))
                continue

            def rule(n: _Network, inside: frozenset[int] = inside, c: int = c) -> float:
                return float(n.channels[i] == c and n.position.columns[i] in inside)

            name = f"same{i + 1}_{place}"
            e, z = self._variable(name, rule), before[c]
            self.linear.row(f"before_{name}", [(e, 1.0), (z, -1.0)], high=0.0)
            self.linear.row(f"here_{name}", [(e, 1.0)] + [(x, -1.0) for x, _ in here], high=0.0)
            self.linear.row(f"both_{name}", [(z, 1.0), (e, -1.0)] + here, high=1.0)
            self._charge([(e, 1.0)], np.array(same))

    def _budgets(self) -> None:
        """``count <= limit``, with the limit scaled to :data:`BUDGET_UNIT`."""
        for name, limit, terms in zip(self.tables.counts, self.tables.limits, self.counts, strict=True):
            unit = max(float(limit), 1.0) / BUDGET_UNIT
            self.linear.row(f"budget_{name}", [(v, c / unit) for v, c in terms], high=(float(limit) + 0.5) / unit)

    # ---------------------------------------------------------------- entropy

    def _weight(self, stage: int) -> float:
        scoring = self.tables.problem.scoring
        return scoring.alpha[stage] * float(scoring.convention.layer_factor)

    def _gain_of_stem(self, channels: Mapping[int, int]) -> None:
        """Entropy of a first stage that the stem ends."""
        t = self.tables
        value = {c: self._weight(0) * t.stem_log * float(t.log_end(0, np.array(c))) for c in channels}
        self.linear.gain((v, value[c]) for c, v in channels.items())
        self.entropy_limit += max(value.values())

    def _gain_of_stage(
        self,
        stage: int,
        i: int,
        channels: Mapping[int, int],
        enters: _Sum,
        own: Mapping[tuple[int, int], tuple[int, float]],
        ended: _Sum,
    ) -> None:
        """Entropy ``log(r^2 C) S`` at the end of super-block ``i``.

        Parameters
        ----------
        enters:
            The part of ``S`` that comes before the super-block, with the logarithm of its input channels.
        own:
            For each point its binary and its part of ``S``.
        ended:
            ``S`` itself.
        """
        s, weight = self.tables.stages[i], self._weight(stage)
        log_end = {c: float(self.tables.log_end(stage, np.array(c))) for c in channels}
        self.entropy_limit += weight * max(log_end.values()) * max(ended.high, 0.0)
        if len(set(log_end.values())) == 1:
            self.linear.gain(ended.terms, weight * min(log_end.values()))
            return
        hot = {c: (v, self.rules[v]) for c, v in channels.items()}

        def read(n: _Network) -> float:
            return n.sums[i] + math.log(n.channels[i])

        copies = self._copies(f"A{i + 1}", enters.terms, read, hot, dict.fromkeys(channels, (enters.low, enters.high)))
        for c, copy in copies.items():
            self.linear.gain(copy, weight * log_end[c])
        for (q, _), (v, value) in own.items():
            self.linear.gain([(v, value)], weight * log_end[int(s.c[q])])

    # ---------------------------------------------------------- effectiveness

    def _layers(self, number: int, before: _Layers, depths: Sequence[int], per_block: int) -> _Layers:
        """Layers up to and with a super-block."""
        added = [(v, float(per_block * d)) for d, v in self.depths[-1].items()]
        attainable = tuple(sorted({n + per_block * d for n in before.attainable for d in depths}))
        if len(attainable) == 1:
            return _Layers([(self.one, float(attainable[0]))], attainable)
        if len(depths) == 1:
            return _Layers(before.terms + added, attainable)
        v = self._variable(f"n{number}", lambda n: float(n.layers[number]), lower=attainable[0], upper=attainable[-1])
        self.linear.row(f"layers_{number}", before.terms + added + [(v, -1.0)], 0.0, 0.0)
        return _Layers([(v, 1.0)], attainable)

    def _effectiveness(self, stage: int, total: _Sum, layers: _Layers) -> None:
        """``S >= phi(n)`` for the prefix that ends with a stage."""
        if stage not in self.tables.rho_stages:
            return
        log_rho = math.log(float(self.tables.rho))  # type: ignore[arg-type]
        phi = {n: n * math.log(n) - n * log_rho for n in layers.attainable}
        loose = LOOSENED * max(1.0, *(abs(value) for value in phi.values()))
        if len(phi) == 1:
            self.linear.row(f"effectiveness_{stage}", total.terms, low=min(phi.values()) - loose)
            return
        for n, after in itertools.pairwise(layers.attainable):
            slope = (phi[after] - phi[n]) / (after - n)
            terms = total.terms + [(v, -slope * c) for v, c in layers.terms]
            self.linear.row(f"effectiveness_{stage}_{n}", terms, low=phi[n] - slope * n - loose)

    # ---------------------------------------------------------------- penalty

    def _penalty(self) -> None:
        """``- beta Q`` in the objective; sets the scale and the floor of the model."""
        scoring = self.tables.problem.scoring
        self.scale, self.floor = max(self.entropy_limit, 1.0) / MAGNITUDE, -math.inf
        self.cone_limit: float | None = None
        if scoring.penalty_form == "none" or not scoring.penalised or not scoring.beta:
            return
        lists = [list(self.depths[i]) for i in scoring.penalised]
        if math.prod(len(ds) for ds in lists) > PENALTY_VECTORS:
            least = scoring.beta
            self._set_range(least)
            self.cone_limit = self.entropy_limit - self.floor
            return
        vectors = {v: scoring.beta * depth_penalty(scoring.penalty_form, v) for v in itertools.product(*lists)}
        least = min(vectors.values())
        self._set_range(least)
        kept = {v: q for v, q in vectors.items() if q == least or q <= self.entropy_limit - self.floor}
        if len(kept) == len(vectors):
            self.floor = -math.inf
        if len(vectors) == 1:
            self.linear.gain([(self.one, -least)])
            return
        weights = {v: self._vector_weight(v) for v in kept}
        self.linear.gain((w, -vectors[v]) for v, w in weights.items())
        for place, i in enumerate(scoring.penalised):
            members: dict[int, Terms] = {d: [] for d in self.depths[i]}
            for v, w in weights.items():
                members[v[place]].append((w, 1.0))
            self._link(f"Q{i + 1}", self.depths[i], members)

    def _set_range(self, least: float) -> None:
        """Scale and floor when the smallest depth penalty of the cell is ``least``."""
        magnitude = max(self.entropy_limit, least, 1.0)
        if not math.isfinite(magnitude):
            magnitude = max(self.entropy_limit, 1.0)
        self.scale = magnitude / MAGNITUDE
        self.floor = self.entropy_limit - (least if math.isfinite(least) else 0.0) - PENALTY_RANGE * magnitude

    def _vector_weight(self, depths: tuple[int, ...]) -> int:
        penalised = self.tables.problem.scoring.penalised

        def rule(n: _Network) -> float:
            return float(tuple(n.position.depths[i] for i in penalised) == depths)

        return self._variable("Q_" + "_".join(map(str, depths)), rule)

    # ------------------------------------------------------------------- done

    def finish(self) -> FormulationModel:
        """The model, handed to SCIP."""
        model, variables = self.linear.to_scip(self.scale)
        names = self.linear.names
        return FormulationModel(
            tables=self.tables,
            cell=self.cell,
            model=model,
            variables=variables,
            objective_scale=self.scale,
            floor=self.floor,
            priorities={names[v]: priority for v, priority in self.linear.priorities.items()},
            groups=tuple(self.groups),
            rules=lambda position: {},
        )
