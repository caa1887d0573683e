"""Exports: what a file gives back is the network, and what it computes is what the module computes."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from mipdesign.benchmarks.experiments.exports import TOLERANCE, as_trained
from networks import DISTINCT, architectures, of_preset, small
from scale import examples, few

from mipdesign import (
    Architecture,
    MissingExtraError,
    SpecError,
    from_pretrained,
    read_network,
    save_pretrained,
)
from mipdesign.cli import main as cli
from mipdesign.networks.architecture import Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.exports import FORMATS, OPSET, export, module_of, onnx_bytes, torch_export_bytes
from mipdesign.nn.graph import Graph, to_graph
from mipdesign.nn.graph_checks import check_graph
from mipdesign.nn.graph_files import dot_text, graphml_text, read_graphml
from mipdesign.nn.lowering import to_module

torch = pytest.importorskip("torch")

EVERY_FAMILY = Architecture(33, Stem(8), tuple(Stage(family, 1, 8, 16, 3, 1) for family in FAMILIES), 20, classes=10)
"""One network with a block of each family; benchmarks/exports.py has all presets at full resolution."""
STRIDED = Architecture(33, Stem(8, 3, 1, True), tuple(Stage(family, 2, 12, 16, 3, 1) for family in FAMILIES)[:4], classes=10)
EITHER = pytest.mark.parametrize("architecture", few([EVERY_FAMILY, STRIDED], 1), ids=["families", "strided"])


def same(one: Graph, other: Graph) -> bool:
    """Whether two graphs are equal: nodes, edges, all attributes, and the order of the nodes."""
    return bool(nx.utils.graphs_equal(one, other)) and list(one) == list(other) and one.graph == other.graph


def plain(graph: Graph) -> dict[str, Any]:
    """A graph as JSON gives it back: shapes as tuples."""
    return {
        node: {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()} for node, data in graph.nodes.items()
    }


# ------------------------------------------------------------------------------------------------------------------ graphs


@given(architectures())
@examples(25)
def test_graphml_gives_the_same_graph_again(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    again = read_graphml(graphml_text(graph))
    assert same(again, graph)
    assert to_graph(Architecture.from_dict(again.graph["architecture"])).nodes == graph.nodes


@given(architectures())
@examples(25)
def test_json_gives_the_same_graph_again(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    text = json.dumps(nx.node_link_data(graph, edges="edges"))
    again = nx.node_link_graph(json.loads(text), edges="edges")
    check_graph(again)
    assert plain(again) == plain(graph)
    assert list(again.edges(data=True)) == list(graph.edges(data=True))
    assert again.graph == graph.graph


@pytest.mark.parametrize("name", DISTINCT)
def test_networks_of_presets_survive_graphml_and_json(name: str) -> None:
    graph = to_graph(of_preset(name))
    assert same(read_graphml(graphml_text(graph)), graph)
    assert Architecture.from_dict(json.loads(of_preset(name).dumps())) == of_preset(name)


def test_graphml_is_read_by_networkx_and_lowered(tmp_path: Path) -> None:
    file = tmp_path / "network.graphml"
    graph = to_graph(small("inverted_se"))
    file.write_text(graphml_text(graph))
    theirs = nx.read_graphml(file)
    assert list(theirs) == list(graph)
    assert set(theirs.edges) == set(graph.edges)
    assert theirs.nodes["stages.0.0.conv2"]["params"] == graph.nodes["stages.0.0.conv2"]["params"]
    assert len(to_module(read_graphml(file.read_text())).state_dict()) == len(to_module(graph).state_dict())


def changed(text: str, node: str, key: str, value: str) -> str:
    """GraphML with another value of one attribute."""
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    root = ET.fromstring(text)
    data = root.find(f".//g:node[@id='{node}']/g:data[@key='{key}']", space)
    assert data is not None
    data.text = value
    return ET.tostring(root, encoding="unicode")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "graphml: cannot be read"),
        ("<graphml>", "graphml: cannot be read"),
        ("<html></html>", "graphml: cannot be read"),
        (graphml_text(nx.DiGraph([("a", "b")])), "graph: has no node 'input'"),
        (changed(graphml_text(to_graph(small("basic"))), "stem.conv", "params", "7"), "stem.conv.params: 7; the operation has"),
        (changed(graphml_text(to_graph(small("basic"))), "stem.conv", "in_shape", "wide"), "graphml: cannot be read"),
        (changed(graphml_text(to_graph(small("basic"))), "stem.conv", "in_shape", "3"), "graphml: cannot be read"),
    ],
    ids=["nothing", "half", "other", "strange", "count", "shape", "number"],
)
def test_what_is_no_graphml_of_a_network_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_graphml(text)


def test_dot_tells_bits() -> None:
    stage = Stage("inverted", 2, 8, 16, 3, 1, bits=(((4, 5), (3, 6), (4, 4)),))
    text = dot_text(to_graph(Architecture(16, Stem(8, bits=(8, 7)), (stage,), 20, classes=10, head_bits=(5, 2))))
    told = (
        "8-bit input, 7-bit weights",
        "4-bit input, 5-bit weights",
        "3-bit input, 6-bit weights",
        "5-bit input, 2-bit weights",
    )
    assert all(text.count(f'\\n{words}"') == 1 for words in told)
    assert "-bit" not in dot_text(to_graph(small("inverted")))


def test_dot_has_every_node_and_every_edge() -> None:
    graph = to_graph(small("inverted_se"))
    text = dot_text(graph)
    assert text.count(" -> ") == graph.number_of_edges()
    assert text.count("label=") == graph.number_of_nodes() + len({node.rpartition(".")[0] for node in graph} - {""})
    assert all(f'"{source}" -> "{target}";' in text for source, target in graph.edges)
    assert '"stages.0.0.conv2" [label="conv2\\nconv 5x5 /2\\n16 x 9 x 9"' in text
    assert text.count("{") == text.count("}")


# ----------------------------------------------------------------------------------------------------------------- modules


@EITHER
def test_an_onnx_file_computes_the_same_for_any_batch(architecture: Architecture) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    network, pictures = as_trained(architecture)
    content = onnx_bytes(network)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(known.domain, known.version) for known in model.opset_import] == [("", OPSET)]
    assert [entry.name for entry in (*model.graph.input, *model.graph.output)] == ["pictures", "logits"]
    assert all(entry.type.tensor_type.shape.dim[0].dim_param for entry in (*model.graph.input, *model.graph.output))
    assert Architecture.from_dict(json.loads(model.metadata_props[0].value)) == architecture
    assert str(Path(__file__).parents[2]).encode() not in content and sys.prefix.encode() not in content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        logits = torch.from_numpy(session.run(None, {"pictures": pictures[:batch].numpy()})[0])
        torch.testing.assert_close(logits, network(pictures[:batch]).detach(), rtol=0, atol=TOLERANCE)
        assert logits.std() > 0.1


def test_pools_divide_by_the_pixels_that_there_are() -> None:
    """An onnxruntime before 1.21 gets the edge of an odd map wrong where a pool counts what is padded, though nothing is."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(onnx_bytes(module_of(small("bottleneck"))))
    pools = [node for node in model.graph.node if node.op_type == "AveragePool"]
    assert pools
    for pool in pools:
        attributes = {attribute.name: attribute.i for attribute in pool.attribute}
        assert attributes["ceil_mode"] == 1
        assert attributes.get("count_include_pad", 0) == 0


