"""Checkpoints: a run in a file, from which it goes on to the same bits as if never stopped.

The file is safetensors with JSON beside the arrays, and nothing in it can run. It is replaced
whole, and its content has a checksum, so that no torn file is ever taken for a run.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl import architecture
from minidl.checks import integer, positive
from minidl.files import CHECKPOINT, PathLike, read_arrays, write_arrays
from minidl.training.events import Callback, EpochEnd, FitStart, StepEnd, Stop
from minidl.training.packing import checksum, pack, unpack

if TYPE_CHECKING:
    from minidl.training.run import TrainingRun
    from minidl.training.trainer import Trainer

FORMAT = f"{CHECKPOINT}-1"


class Checkpoint(Callback):
    """Writes the run to a file, from which ``trainer.restore`` goes on.

    It writes when ``fit`` begins, after every epoch, and when a run ends that can be resumed, as
    by Ctrl-C. The trainer tells it of each event after all other callbacks. The file of another
    run is never written over; a second ``fit`` of the same trainer is a new run in the same file.

    Parameters
    ----------
    path : path
        The file, which is replaced whole each time.
    every_steps : int, optional
        After how many steps it is also written, counted over all epochs.
    every_minutes : float, optional
        After how many minutes it is also written.

    Raises
    ------
    FileExistsError
        When ``fit`` begins, where the file is there and the trainer was not restored.
    OSError
        Where the file cannot be written. The run ends, and the file from before is whole.
    TypeError
        Where a callback's ``state`` holds what no file can.

    Examples
    --------
    >>> import tempfile, numpy as np, minidl as dl
    >>> path = tempfile.mkdtemp() + "/run.safetensors"
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> def trainer(*callbacks):
    ...     model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    ...     return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), callbacks=callbacks)
    >>> first = trainer(dl.Checkpoint(path, every_steps=10))
    >>> history = first.fit((x, 3 * x), epochs=2, progress=False)
    >>> second = trainer()
    >>> second.restore(path)
    >>> len(second.history)
    2
    """

    last = True

    def __init__(
        self,
        path: PathLike,
        *,
        every_steps: int | None = None,
        every_minutes: float | None = None,
    ) -> None:
        self.path = path
        self.every_steps = None if every_steps is None else integer("every_steps", every_steps, 1)
        self.every_minutes = (
            None if every_minutes is None else positive("every_minutes", every_minutes)
        )
        self._written: float | None = None

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Write, unless the run comes from a file; so what is in the way shows at once."""
        if event.resumed and self._is_source(event.trainer):
            self._written = time.monotonic()
            return None
        if self._written is None and Path(self.path).exists():
            raise FileExistsError(
                f"{self.path} is there already: go on with that run by trainer.restore(path), or"
                " move the file away to start a new one"
            )
        self._write(event.trainer)
        return None

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Write where it is time, or where the run ends here and can be resumed."""
        trainer = event.trainer
        stop, steps = trainer.stopped, trainer.optimizer.state.steps
        if (stop and stop.resumable) or self._is_due(steps - trainer.optimizer.state.start):
            self._write(trainer)
        return None

    def _is_source(self, trainer: Trainer) -> bool:
        """Whether the file is the one that the run was restored from."""
        source = None if trainer.run is None else trainer.run.source
        path = Path(self.path)
        return source is not None and path.exists() and path.samefile(source)

    def _is_due(self, steps: int) -> bool:
        minutes = (time.monotonic() - (self._written or 0.0)) / 60
        return bool(self.every_steps and steps % self.every_steps == 0) or bool(
            self.every_minutes and minutes >= self.every_minutes
        )

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """Write."""
        self._write(event.trainer)
        return None

    def _write(self, trainer: Trainer) -> None:
        if trainer.run is None:
            raise ValueError("a checkpoint is of a run: it is written while fit trains")
        text, arrays = pack(_content(trainer, trainer.run))
        header = {"format": FORMAT, "run": text, "sha256": checksum(text, arrays)}
        write_arrays(self.path, arrays, header)
        self._written = time.monotonic()


def _content(trainer: Trainer, run: TrainingRun) -> dict[str, Any]:
    """Return all that a trainer and its run are at this moment."""
    stop, model, state = trainer.stopped, trainer.model, trainer.optimizer.state
    return {
        "trainer": _facts(trainer),
        "fit": run.facts(),
        "run": run.state(),
        "stopped": None if stop is None or stop.resumable else stop.reason,
        "model": dict(model.arrays),
        "frozen": sorted(model.frozen),
        "classes": model.classes,
        "optimizer": vars(state),
        "callbacks": [callback.state() for callback in remembering(trainer)],
        "history": trainer.history.rows,
    }


def _facts(trainer: Trainer) -> dict[str, Any]:
    """Return what must be the same in a trainer that takes up the run, by what it is called."""
    plan = json.loads(architecture.to_json(trainer.model))
    nodes = {f"node {node.pop('name')!r}": json.dumps(node) for node in plan["nodes"]}
    return {
        "input shapes": str(plan["input_shapes"]),
        "dtype": plan["dtype"],
        **nodes,
        "loss": _said(trainer.loss),
        "optimizer": _said(trainer.optimizer),
        "metrics": _said(trainer.metrics),
        "callbacks": ", ".join(type(one).__name__ for one in remembering(trainer)) or "none",
        "seed": trainer.seed,
    }


def _said(value: object) -> str:
    """Return how Python writes a value, without the places in memory of what has no fields."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def remembering(trainer: Trainer) -> list[Callback]:
    """Return the callbacks whose states a checkpoint holds: all but checkpoints themselves."""
    return [callback for callback in trainer.callbacks if not isinstance(callback, Checkpoint)]


def restore(trainer: Trainer, path: PathLike) -> dict[str, Any]:
    """Bring a trainer to where a run was, and return the file's content.

    Raises ``ValueError`` or ``OSError``, and changes nothing, where the file or the trainer is not
    right.
    """
    content = read(path)
    compare(path, content["trainer"], _facts(trainer), "build the trainer as it was")
    for name, array in content["model"].items():
        trainer.model.arrays[name] = array
    trainer.model.frozen = set(content["frozen"])
    trainer.model.classes = tuple(content["classes"])
    vars(trainer.optimizer.state).update(content["optimizer"])
    trainer.history.rows[:] = content["history"]
    return content


def read(path: PathLike) -> dict[str, Any]:
    """Return the content of a checkpoint.

    Raises ``ValueError`` where the file is torn, foreign or of another version of the format.
    """
    header, arrays = read_arrays(path, "checkpoint")
    found = header.get("format", "")
    if found != FORMAT:
        kind = "is a checkpoint of another version" if CHECKPOINT in found else "is no checkpoint"
        raise ValueError(
            f"{path} {kind}: its format is {found!r}, and this version of minidl reads {FORMAT!r};"
            " train with the version that wrote it, or start a new run"
        )
    text = header.get("run", "")
    if header.get("sha256") != checksum(text, arrays):
        raise ValueError(
            f"{path} is damaged: its content does not fit its checksum. Resume from another"
            " checkpoint, or start a new run"
        )
    return unpack(text, arrays)


def compare(path: PathLike, before: dict[str, Any], now: dict[str, Any], remedy: str) -> None:
    """Raise ``ValueError`` where a run would not go on as it began, naming what differs."""
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name, "not there"), now.get(name, "not there")
        if old != new:
            raise ValueError(
                f"{path} is of another run: {name} was {old} and now is {new}; {remedy}, or start"
                " a new run"
            )
