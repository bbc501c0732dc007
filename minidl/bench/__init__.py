"""Measuring: how long minidl takes on this machine, next to PyTorch where that is installed."""

from __future__ import annotations

from minidl.bench.measuring import cells, measure
from minidl.bench.networks import CONVOLVING, NETWORKS, OTHERS, build, check_names
from minidl.bench.record import Cell, Record, Result
from minidl.bench.tables import geometric_means, ratios, tables
from minidl.bench.timing import Figures
from minidl.bench.torch_twin import is_installed

__all__ = [
    "CONVOLVING",
    "NETWORKS",
    "OTHERS",
    "Cell",
    "Figures",
    "Record",
    "build",
    "Result",
    "cells",
    "check_names",
    "geometric_means",
    "is_installed",
    "measure",
    "ratios",
    "tables",
]
