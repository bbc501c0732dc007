"""Crews: several members that run one program together, as threads or as processes.

Every member runs the same program, ``program(member, numbers)``, and takes its own share of the
tiles by its index; where all have to be ready, the program calls ``member.wait()``. What members
hand to each other lies in arrays from ``shared``. A member that raises ends the run for all, and
the error is raised once, by ``Crew.run``.
"""

from __future__ import annotations

import os
import sys
import threading

from minidl.checks import integer
from minidl.engine import MOST_WORKERS
from minidl.engine.crew.member import Aborted, Crew, Member, Program, Solo
from minidl.engine.crew.memory import shared
from minidl.engine.crew.processes import Processes
from minidl.engine.crew.threads import Threads

__all__ = [
    "Aborted",
    "Crew",
    "Member",
    "Processes",
    "Program",
    "Solo",
    "Threads",
    "can_fork",
    "gather",
    "shared",
]


def gather(program: Program, size: int, kind: str) -> Crew:
    """Return a crew of ``size`` members, "threads" or "processes"; alone it is the caller.

    Where processes cannot be forked, there are threads in their place.
    """
    if integer("workers", size, low=1, high=MOST_WORKERS) == 1:
        return Solo(program)
    if kind not in ("threads", "processes"):
        raise ValueError(f"kind should be 'threads' or 'processes', got {kind!r}")
    if kind == "processes" and can_fork():
        return Processes(program, size)
    return Threads(program, size)


def can_fork() -> bool:
    """Whether processes may be forked: the platform can, and no other thread is running.

    On macOS they may not, because the system's own libraries do not stand it.
    """
    return hasattr(os, "fork") and sys.platform != "darwin" and threading.active_count() == 1
