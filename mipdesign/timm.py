"""Designs as models of timm: ``timm.create_model("my_network")`` after :func:`register`.

timm is imported when something is registered, and nowhere else.

>>> from mipdesign.timm import register
>>> register("my_network", "designs/r18")          # doctest: +SKIP
>>> timm.create_model("my_network", num_classes=10, drop_path_rate=0.1)          # doctest: +SKIP
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .architecture import Architecture
from .errors import MissingExtraError, SpecError
from .exchange import read_network
from .graph import to_graph
from .lowering import to_module
from .pretrained import WEIGHTS, from_pretrained

EntryPoint = Callable[..., Any]
__all__: list[str] = ["register"]  # timm adds the models


def register(name: str, network: Architecture | str | Path) -> EntryPoint:
    """Makes a network known to timm under a name.

    ``timm.create_model(name, pretrained=True)`` loads the weights that :func:`mipdesign.pretrained.save_pretrained` left in the
    network's folder. ``num_classes``, ``in_chans``, ``drop_rate``, ``drop_path_rate``, ``zero_init_last`` and ``features_only``
    mean what they mean in timm.

    Parameters
    ----------
    name:
        An identifier.
    network:
        A network, or what :func:`mipdesign.exchange.read_network` reads: the folder of a design, a file, a name.

    Returns
    -------
    The entry point.

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    SpecError
        If the name is not an identifier, or the network cannot be read.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise SpecError("name", f"{name!r}", "use small letters, digits and underscores, such as 'my_network'")
    try:
        from timm.models import build_model_with_cfg, register_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("timm", "timm", "timm.create_model") from error
    architecture = network if isinstance(network, Architecture) else read_network(network)
    folder = None if isinstance(network, Architecture) else Path(network)

    def build(num_classes: int = architecture.classes, in_chans: int = architecture.input_channels, **options: Any) -> Any:
        shaped = replace(architecture, classes=max(num_classes, 1), input_channels=in_chans)
        module = to_module(to_graph(shaped), **options)
        if num_classes == 0:
            module.reset_classifier(0)
        return module

    def entry_point(pretrained: bool = False, pretrained_cfg: Any = None, **options: Any) -> Any:
        levels = {"out_indices": tuple(range(len(like.feature_info))), "feature_cls": "getter"}
        model = build_model_with_cfg(build, name, False, pretrained_cfg=like.default_cfg, feature_cfg=levels, **options)
        if pretrained:
            if folder is None or not (folder / WEIGHTS).is_file():
                raise SpecError("pretrained", f"{name!r} has no weights", f"register the folder that holds its {WEIGHTS}")
            known = from_pretrained(folder, num_classes=options.get("num_classes"), in_chans=options.get("in_chans"))
            model.load_state_dict(known.state_dict())
        return model

    import torch

    with torch.device("meta"):
        like = to_module(to_graph(architecture))
    entry_point.__name__ = entry_point.__qualname__ = name
    return register_model(entry_point)  # type: ignore[no-any-return]
