"""Tally: what a pass over a data set comes to so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.losses import Loss
from minidl.metrics import Metric
from minidl.training.history import Row
from minidl.types import Array


class Tally:
    """Adds batches up, each with its weight, so that they come to one batch of all samples."""

    def __init__(self, loss: Loss, metrics: Sequence[Metric]) -> None:
        self.loss, self.metrics = loss, metrics
        self.samples, self.losses = 0, np.zeros(2)
        self.counts: list[Array | None] = [None] * len(metrics)

    def add(self, value: float, output: Array, target: Array) -> None:
        """Take in a batch: the value of its loss, and what the metrics count."""
        self.samples += len(output)
        self.losses += self.loss.count(value, output, target)
        for index, metric in enumerate(self.metrics):
            new, old = metric.count(output, target), self.counts[index]
            self.counts[index] = new if old is None else old + new

    def row(self, prefix: str = "") -> Row:
        """Return the loss and the metrics over all that was added."""
        row = {f"{prefix}loss": self.loss.result(self.losses)}
        for metric, counts in zip(self.metrics, self.counts):
            if counts is not None:
                row[prefix + metric.name] = metric.result(counts)
        return row

    def state(self) -> dict[str, Any]:
        """Return the sums."""
        return {"samples": self.samples, "losses": self.losses, "counts": self.counts}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from sums that ``state`` returned."""
        self.samples, self.losses = state["samples"], state["losses"]
        self.counts = state["counts"]
