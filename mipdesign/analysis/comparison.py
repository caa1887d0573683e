"""A network beside the best one within its own budgets."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from ..arguments import RUN, TEXTS, arguments, callback, instance, one_of, optional, whole
from ..designs.design import Design
from ..designs.result import RESULT
from ..designs.run import design
from ..display import Displayed, showing
from ..engine.engine import Engine
from ..errors import SpecError, counted
from ..figures.formatting import points
from ..io.exchange import with_input
from ..networks.architecture import Architecture
from ..networks.evaluation import Evaluation
from ..networks.evaluator import Evaluator, Scoring, violations
from ..networks.objective import CONVENTIONS, penalised_super_blocks
from ..nn.reading import read_network
from ..numerals import plain_number
from ..problem.given import ProblemLike, given_problem
from ..problem.problem import Problem
from ..search.incumbents import OPTIMAL_GAP
from ..search.outcome import Progress

SPACES = {
    "bottleneck": "deepmad-r50",
    "resnet_bottleneck": "deepmad-r50",
    "basic": "resnet-basic",
    "mixed": "resnet-basic",
    "resnet_basic": "resnet-basic",
    "inverted": "mobilenetv2-like",
    "linear_inverted": "mobilenetv2-like",
    "separable": "mobilenetv2-like",
    "inverted_se": "deepmad-29m-224",
    "inverted_3d": "e3d-s",
}
"""Preset in which the optimum is looked for, by the family of most blocks of a network."""
OWN = ("flops", "params", "layers")
"""Budgets that are the network's own where the score is additive, and depth has no limit in the effectiveness; ``model_size``
in place of ``params`` for a quantised network."""
ROUNDING = 1e-12
"""By how much the budget of the effectiveness, a float, is more than the network's own."""


@dataclass(frozen=True)
class Comparison(Displayed):
    """A network, and the design that is best within its budgets.

    Attributes
    ----------
    network, evaluation:
        The network and its figures, in the objective of the design's problem.
    outside:
        Fields of the network that the problem's space does not hold.
    exceeded:
        Names of the problem's budgets that the network does not keep.
    design:
        The best network of the space, with what was proved of it.
    """

    FIGURES: ClassVar[tuple[str, ...]] = (
        *("params", "flops", "params_total", "macs", "effectiveness", "layers", "blocks", "activations"),
        *("model_size", "max_feature", "bit_operations", "weighted_entropy", "penalty", "objective"),
    )
    """Figures that a table shows, where the network has them."""

    network: Architecture
    evaluation: Evaluation
    outside: tuple[str, ...]
    exceeded: tuple[str, ...]
    design: Design

    def __repr__(self) -> str:
        gain = "no gain known" if self.gain is None else f"the optimum gains {points(self.gain)}"
        space = f"space {self.design.problem.name!r}, {self.design.status}"
        return f"<Comparison: objective {points(self.evaluation.objective)}, {gain} ({space})>"

    @property
    def gain(self) -> float | None:
        """By how much the design's objective exceeds the network's; ``None`` without a design."""
        return None if self.design.objective is None else self.design.objective - self.evaluation.objective

    @property
    def stem_decides(self) -> bool:
        """Whether the budget of the effectiveness is that of the space's stem, since the network's own cannot be kept."""
        limit = self.design.problem.budgets.limits().get("effectiveness")
        least = least_effectiveness(self.design.problem)
        return self.evaluation.effectiveness < least and limit is not None and float(limit) == least * (1 + ROUNDING)

    @property
    def relative_gain(self) -> float | None:
        """The gain relative to the network's objective; ``None`` where that is not positive."""
        return None if self.gain is None or self.evaluation.objective <= 0 else self.gain / self.evaluation.objective

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "network": self.network.to_dict(),
            "evaluation": self.evaluation.to_dict(),
            "outside_space": list(self.outside),
            "exceeded": list(self.exceeded),
            "gain": self.gain,
            "relative_gain": self.relative_gain,
            "design": self.design.to_dict(),
        }


@arguments(
    network=instance((Architecture, str, Path), "a network", "an Architecture, a path, or a name such as torchvision/resnet50"),
    convention=optional(one_of("a convention", CONVENTIONS)),
    overrides=TEXTS,
    resolution=optional(whole(1)),
    frames=optional(whole(1)),
    on_problem=callback,
    **RUN,
)
@showing("ProgressDisplay", on_progress="update")
def compare(
    network: Architecture | str | Path,
    *,
    space: ProblemLike | None = None,
    convention: str | None = None,
    overrides: Iterable[str] = (),
    resolution: int | None = None,
    frames: int | None = None,
    time_limit: float | None = None,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    engine: Engine | None = None,
    on_problem: Callable[[Problem], None] = lambda problem: None,
) -> Comparison:
    """Evaluates a network and designs the best one within its budgets.

    Parameters
    ----------
    network:
        An architecture, or what :func:`mipdesign.read_network` reads, then at ``resolution`` and ``frames`` if given.
    space:
        A problem, a preset's name, the path of a specification, or its content as a mapping; by default the preset of the
        network's family (:data:`SPACES`), and where there is none, as for bits, the space that the folder ``network`` is a
        design of. Its budgets ``flops``, ``params`` and ``effectiveness`` become the network's figures (the last one at least
        :func:`least_effectiveness`), its input and classes those of the network. For an additive score, video and bits
        :data:`OWN` says which instead.
    convention:
        ``paper`` or ``reference``; that of the space by default.
    overrides:
        Changes of the problem as ``KEY=VALUE`` texts, which come last: ``budgets.flops=1e9``.
    time_limit, gap, seed, workers, progress, on_progress, engine:
        Of :func:`mipdesign.design`.
    on_problem:
        Told of the problem before it is searched.

    Raises
    ------
    SpecError
        For a network or an option that cannot be used.
    """
    source = None if isinstance(network, Architecture) else Path(network)
    if not isinstance(network, Architecture):
        network = read_network(network, resolution, frames)
    else:
        network = with_input(network, resolution, frames)
    chosen = space is None
    if space is None:
        space = default_space(network) if source is None else space_of(source, network)
    problem, evaluation = problem_around(network, space, convention, tuple(overrides), chosen)
    on_problem(problem)
    exceeded = tuple(violations(problem.evaluator(network), problem.budgets.limits()))
    found = design(problem, time_limit=time_limit, gap=gap, seed=seed, workers=workers, on_progress=on_progress, engine=engine)
    return Comparison(network, evaluation, tuple(problem.outside_space(network)), exceeded, found)


