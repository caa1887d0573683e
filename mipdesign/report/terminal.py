"""The lines that commands print beside their tables.

Nothing here decides or computes anything about a design. The functions return text, and leave printing to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import counted
from ..figures.formatting import duration, exactly, number, percent, scientific, score
from ..figures.parts import bits_text
from ..networks.scores import TableScore
from ..numerals import plain_number
from .console import PlainConsole as PlainConsole
from .problem_tables import budgets_text
from .words import STATUS_WORDS, list_parts

if TYPE_CHECKING:
    from ..analysis.comparison import Comparison
    from ..analysis.explanation_file import Explanation
    from ..analysis.frontier_file import Frontier
    from ..certificate.certificate import Certificate
    from ..checker import Claim
    from ..designs.design import Design
    from ..mip.formulation import FormulationModel
    from ..networks.scoring import Scoring
    from ..nn.profiling import Forecast
    from ..problem.problem import Problem
    from ..problem.relative import Origin


def outcome_line(design: Design) -> str:
    """What a run found and proved, in one line."""
    found = f"{design.status}, objective {score(design.objective)}, bound {score(design.bound)}, gap {percent(design.gap)}"
    if design.listed is None:
        return found
    whole = "" if design.listed["complete"] else ", not complete"
    return f"{found}, list of {counted(design.listed['count'], 'network')}{whole}"


def settled_line(frontier: Frontier) -> str:
    """How many points of a frontier are settled, in one line."""
    return f"{len(frontier.settled)} of {counted(len(frontier.points), 'point')} proven"


def binding_line(explanation: Explanation) -> str:
    """Which limits bind a design, in one line."""
    binding = [limit.name for limit in explanation.limits if limit.binds]
    return f"{', '.join(binding)} {'binds' if len(binding) == 1 else 'bind'}" if binding else "no limit binds"


def gain_line(comparison: Comparison) -> str:
    """A network's objective, that of the optimum and what lies between, in one line."""
    best, ours = comparison.design, comparison.evaluation
    gain = "" if comparison.gain is None else f", gain {percent(comparison.relative_gain)}"
    return f"objective {score(ours.objective)}, {best.status} {score(best.objective)}{gain}"


def forecast_lines(forecast: Forecast, path: Path | None) -> list[str]:
    """How many operations there are to be measured, and how long that takes."""
    there = f"{forecast.wanted - forecast.left:,} of {counted(forecast.wanted, 'operation')} measured already"
    lines = [] if path is None else [f"{path}: {there}"]
    if forecast.sampled:
        how = f"about {duration(forecast.seconds)}, by the time that {forecast.sampled} of them took"
    else:
        how = f"at least {duration(forecast.seconds)}, the time spent on each of them" if forecast.left else "nothing is left"
    return [*lines, f"{counted(forecast.left, 'operation')} to be measured: {how}"]


def frontier_lines(frontier: Frontier, prices: bool = True) -> list[str]:
    """How many points are settled, which networks are listed, and what the table's prices are, if it has them."""
    searched = len({point.proof for point in frontier.settled})
    lines = [
        f"points       {len(frontier.settled)} of {len(frontier.points)} proven, {searched} of them by a search of their own"
    ]
    if frontier.wanted is not None:
        lines.append(f"lists        {wanted_words(frontier)}")
    if not (prices and any(point.prices for point in frontier.points)):
        return lines
    return [
        *lines,
        "prices       objective that so much more of a budget buys, by the multipliers of the bound; 'explain' solves it",
    ]


def wanted_words(frontier: Frontier) -> str:
    """Which networks a frontier has lists of, how many, and whether one may be missing."""
    asked = {} if frontier.wanted is None else frontier.wanted.to_plain()
    listed = [point for point in frontier.points if point.listed is not None]
    count = sum({point.proof: point.listed["count"] for point in listed if point.listed is not None}.values())
    whole = "complete" if len(frontier.settled) == len(frontier.points) else "not all of them complete"
    return f"{', '.join(list_parts(asked))}, at each point: {counted(count, 'network')} in all, {whole}"


def explanation_lines(explanation: Explanation) -> list[str]:
    """What the networks beyond each limit change."""
    lines = [f"objective    {score(explanation.objective)}"]
    for limit in explanation.limits:
        cases = {"1 % more": limit.relaxed.changes, "next": () if limit.outside is None else limit.outside.changes}
        lines += [f"{limit.name}, {case}: {'; '.join(changes)}" for case, changes in cases.items() if changes]
    return lines


def _by_models(cells: int) -> str:
    """How many cells a solver closed by a model of its own, where there are any."""
    return f", {cells} {'cell' if cells == 1 else 'cells'} closed by a solver" if cells else ""


def outcome_lines(design: Design) -> list[str]:
    """What the run found and proved, and what it took."""
    summary = design.certificate.summary()
    verdicts = ", ".join(f"{count} {name}" for name, count in summary.items() if name not in ("nodes", "cells", "open"))
    proof = counted(summary["nodes"], "node") + (f" ({verdicts})" if verdicts else "")
    lines = [
        f"status       {design.status}: {STATUS_WORDS[design.status]}" + (" (interrupted)" if design.interrupted else ""),
        f"objective    {score(design.objective)}",
        f"bound        {score(design.bound)}",
        f"gap          {percent(design.gap)}",
        f"time         {design.wall_seconds:.1f} s, peak memory {design.peak_rss_mb:.0f} MB, seed {design.seed}",
        f"certificate  {proof}, {summary['open']} left open{_by_models(summary['cells'])}",
    ]
    if design.scip is not None:
        lines.append(f"SCIP         {scip_words(design.scip)}")
    return lines + [f"incident     {incident}" for incident in design.incidents]


