"""Which samples a model finds hardest."""

from __future__ import annotations

import numpy as np

from minidl.checks import integer
from minidl.kernels.softmax import log_softmax
from minidl.losses import SoftmaxCrossEntropy
from minidl.types import Array


def hardest(logits: Array, labels: Array, count: int = 16) -> tuple[Array, Array]:
    """Return the numbers of the samples with the highest loss, the highest first, and those losses.

    A sample's loss is ``-log softmax(logits)[label]``; one that is no number counts as the highest.

    Parameters
    ----------
    logits : array
        (N, classes), as a model gives them.
    labels : array of int
        The true classes, (N,).
    count : int
        How many samples to return, or all where there are fewer.

    Raises
    ------
    ValueError
        Where logits and labels do not fit.

    Examples
    --------
    >>> numbers, losses = hardest(np.array([[9.0, 0.0], [0.0, 9.0]]), np.array([0, 0]), 1)
    >>> numbers, losses.round(3)
    (array([1]), array([9.]))
    """
    integer("count", count, low=1)
    labels = checked_labels(logits, labels)
    losses = -log_softmax(logits)[np.arange(len(labels)), labels]
    worst = np.argsort(-np.nan_to_num(losses, nan=np.inf), kind="stable")[:count]
    return worst, losses[worst]


def checked_labels(logits: Array, labels: Array) -> Array:
    """Return labels (N,) as integers; ``ValueError`` where they do not fit logits (N, classes)."""
    labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape != (len(logits),):
        raise ValueError(
            "logits should be (N, classes) and labels (N,) integers, got"
            f" {logits.shape} and {labels.dtype} {labels.shape}"
        )
    return SoftmaxCrossEntropy().check(labels, logits.shape[1:])
