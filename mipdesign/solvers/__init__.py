"""Solvers that come with the package: one file each, registered as entry points of the group ``mipdesign.solvers``."""
