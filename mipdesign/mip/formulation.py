"""Formulations: how the networks of a cell become a solver model, and how a solver's answer becomes a network again.

A formulation is a subclass of :class:`Formulation`, registered by :func:`mipdesign.registry.register_formulation`. This package
asks the registry by id and imports none by name, so a variant can be added without touching it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar, Literal, Protocol

from pyscipopt import quicksum

from ..errors import SpecError
from ..lattice.arrays import MAX_CHANNELS
from ..lattice.cell import Cell
from ..lattice.position import Position
from ..lattice.tables import Tables
from ..networks.blocks import FAMILIES
from ..registry import load, registered
from .capabilities import Capability
from .design_model import DesignModel
from .expressions import linear_sum
from .linear import LinearModel, ScipModel
from .start_values import ValueRule, start_values

GROUP = "mipdesign.formulations"
"""Kind of the registry."""

Claim = Literal["exact", "upper", "lower"]
"""What the optimum of a model says: the cell's optimum, an upper bound, or a lower bound."""


class Feature(Enum):
    """What problems may have, in the words of a refusal."""

    FAMILIES = "a stage that chooses between block families"
    RESOLUTION = "a choice between families that decides whether the resolution is forgotten"
    OPERATIONS = "a limit on single operations"
    LATENCY = "a latency table"
    PRICE = "a price of the effectiveness"
    TIES = "ties between super-blocks"
    BLOCKS = "super-blocks whose blocks may differ"
    SCORE = "a score other than the product of DeepMAD"
    TERMS = "layer terms that are not the logarithms of widths"
    VALUES = "a table of values"


@dataclass(frozen=True)
class OneHotGroup:
    """Binaries of a model of which exactly one is 1, and what each of them says of the network.

    Attributes
    ----------
    slots:
        Which entries of the flattened position ``(stem, *columns, *depths)`` the group decides.
    names:
        Name of the variable for each combination of these entries.
    """

    slots: tuple[int, ...]
    names: Mapping[tuple[int, ...], str]


@dataclass(frozen=True)
class ModelStatistics:
    """Size of a model."""

    variables: int
    binaries: int
    integers: int
    constraints: int
    nonzeros: int
    """Variables per constraint, summed."""


