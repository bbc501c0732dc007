"""Tally: the running means of a pass over a data set."""

from __future__ import annotations

from collections.abc import Sequence

from minidl.metrics import Metric
from minidl.training.history import Row
from minidl.types import Array


class Tally:
    """Adds batches up, each weighted by its size."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.loss, self.samples = 0.0, 0
        self.counts: list[Array | None] = [None] * len(metrics)

    def add(self, value: float, output: Array, target: Array) -> None:
        """Take in a batch: its mean loss, and what the metrics count."""
        self.loss += value * len(output)
        self.samples += len(output)
        for index, metric in enumerate(self.metrics):
            new, old = metric.count(output, target), self.counts[index]
            self.counts[index] = new if old is None else old + new

    def row(self, prefix: str = "") -> Row:
        """Return the loss and the metrics over all that was added."""
        row = {f"{prefix}loss": self.loss / max(1, self.samples)}
        for metric, counts in zip(self.metrics, self.counts):
            if counts is not None:
                row[prefix + metric.name] = metric.result(counts)
        return row
