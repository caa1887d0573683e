"""What training code that knows timm expects of a model, written out: for a network of every preset and of every family."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from networks import DISTINCT, PRESETS, of_preset, small
from scale import few

from mipdesign import Problem
from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module
from mipdesign.problem.problem import preset_names

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mipdesign.nn.layers import Add  # noqa: E402
from mipdesign.nn.module import POOLS, DesignedNetwork  # noqa: E402
from mipdesign.nn.tracing import meta_network  # noqa: E402

MERGED = 99999
"""timm's mark of a group that joins the one before it."""


def made(architecture: Architecture, **options: Any) -> DesignedNetwork:
    return to_module(to_graph(architecture), **options)


def of_family(family: str) -> Architecture:
    """A network with residual blocks, also in families whose strided blocks have none, and with merged super-blocks."""
    stages = (Stage(family, 2, 8, 16, 5, 2), Stage(family, 1, 8, 8, 3, 2), Stage(family, 2, 12, 16, 3, 2))
    return small(family, stages=stages, resolution=64)


def block_families(preset: str) -> frozenset[str]:
    """Families of the blocks of a preset's network."""
    return frozenset(stage.block for stage in of_preset(preset).stages)


def groups(names: Iterable[str], matcher: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """The group of each parameter as timm reads a matcher: the first pattern that fits, then its numbers; else the last."""
    found: dict[str, tuple[float, ...]] = {}
    for name in names:
        found[name] = (float("inf"),)
        for number, patterns in enumerate(matcher.values()):
            listed = patterns if isinstance(patterns, list) else [(patterns, None)]
            fits = [(re.match(pattern, name), suffix) for pattern, suffix in listed]
            hit = next(((match, suffix) for match, suffix in fits if match), None)
            if hit is not None:
                found[name] = (number, *(float(digits) for digits in hit[0].groups()), *(hit[1] or ()))
                break
    return found


# -------------------------------------------------------------------------------------------------------------- all presets


def test_every_preset_has_a_network_within_its_budgets() -> None:
    assert sorted(PRESETS) == sorted(preset_names())
    assert {block_families(name) for name in DISTINCT} == {block_families(name) for name in PRESETS}
    for name in PRESETS:
        assert Problem.preset(name).violations(of_preset(name)) == []


@pytest.mark.parametrize("name", few(PRESETS, 5))
def test_shapes_are_those_that_the_model_announces(name: str) -> None:
    """At full resolution, on a device without memory."""
    architecture = of_preset(name)
    network = meta_network(to_graph(architecture)).eval()
    config, keys = network.default_cfg, network.state_dict().keys()
    assert config is network.pretrained_cfg
    assert f"{config['first_conv']}.weight" in keys
    assert {f"{config['classifier']}.weight", f"{config['classifier']}.bias"} <= set(keys)
    frames = () if architecture.frames is None else (architecture.frames,)
    assert config["input_size"] == (network.in_chans, *frames, architecture.resolution, architecture.resolution)
    last, maps = network.forward_intermediates(torch.zeros(2, *config["input_size"], device="meta"))
    assert last.shape == (2, network.num_features, *config["pool_size"])
    assert network.forward_head(last).shape == (2, network.num_classes) == (2, config["num_classes"])
    assert network.forward_head(last, pre_logits=True).shape == (2, network.head_hidden_size)
    reductions = [level["reduction"] for level in network.feature_info]
    assert reductions == sorted(set(reductions))
    assert len(reductions) >= 3
    for level, found in zip(network.feature_info, maps, strict=True):
        side = -(-architecture.resolution // level["reduction"])
        assert found.shape == (2, level["num_chs"], *frames, side, side)
        assert isinstance(network.get_submodule(level["module"]), nn.Module)
    network.reset_classifier(0, "")
    assert network.forward_head(last).shape == network.forward_head(last, pre_logits=True).shape == last.shape
    network.reset_classifier(0, "avg")
    assert network.forward_head(last).shape == (2, network.num_features)
    network.reset_classifier(42)
    assert (network.forward_head(last).shape, network.num_classes) == ((2, 42), 42)


@pytest.mark.parametrize("name", few(PRESETS, 4))
def test_parameters_fall_into_groups_by_depth(name: str) -> None:
    network = meta_network(to_graph(of_preset(name)))
    names = [key for key, _ in network.named_parameters()]
    for coarse in (False, True):
        found = groups(names, network.group_matcher(coarse))
        parts = {group: {key.split(".")[0] for key in names if found[key] == group} for group in found.values()}
        ordered = [parts[group] for group in sorted(parts)]
        assert ordered[0] == {"stem"}
        assert "classifier" in ordered[-1]
        for key in names:
            where = key.split(".")
            if where[0] == "stages":
                assert found[key] == (1, *map(int, where[1 : 2 if coarse else 3]))
            elif where[0] == "head":
                assert found[key] == ((float("inf"),) if coarse else (1, MERGED))


@pytest.mark.parametrize("name", DISTINCT)
def test_training_reaches_every_parameter(name: str) -> None:
    """And the outputs are finite, equal from call to call, and those of the two halves.

    Four pictures: the normalisation of a squeeze has one value of each, and cannot do with two.
    """
    architecture = of_preset(name)
    network = made(architecture, drop_path_rate=0.1)
    frames = () if architecture.frames is None else (architecture.frames,)
    x = torch.randn(4, architecture.input_channels, *frames, 64, 64)
    network(x).square().mean().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    network.eval()
    with torch.no_grad():
        logits = network(x[:1])
        assert logits.isfinite().all()
        assert torch.equal(logits, network.forward_head(network.forward_features(x[:1])))


# ------------------------------------------------------------------------------------------------------------- all families


@pytest.mark.parametrize("family", FAMILIES)
def test_the_classifier_is_a_layer_on_the_pooled_map(family: str) -> None:
    network = made(of_family(family)).eval()
    last = network.forward_features(torch.randn(2, 3, 64, 64))
    pooled = {"avg": last.mean((2, 3)), "max": last.amax((2, 3)), "": last}
    pooled["avgmax"] = (pooled["avg"] + pooled["max"]) / 2
    assert set(pooled) == set(POOLS)
    for pool, expected in pooled.items():
        network.reset_classifier(0, pool)
        torch.testing.assert_close(network.forward_head(last), expected)
        torch.testing.assert_close(network.forward_head(last, pre_logits=True), expected)
        if pool:
            network.reset_classifier(5)
            layer = network.get_classifier()
            torch.testing.assert_close(network.forward_head(last), expected @ layer.weight.T + layer.bias)


def test_what_cannot_be_a_classifier_is_refused() -> None:
    network = made(small("basic"))
    for arguments, message in (
        ((3, "median"), "global_pool: 'median' is not a pool; use one of: 'avg'"),
        ((-1,), "num_classes: -1; give at least 1"),
        ((3, ""), "global_pool: none, with 3 classes"),
    ):
        with pytest.raises(SpecError, match=message):
            network.reset_classifier(*arguments)
    assert network(torch.randn(2, 3, 33, 33)).shape == (2, 10)


def test_a_new_classifier_is_where_the_network_is() -> None:
    network = made(small("basic")).double().eval()
    network.reset_classifier(4)
    assert network(torch.randn(1, 3, 33, 33).double()).dtype == torch.float64
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_intermediate_maps_are_the_outputs_of_their_modules(family: str) -> None:
    network = made(of_family(family)).eval()
    x, seen = torch.randn(1, 3, 64, 64), {}
    hooks = [
        network.get_submodule(level["module"]).register_forward_hook(
            lambda module, args, out, name=level["module"]: seen.update({name: out})
        )
        for level in network.feature_info
    ]
    last, maps = network.forward_intermediates(x)
    for hook in hooks:
        hook.remove()
    assert [level["module"] for level in network.feature_info] == ["stem", "stages.1", "stages.2"]
    assert all(torch.equal(found, seen[level["module"]]) for found, level in zip(maps, network.feature_info, strict=True))
    assert torch.equal(last, network.forward_features(x))
    for indices, levels in ((None, [0, 1, 2]), (2, [1, 2]), ([0], [0]), ([-1, 0], [0, 2]), ((1,), [1])):
        some = network.forward_intermediates(x, indices, stop_early=True, intermediates_only=True)
        assert len(some) == len(levels)
        assert all(torch.equal(found, maps[level]) for found, level in zip(some, levels, strict=True))
    ended, _ = network.forward_intermediates(x, [1], stop_early=True)
    assert torch.equal(ended, maps[1])


@pytest.mark.parametrize("indices", [0, 4, [], [3], [-4], -1])
def test_levels_that_do_not_exist_are_refused(indices: Any) -> None:
    network = made(small("basic"))
    with pytest.raises(SpecError, match=r"indices: .*there are 3 levels, 0 to 2"):
        network.forward_intermediates(torch.randn(2, 3, 33, 33), indices)
    with pytest.raises(SpecError, match="maps are 'NCHW'"):
        network.forward_intermediates(torch.randn(2, 3, 33, 33), output_fmt="NLC")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("taken", [[0], [0, 1], [1, 2]])
def test_what_no_level_needs_can_be_dropped(family: str, taken: list[int]) -> None:
    network = made(of_family(family)).eval()
    x = torch.randn(1, 3, 64, 64)
    before = network.forward_intermediates(x, taken, intermediates_only=True)
    keys = [key for key, _ in network.named_parameters()]
    assert network.prune_intermediate_layers(taken) == taken
    after = network.forward_intermediates(x, taken, intermediates_only=True)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    parts = {0: ["stem"], 1: ["stem", "stages.0", "stages.1"], 2: ["stem", "stages", "head"]}[taken[-1]]
    assert [key for key, _ in network.named_parameters()] == [
        key for key in keys if any(key.startswith(f"{part}.") for part in parts)
    ]
    assert network(x).shape[1] == network.num_features


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpointing_changes_memory_and_nothing_else(family: str) -> None:
    network = made(of_family(family), drop_path_rate=0.3)
    x, outcomes = torch.randn(4, 3, 64, 64), []
    for enabled in (False, True):
        network.set_grad_checkpointing(enabled)
        network.zero_grad()
        torch.manual_seed(1)
        logits = network(x)
        logits.square().sum().backward()
        outcomes.append([logits.detach(), *(p.grad.clone() for p in network.parameters())])
    for plain, recomputed in zip(*outcomes, strict=True):
        torch.testing.assert_close(recomputed, plain, rtol=1e-4, atol=1e-6)


def test_checkpointing_keeps_less() -> None:
    network = made(of_family("bottleneck"))
    kept = []
    for enabled in (False, True):
        network.set_grad_checkpointing(enabled)
        sizes: list[int] = []

        def pack(tensor: Any, sizes: list[int] = sizes) -> Any:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.randn(2, 3, 64, 64))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


def test_paths_are_dropped_by_picture() -> None:
    """Each picture's main path is whole and scaled, or gone; how often follows the binomial distribution."""
    add, n, rate = Add(), 20_000, 0.25
    add.drop_path_rate = rate
    shortcut = torch.randn(n, 2, 1, 2)
    out = add(torch.ones(n, 2, 1, 2), shortcut) - shortcut
    kept = out[:, 0, 0, 0] > 0.5
    torch.testing.assert_close(out, (kept / (1 - rate)).view(n, 1, 1, 1).expand_as(out), rtol=0, atol=1e-5)
    assert abs(kept.float().mean().item() - (1 - rate)) < 5 * (rate * (1 - rate) / n) ** 0.5
    assert torch.equal(add.eval()(torch.ones(n, 2, 1, 2), shortcut), shortcut + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_rates_of_dropped_paths_grow_with_depth(family: str) -> None:
    network = made(of_family(family), drop_path_rate=0.5)
    blocks = list(network.blocks())
    rates = [[child.drop_path_rate for child in block.children() if isinstance(child, Add)] for block in blocks]
    assert any(rates)
    assert all(rate == [pytest.approx(0.5 * i / (len(blocks) - 1))] for i, rate in enumerate(rates) if rate)
    x = torch.randn(2, 3, 64, 64)
    plain = made(of_family(family))
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(x), plain.eval()(x))
    assert "drop_path_rate=0.5" in repr(network)


def test_a_single_block_drops_nothing() -> None:
    network = made(small("basic", stages=(Stage("basic", 2, 8, 8, 3, 1),)), drop_path_rate=0.5)
    assert [m.drop_path_rate for m in network.modules() if isinstance(m, Add)] == [0.0]


def test_features_are_dropped_before_the_classifier_in_training_alone() -> None:
    network = made(small("basic"), drop_rate=0.5)
    last = torch.ones(64, 20, 2, 2)
    dropped = network.forward_head(last, pre_logits=True)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert abs((dropped == 0).float().mean().item() - 0.5) < 5 * (0.25 / dropped.numel()) ** 0.5
    assert torch.equal(network.eval().forward_head(last, pre_logits=True), torch.ones(64, 20))


@pytest.mark.parametrize("option", ["drop_rate", "drop_path_rate"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_is_a_probability(option: str, rate: float) -> None:
    with pytest.raises(SpecError, match=f"{option}: .* is not a probability below 1"):
        made(small("basic"), **{option: rate})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("training", [True, False])
def test_residual_branches_may_begin_at_zero(family: str, training: bool) -> None:
    network = made(of_family(family), zero_init_last=True).train(training)
    branches: list[Any] = []
    adds = [module for module in network.modules() if isinstance(module, Add)]
    for add in adds:
        add.register_forward_hook(lambda module, args, out: branches.append(args[0]))
    network(torch.randn(2, 3, 64, 64))
    assert len(branches) == len(adds) > 0
    assert all(branch.count_nonzero() == 0 for branch in branches)
    ordinary = made(of_family(family))
    assert all(module.weight.min() == 1 for module in ordinary.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_may_have_other_channels(channels: int) -> None:
    network = made(small("inverted", input_channels=channels)).eval()
    assert network.in_chans == channels == network.default_cfg["input_size"][0]
    assert network(torch.randn(2, channels, 33, 33)).shape == (2, 10)


@pytest.mark.parametrize("family", FAMILIES)
def test_channels_may_come_last(family: str) -> None:
    network = made(of_family(family)).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(x)
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-6)
        assert network.forward_features(x).is_contiguous(memory_format=torch.channels_last)


MIXED = Architecture(33, Stem(8), (Stage("bottleneck", 2, 16, 8, 3, 2), Stage("inverted_se", 2, 16, 32, 3, 1)), 24)
"""A network with a projection, an identity and a squeeze."""


def test_compiled_networks_compute_the_same() -> None:
    """In one graph, without falling back to Python; the code generator itself is run by benchmarks/exports.py."""
    network = made(MIXED).eval()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 3, 33, 33)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), network(x), rtol=1e-4, atol=1e-6)


