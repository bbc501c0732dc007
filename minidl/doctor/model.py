"""The model by itself: what its nodes say before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from minidl.doctor.case import LOGITS, PLAIN, REGRESSIONS, Case
from minidl.doctor.finding import Finding
from minidl.engine.leaves import Leaf
from minidl.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    HardSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from minidl.losses import SoftmaxCrossEntropy

PROBABILITIES: Final = (Softmax, Sigmoid, HardSigmoid)
BOUNDED: Final = (ReLU, Softplus, Tanh, Softsign)
"""Activations that keep logits from one side, or small."""

RANGES: Final = (
    (PROBABILITIES, 0.0, 1.0),
    ((Tanh, Softsign), -1.0, 1.0),
    ((ReLU, Softplus), 0.0, np.inf),
)


def kind(leaf: Leaf) -> str:
    """Return what a leaf's module is called."""
    return type(leaf.module).__name__


def name(leaf: Leaf) -> str:
    """Return the path of a leaf's node."""
    return leaf.path[:-1]


def output_activation(case: Case) -> Iterator[Finding]:
    """Look for an activation between the last layer and a loss that takes logits."""
    last, loss = case.last, type(case.loss).__name__
    if last is None or not isinstance(case.loss, LOGITS):
        return
    own = "softmax" if isinstance(case.loss, SoftmaxCrossEntropy) else "sigmoid"
    fix = f"remove {kind(last)}: {loss} takes logits"
    if isinstance(last.module, PROBABILITIES):
        seen = f"the model ends in {kind(last)}, and {loss} applies a {own} itself"
        yield Finding(f"{kind(last).lower()} before the loss", name(last), seen, fix, "error")
    elif isinstance(last.module, LogSoftmax):
        seen = f"the model ends in LogSoftmax, and {loss} applies a {own} itself"
        yield Finding("logsoftmax before the loss", name(last), seen, fix)
    elif isinstance(last.module, BOUNDED):
        seen = f"the model ends in {kind(last)}, which keeps logits from being what they want"
        yield Finding("an activation on the logits", name(last), seen, fix)


def unreachable_targets(case: Case) -> Iterator[Finding]:
    """Look for targets of a regression that the last activation cannot put out."""
    last, targets = case.last, case.data.targets
    if last is None or not isinstance(case.loss, REGRESSIONS):
        return
    for kinds, low, high in RANGES:
        outside = (targets < low) | (targets > high)
        if isinstance(last.module, kinds) and outside.any():
            seen = f"{outside.mean():.0%} of the targets lie outside what {kind(last)} puts out"
            fix = f"remove {kind(last)} at the end, or scale the targets into its range"
            yield Finding("targets out of reach", name(last), seen, fix, "error")


def linear_stack(case: Case) -> Iterator[Finding]:
    """Look for two layers with weights and nothing but plain modules between them.

    Left alone: what is common on purpose. A grouped convolution before a pointwise one (a separable
    convolution), a bottleneck (fewer values than on either side), a value that others read too.
    """
    for leaf in case.leaves:
        if not isinstance(leaf.module, (Dense, Conv2d)):
            continue
        before = case.behind(leaf.reads[0])
        if before is not None and _collapses(case, before, leaf):
            seen = f"{name(before)} and {name(leaf)} follow each other without an activation"
            fix = f"add ReLU() after {name(before)}: together they are but one linear layer"
            yield Finding("a missing activation", name(before), seen, fix)


def _collapses(case: Case, first: Leaf, second: Leaf) -> bool:
    """Say whether two layers are as one, and not on purpose."""
    if not isinstance(first.module, (Dense, Conv2d)) or getattr(first.module, "groups", 1) != 1:
        return False
    between = first
    while second not in (readers := case.readers(between.writes)):
        if len(readers) != 1 or not isinstance(readers[0].module, PLAIN):
            return False
        between = readers[0]
    sizes = [int(np.prod(shape)) for shape in (first.shapes[0], first.shape, second.shape)]
    return len(readers) == 1 and sizes[1] >= min(sizes[0], sizes[2])


def nothing_to_train(case: Case) -> Iterator[Finding]:
    """Look for a model of which nothing is trained."""
    if case.model.trainable:
        return
    if case.model.frozen:
        seen = f"all {case.model.parameter_count:,} parameters are frozen"
        yield Finding("nothing to train", "model", seen, 'model.unfreeze("*"), or a part', "error")
    else:
        seen = "the model has no parameters"
        yield Finding("nothing to train", "model", seen, "add a layer such as Dense", "error")


def double_precision(case: Case) -> Iterator[Finding]:
    """Look for a model that computes in float64."""
    if case.model.dtype == np.float64:
        seen = "the model computes in float64, twice as slowly and in twice the memory"
        yield Finding("float64", "model", seen, 'build it with dtype="float32"')


def batch_of_one(case: Case) -> Iterator[Finding]:
    """Look for batch norm that is given a batch of one sample, which has no spread."""
    frozen = case.model.frozen
    norms = [
        leaf
        for leaf in case.leaves
        if isinstance(leaf.module, BatchNorm)
        and not all(leaf.owner + each in frozen for each in leaf.module.parameters(*leaf.shapes))
    ]
    if not norms:
        return
    what, count, size = "batch norm of one sample", len(case.data), case.batch_size
    if size == 1:
        fix = "raise batch_size to 16 or more, or use GroupNorm"
        yield Finding(what, name(norms[0]), "batch_size is 1", fix, "error")
    elif count % size == 1:
        seen = f"{count:,} samples in batches of {size} leave a last batch of 1"
        fix = f"choose another batch_size, such as {_other(count, size)}, or drop a sample"
        yield Finding(what, name(norms[0]), seen, fix)


def _other(count: int, size: int) -> int:
    """Return the next larger batch size whose last batch is not of one sample."""
    return next(other for other in range(size + 1, count + 1) if count % other != 1)
