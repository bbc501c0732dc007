"""Softmax and its logarithm over the last axis, safe for logits of any size."""

from __future__ import annotations

import numpy as np

from minidl.types import Array


def log_softmax(logits: Array) -> Array:
    """Return ``x - log(sum(exp(x)))`` over the last axis, shifted by the maximum first."""
    shifted: Array = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def softmax(logits: Array) -> Array:
    """Return probabilities that sum to 1 over the last axis.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return np.exp(log_softmax(logits))
