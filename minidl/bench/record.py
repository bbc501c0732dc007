"""The record of a measurement: every figure, and what it was measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minidl.bench.timing import Figures


class Cell(NamedTuple):
    """What is measured: a network, its batch, minidl's workers, and BLAS's and PyTorch's threads.

    Where minidl is left to choose, its workers may be fewer than the threads.
    """

    network: str
    batch: int
    workers: int
    threads: int


@dataclass(frozen=True)
class Result:
    """What was found: milliseconds of a step and of inference (1 and 256 images), megabytes.

    ``gflop`` is the nominal work of a step, in thousands of millions of operations.
    """

    cell: Cell
    gflop: float
    step: Figures
    one: Figures
    many: Figures
    memory: Figures | None

    @property
    def images_per_second(self) -> float:
        """How many images a second minidl trains on."""
        return 1e3 * self.cell.batch / self.step.minidl

    def share(self, peak: float) -> float:
        """Return the speed of a step as a share of a peak in GFLOP/s."""
        return 1e3 * self.gflop / self.step.minidl / peak


@dataclass(frozen=True)
class Record:
    """Machine, versions, method, the peak in GFLOP/s by threads, and the results."""

    machine: dict[str, object]
    versions: dict[str, str]
    method: dict[str, object]
    peaks: dict[int, float]
    results: list[Result]

    @property
    def compares(self) -> bool:
        """Whether PyTorch took part."""
        return "torch" in self.versions

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "machine": self.machine,
            "versions": self.versions,
            "method": self.method,
            "sgemm_peak_gflops": {str(threads): peak for threads, peak in self.peaks.items()},
            "results": [self._row(result) for result in self.results],
        }

    def _row(self, result: Result) -> dict[str, Any]:
        return {
            **result.cell._asdict(),
            "gflop_per_step": result.gflop,
            "images_per_second": result.images_per_second,
            "share_of_peak": result.share(self.peaks[result.cell.workers]),
            "step_ms": _known(result.step),
            "inference_1_ms": _known(result.one),
            "inference_256_ms": _known(result.many),
            "memory_mb": None if result.memory is None else _known(result.memory),
        }


def _known(figures: Figures) -> dict[str, float]:
    return {name: value for name, value in figures._asdict().items() if value is not None}


def machine(cores: int) -> dict[str, object]:
    """Return what this machine is; ``cores`` are those that may be used."""
    return {
        "processor": _processor(Path("/proc/cpuinfo")),
        "usable_cores": cores,
        "cores": os.cpu_count(),
        "platform": platform.platform(),
    }


def _processor(path: Path) -> str:
    """Return the processor's name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(torch: bool) -> dict[str, str]:
    """Return the versions of what is measured."""
    found = {
        "minidl": _installed("minidl"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": _blas(),
    }
    return {**found, "torch": _installed("torch")} if torch else found


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "from source"


def _blas() -> str:
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    found = {f"{pool['internal_api']} {pool['version']}" for pool in pools}
    return ", ".join(sorted(found))
