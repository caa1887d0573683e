"""The tables of networks, designs, frontiers and certificates, as a terminal and a page show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..figures.formatting import amount, exactly, number, percent, points, quantity
from ..figures.formatting import limit as limit_words
from ..figures.parts import Part, parts
from ..figures.tables import Column, Table, Value, columns, number_text, size_text
from ..networks.blocks import total
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..numerals import plain_number

if TYPE_CHECKING:
    from ..analysis.comparison import Comparison
    from ..analysis.explanation_file import StoredExplanation
    from ..analysis.frontier_file import StoredFrontier
    from ..checker import Claim
    from ..designs.design import Design
    from ..networks.architecture import Architecture
    from ..networks.evaluation import Evaluation
    from ..networks.scoring import Scoring
    from ..problem.budgets import Budget

FIGURES = ("params", "flops", "params_total", "macs", "effectiveness", "layers", "blocks", "activations")
SIZES = ("activation_memory", "weights_bytes", "latency", "bit_operations", "model_size", "max_feature")
"""Figures of a network that a page shows, and those that only some problems have."""
OF_BITS = ("bit_operations", "model_size", "max_feature")
"""Figures of quantised networks, which say something of others where a budget limits them only."""
UNITS = {"activation_memory": "bytes", "model_size": "bytes", "max_feature": "bytes", "latency": "µs"}
"""Units of figures whose names do not say them."""


def named(figure: str, quantised: bool) -> str:
    """A figure or a budget with its unit; ``model_size`` is a count of numbers where nothing is quantised."""
    of_numbers, kind = figure == "model_size" and not quantised, kind_of_budget(figure)
    return f"{figure}, {UNITS[kind]}" if kind in UNITS and not of_numbers else figure


def timed(budget: str) -> str:
    """A budget or a figure, with the unit if it is a latency."""
    return named(budget, True) if kind_of_budget(budget) == LATENCY else budget


def network_table(architecture: Architecture) -> Table:
    """The network part by part: maps before and after, sizes, parameters and MACs; it fits a terminal of 80 columns.

    Maps of video are ``frames×height→height``, kernels over frames ``3x5``, and bits ``activations/weights``.
    """
    heads = (
        Column("part", "left"),
        Column("map"),
        Column("stride", short="s", text=size_text),
        Column("block", "left"),
        Column("channels", short="C", text=size_text),
        Column("width", short="b", text=size_text),
        Column("kernel", short="k", text=size_text),
        Column("depth", short="L", text=size_text),
        *([Column("bits of activations/weights", short="bits", text=size_text)] if architecture.quantised else []),
        Column("parameters", short="params"),
        Column("MACs", unit="millions", short="MACs/1e6", text=lambda macs: f"{macs / 1e6:,.3f}"),
    )
    rows: list[tuple[Value, ...]] = []
    resolution = architecture.resolution
    frames = "" if architecture.frames is None else f"{architecture.frames}×"
    for part in parts(architecture):
        counts = total(part.operations)
        change = f"{frames}{resolution}→{part.resolution}"
        bits = [" ".join(part.bits)] if architecture.quantised else []
        rows.append((part.name, change, part.stride, part.block, *_sizes(part), *bits, counts["params"], counts["macs"]))
        resolution = part.resolution
    counts = total(list(architecture.operations()))
    depth = sum(stage.depth for stage in architecture.stages)
    no_bits = [None] if architecture.quantised else []
    rows.append(("total", "", None, "", None, None, None, depth, *no_bits, counts["params"], counts["macs"]))
    return Table("Parts of the network", heads, tuple(rows), total=True)


def _sizes(part: Part) -> tuple[Value, ...]:
    """Channels, width, kernel and depth, with one of each where blocks differ."""
    channels, width, kernel, depth = (" ".join(map(str, s)) if isinstance(s, tuple) else s for s in part.sizes)
    if part.kernel_t > 1:
        kernel = " ".join(f"{part.kernel_t}x{size}" for size in str(kernel).split())
    return channels, width, kernel, depth


def budget_table(design: Design) -> Table:
    """Each budget with the network's value, its limit, what is left and how much of it is used."""
    heads = (
        *columns("budget", "value", left=("budget",)),
        Column("limit", text=exactly),
        *columns("slack"),
        Column("used", text=share_text),
        Column("kept", "left", short=""),
    )
    budgets = design.budgets
    bits = design.problem.stem.bits is not None
    rows = tuple(
        (
            named(b.name, bits),
            b.value,
            plain_number(b.exact_limit),
            b.slack,
            share_used(b),
            "kept" if b.holds else "EXCEEDED",
        )
        for b in budgets
    )
    exceeded = frozenset(i for i, budget in enumerate(budgets) if not budget.holds)
    return Table("Budgets, in exact arithmetic", heads, rows, marked=exceeded)


def share_used(budget: Budget) -> float:
    """How close a value is to its limit: 1 is at it. Of a lower limit it is the limit's share of the value."""
    part, whole = (budget.limit, budget.value) if budget.name.startswith(LOWER) else (budget.value, budget.limit)
    return part / whole if whole else math.inf


