"""Exports of a network of every preset at full resolution against the torch module.

``python -m benchmarks.exports [NAME ...] [--compile]``: for each preset a network near its optimum, with normalisations as
after training; ONNX run by onnxruntime and the program of torch.export, each with batches of one and of three pictures.
Prints, per preset, the greatest difference of a logit, absolute and relative to the greatest logit, and first that of the
module itself with numbers of 64 bits: its own rounding. With ``--compile`` the module of ``torch.compile``, which needs a C++
compiler, is held against the module too.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mipdesign.architecture import Architecture
from mipdesign.exports import INPUT_NAME, onnx_bytes, torch_export_bytes
from mipdesign.graph import to_graph
from mipdesign.lowering import to_module
from mipdesign.network import DesignedNetwork
from mipdesign.problem import Problem, preset_names
from mipdesign.run import design

TOLERANCE = 1e-4
"""Greatest relative difference that is accepted, unless the module itself rounds by a quarter of it or more."""


def network_of(preset: str) -> Architecture:
    """A network within 5 % of the preset's optimum."""
    found = design(Problem.preset(preset), gap=0.05, workers=1).architecture
    assert found is not None
    return found


def as_trained(architecture: Architecture, pictures: Tensor) -> DesignedNetwork:
    """A network in evaluation mode that keeps signals at the size of 1, as a trained one does, with logits of that size.

    The running variance of each layer is the mean square of its map of ``pictures``, and running means are small. Statistics
    by channel of a few random pictures would not do: such pictures hardly differ once they are pooled, and dividing by those
    differences amplifies rounding errors until two orders of summation give other logits.
    """
    torch.manual_seed(0)
    network = to_module(to_graph(architecture)).eval()

    def calibrate(module: torch.nn.Module, arguments: tuple[Tensor]) -> None:
        assert isinstance(module, torch.nn.BatchNorm2d)
        assert module.running_mean is not None and module.running_var is not None
        size = arguments[0].square().mean().sqrt().item()
        module.running_var.fill_(size**2)
        module.running_mean.normal_(0.0, 0.1 * size)
        module.weight.uniform_(0.2, 0.8)
        module.bias.normal_(0.0, 0.1)

    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(calibrate) for norm in norms]
    with torch.no_grad():
        pooled = network.forward_head(network.forward_features(pictures), pre_logits=True)
        classifier = network.get_classifier()
        assert isinstance(classifier, torch.nn.Linear)
        classifier.weight.normal_(0.0, 1 / pooled.norm(dim=1).max().item())
    for hook in hooks:
        hook.remove()
    return network


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


def differences(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], pictures: Tensor) -> tuple[float, float]:
    """Greatest absolute difference for batches of one and of three pictures; the same over the greatest logit."""
    absolute = greatest = 0.0
    with torch.no_grad():
        for batch in (pictures[:1], pictures):
            expected = one(batch)
            absolute = max(absolute, (other(batch) - expected).abs().max().item())
            greatest = max(greatest, expected.abs().max().item())
    return absolute, absolute / greatest


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets; all by default")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    kinds = {"float64": of_float64, "onnx": of_onnx, "torch-export": of_torch_export}
    kinds |= {"compile": of_compiler} if arguments.compile else {}
    print("| preset | export | absolute | relative | seconds |\n|---|---|---|---|---|", flush=True)
    excess = 0.0
    for name in arguments.names or preset_names():
        architecture = network_of(name)
        pictures = torch.randn(3, architecture.input_channels, *[architecture.resolution] * 2)
        network = as_trained(architecture, pictures)
        accepted = TOLERANCE
        for kind, exported in kinds.items():
            start = time.perf_counter()
            absolute, relative = differences(network, exported(network), pictures)
            accepted = max(accepted, 4 * relative) if kind == "float64" else accepted
            excess = max(excess, relative / accepted)
            print(f"| {name} | {kind} | {absolute:.1e} | {relative:.1e} | {time.perf_counter() - start:.0f} |", flush=True)
    if excess > 1.0:
        raise SystemExit(f"a difference is {excess:.1f} times what is accepted")


if __name__ == "__main__":
    main()
