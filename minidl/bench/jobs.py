"""Jobs: what one child process measures, and how it is started.

A job has a process of its own for two reasons: its memory is its own, and the C library reads when
to give freed memory back only where a process starts. Left to itself it gives large arrays back
and faults them in again at every step, which costs PyTorch up to half its speed at large batches
and minidl, which plans its memory, nothing: a comparison would flatter minidl.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

MALLOC: Final = MappingProxyType(
    {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_THRESHOLD_": str(1 << 32)}
)
"""Settings of glibc's allocator, by which freed memory stays at hand; others ignore them."""


class Job(NamedTuple):
    """What is measured: ``task`` is "peak", "race" or "memory".

    ``workers`` are minidl's, ``threads`` are those of BLAS and of PyTorch; ``torch`` is whether
    PyTorch takes part in a race, and whether it is its memory that is measured.
    """

    task: str
    network: str = ""
    batch: int = 64
    workers: int = 1
    threads: int = 1
    rounds: int = 30
    torch: bool = False


def run_job(job: Job) -> dict[str, Any]:
    """Run a job in a child process and return what it found.

    Raises ``OSError`` with the last line that the child wrote where it fails.
    """
    command = [sys.executable, "-m", "minidl.bench", json.dumps(job._asdict())]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise OSError(f"measuring {job.network or 'the peak'} failed: {said[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment() -> dict[str, str]:
    """Return this process's environment, with the settings and with this minidl to import."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **MALLOC, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
