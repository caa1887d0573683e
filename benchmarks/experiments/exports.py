"""Exports of a network of every preset at full resolution against the torch module.

``python -m mipdesign.benchmarks exports [NAME ...] [--compile]``: for each preset a network near its optimum, with
normalisations as after training; ONNX run by onnxruntime and the program of torch.export, each with batches of one and of three
of the pictures that made the statistics. Prints, per preset, the greatest difference of a logit from the module's, beside the
greatest logit, and first the difference of the module itself with numbers of 64 bits: its own rounding. With ``--compile`` the
module of ``torch.compile``, which needs a C++ compiler, is held against the module too. Ends with exit code 1 if an export
differs by more than 1e-4, or if the logits are so small or so large that this would say nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mipdesign.networks.architecture import Architecture
from mipdesign.nn.exports import INPUT_NAME, onnx_bytes, torch_export_bytes
from mipdesign.nn.graph import input_shape, to_graph
from mipdesign.nn.layers import NORMALISATIONS
from mipdesign.nn.lowering import to_module
from mipdesign.nn.module import DesignedNetwork

TOLERANCE = 1e-4
"""Greatest difference of a logit that is accepted, logits being of size 1."""


SIZES = (0.5, 20.0)
"""Between what the greatest logit has to be: of thousands with a standard deviation of 1 it is between 3 and 4."""
NETWORKS = Path(__file__).parents[2] / "tests" / "data" / "preset_networks.json"
"""By preset, a network within 2 % of its optimum."""


def as_trained(architecture: Architecture, batches: int = 4, size: int = 16) -> tuple[DesignedNetwork, Tensor]:
    """A network in evaluation mode with the statistics that training leaves in it and with logits of size 1, and three pictures
    that it has seen.

    Running means and variances are those of ``batches`` batches of ``size`` random pictures that went through the network in
    training mode; scales and shifts of the normalisations are random, and at the end of residual branches small, as training
    from a start at zero leaves them (Goyal et al., 2017, arXiv 1706.02677, section 5.1): with large ones, dozens of blocks
    amplify rounding errors a thousandfold. A network that has kept the statistics of its beginning would not do: signals grow
    from layer to layer until its logits mean nothing. Nor would other pictures: what is normalised after a squeeze has one
    value per picture, whose statistics from some dozens of pictures do not fit others. Signals of those then grow through
    the blocks, to logits of 0.1 or 1000, and with them what is rounded.
    """
    torch.manual_seed(0)
    network = to_module(to_graph(architecture), zero_init_last=True)
    for norm in network.modules():
        if isinstance(norm, NORMALISATIONS):
            norm.momentum = None  # averages over all batches
            ends_branch = not norm.weight.any()
            torch.nn.init.uniform_(norm.weight, *((0.0, 0.3) if ends_branch else (0.2, 0.8)))
            torch.nn.init.normal_(norm.bias, 0.0, 0.1)
    network.train()
    with torch.no_grad():
        for _ in range(batches):
            pictures = random_pictures(architecture, size)
            network(pictures)
        network.eval()
        pooled = network.forward_head(network.forward_features(pictures[:1]), pre_logits=True)
        classifier = network.get_classifier()
        assert isinstance(classifier, torch.nn.Linear)
        classifier.weight.normal_(0.0, 1 / pooled.norm().item())
    return network, pictures[:3]


def random_pictures(architecture: Architecture, size: int) -> Tensor:
    """A batch of ``size`` pictures of noise, ``(size, channels, resolution, resolution)``, or of videos."""
    return torch.randn(size, *input_shape(architecture))


def of_onnx(network: DesignedNetwork) -> Callable[[Tensor], Tensor]:
    """The ONNX file, run by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_bytes(network), providers=["CPUExecutionProvider"])
    return lambda pictures: torch.from_numpy(session.run(None, {INPUT_NAME: pictures.numpy()})[0])


def of_torch_export(network: DesignedNetwork) -> Callable[[Tensor], Tensor]:
    """The file of torch.export, read again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.pt2"
        file.write_bytes(torch_export_bytes(network))
        program: Callable[[Tensor], Tensor] = torch.export.load(file).module()
    return program


def of_compiler(network: DesignedNetwork) -> Callable[[Tensor], Tensor]:
    """The module of torch.compile."""
    compiled: Callable[[Tensor], Tensor] = torch.compile(network, fullgraph=True)
    return compiled


def of_float64(network: DesignedNetwork) -> Callable[[Tensor], Tensor]:
    """The module itself with numbers of 64 bits: what it rounds."""
    exact = copy.deepcopy(network).double()
    return lambda pictures: exact(pictures.double()).float()


def difference(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], pictures: Tensor) -> tuple[float, float]:
    """Greatest difference for a batch of one picture and for one of all, and the greatest logit."""
    found = greatest = 0.0
    with torch.no_grad():
        for batch in (pictures[:1], pictures):
            expected, given = one(batch), other(batch)
            assert expected.isfinite().all() and given.isfinite().all()
            found = max(found, (given - expected).abs().max().item())
            greatest = max(greatest, expected.abs().max().item())
    return found, greatest


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; all by default")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    kinds = {"float64": of_float64, "onnx": of_onnx, "torch-export": of_torch_export}
    kinds |= {"compile": of_compiler} if arguments.compile else {}
    print("| preset | export | difference | greatest logit | seconds |\n|---|---|---|---|---|", flush=True)
    faults: list[str] = []
    networks = json.loads(NETWORKS.read_text())
    for name in arguments.names or networks:
        architecture = Architecture.from_dict(networks[name])
        network, pictures = as_trained(architecture)
        for kind, exported in kinds.items():
            start = time.perf_counter()
            found, greatest = difference(network, exported(network), pictures)
            print(f"| {name} | {kind} | {found:.1e} | {greatest:.1f} | {time.perf_counter() - start:.0f} |", flush=True)
            if not SIZES[0] <= greatest <= SIZES[1] or (kind != "float64" and found > TOLERANCE):
                faults.append(f"{name} {kind}")
    if faults:
        raise SystemExit(f"differs by more than {TOLERANCE:.0e}, or has logits of another size than 1: {', '.join(faults)}")


if __name__ == "__main__":
    main()
