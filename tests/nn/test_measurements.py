"""Memory against liveness in the graph and what autograd saves; gradients against torch's norm; known networks recomputed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from networks import PUBLISHED, published, small

from mipdesign.cli import main as cli
from mipdesign.errors import SpecError
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import evaluate
from mipdesign.nn.graph import Graph, arguments, parts, to_graph
from mipdesign.nn.known_networks import DEEPMAD, known_network, known_networks
from mipdesign.nn.lowering import to_module
from mipdesign.nn.measurements import gradients, measurements, peak_memory, quartiles, shape_of
from mipdesign.nn.timing import LEAST_RUNS, WARM_UPS, timed

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from mipdesign.nn.measurements import gradient_norms  # noqa: E402
from mipdesign.nn.memory import training_bytes  # noqa: E402

# ------------------------------------------------------------------------------------------------------------------ memory


def live_elements(graph: Graph) -> int:
    """Most elements of maps that live together, from the graph alone.

    A map goes after its last reader; whoever calls a network, a super-block or a block holds its input until it returns.
    """
    size = {node: math.prod(graph.nodes[node]["out_shape"]) for node in graph}
    peak = 0
    entrance: dict[str, str] = {}
    for part in parts(graph):
        stage = part.name.rpartition(".")[0] or part.name
        held = {"input", part.source, entrance.setdefault(stage, part.source)}
        inside: set[str] = set()
        for n, node in enumerate(part.nodes):
            inside.add(node)
            peak = max(peak, sum(size[name] for name in held | inside))
            later = {source for other in part.nodes[n + 1 :] for source in arguments(graph, other)}
            inside = {name for name in inside if name in later or name == node}
    return peak


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peak_is_that_of_liveness_in_the_graph(family: str) -> None:
    architecture = small(family)
    counted = peak_memory(architecture, 16)
    expected = 4 * 16 * live_elements(to_graph(architecture))
    assert expected <= counted.inference <= 1.01 * expected  # normalisations return statistics as well, of no use here
    assert counted.inference >= 16 * evaluate(architecture).activation_memory
    assert counted.allocated_inference is None or counted.allocated_inference > 0


@pytest.mark.parametrize("family", ["bottleneck", "inverted_se", "resnet_basic"])
def test_a_forward_pass_keeps_what_autograd_saves(family: str) -> None:
    architecture = small(family)
    network = to_module(to_graph(architecture)).train()
    pictures = torch.randn(shape_of(architecture, 4))
    saved: dict[int, int] = {}
    holders: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        holders.append(tensor)  # so that no address is given out twice
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network(pictures)
    for tensor in (pictures, logits):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    expected = sum(size for address, size in saved.items() if address not in weights)
    kept, peak = training_bytes(network, shape_of(architecture, 4))
    assert kept == pytest.approx(expected, rel=0.01)
    memory = peak_memory(architecture, 4)
    assert (kept, peak) == (memory.kept, memory.training)
    assert peak >= kept
    assert peak >= 4 * sum(p.numel() for p in network.parameters())  # the gradients are all there in the end


def test_memory_grows_with_the_batch() -> None:
    one, eight = (peak_memory(small("basic"), batch) for batch in (8, 64))
    assert eight.inference == pytest.approx(8 * one.inference, rel=0.01)


# ----------------------------------------------------------------------------------------------------- latency and gradients


def test_warm_ups_are_not_timed() -> None:
    calls: list[int] = []
    assert len(timed(lambda: calls.append(1), seconds=1e-9)) == LEAST_RUNS
    assert len(calls) == WARM_UPS + LEAST_RUNS


def test_quartiles_are_those_of_the_runs() -> None:
    latency = quartiles([5.0, 1.0, 2.0, 4.0, 3.0], "cpu", "eager", 2, 8)
    assert (latency.lower, latency.median, latency.upper) == (2.0, 3.0, 4.0)
    assert (latency.device, latency.threads, latency.batch, latency.runs) == ("cpu", 2, 8, 5)


def norm_of(tensors: Iterable[Tensor | None]) -> float:
    """The norm of all numbers of some tensors."""
    return float(torch.cat([tensor.detach().flatten() for tensor in tensors if tensor is not None]).norm())


def test_norms_of_the_parts_make_up_the_norm_of_the_whole() -> None:
    network = to_module(to_graph(small("inverted_se"))).train()
    network(torch.randn(shape_of(small("inverted_se"), 8))).square().mean().backward()
    norms = gradient_norms(network)
    assert list(norms) == ["stem", "stages.0", "stages.1", "head", "classifier"]
    total = norm_of(p.grad for p in network.parameters())
    assert math.hypot(*(norm for norm, _ in norms.values())) == pytest.approx(total)
    assert norms["classifier"][1] == pytest.approx(norm_of(network.classifier.parameters()))


def test_gradients_are_a_function_of_the_seed_and_leave_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, second, other = (gradients(small("basic"), 1, seed) for seed in (1, 1, 2))
    assert first == second != other
    assert torch.equal(state, torch.random.get_rng_state())
    assert [part.part for part in first] == ["stem", "stages.0", "stages.1", "head", "classifier"]
    assert all(part.norm > 0 and part.standard_error > 0 and part.relative > 0 for part in first)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"batch": 0}, "batch"), ({"threads": 0}, "threads"), ({"seconds": 0.0}, "seconds"), ({"seed": -1}, "seed")],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError, match=f"^{field}: "):
        measurements(small("basic"), **options)


# --------------------------------------------------------------------------------------------------------------- known networks


def test_the_figures_of_the_published_networks_are_those_of_their_structures() -> None:
    assert {known.name.lower() for known in DEEPMAD} == set(PUBLISHED)
    for known in DEEPMAD:
        computed = known_network(published(known.name.lower()), known.name)
        assert vars(computed) == pytest.approx(vars(known))


def test_a_network_stands_between_those_of_less_and_of_more_effectiveness() -> None:
    table = known_networks(published("deepmad-r18"))
    assert [s.effectiveness for s in table] == sorted(s.effectiveness for s in table)
    (given,) = (s for s in table if s.given)
    assert given.mean_width == pytest.approx(115 / evaluate(published("deepmad-r18"), "paper").effectiveness)
    names = [s.name for s in table]
    assert names.index("torchvision/resnet152") < names.index("this network") < names.index("torchvision/mobilenet_v2")


# ------------------------------------------------------------------------------------------------------------ command line


def test_the_command_shows_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"architecture": small("basic").to_dict()}))
    assert cli.main(["validate", str(tmp_path), "--batch", "2", "--draws", "8"]) == 0
    out = capsys.readouterr().out
    for words in (
        "log_variance.stage1",
        "s.e.",
        "training, peak",
        "quartiles",
        "gradient of",
        "> this network",
        "figures agree",
    ):
        assert words in out
    written = json.loads((tmp_path / "validation.json").read_text())
    assert written["behaviour"]["memory"]["batch"] == 2
    assert written["behaviour"]["latencies"][0]["threads"] == 1
    assert len(written["behaviour"]["gradients"]) == 5
    assert written["draws"] == 8
    assert sum(standing["given"] for standing in written["standings"]) == 1


def test_what_runs_the_network_can_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.json"
    path.write_text(small("basic").dumps())
    assert cli.main(["validate", str(path), "--quick", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["behaviour"]["latencies"] == data["behaviour"]["gradients"] == []
    assert data["behaviour"]["memory"]["training"] > 0


@pytest.mark.parametrize("option", [("--batch", "0"), ("--threads", "0"), ("--draws", "1"), ("--seed", "-1"), ("--batch", "x")])
def test_bad_options_are_one_line(option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.json"
    path.write_text(small("basic").dumps())
    assert cli.main(["validate", str(path), "--quick", *option]) == 2
    assert capsys.readouterr().err.count("\n") == 1
