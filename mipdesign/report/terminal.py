"""Presentation: tables and lines for the terminal, live progress, and the picture of a run's convergence.

Nothing here decides or computes anything about a design. The functions return renderables of :mod:`rich` or plain text, and
leave printing to the caller.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from ..checker import FAILS, TRUST, Claim, verdict
from ..errors import MissingExtraError
from ..figures.formatting import number, percent, scientific, score
from ..figures.parts import parts
from ..mip.capabilities import Capability
from ..networks.blocks import total
from ..numerals import plain_number

if TYPE_CHECKING:
    from ..analysis.comparison import Comparison
    from ..analysis.explanation_file import Explanation
    from ..analysis.frontier_file import Frontier
    from ..certificate.certificate import Certificate
    from ..designs.design import Design
    from ..mip.formulation import Described, Formulation, FormulationModel
    from ..mip.solver import Solver
    from ..networks.architecture import Architecture
    from ..networks.evaluator import Evaluation
    from ..nn.known_networks import Standing
    from ..nn.measurements import Behaviour
    from ..nn.validation import ValidationReport
    from ..problem.problem import Problem
    from ..problem.specification import Lattice, RatioRange
    from ..search.outcome import Progress

PIPE_WIDTH = 200
"""Columns that a table may take where the output is not a terminal; none is filled up to it."""

STATUS_WORDS = {
    "optimal": "proven: no network of the space that keeps the budgets is better",
    "feasible": "within all budgets, but not proven best",
    "infeasible": "proven: no network of the space keeps all budgets",
    "unknown": "stopped before any network within the budgets was found",
}


class PlainConsole(Console):
    """A console that prints text as it is, cuts nothing off in a pipe, and falls silent when its reader is gone."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = PIPE_WIDTH

    def on_broken_pipe(self) -> None:
        """Sends everything that follows to nowhere; the exit code stays what the command makes it."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def lines(self, lines: Iterable[str]) -> None:
        """Prints lines unwrapped."""
        for line in lines:
            self.print(line, soft_wrap=True)


def network_table(architecture: Architecture) -> Table:
    """The network part by part.

    Columns are the map before and after, stride ``s``, block family, channels ``C``, bottleneck width ``b``, kernel ``k``,
    depth ``L``, parameters, and MACs in millions; it fits a terminal of 80 columns.
    """
    table = _table("part", "map", "s", "block", "C", "b", "k", "L", "params", "MACs/1e6", left=("part", "block"))
    resolution = architecture.resolution
    for part in parts(architecture):
        stride, *sizes = ("" if size is None else str(size) for size in (part.stride, *part.sizes))
        figures = total(part.operations)
        cells = [part.name, f"{resolution}→{part.resolution}", stride, part.block, *sizes]
        table.add_row(*cells, number(figures["params"]), f"{figures['macs'] / 1e6:,.3f}")
        resolution = part.resolution
    figures = total(list(architecture.operations()))
    depth = sum(stage.depth for stage in architecture.stages)
    table.add_section()
    table.add_row("total", *[""] * 6, str(depth), number(figures["params"]), f"{figures['macs'] / 1e6:,.3f}")
    return table


def budget_table(design: Design) -> Table:
    """Each budget with the network's value, its limit, what is left and how much of it is used."""
    table = _table("budget", "value", "limit", "slack", "used", "", left=("budget", ""))
    for b in design.budgets:
        used = f"{100 * b.value / b.limit:.2f} %"
        table.add_row(b.name, number(b.value), number(b.limit), number(b.slack), used, "kept" if b.holds else "EXCEEDED")
    return table


def frontier_table(frontier: Frontier) -> Table:
    """The points of a frontier: limits, what was proved, what the network uses of the limits, and prices."""
    names = [sweep.budget for sweep in frontier.sweeps]
    prices = list(dict.fromkeys(name for point in frontier.points for name in point.prices))
    headings = [*names, "status", "objective", "gap", "", *(f"{name} used" for name in names)]
    table = _table(*headings, *(f"per {_unit(name)}" for name in prices), left=("status", ""))
    for point in frontier.points:
        usage = {} if point.architecture is None else {b.name: b for b in point.problem.usage(point.architecture)}
        table.add_row(
            *(number(point.limits[name]) for name in names),
            point.status,
            score(point.objective),
            percent(point.gap),
            "dominated" if point.dominated else "",
            *(f"{100 * usage[name].value / usage[name].limit:.2f} %" if name in usage else "-" for name in names),
            *(price_text(name, point.prices.get(name)) for name in prices),
        )
    return table


