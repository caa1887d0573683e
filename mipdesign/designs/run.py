"""A design run: :func:`design` searches, proves, and returns a :class:`~mipdesign.designs.design.Design`."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..arguments import FLAG, PATH, RUN, TEXT, arguments, each, instance, optional
from ..certificate.certificate import Certificate
from ..checker import FORMAT, SECTIONS, digest
from ..display import showing
from ..engine.driver import solve
from ..engine.engine import Engine
from ..errors import CertificateError, SpecError
from ..lattice.tables import Tables
from ..machine import processors
from ..networks.architecture import Architecture
from ..plugins import plugin_versions
from ..problem.given import ProblemLike, given_problem
from ..problem.problem import Problem
from ..search.differences import Difference
from ..search.incumbents import OPTIMAL_GAP
from ..search.listing import Listed, ListSearch, Wanted, not_of_a_list
from ..search.outcome import Options, Outcome, Progress, Resumed, ScipOptions, WarmStart
from .design import Design
from .pool import Pool, networks_text
from .versions import installed_versions

if TYPE_CHECKING:
    from ..mip.formulation import Formulation

DEFAULT_FORMULATION = "lattice"
SOLVER_COLUMNS = 32
"""Columns up to which SCIP closes a cell, where a formulation is asked for."""


DESIGNS = each(instance(Design, "a design", "designs that mipdesign.design() found"), "a list of designs")
RULE = optional(instance((str, Difference), "a rule", "for example 'channels:10%' or 'decisions:3'"))
ENGINE_OPTIONS = instance(Mapping, "a mapping", "options by name, for example {'branching': 'scip'}")


@arguments(
    **RUN,
    different=RULE,
    formulation=optional(TEXT),
    presolve=FLAG,
    resume=optional(PATH),
    near=DESIGNS,
    engine_options=ENGINE_OPTIONS,
)
@showing("ProgressDisplay", on_progress="update")
def design(
    problem: ProblemLike,
    *,
    time_limit: float | None = None,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    workers: int | None = None,
    formulation: str | None = None,
    presolve: bool = True,
    resume: str | Path | None = None,
    near: Sequence[Design] = (),
    progress: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    engine: Engine | None = None,
    engine_options: Mapping[str, str] = MappingProxyType({}),
    within: str | float | Fraction | None = None,
    best: int | None = None,
    different: str | Difference | None = None,
    most: int | None = None,
) -> Design:
    """Finds the best network of a problem and proves that there is no better one; and the next ones, if a list is asked for.

    Parameters
    ----------
    problem:
        A problem, a preset's name, the path of a specification, or its content as a mapping.
    time_limit:
        Seconds; the best design so far and a valid bound are returned when it is reached.
    gap:
        Relative gap at which to stop; up to 1e-6 the answer is exact.
    seed, workers:
        Seed of the heuristics, and threads that expand nodes for SCIP (one per processor by default). The answer depends on
        neither.
    formulation:
        Formulation with which SCIP closes the cells in which few columns are left. By default splitting closes these too, and
        quicker, so that nothing of the proof rests on a solver.
    presolve:
        ``False`` hands the whole space to SCIP; for comparison.
    resume:
        Folder of an earlier, unfinished run of the same problem.
    near:
        Designs of problems with the same space and other limits, the nearest first: the search for an incumbent begins with
        their networks, whether they fit or not, and the tree with the first steps of the first one's. The answer does not
        depend on them.
    progress:
        Whether incumbent, bound and gap are shown as they change: in the terminal, or in the notebook.
    on_progress:
        Called with a :class:`Progress` a few times a second.
    engine:
        A process with SCIP that is kept for a next design, with workers of its own; a new one by default.
    engine_options:
        How SCIP's tree works, for studies: ``relaxator`` (``lagrangian``, ``lp``, ``both``), ``branching`` (``ours`` or
        ``scip``), ``propagation`` and ``rows`` (``on``, ``off``), ``nodes`` (most of them), ``encoding`` (``sos2``, another id,
        ``native``).
        Unless it is the Lagrangian relaxator with our branching, the proof is SCIP's word.
    within:
        Lists every network whose objective is within this share of the optimum's: ``"0.5%"``, ``0.005`` or a fraction. The list
        is ``pool`` of the design, and its certificate says that no other network belongs into it.
    best:
        Lists so many best networks; with ``within``, of those within the tolerance.
    different:
        Lists only networks each of which differs from all before it: ``"channels:10%"``, channels of the stem or of a
        super-block by 10 % of the larger number, or ``"decisions:3"``, at least three decisions.
    most:
        Length at which a list ends in any case, a million by default.

    Raises
    ------
    SpecError
        For an option out of range, an unknown formulation, or a folder of another problem.
    """
    problem = given_problem(problem)
    scip = ScipOptions.of(engine_options)
    wanted = Wanted.of(within, best, different, most)
    if wanted is not None:
        for name, given in (
            ("formulation", formulation is not None), ("presolve", not presolve), ("engine_options", bool(engine_options)),
            ("resume", resume is not None), ("gap", gap > OPTIMAL_GAP),
        ):  # fmt: skip
            if given:
                raise not_of_a_list(name)
    chosen = _formulation(formulation or DEFAULT_FORMULATION, scip) if formulation or not presolve or engine_options else None
    earlier = None if resume is None else earlier_run(problem, Path(resume))
    used = engine or Engine(workers or processors())
    began = used.began if used.tabulated is problem else time.monotonic()
    try:
        used.prepare(problem)  # it gets ready while the tables are built here, unless it has been waiting for them
        tables = used.tabulate(problem)
        options = Options(
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            workers=used.workers,
            formulation=formulation or DEFAULT_FORMULATION,
            presolve=presolve,
            scip=scip,
        )
        if formulation is not None:
            options = replace(options, solver_columns=SOLVER_COLUMNS)
        missing = None if chosen is None else chosen.unsupported(tables)
        if missing is not None:
            if not presolve:
                raise SpecError("formulation", f"{options.formulation!r} cannot express {missing}", "leave the presolve on")
            options = replace(options, solver_columns=0)
        resumed = None if earlier is None else _resumed(tables, earlier)
        networks = tuple(other.architecture for other in near if other.architecture is not None)
        warm_start = WarmStart(networks, near[0].certificate.guide() if near else {})
        outcome = solve(tables, options, on_progress, resumed, warm_start, used)
        listed = None
        if wanted is not None and outcome.status == "optimal" and not outcome.interrupted:
            if engine is None:
                used.close()  # its memory
            listed = _listed(tables, wanted, outcome, used.workers, began, time_limit, on_progress)
    finally:
        if engine is None:
            used.close()
    architecture = None
    if outcome.best is not None:
        architecture = tables.architecture(outcome.best.position)
    section, pool = None, None
    if listed is not None:
        pool = Pool(problem, networks_text(problem, tables, listed.rows, listed.objectives))
        section = listed.to_plain() | {"networks_sha256": hashlib.sha256(pool.text).hexdigest()}
    return Design(
        problem=problem,
        status=outcome.status,
        architecture=architecture,
        bound=outcome.bound,
        certificate=Certificate.of(problem, tables, outcome, gap, section),
        wall_seconds=time.monotonic() - began,
        peak_rss_mb=outcome.peak_rss_mb,
        seed=seed,
        interrupted=outcome.interrupted,
        trace=tuple(outcome.trace),
        incidents=tuple(outcome.incidents),
        versions=installed_versions() | plugin_versions(),
        scip=None if outcome.tree is None else outcome.tree.to_dict(),
        listed=None if listed is None else listed.summary(),
        pool=pool,
    )


def _listed(
    tables: Tables,
    wanted: Wanted,
    outcome: Outcome,
    workers: int,
    began: float,
    time_limit: float | None,
    on_progress: Callable[[Progress], None] | None,
) -> Listed | None:
    """The list that goes on from an optimum; its tree takes the place of the outcome's, as it proves the optimum, too."""
    best = outcome.best
    assert best is not None

    def report(found: int, bound: float, open_nodes: int, closed: int) -> None:
        if on_progress is not None:
            seconds = time.monotonic() - began
            on_progress(Progress(seconds, "listing", best.objective, bound, None, open_nodes, closed, found))

    search = ListSearch(tables, wanted, best, workers, math.inf if time_limit is None else began + time_limit, report)
    listed = search.run()
    outcome.interrupted = search.interrupted
    if listed is None:
        outcome.incidents.append("stopped before anything was proved of the list; the optimum is proved")
        return None
    outcome.records, outcome.open, outcome.candidates = listed.records, listed.open, [best]
    return listed


