"""Data for the training example: pictures of noise, and a process that ends in the middle of them."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Noise of three generators; ``KILLED_AT`` in the environment is how many pictures are given before the process ends."""

    classes = ("a", "b", "c")

    def __init__(self, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.pictures = torch.randn(24, 1, 16, 16, generator=generator)
        self.asked = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.asked += 1
        if self.asked == int(os.environ.get("KILLED_AT", 0)):
            os._exit(9)
        noise = torch.randn(()).item() + np.random.rand() + random.random()
        return self.pictures[index] + 0.01 * noise, index % 3


def pictures() -> tuple[Pictures, Pictures]:
    """To train and to test."""
    return Pictures(0), Pictures(1)


def nothing() -> None:
    """No data."""
