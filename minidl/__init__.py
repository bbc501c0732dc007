"""minidl: train small convolutional networks in plain NumPy, fast and readable."""

from __future__ import annotations

from minidl import data, initializers, models, schedules
from minidl.builders import Sequential, residual
from minidl.files import WeightReport, load, save
from minidl.gradcheck import GradientError, gradcheck
from minidl.graph import Graph
from minidl.layers import (
    Add,
    AvgPool2d,
    BatchNorm,
    Concatenate,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Normalize,
    ReLU,
    Sigmoid,
    Tanh,
)
from minidl.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from minidl.metrics import Accuracy, Metric, confusion_matrix
from minidl.module import Context, Module, ParameterSpec
from minidl.optim import SGD, Adam, Optimizer
from minidl.shapes import ShapeError
from minidl.training import (
    Callback,
    EpochEnd,
    FitEnd,
    FitStart,
    History,
    StepEnd,
    Stop,
    Trainer,
)

__all__ = [
    # models
    "Graph",
    "Sequential",
    "residual",
    "models",
    "save",
    "load",
    "WeightReport",
    # layers
    "Conv2d",
    "Dense",
    "MaxPool2d",
    "AvgPool2d",
    "GlobalAvgPool2d",
    "BatchNorm",
    "Normalize",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "Dropout",
    "Flatten",
    "Add",
    "Concatenate",
    # training
    "Trainer",
    "History",
    "SoftmaxCrossEntropy",
    "MeanSquaredError",
    "Accuracy",
    "confusion_matrix",
    "SGD",
    "Adam",
    "schedules",
    "initializers",
    # callbacks
    "Callback",
    "FitStart",
    "StepEnd",
    "EpochEnd",
    "FitEnd",
    "Stop",
    # data
    "data",
    # modules of your own
    "Module",
    "ParameterSpec",
    "Context",
    "Loss",
    "Metric",
    "Optimizer",
    "ShapeError",
    "gradcheck",
    "GradientError",
]
