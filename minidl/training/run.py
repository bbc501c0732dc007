"""TrainingRun: one call to ``fit``, what it was asked for and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.augment import Augmentation
from minidl.checks import integer
from minidl.data.dataset import Dataset
from minidl.data.labels import shown
from minidl.data.loader import batch_count
from minidl.files import PathLike
from minidl.losses import Loss
from minidl.metrics import Metric
from minidl.training.tally import Tally

LARGE = 2**30
"""Bytes of inputs; of a data set beyond it, not every sample is looked at to know it again."""

LOOKED_AT = 4096
"""How many samples are, of such a one."""


class TrainingRun:
    """What ``fit`` was asked for, and its place in the epoch that is going on.

    Attributes
    ----------
    last : int
        The number of the last epoch.
    done : int
        How many batches of the present epoch are done.
    tally : Tally
        What they come to.
    rate, seconds : float
        The learning rate at the epoch's start, and the time of its steps so far.
    """

    def __init__(
        self,
        data: Dataset,
        held: Dataset | None,
        augment: Augmentation | None,
        batch_size: int,
        epochs: int,
    ) -> None:
        self.data, self.held, self.augment = data, held, augment
        self.epochs = integer("epochs", epochs, low=1)
        self.steps = batch_count(len(data), batch_size)
        self.batch_size = int(batch_size)
        self.last = 0
        self.source: PathLike | None = None  # the file that it was restored from
        self._facts: dict[str, Any] = {}

    def open_epoch(self, loss: Loss, metrics: Sequence[Metric]) -> None:
        """Stand before an epoch's first batch."""
        self.done, self.rate, self.seconds = 0, 0.0, 0.0
        self.tally = Tally(loss, metrics)

    def facts(self) -> dict[str, Any]:
        """Return what must be the same for the run to be resumed, by what it is called."""
        self._facts = self._facts or {
            "training data": _described(self.data),
            "validation data": "none" if self.held is None else _described(self.held),
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "augment": repr(self.augment),
        }
        return self._facts

    def state(self) -> dict[str, Any]:
        """Return the place that it has come to."""
        place = {name: getattr(self, name) for name in ("last", "done", "rate", "seconds")}
        return {**place, "tally": self.tally.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go to a place."""
        self.last, self.done = state["last"], state["done"]
        self.rate, self.seconds = state["rate"], state["seconds"]
        self.tally.load_state(state["tally"])


def _described(data: Dataset) -> str:
    """Return a line on a data set: its shapes, and a hash of what is in it."""
    kinds = [
        f"{what} {array.dtype} {array.shape[1:]}"
        for what, array in (("inputs", data.inputs), ("targets", data.targets))
    ]
    classes = [f"classes {shown(data.classes)}"] if data.classes else []
    parts = [f"{len(data)} samples", *kinds, *classes, f"fingerprint {_fingerprint(data)}"]
    return ", ".join(parts)


def _fingerprint(data: Dataset) -> str:
    """Return a hash of all that is in a data set; of a very large one, of some samples."""
    if data.inputs.nbytes > LARGE:
        data = data[np.linspace(0, len(data) - 1, LOOKED_AT).astype(np.int64)]
    return data.fingerprint()[:12]
