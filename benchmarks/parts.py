"""Measure each part next to PyTorch's, forward and backward: python benchmarks/parts.py.

One module at a time runs as the engine runs it inside a network, on one core, with the gradients of
its inputs and parameters. PyTorch is needed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import minidl as dl
from minidl.bench.timing import Call, Figures, race
from minidl.engine.crew import Solo
from minidl.engine.crew.member import Member
from minidl.engine.cut import shards
from minidl.engine.leaves import unfold
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task, inward
from minidl.engine.stages import divide
from minidl.engine.threads import BlasThreads
from minidl.types import Array, Shape

BATCH = 64
IMAGE: Shape = (28, 28, 16)
LINE: Shape = (196, 32)
VECTOR: Shape = (256,)
LIMIT = 3.0
"""No part should take more than so many times as long as PyTorch's."""

Tensor = Any
Twin = Callable[..., Tensor]


class Part(NamedTuple):
    """A module, its twin on tensors, mostly with channels first, and the shapes that it reads."""

    module: dl.Module
    twin: Twin
    shapes: tuple[Shape, ...] = (IMAGE,)
    channels_first: bool = True

    def tensor(self, x: Array) -> Tensor:
        """Return an array as the twin takes it."""
        return torch.from_numpy(np.moveaxis(x, -1, 1).copy() if self.channels_first else x.copy())


def parts() -> list[Part]:
    """Return what is measured."""
    return [*convolutions(), *pools(), *norms(), *activations(), *others()]


def convolutions() -> list[Part]:
    """Return convolutions, transposed ones and the dense layer."""
    small, wide = (14, 14, 64), (14, 14, 128)
    return [
        convolution("Conv2d", IMAGE, 16, 3, padding=1),
        convolution("Conv2d", IMAGE, 32, 5, stride=2, padding=2),
        convolution("Conv2d", IMAGE, 16, 3, dilation=2, padding=2),
        convolution("Conv2d", IMAGE, 16, 3, padding=1, groups=4),
        convolution("Conv2d", small, 64, 3, padding=1, groups=4),
        convolution("Conv2d", small, 64, 3, padding=1, groups=16),
        convolution("Conv2d", wide, 128, 3, padding=1, groups=4),
        convolution("Conv2d", wide, 128, 3, padding=1, groups=32),
        convolution("Conv2d", IMAGE, 16, 3, padding=1, groups=16),
        convolution("Conv2d", IMAGE, 16, 3, stride=2, padding=1, groups=16),
        convolution("Conv1d", LINE, 32, 5, padding=2),
        convolution("ConvTranspose2d", (14, 14, 16), 16, 4, stride=2, padding=1),
        convolution("ConvTranspose2d", IMAGE, 16, 3, padding=1),
        convolution("ConvTranspose1d", LINE, 32, 4, stride=2, padding=1),
        Part(dl.Dense(128), nn.Linear(256, 128), (VECTOR,)),
    ]


def convolution(kind: str, shape: Shape, filters: int, kernel: int, **options: int) -> Part:
    """Return a convolution of a kind that has one name and the same options on both sides."""
    ours = getattr(dl, kind)(filters, kernel, **options)
    return Part(ours, getattr(nn, kind)(shape[-1], filters, kernel, **options), (shape,))


def pools() -> list[Part]:
    """Return pooling over windows, over the whole and to a fixed size."""
    return [
        Part(dl.MaxPool2d(2), nn.MaxPool2d(2)),
        Part(dl.MaxPool2d(3, 2, padding=1), nn.MaxPool2d(3, 2, padding=1)),
        Part(dl.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True), ((27, 27, 16),)),
        Part(dl.MaxPool1d(2), nn.MaxPool1d(2), (LINE,)),
        Part(dl.AvgPool2d(2), nn.AvgPool2d(2)),
        Part(dl.AvgPool2d(3, 1, padding=1), nn.AvgPool2d(3, 1, padding=1)),
        Part(dl.AvgPool1d(2), nn.AvgPool1d(2), (LINE,)),
        Part(dl.GlobalAvgPool2d(), lambda x: x.mean(dim=(2, 3))),
        Part(dl.GlobalMaxPool2d(), lambda x: F.adaptive_max_pool2d(x, 1).flatten(1)),
        Part(dl.AdaptiveAvgPool2d(7), nn.AdaptiveAvgPool2d(7)),
        Part(dl.AdaptiveMaxPool2d(7), nn.AdaptiveMaxPool2d(7)),
        Part(dl.AdaptiveAvgPool2d(5), nn.AdaptiveAvgPool2d(5)),
    ]


def norms() -> list[Part]:
    """Return normalisation."""
    return [
        Part(dl.BatchNorm(), nn.BatchNorm2d(16)),
        Part(dl.GroupNorm(4), nn.GroupNorm(4, 16)),
        Part(dl.InstanceNorm(), nn.InstanceNorm2d(16)),
        Part(dl.LayerNorm(), nn.LayerNorm(32), (LINE,), channels_first=False),
        Part(dl.LayerNorm(axes=None), nn.LayerNorm([16, 28, 28])),
    ]