@dataclass
class FormulationModel:
    """A model of a cell, and the way back from its solutions to networks.

    Attributes
    ----------
    linear:
        The model where it is linear; its objective is that of the network.
    nonlinear:
        Writes a PySCIPOpt model, to be maximised, where it is not.
    written:
        A PySCIPOpt model that is there already; :meth:`take_scip` hands it over.
    objective_scale:
        What one unit of a solver's objective means: solvers are handed the objective divided by it.
    magnitude:
        Size of the objectives of interest, to which tolerances are relative.
    floor:
        Networks whose objective is at most this may be missing from the model (their depth penalty is beyond its number range).
    priorities:
        Branching priorities by variable name, already set in the PySCIPOpt model.
    groups:
        The one-hot groups that make up a network.
    rules:
        Values of all variables in a network, by name; see :meth:`start`.
    parameters:
        SCIP parameters that the formulation asks for.
    refinement:
        Of a relaxation: the model of the same networks in which a network is represented exactly, or ``None`` if it is already.
        See :meth:`refined`.
    excluded:
        The networks that were cut off.
    """

    tables: Tables
    cell: Cell
    objective_scale: float
    magnitude: float
    floor: float
    priorities: Mapping[str, int]
    groups: tuple[OneHotGroup, ...]
    rules: Mapping[str, ValueRule]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    linear: LinearModel | None = None
    nonlinear: Callable[[], ScipModel] | None = None
    written: ScipModel | None = None
    refinement: Callable[[Position], FormulationModel | None] | None = None
    excluded: list[Position] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (self.linear is None) == (self.nonlinear is None):
            raise ValueError("a model is either linear or nonlinear")

    @property
    def requires(self) -> frozenset[Capability]:
        """What a solver has to be capable of."""
        if self.linear is None:
            return frozenset({Capability.NONLINEAR})
        return frozenset({Capability.SOS2}) if self.linear.sos2 else frozenset()

    @property
    def scip(self) -> ScipModel:
        """The PySCIPOpt model and its variables by name, written when first asked for."""
        if self.written is None:
            write = self.nonlinear or (lambda: self.linear.to_scip(self.objective_scale))  # type: ignore[union-attr]
            self.written = write()
        return self.written

    def take_scip(self) -> ScipModel:
        """The PySCIPOpt model for someone who changes it: it is written again for who asks next."""
        model, self.written = self.scip, None
        return model

    @property
    def model(self) -> Any:
        """The PySCIPOpt model, to be maximised."""
        return self.scip[0]

    @property
    def variables(self) -> Mapping[str, Any]:
        """Variables of the PySCIPOpt model by name."""
        return self.scip[1]

    def position(self, values: Mapping[str, float]) -> Position:
        """The network that a solution stands for: in every group the variable with the largest value."""
        flat = [0] * (1 + 2 * len(self.tables.stages))
        for group in self.groups:
            chosen = max(group.names, key=lambda key, names=group.names: values[names[key]])  # type: ignore[misc]
            for slot, value in zip(group.slots, chosen, strict=True):
                flat[slot] = value
        m = len(self.tables.stages)
        return Position(flat[0], tuple(flat[1 : 1 + m]), tuple(flat[1 + m :]))

    def indicators(self, position: Position) -> list[str]:
        """Names of the binaries that are all 1 for this network and for no other.

        Raises
        ------
        ValueError
            If the network is not in the model.
        """
        flat = (position.stem, *position.columns, *position.depths)
        try:
            return sorted({group.names[tuple(flat[slot] for slot in group.slots)] for group in self.groups})
        except KeyError:
            raise ValueError(f"{position} is not in the model") from None

    def start(self, position: Position) -> dict[str, float]:
        """Values of all variables for a network of the cell, by name: a start solution if the network is feasible."""
        return start_values(self.rules, position)

    def start_solution(self, scip: ScipModel, start: Mapping[str, float]) -> Any:
        """A PySCIPOpt solution with the values of :meth:`start`, for a model that :attr:`scip` or :meth:`take_scip` gave."""
        model, variables = scip
        solution = model.createSol()
        for name, value in start.items():
            model.setSolVal(solution, variables[name], value)
        return solution

    def exclude(self, position: Position) -> None:
        """Cuts off one network, for every solver; a PySCIPOpt model must not be in the solving stage (``model.freeTransform()``
        leaves it).
        """
        names = self.indicators(position)
        self.excluded.append(position)
        if self.linear is not None:
            chosen = linear_sum(self.linear.named(name) for name in names)
            self.linear.add(f"excluded_{len(self.linear.rows)}", chosen <= len(names) - 1.0)
        if self.linear is None or self.written is not None:
            self.model.addCons(quicksum(self.variables[name] for name in names) <= len(names) - 1)

    def without(self, position: Position) -> FormulationModel:
        """A model of its own that lacks one network more."""
        linear = None if self.linear is None else self.linear.copy()
        model = replace(self, linear=linear, written=None, excluded=[*self.excluded])
        model.exclude(position)
        return model

    def refined(self, position: Position) -> FormulationModel | None:
        """A model of its own in which a network is exact and the same ones are cut off; ``None`` if it is exact already.

        The optimum of a model that can be refined is an upper bound; :func:`mipdesign.mip.refinement.solve` closes the gap.
        """
        finer = self.refinement(position) if self.refinement is not None else None
        if finer is not None:
            for other in self.excluded:
                finer.exclude(other)
        return finer

    def values(self, solution: Any) -> dict[str, float]:
        """Values of a PySCIPOpt solution by variable name."""
        return {name: self.model.getSolVal(solution, variable) for name, variable in self.variables.items()}

    def statistics(self) -> ModelStatistics:
        """Size of the model as it stands before presolve."""
        if self.linear is not None:
            return ModelStatistics(
                variables=len(self.linear.names),
                binaries=self.linear.kinds.count("B"),
                integers=self.linear.kinds.count("I"),
                constraints=len(self.linear.rows) + len(self.linear.sos2),
                nonzeros=sum(len(row.terms) for row in self.linear.rows) + sum(map(len, self.linear.sos2)),
            )
        constraints = self.model.getConss(False)
        return ModelStatistics(
            variables=self.model.getNVars(False),
            binaries=sum(v.vtype() == "BINARY" for v in self.variables.values()),
            integers=sum(v.vtype() == "INTEGER" for v in self.variables.values()),
            constraints=len(constraints),
            nonzeros=sum(self.model.getConsNVars(c) for c in constraints),
        )


@dataclass(frozen=True)
class ProvenError:
    """How far a model's figures of one network are from the exact ones at most.

    Attributes
    ----------
    objective:
        In units of the objective.
    counts:
        In units of each budget, in the order of ``tables.counts``.
    """

    objective: float
    counts: tuple[float, ...]


