"""Trains a network on a data set of torch: a plain loop with resume, mixed precision and a progress bar.

    python examples/train.py designs/digits digits:pictures --out runs/digits --epochs 16

The network is whatever ``mipdesign evaluate`` reads: the folder of a design, an architecture file, ``torchvision/resnet18``.
The data set is ``module:callable``; the callable returns a training and a test set of pairs ``(picture, class)``, pictures of
shape ``(channels, height, width)``. Input and classifier of the network are fitted to them.

The folder gets ``metrics.jsonl``, one line per epoch, and ``checkpoint.pt``. Both are written whole after every epoch, and
every epoch begins by seeding all generators from the seed and its number. So the same command goes on after a kill, and ends
with the numbers of a run that was never cut off (bit for bit on a CPU; on a GPU as far as its kernels repeat themselves).
"""

from __future__ import annotations

import importlib
import json
import math
import os
import random
import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mipdesign import Architecture, MipdesignError, SpecError, read_network, to_graph, to_module

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
OPTIMIZERS = {
    "sgd": lambda groups, rate: torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True),
    "adamw": lambda groups, rate: torch.optim.AdamW(groups, rate),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; two runs of one recipe and seed are the same.

    Attributes
    ----------
    rate:
        Peak learning rate: reached after ``warmup`` epochs of linear growth, then it falls to 0 along a cosine.
    decay:
        Weight decay of convolutions and linear layers.
    precision:
        ``float32``, ``bfloat16`` or ``float16`` (CUDA only, with scaled gradients).
    test_every:
        Epochs between two tests; the last epoch ends with one in any case.
    """

    epochs: int = 16
    batch: int = 64
    optimizer: str = "sgd"
    rate: float = 0.1
    decay: float = 5e-4
    warmup: int = 2
    smoothing: float = 0.0
    precision: str = "float32"
    seed: int = 0
    test_every: int = 1


def fitted(network: Architecture, data: Dataset[Any]) -> Architecture:
    """The network for the pictures of a data set, and for its classes if it has a list ``classes``, as torchvision's have."""
    channels, resolution, _ = data[0][0].shape
    classes = len(getattr(data, "classes", ())) or network.classes
    changes = {"input_channels": int(channels), "resolution": int(resolution), "classes": classes}
    return Architecture.from_dict(replace(network, **changes).to_dict(), "network")


def seed_everything(seed: int, epoch: int) -> None:
    """Sets all generators to a state that depends on seed and epoch only."""
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)


def rate_at(recipe: Recipe, step: float) -> float:
    """Learning rate after ``step`` epochs."""
    if step < recipe.warmup:
        return recipe.rate * step / recipe.warmup
    return recipe.rate * (1 + math.cos(math.pi * (step - recipe.warmup) / (recipe.epochs - recipe.warmup))) / 2


