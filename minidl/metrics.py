"""Metrics: what is counted over batches, and the number that comes of it.

A metric keeps no state. ``count(output, target)`` returns an array for one batch, the arrays of all
batches are added, and ``result`` turns the sum into the number: so batches of any size weigh right,
and the sum can be written into a checkpoint in the middle of an epoch.
"""

from __future__ import annotations

import numpy as np

from minidl.record import Record
from minidl.types import Array


def labels_of(target: Array, output: Array) -> Array:
    """Return targets as integer labels: they are already, or rows of probabilities over classes."""
    return target.argmax(axis=-1) if target.ndim == output.ndim else target


def _of_classes(target: Array, output: Array) -> bool:
    """Whether targets are integer labels, or rows over the same classes as the output."""
    if target.ndim == output.ndim:
        return target.shape == output.shape
    return target.dtype.kind in "iu" and target.shape == output.shape[:-1]


class Metric(Record):
    """Something counted over a data set."""

    @property
    def name(self) -> str:
        """The name in histories and tables."""
        raise NotImplementedError(f"{type(self).__name__} should define name")

    def count(self, output: Array, target: Array) -> Array:
        """Return this batch's counts, float64; those of all batches are added."""
        raise NotImplementedError(f"{type(self).__name__} should define count")

    def result(self, counts: Array) -> float:
        """Return the number that the added counts come to."""
        raise NotImplementedError(f"{type(self).__name__} should define result")


class Accuracy(Metric):
    """The share of samples whose largest output is at their class.

    >>> metric = Accuracy()
    >>> metric.result(metric.count(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
    0.5
    """

    @property
    def name(self) -> str:
        """Return "accuracy"."""
        return "accuracy"

    def count(self, output: Array, target: Array) -> Array:
        """Return (right, all); ``ValueError`` where outputs and targets are not of classes."""
        if output.ndim < 2 or output.shape[-1] < 2 or not _of_classes(target, output):
            raise ValueError(
                f"accuracy counts classes: it needs outputs (N, classes) and integer targets (N,),"
                f" got {output.shape} and {target.dtype} {target.shape}"
            )
        right = output.argmax(axis=-1) == labels_of(target, output)
        return np.array([np.count_nonzero(right), right.size], np.float64)

    def result(self, counts: Array) -> float:
        """Return right / all."""
        return float(counts[0] / counts[1])


def confusion_matrix(output: Array, target: Array, classes: int | None = None) -> Array:
    """Return how often each class (row) was taken for each other (column), (classes, classes).

    ``output`` comes first, as for a loss (scikit-learn has it second): (N, classes) logits, or
    (N,) labels with ``classes`` told. ``target`` is (N,) labels or (N, classes) rows. Raises
    ``ValueError`` where a label lies outside the classes.

    >>> confusion_matrix(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    array([[0, 0],
           [1, 1]])
    """
    count = output.shape[-1] if output.ndim == 2 else classes
    if count is None:
        raise ValueError("labels do not tell how many classes there are: pass classes")
    found = output.argmax(axis=-1) if output.ndim == 2 else output
    wanted = target.argmax(axis=-1) if target.ndim == 2 else target
    for labels in (found, wanted):
        if labels.size and not 0 <= labels.min() <= labels.max() < count:
            raise ValueError(
                f"labels should lie between 0 and {count - 1}, got {labels.min()} to {labels.max()}"
            )
    pairs = wanted.astype(np.int64) * count + found.astype(np.int64)
    return np.bincount(pairs, minlength=count * count).reshape(count, count)
