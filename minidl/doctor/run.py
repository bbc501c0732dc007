"""A short run on a copy of the model: a few batches, again and again."""

from __future__ import annotations

import copy
import math

import numpy as np

from minidl.graph import Graph
from minidl.losses import Loss
from minidl.optim import Optimizer, ParameterGroups
from minidl.record import Record
from minidl.schedules import ConstantRate, WarmUp, as_schedule
from minidl.types import Array

LARGEST = 64  # samples in a batch at most, whatever the run's: as telling, and quick
BATCHES = 4  # different ones, so that losses are compared on the same samples
STEPS = 40  # ten times over them
USUAL = 1000  # steps that a schedule is stretched over where nothing says how many


class ShortRun(Record):
    """The mean loss of the last pass over the batches, infinite where it blew up; the model."""

    last: float
    model: Graph


def short_run(
    model: Graph,
    loss: Loss,
    optimizer: Optimizer,
    data: tuple[Array, Array],
    *,
    batch_size: int,
    scale: float,
    seed: int,
) -> ShortRun:
    """Train a copy for ``STEPS``, at the highest rate of the schedule times ``scale``."""
    from minidl.engine.program import TrainingProgram  # here, so that importing minidl is quick

    model, optimizer = copy.deepcopy(model), at_peak(optimizer, scale)
    optimizer.state.total = STEPS
    inputs, targets = data
    size, count = tried(batch_size, len(inputs))
    losses = []
    with TrainingProgram(model, loss, optimizer, size, targets, 1, "threads") as program:
        for step in range(STEPS):
            start = step % count * size
            part = slice(start, start + size)
            losses.append(program.step(inputs[part], targets[part], seed)[0])
            if not math.isfinite(losses[-1]):
                return ShortRun(math.inf, model)
    return ShortRun(float(np.mean(losses[-count:])), model)


def tried(batch_size: int, samples: int) -> tuple[int, int]:
    """Return the size and the number of the batches that a short run takes of some samples."""
    size = min(batch_size, LARGEST, samples)
    return size, min(BATCHES, samples // size)


def peak(optimizer: Optimizer) -> float:
    """Return the highest rate that an optimizer's schedule comes to."""
    schedule, total = as_schedule(optimizer.lr), optimizer.state.total or USUAL
    return max(schedule.value(step, total) for step in range(0, total, max(1, total // 100)))


def at_peak(optimizer: Optimizer, scale: float) -> Optimizer:
    """Return an optimizer without memory that warms up to its highest rate and stays there."""
    if isinstance(optimizer, ParameterGroups):
        groups = [(patterns, at_peak(part, scale)) for patterns, part in optimizer.groups]
        return optimizer.replace(groups=groups)
    return optimizer.replace(lr=WarmUp(ConstantRate(peak(optimizer) * scale), BATCHES))