def frontier_lines(frontier: Frontier) -> list[str]:
    """How many points are settled, and what the table's prices are."""
    settled = sum(point.status in ("optimal", "infeasible") for point in frontier.points)
    searched = len({point.proof for point in frontier.points if point.status in ("optimal", "infeasible")})
    return [
        f"points       {settled} of {len(frontier.points)} proven, {searched} of them by a search of their own",
        "prices       objective that so much more of a budget buys, by the multipliers of the bound; 'explain' solves it",
    ]


def explanation_table(explanation: Explanation) -> Table:
    """Each limit with its slack, its price, and what is solved about it."""
    headings = ("budget", "limit", "slack", "binds", "price", "per", "1 % more", "foretold", "next at", "gains")
    table = _table(*headings, left=("budget", "per"))
    for limit in explanation.limits:
        foretold, beyond = limit.predicted(explanation.objective), limit.outside
        table.add_row(
            limit.name,
            number(limit.limit),
            number(limit.slack),
            "yes" if limit.binds else "no",
            price_text(limit.name, limit.price),
            _unit(limit.name),
            f"{limit.relaxed.objective - explanation.objective:+.3f}",
            "-" if foretold is None else f"{foretold - explanation.objective:+.3f}",
            "-" if beyond is None else f"{number(beyond.value)} ({100 * (beyond.value / limit.limit - 1):+.3g} %)",
            "-" if beyond is None else f"{beyond.objective - explanation.objective:+.3f}",
        )
    return table


def explanation_lines(explanation: Explanation) -> list[str]:
    """What the networks beyond each limit change."""
    lines = [f"objective    {score(explanation.objective)}"]
    for limit in explanation.limits:
        cases = {"1 % more": limit.relaxed.changes, "next": () if limit.outside is None else limit.outside.changes}
        lines += [f"{limit.name}, {case}: {'; '.join(changes)}" for case, changes in cases.items() if changes]
    return lines


def price_text(name: str, price: float | None) -> str:
    """A price for what :func:`mipdesign.analysis.shadow_prices.unit_of` says; a dash where there is none."""
    from ..analysis.shadow_prices import unit_of

    return "-" if price is None else f"{price * unit_of(name)[0]:.4g}"


def _unit(name: str) -> str:
    from ..analysis.shadow_prices import unit_of

    unit = unit_of(name)[1]
    return f"{unit} of {name}" if unit[0].isdigit() and name == "effectiveness" else unit


def outcome_lines(design: Design) -> list[str]:
    """What the run found and proved, and what it took."""
    summary = design.certificate.summary()
    verdicts = ", ".join(f"{count} {name}" for name, count in summary.items() if name not in ("nodes", "cells", "open"))
    proof = f"{summary['nodes']} nodes" + (f" ({verdicts})" if verdicts else "")
    lines = [
        f"status       {design.status}: {STATUS_WORDS[design.status]}" + (" (interrupted)" if design.interrupted else ""),
        f"objective    {score(design.objective)}",
        f"bound        {score(design.bound)}",
        f"gap          {percent(design.gap)}",
        f"time         {design.wall_seconds:.1f} s, peak memory {design.peak_rss_mb:.0f} MB, seed {design.seed}",
        f"certificate  {proof}, {summary['cells']} cells closed by the solver, {summary['open']} left open",
    ]
    return lines + [f"incident     {incident}" for incident in design.incidents]


