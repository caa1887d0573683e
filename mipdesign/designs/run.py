"""The public face of a design run: :func:`design` and what it returns."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..certificate.certificate import Certificate, claims, finite, restore, result_claims, stated_figures
from ..checker import FAILS, FORMAT, HOLDS, SECTIONS, Claim, digest
from ..errors import CertificateError, SpecError, short
from ..files import begins_with, read_bytes, read_text, write_whole, writing
from ..lattice.tables import Tables, build_tables
from ..mip.formulation import formulation_named
from ..networks.architecture import Architecture
from ..networks.evaluator import Evaluation
from ..parsing import load_json, validated
from ..plugins import plugin_versions
from ..problem.budgets import Budget
from ..problem.problem import Problem
from ..search.driver import OPTIMAL_GAP, Nearby, Options, Progress, Resumed, Status, relative_gap, solve
from ..search.warmup import is_warm, warm_up
from ..search.workers import Workers
from .stored import MAX_RESULT_BYTES, StoredProgress, StoredResult

if TYPE_CHECKING:
    import networkx

    from ..nn.module import DesignedNetwork

RESULT, CERTIFICATE, TRACE, PICTURE = "result.json", "certificate.json", "trace.csv", "convergence.png"
DEFAULT_FORMULATION = "lattice"
SOLVER_COLUMNS = 32
"""Columns up to which SCIP closes a cell, where a formulation is asked for."""
MAX_CERTIFICATE_BYTES, MOST_CERTIFICATE_BYTES = 64_000_000, 512_000_000
"""Largest ``certificate.json`` that is read, and the largest that begins as a run writes it: some million nodes."""
CERTIFICATE_BEGINS = f'{{"format":"{FORMAT}","problem":'.encode()
TRACE_COLUMNS = ("seconds", "phase", "incumbent", "bound", "gap", "open_nodes", "closed_nodes")
VERSIONED = ("mipdesign", "numpy", "pyscipopt", "networkx", "pydantic", "torch")


@dataclass(frozen=True)
class Design:
    """A network, and what was proved of it.

    Attributes
    ----------
    status:
        ``optimal`` (relative gap at most 1e-6 and checked exactly), ``feasible``, ``infeasible``, or ``unknown`` where a
        limit was reached before any design.
    architecture, evaluation:
        The network and its figures, or ``None``.
    objective, bound, gap:
        Its objective, a valid upper bound for every network of the problem, and their relative distance.
    certificate:
        What proves the bound.
    trace:
        Incumbent and bound over time.
    incidents:
        Failures of child processes that the run survived.
    """

    problem: Problem
    status: Status
    architecture: Architecture | None
    bound: float
    certificate: Certificate
    wall_seconds: float
    peak_rss_mb: float
    seed: int
    interrupted: bool = False
    trace: tuple[Progress, ...] = ()
    incidents: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """All figures of the network, in the problem's convention and objective."""
        return None if self.architecture is None else self.problem.evaluator(self.architecture).evaluation

    @property
    def objective(self) -> float | None:
        return None if self.evaluation is None else self.evaluation.objective

    @property
    def gap(self) -> float | None:
        """Relative gap, or ``None`` without a design or a bound."""
        if self.objective is None or math.isinf(self.bound):
            return None
        return relative_gap(self.bound, self.objective)

    @property
    def budgets(self) -> list[Budget]:
        """The budgets of the problem, each with the network's value."""
        return [] if self.architecture is None else self.problem.usage(self.architecture)

    def to_graph(self) -> networkx.DiGraph[str]:
        """The network as a graph, one node per operation."""
        from ..nn.graph import to_graph

        return to_graph(self._network())

    def to_module(self) -> DesignedNetwork:
        """The network as a ``torch.nn.Module``."""
        from ..nn.lowering import to_module

        return to_module(self.to_graph())

    def _network(self) -> Architecture:
        if self.architecture is None:
            raise SpecError("", f"the run ended '{self.status}' and has no network", "loosen a budget or raise the time limit")
        return self.architecture

    # ------------------------------------------------------------------ files

    def to_dict(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        data: dict[str, Any] = {
            "name": self.problem.name,
            "convention": self.problem.convention,
            "status": self.status,
            "objective": self.objective,
            "bound": finite(self.bound),
            "gap": self.gap,
            "architecture": None if self.architecture is None else self.architecture.to_dict(),
            **stated_figures(self.problem, self.architecture),
            "wall_seconds": self.wall_seconds,
            "peak_rss_mb": self.peak_rss_mb,
            "versions": self.versions,
            "seed": self.seed,
            "interrupted": self.interrupted,
            "incidents": list(self.incidents),
            "problem": self.problem.to_dict(),
            "certificate_sha256": digest(self.certificate.data),
        }
        data["sha256"] = digest(data)
        return data

    def save(self, folder: str | Path, picture: bool = True) -> None:
        """Writes ``result.json``, ``certificate.json``, ``trace.csv`` and, if wanted, where matplotlib is installed and the
        run was not interrupted, ``convergence.png``.
        """
        folder = Path(folder)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / CERTIFICATE, certificate_text(self.certificate.data).encode())
            write_whole(folder / RESULT, result_text(self.to_dict()).encode())
            write_whole(folder / TRACE, trace_csv(self.trace).encode())
        if self.interrupted or not picture:  # drawing takes longer than somebody who pressed Ctrl-C wants to wait
            return
        from ..figures.convergence import draw_convergence

        draw_convergence(self.trace, folder / PICTURE)

    @classmethod
    def load(cls, folder: str | Path) -> Design:
        """Reads what :meth:`save` wrote; use :meth:`checks` to see whether it is what a run wrote."""
        folder = Path(folder)
        result, data = read_files(folder)
        source = str(folder / RESULT)
        stated = validated(StoredResult, result, source)
        missing = math.inf if stated.status != "infeasible" else -math.inf
        return cls(
            problem=Problem.from_dict(stated.problem, f"{source}: problem"),
            status=stated.status,
            architecture=_architecture(stated.architecture, f"{source}: architecture"),
            bound=missing if stated.bound is None else stated.bound,
            certificate=Certificate(data),
            wall_seconds=stated.wall_seconds,
            peak_rss_mb=stated.peak_rss_mb,
            seed=stated.seed,
            interrupted=stated.interrupted,
            trace=read_trace(folder / TRACE),
            incidents=tuple(stated.incidents),
            versions=stated.versions,
        )

    def checks(
        self,
        resolve: bool = False,
        on_node: Callable[[int, int], None] = lambda done, total: None,
        *,
        quick: bool = False,
    ) -> list[Claim]:
        """Verifies the certificate; see :func:`mipdesign.certificate.certificate.claims`."""
        return list(claims(self.certificate, resolve=resolve, quick=quick, on_node=on_node))


