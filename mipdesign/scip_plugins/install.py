"""Adding the plug-ins to a SCIP model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyscipopt import SCIP_PROPTIMING

from ..errors import SpecError
from ..lattice.position import Candidate
from ..lattice.tables import Tables
from ..mip.design_model import DesignModel
from ..mip.formulation import formulation_named
from ..mip.scip_setup import CURES
from ..problem.problem import Problem
from ..search.coverage import build_tables
from ..search.heuristics import incumbent
from ..search.incumbents import OPTIMAL_GAP, Incumbents
from ..search.outcome import ScipOptions
from .axes import Axes
from .box_relaxator import BoxRelaxator
from .branching import SplitHandler
from .events import ProgressHandler
from .exact_check import ExactCheck
from .heuristics import NetworkHeuristic
from .neighbourhood import Neighbourhoods
from .propagation import ReducedCostPropagator
from .relaxator import LagrangianRelaxator
from .tree import Tree

FIRST = 10_000_000
"""Enforcement priority of the branching: above that of every constraint handler of SCIP."""
LAST = -9_000_000
"""Check priority of the exact check: below that of every constraint handler of SCIP."""

WRITE = "write it with 'mipdesign model --formulation minlp'"

LAGRANGIAN: Mapping[str, Any] = {
    "lp/solvefreq": -1,
    "presolving/maxrounds": 0,
    "propagating/maxrounds": 0,
    "propagating/maxroundsroot": 0,
    "separating/maxrounds": 0,
    "separating/maxroundsroot": 0,
}
"""No LP: the relaxator bounds. Presolve would replace variables that splits are bounds of; what propagation gains in nodes it
loses in time.
"""
ALWAYS: dict[str, Any] = {
    "misc/scaleobj": False,
    "misc/usesymmetry": 0,
    "presolving/maxrestarts": 0,
    "nodeselection/bfs/stdpriority": 1_000_000,
    "nodeselection/bfs/minplungedepth": 0,
    "nodeselection/bfs/maxplungedepth": 0,
    "numerics/feastol": 1e-7,
    **CURES,
}
"""Best first without plunging; bounds are told SCIP in units of the objective. And nothing that calls an NLP solver."""


DEFAULT = ScipOptions()


def parameters_for(options: ScipOptions = DEFAULT) -> dict[str, Any]:
    """SCIP's parameters for a way to work."""
    chosen = ALWAYS | {"heuristics/networks/freq": 1}  # an emphasis may have turned it off with SCIP's own
    if options.nodes is not None:
        chosen["limits/totalnodes"] = options.nodes
    if options.relaxator == "lp":
        return chosen
    chosen |= LAGRANGIAN
    kept = set()
    if options.relaxator == "both":
        chosen["lp/solvefreq"] = 1
        kept |= {"separating/maxrounds", "separating/maxroundsroot"}
    if options.propagation or options.branching == "scip":
        kept |= {"propagating/maxrounds", "propagating/maxroundsroot"}
    return {name: value for name, value in chosen.items() if name not in kept}


def add_plugins(tree: Tree, options: ScipOptions = DEFAULT, threads: int = 0) -> Neighbourhoods:
    """Adds the plug-ins that some options ask for to the model of a tree.

    Parameters
    ----------
    threads:
        Threads that expand nodes ahead of SCIP; one of them searches the neighbourhoods then.
    """
    model, design_model = tree.design_model.model, tree.design_model
    axes = Axes(tree.tables, design_model.axes, design_model.variables)
    neighbourhoods = Neighbourhoods(tree)
    about = "bounds the cell of a node by its Lagrangian chain bound"
    if options.relaxator != "lp":
        relaxator = LagrangianRelaxator(tree) if options.branching == "ours" else BoxRelaxator(tree, axes)
        model.includeRelax(relaxator, "lagrangian", about)
    if options.branching == "ours":
        handler, about = SplitHandler(tree, axes), "splits the cell of a node in two"
        model.includeConshdlr(handler, "split", about, enfopriority=FIRST, chckpriority=LAST, needscons=False)
    checker, about = ExactCheck(tree, axes), "checks a network by the exact evaluator"
    model.includeConshdlr(checker, "exact", about, enfopriority=LAST, chckpriority=LAST, needscons=False)
    searches = options.relaxator != "lp" and not threads
    model.includeHeur(NetworkHeuristic(tree, neighbourhoods, searches), "networks", "networks near the incumbent", "n")
    if options.propagation and options.branching == "ours":
        propagator, about = ReducedCostPropagator(tree, axes), "tightens bounds to the cell of a node"
        timing = SCIP_PROPTIMING.BEFORELP
        model.includeProp(propagator, "reducedcost", about, presolpriority=0, presolmaxrounds=0, proptiming=timing)
    model.includeEventhdlr(ProgressHandler(tree), "progress", "tells of progress")
    return neighbourhoods


def install(model: Any, problem: Problem, *, formulation: str = "minlp", seconds: float = 1.0, seed: int = 0) -> Tree:
    """Adds the plug-ins to a SCIP model of a design problem, and sets its parameters.

    The model has the integer variables of ``mipdesign model --formulation minlp``: ``C0_place`` for the place of the stem's
    channels on their lattice, then ``C1_place, b1_place, k1_place, f1_place, L1_place`` and so on for channels, width, kernel,
    family and depth, for each that has a choice; and ``objective``, which is maximised. Everything else is the researcher's.

    Parameters
    ----------
    model:
        A ``pyscipopt.Model`` in its problem stage.
    formulation:
        The one that the model was written with.
    seconds:
        Time of the annealing that looks for a first network.

    Raises
    ------
    SpecError
        If the model lacks a variable, or has one with other bounds.
    """
    tables = build_tables(problem)
    design_model = read_model(model, tables, formulation)
    incumbents = Incumbents(tables, OPTIMAL_GAP)

    def found(network: Candidate) -> None:
        incumbents.consider(network)

    incumbent(tables, seed, seconds, found, lambda: False)
    tree = Tree(tables, incumbents, design_model)

    def refuse(text: str) -> None:
        """Constraints that the relaxator knows nothing of would make its incumbents, and so the answer, wrong."""
        tree.error = tree.error or SpecError("model", text, "leave out constraints that the problem does not have")
        tree.stopped = True

    tree.on_incident = refuse
    tree.begin([tree.root()])
    add_plugins(tree)
    model.setParams(parameters_for())
    return tree


def read_model(model: Any, tables: Tables, formulation: str) -> DesignModel:
    """A model that was read from a file or built by others, with the axes of a problem.

    Raises
    ------
    SpecError
        If the model lacks a variable, or has one with other bounds.
    """
    variables = {variable.name: variable for variable in model.getVars()}
    written = formulation_named(formulation).whole(tables)
    for axis in written.axes:
        if axis.variable is None:
            continue
        if axis.variable not in variables:
            raise SpecError("model", f"has no variable {axis.variable!r}", WRITE)
        found = variables[axis.variable]
        if (found.getLbOriginal(), found.getUbOriginal()) != (0.0, len(axis.values) - 1.0):
            text = f"{axis.variable!r} is not between 0 and {len(axis.values) - 1}"
            raise SpecError("model", text, "give the model and the problem that belong together")
    if "objective" not in variables:
        raise SpecError("model", "has no variable 'objective'", "maximise a variable of that name")
    unknown = [name for name in written.rules if name not in variables]
    if unknown:
        raise SpecError(
            "model", f"has no variable {unknown[0]!r} of {formulation!r}", "name the formulation that it was written with"
        )
    return replace(written, model=model, variables=variables, lacking=("the model is another's",))
