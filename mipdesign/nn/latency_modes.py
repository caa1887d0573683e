"""Operations and whole networks in each mode, and the time that they take. Importing this file needs torch.

``eager`` operations are called one by one on copies of weights and input that no cache holds together: in a whole network an
operation finds neither there. In every other mode two graphs hold a few copies of an operation, and more of them; what the
longer one takes longer is the time of the copies that it has more, without that of a call, and in a CUDA graph without
launches. What takes so long that all that is nothing is timed alone.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from ..networks.architecture import Architecture
from ..networks.blocks import Operation
from ..networks.latency import Row
from .block import ACTIVATIONS, MODULES
from .graph import input_shape, to_graph
from .latency_plan import operation_of
from .latency_settings import Settings, running_as
from .lowering import to_module
from .timing import WARM_UPS, captured, cpu_seconds, cuda_seconds, timed

CACHE_NUMBERS, MOST_COPIES, MANY_MACS = 2**24, 64, 2**29
"""Numbers (of four bytes) that a cache surely does not hold; most copies of one operation's operands; and multiply-accumulates
beside which the time of a call is nothing."""
FEW, MORE = 2, 8
"""Copies in the shorter graph, and most that the longer one has beside them."""
LEAST_PAIRS, FEWEST_PAIRS, PATIENCE = 7, 3, 0.5
"""Pairs of runs at least, and where those take longer than so many seconds."""

Run = Callable[[], object]


def microseconds(row: Row, settings: Settings) -> float:
    """How long the operation of a row takes."""
    with running_as(settings):
        if settings.mode == "eager":
            return _eager(row, settings)
        op = operation_of(row)
        more = min(MORE, max(1, CACHE_NUMBERS // max(op.params, 1)), MANY_MACS // max(row.batch * op.macs, 1))
        counts = (FEW, FEW + more) if more else (0, 1)
        if settings.mode == "onnxruntime":
            from .onnx_operations import copies_in_onnx

            runs = [session_run(copies_in_onnx(row, n), settings.threads) if n else nothing for n in counts]
        else:
            runs = [_copies_in_torch(row, n, settings) if n else nothing for n in counts]
        return float(difference(runs[0], runs[1], settings) / max(1, more) * 1e6)


def network_microseconds(architecture: Architecture, settings: Settings, batch: int = 1) -> float:
    """How long a whole network takes: the median of its runs."""
    with running_as(settings):
        run = network_run(architecture, settings, batch)
        if settings.device == "cpu":
            run()
            timer = Timer("run()", globals={"run": run}, num_threads=settings.threads)
            return float(timer.blocked_autorange(min_run_time=settings.seconds).median) * 1e6
        return median(timed(run, settings.seconds, cuda=True)) * 1e6


def network_run(architecture: Architecture, settings: Settings, batch: int) -> Run:
    """What runs a batch through a network once, in the settings' mode."""
    with torch.inference_mode(False):  # weights of inference mode cannot be traced for a file
        network = to_module(to_graph(architecture)).eval()
        if settings.mode == "onnxruntime":
            from .exports import onnx_bytes

            return session_run(onnx_bytes(network), settings.threads, batch)
    picture = _maps((batch, *input_shape(architecture)), settings)
    return _in_mode(_placed(network, settings), [picture], settings)


def nothing() -> None:
    """The run of no copies."""


def difference(few: Run, many: Run, settings: Settings) -> float:
    """Seconds that one run takes longer than another: the median over pairs of runs, after a warm-up; 0 at least."""
    seconds = cuda_seconds if settings.device == "cuda" else cpu_seconds
    for run in (few, many) * WARM_UPS:
        run()
    begun, longer, elapsed = time.perf_counter(), list[float](), 0.0
    while elapsed < settings.seconds or len(longer) < (LEAST_PAIRS if elapsed < PATIENCE else FEWEST_PAIRS):
        longer.append(seconds(many) - seconds(few))
        elapsed = time.perf_counter() - begun
    return max(0.0, median(longer))


# ------------------------------------------------------------------------------------------------------------------- torch


class Copies(nn.Module):
    """Copies of an operation side by side, each with weights and maps of its own."""

    def __init__(self, op: Operation, copies: int) -> None:
        super().__init__()
        self.copies = nn.ModuleList(module_of(op) for _ in range(copies))

    def forward(self, *maps: Tensor) -> list[Tensor]:
        return [copy(*(of_all[n] for of_all in maps)) for n, copy in enumerate(self.copies)]


