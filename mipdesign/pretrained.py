"""Weights and the network that they belong to, together in a folder: ``network.json`` and ``model.safetensors``.

``network.json`` is an architecture file as :meth:`mipdesign.architecture.Architecture.load` reads it, with the classes and
input channels that the weights have; the keys of the weights are node names of its graph. The folder may be that of a design
run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .architecture import Architecture
from .errors import MissingExtraError, SpecError
from .files import write_whole
from .graph import to_graph
from .lowering import require_torch, to_module
from .parsing import load_json

if TYPE_CHECKING:
    from torch import Tensor

    from .network import DesignedNetwork

NETWORK, WEIGHTS = "network.json", "model.safetensors"
"""Names of the files."""


def save_pretrained(network: DesignedNetwork, folder: str | Path) -> None:
    """Writes the weights of a network and what it is into a folder, which is made if need be.

    Raises
    ------
    MissingExtraError
        If safetensors is not installed.
    SpecError
        If the folder cannot be written.
    """
    require_safetensors("saving weights")
    from safetensors.torch import save

    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / WEIGHTS, save(state, {"format": "pt"}))
        write_whole(folder / NETWORK, f"{network.architecture.dumps()}\n".encode())
    except OSError as error:
        raise SpecError("folder", f"cannot write to {folder} ({error.strerror})", "give a writable folder") from None


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
        Another number of classes than the weights have: the classifier is new then, and 0 leaves it out.
    in_chans:
        Another number of input channels: every one gets the mean of the first convolution's weights over its own, scaled so
        that a grey picture has the same response.
    drop_rate, drop_path_rate:
        As of :class:`~mipdesign.network.DesignedNetwork`.

    Raises
    ------
    MissingExtraError
        If torch or safetensors is not installed.
    SpecError
        If a file is missing or damaged, or the weights are not those of the network.
    """
    require_torch("loading weights")
    require_safetensors("loading weights")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / WEIGHTS
    saved = Architecture.from_content(load_json(Path(folder) / NETWORK), str(Path(folder) / NETWORK))
    try:
        state: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        remedy = "give a folder that save_pretrained wrote"
        raise SpecError(WEIGHTS, f"cannot be read ({error})", remedy, str(folder)) from None
    channels = saved.input_channels if in_chans is None else in_chans
    network = to_module(to_graph(replace(saved, input_channels=channels)), drop_rate=drop_rate, drop_path_rate=drop_path_rate)
    _check_weights(network, state, saved.input_channels, path)
    if channels != saved.input_channels:
        first = state[FIRST_CONVOLUTION]
        state[FIRST_CONVOLUTION] = first.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
    network.load_state_dict(state)
    if num_classes is not None and num_classes != saved.classes:
        network.reset_classifier(num_classes)
    return network.eval()


FIRST_CONVOLUTION = "stem.conv.weight"
"""Key of the only weights that read the input."""


def require_safetensors(purpose: str) -> None:
    """Makes sure that safetensors can be imported; ``purpose`` is the subject of a sentence.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import safetensors  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("safetensors", "torch", purpose) from error


def _check_weights(network: DesignedNetwork, state: dict[str, Tensor], in_chans: int, path: Path) -> None:
    """That a file has the weights of a network, each with its shape."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    out, _, *window = expected[FIRST_CONVOLUTION]
    expected[FIRST_CONVOLUTION] = (out, in_chans, *window)
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = next((name for name in sorted({**expected, **found}) if expected.get(name) != found.get(name)), None)
    if wrong is not None:
        problem = f"has shape {found.get(wrong, 'none')}"
        raise SpecError(wrong, problem, f"{NETWORK} says {expected.get(wrong, 'there are no such weights')}", str(path))
