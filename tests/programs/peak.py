"""Prints the most memory that this process has held, in megabytes."""

from mipdesign.machine import peak_memory_mb

print(peak_memory_mb())
