"""What exports write is read again: the same network, after its graph was compared with what the file says of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from networks import architectures, quantised_architectures, small, video_architectures
from scale import examples

from mipdesign import MissingExtraError, SpecError, read_network
from mipdesign.cli import main as cli
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.graph import to_graph
from mipdesign.nn.graph_files import graphml_text, network_of_graphml
from mipdesign.nn.onnx_reading import Numbers, expected_numbers, outputs_of

FIRST = tuple(FAMILIES)[:4]
EVERY_FAMILY = Architecture(
    65,
    Stem(8, 3, 1, True),
    tuple(Stage(family, 1 + (family in FIRST), 8, 16, 3, 1 + (family in FIRST)) for family in FAMILIES),
    20,
    classes=10,
)
"""A block of each family; of the first ones, one that shrinks the map and one that does not; and a pool."""
VIDEO = Architecture(32, Stem(8), (Stage("inverted_3d", 2, 16, 8, 3, 2, 3),), 20, classes=10, frames=4)
BITS = Architecture(
    64,
    Stem(8, bits=(8, 8)),
    (
        Stage("inverted", 2, 16, 8, 3, 1, bits=(((4, 3),) * 3,)),
        Stage("basic", 2, 16, (8, 16), (3, 5), 2, bits=(((8, 2),) * 2,) * 2),
    ),
    classes=5,
)
NETWORKS = {"families": EVERY_FAMILY, "video": VIDEO, "bits": BITS}


@pytest.fixture(scope="module", params=NETWORKS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Architecture, Path]:
    """A network, and its ONNX file."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from mipdesign.nn.exports import module_of, onnx_bytes

    network = NETWORKS[request.param]
    file = tmp_path_factory.mktemp("onnx") / "network.onnx"
    file.write_bytes(onnx_bytes(module_of(network)))
    return network, file


def has_module(network: Architecture) -> bool:
    """Whether no weights have one bit, which no module has."""
    return all("bits" not in data or data["bits"][1] > 1 for _, data in to_graph(network).nodes(data=True))


@given(architectures() | video_architectures() | quantised_architectures().filter(has_module))
@examples(60)
def test_graphml_is_read_as_the_same_network(network: Architecture) -> None:
    network = Architecture.from_dict(network.to_dict())
    assert network_of_graphml(graphml_text(to_graph(network))) == network


def test_onnx_is_read_as_the_same_network(written: tuple[Architecture, Path]) -> None:
    network, file = written
    assert read_network(file) == network


def test_a_shape_that_the_graph_computes_is_read(written: tuple[Architecture, Path]) -> None:
    """As torch 2.7 writes the shape to which a map is flattened: the batch of the input, beside sizes that it knows."""
    import onnx

    network, file = written
    model = onnx.load(file)
    nodes = list(model.graph.node)
    at = next(i for i, node in enumerate(nodes) if node.op_type in ("Reshape", "Flatten"))
    sizes = onnx.helper.make_tensor("sizes", onnx.TensorProto.INT64, [1], [-1])
    model.graph.initializer.append(sizes)
    shape = [
        onnx.helper.make_node("Shape", [model.graph.input[0].name], ["batch"], start=0, end=1),
        onnx.helper.make_node("Concat", ["batch", "sizes"], ["shape"], axis=0),
        onnx.helper.make_node("Reshape", [nodes[at].input[0], "shape"], [nodes[at].output[0]]),
    ]
    replace_nodes(model, [*nodes[:at], *shape, *nodes[at + 1 :]])
    onnx.checker.check_model(model, full_check=True)
    computed = file.with_name("computed.onnx")
    onnx.save(model, computed)
    assert read_network(computed) == network


def test_maps_that_are_joined_are_refused(written: tuple[Architecture, Path]) -> None:
    import onnx

    _, file = written
    model = onnx.load(file)
    nodes = list(model.graph.node)
    made = next(node.output[0] for node in nodes if node.op_type == "Conv")
    joined = onnx.helper.make_node("Concat", [made, made], ["joined"], name="join", axis=1)
    replace_nodes(model, [*nodes, joined])
    joining = file.with_name("joining.onnx")
    onnx.save(model, joining)
    with pytest.raises(SpecError, match="join: joins maps, as no network here does"):
        read_network(joining)


def replace_nodes(model: Any, nodes: Sequence[Any]) -> None:
    """Gives the graph of an ONNX model other nodes."""
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def claiming(file: Path, changes: dict[str, Any]) -> Path:
    """A copy of an ONNX file that states another network."""
    import onnx

    model = onnx.load(file)
    stated = json.loads(model.metadata_props[0].value)
    stated |= changes
    model.metadata_props[0].value = json.dumps(stated)
    other = file.with_name("other.onnx")
    onnx.save(model, other)
    return other


