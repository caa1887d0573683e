"""The report of a study: a page that needs nothing but itself, and its tables as CSV beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mipdesign.figures.charts import COLOURS as PAGE_COLOURS
from mipdesign.figures.charts import DASH_PATTERNS, DASHES, LETTERS, ON_PAGE, image, new_figure, svg_element
from mipdesign.figures.tables import Table
from mipdesign.files import write_whole, writing
from mipdesign.report.page import render_page

from ..corpus.optima import Optimum
from . import tables
from .conclusions import conclusions
from .metrics import performance_profile
from .records import Record
from .tables import Results
from .verdict import contradictions, judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#882255")
"""Okabe and Ito's colours, which stay apart for the colour-blind and on light and dark ground, and two of Tol's."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Of the solvers, which are told apart without their colours too."""
LABEL_PIXELS = 17.0
"""Room of a curve's name beside the chart."""
CURVE_WIDTH = 1.8
MOST_LINEAR = 20.0
"""Largest gap, per cent, that is shown on a linear axis."""
MOST_CURVES = 2 * len(COLOURS)
"""Curves that one chart tells apart."""
WIDTH = 768.0
"""Of charts, in pixels."""
IMAGES: tuple[Literal["svg", "png"], ...] = ("svg", "png")


def write_report(records: Sequence[Record], optima: Mapping[str, Optimum], page: Path, with_images: bool = False) -> list[Path]:
    """Writes the page and the tables, and returns their paths.

    Parameters
    ----------
    with_images:
        Whether the charts are written beside the tables as well, as SVG and PNG on white ground.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    SpecError
        If the files cannot be written.
    """
    results = Results.of(judged(records, optima), optima)
    made = [make(results) for make in (tables.summary, tables.times, tables.statuses, tables.wrong_answers)]
    made += [make(results) for make in (tables.bounds, tables.root_gaps, tables.sizes, tables.instances, tables.failures)]
    drawn = charts(results, made, ON_PAGE["ink"])
    contents = {page: render(results, made, drawn, contradictions(records, optima)).encode()}
    if with_images:  # drawn anew: a chart's layout moves whenever it is drawn, and the page has colours of its own
        files = [(chart, kind) for chart in charts(results, made, PAGE_COLOURS["ink"]) for kind in IMAGES]
        contents |= {page.with_name(f"{chart.name}.{kind}"): image(chart.figure, kind) for chart, kind in files}
    contents |= {page.with_name(f"{table.name}.csv"): table.to_csv().encode() for table in [*made, tables.runs(results)]}
    contents[page.with_name("tables.md")] = "\n".join(table.to_markdown() for table in made if table.rows).encode()
    with writing(page.parent):
        page.parent.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            write_whole(path, content)
    return list(contents)


@dataclass(frozen=True)
class StudyChart:
    """A chart with a title and a name for its file."""

    name: str
    title: str
    figure: Figure


def charts(results: Results, made: Sequence[Table], ink: str) -> list[StudyChart]:
    """The charts of a report, those that have something to show; ``ink`` is the colour of lines and letters."""
    of_name = {table.name: table for table in made}
    drawn = [
        ("means", "Times of the exact variants", means_chart(of_name["summary"], ink)),
        ("profile", "Performance profile", profile_chart(results, ink)),
        ("solved", "Solved over time", solved_chart(results, ink)),
        ("root_gaps", "Gap at the root", root_chart(of_name["root_gaps"], ink)),
    ]
    return [StudyChart(name, title, figure) for name, title, figure in drawn if figure is not None]


