"""A training run in memory: one network, one recipe, one seed.

Pictures stay on the device, and a batch is moved by up to ``shift`` pixels as a whole. On a CUDA device a step (forward,
backward and the change of the weights) is captured once as a CUDA graph and replayed: small networks spend their time on
launches. Several processes may share a device.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mipdesign import Architecture, to_graph, to_module

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from .data import Pictures

CAPTURE_WARM_UPS = 3
"""Steps on a side stream before a CUDA graph is captured; the state is put back afterwards."""


@dataclass(frozen=True)
class Training:
    """How a network is trained: SGD with Nesterov's momentum, a linear warm-up to the peak rate, then a cosine to 0.

    Attributes
    ----------
    rate:
        Peak learning rate.
    warmup:
        Share of the steps in which the rate grows.
    decay:
        Weight decay of weights that are not vectors.
    shift:
        Pixels by which a batch is moved at random, at most.
    precision:
        ``float32`` or ``bfloat16`` (autocast).
    zero_init_last:
        Whether residual blocks begin as their shortcut, see :func:`~mipdesign.to_module`.
    """

    epochs: int
    rate: float
    seed: int
    batch: int = 64
    momentum: float = 0.9
    warmup: float = 0.15
    decay: float = 5e-4
    shift: int = 2
    precision: str = "float32"
    zero_init_last: bool = False

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted from 0."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.rate * (step + 1) / rising
        return self.rate * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1))) / 2


@dataclass(frozen=True)
class Outcome:
    """What a run came to: loss of the last epoch's batches (``None`` if it left the numbers), accuracy and loss on the test
    set; seconds of the processor, or of the clock where the run had a device.
    """

    train_loss: float | None
    accuracy: float
    test_loss: float | None
    seconds: float


def train(network: Architecture, data: Pictures, training: Training, device: str = "cpu") -> Outcome:
    """Trains a network from scratch and tests it once, after the last epoch."""
    import torch

    clock = time.process_time if device == "cpu" else time.monotonic
    began = clock()
    torch.manual_seed(training.seed)
    model = to_module(to_graph(network), zero_init_last=training.zero_init_last).train()
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    rate = torch.tensor(training.rate, device=device)
    optimizer = torch.optim.SGD(
        [{"params": matrices, "weight_decay": training.decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=rate,
        momentum=training.momentum,
        nesterov=True,
    )
    x, y = data.train[0].to(device), data.train[1].to(device)
    step = _step(model, optimizer, training, (x[: training.batch], y[: training.batch]))
    per_epoch = len(y) // training.batch
    steps, losses = training.epochs * per_epoch, torch.zeros((), device=device)
    generator = torch.Generator().manual_seed(training.seed)
    for epoch in range(training.epochs):
        losses.zero_()
        order = torch.randperm(len(y), generator=generator).to(device)
        for i in range(per_epoch):
            rate.fill_(training.rate_at(epoch * per_epoch + i, steps))
            chosen = order[i * training.batch : (i + 1) * training.batch]
            moved = torch.randint(-training.shift, training.shift + 1, (2,), generator=generator).tolist()
            losses += step(torch.roll(x[chosen], moved, (2, 3)), y[chosen])
    loss = float(losses) / per_epoch
    test_loss, accuracy = _tested(model, data.test, training, device)
    return Outcome(_finite(loss), accuracy, _finite(test_loss), round(clock() - began, 3))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _loss(model: nn.Module, x: Tensor, y: Tensor, training: Training, reduction: str = "mean") -> tuple[Tensor, Tensor]:
    """Loss and logits of a batch."""
    import torch
    from torch.nn import functional

    with torch.autocast(x.device.type, torch.bfloat16, enabled=training.precision == "bfloat16"):
        logits = model(x.contiguous(memory_format=torch.channels_last)).float()
    return functional.cross_entropy(logits, y, reduction=reduction), logits


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, training: Training, example: tuple[Tensor, Tensor]
) -> Callable[[Tensor, Tensor], Tensor]:
    """What takes one step and gives the loss of its batch."""
    import torch

    def eager(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = _loss(model, x, y, training)[0]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    if example[0].device.type != "cuda":
        return eager
    state = {name: value.clone() for name, value in model.state_dict().items()}
    still_x, still_y = (part.clone() for part in example)
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(CAPTURE_WARM_UPS):
            eager(still_x, still_y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss = eager(still_x, still_y)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(state[name])
        for parts in optimizer.state.values():
            parts["momentum_buffer"].zero_()

    def replayed(x: Tensor, y: Tensor) -> Tensor:
        still_x.copy_(x)
        still_y.copy_(y)
        graph.replay()
        return loss.clone()

    return replayed


def _tested(model: nn.Module, test: tuple[Tensor, Tensor], training: Training, device: str) -> tuple[float, float]:
    """Mean loss and accuracy on a test set."""
    import torch

    model.eval()
    loss = right = 0.0
    with torch.inference_mode():
        for x, y in zip(torch.split(test[0], 512), torch.split(test[1], 512), strict=True):
            total, logits = _loss(model, x.to(device), y.to(device), training, "sum")
            loss += float(total)
            right += int((logits.argmax(1) == y.to(device)).sum())
    return loss / len(test[1]), right / len(test[1])
