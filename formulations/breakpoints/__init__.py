"""Breakpoints of functions on a lattice, one choice per file."""
