"""Schedules: the learning rate as a pure function of the step.

``value(step, total)`` counts steps from 0; ``total`` is how many there will be, which training
fixes once. Being pure, a schedule needs no state in a checkpoint.
"""

from __future__ import annotations

import math

from minidl.checks import integer, positive
from minidl.record import Record


class Schedule(Record):
    """A learning rate that depends on the step."""

    def value(self, step: int, total: int) -> float:
        """Return the rate of step ``step`` of ``total``, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} should define value")


class _FromRate(Schedule):
    """A schedule that starts at ``rate``."""

    rate: float

    def __post_init__(self) -> None:
        positive("rate", self.rate)


class ConstantRate(_FromRate):
    """``rate`` at every step.

    >>> ConstantRate(0.1).value(7, 10)
    0.1
    """

    def value(self, step: int, total: int) -> float:
        """Return ``rate``."""
        return self.rate


class StepDecay(_FromRate):
    """``rate · factor^(step // every)``.

    >>> StepDecay(1.0, every=10, factor=0.5).value(25, 100)
    0.25
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("every", self.every, low=1)
        positive("factor", self.factor)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return float(self.rate * self.factor ** (step // self.every))


class ExponentialDecay(_FromRate):
    """``rate · factor^step``.

    >>> ExponentialDecay(1.0, factor=0.5).value(2, 10)
    0.25
    """

    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("factor", self.factor)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return float(self.rate * self.factor**step)


class InverseTimeDecay(_FromRate):
    """``rate / (1 + decay · step)``.

    >>> InverseTimeDecay(1.0, decay=0.5).value(2, 10)
    0.5
    """

    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("decay", self.decay)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return self.rate / (1 + self.decay * step)


class Cosine(_FromRate):
    """From ``rate`` down to ``final`` along half a cosine.

    ``final + (rate - final) · (1 + cos(pi · step / total)) / 2`` (Loshchilov and Hutter 2017,
    *SGDR*, equation 5, without restarts).

    >>> Cosine(0.1).value(5, 10)
    0.05
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.final <= self.rate:
            raise ValueError(f"final should lie between 0 and rate {self.rate}, got {self.final!r}")

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        share = min(1.0, step / max(1, total))
        return self.final + (self.rate - self.final) * (1 + math.cos(math.pi * share)) / 2


class OneCycle(_FromRate):
    """Up from ``rate / start`` to ``rate``, then down to ``rate / end``, each along half a cosine.

    ``rise`` is the share of steps that go up (Smith and Topin 2019, *Super-convergence*; the cosine
    form is PyTorch's, where ``end`` is ``div_factor · final_div_factor``).

    >>> OneCycle(1.0, rise=0.25).value(25, 101)
    1.0
    """

    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rise < 1:
            raise ValueError(f"rise should lie between 0 and 1, got {self.rise!r}")
        positive("start", self.start)
        positive("end", self.end)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        top = self.rise * (total - 1)
        if step <= top:
            return _between(self.rate / self.start, self.rate, step / max(top, 1e-9))
        share = (step - top) / max(total - 1 - top, 1e-9)
        return _between(self.rate, self.rate / self.end, min(1.0, share))


def _between(start: float, end: float, share: float) -> float:
    """Return the value at ``share`` of half a cosine from ``start`` to ``end``."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class WarmUp(Schedule):
    """A straight rise over the first ``steps``, then another schedule over the rest.

    Step k of the rise has ``(k + 1) / (steps + 1)`` of the other schedule's first rate.

    >>> WarmUp(ConstantRate(1.0), steps=3).value(0, 10)
    0.25
    """

    schedule: Schedule
    steps: int

    def __post_init__(self) -> None:
        integer("steps", self.steps, low=1)
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"WarmUp goes before a Schedule, got {self.schedule!r}")

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        rest = max(1, total - self.steps)
        if step < self.steps:
            return self.schedule.value(0, rest) * (step + 1) / (self.steps + 1)
        return self.schedule.value(step - self.steps, rest)


def as_schedule(rate: float | Schedule) -> Schedule:
    """Return ``rate`` as a schedule: a number is one that never changes."""
    return rate if isinstance(rate, Schedule) else ConstantRate(rate)
