"""What a training run tells its callbacks, each event a typed record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from minidl.record import Record

if TYPE_CHECKING:
    from minidl.training.history import Row
    from minidl.training.trainer import Trainer


class Stop(Record):
    """What a callback returns to end the run after the present step, and why.

    Where it is ``resumable`` the epoch is left open, with neither validation nor a row in the
    history, for a run that is resumed from its checkpoint.
    """

    reason: str
    resumable: bool = False


class FitStart(Record):
    """``fit`` begins: how many epochs, steps an epoch, and training samples there will be.

    Where a run is ``resumed`` from a checkpoint, ``epochs`` are those that are left, and ``done``
    samples of the first are behind it; ``load_state`` follows this event.
    """

    trainer: Trainer
    epochs: int
    steps: int
    samples: int
    resumed: bool = False
    done: int = 0


class StepEnd(Record):
    """A batch of ``samples`` is done; ``row`` holds the epoch's means so far."""

    trainer: Trainer
    epoch: int
    samples: int
    row: Row


class ValidationStart(Record):
    """The weights are about to be measured on the validation set, after the epoch's last step."""

    trainer: Trainer
    epoch: int


class ValidationEnd(Record):
    """The validation is over, or was broken off by an exception."""

    trainer: Trainer
    epoch: int


class EpochEnd(Record):
    """An epoch, its validation included, is done; ``row`` is its line in the history."""

    trainer: Trainer
    epoch: int
    row: Row


class FitEnd(Record):
    """``fit`` ends, for whatever reason; nothing runs after this."""

    trainer: Trainer


class Callback:
    """Something that listens to a training run: override the events that you want.

    Those of a start of ``fit``, a step and an epoch may return ``Stop("why")`` to end the run.
    ``on_validation_end`` and ``on_fit_end`` are called whatever happened, after an exception too.
    One with a memory writes ``state`` and ``load_state``, so that a run can be resumed.
    """

    last: ClassVar[bool] = False
    """Whether it hears of each event after all that are not, because it records what they did."""

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Hear that training begins."""
        return None

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Hear of a training step."""
        return None

    def on_validation_start(self, event: ValidationStart) -> None:
        """Change what is measured on the validation set."""

    def on_validation_end(self, event: ValidationEnd) -> None:
        """Change it back."""

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Hear of an epoch."""
        return None

    def on_fit_end(self, event: FitEnd) -> None:
        """Clean up."""

    def state(self) -> dict[str, Any]:
        """Return what it remembers: plain JSON data, and arrays, in dicts that may nest."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned; called after ``on_fit_start`` of the resumed run."""
