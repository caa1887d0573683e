"""What a network gives beside its logits: the maps of its levels, for detectors and whatever else reads several resolutions.

A *level* is the last map of one resolution. It has a number, as timm counts levels, and a name: ``c3`` is the map that is
smaller than the picture by 2^3, as C3 is in feature pyramids (Lin et al., CVPR 2017, arXiv 1612.03144). Importing this file
needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, TypedDict

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import SpecError
from ..networks.architecture import Architecture
from .graph import OUTSIDE, Graph, Part, is_main_path


class FeatureInfo(TypedDict):
    """What timm's feature extraction asks of a map: its channels, its reduction against the input, its module."""

    num_chs: int
    reduction: int
    module: str


Indices: TypeAlias = int | Sequence[int | str] | None
"""Which levels: all (``None``), the last so many (a number), or those of the numbers or names given."""


def feature_info(graph: Graph, stem_and_blocks: Sequence[Part]) -> list[FeatureInfo]:
    """One entry per resolution, the stem's first: super-blocks of stride 1 stand for what is before them."""
    info: dict[int, FeatureInfo] = {}
    reduction = 1
    for part in stem_and_blocks:
        shrinking = [node for node in part.nodes if is_main_path(graph, node) or graph.nodes[node]["kind"] == "max_pool"]
        reduction *= math.prod(graph.nodes[node]["stride"] for node in shrinking)
        last = graph.nodes[part.nodes[-1]]
        module = "stem" if last["stage"] == OUTSIDE else f"stages.{last['stage']}"
        info[reduction] = {"num_chs": last["out_shape"][0], "reduction": reduction, "module": module}
    return list(info.values())


def level_name(info: FeatureInfo) -> str:
    """``c3`` for a map of an eighth of the picture's height: every reduction is a power of two."""
    return f"c{info['reduction'].bit_length() - 1}"


def levels_of(known: Sequence[FeatureInfo], asked: Indices, field: str = "indices") -> list[int]:
    """The numbers of levels, increasing.

    Raises
    ------
    SpecError
        With ``field``, if there is no such level.
    """
    n, names = len(known), [level_name(info) for info in known]
    wanted = range(n) if asked is None else range(-asked, 0) if isinstance(asked, int) else asked
    numbers = [(names.index(level) if level in names else n) if isinstance(level, str) else level for level in wanted]
    levels = sorted({level + n if level < 0 else level for level in numbers})
    if not levels or levels[0] < 0 or levels[-1] >= n:
        raise SpecError(field, f"{asked!r}", f"there are {n} levels, 0 to {n - 1}: {', '.join(names)}")
    return levels


def through(part: nn.Module, x: Tensor, recomputed: bool) -> Tensor:
    """The output of the stem or a super-block; if ``recomputed``, block by block without keeping what is inside them."""
    if recomputed and isinstance(part, nn.Sequential) and torch.is_grad_enabled():
        for block in part:
            x = checkpoint(block, x, use_reentrant=False)
        return x
    return part(x)  # type: ignore[no-any-return]


class Levels(tuple[FeatureInfo, ...]):
    """The levels that a :class:`FeatureNetwork` gives, with the questions that detectors of timm ask."""

    def channels(self) -> list[int]:
        """Channels of each map."""
        return [info["num_chs"] for info in self]

    def reduction(self) -> list[int]:
        """Height of the picture over that of each map."""
        return [info["reduction"] for info in self]

    def module_name(self) -> list[str]:
        """The module whose output each map is."""
        return [info["module"] for info in self]


class FeatureNetwork(nn.Module):
    """The maps of some levels of a network, without what comes after the last one.

    The modules, and so the weights, are those of the network: training the one trains the other. The keys of the state dict are
    the network's.

    Parameters
    ----------
    architecture, stem, stages, known:
        The network, its modules, and all levels that it has.
    out_indices:
        The levels that are given (:data:`Indices`).
    as_list:
        Whether the maps come as a list, as timm's ``features_only`` gives them; else as a dictionary by the name of the level,
        as torchvision's ``FeaturePyramidNetwork`` takes them. The largest map is first.

    Attributes
    ----------
    feature_info:
        Channels, reduction and module of the maps.
    names:
        Names of the levels.

    Raises
    ------
    SpecError
        If there is no such level, or the network was pruned before the last one.
    """

    def __init__(
        self,
        architecture: Architecture,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        known: Sequence[FeatureInfo],
        out_indices: Indices = None,
        as_list: bool = False,
    ) -> None:
        super().__init__()
        taken = [known[level] for level in levels_of(known, out_indices, "out_indices")]
        last = taken[-1]["module"]
        kept = 0 if last == "stem" else int(last.rpartition(".")[2]) + 1
        if not all(any(stage.children()) for stage in stages[:kept]):
            raise SpecError("out_indices", f"{out_indices!r}: the network was pruned before {last}", "take the whole network")
        self.stem, self.stages = stem, nn.Sequential(*stages[:kept])
        self.architecture, self.feature_info, self.as_list = architecture, Levels(taken), as_list
        self.names = tuple(level_name(info) for info in taken)
        self._parts = tuple(info["module"] for info in taken)  # torch.compile of 2.6 iterates over no class of ours
        self.grad_checkpointing = False

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """As of :meth:`mipdesign.nn.module.DesignedNetwork.set_grad_checkpointing`."""
        self.grad_checkpointing = enable

    def forward(self, x: Tensor) -> dict[str, Tensor] | list[Tensor]:
        """The maps of pictures ``(N, in_chans, H, W)``, each ``(N, C, ceil(H / reduction), ceil(W / reduction))``."""
        outputs = {"stem": (x := self.stem(x))}
        for i, stage in enumerate(self.stages.children()):
            outputs[f"stages.{i}"] = x = through(stage, x, self.grad_checkpointing)
        maps = [outputs[part] for part in self._parts]
        return maps if self.as_list else dict(zip(self.names, maps, strict=True))
