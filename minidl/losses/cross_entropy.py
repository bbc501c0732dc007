"""Softmax cross-entropy: classes that exclude each other."""

from __future__ import annotations

import numpy as np

from minidl.checks import integer, share
from minidl.kernels.softmax import log_softmax, log_softmax_gradient
from minidl.losses.loss import Loss, check_count, check_targets, check_weights, floats, spread
from minidl.metrics import Accuracy, Metric
from minidl.types import Array, Shape


class SoftmaxCrossEntropy(Loss):
    """``-log softmax(logits)[class]``, from logits: no softmax layer goes before it.

    The target is a class a sample, (N,) integers, or a row of probabilities a sample, (N, classes),
    one-hot or soft. A model that puts out logits at every place of an image, (N, H, W, classes),
    takes classes (N, H, W) or rows (N, H, W, classes); each place then counts as a sample. (The
    classes come last, as channels do here; PyTorch has them second.)

    With target rows ``t`` and class weights ``w`` a sample's loss is ``-sum(w t log softmax)`` and
    its gradient ``softmax · sum(w t) - w t``. As in PyTorch, the mean divides by the number of
    rows, or, where the targets are integers, by the sum of their classes' weights.

    Parameters
    ----------
    label_smoothing : float
        How much of each target is spread evenly over all classes (Szegedy et al. 2016,
        *Rethinking the Inception architecture*, section 7), at least 0 and below 1.
    class_weights : tuple of float, optional
        What each class counts, at least 0; all 1 by default.
    ignore_index : int, optional
        An integer target that counts for nothing and gets no gradient; it need be no class. Here
        nothing is ignored unless told; PyTorch ignores -100 by default. Where all of a batch is
        ignored, or weighs 0, the mean and its gradient are 0; PyTorch gives NaN.
    reduction : "mean" or "sum"
        What the value is over the batch.

    Examples
    --------
    >>> loss = SoftmaxCrossEntropy()
    >>> value, gradient = loss(np.zeros((1, 4)), np.array([2]))
    >>> round(value, 4), gradient
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    ignore_index: int | None = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        share("label_smoothing", self.label_smoothing)
        if self.class_weights is not None:
            check_weights("class_weights", self.class_weights)
        if self.ignore_index is not None:
            integer("ignore_index", self.ignore_index, low=-(2**63), high=2**63 - 1)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return accuracy, of what is not ignored."""
        return (Accuracy(ignore_index=self.ignore_index),)

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return the targets; raises ``ValueError`` unless they are labels or rows of them."""
        check_targets(target)
        if not output_shape or output_shape[-1] < 2:
            raise ValueError(
                f"SoftmaxCrossEntropy compares two classes or more, and the model puts out"
                f" {output_shape} a sample: use BinaryCrossEntropyWithLogits for one logit"
            )
        if self.class_weights is not None:
            check_count("class_weights", self.class_weights, output_shape)
        if target.shape[1:] == output_shape:
            self._check_rows(target)
            return target
        if target.shape[1:] == output_shape[:-1]:
            return self._labels(target, output_shape[-1])
        raise ValueError(_misfit(target.shape, output_shape))

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the loss of logits (N, ..., classes) against checked targets."""
        output = floats(output)
        rows, logs = self._rows(output, target), log_softmax(output)
        gradient = log_softmax_gradient(-rows, logs)
        if logs.min(initial=0) == -np.inf:  # a class that does not count may be ruled out
            np.copyto(logs, 0, where=rows == 0)
        rows *= logs
        total = 0.0 - float(rows.sum(dtype=np.float64))  # which is never -0
        return self.reduced(total, gradient, self.weight(output, target))

    def weight(self, output: Array, target: Array) -> float:
        """Return what the mean divides by: rows, or the weights of the labels not ignored."""
        if target.ndim == output.ndim:
            return float(target.size / target.shape[-1])
        labels = self._not_ignored(target)
        if self.class_weights is None:
            return float(labels.size)
        return float(np.take(self.class_weights, labels).sum())

    def _rows(self, output: Array, target: Array) -> Array:
        """Return what each log probability counts: w t, of the output's shape; 0 if ignored."""
        rows = self._given(output, target)
        if self.label_smoothing:
            rows *= 1 - self.label_smoothing
            rows += self.label_smoothing / output.shape[-1]
        if self.class_weights is not None:
            rows *= spread("class_weights", self.class_weights, output)
        if self.ignore_index is not None:
            rows[target == self.ignore_index] = 0
        return rows

    def _given(self, output: Array, target: Array) -> Array:
        """Return the targets as rows of the output's shape and dtype, in an array of their own."""
        if len(target) != len(output):
            raise ValueError(
                f"got {len(output)} outputs and {len(target)} targets: one each is needed"
            )
        if target.shape == output.shape:
            self._refuse_ignoring()
            return target.astype(output.dtype)
        if target.shape != output.shape[:-1]:
            raise ValueError(
                f"targets should be labels {output.shape[:-1]} or rows {output.shape}, one for each"
                f" output, got {target.shape}"
            )
        labels = self._labels(target, output.shape[-1])
        if self.ignore_index is not None:
            labels = np.where(labels == self.ignore_index, 0, labels)
        return _one_hot(labels, output)

    def _not_ignored(self, labels: Array) -> Array:
        """Return the labels that count, in one dimension where any may not."""
        return labels if self.ignore_index is None else labels[labels != self.ignore_index]

    def _labels(self, target: Array, classes: int) -> Array:
        """Return labels as int64; raises ``ValueError`` unless they are classes, or ignored."""
        if target.dtype.kind not in "iu":
            raise ValueError(
                f"SoftmaxCrossEntropy wants integer labels or rows of probabilities, got (N,)"
                f" {target.dtype}: convert labels with .astype(int); for a regression use"
                " MeanSquaredError"
            )
        labels = self._not_ignored(target)
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"labels should lie between 0 and {classes - 1}, one for each output of the model,"
                f" got {labels.min()} to {labels.max()}: end the model with Dense(number of"
                " classes), number the classes from 0 (data.encode_labels does), and name a"
                " label that means nothing as ignore_index"
            )
        return target.astype(np.int64, copy=False)

    def _check_rows(self, target: Array) -> None:
        """Raise ``ValueError`` unless every row is a distribution."""
        self._refuse_ignoring()
        sums = target.sum(axis=-1, dtype=np.float64)
        wrong = (target < 0).any(axis=-1) | ~(np.abs(sums - 1) < 1e-3)
        if wrong.any():
            place = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise ValueError(
                f"each row of targets should be probabilities that sum to 1, got row"
                f" {', '.join(map(str, place))}: {target[place]}"
            )

    def _refuse_ignoring(self) -> None:
        if self.ignore_index is not None:
            raise ValueError(
                f"ignore_index={self.ignore_index} names an integer target, got rows of"
                " probabilities: pass labels, or leave it out"
            )


