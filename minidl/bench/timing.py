"""Races: two functions timed in turn, so that whatever slows the machine slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Final, NamedTuple

PAUSE: Final = 0.02
"""Seconds before each turn, in which the other side's spinning threads fall asleep.

Those of GNU OpenMP, which are PyTorch's, look 300,000 times for work: 5 to 15 ms.
"""

LEAST: Final = 0.03
MOST: Final = 10
"""A turn is as many calls as take about so many seconds, at most so many."""

WARM_UP: Final = 3
"""How many calls of each side come before the first round."""

Call = Callable[[], object]


class Figures(NamedTuple):
    """What was measured of minidl and, where it took part, of PyTorch.

    ``ratio`` is minidl's over PyTorch's, below 1 being better, and lies between ``low`` and
    ``high`` (the quartiles) in half of the rounds.
    """

    minidl: float
    pytorch: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


def race(ours: Call, theirs: Call | None, rounds: int) -> Figures:
    """Return the median milliseconds of a call of each, and the median of the rounds' ratios."""
    for _ in range(WARM_UP):
        ours()
        if theirs:
            theirs()
    times = [(turn(ours), turn(theirs) if theirs else None) for _ in range(rounds)]
    return figures([own for own, _ in times], [other for _, other in times if other is not None])


def turn(call: Call) -> float:
    """Pause, call once to wake up threads and caches, and return the milliseconds of more calls."""
    time.sleep(PAUSE)
    began = time.perf_counter()
    call()
    once = max(time.perf_counter() - began, 1e-6)
    count = max(1, min(MOST, int(LEAST / once)))
    began = time.perf_counter()
    for _ in range(count):
        call()
    return 1e3 * (time.perf_counter() - began) / count


def figures(ours: list[float], theirs: list[float]) -> Figures:
    """Sum up the rounds; ``theirs`` may be empty.

    >>> figures([1.0, 2.0, 9.0], [2.0, 2.0, 6.0])
    Figures(minidl=2.0, pytorch=2.0, ratio=1.0, low=0.75, high=1.25)
    """
    if not theirs:
        return Figures(median(ours))
    ratios = [own / other for own, other in zip(ours, theirs)]
    low, ratio, high = quantiles(ratios, n=4, method="inclusive") if ratios[1:] else ratios * 3
    return Figures(median(ours), median(theirs), ratio, low, high)
