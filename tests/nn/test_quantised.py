"""Networks of few bits: their levels, training, what the module takes in bits, and files of integers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.experiments.exports import TOLERANCE, as_trained
from scale import examples, few

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.nn.exports import export, module_of, onnx_bytes, torch_export_bytes
from mipdesign.nn.graph import to_graph
from mipdesign.nn.graph_checks import check_graph
from mipdesign.nn.graph_files import graphml_text, read_graphml
from mipdesign.nn.lowering import to_module
from mipdesign.nn.pretrained import from_pretrained, save_pretrained

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mipdesign.nn.layers import NORMALISATIONS  # noqa: E402
from mipdesign.nn.quantised import (  # noqa: E402
    Quantised,
    QuantisedConv2d,
    calibrate,
    quantised_convolutions,
    step_of_map,
    step_of_weights,
    top_level,
)
from mipdesign.nn.tool_tracing import tool_trace  # noqa: E402
from mipdesign.nn.tracing import meta_network  # noqa: E402
from mipdesign.nn.validation import exact_checks, validate  # noqa: E402

ONE, OTHER = ((4, 5), (3, 6), (6, 3)), ((5, 4), (4, 4), (2, 2))
FEW_BITS = Architecture(
    32,
    Stem(8, bits=(8, 8)),
    (Stage("inverted", 2, 12, 16, 5, 2, bits=(ONE, OTHER)), Stage("bottleneck", 1, 16, 8, 3, 2, bits=(OTHER, ONE))),
    20,
    classes=10,
    head_bits=(5, 5),
)
"""Bits that differ from convolution to convolution, a projection, and maps with negative numbers: the picture."""
SHORT = replace(FEW_BITS, stages=FEW_BITS.stages[1:])
"""Its second super-block alone, for what takes long."""
MOBILE = Architecture(
    64,
    Stem(16, bits=(8, 8)),
    (
        Stage("inverted", 2, 24, 48, 3, 2, bits=(ONE, OTHER)),
        Stage("inverted", 2, 24, 72, 5, 1, bits=(OTHER,)),
        Stage("inverted", 2, 32, 96, 3, 2, bits=(OTHER, OTHER)),
    ),
    64,
    head_bits=(5, 5),
)


@st.composite
def quantised(draw: st.DrawFn) -> Architecture:
    """Small networks of few bits, of all families that can be quantised, in pictures and in video."""
    pair = st.tuples(st.integers(2, 8), st.integers(2, 8))
    frames = draw(st.none() | st.integers(1, 3))
    families = [
        name for name, family in FAMILIES.items() if not family.has_se and bool(family.temporal) == (frames is not None)
    ]

    def stage() -> Stage:
        block, depth = draw(st.sampled_from(sorted(families))), draw(st.integers(1, 2))
        bits = tuple(tuple(draw(pair) for _ in range(FAMILIES[block].layers)) for _ in range(depth))
        channels, width = draw(st.sampled_from([8, 12])), draw(st.sampled_from([4, 8]))
        return Stage(block, draw(st.sampled_from([1, 2])), channels, width, draw(st.sampled_from([1, 3])), depth, bits=bits)

    head = draw(st.none() | st.integers(1, 16))
    return Architecture(
        draw(st.sampled_from([32, 33])),
        Stem(8, bits=draw(pair)),
        tuple(stage() for _ in range(draw(st.integers(1, 2)))),
        head,
        classes=5,
        frames=frames,
        head_bits=None if head is None else draw(pair),
    )


def levels(conv: Quantised, x: Any) -> Any:
    """The levels that a convolution reads."""
    step, zero = step_of_map(conv.low, conv.high, conv.bits[0])
    return torch.clamp(torch.round(x / step) + zero, 0, 2 ** conv.bits[0] - 1)


# ------------------------------------------------------------------------------------------------------------ the rounding


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_of_a_channel_have_as_many_values_as_their_bits_allow(bits: int) -> None:
    conv = QuantisedConv2d(16, 4, 5, bias=False)
    conv.quantise((8, bits))
    weight = conv.quantised_weight()
    for channel, original in zip(weight, conv.weight, strict=True):
        assert 2 < len(channel.unique()) <= 2**bits - 1
        step = original.abs().max() / (2 ** (bits - 1) - 1)
        assert (channel - original).abs().max() <= step / 2 * (1 + 1e-5)
        torch.testing.assert_close(channel / step, torch.round(channel / step), rtol=0, atol=1e-4)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_maps_have_as_many_values_as_their_bits_allow(bits: int, signed: bool) -> None:
    """Zero is one of them, since borders are filled with it; what is outside the range goes to its ends."""
    conv = QuantisedConv2d(1, 1, 1, bias=False)
    conv.quantise((bits, 8))
    x = torch.randn(1, 1, 64, 64) if signed else torch.rand(1, 1, 64, 64)
    conv.train()(x)
    with torch.no_grad():
        conv.weight.fill_(1.0)
    seen = conv.eval()(torch.cat([x, 2 * x, torch.zeros_like(x)], 2)).unique()
    assert 1 < len(seen) <= 2**bits
    assert 0.0 in seen
    step = (x.max().clamp(min=0) - x.min().clamp(max=0)) / (2**bits - 1)
    torch.testing.assert_close(seen.diff().min(), step, rtol=1e-4, atol=0)
    assert (conv(x) - x).abs().max() <= step / 2 * (1 + 1e-4) + step * signed / 2


def test_gradients_are_those_of_clipping() -> None:
    conv = QuantisedConv2d(1, 1, 1, bias=False)
    conv.quantise((4, 8))
    with torch.no_grad():
        conv.weight.fill_(1.0)
    x = torch.linspace(-2, 2, 41).reshape(1, 1, 1, 41)
    conv.train()(x[..., 10:31])
    conv.eval()
    x.requires_grad_()
    conv(x).sum().backward()
    inside = (x >= -1.07) & (x <= 1.07)
    assert torch.equal(x.grad[~((x.abs() > 0.95) & (x.abs() < 1.2))], inside.float()[~((x.abs() > 0.95) & (x.abs() < 1.2))])
    assert conv.weight.grad.isfinite().all()


def test_the_range_follows_what_is_seen() -> None:
    conv = QuantisedConv2d(1, 1, 1, bias=False)
    conv.quantise((4, 4))
    assert (conv.low.item(), conv.high.item()) == (-3, 3)
    conv(torch.tensor([-1.0, 4.0]).reshape(1, 1, 1, 2))
    assert (conv.low.item(), conv.high.item()) == (-1, 4)
    conv(torch.tensor([0.0, 14.0]).reshape(1, 1, 1, 2))
    assert (conv.low.item(), conv.high.item()) == pytest.approx((-0.9, 5.0))
    conv.eval()(torch.tensor([0.0, 99.0]).reshape(1, 1, 1, 2))
    assert conv.high.item() == pytest.approx(5.0)


def test_many_bits_are_no_rounding() -> None:
    """A network of 16 bits computes what the same network without bits does."""
    wide = replace(
        FEW_BITS,
        stem=Stem(8, bits=(16, 16)),
        stages=tuple(replace(s, bits=(((16, 16),) * 3,) * s.depth) for s in FEW_BITS.stages),
        head_bits=(16, 16),
    )
    network, x = as_trained(wide)
    plain = to_module(
        to_graph(replace(wide, stem=Stem(8), stages=tuple(replace(s, bits=()) for s in wide.stages), head_bits=None))
    )
    plain.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(network(x), plain.eval()(x), rtol=0, atol=1e-2)
        rough, _ = as_trained(FEW_BITS)
        assert (rough(x) - plain(x)).abs().max() > 0.05


def test_it_trains() -> None:
    """Every weight gets a gradient, and the loss on random labels falls."""
    network = to_module(to_graph(FEW_BITS))
    pictures, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(network(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_ranges_are_taken_from_pictures_without_training() -> None:
    network, pictures = as_trained(FEW_BITS)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batches = [3 * pictures, pictures]
    calibrate(network, *batches)
    after = network.state_dict()
    changed = {name.rpartition(".")[2] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"low", "high", "seen"}
    stem = quantised_convolutions(network)["stem.conv"]
    assert stem.high.item() == pytest.approx(0.9 * batches[0].max().item() + 0.1 * batches[1].max().item())
    assert not network.training


# -------------------------------------------------------------------------------------------------------- counts and graph


@given(quantised())
@examples(60)
def test_counts_are_those_of_the_module(architecture: Architecture) -> None:
    checks = exact_checks(architecture)
    assert [check for check in checks if not check.passed] == []
    assert ("bit_operations" in {check.name for check in checks}) == architecture.whole_maps


def test_size_operations_and_memory_by_hand() -> None:
    """Of a stem and one block, from their sizes."""
    bits = ((3, 4), (5, 6), (2, 7))
    a = Architecture(8, Stem(8, bits=(8, 8)), (Stage("inverted", 2, 8, 16, 3, 1, bits=(bits,)),), classes=3)
    graph = to_graph(a)
    trace = tool_trace(meta_network(graph), (3, 8, 8))
    weights = Fraction(27 * 8 * 8 + 8 * 16 * 4 + 9 * 16 * 6 + 16 * 8 * 7, 8)
    assert trace.model_size == weights + 2 * (8 + 16 + 16 + 8)
    stem = 16 * (27 * 8 * 64 + 3 * 8 * 64)
    first, depthwise, last = 16 * 16 * (8 * 12 + 3 * 64), 4 * 16 * (9 * 30 + 3 * 64), 4 * 8 * (16 * 14 + 3 * 64)
    assert trace.bit_operations == stem + first + depthwise + last + 64 * 16 * 8  # the shortcut is averaged
    held = [64 * 3 * 8 + 16 * 8 * 3, 16 * 8 * 3 + 16 * 16 * 5, 16 * 16 * 5 + 4 * 2 + 4 * 8 * 3, 4 * 16 * 2 + 4 * 8 * 8]
    assert trace.map_bytes == tuple(Fraction(value, 8) for value in held)
    evaluator = Evaluator(a, default_scoring("reference", a))
    assert evaluator.exact_counts["model_size"] == trace.model_size
    assert evaluator.exact_counts["bit_operations"] == trace.bit_operations
    assert evaluator.exact_counts["max_feature"] == max(trace.map_bytes)


def test_validation_finds_wrong_bits() -> None:
    network = meta_network(to_graph(MOBILE))
    right = tool_trace(network, (3, 64, 64))
    assert all(check.passed for check in exact_checks(MOBILE))
    network.stages[0][0].conv2.bits = (4, 6)
    wrong = tool_trace(network, (3, 64, 64))
    assert wrong.bit_operations > right.bit_operations
    assert wrong.model_size == right.model_size
    assert wrong.map_bytes != right.map_bytes


def test_the_variance_of_rounded_layers_is_that_of_the_score() -> None:
    report = validate(MOBILE)
    assert report.failures == ()
    check, plain = report["quantised_log_variance"], report["log_variance"]
    assert abs(check.expected - plain.expected) > 5
    assert math.isclose(check.expected, check.measured, abs_tol=check.tolerance)
    assert {f"quantised_log_variance.stage{j}" for j in range(4)} < {check.name for check in report.checks}


@given(quantised())
@examples(30)
def test_graphs_keep_bits_through_files(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    again = read_graphml(graphml_text(graph))
    assert nx.utils.graphs_equal(again, graph) and again.graph == graph.graph
    assert Architecture.from_dict(again.graph["architecture"]) == architecture
    check_graph(nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(graph, edges="edges"))), edges="edges"))


@pytest.mark.parametrize(
    ("node", "bits", "message"),
    [
        ("stem.conv", (8,), r"stem.conv.bits: \(8,\); give at least 1 for the map and 2 for the weights"),
        ("stem.conv", (8, 1), "stem.conv.bits"),
        ("stem.conv", (0, 8), "stem.conv.bits"),
        ("stem.conv", 8, "stem.conv.bits: 8 is of type int"),
        ("stem.conv_bn", (8, 8), "stem.conv_bn.bits: .*only convolutions have bits"),
    ],
)
def test_bits_that_mean_nothing_are_refused(node: str, bits: Any, message: str) -> None:
    graph = to_graph(FEW_BITS)
    graph.nodes[node]["bits"] = bits
    with pytest.raises(SpecError, match=message):
        check_graph(graph)


# ------------------------------------------------------------------------------------------------------------------- files


def test_weights_and_ranges_are_saved_and_read(tmp_path: Any) -> None:
    network, x = as_trained(FEW_BITS)
    save_pretrained(network, tmp_path)
    again = from_pretrained(tmp_path)
    assert again.architecture == FEW_BITS
    assert torch.equal(again(x), network(x))


def test_fresh_modules_for_export_have_ranges() -> None:
    """Those of random pictures: nothing else was seen."""
    assert all(conv.seen == 1 for conv in quantised_convolutions(module_of(FEW_BITS)).values())


def read_levels(network: Any, pictures: Any) -> dict[str, Any]:
    """What every convolution reads, by its name."""
    seen: dict[str, Any] = {}

    def note(name: str) -> Any:
        return lambda conv, inputs: seen.update({name: levels(conv, inputs[0])})

    hooks = [conv.register_forward_pre_hook(note(name)) for name, conv in quantised_convolutions(network).items()]
    with torch.no_grad():
        network(pictures)
    for hook in hooks:
        hook.remove()
    return seen


CLIPS = Architecture(
    32,
    Stem(8, kernel_t=3, bits=(6, 7)),
    (Stage("inverted_3d", 2, 8, 16, 3, 2, 3, (ONE, OTHER)),),
    classes=10,
    frames=4,
)


@pytest.mark.parametrize(
    "architecture", few([FEW_BITS, CLIPS, replace(MOBILE, classes=10)], 1), ids=["mixed", "clips", "mobile"]
)
def test_onnxruntime_computes_the_same_with_integers(architecture: Architecture) -> None:
    """Weights are integers within their bits; levels of maps agree to a step, nearly all exactly; and so do the logits."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    network, pictures = as_trained(architecture)
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, NORMALISATIONS):
                norm.weight *= torch.randint(-1, 2, norm.weight.shape)  # scales below 0 change the signs of levels
    content = onnx_bytes(network)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    numbers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    of_maps = {}
    for name, conv in quantised_convolutions(network).items():
        weights = numbers[f"{name}.levels"]
        assert (weights.dtype, weights.shape) == ("int8", tuple(conv.weight.shape))
        assert abs(weights).max() == top_level(conv.bits[1])
        expected = (conv.weight / step_of_weights(conv.weight, conv.bits[1])).round().abs().detach().numpy()
        silent = network.get_submodule(f"{name}_bn").weight.detach().numpy() == 0
        assert (abs(weights) == expected)[~silent].all() and (weights[silent] == 0).all()
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[1].endswith(".map_step"):
            of_maps[node.input[0]] = node.input[1].removesuffix(".map_step")
            model.graph.output.append(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.UINT8, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits, *found = session.run(None, {"pictures": pictures.numpy()})
    expected_levels = read_levels(network, pictures)
    assert len(set(of_maps.values())) > len(list(network.blocks()))
    for name, values in zip(of_maps, found, strict=True):
        apart = (torch.from_numpy(values).float() - expected_levels[of_maps[name]]).abs()
        assert apart.max() <= 1 and (apart > 0).float().mean() < 0.01, of_maps[name]
        assert values.max() <= 2 ** network.get_submodule(of_maps[name]).bits[0] - 1
    torch.testing.assert_close(torch.from_numpy(logits), network(pictures).detach(), rtol=0, atol=TOLERANCE)


def test_maps_of_few_bits_go_into_a_file() -> None:
    """There, nothing but integers is left of the weights."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network, pictures = as_trained(replace(FEW_BITS, stages=FEW_BITS.stages[:1], head=None, head_bits=None))
    backbone = network.features(["c1", "c2"])
    session = onnxruntime.InferenceSession(onnx_bytes(backbone), providers=["CPUExecutionProvider"])
    found = session.run(None, {"pictures": pictures.numpy()})
    for maps, expected in zip(found, backbone(pictures).values(), strict=True):
        torch.testing.assert_close(torch.from_numpy(maps), expected.detach(), rtol=0, atol=TOLERANCE)


def test_a_program_of_torch_export_rounds_as_the_module(tmp_path: Any) -> None:
    network, pictures = as_trained(SHORT)
    (tmp_path / "network.pt2").write_bytes(torch_export_bytes(network))
    program = torch.export.load(tmp_path / "network.pt2").module()
    for batch in (1, 3):
        torch.testing.assert_close(program(pictures[:batch]), network(pictures[:batch]), rtol=0, atol=TOLERANCE)


def test_more_than_eight_bits_do_not_go_into_a_file() -> None:
    pytest.importorskip("onnx")
    with pytest.raises(SpecError, match=r"stem.conv: \(9, 8\) bits; an ONNX file holds up to 8"):
        onnx_bytes(to_module(to_graph(replace(FEW_BITS, stem=Stem(8, bits=(9, 8))))))


def test_the_command_line_exports_networks_of_few_bits(tmp_path: Any) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "network.json").write_text(SHORT.dumps())
    assert "untrained" in export(tmp_path / "network.json", "torch-export", tmp_path / "network.pt2")
    assert torch.export.load(tmp_path / "network.pt2").module()(torch.randn(1, 3, 32, 32)).isfinite().all()