def module_of(op: Operation) -> nn.Module:
    """The module of an operation; of a fused one those of its parts, one after the other."""
    parts: list[nn.Module] = [MODULES[op.kind](op)]
    for kind in op.fused.split("+")[1:]:
        parts.append(nn.BatchNorm2d(op.out_channels) if kind == "norm" else ACTIVATIONS[kind]())
    return parts[0] if len(parts) == 1 else nn.Sequential(*parts)


def shapes_of(row: Row) -> list[tuple[int, ...]]:
    """Shapes of what an operation reads."""
    op = operation_of(row)
    size = 1 if op.kind == "linear" else row.resolution
    shapes: list[tuple[int, ...]] = [(row.batch, row.in_channels, size, size)] * (2 if op.kind == "add" else 1)
    return [*shapes, (row.batch, row.in_channels, 1, 1)] if op.kind == "scale" else shapes


def _copies_in_torch(row: Row, copies: int, settings: Settings) -> Run:
    module = _placed(Copies(operation_of(row), copies).eval(), settings)
    return _in_mode(module, [_maps((copies, *shape), settings) for shape in shapes_of(row)], settings)


def _in_mode(module: nn.Module, maps: list[Tensor], settings: Settings) -> Run:
    """What runs a module once."""
    called: Callable[..., object] = module
    if settings.mode == "compile":
        torch._dynamo.reset()  # operations share the code of Copies, and only so many versions of one code are compiled
        called = torch.compile(module, fullgraph=True, dynamic=False)

    def run() -> object:
        return called(*maps)

    return captured(run) if settings.device == "cuda" and settings.mode != "eager" else run


def _dtype(settings: Settings) -> torch.dtype:
    found: torch.dtype = getattr(torch, "float32" if settings.dtype == "tf32" else settings.dtype)
    return found


def _placed(module: nn.Module, settings: Settings) -> nn.Module:
    """A module on the settings' device, in their type and memory format."""
    placed = module.to(settings.device, _dtype(settings))
    is_last = settings.memory_format == "channels_last"
    return placed.to(memory_format=torch.channels_last) if is_last else placed  # type: ignore[call-overload]


def _maps(shape: tuple[int, ...], settings: Settings) -> Tensor:
    """Random maps, ``(..., C, H, W)``."""
    if settings.memory_format == "channels_last":
        *before, c, h, w = shape
        return torch.randn(*before, h, w, c, device=settings.device, dtype=_dtype(settings)).movedim(-1, -3)
    return torch.randn(shape, device=settings.device, dtype=_dtype(settings))


def _eager(row: Row, settings: Settings) -> float:
    """Calls one by one, of copies in turn."""
    op, shapes = operation_of(row), shapes_of(row)
    weights = _copies(op.params)
    modules = [_placed(module_of(op), settings).eval() for _ in range(weights)]
    maps = [[_maps(shape, settings) for shape in shapes] for _ in range(_copies(sum(map(math.prod, shapes))))]
    calls = itertools.cycle(zip(itertools.cycle(modules), maps * weights, strict=False))
    for module in modules:
        module(*maps[0])
    stmt = "module, inputs = next(calls)\nmodule(*inputs)"
    timer = Timer(stmt, globals={"calls": calls}, num_threads=settings.threads)
    return float(timer.blocked_autorange(min_run_time=settings.seconds).median) * 1e6


def _copies(numbers: int) -> int:
    """How many copies of operands it takes that a cache does not hold them all."""
    return max(1, min(MOST_COPIES, CACHE_NUMBERS // max(numbers, 1)))


# ------------------------------------------------------------------------------------------------------------- onnxruntime


def session_run(model: bytes, threads: int, batch: int = 1) -> Run:
    """What runs an ONNX file once in onnxruntime on the CPU, with random input, all optimisations, and output in place."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding, rng = session.io_binding(), np.random.default_rng(0)
    values = list[Any]()  # a binding points into their memory, and not all versions keep them

    def value(shape: Sequence[Any]) -> Any:
        sizes = [size if isinstance(size, int) else batch for size in shape]  # the only size without a number is the batch
        values.append(onnxruntime.OrtValue.ortvalue_from_numpy(rng.standard_normal(sizes).astype(np.float32)))
        return values[-1]

    for given in session.get_inputs():
        binding.bind_ortvalue_input(given.name, value(given.shape))
    for made in session.get_outputs():
        binding.bind_ortvalue_output(made.name, value(made.shape))

    def run(held: list[Any] = values) -> None:
        session.run_with_iobinding(binding)

    return run
