"""Designs as models of timm: ``timm.create_model("my_network")`` after :func:`register`.

timm is imported when something is registered, and nowhere else.

>>> from mipdesign.nn.timm import register
>>> register("my_network", "designs/r18")          # doctest: +SKIP
>>> timm.create_model("my_network", num_classes=10, drop_path_rate=0.1)          # doctest: +SKIP
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpecError, require
from ..networks.architecture import Architecture
from .graph import to_graph
from .lowering import to_module
from .pretrained import WEIGHTS, saved_network
from .reading import read_network

if TYPE_CHECKING:
    from .module import DesignedNetwork

EntryPoint = Callable[..., Any]
__all__: list[str] = ["register"]  # timm adds the models
default_cfgs: dict[str, dict[str, Any]] = {}
"""What timm keeps of each model beside its structure; timm reads it here when a model is registered."""


def register(name: str, network: Architecture | str | Path) -> EntryPoint:
    """Makes a network known to timm under a name; a name that is known already gets the new network.

    ``timm.create_model(name, pretrained=True)`` loads the weights that :func:`mipdesign.nn.pretrained.save_pretrained` left in
    the network's folder; where the folder holds weights, the network is theirs. ``num_classes``, ``in_chans``, ``global_pool``,
    ``drop_rate``, ``drop_path_rate``, ``zero_init_last``, ``features_only`` and ``out_indices`` mean what they mean in timm.

    Parameters
    ----------
    name:
        Small letters, digits and underscores.
    network:
        A network, or what :func:`mipdesign.io.exchange.read_network` reads: the folder of a design, a file, a name.

    Returns
    -------
    The entry point, which makes the model.

    Raises
    ------
    MissingExtraError
        If torch or timm is not installed.
    SpecError
        If the name cannot be one of timm's, or the network cannot be read.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise SpecError("name", f"{name!r}", "use small letters, digits and underscores, such as 'my_network'")
    require("torch", "torch", "timm.create_model")
    require("timm", "timm", "timm.create_model")
    from timm.models import build_model_with_cfg, register_model

    folder = None if isinstance(network, Architecture) or not (Path(network) / WEIGHTS).is_file() else Path(network)
    architecture = network if isinstance(network, Architecture) else read_network(network)
    if folder is not None:
        architecture = saved_network(folder)
    like = _on_meta(architecture)
    levels = tuple(range(len(like.feature_info)))

    def build(**options: Any) -> DesignedNetwork:
        return _built(architecture, **options)

    def entry_point(pretrained: bool = False, **options: Any) -> Any:
        features = {"out_indices": levels, "feature_cls": "getter", "flatten_sequential": True}
        return build_model_with_cfg(build, name, pretrained, feature_cfg=features, **options)

    entry_point.__name__ = entry_point.__qualname__ = name
    default_cfgs[name] = like.default_cfg | ({} if folder is None else {"file": str((folder / WEIGHTS).absolute())})
    return register_model(entry_point)  # type: ignore[no-any-return]


def _on_meta(architecture: Architecture) -> DesignedNetwork:
    """The module without weights."""
    import torch

    with torch.device("meta"):
        return to_module(to_graph(architecture))


def _built(
    architecture: Architecture, *, num_classes: int, in_chans: int, global_pool: str = "avg", **options: Any
) -> DesignedNetwork:
    """The module that timm asks for."""
    if in_chans < 1:
        raise SpecError("in_chans", f"{in_chans}", "give at least 1")
    shaped = replace(architecture, input_channels=in_chans, classes=num_classes or architecture.classes)
    module = to_module(to_graph(shaped), **options)
    if (num_classes, global_pool) != (module.num_classes, module.global_pool):
        module.reset_classifier(num_classes, global_pool)
    return module
