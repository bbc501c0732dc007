"""Training: the loop, its history, and what listens to it."""

from __future__ import annotations

from minidl.training.averaging import WeightAverage
from minidl.training.best import KeepBest
from minidl.training.checkpoint import Checkpoint
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
from minidl.training.finder import LearningRates, find_learning_rate
from minidl.training.finite import first_not_finite
from minidl.training.history import History
from minidl.training.logs import CSVLog, JSONLog
from minidl.training.plateau import ReduceOnPlateau
from minidl.training.stopping import EarlyStopping, StopOnNaN, TimeBudget
from minidl.training.tensorboard import TensorBoard
from minidl.training.trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "EpochEnd",
    "FitEnd",
    "FitStart",
    "History",
    "JSONLog",
    "KeepBest",
    "LearningRates",
    "ReduceOnPlateau",
    "StepEnd",
    "Stop",
    "StopOnNaN",
    "TensorBoard",
    "TimeBudget",
    "Trainer",
    "ValidationEnd",
    "ValidationStart",
    "WeightAverage",
    "find_learning_rate",
    "first_not_finite",
]
