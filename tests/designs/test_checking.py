"""Certificates that a copy of the process checks beside it."""

import os
import sys

import programs
import pytest

from mipdesign.forks import SINGLE_THREADED


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes here")
def test_a_copy_decides_the_same_claims_and_is_done_without_when_it_dies() -> None:
    said = programs.said("copied_check", env=os.environ | SINGLE_THREADED)
    assert said["could"] and said["missing"] is None and said["claims"] > 20 and said["holds"]
    assert said["equal"] == [True, True] and not said["left"]
