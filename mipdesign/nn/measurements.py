"""What a network's torch module does on a machine: peak activation memory, latency, gradients at initialisation.

The theory says nothing of these, so none of them can fail: they are measured and shown. ``docs/validation.md`` says what each
of them means, and what it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, require
from ..networks.architecture import Architecture
from .graph import Shape, input_shape, to_graph
from .lowering import to_module
from .timing import captured, timed

if TYPE_CHECKING:
    from .module import DesignedNetwork

GRADIENT_DRAWS = 3
"""Independent draws of weights and pictures, from which the standard error of a gradient's norm is taken."""


@dataclass(frozen=True)
class Memory:
    """Bytes of the maps of a batch in float32, weights aside; see :mod:`mipdesign.nn.memory`.

    Attributes
    ----------
    inference:
        Most that live together in a forward pass.
    kept:
        What a forward pass in training leaves for the backward pass.
    training:
        Most that live together in both passes, gradients of the weights included.
    allocated_inference, allocated_training:
        The same peaks by the allocator of a CUDA device, work space included; ``None`` on a CPU.
    """

    batch: int
    inference: int
    kept: int
    training: int
    allocated_inference: int | None = None
    allocated_training: int | None = None


@dataclass(frozen=True)
class Latency:
    """Seconds of a forward pass of one batch: quartiles over ``runs`` runs after a warm-up.

    Attributes
    ----------
    device:
        ``cpu``, or the name of the CUDA device.
    mode:
        ``eager``; on a CUDA device also ``graph``, the same kernels replayed. There ``eager`` is the interpreter's time
        if that is longer than the device's.
    threads:
        Threads of torch; ``None`` on a CUDA device.
    """

    device: str
    mode: str
    threads: int | None
    batch: int
    runs: int
    lower: float
    median: float
    upper: float


@dataclass(frozen=True)
class Gradient:
    """Euclidean norm of the gradient of the loss in the parameters of one part, at initialisation.

    Attributes
    ----------
    norm, standard_error:
        Mean over the draws and its standard error.
    relative:
        Mean of the norm divided by that of the parameters: how far a step of a given rate turns them.
    """

    part: str
    parameters: int
    norm: float
    standard_error: float
    relative: float


