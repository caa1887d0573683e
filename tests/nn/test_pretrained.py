"""Weights travel with their network: what a folder gives back is what was saved, and what does not fit is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from networks import architectures, small
from scale import examples

from mipdesign import (
    Architecture,
    MissingExtraError,
    SpecError,
    from_pretrained,
    read_network,
    save_pretrained,
)
from mipdesign.networks.architecture import NETWORK
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module
from mipdesign.nn.pretrained import WEIGHTS

torch = pytest.importorskip("torch")

from mipdesign.nn.module import DesignedNetwork  # noqa: E402


def trained(family: str = "mixed") -> DesignedNetwork:
    """A network whose running statistics are not those of the beginning."""
    network = to_module(to_graph(small(family)))
    network(torch.randn(4, 3, 33, 33))
    return network.eval()


@given(architectures())
@examples(10)
def test_a_folder_gives_the_same_network_again(tmp_path_factory: pytest.TempPathFactory, architecture: Architecture) -> None:
    architecture = Architecture.from_dict(architecture.to_dict() | {"resolution": 96})
    folder, network = tmp_path_factory.mktemp("weights"), to_module(to_graph(architecture)).eval()
    save_pretrained(network, folder)
    again = from_pretrained(folder)
    assert again.architecture == architecture == read_network(folder)
    assert not again.training
    pictures = torch.randn(2, architecture.input_channels, 33, 33)
    assert torch.equal(again(pictures), network(pictures))
    assert list(again.state_dict()) == list(network.state_dict())


def test_the_files_are_what_others_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    network = trained()
    save_pretrained(network, tmp_path / "new" / "folder")
    assert {file.name for file in (tmp_path / "new" / "folder").iterdir()} == {NETWORK, WEIGHTS}
    state = load_file(tmp_path / "new" / "folder" / WEIGHTS)
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert Architecture.from_dict(json.loads((tmp_path / "new" / "folder" / NETWORK).read_text())) == small("mixed")


def test_the_result_of_a_design_is_read_before_the_weights(tmp_path: Path) -> None:
    """A design that was fine-tuned in its own folder stays the design that it is."""
    network = trained()
    network.reset_classifier(3)
    save_pretrained(network, tmp_path)
    assert read_network(tmp_path).classes == 3
    (tmp_path / "result.json").write_text(json.dumps({"architecture": small("mixed").to_dict()}))
    assert read_network(tmp_path) == small("mixed")
    assert from_pretrained(tmp_path).num_classes == 3


def test_another_classifier_on_the_same_features(tmp_path: Path) -> None:
    network, x = trained(), torch.randn(2, 3, 33, 33)
    save_pretrained(network, tmp_path)
    tuned = from_pretrained(tmp_path, num_classes=7, drop_rate=0.1, drop_path_rate=0.2)
    assert tuned(x).shape == (2, 7)
    assert (tuned.drop_rate, tuned.drop_path_rate, tuned.architecture.classes) == (0.1, 0.2, 7)
    assert torch.equal(tuned.forward_features(x), network.forward_features(x))
    bare = from_pretrained(tmp_path, num_classes=0)
    assert torch.equal(bare(x), network.forward_head(network.forward_features(x), pre_logits=True))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_grey_picture_has_the_same_response_with_other_channels(channels: int, tmp_path: Path) -> None:
    network, grey = trained(), torch.randn(2, 1, 33, 33)
    save_pretrained(network, tmp_path)
    other = from_pretrained(tmp_path, in_chans=channels)
    assert other.in_chans == channels
    with torch.no_grad():
        expected = network(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(other(grey.expand(-1, channels, -1, -1)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", ["", "max"])
def test_a_network_without_a_classifier_keeps_its_pool(pool: str, tmp_path: Path) -> None:
    network, x = trained(), torch.randn(2, 3, 33, 33)
    network.reset_classifier(0, pool)
    save_pretrained(network, tmp_path)
    again = from_pretrained(tmp_path)
    assert (again.num_classes, again.global_pool) == (0, pool)
    assert torch.equal(again(x), network(x))
    assert from_pretrained(tmp_path, num_classes=4)(x).shape == (2, 4)


def test_a_pruned_network_is_not_saved(tmp_path: Path) -> None:
    network = trained()
    network.prune_intermediate_layers([0])
    with pytest.raises(SpecError, match=r"head.conv.weight: is missing; the network has shape \(20, 12, 1, 1\) there"):
        save_pretrained(network, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_pretrained(trained("mixed"), tmp_path)
    (tmp_path / NETWORK).write_text(small("basic").dumps())
    with pytest.raises(SpecError, match=r"model.safetensors: stages.0.0.conv1.weight: has shape \(16, 8, 1, 1\); the network"):
        from_pretrained(tmp_path)
    (tmp_path / NETWORK).write_text(small("bottleneck").dumps())
    with pytest.raises(SpecError, match=r"stages.0.0.conv2.weight|stages.0.0.conv3"):
        from_pretrained(tmp_path)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"network.json: cannot be read"):
        from_pretrained(tmp_path / "nowhere")
    save_pretrained(trained(), tmp_path)
    with pytest.raises(SpecError, match="in_chans: 0 is out of range; give a number from 1 up"):
        from_pretrained(tmp_path, in_chans=0)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(SpecError, match=r"model.safetensors: cannot be read"):
        from_pretrained(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(SpecError, match=r"model.safetensors: cannot be read"):
        from_pretrained(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match=r"cannot write to .*file"):
        save_pretrained(trained(), tmp_path / "file")


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_missing_packages_are_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = trained()
    save_pretrained(network, tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"loading weights needs the package '{package}'.*mipdesign\[torch\]"):
        from_pretrained(tmp_path)
    if package == "safetensors":
        with pytest.raises(MissingExtraError, match="saving weights needs the package 'safetensors'"):
            save_pretrained(network, tmp_path)
