"""Metrics: what is counted over batches, and the number that comes of it.

A metric keeps no state. ``count(output, target)`` returns an array for one batch, the arrays of all
batches are added, and ``result`` turns the sum into the number: so batches of any size weigh right,
and the sum can be written into a checkpoint in the middle of an epoch.

The metrics of classes read outputs (N, ..., classes) and targets that are labels (N, ...), or rows
(N, ..., classes) whose largest is the label. Labels that are ``ignore_index`` count for nothing,
others outside the classes are refused. A share of nothing is 0.
"""

from __future__ import annotations

import numpy as np

from minidl.checks import integer
from minidl.record import Record
from minidl.types import Array


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


class _Share(Metric):
    """How many are right, of all: counts (right, all)."""

    def result(self, counts: Array) -> float:
        """Return right / all, or 0 where nothing was counted."""
        return float(counts[0] / max(1, counts[1]))


def _share(right: Array) -> Array:
    """Return the counts (right, all)."""
    return np.array([np.count_nonzero(right), right.size], np.float64)


class Accuracy(_Share):
    """The share of samples whose largest output, the first of equals, is at their class.

    A NaN at the class is never right.

    >>> metric = Accuracy()
    >>> metric.result(metric.count(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
    0.5
    """

    ignore_index: int | None = None

    def __post_init__(self) -> None:
        _check_ignore(self.ignore_index)

    @property
    def name(self) -> str:
        """Return "accuracy"."""
        return "accuracy"

    def count(self, output: Array, target: Array) -> Array:
        """Return (right, all); ``ValueError`` where outputs and targets are not of classes."""
        scores, labels = _of_classes(self.name, output, target, self.ignore_index)
        return _share(_right(scores, scores.argmax(axis=-1), labels))


class TopK(_Share):
    """The share of samples whose class is among their ``k`` largest outputs.

    Of equal outputs the lower class comes first, so that ``TopK(1)`` is ``Accuracy``. (PyTorch's
    topk leaves ties open; Keras counts a class that ties with the last place as within.) A class
    whose output is NaN is not among them.

    >>> metric = TopK(2)
    >>> metric.name, metric.count(np.array([[3.0, 1.0, 2.0]] * 2), np.array([1, 2])).tolist()
    ('top_2_accuracy', [1.0, 2.0])
    """

    k: int = 5
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        integer("k", self.k, low=1)
        _check_ignore(self.ignore_index)

    @property
    def name(self) -> str:
        """Return "top_5_accuracy" where k is 5."""
        return f"top_{self.k}_accuracy"

    def count(self, output: Array, target: Array) -> Array:
        """Return (right, all); ``ValueError`` where there are fewer classes than ``k``."""
        scores, labels = _of_classes(self.name, output, target, self.ignore_index)
        if self.k > scores.shape[1]:
            raise ValueError(f"k must be at most the number of classes {scores.shape[1]}: {self!r}")
        own = _own(scores, labels)
        earlier = np.arange(scores.shape[1]) < labels[:, None]
        before = (scores > own) | ((scores == own) & earlier)
        return _share((np.count_nonzero(before, axis=1) < self.k) & (own == own)[:, 0])


class BinaryAccuracy(_Share):
    """The share of logits on the right side of 0, by targets above a half or not.

    Several labels a sample count each for themselves.

    >>> metric = BinaryAccuracy()
    >>> metric.result(metric.count(np.array([[2.0], [-1.0]]), np.array([[1], [1]])))
    0.5
    """

    @property
    def name(self) -> str:
        """Return "binary_accuracy"."""
        return "binary_accuracy"

    def count(self, output: Array, target: Array) -> Array:
        """Return (right, all); ``ValueError`` where the shapes differ."""
        if output.shape == (*target.shape, 1):
            target = target[..., None]
        if output.shape != target.shape:
            raise ValueError(
                f"binary accuracy needs a target for each output, got outputs {output.shape} and"
                f" targets {target.shape}"
            )
        return _share(((output > 0) == _yes(target)) & (output == output))


class _ByClass(Metric):
    """A share by class, and its average over the classes."""

    average: str = "macro"
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        if self.average not in ("macro", "micro", "weighted", "binary"):
            raise ValueError(
                f'average must be "macro", "micro", "weighted" or "binary", got {self.average!r}'
            )
        _check_ignore(self.ignore_index)

    @property
    def name(self) -> str:
        """Return the name and the average, as in "precision_macro"."""
        return f"{type(self).__name__.lower()}_{self.average}"

    def count(self, output: Array, target: Array) -> Array:
        """Return for each class how often it was right, predicted and wanted, (3, classes).

        One logit a sample, (N, 1) with targets (N,) or (N, 1), is that of class 1 against 0.
        """
        if output.shape[-1:] == (1,) and target.shape in (output.shape, output.shape[:-1]):
            labels = _yes(target) if target.dtype.kind == "f" else target
            target = labels.reshape(output.shape[:-1]).astype(np.int64)
            output = np.concatenate([np.zeros_like(output), output], axis=-1)
        scores, labels = _of_classes(self.name, output, target, self.ignore_index)
        classes = scores.shape[1]
        if self.average == "binary" and classes != 2:
            raise ValueError(f'average "binary" needs two classes, got {classes}')
        found = scores.argmax(axis=-1)
        kinds = (labels[_right(scores, found, labels)], found, labels)
        return np.array([np.bincount(kind, minlength=classes) for kind in kinds], np.float64)

    def result(self, counts: Array) -> float:
        """Return the average over the classes; 0 where nothing was counted."""
        right, found, wanted = counts
        above, below = self._ratio(right, found, wanted)
        if self.average == "micro":
            return float(above.sum() / max(1, below.sum()))
        shares = above / np.maximum(1, below)
        if self.average == "binary":
            return float(shares[1])
        weights = wanted if self.average == "weighted" else (found + wanted > 0)
        return float((shares * weights).sum() / max(1, weights.sum()))

    def _ratio(self, right: Array, found: Array, wanted: Array) -> tuple[Array, Array]:
        """Return what is divided, and by what, for each class."""
        raise NotImplementedError