def _formulation(name: str, scip: ScipOptions) -> Formulation:
    """The formulation that closes cells; it and that of SCIP's problem are known, and may prove something.

    Raises
    ------
    SpecError
        Otherwise.
    """
    from ..mip.formulation import formulation_named  # which imports SCIP, and by default only its own process needs that

    chosen = formulation_named(name)
    chosen.check_proves()
    formulation_named(f"minlp:{scip.encoding}")
    return chosen


def earlier_run(problem: Problem, folder: Path) -> Design:
    """The design of an earlier run of the same problem.

    Raises
    ------
    SpecError, CertificateError
        If the folder holds a run of another problem, or its files are not what a run wrote.
    """
    found = Design.load(folder)
    if found.problem.digest != problem.digest:
        raise SpecError("resume", f"{folder} holds a run of another problem", "resume with the same problem and overrides")
    data = found.certificate.data
    stated = data.get("sha256")
    stated = stated if isinstance(stated, dict) else {}
    for section in SECTIONS:
        if data.get("format") != FORMAT or section not in data or stated.get(section) != digest(data[section]):
            raise CertificateError(f"cannot resume from {folder}: the {section} of its certificate was changed")
    return found


def _resumed(tables: Tables, earlier: Design) -> Resumed | None:
    """What an earlier run proved; ``None`` where it had no design yet, so that there is nothing to go on from."""
    if earlier.architecture is None:
        return None
    from ..certificate.verification import restore

    records, nodes = restore(tables, earlier.certificate)
    designs = [Architecture.from_dict(c["architecture"]) for c in earlier.certificate.data["contenders"]]
    return Resumed(records, nodes, designs, earlier.certificate.claim["proves"] == "infeasibility")
