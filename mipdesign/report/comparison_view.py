"""The part of a page that shows several designs beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..designs.design import Design
from ..figures.charts import draw_chart
from ..figures.convergence import is_cut, relative_chart
from ..figures.formatting import number, percent, points
from ..figures.network_drawing import NETWORK_WIDTHS
from ..figures.tables import Table, columns
from ..networks.budget_names import LOWER
from .budget_tiles import budget_label, budget_tile, in_unit
from .folders import DesignFolder
from .reproduction import leaves
from .sections import Figure, Section, View, network_figure
from .tables import FIGURES, SIZES, named
from .words import BADGES, meaning

COMPARISON = "comparison"
"""Name of the table of several designs, by which the page's style sheet knows it."""
DESIGNED = ("channels", "bottleneck", "kernel", "depth")
"""Fields of a network that are shown where they are alike, too."""
MOST_DIFFERENCES = 24
"""Fields in which problems differ that are all shown."""


def comparison_view(folders: Sequence[DesignFolder]) -> View:
    """Several designs beside each other: one table, drawings in the same columns and to the same scale, one chart."""
    designs, names = [folder.design for folder in folders], unique_names(folders)
    networks = [design.architecture for design in designs if design.architecture is not None]
    figures = tuple(
        network_figure(design.architecture, f"both-{i}", networks, name)
        for i, (design, name) in enumerate(zip(designs, names, strict=True))
        if design.architecture is not None
    )
    sections = [
        Section("both-figures", "Side by side", tuple(comparison_lines(designs)), tables=(comparison_table(designs, names),)),
        Section("both-networks", "Networks to one scale", figures=figures),
        convergence_section(designs, names),
        problems_section(designs, names),
    ]
    proven = sum(design.status in ("optimal", "infeasible") for design in designs)
    scores = list(dict.fromkeys(design.problem.scoring.score for design in designs))
    return View(
        id="both",
        title="Comparison",
        name="Comparison",
        kind=", ".join(names),
        badge=f"{proven} of {len(designs)} proven",
        status="optimal" if proven == len(designs) else "feasible",
        summary="",
        facts=tuple((name, points(d.objective), BADGES[d.status]) for name, d in zip(names, designs, strict=True)),
        sections=tuple(section for section in sections if section.figures or section.tables),
        meaning=meaning("', '".join(scores)),
    )


def comparison_lines(designs: Sequence[Design]) -> Iterator[str]:
    """What the table does not say."""
    if len({None if d.architecture is None else str(d.architecture.to_dict()) for d in designs}) == 1:
        yield "The networks are the same."
    if len({design.problem.convention for design in designs}) > 1:
        yield "Objectives, FLOPs and parameters of different conventions are not comparable: each counts by its own rules."
    elif len({design.problem.scoring for design in designs}) > 1:
        yield "Objectives of different scores are not comparable."
    if any(design.architecture is not None for design in designs[1:]):
        yield "Rows of the network that differ stand out, and in them what is other than in the first column."


def comparison_table(designs: Sequence[Design], names: Sequence[str]) -> Table:
    """Outcome, budgets, figures and networks, a column per design; rows of the networks that differ are marked."""
    groups = [
        ("outcome", [*outcome_rows(designs)]),
        ("budgets", [*budget_rows(designs)]),
        ("figures", [*figure_rows(designs)]),
        ("network", [*network_rows(designs)]),
    ]
    rows: list[tuple[str, ...]] = []
    marked = set()
    for title, found in groups:
        if not found:
            continue
        rows.append((title, *("" for _ in designs)))
        marked |= {len(rows) + i for i, (_, *cells) in enumerate(found) if title == "network" and differ(cells)}
        rows += found
    heads = columns("", *names, left=("",))
    return Table("Designs side by side", heads, tuple(rows), name=COMPARISON, marked=frozenset(marked))


def convergence_section(designs: Sequence[Design], names: Sequence[str]) -> Section:
    """The convergence of all runs in one chart."""
    told = "Above 0 are the bounds, below it the incumbents; where they meet, the optimum is proven."
    drawn = relative_chart([(n, d.trace) for n, d in zip(names, designs, strict=True)], "both-convergence-chart", told)
    if drawn is None:
        return Section("both-convergence", "Convergence")
    chart, legend = drawn
    cut = " Early values outside of the settled range are cut off." if is_cut(chart) else ""
    drawings = tuple(draw_chart(chart, width, 320) for width in NETWORK_WIDTHS)
    return Section("both-convergence", "Convergence", figures=(Figure(drawings, told + cut, legend),))


