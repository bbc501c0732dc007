"""How much memory this process and its children hold: by /proc, so on Linux alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def held() -> float | None:
    """Return the megabytes of the process and its children; None where nothing tells.

    Memory that several processes share counts once (the proportional set size).
    """
    sizes = [_size(pid) for pid in (os.getpid(), *_children())]
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def _children() -> Iterator[int]:
    """Find the processes whose parent is this one."""
    for folder in PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # it has just ended
            continue
        if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
            yield int(folder.name)


def _size(pid: int) -> float | None:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return found[0] * 1024 / 1e6 if found else None