NAMES = """
stem.conv.weight stem.conv_bn.weight stem.conv_bn.bias
stages.0.0.conv1.weight stages.0.0.conv1_bn.weight stages.0.0.conv1_bn.bias
stages.0.0.conv2.weight stages.0.0.conv2_bn.weight stages.0.0.conv2_bn.bias
stages.0.0.conv3.weight stages.0.0.conv3_bn.weight stages.0.0.conv3_bn.bias
stages.0.0.shortcut.weight stages.0.0.shortcut_bn.weight stages.0.0.shortcut_bn.bias
stages.0.1.conv1.weight stages.0.1.conv1_bn.weight stages.0.1.conv1_bn.bias
stages.0.1.conv2.weight stages.0.1.conv2_bn.weight stages.0.1.conv2_bn.bias
stages.0.1.conv3.weight stages.0.1.conv3_bn.weight stages.0.1.conv3_bn.bias
stages.1.0.conv1.weight stages.1.0.conv1_bn.weight stages.1.0.conv1_bn.bias
stages.1.0.conv2.weight stages.1.0.conv2_bn.weight stages.1.0.conv2_bn.bias
stages.1.0.se_reduce.weight stages.1.0.se_reduce_bn.weight stages.1.0.se_reduce_bn.bias
stages.1.0.se_expand.weight stages.1.0.se_expand_bn.weight stages.1.0.se_expand_bn.bias
stages.1.0.conv3.weight stages.1.0.conv3_bn.weight stages.1.0.conv3_bn.bias
head.conv.weight head.conv_bn.weight head.conv_bn.bias
classifier.linear.weight classifier.linear.bias
"""
"""Weights that people have saved by now: these names stay."""


def test_names_of_parameters_stay() -> None:
    network = made(MIXED)
    names = NAMES.split()
    assert [name for name, _ in network.named_parameters()] == names
    statistics = {name.rpartition(".")[0] for name in names if "_bn" in name}
    assert {name for name, _ in network.named_buffers()} == {
        f"{norm}.{what}" for norm in statistics for what in ("running_mean", "running_var", "num_batches_tracked")
    }
