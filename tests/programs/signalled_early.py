"""``mipdesign`` with a signal before its modules are imported. Arguments: the signal's number, then the command."""

import os
import sys

from mipdesign.interrupts import INTERRUPTS

INTERRUPTS.install()
os.kill(os.getpid(), int(sys.argv.pop(1)))

from mipdesign.cli.main import main  # noqa: E402

sys.exit(main())
