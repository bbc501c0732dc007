"""The learning-rate finder: a short run in which the rate rises until the loss explodes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

import numpy as np

from minidl.checks import integer, positive
from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.loader import Batch, batches
from minidl.optim import Optimizer
from minidl.record import Record
from minidl.training.trainer import Trainer

SMOOTHING = 0.9
EXPLODED = 4.0
CAUTION = 4.0


class LearningRates(Record):
    """What ``find_learning_rate`` measured, step by step.

    ``rates`` are the learning rates tried, ``losses`` the smoothed loss at each, from before the
    step; ``suggestion`` is the rate to train with.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_learning_rate(
    trainer: Trainer,
    data: Data,
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
) -> LearningRates:
    """Train for some steps with a rate that rises from one to the next, and suggest one.

    The learning rate range test (Smith 2017, *Cyclical learning rates for training neural
    networks*, section 3.3), with a rate that grows by the same factor each step. It ends where the
    smoothed loss is four times its lowest, or not finite. The suggestion is a quarter of the rate
    at which the smoothed loss was lowest: there it already stopped falling. Smoothing is an
    exponential mean that keeps 0.9, without bias (Kingma and Ba 2015, *Adam*, section 3).

    The trainer is left as it was: model, running averages, optimizer, history. The optimizer's kind
    and options are tried, from its first step and without its schedule; with ``ParameterGroups``
    the rates are those of the first group, and the others keep their ratio to it.

    Parameters
    ----------
    trainer : Trainer
        What is to be trained.
    data : Dataset, or inputs and targets
        What it will be trained on; seen as often as the steps need.
    low, high : float
        The first rate and the last.
    steps : int
        How many steps at most, at least 10.
    batch_size : int
        How many samples at a time, as in ``fit``: the best rate depends on it.

    Raises
    ------
    ValueError, TypeError
        Where data or numbers do not fit, or where the loss falls with no rate.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.linspace(-1, 1, 640, dtype="float32")[:, None]
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.01))
    >>> found = find_learning_rate(trainer, (x, 3 * x + 1))
    >>> 0.01 < found.suggestion < 1
    True
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"find_learning_rate takes a Trainer and data, got {trainer!r}")
    if positive("low", low) >= positive("high", high):
        raise ValueError(f"low should be below high, got {low!r} and {high!r}")
    growth = (high / low) ** (1 / (integer("steps", steps, low=10) - 1))
    rates = [low * growth**step for step in range(steps)]
    checked = trainer._checked(as_dataset(data))
    size = min(integer("batch_size", batch_size, low=1), len(checked))
    own = trainer.model.arrays.copies()
    try:
        losses = _sweep(trainer, checked, rates, size)
    finally:
        trainer.model.arrays.fill(own)
    tried = tuple(rates[: len(losses)])
    return LearningRates(tried, tuple(losses), _suggested(tried, losses))


def _sweep(trainer: Trainer, data: Dataset, rates: list[float], size: int) -> list[float]:
    """Train with one rate after another; return the smoothed losses until they explode."""
    optimizer = trainer.optimizer.replace()
    optimizer.state.total = len(rates)
    mean = 0.0
    losses: list[float] = []
    with trainer._program(data, size, optimizer) as program, np.errstate(all="ignore"):
        for step, (rate, (x, target)) in enumerate(zip(rates, _endless(data, size, trainer.seed))):
            _set(optimizer, rate)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * program.step(x, target, trainer.seed)[0]
            smoothed = mean / (1 - SMOOTHING ** (step + 1))
            if not math.isfinite(smoothed) or _exploded(smoothed, losses):
                break
            losses.append(smoothed)
    return losses


def _endless(data: Dataset, size: int, seed: int) -> Iterator[Batch]:
    """Iterate over batches, epoch after epoch."""
    for epoch in count(1):
        yield from batches(data, size, seed=seed, epoch=epoch)


def _set(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of the next step; its schedules stay at their beginning."""
    state = optimizer.state
    state.start, state.factor = state.steps, 1.0
    state.factor = rate / positive("the optimizer's first rate", optimizer.rate())


def _exploded(loss: float, before: list[float]) -> bool:
    lowest = min(before, default=loss)
    return loss > lowest + (EXPLODED - 1) * abs(lowest)


def _suggested(rates: tuple[float, ...], losses: list[float]) -> float:
    """Return a quarter of the rate with the lowest loss."""
    lowest = losses.index(min(losses)) if losses else 0
    if lowest == 0:
        raise ValueError(
            f"the loss fell with no rate from {rates[0] if rates else 0:.3g} on: choose a lower"
            " low, and look at inputs and targets"
        )
    return rates[lowest] / CAUTION
