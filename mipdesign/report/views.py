"""What a page shows, as plain data: sections with lines, tables, pictures and commands. No files, no HTML."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..analysis.explanation_file import StoredExplanation, StoredRelaxed
from ..analysis.frontier_file import StoredFrontier, StoredPoint
from ..analysis.shadow_prices import unit_of
from ..designs.design import Design
from ..errors import SpecError
from ..figures.convergence import picture_range
from ..figures.drawing import (
    CHART_WIDTHS,
    CURVES,
    NETWORK_WIDTHS,
    SIDE_WIDTHS,
    Chart,
    Series,
    common_scale,
    draw_chart,
    draw_network,
)
from ..figures.formatting import number, percent, points, quantity
from ..figures.parts import parts
from ..networks.architecture import Architecture
from ..networks.blocks import total
from ..networks.evaluator import LOWER
from ..nn.validation_file import StoredValidation
from ..problem.problem import Problem, preset_names
from ..search.incumbents import OPTIMAL_GAP
from ..search.outcome import Progress
from .folders import DesignFolder, FrontierFolder
from .terminal import STATUS_WORDS

BADGES = {"optimal": "proven optimal", "feasible": "not proven", "infeasible": "proven infeasible", "unknown": "no design"}
VERDICTS = {
    "split": "split in two",
    "excluded": "no network in it reaches the cutoff, by its bound",
    "listed": "few networks: all of them evaluated",
    "solver": "closed by SCIP",
}
"""What became of a node of the certificate's tree."""
MOST_SETTINGS = 8
"""Overrides of a preset that a command may have; beyond, the specification is printed."""
MOST_DIFFERENCES = 24
"""Fields in which problems differ that are all shown."""
MOST_LINES = 400
"""Of a specification that is printed."""
FIGURES = ("params", "flops", "params_total", "macs", "effectiveness", "layers", "blocks", "activations")
SIZES = ("activation_memory", "weights_bytes", "latency")


@dataclass(frozen=True)
class Grid:
    """A table: the first column names the rows; columns in ``texts`` hold words, the others numbers.

    ``total`` says that the last row is a sum; ``marked`` are rows that stand out.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: tuple[int, ...] = ()
    total: bool = False
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A picture in several widths, with its legend (kind, colour and name of each curve) and a caption."""

    drawings: tuple[str, ...]
    caption: str = ""
    legend: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page, with an identifier for links."""

    id: str
    title: str
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    grids: tuple[Grid, ...] = ()
    commands: tuple[str, ...] = ()
    specification: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """A design, a frontier or a comparison: what it is, what was proved, its main figures, and its sections."""

    id: str
    title: str
    name: str
    """In a list of the page's views; the title may be that of another one too."""
    kind: str
    badge: str
    status: str
    summary: str
    facts: tuple[tuple[str, str, str], ...]
    """Name, figure and a remark of each."""
    sections: tuple[Section, ...]


def page_views(folders: Sequence[DesignFolder | FrontierFolder]) -> list[View]:
    """Everything that a page shows, a comparison first where there are several designs."""
    designs = [folder for folder in folders if isinstance(folder, DesignFolder)]
    views = [comparison_view(designs)] if len(designs) > 1 else []
    for i, folder in enumerate(folders):
        prefix = f"p{i}"
        views.append(design_view(folder, prefix) if isinstance(folder, DesignFolder) else frontier_view(folder, prefix))
    return views


# ------------------------------------------------------------------------------------------------------------------ design


def design_view(folder: DesignFolder, prefix: str = "p0") -> View:
    """One design; ``prefix`` begins its identifiers on the page."""
    design = folder.design
    sections = [
        *network_sections(design, prefix),
        convergence_section(design, prefix),
        certificate_section(folder, prefix),
        *([] if folder.explanation is None else [explanation_section(folder.explanation, prefix)]),
        *([] if folder.validation is None else [validation_section(folder.validation, prefix)]),
        reproduction_section(folder, prefix),
    ]
    return View(
        id=prefix,
        title=design.problem.name,
        name=f"{design.problem.name} ({folder.label})",
        kind=f"Design, convention {design.problem.convention}, folder {folder.label}",
        badge=BADGES[design.status] + (", interrupted" if design.interrupted else ""),
        status=design.status,
        summary=_sentence(STATUS_WORDS[design.status]),
        facts=design_facts(design),
        sections=tuple(sections),
    )


