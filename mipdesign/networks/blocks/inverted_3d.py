"""The inverted block of video networks, the released tool's 3D form of ``K1DWK1``."""

from __future__ import annotations

from .inverted import Inverted


class Inverted3D(Inverted):
    """:class:`Inverted` on frames: its depthwise kernel spans ``kt`` frames, its stride is that of height and width alone."""

    name = "inverted_3d"
    temporal = "conv2"