def render(results: Results, made: Sequence[Table], drawn: Sequence[StudyChart], warnings: Sequence[str]) -> str:
    """The page."""
    machines = sorted({", ".join(f"{key} {value}" for key, value in r.machine.items()) for r in results.records if r.machine})
    settings = sorted({", ".join(f"{k} {v:g}" for k, v in (r.limits | r.parameters).items()) for r in results.records})
    versions = sorted({f"{r.solver} {r.solver_version}" for r in results.records if r.solver_version is not None})
    content = {
        "tables": [table for table in made if table.rows],
        "charts": [(chart.title, svg_element(chart.figure, chart.name, chart.title, "")) for chart in drawn],
        "warnings": warnings,
        "conclusions": conclusions(results),
        "wrong": sum(record.status == "wrong" for record in results.records),
        "runs": len(results.records),
        "facts": [("machine", machines), ("settings", settings), ("solvers", versions)],
    }
    return render_page("report.html.j2", content, "study", Path(__file__).parent / "templates")


# ------------------------------------------------------------------------------------------------------------------ charts


def means_chart(table: Table, ink: str) -> Figure | None:
    """Shifted geometric means of the exact variants: a row per formulation, a colour and a mark per solver, hollow where runs
    were not solved; the formulation with the fastest solver first.
    """
    rows = [row for row in table.rows if row[2] == "exact"]
    if len(rows) < 2:
        return None
    at = {name: table.header.index(name) for name in ("runs", "solved", "shifted geom. mean, s")}
    means = {(row[0], row[1]): float(row[at["shifted geom. mean, s"]] or 0.0) for row in rows}
    best = {name: min(mean for (other, _), mean in means.items() if other == name) for name, _ in means}
    names, solvers = sorted(best, key=lambda name: best[name]), sorted({str(row[1]) for row in rows})
    figure, axes = _axes(154 + 29 * len(names), ink)
    for at_solver, solver in enumerate(solvers):
        colour, marker = COLOURS[at_solver % len(COLOURS)], MARKERS[at_solver % len(MARKERS)]
        of_solver = [row for row in rows if row[1] == solver]
        for row in of_solver:
            whole = row[at["solved"]] == row[at["runs"]]
            axes.plot(means[row[0], row[1]], names.index(row[0]), marker, color=colour, mfc=colour if whole else "none", ms=6)
        axes.plot([], [], marker, color=colour, label=solver)
    axes.set_yticks(range(len(names)), [str(name) for name in names])
    axes.set(xlabel="shifted geometric mean, seconds (hollow: not all runs solved)", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.invert_yaxis()
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=LETTERS, labelcolor=ink)
    return figure


def profile_chart(results: Results, ink: str) -> Figure | None:
    """Performance profiles of the exact variants; ``None`` where there is nothing to compare."""
    ratios = tables.profile_ratios(results)
    curves = {name: performance_profile(row) for name, row in ratios.items()}
    curves = {name: steps for name, steps in curves.items() if steps}
    last = max((tau for steps in curves.values() for tau, _ in steps), default=1.0)
    return _step_chart(curves, (1.0, max(2.0, 1.1 * last)), ("time over the best time", "share of runs solved"), ink)


def solved_chart(results: Results, ink: str) -> Figure | None:
    """How many runs each exact variant had solved by when."""
    curves = {}
    of_all = results.times()
    for variant in results.exact():
        finite = sorted(time for time in of_all[variant] if math.isfinite(time))
        if finite:
            curves[tables.label(variant)] = [(max(time, 1e-3), float(n)) for n, time in enumerate(finite, 1)]
    first = min((steps[0][0] for steps in curves.values()), default=1e-3)
    last = max((steps[-1][0] for steps in curves.values()), default=1.0)
    return _step_chart(curves, (first, max(2 * first, 1.1 * last)), ("seconds", "runs solved"), ink)


