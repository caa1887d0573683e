"""``mipdesign`` without convergence plots: they take most of the time of a small design."""

import sys

from mipdesign.__main__ import main
from mipdesign.figures import convergence

convergence.draw_convergence = lambda trace, path: False

sys.exit(main())
