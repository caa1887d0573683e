"""Networks of video: graph and torch module against the theory, against pictures frame by frame, and through exports."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.experiments.exports import TOLERANCE, as_trained
from scale import examples, few

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.nn.exports import onnx_bytes, torch_export_bytes
from mipdesign.nn.graph import to_graph
from mipdesign.nn.graph_checks import check_graph
from mipdesign.nn.graph_files import dot_text, graphml_text, read_graphml
from mipdesign.nn.lowering import to_module
from mipdesign.nn.pretrained import from_pretrained, save_pretrained

torch = pytest.importorskip("torch")

from mipdesign.nn.module import POOLS  # noqa: E402
from mipdesign.nn.tracing import main_path, meta_network, variance_ratios  # noqa: E402
from mipdesign.nn.validation import exact_checks, stage_estimates, validate, variance_checks  # noqa: E402

FAMILY = "inverted_3d"
STAGES = (Stage(FAMILY, 2, 12, 24, 5, 2, 1), Stage(FAMILY, 1, 12, 16, 3, 1, 3), Stage(FAMILY, 2, 16, 24, 3, 1, 5))
VIDEO = Architecture(33, Stem(8, kernel_t=3), STAGES, 20, classes=10, frames=6)
"""On an odd resolution, with kernels of one, three and five frames, and shortcuts with and without a stride."""


@st.composite
def videos(draw: st.DrawFn) -> Architecture:
    """Small networks of video; even and odd resolutions, with and without a head."""
    frames = draw(st.integers(1, 6))
    spans = st.sampled_from([kt for kt in (1, 3, 5) if kt <= frames])
    widths = st.sampled_from([4, 8, 12])
    stage = st.builds(
        Stage, st.just(FAMILY), st.sampled_from([1, 2]), widths, widths, st.sampled_from([1, 3, 5]), st.integers(1, 3), spans
    )
    stem = Stem(draw(widths), draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 2])), kernel_t=draw(spans))
    stages = tuple(draw(st.lists(stage, min_size=1, max_size=3)))
    head = draw(st.none() | st.integers(1, 16))
    return Architecture(draw(st.integers(33, 36)), stem, stages, head, draw(st.integers(1, 4)), 7, frames=frames)


@given(videos())
@examples(60)
def test_counts_and_shapes_are_those_of_the_module(architecture: Architecture) -> None:
    """On the device without memory, and again when it runs."""
    assert [check for check in exact_checks(architecture) if not check.passed] == []
    network = to_module(to_graph(architecture)).eval()
    x = torch.randn(2, architecture.input_channels, architecture.frames, architecture.resolution, architecture.resolution)
    with torch.no_grad():
        assert network(x).shape == (2, 7)


@given(videos())
@examples(40)
def test_graphs_survive_files(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    again = read_graphml(graphml_text(graph))
    assert nx.utils.graphs_equal(again, graph) and list(again) == list(graph) and again.graph == graph.graph
    assert Architecture.from_dict(again.graph["architecture"]) == architecture
    check_graph(nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(graph, edges="edges"))), edges="edges"))


def test_shapes_have_frames() -> None:
    graph = to_graph(VIDEO)
    assert graph.nodes["input"]["out_shape"] == (3, 6, 33, 33)
    assert graph.nodes["stages.2.0.conv2"]["out_shape"] == (24, 6, 5, 5)
    assert (graph.nodes["stages.2.0.conv2"]["kernel_t"], graph.nodes["stages.2.0.conv1"]["kernel_t"]) == (5, 1)
    assert graph.nodes["classifier.pool"]["out_shape"] == (20, 1, 1, 1)
    assert '"stages.2.0.conv2" [label="conv2\\nconv 5x3x3 /2\\n24 x 6 x 5 x 5"' in dot_text(graph)


@pytest.mark.parametrize(
    ("node", "attribute", "value", "message"),
    [
        ("stages.0.0.conv2", "kernel_t", 3, "stages.0.0.conv2.params: .*; the operation has"),
        ("stages.0.0.conv2", "kernel_t", 2, "stages.0.0.conv2.kernel_t: 2 is even"),
        ("stages.0.0.conv2", "kernel_t", 0, "stages.0.0.conv2.kernel_t: 0; it is at least 1"),
        ("stages.0.0.conv2", "out_shape", (24, 5, 9, 9), "stages.0.0.conv2.out_shape: 5 frames; conv gives 6"),
        ("stages.0.0.conv2", "out_shape", (24, 9, 9), r"a shape is \(channels, frames, height, width\)"),
        ("classifier.pool", "out_shape", (20, 6, 1, 1), "classifier.pool.out_shape: 6 frames; global_pool gives 1"),
    ],
)
def test_what_is_no_network_of_video_is_refused(node: str, attribute: str, value: Any, message: str) -> None:
    graph = to_graph(VIDEO)
    graph.nodes[node][attribute] = value
    with pytest.raises(SpecError, match=message):
        check_graph(graph)


def test_frames_of_the_graph_are_those_of_its_nodes() -> None:
    graph = to_graph(VIDEO)
    graph.graph["frames"] = 7
    with pytest.raises(SpecError, match="frames: 7; the nodes say 6"):
        check_graph(graph)


def test_kernels_of_one_frame_see_pictures() -> None:
    """A network of video whose kernels span one frame is the network of pictures with the same weights, frame by frame."""
    stages = tuple(Stage(s.block, s.stride, s.channels, s.bottleneck, s.kernel, s.depth) for s in STAGES)
    video, _ = as_trained(Architecture(33, Stem(8), stages, 20, classes=10, frames=4))
    pictures = to_module(to_graph(Architecture(33, Stem(8), stages, 20, classes=10))).eval()
    of_pictures = pictures.state_dict()
    weights = {key: weight.reshape(of_pictures[key].shape) for key, weight in video.state_dict().items()}
    pictures.load_state_dict(weights)
    x = torch.randn(2, 3, 4, 33, 33)
    with torch.no_grad():
        last, maps = video.forward_intermediates(x)
        for frame in range(4):
            expected, each = pictures.forward_intermediates(x[:, :, frame])
            torch.testing.assert_close(last[:, :, frame], expected, rtol=1e-4, atol=1e-5)
            for found, one in zip(maps, each, strict=True):
                torch.testing.assert_close(found[:, :, frame], one, rtol=1e-4, atol=1e-5)
        pooled = torch.stack([pictures.forward_features(x[:, :, frame]) for frame in range(4)], 2).mean((2, 3, 4))
        torch.testing.assert_close(video.forward_head(last, pre_logits=True), pooled, rtol=1e-4, atol=1e-5)


def test_log_variances_count_the_frames_of_kernels() -> None:
    report = validate(VIDEO)
    assert report.failures == ()
    graph = to_graph(VIDEO)
    convs = main_path(meta_network(graph), graph)
    ratios = variance_ratios(list(convs.values()), 32, 6, 1)
    one_stage = stage_estimates(ratios, 0 * torch.arange(len(convs)).numpy())
    spans = [graph.nodes[node]["kernel_t"] for node in convs]
    widths = [w * span for w, span in zip(VIDEO.widths(), spans, strict=True)]
    assert all(check.passed for check in variance_checks([widths], one_stage, 4.0))
    assert not all(check.passed for check in variance_checks([list(VIDEO.widths())], one_stage, 4.0))


def test_the_contract_holds_for_video() -> None:
    network = to_module(to_graph(VIDEO), drop_rate=0.1, drop_path_rate=0.2, zero_init_last=True)
    x = torch.randn(4, 3, 6, 33, 33)
    assert network.default_cfg["input_size"] == (3, 6, 33, 33)
    assert network.default_cfg["pool_size"] == (6, 5, 5)
    network(x).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    network.eval()
    last = network.forward_features(x)
    pooled = {"avg": last.mean((2, 3, 4)), "max": last.amax((2, 3, 4)), "": last}
    pooled["avgmax"] = (pooled["avg"] + pooled["max"]) / 2
    for pool in POOLS:
        network.reset_classifier(0, pool)
        torch.testing.assert_close(network.forward_head(last), pooled[pool])
    assert [(name, found.shape[1:]) for name, found in network.features(["c1", "c3"])(x).items()] == [
        ("c1", (8, 6, 17, 17)),
        ("c3", (16, 6, 5, 5)),
    ]


def test_weights_are_saved_and_read(tmp_path: Any) -> None:
    network, x = as_trained(VIDEO)
    save_pretrained(network, tmp_path)
    again = from_pretrained(tmp_path)
    assert again.architecture == VIDEO
    assert torch.equal(again(x), network(x))
    grey = from_pretrained(tmp_path, in_chans=1)
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(grey(mean), network(mean.expand_as(x)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", few(["onnx", "torch-export"], 1))
def test_files_compute_the_same(kind: str, tmp_path: Any) -> None:
    network, x = as_trained(VIDEO)
    if kind == "onnx":
        onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
        content = onnx_bytes(network)
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        assert [entry.dim_value for entry in model.graph.input[0].type.tensor_type.shape.dim[1:]] == [3, 6, 33, 33]
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

        def run(batch: Any) -> Any:
            return torch.from_numpy(session.run(None, {"pictures": batch.numpy()})[0])
    else:
        (tmp_path / "video.pt2").write_bytes(torch_export_bytes(network))
        run = torch.export.load(tmp_path / "video.pt2").module()
    for batch in (1, 3):
        torch.testing.assert_close(run(x[:batch]), network(x[:batch]).detach(), rtol=0, atol=TOLERANCE)
