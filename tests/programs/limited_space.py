"""Tells its parent that two gigabytes are not to be had."""

from mipdesign.processes import JSON_LINES, ParentLink

link = ParentLink(JSON_LINES)
try:
    bytes(2**31)
except MemoryError:
    link.send("none left")