BOUNDED_BY = {
    "lagrangian": "bounds by the Lagrangian relaxator, no LP",
    "lp": "bounds by its LP",
    "both": "bounds by the Lagrangian relaxator and its LP",
}


def scip_words(scip: Mapping[str, Any]) -> str:
    """What SCIP's tree was."""
    bounded = BOUNDED_BY.get(scip["options"].get("relaxator", ""), "")
    return f"{scip['version']}, {counted(scip['nodes'], 'node')} in {scip['seconds']:.1f} s, {bounded}"


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
        kernel = s.kernel if s.kernel_t == 1 else f"{s.kernel_t}x{s.kernel}"
        bits = "; ".join(dict.fromkeys(bits_text(block) for block in s.bits))
        sizes = f"C {s.channels}, b {s.bottleneck}, k {kernel}, L {s.depth}" + (f", bits {bits}" if bits else "")
        return f"{name}: {s.block}, stride {s.stride}, {sizes}"
    if name == "stem":
        stem, pool = network.stem, ", then a pool" if network.stem.pool else ""
        return f"stem: {stem.kernel}x{stem.kernel}, stride {stem.stride}, {counted(stem.channels, 'channel')}{pool}"
    return f"{name}: {getattr(network, name)}"


def origin_text(origin: Origin) -> str:
    """Where a relative limit came from."""
    share, figure = (exactly(plain_number(number)) for number in (100 * origin.share, origin.figure))
    return f"{share} % of {origin.network}, which has {figure}"


def _values_text(scoring: Scoring) -> str:
    """The table of values of an objective, in short."""
    values = scoring.values
    if values is None:
        return ""
    weight = "" if values.weight == 1 else f" times {float(values.weight):g}"
    return f", values of {counted(len(values.table.rows), 'row')}{weight}"


def problem_lines(problem: Problem) -> list[str]:
    """What a table has no room for: objective, budgets, and the exact number of networks in the space."""
    s = problem.scoring
    base = "" if s.log_base is None else f", logarithms of base {s.log_base}"
    price = f", effectiveness priced at {s.effectiveness_price:g}" if s.effectiveness_price else ""
    penalised = ", ".join(f"stages.{i}" for i in s.penalised)
    penalty = f"beta {s.beta:g}, penalty {s.penalty_form} over {penalised or 'nothing'}" if s.beta else "no penalty"
    of_score = s.score if s.score == TableScore.name else f"{s.score}, alpha ({', '.join(f'{w:g}' for w in s.alpha)})"
    of_channels, of_area = s.exponents
    exponents = "" if s.exponents == s.formula.exponents else f", exponents {of_channels:g} of channels and {of_area:g} of area"
    frames = "" if problem.input.frames is None else f"{counted(problem.input.frames, 'frame')} x "
    shape = f"{problem.input.channels} x {frames}{problem.input.resolution} x {problem.input.resolution}"
    return [
        f"problem      {problem.name}, convention {problem.convention}",
        f"input        {shape}, {counted(problem.classes, 'class', 'classes')}",
        f"objective    {of_score}{exponents}, {penalty}{base}{price}{_values_text(s)}",
        f"budgets      {budgets_text(problem)}",
        *(f"limit        {name} is {origin_text(origin)}" for name, origin in problem.origins.items()),
        f"networks     {scientific(problem.size())} in the space, budgets aside",
    ]


def verification_lines(certificate: Certificate, claims: Sequence[Claim]) -> list[str]:
    """Every claim that failed or was taken on trust, and what all of it comes to."""
    from ..checker import FAILS

    lines = claim_lines(claims)
    if any(claim.outcome == FAILS for claim in claims):
        return lines
    claim, summary = certificate.claim, certificate.summary()
    return [
        f"status {claim['status']}, objective {score(claim['objective'])}, bound {score(claim['bound'])}",
        f"{counted(summary['nodes'], 'node')}, {summary['open']} left open{_by_models(summary['cells'])}",
        *lines,
    ]


def claim_lines(claims: Sequence[Claim]) -> list[str]:
    """Every claim that failed or was taken on trust, and how many hold."""
    from ..checker import FAILS, TRUST, verdict  # and with it numpy, which other lines do not need

    words = {FAILS: "FAILED", TRUST: "on trust"}
    lines = [f"{words[c.outcome]}: {c.claim}" + (f": {c.detail}" if c.detail else "") for c in claims if c.outcome in words]
    failed = sum(claim.outcome == FAILS for claim in claims)
    if failed:
        return [*lines, f"{failed} of {counted(len(claims), 'claim')} {'does' if failed == 1 else 'do'} not hold"]
    return [
        *lines,
        verdict(claims)
        if lines
        else "proved: the only claim holds"
        if len(claims) == 1
        else f"proved: all {len(claims)} claims hold",
    ]


def model_lines(form: FormulationModel, path: Path) -> list[str]:
    """What was written to a file, and what its objective means."""
    from ..mip.model_files import caution, objective_of_file  # it needs SCIP

    size, lost = form.statistics(), caution(form, path)
    return [
        f"{path}: {counted(size.variables, 'variable')} ({size.binaries} binary, {size.integers} integer), "
        f"{counted(size.constraints, 'constraint')}, {counted(size.nonzeros, 'nonzero')}",
        objective_of_file(form, path),
        *([] if lost is None else [f"caution: {lost}"]),
    ]
