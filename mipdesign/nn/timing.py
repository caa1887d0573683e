"""The clock: seconds of single runs on the CPU, and on a CUDA device by its own clock, with launches or without."""

from __future__ import annotations

import time
from collections.abc import Callable

WARM_UPS, LEAST_RUNS = 2, 7
"""Runs before the clock counts, and timed runs at least."""


def timed(run: Callable[[], object], seconds: float, cuda: bool = False) -> list[float]:
    """Seconds of single runs, after a warm-up; on CUDA between events on the device's own clock."""
    times: list[float] = []
    begun = time.perf_counter()
    for n in range(10**9):
        elapsed = cuda_seconds(run) if cuda else cpu_seconds(run)
        if n >= WARM_UPS:
            times.append(elapsed)
        else:
            begun = time.perf_counter()
        if len(times) >= LEAST_RUNS and time.perf_counter() - begun >= seconds:
            break
    return times


def cpu_seconds(run: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cuda_seconds(run: Callable[[], object]) -> float:
    """Seconds of one run between two events on the device."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000  # type: ignore[no-any-return]


def captured(run: Callable[[], object]) -> Callable[[], object]:
    """What replays a run's kernels, captured in a CUDA graph: nothing of the interpreter and no launches are in its time."""
    import torch

    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose their kernels in the first runs, which cannot be captured
        for _ in range(WARM_UPS + 1):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def replay() -> object:
        graph.replay()
        return kept

    return replay
