"""Activation memory of a torch module, counted from the tensors that live while it runs. Importing this file needs torch.

Every storage that an operation of torch returns is counted from its creation to its release; parameters, running statistics and
what existed before are not. The count is that of the operations' results: kernels may need work space beyond it, and an
allocator rounds up and keeps what was freed. It needs no arithmetic, so a module on the ``meta`` device will do.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .module import DesignedNetwork


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the tensors that were made under this mode and still live, and the most there have been.

    Parameters
    ----------
    known:
        Tensors that are not counted, nor views of them.
    """

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._uncounted = {tensor.untyped_storage()._cdata for tensor in known}
        self._live: set[int] = set()

    def add(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, unless it is counted already."""
        storage = tensor.untyped_storage()
        if storage._cdata in self._uncounted | self._live:
            return
        self._live.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._remove, storage._cdata, storage.nbytes())

    def _remove(self, key: int, size: int) -> None:
        self._live.discard(key)
        self.now -= size

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result


def inference_bytes(network: DesignedNetwork, shape: Sequence[int]) -> int:
    """Most bytes of maps that live together in a forward pass without gradients, the pictures among them.

    Parameters
    ----------
    shape:
        Of the pictures, ``(batch, channels, height, width)``.
    """
    live, pictures = _begun(network, shape)
    with torch.no_grad(), live:
        network.eval()(pictures)
    return live.peak


def training_bytes(network: DesignedNetwork, shape: Sequence[int]) -> tuple[int, int]:
    """Bytes that a forward pass leaves for the backward pass, and the most that live together in both.

    The peak holds the gradients of the weights, which grow while the maps go.
    """
    live, pictures = _begun(network, shape)
    with live:
        logits = network.train()(pictures)
        kept = live.now
        classes = torch.zeros(shape[0], dtype=torch.long, device=logits.device)
        functional.cross_entropy(logits, classes).backward()  # type: ignore[no-untyped-call]
    network.zero_grad(set_to_none=True)
    return kept, live.peak


def _begun(network: DesignedNetwork, shape: Sequence[int]) -> tuple[LiveTensors, Tensor]:
    """A count that begins with the pictures."""
    live = LiveTensors(list(itertools.chain(network.parameters(), network.buffers())))
    pictures = torch.zeros(tuple(shape), device=next(network.parameters()).device)
    live.add(pictures)
    return live, pictures
