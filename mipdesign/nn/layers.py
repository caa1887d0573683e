"""Layers that torch has no module of, as the torch module of a network uses them. Importing this file needs torch."""

from __future__ import annotations

from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
"""Convolutions of pictures and of video."""
NORMALISATIONS = (nn.BatchNorm2d, nn.BatchNorm3d)
"""Normalisations of pictures and of video."""


class Add(nn.Module):
    """Sum of main path and shortcut, both ``(N, C, H, W)``, in video ``(N, C, T, H, W)``.

    Attributes
    ----------
    drop_path_rate:
        Stochastic depth: in training the main path of each picture of a batch is dropped with this probability, and scaled up
        by ``1 / (1 - drop_path_rate)`` where it is kept (Huang et al., ECCV 2016, arXiv 1603.09382).
    """

    def __init__(self) -> None:
        super().__init__()
        self.drop_path_rate = 0.0

    def forward(self, main: Tensor, shortcut: Tensor) -> Tensor:
        if self.drop_path_rate and self.training:
            kept = 1.0 - self.drop_path_rate
            main = main * main.new_empty(main.shape[0], *[1] * (main.dim() - 1)).bernoulli_(kept).div_(kept)
        return main + shortcut

    def extra_repr(self) -> str:
        return f"drop_path_rate={self.drop_path_rate:g}" if self.drop_path_rate else ""


class Scale(nn.Module):
    """Trunk ``(N, C, H, W)`` times its gate ``(N, C, 1, 1)``; both with frames in video."""

    def forward(self, trunk: Tensor, gate: Tensor) -> Tensor:
        return trunk * gate


class AverageAndMax(nn.Module):
    """Mean of the average and the maximum of every channel: ``(N, C, 1, 1)``, in video ``(N, C, 1, 1, 1)``."""

    def forward(self, x: Tensor) -> Tensor:
        window = tuple(range(2, x.dim()))
        return (x.mean(window, keepdim=True) + x.amax(window, keepdim=True)) / 2


class FlatLinear(nn.Linear):
    """Linear layer on a pooled map ``(N, C, 1, 1)`` or ``(N, C, 1, 1, 1)``; gives ``(N, out_features)``."""

    def forward(self, pooled: Tensor) -> Tensor:
        return super().forward(pooled.flatten(1))
