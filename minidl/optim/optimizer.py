"""Optimizer: what all of them share, and what they remember."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np

from minidl.checks import positive
from minidl.optim.clipping import clip_by_value, norm_scale, sum_of_squares
from minidl.record import Record
from minidl.schedules import Schedule, as_schedule
from minidl.types import Array, Arrays


class OptimizerState:
    """What an optimizer remembers: how many steps it took, and each array's slots by path.

    ``updates`` counts the updates of each array: one that was frozen has had fewer than ``steps``.
    ``total`` is the number of steps that its schedule is stretched over, from step ``start`` on;
    ``Trainer.fit`` sets both. The rate is ``factor`` times what the schedule says.
    """

    def __init__(self) -> None:
        self.steps = self.start = 0
        self.total: int | None = None
        self.factor = 1.0
        self.slots: dict[str, dict[str, Array]] = {}
        self.updates: dict[str, int] = {}

    def advance(self, paths: Collection[str]) -> None:
        """Count a step, and an update of each of these arrays."""
        self.steps += 1
        for path in paths:
            self.updates[path] = self.updates.get(path, 0) + 1


class Optimizer(Record):
    """Hyper-parameters, and how one array changes from its gradient.

    Parameters
    ----------
    lr : float or Schedule
        The learning rate; the only one that may be given without its name.
    clip_value : float, optional
        The largest absolute value of a gradient's elements; larger ones are cut off.
    clip_norm : float, optional
        The largest norm of all gradients of a step taken together; where it is larger, all shrink
        by one factor, ``clip_norm / (norm + 1e-6)``. After ``clip_value``, and like it before
        weight decay. PyTorch's ``clip_grad_value_`` and ``clip_grad_norm_``, Keras's ``clipvalue``
        and ``global_clipnorm`` (its ``clipnorm`` takes each array by itself).
    """

    positional: ClassVar[int | None] = 1

    lr: float | Schedule
    clip_value: float | None = None
    clip_norm: float | None = None

    elementwise: ClassVar[bool] = True
    """Whether each element changes by itself, so that an array may be updated in pieces."""

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Schedule):
            positive("lr", self.lr)
        for name in ("clip_value", "clip_norm"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        self.__dict__["_state"] = OptimizerState()

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of what is remembered of each array, in arrays of its shape."""
        return ()

    def first(self, slot: str) -> float:
        """Return the number that a slot is filled with at first."""
        return 0.0

    @property
    def state(self) -> OptimizerState:
        """What is remembered, which ``step`` advances."""
        state: OptimizerState = self.__dict__["_state"]
        return state

    @property
    def parts(self) -> tuple[Optimizer, ...]:
        """The optimizers that do the work, which share this one's state: itself alone."""
        return (self,)

    def assigned(self, paths: Collection[str], arrays: Arrays) -> dict[str, int]:
        """Return which of ``parts`` updates each of some paths among those of ``arrays``."""
        return dict.fromkeys(paths, 0)

    def rate(self) -> float:
        """Return the learning rate of the next step.

        Raises ``ValueError`` where a schedule does not know over how many steps to stretch.
        """
        if isinstance(self.lr, Schedule) and self.state.total is None:
            raise ValueError(
                f"{self.lr} needs to know the number of steps: set optimizer.state.total (fit does"
                " so itself)"
            )
        step, total = self.state.steps - self.state.start, self.state.total or 0
        return self.state.factor * as_schedule(self.lr).value(step, total)

    def step(self, arrays: Arrays, grads: Arrays) -> None:
        """Change every array that has a gradient, in place; others stay."""
        for path, grad in grads.items():
            if grad.shape != arrays[path].shape:
                raise ValueError(
                    f"{path} has shape {arrays[path].shape}, got a gradient of {grad.shape}"
                )
        parts, which = self.parts, self.assigned(grads, arrays)
        rates = [part.rate() for part in parts]
        clipped = self._clipped({path: _like(grad, arrays[path]) for path, grad in grads.items()})
        self.state.advance(grads)
        for path, grad in clipped.items():
            array, index = arrays[path], which[path]
            slots = parts[index].remember(path, array)
            parts[index].update(array, grad, slots, rates[index], self.state.updates[path])

    def _clipped(self, grads: dict[str, Array]) -> dict[str, Array]:
        """Return gradients that are held within the limits, in new arrays."""
        if self.clip_value is None and self.clip_norm is None:
            return grads
        grads = {path: grad.copy() for path, grad in grads.items()}
        if self.clip_value is not None:
            for grad in grads.values():
                clip_by_value(grad, self.clip_value)
        if self.clip_norm is not None:
            scale = norm_scale(sum(map(sum_of_squares, grads.values())), self.clip_norm)
            for grad in grads.values():
                grad *= scale
        return grads

    def remember(self, path: str, array: Array) -> dict[str, Array]:
        """Return the slots of an array, made where there are none yet."""
        kept = self.state.slots.setdefault(path, {})
        for name in self.slots:
            if name not in kept:
                kept[name] = np.full_like(array, self.first(name))
        return kept

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        """Change ``array`` and its ``slots`` in place, not ``grad``.

        ``step`` says which update of this array it is, from 1 on.
        """
        raise NotImplementedError(f"{type(self).__name__} should define update")


def _like(grad: Array, array: Array) -> Array:
    """Return a gradient in its array's type: integers would wrap when they are squared."""
    return grad.astype(array.dtype, copy=False)
