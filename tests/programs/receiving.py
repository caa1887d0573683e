"""Registers the plug-ins that come from the standard input, and prints in which module one of them is."""

import pickle
import sys

from mipdesign.mip.formulation import formulation_named
from mipdesign.plugins import receive

receive(pickle.load(sys.stdin.buffer))
print(type(formulation_named("columns-nocuts")).__module__)
