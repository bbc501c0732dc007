"""Schedules: the learning rate as a pure function of the step.

``value(step, total)`` counts steps from 0; ``total`` is how many there will be, which training
fixes once. Being pure, a schedule needs no state in a checkpoint.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from minidl.checks import finite, integer, not_negative, positive
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

    def _times(self, factor: float, count: int) -> float:
        """Return ``rate · factor^count``; a factor above 1 may outgrow what a float holds."""
        try:
            return finite("the rate", self.rate * float(factor) ** count)
        except (OverflowError, ValueError):
            raise OverflowError(
                f"{self} is too large for a float after {count} multiplications: choose a smaller"
                " factor"
            ) from None


def _check_final(rate: float, final: float) -> None:
    if not_negative("final", final) > rate:
        raise ValueError(f"final should lie between 0 and rate {rate}, got {final!r}")


def _share(step: int, total: int) -> float:
    """Return how much of the run is over; it stays over after the end."""
    return min(1.0, step / max(1, total))


class ConstantRate(_FromRate):
    """``rate`` at every step.

    >>> ConstantRate(0.1).value(7, 10)
    0.1
    """

    def value(self, step: int, total: int) -> float:
        """Return ``rate``."""
        return self.rate


class StepDecay(_FromRate):
    """``rate · factor^(step // every)``; PyTorch's ``StepLR``.

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
        return self._times(self.factor, step // self.every)


class MultiStepDecay(_FromRate):
    """``rate · factor^k`` once ``k`` of the ``milestones`` are reached; PyTorch's ``MultiStepLR``.

    Milestones are steps, in order. Step 20 is the first of the lower rate after a milestone of 20;
    in Keras's ``PiecewiseConstantDecay`` it is the last of the higher.

    >>> MultiStepDecay(1.0, milestones=(20, 30), factor=0.5).value(20, 100)
    0.5
    """

    milestones: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("factor", self.factor)
        if not isinstance(self.milestones, tuple) or not self.milestones:
            raise TypeError(f"milestones should be a list of steps, got {self.milestones!r}")
        for milestone in self.milestones:
            integer("each of milestones", milestone, low=1)
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"milestones should be in order, got {self.milestones}")

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return self._times(self.factor, bisect_right(self.milestones, step))


class ExponentialDecay(_FromRate):
    """``rate · factor^step``; PyTorch's ``ExponentialLR``.

    Keras's ``ExponentialDecay`` takes the factor of ``decay_steps`` steps together.

    >>> ExponentialDecay(1.0, factor=0.5).value(2, 10)
    0.25
    """

    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("factor", self.factor)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return self._times(self.factor, step)


class InverseTimeDecay(_FromRate):
    """``rate / (1 + decay · step)``; Keras's ``InverseTimeDecay`` with ``decay_steps=1``.

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


class Linear(_FromRate):
    """From ``rate`` to ``final`` in a straight line over the whole run; it may rise.

    ``rate + (final - rate) · step / total``. PyTorch's ``LinearLR`` gives both ends as factors of
    the rate, and reaches the end after ``total_iters``.

    >>> Linear(0.5).value(5, 10)
    0.25
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative("final", self.final)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        share = _share(step, total)
        return self.rate * (1 - share) + self.final * share


class Polynomial(_FromRate):
    """From ``rate`` down to ``final`` along a power of what is left of the run.

    ``final + (rate - final) · (1 - step / total)^power``: PyTorch's ``PolynomialLR``, which ends at
    0, and Keras's ``PolynomialDecay``.

    >>> Polynomial(1.0, power=2).value(5, 10)
    0.25
    """

    power: float = 1.0
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("power", self.power)
        _check_final(self.rate, self.final)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        left = 1 - _share(step, total)
        return self.final + (self.rate - self.final) * math.pow(left, self.power)


class Cosine(_FromRate):
    """From ``rate`` down to ``final`` along half a cosine.

    ``final + (rate - final) · (1 + cos(pi · step / total)) / 2`` (Loshchilov and Hutter 2017,
    *SGDR*, equation 5, without restarts): PyTorch's ``CosineAnnealingLR`` with ``T_max`` the whole
    run. Keras's ``CosineDecay`` gives the end as a share of the rate.

    >>> Cosine(0.1).value(5, 10)
    0.05
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_final(self.rate, self.final)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        return _between(self.rate, self.final, _share(step, total))


class CosineRestarts(_FromRate):
    """Half a cosine from ``rate`` down towards ``final``, again and again.

    The first takes ``period`` steps, each later one ``multiplier`` times as many as the one before
    (Loshchilov and Hutter 2017, *SGDR*, equation 5): PyTorch's ``CosineAnnealingWarmRestarts``,
    Keras's ``CosineDecayRestarts`` with ``t_mul``, whose default is 2.

    >>> rates = CosineRestarts(1.0, period=2, multiplier=2)
    >>> [rates.value(step, 7) for step in (0, 1, 2, 4, 6)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    period: int
    multiplier: int = 1
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("period", self.period, low=1)
        integer("multiplier", self.multiplier, low=1)
        _check_final(self.rate, self.final)

    def value(self, step: int, total: int) -> float:
        """Return the rate of a step."""
        if self.multiplier == 1:
            return _between(self.rate, self.final, step % self.period / self.period)
        period = self.period
        while step >= period:
            step, period = step - period, period * self.multiplier
        return _between(self.rate, self.final, step / period)


class OneCycle(_FromRate):
    """Up from ``rate / start`` to ``rate``, then down to ``rate / end``, each along half a cosine.

    ``rise`` is the share of steps that go up (Smith and Topin 2019, *Super-convergence*; the cosine
    form is PyTorch's ``OneCycleLR``: ``rise`` is its ``pct_start``, ``start`` its ``div_factor``,
    ``end`` its ``div_factor · final_div_factor``). There the peak lies a little earlier, at step
    ``pct_start · total - 1`` instead of ``rise · (total - 1)``, and momentum falls as the rate
    rises unless ``cycle_momentum`` is False; here it stays.

    >>> OneCycle(1.0, rise=0.25).value(25, 101)
    1.0
    """

    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < finite("rise", self.rise) < 1:
            raise ValueError(f"rise should lie between 0 and 1, got {self.rise!r}")
        for name, part in (("start", self.start), ("end", self.end)):
            finite(f"rate / {name}", self.rate / positive(name, part))

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

    Step k of the rise has ``(k + 1) / (steps + 1)`` of the other schedule's first rate. PyTorch
    puts ``LinearLR`` and another together with ``SequentialLR``.

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
