"""Networks ready to train: functions that return a graph."""

from __future__ import annotations

from minidl.builders import Sequential, residual
from minidl.graph import Graph
from minidl.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    ReLU,
)
from minidl.module import Module
from minidl.shapes import ShapeError
from minidl.types import Shape


def lenet(input_shape: Shape = (28, 28, 1), classes: int = 10, *, seed: int = 0) -> Graph:
    """Return LeNet-5 with ReLU and max pooling (LeCun et al. 1998, figure 2).

    >>> lenet().parameter_count
    61706
    """
    _check_image(input_shape, 16)
    return Sequential(
        [
            *(Conv2d(6, 5, padding="same"), ReLU(), MaxPool2d(2)),
            *(Conv2d(16, 5), ReLU(), MaxPool2d(2)),
            *(Flatten(), Dense(120), ReLU(), Dense(84), ReLU(), Dense(classes)),
        ],
        input_shape,
        seed=seed,
    )


def mlp(input_shape: Shape = (28, 28, 1), classes: int = 10, *, seed: int = 0) -> Graph:
    """Return a multi-layer perceptron with one hidden layer of 256 units.

    >>> mlp().parameter_count
    203530
    """
    layers = [Flatten(), Dense(256), ReLU(), Dense(classes)]
    return Sequential(layers, input_shape, seed=seed)


def vgg(input_shape: Shape = (28, 28, 1), classes: int = 10, *, seed: int = 0) -> Graph:
    """Return a small VGG: two blocks of two 3x3 convolutions, then a hidden dense layer.

    After Simonyan and Zisserman 2015, *Very deep convolutional networks*, with 32 and 64 filters
    and dropout in front of the dense layers.

    >>> vgg().output_shape((28, 28, 1))
    (10,)
    """
    _check_image(input_shape, 4)
    blocks: list[Module] = []
    for filters in (32, 64):
        for _ in range(2):
            blocks += [Conv2d(filters, 3, padding="same"), ReLU()]
        blocks.append(MaxPool2d(2))
    head = [Flatten(), Dropout(0.25), Dense(256), ReLU(), Dropout(0.5), Dense(classes)]
    return Sequential([*blocks, *head], input_shape, seed=seed)


def resnet(input_shape: Shape = (28, 28, 1), classes: int = 10, *, seed: int = 0) -> Graph:
    """Return a small residual network with batch norm: 16, 32 and 64 filters, one block each.

    After He et al. 2016, *Deep residual learning for image recognition*; max pooling halves the
    image between the blocks.

    >>> resnet().output_shape((28, 28, 1))
    (10,)
    """
    _check_image(input_shape, 4)
    layers: list[Module] = []
    for filters in (16, 32, 64):
        layers += [MaxPool2d(2)] if layers else []
        layers += [
            *_normed(filters),
            ReLU(),
            residual(*_normed(filters), ReLU(), *_normed(filters)),
        ]
        layers += [ReLU()]
    return Sequential([*layers, GlobalAvgPool2d(), Dense(classes)], input_shape, seed=seed)


def _normed(filters: int) -> list[Module]:
    """Return a 3x3 convolution and the batch norm that makes a bias needless."""
    return [Conv2d(filters, 3, padding="same", bias=False), BatchNorm()]


def _check_image(shape: Shape, least: int) -> None:
    if len(shape) != 3 or min(shape[:2]) < least:
        raise ShapeError(
            f"this network reads images (H, W, C) of at least {least}x{least} pixels, got samples"
            f" of shape {shape}"
        )