def fit(
    network: Architecture,
    sets: tuple[Dataset[Any], Dataset[Any]],
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Trains a network, or goes on where ``folder`` stopped; returns the metrics of every epoch."""
    check(recipe, device)
    folder.mkdir(parents=True, exist_ok=True)
    seed_everything(recipe.seed, 0)
    model = to_module(to_graph(network)).to(device, memory_format=torch.channels_last)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = OPTIMIZERS[recipe.optimizer](groups, recipe.rate)
    scaler = torch.amp.GradScaler(device, enabled=recipe.precision == "float16")
    parts = {"model": model, "optimizer": optimizer, "scaler": scaler}
    described = {"network": network.to_dict(), "recipe": asdict(recipe)}
    rows = load(folder / "checkpoint.pt", parts, described, device)

    loader = DataLoader(sets[0], recipe.batch, shuffle=True, num_workers=workers, drop_last=len(sets[0]) > recipe.batch)
    with Progress(console=console or Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(folder.name, total=recipe.epochs * len(loader), completed=len(rows) * len(loader))
        for epoch in range(len(rows) + 1, recipe.epochs + 1):
            seed_everything(recipe.seed, epoch)
            model.train()
            losses = 0.0
            for step, batch in enumerate(loader):
                rate = rate_at(recipe, epoch - 1 + (step + 1) / len(loader))
                for group in optimizer.param_groups:
                    group["lr"] = rate
                loss, _, _ = losses_of(model, batch, recipe, device, recipe.smoothing)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                losses += loss.item()
                progress.update(bar, advance=1, description=f"{folder.name}: epoch {epoch}, loss {loss.item():.3f}")
            if not math.isfinite(losses):
                raise SpecError("--rate", f"the loss left the numbers in epoch {epoch}", "use a lower rate")
            row = {"epoch": epoch, "train_loss": losses / len(loader)}
            if epoch % recipe.test_every == 0 or epoch == recipe.epochs:
                row |= test(model, DataLoader(sets[1], 4 * recipe.batch, num_workers=workers), recipe, device)
            rows.append(row)
            save(folder, parts, described, rows)
    return rows


def losses_of(
    model: nn.Module, batch: tuple[Tensor, Tensor], recipe: Recipe, device: str, smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean loss of a batch, its logits and its classes."""
    pictures, classes = (part.to(device, non_blocking=True) for part in batch)
    kind = PRECISIONS[recipe.precision]
    with nullcontext() if kind is None else torch.autocast(device, kind):
        logits = model(pictures.contiguous(memory_format=torch.channels_last))
        return functional.cross_entropy(logits.float(), classes, label_smoothing=smoothing), logits, classes


@torch.no_grad()
def test(model: nn.Module, loader: DataLoader[Any], recipe: Recipe, device: str) -> dict[str, float]:
    """Loss and accuracy on a test set."""
    model.eval()
    loss = right = seen = 0.0
    for batch in loader:
        mean, logits, classes = losses_of(model, batch, recipe, device, 0.0)
        loss += mean.item() * len(classes)
        right += (logits.argmax(1) == classes).sum().item()
        seen += len(classes)
    return {"test_loss": loss / seen, "test_accuracy": right / seen}


def check(recipe: Recipe, device: str) -> None:
    """Refuses what cannot be run."""
    if recipe.precision not in PRECISIONS:
        raise SpecError("--precision", f"{recipe.precision!r}", f"use one of: {', '.join(PRECISIONS)}")
    if recipe.precision == "float16" and device == "cpu":
        raise SpecError("--precision", "float16 needs CUDA", "use bfloat16 or float32 on a CPU")
    if recipe.optimizer not in OPTIMIZERS:
        raise SpecError("--optimizer", f"{recipe.optimizer!r}", f"use one of: {', '.join(OPTIMIZERS)}")
    if not 0 <= recipe.warmup < recipe.epochs or min(recipe.batch, recipe.test_every) < 1 or recipe.seed < 0:
        raise SpecError("recipe", f"{recipe}", "let epochs exceed warmup, batch and test_every be at least 1, seed at least 0")
    if device != "cpu" and not torch.cuda.is_available():
        raise SpecError("--device", f"{device!r} is not there", "use cpu")


# -------------------------------------------------------------------------------------------------------------------- files


def save(folder: Path, parts: dict[str, Any], described: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Writes the state after an epoch; a kill at any moment leaves the earlier files or these."""
    state = {name: part.state_dict() for name, part in parts.items()} | described | {"rows": rows}
    torch.save(state, folder / "checkpoint.part")
    os.replace(folder / "checkpoint.part", folder / "checkpoint.pt")
    (folder / "metrics.part").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    os.replace(folder / "metrics.part", folder / "metrics.jsonl")


def load(path: Path, parts: dict[str, Any], described: dict[str, Any], device: str) -> list[dict[str, Any]]:
    """Sets model, optimizer and scaler to a checkpoint, if there is one; returns the metrics up to there."""
    if not path.exists():
        return []
    state = torch.load(path, map_location=device, weights_only=True)
    for name, ours in described.items():
        if state[name] != ours:
            raise SpecError("--out", f"{path} is of another {name}", "use another folder, or the options of that run")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return list(state["rows"])


def sets_named(name: str) -> tuple[Dataset[Any], Dataset[Any]]:
    """Calls ``module:callable``; modules of the working directory are found too."""
    sys.path.append(os.getcwd())
    module, _, function = name.partition(":")
    try:
        train, test = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        remedy = "give module:callable that returns two data sets"
        raise SpecError("DATA", f"{name!r} gives no data ({error})", remedy) from None
    return train, test


def main(
    network: str,
    data: str,
    out: Annotated[Path, typer.Option(help="Folder of metrics.jsonl and checkpoint.pt; a run there goes on.")],
    epochs: int = Recipe.epochs,
    batch: int = Recipe.batch,
    optimizer: Annotated[str, typer.Option(help="sgd (Nesterov, momentum 0.9) or adamw.")] = Recipe.optimizer,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = Recipe.rate,
    decay: Annotated[float, typer.Option(help="Weight decay.")] = Recipe.decay,
    warmup: Annotated[int, typer.Option(help="Epochs.")] = Recipe.warmup,
    smoothing: Annotated[float, typer.Option(help="Label smoothing.")] = Recipe.smoothing,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = Recipe.precision,
    seed: int = Recipe.seed,
    test_every: Annotated[int, typer.Option(help="Epochs between tests.")] = Recipe.test_every,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cuda" if torch.cuda.is_available() else "cpu",
    threads: Annotated[int, typer.Option(help="Threads of torch on a CPU; 0 leaves torch's own choice.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that load data.")] = 0,
) -> None:
    """Train NETWORK (a design, a file or a name) on DATA (module:callable)."""
    if threads:
        torch.set_num_threads(threads)
    recipe = Recipe(epochs, batch, optimizer, rate, decay, warmup, smoothing, precision, seed, test_every)
    sets = sets_named(data)
    rows = fit(fitted(read_network(network), sets[0]), sets, recipe, out, device=device, workers=workers)
    print(json.dumps(rows[-1]))


if __name__ == "__main__":
    try:
        typer.run(main)
    except MipdesignError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
