"""Updates: gradients added up in a fixed order, and the optimizer's step, tile by tile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from minidl.engine.crew import shared
from minidl.engine.cut import tiles
from minidl.engine.passes import Pass
from minidl.engine.stages import Stage
from minidl.graph import Graph
from minidl.optim import Optimizer
from minidl.optim.clipping import clip_by_value, norm_scale, sum_of_squares
from minidl.types import Array

TILE = 1 << 16
"""How many elements of an array are updated at a time: what belongs to them stays in cache."""


class Updates:
    """The end of a training step: members take tiles, add gradients up, and update arrays."""

    def __init__(self, model: Graph, optimizer: Optimizer, stages: Sequence[Stage]) -> None:
        self._optimizer, self._arrays = optimizer, model.arrays
        self._parts: dict[str, list[Array]] = {
            path: [] for path in model.arrays if path in model.trainable
        }
        for stage in stages:
            for path, parts in stage.partial:
                self._parts[path].append(parts.reshape(len(parts), -1))
        self._which = optimizer.assigned(self._parts, model.arrays)
        state = optimizer.state
        self._missed = {path: state.steps - state.updates.get(path, 0) for path in self._parts}
        self._work = [
            (path, tile) for path in self._parts for tile in self._tiles(path, model.arrays[path])
        ]
        self._squares = shared((len(self._work),), np.float64)

    def _tiles(self, path: str, array: Array) -> list[slice]:
        part = self._optimizer.parts[self._which[path]]
        return tiles(array.size, TILE if part.elementwise else array.size)

    def apply(self, run: Pass, rates: Sequence[float]) -> None:
        """Update this member's tiles, by the rate of each part of the optimizer."""
        mine = run.member.share(len(self._work))
        # One after the other, while what belongs to a tile is in cache.
        totals: Iterable[tuple[int, Array]] = ((index, self._total(index, run)) for index in mine)
        if self._optimizer.clip_norm is not None:
            totals = list(totals)
            self._shrink(totals, run, self._optimizer.clip_norm)
        for index, gradient in totals:
            self._update(index, gradient, rates, run)

    def _total(self, index: int, run: Pass) -> Array:
        """Return some elements of the gradient: the sum over leaves, and over their shards.

        It lies in the memory of the first shard's, and is clipped by value.
        """
        path, tile = self._work[index]
        rows = [row for parts in self._parts[path] for row in parts[: len(run.cut)]]
        total: Array = rows[0][tile]
        for row in rows[1:]:
            total += row[tile]
        if self._optimizer.clip_value is not None:
            clip_by_value(total, self._optimizer.clip_value)
        return total

    def _shrink(self, totals: Sequence[tuple[int, Array]], run: Pass, limit: float) -> None:
        """Bring the norm of all gradients down; every member adds the squares up alike."""
        for index, gradient in totals:
            self._squares[index] = sum_of_squares(gradient)
        run.member.wait()
        scale = norm_scale(float(self._squares.sum()), limit)
        for _, gradient in totals:
            gradient *= scale

    def _update(self, index: int, gradient: Array, rates: Sequence[float], run: Pass) -> None:
        path, tile = self._work[index]
        array, slots = self._arrays[path], self._optimizer.state.slots[path]
        part, rate = self._optimizer.parts[self._which[path]], rates[self._which[path]]
        step = run.step + 1 - self._missed[path]
        if len(gradient) == array.size:  # in its own shape: not all can do without
            part.update(array, gradient.reshape(array.shape), slots, rate, step)
            return
        pieces = {name: slot.reshape(-1)[tile] for name, slot in slots.items()}
        part.update(array.reshape(-1)[tile], gradient, pieces, rate, step)


def remembered(model: Graph, optimizer: Optimizer) -> int:
    """Return how many bytes an optimizer remembers of what a model trains."""
    which = optimizer.assigned(model.trainable, model.arrays)
    slots = [len(part.slots) for part in optimizer.parts]
    return sum(slots[index] * model.arrays[path].nbytes for path, index in which.items())