def _step_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], reach: tuple[float, float], words: tuple[str, str], ink: str
) -> Figure | None:
    """Step curves over a logarithmic axis that reaches from the first to the last place; ``words`` name the axes.

    Every curve ends at its name, and has a colour and a pattern of its own.
    """
    if not curves:
        return None
    from matplotlib.lines import Line2D

    (first, last), (across, upwards) = reach, words
    height = max(432.0, 90 + LABEL_PIXELS * min(len(curves), MOST_CURVES))
    figure, axes = _axes(height, ink)

    def weakness(name: str) -> tuple[float, float, str]:
        return -curves[name][-1][1], math.fsum(math.log(x) for x, _ in curves[name]), name

    strongest = sorted(curves, key=weakness)[:MOST_CURVES]
    shown = [name for name in curves if name in strongest]
    top = 1.04 * max(curves[name][-1][1] for name in shown) or 1.0
    ends = {name: curves[name][-1][1] / top for name in shown}
    places = spread([ends[name] for name in strongest], LABEL_PIXELS / (height - 70))
    for name, place in zip(strongest, places, strict=True):
        at, steps = shown.index(name), curves[name]
        x, y = [first, *(tau for tau, _ in steps), last], [0.0, *(share for _, share in steps), steps[-1][1]]
        style = {"color": COLOURS[at % len(COLOURS)], "ls": pattern(at), "lw": CURVE_WIDTH}
        axes.step(x, y, where="post", label=name, **style)
        beside = Line2D((1.0, 1.02, 1.08), (ends[name], place, place), transform=axes.transAxes, clip_on=False, **style)
        axes.add_artist(beside)
        axes.text(1.09, place, name, transform=axes.transAxes, va="center", fontsize=LETTERS, color=ink)
    axes.set(xscale="log", xlabel=across, ylabel=upwards, xlim=(first, last))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if last < 20 * first else "")
    axes.set_ylim(0.0, top)
    axes.grid(alpha=0.25)
    if len(curves) > MOST_CURVES:
        cut = f"the {MOST_CURVES} of {len(curves)} that solve most"
        axes.set_title(cut, loc="left", color=ink, fontsize=LETTERS)
    return figure


def pattern(at: int) -> Any:
    """The line style of a curve by its place: no two of :data:`MOST_CURVES` have both colour and pattern in common."""
    dashes = DASH_PATTERNS[(at + at // len(COLOURS)) % DASHES]
    return (0, tuple(length / CURVE_WIDTH for length in dashes)) if dashes else "-"


def spread(ends: Sequence[float], room: float) -> list[float]:
    """Places of names, top down, each as near to the end of its curve as the room of the others allows.

    Parameters
    ----------
    ends:
        Heights of the ends, from 0 to 1, falling.
    room:
        Of each name.
    """
    places: list[float] = []
    for end in ends:
        places.append(min(end, places[-1] - room) if places else end)
    lowest = 0.0
    for i in reversed(range(len(places))):
        places[i] = max(places[i], lowest)
        lowest = places[i] + room
    return places


def root_chart(table: Table, ink: str) -> Figure | None:
    """Root gaps as points, one row per variant."""
    if not table.rows:
        return None
    figure, axes = _axes(134 + 29 * len(table.rows), ink)
    largest = 0.0
    for formulation, solver, *of_instances, _ in table.rows:
        gaps = [float(gap) for gap in of_instances if gap is not None]
        largest = max([largest, *gaps])
        axes.plot(gaps, [f"{formulation} / {solver}"] * len(gaps), "o", color=COLOURS[0], alpha=0.7, ms=6)
    axes.set(xlabel="gap at the root, per cent (0 is best)", xscale="symlog" if largest > MOST_LINEAR else "linear")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(left=0.0)
    axes.invert_yaxis()
    axes.grid(alpha=0.25)
    return figure


def _axes(height: float, ink: str) -> tuple[Figure, Axes]:
    """An empty chart of that height in pixels, whose lines and letters have a colour."""
    figure = new_figure(WIDTH, height, "study")
    axes = figure.subplots()
    axes.tick_params(which="both", colors=ink, labelsize=LETTERS)
    for spine in axes.spines.values():
        spine.set_color(ink)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set(color=ink, fontsize=LETTERS)
    return figure, axes
