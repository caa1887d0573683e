"""Lists of networks by enumeration: all within a tolerance, the best ones, those that differ; and the file that states them.

No table, bound or cell is read: networks come from the specification, one by one, and are compared by their exact objectives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mipdesign.networks.architecture import Architecture, Stage
from mipdesign.problem.problem import Problem

from .subjects import Ranked

ABSENT = None
"""What a block that is not there decides."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for: networks within a share of the optimum, so many of them, and how they differ: by a share of the
    channels somewhere, or by a number of decisions.
    """

    within: Fraction | None = None
    best: int | None = None
    share: Fraction | None = None
    decisions: int | None = None

    @property
    def different(self) -> str | None:
        """The rule as the command line has it."""
        if self.share is not None:
            return f"channels:{self.share}"
        return None if self.decisions is None else f"decisions:{self.decisions}"

    @property
    def rule(self) -> list[Any] | None:
        """The rule as a certificate has it."""
        if self.share is not None:
            return ["channels", str(self.share)]
        return None if self.decisions is None else ["decisions", self.decisions]


def are_near(problem: Problem, wanted: Wanted, one: Architecture, other: Architecture) -> bool:
    """Whether two networks are too much alike to stand in one list."""
    if wanted.share is not None:
        pairs = [(one.stem.channels, other.stem.channels)]
        pairs += [(a.channels, b.channels) for a, b in zip(one.stages, other.stages, strict=True)]
        return all(Fraction(abs(a - b), max(a, b)) < wanted.share for a, b in pairs)
    if wanted.decisions is not None:
        return hamming(problem, one, other) < wanted.decisions
    return one == other


def hamming(problem: Problem, one: Architecture, other: Architecture) -> int:
    """How many decisions two networks do not have in common."""
    distance = int(one.stem.channels != other.stem.channels)
    for space, a, b in zip(problem.stages, one.stages, other.stages, strict=True):
        distance += (a.block != b.block) + (a.channels != b.channels) + (a.depth != b.depth)
        places = range(max(a.depth, b.depth))
        shapes = places if not space.uniform else range(1)
        distance += sum(_width(a, n) != _width(b, n) for n in shapes)
        distance += sum(_kernel(a, n) != _kernel(b, n) for n in shapes)
        if space.bits is not None:
            distance += sum(_bits(a, n) != _bits(b, n) for n in places)
    return distance


def _width(stage: Stage, n: int) -> Any:
    return ABSENT if n >= stage.depth else stage.block_at(n).bottleneck


def _kernel(stage: Stage, n: int) -> Any:
    return ABSENT if n >= stage.depth else (stage.kernel_t, stage.block_at(n).kernel)


def _bits(stage: Stage, n: int) -> Any:
    return ABSENT if n >= stage.depth else stage.bits[n]


def listed(problem: Problem, feasible: Sequence[Ranked], wanted: Wanted) -> list[Ranked]:
    """The list by its definition, from all networks that keep the budgets, in the documented order."""
    found: list[Ranked] = []
    threshold = None
    if wanted.within is not None and feasible:
        best = Fraction(feasible[0].exact)
        threshold = best - wanted.within * abs(best)
    for row in feasible:
        if len(found) == wanted.best or (threshold is not None and Fraction(row.exact) < threshold):
            break
        if wanted.different is None or not any(are_near(problem, wanted, row.architecture, m.architecture) for m in found):
            found.append(row)
    return found


def some_wanted(seed: int, feasible: Sequence[Ranked]) -> Wanted:
    """Something to ask of a problem: of every kind in turn, with ends at networks, between them, and beyond them."""
    rng = random.Random(f"list {seed}")
    within, best = None, None
    kind = seed % 3
    if kind != 1:
        within = Fraction(rng.choice(["0", "1/100000", "1/1000", "1/100", "1/20", "1/3", "2"]))
        if feasible and rng.random() < 0.5:  # a threshold at one of the networks, exactly
            top, some = Fraction(feasible[0].exact), Fraction(rng.choice(feasible[:50]).exact)
            within = (top - some) / abs(top) if top else Fraction(0)
            if len(str(within)) > 90:
                within = within.limit_denominator(10**40)
    if kind != 0:
        best = rng.choice([1, 2, 3, 5, 10, 30, 10**6])
    share, decisions = None, None
    rule = rng.choice(["", "channels", "decisions"])
    if rule == "channels":
        share = Fraction(rng.choice(["1/100", "1/10", "1/4", "1/3", "1/2", "9/10"]))
    elif rule == "decisions":
        decisions = rng.choice([1, 2, 3, 4, 6, 100])
    return Wanted(within, best, share, decisions)


# ---------------------------------------------------------------------- its file


def list_text(problem: Problem, members: Sequence[Ranked]) -> str:
    """``networks.csv`` of a list."""
    lines = [",".join(_header(problem))]
    lines += [",".join([str(rank), *_row(problem, row.architecture)]) for rank, row in enumerate(members, 1)]
    return "".join(f"{line}\n" for line in lines)


def _figures(problem: Problem) -> list[str]:
    names = [name.removeprefix("min_") for name in problem.budgets.limits()]
    return [name for name in dict.fromkeys(names) if name != "effectiveness"]


def _states_rho(problem: Problem) -> bool:
    return "effectiveness" in problem.budgets.limits() or bool(problem.scoring.effectiveness_price)


def _header(problem: Problem) -> Iterator[str]:
    yield from ("rank", "objective", *_figures(problem))
    if _states_rho(problem):
        yield "effectiveness"
    yield "stem"
    for n in range(1, 1 + len(problem.stages)):
        yield from (f"{name}{n}" for name in ("block", "channels", "bottleneck", "kernel"))
        if problem.input.frames is not None:
            yield f"kernel_t{n}"
        if problem.stem.bits is not None:
            yield f"bits{n}"
        yield f"depth{n}"


def _row(problem: Problem, network: Architecture) -> Iterator[str]:
    evaluator = problem.evaluator(network)
    yield repr(evaluator.evaluation.objective)
    for name in _figures(problem):
        yield _plain(
            Fraction(evaluator.nanoseconds(name), 1000) if name.startswith("latency") else Fraction(evaluator.count(name))
        )
    if _states_rho(problem):
        yield repr(evaluator.evaluation.effectiveness)
    yield str(network.stem.channels)
    for stage in network.stages:
        yield from (stage.block, str(stage.channels), _joined(stage.bottleneck), _joined(stage.kernel))
        if problem.input.frames is not None:
            yield str(stage.kernel_t)
        if problem.stem.bits is not None:
            pairs = [f"{a}/{w}" for (a, w), *_ in stage.bits]
            yield pairs[0] if len(set(pairs)) == 1 else " ".join(pairs)
        yield str(stage.depth)


def _joined(values: int | tuple[int, ...]) -> str:
    return " ".join(map(str, values)) if isinstance(values, tuple) else str(values)


def _plain(value: Fraction) -> str:
    """A number whose denominator divides a power of ten, as a plain decimal."""
    if value.denominator == 1:
        return str(value.numerator)
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    text = str(abs(value.numerator) * 10**digits // value.denominator).rjust(digits + 1, "0")
    return f"{'-' * (value < 0)}{text[:-digits]}.{text[-digits:]}"