def test_a_network_that_the_graph_does_not_have_is_refused(written: tuple[Architecture, Path]) -> None:
    """What the metadata says is a claim: every field of it is held against the graph."""
    network, file = written
    data = network.to_dict()
    for stage in range(len(network.stages)):
        for key, value in (("channels", 24), ("bottleneck", 40), ("kernel", 1), ("depth", 3)):
            stages = [dict(part) for part in data["stages"]]
            if key == "depth" and network.quantised:
                continue
            if not isinstance(stages[stage][key], list):
                stages[stage][key] = value
                claimed = Architecture.from_dict(data | {"stages": stages})
                if to_graph(claimed).nodes == to_graph(network).nodes:
                    continue  # the family has no such size
                with pytest.raises(SpecError, match="what its graph computes"):
                    read_network(claiming(file, {"stages": stages}))
    for changes in ({"classes": 11}, {"stem": data["stem"] | {"channels": 16}}):
        with pytest.raises(SpecError, match="what its graph computes"):
            read_network(claiming(file, changes))
    for changes in ({"resolution": 128}, {"input_channels": 1}):
        with pytest.raises(SpecError, match=r"input: .* but the network that it states reads"):
            read_network(claiming(file, changes))


def test_bits_that_the_graph_does_not_have_are_refused(written: tuple[Architecture, Path]) -> None:
    network, file = written
    if not network.quantised:
        return
    stages = network.to_dict()["stages"]
    for pair in ([5, 3], [4, 4]):
        changed = [stages[0] | {"bits": [[[4, 3], pair, [4, 3]]]}, *stages[1:]]
        with pytest.raises(SpecError, match=r"stages\.0\.0\.conv2: .*what its graph computes"):
            read_network(claiming(file, {"stages": changed}))


@given(architectures() | quantised_architectures(), architectures() | quantised_architectures())
@examples(60)
def test_numbers_are_equal_where_the_graphs_are(one: Architecture, other: Architecture) -> None:
    numbers = Numbers()
    (first, second), last = ([expected_numbers(to_graph(a), numbers) for a in (one, other)], "classifier.linear")
    assert (first[last] == second[last]) == (set(first.items()) == set(second.items()))
    assert expected_numbers(to_graph(one), numbers) == first


def test_maps_are_read_where_all_super_blocks_are_in_the_file(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from mipdesign.nn.exports import module_of, onnx_bytes

    deeper = (*small("bottleneck").stages, Stage("inverted", 2, 16, 8, 3, 1))
    network, file = small("bottleneck", stages=deeper), tmp_path / "network.onnx"
    module, outputs = module_of(network), outputs_of(to_graph(network))
    names = [name for name in outputs if name != "logits"]
    parts = [outputs[name].rpartition(".")[0] for name in names]
    assert [info["module"] for info in module.feature_info] == [part.rpartition(".")[0] or part for part in parts]
    file.write_bytes(onnx_bytes(module.features(names[-2:])))
    assert read_network(file) == network
    cut_after(names[-2], file)
    with pytest.raises(SpecError, match="is not in the file, whose maps end before it"):
        read_network(file)


def cut_after(output: str, file: Path) -> None:
    """Leaves what an ONNX file computes up to one of its outputs: what an export of that alone holds."""
    import onnx

    model = onnx.load(file)
    graph = model.graph
    end = next(i for i, node in enumerate(graph.node) if output in node.output)
    del graph.node[end + 1 :]
    for entry in [entry for entry in graph.output if entry.name != output]:
        graph.output.remove(entry)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def test_commands_take_the_files(
    written: tuple[Architecture, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, file = written
    (tmp_path / "network.json").write_text(network.dumps())
    (tmp_path / "network.graphml").write_text(graphml_text(to_graph(network)))
    said = []
    for source in (tmp_path / "network.json", tmp_path / "network.graphml", file):
        assert cli.main(["evaluate", str(source), "--json"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2]


def test_files_of_others_are_refused_with_what_is_unknown(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 8, 8]) for name in ("x", "y")]
    file = tmp_path / "theirs.onnx"
    for kind, words in (("Gelu", "operators that no network here has: Gelu"), ("Relu", "no mipdesign.network in its metadata")):
        graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"])], "theirs", ends[:1], ends[1:])
        onnx.save(helper.make_model(graph), file)
        with pytest.raises(SpecError, match=words):
            read_network(file)
    file.write_bytes(b"no protocol buffer")
    with pytest.raises(SpecError, match=r"theirs\.onnx: is not an ONNX file"):
        read_network(file)
    other = tmp_path / "theirs.graphml"
    other.write_text(
        "<graphml xmlns='http://graphml.graphdrawing.org/xmlns'><graph edgedefault='directed'><node id='a'/></graph></graphml>"
    )
    with pytest.raises(SpecError, match=r"theirs\.graphml: graph: has no node 'input'"):
        read_network(other)
    text = graphml_text(to_graph(small("basic")))
    other.write_text(text.replace("&quot;depth&quot;: 2", "&quot;depth&quot;: 3").replace('"depth": 2', '"depth": 3'))
    with pytest.raises(SpecError, match="that the file states"):
        read_network(other)


def test_onnx_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "network.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"reading an ONNX file needs the package 'onnx'.*mipdesign\[onnx\]"):
        read_network(tmp_path / "network.onnx")
