"""Prints more than a pipe holds, to a reader that has left."""

from mipdesign.report.terminal import PlainConsole

PlainConsole().lines(["x" * 99] * 9999)
print("end")
