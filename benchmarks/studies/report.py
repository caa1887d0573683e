"""The report of a study: a page that needs nothing but itself, and its tables as CSV beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mipdesign.figures.charts import COLOURS as PAGE_COLOURS
from mipdesign.figures.charts import LETTERS, ON_PAGE, image, new_figure, svg_element
from mipdesign.figures.tables import Table
from mipdesign.files import write_whole, writing
from mipdesign.report.page import render_page

from ..corpus.optima import Optimum
from . import tables
from .metrics import performance_profile
from .records import Record
from .tables import Results
from .verdict import contradictions, judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#882255")
"""Okabe and Ito's colours, which stay apart for the colour-blind and on light and dark ground, and two of Tol's."""
DASHES = ("-", "--")
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
        "wrong": sum(record.status == "wrong" for record in results.records),
        "runs": len(results.records),
        "facts": [("machine", machines), ("settings", settings), ("solvers", versions)],
    }
    return render_page("report.html.j2", content, "study", Path(__file__).parent / "templates")


# ------------------------------------------------------------------------------------------------------------------ charts


def means_chart(table: Table, ink: str) -> Figure | None:
    """Shifted geometric means of the exact variants: a row per formulation, a colour per solver, hollow where runs were not
    solved; the formulation with the fastest solver first.
    """
    rows = [row for row in table.rows if row[2] == "exact"]
    if len(rows) < 2:
        return None
    at = {name: table.header.index(name) for name in ("runs", "solved", "shifted geom. mean, s")}
    means = {(row[0], row[1]): float(row[at["shifted geom. mean, s"]] or 0.0) for row in rows}
    best = {name: min(mean for (other, _), mean in means.items() if other == name) for name, _ in means}
    names, solvers = sorted(best, key=lambda name: best[name]), sorted({str(row[1]) for row in rows})
    figure, axes = _axes(154 + 29 * len(names), ink)
    for colour, solver in zip(COLOURS * len(solvers), solvers, strict=False):
        of_solver = [row for row in rows if row[1] == solver]
        for row in of_solver:
            whole = row[at["solved"]] == row[at["runs"]]
            axes.plot(means[row[0], row[1]], names.index(row[0]), "o", color=colour, mfc=colour if whole else "none", ms=6)
        axes.plot([], [], "o", color=colour, label=solver)
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
    """Step curves over a logarithmic axis that reaches from the first to the last place; ``words`` name the axes."""
    if not curves:
        return None
    (first, last), (across, upwards) = reach, words
    figure, axes = _axes(432 + 21 * math.ceil(min(len(curves), MOST_CURVES) / 2), ink)

    def weakness(name: str) -> tuple[float, float, str]:
        return -curves[name][-1][1], math.fsum(math.log(x) for x, _ in curves[name]), name

    strongest = sorted(curves, key=weakness)[:MOST_CURVES]
    for at, (name, steps) in enumerate((name, curves[name]) for name in curves if name in strongest):
        x, y = [first, *(tau for tau, _ in steps), last], [0.0, *(share for _, share in steps), steps[-1][1]]
        colour, dashes = COLOURS[at % len(COLOURS)], DASHES[at // len(COLOURS)]
        axes.step(x, y, where="post", label=name, color=colour, ls=dashes, lw=1.8)
    axes.set(xscale="log", xlabel=across, ylabel=upwards, xlim=(first, last))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if last < 20 * first else "")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.25)
    cut = f"the {MOST_CURVES} of {len(curves)} that solve most" if len(curves) > MOST_CURVES else None
    legend = figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LETTERS, labelcolor=ink, title=cut)
    legend.get_title().set(color=ink, fontsize=LETTERS)
    return figure


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
