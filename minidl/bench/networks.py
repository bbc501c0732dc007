"""The networks that are measured: functions that return a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from minidl import models
from minidl.builders import Sequential, residual
from minidl.checks import perhaps
from minidl.engine.border import input_shapes
from minidl.graph import Graph
from minidl.layers import BatchNorm, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU
from minidl.module import Module
from minidl.types import Shape


def ptmnist() -> Graph:
    """Return PyTorch's MNIST example without its dropout: two 3x3 convolutions, one pooling."""
    return Sequential(
        [
            *(Conv2d(32, 3), ReLU(), Conv2d(64, 3), ReLU(), MaxPool2d(2)),
            *(Flatten(), Dense(128), ReLU(), Dense(10)),
        ],
        (28, 28, 1),
    )


def vggish() -> Graph:
    """Return a small VGG for 32x32 colour images, without dropout."""
    blocks: list[Module] = []
    for filters in (32, 64):
        for _ in range(2):
            blocks += [Conv2d(filters, 3, padding=1), ReLU()]
        blocks.append(MaxPool2d(2))
    return Sequential([*blocks, Flatten(), Dense(256), ReLU(), Dense(10)], (32, 32, 3))


def middling() -> Graph:
    """Return 5x5 convolutions with 24 and 48 filters, which are no powers of two."""
    return Sequential(
        [
            *(Conv2d(24, 5, padding=2), ReLU(), MaxPool2d(2)),
            *(Conv2d(48, 5, padding=2), ReLU(), MaxPool2d(2)),
            *(Flatten(), Dense(96), ReLU(), Dense(10)),
        ],
        (28, 28, 3),
    )


def stem() -> Graph:
    """Return a network that begins with a 7x7 convolution of stride 2, on images of odd sizes."""
    return Sequential(
        [
            *(Conv2d(32, 7, stride=2, padding=3), ReLU(), MaxPool2d(2)),
            *(Conv2d(64, 3, padding=1), ReLU(), Conv2d(64, 3, padding=1), ReLU()),
            *(GlobalAvgPool2d(), Dense(10)),
        ],
        (57, 45, 3),
    )


def resnet() -> Graph:
    """Return a small residual network with batch norm, of 16 and 32 filters."""
    layers: list[Module] = []
    for filters in (16, 32):
        block = residual(*_normed(filters), ReLU(), *_normed(filters))
        layers += [*_normed(filters), ReLU(), block, ReLU(), MaxPool2d(2)]
    return Sequential([*layers, GlobalAvgPool2d(), Dense(10)], (32, 32, 3))


def _normed(filters: int) -> list[Module]:
    return [Conv2d(filters, 3, padding=1, bias=False), BatchNorm()]


NETWORKS: Final[MappingProxyType[str, Callable[[], Graph]]] = MappingProxyType(
    {"lenet": models.lenet, "ptmnist": ptmnist, "vggish": vggish, "mlp": models.mlp}
)
"""The standard networks, by name."""

CONVOLVING: Final = ("lenet", "ptmnist", "vggish")
"""Those of the standard networks that convolve."""

OTHERS: Final[MappingProxyType[str, Callable[[], Graph]]] = MappingProxyType(
    {"middling": middling, "stem": stem, "resnet": resnet}
)
"""Networks that the engine was not tuned on."""


def check_names(names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless each name is a network's.

    >>> check_names(["lenet", "alexnet"])
    Traceback (most recent call last):
    ValueError: no network 'alexnet' to measure: expected lenet, ptmnist, vggish, mlp, ...
    """
    known = [*NETWORKS, *OTHERS]
    for name in names:
        if name not in known:
            expected = f"expected {', '.join(known)}{perhaps(name, known)}"
            raise ValueError(f"no network {name!r} to measure: {expected}")


def build(name: str) -> Graph:
    """Return a network by its name."""
    check_names([name])
    return {**NETWORKS, **OTHERS}[name]()


def image_shape(model: Graph) -> Shape:
    """Return the shape (H, W, C) of the images that a network of one input reads."""
    return input_shapes(model)[0]


def step_flops(model: Graph, batch: int) -> int:
    """Return the nominal floating-point operations of a training step on ``batch`` images.

    Those of direct convolution, a multiplication and an addition being two: forward once, and
    backward twice as many. Faster algorithms need fewer, and the first layer has no ``dx``.

    >>> step_flops(models.mlp(), 64)
    78053376
    """
    return 3 * batch * model.flops(image_shape(model))
