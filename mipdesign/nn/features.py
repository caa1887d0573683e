"""What a network gives beside its logits: the maps of its stages, in timm's words. Importing this file needs torch."""

from __future__ import annotations

from typing import TypedDict


class FeatureInfo(TypedDict):
    """What timm's feature extraction asks of a map: its channels, its reduction against the input, its module."""

    num_chs: int
    reduction: int
    module: str
