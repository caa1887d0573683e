"""Networks that cannot be described here, and why: what of them no block has. The most specific obstacle is named first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import SpecError, one_of, short

OBSTACLES = (
    (r"convnext", "ConvNeXt's layer scale"),
    (r"resnext|resnest", "ResNeXt's grouped convolutions"),
    (r"regnet", "RegNet's grouped convolutions"),
    (r"res2net", "Res2Net's split convolutions"),
    (r"se-?resnet|seresnet|senet", "squeeze-and-excitation in residual bottleneck blocks"),
    (r"efficientnet|mnasnet-?a", "EfficientNet's squeeze-and-excitation, whose width follows the incoming channels,"),
    (r"mobilenet-?v3|lcnet", "MobileNetV3's hard swish"),
    (r"mobilenet-?v4", "MobileNetV4's universal inverted bottlenecks"),
    (r"densenet", "DenseNet's concatenation of maps"),
    (r"squeezenet|googlenet|inception|dla|hrnet", "concatenation of branches"),
    (r"shufflenet", "ShuffleNet's shuffle of channels"),
    (r"ghostnet", "GhostNet's concatenation of maps"),
    (r"repvgg", "RepVGG's parallel convolutions"),
    (r"vgg|alexnet", "a classifier of several linear layers"),
    (r"vit|deit|beit|swin|maxvit|mobilevit|coatnet|mixer|gmlp", "a sequence of tokens"),
)
"""What of a family of networks is not supported, by a pattern of how a word of its name begins; the first one found counts."""
NAMING_KEYS = ("model_type", "architectures", "architecture", "arch", "model", "backbone", "name", "_target_")
"""Keys under which configurations of other libraries name their network."""
WAYS = "describe it by 'resnet' or 'arch_def', or as an architecture with resolution, stem and stages"


def obstacle_of(name: str) -> str | None:
    """What a network of that name has that is not supported, as the subject of a sentence; ``None`` where nothing is known."""
    plain = re.sub(r"[_ .]", "-", name.lower())
    return next((obstacle for pattern, obstacle in OBSTACLES if re.search(rf"(?:^|[-/])(?:{pattern})", plain)), None)


def refuse_foreign(data: Any, source: str, known: Mapping[str, Any]) -> None:
    """Refuses plain data that describes a network of another library, or a problem, and says why.

    Parameters
    ----------
    known:
        Networks by name.

    Raises
    ------
    SpecError
        With the key that names the network; nothing is said of data without one.
    """
    if not isinstance(data, Mapping) or isinstance(data.get("architecture", ""), Mapping | None):
        return
    if {"stem", "stages"} <= set(data):
        if "input" in data:
            raise SpecError("", "is the specification of a problem, not a network", "design it, and give the folder", source)
        return
    for field, name in _names(data):
        obstacle = obstacle_of(name)
        if obstacle is not None:
            raise SpecError(field, f"{obstacle} is not supported", WAYS, source)
        bare = name.partition(".")[0]
        if f"torchvision/{bare}" in known:
            raise SpecError(field, f"{short(name)} is a name", f"give it in place of the file: torchvision/{bare}", source)
    if data.get("model_type") == "resnet":
        remedy = "write resnet: {block: bottleneck, layers: [...]} with its layer_type and depths"
        raise SpecError("model_type", "a configuration of Hugging Face", remedy, source)


def _names(data: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """What may be the name of a network in plain data, each with its key: values that name one, then the keys themselves."""
    found = []
    for key in NAMING_KEYS:
        value = data.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str):
            found.append((key, value))
    return found + [(key, key) for key in data if isinstance(key, str)]


def unknown_network(name: str, known: Mapping[str, Any]) -> SpecError:
    """What is wrong with the name of a network that is none: what of it is not supported, else the nearest one."""
    obstacle = obstacle_of(name)
    if obstacle is not None:
        return SpecError("", f"{name!r} is not a network here: {obstacle} is not supported", f"use one of: {', '.join(known)}")
    return SpecError("", f"{name!r} is not a network", one_of(name, known))