def _sentence(words: str) -> str:
    words = words.removeprefix("proven: ")
    return f"{words[0].upper()}{words[1:]}."


def design_facts(design: Design) -> tuple[tuple[str, str, str], ...]:
    """The figures that come first."""
    facts = [("objective", points(design.objective), ""), ("bound", points(design.bound), f"gap {percent(design.gap)}")]
    if design.evaluation is not None:
        limits = {budget.name: budget.limit for budget in design.budgets}
        for name, words in (("flops", "FLOPs"), ("params", "parameters")):
            facts.append((words, quantity(getattr(design.evaluation, name)), _of_limit(limits.get(name))))
        facts.append(("effectiveness", number(design.evaluation.effectiveness), _of_limit(limits.get("effectiveness"))))
        facts.append(("layers", number(design.evaluation.layers), f"{design.evaluation.blocks} blocks"))
    facts.append(("time", f"{design.wall_seconds:,.1f} s", f"seed {design.seed}"))
    facts.append(("peak memory", f"{design.peak_rss_mb:,.0f} MB", "all processes"))
    return tuple(facts)


def _of_limit(limit: float | None) -> str:
    return "no limit" if limit is None else f"of {quantity(limit)}"


def network_sections(design: Design, prefix: str) -> list[Section]:
    """The network with its table, its budgets, and what its objective consists of."""
    architecture, evaluation = design.architecture, design.evaluation
    if architecture is None or evaluation is None:
        limits = design.problem.budgets.limits()
        grid = Grid("Limits", ("budget", "limit"), tuple((name, number(float(limit))) for name, limit in limits.items()))
        words = "There is no network to show. These are the limits that it would have to keep."
        return [Section(f"{prefix}-budgets", "Budgets", (words,), grids=(grid,))]
    stages = evaluation.weighted_stage_entropies
    terms = [(f"stage {j}", points(value), percent(value / evaluation.weighted_entropy)) for j, value in enumerate(stages)]
    terms.append(("weighted entropy", points(evaluation.weighted_entropy), ""))
    terms.append(("depth penalty", points(-evaluation.penalty), ""))
    charge = design.problem.scoring.effectiveness_price * evaluation.effectiveness
    terms += [("effectiveness at its price", points(-charge), "")] if charge else []
    terms.append(("objective", points(evaluation.objective), ""))
    figures = [*FIGURES, *SIZES]
    values = [(name, getattr(evaluation, name)) for name in figures if getattr(evaluation, name) is not None]
    return [
        Section(
            f"{prefix}-network",
            "Network",
            figures=(network_figure(architecture, f"{prefix}-drawing", [architecture]),),
            grids=(network_grid(architecture),),
        ),
        Section(f"{prefix}-budgets", "Budgets", grids=(budget_grid(design),)),
        Section(
            f"{prefix}-figures",
            "Objective and figures",
            grids=(
                Grid("What the objective consists of", ("term", "value", "share"), tuple(terms), total=True),
                Grid(
                    "Figures of the network",
                    ("figure", "exactly", "about"),
                    tuple((name, number(value), quantity(value) if value >= 1000 else "") for name, value in values),
                ),
            ),
        ),
    ]


NETWORK_CAPTION = (
    "To scale: each block is a slab as high as its feature map and as thick as its channels; "
    "the dark core is its bottleneck width. Sizes and channels (ch.) are those of its output."
)


