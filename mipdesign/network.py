"""The torch module of a designed network. Importing this file needs torch; :func:`mipdesign.lowering.to_module` is its front.

The modules are plain ``nn.Module``: whatever trains a network of timm can train a :class:`DesignedNetwork`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from torch import Tensor, nn

from .blocks import BLOCK_INPUT, Operation
from .graph import OUTSIDE, Graph, Part, arguments, is_main_path, local_name, operation_of, parts

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "sigmoid": nn.Sigmoid}
"""Activation modules by the name of the function."""


class Add(nn.Module):
    """Sum of main path and shortcut, both ``(N, C, H, W)``."""

    def forward(self, main: Tensor, shortcut: Tensor) -> Tensor:
        return main + shortcut


class Scale(nn.Module):
    """Trunk ``(N, C, H, W)`` times its gate ``(N, C, 1, 1)``."""

    def forward(self, trunk: Tensor, gate: Tensor) -> Tensor:
        return trunk * gate


class FlatLinear(nn.Linear):
    """Linear layer on a pooled map ``(N, C, 1, 1)``; gives ``(N, out_features)``."""

    def forward(self, pooled: Tensor) -> Tensor:
        return super().forward(pooled.flatten(1))


def _conv(op: Operation) -> nn.Conv2d:
    return nn.Conv2d(op.in_channels, op.out_channels, op.kernel, op.stride, op.kernel // 2, groups=op.groups, bias=False)


MODULES: dict[str, Callable[[Operation], nn.Module]] = {
    "conv": _conv,
    "norm": lambda op: nn.BatchNorm2d(op.out_channels),
    "activation": lambda op: ACTIVATIONS[op.function](),
    # ceil_mode: an odd map shrinks to ceil(r / 2), as under the strided convolution that the pool stands beside
    "pool": lambda op: nn.AvgPool2d(2, ceil_mode=True),
    "max_pool": lambda op: nn.MaxPool2d(op.kernel, 2, op.kernel // 2),
    "global_pool": lambda op: nn.AdaptiveAvgPool2d(1),
    "add": lambda op: Add(),
    "scale": lambda op: Scale(),
    "linear": lambda op: FlatLinear(op.in_channels, op.out_channels),
}
"""The module of each kind of operation, in torch's own initialisation."""


class Block(nn.Module):
    """A part of the network with one input and one output, its operations as children under their own names.

    Attributes
    ----------
    wiring:
        Per child, in the order of execution: its name, the names of what it reads (``input`` is the part's input), and those of
        them that nothing after it reads, whose maps can go.
    """

    def __init__(self, graph: Graph, part: Part) -> None:
        super().__init__()
        steps: list[tuple[str, tuple[str, ...]]] = []
        for node in part.nodes:
            op = operation_of(graph, node)
            self.add_module(op.name, MODULES[op.kind](op))
            read = tuple(BLOCK_INPUT if source == part.source else local_name(source) for source in arguments(graph, node))
            steps.append((op.name, read))
        self.wiring = tuple((name, read, _spent(read, steps[n + 1 :])) for n, (name, read) in enumerate(steps))

    def forward(self, x: Tensor) -> Tensor:
        values = {BLOCK_INPUT: x}
        for name, read, spent in self.wiring:
            x = values[name] = self._modules[name](*[values[source] for source in read])  # type: ignore[misc]
            for source in spent:
                del values[source]
        return x


