"""A network as an export takes it, and what is no network. Importing this file needs torch."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from ..errors import SpecError, a_thing

Network = TypeVar("Network", bound=nn.Module)
HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith(("_hooks", "_with_kwargs", "_always_called")))
"""Attributes of a module that hold its hooks."""
COMPILED, PARAMETRISED = "_orig_mod", "parametrizations"
"""Children that ``torch.compile`` and ``torch.nn.utils.parametrize`` put into a module."""


def export_view(network: Network) -> Network:
    """The network in evaluation mode as modules of their own that share its weights: an export changes nothing of the original.

    Hooks are left out. They are their owner's, and what they do would become part of an exported program.
    """
    seen: dict[int, nn.Module] = {}

    def viewed(module: nn.Module) -> nn.Module:
        if id(module) not in seen:
            view = seen[id(module)] = copy.copy(module)
            for name in HOOKS:
                setattr(view, name, type(getattr(module, name))())
            view._parameters, view._buffers = dict(module._parameters), dict(module._buffers)
            view._modules = {name: child and viewed(child) for name, child in module._modules.items()}
            view.training = False
        return seen[id(module)]

    return viewed(network)  # type: ignore[return-value]


def require_network(network: nn.Module, *kinds: type[nn.Module]) -> None:
    """Makes sure that a module is a network of ours with its own weights, and not something around one.

    Raises
    ------
    SpecError
        That says what to pass in its place.
    """
    if not isinstance(network, kinds):
        inside = [path for path, module in getattr(network, "named_modules", dict)() if isinstance(module, kinds)]
        where = [f"network.get_submodule({path!r})" if "." in path or path.isdigit() else f"network.{path}" for path in inside]
        remedy = f"pass {where[0]}, which has the same weights" if where else "pass a module that to_module made"
        raise SpecError("network", f"{a_thing(network)}{' around a network' if where else ''}", remedy)
    for path, module in network.named_modules():
        if COMPILED in module._modules:
            raise SpecError(path, "is compiled, and its weights have other names", f"put its {COMPILED} in its place")
        if PARAMETRISED in module._modules or "weight" in vars(module):  # the latter by hooks, as those of torch.nn.utils.prune
            remedy = "make it permanent, by remove_parametrizations of torch.nn.utils.parametrize or remove of prune"
            raise SpecError(path, "computes its weight from others", remedy)
    if any(tensor.is_meta for tensor in network.state_dict().values()):
        raise SpecError("network", "is on the device 'meta' and has no weights", "make it on another device")


def floating_type(network: nn.Module) -> torch.dtype:
    """The type of all weights and statistics that are floating-point numbers.

    Raises
    ------
    SpecError
        If there are several.
    """
    found = {tensor.dtype for tensor in network.state_dict().values() if tensor.is_floating_point()}
    if len(found) > 1:
        names = " and ".join(sorted(type_name(dtype) for dtype in found))
        raise SpecError("network", f"has weights of {names}", "give it one type, for example by network.float()")
    return next(iter(found), torch.float32)


def type_name(dtype: torch.dtype) -> str:
    """``float32`` and the like."""
    return str(dtype).removeprefix("torch.")
