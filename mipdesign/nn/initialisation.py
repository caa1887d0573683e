"""Weights before training. Importing this file needs torch."""

from __future__ import annotations

import math

import torch
from torch import nn

from .layers import CONVOLUTIONS, NORMALISATIONS


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Kaiming's initialisation of one module (He et al., ICCV 2015, arXiv 1502.01852): convolutions keep the variance of the
    gradient, the fan being that of one group; normalisations start as the identity, the classifier near zero.
    """
    if isinstance(module, CONVOLUTIONS):
        fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
        module.weight.normal_(0.0, math.sqrt(2.0 / fan_out))
    elif isinstance(module, NORMALISATIONS):
        module.reset_parameters()
    elif isinstance(module, nn.Linear):
        module.weight.normal_(0.0, 0.01)
        module.bias.zero_()
