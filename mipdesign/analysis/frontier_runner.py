"""Solving a frontier: side by side on the cores of this machine, or on the workers of a Dask cluster.

The points are solved from the loosest limits on. Each search begins with the optima of its neighbours, and the processes with
SCIP are kept from one point to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import FLAG, PATH, RUN, TEXT, arguments, callback, optional
from ..designs.design import Design
from ..designs.run import RULE, design
from ..display import showing
from ..engine.engine import Engine, begin_copies
from ..errors import SpecError, short
from ..lattice.tables import Tables
from ..machine import processors
from ..plugins import Shipment, receive, shipment
from ..problem.given import ProblemLike, given_problem
from ..problem.problem import Problem
from ..search.cluster import connected
from ..search.coverage import build_tables
from ..search.differences import Difference
from ..search.incumbents import OPTIMAL_GAP
from ..search.listing import Wanted, not_of_a_list
from ..search.outcome import Progress
from .frontier import Plan, Solved, Store
from .frontier_file import Frontier
from .shadow_prices import shadow_prices
from .sweep import Sweep

if TYPE_CHECKING:
    from distributed import Client

WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class Settings:
    """How each point is solved; as of :func:`mipdesign.design`."""

    time_limit: float | None
    gap: float
    seed: int
    wanted: Wanted | None = None


OnPoint = Callable[[int, Progress], None]
"""Told where the search of a point stands."""
OnFrontier = Callable[[Frontier], None]
"""Told of the frontier whenever a point has been solved."""


def solve_point(
    problem: Problem,
    near: Sequence[Design],
    settings: Settings,
    resume: Path | None = None,
    engine: Engine | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Solved:
    """Designs one point, and prices it."""
    lists = {} if settings.wanted is None else vars(settings.wanted)
    found = design(
        problem,
        time_limit=settings.time_limit,
        gap=settings.gap,
        seed=settings.seed,
        workers=1,  # of an engine that is made here; others have their own
        resume=resume,
        near=near,
        on_progress=on_progress,
        engine=engine,
        **lists,
    )
    tables = build_tables(problem) if engine is None or engine.tables is None else engine.tables  # those that the design had
    return Solved(found, price_point(tables, found.objective))


def price_point(tables: Tables, objective: float | None) -> dict[str, float]:
    """Prices of a point's limits, none where it has no network."""
    return {} if objective is None else shadow_prices(tables, objective)


class LocalRunner:
    """Threads that solve points side by side, each with an engine that is kept from point to point.

    The first point is solved alone, with all workers, since all others begin with what is known of it; later on the workers are
    divided among the points, and those that are left without one help with another.

    Parameters
    ----------
    points:
        How many points may be solved side by side.
    workers:
        How many workers there are in all: threads that expand nodes.
    first:
        A problem whose tables the engines have from the beginning, as copies of this process; each begins as a new process
        without it.
    """

    def __init__(self, points: int, workers: int, on_point: OnPoint, first: Problem | None = None) -> None:
        self.on_point, self.stopping, self.workers = on_point, threading.Event(), workers
        self.free = [Engine(0, copied=first is not None, several=True) for _ in range(points)]
        self.engines = tuple(self.free)
        if first is not None:
            begin_copies(self.engines, first)
        self.taken: dict[Future[Solved], Engine] = {}
        self.executor = ThreadPoolExecutor(points)

    def room(self, begun: bool) -> int:
        """How many points may be solved side by side once a first one has been, or before."""
        return len(self.engines) if begun else 1

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self.executor.shutdown(cancel_futures=True)
        for engine in self.engines:
            engine.close()

    @property
    def idle(self) -> int:
        """Workers that no point has."""
        return self.workers - sum(engine.workers for engine in self.taken.values())

    def divide(self, points: int) -> None:
        """Divides the workers that are idle among so many points that are about to be submitted."""
        idle = self.idle
        for n, engine in enumerate(self.free):
            engine.workers = 0 if n >= points else idle // points + (n < idle % points)

    def submit(
        self, index: int, problem: Problem, near: Sequence[Design], settings: Settings, resume: Path | None
    ) -> Future[Solved]:
        """Starts the search of a point."""
        engine = self.free.pop(0)
        engine.tables = engine.tables or next((other.tables for other in self.engines if other.tables is not None), None)
        future = self.executor.submit(self._solve, index, problem, near, settings, resume, engine)
        self.taken[future] = engine
        return future

    def end(self, future: Future[Solved]) -> None:
        """Frees what a point has taken."""
        engine = self.taken.pop(future)
        engine.workers = 0
        self.free.append(engine)

    def help(self) -> None:
        """Has idle workers help with the points that are being solved."""
        taken = list(self.taken.values())
        for n in range(self.idle if taken else 0):
            engine = taken[n % len(taken)]
            engine.workers += 1
            engine.help(1)

    def _solve(
        self, index: int, problem: Problem, near: Sequence[Design], settings: Settings, resume: Path | None, engine: Engine
    ) -> Solved:
        def watch(progress: Progress) -> None:
            if self.stopping.is_set():  # an interrupted list would still be proved, for nobody
                raise CancelledError if progress.phase == "listing" else KeyboardInterrupt
            self.on_point(index, progress)

        return solve_point(problem, near, settings, resume, engine, watch)


