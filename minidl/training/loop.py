"""Loop: the epochs of one call to ``fit``, and what the callbacks hear of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from minidl.data.dataset import Dataset
from minidl.data.loader import Batch, batches
from minidl.losses import Loss
from minidl.metrics import Metric
from minidl.training.events import (
    Callback,
    EpochEnd,
    FitStart,
    StepEnd,
    Stop,
    ValidationEnd,
    ValidationStart,
)
from minidl.training.finite import diagnosis
from minidl.training.history import Row
from minidl.training.run import TrainingRun
from minidl.training.tally import Tally
from minidl.types import Array

if TYPE_CHECKING:
    from minidl.engine.program import TrainingProgram
    from minidl.training.trainer import Trainer

PREFETCH = 2  # batches made ahead, where they take time to make


class Loop:
    """Takes a trainer's model through a run, from the place where the run stands."""

    def __init__(
        self,
        trainer: Trainer,
        program: TrainingProgram,
        run: TrainingRun,
        listeners: Sequence[Callback],
    ) -> None:
        self.trainer, self.program, self.run, self.listeners = trainer, program, run, listeners

    def begin(self, resumed: bool) -> None:
        """Tell the listeners."""
        run, trainer = self.run, self.trainer
        left = run.last - len(trainer.history)
        done = run.tally.samples
        event = FitStart(trainer, left, run.steps, len(run.data), resumed=resumed, done=done)
        self._tell(Callback.on_fit_start, event)

    def go(self) -> None:
        """Take the epochs that are left, until they or the run end."""
        while self._goes_on():
            self._epoch()

    def _goes_on(self) -> bool:
        """Whether there is an epoch to begin, or one that is open and to be closed."""
        stopped = self.trainer.stopped
        if stopped is None:
            return len(self.trainer.history) < self.run.last
        return self.run.done > 0 and not stopped.resumable

    def _epoch(self) -> None:
        trainer, run = self.trainer, self.run
        epoch = len(trainer.history) + 1
        if not run.done:
            run.rate = trainer.optimizer.rate()
        if trainer.stopped is None:
            self._learn(epoch)
        if trainer.stopped is not None and trainer.stopped.resumable:
            return
        row: Row = {"epoch": epoch, **run.tally.row()}
        if run.held is not None:
            row |= self._validate(run.held, epoch).row("val_")
        speed = run.tally.samples / run.seconds
        row |= {"lr": run.rate, "seconds": run.seconds, "images_per_second": speed}
        trainer.history.rows.append(row)
        run.open_epoch(trainer.loss, trainer.metrics)
        self._tell(Callback.on_epoch_end, EpochEnd(trainer, epoch, row))

    def _learn(self, epoch: int) -> None:
        """Take the epoch's steps that are left, until they or the run end."""
        trainer, run = self.trainer, self.run
        began = time.perf_counter() - run.seconds
        drawn = batches(
            run.data,
            self.program.batch,
            seed=trainer.seed,
            epoch=epoch,
            start=run.done,
            augment=run.augment,
            prefetch=0 if run.augment is None else PREFETCH,
        )
        with closing(drawn):
            for x, target in drawn:
                run.tally.add(*self._step(x, target), target)
                run.done, run.seconds = run.done + 1, time.perf_counter() - began
                event = StepEnd(trainer, epoch, len(x), run.tally.row())
                self._tell(Callback.on_step_end, event)
                if trainer.stopped is not None:
                    break
        run.seconds = time.perf_counter() - began

    def _step(self, x: Array, target: Array) -> tuple[float, Array]:
        """Take a step and return the loss and the outputs."""
        trainer = self.trainer
        value, output = self.program.step(x, target, trainer.seed)
        if not math.isfinite(value):
            steps, rate = trainer.optimizer.state.steps, self.program.rate
            options = {"seed": trainer.seed, "step": steps - 1}
            why = diagnosis(trainer.model, x, target, trainer.loss, rate=rate, **options)
            raise FloatingPointError(f"the loss is {value} at step {steps}: {why}")
        return value, output

    def _validate(self, held: Dataset, epoch: int) -> Tally:
        """Measure the validation set, between the events that may change what is measured."""
        trainer = self.trainer
        with ExitStack() as stack:
            for listener in self.listeners:
                stack.callback(listener.on_validation_end, ValidationEnd(trainer, epoch))
                listener.on_validation_start(ValidationStart(trainer, epoch))
            parts = batches(held, self.program.batch)
            return measured(self.program, trainer.loss, trainer.metrics, parts)

    def _tell(self, event: Callable[..., Stop | None], news: object) -> None:
        for listener in self.listeners:
            answer = getattr(listener, event.__name__)(news)
            if not (answer is None or isinstance(answer, Stop)):
                raise TypeError(f"a callback returns None or Stop(reason), got {answer!r}")
            self.trainer.stopped = self.trainer.stopped or answer


def measured(
    program: TrainingProgram, loss: Loss, metrics: Sequence[Metric], parts: Iterable[Batch]
) -> Tally:
    """Work through batches in evaluation and return what they come to."""
    tally = Tally(loss, metrics)
    for x, target in parts:
        output = program.evaluate(x)
        tally.add(loss(output, target)[0], output, target)
    return tally
