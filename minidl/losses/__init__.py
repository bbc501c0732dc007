"""Losses: from outputs and targets to one number and its gradient."""

from minidl.losses.cross_entropy import SoftmaxCrossEntropy
from minidl.losses.loss import Loss, MeanLoss
from minidl.losses.pointwise import (
    BinaryCrossEntropyWithLogits,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
)

__all__ = [
    "BinaryCrossEntropyWithLogits",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanLoss",
    "MeanSquaredError",
    "SoftmaxCrossEntropy",
]
