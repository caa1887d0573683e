"""Files and networks of others: what is read is what they are, what is written is read again, and figures are exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from haste import kept
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import best_by_enumeration
from networks import PUBLISHED, architectures, published, quantised_architectures, small, video_architectures
from scale import examples, few

from mipdesign import Architecture, Problem, SpecError, design, evaluate, network_text, read_network, validate
from mipdesign.cli import main as cli
from mipdesign.designs.verification import verify_folder
from mipdesign.io.exchange import FORMATS
from mipdesign.io.library_networks import MOBILENET_V2, NETWORKS, divisible
from mipdesign.io.reference_text import INNER_CLASSES, parse_structure
from mipdesign.networks.architecture import Stage, Stem
from mipdesign.nn.graph import to_graph
from mipdesign.nn.graph_checks import check_graph

FIGURES = {
    "torchvision/resnet18": (11_689_512, 1_814_073_344),
    "torchvision/resnet34": (21_797_672, 3_663_761_408),
    "torchvision/resnet50": (25_557_032, 4_089_184_256),
    "torchvision/resnet101": (44_549_160, 7_801_405_440),
    "torchvision/resnet152": (60_192_808, 11_513_626_624),
    "torchvision/wide_resnet50_2": (68_883_240, 11_398_021_120),
    "torchvision/wide_resnet101_2": (126_886_696, 22_753_050_624),
    "torchvision/mobilenet_v2": (3_504_872, 300_774_272),
}
"""Parameters as torchvision publishes them, and multiply-accumulates of convolutions and classifier at 224 x 224."""

TOOL_FILE = """{ 'best_structures':[ [
    {'class': 'ConvKXBNRELU', 'in': 3, 'k': 3, 'out': 32, 's': 2},
    { 'L': 1, 'btn': 40, 'class': 'SuperResK1KXK1', 'in': 32, 'inner_class': 'ResK1KXK1', 'k': 5, 'out': 96, 's': 2},
    { 'L': 6, 'btn': 40, 'class': 'SuperResK1KXK1', 'in': 96, 'inner_class': 'ResK1KXK1', 'k': 5, 'out': 384, 's': 2},
    { 'L': 9, 'btn': 64, 'class': 'SuperResK1KXK1', 'in': 384, 'inner_class': 'ResK1KXK1', 'k': 5, 'out': 384, 's': 2},
    { 'L': 10, 'btn': 104, 'class': 'SuperResK1KXK1', 'in': 384, 'inner_class': 'ResK1KXK1', 'k': 3, 'out': 1024, 's': 1},
    { 'L': 12, 'btn': 104, 'class': 'SuperResK1KXK1', 'in': 1024, 'inner_class': 'ResK1KXK1', 'k': 5, 'out': 672, 's': 2}]],
'space_arch': 'CnnNet'}
"""
"""DeepMAD-R18 as the tool's own files write it."""

QUANTISED = """{'best_structures': [[
  {'class': 'ConvKXBNRELU', 'in': 3, 'k': 3, 'nbitsA': 8, 'nbitsW': 8, 'out': 8, 's': 2},
  {'L': 2, 'btn': 64, 'class': 'SuperQuantResK1DWK1', 'in': 8, 'inner_class': 'ResK1DWK1', 'k': 5,
   'nbitsA': [5, 5, 5, 5, 5, 5], 'nbitsW': [5, 5, 5, 4, 4, 4], 'out': 32, 's': 2, 'g': 1, 'p': 2, 'act': 'relu'},
  {'class': 'ConvKXBNRELU', 'in': 32, 'k': 1, 'nbitsA': 5, 'nbitsW': 5, 'out': 64}]],
 'space_arch': 'CnnNet', 'budget_flops': 1e9, 'score': [3.5]}
"""


# ------------------------------------------------------------------------------------------------- torchvision and timm


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_known_by_name_have_the_published_figures(name: str) -> None:
    network = read_network(name)
    evaluation = evaluate(network, "paper")
    assert (evaluation.params_total, evaluation.macs) == FIGURES[name]
    graph = to_graph(network)
    check_graph(graph)
    assert sum(data["macs"] for _, data in graph.nodes(data=True)) == evaluation.macs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_torch_modules_have_the_published_figures(name: str) -> None:
    pytest.importorskip("torch")
    from mipdesign.nn.tracing import meta_network, parameter_count, trace

    network = meta_network(to_graph(read_network(name)))
    assert (parameter_count(network), trace(network, (3, 224, 224)).macs) == FIGURES[name]


@pytest.mark.parametrize("name", few(["torchvision/mobilenet_v2", "torchvision/resnet18", "torchvision/resnet50"], 1))
def test_networks_of_others_are_what_the_theory_says(name: str) -> None:
    pytest.importorskip("torch")
    assert validate(read_network(name), draws=4).failures == ()


