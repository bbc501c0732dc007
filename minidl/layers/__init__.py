"""The modules that networks are built of, by topic."""

from __future__ import annotations

from minidl.layers.activations import ReLU, Sigmoid, Tanh
from minidl.layers.convolution import Conv2d
from minidl.layers.dense import Dense
from minidl.layers.merge import Add, Concatenate
from minidl.layers.normalization import BatchNorm, Normalize
from minidl.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from minidl.layers.regularization import Dropout
from minidl.layers.shape import Flatten

__all__ = [
    "Add",
    "AvgPool2d",
    "BatchNorm",
    "Concatenate",
    "Conv2d",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "MaxPool2d",
    "Normalize",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
