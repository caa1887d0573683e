"""Figures of the released tool from the schema of architecture files alone, in fractions and decimal numbers.

Formulas of another form than those of the package, block by block; nothing of it is imported.
"""

from __future__ import annotations

import math
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import cache
from typing import Any

Block = dict[str, Any]
"""A block, or stem or head as one of kind ``plain``: ``kind, c, b, C, k, kt, s, bits, first``."""


def entries(network: dict[str, Any]) -> list[list[Block]]:
    """Stem, super-blocks and head, each as a list of blocks."""
    stem, c = network["stem"], network["stem"]["channels"]
    sizes = {"k": stem["kernel"], "kt": stem.get("kernel_t", 1), "s": stem["stride"], "bits": [stem.get("bits")]}
    found: list[list[Block]] = [
        [{"kind": "plain", "c": network.get("input_channels", 3), "b": 0, "C": c, "first": True} | sizes]
    ]
    for stage in network["stages"]:
        blocks = []
        for n in range(stage["depth"]):
            b, k = (value[n] if isinstance(value, list) else value for value in (stage["bottleneck"], stage["kernel"]))
            sizes = {"k": k, "kt": stage.get("kernel_t", 1), "s": stage["stride"] if n == 0 else 1, "first": n == 0}
            bits = stage["bits"][n] if "bits" in stage else [None] * 3
            blocks.append({"kind": stage["block"], "c": c, "b": b, "C": stage["channels"], "bits": bits} | sizes)
            c = stage["channels"]
        found.append(blocks)
    head = network.get("head")
    if head is not None:
        head = head if isinstance(head, dict) else {"channels": head}
        sizes = {"k": 1, "kt": 1, "s": 1, "bits": [head.get("bits")]}
        found.append([{"kind": "plain", "c": c, "b": 0, "C": head["channels"], "first": True} | sizes])
    return found


def stage_of(found: list[list[Block]]) -> list[int]:
    """The stage of each entry: all but the first open one by their stride."""
    stages = [0]
    for entry in found[1:]:
        stages.append(stages[-1] + (entry[0]["s"] == 2))
    return stages


def widths(x: Block) -> list[int]:
    """Inputs of each main-path convolution, of one frame."""
    c, b, kk = x["c"], x["b"], x["k"] ** 2
    return {
        "plain": [c * kk],
        "bottleneck": [c, b * kk, b],
        "mixed": [c, b * kk],
        "basic": [c * kk, b * kk],
        "inverted": [c, kk, b],
        "inverted_3d": [c, kk, b],
    }[x["kind"]]


# ------------------------------------------------------------------------------------------------------------------ counts


def flops(network: dict[str, Any]) -> Fraction:
    """Operations on maps that are never rounded."""
    r, total = Fraction(network["resolution"]), Fraction(0)
    for entry in entries(network):
        for x in entry:
            out = (r / x["s"]) ** 2
            total += _work(x, r**2, out, 1, 1)
            r /= x["s"]
    return total * (network.get("frames") or 1)


def model_size(network: dict[str, Any]) -> Fraction:
    """Weights at their bits, and one byte for every other number; a plain count where there are no bits."""
    return sum((_work(x, Fraction(1), Fraction(1), 8, 0) for entry in entries(network) for x in entry), Fraction(0))


def _work(x: Block, area: Fraction, out: Fraction, of_weights: int, rest: int) -> Fraction:
    """Operations of a block, or with ``rest`` 0 its numbers, which have no activations, pools and additions."""
    kind, c, b, C, kkt, s = x["kind"], x["c"], x["b"], x["C"], x["k"] ** 2 * x["kt"], x["s"]

    def share(pair: list[int] | None) -> Fraction:
        if pair is None:
            return Fraction(1)
        return Fraction(pair[1], 8) if of_weights == 8 else Fraction(pair[0] * pair[1], 64)

    def conv(n: int, a: Fraction, weights: int, channels: int, act: int = 1) -> Fraction:
        return a * (weights * share(x["bits"][n]) + (2 + act * rest) * channels)

    pool = area * c * rest if s == 2 else Fraction(0)
    joined = conv(0, out, c * C, C)
    if kind == "plain":
        return conv(0, out, c * C * kkt, C)
    if kind == "bottleneck":
        main = conv(0, area, c * b, b) + conv(1, out, b * b * kkt, b) + conv(2, out, b * C, C)
        return main + pool + (joined if x["first"] or c != C else 0)
    if kind in ("mixed", "basic"):
        main = conv(0, area, c * b * (kkt if kind == "basic" else 1), b) + conv(1, out, b * C * kkt, C)
        return main + pool + (joined if c != C else 0)
    main = conv(0, area, c * b, b) + conv(1, out, b * kkt, b) + conv(2, out, b * C, C)
    return main + (pool if c == C else 0)


