"""The integers of a network in the model of :mod:`mipdesign.formulations.minlp`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyscipopt import log

from mipdesign.lattice.arrays import Ints
from mipdesign.lattice.position import Position
from mipdesign.mip.design_model import Axis, AxisKind
from mipdesign.networks.operation import kernel_of

from .breakpoints.lattice import LatticeBreakpoints
from .common import KERNEL
from .encoded_integer import EncodedInteger, encode_integer
from .encodings.encoding import Encoding
from .minlp_counts import Number, Sum
from .model_builder import ModelBuilder


@dataclass(frozen=True)
class IntegerWriter:
    """Writes integers on their lattices.

    Attributes
    ----------
    model, axes, nonlinear:
        Where they are written: the linear model, the axes of the network, and constraints that are not linear, by name.
    encoding:
        How functions of one integer are piecewise linear; ``None`` for SCIP's own logarithm.
    """

    model: ModelBuilder
    axes: list[Axis]
    nonlinear: list[tuple[str, Sum]]
    encoding: Encoding | None

    def write(
        self,
        name: str,
        super_block: int,
        kind: AxisKind,
        values: Sequence[int] | Ints,
        read: Callable[[Position], int],
        priority: int,
        has_log: bool = True,
    ) -> Number:
        """An integer on its lattice, and its logarithm."""
        values = [int(x) for x in values]
        with np.errstate(divide="ignore"):  # places of families have no logarithm, and need none
            if self.encoding is None:
                x = self._by_place(name, values, read, priority)
            else:
                every = LatticeBreakpoints()
                x = encode_integer(self.model, name, values, read, priority, self.encoding, every, weighted=True)
        self.axes.append(Axis(kind, super_block, f"{name}_place" if len(values) > 1 else None, tuple(values)))
        if not has_log:
            return Number(x, x.number)
        if self.encoding is not None:
            return Number(x, x.number, self.model.equal_to(f"log_{name}", x.log))
        if len(values) == 1:
            return Number(x, x.number, self.model.constant(float(np.log(float(values[0])))))
        low, high = math.log(values[0]), math.log(values[-1])
        of_log = self.model.variable(f"log_{name}", lower=low, upper=high, value=lambda n: math.log(read(n.position)))
        self.nonlinear.append((f"is_log_{name}", lambda v: v[f"log_{name}"] <= log(v[f"{name}_number"])))
        return Number(x, x.number, of_log)

    def kernels(self, name: str, super_block: int, values: Ints, read: Callable[[Position], int]) -> Number:
        """The kernels of a super-block, and the logarithm of their height and width."""
        lengths, sizes = kernel_of(values)
        if (lengths == 1).all():
            return self.write(name, super_block, "kernel", values, read, KERNEL)
        x = self.write(name, super_block, "kernel", values, read, KERNEL, has_log=False)
        log_size = self.model.equal_to(f"log_{name}", x.encoded.function(np.log(sizes).tolist()))
        return replace(x, log=log_size, square=x.encoded.function((lengths * sizes**2).astype(np.float64).tolist()))

    def _by_place(self, name: str, values: Sequence[int], read: Callable[[Position], int], priority: int) -> EncodedInteger:
        """An integer by its place on the lattice alone: binaries where the lattice is not even."""
        model = self.model
        x = EncodedInteger(
            model,
            name,
            tuple(values),
            model.constant(0.0),
            model.constant(values[0]),
            [model.one],
            priority,
            np.log(np.array(values, dtype=float)),
            np.square(np.array(values, dtype=float)),
            frozenset(values),
        )
        if len(values) == 1:
            return x
        x.weights = ()
        x.index = model.variable(
            f"{name}_place", "I", 0.0, len(values) - 1.0, priority + 1, lambda n: float(values.index(read(n.position)))
        )
        steps = {after - value for value, after in itertools.pairwise(values)}
        number = x.index * float(*steps) + float(values[0]) if len(steps) == 1 else x.function(values)
        v = model.variable(f"{name}_number", lower=values[0], upper=values[-1], value=lambda n: float(read(n.position)))
        model.add(f"is_{name}_number", v == number)
        x.number = v
        return x