class ClusterRunner:
    """The workers of a Dask cluster; each thread of theirs solves one point at a time."""

    def __init__(self, client: Client) -> None:
        self.threads: int = max(1, sum(client.nthreads().values()))
        self.executor = client.get_executor(pure=False)

    def room(self, begun: bool) -> int:
        """How many points may be solved side by side: nobody could help with a first one."""
        return self.threads

    def divide(self, points: int) -> None:
        """Nothing is shared here."""

    def end(self, future: Future[Solved]) -> None:
        """Nothing was taken."""

    def help(self) -> None:
        """Workers of a cluster do not help one another."""

    def submit(
        self, index: int, problem: Problem, near: Sequence[Design], settings: Settings, resume: Path | None
    ) -> Future[Solved]:
        """Starts the search of a point; a point that was cut off before begins anew, since its files are not on the cluster."""
        future: Future[Solved] = self.executor.submit(_solve_elsewhere, shipment(), problem, near, settings)
        return future


def _solve_elsewhere(shipped: Shipment, problem: Problem, near: Sequence[Design], settings: Settings) -> Solved:
    """:func:`solve_point` in a process that has not registered what the one that asks has."""
    receive(shipped)
    return solve_point(problem, near, settings)


@contextmanager
def _runner(
    scheduler: str | None, workers: int, points: int, on_point: OnPoint, first: Problem | None
) -> Iterator[LocalRunner | ClusterRunner]:
    if scheduler is None:
        with LocalRunner(min(workers, points), workers, on_point, first) as local:
            yield local
    else:
        with connected(scheduler, "a frontier on a cluster") as client:
            yield ClusterRunner(client)