class Precision(_ByClass):
    """Of the samples that were taken for a class, the share that are of it.

    ``average`` and ``ignore_index`` are the same for ``Precision``, ``Recall`` and ``F1``.

    Parameters
    ----------
    average : str
        As in scikit-learn with zero_division=0: "macro", the mean over the classes that occur in
        targets or predictions; "weighted", the mean by how often each is the target; "micro", the
        share in all classes' samples together; "binary", the share in class 1 of two.
    ignore_index : int, optional
        A label that counts for nothing.

    Examples
    --------
    >>> metric = Precision()
    >>> counts = metric.count(np.eye(3)[[0, 0, 1]], np.array([0, 1, 1]))
    >>> metric.name, metric.result(counts)
    ('precision_macro', 0.75)
    """

    def _ratio(self, right: Array, found: Array, wanted: Array) -> tuple[Array, Array]:
        return right, found


class Recall(_ByClass):
    """Of the samples of a class, the share that were taken for it."""

    def _ratio(self, right: Array, found: Array, wanted: Array) -> tuple[Array, Array]:
        return right, wanted


class F1(_ByClass):
    """The harmonic mean of precision and recall, 2 right / (found + wanted), of each class.

    The macro average is the mean of these, as in scikit-learn, not the F1 of mean precision and
    mean recall.
    """

    def _ratio(self, right: Array, found: Array, wanted: Array) -> tuple[Array, Array]:
        return 2 * right, found + wanted


def confusion_matrix(output: Array, target: Array, classes: int | None = None) -> Array:
    """Return how often each class (row) was taken for each other (column), (classes, classes).

    ``output`` comes first, as for a loss (scikit-learn has it second): (N, classes) logits, or
    (N,) labels with ``classes`` told. ``target`` is (N,) labels or (N, classes) rows. Raises
    ``ValueError`` where a label lies outside the classes. The matrices of batches add up to that of
    the data set.

    >>> confusion_matrix(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    array([[0, 0],
           [1, 1]])
    """
    if output.ndim == 1:
        count = _classes_of(output, target, classes)
        found, wanted = output, target
    else:
        scores, wanted = _of_classes("a confusion matrix", output, target, None)
        found, count = scores.argmax(axis=-1), scores.shape[1]
        if classes not in (None, count):
            raise ValueError(f"classes should be the {count} of the outputs, got {classes!r}")
    for labels in (found, wanted):
        _check_range(labels, count)
    pairs = wanted.astype(np.int64) * count + found.astype(np.int64)
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


def _of_classes(
    name: str, output: Array, target: Array, ignore_index: int | None
) -> tuple[Array, Array]:
    """Return scores (M, classes) and labels (M,) of every sample or place that is not ignored."""
    rows = target.shape == output.shape
    if output.ndim < 2 or output.shape[-1] < 2 or not (rows or _labels_fit(target, output)):
        raise ValueError(
            f"{name} counts classes: it needs outputs (N, classes) and integer targets (N,),"
            f" got {output.shape} and {target.dtype} {target.shape}"
        )
    labels = (target.argmax(axis=-1) if rows else target).reshape(-1)
    scores = output.reshape(-1, output.shape[-1])  # (N·..., classes)
    if ignore_index is not None and not rows:
        kept = labels != ignore_index
        scores, labels = scores[kept], labels[kept]
    _check_range(labels, scores.shape[1])
    return scores, labels.astype(np.int64, copy=False)


def _classes_of(found: Array, wanted: Array, classes: int | None) -> int:
    """Return how many classes labels against labels are of, as the caller says."""
    if classes is None:
        raise ValueError("labels do not tell how many classes there are: pass classes")
    if found.shape != wanted.shape or {found.dtype.kind, wanted.dtype.kind} - {"i", "u"}:
        raise ValueError(
            f"labels are compared with labels, integers (N,), got {found.dtype} {found.shape} and"
            f" {wanted.dtype} {wanted.shape}"
        )
    return integer("classes", classes, low=1)


def _own(scores: Array, labels: Array) -> Array:
    """Return the score of each sample's own class, (M, 1)."""
    return np.take_along_axis(scores, labels[:, None], axis=1)


def _right(scores: Array, found: Array, labels: Array) -> Array:
    """Return which samples were found to be of their class; not where the score is NaN."""
    right: Array = (found == labels) & ~np.isnan(_own(scores, labels))[:, 0]
    return right


def _labels_fit(target: Array, output: Array) -> bool:
    return target.dtype.kind in "iu" and target.shape == output.shape[:-1]


def _yes(target: Array) -> Array:
    """Return which targets from 0 to 1 are above a half."""
    if not ((target >= 0) & (target <= 1)).all():
        raise ValueError(f"targets should be between 0 and 1, got {target.min()} to {target.max()}")
    yes: Array = target > 0.5
    return yes


def _check_range(labels: Array, classes: int) -> None:
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels should lie between 0 and {classes - 1}, got {labels.min()} to {labels.max()}"
        )


def _check_ignore(ignore_index: int | None) -> None:
    if ignore_index is not None:
        integer("ignore_index", ignore_index, low=-(2**63), high=2**63 - 1)
