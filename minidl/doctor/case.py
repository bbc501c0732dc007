"""Case: what the doctor looks at, and what several checks want to know of it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from minidl.checks import integer
from minidl.data import Data, Dataset, as_dataset, order
from minidl.doctor.hashing import hashes
from minidl.doctor.run import ShortRun, short_run, tried
from minidl.doctor.trace import Trace, trace
from minidl.engine import border
from minidl.engine.leaves import Leaf, unfold
from minidl.graph import Graph
from minidl.layers import (
    BatchNorm,
    Dropout,
    Dropout2d,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Normalize,
    Pad,
    Reshape,
)
from minidl.losses import (
    BinaryCrossEntropyWithLogits,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from minidl.optim import Optimizer
from minidl.shapes import ShapeError
from minidl.types import Array

SAMPLE = 2048  # samples that stand for all: a share in them is known to 1 or 2 %
TRACED = 256  # samples that activations and gradients are measured on
MOVED = 0.03  # of a loss: what a run has to gain, or it has learnt nothing; usual ones gain 0.3

PLAIN = (Flatten, Reshape, Pad, Dropout, Dropout2d)
"""Modules that leave values as they are, each by itself."""

LOGITS = (SoftmaxCrossEntropy, BinaryCrossEntropyWithLogits)
REGRESSIONS = (MeanSquaredError, MeanAbsoluteError, Huber)
NORMS = (Normalize, BatchNorm, LayerNorm, GroupNorm, InstanceNorm)


class Case:
    """A model, a loss, data and an optimizer, none of which is changed."""

    def __init__(
        self,
        model: Graph,
        loss: Loss,
        data: Data,
        optimizer: Optimizer | None,
        validation: Data | None,
        batch_size: int,
        seed: int,
    ) -> None:
        for value, what in ((model, Graph), (loss, Loss)):
            if not isinstance(value, what):
                raise TypeError(f"doctor takes (model, loss, data), got {value!r}")
        if not (optimizer is None or isinstance(optimizer, Optimizer)):
            raise TypeError(f"optimizer should be one such as SGD(0.1), got {optimizer!r}")
        shapes = border.input_shapes(model)
        if len(shapes) != 1:
            raise ValueError(
                f"doctor examines models of one input, this one has {', '.join(model.inputs)}"
            )
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.shape, self.output_shape = shapes[0], model.output_shape(*shapes)
        self.data = self._fitted(as_dataset(data))
        self.validation = None if validation is None else self._fitted(as_dataset(validation))
        self.batch_size = min(integer("batch_size", batch_size, low=1), len(self.data))
        self.seed = integer("seed", seed, low=0, high=2**64 - 1)
        self.leaves, self.output = unfold(model, shapes)

    def _fitted(self, data: Dataset) -> Dataset:
        try:
            inputs = border.fit_input(data.inputs, self.shape)
        except ShapeError as error:
            raise ShapeError(f"the data do not fit the model: {error}") from None
        return Dataset(inputs, data.targets, data.classes, data.name)

    # The data

    @cached_property
    def rows(self) -> Array:
        """The numbers of some samples, in an order that training might see them in."""
        return order(len(self.data), self.seed, 0)[:SAMPLE]

    @cached_property
    def inputs(self) -> Array:
        """The inputs of these samples as the model computes in them."""
        return border.scaled(self.data.inputs[self.rows], self.model.dtype)

    @cached_property
    def hashes(self) -> Array:
        """A number for each sample of the data, equal where samples are."""
        return hashes(self.data.inputs)

    @property
    def raw(self) -> bool:
        """Whether inputs reach the first layer with weights as they are, not normalised."""
        return not any(isinstance(leaf.module, NORMS) for leaf in self.first_leaves())

    @cached_property
    def labels(self) -> Array | None:
        """Each target as a class number; None where the targets are no classes."""
        targets = self.data.targets
        if isinstance(self.loss, SoftmaxCrossEntropy):
            if targets.shape[1:] == self.output_shape:  # rows of probabilities
                found: Array = targets.argmax(axis=-1)
                return found
            return targets if targets.dtype == np.int64 else None
        if isinstance(self.loss, BinaryCrossEntropyWithLogits) and targets[0].size == 1:
            flat = targets.ravel()
            return flat.astype(np.int64) if np.isin(flat, (0, 1)).all() else None
        return None

    # The model

    def readers(self, value: int) -> list[Leaf]:
        """Return the leaves that read a value."""
        return [leaf for leaf in self.leaves if value in leaf.reads]

    def writer(self, value: int) -> Leaf | None:
        """Return the leaf that writes a value; None where it is an input."""
        return next((leaf for leaf in self.leaves if leaf.writes == value), None)

    def first_leaves(self) -> list[Leaf]:
        """Return the leaves that read the input, plain ones in between left out."""
        found, waiting = [], [0]
        while waiting:
            for leaf in self.readers(waiting.pop()):
                if isinstance(leaf.module, PLAIN):
                    waiting.append(leaf.writes)
                else:
                    found.append(leaf)
        return found

    @cached_property
    def last(self) -> Leaf | None:
        """The leaf whose values are put out, plain ones after it left out."""
        return self.behind(self.output)

    def behind(self, value: int) -> Leaf | None:
        """Return the leaf that a value comes from, plain ones in between left out."""
        leaf = self.writer(value)
        while leaf is not None and isinstance(leaf.module, PLAIN):
            leaf = self.writer(leaf.reads[0])
        return leaf

    # The first steps

    @cached_property
    def targets(self) -> Array:
        """The targets of ``rows`` as the loss wants them."""
        return self.loss.check(self.data.targets[self.rows], self.output_shape)

    def check_targets(self) -> None:
        """Raise ``ValueError`` where the targets are none for the loss and the model."""
        self.loss.check(self.data.targets, self.output_shape)

    @cached_property
    def start(self) -> Trace:
        """A step of training, before anything changes."""
        return self._traced(self.model, TRACED)

    @cached_property
    def after(self) -> Trace | None:
        """A step after a short run; None where the run got nowhere, or there is none."""
        if self.run is None or not self.run.last < (1 - MOVED) * self.nothing:
            return None
        return self._traced(self.run.model, TRACED)

    @cached_property
    def first(self) -> float:
        """The loss before a short run, of the samples that it takes."""
        if self.tried == len(self.start.output):
            return self.start.loss
        return self._traced(self.model, self.tried).loss

    @property
    def tried(self) -> int:
        """How many samples a short run takes."""
        size, count = tried(self.batch_size, len(self.inputs))
        return size * count

    def _traced(self, model: Graph, samples: int) -> Trace:
        return trace(model, self.loss, self.inputs[:samples], self.targets[:samples], self.seed)

    def knowing_nothing(self, samples: int) -> float | None:
        """Return the loss of equal logits, or of the targets' mean, for the first samples.

        None for losses of one's own.
        """
        target = self.targets[:samples]
        output = np.zeros((len(target), *self.output_shape), self.model.dtype)
        if isinstance(self.loss, REGRESSIONS):
            output += target.mean(axis=0)
        elif not isinstance(self.loss, LOGITS):
            return None
        return self.loss(output, target)[0]

    @property
    def nothing(self) -> float:
        """The loss that a short run has to come below before it has learnt something."""
        known = self.knowing_nothing(self.tried)
        return self.first if known is None else min(self.first, known)

    @cached_property
    def run(self) -> ShortRun | None:
        """A short run at the given rate; None without an optimizer, or with nothing to train."""
        return self.ran(1.0) if self.optimizer is not None and self.model.trainable else None

    def ran(self, scale: float) -> ShortRun:
        """Return a short run at ``scale`` times the rate."""
        if self.optimizer is None:
            raise ValueError("a run needs an optimizer")
        return short_run(
            self.model,
            self.loss,
            self.optimizer,
            (self.inputs, self.targets),
            batch_size=self.batch_size,
            scale=scale,
            seed=self.seed,
        )
