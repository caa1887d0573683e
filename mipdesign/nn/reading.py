"""Networks from any file that this package reads: those of :mod:`mipdesign.io.exchange`, and the graphs that exports write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..arguments import PATH, arguments, optional, whole
from ..errors import SpecError
from ..files import read_text
from ..io import exchange
from ..networks.architecture import Architecture

MOST_GRAPHML = 50_000_000
"""Largest GraphML file."""


@arguments(source=PATH, resolution=optional(whole(1)), frames=optional(whole(1)))
def read_network(source: str | Path, resolution: int | None = None, frames: int | None = None) -> Architecture:
    """:func:`mipdesign.io.exchange.read_network`, and from ``.onnx`` and ``.graphml`` files that we wrote.

    What these say of the network is a claim: it is compared with the graph that they hold.

    Raises
    ------
    MissingExtraError
        If an ONNX file is given and onnx is not installed.
    SpecError
        With the file, the field, its value and a remedy.
    """
    path = Path(source)
    reader = READERS.get(path.suffix)
    if reader is not None and os.path.isfile(path):
        return exchange.with_input(reader(path), resolution, frames, str(source))
    if not path.suffix and not os.path.lexists(path):
        from ..problem.problem import preset_names  # only here, since it takes a while

        if str(source) in preset_names():
            remedy = f"design it first: mipdesign design {source} --out DIR, then give DIR"
            raise SpecError("", f"{str(source)!r} is a preset, a problem and not a network", remedy)
    return exchange.read_network(source, resolution, frames)


def _of_onnx(path: Path) -> Architecture:
    from .onnx_reading import read_onnx

    return read_onnx(path)


def _of_graphml(path: Path) -> Architecture:
    from .graph_files import network_of_graphml

    try:
        return network_of_graphml(read_text(path, MOST_GRAPHML))
    except SpecError as error:
        raise error if error.source else error.at(str(path)) from None


READERS: dict[str, Callable[[Path], Architecture]] = {".onnx": _of_onnx, ".graphml": _of_graphml}
"""What reads the graphs that exports write, by the ending of their files."""
