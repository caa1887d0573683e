"""The score of E3D (arXiv 2303.02693): networks of video."""

from __future__ import annotations

from .madnas import MadNas


class StEntr(MadNas):
    """:class:`MadNas` whose kernels count by their proportions beside those of their map, in frames, height and width."""

    name = "stentr"
    weighs_shapes = True
