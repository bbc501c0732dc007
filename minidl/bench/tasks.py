"""What a child process does for a job: step, predict, and look at its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from minidl.bench import torch_twin
from minidl.bench.jobs import Job
from minidl.bench.memory import held
from minidl.bench.networks import build, image_shape
from minidl.bench.peak import sgemm_peak
from minidl.bench.timing import Call, Figures, race
from minidl.engine.program import TrainingProgram
from minidl.engine.workers import kind
from minidl.graph import Graph
from minidl.losses import SoftmaxCrossEntropy
from minidl.optim import SGD
from minidl.types import Array

Batches: TypeAlias = "list[tuple[Array, Array]]"

LR: Final = 0.001
MOMENTUM: Final = 0.9
MANY: Final = 256
"""How many images a large batch has in inference."""


def peak(job: Job) -> dict[str, object]:
    """Return the peak in GFLOP/s."""
    return {"gflops": sgemm_peak(job.threads)}


def races(job: Job) -> dict[str, object]:
    """Return the figures of a step and of inference, in ms."""
    model = build(job.network)
    found = {"step": _step_race(job, model)}
    for name, count in (("one", 1), ("many", MANY)):
        found[name] = _inference_race(job, model, count)
    return {name: list(figures) for name, figures in found.items()}


def _step_race(job: Job, model: Graph) -> Figures:
    batches = _batches(model, job.batch)
    with _steps(job, model, batches) as ours:
        theirs = _their_steps(job, model, batches) if job.torch else None
        return race(ours, theirs, job.rounds)


def _inference_race(job: Job, model: Graph, count: int) -> Figures:
    x = _batches(model, count)[0][0]
    theirs = None
    if job.torch:
        twin = torch_twin.Twin(model, job.threads, LR, MOMENTUM).evaluating()
        images = torch_twin.images(x)

        def theirs() -> object:
            return twin.predict(images)

    return race(lambda: model.predict(x, batch_size=count), theirs, job.rounds)


def memory(job: Job) -> dict[str, object]:
    """Return the megabytes that a step holds above what the imports do, and those."""
    if job.torch:
        torch_twin.version()  # imports it
    before = held()
    if before is None:
        return {"megabytes": None, "imports": None}
    with _their_side(job) if job.torch else _our_side(job) as step:
        sizes = [held() or 0.0 for _ in range(4) if step() is not None]
    return {"megabytes": max(sizes) - before, "imports": before}


@contextmanager
def _our_side(job: Job) -> Iterator[Call]:
    model = build(job.network)
    with _steps(job, model, _batches(model, job.batch)) as step:
        yield step


@contextmanager
def _their_side(job: Job) -> Iterator[Call]:
    model = build(job.network)
    yield _their_steps(job, model, _batches(model, job.batch))


@contextmanager
def _steps(job: Job, model: Graph, batches: Batches) -> Iterator[Call]:
    """Give a function that takes minidl's next training step."""
    loss, optimizer = SoftmaxCrossEntropy(), SGD(LR, momentum=MOMENTUM)
    targets, feed = batches[0][1], cycle(batches)
    with TrainingProgram(
        model, loss, optimizer, job.batch, targets, job.workers, kind()
    ) as program:
        yield lambda: program.step(*next(feed), 0)


def _their_steps(job: Job, model: Graph, batches: Batches) -> Call:
    """Return a function that takes PyTorch's next training step, from the same weights."""
    twin = torch_twin.Twin(model, job.threads, LR, MOMENTUM)
    feed = cycle([(torch_twin.images(x), torch_twin.labels(y)) for x, y in batches])
    return lambda: twin.step(*next(feed))


def _batches(model: Graph, batch: int) -> Batches:
    """Return a few batches of noise, which costs as much as pictures."""
    rng = np.random.default_rng(0)
    shape = (batch, *image_shape(model))
    return [
        (rng.random(shape, np.float32), rng.integers(0, 10, batch).astype(np.int64))
        for _ in range(4)
    ]


TASKS: Final[MappingProxyType[str, Callable[[Job], dict[str, object]]]] = MappingProxyType(
    {"peak": peak, "race": races, "memory": memory}
)