def design(
    problem: Problem,
    *,
    time_limit: float | None = None,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    workers: int | Workers | None = None,
    formulation: str | None = None,
    presolve: bool = True,
    resume: str | Path | None = None,
    near: Sequence[Design] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> Design:
    """Finds the best network of a problem and proves that there is no better one.

    Parameters
    ----------
    time_limit:
        Seconds; the best design so far and a valid bound are returned when it is reached.
    gap:
        Relative gap at which to stop; up to 1e-6 the answer is exact.
    seed, workers:
        Seed of the heuristics and number of worker processes (one per processor by default), or workers that are kept for a
        next design. The answer depends on neither.
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
    on_progress:
        Called with a :class:`Progress` a few times a second.

    Raises
    ------
    SpecError
        For an option out of range, an unknown formulation, or a folder of another problem.
    """
    if not gap >= 0 or math.isinf(gap):
        raise SpecError("gap", f"{gap!r} is not a gap", "give a number from 0 up, for example 1e-6")
    if time_limit is not None and not time_limit > 0:
        raise SpecError("time_limit", f"{time_limit!r} is not a time", "give a positive number of seconds")
    kept = workers if isinstance(workers, Workers) else None
    count = None if isinstance(workers, Workers) else workers
    if count is not None and not 1 <= count <= 1024:
        raise SpecError("workers", f"{count!r} is out of range", "give a number from 1 to 1024")
    if seed < 0:
        raise SpecError("seed", f"{seed!r} is negative", "give a number from 0 up")
    name = formulation or DEFAULT_FORMULATION
    chosen = formulation_named(name)
    chosen.check_proves()
    earlier = None if resume is None else earlier_run(problem, Path(resume))
    if not is_warm():
        if on_progress is not None:
            on_progress(Progress(0.0, "compiling", None, math.inf, None, 0, 0))
        warm_up()
    began = time.monotonic()
    tables = build_tables(problem, None if kept is None else kept.tables)
    options = Options(time_limit=time_limit, gap=gap, seed=seed, workers=count, formulation=name, presolve=presolve)
    if formulation is not None:
        options = replace(options, solver_columns=SOLVER_COLUMNS)
    missing = chosen.unsupported(tables)
    if missing is not None:
        if not presolve:
            raise SpecError("formulation", f"{name!r} cannot express {missing}", "leave out --no-presolve")
        options = replace(options, solver_columns=0)
    resumed = None if earlier is None else _resumed(tables, earlier)
    networks = tuple(other.architecture for other in near if other.architecture is not None)
    nearby = Nearby(networks, near[0].certificate.guide() if near else {})
    outcome = solve(tables, options, on_progress, resumed, nearby, kept)
    architecture = None
    if outcome.best is not None:
        architecture = tables.architecture(outcome.best.position)
    return Design(
        problem=problem,
        status=outcome.status,
        architecture=architecture,
        bound=outcome.bound,
        certificate=Certificate.of(problem, tables, outcome, gap),
        wall_seconds=time.monotonic() - began,
        peak_rss_mb=outcome.peak_rss_mb,
        seed=seed,
        interrupted=outcome.interrupted,
        trace=tuple(outcome.trace),
        incidents=tuple(outcome.incidents),
        versions=installed_versions() | plugin_versions(),
    )


def earlier_run(problem: Problem, folder: Path) -> Design:
    """The design of an earlier run of the same problem.

    Raises
    ------
    SpecError, CertificateError
        If the folder holds a run of another problem, or its files are not what a run wrote.
    """
    found = Design.load(folder)
    if found.problem.digest != problem.digest:
        raise SpecError("--resume", f"{folder} holds a run of another problem", "resume with the same problem and overrides")
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
    records, nodes = restore(tables, earlier.certificate)
    designs = [Architecture.from_dict(c["architecture"]) for c in earlier.certificate.data["candidates"]]
    return Resumed(records, nodes, designs)


def read_files(folder: Path, *, finite: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """``result.json``, every field of the right type, and ``certificate.json`` of a folder as plain data.

    With ``finite`` false numbers of the certificate may be infinite or none: the checker says which claim has them.
    """
    if not os.path.isdir(folder):
        raise SpecError("", "is not a folder", "give the folder that 'design --out' wrote", str(folder))
    result, path = load_json(folder / RESULT, MAX_RESULT_BYTES), folder / CERTIFICATE
    if begins_with(path, CERTIFICATE_BEGINS):  # as a run writes it, and a long run's may be large
        certificate = load_json(path, MOST_CERTIFICATE_BYTES, finite=finite, most_memory=20 * MOST_CERTIFICATE_BYTES)
    else:
        certificate = load_json(path, MAX_CERTIFICATE_BYTES, finite=finite)
    for name, data in ((RESULT, result), (CERTIFICATE, certificate)):
        if not isinstance(data, dict):
            raise SpecError("", "is not a JSON object", "give the folder that 'design --out' wrote", str(folder / name))
    validated(StoredResult, result, str(folder / RESULT))
    return result, certificate


def verify_folder(
    folder: str | Path,
    resolve: bool = False,
    on_node: Callable[[int, int], None] = lambda done, total: None,
    *,
    quick: bool = False,
) -> Iterator[Claim]:
    """Verifies the files of a design run, claim by claim.

    Parameters
    ----------
    resolve, on_node, quick:
        Of :func:`mipdesign.certificate.certificate.claims`.

    Raises
    ------
    SpecError
        If the files cannot be read.
    """
    folder = Path(folder)
    result, data = read_files(folder, finite=False)
    for name, text in ((RESULT, result_text(result)), (CERTIFICATE, certificate_text(data))):
        same = text.encode() == read_bytes(folder / name, MOST_CERTIFICATE_BYTES)
        fault = "" if same else "its text is not that of its content"
        yield Claim(f"{name} is as it was written", HOLDS if same else FAILS, fault)
    yield from result_claims(result, Certificate(data))
    yield from claims(Certificate(data), resolve=resolve, quick=quick, on_node=on_node)


def result_text(data: dict[str, Any]) -> str:
    """Text of ``result.json``; the one way to write its content, so that any changed character shows."""
    return json.dumps(data, indent=1) + "\n"


def certificate_text(data: dict[str, Any]) -> str:
    """Text of ``certificate.json``; see :func:`result_text`."""
    return json.dumps(data, separators=(",", ":")) + "\n"


def trace_csv(trace: tuple[Progress, ...]) -> str:
    """The convergence trace as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    for p in trace:
        writer.writerow(
            (f"{p.seconds:.3f}", p.phase, _cell(p.incumbent), _cell(p.bound), _cell(p.gap), p.open_nodes, p.closed_nodes)
        )
    return out.getvalue()


def read_trace(path: Path) -> tuple[Progress, ...]:
    """Inverse of :func:`trace_csv`; empty where there is no such file.

    Raises
    ------
    SpecError
        With the file, the line, the column and its value.
    """
    if not os.path.lexists(path):
        return ()
    lines = csv.reader(io.StringIO(read_text(path, MAX_RESULT_BYTES), newline=""), strict=True)
    trace: list[Progress] = []
    try:
        if (header := next(lines, [])) != list(TRACE_COLUMNS):
            raise SpecError("", f"{short(header)} is not the header of a trace", f"write {','.join(TRACE_COLUMNS)}")
        for cells in lines:
            if len(cells) != len(TRACE_COLUMNS):
                raise SpecError("", f"has {len(cells)} columns", f"give {len(TRACE_COLUMNS)}")
            row = validated(StoredProgress, {name: cell or None for name, cell in zip(TRACE_COLUMNS, cells, strict=True)}, None)
            bound = math.inf if row.bound is None else row.bound
            trace.append(Progress(row.seconds, row.phase, row.incumbent, bound, row.gap, row.open_nodes, row.closed_nodes))
    except SpecError as error:
        raise error.at(f"{path}: line {lines.line_num}") from None
    except csv.Error as error:
        raise SpecError(f"line {lines.line_num}", f"not valid CSV ({error})", "remove the file", str(path)) from None
    return tuple(trace)


def installed_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    versions = {"python": platform.python_version()}
    for package in VERSIONED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cell(number: float | None) -> str:
    return "" if number is None or not math.isfinite(number) else repr(float(number))


def _architecture(data: Mapping[str, Any] | None, source: str) -> Architecture | None:
    return None if data is None else Architecture.from_dict(data, source)
