"""Prints the most memory that this process has held, in megabytes."""

from mipdesign.processes import peak_memory_mb

print(peak_memory_mb())
