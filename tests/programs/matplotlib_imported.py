"""Exits with 1 if the command line and the report import matplotlib before a chart is drawn."""

import sys

import mipdesign.cli.main
import mipdesign.report.report  # noqa: F401

sys.exit("matplotlib" in sys.modules)