@pytest.mark.parametrize("name", ["torchvision/resnet18", "torchvision/resnet50", "torchvision/mobilenet_v2"])
def test_a_plain_restatement_in_torch_computes_the_same(name: str) -> None:
    """Written from the articles: the same weights in the same order give the same output, and the same figures."""
    torch = pytest.importorskip("torch")
    import restated
    from torch.utils.flop_counter import FlopCounterMode

    from mipdesign import to_module

    torch.manual_seed(0)
    torch.set_num_threads(1)
    ours, plain = to_module(to_graph(read_network(name))).eval(), restated.network(name).eval()
    layers = [[m for m in net.modules() if next(m.parameters(recurse=False), None) is not None] for net in (ours, plain)]
    for one, other in zip(*layers, strict=True):
        other.load_state_dict(one.state_dict())
    picture = torch.randn(1, 3, 224, 224)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        expected = plain(picture)
    with torch.no_grad():
        torch.testing.assert_close(ours(picture), expected, rtol=1e-4, atol=1e-5)
    assert (sum(p.numel() for p in plain.parameters()), counter.get_total_flops() // 2) == FIGURES[name]


def test_the_pool_of_the_stem_opens_a_stage() -> None:
    network = read_network("torchvision/resnet50")
    assert network.stage_of == (1, 2, 3, 4)
    assert network.stem_resolution == 56
    assert len(evaluate(network).weighted_stage_entropies) == 5
    strided = Architecture(64, Stem(8, pool=True), (Stage("basic", 2, 8, 8, 3, 1), Stage("basic", 1, 8, 8, 3, 1)))
    assert strided.stage_of == (1, 1)
    assert strided.out_resolution == 8


def test_a_pool_is_written_only_where_there_is_one() -> None:
    assert "pool" not in small("basic").to_dict()["stem"]
    resnet = read_network("torchvision/resnet18")
    assert resnet.to_dict()["stem"] == {"channels": 64, "kernel": 7, "stride": 2, "pool": True}
    assert Architecture.from_dict(resnet.to_dict()) == resnet


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
@pytest.mark.parametrize("name", ["torchvision/wide_resnet50_2", "torchvision/mobilenet_v2"])
def test_a_description_is_read_from_a_file(name: str, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"network.{ending}"
    file.write_text(json.dumps(NETWORKS[name]) if ending == "json" else yaml.safe_dump(NETWORKS[name]))
    assert read_network(file) == read_network(name)


def test_a_description_may_state_input_and_classes(tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text("{resnet: {block: basic, layers: [1, 1, 1, 1], num_classes: 10}, resolution: 64}")
    network = read_network(file)
    assert (network.resolution, network.classes, [s.depth for s in network.stages]) == (64, 10, [1, 1, 1, 1])
    file.write_text(f"{{arch_def: {json.dumps(MOBILENET_V2)}, in_chans: 1, num_classes: 7, resolution: 96}}")
    network = read_network(file)
    assert (network.resolution, network.classes, network.input_channels) == (96, 7, 1)


def mobilenet(*strings: str) -> Architecture:
    """A MobileNet of one stack."""
    from mipdesign.io.library_networks import network_described

    return network_described({"arch_def": [list(strings)]}, "test")


def test_block_strings_mean_what_they_mean_in_timm() -> None:
    network = mobilenet("ds_r2_k5_s2_c16_e1", "ir_r3_k3_s2_e4.5_c24_se0_nr6_a1_p1", "ir_r2_k3_s1_e1_c24")
    assert network.stages == (
        Stage("separable", 2, 16, 16, 5, 2),
        Stage("linear_inverted", 2, 24, 72, 3, 1),
        Stage("linear_inverted", 1, 24, 112, 3, 2),
        Stage("linear_inverted", 1, 24, 24, 3, 2),
    )


def test_the_order_of_options_is_free() -> None:
    assert mobilenet("ir_c24_e6_s2_k3_r2") == mobilenet("ir_r2_k3_s2_e6_c24")


@given(st.integers(1, 5000))
def test_divisible_is_near_and_never_much_less(value: int) -> None:
    made = divisible(value)
    assert made % 8 == 0
    assert 10 * made >= 9 * value
    assert made == 8 or abs(made - value) <= 4 or 10 * (made - 8) < 9 * value


# ------------------------------------------------------------------------------------------------- the tool's structure files


def test_a_file_of_the_tool_is_read() -> None:
    assert parse_structure(TOOL_FILE, "test") == published("deepmad-r18")


@pytest.mark.parametrize("form", ["list", "lists", "several"])
def test_bare_lists_and_several_structures_are_read(form: str) -> None:
    structure = TOOL_FILE[TOOL_FILE.index("[ [") + 2 : TOOL_FILE.index("]]") + 1]
    other = structure.replace("'L': 12", "'L': 11")
    text = {"list": structure, "lists": f"[{structure}]", "several": f"{{'best_structures': [{structure}, {other}]}}"}[form]
    assert parse_structure(text, "test") == published("deepmad-r18")


def test_bits_are_read() -> None:
    network = parse_structure(QUANTISED, "test")
    first, second = ((5, 5),) * 3, ((5, 4),) * 3
    assert network.stages == (Stage("inverted", 2, 32, 64, 5, 2, bits=(first, second)),)
    assert (network.stem, network.head, network.head_bits) == (Stem(8, bits=(8, 8)), 64, (5, 5))


def test_what_has_no_meaning_here_is_read_over() -> None:
    network = parse_structure(QUANTISED.replace("SuperQuantRes", "SuperRes"), "test")
    assert network.stages == (Stage("inverted", 2, 32, 64, 5, 2),)
    assert (network.stem, network.head, network.quantised) == (Stem(8), 64, False)


VIDEO = """{'best_structures': [[
  {'class': 'Conv3DKXBNRELU', 'in': 3, 'k': 3, 'kt': 1, 'out': 24, 's': 2},
  {'L': 3, 'btn': 32, 'class': 'SuperRes3DK1DWK1', 'in': 24, 'inner_class': 'Res3DK1DWK1', 'k': 5, 'kt': 1, 'out': 24, 's': 2},
  {'L': 6, 'btn': 96, 'class': 'SuperRes3DK1DWK1', 'in': 24, 'inner_class': 'Res3DK1DWK1', 'k': 3, 'kt': 3, 'out': 48, 's': 2},
  {'class': 'Conv3DKXBNRELU', 'in': 48, 'k': 1, 'kt': 1, 'out': 512, 's': 1}]],
  'space_arch': 'Cnn3DNet'}"""


def test_networks_of_video_are_read(tmp_path: Path) -> None:
    file = tmp_path / "network.txt"
    file.write_text(VIDEO)
    network = read_network(file, resolution=160, frames=13)
    assert (network.resolution, network.frames, network.stem, network.head) == (160, 13, Stem(24), 512)
    assert network.stages == (
        Stage("inverted_3d", 2, 24, 32, 5, 3),
        Stage("inverted_3d", 2, 48, 96, 3, 6, 3),
    )
    assert read_network(file).frames == 16
    with pytest.raises(SpecError, match="frames"):
        read_network("torchvision/resnet18", frames=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (QUANTISED.replace("'nbitsW': [5, 5, 5, 4, 4, 4]", "'nbitsW': [5, 5]"), r"0\.1\.nbitsW: \[5, 5\].*list of 6"),
        (QUANTISED.replace("'nbitsA': 8, ", ""), r"0\.0\.nbitsA: is missing"),
        (QUANTISED.replace("'nbitsA': 5, ", "'nbitsA': 0, "), r"0\.2\.nbitsA: 0 is refused"),
        (VIDEO.replace("Conv3DKXBNRELU', 'in': 3", "ConvKXBNRELU', 'in': 3"), r"0\.0\.class"),
        (VIDEO.replace("Cnn3DNet", "CnnNet"), r"0\.1\.class"),
        (VIDEO.replace("'kt': 3", "'kt': 2"), r"stages\.1\.kernel_t: 2 is even"),
        (VIDEO.replace("Cnn3DNet", "VitNet"), "space_arch"),
    ],
)
def test_wrong_layers_of_other_networks_are_refused(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse_structure(text, "test")


MORE = [
    case["network"]
    for name in ("published_more", "random_more")
    for case in json.loads((Path(__file__).parents[1] / "data" / f"{name}.json").read_text())["networks"]
]


@pytest.mark.parametrize("network", MORE)
def test_every_network_of_the_tool_survives_its_format(network: dict[str, Any]) -> None:
    made = Architecture.from_dict(network)
    assert parse_structure(network_text(made, "reference-txt"), "test") == made


@given(video_architectures() | quantised_architectures())
@examples(60)
def test_networks_of_video_and_bits_survive_both_formats(network: Architecture) -> None:
    network = Architecture.from_dict(network.to_dict())
    assert parse_structure(network_text(network, "reference-txt"), "test") == network
    assert Architecture.from_dict(json.loads(network_text(network, "json"))) == network


def test_what_the_tool_has_no_class_for() -> None:
    unequal = Architecture(64, Stem(8), (Stage("inverted", 2, 16, (16, 24), 3, 2),))
    quantised = Architecture(64, Stem(8, bits=(8, 8)), (Stage("mixed", 2, 16, 16, 3, 1, bits=(((4, 4), (4, 4)),)),))
    for network, words in ((unequal, "blocks differ"), (quantised, "no quantised 'mixed'")):
        assert Architecture.from_dict(json.loads(network.dumps())) == network
        with pytest.raises(SpecError, match=words):
            network_text(network, "reference-txt")


def of_the_tool(network: Architecture) -> bool:
    return not network.stem.pool and all(stage.block in INNER_CLASSES for stage in network.stages)


@given(architectures().filter(of_the_tool))
@examples(60)
def test_a_structure_file_gives_the_same_network_again(network: Architecture) -> None:
    network = Architecture.from_dict(network.to_dict() | {"resolution": 96})
    assert parse_structure(network_text(network, "reference-txt"), "test") == network


@pytest.mark.parametrize("family", INNER_CLASSES)
def test_every_family_of_the_tool_is_written(family: str) -> None:
    network = small(family)
    assert f"'SuperRes{INNER_CLASSES[family].removeprefix('Res')}'" in network_text(network, "reference-txt")
    assert parse_structure(network_text(network, "reference-txt"), "test") == network


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_survive_the_tools_format(name: str, tmp_path: Path) -> None:
    file = tmp_path / "network.txt"
    file.write_text(network_text(published(name), "reference-txt"))
    assert read_network(file) == published(name)


@given(architectures())
@examples(30)
def test_our_own_format_gives_the_same_network_again(network: Architecture) -> None:
    network = Architecture.from_dict(network.to_dict() | {"resolution": 96})
    assert Architecture.from_dict(json.loads(network_text(network, "json"))) == network


@pytest.mark.parametrize(
    ("name", "message"),
    [("torchvision/resnet18", "stem.pool: the tool has no max pool"), ("torchvision/mobilenet_v2", "no class for 'separable'")],
)
def test_what_the_tool_cannot_express_is_not_written(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        network_text(read_network(name), "reference-txt")


def test_the_resolution_can_be_given(tmp_path: Path) -> None:
    network = published("deepmad-29m-288")
    file = tmp_path / "network.txt"
    file.write_text(network_text(network, "reference-txt").replace(" 'resolution': 288,\n", ""))
    assert read_network(file).resolution == 224
    assert read_network(file, 288) == network


# ------------------------------------------------------------------------------------------------------------- new families

STAGE = {
    "stride": 2,
    "channels": [16, 24],
    "bottleneck": [8, 16, 32],
    "bottleneck_ratio": {"min": 0.5, "max": 2.0},
    "kernels": [3, 5],
    "depth": [1, 2],
}
SPEC: dict[str, Any] = {
    "name": "others",
    "input": {"resolution": 64},
    "stem": {"channels": [16, 24]},
    "stages": [STAGE, STAGE | {"stride": 1}],
    "budgets": {"params": 40000, "flops": 2e7, "effectiveness": 1.0},
}


OTHERS = ("resnet_bottleneck", "resnet_basic", "linear_inverted", "separable")


@pytest.mark.parametrize(
    "blocks", few([*([family] for family in OTHERS), ["separable", "resnet_basic"]][::-1], 3), ids="-".join
)
def test_the_families_of_others_are_designed_to_proven_optimality(blocks: list[str], tmp_path: Path) -> None:
    problem = Problem.from_dict(SPEC | {"stages": [stage | {"block": blocks} for stage in SPEC["stages"]]})
    found = design(problem, engine=kept())
    assert found.status == "optimal" and found.architecture is not None
    assert problem.evaluator(found.architecture).exact_objective() == best_by_enumeration(problem)
    found.save(tmp_path)
    assert all(check.passed for check in verify_folder(tmp_path))


# ---------------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in this process; exit code and standard output."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, capsys.readouterr().out

    return run


def test_names_and_files_of_others_are_evaluated(call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, out = call("evaluate", "torchvision/resnet50", "--json")
    assert code == 0
    assert json.loads(out)["params_total"] == 25_557_032
    file = tmp_path / "deepmad-R18.txt"
    file.write_text(TOOL_FILE)
    figures = json.loads(call("evaluate", file, "--json")[1])
    assert figures["params"] == PUBLISHED["deepmad-r18"]["reference_convention"]["params"]
    smaller = json.loads(call("evaluate", file, "--json", "--resolution", "160")[1])
    assert smaller["flops"] < figures["flops"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_network_is_exported(form: str, call: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    source, file = tmp_path / "source.json", tmp_path / ("network.json" if form == "json" else "network.txt")
    source.write_text(small("mixed", resolution=96).dumps())
    code, out = call("export", source, "--to", form)
    assert code == 0
    code, said = call("export", source, "--to", form, "--out", file)
    assert code == 0 and str(file) in said
    assert file.read_text() == out
    assert read_network(file) == small("mixed", resolution=96)


def test_a_network_of_others_is_validated(call: Callable[..., tuple[int, str]]) -> None:
    pytest.importorskip("torch")
    code, out = call("validate", "torchvision/resnet18", "--resolution", "64")
    assert code == 0
    assert "figures agree" in out
