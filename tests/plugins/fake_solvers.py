"""Solvers that answer from enumeration, lie, crash, eat memory or sleep: a plug-in as another package would bring it.

The folder holds the package's metadata, so that putting it on ``PYTHONPATH`` installs it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from mipdesign.benchmarks.corpus.small import listing

from mipdesign.lattice.cell import Cell
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.formulation import FormulationModel
from mipdesign.mip.solver import Answer, SolveOptions, Solver

LOG = "FAKE_SOLVERS_LOG"
"""Environment variable: a file to which every solve appends a line."""
PAUSE = "FAKE_SOLVERS_PAUSE"
"""Environment variable: seconds that an honest solver takes."""


class Honest(Solver):
    """The best network by enumeration."""

    id, title, package, extra = "fake-honest", "enumeration", "mipdesign", ""
    capabilities = frozenset({Capability.BOUND})

    def solve(self, form: FormulationModel, options: SolveOptions) -> Answer:
        if LOG in os.environ:
            with open(os.environ[LOG], "a") as file:
                file.write(f"{form.tables.problem.digest} {options.seed}\n")
        print("solvers print to standard output")
        os.write(1, b"and native code does too\n")
        time.sleep(float(os.environ.get(PAUSE, "0")))
        return self.answer(form)

    def answer(self, form: FormulationModel) -> Answer:
        networks = listing(form.tables, Cell.whole(form.tables)).networks
        if not networks:
            return Answer("infeasible", None, None, float("-inf"), 0, 0.0, 0.25)
        return self.of(form, networks[0], "optimal")

    def of(self, form: FormulationModel, network: Any, status: Any, **changes: Any) -> Answer:
        position, objective = network[0], float(network[1])
        fields = {"objective": objective, "bound": objective, "nodes": 3, "build_seconds": 0.25, "solver_seconds": 0.5}
        trace = ((0.125, None, objective * 2), (0.25, objective, objective))
        return Answer(status, form.start(position), **{**fields, "trace": trace, "root_bound": objective + 1.0, **changes})


class Second(Honest):
    """Claims that the second best network is optimal."""

    id = "fake-second"

    def answer(self, form: FormulationModel) -> Answer:
        best, *others = listing(form.tables, Cell.whole(form.tables)).networks
        worse = next(network for network in others if float(network[1]) < float(best[1]) * 0.999)
        return self.of(form, worse, "optimal")


class Overstating(Honest):
    """Claims an objective that its network does not have."""

    id = "fake-overstating"

    def answer(self, form: FormulationModel) -> Answer:
        best = listing(form.tables, Cell.whole(form.tables)).networks[0]
        return self.of(form, best, "optimal", objective=float(best[1]) * 1.01, bound=float(best[1]) * 1.01)


class Infeasible(Honest):
    """Claims that there is no network."""

    id = "fake-infeasible"

    def answer(self, form: FormulationModel) -> Answer:
        return Answer("infeasible", None, None, None, 0, 0.0, 0.0)


class LowBound(Honest):
    """Stops at a limit with a bound that the best network exceeds."""

    id = "fake-low-bound"

    def answer(self, form: FormulationModel) -> Answer:
        best = listing(form.tables, Cell.whole(form.tables)).networks[0]
        return Answer("limit", None, None, float(best[1]) * 0.9, 0, 0.0, 0.0)


class Limit(Honest):
    """Stops at a limit with nothing."""

    id = "fake-limit"

    def answer(self, form: FormulationModel) -> Answer:
        return Answer("limit", None, None, None, 0, 0.0, 0.0)


class Broken(Honest):
    """Raises."""

    id = "fake-broken"

    def answer(self, form: FormulationModel) -> Answer:
        raise RuntimeError("out of ideas")


class Crash(Honest):
    """Dies as native code does."""

    id = "fake-crash"

    def answer(self, form: FormulationModel) -> Answer:
        sys.stderr.write("munmap_chunk(): invalid pointer\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGABRT)
        raise AssertionError


class Eater(Honest):
    """Takes memory until it is stopped."""

    id = "fake-eater"

    def answer(self, form: FormulationModel) -> Answer:
        held = []
        while True:
            held.append(bytearray(os.urandom(2**18) * 64))
            time.sleep(0.005)


class Sleeper(Honest):
    """Does not come back, and neither does a process that it starts."""

    id = "fake-sleeper"

    def answer(self, form: FormulationModel) -> Answer:
        if os.fork() == 0:
            with open(os.environ[LOG], "a") as file:
                file.write(f"child {os.getpid()}\n")
        while True:
            time.sleep(1)


class Absent(Honest):
    """Needs a package that nobody has."""

    id, package, extra = "fake-absent", "no-such-solver", "solvers"
