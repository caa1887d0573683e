"""ResNet and MobileNetV2 in plain torch, written from the articles: what torchvision's networks are held against.

He et al., CVPR 2016 (arXiv 1512.03385), with the stride of a bottleneck in its 3x3 convolution; Sandler et al., CVPR 2018
(arXiv 1801.04381). Layers with weights are made in the order main path, then shortcut.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RESNETS = {"torchvision/resnet18": (False, (2, 2, 2, 2)), "torchvision/resnet50": (True, (3, 4, 6, 3))}
"""Whether the blocks are bottlenecks, and how many there are."""


def conv_bn(ci: int, co: int, k: int, s: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(ci, co, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(co))


class Residual(nn.Module):
    """``relu(F(x) + shortcut(x))``."""

    def __init__(self, ci: int, planes: int, s: int, bottleneck: bool) -> None:
        super().__init__()
        co = 4 * planes if bottleneck else planes
        if bottleneck:
            convs = [conv_bn(ci, planes, 1), conv_bn(planes, planes, 3, s), conv_bn(planes, co, 1)]
        else:
            convs = [conv_bn(ci, planes, 3, s), conv_bn(planes, co, 3)]
        self.main = nn.ModuleList(convs)
        self.shortcut = conv_bn(ci, co, 1, s) if s != 1 or ci != co else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i, conv in enumerate(self.main):
            y = conv(y if i == 0 else torch.relu(y))
        return torch.relu(y + self.shortcut(x))


class InvertedResidual(nn.Module):
    """Linear bottleneck; without expansion where the ratio is 1."""

    def __init__(self, ci: int, co: int, s: int, ratio: int) -> None:
        super().__init__()
        b = ci * ratio
        expand = [conv_bn(ci, b, 1), nn.ReLU6()] if ratio != 1 else []
        self.main = nn.Sequential(*expand, conv_bn(b, b, 3, s, groups=b), nn.ReLU6(), conv_bn(b, co, 1))
        self.identity = s == 1 and ci == co

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x) if self.identity else self.main(x)


def resnet(bottleneck: bool, depths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for planes, depth in zip((64, 128, 256, 512), depths, strict=True):
        for i in range(depth):
            layers.append(Residual(channels, planes, 2 if i == 0 and planes > 64 else 1, bottleneck))
            channels = 4 * planes if bottleneck else planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def mobilenet_v2() -> nn.Sequential:
    layers: list[nn.Module] = [conv_bn(3, 32, 3, 2), nn.ReLU6()]
    channels = 32
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for ratio, c, n, s in table:
        for i in range(n):
            layers.append(InvertedResidual(channels, c, s if i == 0 else 1, ratio))
            channels = c
    head = [conv_bn(channels, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers, *head)


def network(name: str) -> nn.Sequential:
    """The network of that name."""
    return mobilenet_v2() if name == "torchvision/mobilenet_v2" else resnet(*RESNETS[name])