def share_text(share: float | None) -> str:
    """A share as a percentage; a dash for nothing. Only a limit that is reached is 100 %."""
    if share is None or math.isinf(share):
        return "-"
    text = f"{100 * share:.2f} %"
    return "99.99 %" if text == "100.00 %" and share < 1 else text


def evaluation_table(evaluation: Evaluation, scoring: Scoring) -> Table:
    """Every figure of one network, below the score whose objective it is."""
    weights = ", ".join(f"{weight:g}" for weight in scoring.alpha)
    rows: list[tuple[Value, ...]] = [("score", scoring.score), ("alpha", weights)]
    for name, value in evaluation.to_dict().items():
        if isinstance(value, list):
            rows += [(f"weighted_stage_entropies.{j}", entropy) for j, entropy in enumerate(value)]
        else:
            rows.append((timed(name), value))
    heads = (Column("figure", "left"), Column("value", text=_figure_text))
    return Table("Figures of the network", heads, tuple(rows))


def _figure_text(value: Value) -> str:
    return f"{value:.6f}" if isinstance(value, float) else number_text(value)


def figures_table(evaluation: Evaluation, quantised: bool) -> Table:
    """The main figures of a network, exactly and in short."""
    names = [name for name in (*FIGURES, *SIZES) if quantised or name not in OF_BITS]
    figures = [(name, getattr(evaluation, name)) for name in names] + list(evaluation.latencies.items())
    heads = (
        *columns("figure", "exactly", left=("figure",)),
        Column("about"),
    )
    return Table(
        "Figures of the network",
        heads,
        tuple((named(name, quantised), value, _about(name, value)) for name, value in figures if value is not None),
    )


def _about(name: str, value: float) -> str:
    """A large figure in short; times with their unit."""
    return "" if value < 1000 else amount(name, value) if kind_of_budget(name) == LATENCY else quantity(value)


def objective_table(evaluation: Evaluation, effectiveness_price: float) -> Table:
    """What the objective consists of: the entropy of each stage, the depth penalty, the price, the table."""
    entropy = evaluation.weighted_entropy
    terms: list[tuple[Value, ...]] = [
        (f"stage {j}", value, value / entropy if entropy else None)
        for j, value in enumerate(evaluation.weighted_stage_entropies)
    ]
    terms += [("weighted entropy", entropy, None), ("depth penalty", 0.0 - evaluation.penalty, None)]
    charge = effectiveness_price * evaluation.effectiveness
    terms += [("effectiveness at its price", -charge, None)] if charge else []
    terms += [] if evaluation.value is None else [("values of the table", evaluation.value, None)]
    terms.append(("objective", evaluation.objective, None))
    heads = (
        Column("term", "left"),
        Column("value", text=points),
        Column("share", text=lambda share: "" if share is None else percent(share)),
    )
    return Table("What the objective consists of", heads, tuple(terms), total=True)


def comparison_table(comparison: Comparison) -> Table:
    """Figures of a network, of the optimum, their difference, and the budgets."""
    heads = (
        *columns("figure", "network", "optimum", "difference", left=("figure",)),
        Column("budget", text=lambda limit: "" if limit is None else exactly(limit)),
    )
    ours, best = comparison.evaluation, comparison.design.evaluation
    limits = comparison.design.problem.budgets.limits()
    rows: list[tuple[Value, ...]] = []
    for name in comparison.FIGURES:
        value, other = getattr(ours, name), None if best is None else getattr(best, name)
        if value is None:
            continue
        limit = plain_number(limits[name]) if name in limits else None
        rows.append((name, value, other, None if other is None else other - value, limit))
    return Table("A network and the optimum within its budgets", heads, tuple(rows))


# --------------------------------------------------------------------------------------------------- frontier, explanation


def frontier_table(frontier: StoredFrontier) -> Table:
    """The points of a frontier: limits, what was proved, what the network uses of the limits, and prices."""
    swept = {sweep.key: sweep.budget for sweep in frontier.sweeps}
    priced = list(dict.fromkeys(name for point in frontier.points for name in point.prices))
    heads = (
        *(Column(f"limit of {name}", short=name, text=exactly) for name in map(timed, swept.values())),
        Column("status", "left"),
        Column("objective", text=points),
        Column("gap", text=percent),
        Column("dominated", "left", short=""),
        *(Column(f"{name} used", text=share_text) for name in swept.values()),
        *(Column(f"objective per {unit}", short=f"per {unit}", text=_price_text) for unit in price_units(priced)),
    )
    rows: list[tuple[Value, ...]] = []
    for point in frontier.points:
        used = {name: b.value / b.limit for name, b in point.budgets.items() if b.limit is not None}
        prices = {name: None if p.per_unit is None else p.per_unit * _units(name) for name, p in point.prices.items()}
        rows.append(
            (
                *(point.limits[key] for key in swept),
                point.status,
                point.objective,
                point.gap,
                "dominated" if point.dominated else "",
                *(used.get(name) for name in swept.values()),
                *(prices.get(name) for name in priced),
            )
        )
    open_points = frozenset(i for i, p in enumerate(frontier.points) if p.status in ("unknown", "feasible"))
    return Table("Points of the frontier", heads, tuple(rows), marked=open_points, keys=len(swept))


