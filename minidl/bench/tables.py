"""A record as tables of text, 80 columns wide at most."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Sequence
from statistics import geometric_mean
from types import MappingProxyType
from typing import Final, TypeAlias

from minidl.bench.record import Record, Result
from minidl.bench.timing import Figures

Quantity: TypeAlias = "Callable[[Result], Figures | None]"

QUANTITIES: Final[MappingProxyType[str, Quantity]] = MappingProxyType(
    {
        "training step": lambda result: result.step,
        "inference, 1 image": lambda result: result.one,
        "inference, 256 images": lambda result: result.many,
        "memory": lambda result: result.memory,
    }
)
"""What a result is of, and where it stands."""


def tables(record: Record) -> str:
    """Return the machine, the peak and every result as text."""
    steps = _table([_step_header(record), *(_step_row(record, row) for row in record.results)])
    once: dict[tuple[str, int], Result] = {}  # which the batch of training does not touch
    for row in record.results:
        once.setdefault((row.cell.network, row.cell.threads), row)
    inference = _table([_inference_header(record), *map(_inference_row, once.values())])
    parts = [_head(record), f"training step\n{steps}", f"inference, in ms\n{inference}"]
    return "\n\n".join([*parts, _foot(record)])


def _head(record: Record) -> str:
    """Return the machine, the versions and the peak."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    machine = f"{record.machine['processor']}, {record.machine['usable_cores']} usable core(s)"
    peaks = ", ".join(
        f"{peak:.0f} GFLOP/s with {threads} thread{'s' if threads > 1 else ''}"
        for threads, peak in record.peaks.items()
    )
    return "\n".join(_wrapped(text) for text in (machine, versions, f"sgemm peak: {peaks} of BLAS"))


def _foot(record: Record) -> str:
    """Return how to read the tables."""
    rounds = f"Medians of {record.method['rounds']} rounds."
    peak = (
        "Of peak: nominal operations of direct convolution, against as many threads of BLAS as"
        " there are workers. MB: memory that training takes above what the imports do."
    )
    ratio = " Ratio: minidl's over PyTorch's, below 1 is better." if record.compares else ""
    threads = " Threads: of PyTorch; minidl predicts on one." if record.compares else ""
    slash = " 1/4 workers: 1 of minidl, which does not gain by more, next to 4 threads of PyTorch."
    uneven = any("/" in _workers(record, result) for result in record.results)
    return _wrapped(f"{rounds}{ratio}{threads}{slash if uneven else ''} {peak}")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 79, break_on_hyphens=False)


def _step_header(record: Record) -> list[str]:
    beside = ["PyTorch", "ratio"] if record.compares else []
    memory = ["MB", *beside] if _knows_memory(record) else []
    return ["network", "batch", "workers", "ms", "img/s", "of peak", *beside, *memory]


def _step_row(record: Record, result: Result) -> list[str]:
    share = result.share(record.peaks[result.cell.workers])
    own, *beside = _numbers(result.step)
    speed = [own, f"{result.images_per_second:,.0f}", f"{share:.0%}"]
    memory = _numbers(result.memory) if result.memory else []
    cell = [result.cell.network, str(result.cell.batch), _workers(record, result)]
    return [*cell, *speed, *beside, *memory]


def _workers(record: Record, result: Result) -> str:
    """Return the workers, and with a slash the threads of PyTorch where these are others."""
    _, _, workers, threads = result.cell
    return f"{workers}/{threads}" if record.compares and workers != threads else str(workers)


def _knows_memory(record: Record) -> bool:
    return any(result.memory for result in record.results)


def _inference_header(record: Record) -> list[str]:
    beside = ["PyTorch", "ratio"] if record.compares else []
    return ["network", "threads", "1 image", *beside, "256", *beside]


def _inference_row(result: Result) -> list[str]:
    cell = [result.cell.network, str(result.cell.threads)]
    return [*cell, *_numbers(result.one), *_numbers(result.many)]


def _numbers(figures: Figures) -> list[str]:
    """Return a quantity of minidl's and, where there is one, PyTorch's and the ratio."""
    if figures.pytorch is None or figures.ratio is None:
        return [_short(figures.minidl)]
    return [_short(figures.minidl), _short(figures.pytorch), f"{figures.ratio:.2f}"]


def _short(number: float) -> str:
    """Return a number in three digits or more.

    >>> [_short(number) for number in (0.1234, 1.234, 12.34, 1234.5)]
    ['0.123', '1.23', '12.3', '1234']
    """
    places = 3 if number < 1 else 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{places}f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        " ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def ratios(record: Record) -> dict[str, dict[str, float]]:
    """Return by quantity and by cell the ratios that were measured."""
    found: dict[str, dict[str, float]] = {}
    for name, quantity in QUANTITIES.items():
        for result in record.results:
            figures = quantity(result)
            if figures is not None and figures.ratio is not None:
                found.setdefault(name, {})[_label(result)] = figures.ratio
    return found


def _label(result: Result) -> str:
    network, batch, workers, _ = result.cell
    return f"{network}, batch {batch}, {workers} worker{'s' if workers > 1 else ''}"


def geometric_means(record: Record, networks: Collection[str]) -> dict[str, float]:
    """Return the geometric mean of each quantity's ratios over some networks.

    Of the training step also by workers; nothing where PyTorch took no part.
    """
    rows = [row for row in record.results if row.cell.network in networks]
    found = {name: _mean(rows, quantity) for name, quantity in QUANTITIES.items()}
    for workers in sorted({row.cell.workers for row in rows}):
        some = [row for row in rows if row.cell.workers == workers]
        found[f"training step, workers: {workers}"] = _mean(some, QUANTITIES["training step"])
    return {name: mean for name, mean in found.items() if mean is not None}


def _mean(rows: Sequence[Result], quantity: Quantity) -> float | None:
    values = [figures.ratio for figures in map(quantity, rows) if figures and figures.ratio]
    return geometric_mean(values) if values else None
