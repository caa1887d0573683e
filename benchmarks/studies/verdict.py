"""What a run is worth: its solver's claim held against the exact evaluator, the known optimum, and every other run.

A *wrong* answer is one that claims something false: a network that breaks the problem, an objective that its network does not
have, an optimum or an infeasibility that a feasible network contradicts, a bound below a feasible objective. It is a status of
its own: neither a failure nor a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from ..corpus.optima import Optimum
from .records import Record

STATUSES = ("solved", "limit", "wrong", "error", "crash", "timeout", "memout", "unsupported", "missing")
"""All statuses, in the order of tables."""
TOLERANCE = 1e-6
"""Relative error of an objective or a bound that is no wrong answer; what :mod:`mipdesign` calls optimal."""


@dataclass(frozen=True)
class Known:
    """What is known of an instance, run by run and by proof: the best exact objective of a feasible network.

    Attributes
    ----------
    best:
        ``None`` if no feasible network is known.
    proven:
        Whether nothing is better; with ``best`` of ``None``, that the instance is infeasible.
    """

    best: Decimal | None = None
    proven: bool = False


def feasible_objective(record: Record) -> Decimal | None:
    """The exact objective of a run's network, if the network is feasible."""
    return Decimal(record.exact) if record.exact is not None and not record.violations else None


def verified_objective(record: Record) -> Decimal | None:
    """The best exact objective of a feasible network that a run has shown: the solver's, or that of its presolve."""
    shown = [feasible_objective(record), None if record.incumbent is None else Decimal(record.incumbent)]
    return max((objective for objective in shown if objective is not None), default=None)


def knowledge(records: Iterable[Record], optima: Mapping[str, Optimum]) -> dict[str, Known]:
    """What is known of every instance, by digest."""
    known = {digest: Known(optimum.objective, True) for digest, optimum in optima.items()}
    for record in records:
        objective, before = verified_objective(record), known.get(record.digest, Known())
        if objective is not None and (before.best is None or objective > before.best):
            known[record.digest] = Known(objective, False)
    return known


def contradictions(records: Iterable[Record], optima: Mapping[str, Optimum]) -> list[str]:
    """Verified networks that beat an optimum of the file: the file is wrong there, and is not believed."""
    lines = []
    for digest, known in knowledge(records, optima).items():
        if digest in optima and not known.proven:
            optimum = optima[digest]
            lines.append(f"{optimum.instance}: a verified network has {known.best}, the file of optima {optimum.objective}")
    return lines


def judge(record: Record, known: Known, tolerance: float = TOLERANCE) -> tuple[str, list[str]]:
    """The verified status of a run, and the reasons where it is wrong."""
    if record.ended != "answered":
        return record.ended, []
    reasons = [*_of_its_network(record, tolerance), *_of_its_claim(record, known, tolerance)]
    if reasons:
        return "wrong", reasons
    return {"optimal": "solved", "infeasible": "solved", "limit": "limit"}.get(record.said or "", "error"), []


def judged(records: Iterable[Record], optima: Mapping[str, Optimum]) -> list[Record]:
    """All records with their status as verified against each other."""
    records = list(records)
    known = knowledge(records, optima)
    made = []
    for record in records:
        status, reasons = judge(record, known.get(record.digest, Known()))
        made.append(replace(record, status=status, reasons=reasons))
    return made


def exceeds(one: float | Decimal, other: float | Decimal, tolerance: float) -> bool:
    """Whether one number is above another by more than the tolerance, relative to the larger of 1 and the other."""
    a, b = Decimal(one), Decimal(other)
    return a - b > Decimal(tolerance) * max(Decimal(1), abs(b))


def _of_its_network(record: Record, tolerance: float) -> list[str]:
    """What the exact evaluator finds; a formulation that only bounds from above promises no feasible network."""
    if record.claim == "upper":
        return []
    if record.exact is None:
        return ["claims an optimum and shows no network"] if record.said == "optimal" else []
    reasons = [f"its network breaks {', '.join(record.violations)}"] if record.violations else []
    if record.objective is not None:
        over = exceeds(record.objective, Decimal(record.exact), tolerance)
        under = record.claim == "exact" and exceeds(Decimal(record.exact), record.objective, tolerance)
        if over or under:
            reasons.append(f"says {record.objective!r} where its network has {float(record.exact)!r}")
    return reasons


def _of_its_claim(record: Record, known: Known, tolerance: float) -> list[str]:
    """What a feasible network says to it; a formulation that only bounds from below excludes no network."""
    if record.claim == "lower":
        return []
    if known.best is None:
        return []
    best = float(known.best)
    if record.said == "infeasible":
        return [f"says infeasible where {best!r} is feasible"]
    reasons = []
    allowed = tolerance + float(record.parameters.get("gap", 0.0))
    if record.said == "optimal" and record.objective is not None and exceeds(best, record.objective, allowed):
        reasons.append(f"says {record.objective!r} is optimal where {best!r} is feasible")
    if record.bound is not None and exceeds(best, record.bound, tolerance):
        reasons.append(f"has the bound {record.bound!r} where {best!r} is feasible")
    return reasons
