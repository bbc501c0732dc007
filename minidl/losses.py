"""Losses: from outputs and targets to one number and its gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from minidl.kernels.softmax import log_softmax
from minidl.metrics import Accuracy, Metric
from minidl.record import Record
from minidl.types import Array, Shape


class Loss(Record):
    """The mean over a batch of what is wrong with each output."""

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """What training reports beside the loss, unless told otherwise."""

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return ``target`` as the loss wants it; raise ``ValueError`` where it does not fit.

        ``output_shape`` is that of one sample. Called once for a data set, before training.
        """
        raise NotImplementedError(f"{type(self).__name__} should define check")

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the mean over the batch, and its gradient, of the shape of ``output``."""
        raise NotImplementedError(f"{type(self).__name__} should define __call__")


class SoftmaxCrossEntropy(Loss):
    """``-log softmax(logits)[class]``, from logits: no softmax layer goes before it.

    The target is a class a sample, (N,) integers, or a row of probabilities a sample, (N, classes).
    The gradient is ``(softmax(logits) - target) / N``.

    >>> loss = SoftmaxCrossEntropy()
    >>> value, gradient = loss(np.zeros((1, 4)), np.array([2]))
    >>> round(value, 4), gradient
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """

    metrics = (Accuracy(),)

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return the targets; raises ``ValueError`` unless they are labels or rows of them."""
        if len(output_shape) != 1:
            raise ValueError(
                f"SoftmaxCrossEntropy takes logits (N, classes), and the model puts out"
                f" {output_shape} a sample: end it with Dense(classes)"
            )
        classes = output_shape[0]
        if not len(target):
            raise ValueError("there are no targets: give one for each input")
        if target.ndim == 2 and target.shape[1] == 1:
            raise ValueError(
                f"targets of shape {target.shape} look like a column of labels: pass"
                " targets.ravel()"
            )
        if target.ndim == 1:
            return _checked_labels(target, classes)
        if target.ndim == 2:
            return _checked_rows(target, classes)
        raise ValueError(
            f"targets should be (N,) labels or (N, {classes}) probabilities, got {target.shape}"
        )

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the loss of logits (N, classes) against checked targets."""
        samples = len(output)
        if len(target) != samples:
            raise ValueError(f"got {samples} outputs and {len(target)} targets: one each is needed")
        logs = log_softmax(output)
        gradient = np.exp(logs)
        if target.ndim == 1:
            rows = np.arange(samples)
            value = -logs[rows, target].mean(dtype=np.float64)
            gradient[rows, target] -= 1
        else:
            soft = target.astype(output.dtype, copy=False)
            value = -(soft * logs).sum(axis=-1).mean(dtype=np.float64)
            gradient -= soft
        gradient *= 1 / samples
        return float(value), gradient


def _checked_labels(target: Array, classes: int) -> Array:
    if not np.issubdtype(target.dtype, np.integer):
        raise ValueError(
            f"SoftmaxCrossEntropy wants integer labels or rows of probabilities, got (N,)"
            f" {target.dtype}: convert labels with .astype(int); for a regression use"
            " MeanSquaredError"
        )
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"labels should lie between 0 and {classes - 1}, one for each output of the model, got"
            f" {low} to {high}: end the model with Dense(number of classes), and count from 0"
        )
    return target.astype(np.int64, copy=False)


def _checked_rows(target: Array, classes: int) -> Array:
    if target.shape[1] != classes:
        raise ValueError(
            f"rows of probabilities should have {classes} columns, one for each output of the"
            f" model, got {target.shape[1]}"
        )
    sums = target.sum(axis=1, dtype=np.float64)
    wrong = (target < 0).any(axis=1) | ~(np.abs(sums - 1) < 1e-3)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"each row of targets should be probabilities that sum to 1, got row {row}:"
            f" {target[row]}"
        )
    return target


class MeanSquaredError(Loss):
    """The mean of ``(output - target)²`` over every value of the batch.

    The target has the shape of the output and is taken as it is: an autoencoder of ``uint8``
    images, which a model scales to [0, 1], gets ``images / 255`` as its target. The gradient is
    ``2 (output - target) / values``.

    >>> MeanSquaredError()(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (2.0, array([[0., 2.]]))
    """

    def check(self, target: Array, output_shape: Shape) -> Array:
        """Return the targets; raises ``ValueError`` unless they have the output's shape."""
        if target.ndim == 1 and output_shape == (1,):
            target = target[:, None]  # (N, 1)
        if target.shape[1:] != output_shape:
            raise ValueError(
                f"targets should have the model's output shape {output_shape} a sample, got"
                f" {target.shape[1:]}"
            )
        return target

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        """Return the loss of outputs against targets of the same shape."""
        if target.shape != output.shape:
            raise ValueError(
                f"targets should have the output's shape {output.shape}, got {target.shape}"
            )
        difference = output - target.astype(output.dtype, copy=False)
        value = float(np.square(difference).mean(dtype=np.float64))
        difference *= 2 / difference.size
        return value, difference
