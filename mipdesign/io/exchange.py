"""Networks from files and names of any known kind, and back: the one reader and the one writer.

What a file is, its ending and its content decide: a structure file of DeepMAD's tool (``.txt``); a description in the terms of
torchvision or timm (YAML or JSON with ``resnet`` or ``arch_def``); or an architecture of ours (YAML or JSON; a ``result.json``
or the folder of a design too). ``torchvision/resnet50`` is a name.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..arguments import PATH, TEXT, arguments, instance, optional, whole
from ..errors import SpecError, nearest
from ..files import read_text, require_regular
from ..networks.architecture import Architecture
from ..parsing import load_json, load_yaml
from .foreign import obstacle_of, refuse_foreign, unknown_network
from .library_networks import NETWORKS, described, network_described, network_named
from .reference_text import parse_structure, structure_text

FORMATS = ("json", "reference-txt")
"""Formats of :func:`network_text`."""


@arguments(source=PATH, resolution=optional(whole(1)), frames=optional(whole(1)))
def read_network(source: str | Path, resolution: int | None = None, frames: int | None = None) -> Architecture:
    """The network that a file, the folder of a design or a name stands for.

    Parameters
    ----------
    resolution:
        Height and width of the input in pixels, in place of what the file says (224 where a format says nothing).
    frames:
        Frames of the input of a network of video, in place of what the file says (16 where a format says nothing).

    Raises
    ------
    SpecError
        With the file, the field, its value and a remedy.
    """
    return with_input(_read(source), resolution, frames, str(source))


def with_input(
    network: Architecture, resolution: int | None = None, frames: int | None = None, source: str | None = None
) -> Architecture:
    """A network at another resolution, or of another number of frames; see :func:`read_network`."""
    if frames is not None and network.frames is None:
        raise SpecError("frames", f"{frames} for a network of pictures", "leave it out", source)
    changes = {name: value for name, value in (("resolution", resolution), ("frames", frames)) if value is not None}
    return Architecture.from_dict(network.to_dict() | changes, source) if changes else network


def _read(source: str | Path) -> Architecture:
    path, name = Path(source), str(source)
    if not os.path.lexists(path) and (name in NETWORKS or name.startswith("torchvision/")):
        return network_named(name)
    if not os.path.lexists(path):
        raise _missing(path, name)
    if path.suffix == ".txt":
        return parse_structure(read_text(path), name)
    if os.path.isdir(path):
        return Architecture.load(path)
    data = load_yaml(read_text(path), name) if path.suffix in (".yaml", ".yml") else load_json(path)
    if described(data):
        return network_described(data, name)
    refuse_foreign(data, name, NETWORKS)
    return Architecture.from_content(data, name)


def _missing(path: Path, name: str) -> SpecError:
    """What is wrong with a name that no file and no network has, with the nearest one of those that there are."""
    if not path.suffix and obstacle_of(name):
        return unknown_network(name, NETWORKS)
    try:
        beside = [str(path.parent / found) for found in os.listdir(path.parent)]
    except (OSError, ValueError):  # the latter for names that no file can have
        beside = []
    try:
        require_regular(path)
        problem = "cannot be read"
    except SpecError as error:
        problem = error.problem
    remedy = f"{nearest(name, [*beside, *NETWORKS])}give an existing file, or a name such as torchvision/resnet50"
    return SpecError("", problem, remedy, name)


@arguments(architecture=instance(Architecture, "a network", "an Architecture, such as read_network() reads"), form=TEXT)
def network_text(architecture: Architecture, form: str) -> str:
    """A network as text of one of :data:`FORMATS`; :func:`read_network` gives the same network again.

    Raises
    ------
    SpecError
        If there is no such format, or the format cannot express the network.
    """
    if form not in FORMATS:
        raise SpecError("form", f"{form!r} is not a format", f"use one of: {', '.join(FORMATS)}")
    return structure_text(architecture) if form == "reference-txt" else architecture.dumps() + "\n"
