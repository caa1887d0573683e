"""Prints the most memory that it has taken."""

from mipdesign.processes import peak_memory_mb

print(peak_memory_mb())