@arguments(
    folder=optional(PATH),
    **{name: check for name, check in RUN.items() if name != "on_progress"},
    scheduler=optional(TEXT),
    on_frontier=optional(callback),
    on_point=optional(callback),
    copied=FLAG,
    different=RULE,
    overwrite=FLAG,
)
@showing("FrontierDisplay", on_frontier="solved", on_point="update")
def pareto(
    problem: ProblemLike,
    sweeps: Sequence[Sweep | str] | Sweep | str,
    folder: str | Path | None = None,
    *,
    time_limit: float | None = None,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = False,
    on_frontier: OnFrontier | None = None,
    on_point: OnPoint | None = None,
    copied: bool = False,
    within: str | float | Fraction | None = None,
    best: int | None = None,
    different: str | Difference | None = None,
    most: int | None = None,
    overwrite: bool = False,
) -> Frontier:
    """The proven optima of a problem along one or two of its limits.

    Parameters
    ----------
    problem:
        A problem, a preset's name, the path of a specification, or its content as a mapping.
    sweeps:
        One or two sweeps, or their texts: ``budgets.flops=0.5e9:4e9:8``.
    folder:
        Where every point is kept as soon as it is solved, with its certificate; a run that was cut off goes on there.
    time_limit:
        Seconds for each point.
    gap, seed:
        Of :func:`mipdesign.design`.
    workers:
        Processors to use; all by default. On a cluster, one per point.
    scheduler:
        Address of a Dask scheduler whose workers solve the points, in place of this machine's cores.
    progress:
        Whether points that are solved, and the searches under way, are shown: in the terminal, or in the notebook.
    on_frontier, on_point:
        Told of the frontier when a point is solved, and of each search a few times a second (not on a cluster).
    copied:
        Whether the processes that solve points may begin as copies of this one, as of
        :class:`mipdesign.engine.engine.Engine`.
    within, best, different, most:
        Networks to be listed at every point, as of :func:`mipdesign.design`. A complete list whose networks all keep tighter
        limits is the list within these, too.
    overwrite:
        Whether a frontier or a design that the folder holds is removed first, rather than continued or refused.

    Raises
    ------
    SpecError
        For sweeps or options that cannot be used, or a folder of another frontier.
    """
    wanted = Wanted.of(within, best, different, most)
    if wanted is not None and gap > OPTIMAL_GAP:
        raise not_of_a_list("gap")
    plan = Plan(given_problem(problem), _given_sweeps(sweeps), wanted)
    store = None if folder is None else Store(Path(folder), plan, seed, overwrite)
    settings = Settings(time_limit, gap, seed, wanted)
    told = on_frontier or (lambda frontier: None)
    missing = [i for i in plan.order if i not in plan.solved]
    if missing:
        first = plan.points[missing[0]][1] if copied else None
        watched = on_point or (lambda index, progress: None)
        with _runner(scheduler, workers or processors(), len(missing), watched, first) as runner:
            _solve_all(plan, missing, runner, store, settings, told)
    frontier = plan.frontier(seed)
    try:
        if store is not None:
            store.write(frontier)
    finally:
        told(frontier)
    return frontier


def _given_sweeps(sweeps: Sequence[Sweep | str] | Sweep | str) -> list[Sweep]:
    """Sweeps and their texts as sweeps; one alone is a list of one."""
    listed = [sweeps] if isinstance(sweeps, (Sweep, str)) else sweeps
    if not isinstance(listed, Sequence):
        raise SpecError("sweeps", f"{short(sweeps)} is not a list", "give for example ['budgets.flops=0.5e9:4e9:8']")
    return [sweep if isinstance(sweep, Sweep) else Sweep.parse(sweep) for sweep in listed]


def _solve_all(
    plan: Plan,
    missing: list[int],
    runner: LocalRunner | ClusterRunner,
    store: Store | None,
    settings: Settings,
    told: OnFrontier,
) -> None:
    """Solves what is missing, the loosest limits first."""
    running: dict[Future[Solved], int] = {}
    tables: Tables | None = None

    def keep(index: int, solved: Solved) -> None:
        if solved.design is not None and solved.design.interrupted:
            return
        plan.solved[index] = solved
        try:
            if store is not None:
                store.add(index, solved)
        finally:  # what cannot be written is told all the same
            told(plan.frontier(settings.seed))

    while missing or running:
        runner.divide(min(len(missing), runner.room(bool(plan.solved)) - len(running)))
        while missing and len(running) < runner.room(bool(plan.solved)):
            index = missing.pop(0)
            problem = plan.points[index][1]
            proof = plan.proof(index)
            if proof is not None:
                known, tables = plan.solved[proof].design, build_tables(problem, tables)
                keep(index, Solved(None, price_point(tables, None if known is None else known.objective)))
                continue
            resume = None if store is None else store.unfinished(index)
            near = plan.near(index)
            if settings.wanted is not None and resume is not None:  # a list begins anew, with the network that is known
                near, resume = [Design.load(resume), *near], None
            running[runner.submit(index, problem, near, settings, resume)] = index
        runner.help()
        done, _ = wait(running, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            runner.end(future)
            keep(running.pop(future), future.result())
