"""An export changes nothing of what it exports, and refuses what is not a network with its own weights."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from networks import small
from scale import few

from mipdesign import SpecError, from_pretrained, save_pretrained
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.nn.exports import export, onnx_bytes, torch_export_bytes
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module

torch = pytest.importorskip("torch")

EXPORTS: dict[str, Callable[[Any], bytes]] = {"torch-export": torch_export_bytes, "onnx": onnx_bytes}
BITS = (((4, 4),) * 3,)
QUANTISED = Architecture(32, Stem(8, bits=(8, 8)), (Stage("inverted", 2, 16, 8, 3, 1, bits=BITS),), classes=5)
FREE = small("bottleneck", stages=(Stage("bottleneck", 2, 12, 16, 5, 1),))


def module(architecture: Architecture = FREE) -> Any:
    torch.manual_seed(0)
    return to_module(to_graph(architecture))


def state(network: Any) -> dict[str, Any]:
    """All that an export could change: modes, weights, statistics, which parameters are trained, devices, hooks, gradients."""
    found: dict[str, Any] = {"random": torch.get_rng_state().tolist()}
    for name, part in network.named_modules():
        hooks = [len(held) for attribute, held in vars(part).items() if attribute.endswith("_hooks")]
        found[name] = (id(part), part.training, hooks, sorted(vars(part)))
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        gradient = None if tensor.grad is None else tensor.grad.tolist()
        found[f"{name}="] = (id(tensor), tensor.requires_grad, str(tensor.device), tensor.dtype, tensor.tolist(), gradient)
    return found


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("architecture", [FREE, QUANTISED], ids=["float", "bits"])
def test_an_export_changes_nothing_of_the_network(form: str, architecture: Architecture) -> None:
    """Regression: it switched the caller's network to evaluation for good, in the middle of a training."""
    pytest.importorskip("onnx")
    network, seen = module(architecture).train(), []
    network.stages[0].eval()
    network.stem.requires_grad_(False)
    network.set_grad_checkpointing(True)
    network(torch.randn(4, *network.default_cfg["input_size"])).sum().backward()
    network.stem.register_forward_hook(lambda *_: seen.append(1))
    network.stages.register_forward_pre_hook(lambda *_: seen.append(1))
    before = state(network)
    EXPORTS[form](network)
    assert state(network) == before
    assert seen == [], "a hook of the caller ran, and would be part of the program"


def test_maps_leave_their_network_alone() -> None:
    network = module().train()
    backbone = network.features()
    backbone.eval()
    network.stages[0].train()
    before = state(network)
    torch_export_bytes(backbone)
    assert state(network) == before


@pytest.mark.parametrize("architecture", [FREE, QUANTISED], ids=["float", "bits"])
@pytest.mark.parametrize("dtype", few(["float16", "float64", "bfloat16", "float32"], 3))
def test_a_file_of_another_type_is_valid_or_refused(dtype: str, architecture: Architecture) -> None:
    """Regression: the input was float32 whatever the weights were, and onnxruntime refused the file.

    All other exports here have float32, so that it need not be run again.
    """
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    network = module(architecture).to(getattr(torch, dtype)).eval()
    pictures = torch.randn(2, *network.default_cfg["input_size"], dtype=getattr(torch, dtype))
    with torch.no_grad():
        expected = network(pictures)
    program = torch.export.load(io.BytesIO(torch_export_bytes(network))).module()
    assert torch.equal(program(pictures), expected)
    if dtype in ("float64", "bfloat16"):
        with pytest.raises(SpecError, match=rf"network: has weights of {dtype}.*network.float\(\).*torch-export"):
            onnx_bytes(network)
        return
    content = onnx_bytes(network)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits = torch.from_numpy(session.run(None, {"pictures": pictures.numpy()})[0])
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4 if dtype == "float32" else 2e-2)


@pytest.mark.parametrize("form", EXPORTS)
def test_several_types_are_refused(form: str) -> None:
    pytest.importorskip("onnx")
    network = module()
    network.stem.half()
    with pytest.raises(SpecError, match=r"network: has weights of float16 and float32; .*network.float\(\)"):
        EXPORTS[form](network)


