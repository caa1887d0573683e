"""Maps of several levels, as detectors take them: names, channels, reductions, and a feature pyramid that trains on them."""

from __future__ import annotations

from typing import Any

import pytest
from networks import small

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module
from mipdesign.nn.pretrained import from_pretrained, save_pretrained

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

DETECTOR = Architecture(
    96,
    Stem(8),
    (
        Stage("bottleneck", 2, 16, 8, 3, 1),
        Stage("bottleneck", 2, 24, 8, 5, 2),
        Stage("inverted", 2, 32, 48, 3, 1),
        Stage("bottleneck", 1, 40, 8, 3, 1),
        Stage("bottleneck", 2, 48, 16, 3, 2),
    ),
)
"""The form of detection backbones: stem and five super-blocks, of which the fourth has stride 1; no head."""


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017, section 3): 1x1, the coarser map enlarged and added, 3x3."""

    def __init__(self, channels: list[int], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, out, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(out, out, 3, padding=1) for _ in channels)

    def forward(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        lateral = [layer(x) for layer, x in zip(self.lateral, maps.values(), strict=True)]
        for fine in reversed(range(len(lateral) - 1)):
            lateral[fine] = lateral[fine] + functional.interpolate(lateral[fine + 1], size=lateral[fine].shape[-2:])
        return {name: layer(x) for name, layer, x in zip(maps, self.smooth, lateral, strict=True)}


@pytest.mark.parametrize("size", [(96, 96), (128, 64), (75, 101)], ids=str)
def test_a_pyramid_stands_on_the_last_levels(size: tuple[int, int]) -> None:
    """On pictures of any height and width, odd ones too, and its loss reaches every weight that the maps depend on."""
    backbone = to_module(to_graph(DETECTOR)).features(["c3", "c4", "c5"])
    assert backbone.feature_info.channels() == [24, 40, 48]
    assert backbone.feature_info.reduction() == [8, 16, 32]
    assert backbone.feature_info.module_name() == ["stages.1", "stages.3", "stages.4"]
    pyramid = Pyramid(backbone.feature_info.channels(), 16)
    maps = pyramid(backbone(torch.randn(2, 3, *size)))
    assert list(maps) == ["c3", "c4", "c5"]
    for reduction, found in zip(backbone.feature_info.reduction(), maps.values(), strict=True):
        assert found.shape == (2, 16, *(-(-side // reduction) for side in size))
    sum(found.square().mean() for found in maps.values()).backward()
    parameters = [*backbone.named_parameters(), *pyramid.named_parameters()]
    assert [name for name, p in parameters if p.grad is None or not p.grad.isfinite().all()] == []


def test_a_pyramid_learns() -> None:
    """Where the picture is bright, from random pictures: the loss of a few steps falls by half."""
    backbone = to_module(to_graph(DETECTOR)).features(3)
    pyramid = Pyramid(backbone.feature_info.channels(), 8)
    pictures = torch.randn(8, 3, 64, 64) + functional.interpolate(3 * torch.randn(8, 1, 8, 8), size=(64, 64))
    bright = functional.avg_pool2d(pictures.mean(1, keepdim=True), 8)
    optimiser = torch.optim.Adam([*backbone.parameters(), *pyramid.parameters()], lr=0.01)
    losses = []
    for _ in range(30):
        loss = functional.mse_loss(pyramid(backbone(pictures))["c3"].mean(1, keepdim=True), bright)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, "c1 c2 c3 c4 c5"),
        (2, "c4 c5"),
        ((1, 3), "c2 c4"),
        ([-1, "c2", 1], "c2 c5"),
        (["c1"], "c1"),
    ],
    ids=str,
)
def test_levels_are_asked_for_by_number_or_name(asked: Any, names: str) -> None:
    network = to_module(to_graph(DETECTOR)).eval()
    x = torch.randn(1, 3, 64, 64)
    maps, listed = network.features(asked)(x), network.features(asked, as_list=True)(x)
    assert " ".join(maps) == names
    expected = network.forward_intermediates(x, asked, intermediates_only=True)
    for name, one, other, third in zip(maps, maps.values(), listed, expected, strict=True):
        assert torch.equal(one, other) and torch.equal(one, third), name


@pytest.mark.parametrize("asked", [0, 6, [], ["c0"], ["c6"], ["stem"], [5], [-6]], ids=str)
def test_levels_that_are_not_there_are_refused(asked: Any) -> None:
    with pytest.raises(SpecError, match=r"out_indices: .*there are 5 levels, 0 to 4: c1, c2, c3, c4, c5"):
        to_module(to_graph(DETECTOR)).features(asked)


def test_weights_are_those_of_the_network(tmp_path: Any) -> None:
    """Under the same keys, without what comes after the last level; what is learned in the one is there in the other."""
    network = to_module(to_graph(DETECTOR))
    backbone = network.features(["c2", "c3"])
    keys = [key for key in network.state_dict() if key.startswith(("stem.", "stages.0.", "stages.1."))]
    assert list(backbone.state_dict()) == keys
    with torch.no_grad():
        backbone.get_parameter("stem.conv.weight").fill_(0.5)
    save_pretrained(network, tmp_path)
    again = from_pretrained(tmp_path).features(["c2", "c3"])
    x = torch.randn(1, 3, 64, 64)
    assert all(torch.equal(one, other) for one, other in zip(backbone.eval()(x).values(), again(x).values(), strict=True))


def test_a_pruned_network_gives_what_is_left_of_it() -> None:
    network = to_module(to_graph(DETECTOR)).eval()
    x = torch.randn(1, 3, 64, 64)
    before = network.features(["c2"])(x)["c2"]
    network.prune_intermediate_layers(["c2"])
    assert torch.equal(network.features(["c2"])(x)["c2"], before)
    with pytest.raises(SpecError, match=r"out_indices: \['c4'\]: the network was pruned before stages.3"):
        network.features(["c4"])


def test_checkpointing_changes_no_gradient() -> None:
    network = to_module(to_graph(small("basic")))
    x, gradients = torch.randn(4, 3, 33, 33), []
    for enabled in (False, True):
        backbone = network.features()
        backbone.set_grad_checkpointing(enabled)
        network.zero_grad()
        sum(found.square().sum() for found in backbone(x).values()).backward()
        gradients.append([p.grad.clone() for p in backbone.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, rtol=1e-4, atol=1e-6)


def test_a_network_whose_stem_keeps_the_resolution_has_a_level_c0() -> None:
    """As backbones that read rearranged pictures, of 12 channels at half the resolution."""
    architecture = small("mixed", stem=Stem(8, 3, 1), input_channels=12)
    maps = to_module(to_graph(architecture)).eval().features()(torch.randn(1, 12, 32, 32))
    shapes = {"c0": (8, 32, 32), "c1": (12, 16, 16), "c2": (12, 8, 8)}
    assert {name: tuple(found.shape[1:]) for name, found in maps.items()} == shapes
