"""What the names on the command line stand for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from minidl import models
from minidl.data import Dataset
from minidl.graph import Graph
from minidl.optim import SGD, Adam, Optimizer
from minidl.schedules import (
    ConstantRate,
    Cosine,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    Schedule,
    StepDecay,
    WarmUp,
)

MODELS: Final = ("lenet", "vgg", "resnet", "mlp")

OPTIMIZERS: Final = MappingProxyType({"sgd": 0.05, "adam": 0.001})
"""The optimizers, and the learning rate that each has by default."""

SCHEDULES: Final[MappingProxyType[str, Callable[[float, int], Schedule]]] = MappingProxyType(
    {
        "constant": lambda lr, total: ConstantRate(lr),
        "step": lambda lr, total: StepDecay(lr, every=-(-total // 3), factor=0.1),
        "exponential": lambda lr, total: ExponentialDecay(lr, factor=0.01 ** (1 / total)),
        "inverse-time": lambda lr, total: InverseTimeDecay(lr, decay=9 / total),
        "cosine": lambda lr, total: Cosine(lr),
        "one-cycle": lambda lr, total: OneCycle(lr),
    }
)
"""The schedules, from a learning rate and the number of steps that they are stretched over."""


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
    if args.optimizer == "adam":
        return Adam(schedule, betas=(args.momentum, 0.999), weight_decay=args.weight_decay)
    return SGD(schedule, momentum=args.momentum, weight_decay=args.weight_decay)