def _spent(read: tuple[str, ...], after: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """What a step reads and no later one does."""
    return tuple(sorted(set(read) - {source for _, sources in after for source in sources}))


class FeatureInfo(TypedDict):
    """What timm's feature extraction asks of a map: its channels, its reduction against the input, its module."""

    num_chs: int
    reduction: int
    module: str


class DesignedNetwork(nn.Module):
    """A network whose structure is that of its graph.

    Children are ``stem``, ``stages`` (one ``nn.Sequential`` of blocks per super-block), ``head`` (an identity where there is
    none) and ``classifier``. Every node of the graph is the submodule of the same name, so the keys of the state dict are
    node names: ``stages.0.1.conv2.weight``. Input is ``(N, input_channels, H, W)`` with any ``N``; other resolutions than the
    designed one work as well. Weights are initialised from torch's global generator: seed it for a reproducible network.

    Parameters
    ----------
    graph:
        A graph that :func:`~mipdesign.graph.check_graph` accepts.

    Attributes
    ----------
    num_classes, num_features:
        Outputs of the classifier (0 without one) and channels of the map that it pools.
    feature_info:
        Channels, reduction and module of each super-block's output.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        stem, *middle, classifier = parts(graph)
        blocks = [part for part in middle if part.name != "head"]
        heads = [part for part in middle if part.name == "head"]
        self.stem = Block(graph, stem)
        self.stages = nn.ModuleList(_stages(graph, blocks))
        self.head: nn.Module = Block(graph, heads[0]) if heads else nn.Identity()
        self.classifier = Block(graph, classifier)
        self.num_classes = int(graph.graph["classes"])
        self.num_features = int(graph.nodes[classifier.source]["out_shape"][0])
        self.feature_info = _feature_info(graph, [stem, *blocks])
        self.apply(initialise)

    def forward_stages(self, x: Tensor) -> dict[str, Tensor]:
        """Runs the network and returns the output of every part: ``stem``, ``stages.0``, ..., ``head`` and ``classifier``."""
        outputs: dict[str, Tensor] = {}
        x = outputs["stem"] = self.stem(x)
        for i, stage in enumerate(self.stages):
            x = outputs[f"stages.{i}"] = stage(x)
        x = outputs["head"] = self.head(x)
        outputs["classifier"] = self.classifier(x)
        return outputs

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map before the pool, ``(N, num_features, h, w)``."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x)  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits ``(N, num_classes)`` of a last map; with ``pre_logits`` the pooled features ``(N, num_features)``."""
        if pre_logits:
            return self.classifier.get_submodule("pool")(x).flatten(1)  # type: ignore[no-any-return]
        return self.classifier(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)``."""
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """The linear layer, or what :meth:`reset_classifier` put in its place."""
        return self.classifier.get_submodule("linear")

    def reset_classifier(self, num_classes: int) -> None:
        """A new linear layer with that many classes; 0 leaves the pooled features as the output."""
        like = next(self.parameters())
        linear = FlatLinear(self.num_features, num_classes) if num_classes else nn.Flatten()
        initialise(linear)
        self.classifier.add_module("linear", linear.to(like.device, like.dtype))
        self.num_classes = num_classes


def _stages(graph: Graph, blocks: list[Part]) -> list[nn.Sequential]:
    """One sequence of blocks per super-block."""
    stages: list[nn.Sequential] = []
    for part in blocks:
        if part.name.endswith(".0"):
            stages.append(nn.Sequential())
        stages[-1].append(Block(graph, part))
    return stages


def _feature_info(graph: Graph, stem_and_blocks: list[Part]) -> list[FeatureInfo]:
    info: dict[int, FeatureInfo] = {}
    reduction = 1
    for part in stem_and_blocks:
        shrinking = [node for node in part.nodes if is_main_path(graph, node) or graph.nodes[node]["kind"] == "max_pool"]
        reduction *= math.prod(graph.nodes[node]["stride"] for node in shrinking)
        last = graph.nodes[part.nodes[-1]]
        info[last["stage"]] = {"num_chs": last["out_shape"][0], "reduction": reduction, "module": f"stages.{last['stage']}"}
    return [info[stage] for stage in sorted(info) if stage != OUTSIDE]


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Kaiming's initialisation of one module (He et al., ICCV 2015, arXiv 1502.01852): convolutions keep the variance of the
    gradient, the fan being that of one group; normalisations start as the identity, the classifier near zero.
    """
    if isinstance(module, nn.Conv2d):
        fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
        module.weight.normal_(0.0, math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()
    elif isinstance(module, nn.Linear):
        module.weight.normal_(0.0, 0.01)
        module.bias.zero_()
