"""The torch module of a designed network. Importing this file needs torch.

:func:`mipdesign.nn.lowering.to_module` is its front.

The module follows timm's model contract, without timm: what trains a network of timm trains a :class:`DesignedNetwork`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ..errors import SpecError, counted
from ..networks.architecture import Architecture
from .block import Block
from .features import FeatureNetwork, Indices, feature_info, levels_of, through
from .graph import INPUT, Graph, Part, parts
from .initialisation import initialise
from .layers import Add, AverageAndMax, FlatLinear

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colours, with which training code normalises pictures unless told otherwise."""


POOLS: dict[str, Callable[[bool], nn.Module]] = {
    "avg": lambda video: nn.AdaptiveAvgPool3d(1) if video else nn.AdaptiveAvgPool2d(1),
    "max": lambda video: nn.AdaptiveMaxPool3d(1) if video else nn.AdaptiveMaxPool2d(1),
    "avgmax": lambda video: AverageAndMax(),
    "": lambda video: nn.Identity(),
}
"""The module of each pool before the classifier, of video or pictures, by timm's names; the empty one leaves the map alone."""


class DesignedNetwork(nn.Module):
    """A network whose structure is that of its graph.

    Children are ``stem``, ``stages`` (a sequence of blocks per super-block), ``head`` (an identity where there is
    none) and ``classifier``. Every node of the graph is the submodule of the same name, so the keys of the state dict are
    node names: ``stages.0.1.conv2.weight``. Input is ``(N, in_chans, H, W)`` with any ``N``, in a network of video
    ``(N, in_chans, frames, H, W)``, as all maps then are; other resolutions than the designed one work as well. Weights are
    initialised from torch's global generator: seed it for a reproducible network.

    Parameters
    ----------
    graph:
        A graph that :func:`~mipdesign.nn.graph_checks.check_graph` accepts.
    drop_rate:
        Probability of dropout before the classifier.
    drop_path_rate:
        Stochastic depth (:class:`Add`) of the last block; from 0 it grows linearly over the blocks.
    zero_init_last:
        Whether residual blocks begin as their shortcut: the last normalisation of their main path has weight 0 (Goyal et al.,
        2017, arXiv 1706.02677, section 5.1).

    Attributes
    ----------
    architecture:
        The network, with the classes of its last classifier.
    num_classes, in_chans:
        Outputs of the classifier (0 without one) and channels of the input.
    num_features, head_hidden_size:
        Channels of the map that the classifier pools.
    global_pool:
        Name of the pool before the classifier, of :data:`POOLS`.
    feature_info:
        Channels, reduction and module of the last map of each resolution, the stem's first.
    default_cfg, pretrained_cfg:
        What timm's data loaders and heads ask for: input size, and names of the first convolution and the classifier.
    """

    def __init__(
        self, graph: Graph, *, drop_rate: float = 0.0, drop_path_rate: float = 0.0, zero_init_last: bool = False
    ) -> None:
        super().__init__()
        for name, rate in (("drop_rate", drop_rate), ("drop_path_rate", drop_path_rate)):
            if not 0.0 <= rate < 1.0:
                raise SpecError(name, f"{rate!r} is not a probability below 1", "give one from 0, such as 0.1")
        stem, *middle, classifier = parts(graph)
        blocks = [part for part in middle if part.name != "head"]
        heads = [part for part in middle if part.name == "head"]
        self.stem = Block(graph, stem)
        self.stages = nn.Sequential(*_stages(graph, blocks))
        self.head: nn.Module = Block(graph, heads[0]) if heads else nn.Identity()
        self.classifier = Block(graph, classifier)
        self.architecture = Architecture.from_dict(graph.graph["architecture"])
        self.num_classes, self.in_chans = int(graph.graph["classes"]), int(graph.graph["input_channels"])
        self.num_features = self.head_hidden_size = int(graph.nodes[classifier.source]["out_shape"][0])
        self.drop_rate, self.drop_path_rate, self.global_pool = drop_rate, drop_path_rate, "avg"
        self.grad_checkpointing = False
        self.feature_info = feature_info(graph, [stem, *blocks])
        self.default_cfg = self.pretrained_cfg = _default_cfg(graph, classifier)
        for i, block in enumerate(self.blocks()):
            for child in block.children():
                if isinstance(child, Add):
                    child.drop_path_rate = drop_path_rate * i / max(len(blocks) - 1, 1)
        self.apply(initialise)
        if zero_init_last:
            for block in self.blocks():
                block.begin_as_shortcut()

    def blocks(self) -> Iterator[Block]:
        """All blocks of all super-blocks, in order."""
        for stage in self.stages:
            yield from stage.children()  # type: ignore[misc]

    # ---------------------------------------------------------------- forward

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
            x = through(stage, x, self.grad_checkpointing)
        return self.head(x)  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits ``(N, num_classes)`` of a last map; with ``pre_logits`` what the linear layer reads, ``(N, num_features)``.

        Without classes both are the pooled features, and without a pool the map itself.
        """
        x = self.classifier.pool(x)  # type: ignore[operator]  # torch.compile of 2.6 follows no get_submodule
        if self.global_pool:
            x = x.flatten(1)
        if self.drop_rate:
            x = functional.dropout(x, self.drop_rate, self.training)
        return x if pre_logits else self.get_classifier()(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)``."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: Indices = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Maps of the levels of :attr:`feature_info`, and the last map.

        Parameters
        ----------
        indices:
            Which levels: all (``None``), the last so many, or those of the numbers or names given.
        norm:
            For other networks: every map here is normalised already.
        stop_early:
            Whether the network ends after the last level asked for; the last map is then that level's.
        output_fmt:
            ``NCHW``.
        intermediates_only:
            Whether only the maps of the levels are returned.

        Raises
        ------
        SpecError
            If there is no such level or format.
        """
        if output_fmt != "NCHW":
            raise SpecError("output_fmt", f"{output_fmt!r}", "maps are 'NCHW'")
        taken = levels_of(self.feature_info, indices)
        modules = [info["module"] for info in self.feature_info]
        wanted = {modules[level] for level in taken}
        last = modules[max(taken)]
        found: list[Tensor] = []
        for name, part in [("stem", self.stem), *((f"stages.{i}", stage) for i, stage in enumerate(self.stages))]:
            x = through(part, x, self.grad_checkpointing)
            if name in wanted:
                found.append(x)
            if stop_early and name == last:
                break
        else:
            x = self.head(x)
        return found if intermediates_only else (x, found)

    def features(self, out_indices: Indices = None, as_list: bool = False) -> FeatureNetwork:
        """The maps of some levels as a module of its own that shares this one's weights, for detectors; all by default.

        What the parameters mean and when it fails: :class:`~mipdesign.nn.features.FeatureNetwork`.
        """
        stages = list(self.stages.children())
        maps = FeatureNetwork(self.architecture, self.stem, stages, self.feature_info, out_indices, as_list)
        maps.set_grad_checkpointing(self.grad_checkpointing)
        maps.training = self.training  # the parts keep their own mode: some may be frozen
        return maps

    # ------------------------------------------------------- timm's contract

    def get_classifier(self) -> nn.Module:
        """The linear layer, or what :meth:`reset_classifier` put in its place."""
        return self.classifier.linear  # type: ignore[return-value]

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new linear layer with that many classes; 0 leaves the pooled features as the output.

        Parameters
        ----------
        global_pool:
            One of :data:`POOLS`; the pool stays as it is by default.

        Raises
        ------
        SpecError
            If there is no such pool, or classes without a pool.
        """
        pool = self.global_pool if global_pool is None else global_pool
        if pool not in POOLS:
            raise SpecError("global_pool", f"{pool!r} is not a pool", f"use one of: {', '.join(map(repr, POOLS))}")
        if num_classes < 0:
            raise SpecError("num_classes", f"{num_classes}", "give at least 1, or 0 for no classifier")
        if num_classes and not pool:
            raise SpecError(
                "global_pool", f"none, with {counted(num_classes, 'class', 'classes')}", "a classifier needs one, such as 'avg'"
            )
        like = next(self.parameters())
        linear = FlatLinear(self.num_features, num_classes) if num_classes else nn.Flatten() if pool else nn.Identity()
        initialise(linear)
        self.classifier.add_module("pool", POOLS[pool](self.architecture.frames is not None))
        self.classifier.add_module("linear", linear.to(like.device, like.dtype))
        self.classifier.train(self.training)
        self.num_classes, self.global_pool = num_classes, pool
        if num_classes:
            self.architecture = replace(self.architecture, classes=num_classes)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int | str] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drops what the levels ``indices`` of :attr:`feature_info` do not need.

        Parameters
        ----------
        indices:
            As of :meth:`forward_intermediates`.
        prune_norm:
            For other networks: every map here is normalised already.
        prune_head:
            Whether pool and classifier go even where the last level stays; they read the last map.

        Returns
        -------
        The levels, increasing.
        """
        taken = levels_of(self.feature_info, indices)
        names = ["stem", *(f"stages.{i}" for i in range(len(self.stages)))]
        last = self.feature_info[taken[-1]]
        for i in range(names.index(last["module"]), len(self.stages)):
            self.stages[i] = nn.Sequential()
        if taken[-1] < len(self.feature_info) - 1:
            self.head = nn.Identity()
            self.num_features = self.head_hidden_size = last["num_chs"]
            prune_head = True
        if prune_head:
            self.reset_classifier(0, "")
        return taken

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Whether training recomputes the inside of every block in the backward pass in place of keeping it.

        Outputs and gradients stay the same; running statistics see each batch twice.
        """
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns that put parameters into groups by depth, for learning rates that decay with it; by super-block if
        ``coarse``.
        """
        of_blocks = r"^stages\.(\d+)" if coarse else [(r"^stages\.(\d+)\.(\d+)", None), (r"^head", (99999,))]
        return {"stem": r"^stem", "blocks": of_blocks}


def _default_cfg(graph: Graph, classifier: Part) -> dict[str, Any]:
    """What timm keeps of a network beside its structure."""
    return {
        "url": "",
        "num_classes": int(graph.graph["classes"]),
        "input_size": tuple(graph.nodes[INPUT]["out_shape"]),
        "pool_size": tuple(graph.nodes[classifier.source]["out_shape"][1:]),
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "first_conv": "stem.conv",
        "classifier": "classifier.linear",
    }


def _stages(graph: Graph, blocks: list[Part]) -> list[nn.Sequential]:
    """One sequence of blocks per super-block."""
    stages: list[nn.Sequential] = []
    for part in blocks:
        if part.name.endswith(".0"):
            stages.append(nn.Sequential())
        stages[-1].append(Block(graph, part))
    return stages
