"""Measuring: from what is asked to a record, a child process for each job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minidl.bench import record, torch_twin
from minidl.bench.jobs import MALLOC, Job, run_job
from minidl.bench.networks import build, check_names, step_flops
from minidl.bench.record import Cell, Record, Result
from minidl.bench.timing import PAUSE, Figures
from minidl.engine.workers import helpful_workers, kind, usable_cores


def cells(networks: Sequence[str], batch: int, workers: int | None = None) -> list[Cell]:
    """Return what to measure: each network with one worker, and with several.

    Several are ``workers``, or else as many as help minidl, next to PyTorch with every core.

    Raises ``ValueError`` for an unknown network, or for more workers than there are cores.
    """
    check_names(networks)
    cores = usable_cores()
    if workers is not None and workers > cores:
        raise ValueError(
            f"{workers} workers are more than the {cores} core(s) that this process may use, and"
            f" would measure waiting: choose 1 to {cores}"
        )
    found: list[Cell] = []
    for name in networks:
        most = helpful_workers(build(name), batch) if workers is None else workers
        several = Cell(name, batch, most, cores if workers is None else workers)
        found += dict.fromkeys([Cell(name, batch, 1, 1), several])
    return found


def measure(
    wanted: Sequence[Cell],
    rounds: int,
    torch: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> Record:
    """Measure cells and return the record.

    Parameters
    ----------
    wanted : sequence of Cell
        What to measure.
    rounds : int
        How often each side is timed; figures are medians.
    torch : bool
        Whether PyTorch is measured too, where it is installed.
    tell : function of a str
        Called with what is measured next.
    """
    torch = torch and torch_twin.is_installed()
    results, peaks = [], dict.fromkeys(sorted({cell.workers for cell in wanted}), 0.0)
    for cell in wanted:
        tell(f"{cell.network}, batches of {cell.batch}, {cell.workers} worker(s)")
        # Each time anew, for other work may slow any of them: the best is the machine's.
        peak = float(run_job(Job("peak", threads=cell.workers))["gflops"])
        peaks[cell.workers] = max(peak, peaks[cell.workers])
        results.append(_result(cell, rounds, torch))
    return Record(
        machine=record.machine(usable_cores()),
        versions=record.versions(torch),
        method={"rounds": rounds, "pause_seconds": PAUSE, "workers": kind(), **MALLOC},
        peaks=peaks,
        results=results,
    )


def _result(cell: Cell, rounds: int, torch: bool) -> Result:
    gflop = step_flops(build(cell.network), cell.batch) / 1e9
    job = Job("race", *cell, rounds=rounds, torch=torch)
    found = run_job(job)
    step, one, many = (Figures(*found[name]) for name in ("step", "one", "many"))
    return Result(cell, gflop, step, one, many, _memory(job))


def _memory(job: Job) -> Figures | None:
    """Return the megabytes of each side; None where the system does not tell."""
    ours = run_job(job._replace(task="memory", torch=False))["megabytes"]
    if ours is None or not job.torch:
        return None if ours is None else Figures(ours)
    theirs = run_job(job._replace(task="memory"))["megabytes"]
    return Figures(ours, theirs, ours / theirs)
