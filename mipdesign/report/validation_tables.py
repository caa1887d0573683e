"""The tables of a validation: theory against the torch module, what it does on this machine, and known networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..figures.tables import Column, Table, Value, columns, size_text

if TYPE_CHECKING:
    from ..nn.known_networks import KnownNetwork
    from ..nn.measurements import Measurements
    from ..nn.profiling import Prediction


class Checked(Protocol):
    """One figure as expected by the theory and as measured, from a run or from a file."""

    @property
    def name(self) -> str: ...
    @property
    def expected(self) -> int | float | Sequence[int] | None: ...
    @property
    def measured(self) -> int | float | Sequence[int] | None: ...
    @property
    def tolerance(self) -> float | None: ...
    @property
    def standard_error(self) -> float | None: ...
    @property
    def passed(self) -> bool: ...


def validation_table(checks: Sequence[Checked]) -> Table:
    """Every figure as expected by the theory and as measured in torch; ``s.e.`` is the standard error of what is sampled."""
    rows = tuple(
        (
            check.name,
            _shape_text(check.expected),
            _shape_text(check.measured),
            f"{check.standard_error or 0.0:.3g}" if check.tolerance else "",
            _deviation(check) if check.tolerance else "exact",
            "ok" if check.passed else "FAILED",
        )
        for check in checks
    )
    heads = columns("figure", "expected", "measured", "s.e.", "off by", "result", left=("figure", "result"))
    failed = frozenset(i for i, check in enumerate(checks) if not check.passed)
    return Table("Theory and torch module", heads, rows, marked=failed)


def _shape_text(figure: int | float | Sequence[int] | None) -> str:
    """A figure; a shape as its sizes."""
    if figure is None or isinstance(figure, int):
        return "-" if figure is None else str(figure)
    return f"{figure:.6g}" if isinstance(figure, float) else " x ".join(map(str, figure))


def _deviation(check: Checked) -> str:
    """How far a sampled figure is off, in standard errors."""
    expected, measured = check.expected, check.measured
    if not isinstance(expected, int | float) or not isinstance(measured, int | float) or not check.standard_error:
        return "-"
    return f"{(measured - expected) / check.standard_error:+.2f} s.e."


def prediction_table(prediction: Prediction) -> Table:
    """What a latency table predicts beside what the network takes, run as the table was measured."""
    heads = (
        Column("latency, measured as the table: " + prediction.how, "left"),
        *columns("batch"),
        *(Column(name, unit="ms", text=lambda us: f"{us / 1e3:.3f}") for name in ("predicted", "measured")),
        Column("error", unit="%", text=lambda error: f"{100 * error:+.1f}"),
    )
    row = (prediction.table, prediction.batch, prediction.predicted, prediction.measured, prediction.error)
    return Table("Latency, predicted and measured", heads, (row,))


def measurement_tables(
    measured: Measurements, known: Iterable[KnownNetwork], prediction: Prediction | None = None
) -> list[Table]:
    """What a network does on this machine, and the effectiveness of known networks; parts that were left out have no table."""
    memory = measured.memory
    figures = {
        "inference, peak": memory.inference,
        "training, kept for the backward pass": memory.kept,
        "training, peak with gradients": memory.training,
        "inference, allocated by CUDA": memory.allocated_inference,
        "training, allocated by CUDA": memory.allocated_training,
    }
    heads: tuple[Column, ...] = (
        Column(f"activation memory, batch {memory.batch}", "left"),
        Column("MB", text=lambda size: f"{size / 1e6:,.3f}"),
    )
    rows: tuple[tuple[Value, ...], ...] = tuple((name, size) for name, size in figures.items() if size is not None)
    tables = [Table("Activation memory", heads, rows)]
    if measured.latencies:
        heads = (
            Column("latency on", "left"),
            Column("mode", "left"),
            *(Column(heading, text=lambda count: size_text(count) or "-") for heading in ("threads", "batch", "runs")),
            Column("median", unit="ms", text=lambda seconds: f"{1e3 * seconds:.3f}"),
            Column("quartiles", unit="ms"),
        )
        rows = tuple(
            (
                *(run.device, run.mode, run.threads, run.batch, run.runs, run.median),
                f"{1e3 * run.lower:.3f} to {1e3 * run.upper:.3f}",
            )
            for run in measured.latencies
        )
        tables.append(Table("Latency", heads, rows))
    if prediction is not None:
        tables.append(prediction_table(prediction))
    if measured.gradients:
        heads = (
            *columns("gradient of", "parameters", left=("gradient of",)),
            Column("norm", text=lambda norm: f"{norm:.3g}"),
            Column("standard error", text=lambda error: f"{error:.2g}"),
            Column("relative", text=lambda norm: f"{norm:.3g}"),
        )
        rows = tuple((g.part, g.parameters, g.norm, g.standard_error, g.relative) for g in measured.gradients)
        tables.append(Table("Gradients at initialisation", heads, rows))
    heads = (
        Column("network", "left"),
        Column("layers", text=size_text),
        Column("mean width", text=lambda width: f"{width:.1f}"),
        *(Column(heading, text=lambda rho: f"{rho:.4f}") for heading in ("rho", "rho of a prefix")),
        *columns("params"),
    )
    rows = tuple(
        (
            *(f"> {network.name}" if network.given else network.name, network.layers, network.mean_width),
            *(network.effectiveness, network.prefix_effectiveness, network.params),
        )
        for network in known
    )
    return [*tables, Table("Known networks", heads, rows)]
