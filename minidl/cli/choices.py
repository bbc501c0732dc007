"""What the names on the command line stand for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, NamedTuple

from minidl import augment, models
from minidl.augment import Augmentation
from minidl.checks import perhaps
from minidl.data import Dataset
from minidl.graph import Graph
from minidl.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from minidl.schedules import (
    ConstantRate,
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    Linear,
    MultiStepDecay,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    WarmUp,
)

MODELS: Final = ("lenet", "vgg", "resnet", "mlp")


class Choice(NamedTuple):
    """An optimizer, and the learning rate and the momentum that it has by default, if any.

    Of Adam and AdamW the momentum is the first beta.
    """

    kind: type[Optimizer]
    lr: float
    momentum: float | None


OPTIMIZERS: Final = MappingProxyType(
    {
        "sgd": Choice(SGD, 0.05, 0.9),
        "adam": Choice(Adam, 0.001, 0.9),
        "adamw": Choice(AdamW, 0.001, 0.9),
        "rmsprop": Choice(RMSprop, 0.001, 0.0),
        "adagrad": Choice(Adagrad, 0.01, None),
    }
)
"""The optimizers by name."""

SCHEDULES: Final[MappingProxyType[str, Callable[[float, int], Schedule]]] = MappingProxyType(
    {
        "constant": lambda lr, total: ConstantRate(lr),
        "step": lambda lr, total: StepDecay(lr, every=-(-total // 3), factor=0.1),
        "multi-step": lambda lr, total: MultiStepDecay(lr, (-(-total // 2), -(-total * 3 // 4))),
        "exponential": lambda lr, total: ExponentialDecay(lr, factor=0.01 ** (1 / total)),
        "inverse-time": lambda lr, total: InverseTimeDecay(lr, decay=9 / total),
        "linear": lambda lr, total: Linear(lr),
        "polynomial": lambda lr, total: Polynomial(lr, power=2),
        "cosine": lambda lr, total: Cosine(lr),
        "cosine-restarts": lambda lr, total: CosineRestarts(lr, -(-total // 7), multiplier=2),
        "one-cycle": lambda lr, total: OneCycle(lr),
    }
)
"""The schedules, from a learning rate and the number of steps that they are stretched over."""


AUGMENTATIONS: Final[MappingProxyType[str, tuple[Callable[[float], Augmentation], float]]] = (
    MappingProxyType(
        {
            "shift": (augment.Shift, 2),
            "rotate": (augment.Rotate, 10),
            "zoom": (augment.Zoom, 0.1),
            "shear": (augment.Shear, 5),
            "elastic": (augment.Elastic, 34),
            "flip": (augment.Flip, 0.5),
            "crop": (lambda padding: augment.Crop(_whole(padding)), 2),
            "cutout": (lambda size: augment.Cutout(_whole(size)), 8),
            "brightness": (augment.Brightness, 0.2),
            "contrast": (augment.Contrast, 0.2),
            "noise": (augment.Noise, 0.05),
        }
    )
)
"""The augmentations by name, from an amount, and the amount that they have by default."""


def build_augmentation(text: str) -> list[Augmentation]:
    """Return what a list such as "shift=3,rotate,flip" names, in its order.

    >>> build_augmentation("shift=3,flip")
    [Shift(pixels=3.0, fill=0), Flip(probability=0.5, vertical=False)]
    """
    return [_augmentation(one) for one in text.split(",") if one]


def _augmentation(text: str) -> Augmentation:
    name, _, amount = text.strip().partition("=")
    if name not in AUGMENTATIONS:
        known = f"{', '.join(AUGMENTATIONS)}{perhaps(name, AUGMENTATIONS)}"
        raise ValueError(f"--augment: {name!r} is none of {known}; write shift=2,flip, say")
    build, usual = AUGMENTATIONS[name]
    try:
        number = float(amount or usual)
    except ValueError:
        raise ValueError(f"--augment {text}: expected a number after =") from None
    try:
        return build(number)
    except ValueError as error:
        raise ValueError(f"--augment {text}: {error}") from None


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(f"expected a whole number of pixels, got {number}")
    return int(number)


def build_model(name: str, data: Dataset, seed: int) -> Graph:
    """Return a built-in network that reads a data set's images and tells its classes apart."""
    network = getattr(models, name)
    graph: Graph = network(data.inputs.shape[1:], len(data.classes), seed=seed)
    return graph


def build_schedule(name: str, lr: float, warm_up: int, total: int) -> Schedule:
    """Return a schedule over ``total`` steps, the first ``warm_up`` of them a straight rise."""
    if warm_up >= total:
        raise ValueError(
            f"--warm-up {warm_up} leaves nothing of a run of {total} steps: choose fewer, or more"
            " epochs"
        )
    schedule = SCHEDULES[name](lr, total - warm_up)
    return WarmUp(schedule, warm_up) if warm_up else schedule


def build_optimizer(args: Namespace, total: int) -> Optimizer:
    """Return the optimizer that the arguments of ``train`` describe, for ``total`` steps."""
    schedule = build_schedule(args.schedule, args.lr, args.warm_up, total)
    choice = OPTIMIZERS[args.optimizer]
    options = {"weight_decay": args.weight_decay}
    if issubclass(choice.kind, Adam):
        return choice.kind(schedule, betas=(args.momentum, 0.999), **options)
    if choice.momentum is not None:
        options["momentum"] = args.momentum
    elif args.momentum is not None:
        raise ValueError(f"--momentum: {args.optimizer} has none")
    return choice.kind(schedule, **options)