def activations() -> list[Part]:
    """Return activations and what disturbs training."""
    names = [
        *("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Softplus", "Softsign"),
        *("Sigmoid", "Hardsigmoid", "Hardswish", "Tanh"),
    ]
    ours = {"Hardsigmoid": "HardSigmoid", "Hardswish": "HardSwish"}
    return [
        *(Part(getattr(dl, ours.get(name, name))(), getattr(nn, name)()) for name in names),
        Part(dl.GELU(approximate="tanh"), nn.GELU(approximate="tanh")),
        Part(dl.PReLU(), nn.PReLU(16)),
        Part(dl.Softmax(), nn.Softmax(dim=1)),
        Part(dl.LogSoftmax(), nn.LogSoftmax(dim=1)),
        Part(dl.Dropout(0.3), nn.Dropout(0.3)),
        Part(dl.Dropout2d(0.3), nn.Dropout2d(0.3)),
        Part(dl.GaussianNoise(0.1), lambda x: x + 0.1 * torch.randn_like(x)),
        Part(
            dl.DropPath(0.3),
            lambda x: x * ((torch.rand(len(x), 1, 1, 1) >= 0.3) / 0.7),
        ),
    ]


def others() -> list[Part]:
    """Return what changes shapes and joins."""
    nearest = nn.Upsample(scale_factor=2, mode="nearest")
    bilinear = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return [
        Part(dl.Pad(2), lambda x: F.pad(x, (2, 2, 2, 2))),
        Part(dl.Pad(2, mode="reflect"), lambda x: F.pad(x, (2, 2, 2, 2), mode="reflect")),
        Part(dl.Pad(2, mode="edge"), lambda x: F.pad(x, (2, 2, 2, 2), mode="replicate")),
        Part(dl.Upsample(2), nearest, ((14, 14, 16),)),
        Part(dl.Upsample(2, mode="bilinear"), bilinear, ((14, 14, 16),)),
        Part(dl.Add(), lambda a, b: a + b, (IMAGE, IMAGE)),
        Part(dl.Multiply(), lambda a, b: a * b, (IMAGE, IMAGE)),
        Part(dl.Multiply(), lambda a, b: a * b, (IMAGE, (1, 1, 16))),
        Part(dl.Concatenate(), lambda a, b: torch.cat([a, b], 1), (IMAGE, IMAGE)),
    ]


def engine_step(part: Part, xs: list[Array], rng: np.random.Generator) -> tuple[Call, Shape]:
    """Return a function that runs a module forward and backward, and the output's shape."""
    names = [f"x{index}" for index in range(len(xs))]
    graph = dl.Graph(dict(zip(names, part.shapes)))
    graph.add("part", part.module, *names)
    (leaf,), output = unfold(graph, part.shapes)
    wanted: list[int | str] = [*range(len(xs)), *(path.split(".")[1] for path in graph.trainable)]
    task = Task(leaf, graph.arrays, frozenset(wanted), frozenset())
    (stage,) = divide([task], output, BATCH, graph.dtype, True)
    cut = shards(BATCH)
    memory = Memory(graph.dtype)
    stage.lay_out(memory, cut)
    memory.clear()
    memory = Memory(graph.dtype, memory.sizes)
    pieces = [[np.ascontiguousarray(inward(x[rows])) for x in xs] for rows in cut]
    whole = rng.standard_normal((BATCH, *leaf.shape)).astype(np.float32)
    owed = [np.ascontiguousarray(inward(whole[rows])) for rows in cut]
    given = [np.empty_like(dy) for dy in owed]  # which the part may overwrite

    def program(member: Member, numbers: tuple[int, ...]) -> None:
        run = Pass(member, memory, cut, True)
        for shard in run.mine:
            run.values[shard] = dict(enumerate(pieces[shard]))
        stage.forward(run)
        for shard in run.mine:
            np.copyto(given[shard], owed[shard])
            run.owe(shard, output, given[shard])
        stage.backward(run)

    return lambda: Solo(program).run(), leaf.shape


def twin_step(part: Part, xs: list[Array], shape: Shape, rng: np.random.Generator) -> Call:
    """Return a function that runs the twin forward and backward."""
    inputs = [part.tensor(x).requires_grad_() for x in xs]
    dy = part.tensor(rng.standard_normal((BATCH, *shape)).astype(np.float32))

    def step() -> None:
        for tensor in inputs:
            tensor.grad = None
        if isinstance(part.twin, nn.Module):
            part.twin.zero_grad()
        part.twin(*inputs).backward(dy)

    return step


def measured(part: Part, rounds: int) -> Figures:
    """Race a part against its twin."""
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((BATCH, *shape)).astype(np.float32) for shape in part.shapes]
    ours, shape = engine_step(part, xs, rng)
    return race(ours, twin_step(part, xs, shape, rng), rounds)


def name(part: Part) -> str:
    """Return a module with the options that are not its defaults."""
    plain = part.module.__signature__.parameters
    given = [
        f"{field}={value!r}"
        for field, value in part.module.fields().items()
        if value != plain[field].default
    ]
    shapes = " and ".join("x".join(map(str, shape)) for shape in part.shapes)
    return f"{type(part.module).__name__}({', '.join(given)}) {shapes}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure each part next to PyTorch's.")
    parser.add_argument("--rounds", type=int, default=15, help="times each side is timed (15)")
    parser.add_argument("--only", default="", metavar="TEXT", help="parts whose names match")
    args = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    print(f"{'part':60} {'ms':>8} {'PyTorch':>8} {'ratio':>6}")
    with BlasThreads().held_to_one():
        for part in parts():
            if re.search(args.only, name(part)):
                figures = measured(part, args.rounds)
                worst = max(worst, figures.ratio or 0.0)
                line = f"{figures.minidl:8.2f} {figures.pytorch:8.2f} {figures.ratio:6.2f}"
                print(f"{name(part):60} {line}", flush=True)
    print(f"largest ratio {worst:.2f}, limit {LIMIT}")


if __name__ == "__main__":
    main()