@EITHER
def test_a_program_of_torch_export_computes_the_same_for_any_batch(architecture: Architecture, tmp_path: Path) -> None:
    network, pictures = as_trained(architecture)
    network.train()
    content = torch_export_bytes(network)
    assert network.training
    network.eval()
    file = tmp_path / "network.pt2"
    file.write_bytes(content)
    program = torch.export.load(file).module()
    for batch in (1, 3):
        torch.testing.assert_close(program(pictures[:batch]), network(pictures[:batch]), rtol=0, atol=TOLERANCE)
    assert {f"{name}" for name, _ in program.named_parameters()} == {name for name, _ in network.named_parameters()}


def test_maps_are_exported_by_the_names_of_their_levels(tmp_path: Path) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    network, pictures = as_trained(small("bottleneck", stages=(*small("bottleneck").stages, Stage("inverted", 2, 16, 8, 3, 1))))
    backbone = network.features(["c2", "c3"])
    expected = backbone(pictures)
    content = onnx_bytes(backbone)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_outputs()] == ["c2", "c3"]
    (tmp_path / "maps.pt2").write_bytes(torch_export_bytes(backbone))
    program = torch.export.load(tmp_path / "maps.pt2").module()
    for batch in (1, 3):
        found = dict(zip(expected, session.run(None, {"pictures": pictures[:batch].numpy()}), strict=True))
        for name, maps in program(pictures[:batch]).items():
            torch.testing.assert_close(maps, expected[name][:batch], rtol=0, atol=TOLERANCE)
            torch.testing.assert_close(torch.from_numpy(found[name]), expected[name][:batch], rtol=0, atol=TOLERANCE)


