"""The tables of a study: rows of plain values from judged records, one function each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mipdesign.figures.tables import Column, Table, Value, columns, plain_text

from ..corpus.optima import Optimum
from .metrics import (
    Trace,
    dual_integral,
    penalised_average,
    performance_ratios,
    primal_integral,
    root_gap,
    shifted_geometric_mean,
    virtual_best,
)
from .records import Record
from .verdict import STATUSES, Known, knowledge

Variant = tuple[str, str]
"""Formulation, with a word on its presolve, and solver."""
Case = tuple[str, int, str]
"""What a variant is run on; see :attr:`mipdesign.benchmarks.studies.records.Record.case`."""
NOT_RUN = ("unsupported", "missing")
"""Statuses that say nothing of how fast a variant is."""
VIRTUAL_BEST = "virtual best"
WORDS = ("formulation", "solver", "claim", "instance", "status", "reason", "says", "why", "by", "")
"""Columns that hold words."""


@dataclass(frozen=True)
class Results:
    """Judged records, arranged.

    Attributes
    ----------
    of_variant:
        Records by variant and case, variants sorted.
    compared:
        The variants that ran on anything at all, for comparisons of speed.
    cases:
        The cases that every one of ``compared`` could be run on and has a record of, sorted by instance.
    known:
        What is known of every instance.
    """

    records: tuple[Record, ...]
    of_variant: Mapping[Variant, Mapping[Case, Record]]
    compared: tuple[Variant, ...]
    cases: tuple[Case, ...]
    known: Mapping[str, Known]

    @classmethod
    def of(cls, records: Sequence[Record], optima: Mapping[str, Optimum]) -> Results:
        """Arranges records that are judged already."""
        by_variant: dict[Variant, dict[Case, Record]] = {}
        for record in sorted(records, key=lambda r: (r.variant, r.instance, r.case)):
            by_variant.setdefault(record.variant, {})[record.case] = record
        compared = tuple(v for v, runs in by_variant.items() if any(r.status not in NOT_RUN for r in runs.values()))
        taken = [{case for case, record in by_variant[v].items() if record.status not in NOT_RUN} for v in compared]
        shared = set.intersection(*taken) if taken else set()
        names = {record.case: record.instance for record in records}
        cases = tuple(sorted(shared, key=lambda case: (names[case], case)))
        return cls(tuple(records), by_variant, compared, cases, knowledge(records, optima))

    def times(self) -> dict[Variant, list[float]]:
        """Time of every compared variant on every shared case; ``math.inf`` where it did not solve it."""
        return {v: [solved_seconds(self.of_variant[v][case]) for case in self.cases] for v in self.compared}

    def claim(self, variant: Variant) -> str | None:
        """What a variant's optimum says: that of its formulation; ``None`` where no run told."""
        return next((r.claim for r in self.of_variant[variant].values() if r.claim is not None), None)

    def exact(self) -> tuple[Variant, ...]:
        """The compared variants whose formulation is exact: those that do the same work."""
        return tuple(variant for variant in self.compared if self.claim(variant) == "exact")

    def best(self, digest: str) -> float | None:
        """The best objective known of an instance."""
        best = self.known.get(digest, Known()).best
        return None if best is None else float(best)


def solved_seconds(record: Record) -> float:
    """Time of a run that solved its instance within its limit; ``math.inf`` for all others, wrong ones among them."""
    solved = record.status == "solved" and record.solving_seconds <= record.limits["seconds"]
    return record.solving_seconds if solved else math.inf


def traced(record: Record) -> Trace:
    """The bounds over time as seen from the start of the model, with what the run ended on; nothing of a wrong run."""
    if record.status == "wrong":
        return []
    before = record.seconds_before
    points: list[tuple[float, float | None, float | None]] = []
    primal = None if record.incumbent is None else float(record.incumbent)
    dual = record.presolve_bound
    if record.presolve_seconds is not None:
        points.append((record.presolve_seconds, primal, dual))
    for seconds, one, other in record.trace:
        primal, dual = one if one is not None else primal, other if other is not None else dual
        points.append((before + (seconds or 0.0), primal, dual))
    if record.said is not None:
        points.append((record.solving_seconds, record.objective, record.bound))
    return points


def summary(results: Results) -> Table:
    """One row per variant, and the virtual best."""
    times = results.times()
    rows = [_summary_row(results, variant, times[variant]) for variant in results.compared]
    exact = results.exact()
    if len(exact) > 1:
        best = virtual_best({str(variant): times[variant] for variant in exact})
        rows.append((VIRTUAL_BEST, "", "", *_time_figures(results, best), None, None, None, None))
    note = (
        f"Over the {len(results.cases)} pairs of instance and seed that every variant was run on and has words for. Times are "
        "those of presolving (where the name says so), writing, handing over and solving the model; a run that is not solved "
        "counts its limit in the mean and ten times its limit in PAR10. Integrals are means over the instances with a feasible "
        "network, in seconds (0 is best). The virtual best is that of the exact variants: a bound is less work."
    )
    measured = (Column(name, unit="s") for name in ("shifted geom. mean", "PAR10", "primal integral", "dual integral"))
    heads = _columns("formulation", "solver", "claim", "runs", "solved")
    heads = (*heads, *measured, *_columns("nodes, geom. mean"), Column("peak memory", unit="MB"))
    return Table("Summary", heads, tuple(rows), (note,), "summary")