@dataclass(frozen=True)
class Measurements:
    """What :func:`measurements` measured; latencies and gradients are empty where they were left out."""

    memory: Memory
    latencies: tuple[Latency, ...]
    gradients: tuple[Gradient, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def measurements(
    architecture: Architecture, *, batch: int = 1, threads: int = 1, seconds: float = 1.0, seed: int = 0, quick: bool = False
) -> Measurements:
    """Measures a network on the CPU, and on CUDA where torch sees a device.

    Parameters
    ----------
    batch:
        Pictures at a time, for memory and latency. Gradients take at least 8, which normalisations need.
    threads:
        Threads of torch on the CPU.
    seconds:
        Time spent on each latency, at least.
    seed:
        Of weights and pictures.
    quick:
        Leaves out latencies and gradients, which run the whole network.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    SpecError
        If an option is out of range.
    """
    require("torch", "torch", "validation")
    _check(batch, threads, seconds, seed)
    memory = peak_memory(architecture, batch)
    if quick:
        return Measurements(memory, (), ())
    with _threads(threads):
        return Measurements(
            memory, latencies(architecture, batch, threads, seconds, seed), gradients(architecture, batch, seed)
        )


def _check(batch: int, threads: int, seconds: float, seed: int) -> None:
    if not 1 <= batch <= 65536:
        raise SpecError("batch", f"{batch} is out of range", "give a number from 1 to 65536")
    if not 1 <= threads <= 1024:
        raise SpecError("threads", f"{threads} is out of range", "give a number from 1 to 1024")
    if not 0 < seconds <= 600:
        raise SpecError("seconds", f"{seconds} is out of range", "give a number above 0 and up to 600")
    if not 0 <= seed < 2**63:
        raise SpecError("seed", f"{seed}", "use an integer from 0 to 2^63 - 1")


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """That many threads of torch, and those from before in the end."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's generators from a seed, and as they were before in the end."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def shape_of(architecture: Architecture, batch: int) -> Shape:
    """Shape of a batch of pictures, or of videos."""
    return batch, *input_shape(architecture)


# ------------------------------------------------------------------------------------------------------------------ memory


def peak_memory(architecture: Architecture, batch: int) -> Memory:
    """Activation memory, by counting on torch's ``meta`` device, and by the allocator of a CUDA device if there is one."""
    import torch

    from .memory import inference_bytes, training_bytes
    from .tracing import meta_network

    graph, shape = to_graph(architecture), shape_of(architecture, batch)
    counted = inference_bytes(meta_network(graph), shape), *training_bytes(meta_network(graph), shape)
    if not torch.cuda.is_available():
        return Memory(batch, *counted)
    network = to_module(graph).cuda()
    inference = _allocated(lambda: inference_bytes(network, shape))
    return Memory(batch, *counted, inference, _allocated(lambda: training_bytes(network, shape)))


def _allocated(run: Callable[[], object]) -> int:
    """Most bytes that a CUDA device's allocator gave out beyond what was there before."""
    import torch

    run()  # what libraries allocate once is not the network's
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


# ----------------------------------------------------------------------------------------------------------------- latency


def latencies(architecture: Architecture, batch: int, threads: int, seconds: float, seed: int) -> tuple[Latency, ...]:
    """Latency in inference mode on the CPU, and on CUDA where torch sees a device, there as a graph too; float32, on CUDA with
    TF32 as torch is set, weights as initialised."""
    import torch

    with _seeded(seed):
        network = to_module(to_graph(architecture)).eval()
        pictures = torch.randn(shape_of(architecture, batch))
    with torch.inference_mode():
        found = [quartiles(timed(lambda: network(pictures), seconds), "cpu", "eager", threads, batch)]
        if torch.cuda.is_available():
            network, pictures = network.cuda(), pictures.cuda()
            eager = lambda: network(pictures)  # noqa: E731
            for mode, run in {"eager": eager, "graph": captured(eager)}.items():
                times = timed(run, seconds, cuda=True)
                found.append(quartiles(times, torch.cuda.get_device_name(), mode, None, batch))
    return tuple(found)


def quartiles(times: list[float], device: str, mode: str, threads: int | None, batch: int) -> Latency:
    """Quartiles of single runs."""
    lower, median, upper = (float(q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
    return Latency(device, mode, threads, batch, len(times), lower, median, upper)


# --------------------------------------------------------------------------------------------------------------- gradients


def gradients(architecture: Architecture, batch: int, seed: int) -> tuple[Gradient, ...]:
    """Norm of the gradient in every part: Kaiming's initialisation, unit Gaussian pictures, random classes, cross-entropy."""
    import torch
    from torch.nn import functional

    draws: list[dict[str, tuple[float, float]]] = []
    with _seeded(seed):
        for _ in range(GRADIENT_DRAWS):
            network = to_module(to_graph(architecture)).train()
            pictures = torch.randn(shape_of(architecture, max(batch, 8)))
            classes = torch.randint(architecture.classes, (len(pictures),))
            functional.cross_entropy(network(pictures), classes).backward()  # type: ignore[no-untyped-call]
            draws.append(gradient_norms(network))
    counts = {name: sum(p.numel() for p in network.get_submodule(name).parameters()) for name in draws[0]}
    found = []
    for name, count in counts.items():
        norms = np.array([draw[name] for draw in draws])
        error = float(norms[:, 0].std(ddof=1)) / math.sqrt(len(draws))
        found.append(Gradient(name, count, float(norms[:, 0].mean()), error, float((norms[:, 0] / norms[:, 1]).mean())))
    return tuple(found)


def gradient_norms(network: DesignedNetwork) -> dict[str, tuple[float, float]]:
    """Norm of the gradient and of the parameters in every part that has parameters, after a backward pass."""
    parts = ["stem", *(f"stages.{i}" for i in range(len(network.stages))), "head", "classifier"]
    found = {}
    for name in parts:
        parameters = list(network.get_submodule(name).parameters())
        norms = [[float(t.detach().norm()) for t in (p.grad, p) if t is not None] for p in parameters]
        if parameters:
            found[name] = math.hypot(*(norm[0] for norm in norms)), math.hypot(*(norm[-1] for norm in norms))
    return found