def networks_table(frontier: StoredFrontier) -> Table:
    """The networks of a frontier's points, and what they have of every budget."""
    swept = [sweep.key for sweep in frontier.sweeps]
    budgets = list(dict.fromkeys(name for point in frontier.points for name in point.budgets))
    heads = (
        *(Column(f"limit of {s.key.removeprefix('budgets.')}", text=partial(limit_words, s.budget)) for s in frontier.sweeps),
        *(Column(timed(name), text=_amount(name)) for name in budgets),
        *([] if frontier.lists is None else [Column("networks listed", text=size_text), Column("folder", "left")]),
        Column("network: channels × depth", "left"),
    )
    rows = tuple(
        (
            *(point.limits[key] for key in swept),
            *(point.budgets[name].value if name in point.budgets else None for name in budgets),
            *([] if frontier.lists is None else [None if point.pool is None else point.pool.count, point.proof]),
            network_text(point.network()),
        )
        for point in frontier.points
    )
    return Table("Networks of the frontier", heads, rows, keys=len(swept))


def _amount(budget: str) -> Callable[[float | None], str]:
    """How a column writes what networks have of a budget: a latency without a prefix, for its unit has one."""
    write = number if kind_of_budget(budget) == LATENCY else quantity
    return lambda value: "-" if value is None else write(value)


def network_text(architecture: Architecture | None) -> str:
    """A network in few characters: the stem's channels, then channels and depth of each super-block."""
    if architecture is None:
        return "-"
    return ", ".join([str(architecture.stem.channels), *(f"{s.channels}×{s.depth}" for s in architecture.stages)])


def explanation_table(explanation: StoredExplanation) -> Table:
    """Each limit with its slack, its price, and what is solved about it."""
    heads = (
        *columns("budget", left=("budget",)),
        Column("limit", text=exactly),
        *columns("slack", "binds"),
        Column("price", text=_price_text),
        Column("per", "left"),
        Column("1 % more", text=_gain_text),
        Column("foretold", text=_gain_text),
        Column("next at"),
        Column("gains", text=_gain_text),
    )
    rows: list[tuple[Value, ...]] = []
    for b in explanation.budgets:
        foretold, beyond = b.relaxed.predicted, b.outside
        rows.append(
            (
                timed(b.name),
                b.limit,
                b.slack,
                "yes" if b.binds else "no",
                None if b.price is None else b.price * _units(b.name),
                price_unit(b.name),
                b.relaxed.objective - explanation.objective,
                None if foretold is None else foretold - explanation.objective,
                None if beyond is None else f"{number(beyond.value)} ({100 * (beyond.value / b.limit - 1):+.3g} %)",
                None if beyond is None else beyond.objective - explanation.objective,
            )
        )
    return Table("What binds, and what lies beyond", heads, tuple(rows))


def changes_table(explanation: StoredExplanation) -> Table:
    """How the networks under other limits differ from the optimum."""
    rows: list[tuple[Value, ...]] = []
    for budget in explanation.budgets:
        for words, found in ((f"1 % more {budget.name}", budget.relaxed), (f"next beyond {budget.name}", budget.outside)):
            if found is not None:
                gain = found.objective - explanation.objective
                rows.append((words, found.limit, found.value, found.objective, gain, "; ".join(found.changes) or "none"))
    heads = (
        *columns("network", left=("network",)),
        Column("limit", text=exactly),
        *columns("value"),
        Column("objective", text=points),
        Column("gain", text=points),
        Column("changes", "left", prose=True),
    )
    return Table("Networks under other limits", heads, tuple(rows))


def _units(name: str) -> float:
    from ..analysis.shadow_prices import unit_of

    return unit_of(name)[0]


def price_unit(name: str) -> str:
    """What a price of a budget is stated for."""
    from ..analysis.shadow_prices import unit_of

    unit = unit_of(name)[1]
    return f"{unit} of {name}" if unit[0].isdigit() and name == "effectiveness" else unit


def price_units(names: Sequence[str]) -> list[str]:
    """:func:`price_unit` of several budgets, with the budget where another one has the same unit."""
    units = [price_unit(name) for name in names]
    return [unit if units.count(unit) == 1 else f"{unit} of {name}" for name, unit in zip(names, units, strict=True)]


def _price_text(price: float | None) -> str:
    return "-" if price is None else f"{price:.4g}"


def _gain_text(gain: float | None) -> str:
    return "-" if gain is None else f"{gain:+.3f}"


def claims_table(claims: Iterable[Claim]) -> Table:
    """The claims of a certificate and whether they hold."""
    from ..checker import FAILS

    rows = tuple((claim.claim, "FAILED" if claim.outcome == FAILS else claim.outcome) for claim in claims)
    heads = (Column("claim", "left", prose=True), Column("result", "left"))
    return Table("Claims of the certificate", heads, rows)