def evaluation_table(evaluation: Evaluation) -> Table:
    """Every figure of one network."""
    table = _table("figure", "value", left=("figure",))
    for name, value in evaluation.to_dict().items():
        if isinstance(value, list):
            for j, entropy in enumerate(value):
                table.add_row(f"weighted_stage_entropies.{j}", f"{entropy:.6f}")
        elif isinstance(value, float):
            table.add_row(name, f"{value:.6f}")
        else:
            table.add_row(name, number(value) if isinstance(value, int) else value)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Figures of a network, of the optimum, their difference, and the budgets."""
    table = _table("figure", "network", "optimum", "difference", "budget", left=("figure",))
    ours, best = comparison.evaluation, comparison.design.evaluation
    limits = comparison.design.problem.budgets.limits()
    for name in comparison.FIGURES:
        value = getattr(ours, name)
        other = None if best is None else getattr(best, name)
        cells = [number(value), "-" if other is None else number(other), "-" if other is None else number(other - value)]
        table.add_row(name, *cells, number(float(limits[name])) if name in limits else "")
    return table


def comparison_lines(comparison: Comparison) -> list[str]:
    """What the optimum is, what was proved of it, and where the network stands outside of its space."""
    design = comparison.design
    outside = [outside_text(comparison, name) for name in comparison.outside] or ["nothing: the network is one of it"]
    notes = [f"the network itself does not keep the budget {name}" for name in comparison.exceeded]
    if comparison.stem_decides:
        notes.append("the budget effectiveness is that of the space's stem alone: none of its networks has the network's")
    if design.status == "infeasible":
        notes.append("the space has no network within these budgets; loosen one, for example --set budgets.effectiveness=0.3")
    gain = "-" if comparison.gain is None else f"{number(comparison.gain)} ({percent(comparison.relative_gain)})"
    return [
        f"space        {design.problem.name}, convention {design.problem.convention}",
        *(f"outside it   {text}" for text in outside),
        f"status       {design.status}: {STATUS_WORDS[design.status]}" + (" (interrupted)" if design.interrupted else ""),
        f"bound        {score(design.bound)}, gap {percent(design.gap)}",
        f"gain         {gain}",
        f"time         {design.wall_seconds:.1f} s, peak memory {design.peak_rss_mb:.0f} MB",
        *(f"note         {line}" for line in notes),
    ]


def outside_text(comparison: Comparison, name: str) -> str:
    """A field of a network that the space does not hold, with the network's value."""
    network, problem = comparison.network, comparison.design.problem
    if name == "stages":
        ours, theirs = (str([s.stride for s in of.stages]) for of in (network, problem))
        return f"stages: super-blocks of strides {ours}, the space has {theirs}"
    if name.startswith("stages."):
        s = network.stages[int(name.removeprefix("stages."))]
        sizes = f"C {s.channels}, b {s.bottleneck}, k {s.kernel}, L {s.depth}"
        return f"{name}: {s.block}, stride {s.stride}, {sizes}"
    if name == "stem":
        stem, pool = network.stem, ", then a pool" if network.stem.pool else ""
        return f"stem: {stem.kernel}x{stem.kernel}, stride {stem.stride}, {stem.channels} channels{pool}"
    return f"{name}: {getattr(network, name)}"