def _time_figures(results: Results, times: Sequence[float]) -> tuple[Value, ...]:
    limits = [_limit(results, case) for case in results.cases]
    capped = [min(time, limit) for time, limit in zip(times, limits, strict=True)]
    solved = sum(map(math.isfinite, times))
    return len(times), solved, shifted_geometric_mean(capped), penalised_average(times, limits)


def _limit(results: Results, case: Case) -> float:
    return float(results.of_variant[results.compared[0]][case].limits["seconds"])


def _summary_row(results: Results, variant: Variant, times: Sequence[float]) -> tuple[Value, ...]:
    records = [results.of_variant[variant][case] for case in results.cases]
    with_best = [(r, best) for r in records if (best := results.best(r.digest)) is not None]
    integrals = [
        _mean([integral(traced(r), best, r.limits["seconds"]) for r, best in with_best])
        for integral in (primal_integral, dual_integral)
    ]
    nodes = shifted_geometric_mean((float(r.nodes) for r in records if r.nodes is not None), 10.0)
    peak = max((r.peak_memory_mb for r in records if r.peak_memory_mb is not None), default=None)
    return (*variant, results.claim(variant), *_time_figures(results, times), *integrals, nodes, peak)


def times(results: Results) -> Table:
    """Time of every variant on every instance: mean over the seeds, an unsolved run with its limit."""
    names = sorted({record.instance for record in results.records})
    rows: list[tuple[Value, ...]] = []
    for variant in results.compared:
        runs = [record for record in results.of_variant[variant].values() if record.status not in NOT_RUN]
        of_instance = {name: [record for record in runs if record.instance == name] for name in names}
        means = [_mean([min(solved_seconds(r), r.limits["seconds"]) for r in of_instance[name]]) for name in names]
        rows.append((*variant, *means))
    note = "Seconds, the mean over the seeds; a run that is not solved counts its limit. A dash: not run, or no words for it."
    return Table("Times by instance", _columns("formulation", "solver", *names), tuple(rows), (note,), "times")


def bounds(results: Results) -> Table:
    """How far the optima of relaxations and approximations are from those of the problems."""
    rows: list[tuple[Value, ...]] = []
    for variant in results.compared:
        claim = results.claim(variant)
        if claim == "exact":
            continue
        solved = [
            r for r in results.of_variant[variant].values() if math.isfinite(solved_seconds(r)) and r.objective is not None
        ]
        known = [(r, best) for r in solved if (best := results.best(r.digest))]
        off = [100 * abs((r.objective or 0.0) - best) / abs(best) for r, best in known]
        infeasible = sum(bool(r.violations) for r, _ in known)
        rows.append((*variant, claim, len(off), _mean(off), max(off, default=None), infeasible))
    note = (
        "Runs that were solved: per cent by which the model's optimum is off the best known objective, and how many of the "
        "networks break the problem."
    )
    header = ("formulation", "solver", "claim", "runs", "off by, mean", "off by, most", "networks that break it")
    return Table("Bounds", _columns(*header), tuple(rows), (note,), "bounds")


def statuses(results: Results) -> Table:
    """Counts per status, one row per variant."""
    rows: list[tuple[Value, ...]] = []
    for variant, runs in results.of_variant.items():
        counts = Counter(record.status for record in runs.values())
        rows.append((*variant, len(runs), *(counts[status] for status in STATUSES)))
    note = "Every run, with its status as verified; a wrong answer is counted apart from all others."
    return Table("Statuses", _columns("formulation", "solver", "runs", *STATUSES), tuple(rows), (note,), "statuses")


def wrong_answers(results: Results) -> Table:
    """Every wrong answer with its reasons."""
    rows = tuple((*r.variant, r.instance, r.seed, r.said, "; ".join(r.reasons)) for r in results.records if r.status == "wrong")
    note = "Claims that the exact evaluator, a proven optimum or a verified network of another run contradicts."
    return Table("Wrong answers", _columns("formulation", "solver", "instance", "seed", "says", "why"), rows, (note,), "wrong")


def failures(results: Results) -> Table:
    """What did not run, and why; one row per variant and reason."""
    reasons: Counter[tuple[str, str, str, str]] = Counter()
    for r in results.records:
        if r.status in ("error", "crash", "memout", *NOT_RUN):
            reasons[(*r.variant, r.status, (" ".join(r.incidents).split("\n")[-1])[-200:])] += 1
    rows = tuple((*key, count) for key, count in sorted(reasons.items()))
    note = "Runs without an answer, and what the process or the solver said last."
    return Table("Failures", _columns("formulation", "solver", "status", "reason", "runs"), rows, (note,), "failures")


