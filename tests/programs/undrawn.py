"""``mipdesign`` without convergence plots: drawing that of a small design takes almost half of its time."""

import sys

from mipdesign.__main__ import main
from mipdesign.figures import convergence

convergence.draw_convergence = lambda trace, path: False

sys.exit(main())