def network_figure(
    architecture: Architecture, name: str, together: Sequence[Architecture], caption: str = NETWORK_CAPTION
) -> Figure:
    """A network at the scale at which all of ``together`` fit."""
    drawings = [draw_network(architecture, name, width, common_scale(together, width)) for width in NETWORK_WIDTHS]
    return Figure(tuple(drawings), caption)


def network_grid(architecture: Architecture) -> Grid:
    """The network part by part."""
    header = ("part", "block", "map", "stride", "channels", "width", "kernel", "depth", "parameters", "MACs")
    rows, resolution = [], architecture.resolution
    for part in parts(architecture):
        sizes = ["" if size is None else number(size) for size in (part.stride, *part.sizes)]
        counts = total(part.operations)
        figures = (number(counts["params"]), quantity(counts["macs"]))
        rows.append((part.name, part.block, f"{resolution} → {part.resolution}", *sizes, *figures))
        resolution = part.resolution
    counts = total(list(architecture.operations()))
    depth = sum(stage.depth for stage in architecture.stages)
    rows.append(("total", *[""] * 6, number(depth), number(counts["params"]), quantity(counts["macs"])))
    return Grid("Parts of the network", header, tuple(rows), texts=(1, 2), total=True)


def budget_grid(design: Design) -> Grid:
    """Each budget with the network's value, its limit and what is left."""
    rows = [
        (
            b.name,
            number(b.value),
            number(b.limit),
            number(b.slack),
            f"{100 * b.value / b.limit:.2f} %",
            "yes" if b.holds else "NO",
        )
        for b in design.budgets
    ]
    exceeded = frozenset(i for i, budget in enumerate(design.budgets) if not budget.holds)
    header = ("budget", "value", "limit", "slack", "used", "kept")
    return Grid("Budgets, in exact arithmetic", header, tuple(rows), texts=(5,), marked=exceeded)


# ------------------------------------------------------------------------------------------------------------- convergence


def convergence_section(design: Design, prefix: str) -> Section:
    """Incumbent and bound over time, and the gap."""
    incidents = tuple(f"Incident: {incident}" for incident in design.incidents)
    limits = picture_range(design.trace)
    name, title = f"{prefix}-convergence", "Convergence"
    if limits is None:
        return Section(name, title, ("The run left no incumbent and no bound over time.", *incidents))
    end = max(design.trace[-1].seconds, 1e-3)
    curves = (
        Series("bound: no network is better", "step", "bound", _over_time(design.trace, "bound")),
        Series("incumbent: best network so far", "step", "incumbent", _over_time(design.trace, "incumbent")),
    )
    words = "Incumbent and bound over time"
    told = " ".join(convergence_lines(design.trace, design.status))
    chart = Chart(f"{name}-values", words, told, "seconds", "objective", curves, (0.0, end), limits, between=(1, 0))
    drawn = tuple(draw_chart(chart, width, 300) for width in CHART_WIDTHS)
    caption = "Early values outside of the settled range are cut off." if _is_cut(curves, limits) else ""
    figures = [Figure(drawn, caption, tuple((series.kind, series.colour, series.name) for series in curves))]
    gaps = tuple((p.seconds, 100 * p.gap) for p in design.trace if p.gap)
    if len(gaps) > 1:
        low, high = min(gap for _, gap in gaps), max(gap for _, gap in gaps)
        closed = gaps + (((design.trace[-1].seconds, gaps[-1][1]),) if design.trace[-1].gap else ())
        series = (Series("gap", "step", "gap", closed),)
        last = max(p.seconds for p in design.trace if p.gap)
        reach = (low / 1.3, high * 1.3)
        side = Chart(f"{name}-gap", "Gap over time", told, "seconds", "gap, %", series, (0.0, last), reach, logarithmic=True)
        figures.append(
            Figure(tuple(draw_chart(side, width, 300) for width in SIDE_WIDTHS), "", (("step", "gap", "relative gap"),))
        )
    return Section(name, title, (told, *incidents), tuple(figures))


