"""How much memory there is, and whether a training step fits in it."""

from __future__ import annotations

import math
from pathlib import Path

from minidl.engine.border import input_shapes
from minidl.engine.leaves import unfold
from minidl.engine.plan import Plan, plan
from minidl.graph import Graph

SYSTEM = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
ROUGH = 8
"""How often, at most, a step holds each value of the network: surely less than so many times."""


def free_memory() -> int | None:
    """Return the bytes that are free for this process; None where the system does not say."""
    try:
        lines = SYSTEM.read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    return min([*found, *_group_memory()], default=None)


def _group_memory() -> list[int]:
    """Return the bytes that a control group has left, cached files counting as free."""
    try:
        most, used = (int((GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        lines = (GROUP / "memory.stat").read_text().splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return [most - used + cached]
    except (OSError, ValueError):  # no control group, or no limit
        return []


def check_memory(graph: Graph, batch: int, workers: int, remembered: int) -> None:
    """Raise ``MemoryError`` where a training step would not fit, before anything is allocated.

    ``remembered`` is how many bytes the optimizer does.
    """
    free = free_memory()
    if free is None or _roughly(graph, batch) < free:
        return
    wanted = plan(graph, batch, workers, remembered)
    if wanted.peak > free:
        raise MemoryError(
            f"a training step on {batch:,} samples needs about {wanted.peak / 1e6:,.0f} MB, and"
            f" {free / 1e6:,.0f} MB are free: {_advice(wanted, free)}"
        )


def _roughly(graph: Graph, batch: int) -> int:
    """Return more bytes than a step can take, without laying it out."""
    leaves, _ = unfold(graph, input_shapes(graph))
    values = sum(math.prod(shape) for leaf in leaves for shape in (*leaf.shapes, leaf.shape))
    arrays = sum(array.nbytes for array in graph.arrays.values())
    return ROUGH * (batch * values * graph.dtype.itemsize + arrays) + (1 << 28)


def _advice(wanted: Plan, free: int) -> str:
    """Say what would fit: memory grows with the batch, but for what does not depend on it."""
    each = wanted.kept / wanted.batch_size
    fits = int((free - (wanted.peak - wanted.kept)) / each) if each else 0
    return f"a batch of {fits:,} would fit" if fits > 0 else "a smaller network would fit"