def root_gaps(results: Results) -> Table:
    """Mean relative distance of the root bound to the best known objective, per instance and variant."""
    gaps = {variant: _root_gaps(results, runs) for variant, runs in results.of_variant.items()}
    names = sorted({name for by_instance in gaps.values() for name in by_instance})
    rows: list[tuple[Value, ...]] = [
        (*variant, *(by_instance.get(name) for name in names), _mean(list(by_instance.values())))
        for variant, by_instance in gaps.items()
        if by_instance
    ]
    note = "Per cent; over the seeds the mean. A dash: the solver tells no root bound, or the answer is wrong."
    return Table("Gap at the root", _columns("formulation", "solver", *names, "mean"), tuple(rows), (note,), "root_gaps")


def _root_gaps(results: Results, runs: Mapping[Case, Record]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for record in runs.values():
        best = results.best(record.digest)
        if record.status != "wrong" and record.claim != "lower" and best is not None:
            gap = root_gap(record.root_bound, best)
            if gap is not None:
                found.setdefault(record.instance, []).append(100 * gap)
    return {name: math.fsum(gaps) / len(gaps) for name, gaps in found.items()}


def sizes(results: Results) -> Table:
    """Size of the models, per formulation: geometric means over the instances that have one."""
    by_formulation: dict[str, dict[str, Record]] = {}
    for record in results.records:
        if record.sizes is not None:
            by_formulation.setdefault(record.variant[0], {})[record.digest] = record
    names = ("variables", "binaries", "integers", "constraints", "nonzeros")
    rows: list[tuple[Value, ...]] = []
    for formulation, by_digest in sorted(by_formulation.items()):
        of_all = [record.sizes for record in by_digest.values() if record.sizes is not None]
        means = [shifted_geometric_mean((float(one[name]) for one in of_all), 1.0) for name in names]
        seconds = shifted_geometric_mean((r.formulation_seconds or 0.0 for r in by_digest.values()), 1.0)
        rows.append((formulation, len(by_digest), *means, seconds))
    note = (
        "Before the solver's presolve, and after that of mipdesign where the name says so (0 where it proved everything); "
        "geometric means over the instances, with a shift of 1."
    )
    return Table(
        "Sizes of models", _columns("formulation", "instances", *names, "seconds to write"), tuple(rows), (note,), "sizes"
    )


def instances(results: Results) -> Table:
    """What is known of every instance, and how many runs solved it."""
    rows: list[tuple[Value, ...]] = []
    for digest in sorted({r.digest for r in results.records}, key=lambda d: _first(results.records, d).instance):
        runs = [r for r in results.records if r.digest == digest]
        known = results.known.get(digest, Known())
        best = "infeasible" if known.best is None and known.proven else None if known.best is None else float(known.best)
        solved = [r for r in runs if math.isfinite(solved_seconds(r))]
        fastest = min(solved, key=solved_seconds, default=None)
        rows.append(
            (
                runs[0].instance,
                best,
                "proven" if known.proven else "best found" if known.best is not None else "",
                len(solved),
                len([r for r in runs if r.status not in NOT_RUN]),
                None if fastest is None else solved_seconds(fastest),
                None if fastest is None else label(fastest.variant),
            )
        )
    note = "The best exact objective known, and what solved the instance fastest."
    heads = _columns("instance", "objective", "", "solved", "of runs")
    heads = (*heads, Column("fastest", unit="s"), *_columns("by"))
    return Table("Instances", heads, tuple(rows), (note,), "instances")


def runs(results: Results) -> Table:
    """Every run, for further analysis; not shown on the page."""
    header = ("instance", "formulation", "presolve", "solver", "seed", "status", "said", "objective", "exact", "bound", "gap")
    more = (
        "nodes",
        "presolve_seconds",
        "formulation_seconds",
        "build_seconds",
        "solver_seconds",
        "wall_seconds",
        "peak_memory_mb",
        "root_bound",
    )
    ordered = sorted(results.records, key=lambda r: (r.instance, r.variant, r.case))
    rows = tuple(tuple(getattr(record, name) for name in header + more) for record in ordered)
    return Table("Runs", _columns(*header, *more), rows, ("Every run.",), "runs")


def _columns(*headings: str) -> tuple[Column, ...]:
    """Columns of measurements, those of :data:`WORDS` apart."""
    return columns(*headings, left=WORDS, text=plain_text)


def profile_ratios(results: Results) -> dict[str, list[float]]:
    """Performance ratios of the exact variants by label."""
    of_all = results.times()
    exact = {label(variant): of_all[variant] for variant in results.exact()}
    return performance_ratios(exact) if exact and results.cases else {}


def label(variant: Variant) -> str:
    """A variant in one text."""
    return " / ".join(variant)


def _first(records: Iterable[Record], digest: str) -> Record:
    return next(record for record in records if record.digest == digest)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