def _over_time(trace: Sequence[Progress], name: str) -> tuple[tuple[float, float], ...]:
    values = ((p.seconds, getattr(p, name)) for p in trace)
    return tuple((seconds, value) for seconds, value in values if value is not None and math.isfinite(value))


def _is_cut(curves: Sequence[Series], limits: tuple[float, float]) -> bool:
    return any(not limits[0] <= y <= limits[1] for series in curves for _, y in series.points)


def convergence_lines(trace: Sequence[Progress], status: str) -> list[str]:
    """When the first and the best network were found, and when the run ended."""
    found = _over_time(trace, "incumbent")
    lines = []
    if found:
        best = next(seconds for seconds, value in found if value == found[-1][1])
        lines.append(f"First network after {found[0][0]:,.1f} s, the best one after {best:,.1f} s;")
    ended = "proven" if status in ("optimal", "infeasible") else "stopped"
    end = f"{ended} after {trace[-1].seconds:,.1f} s, with {trace[-1].closed_nodes:,} nodes closed"
    lines.append(end + (f" and {trace[-1].open_nodes:,} left open." if trace[-1].open_nodes else "."))
    return lines


# ------------------------------------------------------------------------------------------------------------- certificate


def certificate_section(folder: DesignFolder, prefix: str) -> Section:
    """What the certificate consists of."""
    certificate = folder.design.certificate
    summary = certificate.summary()
    counts = [
        (name, number(n), VERDICTS.get(name, "")) for name, n in summary.items() if name not in ("nodes", "cells", "open")
    ]
    counts.append(("all", number(summary["nodes"]), "nodes of the presolve tree; its leaves cover the whole space"))
    lines = [f"{summary['open']} nodes are left open." if summary["open"] else "No node is left open."]
    if summary["cells"]:
        lines.append(f"{summary['cells']} cells were closed by {', '.join(folder.solvers)}.")
    candidates = len(certificate.data["candidates"])
    lines.append(f"{candidates} network{'s' if candidates != 1 else ''} within the margin of equals, compared exactly.")
    if not folder.faults:
        lines.append("Both files are as they were written. Whether their claims hold is for 'mipdesign verify' to say.")
    grid = Grid("Tree of the proof", ("verdict", "nodes", "meaning"), tuple(counts), texts=(2,), total=True)
    return Section(f"{prefix}-certificate", "Certificate", tuple(lines), grids=(grid,), faults=folder.faults)


# ------------------------------------------------------------------------------------------------- explanation, validation


def explanation_section(explanation: StoredExplanation, prefix: str) -> Section:
    """Which budgets bind, what they cost, and what would be without them."""
    rows = []
    for b in explanation.budgets:
        price = "-" if b.price is None else f"{b.price:.4g} per {b.unit_name or number(b.unit or 1.0)}"
        binds = "-" if b.binds is None else "yes" if b.binds else "no"
        slack = "-" if b.slack is None else number(b.slack)
        rows.append((b.name, number(b.value), number(b.limit), slack, binds, price))
    grids = [
        Grid("What binds", ("budget", "value", "limit", "slack", "binds", "price, in the objective"), tuple(rows), texts=(4,))
    ]
    others = []
    for b in explanation.budgets:
        for words, other in ((f"{b.name} relaxed", b.relaxed), (f"without {b.name}", b.outside)):
            if other is None:
                continue
            gain = None if other.objective is None or explanation.objective is None else other.objective - explanation.objective
            at = other.limit if other.limit is not None else other.value
            told = (
                "-" if at is None else number(at),
                points(other.objective),
                points(gain),
                points(other.predicted if isinstance(other, StoredRelaxed) else None),
            )
            others.append((words, *told, "; ".join(other.changes) or "-"))
    if others:
        header = ("limits", "at", "objective", "gain", "predicted", "changes of the network")
        grids.append(Grid("What another limit would give", header, tuple(others), texts=(5,)))
    lines = ("A price is what one more unit of a budget is worth in the objective, by the multipliers of the bound.",)
    return Section(f"{prefix}-prices", "Prices and what binds", lines, grids=tuple(grids))