def default_space(network: Architecture) -> str:
    """The preset whose blocks are those of a network, by the family that most of its blocks have.

    Raises
    ------
    SpecError
        If no preset is known for that family.
    """
    blocks: Counter[str] = Counter()
    for stage in network.stages:
        blocks[stage.block] += stage.depth
    family = blocks.most_common(1)[0][0]
    if network.quantised:
        raise SpecError("space", "no preset is known for quantised networks", "name a preset or a specification")
    if family not in SPACES:
        raise SpecError("space", f"no preset has blocks of family {family!r}", "name a preset or a specification")
    return SPACES[family]


def space_of(source: Path, network: Architecture) -> str | Problem:
    """:func:`default_space`, or for the folder of a design of which no preset is known the problem that it was designed for.

    Raises
    ------
    SpecError
        If neither is known.
    """
    try:
        return default_space(network)
    except SpecError:
        if not os.path.isfile(source / RESULT):
            raise
        return Design.load(source).problem


def problem_around(
    network: Architecture, space: ProblemLike, convention: str | None, overrides: tuple[str, ...], chosen: bool = False
) -> tuple[Problem, Evaluation]:
    """The problem whose budgets are a network's own figures, and these figures; ``chosen`` where the space is our choice.

    Raises
    ------
    SpecError
        If the space, an override, or the network in this space cannot be used.
    """
    fixed = {"input.resolution": network.resolution, "input.channels": network.input_channels, "classes": network.classes}
    fixed |= {} if network.frames is None else {"input.frames": network.frames}
    settings = [f"{key}={value}" for key, value in fixed.items()]
    settings += [] if convention is None else [f"convention={json.dumps(convention)}"]
    try:
        draft = given_problem(space, "space", (*settings, *overrides))
    except SpecError as error:
        if chosen and error.field.startswith("stages."):  # of a preset that nobody asked for
            text = f"{space}, the preset of the network's family, does not fit pictures of {network.resolution} pixels"
            remedy = "name a preset or a specification that does"
            raise SpecError("space", f"{text} ({error.field}: {error.problem})", remedy) from None
        raise
    evaluator = Evaluator(network, comparable_scoring(draft, network))
    evaluation = evaluator.evaluation
    if evaluator.counts_as_tool:
        names = ["model_size" if name == "params" and network.quantised else name for name in OWN]
        own = [f"budgets.{name}={plain_number(Fraction(evaluator.count(name)))}" for name in names]
    else:
        rho = max(evaluation.effectiveness, least_effectiveness(draft)) * (1 + ROUNDING)
        own = [f"budgets.flops={evaluation.flops}", f"budgets.params={evaluation.params}", f"budgets.effectiveness={rho!r}"]
    problem = given_problem(space, "space", (*settings, *own, *overrides))
    stated = {
        "input.resolution": problem.input.resolution,
        "input.channels": problem.input.channels,
        "classes": problem.classes,
    } | ({} if network.frames is None else {"input.frames": problem.input.frames})
    for key, value in stated.items():
        if value != fixed[key]:
            raise SpecError(
                "overrides", f"{key}={value}, but the network has {fixed[key]}", "compare like with like: leave it out"
            )
    return problem, evaluation


def least_effectiveness(problem: Problem) -> float:
    """What every network of a space has at least: that of its stem alone, where the convention takes the largest prefix."""
    stem_width = problem.input.channels * problem.stem.kernel**2
    return 1 / stem_width if CONVENTIONS[problem.convention].prefix_effectiveness else 0.0


def comparable_scoring(problem: Problem, network: Architecture) -> Scoring:
    """A problem's objective for a network that need not be of its space.

    The weights and the super-blocks whose depths are penalised are those of the problem where it states them; otherwise the
    convention's rules are applied to the network's own stages and super-blocks.

    Raises
    ------
    SpecError
        If the problem states weights for another number of stages.
    """
    scoring, n_stages, n_blocks = problem.scoring, 1 + network.stage_of[-1], len(network.stages)
    alpha, penalised = scoring.alpha, scoring.penalised
    if n_stages != len(alpha):
        if problem.objective.alpha is not None:
            stages = f"{counted(len(alpha), 'weight')}, but the network has {counted(n_stages, 'down-sampling stage')}"
            raise SpecError("objective.alpha", stages, "leave it out, or use a space of as many stages")
        alpha = scoring.formula.alpha(n_stages)
    penalty = problem.objective.penalty
    if penalty is not None and penalty.stages is not None:
        penalised = tuple(i for i in penalised if i < n_blocks)
    elif penalty is not None:
        penalised = tuple(range(n_blocks))
    else:
        blocks = [block for stage in problem.stages for block in stage.block]
        penalised = penalised_super_blocks(scoring.convention, blocks, n_blocks)
    return replace(scoring, alpha=alpha, penalised=penalised)