def problems_section(designs: Sequence[Design], names: Sequence[str]) -> Section:
    """The fields in which the problems differ."""
    asked = differences([{k: v for k, v in design.problem.to_dict().items() if k != "name"} for design in designs])
    lines = []
    if len(asked) > MOST_DIFFERENCES:
        lines.append(f"The problems differ in {len(asked)} fields; those of the super-blocks are left out below.")
        asked = [row for row in asked if not row[0].startswith(("stages.", "stem."))]
    table = Table("Where the problems differ", columns("field", *names, left=("field",)), tuple(asked))
    return Section("both-problems", "Problems", tuple(lines), tables=(table,) if asked else ())


def unique_names(folders: Sequence[DesignFolder]) -> list[str]:
    """Names of designs; those of their folders where they are the same, with numbers where these are the same too."""
    names = [folder.design.problem.name for folder in folders]
    names = [name if names.count(name) == 1 else folder.label for name, folder in zip(names, folders, strict=True)]
    return [n if names.count(n) == 1 else f"{n} #{i}" for i, n in enumerate(names, 1)]


def outcome_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """What was found and proved, and what it took."""
    yield "status", *(BADGES[design.status] for design in designs)
    yield "convention", *(design.problem.convention for design in designs)
    yield "objective", *(points(design.objective) for design in designs)
    first = designs[0].objective
    same_score = len({(design.problem.convention, design.problem.scoring) for design in designs}) == 1
    if first and same_score and len(designs) > 1:
        yield "objective beside the first", *("-" if d.objective is None else _change(d.objective / first) for d in designs)
    yield "bound", *(points(design.bound) for design in designs)
    yield "gap", *(percent(design.gap) for design in designs)
    yield "time, s", *(f"{design.wall_seconds:,.1f}" for design in designs)
    yield "peak memory, MB", *(f"{design.peak_rss_mb:,.0f}" for design in designs)


def _change(ratio: float) -> str:
    """A ratio as the change that it is."""
    return "=" if ratio == 1 else f"{100 * (ratio - 1):+.2f} %".replace("-", "−")


def budget_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """Every limit of any of the problems, with what each network has of it."""
    limits = [design.problem.budgets.limits() for design in designs]
    used = [{budget.name: budget for budget in design.budgets} for design in designs]
    quantised = any(design.problem.stem.bits is not None for design in designs)
    for name in dict.fromkeys(name for of_one in limits for name in of_one):
        most = "at least" if name.startswith(LOWER) else "at most"
        cells = []
        for limit, budgets in zip(limits, used, strict=True):
            if name in budgets:
                tile = budget_tile(budgets[name], quantised)
                cells.append(f"{tile.value}, {tile.limit} ({tile.percent})")
            else:
                cells.append("no limit" if name not in limit else f"{most} {_limit_text(name, limit[name], quantised)}")
        yield budget_label(name) + (", at least" if name.startswith(LOWER) else ""), *cells


def _limit_text(name: str, limit: float | Fraction, quantised: bool) -> str:
    return in_unit(name, float(limit), float(limit), quantised)


def figure_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """Figures of the networks, exactly."""
    quantised = any(design.problem.stem.bits is not None for design in designs)
    for name in (*FIGURES, *SIZES, "weighted_entropy", "penalty"):
        values = [None if design.evaluation is None else getattr(design.evaluation, name) for design in designs]
        text = points if name in ("weighted_entropy", "penalty") else number
        if any(value is not None for value in values):
            yield named(name, quantised), *("-" if value is None else text(value) for value in values)
    latencies = [{} if design.evaluation is None else design.evaluation.latencies for design in designs]
    for name in dict.fromkeys(name for of_one in latencies for name in of_one):
        yield named(name, quantised), *(number(of_one[name]) if name in of_one else "-" for of_one in latencies)


def network_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """The sizes that are designed, super-block by super-block, and whatever else differs."""
    flat = [{} if d.architecture is None else dict(leaves(d.architecture.to_dict())) for d in designs]
    for key in dict.fromkeys(key for item in flat for key in item):
        cells = [any_text(item.get(key)) for item in flat]
        if key.rpartition(".")[2] in DESIGNED or differ(cells):
            yield key, *cells


def differ(cells: Sequence[str]) -> bool:
    """Whether the networks that have a field differ in it."""
    return len({*cells} - {"-"}) > 1


def differences(data: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Fields in which nested plain data are not all alike, with each one's value."""
    flat = [dict(leaves(item)) for item in data]
    keys = dict.fromkeys(key for item in flat for key in item)
    rows = [(key, [any_text(item.get(key)) for item in flat]) for key in keys]
    return [(key, *values) for key, values in rows if len(set(values)) > 1]


def any_text(value: Any) -> str:
    """A value of a specification or of an architecture; a list with a cross between its items."""
    if isinstance(value, (list, tuple)):
        return " × ".join(map(any_text, value))
    return number(value) if isinstance(value, (int, float)) and math.isfinite(value) else "-" if value is None else str(value)
