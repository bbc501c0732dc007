"""Training: the loop, its history, and what listens to it."""

from __future__ import annotations

from minidl.training.averaging import WeightAverage
from minidl.training.events import (
    Callback,
    EpochEnd,
    FitEnd,
    FitStart,
    StepEnd,
    Stop,
    ValidationEnd,
    ValidationStart,
)
from minidl.training.history import History
from minidl.training.plateau import ReduceOnPlateau
from minidl.training.trainer import Trainer

__all__ = [
    "Callback",
    "EpochEnd",
    "FitEnd",
    "FitStart",
    "History",
    "ReduceOnPlateau",
    "StepEnd",
    "Stop",
    "Trainer",
    "ValidationEnd",
    "ValidationStart",
    "WeightAverage",
]
