"""Shortcuts: how the input of a block joins its main path."""

from __future__ import annotations

from typing import Any

from ..operation import BLOCK_INPUT, Int, Operation, OperationChain


def with_shortcut(
    main: OperationChain,
    ci: Int,
    c: Int,
    s: int,
    r: Int,
    *,
    projection: Any,
    act: str,
    present: Any = True,
    pooled: bool = True,
) -> tuple[Operation, ...]:
    """Joins the main path with its shortcut: a 2x2 average pool where the block is strided, a 1x1 convolution where asked.

    Without ``pooled`` the convolution has the stride instead; a strided block then needs one.
    """
    tail = main.last
    side = OperationChain(ci, r)
    if s == 2 and pooled:
        side.add("shortcut_pool", "pool", stride=2, role="shortcut", present=present)
    if projection is not False:
        side.conv("shortcut", c, stride=1 if pooled else s, role="shortcut", present=projection)
    join = Operation("add", (tail, side.last), "add", c, c, main.resolution, present=present, projected=projection)
    out = Operation("out_act", ("add",), "activation", c, c, main.resolution, function=act)
    return tuple(main.operations + side.operations + [join, out])


def with_identity(main: OperationChain, ci: Int, c: Int, s: int) -> tuple[Operation, ...]:
    """The main path, and the block's input added to it where neither stride nor channels change."""
    if s == 1:
        main.add("add", "add", inputs=(main.last, BLOCK_INPUT), present=ci == c)
    return tuple(main.operations)