def _one_hot(labels: Array, output: Array) -> Array:
    """Return rows like the output with a 1 at each label."""
    rows = np.zeros_like(output, order="C")
    flat = rows.reshape(-1, output.shape[-1])  # (N·..., classes)
    flat[np.arange(len(flat)), labels.ravel()] = 1
    return rows


def _misfit(shape: Shape, output_shape: Shape) -> str:
    """Return why targets of ``shape`` do not fit, and what to do."""
    *places, classes = output_shape
    if shape[1:] == (*places, 1):
        fix = "targets[..., 0]" if places else "targets.ravel()"
        return f"targets of shape {shape} look like a column of labels: pass {fix}"
    if len(shape) == len(output_shape) + 1 and shape[1:-1] == tuple(places):
        return (
            f"rows of probabilities should have {classes} columns, one for each output of the"
            f" model, got {shape[-1]}"
        )
    if len(shape) == 1:
        return (
            "SoftmaxCrossEntropy of targets (N,) takes logits (N, classes), and the model puts out"
            f" {output_shape} a sample: end it with Dense(classes)"
        )
    labels, rows = ("".join(f", {size}" for size in sizes) for sizes in (places, output_shape))
    return f"targets should be (N{labels or ','}) labels or (N{rows}) probabilities, got {shape}"
