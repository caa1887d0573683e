"""Weights and the network that they belong to, together in a folder: ``network.json`` and ``model.safetensors``.

``network.json`` is an architecture file with the classes and input channels that the weights have; the keys of the weights are
node names of its graph. The folder may be that of a design run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import PATH, RATE, arguments, optional, whole
from ..errors import SpecError, require
from ..files import require_regular, write_together, writing
from ..networks.architecture import NETWORK, Architecture
from ..parsing import load_json
from .graph import to_graph
from .lowering import to_module

if TYPE_CHECKING:
    from torch import Tensor

    from .module import DesignedNetwork

WEIGHTS = "model.safetensors"
"""Name of the file of the weights; that of the network is :data:`~mipdesign.networks.architecture.NETWORK`."""
FIRST_CONVOLUTION = "stem.conv.weight"
"""Key of the only weights that read the input."""
CLASSIFIER = "classifier."
"""How the keys of the classifier's weights begin."""
POOL = "global_pool"
"""Key of the pool's name in the metadata of the weights."""
ORIGIN = "origin"
"""Key in the metadata of weights that nobody trained: what they are."""


@arguments(folder=PATH)
def save_pretrained(network: DesignedNetwork, folder: str | Path) -> None:
    """Writes the weights of a network and what it is into a folder, which is made if need be.

    A network without a classifier is saved without one. The name of its pool stands in the metadata of the weights.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    SpecError
        If it is something around a network, such as what ``torch.compile`` or ``DistributedDataParallel`` make, parts of the
        network were pruned, or the folder cannot be written.
    """
    write_pretrained(network, folder, None)


def write_pretrained(network: DesignedNetwork, folder: str | Path, origin: str | None) -> None:
    """:func:`save_pretrained`, with what the weights are where they were not trained."""
    require("safetensors", "torch", "saving weights")
    from safetensors.torch import save

    from .export_view import require_network
    from .module import DesignedNetwork

    require_network(network, DesignedNetwork)
    folder = Path(folder)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    _check_weights(_expected(network.architecture, bool(network.num_classes)), state, folder)
    with writing(folder, "folder"):
        folder.mkdir(parents=True, exist_ok=True)
        notes = {"format": "pt", POOL: network.global_pool} | ({} if origin is None else {ORIGIN: origin})
        weights = save(state, notes)
        write_together({folder / WEIGHTS: weights, folder / NETWORK: f"{network.architecture.dumps()}\n".encode()})


@arguments(folder=PATH, num_classes=optional(whole(0)), in_chans=optional(whole(1)), drop_rate=RATE, drop_path_rate=RATE)
def from_pretrained(
    folder: str | Path,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
) -> DesignedNetwork:
    """A network with its weights, from a folder of :func:`save_pretrained`, in evaluation mode.

    Parameters
    ----------
    num_classes:
        Another number of classes than the weights have: the classifier is new then, and 0 leaves it out. Without a saved
        pool it gets one by average.
    in_chans:
        Another number of input channels: every one gets the mean of the first convolution's weights over its own, scaled so
        that a grey picture has the same response.
    drop_rate, drop_path_rate:
        As of :class:`~mipdesign.nn.module.DesignedNetwork`.

    Raises
    ------
    MissingExtraError
        If torch or safetensors is not installed.
    SpecError
        If a file is missing or damaged, or the weights are not those of the network.
    """
    require("torch", "torch", "loading weights")
    require("safetensors", "torch", "loading weights")
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / WEIGHTS
    saved = saved_network(folder)
    channels = saved.input_channels if in_chans is None else in_chans
    require_regular(path)
    try:
        with safe_open(path, "pt") as file:
            state: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            pool = (file.metadata() or {}).get(POOL, "avg")
    except (OSError, SafetensorError) as error:
        remedy = "give a folder that save_pretrained wrote"
        raise SpecError(WEIGHTS, f"cannot be read ({error})", remedy, str(folder)) from None
    classified = any(name.startswith(CLASSIFIER) for name in state)
    _check_weights(_expected(saved, classified), state, path)
    network = to_module(to_graph(replace(saved, input_channels=channels)), drop_rate=drop_rate, drop_path_rate=drop_path_rate)
    if channels != saved.input_channels:
        first = state[FIRST_CONVOLUTION]
        state[FIRST_CONVOLUTION] = first.sum(1, keepdim=True).expand(-1, channels, *first.shape[2:]) / channels
    network.reset_classifier(saved.classes if classified else 0, pool)
    network.load_state_dict(state)
    if num_classes is not None and num_classes != network.num_classes:
        network.reset_classifier(num_classes, network.global_pool or "avg")
    return network.eval()


def origin_of_weights(folder: str | Path) -> str | None:
    """What the weights in a folder are said to be, where they were not trained; they can be read."""
    from safetensors import safe_open

    with safe_open(Path(folder) / WEIGHTS, "pt") as file:
        return (file.metadata() or {}).get(ORIGIN)


def saved_network(folder: str | Path) -> Architecture:
    """The network that the weights in a folder belong to.

    Raises
    ------
    SpecError
        If ``network.json`` is missing or damaged.
    """
    path = Path(folder) / NETWORK
    return Architecture.from_content(load_json(path), str(path))


def _expected(architecture: Architecture, classified: bool) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a network's weights."""
    import torch

    with torch.device("meta"):
        state = to_module(to_graph(architecture)).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if classified or not name.startswith(CLASSIFIER)}


def _check_weights(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor], path: Path) -> None:
    """That weights are those of a network, each with its shape."""
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = next((name for name in sorted({**expected, **found}) if expected.get(name) != found.get(name)), None)
    if wrong is not None:
        problem = f"has shape {found[wrong]}" if wrong in found else "is missing"
        remedy = f"the network has shape {expected[wrong]} there" if wrong in expected else "the network has no such weights"
        raise SpecError(wrong, problem, remedy, str(path))
