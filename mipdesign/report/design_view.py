"""The part of a page that shows one design: its network, budgets, convergence, certificate, and what else its folder says."""

from __future__ import annotations

from ..analysis.explanation_file import StoredExplanation
from ..checker import MEMBERS
from ..designs.design import Design
from ..designs.pool import Pool
from ..errors import counted
from ..figures.charts import CHART_WIDTHS, SIDE_WIDTHS, draw_chart
from ..figures.convergence import convergence_lines, gap_chart, is_cut, values_chart
from ..figures.formatting import exactly, number, percent, points, quantity
from ..figures.tables import Column, Table, Value, columns
from ..nn.validation_file import StoredValidation
from ..numerals import plain_number
from .budget_tiles import budget_tiles
from .folders import DesignFolder
from .pool_table import SHOWN, list_words, pool_table
from .reproduction import reproduction_section
from .sections import Figure, Section, View, network_figure
from .tables import (
    budget_table,
    changes_table,
    explanation_table,
    figures_table,
    network_table,
    objective_table,
)
from .validation_tables import validation_table
from .words import BADGES, STATUS_WORDS, VERDICTS, meaning


def design_view(folder: DesignFolder, prefix: str = "p0") -> View:
    """One design; ``prefix`` begins its identifiers on the page."""
    design = folder.design
    sections = [
        *network_sections(design, prefix),
        *([] if design.pool is None else [list_section(design.pool, prefix, design)]),
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
        tiles=budget_tiles(design.budgets, design.problem.stem.bits is not None),
        meaning=meaning(design.problem.scoring.score) if design.status == "optimal" else "",
    )


def _sentence(words: str) -> str:
    words = words.removeprefix("proven: ")
    return f"{words[0].upper()}{words[1:]}."


NO_LIMIT = "no limit"


def design_facts(design: Design) -> tuple[tuple[str, str, str], ...]:
    """The figures that come first; those that a limit is set for are in the tiles of the budgets."""
    facts = [("objective", points(design.objective), ""), ("bound", points(design.bound), f"gap {percent(design.gap)}")]
    if design.evaluation is not None:
        limited = {budget.name for budget in design.budgets}
        for name, words in (("flops", "FLOPs"), ("params", "parameters")):
            facts += [] if name in limited else [(words, quantity(getattr(design.evaluation, name)), "no limit")]
        facts.append(("layers", number(design.evaluation.layers), counted(design.evaluation.blocks, "block")))
    facts.append(("time", f"{design.wall_seconds:,.1f} s", f"seed {design.seed}"))
    facts.append(("peak memory", f"{design.peak_rss_mb:,.0f} MB", "all processes"))
    return tuple(facts)


def network_sections(design: Design, prefix: str) -> list[Section]:
    """The network with its table, its budgets, and what its objective consists of."""
    architecture, evaluation = design.architecture, design.evaluation
    if architecture is None or evaluation is None:
        limits = tuple((name, plain_number(value)) for name, value in design.problem.budgets.limits().items())
        table = Table("Limits", (Column("budget", "left"), Column("limit", text=exactly)), limits)
        words = "There is no network to show. These are the limits that it would have to keep."
        return [Section(f"{prefix}-budgets", "Budgets", (words,), tables=(table,))]
    price = design.problem.scoring.effectiveness_price
    return [
        Section(
            f"{prefix}-network",
            "Network",
            figures=(network_figure(architecture, f"{prefix}-drawing", [architecture]),),
            tables=(network_table(architecture),),
        ),
        Section(f"{prefix}-budgets", "Budgets", tables=(budget_table(design),)),
        Section(
            f"{prefix}-figures",
            "Objective and figures",
            tables=(objective_table(evaluation, price), figures_table(evaluation, architecture.quantised)),
        ),
    ]


def list_section(pool: Pool, prefix: str, design: Design | None = None) -> Section:
    """The first networks of a list, what the list is, and where the others are."""
    lines = [] if design is None else [_sentence(list_words(design))]
    if len(pool) > SHOWN:
        lines.append(f"The first {SHOWN} are shown; {MEMBERS} in the folder of the design has all {len(pool)}.")
    return Section(f"{prefix}-list", "List of networks", tuple(lines), tables=(pool_table(pool),))


def convergence_section(design: Design, prefix: str) -> Section:
    """Incumbent and bound over time, and the gap."""
    incidents = tuple(f"Incident: {incident}" for incident in design.incidents)
    name, title = f"{prefix}-convergence", "Convergence"
    told = " ".join(convergence_lines(design.trace, design.status)) if design.trace else ""
    values, gap = values_chart(design.trace, f"{name}-values", told), gap_chart(design.trace, f"{name}-gap", told)
    if values is None:
        return Section(name, title, ("The run left no incumbent and no bound over time.", *incidents))
    caption = "Early values outside of the settled range are cut off." if is_cut(values) else ""
    drawn = tuple(draw_chart(values, width, 300) for width in CHART_WIDTHS)
    figures = [Figure(drawn, caption, values.legend)]
    if gap is not None:
        figures.append(Figure(tuple(draw_chart(gap, width, 300) for width in SIDE_WIDTHS), "", gap.legend))
    return Section(name, title, (told, *incidents), tuple(figures))


def certificate_section(folder: DesignFolder, prefix: str) -> Section:
    """What the certificate consists of."""
    certificate = folder.design.certificate
    summary = certificate.summary()
    counts: list[tuple[Value, ...]] = [
        (name, n, VERDICTS.get(name, "")) for name, n in summary.items() if name not in ("nodes", "cells", "open")
    ]
    counts.append(("all", summary["nodes"], "nodes of the tree; its leaves cover the whole space"))
    lines = [f"{summary['open']} nodes are left open." if summary["open"] else "No node is left open."]
    if summary["cells"]:
        lines.append(f"{summary['cells']} cells were closed by {', '.join(folder.solvers)}.")
    candidates = len(certificate.data["contenders"])
    lines.append(f"{candidates} network{'s' if candidates != 1 else ''} within the margin of equals, compared exactly.")
    if not folder.faults:
        lines.append("Both files are as they were written. Whether their claims hold is for 'mipdesign verify' to say.")
    heads = columns("verdict", "nodes", "meaning", left=("verdict", "meaning"))
    table = Table("Tree of the proof", heads, tuple(counts), total=True)
    return Section(f"{prefix}-certificate", "Certificate", tuple(lines), tables=(table,), faults=folder.faults)


def explanation_section(explanation: StoredExplanation, prefix: str) -> Section:
    """Which budgets bind, what they cost, and what would be without them."""
    lines = (
        "A price is what so much more of a budget is worth in the objective, by the multipliers of the bound; what 1 % more of "
        "it gains, and where the next better network is, was solved.",
    )
    tables = (explanation_table(explanation), changes_table(explanation))
    return Section(f"{prefix}-prices", "Prices and what binds", lines, tables=tables)


def validation_section(validation: StoredValidation, prefix: str) -> Section:
    """Figures as the theory has them and as they were measured on the torch module."""
    table = validation_table(validation.checks)
    count = len(validation.checks)
    line = f"{count - len(table.marked)} of {count} figures of the torch module agree with the theory."
    return Section(f"{prefix}-validation", "Validation", (line,), tables=(table,))