def layers(network: dict[str, Any]) -> int:
    return sum(len(widths(x)) for entry in entries(network) for x in entry)


def map_bytes(network: dict[str, Any]) -> list[Fraction]:
    """Bytes of maps while each convolution of plain and inverted blocks runs."""
    flat = [x for entry in entries(network) for x in entry]
    reads = [(x["bits"][0] or [8])[0] for x in flat] + [8]
    r, found = network["resolution"], []
    for x, after in zip(flat, reads[1:], strict=True):
        c, b, C, s = x["c"], x["b"], x["C"], x["s"]
        a = [(pair or [8])[0] for pair in x["bits"]]
        if x["kind"] == "plain":
            found.append(Fraction(r * r * c * a[0] + r * r * C // (s * s) * after, 8))
        else:
            found.append(Fraction(r * r * (c * a[0] + b * a[1]), 8))
            kept = r * r * C // (s * s) * a[0] if c == C else 0
            found.append(Fraction(r * r * b * a[1] + r * r // (s * s) * a[2] + kept, 8))
            found.append(Fraction((r // s) ** 2 * (b * a[2] + C * after), 8))
        r //= s
    return found


# ------------------------------------------------------------------------------------------------------------------ scores


def additive_stages(
    network: dict[str, Any],
    *,
    shapes_at: int | None = None,
    sigmas: tuple[int, int] = (5, 4),
    factor: Fraction = Fraction(1, 2),
) -> list[Decimal]:
    """``M_j`` of every stage, to the digits of the context."""
    found, total = entries(network), Decimal(0)
    stages, r = stage_of(found), shapes_at
    ends = [Decimal(0)] * (1 + stages[-1])
    for entry, j in zip(found, stages, strict=True):
        r = None if r is None else r // entry[0]["s"]
        for x in entry:
            variance = Decimal(math.prod(widths(x)) * x["kt"])
            if r is not None and x["k"] > 1:
                variance *= _shape(network["frames"], r, x["kt"], x["k"])
            term = variance.ln()
            for pair in x["bits"]:
                if pair is not None:
                    term += quantised(sigmas[0], pair[0]).ln() + quantised(sigmas[1], pair[1]).ln()
                    term -= 2 * Decimal(sigmas[0]).ln()
            total += factor.numerator * term / factor.denominator
            ends[j] = total + Decimal(x["C"]).ln()
    return ends


def _shape(f: int, r: int, kt: int, k: int) -> Decimal:
    """``-ln(1 - cos)``; three times the digits stand for what cancels."""
    context = getcontext().copy()
    context.prec *= 3
    product = context.multiply(Decimal(f * f + 2 * r * r), Decimal(kt * kt + 2 * k * k))
    cosine = context.divide(Decimal(f * kt + 2 * r * k), context.sqrt(product))
    return +(-context.ln(context.subtract(Decimal(1), cosine)))


def quantised(sigma: int, bits: int) -> Decimal:
    """Variance of a normal variable after clipping and rounding, to the digits of the context."""
    return _quantised(sigma, bits, getcontext().prec)


@cache
def _quantised(sigma: int, bits: int, digits: int) -> Decimal:
    """``sum m^2 P(m)`` over the integers, by the series ``Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/15 + ...)``."""
    most, variance, root = 2 ** (bits - 1), Decimal(0), _root_of_two_pi()

    def below(x: Decimal) -> Decimal:
        term = total = x
        n, least = 1, Decimal(10) ** -(digits + 5)
        while term > least * total:
            n += 2
            term = term * x * x / n
            total += term
        return Decimal("0.5") + total * (-x * x / 2).exp() / root

    for m in range(1, most + 1):
        low = (Decimal(m) - Decimal("0.5")) / sigma
        if low * low > 5 * digits:
            break
        high = below((Decimal(m) + Decimal("0.5")) / sigma) if m < most else Decimal(1)
        variance += 2 * m * m * (high - below(low))
    return variance


def _root_of_two_pi() -> Decimal:
    """By the mean of Gauss and Legendre."""
    a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
    for _ in range(8):
        mean = (a + b) / 2
        b, t, p, a = (a * b).sqrt(), t - p * (a - mean) ** 2, 2 * p, mean
    return (2 * (a + b) ** 2 / (4 * t)).sqrt()
