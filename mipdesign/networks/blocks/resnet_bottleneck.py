"""torchvision's bottleneck block."""

from __future__ import annotations

from ..operation import Int, Operation, OperationChain
from .bottleneck import Bottleneck
from .shortcut import with_shortcut


class ResNetBottleneck(Bottleneck):
    """torchvision's bottleneck block: :class:`Bottleneck` with a strided 1x1 projection where stride or channels change.

    The stride is that of the k x k convolution (He et al., CVPR 2016, arXiv 1512.03385, with the stride moved as in
    torchvision); no pool stands on the shortcut.
    """

    name = "resnet_bottleneck"

    def _joined(self, main: OperationChain, ci: Int, c: Int, s: int, r: Int, first: bool) -> tuple[Operation, ...]:
        return with_shortcut(main, ci, c, s, r, projection=s == 2 or ci != c, act=self.activation, pooled=False)
