"""The level method's inner problem: the shortest step to a point where a model of the dual function lies below a level."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..lattice.arrays import Bools, Floats, Ints

GRADIENT_TOLERANCE = 1e-10
SMALLEST = 1e-14
"""Multipliers below it leave the active set."""


@compiled
def project_to_level(
    excess: Floats, slopes: Floats, centre: Floats, signed: Bools, size: float, active: Ints
) -> tuple[bool, Floats, Floats, Ints]:
    """Shortest step ``z`` with ``excess + slopes @ z <= 0`` and ``centre + z >= 0`` where ``signed``.

    Least-distance programming by non-negative least squares (Lawson and Hanson 1974, chapter 23).

    Parameters
    ----------
    excess, slopes:
        How far each cut lies above the level at ``centre``, shape ``(cuts,)``, and its slope, ``(cuts, multipliers)``.
    size:
        Magnitude of the dual function.
    active:
        Active set of an earlier call with fewer cuts; empty at first.

    Returns
    -------
    tuple
        Whether there is such a step, the step, the cuts' multipliers, and the active set.
    """
    dims, cuts = len(centre), len(excess)
    bounds = 0
    for d in range(dims):
        bounds += signed[d]
    n = bounds + cuts
    e = np.zeros((n, dims + 1))
    at = 0
    for d in range(dims):
        if signed[d]:
            e[at, d], e[at, dims] = 1.0, -centre[d] / size
            at += 1
    for r in range(cuts):
        for d in range(dims):
            e[bounds + r, d] = -slopes[r, d]
        e[bounds + r, dims] = excess[r] / size
    norms = np.empty(n)
    for r in range(n):
        square = 0.0
        for d in range(dims + 1):
            square += e[r, d] * e[r, d]
        norms[r] = np.sqrt(square) + 1e-12
        for d in range(dims + 1):
            e[r, d] /= norms[r]
    gram = np.empty((n, n))
    for r in range(n):
        for s in range(r + 1):
            product = 0.0
            for d in range(dims + 1):
                product += e[r, d] * e[s, d]
            gram[r, s] = gram[s, r] = product
        gram[r, r] += 1e-13
    solved, u, active = _nnls(gram, e[:, dims].copy(), active)
    step, duals = np.zeros(dims), u[bounds:] / norms[bounds:]
    if not solved:
        return False, step, np.zeros(cuts), active
    last = -1.0
    for r in range(n):
        if u[r] > 0:
            last += e[r, dims] * u[r]
            for d in range(dims):
                step[d] -= e[r, d] * u[r]
    if abs(last) < 1e-7:
        return False, step, duals, active
    return True, step * (size / last), duals, active


@compiled
def _solve(gram: Floats, target: Floats, active: Ints, count: int) -> tuple[bool, Floats]:
    """Solution of the normal equations on an active set by Cholesky's method, and whether they are regular."""
    a, x = np.empty((count, count)), np.empty(count)
    for r in range(count):
        for s in range(r + 1):
            total = gram[active[r], active[s]]
            for k in range(s):
                total -= a[r, k] * a[s, k]
            if r == s:
                if total <= 0.0:
                    return False, x
                a[r, r] = np.sqrt(total)
            else:
                a[r, s] = total / a[s, s]
    for r in range(count):
        total = target[active[r]]
        for k in range(r):
            total -= a[r, k] * x[k]
        x[r] = total / a[r, r]
    for r in range(count - 1, -1, -1):
        total = x[r]
        for k in range(r + 1, count):
            total -= a[k, r] * x[k]
        x[r] = total / a[r, r]
    return True, x


@compiled
def _nnls(gram: Floats, target: Floats, warm: Ints) -> tuple[bool, Floats, Ints]:
    """``min u' G u / 2 - t' u`` over ``u >= 0``: the active-set method of Lawson and Hanson."""
    n = len(target)
    u, active, count = np.zeros(n), np.empty(n, np.int64), 0
    for index in warm:
        active[count] = index
        count += 1
    while count:
        regular, trial = _solve(gram, target, active, count)
        if not regular:
            return False, u, active[:0].copy()
        left = 0
        for k in range(count):
            if trial[k] > 0:
                active[left] = active[k]
                left += 1
        if left == count:
            for k in range(count):
                u[active[k]] = trial[k]
            break
        count = left
    for _ in range(3 * n):
        best, entering = GRADIENT_TOLERANCE, -1
        for r in range(n):
            inside = False
            for k in range(count):
                inside |= active[k] == r
            if inside:
                continue
            slope = target[r]
            for k in range(count):
                slope -= gram[r, active[k]] * u[active[k]]
            if slope > best:
                best, entering = slope, r
        if entering < 0:
            break
        active[count] = entering
        count += 1
        while count:
            regular, trial = _solve(gram, target, active, count)
            if not regular:
                return False, u, active[:0].copy()
            share = 1.0
            for k in range(count):
                old = u[active[k]]
                if trial[k] <= 0:
                    share = min(share, old / max(old - trial[k], 1e-300))
            falls = False
            for k in range(count):
                falls |= trial[k] <= 0
            left = 0
            for k in range(count):
                r = active[k]
                u[r] = trial[k] if not falls else u[r] + share * (trial[k] - u[r])
                if not falls or u[r] > SMALLEST:
                    active[left] = r
                    left += 1
                else:
                    u[r] = 0.0
            count = left
            if not falls:
                break
    return True, u, active[:count].copy()
