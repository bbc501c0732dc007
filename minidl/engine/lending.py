"""Lending: a model's arrays and an optimizer's memory, in shared memory while workers train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from minidl.engine.crew import shared
from minidl.graph import Graph
from minidl.optim import Optimizer
from minidl.types import Array


@contextmanager
def lent(model: Graph, optimizer: Optimizer | None) -> Iterator[None]:
    """Hold arrays and slots in memory that workers share; copy the values back at the end.

    Meanwhile ``model.arrays`` and the optimizer's state name the shared arrays. Afterwards each has
    its own again, so that no other process of the caller's can write into them.
    """
    owned = dict(model.arrays)
    copies = _copied(owned)
    try:
        for path, array in copies.items():
            model.arrays.create(path, array)
        with nullcontext() if optimizer is None else _slots_lent(model, optimizer):
            yield
    finally:
        for path, array in owned.items():
            array[...] = model.arrays[path]
            model.arrays.create(path, array)


@contextmanager
def _slots_lent(model: Graph, optimizer: Optimizer) -> Iterator[None]:
    kept = optimizer.state.slots
    which = optimizer.assigned(model.trainable, model.arrays)
    for path, index in which.items():
        optimizer.parts[index].remember(path, model.arrays[path])
    copies = {path: _copied(slots) for path, slots in kept.items()}
    try:
        optimizer.state.slots = copies
        yield
    finally:
        for path, slots in kept.items():
            for name, slot in slots.items():
                slot[...] = copies[path][name]
        optimizer.state.slots = kept


def _copied(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return copies in shared memory."""
    copies = {name: shared(array.shape, array.dtype) for name, array in arrays.items()}
    for name, copy in copies.items():
        copy[...] = arrays[name]
    return copies