def validation_section(validation: StoredValidation, prefix: str) -> Section:
    """Figures as the theory has them and as they were measured on the torch module."""
    words = {True: "ok", False: "FAILED", None: "-"}
    rows = [
        (c.name, _any(c.expected), _any(c.measured), f"± {c.tolerance:.3g}" if c.tolerance else "exact", words[c.passed])
        for c in validation.checks
    ]
    failed = frozenset(i for i, check in enumerate(validation.checks) if check.passed is False)
    line = f"{len(rows) - len(failed)} of {len(rows)} figures of the torch module agree with the theory."
    header = ("figure", "expected", "measured", "tolerance", "result")
    grid = Grid("Theory and torch module", header, tuple(rows), texts=(4,), marked=failed)
    return Section(f"{prefix}-validation", "Validation", (line,), grids=(grid,) if rows else ())


def _any(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " × ".join(map(_any, value))
    return number(value) if isinstance(value, (int, float)) and math.isfinite(value) else "-" if value is None else str(value)


# ------------------------------------------------------------------------------------------------------------ reproduction


def reproduction_section(folder: DesignFolder, prefix: str) -> Section:
    """Commands that make and check the design, versions, and digests."""
    design = folder.design
    settings = preset_settings(design.problem)
    spec = design.problem.name if settings is not None else "problem.yaml"
    options = [word for setting in settings or () for word in ("--set", setting)]
    gap = design.certificate.claim.get("gap_limit", OPTIMAL_GAP)
    options += [] if gap == OPTIMAL_GAP else ["--gap", f"{gap!r}"]
    target = shlex.quote(folder.label)
    commands = [f"mipdesign design {shlex.join([spec, *options, '--seed', str(design.seed)])} --out {target}"]
    commands.append(f"mipdesign verify {target}")
    commands += [f"mipdesign validate {target}"] if design.architecture is not None else []
    lines = []
    specification = "" if settings is not None else design.problem.dumps()
    if specification.count("\n") > MOST_LINES:
        specification = ""
        code = f"import mipdesign; print(mipdesign.Design.load({folder.label!r}).problem.dumps())"
        commands.insert(0, f"python -c {shlex.quote(code)} > problem.yaml")
    elif specification:
        lines.append("Save the specification below as problem.yaml.")
    if design.status in ("feasible", "unknown"):
        lines.append("The run was stopped at a limit: another run may stop elsewhere.")
    else:
        lines.append("The answer does not depend on the seed, the number of workers or the machine; time and memory do.")
    versions = Grid("Versions", ("package", "version"), tuple(design.versions.items()), texts=(1,))
    digests = Grid("SHA-256 of canonical JSON", ("of", "digest"), tuple(folder.digests.items()), texts=(1,))
    return Section(
        f"{prefix}-reproduce",
        "How to reproduce it",
        tuple(lines),
        grids=(versions, digests),
        commands=tuple(commands),
        specification=specification,
    )


def preset_settings(problem: Problem) -> list[str] | None:
    """Overrides that make this problem from the preset of its name; ``None`` where a few do not."""
    if problem.name not in preset_names():
        return None
    theirs, ours = (dict(leaves(p.to_dict())) for p in (Problem.preset(problem.name), problem))
    settings = [f"{key}={setting_text(value)}" for key, value in ours.items() if theirs.get(key) != value]
    if theirs == ours:
        return []
    if len(settings) > MOST_SETTINGS:
        return None
    try:
        same = Problem.preset(problem.name, settings).digest == problem.digest
    except SpecError:
        return None
    return settings if same else None


def leaves(data: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested plain data by their dotted paths; lists of plain values are one value."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, list) and any(isinstance(item, (Mapping, list)) for item in data):
        for i, value in enumerate(data):
            yield from leaves(value, f"{key}.{i}" if key else str(i))
    else:
        yield key, data


def setting_text(value: Any) -> str:
    """A value as ``--set`` takes it, as short as it can be."""
    if isinstance(value, float):
        short = f"{value:g}".replace("e+0", "e").replace("e+", "e")
        return short if float(short) == value else repr(value)
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


# -------------------------------------------------------------------------------------------------------------- comparison


def comparison_view(folders: Sequence[DesignFolder]) -> View:
    """Several designs beside each other."""
    designs, names = [folder.design for folder in folders], unique_names(folders)
    networks = [design.architecture for design in designs if design.architecture is not None]
    figures = tuple(
        network_figure(design.architecture, f"both-{i}", networks, name)
        for i, (design, name) in enumerate(zip(designs, names, strict=True))
        if design.architecture is not None
    )
    header = ("figure", *names)
    grids = [Grid("Figures side by side", header, tuple(comparison_rows(designs)))]
    different = differences([{} if d.architecture is None else d.architecture.to_dict() for d in designs])
    grids += [Grid("Where the networks differ", ("field", *names), tuple(different))] if different else []
    asked = differences([{k: v for k, v in design.problem.to_dict().items() if k != "name"} for design in designs])
    lines = [] if different else ["The networks are the same."]
    if len(asked) > MOST_DIFFERENCES:
        lines.append(f"The problems differ in {len(asked)} fields; those of the super-blocks are left out below.")
        asked = [row for row in asked if not row[0].startswith(("stages.", "stem."))]
    grids += [Grid("Where the problems differ", ("field", *names), tuple(asked))] if asked else []
    if len({design.problem.convention for design in designs}) > 1:
        lines.append(
            "Objectives, FLOPs and parameters of different conventions are not comparable: each counts by its own rules."
        )
    drawn = Section("both-networks", "Networks to one scale", figures=figures)
    beside = Section("both-figures", "Side by side", tuple(lines), grids=tuple(grids))
    proven = sum(design.status in ("optimal", "infeasible") for design in designs)
    return View(
        id="both",
        title="Comparison",
        name="Comparison",
        kind=", ".join(names),
        badge=f"{proven} of {len(designs)} proven",
        status="optimal" if proven == len(designs) else "feasible",
        summary="",
        facts=tuple((name, points(d.objective), BADGES[d.status]) for name, d in zip(names, designs, strict=True)),
        sections=(drawn, beside),
    )


def unique_names(folders: Sequence[DesignFolder]) -> list[str]:
    """Names of designs; those of their folders where they are the same, with numbers where these are the same too."""
    names = [folder.design.problem.name for folder in folders]
    names = [name if names.count(name) == 1 else folder.label for name, folder in zip(names, folders, strict=True)]
    return [n if names.count(n) == 1 else f"{n} #{i}" for i, n in enumerate(names, 1)]


def comparison_rows(designs: Sequence[Design]) -> Iterator[tuple[str, ...]]:
    """Outcome and figures, one design per column."""
    yield "status", *(BADGES[design.status] for design in designs)
    yield "convention", *(design.problem.convention for design in designs)
    yield "objective", *(points(design.objective) for design in designs)
    yield "bound", *(points(design.bound) for design in designs)
    yield "gap", *(percent(design.gap) for design in designs)
    for name in (*FIGURES, *SIZES, "weighted_entropy", "penalty"):
        values = [None if design.evaluation is None else getattr(design.evaluation, name) for design in designs]
        text = points if name in ("weighted_entropy", "penalty") else number
        if any(value is not None for value in values):
            yield name, *("-" if value is None else text(value) for value in values)
    yield "seconds", *(f"{design.wall_seconds:,.1f}" for design in designs)
    yield "peak memory, MB", *(f"{design.peak_rss_mb:,.0f}" for design in designs)


def differences(data: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Fields in which nested plain data are not all alike, with each one's value."""
    flat = [dict(leaves(item)) for item in data]
    keys = dict.fromkeys(key for item in flat for key in item)
    rows = [(key, [_any(item.get(key)) for item in flat]) for key in keys]
    return [(key, *values) for key, values in rows if len(set(values)) > 1]


# ---------------------------------------------------------------------------------------------------------------- frontier


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
        Section(f"{prefix}-frontier", "Frontier and prices", figures=tuple(figure for figure in charts if figure is not None)),
        Section(f"{prefix}-points", "Points", grids=(frontier_grid(frontier),)),
        frontier_reproduction(folder, prefix),
    ]
    return View(
        id=prefix,
        title=frontier.name,
        name=f"{frontier.name} ({folder.label})",
        kind=f"Frontier over {swept}, convention {frontier.convention}, folder {folder.label}",
        badge="all proven" if settled else "partly proven",
        status="optimal" if settled else "feasible",
        summary=f"{len(frontier.points)} points: {', '.join(told)}.",
        facts=tuple(facts),
        sections=tuple(s for s in sections if s.figures or s.commands or any(grid.rows for grid in s.grids)),
    )


def frontier_reproduction(folder: FrontierFolder, prefix: str) -> Section:
    """Commands that make the frontier and check a point of it, and versions."""
    frontier, problem = folder.frontier, Problem.from_dict(folder.frontier.problem)
    settings = preset_settings(problem)
    specification = "" if settings is not None else problem.dumps()
    options = [word for setting in settings or () for word in ("--set", setting)]
    for sweep in frontier.sweeps:
        options += ["--sweep", f"{sweep.key}={','.join(f'{value:.15g}' for value in sweep.values)}"]
    words = [frontier.name if settings is not None else "problem.yaml", *options]
    target = shlex.quote(folder.label)
    lines = ["Every point has a folder with its certificate; points that a looser one settles have none of their own."]
    lines += ["Save the specification below as problem.yaml."] if specification else []
    return Section(
        f"{prefix}-reproduce",
        "How to reproduce it",
        tuple(lines),
        grids=(Grid("Versions", ("package", "version"), tuple(frontier.versions.items()), texts=(1,)),),
        commands=(f"mipdesign pareto {shlex.join(words)} --out {target}", f"mipdesign verify {target}"),
        specification=specification,
    )


def _budget(key: str) -> str:
    """The budget of a swept limit, as its prices are named."""
    parts = key.removeprefix("budgets.").split(".")
    return LOWER + parts[0] if parts[-1] == "min" else parts[0]


def _curves(frontier: StoredFrontier) -> Iterator[tuple[str, str, list[StoredPoint]]]:
    """Name, colour and points of each curve: one per value of the second sweep, points in the order of the first limit."""
    key, *second = (sweep.key for sweep in frontier.sweeps)
    values = [None] if not second else sorted({point.limits[second[0]] for point in frontier.points})[:CURVES]
    for i, value in enumerate(values):
        chosen = [point for point in frontier.points if value is None or point.limits[second[0]] == value]
        name = "optimum" if value is None else f"{second[0].removeprefix('budgets.')} {quantity(value)}"
        yield name, f"c{i}", sorted(chosen, key=lambda point: point.limits[key])


def frontier_figure(frontier: StoredFrontier, prefix: str) -> Figure | None:
    """Objective over the first limit; hollow where a point is dominated, crossed where there is no network."""
    key = frontier.sweeps[0].key
    scores = [point.objective for point in frontier.points if point.objective is not None]
    if not scores:
        return None
    margin = 0.06 * (max(scores) - min(scores)) or 1e-3 * abs(scores[0]) or 1.0
    low, high = min(scores) - 2 * margin, max(scores) + margin
    series, legend = [], []
    for name, colour, of_curve in _curves(frontier):
        found = [(p.limits[key], p.objective, p) for p in of_curve if p.objective is not None]
        series.append(Series(name, "step", colour, tuple((x, y) for x, y, _ in found)))
        kept = tuple((x, y) for x, y, p in found if not p.dominated and p.status == "optimal")
        series.append(Series(name, "dot", colour, kept))
        series.append(Series(name, "ring", colour, tuple((x, y) for x, y, p in found if (x, y) not in kept)))
        lost = tuple((p.limits[key], low + margin) for p in of_curve if p.objective is None)
        series.append(Series(name, "cross", colour, lost))
        legend.append(("step", colour, name))
    used = {s.kind for s in series if s.points}
    marks = {"dot": "proven optimal", "ring": "dominated, or not proven", "cross": "no network"}
    legend += [(kind, "ink", words) for kind, words in marks.items() if kind in used]
    chart = Chart(
        f"{prefix}-frontier-chart",
        f"Objective over {key}",
        f"{len(frontier.points)} points; every figure is in the table below.",
        key.removeprefix("budgets."),
        "objective",
        tuple(series),
        _x_range(frontier),
        (low, high),
    )
    drawings = tuple(draw_chart(chart, width, 340) for width in CHART_WIDTHS)
    return Figure(
        drawings, "A limit's optimum holds until the next one: a lower bound of the frontier between points.", tuple(legend)
    )


def _x_range(frontier: StoredFrontier) -> tuple[float, float]:
    limits = [point.limits[frontier.sweeps[0].key] for point in frontier.points]
    margin = 0.04 * (max(limits) - min(limits)) or 0.1 * abs(limits[0]) or 1.0
    return min(limits) - margin, max(limits) + margin


def price_figures(frontier: StoredFrontier, prefix: str) -> list[Figure]:
    """Price of the first limit's budget along the frontier."""
    key = frontier.sweeps[0].key
    budget = _budget(key)
    unit, unit_name = unit_of(budget)
    series, legend = [], []
    for name, colour, of_curve in _curves(frontier):
        priced = [(p.limits[key], p.prices[budget].per_unit) for p in of_curve if budget in p.prices]
        of_unit = tuple((x, price * unit) for x, price in priced if price is not None)
        series += [Series(name, "step", colour, of_unit), Series(name, "dot", colour, of_unit)] if of_unit else []
        legend += [("step", colour, name if len(frontier.sweeps) > 1 else "price")] if of_unit else []
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


def frontier_grid(frontier: StoredFrontier) -> Grid:
    """One row per point."""
    keys = [sweep.key for sweep in frontier.sweeps]
    budgets = list(dict.fromkeys(name for point in frontier.points for name in point.budgets))
    priced = list(
        dict.fromkeys(name for p in frontier.points for name, price in p.prices.items() if price.per_unit is not None)
    )
    rows = []
    for p in frontier.points:
        used = ["-" if name not in p.budgets else quantity(p.budgets[name].value) for name in budgets]
        prices = [p.prices[name].per_unit if name in p.prices else None for name in priced]
        told = ["-" if price is None else f"{price * unit_of(name)[0]:.3g}" for name, price in zip(priced, prices, strict=True)]
        status = "dominated" if p.dominated else BADGES[p.status]
        limits = [quantity(p.limits[key]) for key in keys]
        rows.append((*limits, status, points(p.objective), percent(p.gap), *used, *told, network_text(p.network())))
    header = (
        *(f"limit of {key.removeprefix('budgets.')}" for key in keys),
        "status",
        "objective",
        "gap",
        *budgets,
        *(f"{name}: price per {unit_of(name)[1]}" for name in priced),
        "network: channels × depth",
    )
    faint = frozenset(i for i, p in enumerate(frontier.points) if p.status in ("unknown", "feasible"))
    return Grid("Points of the frontier", header, tuple(rows), texts=(len(keys), len(header) - 1), marked=faint)


def network_text(architecture: Architecture | None) -> str:
    """A network in few characters: the stem's channels, then channels and depth of each super-block."""
    if architecture is None:
        return "-"
    return ", ".join([str(architecture.stem.channels), *(f"{s.channels}×{s.depth}" for s in architecture.stages)])
