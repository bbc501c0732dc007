"""The modules that networks are built of, by topic."""

from __future__ import annotations

from minidl.layers.activations import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from minidl.layers.convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from minidl.layers.dense import Dense
from minidl.layers.global_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
)
from minidl.layers.merge import Add, Concatenate, Multiply
from minidl.layers.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from minidl.layers.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from minidl.layers.regularization import Dropout, Dropout2d, DropPath, GaussianNoise
from minidl.layers.resampling import Pad, Upsample
from minidl.layers.shape import Flatten, Reshape
from minidl.layers.standardization import Normalize

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "Concatenate",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dense",
    "DropPath",
    "Dropout",
    "Dropout2d",
    "ELU",
    "Flatten",
    "GELU",
    "GaussianNoise",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "InstanceNorm",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Multiply",
    "Normalize",
    "PReLU",
    "Pad",
    "ReLU",
    "Reshape",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "Upsample",
]
