"""Trainer: fits a model to data, and measures it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minidl.augment import Augmentation, compose
from minidl.checks import integer
from minidl.data.dataset import Data, Dataset, as_dataset
from minidl.data.labels import shown
from minidl.data.loader import batches
from minidl.data.splitting import split
from minidl.engine import MOST_WORKERS, border
from minidl.files import PathLike
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.metrics import Metric
from minidl.optim import Optimizer
from minidl.training.checkpoint import compare, remembering, restore
from minidl.training.events import Callback, FitEnd, Stop
from minidl.training.history import History, Row
from minidl.training.interrupt import Interrupt
from minidl.training.loop import Loop, measured
from minidl.training.progress import ProgressBar
from minidl.training.run import TrainingRun

if TYPE_CHECKING:
    from minidl.engine.program import TrainingProgram


class Trainer:
    """Fits a model by an optimizer to a loss, epoch after epoch.

    Parameters
    ----------
    model : Graph
        A model with an input shape; its arrays change in place.
    loss : Loss
        What is minimised; it also says what targets are valid and which metrics fit.
    optimizer : Optimizer
        What changes the arrays. The trainer takes the hyper-parameters and keeps a state of its own
        (``trainer.optimizer.state``), so that one optimizer can be given to several trainers.
    metrics : sequence of Metric, optional
        What is reported beside the loss; the loss's own choice by default.
    callbacks : sequence of Callback
        What listens, in order.
    seed : int
        Decides the order of the samples, the validation split and what dropout drops.
    workers : int, optional
        How many processors train; the results are the same bits for any number. By default the
        usable cores, but no more than help. Workers are forked processes where the platform has
        them and no other thread runs, else threads.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), seed=0)
    >>> history = trainer.fit((x, 3 * x + 1), epochs=20, batch_size=16, progress=False)
    >>> history["loss"][-1] < 1e-3
    True
    """

    def __init__(
        self,
        model: Graph,
        loss: Loss,
        optimizer: Optimizer,
        *,
        metrics: Sequence[Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        seed: int = 0,
        workers: int | None = None,
    ) -> None:
        for value, what in ((model, Graph), (loss, Loss), (optimizer, Optimizer)):
            if not isinstance(value, what):
                raise TypeError(f"Trainer takes (model, loss, optimizer), got {value!r}")
        border.input_shapes(model)  # raises where the model has none
        if len(model.inputs) != 1:
            raise ValueError(
                f"Trainer fits models of one input, this one has {', '.join(model.inputs)}: write"
                " the loop with model.gradients"
            )
        self.model, self.loss, self.optimizer = model, loss, optimizer.replace()
        self.metrics = _all("metrics", loss.metrics if metrics is None else metrics, Metric)
        _check_columns([metric.name for metric in self.metrics])
        self.callbacks = _all("callbacks", callbacks, Callback)
        self.seed = integer("seed", seed, low=0, high=2**64 - 1)
        self.workers = (
            None if workers is None else integer("workers", workers, low=1, high=MOST_WORKERS)
        )
        self.history = History()
        self.stopped: Stop | None = None
        self.run: TrainingRun | None = None  # while fit trains
        self._restored: dict[str, Any] | None = None

    def fit(
        self,
        train: Data,
        *,
        validation: float | Data | None = None,
        epochs: int = 1,
        batch_size: int = 64,
        augment: Augmentation | Sequence[Augmentation] | None = None,
        progress: bool = True,
    ) -> History:
        """Train for some epochs and return the history, ``trainer.history``, of all so far.

        Called again, it goes on from the weights and the optimizer's memory; a schedule starts anew
        and is stretched over each call.

        Ctrl-C ends it after the step, with ``trainer.stopped`` telling so; pressed again, at once.
        A run with a ``Checkpoint`` can then be resumed by ``restore``.

        Parameters
        ----------
        train : Dataset, or inputs and targets
            Inputs (N, ...) and targets. ``uint8`` inputs are scaled to [0, 1], floats taken as they
            are.
        validation : float, Dataset, or inputs and targets, optional
            A share of the training set to hold out (by class and by seed), or a set of its own.
        epochs, batch_size : int
            How often every sample is seen, and how many at a time.
        augment : Augmentation or sequence of them, optional
            What changes the training images, in that order, by numbers that the seed, the epoch and
            the sample's place in it decide. A thread makes the batches ahead.
        progress : bool
            Whether to show a progress bar.

        Raises
        ------
        ValueError, TypeError
            Before any training, where data, targets or numbers do not fit.
        FloatingPointError
            Where the loss becomes NaN or infinite.
        """
        held, data = self._hold_out(as_dataset(train), validation)
        run = TrainingRun(data, held, compose(augment), batch_size, epochs)
        states = self._begin(run)
        listeners = [*self.callbacks, *([ProgressBar()] if progress else []), Interrupt()]
        listeners.sort(key=lambda listener: listener.last)
        with ExitStack() as stack:
            stack.callback(setattr, self, "run", None)
            for listener in reversed(listeners):  # all of them, even where one raises
                stack.callback(listener.on_fit_end, FitEnd(self))
            program = stack.enter_context(
                self._program(data, min(run.batch_size, len(data)), self.optimizer)
            )
            # What overflows shows in the loss, which is looked at after every step.
            stack.enter_context(np.errstate(over="ignore", invalid="ignore"))
            loop = Loop(self, program, run, listeners)
            loop.begin(resumed=states is not None)
            for callback, state in zip(remembering(self), states or ()):
                callback.load_state(state)
            self._restored = None  # not before: what failed until here can be tried again
            loop.go()
        return self.history

    def _begin(self, run: TrainingRun) -> list[dict[str, Any]] | None:
        """Stand at the run's first step, or where a restored run was left.

        Returns the states of the callbacks of a restored run, None where there is none.
        """
        run.open_epoch(self.loss, self.metrics)
        state, content = self.optimizer.state, self._restored
        self.stopped, states = None, None
        if content is None:
            run.last = len(self.history) + run.epochs
            state.start, state.total, state.factor = state.steps, run.epochs * run.steps, 1.0
        else:
            remedy = "call fit with the same data and arguments"
            compare(content["path"], content["fit"], run.facts(), remedy)
            run.load_state(content["run"])
            run.source = content["path"]
            self.stopped = Stop(content["stopped"]) if content["stopped"] else None
            states = content["callbacks"]
        self.model.classes = self._classes(run.data)
        self.run = run
        return states

    def restore(self, path: PathLike) -> None:
        """Take up a run from the file that a ``Checkpoint`` wrote.

        The next ``fit``, with the same data and arguments, goes on where the run was, in the middle
        of an epoch if need be, and ends with the same bits and the same history (but for the time
        that it took) as if it had never been stopped, on the same machine and NumPy. The trainer
        must have been built as the run's was: architecture, loss, optimizer, metrics, seed, and
        callbacks of the same kinds in the same order (their options are taken as they are now); the
        number of workers is free.

        Raises
        ------
        ValueError, OSError
            Where there is no such file, or it is torn, foreign or of another trainer; nothing is
            changed. By the next ``fit`` where its data or arguments are not the run's.

        Examples
        --------
        See ``Checkpoint``.
        """
        self._restored = {**restore(self, path), "path": path}

    def evaluate(self, data: Data, *, batch_size: int = 256) -> Row:
        """Return the loss and the metrics over a data set, in evaluation."""
        checked = self._checked(as_dataset(data))
        _check_classes(checked.classes, self.model.classes, "the data")
        size = min(integer("batch_size", batch_size, low=1), len(checked))
        with self._program(checked, size, None) as program:
            parts = batches(checked, size)
            return measured(program, self.loss, self.metrics, parts).row()

    def _classes(self, data: Dataset) -> tuple[str, ...]:
        """Return the names of the classes that the model will tell apart."""
        old, new = self.model.classes, data.classes
        if sorted(old) == sorted(new):  # the same names, perhaps in another order
            _check_classes(new, old, "the training set")
        outputs = self.model.output_shape(border.input_shapes(self.model)[0])[-1:]
        return new or (old if (len(old),) == outputs else ())

    def _program(self, data: Dataset, batch: int, optimizer: Optimizer | None) -> TrainingProgram:
        from minidl.engine.program import TrainingProgram  # here, so that importing minidl is quick
        from minidl.engine.workers import helpful_workers, kind

        workers = helpful_workers(self.model, batch) if self.workers is None else self.workers
        return TrainingProgram(
            self.model, self.loss, optimizer, batch, data.targets, workers, kind()
        )

    def _hold_out(
        self, data: Dataset, validation: float | Data | None
    ) -> tuple[Dataset | None, Dataset]:
        """Return the validation set, if any, and what is left to train on, both checked."""
        if validation is None or (np.isscalar(validation) and not validation):
            return None, self._checked(data)
        if isinstance(validation, (int, float, np.number)):
            if not 0 < validation < 1:
                raise ValueError(
                    f"validation should be a share above 0 and below 1, or a set, got {validation}"
                )
            rest, held = split(data, float(validation), self.seed)
        else:
            rest, held = data, as_dataset(validation)
        _check_classes(held.classes, rest.classes, "the validation set")
        return self._checked(held), self._checked(rest)

    def _checked(self, data: Dataset) -> Dataset:
        """Return a data set whose inputs fit the model and whose targets fit the loss."""
        shape = border.input_shapes(self.model)[0]
        inputs = border.fit_input(data.inputs, shape)
        output = self.model.output_shape(shape)
        targets = self.loss.check(data.targets, output)
        return Dataset(inputs, targets, data.classes, data.name)


def _check_classes(came: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    """Raise ``ValueError`` where two sets of class names say different things."""
    if came and known and came != known:
        raise ValueError(
            f"{what} has the classes {shown(came)} instead of {shown(known)}: read it with"
            " classes=model.classes, or leave the names out"
        )


def _check_columns(names: Sequence[str]) -> None:
    """Raise ``ValueError`` where two columns of the history would have one name."""
    for index, name in enumerate(names):
        if name in ("loss", *names[:index]):
            raise ValueError(f"the history has a column {name!r} already: leave that metric out")


Kind = TypeVar("Kind")


def _all(name: str, values: Sequence[object], kind: type[Kind]) -> tuple[Kind, ...]:
    """Return ``values``, which should all be of a kind."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(one, kind) for one in values):
        raise TypeError(f"{name} should be a list of {kind.__name__} objects, got {values!r}")
    return tuple(one for one in values if isinstance(one, kind))
