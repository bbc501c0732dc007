"""How many workers a training step has use for, and of which kind."""

from __future__ import annotations

import os
from pathlib import Path

from minidl.engine.crew import can_fork
from minidl.engine.cut import shards
from minidl.graph import Graph

WORTH = 39_500_000
"""How many floating-point operations of a step one more process pays for: a millisecond's."""

WORTH_THREADS = 1_500_000_000
"""How many a second thread pays for; threads wait for the interpreter's lock, and a third never."""


def usable_cores() -> int:
    """Return how many processors this process may use: its affinity, and a container's share."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota(Path("/sys/fs/cgroup/cpu.max"))))


def _quota(path: Path) -> int:
    """Return the processors that a control group grants, rounded up; many where none is set."""
    try:
        granted, period = path.read_text().split()
        return -(-int(granted) // int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return 1 << 16


def kind() -> str:
    """Return "processes" where they can be forked, which is faster, else "threads"."""
    return "processes" if can_fork() else "threads"


def helpful_workers(model: Graph, batch: int) -> int:
    """Return how many workers to train with: the usable cores, but no more than help."""
    shapes = [] if model.shapes is None else [model.shapes[name] for name in model.inputs]
    step = 3 * batch * model.flops(*shapes)  # forward, and twice as much backward
    most = step // WORTH if kind() == "processes" else min(2, step // WORTH_THREADS + 1)
    pieces = len(shards(batch))
    count = max(1, min(usable_cores(), pieces, most))
    return -(-pieces // -(-pieces // count))  # three share four shards no better than two
