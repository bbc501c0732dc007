"""The learning rate: where a short run gets nowhere, whether one at another rate does."""

from __future__ import annotations

from collections.abc import Iterator

from minidl.doctor.case import MOVED, Case
from minidl.doctor.finding import Finding
from minidl.doctor.run import STEPS, peak

STILL = 0.01  # of the first loss: SGD(0.001) moves an MLP by 0.02 in a short run, SGD(1e-5) 0.004
WELL = 0.2  # of a loss: what another rate must gain before it is called better
LOWER = (0.1, 0.01, 1e-3, 1e-4)  # times the given rate
HIGHER = (10.0, 100.0, 1e3, 1e4, 1e5)


def learning_rate(case: Case) -> Iterator[Finding]:
    """Look for a rate at which the loss rises or stays, where at another it falls.

    Too high is a rate that ends no better than knowing nothing while a lower one does; too low one
    that moves nothing while a higher one does.
    """
    run, first, known = case.run, case.first, case.knowing_nothing(case.tried)
    if run is None or known is None or case.optimizer is None:
        return
    rate, well = peak(case.optimizer), (1 - WELL) * case.nothing
    if run.last > (1 - MOVED) * case.nothing:
        better = _better(case, LOWER, well)
        if better is not None:
            yield _finding("too high", rate, run.last, better, first)
            return
    if abs(run.last - first) < STILL * first and first > known / 2:
        better = _better(case, HIGHER, well)
        if better is not None:
            yield _finding("too low", rate, run.last, better, first)


def _better(case: Case, scales: tuple[float, ...], least: float) -> tuple[float, float] | None:
    """Return the first scale that brings the loss down to ``least``, and to what."""
    for scale in scales:
        last = case.ran(scale).last
        if last < least:
            return scale, last
    return None


def _finding(
    how: str, rate: float, last: float, better: tuple[float, float], first: float
) -> Finding:
    scale, reached = better
    seen = (
        f"in {STEPS} steps at {rate:.3g} the loss goes from {first:.3g} to {last:.3g},"
        f" at {scale * rate:.3g} to {reached:.3g}"
    )
    what = f"a learning rate {how}"
    return Finding(what, "optimizer", seen, f"use a rate of about {scale * rate:.2g}", "error")