def test_fresh_weights_follow_the_seed_and_leave_torchs_own_alone() -> None:
    before = torch.get_rng_state()
    one, other, third = (module_of(small("basic"), seed=seed).state_dict()["stem.conv.weight"] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


# ------------------------------------------------------------------------------------------------------------ command line


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs ``mipdesign export`` in this process; exit code, standard output and standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.main(["export", *(str(argument) for argument in arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of a network that every format can express."""
    file = tmp_path / "source.json"
    file.write_text(small("mixed", resolution=64).dumps())
    return file


@pytest.mark.parametrize("form", [form for form in FORMATS if FORMATS[form].text])
def test_text_is_printed_or_written(form: str, source: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = call(source, "--to", form)
    assert (code, err) == (0, "")
    told = f"{tmp_path / 'file'}: {FORMATS[form].title}, {len(out.encode()) / 1e3:.1f} kB\n"
    assert call(source, "--to", form, "--out", tmp_path / "file") == (0, told, "")
    assert (tmp_path / "file").read_text() == out
    assert out == export(source, form)


def test_modules_go_into_the_folder_of_the_design(
    source: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    """Weights that are there are the ones that are exported."""
    pytest.importorskip("onnx")
    folder, x = tmp_path / "design", torch.randn(2, 3, 64, 64)
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"architecture": json.loads(source.read_text())}))
    network, _ = as_trained(read_network(source))
    save_pretrained(network, folder)
    for form, name in (("torch-export", "network.pt2"), ("onnx", "network.onnx"), ("torch", "model.safetensors")):
        code, out, err = call(folder, "--to", form)
        assert (code, err) == (0, "")
        assert out.startswith(str(folder))
        assert (folder / name).is_file()
    assert torch.equal(torch.export.load(folder / "network.pt2").module()(x), network(x))
    assert torch.equal(from_pretrained(folder)(x), network(x))


def test_weights_may_stand_elsewhere(source: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    weights, other, x = tmp_path / "weights", tmp_path / "other", torch.randn(1, 3, 48, 48)
    code, out, err = call(source, "--to", "torch", "--out", weights)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "weights  fresh, from seed 0: the network is untrained"
    tuned = from_pretrained(weights, num_classes=3)
    save_pretrained(tuned, weights)
    code, out, err = call(source, "--to", "torch", "--out", other, "--weights", weights, "--resolution", "48")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "input    input N x 3 x 48 x 48, float32",
        "output   logits N x 3",
        f"weights  of {weights}",
    ]
    assert torch.equal(from_pretrained(other)(x), tuned(x))
    assert read_network(other).resolution == 48


def test_the_command_line_exports_maps(source: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    file = tmp_path / "maps.pt2"
    code, out, err = call(source, "--to", "torch-export", "--out", file, "--features", "c2,c1")
    assert (code, err) == (0, "")
    assert out.splitlines()[2] == "output   c1 N x 8 x 32 x 32, c2 N x 12 x 16 x 16"
    maps = torch.export.load(file).module()(torch.randn(2, 3, 64, 64))
    assert {name: tuple(found.shape) for name, found in maps.items()} == {"c1": (2, 8, 32, 32), "c2": (2, 12, 16, 16)}
    assert "--features: ['c7']; there are 3 levels, 0 to 2: c1, c2, c3" in refused(
        call, source, "--to", "torch-export", "--out", file, "--features", "c7"
    )
    assert "--features: json has no outputs to choose; use one of: torch-export, onnx" in refused(
        call, source, "--to", "json", "--features", "c1"
    )


def refused(call: Callable[..., tuple[int, str, str]], *arguments: str | Path) -> str:
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


def test_what_cannot_be_exported_is_said(source: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]) -> None:
    assert "--to: 'onxx' is not a format; use one of: json, reference-txt, graphml, dot, torch" in refused(
        call, source, "--to", "onxx"
    )
    assert "--out: is missing, and" in refused(call, source, "--to", "onnx")
    assert "network.json: cannot be read" in refused(call, source, "--to", "torch", "--out", tmp_path, "--weights", tmp_path)
    save_pretrained(to_module(to_graph(small("basic"))), tmp_path / "weights")
    arguments = ("--out", tmp_path / "file", "--weights", tmp_path / "weights")
    assert "has the weights of another network" in refused(call, source, "--to", "torch-export", *arguments)
    assert "--out: there is no folder" in refused(call, source, "--to", "graphml", "--out", tmp_path / "no" / "such")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.json", "weights"]


@pytest.mark.parametrize(("package", "form"), [("onnx", "onnx"), ("onnxscript", "onnx"), ("torch", "torch-export")])
def test_missing_packages_are_named(package: str, form: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf"needs the package '{package}'.*mipdesign\[{'torch' if package == 'torch' else 'onnx'}\]"
    ):
        export(source, form, source.with_suffix(".out"))
    assert export(source, "graphml").startswith("<graphml")


def test_weights_beyond_one_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr("mipdesign.nn.exports.ONNX_BYTES", 1000)
    with pytest.raises(SpecError, match="holds 2 GiB"):
        onnx_bytes(to_module(to_graph(small("basic"))))