class Described(Protocol):
    """What people are told of a formulation, and of a part that its variants are combined from."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def claim(self) -> Claim: ...
    @property
    def reference(self) -> str: ...


class Formulation(ABC):
    """One way to write the networks of a cell as a mixed-integer model. Instances are stateless.

    Attributes
    ----------
    id:
        Name in the registry.
    title:
        One line for people.
    claim:
        Whether the model is exact or a bound.
    reference:
        The literature that it follows.
    supports:
        What it writes of problems that have more than families, counts and effectiveness.
    """

    id: str
    title: ClassVar[str]
    claim: Claim
    reference: ClassVar[str]
    supports: ClassVar[frozenset[Feature]] = frozenset()

    @classmethod
    def with_parts(cls, parts: str) -> Formulation:
        """The variant that is named ``id:parts``.

        Raises
        ------
        SpecError
            If there is none.
        """
        raise SpecError("formulation", f"{cls.id!r} has no parts, not {parts!r}", f"write {cls.id!r}")

    @classmethod
    def parts(cls) -> Mapping[str, Sequence[Described]]:
        """What variants are combined from, by kind in the order of their names; empty if there are none."""
        return {}

    def check_proves(self) -> None:
        """That no network of a cell is missing from the model or worth less there, so that it can close a cell.

        Raises
        ------
        SpecError
            If it is a lower bound.
        """
        if self.claim == "lower":
            raise SpecError("formulation", f"{self.id!r} is a lower bound and proves nothing", "use an exact one, or 'lattice'")

    @abstractmethod
    def build(self, tables: Tables, cell: Cell) -> FormulationModel:
        """The model of the networks of ``cell``; equal inputs give equal models."""

    def whole(self, tables: Tables, counted: bool = False) -> DesignModel:
        """The whole problem as SCIP's; terms that have no closed form in it are left to the exact check. ``counted``: whether
        what the budgets count is to be variables.

        Raises
        ------
        SpecError
            If the formulation is one of cells only.
        """
        raise SpecError("formulation", f"{self.id!r} is one of cells", "use 'minlp'")

    def proven_errors(self, tables: Tables, cell: Cell, positions: Sequence[Position]) -> list[ProvenError] | None:
        """How far objective and counts of the model of a cell are from the exact ones at each of some networks; ``None`` where
        nothing is proven: a relaxation does not have one objective at a network.
        """
        return [ProvenError(0.0, (0.0,) * len(tables.counts))] * len(positions) if self.claim == "exact" else None

    def unsupported(self, tables: Tables) -> str | None:
        """What of a problem the formulation does not support: splitting then closes all cells. ``None`` if nothing."""
        return next((feature.value for feature in features(tables) if feature not in self.supports), None)


def features(tables: Tables) -> list[Feature]:
    """What a problem has that a formulation may not support."""
    has = {
        Feature.FAMILIES: any(len(s.blocks) > 1 for s in tables.stages),
        Feature.RESOLUTION: _leaves_resolution_open(tables),
        Feature.OPERATIONS: bool(tables.tail_bits)
        or any((s.most_incoming < MAX_CHANNELS).any() or not (s.identity_fits & s.rest_fits).all() for s in tables.stages),
        Feature.LATENCY: any(len(s.pairs) for s in tables.stages),
        Feature.PRICE: bool(tables.problem.scoring.effectiveness_price),
        Feature.TIES: bool(tables.problem.ties),
        Feature.BLOCKS: any(s.element.is_block for s in tables.stages),
        Feature.SCORE: tables.problem.scoring.additive or tables.problem.scoring.exponents != (1.0, 1.0),
        Feature.TERMS: tables.has_extra,
        Feature.VALUES: tables.has_values,
    }
    return [feature for feature, is_there in has.items() if is_there]


def _leaves_resolution_open(tables: Tables) -> bool:
    """Whether the score depends on the super-block in which the first squeeze-and-excitation block stands, which is open."""
    choices, scoring = ([FAMILIES[block].has_se for block in s.blocks] for s in tables.stages), tables.problem.scoring
    forgets = scoring.convention.forgets_resolution and scoring.exponents[1] != 0.0
    return forgets and not all(next((has_se for has_se in choices if any(has_se)), []))


def formulation_ids() -> list[str]:
    """Ids of the registered formulations."""
    return list(registered(GROUP))


def formulation_named(formulation_id: str) -> Formulation:
    """The registered formulation of that id, or the variant ``id:parts`` of it.

    Raises
    ------
    SpecError
        If there is none.
    """
    registered_id, _, parts = formulation_id.partition(":")
    kind: type[Formulation] = load(GROUP, registered_id, "formulation")
    return kind.with_parts(parts) if ":" in formulation_id else kind()
