"""A design: a network, what was proved of it, and the folder in which a run leaves both."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import FLAG, PATH, arguments, callback
from ..certificate.certificate import Certificate, finite, stated_figures
from ..checker import MEMBERS, Claim, digest
from ..display import Displayed, Drawing
from ..errors import SpecError
from ..figures.formatting import percent, points
from ..files import write_together, writing
from ..frames import data_frame
from ..networks.architecture import Architecture
from ..networks.evaluation import Evaluation
from ..problem.budgets import Budget
from ..problem.problem import Problem
from ..search.incumbents import relative_gap
from ..search.outcome import Progress, Status
from .certificate_file import CERTIFICATE, certificate_text, read_certificate
from .pool import Pool
from .result import RESULT, StoredResult, checked_result, load_result, result_text
from .trace import TRACE, read_trace, trace_text

if TYPE_CHECKING:
    import networkx
    import pandas
    from matplotlib.axes import Axes

    from ..nn.module import DesignedNetwork

CONVERGENCE_PLOT = "convergence.png"


@dataclass(frozen=True)
class DesignFiles:
    """The files of a design's folder, every field of the right type; whether they agree is not decided.

    Attributes
    ----------
    result, result_data:
        The content of ``result.json``, and the same as it is written.
    certificate:
        The content of ``certificate.json``.
    """

    folder: Path
    result: StoredResult
    result_data: dict[str, Any]
    certificate: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, *, finite: bool = True, certificate: dict[str, Any] | None = None) -> DesignFiles:
        """Reads a folder.

        Parameters
        ----------
        finite:
            Of :func:`read_certificate`.
        certificate:
            The content of the certificate, where it has been read.

        Raises
        ------
        SpecError
            If a file is missing, or not what its name says.
        """
        if not os.path.isdir(folder):
            raise SpecError("", "is not a folder", "give the folder of a design", str(folder))
        data = load_result(folder / RESULT)
        if certificate is None:
            certificate = read_certificate(folder / CERTIFICATE, finite=finite)  # that one is missing says more than a field
        return cls(folder, checked_result(data, folder / RESULT), data, certificate)


@dataclass(frozen=True)
class Design(Displayed):
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
        Failures of SCIP's process that the run survived.
    scip:
        What SCIP's tree was, as ``result.json`` says it; ``None`` where SCIP had none.
    listed:
        Where a list was asked for, what it is: ``within``, ``best``, ``different``, ``threshold``, ``count``, whether it is
        ``complete``, and the ``bound`` of what an incomplete one may lack, as ``result.json`` says it.
    pool:
        The networks of the list, best first.
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
    scip: dict[str, Any] | None = None
    listed: dict[str, Any] | None = None
    pool: Pool | None = None

    def __repr__(self) -> str:
        proof = f"bound {points(self.bound)}, gap {percent(self.gap)}"
        return f"<Design of {self.problem.name!r}: {self.status}, objective {points(self.objective)}, {proof}>"

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

    def to_frame(self) -> pandas.DataFrame:
        """The operations of the network in order, one row each: where it stands, its shapes, parameters and MACs.

        ``stage`` and ``block`` are -1 outside of the super-blocks. Needs pandas, the extra ``frames``.
        """
        from ..nn.graph import layers

        return data_frame(layers(self.to_graph()))

    @arguments()
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draws incumbent and bound over time with matplotlib, on new axes or on those given, and returns the axes.

        Raises
        ------
        SpecError
            If the run left neither.
        MissingExtraError
            If matplotlib is not installed.
        """
        from ..figures.axes import plot_chart
        from ..figures.convergence import plot_title, values_chart

        chart = values_chart(self.trace)
        if chart is None:
            raise SpecError("", "the run left no incumbent and no bound over time", "plot a design whose run found something")
        return plot_chart(chart, ax, plot_title(self.trace, chart))

    def draw(self, width: int = 700) -> Drawing:
        """The network to scale, as :meth:`mipdesign.Architecture.draw` draws it."""
        return self._network().draw(width)

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
            "scip": self.scip,
        }
        if self.listed is not None:
            data["pool"] = self.listed
        data["sha256"] = digest(data)
        return data

    @arguments(folder=PATH, picture=FLAG)
    def save(self, folder: str | Path, picture: bool = True) -> None:
        """Writes ``result.json``, ``certificate.json``, ``trace.csv``, for a list ``networks.csv`` and, if wanted, where
        matplotlib is installed and the run was not interrupted, ``convergence.png``.
        """
        folder = Path(folder)
        with writing(folder, "folder"):
            folder.mkdir(parents=True, exist_ok=True)
            contents = {
                folder / CERTIFICATE: certificate_text(self.certificate.data).encode(),
                folder / RESULT: result_text(self.to_dict()).encode(),
                folder / TRACE: trace_text(self.trace).encode(),
            }
            write_together(contents | ({} if self.pool is None else {folder / MEMBERS: self.pool.text}))
            if self.pool is None:
                (folder / MEMBERS).unlink(missing_ok=True)  # that of an earlier run
        if self.interrupted or not picture:  # drawing takes longer than somebody who pressed Ctrl-C wants to wait
            return
        from ..figures.convergence import draw_convergence

        draw_convergence(self.trace, folder / CONVERGENCE_PLOT)

    @classmethod
    @arguments(folder=PATH)
    def load(cls, folder: str | Path) -> Design:
        """Reads what :meth:`save` wrote; use :meth:`checks` to see whether it is what a run wrote."""
        return cls.of_files(DesignFiles.read(Path(folder)))

    @classmethod
    def of_files(cls, files: DesignFiles) -> Design:
        """The design that the files of a folder state.

        Raises
        ------
        SpecError
            If problem, architecture or trace are not what their fields say.
        """
        stated, source = files.result, files.folder / RESULT
        missing = math.inf if stated.status != "infeasible" else -math.inf
        problem = Problem.from_dict(stated.problem, f"{source}: problem")
        return cls(
            problem=problem,
            status=stated.status,
            architecture=stated.network(f"{source}: architecture"),
            bound=missing if stated.bound is None else stated.bound,
            certificate=Certificate(files.certificate),
            wall_seconds=stated.wall_seconds,
            peak_rss_mb=stated.peak_rss_mb,
            seed=stated.seed,
            interrupted=stated.interrupted,
            trace=read_trace(files.folder / TRACE),
            incidents=tuple(stated.incidents),
            versions=stated.versions,
            scip=None if stated.scip is None else stated.scip.model_dump(),
            listed=None if stated.pool is None else stated.pool.model_dump(),
            pool=None if stated.pool is None else Pool.read(problem, files.folder),
        )

    @arguments(resolve=FLAG, on_node=callback, quick=FLAG)
    def checks(
        self,
        resolve: bool = False,
        on_node: Callable[[int, int], None] = lambda done, total: None,
        *,
        quick: bool = False,
    ) -> list[Claim]:
        """Verifies the certificate; see :func:`mipdesign.certificate.verification.claims`."""
        from ..certificate.verification import claims

        return list(claims(self.certificate, resolve=resolve, quick=quick, on_node=on_node))