def problem_table(problem: Problem) -> Table:
    """The search space, one row per part."""
    headings = ("part", "map", "stride", "block", "channels", "growth", "bottleneck", "b/C", "kernels", "depth")
    table = _table(*headings, left=headings)
    stem = problem.stem
    resolution = -(-problem.input.resolution // stem.stride)
    fixed = (f"{problem.input.resolution} → {resolution}", str(stem.stride), "conv", lattice_text(stem.channels))
    table.add_row("stem", *fixed, "", "", "", str(stem.kernel), "")
    for i, (stage, space) in enumerate(zip(problem.stages, problem.space, strict=True)):
        resolution = -(-space.resolution // stage.stride)
        table.add_row(
            f"stages.{i}",
            f"{space.resolution} → {resolution}",
            str(stage.stride),
            ", ".join(stage.block),
            lattice_text(stage.channels),
            range_text(stage.growth),
            lattice_text(stage.bottleneck),
            range_text(stage.bottleneck_ratio),
            ", ".join(map(str, sorted({k for choice in space.choices for k in choice.kernels}))),
            lattice_text(stage.depth),
        )
    if problem.head is not None:
        table.add_row("head", f"{resolution} → {resolution}", "1", "conv", str(problem.head.channels), "", "", "", "1", "")
    return table


def problem_lines(problem: Problem) -> list[str]:
    """What a table has no room for: objective, budgets, and the exact number of networks in the space."""
    s = problem.scoring
    base = "" if s.log_base is None else f", logarithms of base {s.log_base}"
    price = f", effectiveness priced at {s.effectiveness_price:g}" if s.effectiveness_price else ""
    penalised = ", ".join(f"stages.{i}" for i in s.penalised)
    alpha = ", ".join(f"{weight:g}" for weight in s.alpha)
    shape = f"{problem.input.channels} x {problem.input.resolution} x {problem.input.resolution}"
    return [
        f"problem      {problem.name}, convention {problem.convention}",
        f"input        {shape}, {problem.classes} classes",
        f"objective    alpha ({alpha}), beta {s.beta:g}, penalty {s.penalty_form} over {penalised or 'nothing'}{base}{price}",
        f"budgets      {budgets_text(problem)}",
        f"networks     {scientific(problem.size())} in the space, budgets aside",
    ]


def presets_table(problems: Iterable[Problem]) -> Table:
    """The problems that ship with the package."""
    table = _table("name", "input", "blocks", "networks", "budgets", left=("name", "blocks", "budgets"))
    for problem in problems:
        blocks = ", ".join(sorted({block for stage in problem.stages for block in stage.block}))
        table.add_row(problem.name, str(problem.input.resolution), blocks, scientific(problem.size()), budgets_text(problem))
    return table


def validation_table(report: ValidationReport) -> Table:
    """Every figure as expected by the theory and as measured in torch."""
    from ..nn.validation import COLUMNS

    table = _table(*COLUMNS, left=(COLUMNS[0], COLUMNS[-1]))
    for row in report.rows():
        table.add_row(*row)
    return table


def behaviour_tables(measured: Behaviour, known: Iterable[Standing]) -> list[Table]:
    """What a network does on this machine, and where its effectiveness stands; parts that were left out have no table."""
    memory = measured.memory
    tables = [_table(f"activation memory, batch {memory.batch}", "MB", left=(f"activation memory, batch {memory.batch}",))]
    figures = {
        "inference, peak": memory.inference,
        "training, kept for the backward pass": memory.kept,
        "training, peak with gradients": memory.training,
        "inference, allocated by CUDA": memory.allocated_inference,
        "training, allocated by CUDA": memory.allocated_training,
    }
    for name, size in figures.items():
        if size is not None:
            tables[0].add_row(name, f"{size / 1e6:,.3f}")
    if measured.latencies:
        tables.append(_table("latency on", "threads", "batch", "runs", "median, ms", "quartiles, ms", left=("latency on",)))
    for run in measured.latencies:
        quartiles = f"{1e3 * run.lower:.3f} to {1e3 * run.upper:.3f}"
        counts = ("-" if run.threads is None else str(run.threads), str(run.batch), str(run.runs))
        tables[-1].add_row(run.device, *counts, f"{1e3 * run.median:.3f}", quartiles)
    if measured.gradients:
        tables.append(_table("gradient of", "parameters", "norm", "standard error", "relative", left=("gradient of",)))
    for part in measured.gradients:
        norms = (f"{part.norm:.3g}", f"{part.standard_error:.2g}", f"{part.relative:.3g}")
        tables[-1].add_row(part.part, number(part.parameters), *norms)
    tables.append(_table("network", "layers", "mean width", "rho", "rho of a prefix", "params", left=("network",)))
    for network in known:
        rhos = (f"{network.effectiveness:.4f}", f"{network.prefix_effectiveness:.4f}")
        name = f"> {network.name}" if network.given else network.name
        tables[-1].add_row(name, str(network.layers), f"{network.mean_width:.1f}", *rhos, number(network.params))
    return tables


def claims_table(claims: Iterable[Claim]) -> Table:
    """The claims of a certificate and whether they hold."""
    table = _table("claim", "result", left=("claim", "result"))
    for claim in claims:
        table.add_row(claim.claim, "FAILED" if claim.outcome == FAILS else claim.outcome)
    return table


def verification_lines(certificate: Certificate, claims: Sequence[Claim]) -> list[str]:
    """Every claim that failed or was taken on trust, and what all of it comes to."""
    lines = claim_lines(claims)
    if any(claim.outcome == FAILS for claim in claims):
        return lines
    claim, summary = certificate.claim, certificate.summary()
    return [
        f"status {claim['status']}, objective {score(claim['objective'])}, bound {score(claim['bound'])}",
        f"{summary['nodes']} nodes, {summary['open']} left open; {summary['cells']} cells closed by the solver",
        *lines,
    ]


def claim_lines(claims: Sequence[Claim]) -> list[str]:
    """Every claim that failed or was taken on trust, and how many hold."""
    words = {FAILS: "FAILED", TRUST: "on trust"}
    lines = [f"{words[c.outcome]}: {c.claim}" + (f": {c.detail}" if c.detail else "") for c in claims if c.outcome in words]
    failed = sum(claim.outcome == FAILS for claim in claims)
    if failed:
        return [*lines, f"{failed} of {len(claims)} claims do not hold"]
    return [*lines, verdict(claims) if lines else f"proved: all {len(claims)} claims hold"]


def formulation_lines(formulation: Formulation) -> list[str]:
    """A registered formulation and the parts of its variants: id, what its optimum says, what it is, where it comes from."""
    lines = _described(formulation, "")
    for kind, of_kind in formulation.parts().items():
        lines += [f"  {kind}", *(line for part in of_kind for line in _described(part, "    "))]
    return lines


def _described(part: Described, indent: str) -> list[str]:
    return [f"{indent}{part.id:<12} {part.claim:<6} {part.title}", f"{indent}{'':<19} {part.reference}"]


def solver_lines(solver: Solver) -> list[str]:
    """A registered solver: its id, what it is, its version if it is installed, and what it can do."""
    try:
        version = solver.version()
    except MissingExtraError as error:
        version = f"not installed: {error}"
    able = ", ".join(capability.value for capability in Capability if capability in solver.capabilities)
    return [f"{solver.id:<14} {solver.title}", f"{'':<14} {version}", f"{'':<14} {able}"]


def model_lines(form: FormulationModel, path: Path) -> list[str]:
    """What was written to a file, and what its objective means."""
    size = form.statistics()
    return [
        f"{path}: {size.variables} variables ({size.binaries} binary, {size.integers} integer), "
        f"{size.constraints} constraints, {size.nonzeros} nonzeros",
        f"to be maximised; one unit of its objective is {form.objective_scale!r} of the network's",
    ]


def lattice_text(lattice: Lattice) -> str:
    """A lattice in few characters: ``8..2048 by 8``, or its values."""
    values = lattice.values
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(values) > 4 and len(steps) == 1:
        return f"{values[0]}..{values[-1]}" + (f" by {steps.pop()}" if steps != {1} else "")
    if len(values) > 8:
        return f"{values[0]}..{values[-1]} ({len(values)} values)"
    return ", ".join(map(str, values))


def range_text(bounds: RatioRange) -> str:
    """Bounds of a quotient."""
    low, high = (None if x is None else plain_number(x) for x in (bounds.min, bounds.max))
    low, high = (f"{x:g}" if isinstance(x, float) else x for x in (low, high))
    return f">= {low}" if high is None else f"{low}..{high}"


def budgets_text(problem: Problem) -> str:
    """The budgets in one line."""
    return ", ".join(f"{name} {number(float(limit))}" for name, limit in problem.budgets.limits().items()) or "none"


def _table(*headings: str, left: Sequence[str]) -> Table:
    """An empty table; columns hold numbers, to the right, unless named in ``left``. Nothing is ever shortened."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", overflow="fold")
    return table


# ---------------------------------------------------------------------------------------------------------------- progress


def progress_line(progress: Progress) -> str:
    """Where a run stands, in one line."""
    p = progress
    if p.phase == "compiling":
        return "          compiling the inner loops, once per machine: about half a minute"
    figures = f"incumbent {score(p.incumbent)}  bound {score(p.bound)}  gap {percent(p.gap)}"
    return f"{p.seconds:8.1f} s  {p.phase:<11}  {figures}  open {p.open_nodes}  closed {p.closed_nodes}"


def progress_table(progress: Progress) -> Table:
    """Where a run stands, with headings, for a terminal."""
    p = progress
    if p.phase == "compiling":
        return Table(title=progress_line(p), show_edge=False)
    table = _table("time", "phase", "incumbent", "bound", "gap", "open", "closed", left=("phase",))
    figures = (score(p.incumbent), score(p.bound), percent(p.gap), str(p.open_nodes), str(p.closed_nodes))
    table.add_row(f"{p.seconds:.1f} s", p.phase, *figures)
    return table


class LiveDisplay:
    """A place at the foot of a terminal that is overwritten a few times a second, and cleared in the end.

    Where the console is not a terminal, nothing is shown. A terminal that is gone does not disturb the program.
    """

    INTERVAL = 0.15
    """Seconds between two refreshes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self.due = -math.inf

    def __enter__(self) -> Self:
        if self.live is not None:
            with contextlib.suppress(OSError):
                self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live is not None:
            with contextlib.suppress(OSError):
                self.live.stop()

    def show(self, content: RenderableType) -> None:
        """Shows something, unless something else was shown a moment ago."""
        now = time.monotonic()
        if self.live is not None and now >= self.due:
            self.due = now + self.INTERVAL
            with contextlib.suppress(OSError):
                self.live.update(content, refresh=True)


class ProgressDisplay(LiveDisplay):
    """Progress of a design run: live on a terminal, plain lines elsewhere, at most one a second or for a new incumbent."""

    LINE_SECONDS, INCUMBENT_SECONDS = 1.0, 0.25
    """Seconds between two plain lines; the second where the incumbent has changed."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.last: Progress | None = None

    def update(self, progress: Progress) -> None:
        """Tells where the run stands."""
        if self.console.is_terminal:
            self.show(progress_table(progress))
        elif self._is_due(progress):
            self.last = progress
            with contextlib.suppress(OSError):
                self.console.print(progress_line(progress), soft_wrap=True)

    def _is_due(self, progress: Progress) -> bool:
        if self.last is None or progress.phase == "done":
            return True
        pause = self.LINE_SECONDS if progress.incumbent == self.last.incumbent else self.INCUMBENT_SECONDS
        return progress.seconds >= self.last.seconds + pause


class FrontierDisplay(LiveDisplay):
    """Progress of a frontier: a line for each point that is solved, and on a terminal the searches that are under way."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.running: dict[int, Progress] = {}
        self.settled: set[int] = set()

    def solved(self, frontier: Frontier) -> None:
        """Tells of the points that have been solved since the last time."""
        for index, point in enumerate(frontier.points):
            if point.status == "unknown" or index in self.settled:
                continue
            self.settled.add(index)
            self.running.pop(index, None)
            limits = ", ".join(f"{name} {number(limit)}" for name, limit in point.limits.items())
            count = f"{len(self.settled):>{len(str(len(frontier.points)))}} of {len(frontier.points)}"
            with contextlib.suppress(OSError):
                self.console.print(f"{count}  {limits}  {point.status}  {score(point.objective)}", soft_wrap=True)

    def update(self, index: int, progress: Progress) -> None:
        """Tells where the search of a point stands."""
        if index not in self.settled:
            self.running[index] = progress
        table = _table("point", "time", "phase", "incumbent", "bound", "gap", "open", left=("phase",))
        for point, p in sorted(self.running.copy().items()):
            figures = (score(p.incumbent), score(p.bound), percent(p.gap), str(p.open_nodes))
            table.add_row(str(point), f"{p.seconds:.1f} s", p.phase, *figures)
        self.show(table)


class ExplanationDisplay(LiveDisplay):
    """Progress of an explanation: a line for each limit whose value is changed, and on a terminal the search under way."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.told: tuple[str, float] | None = None

    def update(self, name: str, limit: float, progress: Progress) -> None:
        """Tells which limit has which value, and where the search of its optimum stands."""
        if self.told != (name, limit):
            self.told = (name, limit)
            with contextlib.suppress(OSError):
                self.console.print(f"solving with {name} {number(limit)}", soft_wrap=True)
        self.show(progress_table(progress))


class CountDisplay(LiveDisplay):
    """Progress of work that comes in equal parts: live on a terminal; elsewhere a plain line now and then, if asked for.

    Parameters
    ----------
    text:
        With places for ``done`` and ``total``.
    line_seconds:
        Seconds between two plain lines.
    """

    def __init__(self, console: Console, text: str, line_seconds: float = math.inf) -> None:
        super().__init__(console)
        self.text, self.line_seconds, self.next_line = text, line_seconds, -math.inf

    def update(self, done: int, total: int) -> None:
        """Tells how many parts are done."""
        line = self.text.format(done=done, total=total)
        now = time.monotonic()
        if not self.console.is_terminal and math.isfinite(self.line_seconds) and (now >= self.next_line or done == total):
            self.next_line = now + self.line_seconds
            with contextlib.suppress(OSError):
                self.console.print(line, soft_wrap=True)
        self.show(line)