def wrapped(kind: str) -> Any:
    network = module()
    if kind == "compiled":
        return torch.compile(network)
    if kind == "parallel":
        return torch.nn.DataParallel(network)
    if kind == "average":
        return torch.optim.swa_utils.AveragedModel(network)
    if kind == "deeper":
        return torch.optim.swa_utils.AveragedModel(torch.compile(network))
    if kind == "sequence":
        return torch.nn.Sequential(torch.nn.Identity(), network)
    return torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("compiled", r"a OptimizedModule around a network; pass network\._orig_mod, "),
        ("parallel", r"a DataParallel around a network; pass network\.module, "),
        ("average", r"a AveragedModel around a network; pass network\.module, "),
        ("deeper", r"a AveragedModel around a network; pass network\.get_submodule\('module\._orig_mod'\), "),
        ("sequence", r"a Sequential around a network; pass network\.get_submodule\('1'\), "),
        ("other", r"a Linear; pass a module that to_module made"),
    ],
)
def test_what_to_pass_in_place_of_a_wrapper_is_said(kind: str, words: str, tmp_path: Path) -> None:
    """Regression: names of weights that the wrapper changed were said to be missing."""
    pytest.importorskip("onnx")
    network = wrapped(kind)
    acts: list[Callable[[Any], Any]] = [*EXPORTS.values(), lambda network: save_pretrained(network, tmp_path / "saved")]
    for act in acts:
        with pytest.raises(SpecError, match=words):
            act(network)
    assert list(tmp_path.iterdir()) == []
    if kind != "other":
        path = {"compiled": "_orig_mod", "deeper": "module._orig_mod", "sequence": "1"}.get(kind, "module")
        save_pretrained(network.get_submodule(path), tmp_path)
        assert torch.equal(
            from_pretrained(tmp_path).state_dict()["stem.conv.weight"], module().state_dict()["stem.conv.weight"]
        )


def test_weights_that_are_computed_or_missing_are_refused(tmp_path: Path) -> None:
    from torch.nn.utils import parametrizations, prune

    change: Any = prune
    pruned, weighted, compiled = module(), module(), module()
    change.random_unstructured(pruned.stem.get_submodule("conv"), "weight", amount=0.5)
    parametrizations.weight_norm(weighted.stem.get_submodule("conv"))
    compiled.stages[0] = torch.compile(compiled.stages[0])
    with torch.device("meta"):
        empty = module()
    for network, words in (
        (pruned, r"stem\.conv: computes its weight from others; make it permanent"),
        (weighted, r"stem\.conv: computes its weight from others; make it permanent"),
        (compiled, r"stages\.0: is compiled.*put its _orig_mod in its place"),
        (empty, r"network: is on the device 'meta'"),
    ):
        acts: list[Callable[[Any], Any]] = [torch_export_bytes, lambda network: save_pretrained(network, tmp_path)]
        for act in acts:
            with pytest.raises(SpecError, match=words):
                act(network)
    change.remove(pruned.stem.get_submodule("conv"), "weight")
    save_pretrained(pruned, tmp_path)


def test_what_a_file_holds_is_said(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "network.json").write_text(FREE.dumps())
    said = export(folder, "onnx").splitlines()
    size = (folder / "network.onnx").stat().st_size
    assert said == [
        f"{folder / 'network.onnx'}: an ONNX file, opset 20, {size / 1e6:.1f} MB",
        f"input    pictures N x 3 x {FREE.resolution} x {FREE.resolution}, float32",
        f"output   logits N x {FREE.classes}",
        "weights  fresh, from seed 0: the network is untrained",
    ]
    export(folder, "torch")
    assert export(folder, "torch-export").splitlines()[-1] == said[-1], "fresh weights stay fresh when they were saved"
    save_pretrained(from_pretrained(folder), folder)
    assert export(folder, "torch-export").splitlines()[-1] == f"weights  of {folder}"
