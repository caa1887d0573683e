"""What a specification says of the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from ..errors import SpecError
from ..networks.architecture_file import Positive
from ..networks.objective import PenaltyForm
from ..networks.scores import DEFAULT_SCORE, SCORES, Score, TableScore, score_named
from ..networks.scoring import DEFAULT_SIGMAS
from ..networks.values import Values
from ..numerals import double
from .specification import Input, SpecModel, StageSpace, with_tuples
from .value_table import TableSpec

Weight = Annotated[float, BeforeValidator(double), Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]
Exponent = Annotated[float, BeforeValidator(double), Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]

Deviation = Annotated[float, BeforeValidator(double), Field(strict=True, ge=0.1, le=100, allow_inf_nan=False)]


class PenaltySpec(SpecModel):
    """Depth penalty: its form, and the super-blocks (counted from 1) whose depths it counts (all by default)."""

    form: PenaltyForm
    stages: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_tuple(cls, data: Any) -> Any:
        return with_tuples(data, "stages")


OF_TABLE = tuple({"file": None} | TableSpec.model_fields)
"""Fields of a table, which ``kind: table`` has beside it."""


class ObjectiveSpec(SpecModel):
    """``sum_j alpha_j H_j - beta Q - p rho``: ``log_base`` is that of the entropy, ``effectiveness_price`` is ``p``.

    ``kind: table`` with the fields of a :class:`.TableSpec` stands for ``score: table`` with these as ``table``.

    What is left out follows the score, and the convention, where ``p`` is 0.

    Attributes
    ----------
    score:
        What ``H_j`` is, one of :data:`mipdesign.networks.scores.SCORES`; a sum has ``beta`` 0 by default.
    channels_exponent, resolution_exponent:
        ``a1`` and ``a2`` of the effect ``a1 ln C + a2 ln r^2`` of the map at the end of a stage.
    sigma_activations, sigma_weights:
        Deviations of activations and weights before they are quantised; 5 and 4 if left out.
    score_resolution:
        Resolution of the input for which kernels of video are weighed by the proportions of their maps; the real one if left
        out, while the released tool takes 160.
    table:
        What super-blocks are worth by a table, beside the score; the whole of the score ``table``.
    """

    score: str = DEFAULT_SCORE
    log_base: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None
    alpha: tuple[Weight, ...] | None = None
    beta: Weight = SCORES[DEFAULT_SCORE].beta
    effectiveness_price: Weight | None = None
    penalty: PenaltySpec | None = None
    channels_exponent: Exponent | None = None
    resolution_exponent: Exponent | None = None
    sigma_activations: Deviation | None = None
    sigma_weights: Deviation | None = None
    score_resolution: Annotated[int, Field(strict=True, ge=1, le=16384)] | None = None
    table: TableSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "kind" in data:
            data = _of_kind(data)
        score = data.get("score", DEFAULT_SCORE)
        if isinstance(score, str):
            data = {"beta": score_named(score, "score").beta} | data
        return with_tuples(data, "alpha")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.score_resolution is not None and not self.formula.weighs_shapes:
            raise SpecError("score_resolution", f"has no meaning for {self.score}", "leave it out, or use stentr")
        for name in ("sigma_activations", "sigma_weights"):
            if getattr(self, name) is not None and not self.formula.counts_bits:
                raise SpecError(name, f"has no meaning for {self.score}", "leave it out, or use madnas")
        if self.score == TableScore.name:
            if self.table is None:
                raise SpecError("table", "is missing", "give the table that the score is made of")
            for name in ("alpha", "log_base", "channels_exponent", "resolution_exponent"):
                if getattr(self, name) is not None:
                    raise SpecError(name, "has no meaning for the score table", "leave it out, or name an entropy as score")
        return self

    @property
    def values(self) -> Values | None:
        """What super-blocks are worth by the table."""
        t = self.table
        return None if t is None else Values(t.rows, t.weight, t.missing, t.several)

    @property
    def sigmas(self) -> tuple[float, float]:
        """Deviations of activations and weights before they are quantised."""
        return self.sigma_activations or DEFAULT_SIGMAS[0], self.sigma_weights or DEFAULT_SIGMAS[1]

    @property
    def formula(self) -> Score:
        """The score."""
        return SCORES[self.score]

    @property
    def exponents(self) -> tuple[float, float]:
        """``(a1, a2)``, those of the score where nothing is said."""
        a1, a2 = self.formula.exponents
        return (
            a1 if self.channels_exponent is None else self.channels_exponent,
            a2 if self.resolution_exponent is None else self.resolution_exponent,
        )


def objective_to_plain(objective: ObjectiveSpec, plain: Callable[[Any], Any]) -> dict[str, Any]:
    """An objective as a specification writes it: without what follows from the rest."""
    pairs = ((name, getattr(objective, name)) for name in ObjectiveSpec.model_fields)
    return {name: plain(value) for name, value in pairs if value is not None and (name, value) != ("score", DEFAULT_SCORE)}


def _of_kind(data: dict[str, Any]) -> dict[str, Any]:
    """An objective that is a table alone, in full."""
    if data["kind"] != TableScore.name:
        raise SpecError("kind", f"{data['kind']!r} is refused", "use table, or name a score")
    for name in ("score", "table"):
        if name in data:
            raise SpecError("kind", f"stands beside {name}", "leave one of them out")
    rest = {name: value for name, value in data.items() if name != "kind" and name not in OF_TABLE}
    return rest | {"score": TableScore.name, "table": {name: data[name] for name in OF_TABLE if name in data}}


def check_values(objective: ObjectiveSpec, given: Input, stages: Sequence[StageSpace]) -> None:
    """A table of values is about super-blocks that there are, each of equal blocks.

    Raises
    ------
    SpecError
        If it is not.
    """
    if objective.table is None:
        return
    if given.frames is not None:
        raise SpecError("objective.table", "is not for networks of video", "leave the table or input.frames out")
    for i, stage in enumerate(stages):
        if not stage.uniform or stage.bits is not None:
            raise SpecError(
                "objective.table", f"is for super-blocks of equal blocks, not stages.{i}", "leave uniform and bits out"
            )
    most = max((row.fields[0] for row in objective.table.rows.rows if isinstance(row.fields[0], int)), default=0)
    if most > len(stages):
        raise no_super_block("objective.table", most, len(stages))


def no_super_block(field: str, number: int, count: int) -> SpecError:
    """That a field names a super-block beyond the last one."""
    return SpecError(field, f"names super-block {number} of {count}", f"use 1 to {count}")
