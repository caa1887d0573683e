"""The torch module against the evaluator, against torch's own counters, and against blocks written out by hand."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from networks import PUBLISHED, architectures, published, small
from scale import examples

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.graph import INPUT, to_graph
from mipdesign.nn.lowering import to_module

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from mipdesign.nn.module import DesignedNetwork  # noqa: E402
from mipdesign.nn.tracing import meta_network, parameter_count, trace  # noqa: E402


def randomised(network: DesignedNetwork) -> DesignedNetwork:
    """The network in evaluation mode with normalisations that are not the identity."""
    for name, tensor in network.state_dict().items():
        if name.endswith(("_bn.weight", "_bn.running_var")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("_bn.bias", "_bn.running_mean")):
            tensor.normal_(0, 0.1)
    return network.eval()


def output_shapes(network: DesignedNetwork, picture: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every submodule's output, without the batch."""
    shapes: dict[str, tuple[int, ...]] = {}

    def record(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda module, args, out: shapes.update({name: tuple(out.shape[1:])})

    hooks = [module.register_forward_hook(record(name)) for name, module in network.named_modules()]
    network(picture)
    for hook in hooks:
        hook.remove()
    return shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_the_published_parameters_and_macs(name: str) -> None:
    architecture, figures = published(name), PUBLISHED[name]["with_classifier_1000"]
    network = meta_network(to_graph(architecture))
    seen = trace(network, (3, architecture.resolution, architecture.resolution))
    assert parameter_count(network) == figures["params"]
    assert parameter_count(network.classifier) + PUBLISHED[name]["reference_convention"]["params"] == figures["params"]
    assert seen.macs == figures["conv_and_linear_macs"]
    assert seen.shapes["head"] == (architecture.out_channels, architecture.out_resolution, architecture.out_resolution)
    assert seen.shapes["classifier"] == (1000,)


@given(architectures())
@examples(40)
def test_every_node_has_its_shape_its_parameters_and_its_macs(architecture: Architecture) -> None:
    graph = to_graph(architecture)
    network = to_module(graph).eval()
    r, nodes = architecture.resolution, {node: data for node, data in graph.nodes(data=True) if node != INPUT}
    shapes = output_shapes(network, torch.randn(2, architecture.input_channels, r, r))
    for node, data in nodes.items():
        expected = data["out_shape"] if data["kind"] != "linear" else data["out_shape"][:1]
        assert shapes[node] == tuple(expected), node
        assert parameter_count(network.get_submodule(node)) == data["params"], node
    assert trace(network, (architecture.input_channels, r, r)).macs == sum(data["macs"] for data in nodes.values())


def test_state_dict_keys_are_node_names() -> None:
    graph = to_graph(small("inverted_se"))
    network = to_module(graph)
    owners = {key.rpartition(".")[0] for key in network.state_dict()}
    assert owners == {node for node, data in graph.nodes(data=True) if data["params"]}
    assert network.state_dict()["stages.0.1.conv2.weight"].shape == (16, 1, 5, 5)
    assert network.state_dict()["classifier.linear.bias"].shape == (10,)


# ------------------------------------------------------------------------------------------- blocks written out by hand


def by_hand(block: nn.Module, x: Any, family: str, stride: int) -> Any:
    """One block in functional form, straight from the table of the specification."""
    act = {"inverted_se": functional.silu, "linear_inverted": functional.relu6, "separable": functional.relu6}.get(
        family, functional.relu
    )
    state = block.state_dict()

    def conv(name: str, x: Any, stride: int = 1) -> Any:
        weight = state[f"{name}.weight"]
        mean, variance, scale, shift = (
            state[f"{name}_bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        groups = x.shape[1] // weight.shape[1]
        y = functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=groups)
        return functional.batch_norm(y, mean, variance, scale, shift)

    if family == "separable":
        y = conv("conv2", act(conv("conv1", x, stride)))
        return y + x if y.shape == x.shape else y
    if family == "resnet_basic":
        y = conv("conv2", act(conv("conv1", x, stride)))
        return act(y + (conv("shortcut", x, stride) if "shortcut" in dict(block.named_children()) else x))
    y = act(conv("conv1", x, 1))
    if family in ("basic", "mixed"):
        y = conv("conv2", y, stride)
    else:
        y = act(conv("conv2", y, stride))
        if family == "inverted_se":
            gate = act(conv("se_reduce", y.mean((2, 3), keepdim=True)))
            y = y * torch.sigmoid(conv("se_expand", gate))
        y = conv("conv3", y)
    if family == "linear_inverted":
        return y + x if y.shape == x.shape else y
    if family == "resnet_bottleneck":
        return act(y + (conv("shortcut", x, stride) if "shortcut" in dict(block.named_children()) else x))
    side = functional.avg_pool2d(x, 2, ceil_mode=True) if stride == 2 else x
    if "shortcut" in dict(block.named_children()):
        return act(y + conv("shortcut", side))
    return act(y + side) if side.shape == y.shape else act(y)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_compute_what_the_specification_says(family: str, stride: int) -> None:
    stages = tuple(stage.__class__(**vars(stage) | {"stride": stride}) for stage in small(family).stages)
    network = randomised(to_module(to_graph(small(family, stages=stages))))
    x = torch.randn(2, 8, 17, 17)
    with torch.no_grad():
        for name in ("stages.0.0", "stages.0.1", "stages.1.0"):
            block = network.get_submodule(name)
            expected = by_hand(block, x, family, 1 if name == "stages.0.1" else stride)
            x = block(x)
            torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_forward_methods_agree(family: str) -> None:
    network = randomised(to_module(to_graph(small(family))))
    picture = torch.randn(2, 3, 33, 33)
    with torch.no_grad():
        stages, features = network.forward_stages(picture), network.forward_features(picture)
        assert list(stages) == ["stem", "stages.0", "stages.1", "head", "classifier"]
        assert torch.equal(stages["head"], features)
        assert torch.equal(network(picture), stages["classifier"])
        pooled = network.forward_head(features, pre_logits=True)
        torch.testing.assert_close(pooled, features.mean((2, 3)))
        torch.testing.assert_close(network.get_classifier()(pooled), network(picture))


# ------------------------------------------------------------------------------------------------------ use as a module


def test_batch_and_resolution_are_free() -> None:
    network = randomised(to_module(to_graph(small("inverted_se"))))
    batch = torch.randn(3, 3, 33, 33)
    with torch.no_grad():
        together, alone = network(batch), torch.cat([network(picture[None]) for picture in batch])
        assert network(torch.randn(1, 3, 47, 40)).shape == (1, 10)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_no_control_flow_depends_on_the_data() -> None:
    network = randomised(to_module(to_graph(small("bottleneck"))))
    traced = torch.fx.symbolic_trace(network)
    batch = torch.randn(2, 3, 33, 33)
    assert torch.equal(traced(batch), network(batch))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_trained(family: str) -> None:
    network = to_module(to_graph(small(family)))
    network(torch.randn(4, 3, 33, 33)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_copies_and_pickles_are_the_same_network() -> None:
    network = randomised(to_module(to_graph(small("mixed"))))
    picture = torch.randn(1, 3, 33, 33)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(picture), network(picture))


def test_feature_info_describes_the_stages() -> None:
    architecture = small("basic", resolution=64)
    network = meta_network(to_graph(architecture))
    maps = trace(network, (3, 64, 64)).shapes
    for info in network.feature_info:
        side = 64 // info["reduction"]
        assert maps[info["module"]] == (info["num_chs"], side, side)
    assert [info["module"] for info in network.feature_info] == ["stem", "stages.0", "stages.1"]


def test_the_classifier_can_be_replaced_and_removed() -> None:
    network = to_module(to_graph(small("basic"))).eval()
    features = network.forward_features(torch.randn(2, 3, 33, 33))
    network.reset_classifier(7)
    assert network.forward_head(features).shape == (2, network.num_classes) == (2, 7)
    network.reset_classifier(0)
    assert torch.equal(network.forward_head(features), network.forward_head(features, pre_logits=True))
    assert network.architecture.classes == 7
    network.reset_classifier(3)
    assert list(network.state_dict())[-2:] == ["classifier.linear.weight", "classifier.linear.bias"]


def test_a_network_without_a_head_pools_its_last_stage() -> None:
    network = to_module(to_graph(small("mixed", head=None))).eval()
    assert network.num_features == 12
    assert network(torch.randn(1, 3, 33, 33)).shape == (1, 10)
    assert not any(key.startswith("head") for key in network.state_dict())


def test_initialisation_keeps_the_variance_of_the_gradient() -> None:
    """Standard deviation sqrt(2 g / (c_out k^2)): He et al., equation 14, with the fan of one group."""
    architecture = small("inverted", stem=small("basic").stem.__class__(256))
    state = to_module(to_graph(architecture)).state_dict()
    for node, fan_out in (("stem.conv", 256 * 9), ("stages.0.0.conv1", 16), ("stages.0.0.conv2", 25)):
        assert state[f"{node}.weight"].std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.2), node
    assert state["classifier.linear.bias"].abs().max() == 0


def test_the_seed_decides_the_weights() -> None:
    graph, networks = to_graph(small("basic")), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(to_module(graph).state_dict()["stages.1.0.conv1.weight"])
    assert torch.equal(networks[0], networks[1])
    assert not torch.equal(networks[0], networks[2])


def test_a_broken_graph_is_not_lowered() -> None:
    graph = to_graph(small("basic"))
    graph.nodes["stages.0.0.conv1"]["kernel"] = 4
    with pytest.raises(SpecError, match=r"stages\.0\.0\.conv1\.kernel"):
        to_module(graph)
