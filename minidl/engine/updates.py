"""Updates: gradients added up in a fixed order, and the optimizer's step, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidl.engine.cut import tiles
from minidl.engine.passes import Pass
from minidl.engine.stages import Stage
from minidl.graph import Graph
from minidl.optim import Optimizer
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
        self._work = [
            (path, tile) for path in self._parts for tile in self._tiles(model.arrays[path].size)
        ]

    def _tiles(self, size: int) -> list[slice]:
        return tiles(size, TILE if self._optimizer.elementwise else size)

    def _total(self, path: str, tile: slice, count: int, run: Pass) -> Array:
        """Return some elements of the gradient: the sum over leaves, and over their shards."""
        pieces = [row[tile] for parts in self._parts[path] for row in parts[:count]]
        if len(pieces) == 1:
            alone: Array = pieces[0]
            return alone
        total = run.memory.scratch("total", (tile.stop - tile.start,))
        np.add(pieces[0], pieces[1], out=total)
        for piece in pieces[2:]:
            total += piece
        return total

    def apply(self, run: Pass, rate: float) -> None:
        """Update this member's tiles."""
        for index in run.member.share(len(self._work)):
            path, tile = self._work[index]
            gradient = self._total(path, tile, len(run.cut), run)
            array, slots = self._arrays[path], self._optimizer.state.slots[path]
            if tile.stop - tile.start == array.size:  # in its own shape: not all can do without
                gradient = gradient.reshape(array.shape)
                self._optimizer.update(array, gradient, slots, rate, run.step + 1)
                continue
            pieces = {name: slot.reshape(-1)[tile] for name, slot in slots.items()}
            self._optimizer.update(array.reshape(-1)[tile], gradient, pieces, rate, run.step + 1)
