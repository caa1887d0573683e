"""The part of a page that shows a frontier: the optimum as a function of one limit or two, and prices along it."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.frontier_file import StoredFrontier, StoredPoint
from ..analysis.shadow_prices import unit_of
from ..errors import counted
from ..figures.charts import CHART_WIDTHS, CURVES, DASHES, SIDE_WIDTHS, Chart, Series, draw_chart, line_kind
from ..figures.formatting import limit, points
from .folders import FrontierFolder
from .reproduction import frontier_reproduction
from .sections import Figure, Section, View
from .tables import frontier_table, networks_table
from .words import BADGES, RHO_NOTE, list_parts, sentence


def frontier_view(folder: FrontierFolder, prefix: str = "p0") -> View:
    """A frontier: the optimum as a function of one limit or two."""
    frontier = folder.frontier
    of_status = {status: [p for p in frontier.points if p.status == status] for status in BADGES}
    told = [f"{len(found)} {BADGES[status]}" for status, found in of_status.items() if found]
    swept = " and ".join(sweep.key for sweep in frontier.sweeps)
    dominated = sum(point.dominated for point in frontier.points)
    facts = [("points", str(len(frontier.points)), f"{dominated} dominated"), ("swept", swept.replace("budgets.", ""), "")]
    scores = [point.objective for point in frontier.points if point.objective is not None]
    facts += [("objective", points(max(scores)), f"from {points(min(scores))}")] if scores else []
    charts = [frontier_figure(frontier, prefix), *price_figures(frontier, prefix)]
    settled = all(point.status in ("optimal", "infeasible") for point in frontier.points)
    sections = [
        Section(
            f"{prefix}-frontier",
            "Frontier and prices",
            (sentence(RHO_NOTE),) if any(sweep.budget == "effectiveness" for sweep in frontier.sweeps) else (),
            tuple(figure for figure in charts if figure is not None),
        ),
        Section(f"{prefix}-points", "Points", _lists(frontier), tables=(frontier_table(frontier), networks_table(frontier))),
        frontier_reproduction(folder, prefix),
    ]
    return View(
        id=prefix,
        title=frontier.name,
        name=f"{frontier.name} ({folder.label})",
        kind=f"Frontier over {swept}, convention {frontier.convention}, folder {folder.label}",
        badge="all proven" if settled else "partly proven",
        status="optimal" if settled else "feasible",
        summary=f"{counted(len(frontier.points), 'point')}: {', '.join(told)}.",
        facts=tuple(facts),
        sections=tuple(section for section in sections if section.figures or section.commands or section.tables),
    )


def _lists(frontier: StoredFrontier) -> tuple[str, ...]:
    """Which networks are listed at the points."""
    if frontier.lists is None:
        return ()
    which = ", ".join(list_parts(frontier.lists.model_dump()))
    return (f"Each point has a list of networks: {which}; networks.csv in the folder of its proof has them.",)


def _curves(frontier: StoredFrontier) -> Iterator[tuple[str, str, list[StoredPoint]]]:
    """Name, colour and points of each curve: one per value of the second sweep, points in the order of the first limit."""
    key, *second = (sweep.key for sweep in frontier.sweeps)
    values = [None] if not second else sorted({point.limits[second[0]] for point in frontier.points})[:CURVES]
    for i, value in enumerate(values):
        chosen = [point for point in frontier.points if value is None or point.limits[second[0]] == value]
        name = "optimum" if value is None else f"{second[0].removeprefix('budgets.')} {limit(frontier.sweeps[1].budget, value)}"
        yield name, f"c{i}", sorted(chosen, key=lambda point: point.limits[key])


def frontier_chart(frontier: StoredFrontier, name: str) -> Chart | None:
    """Objective over the first limit; hollow where a point is dominated, crossed where there is no network.

    ``None`` where no point has a network.
    """
    key = frontier.sweeps[0].key
    scores = [point.objective for point in frontier.points if point.objective is not None]
    if not scores:
        return None
    margin = 0.06 * (max(scores) - min(scores)) or 1e-3 * abs(scores[0]) or 1.0
    low, high = min(scores) - 2 * margin, max(scores) + margin
    series: list[Series] = []
    for i, (curve, colour, of_curve) in enumerate(_curves(frontier)):
        found = [(p.limits[key], p.objective, p) for p in of_curve if p.objective is not None]
        series.append(Series(curve, "step", colour, tuple((x, y) for x, y, _ in found), dash=i % DASHES))
        kept = tuple((x, y) for x, y, p in found if not p.dominated and p.status == "optimal")
        series.append(Series(curve, "dot", colour, kept))
        series.append(Series(curve, "ring", colour, tuple((x, y) for x, y, p in found if (x, y) not in kept)))
        lost = tuple((p.limits[key], low + margin) for p in of_curve if p.objective is None)
        series.append(Series(curve, "cross", colour, lost))
    return Chart(
        name,
        f"Objective over {key}",
        f"{counted(len(frontier.points), 'point')}; every figure is in the table below.",
        key.removeprefix("budgets."),
        "objective",
        tuple(series),
        _x_range(frontier),
        (low, high),
    )


def _x_range(frontier: StoredFrontier) -> tuple[float, float]:
    """Range of the first limit that is swept, with a margin."""
    limits = [point.limits[frontier.sweeps[0].key] for point in frontier.points]
    margin = 0.04 * (max(limits) - min(limits)) or 0.1 * abs(limits[0]) or 1.0
    return min(limits) - margin, max(limits) + margin


def frontier_figure(frontier: StoredFrontier, prefix: str) -> Figure | None:
    """Objective over the first limit; hollow where a point is dominated, crossed where there is no network."""
    chart = frontier_chart(frontier, f"{prefix}-frontier-chart")
    if chart is None:
        return None
    legend = [(line_kind(i % DASHES), colour, name) for i, (name, colour, _) in enumerate(_curves(frontier))]
    used = {series.kind for series in chart.series if series.points}
    marks = {"dot": "proven optimal", "ring": "dominated, or not proven", "cross": "no network"}
    legend += [(kind, "ink", words) for kind, words in marks.items() if kind in used]
    drawings = tuple(draw_chart(chart, width, 340) for width in CHART_WIDTHS)
    return Figure(
        drawings, "A limit's optimum holds until the next one: a lower bound of the frontier between points.", tuple(legend)
    )


def price_figures(frontier: StoredFrontier, prefix: str) -> list[Figure]:
    """Price of the first limit's budget along the frontier."""
    key = frontier.sweeps[0].key
    budget = frontier.sweeps[0].budget
    unit, unit_name = unit_of(budget)
    series, legend = [], []
    for i, (name, colour, of_curve) in enumerate(_curves(frontier)):
        priced = [(p.limits[key], p.prices[budget].per_unit) for p in of_curve if budget in p.prices]
        of_unit = tuple((x, price * unit) for x, price in priced if price is not None)
        series += (
            [Series(name, "step", colour, of_unit, dash=i % DASHES), Series(name, "dot", colour, of_unit)] if of_unit else []
        )
        legend += [(line_kind(i % DASHES), colour, name if len(frontier.sweeps) > 1 else "price")] if of_unit else []
    if not series:
        return []
    high = max(y for s in series for _, y in s.points)
    words = f"objective per {unit_name}"
    chart = Chart(
        f"{prefix}-price-chart",
        f"Price of {budget} along the frontier",
        "What one more unit of the budget is worth, by the multipliers of the bound.",
        key.removeprefix("budgets."),
        words,
        tuple(series),
        _x_range(frontier),
        (0.0, 1.08 * high or 1.0),
    )
    drawings = tuple(draw_chart(chart, width, 340) for width in SIDE_WIDTHS)
    return [Figure(drawings, "What one more unit of the budget is worth, by the multipliers of the bound.", tuple(legend))]
